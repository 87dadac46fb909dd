//! Running scripts and reporting on them.

use std::collections::{BTreeMap, BTreeSet};

use lock_table::LockMode;
use sql_syntax::ast::Statement;
use sql_syntax::{Located, ParsedScript, TextRange};

use super::detect::{Context, Finding, StrongLock, findings};
use super::ignore::{self, Allow};
use super::{Severity, rule, words};
use crate::catalog::{Catalog, RelationId, RelationSize, Session};
use crate::cost::{CostModel, Estimate};
use crate::effects::{Effects, LockSummary, NoFacts, Step, Wait, Work, WorkKind, advance};
use crate::migrations::{Grouping, Runner, Section};
use crate::{PgVersion, SqlError};

/// A lock that a statement takes.
#[derive(Clone, Debug)]
pub struct LockReport {
    /// Its id.
    pub id: RelationId,
    /// On what.
    pub relation: String,
    /// That it is an index.
    pub index: bool,
    /// The strongest mode.
    pub mode: LockMode,
    /// From its first request to the end of its transaction.
    pub held: Estimate,
    /// That the script created the relation: nobody else can want it.
    pub new: bool,
}

/// Work that a statement does.
#[derive(Clone, Debug)]
pub struct WorkReport {
    /// In words: `rewrites orders`.
    pub what: String,
    /// How long it takes.
    pub takes: Estimate,
}

/// What there is to say about one statement.
#[derive(Clone, Debug)]
pub struct StatementReport {
    /// Where it stands in the file.
    pub range: TextRange,
    /// Whether a transaction is open around it.
    pub in_transaction: bool,
    /// Its locks.
    pub locks: Vec<LockReport>,
    /// Its work.
    pub work: Vec<WorkReport>,
    /// For whom it waits besides for locks.
    pub waits: Vec<String>,
    /// Why it fails, if it does.
    pub error: Option<SqlError>,
    /// What the data must satisfy, as the error it would fail with.
    pub demands: Vec<SqlError>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// What there is to say about a script.
#[derive(Clone, Debug, Default)]
pub struct ScriptReport {
    /// Statement by statement.
    pub statements: Vec<StatementReport>,
    /// Findings that belong to no statement: syntax errors, comments that allow nothing.
    pub findings: Vec<Finding>,
}

impl ScriptReport {
    /// All findings in the order of the text.
    pub fn all(&self) -> Vec<&Finding> {
        let mut all: Vec<&Finding> =
            self.statements.iter().flat_map(|s| &s.findings).chain(&self.findings).collect();
        all.sort_by_key(|f| (f.range.start, f.rule.name));
        all
    }

    /// The worst finding.
    pub fn worst(&self) -> Option<Severity> {
        self.all().into_iter().map(|f| f.severity).max()
    }
}

/// Checks scripts one after the other over one catalog.
#[derive(Debug)]
pub struct Checker {
    /// The catalog as the scripts so far have left it.
    pub catalog: Catalog,
    session: Session,
    version: PgVersion,
    model: CostModel,
    /// Work under a lock that is shorter than this is a note, whatever the rule says.
    tolerate_ns: u64,
    /// Rows of tables by schema and name, for when a table becomes known.
    expected: BTreeMap<(String, String), u64>,
}

/// What one statement of a script hands on to the next.
#[derive(Debug, Default)]
struct Progress {
    /// Relations that the script has created so far: empty, and used by nobody else.
    new: BTreeSet<RelationId>,
    /// Strong locks that the open transaction holds.
    held: Vec<StrongLock>,
    /// On what.
    held_on: BTreeSet<RelationId>,
    /// Where in the report the open transaction starts.
    first: usize,
    /// What each statement of the report takes.
    takes: Vec<Estimate>,
    lock_timeout: bool,
}

impl Checker {
    /// A checker over a catalog. Names that it does not know are taken for tables that exist.
    pub fn new(catalog: Catalog, version: PgVersion, model: CostModel) -> Self {
        let session = Session { assume_unknown: true, ..Session::default() };
        let expected = BTreeMap::new();
        Self { catalog, session, version, model, tolerate_ns: 100_000_000, expected }
    }

