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
