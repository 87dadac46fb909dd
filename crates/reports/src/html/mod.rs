//! The report as one page that can be mailed and opened anywhere: no network, no framework, light and dark.
//!
//! ```text
//!   verdict ─ tables    markup: escaping, numbers, tables
//!   timeline ─ graph    chart: one time axis, scales, curves
//!   style.css, script.js, the report's JSON: embedded
//! ```
//!
//! Invariant: a number that carries `data-path` is the one that stands at that JSON pointer of the embedded
//! report. The drawings are made here, not by the script: the page says the same without it.

pub(crate) mod banner;
mod chart;
mod graph;
pub(crate) mod markup;
mod tables;
mod timeline;

use crate::text::shorten;
use crate::{Report, json};
use markup::escape;

/// The whole page. Equal reports give equal bytes.
#[must_use]
pub fn page(report: &Report) -> String {
    let parts = [
        banner::header(report),
        banner::verdict(report),
        banner::budget(report),
        banner::chain(report),
        timeline::section(report),
        graph::section(report),
        tables::blame(report),
        tables::classes(report),
        tables::migration(report),
        tables::waits(report),
        tables::pools(report),
        tables::assumptions(report),
        tables::not_modelled(report),
        banner::footer(),
    ];
    document(&report.scenario, &parts.concat(), &json::to_string(report))
}

/// A document with style and script, around the parts that show what `json` holds.
pub(crate) fn document(name: &str, parts: &str, json: &str) -> String {
    let title = format!("{} · rehearsal", shorten(name, 80));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{parts}</main>\n\
         <script type=\"application/json\" id=\"report\">{}</script>\n<script>\n{}</script>\n</body>\n</html>\n",
        escape(&title),
        include_str!("style.css"),
        // Without any `<` nothing in a name can end the element that it stands in.
        json.replace('<', "\\u003c"),
        include_str!("script.js"),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn style_and_script_need_no_network() {
        for text in [include_str!("style.css"), include_str!("script.js")] {
            assert!(!text.contains("http"));
            assert!(!text.contains("@import"));
            assert!(!text.contains("</"), "would end its element");
        }
    }
}
