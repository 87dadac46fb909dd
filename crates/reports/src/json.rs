//! The report as JSON, for programs: every number that the terminal and the page show.

use crate::Report;

/// The report as indented JSON with a newline at its end. Equal reports give equal bytes.
///
/// A number that is not finite becomes `null`, as JSON has none.
#[must_use]
pub fn to_string(report: &Report) -> String {
    document(report)
}

/// Indented, with a newline at its end. Plain data without maps of other keys than strings: it cannot fail.
pub(crate) fn document(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
