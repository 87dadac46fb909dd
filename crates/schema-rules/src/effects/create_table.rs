//! `CREATE TABLE` and `CREATE TABLE AS`.
//!
//! Source: `transformCreateStmt` in `src/backend/parser/parse_utilcmd.c`, `DefineRelation` and `MergeAttributes` in
//! `src/backend/commands/tablecmds.c`, `ExecCreateTableAs` in `createas.c`. The server turns one statement into
//! several: sequences of serial columns first, then the table, its CHECKs, its indexes (the primary key's first),
//! its foreign keys, and the ownership of the sequences.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    self, ColumnConstraintKind, ColumnDef, ConstraintAttributes, CreateTable, CreateTableAs, Expr, ExprKind,
    FunctionCall, LikeClause, Literal, SequenceOption, Statement, TableConstraint, TableConstraintKind,
};

use super::condition::Condition;
use super::constraint::Adding;
use super::index::{IndexBuild, IndexSpec, options};
use super::partition::{bound, bound_conjuncts, expr};
use super::queue::Queue;
use super::run::{Outcome, Run};
use super::{ScanReason, WorkKind};
use crate::catalog::{
    Column, ColumnNumber, ColumnType, ConstraintKind, DependencyKind, Generated, Identity, IndexKeyValue,
    Name, ObjectAddress, ObjectClass, PartitionBound, PartitionKey, PartitionStrategy, Persistence, Relation,
    RelationId, RelationKind, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::{conjuncts, refutes};
use crate::version::PgVersion;

/// A sequence that a column brings along.
pub(super) struct OwnedSequence {
    pub(super) sequence: RelationId,
    pub(super) identity: bool,
}

impl Run<'_> {
    pub(super) fn create_table(&mut self, statement: &CreateTable) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let parents = self.lock_parents(statement)?;
        let id = self.catalog.new_relation_id();
        let mut table = Relation::new(id, schema.clone(), name, RelationKind::Table);
        table.persistence = persistence(statement.persistence);
        table.options = options(&statement.options);
        table.tablespace = statement.tablespace.as_deref().map(Name::from);
        table.access_method = statement.access_method.as_deref().map(Name::from);
        if statement.foreign {
            table.kind = RelationKind::ForeignTable;
        }
        for parent in &parents {
            self.inherit_columns(&mut table, *parent)?;
        }
        for like in &statement.likes {
            self.copy_columns(&mut table, like)?;
        }
        let mut sequences = Vec::new();
        for column in &statement.columns {
            self.define_column(&mut table, column, &mut sequences)?;
        }
        if let Some(by) = &statement.partition_by {
            table.kind = self.partition_key(&table, by)?;
        }
        if let Some(part) = &statement.partition_of {
            let bound = bound(&part.bound);
            if let Some(parent) = parents.first() {
                self.bound_is_free(&self.relation(*parent), &table.name, &bound)?;
            }
            table.partition_bound = Some(Rc::new(bound));
        }
        self.known_options(&table, &statement.options)?;
        self.create_relation(table);
        self.inherit_from_parents(id, &parents, statement)?;
        self.column_dependencies(id);
        self.add_table_constraints(id, statement)?;
        for owned in &sequences {
            self.own_sequence(owned);
        }
        for like in &statement.likes {
            self.copy_constraints_and_indexes(id, like)?;
        }
        for parent in &parents {
            self.copy_from_partitioned(id, *parent)?;
        }
        Ok(())
    }

    /// A partition needs its parent to itself; an inheritance child only keeps others from altering it.
    fn lock_parents(&mut self, statement: &CreateTable) -> Outcome<Vec<RelationId>> {
        let mut parents = Vec::new();
        if let Some(part) = &statement.partition_of {
            let parent = self.open(&part.parent, LockMode::AccessExclusive)?;
            if parent.partition_key().is_none() && !parent.assumed {
                return Err(SqlError::new(
                    sqlstate::INVALID_OBJECT_DEFINITION,
                    format!("\"{}\" is not partitioned", parent.name),
                ));
            }
            parents.push(parent.id);
            if let Some(default) = self.default_partition(parent.id) {
                if matches!(part.bound, ast::PartitionBound::Default) {
                    return Err(self.second_default(statement.name.name.as_str(), default));
                }
                self.lock(default, LockMode::AccessExclusive);
            }
        }
        for name in &statement.inherits {
            parents.push(self.open(name, LockMode::ShareUpdateExclusive)?.id);
        }
        Ok(parents)
    }

    pub(super) fn second_default(&self, partition: &str, default: RelationId) -> SqlError {
        let name = self.relation(default).name.clone();
        SqlError::new(
            sqlstate::INVALID_OBJECT_DEFINITION,
            format!("partition \"{partition}\" conflicts with existing default partition \"{name}\""),
        )
    }

    fn inherit_columns(&mut self, table: &mut Relation, parent: RelationId) -> Outcome {
        let parent = self.relation(parent);
        for column in parent.live_columns() {
            if let Some(existing) = table.columns.iter_mut().find(|c| c.name == column.name) {
                existing.inherited += 1;
                existing.not_null |= column.not_null;
                continue;
            }
            let identity = if parent.partition_key().is_some() && self.version >= PgVersion::V17 {
                column.identity
            } else {
                None
            };
            table.columns.push(Column {
                number: table.next_column_number(),
                inherited: 1,
                local: false,
                has_missing: false,
                identity,
                ..column.clone()
            });
        }
        Ok(())
    }

    /// `LIKE`: names, types and NOT NULL always, the rest as asked for.
    fn copy_columns(&mut self, table: &mut Relation, like: &LikeClause) -> Outcome {
        let source = self.open(&like.table, LockMode::AccessShare)?;
        for column in source.live_columns() {
            if table.column(&column.name).is_some() {
                return Err(duplicate_column(&column.name));
            }
            table.columns.push(Column {
                number: table.next_column_number(),
                default: column.default.clone().filter(|_| like.includes("defaults")),
                generated: column.generated.clone().filter(|_| like.includes("generated")),
                identity: None,
                has_missing: false,
                inherited: 0,
                local: true,
                ..column.clone()
            });
        }
        Ok(())
    }

    /// Adds a column as its definition says, with the sequence that it may need.
    fn define_column(
        &mut self,
        table: &mut Relation,
        definition: &ColumnDef,
        sequences: &mut Vec<OwnedSequence>,
    ) -> Outcome {
        let name: Name = definition.name.as_str().into();
        let inherited = table
            .columns
            .iter()
            .position(|c| c.name == name && (c.inherited > 0 || definition.data_type.is_none()));
        if inherited.is_none() && table.column(&name).is_some() {
            return Err(duplicate_column(&name));
        }
        let number = inherited.map_or(table.next_column_number(), |at| table.columns[at].number);
        let mut column = match (inherited, &definition.data_type) {
            (Some(at), _) => Column { local: true, ..table.columns[at].clone() },
            (None, Some(written)) => Column::new(number, name.clone(), self.resolve_type(written)?),
            (None, None) => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{name}\" does not exist"),
                ));
            }
        };
        let owned = self.column_properties(&table.schema, &table.name, table.id, &mut column, definition)?;
        sequences.extend(owned);
        match inherited {
            Some(at) => table.columns[at] = column,
            None => table.columns.push(column),
        }
        Ok(())
    }

    /// What a column definition says besides name and type. Creates the sequence of a serial or identity column.
    pub(super) fn column_properties(
        &mut self,
        schema: &Name,
        table_name: &Name,
        table: RelationId,
        column: &mut Column,
        definition: &ColumnDef,
    ) -> Outcome<Option<OwnedSequence>> {
        column.collation = definition.collation.as_ref().map(|c| super::run::plain(c).as_str().into());
        let mut owned = None;
        if let Some(base) = definition.data_type.as_ref().and_then(|t| t.serial_base()) {
            let owner = (table, column.number);
            let sequence = self.new_owned_sequence(schema, table_name, &column.name, base, &[], owner)?;
            let full = format!("{schema}.{}", self.relation(sequence).name);
            let argument = expr(ExprKind::Literal(Literal::String(full)));
            column.default =
                Some(Rc::new(expr(ExprKind::Function(FunctionCall::plain("nextval", vec![argument])))));
            column.not_null = true;
            owned = Some(OwnedSequence { sequence, identity: false });
        }
        for constraint in &definition.constraints {
            match &constraint.kind {
                ColumnConstraintKind::NotNull | ColumnConstraintKind::PrimaryKey(_) => column.not_null = true,
                ColumnConstraintKind::Default(value) => {
                    self.default_fits(&column.data_type, value)?;
                    column.default = if is_null(value) { None } else { Some(Rc::new(value.clone())) };
                }
                ColumnConstraintKind::Generated { value, stored } => {
                    let message = "generation expression is not immutable";
                    let known = self.catalog.relation(table).cloned();
                    let scope = known.unwrap_or_else(|| {
                        Rc::new(Relation::new(table, schema.clone(), table_name.clone(), RelationKind::Table))
                    });
                    self.require_immutable(&scope, value, message)?;
                    column.generated =
                        Some(Generated { stored: *stored, expression: Rc::new(value.clone()) });
                }
                ColumnConstraintKind::Identity { always, options } => {
                    let base = column.data_type.builtin_name().unwrap_or("int8");
                    let owner = (table, column.number);
                    let sequence =
                        self.new_owned_sequence(schema, table_name, &column.name, base, options, owner)?;
                    column.identity = Some(Identity { always: *always, sequence });
                    column.not_null = true;
                    owned = Some(OwnedSequence { sequence, identity: true });
                }
                _ => {}
            }
        }
        Ok(owned)
    }

    fn new_owned_sequence(
        &mut self,
        schema: &Name,
        table_name: &Name,
        column: &str,
        base: &str,
        options: &[SequenceOption],
        owner: (RelationId, ColumnNumber),
    ) -> Outcome<RelationId> {
        if !matches!(base, "int2" | "int4" | "int8") {
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        let chosen = options.iter().find_map(|o| match o {
            SequenceOption::Name(name) => Some(Name::from(name.name.as_str())),
            _ => None,
        });
        let name = chosen.unwrap_or_else(|| self.choose_relation_name(schema, table_name, column, "seq"));
        let schema_object = self.catalog.schema(schema).map(|s| s.oid);
        if let Some(oid) = schema_object {
            self.lock_object(ObjectAddress::new(ObjectClass::Schema, oid), LockMode::AccessShare);
        }
        let sequence = self.sequence_definition(ColumnType::builtin(base), options)?;
        let sequence = crate::catalog::Sequence { owned_by: Some(owner), ..sequence };
        let id = self.catalog.new_relation_id();
        let relation = Relation::new(id, schema.clone(), name, RelationKind::Sequence(sequence));
        Ok(self.create_relation(relation))
    }

    /// Makes a column an identity column, with a new sequence.
    pub(super) fn new_identity(
        &mut self,
        table: RelationId,
        column: &Column,
        always: bool,
        options: &[SequenceOption],
    ) -> Outcome {
        let relation = self.relation(table);
        let base = column.data_type.builtin_name().unwrap_or("int8");
        let owner = (table, column.number);
        let (schema, name) = (relation.schema.clone(), relation.name.clone());
        let sequence = self.new_owned_sequence(&schema, &name, &column.name, base, options, owner)?;
        self.catalog.change_relation(table, |r| {
            for c in r.columns.iter_mut().filter(|c| c.number == column.number) {
                c.identity = Some(Identity { always, sequence });
            }
        });
        self.own_sequence(&OwnedSequence { sequence, identity: true });
        Ok(())
    }

    /// `ALTER SEQUENCE … OWNED BY` at the end of the statement.
    pub(super) fn own_sequence(&mut self, owned: &OwnedSequence) {
        self.lock(owned.sequence, LockMode::ShareRowExclusive);
        let owner = self.relation(owned.sequence).as_sequence().and_then(|s| s.owned_by);
        if let Some((table, column)) = owner {
            let kind = if owned.identity { DependencyKind::Internal } else { DependencyKind::Auto };
            let sequence = ObjectAddress::relation(owned.sequence);
            self.catalog.add_dependency(sequence, ObjectAddress::column(table, column), kind);
        }
    }

    fn partition_key(&mut self, table: &Relation, by: &ast::PartitionBy) -> Outcome<RelationKind> {
        let strategy = match by.strategy {
            ast::PartitionStrategy::Range => PartitionStrategy::Range,
            ast::PartitionStrategy::List => PartitionStrategy::List,
            ast::PartitionStrategy::Hash => PartitionStrategy::Hash,
        };
        let mut keys = Vec::new();
        for element in &by.keys {
            keys.push(match element.column() {
                Some(name) => match table.column(name) {
                    Some(column) => IndexKeyValue::Column(column.number),
                    None => {
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_COLUMN,
                            format!("column \"{name}\" named in partition key does not exist"),
                        ));
                    }
                },
                None => {
                    let message = "functions in partition key expression must be marked IMMUTABLE";
                    self.require_immutable(table, &element.value, message)?;
                    IndexKeyValue::Expression(Rc::new(element.value.clone()))
                }
            });
        }
        Ok(RelationKind::PartitionedTable(Rc::new(PartitionKey { strategy, keys })))
    }

    /// Enters the table below its parents, with their CHECKs. A new partition takes its rows away from the default.
    fn inherit_from_parents(
        &mut self,
        id: RelationId,
        parents: &[RelationId],
        statement: &CreateTable,
    ) -> Outcome {
        let kind =
            if statement.partition_of.is_some() { DependencyKind::Auto } else { DependencyKind::Normal };
        self.catalog.change_relation(id, |r| r.parents = parents.to_vec());
        for parent in parents {
            self.catalog.add_dependency(ObjectAddress::relation(id), ObjectAddress::relation(*parent), kind);
            let parent = self.relation(*parent);
            for constraint in &parent.constraints {
                if let ConstraintKind::Check(expression) = &constraint.kind
                    && !constraint.no_inherit
                {
                    let oid = self.catalog.new_oid();
                    let copy =
                        crate::catalog::Constraint { oid, inherited: 1, local: false, ..constraint.clone() };
                    self.catalog.change_relation(id, |r| r.constraints.push(copy));
                    let relation = self.relation(id);
                    self.check_dependencies(&relation, oid, expression);
                }
            }
            if let Some(bound) = self.relation(id).partition_bound.clone()
                && let Some(default) = self.default_partition(parent.id).filter(|d| *d != id)
            {
                self.check_default_partition(&parent, default, &bound)?;
            }
        }
        Ok(())
    }

    /// The default partition must not hold rows that the new one is for (`check_default_partition_contents`).
    pub(super) fn check_default_partition(
        &mut self,
        parent: &Relation,
        default: RelationId,
        bound: &Rc<PartitionBound>,
    ) -> Outcome {
        let relation = self.relation(default);
        if self.proves_outside(parent, &relation, bound) {
            return Ok(());
        }
        let condition =
            Condition::OutsideBound { relation: default, parent: parent.id, bound: bound.clone() };
        let otherwise = SqlError::new(
            sqlstate::CHECK_VIOLATION,
            format!(
                "updated partition constraint for default partition \"{}\" would be violated by some row",
                relation.name
            ),
        );
        self.scan(default, ScanReason::PartitionBound);
        self.check(condition, otherwise)
    }

    /// Whether a valid CHECK of the default partition keeps out what the bound takes.
    pub(super) fn proves_outside(
        &self,
        parent: &Relation,
        default: &Relation,
        bound: &PartitionBound,
    ) -> bool {
        let Some(key) = parent.partition_key() else { return false };
        let Some(parts) = bound_conjuncts(parent, key, bound) else { return false };
        default.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::Check(expression) => {
                c.validated
                    && c.enforced
                    && conjuncts(expression).into_iter().any(|part| refutes(part, &parts))
            }
            _ => false,
        })
    }

    /// What the columns of a new table need: types, functions, sequences.
    pub(super) fn column_dependencies(&mut self, id: RelationId) {
        let table = self.relation(id);
        for column in table.live_columns() {
            self.one_column_dependencies(&table, column);
        }
    }

    pub(super) fn one_column_dependencies(&mut self, table: &Relation, column: &Column) {
        let address = ObjectAddress::column(table.id, column.number);
        if let TypeId::User(oid) = column.data_type.id {
            let data_type = ObjectAddress::new(ObjectClass::Type, oid);
            self.catalog.add_dependency(address, data_type, DependencyKind::Normal);
        }
        self.default_dependencies(table, column);
    }

    pub(super) fn default_dependencies(&mut self, table: &Relation, column: &Column) {
        let address = ObjectAddress::column(table.id, column.number);
        let generated = column.generated.as_ref().map(|g| &g.expression);
        let Some(expression) = column.default.as_ref().or(generated) else { return };
        let default = ObjectAddress::default_of(table.id, column.number);
        self.catalog.add_dependency(default, address, DependencyKind::Auto);
        if column.generated.is_some() {
            for source in crate::expression::columns_of(table, expression) {
                let source = ObjectAddress::column(table.id, source);
                self.catalog.add_dependency(address, source, DependencyKind::Normal);
            }
        }
        self.expression_dependencies(default, table, expression, DependencyKind::Normal);
    }

    /// Constraints of columns and of the table, in the server's order: CHECKs, indexes with the primary key's first,
    /// foreign keys.
    fn add_table_constraints(&mut self, id: RelationId, statement: &CreateTable) -> Outcome {
        let mut all = Vec::new();
        for column in &statement.columns {
            all.extend(column_constraints(column));
        }
        all.extend(statement.constraints.iter().cloned());
        if self.version >= PgVersion::V18 {
            self.name_not_nulls(id, statement);
        }
        let adding = Adding { with_table: true, ..Adding::default() };
        let mut queue = Queue::default();
        for group in [Group::Check, Group::PrimaryKey, Group::OtherIndex, Group::ForeignKey] {
            for constraint in all.iter().filter(|c| Group::of(c) == group) {
                self.add_constraint(id, constraint, adding, &mut queue)?;
            }
        }
        Ok(())
    }

    fn name_not_nulls(&mut self, id: RelationId, statement: &CreateTable) {
        let table = self.relation(id);
        for column in table.live_columns().filter(|c| c.not_null) {
            let written = statement.columns.iter().find(|d| d.name.as_str() == &*column.name);
            let name = written.and_then(|d| {
                let not_null = d.constraints.iter().find(|c| matches!(c.kind, ColumnConstraintKind::NotNull));
                not_null.and_then(|c| c.name.as_deref().map(Name::from))
            });
            self.enter_not_null_constraint(id, column, name, true, 0);
        }
    }

    fn copy_constraints_and_indexes(&mut self, id: RelationId, like: &LikeClause) -> Outcome {
        let source = self.find(&like.table)?;
        let mut queue = Queue::default();
        let adding = Adding { with_table: true, ..Adding::default() };
        if like.includes("constraints") {
            for constraint in &source.constraints {
                if let ConstraintKind::Check(expression) = &constraint.kind {
                    let attributes =
                        ConstraintAttributes { no_inherit: constraint.no_inherit, ..Default::default() };
                    let name = Some(constraint.name.clone());
                    self.add_check(id, name, expression, attributes, adding, &mut queue)?;
                }
            }
        }
        if like.includes("identity") {
            self.copy_identities(id, &source)?;
        }
        if like.includes("indexes") {
            let indexes: Vec<Rc<Relation>> = self.catalog.indexes_of(source.id).cloned().collect();
            let (primary, rest): (Vec<_>, Vec<_>) =
                indexes.into_iter().partition(|i| i.as_index().is_some_and(|i| i.primary));
            for index in primary.into_iter().chain(rest) {
                self.copy_index(id, &source, &index, IndexBuild::default())?;
            }
        }
        Ok(())
    }

    fn copy_identities(&mut self, id: RelationId, source: &Relation) -> Outcome {
        let table = self.relation(id);
        for column in source.live_columns() {
            let Some(identity) = column.identity else { continue };
            let Some(own) = table.column(&column.name) else { continue };
            let base = own.data_type.builtin_name().unwrap_or("int8");
            let owner = (id, own.number);
            let sequence =
                self.new_owned_sequence(&table.schema, &table.name, &own.name, base, &[], owner)?;
            let number = own.number;
            self.catalog.change_relation(id, |r| {
                for c in r.columns.iter_mut().filter(|c| c.number == number) {
                    c.identity = Some(Identity { always: identity.always, sequence });
                }
            });
            self.own_sequence(&OwnedSequence { sequence, identity: true });
        }
        Ok(())
    }

    pub(super) fn copy_index(
        &mut self,
        table: RelationId,
        source: &Relation,
        index: &Relation,
        build: IndexBuild,
    ) -> Outcome<Option<RelationId>> {
        let Some(definition) = index.as_index() else { return Ok(None) };
        let constraint = definition.constraint.and_then(|oid| source.constraint_at(oid));
        let spec = IndexSpec::like(definition, constraint);
        let target = self.relation(table);
        let spec = self.translated(&spec, source, &target);
        self.define_index(table, spec, build).map(Some)
    }

    /// A new partition gets a part of each of its parent's indexes and foreign keys, and a copy of its row triggers.
    fn copy_from_partitioned(&mut self, id: RelationId, parent: RelationId) -> Outcome {
        let parent = self.relation(parent);
        if parent.partition_key().is_none() {
            return Ok(());
        }
        let indexes: Vec<Rc<Relation>> = self.catalog.indexes_of(parent.id).cloned().collect();
        for index in indexes {
            self.lock(index.id, LockMode::AccessShare);
            let constraint = index.as_index().and_then(|i| i.constraint);
            let build = IndexBuild { parent: Some((index.id, constraint)), ..IndexBuild::default() };
            self.copy_index(id, &parent, &index, build)?;
        }
        let mut queue = Queue::default();
        let adding = Adding { with_table: true, ..Adding::default() };
        self.clone_foreign_keys(id, &parent, adding, &mut queue);
        self.clone_triggers(id, &parent);
        Ok(())
    }

    pub(super) fn clone_triggers(&mut self, id: RelationId, parent: &Relation) {
        for trigger in parent.triggers.iter().filter(|t| t.definition.for_each_row) {
            let copy = crate::catalog::Trigger {
                oid: self.catalog.new_oid(),
                parent: Some(trigger.oid),
                ..trigger.clone()
            };
            self.lock(id, LockMode::ShareRowExclusive);
            self.enter_trigger(id, copy);
        }
    }

    /// Gives a partition its part of the parent's foreign keys, in both directions.
    pub(super) fn clone_foreign_keys(
        &mut self,
        id: RelationId,
        parent: &Relation,
        adding: Adding,
        queue: &mut Queue,
    ) {
        let child = self.relation(id);
        for (constraint, key) in parent.foreign_keys() {
            self.lock(key.referenced, LockMode::ShareRowExclusive);
            let part = self.translated_key(key, parent, &child);
            let name = match child.constraint(&constraint.name) {
                Some(_) => self.choose_constraint_name(&child, "", "fkey"),
                None => constraint.name.clone(),
            };
            let attributes = ConstraintAttributes {
                deferrable: Some(constraint.deferrable),
                initially_deferred: Some(constraint.initially_deferred),
                not_valid: !constraint.validated,
                enforced: Some(constraint.enforced),
                ..Default::default()
            };
            self.enter_foreign_key(id, &name, part, attributes, Some(constraint.oid), adding, queue);
        }
        let referencing: Vec<RelationId> =
            self.catalog.referencing(parent.id).map(|(owner, _, _)| owner.id).collect();
        for owner in referencing {
            self.lock(owner, LockMode::AccessShare);
        }
    }

    pub(super) fn create_table_as(&mut self, statement: &CreateTableAs) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let columns = match &*statement.source {
            Statement::Select(query) => self.query_columns(query, &statement.columns)?,
            other => {
                self.statement(other)?;
                Vec::new()
            }
        };
        let id = self.catalog.new_relation_id();
        let mut table = Relation::new(id, schema, name, RelationKind::Table);
        table.persistence = persistence(statement.persistence);
        table.columns = columns;
        table.options = options(&statement.options);
        if let Statement::Select(query) = &*statement.source {
            if statement.with_data {
                self.query(query)?;
            } else {
                self.lock_query(query)?;
            }
        }
        self.create_relation(table);
        self.column_dependencies(id);
        if statement.with_data {
            self.work(id, WorkKind::Query);
        }
        Ok(())
    }
}

