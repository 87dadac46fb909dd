//! A table as statements that change its rows see it: defaults, constraints, indexes, keys.

use std::rc::Rc;

use lock_table::RelationId;
use schema_rules::PgVersion;
use schema_rules::catalog::{
    ColumnNumber, ConstraintKind, Index, IndexKey, IndexKeyValue, ReferentialAction, Relation,
};
use schema_rules::effects::keys_to_partition;
use sql_syntax::ast::{TriggerEvent, TriggerTiming};

use super::partition::Routing;
use super::{Planner, name_rc};
use crate::error::Result;
use crate::expr::{Binder, Node, Scope, ScopeColumn, ScopeItem, Typed};
use crate::value::{Type, Value};

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: RelationId,
    pub(crate) name: Rc<str>,
    /// By number, dropped ones included.
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) checks: Vec<(Rc<str>, Typed)>,
    pub(crate) indexes: Vec<TableIndex>,
    pub(crate) outgoing: Vec<Rc<ForeignKey>>,
    pub(crate) incoming: Vec<Rc<ForeignKey>>,
    pub(crate) triggers: Vec<Trigger>,
    /// Slots that a foreign key could refer to: those of plain unique indexes.
    pub(crate) key_slots: Vec<usize>,
    pub(crate) routing: Option<Rc<Routing>>,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: Rc<str>,
    pub(crate) ty: Type,
    pub(crate) dropped: bool,
    pub(crate) not_null: bool,
    pub(crate) default: Option<Typed>,
    /// The sequences of the default.
    pub(crate) draws_from: Vec<RelationId>,
    pub(crate) generated: Option<Typed>,
    /// GENERATED ALWAYS AS IDENTITY: a value of one's own is refused.
    pub(crate) identity_always: bool,
}

/// An index as writes maintain it.
#[derive(Clone, Debug)]
pub(crate) struct TableIndex {
    pub(crate) id: RelationId,
    pub(crate) name: Rc<str>,
    pub(crate) parts: Vec<KeyPart>,
    pub(crate) predicate: Option<Typed>,
    pub(crate) unique: bool,
    pub(crate) nulls_not_distinct: bool,
    /// Whether queries may use it.
    pub(crate) valid: bool,
    /// Whether writes check it.
    pub(crate) ready: bool,
    /// The constraint that it serves is checked at the end of the transaction.
    pub(crate) deferred: bool,
}

/// A part of an index's key.
#[derive(Clone, Debug)]
pub(crate) enum KeyPart {
    Slot(usize),
    Expression(Typed),
}

/// A foreign key, in slots.
#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) name: Rc<str>,
    pub(crate) table: RelationId,
    pub(crate) table_name: Rc<str>,
    pub(crate) slots: Vec<usize>,
    pub(crate) referenced: RelationId,
    pub(crate) referenced_name: Rc<str>,
    pub(crate) referenced_slots: Vec<usize>,
    /// Where the referenced columns are in the table that knows the key as one that comes in.
    pub(crate) own_slots: Vec<usize>,
    /// The names of the constraint for this partition of the referenced table: up to 17, and later.
    pub(crate) partition_names: Option<(Rc<str>, Rc<str>)>,
    pub(crate) on_delete: ReferentialAction,
    pub(crate) on_update: ReferentialAction,
    pub(crate) initially_deferred: bool,
}

/// A trigger that fires.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) name: Rc<str>,
    pub(crate) timing: TriggerTiming,
    pub(crate) events: Vec<TriggerEvent>,
    pub(crate) for_each_row: bool,
    pub(crate) function: Rc<str>,
    /// WHEN, over the old row's values followed by the new row's.
    pub(crate) has_condition: bool,
}

impl Table {
    /// A name of a column for messages.
    pub(crate) fn column_name(&self, slot: usize) -> &str {
        self.columns.get(slot).map_or("?", |c| &c.name)
    }
}

