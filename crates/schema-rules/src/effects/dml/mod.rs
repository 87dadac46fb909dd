//! Statements that read and change rows.
//!
//! Source: `src/backend/parser/analyze.c` and `parse_clause.c` (tables are locked as the text is analysed: WITH, the
//! target, FROM, then the rest), `rewriteHandler.c` (what is below a view is locked after that), `plancat.c` and
//! `inherit.c` (the planner locks every index of a table, and the partitions that it cannot rule out),
//! `ri_triggers.c` (foreign keys look at the other table when rows are changed).

mod access;
mod change;
mod referential;
mod written;

use lock_table::LockMode;
use sql_syntax::ast::{
    CommonTable, Copy, Expr, ExprKind, FromItem, Grouping, JoinCondition, ObjectName, Query, QueryBody,
    RowLockStrength, Select, Statement, TableName,
};

use self::access::Source;
use super::WorkKind;
use super::condition::Affected;
use super::references::sequence_argument;
use super::run::{Outcome, Run, is_system};
use crate::catalog::{Relation, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// What the analysis of a statement has come across.
#[derive(Default)]
pub(super) struct Analysis<'q> {
    /// Names of common table expressions in sight.
    ctes: Vec<&'q str>,
    /// Those whose result may be large: nothing limits it, and no index finds it.
    large_ctes: Vec<&'q str>,
    /// The tables that are read, with what is known about how.
    sources: Vec<Source<'q>>,
    /// Views whose tables are still to be locked, with their place among the sources.
    views: Vec<(RelationId, LockMode, usize)>,
}

