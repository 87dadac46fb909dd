//! Result tables as the isolation tester prints them: libpq's `PQprint` with a header, aligned, and
//! `|` between fields (`src/interfaces/libpq/fe-print.c`).
//!
//! Widths count bytes, and whether a column is set flush right depends on the look of its values,
//! not on its type: that is what `PQprint` does.

use std::fmt::Write as _;

/// Rows as they came over the wire, in text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Appends the table, its number of rows and an empty line. A result without columns leaves no
    /// trace.
    pub fn print(&self, out: &mut String) {
        if self.columns.is_empty() {
            return;
        }
        let layout: Vec<Column> = (0..self.columns.len()).map(|column| self.layout(column)).collect();
        print_line(out, &layout, |column| &self.columns[column]);
        let borders: Vec<String> = layout.iter().map(|column| "-".repeat(column.width)).collect();
        out.push_str(&borders.join("+"));
        out.push('\n');
        for row in &self.rows {
            print_line(out, &layout, |column| row.get(column).and_then(Option::as_deref).unwrap_or_default());
        }
        let plural = if self.rows.len() == 1 { "" } else { "s" };
        let _ = write!(out, "({} row{plural})\n\n", self.rows.len());
    }

    fn layout(&self, column: usize) -> Column {
        let mut layout = Column { width: self.columns[column].len(), flush_right: true };
        let values = self.rows.iter().filter_map(|row| row.get(column)?.as_deref());
        for value in values.filter(|value| !value.is_empty()) {
            layout.width = layout.width.max(value.len());
            layout.flush_right &= looks_numeric(value);
        }
        layout
    }
}

struct Column {
    width: usize,
    flush_right: bool,
}

fn print_line<'a>(out: &mut String, layout: &[Column], field: impl Fn(usize) -> &'a str) {
    for (index, column) in layout.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        let value = field(index);
        let padding = column.width.saturating_sub(value.len());
        if column.flush_right {
            out.extend(std::iter::repeat_n(' ', padding));
            out.push_str(value);
        } else {
            out.push_str(value);
            out.extend(std::iter::repeat_n(' ', padding));
        }
    }
    out.push('\n');
}

fn looks_numeric(value: &str) -> bool {
    let belongs = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'E' | 'e' | ' ' | '-');
    value.chars().all(belongs)
        && !value.starts_with(['E', 'e'])
        && value.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: &[&str], rows: &[&[Option<&str>]]) -> String {
        let table = Table {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(|value| value.map(str::to_owned)).collect()).collect(),
        };
        let mut out = String::new();
        table.print(&mut out);
        out
    }

    #[test]
    fn numbers_are_flush_right_and_text_is_padded_on_its_right() {
        let rows: &[&[Option<&str>]] = &[&[Some("1"), Some("z")], &[Some("20"), None]];
        assert_eq!(printed(&["id", "cook"], rows), "id|cook\n--+----\n 1|z   \n20|    \n(2 rows)\n\n");
    }

    #[test]
    fn a_wide_number_pushes_the_header_to_the_right() {
        assert_eq!(printed(&["pts"], &[&[Some("1000")]]), " pts\n----\n1000\n(1 row)\n\n");
    }

    #[test]
    fn a_column_without_values_is_flush_right() {
        assert_eq!(printed(&["a", "bb"], &[&[None, Some("")]]), "a|bb\n-+--\n |  \n(1 row)\n\n");
    }

    #[test]
    fn text_that_could_be_a_number_is_one_and_booleans_are_not() {
        assert_eq!(
            printed(&["when"], &[&[Some("2026-01-01")]]),
            "      when\n----------\n2026-01-01\n(1 row)\n\n"
        );
        assert_eq!(printed(&["ok"], &[&[Some("t")]]), "ok\n--\nt \n(1 row)\n\n");
        assert_eq!(printed(&["e"], &[&[Some("e1 ")]]), "e  \n---\ne1 \n(1 row)\n\n");
    }

    #[test]
    fn a_result_without_columns_leaves_no_trace() {
        assert_eq!(printed(&[], &[&[], &[]]), "");
    }
}
