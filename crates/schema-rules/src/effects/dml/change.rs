//! `INSERT`, `UPDATE`, `DELETE` and `MERGE`.

use lock_table::LockMode;
use sql_syntax::ast::{
    Assignment, ConflictAction, Delete, Expr, ExprKind, FromItem, Insert, Literal, Merge, MergeAction,
    MergeWhen, ObjectName, Query, QueryBody, Update, With,
};

use super::Analysis;
use super::access::{self, Source};
use super::written::{affected, assigned, given};
use crate::catalog::{ColumnNumber, IndexKeyValue, Relation, RelationId, TypeId};
use crate::effects::condition::{Affected, Written};
use crate::effects::references::sequence_argument;
use crate::effects::run::{Outcome, Run};
use crate::effects::{ScanReason, WorkKind};
use crate::error::{SqlError, sqlstate};
use crate::expression::{conjuncts, walk};

const WRITE: LockMode = LockMode::RowExclusive;

impl Run<'_> {
    pub(in crate::effects) fn insert(&mut self, statement: &Insert) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_with(statement.with.as_ref(), &mut analysis)?;
        let table = self.target(&statement.table, &mut analysis)?;
        for column in &statement.columns {
            self.column(table.id, column)?;
        }
        if let Some(source) = &statement.source {
            self.analyse_query(source, LockMode::AccessShare, &mut analysis)?;
        }
        if let Some(conflict) = &statement.on_conflict {
            self.arbiter_exists(&table, &conflict.target)?;
        }
        let conflict = statement.on_conflict.as_ref().map(|c| &c.action);
        if let Some(ConflictAction::Update { assignments, filter }) = conflict {
            self.analyse_assignments(table.id, assignments, &mut analysis)?;
            if let Some(filter) = filter {
                self.analyse_expr(filter, &mut analysis)?;
            }
        }
        self.lock_below_views(&mut analysis)?;
        self.plan(&analysis);
        let rows = literal_rows(statement.source.as_deref());
        if let Some(rows) = &rows {
            for row in rows {
                self.usable_labels(&table, row)?;
            }
        }
        self.may_be_given(&table, statement, rows.as_deref())?;
        if self.is_replaced(&table, "insert") {
            return Ok(());
        }
        if let Some(source) = &statement.source {
            self.use_sequences(source)?;
        }
        self.default_sequences(&table, statement, rows.as_deref());
        let written = rows.as_deref().map(|rows| Written::Rows(given(&table, statement, rows)));
        self.not_null_columns_filled(&table, statement, rows.as_deref())?;
        if let Some(written) = &written {
            self.rows_are_valid(&table, written, conflict.is_some())?;
        }
        if matches!(conflict, Some(ConflictAction::Nothing)) {
            // Whether a row goes in at all is up to the data.
            self.lock_indexes(table.id, WRITE);
            self.work(table.id, WorkKind::Load);
            return Ok(());
        }
        self.insert_into(&table, statement, rows.as_deref(), written.as_ref())
    }

    /// Values for columns that compute their own.
    fn may_be_given(&self, table: &Relation, statement: &Insert, rows: Option<&[&Vec<Expr>]>) -> Outcome {
        for column in table.live_columns() {
            let always = column.identity.is_some_and(|i| i.always) && statement.overriding_system.is_none();
            if !always && column.generated.is_none() {
                continue;
            }
            let given = match rows {
                Some(rows) => rows.iter().any(|row| {
                    value_of(table, statement, row, &column.name)
                        .is_some_and(|v| !matches!(v.kind, ExprKind::Default))
                }),
                None => statement.columns.iter().any(|c| *c.text == *column.name),
            };
            if given {
                return Err(SqlError::new(
                    sqlstate::GENERATED_ALWAYS,
                    format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
                ));
            }
        }
        Ok(())
    }

    /// Whether a rule puts something else in the statement's place.
    fn is_replaced(&self, table: &Relation, event: &str) -> bool {
        table.rules.iter().any(|r| r.enabled && r.definition.instead && r.definition.event == event)
    }

    fn insert_into(
        &mut self,
        table: &Relation,
        statement: &Insert,
        rows: Option<&[&Vec<Expr>]>,
        written: Option<&Written<'_>>,
    ) -> Outcome {
        self.lock_indexes(table.id, WRITE);
        let count = rows.map(|r| r.len() as u64);
        let mut receivers = vec![table.id];
        self.lock_for_partition_constraint(table);
        if table.partition_key().is_some() {
            receivers = self.receivers(table, statement, rows)?;
            for id in &receivers {
                self.lock(*id, WRITE);
                self.lock_indexes(*id, WRITE);
            }
        }
        for id in receivers {
            if self.relation(id).has_heap() {
                self.work(id, WorkKind::Rows { count, written: true });
            }
        }
        self.check_references_of_new_rows(table, statement, rows, written)
    }

    /// A row that is put straight into a partition is compared with its bound, which is kept together with the
    /// parent's key: the parents are opened (`generate_partition_qual`).
    fn lock_for_partition_constraint(&mut self, table: &Relation) {
        let mut next = table.is_partition().then(|| table.parents.first().copied()).flatten();
        while let Some(parent) = next {
            self.lock(parent, LockMode::AccessShare);
            let parent = self.relation(parent);
            next = parent.is_partition().then(|| parent.parents.first().copied()).flatten();
        }
    }

    /// A constant row that leaves a NOT NULL column without any value (`ExecConstraints`).
    fn not_null_columns_filled(
        &self,
        table: &Relation,
        statement: &Insert,
        rows: Option<&[&Vec<Expr>]>,
    ) -> Outcome {
        let fires = table.triggers.iter().any(|t| t.enabled);
        if fires || table.assumed || self.is_replaced(table, "insert") {
            return Ok(());
        }
        for column in table.live_columns().filter(|c| c.not_null) {
            let computed =
                column.default.is_some() || column.generated.is_some() || column.identity.is_some();
            let of_domain = self.catalog.has_domain_constraints(&column.data_type)
                || matches!(column.data_type.id, TypeId::User(_));
            let missing = |row: &&Vec<Expr>| match value_of(table, statement, row, &column.name) {
                Some(value) if matches!(value.kind, ExprKind::Default) => !computed && !of_domain,
                Some(value) => crate::effects::create_table::is_null(value),
                None => !computed && !of_domain,
            };
            if rows.unwrap_or_default().iter().any(missing) {
                return Err(SqlError::new(
                    sqlstate::NOT_NULL_VIOLATION,
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, table.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The partitions that the rows go to; all of them when the rows are not constants.
    fn receivers(
        &mut self,
        table: &Relation,
        statement: &Insert,
        rows: Option<&[&Vec<Expr>]>,
    ) -> Outcome<Vec<RelationId>> {
        let leaves = |run: &Self| -> Vec<RelationId> {
            let all = run.catalog.with_descendants(table.id);
            all.into_iter().filter(|id| run.relation(*id).has_heap()).collect()
        };
        let Some(rows) = rows else { return Ok(leaves(self)) };
        let mut found = Vec::new();
        for row in rows {
            match self.route(table, statement, row)? {
                Some(path) => path.into_iter().for_each(|id| {
                    if !found.contains(&id) {
                        found.push(id);
                    }
                }),
                None => return Ok(leaves(self)),
            }
        }
        Ok(found)
    }

    /// The partitions on the way of one row, or nothing if its key is no constant.
    fn route(&self, table: &Relation, statement: &Insert, row: &[Expr]) -> Outcome<Option<Vec<RelationId>>> {
        self.route_by(table, &|relation, number| {
            value_of(table, statement, row, &relation.column_at(number)?.name)
        })
    }

    /// The partitions on the way of a row whose key columns have these values.
    pub(super) fn route_by<'v>(
        &self,
        table: &Relation,
        value: &dyn Fn(&Relation, ColumnNumber) -> Option<&'v Expr>,
    ) -> Outcome<Option<Vec<RelationId>>> {
        let mut path = Vec::new();
        let mut current = self.relation(table.id);
        while let Some(key) = current.partition_key() {
            let Some(IndexKeyValue::Column(number)) = key.keys.first() else { return Ok(None) };
            let Some(value) = value(&current, *number) else { return Ok(None) };
            if !matches!(value.kind, ExprKind::Literal(_) | ExprKind::Cast { .. }) {
                return Ok(None);
            }
            let children = self.partitions_in_bound_order(current.id);
            let taker = children.iter().copied().find(|c| {
                self.relation(*c).partition_bound.as_deref().is_some_and(|b| access::takes(b, value))
            });
            let hash = children.iter().any(|c| {
                matches!(
                    self.relation(*c).partition_bound.as_deref(),
                    Some(crate::catalog::PartitionBound::Hash { .. })
                )
            });
            if hash {
                return Ok(None);
            }
            let Some(next) = taker.or_else(|| self.default_partition(current.id)) else {
                return Err(SqlError::new(
                    sqlstate::CHECK_VIOLATION,
                    format!("no partition of relation \"{}\" found for row", current.name),
                ));
            };
            path.push(next);
            current = self.relation(next);
        }
        Ok(Some(path))
    }

    /// Columns that are not given a value take their default, for which a sequence may have to be opened.
    fn default_sequences(&mut self, table: &Relation, statement: &Insert, rows: Option<&[&Vec<Expr>]>) {
        let mut sequences: Vec<RelationId> = Vec::new();
        for (at, column) in table.live_columns().enumerate() {
            let place = if statement.columns.is_empty() {
                statement.source.is_some().then_some(at)
            } else {
                statement.columns.iter().position(|c| *c.text == *column.name)
            };
            let given = |row: &&Vec<Expr>| {
                place.is_some_and(|p| row.get(p).is_some_and(|v| !matches!(v.kind, ExprKind::Default)))
            };
            let all_given = match rows {
                Some(rows) => rows.iter().all(given),
                None => place.is_some(),
            };
            if all_given {
                continue;
            }
            sequences.extend(column.identity.map(|i| i.sequence));
            if let Some(default) = &column.default {
                let mut names: Vec<ObjectName> = Vec::new();
                walk(default, &mut |part| {
                    if let ExprKind::Function(call) = &part.kind {
                        names.extend(sequence_argument(call));
                    }
                });
                sequences
                    .extend(names.iter().filter_map(|n| self.catalog.find(self.session, n)).map(|r| r.id));
            }
        }
        for sequence in sequences {
            self.lock(sequence, WRITE);
            self.note_call(sequence);
        }
    }

    pub(in crate::effects) fn update(&mut self, statement: &Update) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_with(statement.with.as_ref(), &mut analysis)?;
        let table = self.target(&statement.table.name, &mut analysis)?;
        let alias = statement.alias.as_ref().map(|a| a.text.as_str());
        self.note_target(&table, alias, statement.table.only, &mut analysis);
        self.analyse_more_from(&statement.from, &mut analysis)?;
        self.analyse_assignments(table.id, &statement.assignments, &mut analysis)?;
        self.finish_filter(statement.filter.as_ref(), &statement.from, &mut analysis)?;
        self.lock_below_views(&mut analysis)?;
        self.plan(&analysis);
        for assignment in &statement.assignments {
            self.usable_labels(&table, std::slice::from_ref(&assignment.value))?;
            self.may_be_assigned(&table, assignment)?;
        }
        self.usable_labels(&table, statement.filter.as_slice())?;
        if self.is_replaced(&table, "update") {
            return Ok(());
        }
        if let Some(cursor) = &statement.current_of {
            self.cursor_exists(cursor)?;
        }
        let joined = !statement.from.is_empty() || statement.current_of.is_some();
        let affected = affected(statement.filter.as_ref(), joined);
        self.write_rows(&analysis, &table, affected);
        let written = Written::Changed { assignments: assigned(&table, &statement.assignments), affected };
        let known: Vec<RelationId> =
            analysis.sources.iter().filter(|s| s.written).flat_map(|s| self.live_partitions(s)).collect();
        for id in self.moves(&table, &written, &known)? {
            self.lock(id, WRITE);
            self.lock_indexes(id, WRITE);
            self.work(id, WorkKind::Rows { count: None, written: true });
        }
        self.rows_are_valid(&table, &written, false)?;
        self.references_of_changed_rows(&table, &statement.assignments, affected, Some(&written))
    }

    pub(in crate::effects) fn delete(&mut self, statement: &Delete) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_with(statement.with.as_ref(), &mut analysis)?;
        let table = self.target(&statement.table.name, &mut analysis)?;
        let alias = statement.alias.as_ref().map(|a| a.text.as_str());
        self.note_target(&table, alias, statement.table.only, &mut analysis);
        self.analyse_more_from(&statement.using, &mut analysis)?;
        self.finish_filter(statement.filter.as_ref(), &statement.using, &mut analysis)?;
        self.lock_below_views(&mut analysis)?;
        self.plan(&analysis);
        self.usable_labels(&table, statement.filter.as_slice())?;
        if self.is_replaced(&table, "delete") {
            return Ok(());
        }
        if let Some(cursor) = &statement.current_of {
            self.cursor_exists(cursor)?;
        }
        let joined = !statement.using.is_empty() || statement.current_of.is_some();
        let affected = affected(statement.filter.as_ref(), joined);
        self.write_rows(&analysis, &table, affected);
        self.references_of_deleted_rows(&table, affected)
    }

    pub(in crate::effects) fn merge(&mut self, statement: &Merge) -> Outcome {
        let mut analysis = Analysis::default();
        self.analyse_with(statement.with.as_ref(), &mut analysis)?;
        let table = self.target(&statement.table.name, &mut analysis)?;
        let alias = statement.alias.as_ref().map(|a| a.text.as_str());
        self.note_target(&table, alias, statement.table.only, &mut analysis);
        let from = std::slice::from_ref(&statement.source);
        self.analyse_more_from(from, &mut analysis)?;
        self.analyse_expr(&statement.condition, &mut analysis)?;
        for source in &mut analysis.sources {
            source.conditions.extend(conjuncts(&statement.condition));
        }
        for clause in &statement.clauses {
            if let MergeAction::Update(assignments) = &clause.action {
                self.analyse_assignments(table.id, assignments, &mut analysis)?;
            }
        }
        self.lock_below_views(&mut analysis)?;
        self.plan(&analysis);
        let affected = Affected::Some;
        // Rows that match are there, or the statement would not be written; whether any do not is up to the data.
        if statement.clauses.iter().any(|c| c.when == MergeWhen::Matched) {
            self.write_rows(&analysis, &table, affected);
        } else {
            if statement.clauses.iter().any(|c| c.when == MergeWhen::NotMatchedBySource) {
                // Rows that nothing matches are found by reading all.
                self.scan(table.id, ScanReason::Query);
            }
            self.work(table.id, WorkKind::Load);
        }
        for clause in &statement.clauses {
            match &clause.action {
                MergeAction::Update(assignments) => {
                    self.references_of_changed_rows(&table, assignments, affected, None)?
                }
                MergeAction::Delete => self.references_of_deleted_rows(&table, affected)?,
                MergeAction::Insert { .. } | MergeAction::Nothing => {}
            }
        }
        Ok(())
    }

    // ---- parts ----

    fn analyse_with<'q>(&mut self, with: Option<&'q With>, analysis: &mut Analysis<'q>) -> Outcome {
        for table in with.iter().flat_map(|w| &w.tables) {
            self.analyse_cte(table, analysis)?;
        }
        Ok(())
    }

    /// Opens the table that is changed; below a view, the table that the view shows.
    fn target(&mut self, name: &ObjectName, _analysis: &mut Analysis<'_>) -> Outcome<std::rc::Rc<Relation>> {
        let mut relation = self.open(name, WRITE)?;
        while let Some(view) = relation.as_view().cloned() {
            if relation.has_heap() {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot change materialized view \"{}\"", relation.name),
                ));
            }
            let [below] = view.reads.as_slice() else {
                return Err(SqlError::new(
                    sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("cannot change view \"{}\"", relation.name),
                ));
            };
            self.lock(*below, WRITE);
            relation = self.relation(*below);
        }
        Ok(relation)
    }

    fn note_target<'q>(
        &mut self,
        table: &Relation,
        alias: Option<&'q str>,
        only: bool,
        analysis: &mut Analysis<'q>,
    ) {
        let alias = alias.map_or_else(|| table.name.to_string(), str::to_owned);
        let mut source = Source::new(table.id, alias, WRITE, only);
        source.written = true;
        analysis.sources.push(source);
    }

    fn analyse_more_from<'q>(&mut self, from: &'q [FromItem], analysis: &mut Analysis<'q>) -> Outcome {
        for item in from {
            match item {
                FromItem::Table { table, alias, .. } => {
                    let alias = alias.as_ref().map(|a| a.name.text.as_str());
                    self.read_table(table, alias, LockMode::AccessShare, &[], analysis)?;
                }
                FromItem::Subquery { query, .. } => {
                    self.analyse_query(query, LockMode::AccessShare, analysis)?;
                }
                FromItem::Function { call, .. } => self.analyse_expr(call, analysis)?,
                FromItem::Join { left, right, .. } => {
                    self.analyse_more_from(std::slice::from_ref(left), analysis)?;
                    self.analyse_more_from(std::slice::from_ref(right), analysis)?;
                }
                FromItem::NotModelled(name) => self.not_modelled(name.clone(), "it reads no table"),
            }
        }
        Ok(())
    }

    fn analyse_assignments<'q>(
        &mut self,
        table: RelationId,
        assignments: &'q [Assignment],
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        for assignment in assignments {
            for column in &assignment.columns {
                self.column(table, column)?;
            }
            self.analyse_expr(&assignment.value, analysis)?;
        }
        Ok(())
    }

    fn finish_filter<'q>(
        &mut self,
        filter: Option<&'q Expr>,
        from: &'q [FromItem],
        analysis: &mut Analysis<'q>,
    ) -> Outcome {
        if let Some(filter) = filter {
            self.analyse_expr(filter, analysis)?;
        }
        for source in &mut analysis.sources {
            if source.conditions.is_empty() {
                source.filter(filter, from);
            }
        }
        Ok(())
    }

    fn may_be_assigned(&self, table: &Relation, assignment: &Assignment) -> Outcome {
        for name in &assignment.columns {
            let Some(column) = table.column(name) else { continue };
            let computed = column.generated.is_some() || column.identity.is_some_and(|i| i.always);
            if computed && !matches!(assignment.value.kind, ExprKind::Default) {
                return Err(SqlError::new(
                    sqlstate::GENERATED_ALWAYS,
                    format!("column \"{}\" can only be updated to DEFAULT", column.name),
                ));
            }
        }
        Ok(())
    }

    /// Notes the reading and writing of the target, on each of its partitions.
    fn write_rows(&mut self, analysis: &Analysis<'_>, table: &Relation, affected: Affected<'_>) {
        let all = matches!(affected, Affected::All);
        let finds = self.facts.any_row(self.catalog, table.id, affected) != Some(false);
        let ways = access::ways(self.catalog, &analysis.sources);
        for (source, scans) in analysis.sources.iter().zip(ways) {
            if !source.written || source.is_result() {
                continue;
            }
            for id in self.live_partitions(source) {
                if !self.relation(id).has_heap() {
                    continue;
                }
                let kind = match (scans, finds) {
                    (true, true) => WorkKind::Update { all },
                    (true, false) => WorkKind::Scan(ScanReason::Query),
                    (false, written) => WorkKind::Rows { count: None, written },
                };
                self.work(id, kind);
            }
        }
    }

    /// An enum label that was added in this transaction cannot be used before it commits.
    fn usable_labels(&self, table: &Relation, values: &[Expr]) -> Outcome {
        for (oid, label) in &self.session.transaction.uncommitted_labels {
            let Some(def) = self.catalog.type_def(*oid) else { continue };
            let uses_type =
                table.live_columns().any(|c| matches!(c.data_type.id, TypeId::User(other) if other == *oid));
            let mentions = values.iter().any(|value| {
                let mut found = false;
                walk(value, &mut |part| {
                    found |=
                        matches!(&part.kind, ExprKind::Literal(Literal::String(text)) if **text == **label);
                });
                found
            });
            if uses_type && mentions {
                return Err(super::unsafe_use(label, &def.name));
            }
        }
        Ok(())
    }
}

/// The rows of an INSERT … VALUES.
fn literal_rows(source: Option<&Query>) -> Option<Vec<&Vec<Expr>>> {
    match source.map(|q| &q.body) {
        Some(QueryBody::Values(rows)) => Some(rows.iter().collect()),
        Some(_) => None,
        None => Some(Vec::new()),
    }
}

/// What a row of INSERT … VALUES has for a column: the value given, or nothing for the default.
pub(super) fn value_of<'r>(
    table: &Relation,
    statement: &Insert,
    row: &'r [Expr],
    column: &str,
) -> Option<&'r Expr> {
    let place = if statement.columns.is_empty() {
        table.live_columns().position(|c| &*c.name == column)
    } else {
        statement.columns.iter().position(|c| c.text == column)
    };
    row.get(place?)
}
