//! Tables of which only the size is known: their rows are locked like any others.

use sim_clock::Nanos;
use sql_engine::Value;
use transactions::SessionState;

use crate::server::Server;

const SCHEMA: &str = "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE, name text);
    CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        total int NOT NULL, currency text);
    CREATE INDEX orders_user ON orders (user_id)";

/// A hundred thousand users, five million orders.
fn server() -> Server {
    let mut server = Server::new(SCHEMA);
    assert!(server.database.set_virtual_rows("users", 100_000, None));
    assert!(server.database.set_virtual_rows("orders", 5_000_000, Some(1 << 30)));
    server
}

fn seconds(n: u64) -> Nanos {
    Nanos::from_secs(n)
}

#[test]
fn rows_are_counted_and_found_by_their_key() {
    let mut server = server();
    assert_eq!(server.single("SELECT count(*) FROM orders"), "5000000");
    assert_eq!(
        server.rows("SELECT min(id), max(id) FROM orders"),
        [[Some("1".to_owned()), Some("5000000".to_owned())]]
    );
    assert_eq!(server.single("SELECT id FROM orders WHERE id = 4711"), "4711");
    assert_eq!(server.single("SELECT count(*) FROM orders WHERE id = 5000001"), "0");
    assert_eq!(server.single("SELECT count(*) FROM orders WHERE id BETWEEN 11 AND 1010"), "1000");
    assert_eq!(server.single("SELECT id FROM orders ORDER BY id DESC LIMIT 1"), "5000000");
}

#[test]
fn two_updates_of_one_row_wait_for_each_other_and_of_two_rows_do_not() {
    let mut server = server();
    let [a, b, c] = ["a", "b", "c"].map(|n| server.connect(n));
    assert_eq!(server.ok(a, "BEGIN; UPDATE orders SET total = 1 WHERE id = 7"), "UPDATE 1");
    assert_eq!(server.send(b, "UPDATE orders SET total = 2 WHERE id IN (7, 8)"), None);
    assert_eq!(server.database.blockers(b), [a]);
    assert_eq!(server.ok(c, "UPDATE orders SET total = 2 WHERE id = 9"), "UPDATE 1");
    server.ok(a, "COMMIT");
    assert_eq!(server.end_of(b), Some(Ok("UPDATE 2".to_owned())));
}

#[test]
fn a_locked_row_is_locked_and_skipped() {
    let mut server = server();
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    server.ok(a, "BEGIN; SELECT id FROM orders WHERE id = 2 FOR UPDATE");
    server.ok(b, "SELECT id FROM orders WHERE id <= 3 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 2");
    let rows = server.database.take_result(b).unwrap_or_default();
    assert_eq!(rows, [[Some("1".to_owned())], [Some("3".to_owned())]]);
    assert_eq!(server.send(b, "SELECT id FROM orders WHERE id = 2 FOR KEY SHARE"), None);
    server.ok(a, "ROLLBACK");
    assert!(server.end_of(b).is_some());
}

#[test]
fn an_update_of_the_whole_table_locks_what_it_has_done_and_leaves_the_rest_free() {
    let mut server = server();
    let [backfill, done, ahead] = ["backfill", "done", "ahead"].map(|n| server.connect(n));
    server.ok(backfill, "BEGIN");
    assert_eq!(server.working(backfill, "UPDATE orders SET currency = 'EUR'", seconds(50)), None);
    server.run_until(seconds(20));
    assert_eq!(server.send(done, "UPDATE orders SET total = 0 WHERE id = 1900000"), None);
    assert_eq!(server.database.blockers(done), [backfill]);
    server.ok(ahead, "UPDATE orders SET total = 0 WHERE id = 2100000");
    server.run_until(seconds(51));
    assert_eq!(server.end_of(backfill), Some(Ok("UPDATE 5000000".to_owned())));
    assert_eq!(server.send(ahead, "UPDATE orders SET total = 0 WHERE id = 2100000"), None);
    server.ok(backfill, "ROLLBACK");
    assert_eq!(server.end_of(done), Some(Ok("UPDATE 1".to_owned())));
    assert_eq!(server.end_of(ahead), Some(Ok("UPDATE 1".to_owned())));
}

#[test]
fn an_update_of_the_whole_table_waits_for_a_row_that_another_holds() {
    let mut server = server();
    let [holder, backfill] = ["holder", "backfill"].map(|n| server.connect(n));
    server.ok(holder, "BEGIN; UPDATE orders SET total = 1 WHERE id = 1000000");
    server.working(backfill, "UPDATE orders SET currency = 'EUR'", seconds(50));
    server.run_until(seconds(30));
    assert_eq!(server.database.blockers(backfill), [holder]);
    assert_eq!(server.send(holder, "UPDATE orders SET total = 1 WHERE id = 500"), None);
    server.run_until(seconds(32));
    let ends = [server.end_of(holder), server.end_of(backfill)];
    let deadlocks = ends.iter().flatten().filter(|e| e.as_ref().is_err_and(|e| e.starts_with("40P01")));
    assert_eq!(deadlocks.count(), 1, "{ends:?}");
}

