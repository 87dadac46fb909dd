//! The tables: whose fault, what the users felt, what the migration did, what it all rests on.

use super::banner::moment;
use super::markup::{Table, basis, escape, long, number, prose};
use crate::units::{as_f64, plural, share, whole};
use crate::verdict::cause;
use crate::{Basis, Report, RequestClass, Unit};

/// Rows beyond these are folded away, not left out.
const ROWS: usize = 12;

/// A section of a title with the basis of its numbers, and what is in it.
fn section(id: &str, title: &str, of: Basis, body: &str) -> String {
    format!("<section id=\"{id}\"><h2>{title} {}</h2>{body}</section>", basis(of))
}

fn ms(path: &str, value: f64) -> String {
    number(path, Unit::Milliseconds, value)
}

fn many(path: &str, value: u64) -> String {
    number(path, Unit::Count, as_f64(value))
}

/// The first rows, and the rest on request.
fn folded(table: Table, caption: &str) -> String {
    let total = table.len();
    if total <= ROWS + 3 {
        return table.markup(caption);
    }
    let (first, rest) = table.split(ROWS);
    format!(
        "{}<details class=\"rest\"><summary>{}</summary>{}</details>",
        first.markup(caption),
        plural((total - ROWS) as u64, "more line", "more lines"),
        rest.markup(&format!("{caption}, continued"))
    )
}

pub(super) fn blame(report: &Report) -> String {
    if report.blame.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[">share", "", ">waited behind it", "session", "doing"]);
    for (place, blame) in report.blame.iter().enumerate() {
        let seconds =
            number(&format!("/blame/{place}/request_seconds"), Unit::RequestSeconds, blame.request_seconds);
        table.row(
            "",
            vec![
                number(&format!("/blame/{place}/share"), Unit::Share, blame.share),
                format!(
                    "<div class=\"share\" aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></div>",
                    blame.share.clamp(0.0, 1.0) * 100.0
                ),
                seconds,
                long(&blame.session, 40),
                long(&blame.doing, 70),
            ],
        );
    }
    section("blame", "What requests waited for", Basis::Derived, &folded(table, "Root causes of waiting"))
}

pub(super) fn classes(report: &Report) -> String {
    let heads = [
        "class",
        ">arrived",
        ">failed",
        ">delayed",
        ">p50",
        ">p95",
        ">p99",
        ">longest",
        ">longest stall",
        ">from",
    ];
    let mut table = Table::new(&heads);
    if report.classes.len() != 1 {
        class_row(&mut table, &report.overall, "/overall", "total");
    }
    for (place, class) in report.classes.iter().enumerate() {
        class_row(&mut table, class, &format!("/classes/{place}"), "");
    }
    let causes: String = report
        .overall
        .failed
        .iter()
        .map(|(code, number)| {
            format!(
                "<li>{} by {}</li>",
                many(&format!("/overall/failed/{}", pointer(code)), *number),
                escape(&cause(code))
            )
        })
        .collect();
    let causes =
        if causes.is_empty() { causes } else { format!("<h3>Failed</h3><ul class=\"causes\">{causes}</ul>") };
    let body = format!("{}{causes}", folded(table, "Requests by class"));
    section("classes", "What the users felt", Basis::Derived, &body)
}

/// A key as a JSON pointer spells it (RFC 6901).
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn class_row(table: &mut Table, class: &RequestClass, path: &str, row: &str) {
    let at = |field: &str| format!("{path}/{field}");
    let failures = class.failures();
    let failed = if failures == 0 {
        "0".to_owned()
    } else {
        format!(
            "<span class=\"bad\">{} <small>{}</small></span>",
            whole(failures),
            share(class.failed_share())
        )
    };
    let stalled = class.longest_stall_ms > 0.0;
    table.row(
        row,
        vec![
            long(&class.name, 48),
            many(&at("arrived"), class.arrived),
            failed,
            many(&at("delayed"), class.delayed),
            ms(&at("p50_ms"), class.p50_ms),
            ms(&at("p95_ms"), class.p95_ms),
            ms(&at("p99_ms"), class.p99_ms),
            ms(&at("max_ms"), class.max_ms),
            ms(&at("longest_stall_ms"), class.longest_stall_ms),
            moment(stalled.then_some(class.stall_from_ms)),
        ],
    );
}

