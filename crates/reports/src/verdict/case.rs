//! What the report says about who did what to whom.

use crate::{Blame, BudgetLine, ChainLink, MigrationStatement, Report, RequestClass};

/// A stall that people notice where no budget says otherwise.
const NOTICEABLE_STALL_MS: f64 = 1_000.0;

/// The part of all waiting from which on a cause is worth a remedy.
const WORTH_BLAMING: f64 = 0.05;

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Request,
    Migration,
    Background,
}

/// A report, looked at with a question.
pub(super) struct Case<'a> {
    pub(super) report: &'a Report,
    pub(super) budget: &'a [BudgetLine],
    /// Whether the budget was kept and the migration, if there is one, succeeded.
    pub(super) kept: bool,
}

impl<'a> Case<'a> {
    pub(super) fn new(report: &'a Report, budget: &'a [BudgetLine], kept: bool) -> Self {
        Self { report, budget, kept }
    }

    /// The limit of that name, in its unit.
    pub(super) fn limit(&self, name: &str) -> Option<f64> {
        self.budget.iter().find(|line| line.name == name).map(|line| line.limit.value)
    }

    /// The classes that stood still for longer than the budget allows, or than people bear; the longest first.
    pub(super) fn stalled(&self) -> Vec<&'a RequestClass> {
        let limit = self.limit("longest stall").unwrap_or(NOTICEABLE_STALL_MS);
        let mut stalled: Vec<&RequestClass> = self
            .report
            .classes
            .iter()
            .filter(|class| class.delayed > 0 && class.longest_stall_ms > limit)
            .collect();
        stalled.sort_by(|one, other| other.longest_stall_ms.total_cmp(&one.longest_stall_ms));
        stalled
    }

    /// Whether anything happened that calls for a change.
    pub(super) fn in_trouble(&self) -> bool {
        !self.kept || self.report.overall.failures() > 0 || !self.stalled().is_empty()
    }

    /// Whose the session is: by the rows of the Gantt chart, the sessions of the worst moment, the migration's SQL.
    pub(super) fn role(&self, session: &str, doing: &str) -> Role {
        let of_kind = |kind: &str| match kind {
            "migration" => Some(Role::Migration),
            "background" => Some(Role::Background),
            _ => None,
        };
        let track = self.report.gantt.iter().find(|track| track.name == session);
        let node = self
            .report
            .worst_moment
            .iter()
            .flat_map(|moment| &moment.nodes)
            .find(|node| node.label == session);
        let by_name = track.map(|track| track.kind.as_str()).or(node.map(|node| node.kind.as_str()));
        by_name.and_then(of_kind).unwrap_or_else(|| {
            let is_migration =
                self.report.migration.statements.iter().any(|statement| statement.sql == doing);
            if is_migration { Role::Migration } else { Role::Request }
        })
    }

    pub(super) fn role_of(&self, link: &ChainLink) -> Role {
        self.role(&link.session, &link.doing)
    }

    /// The session that all the others wait for at the worst moment; none if the chain is no chain, or a circle.
    pub(super) fn root(&self) -> Option<&'a ChainLink> {
        let (_, behind) = self.report.chain.split_first()?;
        behind.last().filter(|last| last.waits_for.is_none())
    }

    /// The migration's wait in the chain: (its link, whether somebody waits behind it).
    pub(super) fn waiting_migration(&self) -> Option<(&'a ChainLink, bool)> {
        let (place, link) = self
            .report
            .chain
            .iter()
            .enumerate()
            .find(|(_, link)| link.waits_for.is_some() && self.role_of(link) == Role::Migration)?;
        Some((link, place > 0))
    }

    /// The causes that a good part of the waiting goes back to.
    pub(super) fn blamed(&self) -> impl Iterator<Item = &'a Blame> {
        self.report.blame.iter().filter(|blame| blame.share >= WORTH_BLAMING && blame.request_seconds > 0.0)
    }

    /// The migration's statements that others waited behind while they ran, in order and without repeats.
    pub(super) fn at_fault(&self) -> Vec<&'a MigrationStatement> {
        let blamed: Vec<&str> = self
            .blamed()
            .map(|blame| (blame.session.as_str(), blame.doing.as_str()))
            .chain(self.root().map(|root| (root.session.as_str(), root.doing.as_str())))
            .filter(|(session, doing)| self.role(session, doing) == Role::Migration)
            .map(|(_, doing)| doing)
            .collect();
        let mut at_fault: Vec<&MigrationStatement> = Vec::new();
        for statement in &self.report.migration.statements {
            let seen = at_fault.iter().any(|known| known.sql == statement.sql);
            if !seen && blamed.contains(&statement.sql.as_str()) {
                at_fault.push(statement);
            }
        }
        at_fault
    }

    /// Failed requests whose SQLSTATE or cause is one of these.
    pub(super) fn failed_by(&self, codes: &[&str]) -> u64 {
        self.report
            .overall
            .failed
            .iter()
            .filter(|(code, _)| codes.contains(&code.as_str()))
            .map(|(_, n)| n)
            .sum()
    }

    /// How often the migration failed with this SQLSTATE.
    pub(super) fn migration_failures(&self, code: &str) -> usize {
        self.report
            .migration
            .statements
            .iter()
            .filter(|statement| statement.failure.as_deref() == Some(code))
            .count()
    }
}

/// `AccessShareLock on users` as mode and object.
pub(super) fn mode_and_object(waits_for: &str) -> (&str, &str) {
    waits_for.split_once(" on ").unwrap_or((waits_for, ""))
}

/// `` `SELECT …` ``: a statement in a sentence, shortened. What is not SQL stands without quotes.
pub(super) fn quoted(doing: &str) -> String {
    let short = crate::text::shorten(doing, 64);
    let is_words = doing.starts_with("idle") || doing.is_empty();
    if is_words { short } else { format!("`{short}`") }
}
