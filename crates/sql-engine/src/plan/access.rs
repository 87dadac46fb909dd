//! Which index serves a table's conditions.

use lock_table::RelationId;

use super::{KeyPart, TableIndex};
use crate::expr::{Comparison, Node, Typed};

/// How a table's rows are found.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// All of them.
    Sequential,
    /// Those whose key begins with these values, and lies between these bounds in the next part.
    Index {
        index: RelationId,
        equal: Vec<Typed>,
        /// Value, and whether it is included.
        low: Option<(Typed, bool)>,
        high: Option<(Typed, bool)>,
    },
    /// Those whose key's first part is one of these values.
    AnyOf { index: RelationId, values: Typed },
}

/// What a condition says about one column.
pub(crate) enum Bound {
    Equal(Typed),
    Low(Typed, bool),
    High(Typed, bool),
}

impl Access {
    /// The best index for the conditions: the one with the longest prefix of equal columns, a unique one
    /// before others; without any, one with a range; without that, the whole table.
    pub(crate) fn choose(filter: &[Typed], indexes: &[TableIndex], offset: usize) -> Self {
        let mut best: Option<(usize, Self)> = None;
        for index in indexes.iter().filter(|i| usable(i)) {
            if let Some((score, access)) = Self::with_index(filter, index, offset)
                && best.as_ref().is_none_or(|(known, _)| score > *known)
            {
                best = Some((score, access));
            }
        }
        best.map_or(Self::Sequential, |(_, access)| access)
    }

    fn with_index(filter: &[Typed], index: &TableIndex, offset: usize) -> Option<(usize, Self)> {
        let slot = |part: &KeyPart| match part {
            KeyPart::Slot(slot) => Some(slot + offset),
            KeyPart::Expression(_) => None,
        };
        let mut equal = Vec::new();
        let (mut low, mut high) = (None, None);
        for part in &index.parts {
            let Some(slot) = slot(part) else { break };
            let bounds: Vec<Bound> = filter.iter().flat_map(|c| bounds(c, slot)).collect();
            let exact = bounds.iter().find_map(|b| match b {
                Bound::Equal(e) => Some(e.clone()),
                _ => None,
            });
            if let Some(e) = exact {
                equal.push(e);
                continue;
            }
            for bound in bounds {
                match bound {
                    Bound::Low(e, included) => low = Some((e, included)),
                    Bound::High(e, included) => high = Some((e, included)),
                    Bound::Equal(_) => {}
                }
            }
            break;
        }
        let score = equal.len() * 4
            + usize::from(low.is_some())
            + usize::from(high.is_some())
            + usize::from(index.unique && equal.len() == index.parts.len());
        if score > 0 {
            return Some((score, Self::Index { index: index.id, equal, low, high }));
        }
        let first = slot(index.parts.first()?)?;
        let values = filter.iter().find_map(|c| any_of(c, first))?;
        Some((2, Self::AnyOf { index: index.id, values }))
    }
}

fn usable(index: &TableIndex) -> bool {
    index.valid && index.predicate.is_none()
}

pub(crate) fn bounds(condition: &Typed, slot: usize) -> Vec<Bound> {
    match &condition.node {
        Node::And(list) => list.iter().flat_map(|c| bounds(c, slot)).collect(),
        Node::Compare(op, sides) => {
            let is_column = |e: &Typed| matches!(e.node, Node::Column(s) if s == slot);
            let (op, value) = if is_column(&sides[0]) && sides[1].is_row_independent() {
                (*op, &sides[1])
            } else if is_column(&sides[1]) && sides[0].is_row_independent() {
                (op.flipped(), &sides[0])
            } else {
                return Vec::new();
            };
            match op {
                Comparison::Eq => vec![Bound::Equal(value.clone())],
                Comparison::Gt | Comparison::Ge => vec![Bound::Low(value.clone(), op == Comparison::Ge)],
                Comparison::Lt | Comparison::Le => vec![Bound::High(value.clone(), op == Comparison::Le)],
                Comparison::Ne => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

pub(crate) fn any_of(condition: &Typed, slot: usize) -> Option<Typed> {
    let is_column = |e: &Typed| matches!(e.node, Node::Column(s) if s == slot);
    match &condition.node {
        Node::InList(operand, list) if is_column(operand) && list.iter().all(Typed::is_row_independent) => {
            Some(Typed::new(Node::Array(list.clone()), operand.ty.clone()))
        }
        Node::AnyOfArray(Comparison::Eq, false, sides)
            if is_column(&sides[0]) && sides[1].is_row_independent() =>
        {
            Some(sides[1].clone())
        }
        Node::AnyOfQuery(Comparison::Eq, false, operand, plan) if is_column(operand) && !plan.correlated => {
            let node = Node::ArrayOfQuery(plan.clone());
            Some(Typed::new(node, operand.ty.clone()))
        }
        _ => None,
    }
}
