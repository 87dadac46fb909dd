//! INSERT, UPDATE and DELETE.

use std::rc::Rc;

use lock_table::{LockMode, RelationId};
use schema_rules::catalog::{Relation, RelationKind};
use sql_syntax::ast::{self, ExprKind};

use super::from::{From, FromLocks, Source, column_map};
use super::partition::Within;
use super::table::{Table, assignable, slots, table_item};
use super::{Planner, QueryPlan, ResultColumn, name_rc};
use crate::error::{Result, error, not_modelled};
use crate::expr::{Binder, Scope, ScopeItem, Typed, conjuncts};
use crate::value::Type;

/// The table that a statement changes, and what it returns.
#[derive(Debug)]
pub(crate) struct WriteTarget {
    pub(crate) table: Rc<Table>,
    /// The partitions or heirs that may be changed: with their columns' places for the root's columns.
    pub(crate) parts: Vec<Part>,
    /// The bounds that rows of a partition have to keep to, which is named itself.
    pub(crate) within: Vec<Within>,
    pub(crate) returning: Vec<Typed>,
    pub(crate) columns: Vec<ResultColumn>,
}

/// A table below the target.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) table: Rc<Table>,
    /// Where the root's columns are in this table.
    pub(crate) map: Vec<Option<usize>>,
}

/// INSERT.
#[derive(Debug)]
pub(crate) struct InsertPlan {
    pub(crate) target: WriteTarget,
    /// The slots that the source's columns go to.
    pub(crate) slots: Vec<usize>,
    pub(crate) source: InsertSource,
    pub(crate) conflict: Option<ConflictPlan>,
}

/// The rows of an INSERT.
#[derive(Debug)]
pub(crate) enum InsertSource {
    /// VALUES; nothing for DEFAULT.
    Values(Vec<Vec<Option<Typed>>>),
    /// A query, with each column's cast to the target's type.
    Query(QueryPlan, Vec<Type>),
}

/// ON CONFLICT.
#[derive(Debug)]
pub(crate) struct ConflictPlan {
    /// The indexes that decide; empty for all unique ones.
    pub(crate) arbiters: Vec<RelationId>,
    /// DO UPDATE; nothing for DO NOTHING. The row is the existing one followed by the proposed one.
    pub(crate) update: Option<(Vec<(usize, Typed)>, Option<Typed>)>,
}

/// UPDATE.
#[derive(Debug)]
pub(crate) struct UpdatePlan {
    pub(crate) target: WriteTarget,
    pub(crate) source: Source,
    pub(crate) width: usize,
    pub(crate) filter: Vec<Typed>,
    /// The slots that are set, and to what; nothing for DEFAULT.
    pub(crate) set: Vec<(usize, Option<Typed>)>,
    pub(crate) cursor: Option<String>,
}

/// DELETE.
#[derive(Debug)]
pub(crate) struct DeletePlan {
    pub(crate) target: WriteTarget,
    pub(crate) source: Source,
    pub(crate) width: usize,
    pub(crate) filter: Vec<Typed>,
    pub(crate) cursor: Option<String>,
}