/// The scope of one table whose row is the whole row.
pub(crate) fn table_item(
    planner: &Planner<'_>,
    relation: &Relation,
    alias: Rc<str>,
    offset: usize,
) -> ScopeItem {
    let live = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped);
    // Wide tables are planned often: their columns' list is not to grow one by one.
    let mut columns = Vec::with_capacity(relation.columns.len());
    columns.extend(live.map(|(at, c)| ScopeColumn {
        name: name_rc(&c.name),
        ty: Type::of(planner.catalog, &c.data_type),
        slot: offset + at,
        hidden: false,
    }));
    ScopeItem { alias, relation: Some(relation.id), columns }
}

pub(crate) fn slots(columns: &[ColumnNumber]) -> Vec<usize> {
    columns.iter().map(|n| usize::from(*n).saturating_sub(1)).collect()
}

impl Planner<'_> {
    /// Everything that a write to the table has to know.
    pub(crate) fn table(&mut self, relation: &Rc<Relation>) -> Result<Table> {
        let items = [table_item(self, relation, name_rc(&relation.name), 0)];
        let scope = Scope { items: &items, parent: None };
        let mut columns = Vec::with_capacity(relation.columns.len());
        for column in &relation.columns {
            let ty = Type::of(self.catalog, &column.data_type);
            let outer = self.drawn_from.replace(Vec::new());
            let default = match (&column.default, column.identity) {
                _ if column.dropped => None,
                (_, Some(identity)) => Some(self.identity_default(identity.sequence)),
                (Some(default), None) => {
                    let e = Binder::new(self, Scope::default()).compile(default)?;
                    Some(assignable(e, &ty)?)
                }
                (None, None) => None,
            };
            let draws_from = std::mem::replace(&mut self.drawn_from, outer).unwrap_or_default();
            let generated = match &column.generated {
                Some(generated) if !column.dropped => {
                    let e = Binder::new(self, scope).compile(&generated.expression)?;
                    Some(assignable(e, &ty)?)
                }
                _ => None,
            };
            columns.push(TableColumn {
                name: name_rc(&column.name),
                ty,
                dropped: column.dropped,
                not_null: !column.dropped && refuses_null(relation, column),
                default,
                draws_from,
                generated,
                identity_always: column.identity.is_some_and(|i| i.always),
            });
        }
        let indexes = self.table_indexes(relation, scope)?;
        let (outgoing, incoming) = (self.outgoing(relation), self.incoming(relation));
        Ok(Table {
            id: relation.id,
            name: name_rc(&relation.name),
            columns,
            checks: self.checks(relation, scope)?,
            key_slots: key_slots(&indexes),
            indexes,
            outgoing,
            incoming,
            triggers: triggers(relation),
            routing: self.routing(relation, scope)?,
        })
    }

    /// Its indexes, for who reads it only.
    pub(crate) fn indexes_of(&mut self, relation: &Rc<Relation>) -> Result<Vec<TableIndex>> {
        let mut indexes = self.catalog.indexes_of(relation.id).filter_map(|index| index.as_index());
        let computes = indexes.any(|index| {
            let is_expression = |key: &IndexKey| matches!(key.value, IndexKeyValue::Expression(_));
            index.predicate.is_some() || index.keys.iter().any(is_expression)
        });
        let items = computes.then(|| table_item(self, relation, name_rc(&relation.name), 0));
        self.table_indexes(relation, Scope { items: items.as_slice(), parent: None })
    }

    fn identity_default(&mut self, sequence: RelationId) -> Typed {
        let name = self
            .catalog
            .relation(sequence)
            .map_or_else(String::new, |r| format!("\"{}\".\"{}\"", r.schema, r.name));
        self.note_sequence(&name);
        let argument = Typed::constant(Value::text(name), Type::Text);
        let node = match crate::expr::Function::find("nextval", 1) {
            Some(nextval) => Node::Call(nextval, vec![argument]),
            None => Node::Const(Value::Null),
        };
        Typed::new(node, Type::Int8)
    }

    fn checks(&mut self, relation: &Relation, scope: Scope<'_>) -> Result<Vec<(Rc<str>, Typed)>> {
        let mut checks = Vec::new();
        for constraint in &relation.constraints {
            if let ConstraintKind::Check(e) = &constraint.kind
                && constraint.enforced
            {
                let e = Binder::new(self, scope).condition(e, "CHECK")?;
                checks.push((name_rc(&constraint.name), e));
            }
        }
        // Checked in the order of their names (`CheckConstraintFetch` sorts by name).
        checks.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(checks)
    }

    fn table_indexes(&mut self, relation: &Relation, scope: Scope<'_>) -> Result<Vec<TableIndex>> {
        let all: Vec<Rc<Relation>> = self.catalog.indexes_of(relation.id).cloned().collect();
        let mut indexes = Vec::new();
        for index_relation in all {
            let Some(index) = index_relation.as_index() else { continue };
            if matches!(&*index.method, "btree" | "hash") || index.unique {
                indexes.push(self.table_index(relation, &index_relation, index, scope)?);
            }
        }
        Ok(indexes)
    }

    fn table_index(
        &mut self,
        table: &Relation,
        relation: &Relation,
        index: &Index,
        scope: Scope<'_>,
    ) -> Result<TableIndex> {
        let mut parts = Vec::new();
        for key in &index.keys {
            parts.push(match &key.value {
                IndexKeyValue::Column(n) => KeyPart::Slot(usize::from(*n).saturating_sub(1)),
                IndexKeyValue::Expression(e) => KeyPart::Expression(Binder::new(self, scope).compile(e)?),
            });
        }
        let predicate = match &index.predicate {
            Some(e) => Some(Binder::new(self, scope).condition(e, "WHERE")?),
            None => None,
        };
        let constraint = index.constraint.and_then(|oid| table.constraint_at(oid));
        Ok(TableIndex {
            id: relation.id,
            name: name_rc(&relation.name),
            parts,
            predicate,
            unique: index.unique,
            nulls_not_distinct: index.nulls_not_distinct,
            valid: index.valid,
            ready: index.ready,
            deferred: constraint.is_some_and(|c| c.deferrable),
        })
    }

    fn outgoing(&self, relation: &Relation) -> Vec<Rc<ForeignKey>> {
        let keys = relation.foreign_keys().filter(|(c, _)| c.enforced);
        keys.filter_map(|(constraint, fk)| self.foreign_key(relation, constraint, fk)).collect()
    }

    fn incoming(&self, relation: &Relation) -> Vec<Rc<ForeignKey>> {
        let keys = self.catalog.referencing(relation.id).filter(|(_, c, _)| c.enforced);
        // A partition's part of a key is seen to by the partitioned table's key.
        let keys = keys.filter(|(_, c, _)| c.parent.is_none());
        let mut found: Vec<_> =
            keys.filter_map(|(owner, constraint, fk)| self.foreign_key(owner, constraint, fk)).collect();
        if relation.partition_bound.is_some() {
            found.extend(self.incoming_from_above(relation));
        }
        found
    }

    /// Keys that refer to what the table is a partition of.
    fn incoming_from_above(&self, relation: &Relation) -> Vec<Rc<ForeignKey>> {
        let mut found = Vec::new();
        for version in [PgVersion::V17, PgVersion::V18] {
            let named = keys_to_partition(self.catalog, version, relation);
            found.push(named.into_iter().map(|(_, name, _)| name).collect::<Vec<_>>());
        }
        let (newer, older) = (found.pop().unwrap_or_default(), found.pop().unwrap_or_default());
        let mut above = relation.parents.first().copied();
        let mut keys = Vec::new();
        let mut names = older.into_iter().zip(newer);
        while let Some(root) = above.and_then(|id| self.catalog.relation(id)) {
            let all = self.catalog.referencing(root.id).filter(|(_, c, _)| c.enforced && c.parent.is_none());
            for (owner, constraint, fk) in all {
                let map = super::column_map(root, relation);
                let (Some(key), Some((older, newer))) =
                    (self.foreign_key(owner, constraint, fk), names.next())
                else {
                    continue;
                };
                let own = key.referenced_slots.iter().map(|s| map.get(*s).copied().flatten().unwrap_or(*s));
                keys.push(Rc::new(ForeignKey {
                    own_slots: own.collect(),
                    referenced_name: name_rc(&relation.name),
                    partition_names: Some((older.into(), newer.into())),
                    ..(*key).clone()
                }));
            }
            above = root.parents.first().copied();
        }
        keys
    }

    fn foreign_key(
        &self,
        owner: &Relation,
        constraint: &schema_rules::catalog::Constraint,
        fk: &schema_rules::catalog::ForeignKey,
    ) -> Option<Rc<ForeignKey>> {
        let referenced = self.catalog.relation(fk.referenced)?;
        Some(Rc::new(ForeignKey {
            name: name_rc(&constraint.name),
            table: owner.id,
            table_name: name_rc(&owner.name),
            slots: slots(&fk.columns),
            referenced: fk.referenced,
            referenced_name: name_rc(&referenced.name),
            own_slots: slots(&fk.referenced_columns),
            referenced_slots: slots(&fk.referenced_columns),
            partition_names: None,
            on_delete: fk.on_delete,
            on_update: fk.on_update,
            initially_deferred: constraint.initially_deferred,
        }))
    }
}

