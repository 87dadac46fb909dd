//! Actions about storage, ownership, security and triggers.
//!
//! Source: `ATPrepChangePersistence`, `ATExecSetTableSpace`, `ATExecClusterOn`, `ATExecReplicaIdentity`,
//! `ATExecChangeOwner`, `ATExecEnableDisableTrigger` in `tablecmds.c`.

use lock_table::LockMode;
use sql_syntax::ast::{self, AlterTableAction, Ident, TriggerState, TriggerTarget};

use super::Alter;
use crate::catalog::{
    IndexKeyValue, Name, ObjectAddress, Persistence, Relation, RelationId, RelationKind, ReplicaIdentity,
};
use crate::effects::WorkKind;
use crate::effects::index::options;
use crate::effects::run::{Outcome, Run};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// The access method of a table that names none.
const DEFAULT_ACCESS_METHOD: &str = "heap";

impl Run<'_> {
    pub(super) fn storage_action(&mut self, alter: &mut Alter<'_>, action: &AlterTableAction) -> Outcome {
        use AlterTableAction as A;
        let table = alter.table;
        match action {
            A::SetTablespace(name) => self.set_tablespace(alter, name),
            A::SetAccessMethod(method) => self.set_access_method(alter, method.as_deref()),
            A::SetLogged(logged) => self.set_logged(alter, *logged),
            A::SetOptions(written) => {
                self.known_options(&self.relation(table), written)?;
                let new = options(written);
                self.catalog.change_relation(table, |r| {
                    r.options.retain(|(name, _)| !new.iter().any(|(n, _)| n == name));
                    r.options.extend(new);
                });
                Ok(())
            }
            A::ResetOptions(written) => {
                let gone: Vec<Name> = options(written).into_iter().map(|(name, _)| name).collect();
                self.catalog.change_relation(table, |r| r.options.retain(|(name, _)| !gone.contains(name)));
                self.work_on_catalogs();
                Ok(())
            }
            A::ClusterOn(index) => self.cluster_on(alter, index),
            A::SetWithoutCluster => {
                self.catalog.change_relation(table, |r| r.clustered_on = None);
                Ok(())
            }
            A::ReplicaIdentity(identity) => self.replica_identity(alter, identity),
            A::RowSecurity(on) => {
                self.catalog.change_relation(table, |r| r.row_security = *on);
                Ok(())
            }
            A::OwnerTo(owner) => {
                self.role_exists(owner)?;
                self.change_owner(table, &owner.as_str().into());
                self.work_on_catalogs();
                Ok(())
            }
            _ => {
                self.work_on_catalogs();
                Ok(())
            }
        }
    }

    fn set_tablespace(&mut self, alter: &mut Alter<'_>, name: &Ident) -> Outcome {
        self.tablespace_exists(name)?;
        let relation = self.relation(alter.table);
        let current = relation.tablespace.as_deref().unwrap_or("pg_default");
        if current == name.as_str() {
            return Ok(());
        }
        if relation.as_index().is_some_and(|i| !i.partitioned) {
            self.work(alter.table, WorkKind::CopyFile);
            let tablespace: Name = name.as_str().into();
            self.catalog.change_relation(alter.table, |r| r.tablespace = Some(tablespace));
            return Ok(());
        }
        alter.queue.table(alter.table).new_tablespace = Some(name.as_str().into());
        Ok(())
    }

    fn set_access_method(&mut self, alter: &mut Alter<'_>, method: Option<&str>) -> Outcome {
        let relation = self.relation(alter.table);
        let method = method.unwrap_or(DEFAULT_ACCESS_METHOD);
        self.table_method_exists(method)?;
        if relation.access_method.as_deref().unwrap_or(DEFAULT_ACCESS_METHOD) == method {
            return Ok(());
        }
        if relation.has_heap() {
            alter.queue.table(alter.table).rewrite = true;
        }
        let method: Name = method.into();
        self.catalog.change_relation(alter.table, |r| r.access_method = Some(method));
        Ok(())
    }

    /// Every row is written anew, to be logged or to be free of the log; unless the table is so already.
    fn set_logged(&mut self, alter: &mut Alter<'_>, logged: bool) -> Outcome {
        let relation = self.relation(alter.table);
        let wanted = if logged { Persistence::Permanent } else { Persistence::Unlogged };
        let refuse = |message: String| Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message));
        if relation.persistence == Persistence::Temporary {
            return refuse(format!(
                "cannot change logged status of table \"{}\" because it is temporary",
                relation.name
            ));
        }
        if relation.persistence == wanted {
            return Ok(());
        }
        let others: Vec<RelationId> = if logged {
            relation.foreign_keys().map(|(_, key)| key.referenced).collect()
        } else {
            self.catalog.referencing(relation.id).map(|(owner, _, _)| owner.id).collect()
        };
        for other in others.into_iter().filter(|o| *o != relation.id) {
            self.lock(other, LockMode::AccessShare);
            let other = self.relation(other);
            let conflict = if logged {
                other.persistence != Persistence::Permanent
            } else {
                other.persistence == Persistence::Permanent
            };
            if conflict {
                let (to, of) = if logged { ("logged", "unlogged") } else { ("unlogged", "logged") };
                return refuse(format!(
                    "could not change table \"{}\" to {to} because it references {of} table \"{}\"",
                    relation.name, other.name
                ));
            }
        }
        if relation.has_heap() {
            alter.queue.table(alter.table).rewrite = true;
        }
        if relation.as_sequence().is_some() {
            self.work(alter.table, WorkKind::NewSequenceFile);
        }
        self.catalog.change_relation(alter.table, |r| r.persistence = wanted);
        let indexes: Vec<RelationId> = self.catalog.indexes_of(alter.table).map(|i| i.id).collect();
        for index in indexes {
            self.catalog.change_relation(index, |r| r.persistence = wanted);
        }
        if self.version >= PgVersion::V15 {
            for sequence in self.owned_sequences(&relation) {
                self.lock(sequence, LockMode::AccessExclusive);
                self.work(sequence, WorkKind::NewSequenceFile);
                self.catalog.change_relation(sequence, |r| r.persistence = wanted);
            }
        }
        Ok(())
    }

    pub(in crate::effects) fn owned_sequences(&self, relation: &Relation) -> Vec<RelationId> {
        self.catalog
            .dependents_of(ObjectAddress::relation(relation.id))
            .into_iter()
            .filter_map(|d| d.dependent.as_relation())
            .filter(|id| {
                self.catalog
                    .relation(*id)
                    .is_some_and(|r| r.as_sequence().is_some_and(|s| s.owned_by.is_some()))
            })
            .collect()
    }

    fn own_index(&self, alter: &Alter<'_>, name: &Ident) -> Outcome<std::rc::Rc<Relation>> {
        let table = self.relation(alter.table);
        let found = self.catalog.find_in(&table.schema, name).cloned();
        match found {
            Some(index) if index.as_index().is_some_and(|i| i.table == alter.table) => Ok(index),
            _ => Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("index \"{}\" for table \"{}\" does not exist", name.text, table.name),
            )),
        }
    }

    fn cluster_on(&mut self, alter: &Alter<'_>, name: &Ident) -> Outcome {
        if self.relation(alter.table).partition_key().is_some() {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot mark index clustered in partitioned table",
            ));
        }
        let index = self.own_index(alter, name)?;
        self.lock(index.id, alter.lock);
        self.clusterable(&index)?;
        self.catalog.change_relation(alter.table, |r| r.clustered_on = Some(index.id));
        Ok(())
    }

    /// Rows can be put in an index's order if it is a whole btree (`check_index_is_clusterable`).
    pub(in crate::effects) fn clusterable(&self, index: &Relation) -> Outcome {
        let Some(definition) = index.as_index() else { return Ok(()) };
        let refuse = |why: &str| {
            Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot cluster on {why} index \"{}\"", index.name),
            ))
        };
        if !matches!(&*definition.method, "btree" | "gist") {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!(
                    "cannot cluster on index \"{}\" because access method does not support clustering",
                    index.name
                ),
            ));
        }
        if definition.predicate.is_some() {
            return refuse("partial");
        }
        if !definition.valid {
            return refuse("invalid");
        }
        Ok(())
    }

    fn replica_identity(&mut self, alter: &Alter<'_>, identity: &ast::ReplicaIdentity) -> Outcome {
        let new = match identity {
            ast::ReplicaIdentity::Default => ReplicaIdentity::Default,
            ast::ReplicaIdentity::Full => ReplicaIdentity::Full,
            ast::ReplicaIdentity::Nothing => ReplicaIdentity::Nothing,
            ast::ReplicaIdentity::Index(name) => {
                let index = self.own_index(alter, name)?;
                self.lock(index.id, LockMode::Share);
                self.identifies(alter, &index)?;
                ReplicaIdentity::Index(index.id)
            }
        };
        self.catalog.change_relation(alter.table, |r| r.replica_identity = new);
        Ok(())
    }

    fn identifies(&self, alter: &Alter<'_>, index: &Relation) -> Outcome {
        let Some(definition) = index.as_index() else { return Ok(()) };
        let wrong = |message: String| Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, message));
        let table = self.relation(alter.table);
        if !definition.unique {
            return wrong(format!("cannot use non-unique index \"{}\" as replica identity", index.name));
        }
        if definition.predicate.is_some() {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot use partial index \"{}\" as replica identity", index.name),
            ));
        }
        for key in &definition.keys {
            match &key.value {
                IndexKeyValue::Expression(_) => {
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        format!("cannot use expression index \"{}\" as replica identity", index.name),
                    ));
                }
                IndexKeyValue::Column(number) => {
                    if let Some(column) = table.column_at(*number).filter(|c| !c.not_null) {
                        return wrong(format!(
                            "index \"{}\" cannot be used as replica identity because column \"{}\" is nullable",
                            index.name, column.name
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Indexes and owned sequences belong to whom their table belongs to.
    pub(in crate::effects) fn change_owner(&mut self, table: RelationId, owner: &Name) {
        let relation = self.relation(table);
        self.catalog.change_relation(table, |r| r.owner = Some(owner.clone()));
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        for index in indexes {
            self.lock(index, LockMode::AccessExclusive);
            self.catalog.change_relation(index, |r| r.owner = Some(owner.clone()));
        }
        if matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable(_)) {
            for sequence in self.owned_sequences(&relation) {
                self.lock(sequence, LockMode::AccessExclusive);
                self.catalog.change_relation(sequence, |r| r.owner = Some(owner.clone()));
            }
        }
    }

    pub(super) fn enable_triggers(
        &mut self,
        alter: &mut Alter<'_>,
        target: &TriggerTarget,
        state: TriggerState,
    ) -> Outcome {
        let table = self.relation(alter.table);
        let enabled = state != TriggerState::Disabled;
        if let TriggerTarget::Name(name) = target
            && !table.triggers.iter().any(|t| *t.name == *name.text)
            && !table.assumed
        {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("trigger \"{}\" for table \"{}\" does not exist", name.text, table.name),
            ));
        }
        self.catalog.change_relation(alter.table, |r| {
            for trigger in &mut r.triggers {
                match target {
                    TriggerTarget::Name(name) if *trigger.name != *name.text => {}
                    _ => trigger.enabled = enabled,
                }
            }
        });
        Ok(())
    }

    pub(super) fn enable_rule(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        state: TriggerState,
    ) -> Outcome {
        let table = self.relation(alter.table);
        if !table.rules.iter().any(|r| *r.name == *name.text) {
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("rule \"{}\" for relation \"{}\" does not exist", name.text, table.name),
            ));
        }
        self.catalog.change_relation(alter.table, |r| {
            let same = |x: &&mut crate::catalog::Rule| *x.name == *name.text;
            r.rules.iter_mut().filter(same).for_each(|x| x.enabled = state != TriggerState::Disabled);
        });
        Ok(())
    }
}