#[test]
fn batches_by_a_condition_go_on_where_the_last_one_ended_and_end_with_no_rows() {
    let mut server = server();
    server.database.set_virtual_rows("orders", 2_500, None);
    let session = server.connect("backfill");
    let batch = "UPDATE orders SET currency = 'EUR' WHERE id IN
        (SELECT id FROM orders WHERE currency IS NULL ORDER BY id LIMIT 1000)";
    server.ok(session, "BEGIN");
    assert_eq!(server.ok(session, batch), "UPDATE 1000");
    server.ok(session, "ROLLBACK");
    for rows in [1000, 1000, 500, 0] {
        assert_eq!(server.ok(session, batch), format!("UPDATE {rows}"));
    }
    let other = server.connect("other");
    assert_eq!(server.ok(other, "UPDATE orders SET total = 1 WHERE total IS NULL"), "UPDATE 2500");
    assert_eq!(server.ok(other, "UPDATE orders SET total = 1 WHERE currency = 'USD'"), "UPDATE 2500");
}

#[test]
fn workers_that_skip_locked_rows_take_different_batches() {
    let mut server = server();
    let [a, b, reader] = ["a", "b", "reader"].map(|n| server.connect(n));
    let batch = "UPDATE orders SET currency = 'EUR' WHERE id IN
        (SELECT id FROM orders WHERE currency IS NULL ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)";
    server.ok(a, "BEGIN");
    server.ok(b, "BEGIN");
    assert_eq!(server.ok(a, batch), "UPDATE 100");
    assert_eq!(server.ok(b, batch), "UPDATE 100");
    assert_eq!(server.send(reader, "UPDATE orders SET total = 1 WHERE id = 150"), None);
    assert_eq!(server.database.blockers(reader), [b]);
}

#[test]
fn batches_by_the_key_lock_their_rows_and_no_others() {
    let mut server = server();
    let [backfill, other] = ["backfill", "other"].map(|n| server.connect(n));
    let batch = "UPDATE orders SET currency = 'EUR' WHERE id > $1 AND id <= $2";
    let id = server.database.prepare(batch).unwrap();
    server.ok(backfill, "BEGIN");
    server.execute(backfill, id, &[Value::Int(1000), Value::Int(2000)], Nanos::ZERO);
    assert_eq!(server.end_of(backfill), Some(Ok("UPDATE 1000".to_owned())));
    server.ok(other, "UPDATE orders SET total = 1 WHERE id IN (1000, 2001)");
    assert_eq!(server.send(other, "UPDATE orders SET total = 1 WHERE id = 1001"), None);
}

#[test]
fn deleted_rows_are_gone_and_batches_of_deletions_come_to_an_end() {
    let mut server = server();
    server.database.set_virtual_rows("orders", 250, None);
    let session = server.connect("cleaner");
    server.ok(session, "DELETE FROM orders WHERE id = 5");
    assert_eq!(server.ok(session, "UPDATE orders SET total = 1 WHERE id = 5"), "UPDATE 0");
    let batch = "DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE total < 0 LIMIT 100)";
    for rows in [100, 100, 49, 0] {
        assert_eq!(server.ok(session, batch), format!("DELETE {rows}"));
    }
    assert_eq!(server.single("SELECT count(*) FROM orders"), "0");
}

#[test]
fn an_insert_takes_the_next_key_and_locks_the_row_that_it_refers_to() {
    let mut server = server();
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    server.ok(a, "BEGIN; INSERT INTO orders (user_id, total) VALUES (17, 1) RETURNING id");
    assert_eq!(server.database.take_result(a), Some(vec![vec![Some("5000001".to_owned())]]));
    assert_eq!(server.ok(b, "UPDATE users SET name = 'x' WHERE id = 17"), "UPDATE 1");
    assert_eq!(server.send(b, "DELETE FROM users WHERE id = 17"), None, "the key has to stay");
    assert_eq!(server.database.blockers(b), [a]);
    server.ok(a, "ROLLBACK");
    assert_eq!(server.end_of(b), Some(Ok("DELETE 1".to_owned())));
    let nobody = server.send(a, "INSERT INTO orders (user_id, total) VALUES (17, 1)");
    assert!(nobody.is_some_and(|end| end.is_err_and(|e| e.starts_with("23503"))));
}

