//! The report as JSON, for programs: every number that the terminal and the page show.

use crate::Report;

/// The report as indented JSON with a newline at its end. Equal reports give equal bytes.
///
/// A number that is not finite becomes `null`, as JSON has none.
#[must_use]
pub fn to_string(report: &Report) -> String {
    let mut text = pretty(report);
    text.push('\n');
    text
}

/// Plain data without maps of other keys than strings: its serialisation cannot fail.
pub(crate) fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
