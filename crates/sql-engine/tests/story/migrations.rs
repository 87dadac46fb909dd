//! A migration under traffic: what waits for whom, what is undone, what is seen.

use crate::server::Server;
use sim_clock::Nanos;
use sql_engine::{DatabaseConfig, Value};
use transactions::{LockMode, SessionId, SessionState};

const SCHEMA: &str = "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);
    CREATE TABLE posts (id bigint PRIMARY KEY, user_id bigint REFERENCES users (id), title text);
    INSERT INTO users SELECT i, 'u' || i || '@example.com', NULL FROM generate_series(1, 100) i";

#[test]
fn a_concurrent_index_waits_for_writers_and_for_old_snapshots() {
    let mut server = Server::new(SCHEMA);
    let [report, writer, migration] = ["report", "writer", "migration"].map(|n| server.connect(n));
    server.ok(report, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM posts");
    server.ok(writer, "BEGIN; UPDATE users SET name = 'x' WHERE id = 1");
    assert_eq!(server.send(migration, "CREATE INDEX CONCURRENTLY users_email ON users (email)"), None);
    assert_eq!(server.database.blockers(migration), [writer]);
    // Traffic goes on meanwhile.
    assert_eq!(
        server.database.query("UPDATE users SET name = 'y' WHERE id = 2 RETURNING id").unwrap().len(),
        1
    );
    server.ok(writer, "COMMIT");
    assert_eq!(server.end_of(migration), None, "the report's snapshot is older than the index");
    assert_eq!(server.database.blockers(migration), [report]);
    server.ok(report, "COMMIT");
    assert_eq!(server.end_of(migration), Some(Ok("CREATE INDEX".to_owned())));
}

#[test]
fn rolling_back_undoes_definitions_and_rows() {
    let mut server = Server::new(SCHEMA);
    let migration = server.connect("migration");
    server.ok(migration, "BEGIN; ALTER TABLE users ADD COLUMN age int DEFAULT 5; UPDATE users SET age = 6");
    server.ok(migration, "CREATE TABLE extra (id int); INSERT INTO extra VALUES (1); TRUNCATE posts");
    assert_eq!(server.database.columns("users").len(), 3, "others do not see it yet");
    server.ok(migration, "SELECT age FROM users WHERE id = 1");
    assert_eq!(server.database.take_result(migration), Some(vec![vec![Some("6".to_owned())]]));
    server.ok(migration, "ROLLBACK");
    assert!(!server.database.has_table("extra"));
    assert_eq!(server.single("SELECT count(*) FROM users WHERE name IS NULL"), "100");
    assert_eq!(
        server.send(migration, "SELECT age FROM users"),
        Some(Err("42703: column \"age\" does not exist".to_owned()))
    );
    server.ok(migration, "BEGIN; ALTER TABLE users DROP COLUMN name; SAVEPOINT s; ALTER TABLE users ADD COLUMN z int; ROLLBACK TO s; COMMIT");
    assert_eq!(server.database.columns("users"), [("id".to_owned(), true), ("email".to_owned(), true)]);
}

#[test]
fn a_truncation_that_is_rolled_back_leaves_the_rows() {
    let mut server = Server::new(SCHEMA);
    let migration = server.connect("migration");
    server
        .ok(migration, "BEGIN; TRUNCATE users CASCADE; INSERT INTO users VALUES (1, 'new', NULL); ROLLBACK");
    assert_eq!(server.single("SELECT count(*) FROM users"), "100");
    server.ok(migration, "BEGIN; ALTER TABLE users ADD COLUMN u uuid DEFAULT gen_random_uuid(); ROLLBACK");
    assert_eq!(server.single("SELECT count(*) FROM users WHERE email LIKE 'u%'"), "100");
    server.ok(migration, "UPDATE users SET name = 'z' WHERE id = 7");
    assert_eq!(server.single("SELECT name FROM users WHERE id = 7"), "z");
}

#[test]
fn an_alter_waits_and_who_comes_after_it_waits_behind() {
    let mut server = Server::new(SCHEMA);
    let [report, migration, app] = ["report", "migration", "app"].map(|n| server.connect(n));
    server.ok(report, "BEGIN; SELECT count(*) FROM users");
    server.ok(migration, "SET lock_timeout = '2s'");
    assert_eq!(server.send(migration, "ALTER TABLE users ADD COLUMN age int"), None);
    assert_eq!(server.send(app, "SELECT email FROM users WHERE id = 1"), None);
    assert_eq!(server.database.blockers(app), [migration]);
    assert_eq!(server.database.waits_for(app).map(|(_, mode)| mode), Some(LockMode::AccessShare));
    server.run_until(Nanos::from_secs(3));
    let timed_out = "55P03: canceling statement due to lock timeout".to_owned();
    assert_eq!(server.end_of(migration), Some(Err(timed_out)));
    assert_eq!(server.end_of(app), Some(Ok("SELECT 1".to_owned())));
    server.ok(report, "COMMIT");
    server.ok(migration, "ALTER TABLE users ADD COLUMN age int");
}

#[test]
fn a_blocked_update_looks_at_the_row_again() {
    let mut server = Server::new(SCHEMA);
    let [a, b, c] = ["a", "b", "c"].map(|n| server.connect(n));
    server.ok(
        a,
        "BEGIN; UPDATE users SET name = 'a' WHERE id = 1; UPDATE users SET email = 'gone' WHERE id = 2",
    );
    assert_eq!(server.send(b, "UPDATE users SET name = name || 'b' WHERE id = 1 RETURNING name"), None);
    assert_eq!(server.send(c, "UPDATE users SET name = 'c' WHERE email = 'u2@example.com'"), None);
    server.ok(a, "COMMIT");
    assert_eq!(server.end_of(b), Some(Ok("UPDATE 1".to_owned())));
    assert_eq!(server.database.take_result(b), Some(vec![vec![Some("ab".to_owned())]]));
    assert_eq!(server.end_of(c), Some(Ok("UPDATE 0".to_owned())));
    // In repeatable read the same is an error.
    server.ok(b, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT name FROM users WHERE id = 3");
    server.ok(a, "UPDATE users SET name = 'new' WHERE id = 3");
    let refused = "40001: could not serialize access due to concurrent update".to_owned();
    assert_eq!(server.send(b, "UPDATE users SET name = 'b' WHERE id = 3"), Some(Err(refused)));
    server.ok(b, "ROLLBACK");
}

#[test]
fn unique_keys_wait_for_the_transaction_that_decides() {
    let mut server = Server::new("CREATE TABLE t (id int PRIMARY KEY, v text)");
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    server.ok(a, "BEGIN; INSERT INTO t VALUES (1, 'a')");
    assert_eq!(server.send(b, "INSERT INTO t VALUES (1, 'b')"), None);
    server.ok(a, "ROLLBACK");
    assert_eq!(server.end_of(b), Some(Ok("INSERT 0 1".to_owned())));
    server.ok(a, "BEGIN; DELETE FROM t WHERE id = 1");
    assert_eq!(server.send(b, "INSERT INTO t VALUES (1, 'c') ON CONFLICT (id) DO UPDATE SET v = 'd'"), None);
    server.ok(a, "ROLLBACK");
    assert_eq!(server.end_of(b), Some(Ok("INSERT 0 1".to_owned())));
    assert_eq!(server.single("SELECT v FROM t"), "d");
}

#[test]
fn a_job_queue_skips_what_others_have_locked() {
    let mut server = Server::new(
        "CREATE TABLE jobs (id int PRIMARY KEY, done bool DEFAULT false); INSERT INTO jobs SELECT i FROM generate_series(1, 5) i",
    );
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    let take =
        "BEGIN; WITH next AS (SELECT id FROM jobs WHERE NOT done ORDER BY id LIMIT 2 FOR UPDATE SKIP LOCKED)
        UPDATE jobs SET done = true FROM next WHERE jobs.id = next.id RETURNING jobs.id";
    let ids = |server: &mut Server, session| {
        let rows = server.database.take_result(session).unwrap_or_default();
        rows.into_iter().flatten().flatten().collect::<Vec<_>>()
    };
    server.ok(a, take);
    assert_eq!(ids(&mut server, a), ["1", "2"]);
    server.ok(b, take);
    assert_eq!(ids(&mut server, b), ["3", "4"]);
}

#[test]
fn traffic_of_prepared_statements_is_much_faster_than_real_time() {
    let mut server = Server::new(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);
         INSERT INTO users SELECT i, 'u' || i, NULL FROM generate_series(1, 10000) i",
    );
    let read = server.database.prepare("SELECT email, name FROM users WHERE id = $1").unwrap();
    let write = server.database.prepare("UPDATE users SET name = $2 WHERE id = $1").unwrap();
    let batch = server
        .database
        .prepare("UPDATE users SET name = email WHERE id IN (SELECT id FROM users WHERE id > $1 AND name IS NULL ORDER BY id LIMIT 1000)")
        .unwrap();
    let sessions: Vec<SessionId> = (0..8).map(|n| server.connect(&format!("app{n}"))).collect();
    let migration = server.connect("migration");
    let mut sent = 0_i64;
    for second in 0..20_u64 {
        if second % 5 == 0 {
            server.execute(migration, batch, &[Value::Int(0)], Nanos::from_millis(500));
        }
        for step in 0..50 {
            server.run_until(Nanos::from_millis(second * 1000 + step * 20));
            for session in &sessions {
                if server.database.state(*session) == SessionState::Idle {
                    sent += 1;
                    let id = Value::Int(sent * 7919 % 10_000 + 1);
                    let (statement, params) =
                        if sent % 3 == 0 { (write, vec![id, Value::from("n")]) } else { (read, vec![id]) };
                    server.execute(*session, statement, &params, Nanos::from_millis(2));
                }
            }
        }
    }
    server.run_until(Nanos::from_secs(30));
    assert!(
        server.ended.iter().all(|(_, r)| r.is_ok()),
        "{:?}",
        server.ended.iter().find(|(_, r)| r.is_err())
    );
    assert!(sent > 7_000, "{sent}");
    let filled: i64 = server.single("SELECT count(*) FROM users WHERE name IS NOT NULL").parse().unwrap();
    assert!(filled > 4_000, "{filled}");
}

#[test]
fn tables_are_backed_up_compared_and_restored() {
    let mut server = Server::new(SCHEMA);
    let before = server.database.checksum("users");
    let backup = server.database.back_up("users").expect("a table");
    let copy = server.database.clone();
    server.rows("UPDATE users SET name = 'x' WHERE id < 10");
    assert_ne!(server.database.checksum("users"), before);
    server.database.restore("users", backup);
    assert_eq!(server.database.checksum("users"), before);
    assert_eq!(copy.checksum("users"), before);
    assert_eq!(server.single("SELECT email FROM users WHERE id = 5"), "u5@example.com");
}

#[test]
fn a_cascade_names_one_object_in_its_message_and_several_in_the_detail() {
    let script = "create table t (id int primary key, a int); create view v1 as select a from t; \
                  create view v2 as select id from t";
    let mut server = Server::new(script);
    let s = server.connect("s");
    let mut told = |sql: &str| {
        server.send(s, sql);
        let notices = server.database.take_notices(s);
        notices.into_iter().map(|n| (n.message, n.detail)).collect::<Vec<_>>()
    };
    let detail = "drop cascades to view v1\ndrop cascades to view v2".to_owned();
    let both = vec![("drop cascades to 2 other objects".to_owned(), Some(detail))];
    assert_eq!(told("begin; drop table t cascade; rollback"), both);
    let one = vec![("drop cascades to view v1".to_owned(), None)];
    assert_eq!(told("alter table t drop column a cascade"), one);
}

#[test]
fn the_block_around_a_text_is_none_for_the_statements_that_begin_and_end_blocks() {
    let mut server = Server::new("create table t (id int)");
    let s = server.connect("s");
    let mut told = |sql: &str| {
        let end = server.send(s, sql);
        let notices = server.database.take_notices(s);
        (end, notices.into_iter().map(|n| n.message).collect::<Vec<_>>().join("; "))
    };
    let none = "there is no transaction in progress".to_owned();
    let already = "there is already a transaction in progress".to_owned();
    let ok = |tag: &str| Some(Ok(tag.to_owned()));
    assert_eq!(told("insert into t values (1); begin"), (ok("BEGIN"), String::new()));
    assert_eq!(told("begin"), (ok("BEGIN"), already));
    assert_eq!(told("rollback"), (ok("ROLLBACK"), String::new()));
    assert_eq!(told("insert into t values (2); commit"), (ok("COMMIT"), none));
    let wants = "25P01: SAVEPOINT can only be used in transaction blocks".to_owned();
    assert_eq!(told("insert into t values (3); savepoint a"), (Some(Err(wants)), String::new()));
    assert_eq!(server.database.query("select id from t").unwrap(), [[Some("2".to_owned())]]);
}

#[test]
fn each_statement_takes_its_overhead_before_it_begins() {
    let mut config = DatabaseConfig::instant();
    config.statement_overhead = Nanos::from_millis(10);
    let mut server = Server::with(config);
    server.database.script("CREATE TABLE users (id bigint)").unwrap();
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    server.send(a, "BEGIN; LOCK TABLE users; COMMIT");
    server.run_until(Nanos::from_millis(15));
    server.send(b, "SELECT count(*) FROM users");
    server.run_until(Nanos::from_millis(29));
    assert_eq!((server.end_of(a), server.database.blockers(b)), (None, vec![a]));
    server.run_until(Nanos::from_millis(31));
    assert_eq!(server.end_of(a), Some(Ok("COMMIT".to_owned())));
    assert_eq!(server.end_of(b), Some(Ok("SELECT 1".to_owned())));
}
