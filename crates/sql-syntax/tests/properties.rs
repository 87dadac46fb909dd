//! The SQL parser on any text: it neither panics nor hangs, and every mistake has a place.
//!
//! `PROPTEST_CASES=100000 cargo test -p sql-syntax --release --test properties` looks longer.

use proptest::prelude::*;
use sql_syntax::parse;

/// One statement a line.
const STATEMENTS: &str = include_str!("data/statements.sql");

fn cases(usually: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(usually))
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_text_is_statements_or_mistakes_with_places(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn any_sequence_of_words_is_statements_or_mistakes_with_places(
        words in proptest::collection::vec(word(), 0..40),
    ) {
        check(&words.join(" "));
        check(&words.concat());
    }

    #[test]
    fn a_statement_with_words_left_out_doubled_and_swapped_is_read_or_refused(
        line in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 1..6),
    ) {
        let lines: Vec<&str> = STATEMENTS.lines().collect();
        let mut words: Vec<&str> = line.get(&lines).split_whitespace().collect();
        for (place, edit) in edits {
            if words.is_empty() {
                break;
            }
            let at = place.index(words.len());
            match edit {
                0 => drop(words.remove(at)),
                1 => words.insert(at, words[at]),
                2 => words.swap(at, 0),
                _ => words.truncate(at),
            }
        }
        check(&words.join(" "));
    }

    #[test]
    fn a_cut_statement_is_read_or_refused(line in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let lines: Vec<&str> = STATEMENTS.lines().collect();
        let line = line.get(&lines);
        let cut: String = line.chars().take(at.index(line.chars().count().max(1))).collect();
        check(&cut);
        check(&cut.chars().rev().collect::<String>());
    }
}

fn check(text: &str) {
    let script = parse(text);
    let mut end = 0;
    for statement in &script.statements {
        let range = statement.range;
        assert!(range.start as usize >= end && range.start <= range.end, "{text:?}");
        assert!(range.end as usize <= text.len(), "{text:?}");
        end = range.end as usize;
    }
    for mistake in &script.errors {
        assert!(
            mistake.range.start <= mistake.range.end && mistake.range.end as usize <= text.len(),
            "{text:?}"
        );
        assert!(!mistake.message.is_empty(), "{text:?}");
    }
}

fn word() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "SELECT",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "FROM",
        "WHERE",
        "ALTER",
        "TABLE",
        "ADD",
        "COLUMN",
        "CREATE",
        "INDEX",
        "CONCURRENTLY",
        "ON",
        "CONSTRAINT",
        "CHECK",
        "FOREIGN",
        "KEY",
        "REFERENCES",
        "NOT",
        "NULL",
        "VALID",
        "PARTITION",
        "OF",
        "FOR",
        "IN",
        "BEGIN",
        "COMMIT",
        "LOCK",
        "MODE",
        "NOWAIT",
        "WITH",
        "AS",
        "CASE",
        "WHEN",
        "THEN",
        "END",
        "DO",
        "$$",
        "$a$",
        "'",
        "'x'",
        "\"",
        "\"T\"",
        "(",
        ")",
        ",",
        ";",
        ".",
        "*",
        "::",
        "--",
        "/*",
        "*/",
        "1",
        "1e9",
        "99999999999999999999",
        "$1",
        "t",
        "a",
        "=",
        "||",
        "\n",
        "ä",
        "\\",
        "E'\\'",
        "U&'",
        "[",
        "]",
        ":",
    ];
    proptest::sample::select(WORDS).prop_map(str::to_owned)
}
