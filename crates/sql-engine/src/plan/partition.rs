//! Which partition a row belongs to, and which partitions a condition leaves.

use std::rc::Rc;

use lock_table::RelationId;
use schema_rules::catalog::{
    BoundValue, IndexKeyValue, PartitionBound, PartitionKey, PartitionStrategy, Relation,
};
use sql_syntax::ast::Expr;

use super::{Planner, column_map, table_item};
use crate::error::{Result, not_modelled};
use crate::exec::{Exec, mapped};
use crate::expr::{Binder, Comparison, Env, Node, Scope, Typed};
use crate::value::{Type, Value, cast};

/// How the rows of a partitioned table find their partition.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) key: Vec<Typed>,
    pub(crate) parts: Vec<(RelationId, Bound)>,
}

/// A partition's bound with its constants.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    List(Vec<Value>),
    Range { from: Vec<Limit>, to: Vec<Limit> },
    Default,
}

/// An end of a range.
#[derive(Clone, Debug)]
pub(crate) enum Limit {
    Min,
    Max,
    At(Value),
}

impl Routing {
    /// The partition for these key values, the default one if no other takes them.
    pub(crate) fn route(&self, key: &[Value]) -> Option<RelationId> {
        let takes = |(_, bound): &&(RelationId, Bound)| bound_accepts(bound, key) == Some(true);
        let found = self.parts.iter().find(takes);
        let default = || self.parts.iter().find(|(_, bound)| matches!(bound, Bound::Default));
        found.or_else(default).map(|(id, _)| *id)
    }

    /// The partitions that rows satisfying all the conditions can be in; conditions that say nothing about
    /// the key leave them all.
    pub(crate) fn pruned(&self, conditions: &[Typed]) -> Vec<RelationId> {
        let [key] = self.key.as_slice() else { return self.all() };
        let Node::Column(slot) = key.node else { return self.all() };
        let constraints: Vec<Constraint> = conditions.iter().filter_map(|c| constraint(c, slot)).collect();
        if constraints.is_empty() {
            return self.all();
        }
        let possible = |bound: &Bound| constraints.iter().all(|c| self.may_hold(bound, c));
        self.parts.iter().filter(|(_, bound)| possible(bound)).map(|(id, _)| *id).collect()
    }

    fn all(&self) -> Vec<RelationId> {
        self.parts.iter().map(|(id, _)| *id).collect()
    }

    fn may_hold(&self, bound: &Bound, constraint: &Constraint) -> bool {
        match constraint {
            Constraint::OneOf(values) => values.iter().any(|v| match bound {
                Bound::Default => {
                    let key = std::slice::from_ref(v);
                    !self.parts.iter().any(|(_, b)| bound_accepts(b, key) == Some(true))
                }
                bound => bound_accepts(bound, std::slice::from_ref(v)) == Some(true),
            }),
            Constraint::Compare(op, value) => match bound {
                Bound::Default => true,
                Bound::List(values) => values.iter().any(|v| op.apply(v, value) == Some(true)),
                Bound::Range { from, to } => range_may_hold(*op, value, from, to),
            },
        }
    }
}

fn range_may_hold(op: Comparison, value: &Value, from: &[Limit], to: &[Limit]) -> bool {
    let order = |limit: Option<&Limit>| match limit {
        Some(Limit::Min) | None => std::cmp::Ordering::Less,
        Some(Limit::Max) => std::cmp::Ordering::Greater,
        Some(Limit::At(v)) => v.compare(value),
    };
    match op {
        // Some value below: the range's start must lie below.
        Comparison::Lt => order(from.first()).is_lt(),
        Comparison::Le => order(from.first()).is_le(),
        Comparison::Gt | Comparison::Ge => order(to.first()).is_gt(),
        Comparison::Eq => order(from.first()).is_le() && order(to.first()).is_gt(),
        Comparison::Ne => true,
    }
}

/// What a condition says about the key.
enum Constraint {
    OneOf(Vec<Value>),
    Compare(Comparison, Value),
}

