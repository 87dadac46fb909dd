//! Broken scenario files: every fault has its place, an excerpt and a remedy.

use scenarios::{Loaded, ScenarioError};

/// A scenario that has all sections.
const WHOLE: &str = include_str!("support/whole.toml");

/// What is broken, the text that is replaced, the text that takes its place.
const BROKEN: &[(&str, &str, &str)] = &[
    ("a line that is not TOML", "seed = 7", "seed 7"),
    ("a string without its end", "name = \"web\"", "name = \"web"),
    ("a key twice", "seed = 7", "seed = 7\nseed = 8"),
    ("a section that is missing", "[migration]", "[other]"),
    ("a key with a typing error", "pool_size = 4", "pool_sise = 4"),
    ("a key that is like none", "pool_size = 4", "colour = \"red\""),
    ("an unknown section", "[budget]", "[bugdet]"),
    ("an unknown key of traffic", "rate = 20.0", "rate = 20.0\nrequets = \"read\""),
    ("a key of another kind of traffic", "rate = 20.0", "rate = 20.0\nfor = \"3 s\""),
    ("an unknown key of a background session", "jitter = \"1 s\"", "jiter = \"1 s\""),
    ("an unknown key of a deployment", "batch_size = 2", "batchsize = 2"),
    ("an unknown kind of traffic", "kind = \"burst\"", "kind = \"brust\""),
    ("a kind of traffic that is no text", "kind = \"burst\"", "kind = 3"),
    ("an unknown strategy", "strategy = \"rolling\"", "strategy = \"big bang\""),
    ("an unknown start of a deployment", "start = \"during\"", "start = \"durin\""),
    (
        "a start of a deployment with an unknown key",
        "start = \"during\"",
        "start = { after_stap = \"0001\" }",
    ),
    ("a burst without its rate", "rate = 200", ""),
    ("a list in place of a text", "name = \"web\"", "name = [\"web\"]"),
    ("a text in place of a number", "instances = 2", "instances = \"2\""),
    ("a fraction in place of a whole number", "instances = 2", "instances = 2.5"),
    ("no instances", "instances = 2", "instances = 0"),
    ("a number that is too great", "instances = 2", "instances = 5_000_000_000"),
    ("a server that is not modelled", "version = 17", "version = 11"),
    ("a span without its unit", "acquire_timeout = \"5 s\"", "acquire_timeout = 5"),
    ("a span with an unknown unit", "acquire_timeout = \"5 s\"", "acquire_timeout = \"5 seconds\""),
    ("a size with an unknown unit", "bytes = \"12 GB\"", "bytes = \"12 GiB\""),
    ("a share without its sign", "failed_requests = \"0.1 %\"", "failed_requests = \"0.1\""),
    ("a time of day that is none", "[\"12:00\", 180]", "[\"25:00\", 180]"),
    ("a point of a curve without its rate", "[\"12:00\", 180]", "[\"12:00\"]"),
    ("a negative rate", "rate = 20.0", "rate = -1"),
    ("a rate without end", "rate = 20.0", "rate = inf"),
    ("a version without requests", "name = \"v2\"\nrequests = []", "name = \"v2\""),
    ("an unknown preset", "preset = \"pgroll\"", "preset = \"pgrol\""),
    ("a preset that is like none", "preset = \"pgroll\"", "preset = \"mine\""),
    ("a preset with a key of a policy", "preset = \"pgroll\"", "preset = \"pgroll\", attempts = 3"),
    ("an unknown runner", "runner = \"sqlx\"", "runner = \"slqx\""),
    ("an unknown rate of work", "scan_row = \"1 us\"", "scan_rows = \"1 us\""),
    ("several faults", "seed = 7", "seed = \"7\"\ncolour = 1"),
    ("an unknown request", "request = \"read\"\nrate = 20.0", "request = \"raed\"\nrate = 20.0"),
    ("an unknown application", "application = \"worker\"", "application = \"wroker\""),
    ("an unknown version of a deployment", "to = \"v2\"", "to = \"v3\""),
    ("an unknown first version", "version = \"v1\"", "version = \"v0\""),
    ("an unknown instance", "\"web-2\"", "\"web-9\""),
    ("a version that an instance cannot fail on", "[\"v2\"]", "[\"v7\"]"),
    ("an unknown key of a statement", "params = [\"user\"]", "params = [\"usr\"]"),
    ("a parameter that nothing stands for", "params = [\"user\"]", "params = []"),
    ("a parameter too many", "params = [\"user\"]", "params = [\"user\", \"user\"]"),
    (
        "a step that the migration does not have",
        "start = \"during\"",
        "start = { after_step = \"0003_add\" }",
    ),
    ("a file of a step that is not there", "file = \"0002\"", "file = \"0009\""),
    (
        "a runner's lock on a table that it does not keep",
        "runner = \"sqlx\"",
        "runner = \"plain\"\nrunner_lock = \"table\"",
    ),
    ("an unknown lock of a runner", "runner = \"sqlx\"", "runner = \"sqlx\"\nrunner_lock = \"advisroy\""),
    (
        "an unknown start check",
        "acquire_timeout = \"5 s\"",
        "acquire_timeout = \"5 s\"\nstart_check = \"none\"",
    ),
    ("two versions of one name", "name = \"v2\"\nrequests = []", "name = \"v1\"\nrequests = []"),
    ("two applications of one name", "name = \"worker\"", "name = \"web\""),
    ("a pool without room", "pool_size = 4", "pool_size = 98"),
    (
        "no connection for anyone",
        "superuser_reserved_connections = 3",
        "superuser_reserved_connections = 100",
    ),
    ("a setting that the server does not have", "version = 17", "version = 16"),
    ("a deadlock timeout of nothing", "deadlock_timeout = \"1 s\"", "deadlock_timeout = \"0 s\""),
    ("a schema twice", "deadlock_timeout = \"1 s\"", "schema_file = \"schema.sql\""),
    ("files besides a directory", "runner = \"sqlx\"", "runner = \"sqlx\"\nfiles = [\"1.sql\"]"),
    ("a migration after the end", "until = \"60 s\"", "until = \"1 s\""),
    ("a burst after the end", "at = \"10 s\"", "at = \"2 min\""),
    ("a burst of no duration", "for = \"5 s\"", "for = \"0 s\""),
    ("a day that runs backwards", "[\"12:00\", 180]", "[\"00:00\", 180]"),
    ("keys that end before they begin", "last = 10_000", "last = 0"),
    ("a session that begins again at once", "every = \"20 s\"", "every = \"0 s\""),
    ("a session after the end", "start = \"3 s\"", "start = \"70 s\""),
    ("a pause that ends before it begins", "cap = \"60 s\"", "cap = \"1 ms\""),
    ("what is no SQLSTATE", "on = [\"55P03\"]", "on = [\"lock timeout\"]"),
    ("more failures than requests", "failed_requests = \"0.1 %\"", "failed_requests = \"101 %\""),
    (
        "more canaries than instances",
        "strategy = \"rolling\"\nbatch_size = 2",
        "strategy = \"canary\"\ncanaries = 3\nwatch = \"1 s\"",
    ),
    ("a statement that cannot be read", "SELECT name FROM users", "SELEC name FROM users"),
    ("two statements in one entry", "SELECT name FROM users", "SELECT 1; SELECT name FROM users"),
    ("a median above the rest", "p99 = \"20 ms\"", "p99 = \"1 ms\""),
    ("a variation of nothing", "sql = \"COMMIT\"", "sql = \"COMMIT\", varies = \"exponential\""),
    ("an empty window", "from = \"10 s\"", "from = \"10 min\""),
];

fn fault(text: &str) -> String {
    match Loaded::embedded_text(text) {
        Ok(_) => "no fault".to_owned(),
        Err(ScenarioError::NotAScenario(faults)) => faults.to_string(),
        Err(other) => other.to_string(),
    }
}

#[test]
fn the_whole_file_has_no_fault() {
    assert_eq!(fault(WHOLE), "no fault");
}

#[test]
fn the_example_of_the_manual_has_no_fault() {
    let page = include_str!("../../../docs/scenario-format.md");
    let example = page.split_once("```toml\n").and_then(|rest| rest.1.split_once("```")).unwrap().0;
    assert_eq!(fault(example), "no fault");
}

#[test]
fn every_fault_has_its_place_and_a_remedy() {
    let mut report = String::new();
    for (name, right, wrong) in BROKEN {
        assert_eq!(WHOLE.matches(right).count(), 1, "{name}: {right:?} stands there once");
        let fault = fault(&WHOLE.replace(right, wrong));
        assert_ne!(fault, "no fault", "{name}");
        assert!(fault.contains("help: "), "{name}: {fault}");
        report.push_str(&format!("## {name}\n{fault}\n\n"));
    }
    insta::assert_snapshot!(report);
}
