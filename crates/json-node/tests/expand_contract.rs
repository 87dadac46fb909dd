//! Expand, migrate, contract: what may be taken for granted, and what is refused.

mod support;

use json_node::{Item, Node, NodeOptions};
use scenarios::Loaded;
use serde_json::json;
use support::{ask, edited, fresh};

const EXPAND: &str = r#"{"type": "migrate", "phase": "expand", "table": "users", "add_column": "full_name"}"#;
const COPY: &str = r#"{"type": "migrate", "phase": "migrate_data", "from": "name", "to": "full_name"}"#;
const CONTRACT: &str =
    r#"{"type": "migrate", "phase": "contract", "table": "users", "remove_column": "name"}"#;
const ROLLBACK: &str = r#"{"type": "rollback"}"#;

#[test]
fn contract_on_a_fresh_node_takes_its_first_steps_for_granted() {
    let reply = ask(&mut fresh(), CONTRACT);
    assert_eq!((&reply["version"], &reply["schema"]), (&json!(3), &json!("users (full_name)")));
}

#[test]
fn contract_is_refused_and_names_the_instance_that_cannot_be_moved() {
    let edits = [("name = \"web\"", "name = \"web\"\nfails_health_check = { \"web-2\" = [\"v3\"] }")];
    let mut node = edited(&edits);
    ask(&mut node, EXPAND);
    ask(&mut node, COPY);
    let refused = ask(&mut node, CONTRACT);
    assert_eq!((&refused["code"], &refused["instances"]), (&json!(22), &json!(["web-2"])), "{refused}");
    // The old column is still there: adding it again says so.
    let again = r#"{"type": "add_column", "table": "users", "column": "name"}"#;
    assert_eq!(ask(&mut node, again)["code"], json!(21));
}

#[test]
fn once_a_step_was_taken_the_others_are_not_taken_for_granted() {
    let mut node = fresh();
    ask(&mut node, EXPAND);
    let refused = ask(&mut node, CONTRACT);
    assert_eq!(refused["code"], json!(22), "{refused}");
    assert!(refused["text"].as_str().unwrap().contains("1000 rows"), "{refused}");
    ask(&mut node, COPY);
    assert_eq!(ask(&mut node, CONTRACT)["version"], json!(3));
}

#[test]
fn expanding_twice_is_an_error() {
    let mut node = fresh();
    assert_eq!(ask(&mut node, EXPAND)["backward_compatible"], json!(true));
    assert_eq!(ask(&mut node, EXPAND)["code"], json!(21));
}

#[test]
fn a_third_rollback_of_two_migrations_is_an_error() {
    let mut node = fresh();
    assert_eq!(ask(&mut node, ROLLBACK)["version"], json!(2));
    assert_eq!(ask(&mut node, ROLLBACK)["version"], json!(1));
    assert_eq!(ask(&mut node, ROLLBACK)["code"], json!(22));
}

#[test]
fn a_second_migrate_applies_nothing() {
    let mut node = fresh();
    let message = r#"{"type": "migrate"}"#;
    assert_eq!(ask(&mut node, message)["count"], json!(2));
    assert_eq!(ask(&mut node, message)["count"], json!(0));
    assert_eq!(ask(&mut node, ROLLBACK)["version"], json!(2));
    assert_eq!(ask(&mut node, message)["count"], json!(1));
}

#[test]
fn a_strict_node_takes_nothing_for_granted() {
    let options = NodeOptions { strict: true, ..NodeOptions::default() };
    let mut node = Node::new(Loaded::embedded().unwrap(), options).unwrap();
    for message in [EXPAND, COPY, CONTRACT, ROLLBACK] {
        let reply = ask(&mut node, message);
        assert_eq!(reply["type"], json!("error"), "{message}: {reply}");
    }
    assert_eq!(ask(&mut node, r#"{"type": "migrate"}"#)["count"], json!(2));
    assert_eq!(ask(&mut node, EXPAND)["version"], json!(1));
}

#[test]
fn a_failed_validation_restores_what_the_backfill_overwrote() {
    // A source that yields NULL for some rows leaves them without a value.
    let fill = "fill = \"coalesce(name, given_name || ' ' || family_name)\"";
    let mut node = edited(&[(fill, "fill = \"CASE WHEN id <= 9500 AND id > 40 THEN 'Name ' || id END\"")]);
    let backfill = r#"{"type": "backfill", "table": "users", "column": "full_name", "batch_size": 5000}"#;
    let first = ask(&mut node, backfill);
    let checks = r#"{"type": "validate", "table": "users", "validations": ["no_nulls", "email_format"]}"#;
    let results = ask(&mut node, checks);
    assert_eq!(results["results"][0], json!({"name": "no_nulls", "passed": false, "failed_rows": 40}));
    assert_eq!(results["results"][1]["passed"], json!(true));
    assert_eq!(results["restored_from_backup"], json!(true));
    let again = ask(&mut node, backfill);
    assert_eq!(again["total_updated"], first["total_updated"]);
}

#[test]
fn more_validations_are_known_by_name() {
    let mut node = fresh();
    let checks = json!({"type": "validate", "table": "users", "validations": [
        {"name": "unique", "column": "email"},
        {"name": "unique", "column": "country"},
        {"name": "length", "column": "given_name", "max": 9},
        {"name": "in_range", "column": "id", "min": 1, "max": 9_000},
    ]});
    let reply = ask(&mut node, &checks.to_string());
    let failed: Vec<u64> =
        reply["results"].as_array().unwrap().iter().map(|one| one["failed_rows"].as_u64().unwrap()).collect();
    assert_eq!(failed[0], 0);
    // Country has one value for the loaded rows and perhaps another for those who signed up since.
    assert!(failed[1] >= 9_998, "{failed:?}");
    assert_eq!(failed[2], 1, "only Given10000 is longer than 9");
    assert!(failed[3] >= 1_000, "{failed:?}");
    let orphans = json!({"type": "validate", "table": "posts", "validations": [{"name": "no_orphans", "column": "user_id"}]});
    assert_eq!(ask(&mut node, &orphans.to_string())["results"][0]["failed_rows"], json!(0));
}

#[test]
fn maelstrom_errors_travel_in_envelopes() {
    let mut node = fresh();
    let ask_in_envelope = |node: &mut Node, body: serde_json::Value| {
        let message = json!({"id": 7, "src": "c1", "dest": "n3", "body": body});
        serde_json::from_str::<serde_json::Value>(&node.answer(Item::Value(message)).unwrap()).unwrap()
    };
    let init = json!({"type": "init", "msg_id": 1, "node_id": "n3", "node_ids": ["n3"]});
    assert_eq!(ask_in_envelope(&mut node, init)["body"]["type"], json!("init_ok"));
    let error = ask_in_envelope(&mut node, json!({"type": "fly", "msg_id": 2}));
    assert_eq!((&error["src"], &error["dest"]), (&json!("n3"), &json!("c1")));
    assert_eq!((&error["body"]["code"], &error["body"]["in_reply_to"]), (&json!(10), &json!(2)));
    assert_eq!(error["body"]["msg_id"], json!(1));
}
