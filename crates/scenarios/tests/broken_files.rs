//! Broken scenario files: every fault has its place, an excerpt and a remedy.

use std::collections::BTreeSet;

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
    assert_eq!(fault(&example(page)), "no fault");
}

/// The blocks of a page, one file together.
fn example(page: &str) -> String {
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// What may be named in a scenario: the properties of the schema, wherever they stand in it.
fn properties(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(parts) => {
            if let Some(serde_json::Value::Object(named)) = parts.get("properties") {
                into.extend(named.keys().cloned());
            }
            parts.values().for_each(|part| properties(part, into));
        }
        serde_json::Value::Array(parts) => parts.iter().for_each(|part| properties(part, into)),
        _ => {}
    }
}

/// The keys of a TOML value, wherever they stand in it.
fn keys(value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(entries) => {
            into.extend(entries.keys().cloned());
            entries.values().for_each(|entry| keys(entry, into));
        }
        toml::Value::Array(entries) => entries.iter().for_each(|entry| keys(entry, into)),
        _ => {}
    }
}

#[test]
fn the_manual_shows_every_key_there_is() {
    let example = example(include_str!("../../../docs/scenario-format.md"));
    let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
    properties(&scenarios::json_schema(), &mut known);
    keys(&toml::Value::Table(example.parse().unwrap()), &mut shown);
    // What excludes another key stands in a comment.
    let excluded = example.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    let excluded: Vec<(&str, &str)> = excluded.filter(|one| known.contains(one.0)).collect();
    shown.extend(excluded.iter().map(|one| one.0.to_owned()));
    let rates: BTreeSet<String> = schema_rules::cost::Rate::ALL
        .iter()
        .map(|rate| rate.name().trim_end_matches("_ns").to_owned())
        .collect();
    let missing: Vec<&String> = known.difference(&shown).filter(|name| !rates.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/scenario-format.md does not show {missing:?}");
    for (key, value) in excluded {
        let line = format!("{key} = {value}");
        let fault = fault(&example.replacen(&format!("# {line}"), &line, 1));
        assert!(!fault.contains("unknown") && fault != "no fault", "{line}: {fault}");
    }
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

const HEADER: &str = r#"{"rehearsal_trace":1,"sources":[],"start":"2026-01-01T00:00:00Z","duration_us":1000,"basis":{"arrivals":"measured","service_times":"measured","think_times":"measured","lock_waits":"absent","rows":"absent","texts":"measured"},"sampling":{"kind":"complete"},"counts":{"transactions":0,"statements":0,"sessions":0,"failures":0,"lock_waits":0,"source_lines":0,"skipped":0}}"#;
const RECORD: &str =
    r#"{"at_us":5,"session":"a","end":"autocommit","statements":[{"text":"SELECT 1","fingerprint":"a"}]}"#;

/// What is broken, the file, its text; `HEADER` and `RECORD` stand for lines of a trace.
const FILES: &[(&str, &str, &str)] = &[
    ("a schema that is not SQL", "schema.sql", "hello world;"),
    ("a schema that is cut", "schema.sql", "CREATE TABLE a (b int);\nCREATE TABLE c (d"),
    ("a schema with a string without its end", "schema.sql", "CREATE TABLE a (b text DEFAULT 'x);"),
    ("a schema with a table twice", "schema.sql", "CREATE TABLE a (b int);\n\nCREATE TABLE a (b int);"),
    ("a schema with an index on no table", "schema.sql", "CREATE INDEX ON a (b);"),
    ("a schema with an unknown type", "schema.sql", "CREATE TABLE a (b citext);"),
    ("a schema with a key that refers to nothing", "schema.sql", "CREATE TABLE a (b int REFERENCES c (d));"),
    ("a schema without the tables of the requests", "schema.sql", "CREATE TABLE a (b int);"),
    ("a trace that is empty", "trace.ndjson", ""),
    ("a trace that is a log", "trace.ndjson", "2026-11-21 07:48:24.139 UTC [7] LOG:  statement: select 1\n"),
    ("a trace of a newer format", "trace.ndjson", "{\"rehearsal_trace\":9}\n"),
    ("a trace whose header lacks its parts", "trace.ndjson", "{\"rehearsal_trace\":1,\"sources\":[]}\n"),
    ("a trace that is cut", "trace.ndjson", "HEADER\nRECORD\n{\"at_us\":7,\"sess"),
    ("a trace with a record without a time", "trace.ndjson", "HEADER\n{\"session\":\"a\"}\n"),
    (
        "a trace out of order",
        "trace.ndjson",
        "HEADER\n{\"at_us\":9,\"session\":\"a\",\"end\":\"commit\",\"statements\":[]}\nRECORD\n",
    ),
    ("a trace without records", "trace.ndjson", "HEADER\n"),
    ("a trace that is no text", "trace.ndjson", "\u{1f}\u{8b}nothing"),
    ("a migration that is not SQL", "migration.sql", "ALTER TABLE;"),
];

const NAMING: &str = r#"
seed = 1
[database]
version = 16
schema_file = "schema.sql"
[migration]
files = ["migration.sql"]
[application]
name = "web"
versions = [{ name = "v1", requests = [{ name = "read", statements = [{ sql = "SELECT name FROM users" }] }] }]
[traffic_trace]
file = "trace.ndjson"
"#;

#[test]
fn every_broken_file_that_a_scenario_names_is_an_error_with_its_line() {
    let mut report = String::new();
    for (name, broken, text) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("scenario.toml", NAMING);
        write("schema.sql", "CREATE TABLE users (name text);");
        write("migration.sql", "ALTER TABLE users ADD COLUMN note text;");
        write("trace.ndjson", &format!("{HEADER}\n{RECORD}\n"));
        write(broken, &text.replace("HEADER", HEADER).replace("RECORD", RECORD));
        let loaded = Loaded::from_file(&folder.path().join("scenario.toml"));
        let ran = loaded.and_then(|loaded| scenarios::run(&loaded, sim_actors::RunMode::Bare, None));
        let told = match ran {
            Ok(report) => report.migration.failure.unwrap_or_else(|| "no fault".to_owned()),
            Err(error) => error.to_string(),
        };
        let told = told.replace(&format!("{}/", folder.path().display()), "");
        report.push_str(&format!("## {name}\n{told}\n\n"));
    }
    insta::assert_snapshot!(report);
}
