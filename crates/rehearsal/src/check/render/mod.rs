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
    /// The characters before each block of [`BLOCK`] bytes.
    characters: Vec<usize>,
}

/// How far apart the places are whose characters have been counted.
const BLOCK: usize = 1024;

/// The bytes of a line that an excerpt has at most on either side of what it is about.
const MARGIN: usize = 200;

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        let mut before = 0;
        let characters = text.as_bytes().chunks(BLOCK).map(|block| {
            let first = before;
            before += block.iter().filter(|b| begins_character(**b)).count();
            first
        });
        let characters = characters.collect();
        Self { text, starts: starts.collect(), characters }
    }

    fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|s| *s <= offset).saturating_sub(1)
    }

    /// The characters of the text before an offset.
    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let counted = self.characters.get(block).copied().unwrap_or_default();
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        counted + rest.iter().filter(|b| begins_character(**b)).count()
    }

    fn column_of(&self, offset: usize) -> usize {
        let start = self.starts[self.line_of(offset)];
        self.characters_before(offset) - self.characters_before(start) + 1
    }

    fn place(&self, range: TextRange) -> Place {
        let (start, end) =
            ((range.start as usize).min(self.text.len()), (range.end as usize).min(self.text.len()));
        Place {
            line: self.line_of(start) + 1,
            column: self.column_of(start),
            end_line: self.line_of(end) + 1,
            end_column: self.column_of(end),
        }
    }

    /// The lines of a range, at most `most` of them and cut where they are very long, with the offset at which they
    /// start.
    fn excerpt(&self, range: TextRange, most: usize) -> (&'t str, usize, usize) {
        let start = range.start as usize;
        let first = self.line_of(start);
        let last = self.line_of((range.end as usize).saturating_sub(1).max(start)).min(first + most - 1);
        let end = (range.end as usize).clamp(start, start + most * MARGIN);
        let from = self.boundary(self.starts[first].max(start.saturating_sub(MARGIN)));
        let line_end = self.starts.get(last + 1).copied().unwrap_or(self.text.len());
        let to = self.boundary(line_end.min(end + MARGIN));
        (self.text.get(from..to).unwrap_or(""), from, first + 1)
    }

    /// The start of the character that an offset lies in.
    fn boundary(&self, offset: usize) -> usize {
        (0..=offset.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

fn begins_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_across_blocks() {
        let text = format!("ab\n{}x\n", "é".repeat(3000));
        let lines = Lines::new(&text);
        let at = u32::try_from(3 + 6000).expect("it is small");
        let place = lines.place(TextRange::new(at, at + 1));
        assert_eq!((place.line, place.column, place.end_line, place.end_column), (2, 3001, 2, 3002));
    }

    #[test]
    fn the_excerpt_of_an_endless_line_is_short() {
        let text = "SELECT 1; ".repeat(100_000);
        let (excerpt, from, line) = Lines::new(&text).excerpt(TextRange::new(500_000, 500_008), 12);
        assert!(excerpt.len() <= 2 * MARGIN + 8 && from >= 500_000 - MARGIN && line == 1);
    }
}
