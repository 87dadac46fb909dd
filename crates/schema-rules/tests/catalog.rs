//! A catalog is built from a script and advanced statement by statement.

use schema_rules::effects::{NoFacts, advance};
use schema_rules::{Catalog, PgVersion, Session};

fn built(script: &str) -> (Catalog, Session) {
    let (mut catalog, mut session) = (Catalog::new(), Session::default());
    let parsed = sql_syntax::parse(script);
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    for statement in &parsed.statements {
        let effects = advance(&mut catalog, &mut session, &statement.value, PgVersion::V18, &NoFacts);
        assert_eq!(effects.error, None, "{}", statement.range.of(script));
    }
    (catalog, session)
}

#[test]
fn constraints_and_indexes_get_the_names_that_the_server_gives() {
    let (catalog, session) = built(
        "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, age int CHECK (age > 0));
         CREATE TABLE orders (id bigint PRIMARY KEY, user_id int REFERENCES users, CHECK (id > user_id));
         CREATE INDEX ON orders (user_id, lower('x'));",
    );
    for name in ["users_pkey", "users_email_key", "users_id_seq", "orders_user_id_expr_idx"] {
        assert!(catalog.find_name(&session, name).is_some(), "{name}");
    }
    let users = catalog.find_name(&session, "users").unwrap();
    let orders = catalog.find_name(&session, "orders").unwrap();
    assert!(users.constraint("users_age_check").is_some());
    assert!(orders.constraint("orders_check").is_some());
    assert!(orders.constraint("orders_user_id_fkey").is_some());
    assert_eq!(catalog.referencing(users.id).count(), 1);
    assert!(users.column("id").unwrap().default.is_some());
}

#[test]
fn a_clone_keeps_what_a_later_statement_changes() {
    let (mut catalog, mut session) = built("CREATE TABLE t (id int);");
    let before = catalog.clone();
    let parsed = sql_syntax::parse("CREATE INDEX i ON t (id); CREATE VIEW v AS SELECT id FROM t;");
    for statement in &parsed.statements {
        advance(&mut catalog, &mut session, &statement.value, PgVersion::V18, &NoFacts);
    }
    assert!(before.find_name(&session, "i").is_none());
    assert!(catalog.find_name(&session, "i").is_some());
    let mut other = before.clone();
    let effects = advance(&mut other, &mut session, &parsed.statements[0].value, PgVersion::V18, &NoFacts);
    let mut third = before.clone();
    third.apply_changes(&effects.changes);
    assert!(third.find_name(&session, "i").is_some());
}

/// The SQLSTATE with which the last statement of a script fails.
fn refusal(script: &str, version: PgVersion) -> Option<String> {
    let (mut catalog, mut session) = (Catalog::new(), Session::default());
    let mut last = None;
    for statement in &sql_syntax::parse(script).statements {
        let effects = advance(&mut catalog, &mut session, &statement.value, version, &NoFacts);
        last = effects.error.map(|e| e.sqlstate.to_string());
    }
    last
}

#[test]
fn a_default_must_be_a_value_of_its_column() {
    let table = "CREATE TYPE e AS ENUM ('a'); CREATE TABLE t (id int, s e);";
    for (statement, state) in [
        ("ALTER TABLE t ALTER id SET DEFAULT 'x'", Some("22P02")),
        ("ALTER TABLE t ALTER id SET DEFAULT ' 12 '", None),
        ("ALTER TABLE t ALTER s SET DEFAULT 'b'", Some("22P02")),
        ("ALTER TABLE t ALTER s SET DEFAULT 'a'", None),
        ("ALTER TABLE t ADD c bool DEFAULT 'tru'", None),
        ("ALTER TABLE t ADD c int DEFAULT id", Some("0A000")),
    ] {
        let found = refusal(&format!("{table} {statement}"), PgVersion::V18);
        assert_eq!(found.as_deref(), state, "{statement}");
    }
}

#[test]
fn options_that_a_later_version_brought_are_unknown_before() {
    for (statement, since) in [
        ("VACUUM (PROCESS_MAIN false) t", PgVersion::V16),
        ("VACUUM ONLY t", PgVersion::V18),
        ("ALTER TABLE t ALTER v SET STORAGE DEFAULT", PgVersion::V16),
    ] {
        for version in [PgVersion::V15, PgVersion::V16, PgVersion::V18] {
            let found = refusal(&format!("CREATE TABLE t (v text); {statement}"), version);
            assert_eq!(found.is_none(), version >= since, "{statement} on {}", version.major());
        }
    }
}

#[test]
fn a_row_put_straight_into_a_partition_opens_its_parent() {
    let (mut catalog, mut session) = built(
        "CREATE TABLE p (at date) PARTITION BY RANGE (at);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');",
    );
    let parent = catalog.find_name(&session, "p").unwrap().id;
    let insert = sql_syntax::parse("INSERT INTO p1 VALUES ('2024-02-02')");
    let effects = advance(&mut catalog, &mut session, &insert.statements[0].value, PgVersion::V18, &NoFacts);
    let opened = |s: &schema_rules::effects::Step| matches!(s, schema_rules::effects::Step::Lock { relation, .. } if *relation == parent);
    assert!(effects.steps.iter().any(opened));
}
