//! `CREATE SEQUENCE` and `ALTER SEQUENCE`.
//!
//! Source: `init_params` and `AlterSequence` in `src/backend/commands/sequence.c`. What `nextval` reads is in the
//! sequence's own file: an `ALTER SEQUENCE` that changes it writes a new file (since version 10).

use lock_table::LockMode;
use sql_syntax::ast::{AlterSequence, CreateSequence, SequenceOption};

use super::WorkKind;
use super::create_table::persistence;
use super::run::{Outcome, Run};
use crate::catalog::{
    ColumnNumber, ColumnType, DependencyKind, Name, ObjectAddress, Relation, RelationId, RelationKind,
    Sequence,
};
use crate::error::{SqlError, sqlstate};

impl Run<'_> {
    pub(super) fn create_sequence(&mut self, statement: &CreateSequence) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let base = self.sequence_type(&statement.options)?.unwrap_or_else(|| ColumnType::builtin("int8"));
        let sequence = self.sequence_definition(base, &statement.options)?;
        let id = self.catalog.new_relation_id();
        let mut relation = Relation::new(id, schema, name, RelationKind::Sequence(sequence));
        relation.persistence = persistence(statement.persistence);
        self.create_relation(relation);
        self.owned_by(id, &statement.options)
    }

    pub(super) fn alter_sequence(&mut self, statement: &AlterSequence) -> Outcome {
        let found = match self.find(&statement.name) {
            Err(_) if statement.if_exists => {
                self.notice(format!("relation \"{}\" does not exist, skipping", statement.name));
                return Ok(());
            }
            found => found?,
        };
        let Some(old) = found.as_sequence().cloned() else {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a sequence", found.name),
            ));
        };
        self.lock(found.id, LockMode::ShareRowExclusive);
        let reowned = statement.options.iter().any(|o| matches!(o, SequenceOption::OwnedBy(_)));
        if reowned && self.is_identity_sequence(found.id) {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "cannot change ownership of identity sequence",
            ));
        }
        self.change_sequence(found.id, old, &statement.options)?;
        self.owned_by(found.id, &statement.options)
    }

    fn is_identity_sequence(&self, id: RelationId) -> bool {
        let address = ObjectAddress::relation(id);
        let dependencies = self.catalog.dependencies_of(address);
        dependencies.iter().any(|d| d.dependent == address && d.kind == DependencyKind::Internal)
    }

    /// Changes the parameters of a sequence. A mere `OWNED BY` leaves its file alone.
    pub(super) fn change_sequence(
        &mut self,
        id: RelationId,
        old: Sequence,
        options: &[SequenceOption],
    ) -> Outcome {
        let changes = |o: &SequenceOption| !matches!(o, SequenceOption::OwnedBy(_));
        if !options.iter().any(changes) {
            return Ok(());
        }
        let base = self.sequence_type(options)?.unwrap_or_else(|| old.data_type.clone());
        let mut new = old.clone();
        if base != old.data_type {
            let (min, max) = bounds(&base, old.increment > 0);
            let (old_min, old_max) = bounds(&old.data_type, old.increment > 0);
            new.data_type = base;
            if old.max == old_max {
                new.max = max;
            }
            if old.min == old_min {
                new.min = min;
            }
        }
        apply(&mut new, options);
        check_bounds(&new)?;
        if let Some(value) = restart(options)
            && (value < new.min || value > new.max)
        {
            let (word, bound, limit) = if value < new.min {
                ("less", "MINVALUE", new.min)
            } else {
                ("greater", "MAXVALUE", new.max)
            };
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("RESTART value ({value}) cannot be {word} than {bound} ({limit})"),
            ));
        }
        self.catalog.change_relation(id, |r| r.kind = RelationKind::Sequence(new));
        self.work(id, WorkKind::NewSequenceFile);
        Ok(())
    }

    fn sequence_type(&mut self, options: &[SequenceOption]) -> Outcome<Option<ColumnType>> {
        let written = options.iter().find_map(|o| match o {
            SequenceOption::As(data_type) => Some(data_type),
            _ => None,
        });
        let Some(written) = written else { return Ok(None) };
        let base = self.resolve_type(written)?;
        match base.builtin_name() {
            Some("int2" | "int4" | "int8") => Ok(Some(base)),
            _ => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "sequence type must be smallint, integer, or bigint",
            )),
        }
    }

    pub(super) fn sequence_definition(
        &mut self,
        base: ColumnType,
        options: &[SequenceOption],
    ) -> Outcome<Sequence> {
        let increment = options
            .iter()
            .find_map(|o| match o {
                SequenceOption::Increment(n) => Some(*n),
                _ => None,
            })
            .unwrap_or(1);
        let (min, max) = bounds(&base, increment > 0);
        let mut sequence = Sequence {
            data_type: base,
            start: 0,
            increment,
            min,
            max,
            cache: 1,
            cycle: false,
            owned_by: None,
        };
        apply(&mut sequence, options);
        let starts = |o: &SequenceOption| matches!(o, SequenceOption::Start(_));
        if !options.iter().any(starts) {
            sequence.start = if increment > 0 { sequence.min } else { sequence.max };
        }
        check_bounds(&sequence)?;
        Ok(sequence)
    }

    /// `OWNED BY table.column`: the table is locked so that it cannot be dropped meanwhile.
    fn owned_by(&mut self, id: RelationId, options: &[SequenceOption]) -> Outcome {
        for option in options {
            let SequenceOption::OwnedBy(owner) = option else { continue };
            self.catalog.forget_owner(id);
            let mut owned: Option<(RelationId, ColumnNumber)> = None;
            if let Some((table, column)) = owner {
                let table = self.open(table, LockMode::AccessShare)?;
                let column = self.column(table.id, column)?;
                owned = Some((table.id, column.number));
                self.catalog.add_dependency(
                    ObjectAddress::relation(id),
                    ObjectAddress::column(table.id, column.number),
                    DependencyKind::Auto,
                );
            }
            self.catalog.change_relation(id, |r| {
                if let RelationKind::Sequence(sequence) = &mut r.kind {
                    sequence.owned_by = owned;
                }
            });
        }
        Ok(())
    }
}

