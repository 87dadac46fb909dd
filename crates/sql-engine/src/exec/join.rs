//! Joins with virtual tables: who belongs to whom, as far as it is known.
//!
//! A row whose foreign key is known finds its partner by the key. What is not known is who the partner of a virtual
//! row is: such a row has one, of which nothing is known.

use lock_table::{RelationId, RowKey};
use smallvec::smallvec;

use super::Exec;
use super::scan::{Frame, Origin, SourceRow, known_of, placed, rows};
use super::selection::{FEW, Selection, keys_of_values};
use crate::error::Result;
use crate::expr::{Node, Typed};
use crate::plan::{JoinSource, Source, TableScan};
use crate::value::Value;
use crate::virtual_table::VirtualTable;

/// As many partners are looked up one by one.
const LOOKED_UP: usize = 100_000;

/// Whether a row, or part of it, comes from a virtual table.
pub(super) fn is_unknown(ex: &Exec<'_, '_>, row: &SourceRow) -> bool {
    row.origins.iter().any(|origin| ex.virtual_table(origin.relation).is_some())
}

/// The rows of the right side that the left ones belong to, if that is a virtual table joined by its key.
pub(super) fn partners(
    ex: &mut Exec<'_, '_>,
    join: &JoinSource,
    left: &[SourceRow],
    frame: Frame<'_>,
) -> Result<Option<Vec<SourceRow>>> {
    let Source::Table(scan) = &join.right else { return Ok(None) };
    if !scan.has_heap || !scan.parts.is_empty() || left.len() > LOOKED_UP {
        return Ok(None);
    }
    let Some(known) = ex.virtual_table(scan.relation) else { return Ok(None) };
    let Some(slot) = known.integer_slot().map(|slot| slot + scan.offset) else { return Ok(None) };
    let Some((by, _)) = join.equal.iter().find(|(_, r)| is_column(r, slot)) else { return Ok(None) };
    let mut keys = Vec::with_capacity(left.len());
    for row in left {
        let value = by.eval(ex, &frame.env(&row.values))?;
        if !value.is_null() {
            keys.push(known.row_of(&[value]));
        }
    }
    let relation = scan.relation;
    keys.retain(|key| ex.cx.has_row(relation, *key));
    let found = Selection::of_scan(ex, scan, relation, &known, frame)?.narrowed(keys);
    let keys = found.some(ex, relation, u64::MAX, false, frame);
    ex.rows_read += keys.len() as u64;
    let row = |key: RowKey| {
        let values = placed(&known_of(scan, relation, &known, key), scan.offset, frame.width).into();
        SourceRow { values, origins: smallvec![Origin { item: scan.item, relation, key }] }
    };
    Ok(Some(keys.into_iter().map(row).collect()))
}

/// The rows of the target of an UPDATE or DELETE that belong to the rows that it is joined with; nothing if it is
/// not known who they are.
pub(super) fn keys_of_target(
    ex: &mut Exec<'_, '_>,
    source: &Source,
    scan: &TableScan,
    relation: RelationId,
    known: &VirtualTable,
    frame: Frame<'_>,
) -> Result<Option<Vec<RowKey>>> {
    let Source::Join(join) = source else { return Ok(None) };
    if !matches!(&join.left, Source::Table(left) if left.item == scan.item) || relation != scan.relation {
        return Ok(None);
    }
    let slot = |e: &Typed| match e.node {
        Node::Column(at) => at.checked_sub(scan.offset).filter(|slot| *slot < scan.width),
        _ => None,
    };
    let key = known.integer_slot();
    let by_key = join.equal.iter().find(|(l, _)| slot(l).is_some() && slot(l) == key);
    let Some((own, theirs)) = by_key.or_else(|| join.equal.iter().find(|(l, _)| slot(l).is_some())) else {
        return Ok(None);
    };
    let Some(own) = slot(own) else { return Ok(None) };
    let seen = ex.unseen;
    let partners = rows(ex, &join.right, frame)?;
    if std::mem::replace(&mut ex.unseen, seen) != seen || partners.len() > LOOKED_UP {
        return Ok(None);
    }
    let mut keys = Vec::new();
    for partner in &partners {
        let value: Value = theirs.eval(ex, &frame.env(&partner.values))?;
        if value.is_null() && is_unknown(ex, partner) {
            return Ok(None);
        }
        keys.append(&mut keys_of_values(ex, relation, known, &[own], &[value], FEW));
    }
    Ok(Some(keys))
}

fn is_column(e: &Typed, slot: usize) -> bool {
    matches!(e.node, Node::Column(at) if at == slot)
}
