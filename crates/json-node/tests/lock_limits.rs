//! A lock not had in time aborts the change and leaves everything as it was.

mod support;

use serde_json::{Value, json};
use support::{ask, edited, fresh};

fn with_limit(message: &str, limit: u64) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    message["max_lock_duration_ms"] = limit.into();
    message.to_string()
}

#[track_caller]
fn aborts_then_succeeds(message: &str, limit: u64, mode: &str, blocker: &str) {
    let mut node = fresh();
    let refused = ask(&mut node, &with_limit(message, limit));
    assert_eq!(refused["code"], json!(14), "{refused}");
    assert_eq!(refused["lock_mode"], json!(mode), "{refused}");
    assert_eq!(refused["waited_ms"], json!(limit), "{refused}");
    assert_eq!(refused["rolled_back"], json!(true), "{refused}");
    assert!(refused["blocked_by"].as_array().unwrap().contains(&json!(blocker)), "{refused}");
    let done = ask(&mut node, message);
    assert_ne!(done["type"], json!("error"), "{done}");
}

#[test]
fn a_column_gives_way_to_a_reader() {
    let message = r#"{"type": "add_column", "table": "users", "column": "status", "default": "active"}"#;
    aborts_then_succeeds(message, 50, "AccessExclusiveLock", "country statistics");
}

#[test]
fn a_concurrent_index_gives_up_on_a_long_snapshot_and_leaves_no_invalid_index() {
    let message = r#"{"type": "create_index", "table": "users", "column": "email", "concurrently": true}"#;
    aborts_then_succeeds(message, 1_000, "ShareLock", "invoice report");
}

#[test]
fn a_blocking_index_gives_way_to_a_writer() {
    let writer = "UPDATE users SET country = 'no' WHERE id = 1";
    let edits = [
        ("SELECT count(*) FROM users WHERE country = 'no'", writer),
        ("takes = \"100 ms\"", "takes = \"2 s\""),
    ];
    let mut node = edited(&edits);
    let message = r#"{"type": "create_index", "table": "users", "column": "country", "concurrently": false}"#;
    let refused = ask(&mut node, &with_limit(message, 300));
    assert_eq!((&refused["code"], &refused["lock_mode"]), (&json!(14), &json!("ShareLock")), "{refused}");
    assert_eq!(ask(&mut node, message)["type"], json!("index_created"));
}

#[test]
fn a_batch_gives_way_to_the_holder_of_a_row() {
    let edits = [
        ("SELECT count(*) FROM users WHERE country = 'no'", "UPDATE users SET country = 'no' WHERE id = 1"),
        ("takes = \"100 ms\"", "takes = \"2 s\""),
    ];
    let mut node = edited(&edits);
    let message = r#"{"type": "migrate_data", "table": "users", "batch_size": 1000, "total_rows": 10000}"#;
    let refused = ask(&mut node, &with_limit(message, 200));
    assert_eq!((&refused["code"], &refused["waited_ms"]), (&json!(14), &json!(200)), "{refused}");
    assert_eq!(ask(&mut node, message)["total_rows"], json!(10_000));
}

#[test]
fn a_limit_that_is_long_enough_changes_nothing() {
    let message = r#"{"type": "add_column", "table": "users", "column": "status", "default": "active"}"#;
    assert_eq!(ask(&mut fresh(), &with_limit(message, 5_000)), ask(&mut fresh(), message));
}
