//! From a statement to the function that runs it.

use sql_syntax::ast::Statement;

use super::run::{Outcome, Run};
use super::syntax;
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) -> Outcome {
        syntax::require_version(statement, self.version)?;
        match statement {
            Statement::Select(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => self.merge(merge),
            Statement::Copy(copy) => self.copy(copy),
            Statement::Explain { analyze, statement } => self.explain(*analyze, statement),
            Statement::CreateTable(s) => self.create_table(s),
            Statement::CreateTableAs(s) => self.create_table_as(s),
            Statement::AlterTable(s) => self.alter_table(s),
            Statement::CreateIndex(s) => self.create_index(s),
            Statement::Reindex(s) => self.reindex(s),
            Statement::CreateView(s) => self.create_view(s),
            Statement::CreateMaterializedView(s) => self.create_materialized_view(s),
            Statement::RefreshMaterializedView(s) => self.refresh_materialized_view(s),
            Statement::CreateSequence(s) => self.create_sequence(s),
            Statement::AlterSequence(s) => self.alter_sequence(s),
            Statement::CreateType(s) => self.create_type(s),
            Statement::AlterType(s) => self.alter_type(s),
            Statement::CreateDomain(s) => self.create_domain(s),
            Statement::AlterDomain(s) => self.alter_domain(s),
            Statement::CreateSchema(s) => self.create_schema(s),
            Statement::CreateExtension { name, if_not_exists } => self.create_extension(name, *if_not_exists),
            Statement::CreateTrigger(s) => self.create_trigger(s),
            Statement::CreateFunction(s) => self.create_function(s),
            Statement::CreateRule(s) => self.create_rule(s),
            Statement::CreatePolicy { name, table, conditions } => {
                self.create_policy(name, table, conditions)
            }
            Statement::AlterPolicy { name, table, rename_to, conditions } => {
                self.alter_policy(name, table, rename_to.as_ref(), conditions)
            }
            Statement::CreateStatistics(s) => self.create_statistics(s),
            Statement::CreatePublication(s) => self.create_publication(s),
            Statement::AlterPublication(s) => self.alter_publication(s),
            Statement::AlterObject(s) => self.alter_object(s),
            Statement::Drop(s) => self.drop_objects(s),
            Statement::Comment(s) => self.comment(s),
            Statement::Grant(s) => self.grant(s),
            Statement::Truncate(s) => self.truncate(s),
            Statement::LockTable(s) => self.lock_table(s),
            Statement::Vacuum(s) => self.vacuum(s),
            Statement::Analyze(s) => self.analyze(s),
            Statement::Cluster(s) => self.cluster(s),
            Statement::Set(s) => self.set(s),
            Statement::Reset(name) => self.reset(name.as_deref()),
            Statement::Prepare { statement, .. } => self.prepared(statement),
            Statement::DeclareCursor { name, hold, query } => self.declare_cursor(name, *hold, query),
            Statement::Fetch { cursor, .. } => self.cursor_exists(cursor),
            Statement::CloseCursor(name) => self.close_cursor(name.as_ref()),
            Statement::Call(call) => self.call(call),
            Statement::Do(body) => self.run_block(body),
            Statement::MoveAll(s) => self.move_all(s),
            Statement::ReassignOwned { from, to } => self.reassign_owned(from, to),
            Statement::Execute { name, .. } => {
                self.not_modelled(
                    format!("EXECUTE {name}"),
                    "the prepared statement is not followed: no locks",
                );
                Ok(())
            }
            Statement::NotModelled { name } => {
                if let Some(known) = OUTSIDE_ONLY.iter().find(|known| **known == name.as_str()) {
                    self.outside_transaction(known)?;
                }
                if name == "SECURITY LABEL" && !self.session.assume_unknown {
                    return Err(SqlError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        "no security label providers have been loaded",
                    ));
                }
                let assumed = assumed_locks(name);
                self.not_modelled(name.clone(), assumed);
                if CATALOG_VERBS.iter().any(|verb| name.starts_with(verb)) {
                    self.work_on_catalogs();
                }
                Ok(())
            }
            Statement::Begin(_) => {
                self.begin();
                Ok(())
            }
            Statement::Commit { chain } | Statement::Rollback { chain } => {
                self.end(*chain);
                Ok(())
            }
            Statement::PrepareTransaction(_) => {
                self.end(false);
                Ok(())
            }
            Statement::Savepoint(name) => self.savepoint(name),
            Statement::RollbackTo(name) => self.back_to_savepoint(name, true),
            Statement::Release(name) => self.back_to_savepoint(name, false),
            Statement::SetTransaction { session, modes } => self.set_transaction(*session, modes),
            Statement::SetConstraints { names, deferred } => self.set_constraints(names, *deferred),
            Statement::Discard(what) if what == "ALL" => self.outside_transaction("DISCARD ALL"),
            Statement::Checkpoint
            | Statement::CommitPrepared(_)
            | Statement::RollbackPrepared(_)
            | Statement::Show(_)
            | Statement::Deallocate(_)
            | Statement::Discard(_)
            | Statement::Listen(_)
            | Statement::Unlisten(_)
            | Statement::Notify(_) => Ok(()),
        }
    }
}

/// Statements known by name that must not stand in a transaction block.
const OUTSIDE_ONLY: [&str; 5] =
    ["CREATE DATABASE", "DROP DATABASE", "CREATE TABLESPACE", "DROP TABLESPACE", "ALTER SYSTEM"];

/// How a statement begins that changes the catalogs, whatever it is about.
const CATALOG_VERBS: [&str; 6] = ["CREATE ", "ALTER ", "DROP ", "REASSIGN ", "SECURITY ", "IMPORT "];

/// What is taken for true of a statement that is known by name only.
fn assumed_locks(name: &str) -> String {
    let about_tables = ["TABLE", "INDEX", "VIEW", "SEQUENCE", "TRIGGER", "RULE"];
    if name.starts_with("ALTER") && about_tables.iter().any(|word| name.contains(word)) {
        format!("{name} would take ACCESS EXCLUSIVE on what it names; none is counted")
    } else {
        "no lock on any table".into()
    }
}
