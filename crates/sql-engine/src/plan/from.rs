//! FROM: where rows come from, and which conditions are tested where.

use std::rc::Rc;

use lock_table::{LockMode, RelationId};
use schema_rules::catalog::{Relation, RelationKind};
use sql_syntax::ast::{self, FromItem, JoinCondition, JoinKind};

use super::access::Access;
use super::partition::Routing;
use super::table::table_item;
use super::{Planner, ResultColumn, SubPlan, TableIndex, VIEW_DEPTH, name_rc};
use crate::error::{Result, error, not_modelled};
use crate::expr::{Binder, Comparison, Function, Node, Scope, ScopeColumn, ScopeItem, Typed, conjuncts};
use crate::value::Type;

/// Where rows come from. Every row is as wide as the whole FROM; a source fills its part.
#[derive(Debug)]
pub(crate) enum Source {
    /// No FROM: one row without values.
    Nothing,
    Table(Box<TableScan>),
    Sub {
        plan: Rc<SubPlan>,
        offset: usize,
        filter: Vec<Typed>,
    },
    /// The stored rows of a common table expression.
    Stored {
        id: usize,
        offset: usize,
        width: usize,
        filter: Vec<Typed>,
    },
    Series {
        args: Vec<Typed>,
        offset: usize,
        ordinality: bool,
        filter: Vec<Typed>,
    },
    Unnest {
        array: Typed,
        offset: usize,
        ordinality: bool,
        filter: Vec<Typed>,
    },
    /// A function that returns one value.
    Value {
        value: Typed,
        offset: usize,
        filter: Vec<Typed>,
    },
    Join(Box<JoinSource>),
}

/// A table that is read.
#[derive(Debug)]
pub(crate) struct TableScan {
    pub(crate) relation: RelationId,
    /// Which entry of FROM it is, for row locks.
    pub(crate) item: usize,
    pub(crate) offset: usize,
    pub(crate) width: usize,
    /// The lock mode of the table, its indexes and its parts.
    pub(crate) mode: LockMode,
    pub(crate) filter: Vec<Typed>,
    pub(crate) access: Access,
    pub(crate) indexes: Vec<TableIndex>,
    /// The tables below it: partitions or heirs, with the places of the columns in them.
    pub(crate) parts: Vec<(RelationId, Vec<Option<usize>>)>,
    /// Whether the table has rows of its own.
    pub(crate) has_heap: bool,
    only: bool,
}

/// Two sources joined.
#[derive(Debug)]
pub(crate) struct JoinSource {
    pub(crate) left: Source,
    pub(crate) right: Source,
    pub(crate) kind: JoinKind,
    /// Pairs that must be equal: from the left, from the right.
    pub(crate) equal: Vec<(Typed, Typed)>,
    pub(crate) on: Vec<Typed>,
    /// The slots that the sides fill.
    pub(crate) left_slots: (usize, usize),
    pub(crate) right_slots: (usize, usize),
}

/// FROM while it is being put together.
pub(super) struct From {
    pub(super) source: Source,
    pub(super) items: Vec<ScopeItem>,
    pub(super) width: usize,
}

impl Source {
    /// The slots that it fills.
    fn slots(&self) -> (usize, usize) {
        match self {
            Self::Nothing => (0, 0),
            Self::Table(scan) => (scan.offset, scan.offset + scan.width),
            Self::Sub { plan, offset, .. } => (*offset, offset + plan.columns.len()),
            Self::Stored { offset, width, .. } => (*offset, offset + width),
            Self::Series { offset, ordinality, .. } | Self::Unnest { offset, ordinality, .. } => {
                (*offset, offset + 1 + usize::from(*ordinality))
            }
            Self::Value { offset, .. } => (*offset, offset + 1),
            Self::Join(join) => (join.left_slots.0, join.right_slots.1),
        }
    }

    /// Puts a condition where it can be tested first; gives it back if that is not in here.
    pub(super) fn push(&mut self, condition: Typed) -> Option<Typed> {
        let Some(columns) = condition.columns() else { return Some(condition) };
        let (from, to) = self.slots();
        if columns.is_empty() || !columns.iter().all(|c| (from..to).contains(c)) {
            return Some(condition);
        }
        match self {
            Self::Nothing => return Some(condition),
            Self::Table(scan) => scan.filter.push(condition),
            Self::Sub { filter, .. }
            | Self::Stored { filter, .. }
            | Self::Series { filter, .. }
            | Self::Unnest { filter, .. }
            | Self::Value { filter, .. } => filter.push(condition),
            Self::Join(join) => return join.push(condition),
        }
        None
    }