    /// Sets how many rows a table has: now if the catalog has it, else from the statement on that names it first.
    pub fn expect_rows(&mut self, schema: &str, name: &str, rows: u64) {
        if let Some(id) = self.catalog.find_in(schema, name).map(|r| r.id) {
            self.catalog.set_size(id, RelationSize { rows, bytes: 0 });
        }
        self.expected.insert((schema.to_owned(), name.to_owned()), rows);
    }

    /// Gives the tables that a statement was the first to name the rows that they are said to have.
    fn size_of_assumed(&mut self, effects: &mut Effects) {
        for ((schema, name), rows) in &self.expected {
            let Some(relation) = effects.after.find_in(schema, name) else { continue };
            let (id, size) = (relation.id, RelationSize { rows: *rows, bytes: 0 });
            if relation.assumed && effects.before.relation(id).is_none() {
                effects.before.set_size(id, size);
                effects.after.set_size(id, size);
                self.catalog.set_size(id, size);
            }
        }
    }

    /// Sets how much work under a lock is tolerated.
    #[must_use]
    pub fn tolerating(mut self, ns: u64) -> Self {
        self.tolerate_ns = ns;
        self
    }

    /// Runs a script for its effect on the catalog only.
    pub fn build(&mut self, text: &str) {
        for statement in sql_syntax::parse(text).statements {
            advance(&mut self.catalog, &mut self.session, &statement.value, self.version, &NoFacts);
        }
        self.session = Session { assume_unknown: true, ..Session::default() };
    }

    /// Runs one section of a file and reports on it. The report's ranges are those of the whole file.
    pub fn section(&mut self, text: &str, section: &Section, runner: &Runner) -> ScriptReport {
        let slice = section.range.of(text);
        let parsed = sql_syntax::parse(slice);
        let query_string = runner.grouping == Grouping::QueryString;
        let mut report = ScriptReport::default();
        for error in &parsed.errors {
            report.findings.push(Finding::plain("syntax-error", error.message.clone(), error.range));
        }
        self.session = Session { assume_unknown: true, ..Session::default() };
        self.session.in_transaction = section.transaction && (!query_string || parsed.statements.len() > 1);
        let mut progress = Progress::default();
        let mut snapshot = self.catalog.clone();
        for statement in &parsed.statements {
            match &statement.value {
                Statement::Begin(_) if !self.session.in_transaction => snapshot = self.catalog.clone(),
                Statement::Rollback { .. } => self.catalog = snapshot.clone(),
                Statement::Set(_) | Statement::Reset(_) => progress.set(&statement.value),
                _ => {}
            }
            self.statement(slice, statement, runner, &mut progress, &mut report);
        }
        progress.end_transaction(&mut report);
        // What this script has created is an ordinary table for the next.
        progress.new.iter().for_each(|id| self.catalog.clear_size(*id));
        apply_comments(slice, &parsed, &mut report);
        shift(&mut report, section.range.start);
        report
    }

    /// Runs one statement and reports on it. How long its locks are held is known only when its transaction has
    /// ended: what is reported until then is the statement's own part.
    fn statement(
        &mut self,
        text: &str,
        statement: &Located<Statement>,
        runner: &Runner,
        progress: &mut Progress,
        report: &mut ScriptReport,
    ) {
        let in_transaction = self.session.in_transaction;
        let mut effects =
            advance(&mut self.catalog, &mut self.session, &statement.value, self.version, &NoFacts);
        self.size_of_assumed(&mut effects);
        for relation in created(&effects) {
            self.catalog.set_size(relation, RelationSize { rows: 0, bytes: 0 });
            progress.new.insert(relation);
        }
        let locks = self.locks(&effects, &progress.new);
        let is_new = |id: RelationId| progress.new.contains(&id);
        let context = Context {
            text,
            statement,
            effects: &effects,
            version: self.version,
            runner,
            in_transaction,
            lock_timeout: progress.lock_timeout,
            held_before: &progress.held,
            locks: &locks,
            tolerate_ns: self.tolerate_ns,
            is_new: &is_new,
            model: &self.model,
        };
        let findings = findings(&context);
        let demands = effects.steps.iter().filter_map(|step| match step {
            Step::Check { otherwise, .. } => Some(otherwise.clone()),
            _ => None,
        });
        let demands = demands.collect();
        progress.takes.push(self.model.statement(&effects));
        progress.hold(&locks, &effects, statement.range);
        report.statements.push(StatementReport {
            range: statement.range,
            in_transaction,
            work: self.works(&effects),
            waits: waits(&effects),
            error: effects.error.clone(),
            demands,
            locks,
            findings,
        });
        if !(in_transaction && self.session.in_transaction) {
            progress.end_transaction(report);
        }
    }

