//! Which tables a statement touches, and how strongly it locks them, as far as its text says.
//!
//! The modes are those of the manual's section 13.3.1. What an ALTER TABLE locks depends on its actions and
//! on the catalog, which is the business of another crate; here it is named by its command.

use std::collections::BTreeSet;

use sql_syntax::ast::{
    AlterTable, ConflictAction, Expr, ExprKind, FromItem, FunctionCall, Grouping, Insert, JoinCondition,
    Merge, MergeAction, ObjectKind, ObjectName, Query, QueryBody, ReindexTarget, RowLockStrength, Select,
    Statement, TableLockMode, Target, With, has_option,
};

/// What a text touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Tables with the lock modes taken on them.
    pub tables: BTreeSet<(String, &'static str)>,
    /// What could not be read: the parser's message, or the name of a statement that has no model.
    pub not_read: Option<String>,
}

/// Reads a text that may hold several statements.
#[must_use]
pub fn touched(text: &str) -> Touched {
    let script = sql_syntax::parse(text);
    let mut walk = Walk::default();
    for statement in &script.statements {
        walk.statement(&statement.value);
    }
    let not_read = script.errors.first().map(|error| error.message.clone()).or(walk.not_modelled);
    Touched { tables: walk.tables, not_read }
}

const ACCESS_SHARE: &str = "ACCESS SHARE";
const ROW_EXCLUSIVE: &str = "ROW EXCLUSIVE";
const SHARE_UPDATE_EXCLUSIVE: &str = "SHARE UPDATE EXCLUSIVE";
const ACCESS_EXCLUSIVE: &str = "ACCESS EXCLUSIVE";

fn mode_name(mode: TableLockMode) -> &'static str {
    match mode {
        TableLockMode::AccessShare => ACCESS_SHARE,
        TableLockMode::RowShare => "ROW SHARE",
        TableLockMode::RowExclusive => ROW_EXCLUSIVE,
        TableLockMode::ShareUpdateExclusive => SHARE_UPDATE_EXCLUSIVE,
        TableLockMode::Share => "SHARE",
        TableLockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
        TableLockMode::Exclusive => "EXCLUSIVE",
        TableLockMode::AccessExclusive => ACCESS_EXCLUSIVE,
    }
}

/// A query that locks rows takes ROW SHARE on their table.
fn row_lock_name(strength: RowLockStrength) -> &'static str {
    match strength {
        RowLockStrength::KeyShare => "ROW SHARE, rows FOR KEY SHARE",
        RowLockStrength::Share => "ROW SHARE, rows FOR SHARE",
        RowLockStrength::NoKeyUpdate => "ROW SHARE, rows FOR NO KEY UPDATE",
        RowLockStrength::Update => "ROW SHARE, rows FOR UPDATE",
    }
}

