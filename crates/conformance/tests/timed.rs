//! Recorded outages against the simulator.

use std::path::Path;

use conformance::timed::{Comparison, Recording, compare, parse};

/// Recordings of which every figure agrees.
const WHOLE: [&str; 15] = [
    "alter_lt1000_fixed2000_long10s",
    "alter_lt500_exp500_long10s",
    "alter_naive_long10s",
    "alter_naive_long5s_pool100",
    "alter_naive_nolong",
    "app_lock_timeout300",
    "backfill_hotrows_one_update",
    "cic_long_same_write",
    "create_index_3s",
    "check_direct_3s",
    "idle_in_txn_9s",
    "mig_statement_timeout2000",
    "migration_two_tables_one_txn",
    "rewrite_type_3s",
    "two_migrations_deadlock",
];

fn recording(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/timed/{name}.json.gz"));
    parse(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn users_wait_as_long_behind_a_waiting_migration_as_they_did_on_a_real_server() {
    for name in WHOLE {
        let compared = compare(&recording(name)).unwrap();
        let missed: Vec<&Comparison> = compared.iter().filter(|metric| !metric.agrees()).collect();
        assert!(missed.is_empty(), "{name}: {missed:#?}");
    }
}

#[test]
fn a_pool_that_looks_late_tells_its_caller_in_time() {
    let compared = compare(&recording("pool10_pool_timeout1000")).unwrap();
    let missed: Vec<&Comparison> = compared.iter().filter(|metric| !metric.agrees()).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}