fn constraint(condition: &Typed, slot: usize) -> Option<Constraint> {
    match &condition.node {
        Node::Compare(op, sides) => {
            let (op, value) = match (&sides[0].node, &sides[1].node) {
                (Node::Column(s), Node::Const(v)) if *s == slot => (*op, v),
                (Node::Const(v), Node::Column(s)) if *s == slot => (op.flipped(), v),
                _ => return None,
            };
            if op == Comparison::Eq {
                return Some(Constraint::OneOf(vec![value.clone()]));
            }
            Some(Constraint::Compare(op, value.clone()))
        }
        Node::InList(operand, list) if matches!(operand.node, Node::Column(s) if s == slot) => {
            let values: Option<Vec<Value>> = list.iter().map(|e| e.as_constant().cloned()).collect();
            values.map(Constraint::OneOf)
        }
        Node::IsNull(operand) if matches!(operand.node, Node::Column(s) if s == slot) => {
            Some(Constraint::OneOf(vec![Value::Null]))
        }
        _ => None,
    }
}

/// Whether a bound takes a key; nothing for the default partition, which takes what no other takes.
pub(crate) fn bound_accepts(bound: &Bound, key: &[Value]) -> Option<bool> {
    match bound {
        Bound::Default => None,
        Bound::List(values) => Some(key.first().is_some_and(|k| values.iter().any(|v| v == k))),
        Bound::Range { from, to } => {
            // NULL is in no range.
            let inside = !key.iter().any(Value::is_null)
                && compare_limit(key, from).is_ge()
                && compare_limit(key, to).is_lt();
            Some(inside)
        }
    }
}