    fn locks(&self, effects: &Effects, new: &BTreeSet<RelationId>) -> Vec<LockReport> {
        let times = self.model.steps(effects);
        let held_from = |relation: RelationId| {
            let first = effects.steps.iter().position(|s| {
                matches!(s, Step::Lock { relation: r, .. } | Step::SessionLock { relation: r, .. } if *r == relation)
            });
            let from = first.unwrap_or(0);
            times.iter().filter(|(at, _)| *at >= from).fold(Estimate::default(), |sum, (_, e)| sum.plus(*e))
        };
        LockSummary::of(&effects.steps)
            .into_iter()
            .filter_map(|lock| {
                let relation = effects.relation(lock.relation)?;
                Some(LockReport {
                    id: lock.relation,
                    relation: qualified(relation),
                    index: relation.as_index().is_some(),
                    mode: lock.strongest,
                    held: held_from(lock.relation),
                    new: new.contains(&lock.relation),
                })
            })
            .collect()
    }

    fn works(&self, effects: &Effects) -> Vec<WorkReport> {
        let mut found: Vec<WorkReport> = Vec::new();
        for (at, takes) in self.model.steps(effects) {
            let Some(Step::Work(work)) = effects.steps.get(at) else { continue };
            if let Some(what) = describe(effects, work) {
                found.push(WorkReport { what, takes });
            }
        }
        found
    }
}

impl Progress {
    /// Follows `lock_timeout`.
    fn set(&mut self, statement: &Statement) {
        match statement {
            Statement::Set(set) if set.name == "lock_timeout" => {
                let off = set.values.as_ref().is_none_or(|v| v.iter().all(|v| v == "0" || v.is_empty()));
                self.lock_timeout = !off;
            }
            Statement::Reset(name) if name.as_deref().is_none_or(|n| n == "lock_timeout") => {
                self.lock_timeout = false;
            }
            _ => {}
        }
    }

    /// Notes the strong locks that the transaction goes on holding.
    fn hold(&mut self, locks: &[LockReport], effects: &Effects, taken_at: TextRange) {
        if effects.error.is_some() {
            return;
        }
        for lock in locks.iter().filter(|l| words::blocks_traffic(l.mode) && !l.index && !l.new) {
            if self.held_on.insert(lock.id) {
                self.held.push(StrongLock { name: lock.relation.clone(), mode: lock.mode, taken_at });
            }
        }
    }