#[derive(Default)]
struct Walk {
    tables: BTreeSet<(String, &'static str)>,
    not_modelled: Option<String>,
    /// Names of common table expressions in scope, which are no tables.
    common: Vec<String>,
}

impl Walk {
    fn table(&mut self, name: &ObjectName, mode: &'static str) {
        let is_common = name.schema.is_none() && self.common.contains(&name.name.text);
        if !is_common {
            self.tables.insert((name.to_string(), mode));
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Select(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => {
                self.with(update.with.as_ref(), |walk| {
                    walk.table(&update.table.name, ROW_EXCLUSIVE);
                    update.from.iter().for_each(|item| walk.from(item));
                    update.assignments.iter().for_each(|assignment| walk.expr(&assignment.value));
                    walk.exprs(update.filter.as_ref());
                    walk.targets(&update.returning);
                });
            }
            Statement::Delete(delete) => self.with(delete.with.as_ref(), |walk| {
                walk.table(&delete.table.name, ROW_EXCLUSIVE);
                delete.using.iter().for_each(|item| walk.from(item));
                walk.exprs(delete.filter.as_ref());
                walk.targets(&delete.returning);
            }),
            Statement::Merge(merge) => self.merge(merge),
            Statement::Copy(copy) => {
                if let Some(table) = &copy.table {
                    self.table(table, if copy.from { ROW_EXCLUSIVE } else { ACCESS_SHARE });
                }
                if let Some(statement) = &copy.query {
                    self.statement(statement);
                }
            }
            Statement::Explain { statement, .. } => self.statement(statement),
            Statement::CreateTableAs(create) => self.statement(&create.source),
            Statement::CreateView(view) => self.query(&view.query),
            Statement::CreateMaterializedView(view) => self.query(&view.query),
            Statement::DeclareCursor { query, .. } => self.query(query),
            Statement::Call(call) => self.call(call),
            Statement::NotModelled { name } => self.not_modelled = Some(name.clone()),
            other => self.utility(other),
        }
    }

    fn utility(&mut self, statement: &Statement) {
        match statement {
            Statement::AlterTable(AlterTable { name, .. }) => self.table(name, "by ALTER's actions"),
            Statement::CreateIndex(index) => {
                let mode = if index.concurrently { SHARE_UPDATE_EXCLUSIVE } else { "SHARE" };
                self.table(&index.table.name, mode);
            }
            Statement::Reindex(reindex) => {
                if let ReindexTarget::Table(name) = &reindex.target {
                    self.table(name, if reindex.concurrently { SHARE_UPDATE_EXCLUSIVE } else { "SHARE" });
                }
            }
            Statement::RefreshMaterializedView(refresh) => {
                self.table(&refresh.name, if refresh.concurrently { "EXCLUSIVE" } else { ACCESS_EXCLUSIVE });
            }
            Statement::CreateTrigger(trigger) => self.table(&trigger.table, "SHARE ROW EXCLUSIVE"),
            Statement::Drop(drop) if drop.kind == ObjectKind::Table => {
                drop.names.iter().for_each(|name| self.table(name, ACCESS_EXCLUSIVE));
            }
            Statement::Truncate(truncate) => {
                truncate.tables.iter().for_each(|table| self.table(&table.name, ACCESS_EXCLUSIVE));
            }
            Statement::LockTable(lock) => {
                lock.tables.iter().for_each(|table| self.table(&table.name, mode_name(lock.mode)));
            }
            Statement::Vacuum(vacuum) => {
                let full = has_option(&vacuum.options, "full");
                let mode = if full { ACCESS_EXCLUSIVE } else { SHARE_UPDATE_EXCLUSIVE };
                vacuum.tables.iter().for_each(|(table, _)| self.table(&table.name, mode));
            }
            Statement::Analyze(analyze) => {
                analyze.tables.iter().for_each(|(table, _)| self.table(&table.name, SHARE_UPDATE_EXCLUSIVE));
            }
            Statement::Cluster(cluster) => {
                cluster.table.iter().for_each(|table| self.table(table, ACCESS_EXCLUSIVE));
            }
            _ => {}
        }
    }

    /// Walks the common table expressions, then what follows them with their names in scope.
    fn with(&mut self, with: Option<&With>, then: impl FnOnce(&mut Self)) {
        let outer = self.common.len();
        for table in with.iter().flat_map(|with| &with.tables) {
            // A recursive one sees itself; that an ordinary one does too can only hide a table of its name.
            self.common.push(table.name.text.clone());
            self.statement(&table.statement);
        }
        then(self);
        self.common.truncate(outer);
    }

    fn query(&mut self, query: &Query) {
        self.with(query.with.as_ref(), |walk| {
            walk.body(&query.body);
            query.order_by.iter().for_each(|order| walk.expr(&order.value));
            walk.exprs(query.limit.as_ref());
            walk.exprs(query.offset.as_ref());
            for locking in &query.locking {
                let mode = row_lock_name(locking.strength);
                for (alias, table) in direct_tables(&query.body) {
                    let named = |of: &ObjectName| of.name.text == alias;
                    if locking.of.is_empty() || locking.of.iter().any(named) {
                        walk.table(table, mode);
                    }
                }
            }
        });
    }

    fn body(&mut self, body: &QueryBody) {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(rows) => rows.iter().flatten().for_each(|value| self.expr(value)),
            QueryBody::Table(table) => self.table(&table.name, ACCESS_SHARE),
            QueryBody::SetOperation { left, right, .. } => {
                self.query(left);
                self.query(right);
            }
            QueryBody::Nested(query) => self.query(query),
        }
    }

