//! The tables of the terminal's page.

use super::{Page, Table, Tone, basis_words, mark, more, shorten};
use crate::units::{count, duration, plural, share, whole};
use crate::verdict::cause;
use crate::{Basis, Figure, Report, RequestClass};

/// Rows beyond these are left to the JSON.
const ROWS: usize = 12;

fn heading(page: &mut Page, name: &str, basis: Basis) {
    page.heading(&format!("{name} {}", mark(basis)));
}

fn marked(figure: &Figure) -> String {
    format!("{} {}", figure.text(), mark(figure.basis))
}

pub(super) fn budget(page: &mut Page, report: &Report) {
    if report.verdict.budget.is_empty() {
        return;
    }
    page.heading("Budget");
    let mut table = Table::new(&["<", ">limit", ">came to", "<"]);
    for line in &report.verdict.budget {
        let (tone, word) = if line.within { (Tone::Good, "kept") } else { (Tone::Bad, "over") };
        table.row(vec![
            (Tone::Plain, line.name.clone()),
            (Tone::Plain, marked(&line.limit)),
            (Tone::Plain, marked(&line.actual)),
            (tone, word.to_owned()),
        ]);
    }
    table.write(page);
}

pub(super) fn classes(page: &mut Page, report: &Report) {
    heading(page, "Requests", Basis::Derived);
    let heads =
        ["<class…", ">arrived", ">failed", ">delayed", ">p50", ">p95", ">p99", ">max", ">longest stall"];
    let mut table = Table::new(&heads);
    for class in report.classes.iter().take(ROWS) {
        table.row(class_row(class, Tone::Plain));
    }
    if report.classes.len() != 1 {
        table.row(class_row(&report.overall, Tone::Strong));
    }
    table.write(page);
    more(page, report.classes.len(), ROWS);
    for (code, number) in &report.overall.failed {
        page.line(Tone::Faint, &format!("  failed: {} by {}", whole(*number), cause(code)));
    }
}

fn class_row(class: &RequestClass, tone: Tone) -> Vec<(Tone, String)> {
    let number = |value: u64, bad: bool| {
        let tone = if value > 0 && bad { Tone::Bad } else { tone };
        (tone, whole(value))
    };
    let time = |ms: f64| (tone, duration(ms));
    vec![
        (tone, class.name.clone()),
        number(class.arrived, false),
        number(class.failures(), true),
        number(class.delayed, false),
        time(class.p50_ms),
        time(class.p95_ms),
        time(class.p99_ms),
        time(class.max_ms),
        time(class.longest_stall_ms),
    ]
}

pub(super) fn migration(page: &mut Page, report: &Report) {
    let migration = &report.migration;
    if !migration.is_there() {
        return;
    }
    heading(page, "Migration", Basis::Derived);
    let ended = match migration.succeeded {
        Some(true) => (Tone::Good, "succeeded"),
        Some(false) => (Tone::Bad, "failed"),
        None => (Tone::Bad, "had not ended"),
    };
    page.put(Tone::Plain, "  ");
    page.put(ended.0, ended.1);
    let attempts = match migration.failed_attempts {
        0 => plural(u64::from(migration.attempts), "attempt", "attempts"),
        failed => {
            format!("{}, {failed} failed", plural(u64::from(migration.attempts), "attempt", "attempts"))
        }
    };
    let time = duration(migration.time_ms(report.span_ms));
    page.line(Tone::Plain, &format!(" after {time}, {attempts}"));
    if let Some(failure) = &migration.failure {
        page.line(Tone::Bad, &format!("  {failure}"));
    }
    let mut table = Table::new(&["<statement…", ">from", ">waited", ">worked", "<"]);
    for statement in migration.statements.iter().take(ROWS) {
        let failure = statement.failure.as_deref().map(cause).unwrap_or_default();
        let unended = if statement.end_ms.is_none() { "not ended".to_owned() } else { failure };
        table.row(vec![
            (Tone::Plain, shorten(&statement.sql, 200)),
            (Tone::Plain, duration(statement.start_ms)),
            (Tone::Plain, duration(statement.waited_ms)),
            (Tone::Plain, duration(statement.work_ms())),
            (Tone::Bad, unended),
        ]);
    }
    if !migration.statements.is_empty() {
        table.write(page);
    }
    more(page, migration.statements.len(), ROWS);
}