/// The least and greatest value by default.
fn bounds(base: &ColumnType, ascending: bool) -> (i64, i64) {
    let (min, max) = match base.builtin_name() {
        Some("int2") => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Some("int4") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    if ascending { (1, max) } else { (min, -1) }
}

fn apply(sequence: &mut Sequence, options: &[SequenceOption]) {
    for option in options {
        match option {
            SequenceOption::Cache(n) => sequence.cache = *n,
            SequenceOption::Increment(n) => sequence.increment = *n,
            SequenceOption::Start(n) => sequence.start = *n,
            SequenceOption::MinValue(Some(n)) => sequence.min = *n,
            SequenceOption::MaxValue(Some(n)) => sequence.max = *n,
            SequenceOption::MinValue(None) => {
                sequence.min = bounds(&sequence.data_type, sequence.increment > 0).0
            }
            SequenceOption::MaxValue(None) => {
                sequence.max = bounds(&sequence.data_type, sequence.increment > 0).1
            }
            SequenceOption::Cycle(cycle) => sequence.cycle = *cycle,
            SequenceOption::As(_)
            | SequenceOption::Restart(_)
            | SequenceOption::OwnedBy(_)
            | SequenceOption::Name(_)
            | SequenceOption::Logged(_) => {}
        }
    }
}

/// The value of RESTART WITH.
fn restart(options: &[SequenceOption]) -> Option<i64> {
    options.iter().rev().find_map(|o| match o {
        SequenceOption::Restart(value) => *value,
        _ => None,
    })
}

fn check_bounds(sequence: &Sequence) -> Outcome {
    let wrong = |message: String| Err(SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message));
    if sequence.increment == 0 {
        return wrong("INCREMENT must not be zero".into());
    }
    if sequence.min >= sequence.max {
        return wrong(format!("MINVALUE ({}) must be less than MAXVALUE ({})", sequence.min, sequence.max));
    }
    if sequence.start < sequence.min {
        return wrong(format!(
            "START value ({}) cannot be less than MINVALUE ({})",
            sequence.start, sequence.min
        ));
    }
    if sequence.start > sequence.max {
        return wrong(format!(
            "START value ({}) cannot be greater than MAXVALUE ({})",
            sequence.start, sequence.max
        ));
    }
    Ok(())
}