fn compare_limit(key: &[Value], limits: &[Limit]) -> std::cmp::Ordering {
    for (value, limit) in key.iter().zip(limits) {
        let order = match limit {
            Limit::Min => return std::cmp::Ordering::Greater,
            Limit::Max => return std::cmp::Ordering::Less,
            Limit::At(at) => value.compare(at),
        };
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

/// One of the bounds that a partition's rows keep to: its own, and those of the partitions that it is part of.
#[derive(Debug)]
pub(crate) struct Within {
    key: Vec<Typed>,
    /// Where the columns of the partitioned table are in the partition.
    map: Vec<Option<usize>>,
    bound: Bound,
    /// What the other partitions take, if this is the default one.
    others: Vec<Bound>,
}

impl Within {
    /// Whether a row, in the partition's columns, keeps to it.
    pub(crate) fn holds(&self, ex: &mut Exec<'_, '_>, row: &[Value]) -> Result<bool> {
        let row = mapped(row, &self.map);
        let key = self.key.iter().map(|k| k.eval(ex, &Env::row(&row))).collect::<Result<Vec<_>>>()?;
        Ok(match bound_accepts(&self.bound, &key) {
            Some(inside) => inside,
            None => !self.others.iter().any(|bound| bound_accepts(bound, &key) == Some(true)),
        })
    }

    pub(crate) const fn is_default(&self) -> bool {
        matches!(self.bound, Bound::Default)
    }
}

impl Planner<'_> {
    /// The bounds that a table's rows have to keep to (`generate_partition_qual` in partcache.c).
    pub(crate) fn within(&mut self, relation: &Rc<Relation>) -> Result<Vec<Within>> {
        let mut found = Vec::new();
        let mut part = Rc::clone(relation);
        while let Some(bound) = part.partition_bound.clone() {
            let parent = part.parents.first().and_then(|id| self.catalog.relation(*id)).cloned();
            let Some(parent) = parent else { break };
            found.extend(self.within_bound(relation, part.id, &parent, &bound)?);
            part = parent;
        }
        Ok(found)
    }

    /// What it means for the rows of `table` to belong into a partition of `parent` with this bound.
    pub(crate) fn within_bound(
        &mut self,
        table: &Relation,
        part: RelationId,
        parent: &Rc<Relation>,
        bound: &PartitionBound,
    ) -> Result<Option<Within>> {
        let items = [table_item(self, parent, parent.name.clone(), 0)];
        let Some(routing) = self.routing(parent, Scope { items: &items, parent: None })? else {
            return Ok(None);
        };
        let types: Vec<Type> = routing.key.iter().map(|k| k.ty.clone()).collect();
        let others = routing.parts.iter().filter(|(id, _)| *id != part).map(|(_, bound)| bound.clone());
        Ok(Some(Within {
            key: routing.key.clone(),
            map: column_map(parent, table),
            bound: self.bound(bound, &types)?,
            others: others.collect(),
        }))
    }

    /// How rows are routed, if the table is partitioned. A partition that is being detached takes none.
    pub(crate) fn routing(&mut self, relation: &Relation, scope: Scope<'_>) -> Result<Option<Rc<Routing>>> {
        let Some(key) = relation.partition_key().cloned() else { return Ok(None) };
        if key.strategy == PartitionStrategy::Hash {
            return Err(not_modelled("PARTITION BY HASH"));
        }
        let key_exprs = self.partition_key(relation, &key, scope)?;
        let types: Vec<Type> = key_exprs.iter().map(|e| e.ty.clone()).collect();
        let children: Vec<Rc<Relation>> = self.catalog.children_of(relation.id).cloned().collect();
        let mut parts = Vec::new();
        for child in children {
            if child.detach_pending && !self.still_attached.contains(&child.id) {
                continue;
            }
            if let Some(bound) = &child.partition_bound {
                parts.push((child.id, self.bound(bound, &types)?));
            }
        }
        Ok(Some(Rc::new(Routing { key: key_exprs, parts })))
    }

    fn partition_key(
        &mut self,
        relation: &Relation,
        key: &PartitionKey,
        scope: Scope<'_>,
    ) -> Result<Vec<Typed>> {
        let column = |n: usize| {
            let ty = Type::of(self.catalog, &relation.columns[n].data_type);
            Typed::new(Node::Column(n), ty)
        };
        let mut compiled = Vec::new();
        for value in &key.keys {
            compiled.push(match value {
                IndexKeyValue::Column(n) => Some(column(usize::from(*n).saturating_sub(1))),
                IndexKeyValue::Expression(_) => None,
            });
        }
        let mut exprs = Vec::new();
        for (done, value) in compiled.into_iter().zip(&key.keys) {
            exprs.push(match (done, value) {
                (Some(column), _) => column,
                (None, IndexKeyValue::Expression(e)) => Binder::new(self, scope).compile(e)?,
                (None, IndexKeyValue::Column(_)) => continue,
            });
        }
        Ok(exprs)
    }

    /// A bound with its constants evaluated.
    pub(crate) fn bound(&mut self, bound: &PartitionBound, types: &[Type]) -> Result<Bound> {
        let mut value = |e: &Expr, at: usize| -> Result<Value> {
            let typed = Binder::new(self, Scope::default()).compile(e)?;
            let ty = types.get(at).unwrap_or(&Type::Text);
            let constant = typed.as_constant().ok_or_else(|| not_modelled("computed partition bounds"))?;
            cast(constant.clone(), &typed.ty, ty)
        };
        Ok(match bound {
            PartitionBound::Default => Bound::Default,
            PartitionBound::List(values) => {
                Bound::List(values.iter().map(|e| value(e, 0)).collect::<Result<_>>()?)
            }
            PartitionBound::Range { from, to } => {
                let mut limits = |list: &[BoundValue]| -> Result<Vec<Limit>> {
                    list.iter()
                        .enumerate()
                        .map(|(at, v)| {
                            Ok(match v {
                                BoundValue::Min => Limit::Min,
                                BoundValue::Max => Limit::Max,
                                BoundValue::Value(e) => Limit::At(value(e, at)?),
                            })
                        })
                        .collect()
                };
                Bound::Range { from: limits(from)?, to: limits(to)? }
            }
            PartitionBound::Hash { .. } => return Err(not_modelled("PARTITION BY HASH")),
        })
    }
}
