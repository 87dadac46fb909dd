//! Several applications on one database.

use super::{SHOP, class, run};

const WEB: &str = r#"
[migration]
start = "2 s"

[application]
name = "web"
instances = 2
pool_size = 4
acquire_timeout = "1 s"

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT state FROM orders WHERE id = $1", params = ["order"], takes = "2 ms" }]
"#;

const WORKER: &str = r#"
[[traffic]]
request = "work"
application = "worker"
rate = 20

[[applications]]
name = "worker"
instances = 3
pool_size = 1
acquire_timeout = "1 s"

[[applications.versions]]
name = "w1"

[[applications.versions.requests]]
name = "work"
transaction = true
statements = [{ sql = "UPDATE jobs SET done = true WHERE id = $1", params = ["job"], takes = "20 ms" }]
"#;

const LONG_JOB: &str = r#"
[[background]]
name = "vacuum by hand"
start = "1 s"
statements = [{ sql = "BEGIN" }, { sql = "LOCK TABLE jobs IN SHARE MODE", think = "6 s" }, { sql = "COMMIT" }]
"#;

#[test]
fn each_application_has_requests_and_pools_of_its_own() {
    let report = run(&[SHOP, WEB, WORKER], &[]);
    assert!(class(&report, "web/read").served > 200);
    assert!(class(&report, "worker/work").served > 60);
    let pools: Vec<(&str, u32)> =
        report.pools.iter().map(|pool| (pool.instance.as_str(), pool.size)).collect();
    assert_eq!(pools, [("web-1", 4), ("web-2", 4), ("worker-1", 1), ("worker-2", 1), ("worker-3", 1)]);
}

#[test]
fn a_worker_whose_pool_runs_dry_takes_no_connection_from_the_web() {
    let report = run(&[SHOP, WEB, WORKER, LONG_JOB], &[]);
    let (web, worker) = (class(&report, "web/read"), class(&report, "worker/work"));
    assert!(worker.failed["pool timeout"] > 40, "{:?}", worker.failed);
    assert!(web.failed.is_empty(), "{:?}", web.failed);
    let dry = report.pools.iter().filter(|pool| pool.first_exhausted_ms.is_some());
    assert!(dry.clone().count() == 3 && dry.clone().all(|pool| pool.instance.starts_with("worker-")));
}

#[test]
fn blame_and_chain_name_the_class_of_another_applications_requests() {
    let report = run(&[SHOP, WEB, WORKER, LONG_JOB], &[]);
    assert_eq!(report.blame[0].session, "vacuum by hand");
    assert!(report.chain[0].session.starts_with("worker-"), "{:?}", report.chain[0].session);
    let graph = report.worst_moment.as_ref().expect("requests waited");
    assert!(graph.nodes.iter().any(|node| node.label == "worker/work" && node.count == 3));
}

#[test]
fn another_application_does_not_shift_the_arrivals_of_the_first() {
    let alone = run(&[SHOP, WEB], &[]);
    let beside = run(&[SHOP, WEB, WORKER], &[]);
    assert_eq!(class(&alone, "web/read").arrived, class(&beside, "web/read").arrived);
}

#[test]
fn entries_of_one_request_add_up_to_one_class() {
    let burst =
        "[[traffic]]\nrequest = \"read\"\nkind = \"burst\"\nat = \"1 s\"\nfor = \"1 s\"\nrate = 400\n";
    let report = run(&[SHOP, burst, WEB], &[]);
    assert_eq!(report.classes.len(), 1);
    let arrived = class(&report, "web/read").arrived;
    assert!((550..750).contains(&arrived), "5 s of 50 and 1 s of 400 a second: {arrived}");
}
