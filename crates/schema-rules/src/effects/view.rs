//! Views and materialised views.
//!
//! Source: `DefineView` in `src/backend/commands/view.c`, `ExecRefreshMatView` in `matview.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    CreateMaterializedView, CreateView, Expr, ExprKind, FromItem, Ident, Query, QueryBody,
    RefreshMaterializedView, Target,
};

use super::WorkKind;
use super::create_table::persistence;
use super::index::options;
use super::run::{Outcome, Run};
use crate::catalog::{
    Column, ColumnType, DependencyKind, Name, ObjectAddress, Relation, RelationId, RelationKind, TypeId, View,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::{walk_query, walk_query_tables};
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn create_view(&mut self, statement: &CreateView) -> Outcome {
        // The query is analysed, and its tables locked, before the view's name is looked up.
        if statement.recursive {
            // `CREATE RECURSIVE VIEW v` is a view of `WITH RECURSIVE v`: it may name itself.
            self.outer_ctes.push(vec![statement.name.name.text.clone()]);
        }
        let analysed = self.view_query(statement);
        if statement.recursive {
            self.outer_ctes.pop();
        }
        let columns = analysed?;
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        let view = self.view(&statement.query);
        if let Some(existing) = self.catalog.find_in(&schema, &name).cloned() {
            if !statement.or_replace {
                return Err(SqlError::duplicate_relation(&name));
            }
            return self.replace_view(&existing, columns, view);
        }
        let id = self.catalog.new_relation_id();
        let mut relation = Relation::new(id, schema, name, RelationKind::View(view));
        relation.persistence = persistence(statement.persistence);
        relation.columns = columns;
        relation.options = options(&statement.options);
        self.create_relation(relation);
        self.view_dependencies(id);
        Ok(())
    }

    fn view_query(&mut self, statement: &CreateView) -> Outcome<Vec<Column>> {
        let columns = self.query_columns(&statement.query, &statement.columns)?;
        self.lock_named(&statement.query)?;
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|c| c.name == column.name) {
                return Err(SqlError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
        }
        Ok(columns)
    }

    /// `OR REPLACE` may only add columns at the end (`checkViewColumns`).
    fn replace_view(&mut self, existing: &Relation, columns: Vec<Column>, view: Rc<View>) -> Outcome {
        if !matches!(existing.kind, RelationKind::View(_)) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a view", existing.name),
            ));
        }
        self.lock(existing.id, LockMode::AccessExclusive);
        let refuse = |message: String| Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message));
        if columns.len() < existing.columns.len() {
            return refuse("cannot drop columns from view".into());
        }
        for (old, new) in existing.columns.iter().zip(&columns) {
            if old.name != new.name {
                return refuse(format!(
                    "cannot change name of view column \"{}\" to \"{}\"",
                    old.name, new.name
                ));
            }
            let known =
                !matches!(old.data_type.id, TypeId::Unknown) && !matches!(new.data_type.id, TypeId::Unknown);
            if known
                && (old.data_type.id != new.data_type.id
                    || old.data_type.modifiers != new.data_type.modifiers)
            {
                return refuse(format!(
                    "cannot change data type of view column \"{}\" from {} to {}",
                    old.name, old.data_type.written, new.data_type.written
                ));
            }
        }
        let id = existing.id;
        self.catalog.change_relation(id, |r| {
            r.columns = columns;
            r.kind = RelationKind::View(view);
        });
        for dependency in self.catalog.dependencies_of(ObjectAddress::relation(id)) {
            if dependency.referenced.as_relation().is_some() {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
        self.view_dependencies(id);
        Ok(())
    }

    pub(super) fn create_materialized_view(&mut self, statement: &CreateMaterializedView) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let columns = self.query_columns(&statement.query, &statement.columns)?;
        if statement.with_data {
            self.query(&statement.query)?;
        } else {
            self.lock_named(&statement.query)?;
        }
        let view = self.view(&statement.query);
        let id = self.catalog.new_relation_id();
        let kind = RelationKind::MaterializedView { view, populated: statement.with_data };
        let mut relation = Relation::new(id, schema, name, kind);
        relation.columns = columns;
        relation.options = options(&statement.options);
        self.create_relation(relation);
        self.view_dependencies(id);
        if statement.with_data {
            self.work(id, WorkKind::Query);
            if self.version >= PgVersion::V17 {
                // The view is filled as by REFRESH: `refresh_by_heap_swap`.
                self.lock(id, LockMode::Exclusive);
                self.lock(id, LockMode::Share);
            }
        }
        Ok(())
    }

    pub(super) fn refresh_materialized_view(&mut self, statement: &RefreshMaterializedView) -> Outcome {
        let mode = if statement.concurrently { LockMode::Exclusive } else { LockMode::AccessExclusive };
        let relation = self.open(&statement.name, mode)?;
        let RelationKind::MaterializedView { view, populated } = &relation.kind else {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a materialized view", relation.name),
            ));
        };
        if statement.concurrently {
            self.refreshable_concurrently(&relation, *populated, statement.with_data)?;
        }
        let view = view.clone();
        if statement.with_data {
            self.query(&view.query)?;
        }
        let id = relation.id;
        self.catalog.change_relation(id, |r| {
            if let RelationKind::MaterializedView { populated, .. } = &mut r.kind {
                *populated = statement.with_data;
            }
        });
        if statement.concurrently {
            // The new contents are compared with the old by a full join, and the differences are written.
            let schema = self.catalog.schema("pg_temp").map(|s| s.oid);
            if let Some(oid) = schema {
                let address = ObjectAddress::new(crate::catalog::ObjectClass::Schema, oid);
                self.lock_object(address, LockMode::AccessShare);
            }
            self.work(id, WorkKind::Update { all: false });
        } else {
            // `refresh_by_heap_swap`: the query has filled a new heap, whose indexes are built now.
            self.lock(id, LockMode::Exclusive);
            if statement.with_data {
                self.work(id, WorkKind::FillNewHeap);
                self.rebuild_indexes(id);
            } else {
                self.truncate_one(id);
            }
        }
        Ok(())
    }

    fn refreshable_concurrently(&self, relation: &Relation, populated: bool, with_data: bool) -> Outcome {
        if !populated {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "CONCURRENTLY cannot be used when the materialized view is not populated",
            ));
        }
        if !with_data {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                "REFRESH options CONCURRENTLY and WITH NO DATA cannot be used together",
            ));
        }
        let usable = |index: &Rc<Relation>| {
            index.as_index().is_some_and(|i| {
                let column = |k: &crate::catalog::IndexKey| {
                    matches!(k.value, crate::catalog::IndexKeyValue::Column(_))
                };
                i.unique && i.valid && i.predicate.is_none() && i.keys.iter().all(column)
            })
        };
        if self.catalog.indexes_of(relation.id).any(usable) || relation.assumed {
            return Ok(());
        }
        Err(SqlError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "cannot refresh materialized view \"{}.{}\" concurrently",
                relation.schema, relation.name
            ),
        )
        .hint("Create a unique index with no WHERE clause on one or more columns of the materialized view."))
    }

    fn view(&self, query: &Query) -> Rc<View> {
        Rc::new(View {
            query: Rc::new(query.clone()),
            reads: self.query_relations(query),
            search_path: self.session.search_path.clone(),
        })
    }

    /// The relations that a query names, each once, in the order of the text.
    pub(super) fn query_relations(&self, query: &Query) -> Vec<RelationId> {
        let mut found = Vec::new();
        walk_query_tables(
            query,
            &mut |table| {
                if let Some(relation) = self.catalog.find(self.session, &table.name)
                    && !found.contains(&relation.id)
                {
                    found.push(relation.id);
                }
            },
            &mut |_| {},
        );
        found
    }

    /// A view needs every column that its query reads, and every table that it names.
    fn view_dependencies(&mut self, id: RelationId) {
        let Some(view) = self.relation(id).as_view().cloned() else { return };
        let tables = aliases(&view.query);
        let address = ObjectAddress::relation(id);
        let mut needed: Vec<ObjectAddress> = Vec::new();
        let mut expressions: Vec<Expr> = Vec::new();
        walk_query(&view.query, &mut |part| expressions.push(shallow(part)));
        for part in &expressions {
            match &part.kind {
                ExprKind::Column { qualifier, name } => {
                    let alias = qualifier.last().map(|q| q.text.as_str());
                    needed.extend(self.column_of_query(&view, &tables, alias, &name.text));
                }
                ExprKind::Wildcard { qualifier } => {
                    let alias = qualifier.last().map(|q| q.text.as_str());
                    for table in &view.reads {
                        let relation = self.relation(*table);
                        if alias.is_none_or(|a| stands_for(&tables, a, &relation)) {
                            needed.extend(
                                relation.live_columns().map(|c| ObjectAddress::column(*table, c.number)),
                            );
                        }
                    }
                }
                _ => needed.extend(self.expression_references(part)),
            }
        }
        for table in &view.reads {
            if !needed.iter().any(|n| n.as_relation() == Some(*table)) {
                needed.push(ObjectAddress::relation(*table));
            }
        }
        needed.sort_unstable();
        needed.dedup();
        for referenced in needed {
            self.catalog.add_dependency(address, referenced, DependencyKind::Normal);
        }
    }

    fn column_of_query(
        &self,
        view: &View,
        tables: &[(String, String)],
        alias: Option<&str>,
        column: &str,
    ) -> Option<ObjectAddress> {
        view.reads.iter().find_map(|id| {
            let relation = self.catalog.relation(*id)?;
            if alias.is_some_and(|a| !stands_for(tables, a, relation)) {
                return None;
            }
            let column = relation.column(column)?;
            Some(ObjectAddress::column(*id, column.number))
        })
    }

    /// The columns of a query's result: names as the server gives them, types where they are a column's.
    pub(super) fn query_columns(&mut self, query: &Query, names: &[Ident]) -> Outcome<Vec<Column>> {
        let mut columns = Vec::new();
        self.body_columns(&query.body, &mut columns)?;
        for (column, name) in columns.iter_mut().zip(names) {
            column.1 = name.as_str().into();
        }
        let mut result = Vec::new();
        for (number, (data_type, name)) in (1..).zip(columns) {
            result.push(Column::new(number, name, data_type));
        }
        Ok(result)
    }

    fn body_columns(&mut self, body: &QueryBody, columns: &mut Vec<(ColumnType, Name)>) -> Outcome {
        match body {
            QueryBody::Select(select) => {
                for target in &select.targets {
                    self.target_columns(&select.from, target, columns)?;
                }
                Ok(())
            }
            QueryBody::Values(rows) => {
                let width = rows.first().map_or(0, Vec::len);
                columns.extend((1..=width).map(|n| (unknown(), Name::from(format!("column{n}")))));
                Ok(())
            }
            QueryBody::Table(table) => {
                let relation = self.find(&table.name)?;
                columns.extend(relation.live_columns().map(|c| (c.data_type.clone(), c.name.clone())));
                Ok(())
            }
            QueryBody::SetOperation { left, .. } | QueryBody::Nested(left) => {
                self.body_columns(&left.body, columns)
            }
        }
    }

    fn target_columns(
        &mut self,
        from: &[FromItem],
        target: &Target,
        columns: &mut Vec<(ColumnType, Name)>,
    ) -> Outcome {
        let sources = self.columns_offered(from)?;
        if let ExprKind::Wildcard { qualifier } = &target.value.kind {
            let alias = qualifier.last().map(|q| q.text.as_str());
            let wanted = sources.into_iter().filter(|(source, _, _)| alias.is_none_or(|a| a == &**source));
            columns.extend(wanted.map(|(_, name, data_type)| (data_type, name)));
            return Ok(());
        }
        let data_type = match &target.value.kind {
            ExprKind::Column { qualifier, name } => {
                let alias = qualifier.last().map(|q| q.text.as_str());
                sources
                    .iter()
                    .find(|(source, column, _)| {
                        alias.is_none_or(|a| a == &**source) && **column == *name.text
                    })
                    .map(|(_, _, data_type)| data_type.clone())
            }
            ExprKind::Cast { to, .. } => Some(self.catalog.resolve_type(self.session, to)),
            _ => None,
        };
        let name = match &target.alias {
            Some(alias) => alias.as_str().into(),
            None => figure_name(&target.value),
        };
        columns.push((data_type.unwrap_or_else(unknown), name));
        Ok(())
    }

    /// Alias, column and type of everything that FROM offers.
    fn columns_offered(&mut self, from: &[FromItem]) -> Outcome<Vec<(Name, Name, ColumnType)>> {
        let mut found = Vec::new();
        for item in from {
            match item {
                FromItem::Table { table, alias, .. } => {
                    let Ok(relation) = self.find(&table.name) else { continue };
                    let source: Name = alias.as_ref().map_or(&table.name.name, |a| &a.name).as_str().into();
                    found.extend(
                        relation
                            .live_columns()
                            .map(|c| (source.clone(), c.name.clone(), c.data_type.clone())),
                    );
                }
                FromItem::Subquery { query, alias, .. } => {
                    let source: Name = alias.as_ref().map_or("", |a| a.name.as_str()).into();
                    let names = alias.as_ref().map_or(&[][..], |a| &a.columns);
                    let columns = self.query_columns(query, names)?;
                    found.extend(columns.into_iter().map(|c| (source.clone(), c.name, c.data_type)));
                }
                FromItem::Join { left, right, .. } => {
                    found.extend(self.columns_offered(std::slice::from_ref(left))?);
                    found.extend(self.columns_offered(std::slice::from_ref(right))?);
                }
                FromItem::Function { alias, .. } => {
                    if let Some(alias) = alias {
                        let name: Name = alias.name.as_str().into();
                        let column = alias.columns.first().map_or(name.clone(), |c| c.as_str().into());
                        found.push((name, column, unknown()));
                    }
                }
                FromItem::NotModelled(_) => {}
            }
        }
        Ok(found)
    }
}

