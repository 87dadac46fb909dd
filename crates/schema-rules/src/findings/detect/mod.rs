//! What is wrong with a statement.

mod clients;
mod index;
mod rows;
mod transaction;

use lock_table::LockMode;
use sql_syntax::ast::Statement;
use sql_syntax::{Located, TextRange};

use super::checker::LockReport;
use super::{Rule, Severity, rule, words};
use crate::PgVersion;
use crate::catalog::{Relation, RelationId};
use crate::cost::{CostModel, Estimate};
use crate::effects::{Effects, Step, WorkKind};
use crate::migrations::Runner;

/// Something wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which rule says so.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub range: TextRange,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The safe way, as SQL.
    pub safe: Option<String>,
}

impl Finding {
    /// A finding without notes.
    pub(super) fn plain(name: &str, message: String, range: TextRange) -> Self {
        let rule = rule(name).unwrap_or_else(|| unreachable!("{name} is one of the rules"));
        Self { rule, severity: rule.severity, message, range, notes: Vec::new(), safe: None }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn safe(mut self, safe: impl Into<String>) -> Self {
        self.safe = Some(safe.into());
        self
    }
}

/// A strong lock that the transaction holds already.
#[derive(Clone, Debug)]
pub(super) struct StrongLock {
    pub(super) name: String,
    pub(super) mode: LockMode,
    pub(super) taken_at: TextRange,
}

/// All that a rule may look at.
pub(super) struct Context<'a> {
    pub(super) text: &'a str,
    pub(super) statement: &'a Located<Statement>,
    pub(super) effects: &'a Effects,
    pub(super) version: PgVersion,
    pub(super) runner: &'a Runner,
    pub(super) in_transaction: bool,
    pub(super) lock_timeout: bool,
    pub(super) held_before: &'a [StrongLock],
    pub(super) locks: &'a [LockReport],
    pub(super) tolerate_ns: u64,
    pub(super) is_new: &'a dyn Fn(RelationId) -> bool,
    pub(super) model: &'a CostModel,
}

impl Context<'_> {
    fn sql(&self) -> &str {
        self.statement.range.of(self.text)
    }

    /// A finding about the whole statement.
    fn here(&self, name: &str, message: impl Into<String>) -> Finding {
        self.at(name, self.statement.range, message)
    }

    fn at(&self, name: &str, range: TextRange, message: impl Into<String>) -> Finding {
        Finding::plain(name, message.into(), range)
    }

    /// A finding about work under a lock: one that is done in no time is a note.
    fn timed(&self, name: &str, range: TextRange, message: impl Into<String>, takes: Estimate) -> Finding {
        let mut finding = self.at(name, range, message);
        finding.notes.push(format!("it takes about {}", words::estimate(&takes)));
        if takes.high_ns < self.tolerate_ns {
            finding.severity = Severity::Note;
        }
        finding
    }

    /// The relation as it is named in messages.
    fn name(&self, id: RelationId) -> String {
        self.effects.relation(id).map(|r| r.name.to_string()).unwrap_or_default()
    }

    fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.effects.relation(id).map(|r| &**r)
    }

    /// The relation that the statement is about: the first that it locks.
    fn target(&self) -> Option<&Relation> {
        let first = self.effects.steps.iter().find_map(|step| match step {
            Step::Lock { relation, .. } => Some(*relation),
            _ => None,
        });
        self.relation(first?)
    }

    /// The work on tables that somebody else may want, with what it takes.
    fn works(&self) -> Vec<(&WorkKind, RelationId, Estimate)> {
        self.model
            .steps(self.effects)
            .into_iter()
            .filter_map(|(at, takes)| match self.effects.steps.get(at) {
                Some(Step::Work(work)) if !(self.is_new)(work.relation) => {
                    Some((&work.kind, work.relation, takes))
                }
                _ => None,
            })
            .collect()
    }

    /// What the whole statement does to one table.
    fn work_on(&self, relation: RelationId, wanted: impl Fn(&WorkKind) -> bool) -> Option<Estimate> {
        let mut sum: Option<Estimate> = None;
        for (kind, on, takes) in self.works() {
            if on == relation && wanted(kind) {
                sum = Some(sum.unwrap_or_default().plus(takes));
            }
        }
        sum
    }
}

/// Every finding about a statement.
pub(super) fn findings(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    transaction::detect(context, &mut found);
    if context.effects.error.is_none() {
        index::detect(context, &mut found);
        rows::detect(context, &mut found);
        clients::detect(context, &mut found);
    }
    found.sort_by_key(|f| (f.range.start, f.rule.name));
    found.dedup_by(|a, b| a.rule == b.rule && a.range == b.range && a.message == b.message);
    found
}
