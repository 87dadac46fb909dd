//! The forms of a report.

mod annotations;
mod json;
mod sarif;
mod text;

use std::io::Write;

use sql_syntax::TextRange;

use super::FileReport;

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// Everything, for programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// GitLab's code quality report.
    Gitlab,
}

/// Writes a report.
pub(crate) fn render(
    out: &mut dyn Write,
    format: Format,
    reports: &[FileReport],
    color: bool,
) -> std::io::Result<()> {
    match format {
        Format::Text => text::write(out, reports, color),
        Format::Json => json::write(out, reports),
        Format::Sarif => sarif::write(out, reports),
        Format::Github => annotations::github(out, reports),
        Format::Gitlab => annotations::gitlab(out, reports),
    }
}

/// First and last place of a range: line and column, counted from 1, in characters.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// Line starts of a text: places are looked up, not counted from the start each time.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Self { text, starts: starts.collect() }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|s| *s <= offset).saturating_sub(1)
    }

    fn column_of(&self, offset: usize) -> usize {
        let start = self.starts[self.line_of(offset)];
        self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1)
    }

    fn place(&self, range: TextRange) -> Place {
        let (start, end) = (range.start as usize, (range.end as usize).min(self.text.len()));
        Place {
            line: self.line_of(start) + 1,
            column: self.column_of(start),
            end_line: self.line_of(end) + 1,
            end_column: self.column_of(end),
        }
    }

    /// The whole lines of a range, at most `most` of them, with the offset at which they start.
    fn excerpt(&self, range: TextRange, most: usize) -> (&'t str, usize, usize) {
        let first = self.line_of(range.start as usize);
        let last = self
            .line_of((range.end as usize).saturating_sub(1).max(range.start as usize))
            .min(first + most - 1);
        let from = self.starts[first];
        let to = self.starts.get(last + 1).copied().unwrap_or(self.text.len());
        (self.text.get(from..to).unwrap_or(""), from, first + 1)
    }
}
