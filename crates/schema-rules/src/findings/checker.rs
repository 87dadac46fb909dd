//! Running scripts and reporting on them.

use std::collections::BTreeSet;

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
    lock_timeout: bool,
}

/// One statement's run.
struct Ran<'a> {
    statement: &'a Located<Statement>,
    effects: Effects,
    in_transaction: bool,
    /// Statements of one transaction have the same number.
    transaction: usize,
    lock_timeout: bool,
}

impl Checker {
    /// A checker over a catalog. Names that it does not know are taken for tables that exist.
    pub fn new(catalog: Catalog, version: PgVersion, model: CostModel) -> Self {
        let session = Session { assume_unknown: true, ..Session::default() };
        Self { catalog, session, version, model, tolerate_ns: 100_000_000, lock_timeout: false }
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
        let wrapped = section.transaction && (!query_string || parsed.statements.len() > 1);
        let ran = self.run(&parsed, wrapped);
        let new: BTreeSet<RelationId> = ran.iter().flat_map(|r| created(&r.effects)).collect();
        let mut report = ScriptReport::default();
        for error in &parsed.errors {
            report.findings.push(Finding::plain("syntax-error", error.message.clone(), error.range));
        }
        for at in 0..ran.len() {
            report.statements.push(self.report(slice, &ran, at, runner, &new));
        }
        // What this script has created is an ordinary table for the next.
        new.iter().for_each(|id| self.catalog.clear_size(*id));
        apply_comments(slice, &parsed, &mut report);
        shift(&mut report, section.range.start);
        report
    }

    fn run<'a>(&mut self, parsed: &'a ParsedScript, wrapped: bool) -> Vec<Ran<'a>> {
        self.session = Session { assume_unknown: true, ..Session::default() };
        self.session.in_transaction = wrapped;
        self.lock_timeout = false;
        let mut snapshot = self.catalog.clone();
        let mut transaction = 0;
        let mut ran = Vec::with_capacity(parsed.statements.len());
        for statement in &parsed.statements {
            let was_inside = self.session.in_transaction;
            match &statement.value {
                Statement::Begin(_) if !was_inside => snapshot = self.catalog.clone(),
                Statement::Rollback { .. } => self.catalog = snapshot.clone(),
                Statement::Set(set) if set.name == "lock_timeout" => {
                    let off = set.values.as_ref().is_none_or(|v| v.iter().all(|v| v == "0" || v.is_empty()));
                    self.lock_timeout = !off;
                }
                Statement::Reset(name) if name.as_deref().is_none_or(|n| n == "lock_timeout") => {
                    self.lock_timeout = false;
                }
                _ => {}
            }
            let effects =
                advance(&mut self.catalog, &mut self.session, &statement.value, self.version, &NoFacts);
            // Relations that the script has created are empty.
            for relation in created(&effects) {
                self.catalog.set_size(relation, RelationSize { rows: 0, bytes: 0 });
            }
            ran.push(Ran {
                statement,
                effects,
                in_transaction: was_inside,
                transaction,
                lock_timeout: self.lock_timeout,
            });
            if !(was_inside && self.session.in_transaction) {
                transaction += 1;
            }
        }
        ran
    }

    fn report(
        &self,
        text: &str,
        ran: &[Ran<'_>],
        at: usize,
        runner: &Runner,
        new: &BTreeSet<RelationId>,
    ) -> StatementReport {
        let this = &ran[at];
        let effects = &this.effects;
        let later = ran[at + 1..].iter().take_while(|r| r.transaction == this.transaction);
        let after = later.fold(Estimate::default(), |sum, r| sum.plus(self.statement(&r.effects)));
        let is_new = |id: RelationId| new.contains(&id);
        let locks = self.locks(effects, after, &is_new);
        let held_before = self.held_before(ran, at, &is_new);
        let context = Context {
            text,
            statement: this.statement,
            effects,
            version: self.version,
            runner,
            in_transaction: this.in_transaction,
            lock_timeout: this.lock_timeout,
            held_before: &held_before,
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
        StatementReport {
            range: this.statement.range,
            in_transaction: this.in_transaction,
            work: self.works(effects),
            waits: waits(effects),
            error: effects.error.clone(),
            demands: demands.collect(),
            locks,
            findings,
        }
    }

    /// The sizes of relations are the checker's, not the effects': those were noted before the sizes were known.
    fn statement(&self, effects: &Effects) -> Estimate {
        self.timed(effects).into_iter().fold(Estimate::default(), |sum, (_, e)| sum.plus(e))
    }

    fn timed(&self, effects: &Effects) -> Vec<(usize, Estimate)> {
        self.model.steps(effects)
    }

    fn locks(
        &self,
        effects: &Effects,
        after: Estimate,
        is_new: &dyn Fn(RelationId) -> bool,
    ) -> Vec<LockReport> {
        let times = self.timed(effects);
        let ends_early = effects.steps.iter().any(|s| matches!(s, Step::Commit { .. }));
        let held_from = |relation: RelationId| {
            let first = effects.steps.iter().position(|s| {
                matches!(s, Step::Lock { relation: r, .. } | Step::SessionLock { relation: r, .. } if *r == relation)
            });
            let from = first.unwrap_or(0);
            let own = times.iter().filter(|(at, _)| *at >= from);
            let own = own.fold(Estimate::default(), |sum, (_, e)| sum.plus(*e));
            if ends_early { own } else { own.plus(after) }
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
                    new: is_new(lock.relation),
                })
            })
            .collect()
    }

    /// The strong locks that the transaction holds already when the statement starts.
    fn held_before(
        &self,
        ran: &[Ran<'_>],
        at: usize,
        is_new: &dyn Fn(RelationId) -> bool,
    ) -> Vec<StrongLock> {
        let this = &ran[at];
        if !this.in_transaction {
            return Vec::new();
        }
        let mut held: Vec<StrongLock> = Vec::new();
        let earlier = ran[..at].iter().rev().take_while(|r| r.transaction == this.transaction);
        let earlier: Vec<&Ran<'_>> = earlier.collect();
        for r in earlier.into_iter().rev() {
            for lock in LockSummary::of(&r.effects.steps) {
                let Some(relation) = r.effects.relation(lock.relation) else { continue };
                let strong = words::blocks_traffic(lock.strongest);
                if strong
                    && relation.as_index().is_none()
                    && !is_new(lock.relation)
                    && !held.iter().any(|h| h.relation == lock.relation)
                {
                    let (relation_id, name) = (lock.relation, qualified(relation));
                    held.push(StrongLock {
                        relation: relation_id,
                        name,
                        mode: lock.strongest,
                        taken_at: r.statement.range,
                    });
                }
            }
        }
        held
    }

    fn works(&self, effects: &Effects) -> Vec<WorkReport> {
        let mut found: Vec<WorkReport> = Vec::new();
        for (at, takes) in self.timed(effects) {
            let Some(Step::Work(work)) = effects.steps.get(at) else { continue };
            if let Some(what) = describe(effects, work) {
                found.push(WorkReport { what, takes });
            }
        }
        found
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
