//! No figure in a reply is a constant: edit the scenario and the figure changes as it should.

mod support;

use serde_json::json;
use support::{ask, edited, fresh};

const INDEX: &str = r#"{"type": "create_index", "table": "users", "column": "email", "concurrently": true}"#;
const BACKFILL: &str = r#"{"type": "backfill", "table": "users", "column": "full_name", "batch_size": 1000, "total_rows": 10000}"#;
const COLUMN: &str =
    r#"{"type": "add_column", "table": "users", "column": "status", "default": "active", "nullable": false}"#;

#[test]
fn the_index_takes_as_long_as_the_report_that_it_waits_for() {
    let seconds = |edits: &[(&str, &str)]| ask(&mut edited(edits), INDEX)["duration_seconds"].clone();
    assert_eq!(seconds(&[]), json!(120));
    assert_eq!(seconds(&[("takes = \"120 s\"", "takes = \"45 s\"")]), json!(45));
    let alone = seconds(&[("takes = \"120 s\"", "takes = \"0 s\"")]);
    assert!(alone.as_f64().unwrap() < 1.0, "{alone}");
}

#[test]
fn a_report_that_holds_no_snapshot_does_not_hold_up_the_index() {
    let edits = [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN"),
        ("takes = \"120 s\"", "takes = \"0 s\", think = \"120 s\""),
    ];
    let seconds = ask(&mut edited(&edits), INDEX)["duration_seconds"].as_f64().unwrap();
    assert!(seconds < 1.0, "{seconds}");
}

#[test]
fn a_blocking_index_says_that_it_locks_the_table_and_does_not_wait_for_the_report() {
    let message = r#"{"type": "create_index", "table": "users", "column": "email", "concurrently": false}"#;
    let reply = ask(&mut fresh(), message);
    assert_eq!(reply["table_locked"], json!(true));
    assert!(reply["duration_seconds"].as_f64().unwrap() < 20.0, "{reply}");
}

#[test]
fn twice_the_rows_take_longer_and_are_updated_more() {
    let one = ask(&mut fresh(), BACKFILL);
    let twice = BACKFILL.replace("10000", "20000");
    let two = ask(&mut edited(&[("rows = 10_000", "rows = 20_000")]), &twice);
    assert_eq!((&one["total_processed"], &one["total_updated"]), (&json!(10_000), &json!(9_500)));
    assert_eq!((&two["total_processed"], &two["total_updated"]), (&json!(20_000), &json!(19_500)));
    assert!(two["duration_seconds"].as_f64() > one["duration_seconds"].as_f64());
}

#[test]
fn what_the_new_version_has_written_is_not_updated_again() {
    let more = ask(&mut edited(&[("first = 9_501", "first = 9_001")]), BACKFILL);
    // Of 1,000 active users one or the other has not signed in for five minutes.
    assert!((9_000..9_020).contains(&more["total_updated"].as_u64().unwrap()), "{more}");
    let idle =
        ask(&mut edited(&[("soak = \"5 min\"", "soak = \"0 s\""), ("rate = 20.0", "rate = 0.0")]), BACKFILL);
    assert_eq!(idle["total_updated"], json!(10_000));
}

#[test]
fn users_who_sign_in_during_the_backfill_are_filled_by_the_application() {
    // Without a soak the application fills some of the active users while the batches run.
    let reply = ask(&mut edited(&[("soak = \"5 min\"", "soak = \"0 s\"")]), BACKFILL);
    let updated = reply["total_updated"].as_u64().unwrap();
    assert!((9_501..10_000).contains(&updated), "{updated}");
    assert_eq!(reply["total_processed"], json!(10_000));
}

#[test]
fn pauses_between_batches_are_part_of_the_duration() {
    let reply = ask(&mut edited(&[("batch_pause = \"5 s\"", "batch_pause = \"1 s\"")]), BACKFILL);
    assert_eq!(reply["duration_seconds"], json!(24));
}

#[test]
fn a_new_column_waits_for_the_reader_that_is_under_way() {
    let seconds =
        |takes| ask(&mut edited(&[("takes = \"100 ms\"", takes)]), COLUMN)["duration_seconds"].as_f64();
    assert_eq!(seconds("takes = \"100 ms\""), Some(0.1));
    assert_eq!(seconds("takes = \"3 s\""), Some(3.0));
}

#[test]
fn a_volatile_default_rewrites_the_table_and_takes_longer() {
    let message = r#"{"type": "add_column", "table": "users", "column": "token", "default": "gen_random_uuid()", "nullable": false}"#;
    let constant = ask(&mut fresh(), COLUMN);
    let volatile = ask(&mut fresh(), message);
    assert_eq!(constant["table_rewritten"], json!(false));
    assert_eq!(volatile["table_rewritten"], json!(true));
    let (fast, slow) = (&constant["duration_seconds"], &volatile["duration_seconds"]);
    assert!(slow.as_f64() > fast.as_f64(), "{constant} {volatile}");
}

#[test]
fn not_null_without_a_default_fails_on_a_table_with_rows() {
    let message = r#"{"type": "add_column", "table": "users", "column": "age", "nullable": false}"#;
    let reply = ask(&mut fresh(), message);
    assert_eq!((&reply["code"], &reply["sqlstate"]), (&json!(22), &json!("23502")));
}

#[test]
fn fewer_old_accounts_are_fewer_rows_to_copy() {
    let copy = r#"{"type": "migrate", "phase": "migrate_data", "from": "name", "to": "full_name"}"#;
    assert_eq!(ask(&mut fresh(), copy)["rows_migrated"], json!(1_000));
    let fewer = ask(&mut edited(&[("i <= 1000", "i <= 250")]), copy);
    assert_eq!(fewer["rows_migrated"], json!(250));
}

#[test]
fn an_idempotent_migration_changes_what_needs_it_once() {
    let message = r#"{"type": "migrate", "idempotent": true, "table": "users", "runs": 3}"#;
    let other = ask(&mut edited(&[("i % 100 = 0", "i % 50 = 0")]), message);
    assert_eq!((&other["rows_updated"], &other["final_state"]), (&json!(200), &json!("unchanged")));
    let growing = [(
        "SET email = lower(email) WHERE email <> lower(email)",
        "SET country = country || 'x' WHERE id <= 7",
    )];
    let other = ask(&mut edited(&growing), message);
    assert_eq!((&other["rows_updated"], &other["final_state"]), (&json!(7), &json!("changed")));
}