    /// Every table that is read.
    pub(crate) fn tables_mut(&mut self, visit: &mut dyn FnMut(&mut TableScan)) {
        match self {
            Self::Table(scan) => visit(scan),
            Self::Join(join) => {
                join.left.tables_mut(visit);
                join.right.tables_mut(visit);
            }
            _ => {}
        }
    }

    /// Every table that is read.
    pub(crate) fn tables<'s>(&'s self, found: &mut Vec<&'s TableScan>) {
        match self {
            Self::Table(scan) => found.push(scan),
            Self::Join(join) => {
                join.left.tables(found);
                join.right.tables(found);
            }
            _ => {}
        }
    }
}

impl JoinSource {
    /// A condition of WHERE: it must not reach the side that an outer join fills up with NULLs.
    fn push(&mut self, condition: Typed) -> Option<Typed> {
        let mut condition = condition;
        if matches!(self.kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Left) {
            condition = self.left.push(condition)?;
        }
        if matches!(self.kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Right) {
            condition = self.right.push(condition)?;
        }
        if matches!(self.kind, JoinKind::Inner | JoinKind::Cross) {
            self.join_on(condition);
            return None;
        }
        Some(condition)
    }

    /// A condition of ON.
    fn join_on(&mut self, condition: Typed) {
        let side = |e: &Typed| {
            let columns = e.columns()?;
            let within = |(from, to): (usize, usize)| {
                !columns.is_empty() && columns.iter().all(|c| (from..to).contains(c))
            };
            if within(self.left_slots) {
                Some(true)
            } else if within(self.right_slots) {
                Some(false)
            } else {
                None
            }
        };
        if let Node::Compare(Comparison::Eq, sides) = &condition.node {
            match (side(&sides[0]), side(&sides[1])) {
                (Some(true), Some(false)) => return self.equal.push((sides[0].clone(), sides[1].clone())),
                (Some(false), Some(true)) => return self.equal.push((sides[1].clone(), sides[0].clone())),
                _ => {}
            }
        }
        self.on.push(condition);
    }

    /// A condition of ON that may be tested on one side alone already.
    fn push_on(&mut self, condition: Typed) {
        let rest = match self.kind {
            JoinKind::Inner | JoinKind::Cross => self.left.push(condition).and_then(|c| self.right.push(c)),
            JoinKind::Left => self.right.push(condition),
            JoinKind::Right => self.left.push(condition),
            JoinKind::Full => Some(condition),
        };
        if let Some(condition) = rest {
            self.join_on(condition);
        }
    }
}

/// How tables in FROM are going to be locked: row locks make the table lock stronger.
#[derive(Clone, Copy)]
pub(super) struct FromLocks<'l> {
    pub(super) locking: &'l [ast::Locking],
}

impl FromLocks<'_> {
    fn mode(&self, alias: &str) -> LockMode {
        let locked = self.locking.iter().any(|l| l.of.is_empty() || l.of.iter().any(|n| n.name == alias));
        if locked { LockMode::RowShare } else { LockMode::AccessShare }
    }
}

