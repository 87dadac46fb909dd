//! Retries and health checks while a table is locked and pools run dry.

use reports::Report;

use super::{SHOP, class, run};

/// A session that locks the table that requests read, for five seconds.
const HOLDER: &str = r#"
[migration]
start = "8 s"

[[background]]
name = "holder"
start = "2 s"
statements = [
    { sql = "BEGIN" },
    { sql = "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", think = "5 s" },
    { sql = "COMMIT" },
]
"#;

fn stuck(application: &str) -> Report {
    let web = format!(
        r#"
[application]
name = "web"
instances = 2
pool_size = 3
acquire_timeout = "500 ms"
{application}

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{{ sql = "SELECT state FROM orders WHERE id = $1", params = ["order"], takes = "2 ms" }}]
"#
    );
    run(&[SHOP, HOLDER, &web], &[])
}

fn failed(report: &Report, cause: &str) -> u64 {
    class(report, "web/read").failed.get(cause).copied().unwrap_or(0)
}

const CHECK: &str =
    "[application.health_check]\nevery = \"500 ms\"\ntimeout = \"400 ms\"\nunhealthy_after = 2\n";

#[test]
fn a_check_through_the_pool_takes_every_instance_out_when_the_pools_run_dry() {
    let report = stuck(CHECK);
    assert!(failed(&report, "no instance") > 50, "{:?}", class(&report, "web/read").failed);
}

#[test]
fn a_check_with_a_connection_of_its_own_does_not_feel_the_pool() {
    let report = stuck(&format!("{CHECK}connection = \"own\"\n"));
    assert_eq!(failed(&report, "no instance"), 0);
    assert!(failed(&report, "pool timeout") > 100);
    assert_eq!(report.connections.peak, 2 * (3 + 1) + 2, "holder and migration");
}

#[test]
fn a_request_that_got_no_connection_is_tried_again() {
    let report = stuck("retries = { attempts = 20, backoff = \"500 ms\" }");
    assert!(class(&report, "web/read").failed.is_empty(), "{:?}", class(&report, "web/read").failed);
}

#[test]
fn only_the_causes_that_are_named_are_tried_again() {
    let report = stuck("retries = { attempts = 20, backoff = \"500 ms\", on = [\"40P01\"] }");
    assert!(failed(&report, "pool timeout") > 100);
}
