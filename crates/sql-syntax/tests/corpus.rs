//! The parser against collections of statements.

use sql_syntax::ast::Statement;
use sql_syntax::parse;

/// One statement a line.
const STATEMENTS: &str = include_str!("data/statements.sql");
/// One mistaken statement a line.
const MISTAKES: &str = include_str!("data/mistakes.sql");

#[test]
fn every_statement_of_the_collection_is_understood_or_named() {
    let mut named = Vec::new();
    for line in STATEMENTS.lines() {
        let script = parse(line);
        assert_eq!(script.errors, [], "{line}");
        assert_eq!(script.statements.len(), 1, "{line}");
        if let Statement::NotModelled { name } = &script.statements[0].value {
            named.push(name.clone());
        }
    }
    assert_eq!(named, ["SECURITY LABEL", "IMPORT FOREIGN SCHEMA"]);
}

#[test]
fn every_mistake_is_one_error_with_a_place() {
    for line in MISTAKES.lines() {
        let script = parse(line);
        assert_eq!(script.errors.len(), 1, "{line}");
        assert_eq!(script.statements, [], "{line}");
        assert!(script.errors[0].range.end as usize <= line.len());
    }
}

#[test]
fn a_mistake_leaves_the_statements_around_it() {
    for line in MISTAKES.lines() {
        let text = format!("SELECT 1;\n{line};\nSELECT 2;");
        let script = parse(&text);
        assert_eq!(script.statements.len(), 2, "{line}");
        assert_eq!(script.statements[1].range.of(&text), "SELECT 2");
    }
}

#[test]
fn errors_speak_sql_and_point_at_the_word() {
    let text = "ALTER TABLE t ALTER COLUMN c SET NOT NUL";
    let error = &parse(text).errors[0];
    assert_eq!(error.message, "expected NULL");
    assert_eq!(error.range.of(text), "NUL");
}

#[test]
fn a_statement_nested_beyond_reason_is_an_error_and_not_a_crash() {
    let deep = [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}1", "(".repeat(100_000)),
        format!("SELECT 1{}", "+1".repeat(100_000)),
        format!("SELECT {}1", "- ".repeat(100_000)),
        format!("SELECT {}true", "NOT ".repeat(100_000)),
        format!("SELECT {}", "CASE WHEN true THEN ".repeat(100_000)),
        format!("SELECT 1{}", " UNION SELECT 1, 2".repeat(100_000)),
        format!("SELECT a{} FROM t", "[1]".repeat(100_000)),
        format!("SELECT a{}", "::int".repeat(100_000)),
        format!("SELECT * FROM a{}", " JOIN a USING (b)".repeat(100_000)),
        format!("EXPLAIN {}", "EXPLAIN ".repeat(100_000)),
        format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT {}1 $$", "(".repeat(100_000)),
        format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT {}1'", "- ".repeat(100_000)),
        format!("DO $$ BEGIN {} END $$", "BEGIN ".repeat(100_000)),
        format!("CREATE TABLE t (a int{})", "[]".repeat(100_000)),
        format!("SELECT a{}", ".a".repeat(100_000)),
        "/*".repeat(100_000),
        "'".repeat(100_001),
        "$a".repeat(100_000),
    ];
    for text in deep {
        let script = parse(&format!("{text};\n SELECT 1"));
        assert!(script.statements.len() <= 2, "{}", &text[..40.min(text.len())]);
    }
}

/// The heaviest statement that is still read must not need more stack than a test thread has.
#[test]
fn statements_as_heavy_as_allowed_are_read() {
    for (head, part, tail) in [
        ("SELECT ", "(", "1"),
        ("SELECT ", "- ", "1"),
        ("SELECT ", "NOT ", "true"),
        ("SELECT 1", "+1", ""),
        ("SELECT true", " AND true", ""),
        ("SELECT ", "CASE WHEN true THEN ", "1"),
        ("SELECT a", "::int", ""),
        ("SELECT a", " COLLATE c", ""),
        ("SELECT a", " BETWEEN 1 AND 2", ""),
        ("SELECT 1", " UNION SELECT 1, 2", ""),
        ("SELECT ", "(SELECT ", "1"),
        ("SELECT * FROM ", "(SELECT * FROM ", "t"),
        ("SELECT ", "f(", "1"),
        ("SELECT a IN ", "(SELECT a FROM t WHERE a IN (", "1"),
    ] {
        let build = |times: usize| {
            let text = format!("{head}{}{tail}", part.repeat(times));
            let closing = text.matches('(').count();
            format!("{text}{}", ")".repeat(closing))
        };
        let too_deep = |times: &usize| {
            parse(&build(*times)).errors.first().is_some_and(|e| e.message.contains("too deeply"))
        };
        let times = (1..).map(|n| n * 10).find(too_deep).expect("some number is too many") - 10;
        assert!(times >= 50, "{part}: only {times}");
        let script = parse(&build(times));
        assert_eq!(script.clone(), script);
    }
}

#[test]
fn a_long_list_or_a_long_condition_is_nothing_unusual() {
    let rows = format!("INSERT INTO t VALUES (1, 'a'){}", ", (2, 'b')".repeat(50_000));
    assert_eq!(parse(&rows).errors, []);
    let condition = format!("SELECT * FROM t WHERE a = 1{}", " OR a = 2".repeat(500));
    assert_eq!(parse(&condition).errors, []);
}