pub(super) fn migration(report: &Report) -> String {
    let migration = &report.migration;
    if !migration.is_there() {
        return section("migration", "Migration", Basis::Derived, "<p class=\"none\">There was none.</p>");
    }
    let (class, ended) = match migration.succeeded {
        Some(true) => ("good", "Succeeded"),
        Some(false) => ("bad", "Failed"),
        None => ("bad", "Had not ended"),
    };
    let failed = if migration.failed_attempts == 0 {
        String::new()
    } else {
        format!(
            ", {} of them failed",
            many("/migration/failed_attempts", u64::from(migration.failed_attempts))
        )
    };
    let failure = migration.failure.as_deref().map_or_else(String::new, |words| format!(" {}", prose(words)));
    let head = format!(
        "<p class=\"lead\"><strong class=\"{class}\">{ended}</strong> after {}; attempts of all steps: {}{failed}.{failure}</p>",
        crate::units::duration(migration.time_ms(report.span_ms)),
        many("/migration/attempts", u64::from(migration.attempts)),
    );
    let by = migration.statements.iter().any(|one| !matches!(one.by.as_str(), "" | "migration"));
    let heads: &[&str] = &["statement", "by", ">from", ">waited", ">worked", ""];
    let mut table = Table::new(&heads.iter().copied().filter(|head| by || *head != "by").collect::<Vec<_>>());
    for (place, statement) in migration.statements.iter().enumerate() {
        let at = |field: &str| format!("/migration/statements/{place}/{field}");
        let failure = statement.failure.as_deref().map(cause).unwrap_or_default();
        let ended = if statement.end_ms.is_none() { "not ended".to_owned() } else { failure };
        let mut cells = vec![
            long(&statement.sql, 80),
            ms(&at("start_ms"), statement.start_ms),
            ms(&at("waited_ms"), statement.waited_ms),
            crate::units::duration(statement.work_ms()),
            format!("<span class=\"bad\">{}</span>", escape(&ended)),
        ];
        if by {
            cells.insert(1, escape(&statement.by));
        }
        table.row("", cells);
    }
    let table = if migration.statements.is_empty() {
        String::new()
    } else {
        folded(table, "Statements of the migration")
    };
    section("migration", "Migration", Basis::Derived, &format!("{head}{table}"))
}

pub(super) fn deployments(report: &Report) -> String {
    if report.deployments.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["application", "version", ">from", ">took", ""]);
    for (place, deployment) in report.deployments.iter().enumerate() {
        let (class, ended) = match (&deployment.failure, deployment.end_ms) {
            (Some(failure), _) => ("bad", failure.as_str()),
            (None, Some(_)) => ("good", "succeeded"),
            (None, None) => ("bad", "had not ended"),
        };
        let took = deployment.end_ms.unwrap_or(report.span_ms) - deployment.start_ms;
        table.row(
            "",
            vec![
                escape(&deployment.application),
                escape(&deployment.version),
                ms(&format!("/deployments/{place}/start_ms"), deployment.start_ms),
                crate::units::duration(took),
                format!("<span class=\"{class}\">{}</span>", prose(ended)),
            ],
        );
    }
    section("deployments", "Deployments", Basis::Derived, &folded(table, "Deployments"))
}

pub(super) fn waits(report: &Report) -> String {
    if report.waits.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["object", "kind", "mode", ">waits", ">in all", ">longest"]);
    for (place, wait) in report.waits.iter().enumerate() {
        let at = |field: &str| format!("/waits/{place}/{field}");
        table.row(
            "",
            vec![
                long(&wait.object, 60),
                escape(&wait.kind),
                format!("<code>{}</code>", escape(&wait.mode)),
                many(&at("count"), wait.count),
                ms(&at("total_ms"), wait.total_ms),
                ms(&at("longest_ms"), wait.longest_ms),
            ],
        );
    }
    section("waits", "Waits for locks", Basis::Derived, &folded(table, "Waits by object and mode"))
}

pub(super) fn pools(report: &Report) -> String {
    let connections = &report.connections;
    if report.pools.is_empty() && connections.peak == 0 {
        return String::new();
    }
    let heads =
        ["pool of", ">size", ">mean in use", ">peak in use", ">longest queue", ">ran dry for", ">first at"];
    let mut table = Table::new(&heads);
    for (place, pool) in report.pools.iter().enumerate() {
        let at = |field: &str| format!("/pools/{place}/{field}");
        table.row(
            "",
            vec![
                long(&pool.instance, 40),
                many(&at("size"), u64::from(pool.size)),
                number(&at("mean_in_use"), Unit::Count, pool.mean_in_use),
                many(&at("peak_in_use"), u64::from(pool.peak_in_use)),
                many(&at("peak_queue"), u64::from(pool.peak_queue)),
                ms(&at("exhausted_ms"), pool.exhausted_ms),
                moment(pool.first_exhausted_ms),
            ],
        );
    }
    let table = if report.pools.is_empty() { String::new() } else { folded(table, "Connection pools") };
    let refused = if connections.refused == 0 {
        String::new()
    } else {
        format!(
            "; <span class=\"bad\">{} refused with 53300</span>",
            many("/connections/refused", connections.refused)
        )
    };
    let server = format!(
        "<p class=\"lead\">The server had at most {} of {} connections open{refused}.</p>",
        many("/connections/peak", u64::from(connections.peak)),
        many("/connections/limit", u64::from(connections.limit)),
    );
    section("pools", "Connections", Basis::Derived, &format!("{server}{table}"))
}

pub(super) fn assumptions(report: &Report) -> String {
    if report.assumptions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["", "what", "value", "why, or where from"]);
    for assumption in &report.assumptions {
        table.row(
            "",
            vec![
                basis(assumption.basis),
                long(&assumption.what, 60),
                long(&assumption.value, 40),
                prose(&assumption.note),
            ],
        );
    }
    let body = folded(table, "What the result rests on");
    format!("<section id=\"assumptions\"><h2>What this rests on</h2>{body}</section>")
}

pub(super) fn not_modelled(report: &Report) -> String {
    if report.not_modelled.is_empty() {
        return String::new();
    }
    let lines: String = report.not_modelled.iter().map(|line| format!("<li>{}</li>", prose(line))).collect();
    format!("<section id=\"not-modelled\"><h2>Not modelled</h2><ul>{lines}</ul></section>")
}