/// The slots of unique indexes that a foreign key could refer to (`INDEX_ATTR_BITMAP_KEY` in relcache.c).
/// A NOT NULL constraint that is not validated yet refuses new NULLs like any other (18 and later).
fn refuses_null(relation: &Relation, column: &schema_rules::catalog::Column) -> bool {
    let is_its =
        |kind: &ConstraintKind| matches!(kind, ConstraintKind::NotNull(number) if *number == column.number);
    column.not_null || relation.constraints.iter().any(|constraint| is_its(&constraint.kind))
}

fn key_slots(indexes: &[TableIndex]) -> Vec<usize> {
    let plain = |i: &&TableIndex| {
        let only_columns = i.parts.iter().all(|p| matches!(p, KeyPart::Slot(_)));
        i.unique && i.predicate.is_none() && only_columns && !i.deferred
    };
    let mut found: Vec<usize> = indexes
        .iter()
        .filter(plain)
        .flat_map(|i| &i.parts)
        .filter_map(|p| match p {
            KeyPart::Slot(slot) => Some(*slot),
            KeyPart::Expression(_) => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn triggers(relation: &Relation) -> Vec<Trigger> {
    let mut found: Vec<Trigger> = relation
        .triggers
        .iter()
        .filter(|t| t.enabled)
        .map(|t| Trigger {
            name: name_rc(&t.name),
            timing: t.definition.timing,
            events: t.definition.events.clone(),
            for_each_row: t.definition.for_each_row,
            function: t.definition.function.name.text.as_str().into(),
            has_condition: t.definition.condition.is_some(),
        })
        .collect();
    // Triggers of one kind fire in the order of their names (manual, section 39.1).
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A value on its way into a column: cast as an assignment casts.
pub(crate) fn assignable(e: Typed, to: &Type) -> Result<Typed> {
    if e.ty == *to {
        return Ok(e);
    }
    if let Some(value) = e.as_constant() {
        return Ok(Typed::constant(crate::value::assign(value.clone(), &e.ty, to)?, to.clone()));
    }
    let allowed = e.ty == Type::Unknown
        || (e.ty.is_number() && to.is_number())
        || to.is_string()
        || (e.ty.is_time() && to.is_time())
        || std::mem::discriminant(&e.ty) == std::mem::discriminant(to);
    if !allowed {
        let message = format!("column is of type {to} but expression is of type {}", e.ty);
        return Err(crate::error::error("42804", message));
    }
    Ok(Typed::new(Node::Cast(Box::new(e)), to.clone()))
}
