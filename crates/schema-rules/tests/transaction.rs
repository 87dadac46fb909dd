//! What statements of one transaction do to each other, and what is refused for it.

use schema_rules::effects::{Effects, LockSummary, NoFacts, advance};
use schema_rules::{Catalog, PgVersion, Session};

const SCHEMA: &str = "CREATE TABLE users (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY,
        user_id int REFERENCES users DEFERRABLE INITIALLY DEFERRED);";

/// The effects of the last statement of a script over the schema.
fn last(script: &str, version: PgVersion) -> Effects {
    let (mut catalog, mut session) = (Catalog::new(), Session::default());
    let mut effects = None;
    for statement in sql_syntax::parse(&format!("{SCHEMA}{script}")).statements {
        effects = Some(advance(&mut catalog, &mut session, &statement.value, version, &NoFacts));
    }
    effects.expect("the script has statements")
}

fn refused(script: &str) -> (&'static str, String) {
    let error = last(script, PgVersion::V17).error.expect("it is refused");
    (error.sqlstate, error.message)
}

#[test]
fn a_table_with_rows_that_a_deferred_key_has_still_to_look_at_is_not_altered() {
    let script = "BEGIN; INSERT INTO orders VALUES (1, 1); ALTER TABLE orders ADD COLUMN n int;";
    let message = "cannot ALTER TABLE \"orders\" because it has pending trigger events";
    assert_eq!(refused(script), ("55006", message.to_owned()));
    for harmless in [
        "BEGIN; INSERT INTO orders VALUES (1, 1); SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE orders ADD COLUMN n int;",
        "BEGIN; INSERT INTO orders VALUES (1, 1); COMMIT; ALTER TABLE orders ADD COLUMN n int;",
        "INSERT INTO orders VALUES (1, 1); ALTER TABLE orders ADD COLUMN n int;",
    ] {
        assert_eq!(last(harmless, PgVersion::V17).error, None, "{harmless}");
    }
}

#[test]
fn a_table_that_a_cursor_reads_is_not_altered_until_it_is_closed() {
    let script = "BEGIN; DECLARE c CURSOR FOR SELECT * FROM orders; TRUNCATE orders;";
    let message = "cannot TRUNCATE \"orders\" because it is being used by active queries in this session";
    assert_eq!(refused(script), ("55006", message.to_owned()));
    let closed = "BEGIN; DECLARE c CURSOR FOR SELECT * FROM orders; CLOSE c; TRUNCATE orders;";
    assert_eq!(last(closed, PgVersion::V17).error, None);
}

#[test]
fn a_savepoint_ends_with_those_that_came_after_it() {
    let script = "BEGIN; SAVEPOINT a; SAVEPOINT b; ROLLBACK TO a; RELEASE b;";
    assert_eq!(refused(script), ("3B001", "savepoint \"b\" does not exist".to_owned()));
    assert_eq!(last("BEGIN; SAVEPOINT a; ROLLBACK TO a; RELEASE a;", PgVersion::V17).error, None);
}

#[test]
fn a_setting_is_unknown_to_versions_before_it() {
    let set = "SET transaction_timeout = '5s';";
    assert_eq!(last(set, PgVersion::V17).error, None);
    let error = last(set, PgVersion::V16).error.expect("it is refused");
    assert_eq!(error.sqlstate, "42704");
    assert_eq!(refused("SET lock_timeout = 'soon';").0, "22023");
    assert_eq!(last("SET my.own = 'anything';", PgVersion::V12).error, None);
}

#[test]
fn a_block_of_code_locks_what_its_sql_locks() {
    let script = "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM users) THEN \
        EXECUTE 'ALTER TABLE orders ADD COLUMN n int'; END IF; END $$;";
    let effects = last(script, PgVersion::V17);
    let locks: Vec<String> = LockSummary::of(&effects.steps)
        .iter()
        .filter_map(|l| Some(format!("{} {}", effects.relation(l.relation)?.name, l.strongest)))
        .collect();
    assert_eq!(locks, ["orders AccessExclusiveLock"]);
    assert!(effects.not_modelled.iter().any(|n| n.what.contains("branches")), "that is an assumption");
}