impl Run<'_> {
    /// Runs a query.
    pub(super) fn query(&mut self, query: &Query) -> Outcome {
        let analysis = self.analyse(query)?;
        self.usable_casts(query)?;
        self.plan(&analysis);
        self.populated(&analysis)?;
        self.use_sequences(query)
    }

    /// A materialised view that nobody has filled cannot be read.
    fn populated(&self, analysis: &Analysis<'_>) -> Outcome {
        for source in analysis.sources.iter().filter(|s| !s.is_result()) {
            let relation = self.relation(source.relation);
            if let RelationKind::MaterializedView { populated: false, .. } = relation.kind {
                return Err(SqlError::new(
                    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("materialized view \"{}\" has not been populated", relation.name),
                )
                .hint("Use the REFRESH MATERIALIZED VIEW command."));
            }
        }
        Ok(())
    }

    /// A label that was added in this transaction cannot be used before it commits.
    fn usable_casts(&self, query: &Query) -> Outcome {
        let mut unsafe_label = None;
        crate::expression::walk_query(query, &mut |part| {
            if let ExprKind::Cast { operand, to } = &part.kind
                && let ExprKind::Literal(sql_syntax::ast::Literal::String(text)) = &operand.kind
                && let crate::catalog::TypeId::User(oid) = self.catalog.resolve_type(self.session, to).id
                && self
                    .session
                    .transaction
                    .uncommitted_labels
                    .iter()
                    .any(|(t, label)| *t == oid && **label == **text)
            {
                unsafe_label.get_or_insert_with(|| (text.clone(), to.name.clone()));
            }
        });
        match unsafe_label {
            Some((label, name)) => Err(unsafe_use(&label, &name)),
            None => Ok(()),
        }
    }

    /// Locks what a query names, and not what is below views: it is analysed only (CREATE VIEW).
    pub(super) fn lock_named(&mut self, query: &Query) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_query(query, LockMode::AccessShare, &mut analysis)
    }

    /// Locks what the subqueries of an expression name.
    pub(super) fn lock_expression(&mut self, expression: &Expr) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_expr(expression, &mut analysis)
    }

    /// Locks what a query reads without running it (PREPARE).
    pub(super) fn lock_query(&mut self, query: &Query) -> Outcome {
        self.analyse(query).map(drop)
    }

    fn analyse<'q>(&mut self, query: &'q Query) -> Outcome<Analysis<'q>> {
        let mut analysis = Analysis::default();
        self.analyse_query(query, LockMode::AccessShare, &mut analysis)?;
        self.lock_below_views(&mut analysis)?;
        Ok(analysis)
    }

    fn analyse_query<'q>(
        &mut self,
        query: &'q Query,
        outer: LockMode,
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        let known = analysis.ctes.len();
        if let Some(with) = &query.with {
            for table in &with.tables {
                if with.recursive {
                    analysis.ctes.push(&table.name.text);
                }
                self.analyse_cte(table, analysis)?;
            }
        }
        match &query.body {
            QueryBody::Select(select) => self.analyse_select(query, select, outer, analysis)?,
            QueryBody::Values(rows) => {
                for value in rows.iter().flatten() {
                    self.analyse_expr(value, analysis)?;
                }
            }
            QueryBody::Table(table) => self.read_table(table, None, outer, &[], analysis)?,
            QueryBody::SetOperation { left, right, .. } => {
                self.analyse_query(left, outer, analysis)?;
                self.analyse_query(right, outer, analysis)?;
            }
            QueryBody::Nested(inner) => self.analyse_query(inner, outer, analysis)?,
        }
        for order in &query.order_by {
            self.analyse_expr(&order.value, analysis)?;
        }
        analysis.ctes.truncate(known);
        Ok(())
    }

    fn analyse_select<'q>(
        &mut self,
        query: &'q Query,
        select: &'q Select,
        outer: LockMode,
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        let first = analysis.sources.len();
        self.may_lock_rows(query, select)?;
        for item in &select.from {
            self.analyse_from(item, query, outer, analysis)?;
        }
        for target in &select.targets {
            self.analyse_expr(&target.value, analysis)?;
        }
        for expr in select.filter.iter().chain(&select.having) {
            self.analyse_expr(expr, analysis)?;
        }
        for group in &select.group_by {
            if let Grouping::Expr(expr) = group {
                self.analyse_expr(expr, analysis)?;
            }
        }
        self.columns_exist(query, select, &analysis.sources[first..])?;
        if let ([FromItem::Table { .. }], [source]) = (select.from.as_slice(), &mut analysis.sources[first..])
        {
            source.affected = match &select.filter {
                Some(filter) => Affected::Where(filter),
                None => Affected::All,
            };
        }
        let sorted = access::Shape::of(query, select);
        for source in &mut analysis.sources[first..] {
            source.filter(select.filter.as_ref(), &select.from);
            source.shape.get_or_insert(sorted);
        }
        Ok(())
    }

    fn analyse_from<'q>(
        &mut self,
        item: &'q FromItem,
        query: &'q Query,
        outer: LockMode,
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        match item {
            FromItem::Table { table, alias, .. } => {
                let reference = alias.as_ref().map_or(&table.name.name, |a| &a.name);
                let mode = if row_locked(query, reference) { LockMode::RowShare } else { outer };
                let alias = alias.as_ref().map(|a| a.name.text.as_str());
                self.read_table(table, alias, mode, &[], analysis)
            }
            FromItem::Subquery { query: inner, alias, .. } => {
                let reference = alias.as_ref().map_or("", |a| a.name.text.as_str());
                let mode = if row_locked(query, reference) { LockMode::RowShare } else { outer };
                self.analyse_query(inner, mode, analysis)
            }
            FromItem::Function { call, .. } => self.analyse_expr(call, analysis),
            FromItem::Join { left, right, condition, .. } => {
                self.analyse_from(left, query, outer, analysis)?;
                self.analyse_from(right, query, outer, analysis)?;
                match condition {
                    JoinCondition::On(on) => self.analyse_expr(on, analysis),
                    _ => Ok(()),
                }
            }
            FromItem::NotModelled(name) => {
                self.not_modelled(name.clone(), "it reads no table");
                Ok(())
            }
        }
    }

    /// Where FROM consists of tables only, a bare column must belong to one of them. Inside another query it may
    /// belong to that one's tables: subqueries are left alone, and so is what may be the name of a whole row.
    fn columns_exist(&self, query: &Query, select: &Select, sources: &[Source<'_>]) -> Outcome {
        let plain =
            select.from.iter().all(|item| matches!(item, FromItem::Table { .. })) && !select.from.is_empty();
        if !plain || self.nesting > 0 || sources.len() != select.from.len() || query.with.is_some() {
            return Ok(());
        }
        let relations: Vec<_> = sources.iter().filter_map(|s| self.catalog.relation(s.relation)).collect();
        if relations.iter().any(|r| r.assumed || r.as_sequence().is_some()) {
            return Ok(());
        }
        let mut names = Vec::new();
        for target in select.targets.iter().map(|t| &t.value).chain(&select.filter) {
            bare_names(target, &mut names);
        }
        for name in names {
            let known = relations.iter().any(|r| r.column(name).is_some())
                || sources.iter().any(|s| s.is_called(name))
                || SYSTEM_COLUMNS.contains(&name);
            if !known {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{name}\" does not exist"),
                ));
            }
        }
        Ok(())
    }

    /// Subqueries inside an expression.
    fn analyse_expr<'q>(&mut self, expr: &'q Expr, analysis: &mut Analysis<'q>) -> Outcome {
        self.functions_exist(Some(expr))?;
        let mut queries: Vec<&'q Query> = Vec::new();
        collect_subqueries(expr, &mut queries);
        self.nesting += 1;
        let result =
            queries.into_iter().try_for_each(|q| self.analyse_query(q, LockMode::AccessShare, analysis));
        self.nesting -= 1;
        result
    }

    fn analyse_cte<'q>(&mut self, table: &'q CommonTable, analysis: &mut Analysis<'q>) -> Outcome {
        let first = analysis.sources.len();
        self.analyse_statement(&table.statement, analysis)?;
        let limited = matches!(&*table.statement, Statement::Select(query) if query.limit.is_some());
        let scans = access::ways(self.catalog, &analysis.sources)[first..].contains(&true);
        if scans && !limited {
            analysis.large_ctes.push(&table.name.text);
        }
        analysis.ctes.push(&table.name.text);
        Ok(())
    }

    fn analyse_statement<'q>(&mut self, statement: &'q Statement, analysis: &mut Analysis<'q>) -> Outcome {
        match statement {
            Statement::Select(query) => self.analyse_query(query, LockMode::AccessShare, analysis),
            other => {
                let names: Vec<String> = analysis.ctes.iter().map(|n| (*n).to_owned()).collect();
                self.outer_ctes.push(names);
                let result = self.statement(other);
                self.outer_ctes.pop();
                result
            }
        }
    }

    /// Locks a table of FROM, unless the name is that of a common table expression or of a system catalog.
    fn read_table<'q>(
        &mut self,
        table: &'q TableName,
        alias: Option<&'q str>,
        mode: LockMode,
        extra: &[&'q Expr],
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        if self.is_cte(&table.name, analysis) {
            let own = table.name.name.text.as_str();
            if analysis.large_ctes.contains(&own) {
                analysis.sources.push(Source::large(alias.unwrap_or(own)));
            }
            return Ok(());
        }
        if self.is_catalog(&table.name) {
            return Ok(());
        }
        let relation = self.open(&table.name, mode)?;
        if mode == LockMode::RowShare && matches!(relation.kind, RelationKind::MaterializedView { .. }) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot lock rows in materialized view \"{}\"", relation.name),
            ));
        }
        self.note_source(&relation, alias, mode, table.only, extra, analysis);
        Ok(())
    }

    fn note_source<'q>(
        &mut self,
        relation: &Relation,
        alias: Option<&'q str>,
        mode: LockMode,
        only: bool,
        extra: &[&'q Expr],
        analysis: &mut Analysis<'q>,
    ) {
        if relation.as_view().is_some() && !relation.has_heap() {
            analysis.views.push((relation.id, mode, analysis.sources.len()));
        }
        let alias = alias.map_or_else(|| relation.name.to_string(), str::to_owned);
        let mut source = Source::new(relation.id, alias, mode, only);
        source.conditions.extend(extra.iter().copied());
        analysis.sources.push(source);
    }

    fn is_cte(&self, name: &ObjectName, analysis: &Analysis<'_>) -> bool {
        let own = name.name.text.as_str();
        name.schema.is_none()
            && (analysis.ctes.contains(&own) || self.outer_ctes.iter().flatten().any(|n| n == own))
    }

    fn is_catalog(&self, name: &ObjectName) -> bool {
        is_system(name) && self.catalog.find(self.session, name).is_none()
    }

    /// The tables of a view's query are locked when the view is replaced by it.
    fn lock_below_views(&mut self, analysis: &mut Analysis<'_>) -> Outcome {
        let mut next = 0;
        while let Some((view, mode, at)) = analysis.views.get(next).copied() {
            let Some(definition) = self.relation(view).as_view().cloned() else { break };
            let reads = definition.reads.clone();
            // How the view's query is combined with the outer conditions is the planner's affair: if either has any,
            // an index is taken to be found.
            let restricted = analysis.sources.get(at).is_some_and(Source::is_restricted)
                || access::restricts(&definition.query);
            for id in reads {
                let Some(relation) = self.catalog.relation(id).cloned() else { continue };
                self.lock(id, mode);
                let mut source = Source::new(id, relation.name.to_string(), mode, false);
                source.restricted = restricted;
                if relation.as_view().is_some() && !relation.has_heap() {
                    analysis.views.push((id, mode, analysis.sources.len()));
                }
                analysis.sources.push(source);
            }
            next += 1;
        }
        Ok(())
    }

    /// What the planner locks and the executor reads.
    fn plan(&mut self, analysis: &Analysis<'_>) {
        let ways = access::ways(self.catalog, &analysis.sources);
        for (source, scans) in analysis.sources.iter().zip(ways) {
            if source.is_result() {
                continue;
            }
            for id in self.live_partitions(source) {
                if id != source.relation {
                    self.lock(id, source.mode);
                }
                let indexes: Vec<RelationId> = self.catalog.indexes_of(id).map(|i| i.id).collect();
                for index in indexes {
                    self.lock(index, source.mode);
                }
                let relation = self.relation(id);
                if !relation.has_heap() || source.written {
                    continue;
                }
                if scans {
                    self.scan(id, super::ScanReason::Query);
                }
                let locks_rows = source.mode == LockMode::RowShare;
                let written = locks_rows
                    && self.facts.any_row(self.catalog, source.relation, source.affected) != Some(false);
                if written || !scans {
                    self.work(id, WorkKind::Rows { count: None, written });
                }
            }
        }
    }

    /// `nextval` and its relatives open their sequence as for writing. `currval` and `lastval` know what this session
    /// was given.
    pub(super) fn use_sequences(&mut self, query: &Query) -> Outcome {
        let mut calls: Vec<(&str, Option<ObjectName>)> = Vec::new();
        crate::expression::walk_query(query, &mut |part| {
            if let ExprKind::Function(call) = &part.kind
                && matches!(call.name.name.as_str(), "nextval" | "setval" | "currval" | "lastval")
            {
                calls.push((call.name.name.as_str(), sequence_argument(call)));
            }
        });
        for (function, name) in calls {
            let Some(name) = name else {
                if function == "lastval" && !self.session.has_called_nextval && !self.session.assume_unknown {
                    return Err(SqlError::new(
                        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        "lastval is not yet defined in this session",
                    ));
                }
                continue;
            };
            let Some(sequence) = self.catalog.find(self.session, &name).cloned() else {
                if self.session.assume_unknown {
                    continue;
                }
                return Err(SqlError::no_such_relation(super::run::plain(&name)));
            };
            self.lock(sequence.id, LockMode::RowExclusive);
            let called = self.session.called_sequences.contains(&sequence.id);
            if function == "currval" && !called && !self.session.assume_unknown {
                return Err(SqlError::new(
                    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name),
                ));
            }
            if function == "nextval" {
                self.note_call(sequence.id);
            } else if function == "setval" {
                self.session.called_sequences.push(sequence.id);
            }
            self.work(sequence.id, WorkKind::Rows { count: Some(1), written: true });
        }
        Ok(())
    }

    pub(super) fn note_call(&mut self, sequence: RelationId) {
        self.session.has_called_nextval = true;
        if !self.session.called_sequences.contains(&sequence) {
            self.session.called_sequences.push(sequence);
        }
    }

    pub(super) fn explain(&mut self, analyze: bool, statement: &Statement) -> Outcome {
        if analyze {
            return self.statement(statement);
        }
        let first = self.steps.len();
        let catalog = self.catalog.clone();
        let result = self.statement(statement);
        *self.catalog = catalog;
        // The statement is planned, not run: locks are taken, nothing is read.
        let planned = self.steps.split_off(first);
        let existed = |s: &super::Step| match s {
            super::Step::Lock { relation, .. } => self.catalog.relation(*relation).is_some(),
            _ => false,
        };
        let locks: Vec<_> = planned.into_iter().filter(existed).collect();
        self.steps.extend(locks);
        result
    }

    pub(super) fn copy(&mut self, statement: &Copy) -> Outcome {
        if let Some(inner) = &statement.query {
            return self.statement(inner);
        }
        let Some(name) = &statement.table else { return Ok(()) };
        if !statement.from {
            let relation = self.open(name, LockMode::AccessShare)?;
            self.can_be_copied_from(&relation)?;
            if relation.has_heap() {
                self.scan(relation.id, super::ScanReason::Query);
            }
            return Ok(());
        }
        let relation = self.open(name, LockMode::RowExclusive)?;
        let fresh = self.session.transaction.fresh_relations.contains(&relation.id);
        if statement.freeze && !fresh {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction",
            ));
        }
        for column in &statement.columns {
            self.column(relation.id, column)?;
        }
        self.lock_indexes(relation.id, LockMode::RowExclusive);
        self.work(relation.id, WorkKind::Load);
        Ok(())
    }

    /// COPY TO reads a heap; everything else has to be written as a query (`BeginCopyTo`).
    fn can_be_copied_from(&self, relation: &Relation) -> Outcome {
        let kind = match &relation.kind {
            RelationKind::View(_) => "view",
            RelationKind::PartitionedTable(_) => "partitioned table",
            RelationKind::Sequence(_) => "sequence",
            RelationKind::ForeignTable => "foreign table",
            RelationKind::MaterializedView { .. } if self.version < PgVersion::V18 => "materialized view",
            _ => return Ok(()),
        };
        Err(SqlError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("cannot copy from {kind} \"{}\"", relation.name),
        )
        .hint("Try the COPY (SELECT ...) TO variant."))
    }

    /// Row locks need rows that stand for rows of a table (`CheckSelectLocking`).
    fn may_lock_rows(&self, query: &Query, select: &Select) -> Outcome {
        let Some(locking) = query.locking.first() else { return Ok(()) };
        let clause = if !select.group_by.is_empty() {
            "GROUP BY clause"
        } else if select.having.is_some() {
            "HAVING clause"
        } else if select.targets.iter().any(|t| access::is_aggregate(&t.value)) {
            "aggregate functions"
        } else {
            return Ok(());
        };
        let strength = match locking.strength {
            RowLockStrength::KeyShare => "FOR KEY SHARE",
            RowLockStrength::Share => "FOR SHARE",
            RowLockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
            RowLockStrength::Update => "FOR UPDATE",
        };
        Err(SqlError::new(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("{strength} is not allowed with {clause}"),
        ))
    }

    pub(super) fn lock_indexes(&mut self, table: RelationId, mode: LockMode) {
        let indexes: Vec<RelationId> = self.catalog.indexes_of(table).map(|i| i.id).collect();
        for index in indexes {
            self.lock(index, mode);
        }
    }
}

