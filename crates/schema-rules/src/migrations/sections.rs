//! Up and down in one file, and what takes a file out of its transaction.

use sql_syntax::TextRange;

use super::{Direction, FileName, Grouping, Runner};

/// A part of a file that runs as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Where it is.
    pub range: TextRange,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether its statements share a transaction that the tool opens.
    pub transaction: bool,
}

/// The sections of a file's text, in their order.
pub fn sections(runner: &Runner, name: &FileName, text: &str) -> Vec<Section> {
    match runner.name {
        "dbmate" => marked(text, "-- migrate:", |rest| match rest {
            _ if rest.starts_with("up") => Some(Direction::Up),
            _ if rest.starts_with("down") => Some(Direction::Down),
            _ => None,
        }),
        "goose" => {
            let transaction = !text.lines().any(|line| line.trim_end() == "-- +goose NO TRANSACTION");
            let marked = marked(text, "-- +goose ", |rest| match rest.trim_end() {
                "Up" => Some(Direction::Up),
                "Down" => Some(Direction::Down),
                _ => None,
            });
            marked.into_iter().map(|s| Section { transaction, ..s }).collect()
        }
        _ => vec![whole(runner, name, text)],
    }
}

fn whole(runner: &Runner, name: &FileName, text: &str) -> Section {
    let opted_out = runner.opt_out.iter().any(|marker| match runner.name {
        // sqlx looks at the very start of the file, Atlas at the comments on top.
        "sqlx" => text.starts_with(marker),
        _ => text
            .lines()
            .take_while(|l| l.starts_with("--") || l.trim().is_empty())
            .any(|l| l.trim() == *marker),
    });
    let transaction = match runner.grouping {
        Grouping::PerFile | Grouping::QueryString => !opted_out,
        Grouping::PerStatement => false,
    };
    Section { range: TextRange::new(0, text.len() as u32), direction: name.direction, transaction }
}

/// Cuts a text at lines that start with `marker` and name a direction.
fn marked(text: &str, marker: &str, direction: impl Fn(&str) -> Option<Direction>) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(marker)
            && let Some(direction) = direction(rest)
        {
            if let Some(last) = found.last_mut() {
                last.range.end = offset as u32;
            }
            let start = (offset + line.len()) as u32;
            let transaction = !rest.contains("transaction:false");
            found.push(Section { range: TextRange::new(start, text.len() as u32), direction, transaction });
        }
        offset += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{file_name, runner};
    use super::*;

    fn of(tool: &str, file: &str, text: &str) -> Vec<(Direction, bool, String)> {
        let runner = runner(tool).expect("a known runner");
        let name = file_name(runner, file).expect("one of its names");
        let show = |s: Section| (s.direction, s.transaction, s.range.of(text).trim().to_owned());
        sections(runner, &name, text).into_iter().map(show).collect()
    }

    #[test]
    fn dbmate_has_up_and_down_in_one_file() {
        let text = "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";
        let found = of("dbmate", "1_x.sql", text);
        assert_eq!(
            found,
            [(Direction::Up, false, "SELECT 1;".into()), (Direction::Down, true, "SELECT 2;".into())]
        );
    }

    #[test]
    fn goose_takes_the_whole_file_out_of_its_transaction() {
        let text = "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n";
        assert!(of("goose", "1_x.sql", text).iter().all(|(_, transaction, _)| !transaction));
    }

    #[test]
    fn sqlx_looks_for_its_marker_at_the_very_start() {
        assert!(!of("sqlx", "1_x.sql", "-- no-transaction\nSELECT 1")[0].1);
        assert!(of("sqlx", "1_x.sql", "\n-- no-transaction\nSELECT 1")[0].1);
    }

    #[test]
    fn a_plain_script_has_no_transaction_but_its_own() {
        assert!(!of("plain", "1_x.sql", "SELECT 1")[0].1);
    }
}
