//! Columns, paragraphs and colours of a page for the terminal.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

/// How wide a page is.
pub(crate) const WIDTH: usize = 100;

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Heading,
    Faint,
    Good,
    Bad,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Heading => Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan))),
            Self::Faint => Style::new().dimmed(),
            Self::Good => Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))),
            Self::Bad => Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))),
        }
    }
}

/// A page as it is written.
pub(crate) struct Page {
    text: String,
    color: bool,
}

impl Page {
    pub(crate) fn new(color: bool) -> Self {
        Self { text: String::new(), color }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Text in its tone.
    pub(crate) fn put(&mut self, tone: Tone, text: &str) {
        if self.color && tone != Tone::Plain && !text.trim().is_empty() {
            let style = tone.style();
            // Writing to a string does not fail.
            let _ = write!(self.text, "{style}{text}{style:#}");
        } else {
            self.text.push_str(text);
        }
    }

    pub(crate) fn end_line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
    }

    pub(crate) fn line(&mut self, tone: Tone, text: &str) {
        self.put(tone, text);
        self.end_line();
    }

    pub(crate) fn heading(&mut self, text: &str) {
        self.end_line();
        self.line(Tone::Heading, text);
    }

    /// A paragraph behind a mark; lines after the first stand under its text.
    pub(crate) fn paragraph(&mut self, tone: Tone, mark: &str, text: &str) {
        let indent = mark.chars().count();
        for (place, line) in wrap(text, WIDTH - indent).into_iter().enumerate() {
            self.put(Tone::Plain, if place == 0 { mark } else { "" });
            if place > 0 {
                self.put(Tone::Plain, &" ".repeat(indent));
            }
            self.line(tone, &line);
        }
    }
}

/// Lines of at most `width` characters, broken at spaces; a longer word stands alone.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines
}

/// Whitespace folded, and the end cut off where it is longer than `width` characters.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    let folded: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if folded.chars().count() <= width {
        return folded;
    }
    let kept: String = folded.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Which side of its column a cell stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A table whose first left-hand column gives way where the page is too narrow.
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<(Tone, String)>>,
    /// The column that is shortened.
    elastic: usize,
}

impl Table {
    /// The heads of its columns: `<name` stands left, `>name` right; `<name…` gives way.
    pub(crate) fn new(heads: &[&str]) -> Self {
        let side = |head: &str| if head.starts_with('>') { Side::Right } else { Side::Left };
        let name = |head: &str| head.trim_start_matches(['<', '>']).trim_end_matches('…').to_owned();
        Self {
            sides: heads.iter().map(|head| side(head)).collect(),
            elastic: heads.iter().position(|head| head.ends_with('…')).unwrap_or(0),
            rows: vec![heads.iter().map(|head| (Tone::Faint, name(head))).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<(Tone, String)>) {
        debug_assert_eq!(cells.len(), self.sides.len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn plain(&mut self, cells: Vec<String>) {
        self.row(cells.into_iter().map(|cell| (Tone::Plain, cell)).collect());
    }

    pub(crate) fn write(self, page: &mut Page) {
        const INDENT: usize = 2;
        const GAP: usize = 2;
        let width = |cell: &(Tone, String)| cell.1.chars().count();
        let mut widths: Vec<usize> = (0..self.sides.len())
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
            .collect();
        let needed = INDENT + widths.iter().sum::<usize>() + GAP * self.sides.len().saturating_sub(1);
        if needed > WIDTH
            && let Some(elastic) = widths.get_mut(self.elastic)
        {
            *elastic = elastic.saturating_sub(needed - WIDTH).max(12);
        }
        for row in &self.rows {
            page.put(Tone::Plain, &" ".repeat(INDENT));
            for (column, ((tone, cell), side)) in row.iter().zip(&self.sides).enumerate() {
                let cell = shorten_cell(cell, widths[column]);
                let padding = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                let gap = if column == 0 { "" } else { "  " };
                page.put(Tone::Plain, gap);
                match side {
                    Side::Left => {
                        page.put(*tone, &cell);
                        page.put(Tone::Plain, &padding);
                    }
                    Side::Right => {
                        page.put(Tone::Plain, &padding);
                        page.put(*tone, &cell);
                    }
                }
            }
            page.end_line();
        }
    }
}

fn shorten_cell(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width { cell.to_owned() } else { shorten(cell, width) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_at_spaces_and_keep_long_words_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("anextremelylongword b", 5), ["anextremelylongword", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn long_text_loses_its_end_and_folds_its_space() {
        assert_eq!(shorten("SELECT  1\n FROM t", 40), "SELECT 1 FROM t");
        assert_eq!(shorten("SELECT 1 FROM t", 9), "SELECT 1…");
        assert_eq!(shorten("äöüß", 3), "äö…");
    }

    #[test]
    fn without_colour_a_page_is_plain_characters() {
        let mut page = Page::new(false);
        page.line(Tone::Bad, "over");
        assert_eq!(page.finish(), "over\n");
        let mut page = Page::new(true);
        page.line(Tone::Bad, "over");
        assert!(page.finish().starts_with('\u{1b}'));
    }
}
