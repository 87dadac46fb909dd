//! Escaping, prose and tables.

use std::fmt::Write;

use crate::Unit;
use crate::text::{basis_words, mark};
use crate::{Basis, Figure};

/// Text as it may stand in an element or between the quotes of an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Control characters have no place in a page.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A sentence whose backquoted parts are code.
pub(crate) fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let paired = parts.len() % 2 == 1;
    let mut out = String::new();
    for (place, part) in parts.iter().enumerate() {
        match (paired && place % 2 == 1, place) {
            (true, _) => out.push_str(&format!("<code>{}</code>", escape(part))),
            (false, 0) => out.push_str(&escape(part)),
            (false, _) if paired => out.push_str(&escape(part)),
            (false, _) => out.push_str(&format!("`{}", escape(part))),
        }
    }
    out
}

/// A number for people that also carries the JSON's own, and where in the JSON it stands, as a JSON pointer.
pub(crate) fn number(path: &str, unit: Unit, value: f64) -> String {
    let json = serde_json::to_string(&value).unwrap_or_default();
    format!(
        "<span data-path=\"{}\" data-value=\"{}\" data-unit=\"{}\">{}</span>",
        escape(path),
        escape(&json),
        serde_json::to_string(&unit).unwrap_or_default().trim_matches('"'),
        escape(&unit.text(value))
    )
}

/// A figure with the mark of its basis.
pub(super) fn figure(path: &str, figure: &Figure) -> String {
    format!("{} {}", number(&format!("{path}/value"), figure.unit, figure.value), basis(figure.basis))
}

/// The mark of a basis, with words for whoever points at it or cannot see it.
pub(crate) fn basis(basis: Basis) -> String {
    let (words, mark) = (basis_words(basis), mark(basis));
    format!("<abbr class=\"basis\" title=\"{words}\" aria-label=\"{words}\">{mark}</abbr>")
}

/// A table; a head that begins with `>` has numbers under it.
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    /// A row of cells that are markup already.
    pub(crate) fn row(&mut self, class: &str, cells: Vec<String>) {
        self.rows.push((class.to_owned(), cells));
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Two tables with the same heads: the first rows and the rest.
    pub(super) fn split(mut self, at: usize) -> (Self, Self) {
        let rest = Self { heads: self.heads.clone(), rows: self.rows.split_off(at) };
        (self, rest)
    }

    pub(crate) fn markup(&self, caption: &str) -> String {
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\"><table><caption>{caption}</caption><thead><tr>",
            caption = escape(caption)
        );
        for head in &self.heads {
            let (class, head) =
                head.strip_prefix('>').map_or(("", head.as_str()), |head| (" class=\"n\"", head));
            let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape(head));
        }
        out.push_str("</tr></thead><tbody>");
        for (class, cells) in &self.rows {
            let _ = write!(out, "<tr class=\"{class}\">");
            for (cell, head) in cells.iter().zip(&self.heads) {
                let class = if head.starts_with('>') { " class=\"n\"" } else { "" };
                let _ = write!(out, "<td{class}>{cell}</td>");
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>");
        out
    }
}

/// SQL or a name that may be long: short in its cell, whole on request.
pub(super) fn long(text: &str, width: usize) -> String {
    let short = crate::text::shorten(text, width);
    if short == text {
        return format!("<code>{}</code>", escape(text));
    }
    format!(
        "<details class=\"long\"><summary><code>{}</code></summary><code>{}</code></details>",
        escape(&short),
        escape(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_can_become_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(prose("run `SET <x>` now"), "run <code>SET &lt;x&gt;</code> now");
        assert_eq!(prose("an odd ` stays"), "an odd ` stays");
    }
}
