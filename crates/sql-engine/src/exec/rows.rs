//! Rows on their way into a table: defaults, generated columns, constraints, partitions.

use std::rc::Rc;

use super::Exec;
use super::scan::mapped;
use crate::error::{Result, SqlError, error};
use crate::expr::Env;
use crate::plan::{Part, Table, WriteTarget};
use crate::state::Tuple;
use crate::value::Value;

/// A full row from given values; nothing for a default.
pub(super) fn complete(
    ex: &mut Exec<'_, '_>,
    table: &Table,
    given: impl Iterator<Item = (usize, Option<Value>)>,
) -> Result<Vec<Value>> {
    let mut values: Vec<Option<Value>> = vec![None; table.columns.len()];
    for (slot, value) in given {
        values[slot] = value;
    }
    let mut row = Vec::with_capacity(values.len());
    for (value, column) in values.into_iter().zip(&table.columns) {
        row.push(match (value, &column.default) {
            (Some(value), _) => value,
            (None, Some(default)) => default.eval(ex, &Env::row(&[]))?,
            (None, None) => Value::Null,
        });
    }
    generate(ex, table, &mut row)?;
    Ok(row)
}

/// The default of a column.
pub(super) fn default_of(ex: &mut Exec<'_, '_>, table: &Table, slot: usize) -> Result<Value> {
    table.columns[slot].default.as_ref().map_or(Ok(Value::Null), |d| d.eval(ex, &Env::row(&[])))
}

/// Computes the generated columns.
pub(super) fn generate(ex: &mut Exec<'_, '_>, table: &Table, row: &mut [Value]) -> Result<()> {
    for (slot, column) in table.columns.iter().enumerate() {
        if let Some(generated) = &column.generated {
            row[slot] = generated.eval(ex, &Env::row(row))?;
        }
    }
    Ok(())
}

/// NOT NULL and CHECK, in the server's order.
pub(super) fn check(ex: &mut Exec<'_, '_>, table: &Table, row: &[Value]) -> Result<()> {
    for (value, column) in row.iter().zip(&table.columns) {
        if column.not_null && value.is_null() {
            let message = format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                column.name, table.name
            );
            return Err(error("23502", message));
        }
    }
    for (name, check) in &table.checks {
        if check.eval(ex, &Env::row(row))? == Value::Bool(false) {
            let message =
                format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name);
            return Err(error("23514", message));
        }
    }
    Ok(())
}

/// The bounds of the partition that a statement names.
pub(super) fn check_within(ex: &mut Exec<'_, '_>, target: &WriteTarget, row: &[Value]) -> Result<()> {
    for within in &target.within {
        if !within.holds(ex, row)? {
            return Err(outside(&target.table));
        }
    }
    Ok(())
}

/// A row that another partition should have.
pub(super) fn outside(table: &Table) -> SqlError {
    error("23514", format!("new row for relation \"{}\" violates partition constraint", table.name))
}

/// The table that a row of the target belongs into, and its values there.
pub(super) fn route(
    ex: &mut Exec<'_, '_>,
    target: &WriteTarget,
    row: Vec<Value>,
) -> Result<(Rc<Table>, Vec<Value>, Vec<Rc<Table>>)> {
    let mut table = Rc::clone(&target.table);
    let mut row = row;
    let mut way = Vec::new();
    while let Some(routing) = table.routing.clone() {
        let key = routing.key.iter().map(|k| k.eval(ex, &Env::row(&row))).collect::<Result<Vec<_>>>()?;
        let part = routing.route(&key).and_then(|id| part(target, id));
        let Some(part) = part else {
            let message = format!("no partition of relation \"{}\" found for row", table.name);
            return Err(error("23514", message));
        };
        // The map leads from the root's columns; a part of a part has one from the root, too.
        row = place_in(&part.table, &target.table, &row, &table, part);
        table = Rc::clone(&part.table);
        way.push(Rc::clone(&table));
    }
    Ok((table, row, way))
}

pub(super) fn part(target: &WriteTarget, id: lock_table::RelationId) -> Option<&Part> {
    target.parts.iter().find(|p| p.table.id == id)
}

/// The row, given in the columns of `from`, in the columns of `to`: matched by name.
pub(super) fn place_in(to: &Table, root: &Table, row: &[Value], from: &Table, part: &Part) -> Vec<Value> {
    if from.id == root.id {
        let mut values = vec![Value::Null; to.columns.len()];
        for (value, at) in row.iter().zip(&part.map) {
            if let Some(at) = at {
                values[*at] = value.clone();
            }
        }
        return values;
    }
    let place = |name: &str| from.columns.iter().position(|c| !c.dropped && &*c.name == name);
    let map: Vec<Option<usize>> =
        to.columns.iter().map(|c| if c.dropped { None } else { place(&c.name) }).collect();
    mapped(row, &map)
}

/// A new version with these values, to stand after all others.
pub(super) fn version(ex: &Exec<'_, '_>, table: &Table, values: Rc<[Value]>) -> Tuple {
    let mut state = ex.shared.edit();
    let data = state.table(table.id);
    data.next_place += 1;
    Tuple { place: data.next_place, values: Some(values) }
}
