//! What one statement of a transaction leaves behind for the next: savepoints, cursors, deferred constraints.
//!
//! Source: `src/backend/access/transam/xact.c` (savepoints), `CheckTableNotInUse` in `tablecmds.c`,
//! `AfterTriggerSetState` and `AfterTriggerPendingOnRel` in `trigger.c`, `portalcmds.c` (cursors).

use sql_syntax::ast::{Ident, ObjectName, Query, TransactionModes};

use super::run::{Outcome, Run, plain};
use super::{Step, TransactionRule};
use crate::catalog::{Constraint, Cursor, Name, Oid, Relation, RelationId};
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    // ---- BEGIN to COMMIT ----

    pub(super) fn begin(&mut self) {
        self.session.in_transaction = true;
    }

    pub(super) fn end(&mut self, chain: bool) {
        self.session.in_transaction = chain;
        self.session.end_transaction();
    }

    pub(super) fn set_transaction(&mut self, session: bool, modes: &TransactionModes) -> Outcome {
        if !session && self.session.in_transaction && self.session.transaction.has_queried {
            let what = if modes.isolation.is_some() {
                Some("SET TRANSACTION ISOLATION LEVEL must be called before any query")
            } else if modes.snapshot.is_some() {
                Some("SET TRANSACTION SNAPSHOT must be called before any query")
            } else {
                None
            };
            if let Some(message) = what {
                return Err(SqlError::new(sqlstate::ACTIVE_SQL_TRANSACTION, message));
            }
        }
        Ok(())
    }

    // ---- savepoints ----

    pub(super) fn savepoint(&mut self, name: &Ident) -> Outcome {
        self.transaction = TransactionRule::InsideOnly("SAVEPOINT");
        self.session.transaction.savepoints.push(name.as_str().into());
        Ok(())
    }

    /// `ROLLBACK TO` keeps the savepoint, `RELEASE` does not; both end those that came after it.
    pub(super) fn back_to_savepoint(&mut self, name: &Ident, keep: bool) -> Outcome {
        let savepoints = &mut self.session.transaction.savepoints;
        match savepoints.iter().rposition(|s| **s == *name.text) {
            Some(at) => {
                savepoints.truncate(at + usize::from(keep));
                Ok(())
            }
            None if self.session.assume_unknown => Ok(()),
            None => Err(SqlError::new(
                sqlstate::INVALID_SAVEPOINT,
                format!("savepoint \"{}\" does not exist", name.text),
            )),
        }
    }

    // ---- cursors ----

    /// The query is planned, which locks, and read from only as rows are fetched.
    pub(super) fn declare_cursor(&mut self, name: &Ident, hold: bool, query: &Query) -> Outcome {
        if !hold {
            self.transaction = TransactionRule::InsideOnly("DECLARE CURSOR");
        }
        let first = self.steps.len();
        self.query(query)?;
        let mut relations: Vec<RelationId> = Vec::new();
        for step in &self.steps[first..] {
            if let Step::Lock { relation, .. } = step
                && !relations.contains(relation)
            {
                relations.push(*relation);
            }
        }
        if !hold {
            let mut at = 0;
            self.steps.retain(|step| {
                at += 1;
                at <= first || !matches!(step, Step::Work(_))
            });
        }
        self.session.cursors.push(Cursor { name: name.as_str().into(), relations, hold });
        Ok(())
    }

    pub(super) fn cursor_exists(&self, name: &Ident) -> Outcome {
        if self.session.cursors.iter().any(|c| *c.name == *name.text) || self.session.assume_unknown {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::INVALID_CURSOR_NAME, format!("cursor \"{}\" does not exist", name.text)))
    }

    pub(super) fn close_cursor(&mut self, name: Option<&Ident>) -> Outcome {
        let Some(name) = name else {
            self.session.cursors.clear();
            return Ok(());
        };
        self.cursor_exists(name)?;
        self.session.cursors.retain(|c| *c.name != *name.text);
        Ok(())
    }

    /// A relation that is about to change must not be read by an open cursor, nor have rows that a deferred
    /// constraint has still to look at.
    pub(super) fn not_in_use(&self, relation: &Relation, statement: &str) -> Outcome {
        let why = if self.session.cursors.iter().any(|c| c.relations.contains(&relation.id)) {
            "it is being used by active queries in this session"
        } else if self.session.transaction.pending_events.contains(&relation.id) {
            "it has pending trigger events"
        } else {
            return Ok(());
        };
        Err(SqlError::new(
            sqlstate::OBJECT_IN_USE,
            format!("cannot {statement} \"{}\" because {why}", relation.name),
        ))
    }

    // ---- deferred constraints ----

    pub(super) fn set_constraints(&mut self, names: &[ObjectName], deferred: bool) -> Outcome {
        if names.is_empty() {
            self.session.transaction.deferred.clear();
            self.session.transaction.deferred.push((None, deferred));
        }
        for name in names {
            let oid = self.deferrable_constraint(name, deferred)?;
            self.session.transaction.deferred.push((oid, deferred));
        }
        if !deferred {
            // What was put off is looked at now.
            self.session.transaction.pending_events.clear();
        }
        Ok(())
    }

    fn deferrable_constraint(&self, name: &ObjectName, deferred: bool) -> Outcome<Option<Oid>> {
        let schemas: Vec<Name> = match name.schema() {
            Some(schema) => vec![schema.into()],
            None => self.session.search_path.to_vec(),
        };
        let own = name.name.as_str();
        let found = self.catalog.relations().filter(|r| schemas.contains(&r.schema)).find_map(|r| {
            let constraint = r.constraint(own).map(|c| (c.oid, c.deferrable));
            let trigger = r.triggers.iter().find(|t| &*t.name == own && t.definition.constraint);
            constraint.or_else(|| trigger.map(|t| (t.oid, t.definition.attributes.deferrable == Some(true))))
        });
        match found {
            Some((_, false)) if deferred => Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("constraint \"{own}\" is not deferrable"),
            )),
            Some((oid, _)) => Ok(Some(oid)),
            None if self.session.assume_unknown => Ok(None),
            None => Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{}\" does not exist", plain(name)),
            )),
        }
    }

    /// Whether a constraint is looked at when the statement ends, rather than the transaction.
    pub(super) fn at_once(&self, constraint: &Constraint) -> bool {
        if !constraint.deferrable {
            return true;
        }
        let told = self.session.transaction.deferred.iter().rev();
        let said = told.clone().find(|(oid, _)| oid.is_none_or(|oid| oid == constraint.oid));
        match said {
            Some((_, deferred)) => !deferred,
            None => !constraint.initially_deferred,
        }
    }

    /// A deferred constraint has to look at rows of the relation when the transaction commits.
    pub(super) fn put_off(&mut self, relation: RelationId) {
        let pending = &mut self.session.transaction.pending_events;
        if !pending.contains(&relation) {
            pending.push(relation);
        }
    }
}
