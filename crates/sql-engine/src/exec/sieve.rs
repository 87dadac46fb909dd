//! Conditions that a row's own values and the parameters decide: a scan tries them on each row as it stands in
//! the table, and copies only the rows that pass.

use crate::expr::{Node, Typed};
use crate::plan::SelectPlan;
use crate::plan::{SortValue, Source};
use crate::value::Value;

/// Comparisons of columns, constants and parameters, and what AND, OR, NOT and IS NULL make of them.
pub(super) struct Sieve<'s> {
    conditions: &'s [Typed],
    /// The place of the table's first column among the columns that the conditions count.
    offset: usize,
    /// The values of columns that a row is too old to have.
    missing: &'s [Value],
    params: &'s [Value],
}

impl<'s> Sieve<'s> {
    /// Nothing if more than that is needed to decide, or if deciding could fail.
    pub(super) fn new(
        conditions: &'s [Typed],
        offset: usize,
        missing: &'s [Value],
        params: &'s [Value],
    ) -> Option<Self> {
        let sieve = Self { conditions, offset, missing, params };
        conditions.iter().all(|e| sieve.can_decide(e)).then_some(sieve)
    }

    pub(super) fn passes(&self, row: &[Value]) -> bool {
        self.conditions.iter().all(|e| self.truth(e, row) == Some(true))
    }

    fn can_decide(&self, e: &Typed) -> bool {
        match &e.node {
            Node::Compare(_, sides) => sides.iter().all(|side| self.is_operand(side)),
            Node::IsNull(a) => self.is_operand(a),
            Node::Not(a) => self.can_decide(a),
            Node::And(list) | Node::Or(list) => list.iter().all(|e| self.can_decide(e)),
            _ => false,
        }
    }

    fn is_operand(&self, e: &Typed) -> bool {
        match e.node {
            Node::Const(_) => true,
            Node::Column(slot) => slot >= self.offset,
            Node::Param(n) => n < self.params.len(),
            _ => false,
        }
    }

    fn truth(&self, e: &Typed, row: &[Value]) -> Option<bool> {
        match &e.node {
            Node::Compare(op, sides) => op.apply(self.operand(&sides[0], row), self.operand(&sides[1], row)),
            Node::IsNull(a) => Some(self.operand(a, row).is_null()),
            Node::Not(a) => self.truth(a, row).map(|b| !b),
            Node::And(list) => self.junction(list, false, row),
            Node::Or(list) => self.junction(list, true, row),
            _ => None,
        }
    }

    fn junction(&self, list: &[Typed], decisive: bool, row: &[Value]) -> Option<bool> {
        let mut all = Some(!decisive);
        for e in list {
            match self.truth(e, row) {
                Some(b) if b == decisive => return Some(decisive),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    }

    fn operand<'v>(&'v self, e: &'v Typed, row: &'v [Value]) -> &'v Value {
        match &e.node {
            Node::Const(value) => value,
            Node::Column(slot) => {
                let at = slot - self.offset;
                row.get(at).or_else(|| self.missing.get(at)).unwrap_or(&Value::Null)
            }
            Node::Param(n) => &self.params[*n],
            _ => &Value::Null,
        }
    }
}

/// How many of the leading columns of its table a query reads: the others need not be filled in.
pub(super) fn columns_read(select: &SelectPlan) -> usize {
    let Source::Table(scan) = &select.source else { return usize::MAX };
    let grouping = select.grouping.iter().flat_map(|grouping| {
        let calls = grouping.aggregates.iter().flat_map(|call| {
            let keys = call.order_by.iter().map(|(key, ..)| key);
            call.argument.iter().chain(&call.separator).chain(&call.filter).chain(keys)
        });
        grouping.keys.iter().chain(calls).chain(&grouping.having)
    });
    let sorted = select.order_by.iter().filter_map(|key| match &key.value {
        SortValue::Expression(e) => Some(e),
        SortValue::Target(_) => None,
    });
    let expressions = (select.targets.iter().chain(&select.filter).chain(&scan.filter))
        .chain(select.distinct.iter().flatten())
        .chain(sorted)
        .chain(grouping);
    let mut read = 0;
    for e in expressions {
        match e.columns() {
            // Behind the table's columns stand the aggregates.
            Some(columns) => {
                let of_table = columns.into_iter().filter(|at| *at < scan.width);
                read = of_table.map(|at| at + 1).fold(read, usize::max);
            }
            None => return usize::MAX,
        }
    }
    read
}