fn unknown() -> ColumnType {
    ColumnType { id: TypeId::Unknown, ..ColumnType::builtin("text") }
}

/// The name that a column without an alias gets (`FigureColname`).
fn figure_name(value: &Expr) -> Name {
    match &value.kind {
        ExprKind::Column { name, .. } => name.as_str().into(),
        ExprKind::Function(call) => call.name.name.as_str().into(),
        ExprKind::Cast { operand, to } => {
            let inner = figure_name(operand);
            if &*inner == "?column?" { to.name.as_str().into() } else { inner }
        }
        ExprKind::Case { .. } => "case".into(),
        ExprKind::Array(_) => "array".into(),
        ExprKind::Field { field, .. } => field.as_str().into(),
        _ => "?column?".into(),
    }
}

/// An expression without its parts: they are visited by themselves.
fn shallow(expr: &Expr) -> Expr {
    match &expr.kind {
        ExprKind::Column { .. }
        | ExprKind::Wildcard { .. }
        | ExprKind::Function(_)
        | ExprKind::Cast { .. } => expr.clone(),
        _ => Expr { kind: ExprKind::Default, range: expr.range },
    }
}

/// Alias and table name of every table in a query's FROM.
fn aliases(query: &Query) -> Vec<(String, String)> {
    fn of_item(item: &FromItem, found: &mut Vec<(String, String)>) {
        match item {
            FromItem::Table { table, alias, .. } => {
                let name = table.name.name.text.clone();
                let alias = alias.as_ref().map_or(name.clone(), |a| a.name.text.clone());
                found.push((alias, name));
            }
            FromItem::Join { left, right, .. } => {
                of_item(left, found);
                of_item(right, found);
            }
            FromItem::Subquery { query, .. } => of_body(&query.body, found),
            FromItem::Function { .. } | FromItem::NotModelled(_) => {}
        }
    }
    fn of_body(body: &QueryBody, found: &mut Vec<(String, String)>) {
        match body {
            QueryBody::Select(select) => select.from.iter().for_each(|item| of_item(item, found)),
            QueryBody::SetOperation { left, right, .. } => {
                of_body(&left.body, found);
                of_body(&right.body, found);
            }
            QueryBody::Nested(inner) => of_body(&inner.body, found),
            QueryBody::Table(table) => {
                found.push((table.name.name.text.clone(), table.name.name.text.clone()))
            }
            QueryBody::Values(_) => {}
        }
    }
    let mut found = Vec::new();
    of_body(&query.body, &mut found);
    found
}

fn stands_for(tables: &[(String, String)], alias: &str, relation: &Relation) -> bool {
    tables.iter().any(|(a, name)| a == alias && *name == *relation.name) || alias == &*relation.name
}
