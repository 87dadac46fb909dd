//! The verdict: the budget line by line, and the story in a few sentences, composed from the report's own numbers.
//!
//! ```text
//!   Report without verdict ──► Case: roles, faults, troubles ──► story: headline, reasons
//!            Budget ─────────────┘                           └──► remedy: what to change
//! ```
//!
//! Nothing is invented: a sentence stands only where the numbers that it tells of are in the report. A remedy follows
//! from a mechanism that the report shows, and is silent where there was no trouble.

mod case;
mod cause;
mod remedy;
mod safe;
mod story;

pub use cause::cause;

use crate::{Basis, BudgetLine, Figure, Report, Unit, Verdict};
use case::Case;

/// The limits that a scenario sets; what is `None` is not limited. The basis of a limit says who set it: `measured`
/// the scenario, `assumed` a default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// The longest stall of any class, in milliseconds.
    pub longest_stall: Option<Figure>,
    /// Failed requests, as a count or as a share of those that arrived.
    pub failed_requests: Option<Figure>,
    /// The 99th percentile of the latency over all requests, in milliseconds.
    pub p99: Option<Figure>,
    /// From the migration's begin to its end, in milliseconds.
    pub migration_time: Option<Figure>,
}

/// The verdict on a report; what its field `verdict` holds is not looked at.
#[must_use]
pub fn judge(report: &Report, budget: &Budget) -> Verdict {
    let lines = lines(report, budget);
    let kept = lines.iter().all(|line| line.within) && !migration_failed(report);
    let case = Case::new(report, &lines, kept);
    Verdict {
        within_budget: kept,
        headline: story::headline(&case),
        reasons: story::reasons(&case),
        remedies: remedy::remedies(&case),
        budget: lines,
    }
}

/// Whether there is a migration and it did not succeed, be it that it failed or that the run ended first.
fn migration_failed(report: &Report) -> bool {
    report.migration.is_there() && report.migration.succeeded != Some(true)
}

fn lines(report: &Report, budget: &Budget) -> Vec<BudgetLine> {
    let line = |name: &str, limit: Option<Figure>, actual: f64| {
        limit.map(|limit| BudgetLine {
            name: name.to_owned(),
            limit,
            actual: Figure::new(actual, limit.unit, Basis::Derived),
            within: actual <= limit.value,
        })
    };
    let stall = report
        .classes
        .iter()
        .chain([&report.overall])
        .map(|class| class.longest_stall_ms)
        .fold(0.0, f64::max);
    let failed = match budget.failed_requests {
        Some(Figure { unit: Unit::Share, .. }) => report.overall.failed_share(),
        _ => crate::units::as_f64(report.overall.failures()),
    };
    let mut lines = vec![
        line("longest stall", budget.longest_stall, stall),
        line("failed requests", budget.failed_requests, failed),
        line("p99", budget.p99, report.overall.p99_ms),
    ];
    if report.migration.is_there() {
        let mut time =
            line("migration time", budget.migration_time, report.migration.time_ms(report.span_ms));
        // What had not ended when the run did took longer than what was seen of it.
        if let (Some(line), None) = (&mut time, report.migration.end_ms) {
            line.within = false;
        }
        lines.push(time);
    }
    lines.into_iter().flatten().collect()
}
