//! The report as a page for the terminal: the verdict first, then what it rests on. 100 columns.

mod layout;
mod tables;

pub use layout::shorten;
pub(crate) use layout::{Page, Table, Tone};

use crate::units::{duration, plural};
use crate::{Basis, Report, Verdict};

/// The whole page. Colours are the caller's decision: they belong on a terminal and nowhere else.
#[must_use]
pub fn page(report: &Report, color: bool) -> String {
    let mut page = Page::new(color);
    title(&mut page, report);
    verdict(&mut page, &report.verdict);
    tables::budget(&mut page, report);
    tables::classes(&mut page, report);
    tables::migration(&mut page, report);
    tables::deployments(&mut page, report);
    tables::blame(&mut page, report);
    tables::waits(&mut page, report);
    tables::pools(&mut page, report);
    tables::assumptions(&mut page, report);
    legend(&mut page);
    page.finish()
}

/// The mark that stands behind a number for where it comes from.
pub(crate) const fn mark(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "●",
        Basis::Derived => "○",
        Basis::Assumed => "△",
    }
}

/// What the mark means.
pub(crate) const fn basis_words(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "measured",
        Basis::Derived => "derived",
        Basis::Assumed => "assumed",
    }
}

fn title(page: &mut Page, report: &Report) {
    page.put(Tone::Strong, &shorten(&report.scenario, 32));
    let span = duration(report.span_ms);
    page.line(
        Tone::Faint,
        &format!("  PostgreSQL {} · {span} rehearsed · seed {}", report.postgres, report.seed),
    );
    if !report.description.is_empty() {
        page.paragraph(Tone::Faint, "", &shorten(&report.description, 400));
    }
    if let Some(reason) = &report.cut {
        page.paragraph(Tone::Bad, "", &format!("Cut short: {reason}"));
    }
    page.end_line();
}

/// What a tired person reads.
pub(crate) fn verdict(page: &mut Page, verdict: &Verdict) {
    let (tone, mark) = if verdict.within_budget { (Tone::Good, "PASS  ") } else { (Tone::Bad, "FAIL  ") };
    page.paragraph(tone, mark, &verdict.headline);
    if !verdict.reasons.is_empty() {
        page.end_line();
        page.line(Tone::Heading, "Why");
    }
    for reason in &verdict.reasons {
        page.paragraph(Tone::Plain, "  · ", reason);
    }
    if !verdict.remedies.is_empty() {
        page.end_line();
        page.line(Tone::Heading, "What to change");
    }
    for (place, remedy) in verdict.remedies.iter().enumerate() {
        page.paragraph(Tone::Plain, &format!("  {}. ", place + 1), remedy);
    }
}

fn legend(page: &mut Page) {
    let words = [Basis::Measured, Basis::Derived, Basis::Assumed]
        .map(|basis| format!("{} {}", mark(basis), basis_words(basis)))
        .join("   ");
    page.end_line();
    page.line(Tone::Faint, &words);
}

/// `and 7 more` where a table was cut, with where the rest is.
pub(crate) fn more(page: &mut Page, total: usize, shown: usize) {
    if total > shown {
        let rest = plural((total - shown) as u64, "more line", "more lines");
        page.line(Tone::Faint, &format!("  … {rest} in the JSON"));
    }
}
