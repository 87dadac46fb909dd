//! An UPDATE of many rows takes its time row by row: who meets it where.

use crate::server::Server;
use sim_clock::Nanos;
use transactions::SessionState;

const SCHEMA: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, v int, v2 int);
    INSERT INTO orders SELECT i, 0, NULL FROM generate_series(1, 1000) i";

fn second(tenths: u64) -> Nanos {
    Nanos::from_millis(tenths * 100)
}

#[test]
fn rows_that_a_long_update_has_not_come_to_are_free() {
    let mut server = Server::new(SCHEMA);
    let [backfill, done, ahead] = ["backfill", "done", "ahead"].map(|n| server.connect(n));
    assert_eq!(server.working(backfill, "UPDATE orders SET v2 = 1", second(10)), None);
    server.run_until(second(5));
    assert_eq!(server.send(done, "UPDATE orders SET v = 1 WHERE id = 400"), None);
    assert_eq!(server.database.blockers(done), [backfill]);
    server.ok(ahead, "UPDATE orders SET v = 1 WHERE id = 600");
    server.run_until(second(11));
    assert_eq!(server.end_of(backfill), Some(Ok("UPDATE 1000".to_owned())));
    assert_eq!(server.end_of(done), Some(Ok("UPDATE 1".to_owned())));
    assert_eq!(server.single("SELECT count(*) FROM orders WHERE v2 = 1 AND v = 1"), "2");
}

#[test]
fn a_long_update_waits_where_another_holds_a_row_and_its_time_goes_on_afterwards() {
    let mut server = Server::new(SCHEMA);
    let [backfill, holder] = ["backfill", "holder"].map(|n| server.connect(n));
    server.ok(holder, "BEGIN; UPDATE orders SET v = 1 WHERE id = 300");
    server.working(backfill, "DELETE FROM orders", second(10));
    server.run_until(second(20));
    assert_eq!(server.database.state(backfill), SessionState::Waiting);
    server.ok(holder, "COMMIT");
    server.run_until(Nanos::from_millis(2_690));
    assert_eq!(server.end_of(backfill), None, "seven tenths are still to do");
    server.run_until(Nanos::from_millis(2_710));
    assert_eq!(server.end_of(backfill), Some(Ok("DELETE 1000".to_owned())));
}

#[test]
fn rows_come_in_the_order_of_the_index_if_there_is_no_other_way() {
    let mut server = Server::new(SCHEMA);
    let [backfill, other] = ["backfill", "other"].map(|n| server.connect(n));
    // The new version stands at the end of the table's file.
    server.ok(other, "UPDATE orders SET v = 1 WHERE id = 5");
    let update = "UPDATE orders SET v2 = 1 WHERE id BETWEEN 1 AND 1000";
    server.working(backfill, update, second(10));
    server.run_until(second(5));
    server.ok(other, "UPDATE orders SET v = 1 WHERE id = 5");
    server.run_until(second(11));
    server.ok(other, "UPDATE orders SET v = 1 WHERE id = 5");
    server.ok(backfill, "SET enable_seqscan = off; SET enable_bitmapscan = off");
    server.end_of(backfill);
    server.working(backfill, update, second(10));
    server.run_until(second(16));
    assert_eq!(server.send(other, "UPDATE orders SET v = 1 WHERE id = 5"), None);
}