impl Planner<'_> {
    /// The entries of FROM, joined as commas join: all with all.
    pub(super) fn source_clause(
        &mut self,
        list: &[FromItem],
        mut from: From,
        locks: FromLocks<'_>,
        parent: Option<&Scope<'_>>,
    ) -> Result<From> {
        for item in list {
            let source = self.source_item(item, &mut from, locks, parent)?;
            from.source = match from.source {
                Source::Nothing => source,
                left => join(left, source, JoinKind::Cross),
            };
        }
        Ok(from)
    }

    fn source_item(
        &mut self,
        item: &FromItem,
        from: &mut From,
        locks: FromLocks<'_>,
        parent: Option<&Scope<'_>>,
    ) -> Result<Source> {
        match item {
            FromItem::Table { sampled: true, .. } => Err(not_modelled("TABLESAMPLE")),
            FromItem::Table { table, alias, .. } => self.source_table(table, alias.as_ref(), from, locks),
            FromItem::Subquery { lateral: true, .. } | FromItem::Function { lateral: true, .. } => {
                Err(not_modelled("LATERAL"))
            }
            FromItem::Subquery { query, alias, .. } => {
                let outer = Scope { items: &[], parent };
                let scope = parent.map_or_else(Scope::default, |_| outer);
                let plan = self.subquery(query, &scope)?;
                Ok(self.source_sub(plan, alias.as_ref(), from))
            }
            FromItem::Function { call, alias, ordinality, .. } => {
                self.source_function(call, alias.as_ref(), *ordinality, from, parent)
            }
            FromItem::Join { left, right, kind, condition } => {
                let first = from.items.len();
                let left = self.source_item(left, from, locks, parent)?;
                let middle = from.items.len();
                let right = self.source_item(right, from, locks, parent)?;
                self.join_sources(left, right, *kind, condition, from, first, middle, parent)
            }
            FromItem::NotModelled(what) => Err(not_modelled(what)),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn join_sources(
        &mut self,
        left: Source,
        right: Source,
        kind: JoinKind,
        condition: &JoinCondition,
        from: &mut From,
        first: usize,
        middle: usize,
        parent: Option<&Scope<'_>>,
    ) -> Result<Source> {
        let Source::Join(mut joined) = join(left, right, kind) else { return Ok(Source::Nothing) };
        match condition {
            JoinCondition::None => {}
            JoinCondition::On(e) => {
                let scope = Scope { items: &from.items[first..], parent };
                let condition = Binder::new(self, scope).condition(e, "JOIN/ON")?;
                conjuncts(condition).into_iter().for_each(|c| joined.push_on(c));
            }
            JoinCondition::Using(columns) => {
                let names: Vec<Rc<str>> = columns.iter().map(|c| c.text.as_str().into()).collect();
                join_using(&mut joined, from, first, middle, &names, kind)?;
            }
            JoinCondition::Natural => {
                let names = common_names(from, first, middle);
                join_using(&mut joined, from, first, middle, &names, kind)?;
            }
        }
        Ok(Source::Join(joined))
    }

    fn source_table(
        &mut self,
        table: &ast::TableName,
        alias: Option<&ast::TableAlias>,
        from: &mut From,
        locks: FromLocks<'_>,
    ) -> Result<Source> {
        if let Some(common) = self.common_table(&table.name) {
            let offset = from.width;
            let width = common.columns.len();
            self.add_item(&common.columns, &common.name, alias, from);
            return Ok(Source::Stored { id: common.id, offset, width, filter: Vec::new() });
        }
        let relation = self.relation(&table.name)?;
        let name = alias.map_or_else(|| name_rc(&relation.name), |a| a.name.text.as_str().into());
        let mode = locks.mode(&name);
        self.lock(relation.id, mode);
        match &relation.kind {
            RelationKind::View(view) => {
                if self.view_depth >= VIEW_DEPTH {
                    return Err(error("54001", "stack depth limit exceeded"));
                }
                let view = Rc::clone(view);
                if mode == LockMode::RowShare {
                    return self.locked_view(&relation, &view, name, from);
                }
                self.view_depth += 1;
                let plan = self.view(&view);
                self.view_depth -= 1;
                let columns: Vec<ResultColumn> = relation
                    .live_columns()
                    .map(|c| ResultColumn {
                        name: name_rc(&c.name),
                        ty: Type::of(self.catalog, &c.data_type),
                    })
                    .collect();
                let plan = plan?;
                let offset = from.width;
                let columns = if columns.len() == plan.columns.len() { &columns } else { &plan.columns };
                self.add_item(columns, &relation.name, alias, from);
                Ok(Source::Sub { plan, offset, filter: Vec::new() })
            }
            RelationKind::Index(_) => {
                Err(error("42809", format!("cannot open relation \"{}\"", relation.name)))
            }
            RelationKind::Sequence(_) => Err(not_modelled("reading a sequence's row")),
            RelationKind::ForeignTable => Err(not_modelled("foreign tables")),
            RelationKind::MaterializedView { populated: false, .. } => {
                let message = format!("materialized view \"{}\" has not been populated", relation.name);
                Err(error("55000", message))
            }
            _ => self.scan(&relation, name, alias, mode, table.only, from),
        }
    }

    /// A view's query is planned with the search path that it was made under.
    fn view(&mut self, view: &Rc<schema_rules::catalog::View>) -> Result<Rc<SubPlan>> {
        let session = schema_rules::Session { search_path: view.search_path.clone(), ..self.session.clone() };
        let mut inner =
            Planner::new(self.catalog, &session, &self.params).seeing(Rc::clone(&self.still_attached));
        inner.next_id = self.next_id;
        inner.view_depth = self.view_depth;
        let plan = inner.subquery(&view.query, &Scope::default())?;
        self.next_id = inner.next_id;
        let (locks, planning) = (inner.locks, inner.planning_locks);
        self.prerequisites.append(&mut inner.prerequisites);
        locks.into_iter().for_each(|(id, mode)| self.lock(id, mode));
        planning.into_iter().for_each(|(id, mode)| self.lock_in_planning(id, mode));
        Ok(plan)
    }

    /// Row locks of a view are those of its table (`transformLockingClause` in analyze.c): the view is replaced by
    /// the table, its columns by the table's.
    fn locked_view(
        &mut self,
        relation: &Relation,
        view: &Rc<schema_rules::catalog::View>,
        name: Rc<str>,
        from: &mut From,
    ) -> Result<Source> {
        let refused = || not_modelled("row locks of a view that is more than columns of one table");
        let (ast::QueryBody::Select(select), query) = (&view.query.body, &view.query) else {
            return Err(refused());
        };
        let plain = query.with.is_none() && query.order_by.is_empty() && query.limit.is_none();
        let plain = plain && query.offset.is_none() && query.locking.is_empty();
        let plain =
            plain && select.distinct.is_none() && select.group_by.is_empty() && select.having.is_none();
        let [FromItem::Table { table, alias, sampled: false }] = select.from.as_slice() else {
            return Err(refused());
        };
        let session = schema_rules::Session { search_path: view.search_path.clone(), ..self.session.clone() };
        let base = self.catalog.find(&session, &table.name).cloned().filter(|base| base.has_heap());
        let Some(base) = base.filter(|_| plain) else { return Err(refused()) };
        self.lock(base.id, LockMode::RowShare);
        let own: Rc<str> =
            alias.as_ref().map_or_else(|| name_rc(&base.name), |a| a.name.text.as_str().into());
        let mut source = self.scan(&base, own, alias.as_ref(), LockMode::RowShare, table.only, from)?;
        let Some(item) = from.items.last().cloned() else { return Err(refused()) };
        let items = [item];
        let scope = Scope { items: &items, parent: None };
        let mut columns = Vec::new();
        for (target, column) in select.targets.iter().zip(relation.live_columns()) {
            let value = Binder::new(self, scope).compile(&target.value)?;
            let Node::Column(slot) = value.node else { return Err(refused()) };
            columns.push(ScopeColumn { name: name_rc(&column.name), ty: value.ty, slot, hidden: false });
        }
        if columns.len() != relation.live_columns().count() {
            return Err(refused());
        }
        if let Some(e) = &select.filter {
            let condition = Binder::new(self, scope).condition(e, "WHERE")?;
            if conjuncts(condition).into_iter().any(|part| source.push(part).is_some()) {
                return Err(refused());
            }
        }
        if let Some(item) = from.items.last_mut() {
            (item.alias, item.columns) = (name, columns);
        }
        Ok(source)
    }

    /// A table's own rows and those of the tables below it.
    pub(super) fn scan(
        &mut self,
        relation: &Rc<Relation>,
        name: Rc<str>,
        alias: Option<&ast::TableAlias>,
        mode: LockMode,
        only: bool,
        from: &mut From,
    ) -> Result<Source> {
        let offset = from.width;
        let width = relation.columns.len();
        let mut item = table_item(self, relation, name, offset);
        if let Some(alias) = alias {
            for (column, name) in item.columns.iter_mut().zip(&alias.columns) {
                column.name = name.text.as_str().into();
            }
        }
        let indexes = self.indexes_of(relation)?;
        let at = from.items.len();
        from.items.push(item);
        from.width += width;
        Ok(Source::Table(Box::new(TableScan {
            relation: relation.id,
            item: at,
            offset,
            width,
            mode,
            filter: Vec::new(),
            access: Access::Sequential,
            indexes,
            parts: Vec::new(),
            has_heap: relation.has_heap(),
            only,
        })))
    }

    fn source_sub(&mut self, plan: Rc<SubPlan>, alias: Option<&ast::TableAlias>, from: &mut From) -> Source {
        let offset = from.width;
        let columns = plan.columns.clone();
        self.add_item(&columns, "subquery", alias, from);
        Source::Sub { plan, offset, filter: Vec::new() }
    }

    fn add_item(
        &mut self,
        columns: &[ResultColumn],
        name: &str,
        alias: Option<&ast::TableAlias>,
        from: &mut From,
    ) {
        let offset = from.width;
        let named = |at: usize| alias.and_then(|a| a.columns.get(at)).map(|n| Rc::from(n.text.as_str()));
        let columns: Vec<ScopeColumn> = columns
            .iter()
            .enumerate()
            .map(|(at, c)| ScopeColumn {
                name: named(at).unwrap_or_else(|| c.name.clone()),
                ty: c.ty.clone(),
                slot: offset + at,
                hidden: false,
            })
            .collect();
        from.width += columns.len();
        let alias = alias.map_or_else(|| name.into(), |a| a.name.text.as_str().into());
        from.items.push(ScopeItem { alias, relation: None, columns });
    }

    fn source_function(
        &mut self,
        call: &ast::Expr,
        alias: Option<&ast::TableAlias>,
        ordinality: bool,
        from: &mut From,
        parent: Option<&Scope<'_>>,
    ) -> Result<Source> {
        let ast::ExprKind::Function(function) = &call.kind else {
            return Err(not_modelled("expressions in FROM"));
        };
        let name = function.name.name.text.as_str();
        let outer = Scope { items: &[], parent };
        let mut binder = Binder::new(self, outer);
        let args: Vec<Typed> =
            function.args.iter().map(|a| binder.compile(&a.value)).collect::<Result<_>>()?;
        let offset = from.width;
        let (source, ty) = match name {
            "generate_series" if (2..=3).contains(&args.len()) => {
                let (args, ty) = crate::expr::series_args(args)?;
                (Source::Series { args, offset, ordinality, filter: Vec::new() }, ty)
            }
            "unnest" if args.len() == 1 => {
                let array = args.into_iter().next().ok_or_else(|| not_modelled("unnest"))?;
                let Type::Array(element) = array.ty.clone() else {
                    return Err(error("42883", format!("function unnest({}) does not exist", array.ty)));
                };
                (Source::Unnest { array, offset, ordinality, filter: Vec::new() }, (*element).clone())
            }
            _ if Function::find(name, args.len()).is_some() && !ordinality => {
                let value = Binder::new(self, outer).compile(call)?;
                let ty = value.ty.clone();
                (Source::Value { value, offset, filter: Vec::new() }, ty)
            }
            _ => return Err(not_modelled(format!("the function {name} in FROM"))),
        };
        // The only column of a function takes the alias of the table.
        let column: Rc<str> = alias.map_or_else(|| name.into(), |a| a.name.text.as_str().into());
        let mut columns = vec![ResultColumn { name: column, ty }];
        if ordinality {
            columns.push(ResultColumn { name: "ordinality".into(), ty: Type::Int8 });
        }
        self.add_item(&columns, name, alias, from);
        Ok(source)
    }

    /// When all conditions are in place: the partitions that are left, indexes, and their locks.
    pub(super) fn finish_scans(&mut self, source: &mut Source) -> Result<()> {
        let mut failure = None;
        let mut finish = |scan: &mut TableScan| {
            if failure.is_none()
                && let Err(e) = self.finish_scan(scan)
            {
                failure = Some(e);
            }
        };
        source.tables_mut(&mut finish);
        failure.map_or(Ok(()), Err)
    }

    fn finish_scan(&mut self, scan: &mut TableScan) -> Result<()> {
        self.lock_indexes(scan.relation, scan.mode);
        scan.access = Access::choose(&scan.filter, &scan.indexes, scan.offset);
        if scan.only {
            return Ok(());
        }
        let parts = self.parts(scan.relation, scan.offset, &scan.filter, scan.mode)?;
        let Some(root) = self.catalog.relation(scan.relation).cloned() else { return Ok(()) };
        for part in parts {
            if let Some(child) = self.catalog.relation(part).cloned()
                && child.has_heap()
            {
                self.parts_read.push((root.id, child.id));
                scan.parts.push((part, column_map(&root, &child)));
            }
        }
        Ok(())
    }

    pub(super) fn lock_indexes(&mut self, table: RelationId, mode: LockMode) {
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        indexes.into_iter().for_each(|id| self.lock_in_planning(id, mode));
    }

    /// The tables below a table that are left after pruning, locked in the order in which the planner comes
    /// to them (`expand_inherited_rtentry` in inherit.c): a table, then its indexes, then what is below it.
    fn parts(
        &mut self,
        table: RelationId,
        offset: usize,
        filter: &[Typed],
        mode: LockMode,
    ) -> Result<Vec<RelationId>> {
        let Some(relation) = self.catalog.relation(table).cloned() else { return Ok(Vec::new()) };
        let own = [table_item(self, &relation, name_rc(&relation.name), offset)];
        let scope = Scope { items: &own, parent: None };
        let routing = self.routing(&relation, scope)?;
        let children: Vec<RelationId> = match routing {
            Some(routing) => {
                let moved = shifted(&routing, offset);
                let mut left = moved.pruned(filter);
                left.sort_unstable();
                left
            }
            None => self.catalog.children_of(table).map(|c| c.id).collect(),
        };
        let mut found = Vec::new();
        for child in children {
            if self.is_others_temporary(child) {
                continue;
            }
            self.lock_in_planning(child, mode);
            self.lock_indexes(child, mode);
            found.push(child);
            found.extend(self.parts(child, offset, &[], mode)?);
        }
        Ok(found)
    }
}

/// The routing's key at the place that the table has in the row.
fn shifted(routing: &Routing, offset: usize) -> Routing {
    let key = routing.key.iter().map(|e| match e.node {
        Node::Column(slot) => Typed::new(Node::Column(slot + offset), e.ty.clone()),
        _ => e.clone(),
    });
    // The scope of a nested call has the offset already.
    let key: Vec<Typed> = key.collect();
    Routing { key, parts: routing.parts.clone() }
}

/// Where the columns of the root table are in a table below it: found by name.
pub(crate) fn column_map(root: &Relation, child: &Relation) -> Vec<Option<usize>> {
    let place = |name: &str| child.columns.iter().position(|c| !c.dropped && &*c.name == name);
    root.columns.iter().map(|c| if c.dropped { None } else { place(&c.name) }).collect()
}

fn join(left: Source, right: Source, kind: JoinKind) -> Source {
    let (left_slots, right_slots) = (left.slots(), right.slots());
    let joined = JoinSource { left, right, kind, equal: Vec::new(), on: Vec::new(), left_slots, right_slots };
    Source::Join(Box::new(joined))
}

fn common_names(from: &From, first: usize, middle: usize) -> Vec<Rc<str>> {
    let visible = |items: &[ScopeItem]| -> Vec<Rc<str>> {
        items.iter().flat_map(|i| &i.columns).filter(|c| !c.hidden).map(|c| c.name.clone()).collect()
    };
    let right = visible(&from.items[middle..]);
    visible(&from.items[first..middle]).into_iter().filter(|n| right.contains(n)).collect()
}

/// USING: the columns must be equal and appear once, from the side that always has a value.
fn join_using(
    joined: &mut JoinSource,
    from: &mut From,
    first: usize,
    middle: usize,
    names: &[Rc<str>],
    kind: JoinKind,
) -> Result<()> {
    if kind == JoinKind::Full && !names.is_empty() {
        return Err(not_modelled("FULL JOIN ... USING"));
    }
    for name in names {
        let find = |items: &[ScopeItem]| {
            items.iter().flat_map(|i| &i.columns).find(|c| !c.hidden && c.name == *name).cloned()
        };
        let (Some(left), Some(right)) = (find(&from.items[first..middle]), find(&from.items[middle..]))
        else {
            let message =
                format!("column \"{name}\" specified in USING clause does not exist in one of the tables");
            return Err(error("42703", message));
        };
        let column = |c: &ScopeColumn| Typed::new(Node::Column(c.slot), c.ty.clone());
        joined.equal.push((column(&left), column(&right)));
        let hidden = if kind == JoinKind::Right { left.slot } else { right.slot };
        let columns = from.items[first..].iter_mut().flat_map(|i| &mut i.columns);
        columns.filter(|c| c.slot == hidden).for_each(|c| c.hidden = true);
    }
    Ok(())
}