/// The order in which the constraints of a new table are carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Check,
    PrimaryKey,
    OtherIndex,
    ForeignKey,
}

impl Group {
    fn of(constraint: &TableConstraint) -> Self {
        match constraint.kind {
            TableConstraintKind::Check(_) | TableConstraintKind::NotNull(_) => Self::Check,
            TableConstraintKind::PrimaryKey { .. } => Self::PrimaryKey,
            TableConstraintKind::Unique { .. } | TableConstraintKind::Exclude { .. } => Self::OtherIndex,
            TableConstraintKind::ForeignKey { .. } => Self::ForeignKey,
        }
    }
}

/// The constraints of a column as constraints of its table.
pub(super) fn column_constraints(column: &ColumnDef) -> Vec<TableConstraint> {
    column
        .constraints
        .iter()
        .filter_map(|constraint| {
            let columns = vec![column.name.clone()];
            let kind = match &constraint.kind {
                ColumnConstraintKind::Check(expression) => TableConstraintKind::Check(expression.clone()),
                ColumnConstraintKind::PrimaryKey(index) => {
                    TableConstraintKind::PrimaryKey { columns, index: index.clone() }
                }
                ColumnConstraintKind::Unique(index) => {
                    TableConstraintKind::Unique { columns, index: index.clone() }
                }
                ColumnConstraintKind::References(references) => {
                    TableConstraintKind::ForeignKey { columns, references: references.clone() }
                }
                _ => return None,
            };
            Some(TableConstraint {
                name: constraint.name.clone(),
                kind,
                attributes: constraint.attributes,
                range: constraint.range,
            })
        })
        .collect()
}

pub(super) fn persistence(written: ast::Persistence) -> Persistence {
    match written {
        ast::Persistence::Permanent => Persistence::Permanent,
        ast::Persistence::Temporary => Persistence::Temporary,
        ast::Persistence::Unlogged => Persistence::Unlogged,
    }
}

/// `DEFAULT NULL` is no default.
pub(super) fn is_null(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Literal(Literal::Null) => true,
        ExprKind::Cast { operand, .. } => is_null(operand),
        _ => false,
    }
}

fn duplicate_column(name: &str) -> SqlError {
    SqlError::new(sqlstate::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
}