#[test]
fn two_inserts_of_one_key_decide_by_the_end_of_the_first() {
    let mut server = server();
    let [a, b, c] = ["a", "b", "c"].map(|n| server.connect(n));
    let insert = "INSERT INTO users (id, name) VALUES (200000, 'x')";
    server.ok(a, &format!("BEGIN; {insert}"));
    assert_eq!(server.send(b, insert), None);
    assert_eq!(server.send(c, &format!("{insert} ON CONFLICT (id) DO UPDATE SET name = 'y'")), None);
    server.ok(a, "COMMIT");
    let duplicate = "23505: duplicate key value violates unique constraint \"users_pkey\"";
    assert_eq!(server.end_of(b), Some(Err(duplicate.to_owned())));
    assert_eq!(server.end_of(c), Some(Ok("INSERT 0 1".to_owned())));
}

#[test]
fn a_value_of_another_column_always_stands_for_the_same_rows() {
    let mut server = server();
    let [a, b, c] = ["a", "b", "c"].map(|n| server.connect(n));
    let by_user = server.database.prepare("UPDATE orders SET total = 0 WHERE user_id = $1").unwrap();
    let by_email = server.database.prepare("UPDATE users SET name = 'x' WHERE email = $1").unwrap();
    server.ok(a, "BEGIN");
    server.execute(a, by_user, &[Value::Int(5)], Nanos::ZERO);
    assert_eq!(server.end_of(a), Some(Ok("UPDATE 3".to_owned())));
    server.execute(a, by_email, &[Value::text("a@b.c")], Nanos::ZERO);
    assert_eq!(server.end_of(a), Some(Ok("UPDATE 1".to_owned())));
    server.execute(b, by_user, &[Value::Int(5)], Nanos::ZERO);
    assert_eq!(server.database.state(b), SessionState::Waiting);
    server.execute(c, by_user, &[Value::Int(6)], Nanos::ZERO);
    assert_eq!(server.end_of(c), Some(Ok("UPDATE 3".to_owned())));
}

#[test]
fn definitions_keep_the_rows_and_know_what_an_added_column_holds() {
    let mut server = server();
    let session = server.connect("migration");
    server.ok(session, "ALTER TABLE orders ALTER total TYPE bigint");
    server.ok(session, "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT ''");
    server.ok(session, "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total >= 0)");
    server.ok(session, "CREATE UNIQUE INDEX ON orders (currency, id)");
    server.ok(session, "ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id)");
    let nulls = server.send(session, "ALTER TABLE orders ADD COLUMN must text NOT NULL");
    assert!(nulls.is_some_and(|end| end.is_err_and(|e| e.starts_with("23502"))));
    assert_eq!(server.single("SELECT count(*) FROM orders"), "5000000");
    server.ok(session, "BEGIN; TRUNCATE orders");
    server.ok(session, "SELECT count(*) FROM orders");
    assert_eq!(server.database.take_result(session), Some(vec![vec![Some("0".to_owned())]]));
    server.ok(session, "ROLLBACK");
    assert_eq!(server.single("SELECT count(*) FROM orders"), "5000000");
}

#[test]
fn a_copy_has_the_same_rows() {
    let mut server = server();
    let session = server.connect("session");
    server.ok(session, "INSERT INTO orders (user_id, total) VALUES (1, 1)");
    let mut copy = server.database.clone();
    assert_eq!(copy.query("SELECT count(*) FROM orders").unwrap(), [[Some("5000001".to_owned())]]);
    assert_eq!(
        copy.query("INSERT INTO orders (user_id, total) VALUES (1, 1) RETURNING id").unwrap(),
        [[Some("5000002".to_owned())]]
    );
}

#[test]
fn joined_rows_are_those_that_belong_to_each_other_as_far_as_that_is_known() {
    let mut server = server();
    let [a, b] = ["a", "b"].map(|n| server.connect(n));
    server.ok(a, "BEGIN");
    let by_key = "UPDATE orders SET currency = d.c FROM (VALUES (3, 'EUR'), (70, 'USD')) AS d (id, c)
        WHERE orders.id = d.id";
    assert_eq!(server.ok(a, by_key), "UPDATE 2");
    server.ok(b, "UPDATE orders SET total = 1 WHERE id = 4");
    assert_eq!(server.send(b, "UPDATE orders SET total = 1 WHERE id = 70"), None);
    server.ok(a, "COMMIT");
    server.end_of(b);
    let of_user = "UPDATE orders SET total = 1 FROM users WHERE users.id = orders.user_id AND users.id = 5";
    assert_eq!(server.ok(a, of_user), "UPDATE 3");
    server.ok(a, "BEGIN");
    server.ok(a, "SELECT 1 FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = 9 FOR UPDATE OF o");
    assert_eq!(server.send(b, "UPDATE orders SET total = 1 WHERE id = 9"), None);
    server.database.script("CREATE TABLE vips (user_id int); INSERT INTO vips VALUES (99999)").unwrap();
    let vips = "SELECT u.id FROM vips v JOIN users u ON u.id = v.user_id";
    assert_eq!(server.single(vips), "99999");
    assert_eq!(server.single("SELECT id FROM users WHERE id IN (SELECT user_id FROM vips)"), "99999");
}
