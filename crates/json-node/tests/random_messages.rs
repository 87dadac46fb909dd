//! Random sessions: nothing panics, every request is answered once, errors change nothing.

mod support;

use json_node::Item;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::edited;

/// A small world: the sequences are what is tested, not the figures.
const SMALL: [(&str, &str); 5] = [
    ("rows = 10_000", "rows = 200"),
    ("first = 9_501\nlast = 10_000", "first = 150\nlast = 200"),
    ("rows = 2_000", "rows = 20"),
    ("soak = \"5 min\"", "soak = \"2 s\""),
    ("takes = \"120 s\"", "takes = \"2 s\""),
];

fn name() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(json!("users")),
        2 => prop_oneof![Just("full_name"), Just("name"), Just("email"), Just("posts"), Just("id")].prop_map(|name| json!(name)),
        1 => any::<String>().prop_map(|text| json!(text)),
        1 => Just(json!(null)),
        1 => any::<i64>().prop_map(|number| json!(number)),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (1_u32..500).prop_map(|number| json!(number)),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(2.5)),
        Just(json!("7")),
    ]
}

fn body() -> impl Strategy<Value = Value> {
    let table = || name();
    prop_oneof![
        2 => Just(json!({"type": "migrate"})),
        2 => Just(json!({"type": "rollback"})),
        2 => Just(json!({"type": "status"})),
        2 => (table(), name()).prop_map(|(table, column)| json!({"type": "migrate", "phase": "expand", "table": table, "add_column": column})),
        2 => (name(), name()).prop_map(|(from, to)| json!({"type": "migrate", "phase": "migrate_data", "from": from, "to": to})),
        2 => (table(), name()).prop_map(|(table, column)| json!({"type": "migrate", "phase": "contract", "table": table, "remove_column": column})),
        2 => (table(), name(), any::<bool>(), proptest::option::of(number())).prop_map(|(table, column, concurrently, limit)| json!({
            "type": "create_index", "table": table, "column": column, "concurrently": concurrently, "max_lock_duration_ms": limit})),
        2 => (table(), name(), name(), any::<bool>()).prop_map(|(table, column, default, nullable)| json!({
            "type": "add_column", "table": table, "column": column, "default": default, "nullable": nullable})),
        1 => (table(), name(), number()).prop_map(|(table, column, batch)| json!({
            "type": "backfill", "table": table, "column": column, "batch_size": batch})),
        1 => (table(), number(), number()).prop_map(|(table, batch, total)| json!({
            "type": "migrate_data", "table": table, "batch_size": batch, "total_rows": total})),
        1 => (table(), name()).prop_map(|(table, check)| json!({"type": "validate", "table": table, "validations": [check, "no_nulls"]})),
        1 => (table(), number()).prop_map(|(table, runs)| json!({"type": "migrate", "idempotent": true, "table": table, "runs": runs})),
        1 => name().prop_map(|kind| json!({"type": kind})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]
    #[test]
    fn every_request_is_answered_once_and_errors_change_nothing(bodies in prop::collection::vec(body(), 1..8)) {
        let mut node = edited(&SMALL);
        let mut without_errors = edited(&SMALL);
        for (id, mut body) in bodies.into_iter().enumerate() {
            body["msg_id"] = json!(id);
            let reply = node.answer(Item::Value(body.clone())).expect("a request with a msg_id has a reply");
            prop_assert!(!reply.contains('\n'));
            let value: Value = serde_json::from_str(&reply).expect("a reply is JSON");
            prop_assert_eq!(&value["in_reply_to"], &json!(id));
            if value["type"] != "error" {
                // A node that never saw the requests that failed gives the same answer.
                prop_assert_eq!(&without_errors.answer(Item::Value(body)), &Some(reply));
            } else {
                prop_assert!(value["code"].as_u64().is_some_and(|code| code != 13), "{}", reply);
            }
        }
    }
}