pub(super) fn deployments(page: &mut Page, report: &Report) {
    if report.deployments.is_empty() {
        return;
    }
    heading(page, "Deployments", Basis::Derived);
    for deployment in &report.deployments {
        let (tone, ended) = match (&deployment.failure, deployment.end_ms) {
            (Some(_), _) => (Tone::Bad, "failed"),
            (None, Some(_)) => (Tone::Good, "succeeded"),
            (None, None) => (Tone::Bad, "had not ended"),
        };
        let took = deployment.end_ms.unwrap_or(report.span_ms) - deployment.start_ms;
        page.put(Tone::Plain, &format!("  {} to {}: ", deployment.application, deployment.version));
        page.put(tone, ended);
        let from = duration(deployment.start_ms);
        page.line(Tone::Plain, &format!(" after {}, begun at {from}", duration(took)));
        if let Some(failure) = &deployment.failure {
            page.line(Tone::Bad, &format!("    {failure}"));
        }
    }
}

pub(super) fn blame(page: &mut Page, report: &Report) {
    if report.blame.is_empty() {
        return;
    }
    heading(page, "Blame: what requests waited for", Basis::Derived);
    let mut table = Table::new(&[">share", ">request-seconds", "<session", "<doing…"]);
    for blame in report.blame.iter().take(ROWS) {
        table.plain(vec![
            share(blame.share),
            count((blame.request_seconds * 10.0).round() / 10.0),
            shorten(&blame.session, 32),
            shorten(&blame.doing, 200),
        ]);
    }
    table.write(page);
    more(page, report.blame.len(), ROWS);
}

pub(super) fn waits(page: &mut Page, report: &Report) {
    if report.waits.is_empty() {
        return;
    }
    heading(page, "Waits for locks", Basis::Derived);
    let mut table = Table::new(&["<object…", "<kind", "<mode", ">waits", ">in all", ">longest"]);
    for wait in report.waits.iter().take(ROWS) {
        table.plain(vec![
            wait.object.clone(),
            wait.kind.clone(),
            wait.mode.clone(),
            whole(wait.count),
            duration(wait.total_ms),
            duration(wait.longest_ms),
        ]);
    }
    table.write(page);
    more(page, report.waits.len(), ROWS);
}

pub(super) fn pools(page: &mut Page, report: &Report) {
    let connections = &report.connections;
    if report.pools.is_empty() && connections.peak == 0 {
        return;
    }
    heading(page, "Connections", Basis::Derived);
    let mut table = Table::new(&[
        "<pool of…",
        ">size",
        ">mean in use",
        ">peak in use",
        ">longest queue",
        ">ran dry",
        ">first at",
    ]);
    for pool in report.pools.iter().take(ROWS) {
        table.plain(vec![
            pool.instance.clone(),
            count(f64::from(pool.size)),
            count((pool.mean_in_use * 10.0).round() / 10.0),
            count(f64::from(pool.peak_in_use)),
            count(f64::from(pool.peak_queue)),
            if pool.exhausted_ms > 0.0 { duration(pool.exhausted_ms) } else { "–".to_owned() },
            pool.first_exhausted_ms.map_or("–".to_owned(), duration),
        ]);
    }
    if !report.pools.is_empty() {
        table.write(page);
    }
    more(page, report.pools.len(), ROWS);
    let refused = if connections.refused == 0 {
        String::new()
    } else {
        format!(", {} refused with 53300", whole(connections.refused))
    };
    page.line(
        Tone::Plain,
        &format!(
            "  server: at most {} of {} connections{refused}",
            count(f64::from(connections.peak)),
            count(f64::from(connections.limit))
        ),
    );
}

/// How many, not which: the JSON lists them.
pub(super) fn assumptions(page: &mut Page, report: &Report) {
    let of = |basis| report.assumptions.iter().filter(|assumption| assumption.basis == basis).count();
    if !report.assumptions.is_empty() {
        page.heading("What this rests on");
        let numbers = [Basis::Measured, Basis::Derived, Basis::Assumed].map(|basis| (of(basis), basis));
        let words: Vec<String> = numbers
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, basis)| format!("{number} {}", basis_words(*basis)))
            .collect();
        let all = format!("{}: --json FILE lists them, with where each comes from.", words.join(", "));
        page.paragraph(Tone::Plain, "  ", &all);
        let assumed = report.assumptions.iter().filter(|one| one.basis == Basis::Assumed);
        for assumption in assumed.take(5) {
            page.paragraph(
                Tone::Faint,
                &format!("  {} ", mark(assumption.basis)),
                &shorten(&format!("{} = {}", assumption.what, assumption.value), 94),
            );
        }
    }
    if !report.not_modelled.is_empty() {
        page.heading("Not modelled");
        for line in &report.not_modelled {
            page.paragraph(Tone::Plain, "  · ", line);
        }
    }
}
