//! How fast the node answers: `status` messages and whole `add_column` rehearsals.
//!
//! `cargo bench -p json-node` prints CPU time of this thread: what the node takes, whoever else is at work.

use std::time::Duration;

use json_node::{Item, Node, NodeOptions};
use rustix::time::{ClockId, clock_gettime};
use scenarios::Loaded;
use serde_json::json;

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn fresh() -> Node {
    let loaded = Loaded::embedded().expect("the embedded default is a scenario");
    Node::new(loaded, NodeOptions::default()).expect("its SQL runs")
}

fn main() {
    let mut node = fresh();
    let started = cpu_time();
    let statuses = 100_000_u32;
    for id in 0..statuses {
        let reply = node.answer(Item::Value(json!({"type": "status", "msg_id": id})));
        assert!(reply.is_some_and(|reply| reply.contains("migration_status")));
    }
    let per_second = f64::from(statuses) / (cpu_time() - started).as_secs_f64();
    println!("status      {statuses:>6} messages {per_second:>10.0} a second");

    let columns = 1_000_u32;
    let mut spent = Vec::with_capacity(columns as usize);
    for id in 0..columns {
        let message = json!({
            "type": "add_column", "msg_id": id, "table": "users", "column": format!("c{id}"),
            "default": "active", "nullable": false,
        });
        let started = cpu_time();
        let reply = node.answer(Item::Value(message));
        spent.push(cpu_time() - started);
        assert!(reply.is_some_and(|reply| reply.contains("column_added")));
    }
    let median = |spent: &[Duration]| {
        let mut spent = spent.to_vec();
        spent.sort_unstable();
        (spent[spent.len() / 2], spent[spent.len() * 99 / 100])
    };
    let total: Duration = spent.iter().sum();
    let per_second = f64::from(columns) / total.as_secs_f64();
    let (middle, late) = median(&spent);
    println!(
        "add_column  {columns:>6} messages {per_second:>10.0} a second, median {middle:?}, p99 {late:?}"
    );
    // The first message also fills the tables.
    for (number, hundred) in spent[1..].chunks(100).enumerate().step_by(3) {
        let (middle, _) = median(hundred);
        println!("            with {:>4} columns more: median {middle:?}", number * 100);
    }
}
