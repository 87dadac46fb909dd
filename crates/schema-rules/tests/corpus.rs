//! 108 statements of every kind: understood, or named as not modelled.

use schema_rules::effects::{NoFacts, advance};
use schema_rules::{Catalog, PgVersion, Session};

const CORPUS: &str = include_str!("../../sql-syntax/tests/data/statements.sql");

#[test]
fn every_statement_of_the_corpus_is_understood_or_named() {
    let mut not_modelled = Vec::new();
    let mut statements = 0;
    for line in CORPUS.lines().filter(|l| !l.trim().is_empty()) {
        let parsed = sql_syntax::parse(line);
        assert!(parsed.errors.is_empty(), "{line}: {:?}", parsed.errors);
        assert_eq!(parsed.statements.len(), 1, "{line}");
        for version in PgVersion::ALL {
            let mut session = Session { assume_unknown: true, ..Session::default() };
            let effects =
                advance(&mut Catalog::new(), &mut session, &parsed.statements[0].value, version, &NoFacts);
            if version == PgVersion::V18 {
                not_modelled.extend(effects.not_modelled.into_iter().map(|n| n.what));
            }
        }
        statements += 1;
    }
    assert_eq!(statements, 108);
    assert_eq!(
        not_modelled,
        ["CALL backfill", "SECURITY LABEL", "IMPORT FOREIGN SCHEMA"],
        "what is not modelled is named"
    );
}

#[test]
fn the_statements_that_refuse_a_transaction_block_say_so() {
    for (sql, name) in [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY"),
        ("REINDEX SCHEMA public", "REINDEX SCHEMA"),
        ("VACUUM t", "VACUUM"),
    ] {
        let parsed = sql_syntax::parse(sql);
        let mut session = Session { in_transaction: true, assume_unknown: true, ..Session::default() };
        let effects =
            advance(&mut Catalog::new(), &mut session, &parsed.statements[0].value, PgVersion::V17, &NoFacts);
        let error = effects.error.expect("it is refused");
        assert_eq!(error.sqlstate, "25001");
        assert_eq!(error.message, format!("{name} cannot run inside a transaction block"));
    }
}
