//! Triggers, rules, policies and the functions that they call.
//!
//! Source: `CreateTrigger` in `src/backend/commands/trigger.c` (SHARE ROW EXCLUSIVE since 9.5), `DefineQueryRewrite` in
//! `src/backend/rewrite/rewriteDefine.c` and `CreatePolicy` in `policy.c` (ACCESS EXCLUSIVE).

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    CreateFunction, CreateRule, CreateTrigger, Expr, Ident, ObjectName, Statement, TriggerEvent,
    TriggerTiming,
};

use super::Step;
use super::condition::Condition;
use super::run::{Outcome, Run, plain};
use crate::catalog::{
    Change, DependencyKind, Function, Name, ObjectAddress, ObjectClass, Policy, Relation, RelationId,
    RelationKind, Rule, Trigger,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::columns_of;
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn create_trigger(&mut self, statement: &CreateTrigger) -> Outcome {
        if statement.or_replace && self.version < PgVersion::V14 {
            return Err(SqlError::syntax("TRIGGER"));
        }
        let table = self.open(&statement.table, LockMode::ShareRowExclusive)?;
        self.trigger_target(&table, statement)?;
        if let Some(from) = &statement.from {
            self.open(from, LockMode::AccessShare)?;
        }
        let existing = table.triggers.iter().find(|t| *t.name == *statement.name.text).map(|t| t.oid);
        if existing.is_some() && !statement.or_replace {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("trigger \"{}\" for relation \"{}\" already exists", statement.name.text, table.name),
            ));
        }
        let function = self.trigger_function(&statement.function)?;
        self.trigger_columns(&table, statement)?;
        let oid = existing.unwrap_or_else(|| self.catalog.new_oid());
        if existing.is_some() {
            self.catalog.change_relation(table.id, |r| r.triggers.retain(|t| t.oid != oid));
            self.catalog.forget_dependencies_of(ObjectAddress::new(ObjectClass::Trigger, oid));
        }
        let trigger = Trigger {
            oid,
            name: statement.name.as_str().into(),
            definition: Rc::new(statement.clone()),
            function,
            enabled: true,
            parent: None,
        };
        self.enter_trigger(table.id, trigger.clone());
        if table.partition_key().is_some() && statement.for_each_row {
            self.trigger_on_partitions(table.id, &trigger);
        }
        Ok(())
    }

    fn trigger_on_partitions(&mut self, parent: RelationId, trigger: &Trigger) {
        for id in self.partitions_in_bound_order(parent) {
            self.lock(id, LockMode::ShareRowExclusive);
            let copy = Trigger { oid: self.catalog.new_oid(), parent: Some(trigger.oid), ..trigger.clone() };
            self.enter_trigger(id, copy.clone());
            self.trigger_on_partitions(id, &copy);
        }
    }

    fn trigger_target(&self, table: &Relation, statement: &CreateTrigger) -> Outcome {
        let refuse = |detail: String| Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, detail));
        let view = matches!(table.kind, RelationKind::View(_));
        match (view, statement.timing) {
            (true, TriggerTiming::Before | TriggerTiming::After) if statement.for_each_row => {
                refuse(format!("\"{}\" is a view", table.name))
            }
            (false, TriggerTiming::InsteadOf) => refuse(format!("\"{}\" is a table", table.name)),
            _ if !view && !table.is_table() => {
                refuse(format!("relation \"{}\" cannot have triggers", table.name))
            }
            _ => Ok(()),
        }
    }

    fn trigger_function(&mut self, name: &ObjectName) -> Outcome<Option<crate::catalog::Oid>> {
        if let Some(function) = self.catalog.find_functions(self.session, name).first() {
            let returns = function.definition.returns.as_ref().map(|t| t.name.as_str());
            if returns.is_some_and(|t| t != "trigger") {
                return Err(SqlError::new(
                    sqlstate::INVALID_OBJECT_DEFINITION,
                    format!("function {} must return type trigger", plain(name)),
                ));
            }
            return Ok(Some(function.oid));
        }
        let known = self.session.assume_unknown
            || matches!(
                name.name.as_str(),
                "suppress_redundant_updates_trigger"
                    | "tsvector_update_trigger"
                    | "tsvector_update_trigger_column"
            );
        if known {
            return Ok(None);
        }
        Err(SqlError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {}() does not exist", plain(name))))
    }

    /// The columns of UPDATE OF must be there.
    fn trigger_columns(&mut self, table: &Relation, statement: &CreateTrigger) -> Outcome {
        for event in &statement.events {
            if let TriggerEvent::Update(columns) = event {
                for column in columns {
                    self.column(table.id, column)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn enter_trigger(&mut self, table: RelationId, trigger: Trigger) {
        let address = ObjectAddress::new(ObjectClass::Trigger, trigger.oid);
        self.catalog.add_dependency(address, ObjectAddress::relation(table), DependencyKind::Auto);
        let relation = self.relation(table);
        let named = trigger.definition.events.iter().filter_map(|e| match e {
            TriggerEvent::Update(columns) => Some(columns),
            _ => None,
        });
        let mut columns: Vec<_> =
            named.flatten().filter_map(|c| relation.column(c)).map(|c| c.number).collect();
        if let Some(condition) = &trigger.definition.condition {
            columns.extend(columns_of(&relation, condition));
        }
        for column in columns {
            let column = ObjectAddress::column(table, column);
            self.catalog.add_dependency(address, column, DependencyKind::Normal);
        }
        if let Some(function) = trigger.function {
            let function = ObjectAddress::new(ObjectClass::Function, function);
            self.catalog.add_dependency(address, function, DependencyKind::Normal);
        }
        if let Some(parent) = trigger.parent {
            let parent = ObjectAddress::new(ObjectClass::Trigger, parent);
            self.catalog.add_dependency(address, parent, DependencyKind::Partition);
        }
        self.catalog.change_relation(table, |r| r.triggers.push(trigger));
    }

    pub(super) fn create_rule(&mut self, statement: &CreateRule) -> Outcome {
        let table = self.open(&statement.table, LockMode::AccessExclusive)?;
        let existing = table.rules.iter().find(|r| *r.name == *statement.name.text).map(|r| r.oid);
        if existing.is_some() && !statement.or_replace {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("rule \"{}\" for relation \"{}\" already exists", statement.name.text, table.name),
            ));
        }
        self.rule_event(&table, statement)?;
        let first = self.steps.len();
        for action in &statement.actions {
            self.analyse_only(action)?;
        }
        let used: Vec<RelationId> = self.steps[first..]
            .iter()
            .filter_map(|step| match step {
                Step::Lock { relation, .. } if *relation != table.id => Some(*relation),
                _ => None,
            })
            .collect();
        let oid = existing.unwrap_or_else(|| self.catalog.new_oid());
        let rule = Rule {
            oid,
            name: statement.name.as_str().into(),
            definition: Rc::new(statement.clone()),
            enabled: true,
        };
        self.catalog.change_relation(table.id, |r| {
            r.rules.retain(|r| r.oid != oid);
            r.rules.push(rule);
        });
        if existing.is_none() {
            let address = ObjectAddress::new(ObjectClass::Rule, oid);
            self.catalog.add_dependency(address, ObjectAddress::relation(table.id), DependencyKind::Auto);
            for relation in used {
                let relation = ObjectAddress::relation(relation);
                self.catalog.add_dependency(address, relation, DependencyKind::Normal);
            }
        }
        Ok(())
    }

    /// A rule ON SELECT made a view of an empty table, until PostgreSQL 16 gave that up.
    fn rule_event(&mut self, table: &Relation, statement: &CreateRule) -> Outcome {
        if statement.event != "select" || table.as_view().is_some() || table.assumed {
            return Ok(());
        }
        if self.version >= PgVersion::V16 {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("relation \"{}\" cannot have ON SELECT rules", table.name),
            ));
        }
        let otherwise = SqlError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("could not convert table \"{}\" to a view because it is not empty", table.name),
        );
        self.check(Condition::Empty { relation: table.id }, otherwise)
    }

    pub(super) fn create_policy(&mut self, name: &Ident, table: &ObjectName, conditions: &[Expr]) -> Outcome {
        let table = self.open(table, LockMode::AccessExclusive)?;
        if table.policies.iter().any(|p| *p.name == *name.text) {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("policy \"{}\" for table \"{}\" already exists", name.text, table.name),
            ));
        }
        let oid = self.catalog.new_oid();
        let policy = Policy { oid, name: name.as_str().into() };
        self.catalog.change_relation(table.id, |r| r.policies.push(policy));
        let address = ObjectAddress::new(ObjectClass::Policy, oid);
        self.catalog.add_dependency(address, ObjectAddress::relation(table.id), DependencyKind::Auto);
        self.policy_conditions(address, &table, conditions)
    }

    /// The expressions are analysed, which locks what their subqueries read, and need what they mention.
    fn policy_conditions(
        &mut self,
        address: ObjectAddress,
        table: &Relation,
        conditions: &[Expr],
    ) -> Outcome {
        for condition in conditions {
            let first = self.steps.len();
            self.lock_expression(condition)?;
            let read: Vec<RelationId> = self.steps[first..]
                .iter()
                .filter_map(|step| match step {
                    Step::Lock { relation, .. } => Some(*relation),
                    _ => None,
                })
                .collect();
            for relation in read {
                let relation = ObjectAddress::relation(relation);
                self.catalog.add_dependency(address, relation, DependencyKind::Normal);
            }
            for column in columns_of(table, condition) {
                let column = ObjectAddress::column(table.id, column);
                self.catalog.add_dependency(address, column, DependencyKind::Normal);
            }
            self.expression_dependencies(address, table, condition, DependencyKind::Normal);
        }
        Ok(())
    }

    pub(super) fn alter_policy(
        &mut self,
        name: &Ident,
        table: &ObjectName,
        to: Option<&Ident>,
        conditions: &[Expr],
    ) -> Outcome {
        let table = self.open(table, LockMode::AccessExclusive)?;
        let Some(oid) = table.policies.iter().find(|p| *p.name == *name.text).map(|p| p.oid) else {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("policy \"{}\" for table \"{}\" does not exist", name.text, table.name),
            ));
        };
        let address = ObjectAddress::new(ObjectClass::Policy, oid);
        self.policy_conditions(address, &table, conditions)?;
        if let Some(to) = to {
            self.catalog.change_relation(table.id, |r| {
                for policy in r.policies.iter_mut().filter(|p| *p.name == *name.text) {
                    policy.name = to.as_str().into();
                }
            });
        }
        Ok(())
    }

    /// The body of an SQL function is analysed when it is created, which locks what it names
    /// (`fmgr_sql_validator`; a BEGIN ATOMIC body is stored analysed). With parameters a bare name may be one of them:
    /// what is not found is not held against it then.
    fn analyse_body(&mut self, statement: &CreateFunction) -> Outcome {
        if statement.body.language != "sql" {
            return Ok(());
        }
        let text = statement.body.text.trim();
        let atomic = text.get(..12).filter(|start| start.eq_ignore_ascii_case("begin atomic"));
        let text = match atomic {
            Some(start) => {
                let inside = text[start.len()..].trim_end();
                inside.get(..inside.len().saturating_sub(3)).unwrap_or(inside)
            }
            None => text,
        };
        for part in sql_syntax::parse(text).statements {
            let result = self.analyse_only(&part.value);
            if statement.params.is_empty() {
                result?;
            }
        }
        Ok(())
    }

    /// Locks what a statement names without running it.
    fn analyse_only(&mut self, statement: &Statement) -> Outcome {
        let target = match statement {
            Statement::Select(query) => return self.lock_named(query),
            Statement::Insert(insert) => &insert.table,
            Statement::Update(update) => &update.table.name,
            Statement::Delete(delete) => &delete.table.name,
            _ => return Ok(()),
        };
        self.open(target, LockMode::RowExclusive)?;
        match statement {
            Statement::Insert(insert) => match &insert.source {
                Some(source) => self.lock_named(source),
                None => Ok(()),
            },
            Statement::Update(update) => {
                update.assignments.iter().try_for_each(|a| self.lock_expression(&a.value))?;
                update.filter.iter().try_for_each(|e| self.lock_expression(e))
            }
            Statement::Delete(delete) => delete.filter.iter().try_for_each(|e| self.lock_expression(e)),
            _ => Ok(()),
        }
    }

    pub(super) fn create_function(&mut self, statement: &CreateFunction) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        let same_parameters = |f: &&Rc<Function>| {
            let (a, b) = (&f.definition.params, &statement.params);
            *f.schema == *schema
                && a.len() == b.len()
                && a.iter().zip(b).all(|((_, x), (_, y))| x.name == y.name)
        };
        let existing = self
            .catalog
            .find_functions(self.session, &statement.name)
            .into_iter()
            .find(same_parameters)
            .cloned();
        if let Some(existing) = &existing
            && !statement.or_replace
        {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_FUNCTION,
                format!("function \"{}\" already exists with same argument types", existing.name),
            ));
        }
        self.analyse_body(statement)?;
        let oid = existing.as_ref().map_or_else(|| self.catalog.new_oid(), |f| f.oid);
        let function = Function {
            oid,
            schema: schema.clone(),
            name: name.clone(),
            definition: Rc::new(statement.clone()),
        };
        self.catalog.record(Change::Function((schema.clone(), name, oid), Some(Rc::new(function))));
        if existing.is_none()
            && let Some(schema) = self.catalog.schema(&schema)
        {
            let schema = ObjectAddress::new(ObjectClass::Schema, schema.oid);
            let function = ObjectAddress::new(ObjectClass::Function, oid);
            self.catalog.add_dependency(function, schema, DependencyKind::Normal);
        }
        Ok(())
    }
}