impl Planner<'_> {
    /// The table that is to be changed, locked.
    fn write_relation(&mut self, name: &ast::ObjectName, verb: &str) -> Result<Rc<Relation>> {
        let relation = self.relation(name)?;
        self.lock(relation.id, LockMode::RowExclusive);
        match &relation.kind {
            RelationKind::Table | RelationKind::PartitionedTable(_) => Ok(relation),
            RelationKind::View(_) => Err(not_modelled(format!("{verb} of a view"))),
            RelationKind::MaterializedView { .. } => {
                Err(error("42809", format!("cannot change materialized view \"{}\"", relation.name)))
            }
            RelationKind::Sequence(_) => {
                Err(error("42809", format!("cannot change sequence \"{}\"", relation.name)))
            }
            RelationKind::Index(_) => {
                Err(error("42809", format!("cannot open relation \"{}\"", relation.name)))
            }
            RelationKind::ForeignTable => Err(not_modelled("foreign tables")),
        }
    }

    fn write_target(
        &mut self,
        relation: &Rc<Relation>,
        items: &[ScopeItem],
        returning: &[ast::Target],
    ) -> Result<WriteTarget> {
        if !relation.rules.is_empty() && relation.rules.iter().any(|r| r.enabled) {
            return Err(not_modelled("rules"));
        }
        let table = Rc::new(self.table(relation)?);
        let mut values = Vec::new();
        let mut columns = Vec::new();
        for target in returning {
            if let ExprKind::Wildcard { qualifier } = &target.value.kind {
                self.star(qualifier, items, &mut values, &mut columns)?;
                continue;
            }
            let scope = Scope { items, parent: None };
            let value = Binder::new(self, scope).compile(&target.value)?;
            columns.push(ResultColumn { name: super::select::target_name(target), ty: value.ty.clone() });
            values.push(value);
        }
        let within = self.within(relation)?;
        Ok(WriteTarget { table, parts: Vec::new(), within, returning: values, columns })
    }

    /// The tables below the target, for rows that are routed or found there.
    fn write_parts(&mut self, relation: &Rc<Relation>) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for id in self.catalog.with_descendants(relation.id).into_iter().skip(1) {
            let Some(child) = self.catalog.relation(id).cloned() else { continue };
            let table = Rc::new(self.table(&child)?);
            parts.push(Part { table, map: column_map(relation, &child) });
        }
        Ok(parts)
    }

    pub(super) fn insert(&mut self, insert: &ast::Insert) -> Result<InsertPlan> {
        let before = self.with(insert.with.as_ref())?;
        let planned = self.insert_body(insert);
        self.forget_with(before);
        planned
    }

    fn insert_body(&mut self, insert: &ast::Insert) -> Result<InsertPlan> {
        let relation = self.write_relation(&insert.table, "INSERT")?;
        let alias: Rc<str> =
            insert.alias.as_ref().map_or_else(|| name_rc(&relation.name), |a| a.text.as_str().into());
        let items = [table_item(self, &relation, alias, 0)];
        let named = !insert.columns.is_empty();
        let slots = insert_slots(&relation, &insert.columns)?;
        let types: Vec<Type> =
            slots.iter().map(|s| Type::of(self.catalog, &relation.columns[*s].data_type)).collect();
        let source = self.insert_source(insert, &relation, &slots, &types, named)?;
        let mut target = self.write_target(&relation, &items, &insert.returning)?;
        target.parts = self.write_parts(&relation)?;
        self.lock_indexes(relation.id, LockMode::RowExclusive);
        self.refuse_identity(&target.table, &slots, &source, insert.overriding_system)?;
        let conflict = match &insert.on_conflict {
            Some(conflict) => Some(self.on_conflict(conflict, &relation, &target.table, &items[0])?),
            None => None,
        };
        let width = match &source {
            InsertSource::Values(rows) => rows.first().map_or(0, Vec::len),
            InsertSource::Query(_, casts) => casts.len(),
        };
        let slots: Vec<usize> = slots.into_iter().take(width).collect();
        let is_given = |slot: usize| match (&source, slots.iter().position(|s| *s == slot)) {
            (_, None) => false,
            (InsertSource::Values(rows), Some(at)) => rows.iter().all(|r| matches!(r.get(at), Some(Some(_)))),
            (InsertSource::Query(..), Some(_)) => true,
        };
        for (slot, column) in target.table.columns.iter().enumerate() {
            if !is_given(slot) {
                self.use_default(column);
            }
        }
        Ok(InsertPlan { target, slots, source, conflict })
    }

    fn insert_source(
        &mut self,
        insert: &ast::Insert,
        relation: &Relation,
        slots: &[usize],
        types: &[Type],
        named: bool,
    ) -> Result<InsertSource> {
        let check = |width: usize| {
            if width > slots.len() {
                return Err(error("42601", "INSERT has more expressions than target columns"));
            }
            if named && width < slots.len() {
                return Err(error("42601", "INSERT has more target columns than expressions"));
            }
            Ok(())
        };
        let Some(query) = &insert.source else { return Ok(InsertSource::Values(vec![Vec::new()])) };
        let plain = query.with.is_none() && query.order_by.is_empty() && query.limit.is_none();
        if let (ast::QueryBody::Values(rows), true) = (&query.body, plain) {
            let mut compiled = Vec::with_capacity(rows.len());
            for row in rows {
                check(row.len())?;
                let mut values = Vec::with_capacity(row.len());
                for ((e, ty), slot) in row.iter().zip(types).zip(slots) {
                    if matches!(e.kind, ExprKind::Default) {
                        values.push(None);
                        continue;
                    }
                    let value = Binder::new(self, Scope::default()).compile(e)?;
                    values.push(Some(assign_to(value, ty, &relation.columns[*slot].name)?));
                }
                compiled.push(values);
            }
            return Ok(InsertSource::Values(compiled));
        }
        let plan = self.query(query, &Scope::default())?;
        check(plan.columns().len())?;
        let width = plan.columns().len();
        Ok(InsertSource::Query(plan, types[..width].to_vec()))
    }

    /// A GENERATED ALWAYS column takes no value of one's own.
    fn refuse_identity(
        &mut self,
        table: &Table,
        slots: &[usize],
        source: &InsertSource,
        overriding: Option<bool>,
    ) -> Result<()> {
        if overriding.is_some() {
            return Ok(());
        }
        for (at, slot) in slots.iter().enumerate() {
            let column = &table.columns[*slot];
            let given = match source {
                InsertSource::Values(rows) => rows.iter().any(|r| matches!(r.get(at), Some(Some(_)))),
                InsertSource::Query(_, casts) => at < casts.len(),
            };
            if given && column.identity_always {
                let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
                return Err(error("428C9", message));
            }
            if given && column.generated.is_some() {
                let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
                return Err(error("428C9", message));
            }
        }
        Ok(())
    }

    fn on_conflict(
        &mut self,
        conflict: &ast::OnConflict,
        relation: &Relation,
        table: &Table,
        item: &ScopeItem,
    ) -> Result<ConflictPlan> {
        let arbiters = match &conflict.target {
            ast::ConflictTarget::Any => Vec::new(),
            ast::ConflictTarget::Constraint(name) => {
                let constraint = relation.constraint(name).ok_or_else(|| {
                    let message = format!(
                        "constraint \"{}\" for table \"{}\" does not exist",
                        name.text, relation.name
                    );
                    error("42704", message)
                })?;
                let index = match &constraint.kind {
                    schema_rules::catalog::ConstraintKind::PrimaryKey { index, .. }
                    | schema_rules::catalog::ConstraintKind::Unique { index, .. } => *index,
                    _ => {
                        return Err(error(
                            "42809",
                            "constraint in ON CONFLICT clause has no associated index",
                        ));
                    }
                };
                vec![index]
            }
            ast::ConflictTarget::Index { items, .. } => {
                let wanted = conflict_slots(items, relation)?;
                let found: Vec<RelationId> = table
                    .indexes
                    .iter()
                    .filter(|i| i.unique && i.predicate.is_none() && same_slots(i, &wanted))
                    .map(|i| i.id)
                    .collect();
                if found.is_empty() {
                    let message =
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification";
                    return Err(error("42P10", message));
                }
                found
            }
        };
        let update = match &conflict.action {
            ast::ConflictAction::Nothing => None,
            ast::ConflictAction::Select => return Err(not_modelled("ON CONFLICT DO SELECT")),
            ast::ConflictAction::Update { assignments, filter } => {
                let width = relation.columns.len();
                let excluded = table_item(self, relation, "excluded".into(), width);
                let items = [item.clone(), excluded];
                let scope = Scope { items: &items, parent: None };
                let mut set = Vec::new();
                for (slot, value) in self.assignments(assignments, relation, table, scope)? {
                    set.push((slot, value.ok_or_else(|| not_modelled("SET ... = DEFAULT in ON CONFLICT"))?));
                }
                let filter = match filter {
                    Some(e) => Some(Binder::new(self, scope).condition(e, "WHERE")?),
                    None => None,
                };
                Some((set, filter))
            }
        };
        Ok(ConflictPlan { arbiters, update })
    }

    fn assignments(
        &mut self,
        assignments: &[ast::Assignment],
        relation: &Relation,
        table: &Table,
        scope: Scope<'_>,
    ) -> Result<Vec<(usize, Option<Typed>)>> {
        let mut set = Vec::new();
        for assignment in assignments {
            let values: Vec<&ast::Expr> = match (&assignment.value.kind, assignment.columns.len()) {
                (ExprKind::Row(values), n) if values.len() == n && n > 1 => values.iter().collect(),
                (ExprKind::Row(values), 1) if values.len() == 1 => values.iter().collect(),
                (_, 1) => vec![&assignment.value],
                _ => return Err(not_modelled("SET (a, b) = (SELECT ...)")),
            };
            for (column, e) in assignment.columns.iter().zip(values) {
                let slot = slot_of(relation, column)?;
                if table.columns[slot].generated.is_some() && !matches!(e.kind, ExprKind::Default) {
                    let message = format!("column \"{}\" can only be updated to DEFAULT", column.text);
                    return Err(error("428C9", message));
                }
                let value = match e.kind {
                    ExprKind::Default => None,
                    _ => {
                        let value = Binder::new(self, scope).compile(e)?;
                        Some(assign_to(value, &table.columns[slot].ty, &column.text)?)
                    }
                };
                set.push((slot, value));
            }
        }
        Ok(set)
    }

    /// The target as the first entry of FROM, then the others.
    fn write_from(
        &mut self,
        relation: &Rc<Relation>,
        table: &ast::TableName,
        alias: Option<&ast::Ident>,
        others: &[ast::FromItem],
    ) -> Result<From> {
        let name: Rc<str> = alias.map_or_else(|| name_rc(&relation.name), |a| a.text.as_str().into());
        let mut from = From { source: Source::Nothing, items: Vec::new(), width: 0 };
        let mode = LockMode::RowExclusive;
        from.source = self.scan(relation, name, None, mode, table.only, &mut from)?;
        self.source_clause(others, from, FromLocks { locking: &[] }, None)
    }

    pub(super) fn update(&mut self, update: &ast::Update) -> Result<UpdatePlan> {
        let before = self.with(update.with.as_ref())?;
        let planned = self.update_body(update);
        self.forget_with(before);
        planned
    }

    fn update_body(&mut self, update: &ast::Update) -> Result<UpdatePlan> {
        let relation = self.write_relation(&update.table.name, "UPDATE")?;
        let From { mut source, items, width } =
            self.write_from(&relation, &update.table, update.alias.as_ref(), &update.from)?;
        let scope = Scope { items: &items, parent: None };
        let mut target = self.write_target(&relation, &items, &update.returning)?;
        let table = Rc::clone(&target.table);
        let set = self.assignments(&update.assignments, &relation, &table, scope)?;
        let filter = self.write_filter(update.filter.as_ref(), scope, &mut source)?;
        self.finish_scans(&mut source)?;
        target.parts = self.write_parts(&relation)?;
        for (slot, _) in set.iter().filter(|(_, value)| value.is_none()) {
            self.use_default(&table.columns[*slot]);
        }
        let cursor = update.current_of.as_ref().map(|c| c.text.clone());
        Ok(UpdatePlan { target, source, width, filter, set, cursor })
    }

    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Result<DeletePlan> {
        let before = self.with(delete.with.as_ref())?;
        let planned = self.delete_body(delete);
        self.forget_with(before);
        planned
    }

    fn delete_body(&mut self, delete: &ast::Delete) -> Result<DeletePlan> {
        let relation = self.write_relation(&delete.table.name, "DELETE")?;
        let From { mut source, items, width } =
            self.write_from(&relation, &delete.table, delete.alias.as_ref(), &delete.using)?;
        let scope = Scope { items: &items, parent: None };
        let mut target = self.write_target(&relation, &items, &delete.returning)?;
        let filter = self.write_filter(delete.filter.as_ref(), scope, &mut source)?;
        self.finish_scans(&mut source)?;
        target.parts = self.write_parts(&relation)?;
        let cursor = delete.current_of.as_ref().map(|c| c.text.clone());
        Ok(DeletePlan { target, source, width, filter, cursor })
    }

    fn write_filter(
        &mut self,
        filter: Option<&ast::Expr>,
        scope: Scope<'_>,
        source: &mut Source,
    ) -> Result<Vec<Typed>> {
        let Some(e) = filter else { return Ok(Vec::new()) };
        let condition = Binder::new(self, scope).condition(e, "WHERE")?;
        Ok(conjuncts(condition).into_iter().filter_map(|c| source.push(c)).collect())
    }
}

