//! What a statement that defines something demands of the rows that are there.

use std::collections::BTreeSet;
use std::rc::Rc;

use lock_table::RelationId;
use schema_rules::Catalog;
use schema_rules::catalog::Relation;
use schema_rules::effects::Condition;

use super::Exec;
use super::scan::{mapped, widened};
use crate::error::{Result, not_modelled};
use crate::expr::{Binder, Env, Scope};
use crate::plan::{Planner, Table, table_item};
use crate::value::Value;

/// Whether the rows satisfy a condition, read with the definitions of `catalog`.
pub(super) fn holds(
    ex: &mut Exec<'_, '_>,
    catalog: &Catalog,
    lookup: &schema_rules::Session,
    condition: &Condition,
) -> Result<bool> {
    if let Some(known) = virtual_holds(ex, catalog, condition) {
        return Ok(known);
    }
    let mut planner = Planner::new(catalog, lookup, &[]);
    let slot = |column: u16| usize::from(column).saturating_sub(1);
    match condition {
        Condition::NoNulls { relation, column } => {
            let rows = rows_of(ex, catalog, *relation);
            Ok(!rows.iter().any(|row| row.get(slot(*column)).is_none_or(Value::is_null)))
        }
        Condition::Empty { relation } => Ok(ex.cx.scan(*relation).is_empty()),
        Condition::Check { relation, expression } => {
            let Some(found) = catalog.relation(*relation).cloned() else { return Ok(true) };
            let items = [table_item(&planner, &found, found.name.clone(), 0)];
            let scope = Scope { items: &items, parent: None };
            let check = Binder::new(&mut planner, scope).condition(expression, "CHECK")?;
            for row in rows_of(ex, catalog, *relation) {
                if check.eval(ex, &Env::row(&row))? == Value::Bool(false) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Unique { relation, index } => {
            let Some(found) = catalog.relation(*relation).cloned() else { return Ok(true) };
            let table = planner.table(&found)?;
            is_unique(ex, catalog, &table, *index)
        }
        Condition::Exclusion { .. } => Err(not_modelled("exclusion constraints")),
        Condition::DomainCheck { .. } => Err(not_modelled("domain constraints over stored values")),
        Condition::ForeignKey { relation, key } => {
            let places = crate::plan::slots(&key.referenced_columns);
            let mut known: BTreeSet<Vec<Value>> = BTreeSet::new();
            for part in catalog.with_descendants(key.referenced) {
                let map = map_from(catalog, key.referenced, part);
                for row in rows_of(ex, catalog, part) {
                    let row = map.as_ref().map_or_else(|| row.to_vec(), |m| mapped(&row, m));
                    known.insert(places.iter().map(|s| row[*s].clone()).collect());
                }
            }
            let own = crate::plan::slots(&key.columns);
            for row in rows_of(ex, catalog, *relation) {
                let value: Vec<Value> = own.iter().map(|s| row[*s].clone()).collect();
                if !value.iter().any(Value::is_null) && !known.contains(&value) {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Unreferenced { relation, key, partition } => {
            let places = crate::plan::slots(&key.referenced_columns);
            let map = map_from(catalog, key.referenced, *partition);
            let mut gone: BTreeSet<Vec<Value>> = BTreeSet::new();
            for row in rows_of(ex, catalog, *partition) {
                let row = map.as_ref().map_or_else(|| row.to_vec(), |m| mapped(&row, m));
                gone.insert(places.iter().map(|s| row[*s].clone()).collect());
            }
            let own = crate::plan::slots(&key.columns);
            for part in catalog.with_descendants(*relation) {
                let map = map_from(catalog, *relation, part);
                for row in rows_of(ex, catalog, part) {
                    let row = map.as_ref().map_or_else(|| row.to_vec(), |m| mapped(&row, m));
                    if gone.contains(&own.iter().map(|s| row[*s].clone()).collect::<Vec<_>>()) {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        }
        Condition::WithinBound { relation, parent, bound } => {
            let bounds = (*relation, *parent, &**bound);
            bound_takes(ex, catalog, &mut planner, bounds, true)
        }
        Condition::OutsideBound { relation, parent, bound } => {
            let bounds = (*relation, *parent, &**bound);
            bound_takes(ex, catalog, &mut planner, bounds, false)
        }
        Condition::Converts { .. } => Ok(true),
    }
}

/// What a condition comes to on a virtual table: its rows are taken to satisfy what is demanded of them. That a
/// column without a default is NULL in all rows is known while it is being added.
fn virtual_holds(ex: &mut Exec<'_, '_>, catalog: &Catalog, condition: &Condition) -> Option<bool> {
    let (relation, other) = match condition {
        Condition::NoNulls { relation, .. }
        | Condition::Empty { relation }
        | Condition::Check { relation, .. }
        | Condition::Unique { relation, .. }
        | Condition::WithinBound { relation, .. }
        | Condition::OutsideBound { relation, .. } => (*relation, None),
        Condition::ForeignKey { relation, key } => (*relation, Some(key.referenced)),
        Condition::Unreferenced { relation, partition, .. } => (*relation, Some(*partition)),
        Condition::Exclusion { .. } | Condition::DomainCheck { .. } | Condition::Converts { .. } => {
            return None;
        }
    };
    let is_virtual = |id: RelationId| {
        catalog.with_descendants(id).into_iter().any(|part| ex.virtual_table(part).is_some())
    };
    if !is_virtual(relation) && !other.is_some_and(is_virtual) {
        return None;
    }
    match condition {
        Condition::Empty { .. } => Some(ex.cx.committed_count(relation) == 0),
        Condition::NoNulls { column, .. } if ex.cx.committed_count(relation) > 0 => {
            let before = ex.shared.edit().catalog_of(ex.session());
            let is_old = before.relation(relation).is_none_or(|r| r.column_at(*column).is_some());
            let has_value = catalog
                .relation(relation)
                .and_then(|r| r.column_at(*column))
                .is_none_or(|c| c.default.is_some() || c.identity.is_some() || c.generated.is_some());
            Some(is_old || has_value)
        }
        _ => Some(true),
    }
}

/// The rows of a table at the full width that its definition gives them.
pub(super) fn rows_of(ex: &mut Exec<'_, '_>, catalog: &Catalog, relation: RelationId) -> Vec<Rc<[Value]>> {
    let width = catalog.relation(relation).map_or(0, |r| r.columns.len());
    let found = ex.cx.scan(relation);
    found.iter().map(|(_, tuple)| widened(ex, relation, tuple, width)).collect()
}

fn map_from(catalog: &Catalog, root: RelationId, part: RelationId) -> Option<Vec<Option<usize>>> {
    if root == part {
        return None;
    }
    let (root, part) = (catalog.relation(root)?, catalog.relation(part)?);
    Some(crate::plan::column_map(root, part))
}

fn is_unique(ex: &mut Exec<'_, '_>, catalog: &Catalog, table: &Table, index: RelationId) -> Result<bool> {
    let Some(index) = table.indexes.iter().find(|i| i.id == index) else { return Ok(true) };
    let mut seen = BTreeSet::new();
    for row in rows_of(ex, catalog, table.id) {
        let Some(key) = super::unique::key_of(ex, index, &row)? else { continue };
        let counts = index.nulls_not_distinct || !key.iter().any(Value::is_null);
        if counts && !seen.insert(key) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether all rows lie within a bound (or all outside of it).
fn bound_takes(
    ex: &mut Exec<'_, '_>,
    catalog: &Catalog,
    planner: &mut Planner<'_>,
    (relation, parent, bound): (RelationId, RelationId, &schema_rules::catalog::PartitionBound),
    within: bool,
) -> Result<bool> {
    let (Some(parent), Some(table)) = (catalog.relation(parent), catalog.relation(relation)) else {
        return Ok(true);
    };
    let (parent, table): (Rc<Relation>, Rc<Relation>) = (Rc::clone(parent), Rc::clone(table));
    let Some(limits) = planner.within_bound(&table, relation, &parent, bound)? else { return Ok(true) };
    for row in rows_of(ex, catalog, relation) {
        if limits.holds(ex, &row)? != within {
            return Ok(false);
        }
    }
    Ok(true)
}