    fn select(&mut self, select: &Select) {
        self.targets(&select.targets);
        select.from.iter().for_each(|item| self.from(item));
        self.exprs(select.filter.as_ref());
        for grouping in &select.group_by {
            if let Grouping::Expr(expr) = grouping {
                self.expr(expr);
            }
        }
        self.exprs(select.having.as_ref());
    }

    fn from(&mut self, item: &FromItem) {
        match item {
            FromItem::Table { table, .. } => self.table(&table.name, ACCESS_SHARE),
            FromItem::Subquery { query, .. } => self.query(query),
            FromItem::Function { call, .. } => self.expr(call),
            FromItem::Join { left, right, condition, .. } => {
                self.from(left);
                self.from(right);
                if let JoinCondition::On(condition) = condition {
                    self.expr(condition);
                }
            }
            FromItem::NotModelled(name) => self.not_modelled = Some(name.clone()),
        }
    }

    fn insert(&mut self, insert: &Insert) {
        self.with(insert.with.as_ref(), |walk| {
            walk.table(&insert.table, ROW_EXCLUSIVE);
            if let Some(source) = &insert.source {
                walk.query(source);
            }
            if let Some(conflict) = &insert.on_conflict
                && let ConflictAction::Update { assignments, filter } = &conflict.action
            {
                assignments.iter().for_each(|assignment| walk.expr(&assignment.value));
                walk.exprs(filter.as_ref());
            }
            walk.targets(&insert.returning);
        });
    }

    fn merge(&mut self, merge: &Merge) {
        self.with(merge.with.as_ref(), |walk| {
            walk.table(&merge.table.name, ROW_EXCLUSIVE);
            walk.from(&merge.source);
            walk.expr(&merge.condition);
            for clause in &merge.clauses {
                walk.exprs(clause.condition.as_ref());
                match &clause.action {
                    MergeAction::Update(assignments) => {
                        assignments.iter().for_each(|assignment| walk.expr(&assignment.value));
                    }
                    MergeAction::Insert { values, .. } => values.iter().for_each(|value| walk.expr(value)),
                    MergeAction::Delete | MergeAction::Nothing => {}
                }
            }
            walk.targets(&merge.returning);
        });
    }

