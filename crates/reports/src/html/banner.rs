//! What a tired person reads: what was rehearsed, the verdict, the budget, the chain.

use std::fmt::Write;

use super::markup::{basis, escape, figure, long, number, prose};
use crate::text::basis_words;
use crate::units::duration;
use crate::{Basis, BudgetLine, Report, Unit};

pub(super) fn header(report: &Report) -> String {
    let meta = format!(
        "<span>PostgreSQL {}</span><span>{} rehearsed</span><span>seed {}</span>",
        report.postgres,
        number("/span_ms", Unit::Milliseconds, report.span_ms),
        report.seed,
    );
    head(&report.scenario, &meta, &report.description, report.cut.as_deref())
}

/// The top of a page: name, facts as markup, what it is about, whether it was cut short.
pub(crate) fn head(name: &str, meta: &str, description: &str, cut: Option<&str>) -> String {
    let description = match description.trim() {
        "" => String::new(),
        words => format!("<p class=\"about\">{}</p>", prose(words)),
    };
    let cut = cut.map_or_else(String::new, |reason| {
        format!("<p class=\"cut\"><strong>Cut short.</strong> {}</p>", prose(reason))
    });
    format!(
        "<header><div class=\"bar\"><h1>{}</h1><button id=\"theme\" type=\"button\" hidden>Dark</button></div>\
         <p class=\"meta\">{meta}</p>{description}{cut}</header>",
        escape(name),
    )
}

pub(super) fn verdict(report: &Report) -> String {
    let verdict = &report.verdict;
    let (class, word) = if verdict.within_budget { ("pass", "Pass") } else { ("fail", "Fail") };
    let mut out = format!(
        "<section id=\"verdict\" class=\"{class}\"><p class=\"stamp\">{word}</p><h2>{}</h2>",
        prose(&verdict.headline)
    );
    if !verdict.reasons.is_empty() || !verdict.remedies.is_empty() {
        out.push_str("<div class=\"columns\">");
        out.push_str(&list("Why", "ul", &verdict.reasons));
        out.push_str(&list("What to change", "ol", &verdict.remedies));
        out.push_str("</div>");
    }
    out.push_str("</section>");
    out
}

fn list(title: &str, element: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", prose(line))).collect();
    format!("<div><h3>{title}</h3><{element}>{items}</{element}></div>")
}

pub(super) fn budget(report: &Report) -> String {
    let lines = &report.verdict.budget;
    if lines.is_empty() {
        return String::new();
    }
    let tiles: String = lines.iter().enumerate().map(|(place, line)| tile(place, line)).collect();
    format!("<section id=\"budget\" aria-label=\"Budget\"><div class=\"tiles\">{tiles}</div></section>")
}

/// A limit as a tile: what it came to, and how much of the limit that is.
fn tile(place: usize, line: &BudgetLine) -> String {
    let (class, word) = if line.within { ("kept", "kept") } else { ("over", "over") };
    let part =
        if line.limit.value > 0.0 { (line.actual.value / line.limit.value).clamp(0.0, 1.0) } else { 1.0 };
    let part = if line.actual.value > 0.0 { part } else { 0.0 };
    format!(
        "<div class=\"tile {class}\"><p class=\"name\">{}<span class=\"state\">{word}</span></p><p class=\"value\">{}</p>\
         <div class=\"meter\" aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></div><p class=\"limit\">limit {}</p></div>",
        escape(&line.name),
        figure(&format!("/verdict/budget/{place}/actual"), &line.actual),
        part * 100.0,
        figure(&format!("/verdict/budget/{place}/limit"), &line.limit),
    )
}

pub(super) fn chain(report: &Report) -> String {
    if report.chain.is_empty() {
        return String::new();
    }
    let mut out = "<section id=\"chain\"><h2>From the victim to the root</h2><ol class=\"chain\">".to_owned();
    for (place, link) in report.chain.iter().enumerate() {
        let waits = link.waits_for.as_deref().map_or_else(
            || "<p class=\"lock root\">waits for no lock: the root</p>".to_owned(),
            |lock| {
                let waited = number(&format!("/chain/{place}/waited_ms"), Unit::Milliseconds, link.waited_ms);
                format!("<p class=\"lock\">waited {waited} for <b>{}</b></p>", escape(lock))
            },
        );
        let _ = write!(
            out,
            "<li><p class=\"name\">{}</p><div class=\"doing\">{}</div>{waits}</li>",
            escape(&link.session),
            long(&link.doing, 90)
        );
    }
    out.push_str("</ol></section>");
    out
}

pub(crate) fn footer() -> String {
    let legend: String = [Basis::Measured, Basis::Derived, Basis::Assumed]
        .iter()
        .map(|one| format!("<span>{} {}</span>", basis(*one), basis_words(*one)))
        .collect();
    format!(
        "<footer><p class=\"legend\">{legend}</p><p>Times are virtual: nothing here ran on a server. The whole report is in this \
         page as JSON.</p></footer>\n"
    )
}

/// A moment for a cell; a dash for none.
pub(super) fn moment(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), duration)
}
