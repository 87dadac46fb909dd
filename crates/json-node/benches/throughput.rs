//! How fast the node answers: `status` messages and whole `add_column` rehearsals.
//!
//! `cargo bench -p json-node` prints messages a second, wall-clock time of this process alone.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::time::Instant;

use json_node::{Item, Node, NodeOptions};
use scenarios::Loaded;
use serde_json::json;

fn fresh() -> Node {
    let loaded = Loaded::embedded().expect("the embedded default is a scenario");
    Node::new(loaded, NodeOptions::default()).expect("its SQL runs")
}

fn main() {
    let mut node = fresh();
    let started = Instant::now();
    let statuses = 10_000_u32;
    for id in 0..statuses {
        let reply = node.answer(Item::Value(json!({"type": "status", "msg_id": id})));
        assert!(reply.is_some_and(|reply| reply.contains("migration_status")));
    }
    let per_second = f64::from(statuses) / started.elapsed().as_secs_f64();
    println!("status      {statuses:>6} messages {per_second:>10.0} a second");

    let columns = 1_000_u32;
    let mut spent = Vec::with_capacity(columns as usize);
    for id in 0..columns {
        let message = json!({
            "type": "add_column", "msg_id": id, "table": "users", "column": format!("c{id}"),
            "default": "active", "nullable": false,
        });
        let started = Instant::now();
        let reply = node.answer(Item::Value(message));
        spent.push(started.elapsed());
        assert!(reply.is_some_and(|reply| reply.contains("column_added")));
    }
    spent.sort_unstable();
    let total: std::time::Duration = spent.iter().sum();
    let per_second = f64::from(columns) / total.as_secs_f64();
    println!(
        "add_column  {columns:>6} messages {per_second:>10.0} a second, median {:?}, p99 {:?}",
        spent[spent.len() / 2],
        spent[spent.len() * 99 / 100]
    );
}