fn insert_slots(relation: &Relation, columns: &[ast::Ident]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok(slots(&relation.live_columns().map(|c| c.number).collect::<Vec<_>>()));
    }
    let mut found = Vec::with_capacity(columns.len());
    for column in columns {
        let slot = slot_of(relation, column)?;
        if found.contains(&slot) {
            return Err(error("42701", format!("column \"{}\" specified more than once", column.text)));
        }
        found.push(slot);
    }
    Ok(found)
}

fn slot_of(relation: &Relation, column: &ast::Ident) -> Result<usize> {
    let found = relation.column(column).map(|c| usize::from(c.number).saturating_sub(1));
    found.ok_or_else(|| {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", column.text, relation.name);
        error("42703", message)
    })
}

fn conflict_slots(items: &[ast::Expr], relation: &Relation) -> Result<Vec<usize>> {
    items
        .iter()
        .map(|e| match &e.kind {
            ExprKind::Column { qualifier, name } if qualifier.is_empty() => match relation.column(name) {
                Some(column) => Ok(usize::from(column.number).saturating_sub(1)),
                None => Err(error("42703", format!("column \"{}\" does not exist", name.text))),
            },
            _ => Err(not_modelled("expressions in ON CONFLICT")),
        })
        .collect()
}

fn same_slots(index: &super::TableIndex, wanted: &[usize]) -> bool {
    let slots: Option<Vec<usize>> = index
        .parts
        .iter()
        .map(|p| match p {
            super::KeyPart::Slot(slot) => Some(*slot),
            super::KeyPart::Expression(_) => None,
        })
        .collect();
    slots.is_some_and(|slots| slots.len() == wanted.len() && wanted.iter().all(|w| slots.contains(w)))
}

fn assign_to(value: Typed, ty: &Type, column: &str) -> Result<Typed> {
    let from = value.ty.clone();
    assignable(value, ty).map_err(|e| {
        if e.sqlstate == crate::error::SqlState::new("42804") {
            let message = format!("column \"{column}\" is of type {ty} but expression is of type {from}");
            return error("42804", message);
        }
        e
    })
}