    fn targets(&mut self, targets: &[Target]) {
        targets.iter().for_each(|target| self.expr(&target.value));
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    fn call(&mut self, call: &FunctionCall) {
        call.args.iter().for_each(|arg| self.expr(&arg.value));
        call.order_by.iter().for_each(|order| self.expr(&order.value));
        self.exprs(call.filter.as_deref());
    }

    /// Only subqueries matter; the rest is descended through.
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Subquery(query) | ExprKind::Exists(query) | ExprKind::ArraySubquery(query) => {
                self.query(query)
            }
            ExprKind::InSubquery { operand, query, .. } => {
                self.expr(operand);
                self.query(query);
            }
            ExprKind::Unary { operand, .. }
            | ExprKind::IsNull { operand, .. }
            | ExprKind::IsBool { operand, .. }
            | ExprKind::Cast { operand, .. }
            | ExprKind::Collate { operand, .. }
            | ExprKind::Field { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. }
            | ExprKind::IsDistinctFrom { left, right, .. }
            | ExprKind::Quantified { left, right, .. }
            | ExprKind::AtTimeZone { operand: left, zone: right }
            | ExprKind::Subscript { operand: left, index: right } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Between { operand, low, high, .. } => self.exprs([&**operand, &**low, &**high]),
            ExprKind::InList { operand, list, .. } => {
                self.expr(operand);
                self.exprs(list);
            }
            ExprKind::Like { operand, pattern, .. } => self.exprs([&**operand, &**pattern]),
            ExprKind::Case { operand, branches, otherwise } => {
                self.exprs(operand.as_deref());
                branches.iter().for_each(|(when, then)| self.exprs([when, then]));
                self.exprs(otherwise.as_deref());
            }
            ExprKind::Function(call) => self.call(call),
            ExprKind::Array(items) | ExprKind::Row(items) => self.exprs(items),
            ExprKind::NotModelled(name) => self.not_modelled = Some(name.clone()),
            ExprKind::Literal(_)
            | ExprKind::Column { .. }
            | ExprKind::Wildcard { .. }
            | ExprKind::Param(_)
            | ExprKind::Default => {}
        }
    }
}

/// The tables of a query's own FROM with the names they go by there.
fn direct_tables(body: &QueryBody) -> Vec<(&str, &ObjectName)> {
    fn collect<'q>(item: &'q FromItem, tables: &mut Vec<(&'q str, &'q ObjectName)>) {
        match item {
            FromItem::Table { table, alias, .. } => {
                let name = alias.as_ref().map_or(table.name.name.as_str(), |alias| alias.name.as_str());
                tables.push((name, &table.name));
            }
            FromItem::Join { left, right, .. } => {
                collect(left, tables);
                collect(right, tables);
            }
            _ => {}
        }
    }
    let mut tables = Vec::new();
    match body {
        QueryBody::Select(select) => select.from.iter().for_each(|item| collect(item, &mut tables)),
        QueryBody::Nested(query) => tables = direct_tables(&query.body),
        _ => {}
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(text: &str) -> Vec<(String, &'static str)> {
        touched(text).tables.into_iter().collect()
    }

    fn expect(text: &str, expected: &[(&str, &'static str)]) {
        let expected: Vec<_> = expected.iter().map(|(table, mode)| ((*table).to_owned(), *mode)).collect();
        assert_eq!(modes(text), expected, "{text}");
    }

    #[test]
    fn readers_writers_and_subqueries_are_told_apart() {
        expect(
            "update a set x = (select max(y) from b) where id in (select id from s.c)",
            &[("a", ROW_EXCLUSIVE), ("b", ACCESS_SHARE), ("s.c", ACCESS_SHARE)],
        );
    }

    #[test]
    fn for_update_of_an_alias_locks_its_table_only() {
        expect(
            "select * from a x join b y on x.id = y.id for update of y",
            &[("a", ACCESS_SHARE), ("b", ACCESS_SHARE), ("b", "ROW SHARE, rows FOR UPDATE")],
        );
    }

    #[test]
    fn common_table_expressions_are_no_tables() {
        expect(
            "with d as (delete from a returning *) insert into log select * from d",
            &[("a", ROW_EXCLUSIVE), ("log", ROW_EXCLUSIVE)],
        );
    }

    #[test]
    fn ddl_and_maintenance_have_the_modes_of_the_manual() {
        expect("create index concurrently on t(a)", &[("t", SHARE_UPDATE_EXCLUSIVE)]);
        expect("vacuum (full) t", &[("t", ACCESS_EXCLUSIVE)]);
        expect("lock t in share mode; truncate u", &[("t", "SHARE"), ("u", ACCESS_EXCLUSIVE)]);
    }

    #[test]
    fn what_is_no_sql_is_named() {
        assert!(touched("selec 1 from").not_read.is_some());
        assert_eq!(touched("select 1").not_read, None);
    }
}
