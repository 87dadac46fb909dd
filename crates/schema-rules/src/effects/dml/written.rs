//! What the rows that a statement writes must satisfy.
//!
//! Source: `ExecInsert`, `ExecUpdateAct` and `ExecOnConflictUpdate` in `src/backend/executor/nodeModifyTable.c`,
//! `ExecConstraints` in `execMain.c`. NOT NULL comes first, then the CHECKs, the partition's bound, unique keys, and
//! foreign keys at the end of the statement. Only constants and what is known about the data can be judged; the rest is
//! taken to be fine.

use sql_syntax::ast::{Assignment, ConflictTarget, Expr, ExprKind, Insert};

use super::change::value_of;
use crate::catalog::{
    ColumnNumber, Constraint, ConstraintKind, ForeignKey, IndexKeyValue, Relation, RelationId,
};
use crate::effects::condition::{Affected, Condition, Written};
use crate::effects::run::{Outcome, Run};
use crate::error::{SqlError, sqlstate};
use crate::expression::bare_column;

/// The values of each new row by column; a column that is left to its default is not among them.
pub(super) fn given<'e>(
    table: &Relation,
    statement: &Insert,
    rows: &[&'e Vec<Expr>],
) -> Vec<Vec<(ColumnNumber, &'e Expr)>> {
    let of_row = |row: &&'e Vec<Expr>| {
        let value = |column: &crate::catalog::Column| {
            let value = value_of(table, statement, row, &column.name)?;
            (!matches!(value.kind, ExprKind::Default)).then_some((column.number, value))
        };
        table.live_columns().filter_map(value).collect()
    };
    rows.iter().map(of_row).collect()
}

/// The columns that are assigned a value, one by one.
pub(super) fn assigned<'e>(table: &Relation, assignments: &'e [Assignment]) -> Vec<(ColumnNumber, &'e Expr)> {
    assignments
        .iter()
        .filter_map(|a| match a.columns.as_slice() {
            [one] if !matches!(a.value.kind, ExprKind::Default) => {
                Some((table.column(one)?.number, &a.value))
            }
            _ => None,
        })
        .collect()
}