    /// A lock is held through all that comes after it in its transaction.
    fn end_transaction(&mut self, report: &mut ScriptReport) {
        let mut after = Estimate::default();
        for at in (self.first..report.statements.len()).rev() {
            for lock in &mut report.statements[at].locks {
                lock.held = lock.held.plus(after);
            }
            after = after.plus(self.takes[at]);
        }
        self.first = report.statements.len();
        self.held.clear();
        self.held_on.clear();
    }
}

/// Relations that the effects have put into the catalog.
fn created(effects: &Effects) -> Vec<RelationId> {
    let mut found: Vec<RelationId> = Vec::new();
    for change in &effects.changes {
        if let crate::catalog::Change::Relation(id, Some(relation)) = change
            && effects.before.relation(*id).is_none()
            && !relation.assumed
            && !found.contains(id)
        {
            found.push(*id);
        }
    }
    found
}

fn qualified(relation: &crate::catalog::Relation) -> String {
    if &*relation.schema == "public" {
        relation.name.to_string()
    } else {
        format!("{}.{}", relation.schema, relation.name)
    }
}

/// Work in words; what takes next to no time is left out.
fn describe(effects: &Effects, work: &Work) -> Option<String> {
    let name = |id: RelationId| effects.relation(id).map(|r| qualified(r)).unwrap_or_default();
    let table = name(work.relation);
    Some(match &work.kind {
        WorkKind::Scan(_) => format!("reads all of {table}"),
        WorkKind::Rewrite { .. } => format!("rewrites {table}"),
        WorkKind::CopyFile => format!("copies the file of {table}"),
        WorkKind::BuildIndex { index, concurrently: false } => {
            format!("builds {} over {table}", name(*index))
        }
        WorkKind::BuildIndex { index, concurrently: true } => {
            format!("builds {} over {table} while writes go on", name(*index))
        }
        WorkKind::ValidateIndex { index } => {
            format!("completes {} with what was written meanwhile", name(*index))
        }
        WorkKind::CheckForeignKey { referenced } => {
            format!("looks up every row of {table} in {}", name(*referenced))
        }
        WorkKind::Analyze => format!("samples {table}"),
        WorkKind::Vacuum { .. } => format!("vacuums {table}"),
        WorkKind::Update { all: true } => format!("changes every row of {table}"),
        WorkKind::Update { all: false } => format!("reads all of {table} and changes some rows"),
        WorkKind::Query | WorkKind::FillNewHeap => format!("fills {table} with the result of its query"),
        WorkKind::Truncate => format!("empties {table}"),
        WorkKind::Load => format!("loads rows into {table}"),
        WorkKind::BuildEmptyIndex { .. }
        | WorkKind::NewSequenceFile
        | WorkKind::Rows { .. }
        | WorkKind::Catalog => return None,
    })
}

/// Waits that are not for a lock.
fn waits(effects: &Effects) -> Vec<String> {
    let mut found = Vec::new();
    for step in &effects.steps {
        let wait = match step {
            Step::WaitForLockHolders { relation, mode } => {
                let name = effects.relation(*relation).map(|r| qualified(r)).unwrap_or_default();
                let whom = if *mode == LockMode::AccessExclusive { "uses" } else { "has written to" };
                format!("until every transaction that {whom} {name} has ended")
            }
            Step::WaitForOlderSnapshots => {
                "until every older snapshot is gone, whatever table it reads".to_owned()
            }
            Step::Lock { wait: Wait::NoWait, .. } => "not at all: fails if a lock is not free".to_owned(),
            _ => continue,
        };
        if !found.contains(&wait) {
            found.push(wait);
        }
    }
    found
}

/// Takes away what comments allow.
fn apply_comments(text: &str, parsed: &ParsedScript, report: &mut ScriptReport) {
    let read = |range: TextRange| ignore::read(range.of(text));
    let mut allows: Vec<(Allow, Option<TextRange>, TextRange, bool)> = Vec::new();
    for comment in &parsed.comments {
        let Some(allow) = read(comment.range) else { continue };
        if allow.file {
            allows.push((allow, None, comment.range, false));
            continue;
        }
        let at = parsed.statements.partition_point(|s| s.range.end <= comment.range.start);
        let target = parsed.statements.get(at).map(|s| s.range).or(Some(TextRange::default()));
        allows.push((allow, target, comment.range, false));
    }
    for statement in &mut report.statements {
        let range = statement.range;
        statement.findings.retain(|finding| {
            let mut keep = true;
            for (allow, target, _, used) in &mut allows {
                if target.is_none_or(|t| t == range) && allow.covers(finding.rule) {
                    *used = true;
                    keep = false;
                }
            }
            keep
        });
    }
    for (allow, _, range, used) in allows {
        if allow.own && !used {
            let message = match allow.names.iter().find(|n| rule(n).is_none()) {
                Some(unknown) => format!("there is no rule \"{unknown}\""),
                None => "this comment allows a finding that there is not".into(),
            };
            report.findings.push(Finding::plain("unused-allow", message, range));
        }
    }
}

fn shift(report: &mut ScriptReport, by: u32) {
    let moved = |range: &mut TextRange| *range = TextRange::new(range.start + by, range.end + by);
    for statement in &mut report.statements {
        moved(&mut statement.range);
        statement.findings.iter_mut().for_each(|f| moved(&mut f.range));
    }
    report.findings.iter_mut().for_each(|f| moved(&mut f.range));
}
