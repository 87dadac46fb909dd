//! Objects that belong to the server: roles, tablespaces, extensions, access methods; and what belongs to a role.
//!
//! No migration need have created them. What is known of them comes with the session; where nothing is known,
//! whatever is named is taken to exist.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{DropBehavior, Ident, MoveAll, RelationKeyword};

use super::run::{Outcome, Run};
use super::{Step, Wait, WorkKind};
use crate::catalog::{Name, ObjectAddress, ObjectClass, Relation, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};

/// The access methods that every server has.
const INDEX_METHODS: [&str; 6] = ["btree", "hash", "gist", "gin", "spgist", "brin"];

/// The tablespaces that every server has.
const TABLESPACES: [&str; 2] = ["pg_default", "pg_global"];

/// The tablespace of what names none.
pub(super) const DEFAULT_TABLESPACE: &str = "pg_default";

impl Run<'_> {
    pub(super) fn role_exists(&self, name: &str) -> Outcome {
        let Some(server) = &self.session.server else { return Ok(()) };
        if name.starts_with("pg_") || server.roles.iter().any(|r| **r == *name) || is_own_role(name) {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")))
    }

    pub(super) fn tablespace_exists(&self, name: &str) -> Outcome {
        let Some(server) = &self.session.server else { return Ok(()) };
        if TABLESPACES.contains(&name) || server.tablespaces.iter().any(|t| **t == *name) {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("tablespace \"{name}\" does not exist")))
    }

    pub(super) fn extension_is_available(&self, name: &str) -> Outcome {
        let Some(server) = &self.session.server else { return Ok(()) };
        if server.extensions.iter().any(|e| **e == *name) {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("extension \"{name}\" is not available")))
    }

    /// Extensions bring access methods and operator classes of their own.
    pub(super) fn has_extensions(&self) -> bool {
        self.session.assume_unknown
            || self
                .catalog
                .named_objects()
                .any(|o| o.class == ObjectClass::Extension && &*o.name != "plpgsql")
    }

    pub(super) fn index_method_exists(&self, name: &str) -> Outcome {
        if INDEX_METHODS.contains(&name) || self.has_extensions() {
            return Ok(());
        }
        Err(no_such_access_method(name))
    }

    pub(super) fn table_method_exists(&self, name: &str) -> Outcome {
        if name == "heap" || self.has_extensions() {
            return Ok(());
        }
        if INDEX_METHODS.contains(&name) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("access method \"{name}\" is not of type TABLE"),
            ));
        }
        Err(no_such_access_method(name))
    }

    /// `ALTER … ALL IN TABLESPACE`: all are locked before any is moved (`AlterTableMoveAll`).
    pub(super) fn move_all(&mut self, statement: &MoveAll) -> Outcome {
        self.tablespace_exists(&statement.from)?;
        self.tablespace_exists(&statement.to)?;
        if statement.from.text == statement.to.text {
            return Ok(());
        }
        let lies_there = |r: &&Rc<Relation>| {
            r.tablespace.as_deref().unwrap_or(DEFAULT_TABLESPACE) == statement.from.as_str()
                && is_named_by(statement.keyword, r)
                && (statement.owned_by.is_empty()
                    || statement.owned_by.iter().any(|o| r.owner.as_deref() == Some(o.as_str())))
        };
        let found: Vec<Rc<Relation>> = self.catalog.relations().filter(lies_there).cloned().collect();
        if found.is_empty() {
            self.notice(format!("no matching relations in tablespace \"{}\" found", statement.from.text));
        }
        let wait = if statement.nowait { Wait::NoWait } else { Wait::Block };
        for relation in &found {
            self.steps.push(Step::Lock { relation: relation.id, mode: LockMode::AccessExclusive, wait });
        }
        let to: Name = statement.to.as_str().into();
        for relation in found {
            let has_file = match &relation.kind {
                RelationKind::Index(index) => !index.partitioned,
                _ => relation.has_heap(),
            };
            if has_file {
                self.work(relation.id, WorkKind::CopyFile);
            }
            self.catalog.change_relation(relation.id, |r| r.tablespace = Some(to.clone()));
        }
        Ok(())
    }

    // ---- what belongs to a role ----

    fn belongings_of(&self, roles: &[Ident]) -> Vec<RelationId> {
        let owned = |r: &&Rc<Relation>| roles.iter().any(|o| r.owner.as_deref() == Some(o.as_str()));
        self.catalog.relations().filter(owned).map(|r| r.id).collect()
    }

    pub(super) fn reassign_owned(&mut self, from: &[Ident], to: &str) -> Outcome {
        for role in from {
            self.role_exists(role)?;
        }
        self.role_exists(to)?;
        let owner: Name = to.into();
        for id in self.belongings_of(from) {
            self.lock(id, LockMode::AccessExclusive);
            self.change_owner(id, &owner);
        }
        self.work_on_catalogs();
        Ok(())
    }

    /// What the roles own is dropped; the rights that they were given are taken from them.
    pub(super) fn drop_owned(&mut self, roles: &[Ident], behavior: DropBehavior) -> Outcome {
        for role in roles {
            self.role_exists(role)?;
        }
        let targets: Vec<ObjectAddress> =
            self.belongings_of(roles).into_iter().map(ObjectAddress::relation).collect();
        for target in &targets {
            if let Some(id) = target.as_relation() {
                self.lock(id, LockMode::AccessExclusive);
            }
        }
        self.work_on_catalogs();
        self.perform_deletion(&targets, behavior)
    }
}

fn is_own_role(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "current_user" | "current_role" | "session_user" | "public")
}

fn no_such_access_method(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("access method \"{name}\" does not exist"))
}

fn is_named_by(keyword: RelationKeyword, relation: &Relation) -> bool {
    match keyword {
        RelationKeyword::Table => {
            matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable(_))
        }
        RelationKeyword::Index => matches!(relation.kind, RelationKind::Index(_)),
        RelationKeyword::MaterializedView => matches!(relation.kind, RelationKind::MaterializedView { .. }),
        _ => false,
    }
}