impl Run<'_> {
    /// NOT NULL, CHECK, the partition's bound and unique keys.
    pub(super) fn rows_are_valid(&self, table: &Relation, written: &Written<'_>, arbiter: bool) -> Outcome {
        if self.triggers_change_rows(table, written) {
            return Ok(());
        }
        self.bounds_hold(table, written, false)?;
        for column in table.live_columns().filter(|c| c.not_null) {
            let condition = Condition::NoNulls { relation: table.id, column: column.number };
            self.satisfied(table, written, &condition, || null_value(&column.name, &table.name))?;
        }
        for constraint in table.constraints.iter().filter(|c| c.enforced) {
            let ConstraintKind::Check(expression) = &constraint.kind else { continue };
            let condition = Condition::Check { relation: table.id, expression: expression.clone() };
            self.satisfied(table, written, &condition, || {
                SqlError::new(
                    sqlstate::CHECK_VIOLATION,
                    format!(
                        "new row for relation \"{}\" violates check constraint \"{}\"",
                        table.name, constraint.name
                    ),
                )
            })?;
        }
        self.bounds_hold(table, written, true)?;
        if !arbiter && table.partition_key().is_none() {
            self.keys_stay_unique(table, written)?;
        }
        Ok(())
    }

    /// A row that is put straight into a partition must lie within its bound, and within those of its parents. An
    /// UPDATE looks at that before anything else, an INSERT after the CHECKs.
    fn bounds_hold(&self, table: &Relation, written: &Written<'_>, after_checks: bool) -> Outcome {
        if after_checks != matches!(written, Written::Rows(_)) {
            return Ok(());
        }
        let mut part = table.id;
        while let Some(relation) = self.catalog.relation(part).filter(|r| r.is_partition()) {
            let (Some(bound), Some(parent)) = (&relation.partition_bound, relation.parents.first()) else {
                break;
            };
            let condition =
                Condition::WithinBound { relation: table.id, parent: *parent, bound: bound.clone() };
            self.satisfied(table, written, &condition, || {
                SqlError::new(
                    sqlstate::CHECK_VIOLATION,
                    format!("new row for relation \"{}\" violates partition constraint", table.name),
                )
            })?;
            part = *parent;
        }
        Ok(())
    }

    fn keys_stay_unique(&self, table: &Relation, written: &Written<'_>) -> Outcome {
        let changed = |keys: &[crate::catalog::IndexKey]| match written {
            Written::Rows(_) => true,
            Written::Changed { assignments, .. } => keys.iter().any(|k| match k.value {
                IndexKeyValue::Column(number) => assignments.iter().any(|(n, _)| *n == number),
                IndexKeyValue::Expression(_) => true,
            }),
        };
        for index in self.catalog.indexes_of(table.id) {
            let Some(definition) = index.as_index().filter(|i| i.unique && i.ready) else { continue };
            let deferred = definition
                .constraint
                .and_then(|oid| table.constraint_at(oid))
                .is_some_and(|c| !self.at_once(c));
            if deferred || !changed(&definition.keys) {
                continue;
            }
            let condition = Condition::Unique { relation: table.id, index: index.id };
            self.satisfied(table, written, &condition, || {
                SqlError::new(
                    sqlstate::UNIQUE_VIOLATION,
                    format!("duplicate key value violates unique constraint \"{}\"", index.name),
                )
            })?;
        }
        Ok(())
    }

    /// Fails if a row that refers to another table finds nothing there.
    pub(super) fn reference_holds(
        &self,
        table: &Relation,
        constraint: &Constraint,
        key: &ForeignKey,
        written: &Written<'_>,
    ) -> Outcome {
        if self.triggers_change_rows(table, written) {
            return Ok(());
        }
        let condition = Condition::ForeignKey { relation: table.id, key: std::rc::Rc::new(key.clone()) };
        self.satisfied(table, written, &condition, || {
            SqlError::new(
                sqlstate::FOREIGN_KEY_VIOLATION,
                format!(
                    "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                    table.name, constraint.name
                ),
            )
        })
    }

    fn satisfied(
        &self,
        table: &Relation,
        written: &Written<'_>,
        condition: &Condition,
        otherwise: impl Fn() -> SqlError,
    ) -> Outcome {
        match self.facts.written_satisfy(self.catalog, table.id, written, condition) {
            Some(false) => Err(otherwise()),
            _ => Ok(()),
        }
    }

    /// Whether a BEFORE trigger may put other values into the rows than the statement says, or leave rows out.
    fn triggers_change_rows(&self, table: &Relation, written: &Written<'_>) -> bool {
        use sql_syntax::ast::{TriggerEvent, TriggerTiming};
        let fires = |event: &TriggerEvent| match written {
            Written::Rows(_) => matches!(event, TriggerEvent::Insert),
            Written::Changed { .. } => matches!(event, TriggerEvent::Update(_)),
        };
        table.triggers.iter().any(|t| {
            let before =
                t.enabled && t.definition.timing == TriggerTiming::Before && t.definition.for_each_row;
            before && t.definition.events.iter().any(fires) && !self.returns_rows_as_they_are(t.function)
        })
    }

    /// Whether a trigger function does nothing but return the row that it is given.
    fn returns_rows_as_they_are(&self, function: Option<crate::catalog::Oid>) -> bool {
        let found = function.and_then(|oid| self.catalog.functions().find(|f| f.oid == oid));
        found.is_some_and(|f| {
            let text = f.definition.body.text.to_ascii_lowercase();
            let words: Vec<&str> =
                text.split(|c: char| c.is_whitespace() || c == ';').filter(|w| !w.is_empty()).collect();
            words == ["begin", "return", "new", "end"]
        })
    }

    /// `ON CONFLICT (…)` needs a unique index over just these columns (`infer_arbiter_indexes` in `plancat.c`).
    pub(super) fn arbiter_exists(&self, table: &Relation, target: &ConflictTarget) -> Outcome {
        if table.assumed {
            return Ok(());
        }
        match target {
            ConflictTarget::Any => Ok(()),
            ConflictTarget::Constraint(name) => match table.constraint(name) {
                Some(_) => Ok(()),
                None => Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("constraint \"{}\" for table \"{}\" does not exist", name.text, table.name),
                )),
            },
            ConflictTarget::Index { items, predicate } => {
                let wanted: Option<Vec<ColumnNumber>> =
                    items.iter().map(|i| Some(table.column(bare_column(i)?)?.number)).collect();
                // Expressions are not compared here: some index will do.
                let Some(mut wanted) = wanted else { return Ok(()) };
                wanted.sort_unstable();
                wanted.dedup();
                let serves = self.catalog.indexes_of(table.id).any(|index| {
                    index.as_index().is_some_and(|i| {
                        let mut keys: Vec<ColumnNumber> = i
                            .keys
                            .iter()
                            .filter_map(|k| match k.value {
                                IndexKeyValue::Column(number) => Some(number),
                                IndexKeyValue::Expression(_) => None,
                            })
                            .collect();
                        keys.sort_unstable();
                        let whole = i.predicate.is_none() || predicate.is_some();
                        i.unique && i.valid && whole && keys.len() == i.keys.len() && keys == wanted
                    })
                });
                if serves {
                    return Ok(());
                }
                Err(SqlError::new(
                    sqlstate::INVALID_COLUMN_REFERENCE,
                    "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                ))
            }
        }
    }

    /// The partitions that an UPDATE moves rows to, and whether they have one to go to.
    pub(super) fn moves(
        &mut self,
        table: &Relation,
        written: &Written<'_>,
        known: &[RelationId],
    ) -> Outcome<Vec<RelationId>> {
        let Written::Changed { assignments, affected } = written else { return Ok(Vec::new()) };
        if self.facts.any_row(self.catalog, table.id, *affected) == Some(false) {
            return Ok(Vec::new());
        }
        let value = |column: ColumnNumber| {
            assignments.iter().find(|(number, _)| *number == column).map(|(_, value)| *value)
        };
        let path = self.route_by(table, &|relation, number| {
            let name = relation.column_at(number)?.name.clone();
            value(table.column(&name)?.number)
        })?;
        Ok(path.unwrap_or_default().into_iter().filter(|id| !known.contains(id)).collect())
    }
}

fn null_value(column: &str, table: &str) -> SqlError {
    SqlError::new(
        sqlstate::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
    )
}

/// What a statement's WHERE says about the rows that it changes.
pub(super) fn affected<'e>(filter: Option<&'e Expr>, joined: bool) -> Affected<'e> {
    match filter {
        _ if joined => Affected::Some,
        Some(filter) => Affected::Where(filter),
        None => Affected::All,
    }
}