/// `unsafe use of new value …`
pub(super) fn unsafe_use(label: &str, data_type: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNSAFE_NEW_ENUM_VALUE_USAGE,
        format!("unsafe use of new value \"{label}\" of enum type {data_type}"),
    )
    .hint("New enum values must be committed before they can be used.")
}

/// Whether FOR UPDATE and its relatives apply to a table of the query: all of them do if none is named.
fn row_locked(query: &Query, reference: &str) -> bool {
    query.locking.iter().any(|l| l.of.is_empty() || l.of.iter().any(|name| name.name.text == reference))
}

/// Columns that every table has.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The unqualified columns of an expression, those of its subqueries left out.
fn bare_names<'q>(expr: &'q Expr, names: &mut Vec<&'q str>) {
    if let ExprKind::Column { qualifier, name } = &expr.kind
        && qualifier.is_empty()
    {
        names.push(&name.text);
    }
    for part in crate::expression::children(expr) {
        bare_names(part, names);
    }
}

fn collect_subqueries<'q>(expr: &'q Expr, found: &mut Vec<&'q Query>) {
    match &expr.kind {
        ExprKind::ArraySubquery(query)
        | ExprKind::Subquery(query)
        | ExprKind::Exists(query)
        | ExprKind::InSubquery { query, .. } => found.push(query),
        _ => {}
    }
    for part in crate::expression::children(expr) {
        collect_subqueries(part, found);
    }
}
