//! Expressions that may as well be left out.

use crate::expr::{Node, Typed};

/// Looks at expressions whose values nobody will see.
pub(super) struct Harmless {
    pub(super) row: Row,
    /// So many parameters they need.
    pub(super) params: usize,
}

/// The row that expressions are over.
pub(super) enum Row {
    /// One of a virtual table: but for the column that numbers the rows, all are NULL.
    Virtual { number: Option<usize> },
    /// One that a statement makes.
    New,
}

impl Harmless {
    /// Whether evaluating it can neither fail nor be noticed, if there are enough parameters.
    pub(super) fn is_harmless(&mut self, e: &Typed) -> bool {
        match &e.node {
            Node::Const(_) | Node::Column(_) => true,
            Node::Param(n) => {
                self.params = self.params.max(n + 1);
                true
            }
            Node::Compare(_, sides) | Node::IsDistinct(sides) | Node::NullIf(sides) | Node::Concat(sides) => {
                self.are_harmless(&sides[..])
            }
            Node::Coalesce(list) | Node::Array(list) | Node::Row(list) => self.are_harmless(list),
            Node::IsNull(a) => self.is_harmless(a),
            Node::Call(function, args) if args.is_empty() => !function.is_volatile(),
            Node::Arithmetic(_, sides) => self.is_null(e) && self.are_harmless(&sides[..]),
            Node::Cast(a) | Node::Negate(a) => self.is_null(a) && self.is_harmless(a),
            _ => false,
        }
    }

    pub(super) fn are_harmless(&mut self, list: &[Typed]) -> bool {
        list.iter().all(|e| self.is_harmless(e))
    }

    /// Whether it is NULL for certain, as what is in the column that it reads is not known.
    fn is_null(&self, e: &Typed) -> bool {
        match &e.node {
            Node::Column(slot) => matches!(self.row, Row::Virtual { number } if number != Some(*slot)),
            Node::Arithmetic(_, sides) => sides.iter().any(|side| self.is_null(side)),
            Node::Cast(a) | Node::Negate(a) => self.is_null(a),
            _ => false,
        }
    }
}

/// Whether evaluating it takes nothing but the row, the parameters and the shared state: no query, and no function
/// that the statement has to stop for.
pub(super) fn can_evaluate(e: &Typed) -> bool {
    let mut can = true;
    e.walk(&mut |e| {
        can &= !matches!(
            e.node,
            Node::Outer(..)
                | Node::StepResult(_)
                | Node::Series(_)
                | Node::Step(..)
                | Node::Inlined(..)
                | Node::Scalar(_)
                | Node::Exists(_)
                | Node::AnyOfQuery(..)
                | Node::ArrayOfQuery(_)
        );
    });
    can
}
