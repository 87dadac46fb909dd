//! Recorded traffic in a scenario: its times, its texts, its classes, and what is said about it.

use std::path::{Path, PathBuf};

use reports::{Basis, Report, RequestClass};
use scenarios::{Loaded, ScenarioError};
use sim_actors::RunMode;
use tempfile::TempDir;
use traces::import::{Importer, Options};

/// A folder with a scenario, a migration and a trace.
struct Folder(TempDir);

const SCHEMA: &str = r#"
seed = 1

[run]
until = "20 s"

[database]
version = 16
schema = """
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE audit (id bigint PRIMARY KEY, what text);
"""

[[tables]]
name = "accounts"
rows = 100
data = "INSERT INTO accounts SELECT i, 0 FROM generate_series(1, $1) AS i"

[[tables]]
name = "audit"
rows = 100
data = "INSERT INTO audit SELECT i, 'x' FROM generate_series(1, $1) AS i"
"#;

const MIGRATION: &str = r#"
[migration]
files = ["add.sql"]
start = "5 s"
"#;

const ADD: &str = "ALTER TABLE accounts ADD COLUMN note text;";

fn header(arrivals: &str) -> String {
    format!(
        r#"{{"rehearsal_trace":1,"sources":[{{"file":"x","format":"csvlog"}}],"start":"2026-01-01T00:00:00Z","duration_us":10000000,"basis":{{"arrivals":"{arrivals}","service_times":"measured","think_times":"derived","lock_waits":"measured","rows":"absent","texts":"measured"}},"sampling":{{"kind":"complete"}},"counts":{{"transactions":0,"statements":0,"sessions":0,"failures":0,"lock_waits":0,"source_lines":0,"skipped":0}}}}"#
    )
}

/// A record; each statement: text, fingerprint, think and service time in ms.
fn record(at_ms: u64, session: &str, end: &str, statements: &[(&str, &str, u64, u64)]) -> String {
    let one = |(text, fingerprint, think, service): &(&str, &str, u64, u64)| {
        format!(
            r#"{{"think_us":{},"text":"{text}","fingerprint":"{fingerprint}","service_us":{}}}"#,
            think * 1_000,
            service * 1_000
        )
    };
    let statements: Vec<String> = statements.iter().map(one).collect();
    let statements = statements.join(",");
    format!(
        r#"{{"at_us":{},"session":"{session}","end":"{end}","statements":[{statements}]}}"#,
        at_ms * 1_000
    )
}

impl Folder {
    fn new(records: &[String]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("add.sql", ADD);
        folder.write("trace.ndjson", &format!("{}\n{}\n", header("measured"), records.join("\n")));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn load(&self, rest: &str) -> Result<Loaded, ScenarioError> {
        self.write("scenario.toml", &format!("{SCHEMA}{MIGRATION}{rest}"));
        Loaded::from_file(&self.path("scenario.toml"))
    }

    fn run(&self, rest: &str) -> Report {
        let loaded = self.load(rest).unwrap_or_else(|error| panic!("{error}"));
        scenarios::run(&loaded, RunMode::Bare, None).unwrap_or_else(|error| panic!("{error}"))
    }
}

const TRACE: &str = "[traffic_trace]\nfile = \"trace.ndjson\"\n";

fn class<'r>(report: &'r Report, part: &str) -> &'r RequestClass {
    let found = report.classes.iter().find(|class| class.name.contains(part));
    found.unwrap_or_else(|| {
        let names: Vec<&str> = report.classes.iter().map(|class| class.name.as_str()).collect();
        panic!("no class with {part:?} among {names:?}")
    })
}

fn close_to(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1.0 + expected / 50.0
}

#[test]
fn a_transaction_takes_its_recorded_service_and_think_times() {
    let folder = Folder::new(&[record(
        1_000,
        "a",
        "commit",
        &[
            ("BEGIN", "b", 0, 0),
            ("UPDATE accounts SET balance = 1 WHERE id = 7", "u", 20, 30),
            ("COMMIT", "c", 40, 5),
        ],
    )]);
    let report = folder.run(TRACE);
    let class = class(&report, "update accounts");
    assert_eq!((class.arrived, class.served), (1, 1));
    assert!(close_to(class.max_ms, 95.0), "{}", class.max_ms);
}

#[test]
fn arrivals_are_open_loop_and_wait_behind_the_migration_and_what_it_waits_for() {
    // A transaction that sits on the table from 4 s to 8 s, and a reader each 100 ms.
    let mut records = vec![record(
        4_000,
        "long",
        "commit",
        &[
            ("BEGIN", "b", 0, 0),
            ("SELECT balance FROM accounts WHERE id = 1", "s", 0, 1),
            ("COMMIT", "c", 4_000, 0),
        ],
    )];
    for number in 0..50 {
        let session = format!("r{number}");
        records.push(record(
            4_001 + number * 100,
            &session,
            "autocommit",
            &[("SELECT id FROM accounts WHERE id = 2", "r", 0, 1)],
        ));
    }
    let report = Folder::new(&records).run(TRACE);
    let readers = class(&report, "select id from accounts");
    assert_eq!((readers.arrived, readers.served), (50, 50));
    assert!(close_to(readers.longest_stall_ms, 3_000.0), "{}", readers.longest_stall_ms);
    assert!((28..=31).contains(&readers.delayed), "{}", readers.delayed);
    assert_eq!(report.migration.succeeded, Some(true));
}

#[test]
fn a_transaction_whose_begin_was_not_logged_is_one_all_the_same() {
    let statements = [
        ("UPDATE accounts SET balance = 1 WHERE id = 7", "u", 0, 1),
        ("SELECT what FROM audit WHERE id = 1", "s", 6_000, 1),
    ];
    let report = Folder::new(&[record(4_000, "a", "commit", &statements)]).run(TRACE);
    // The row's lock is nothing to ALTER TABLE, the table's is: it has to wait for the end.
    assert!(close_to(report.migration.statements[0].waited_ms, 5_001.0), "{:?}", report.migration);
}

#[test]
fn speed_window_and_scale_change_arrivals_and_nothing_else() {
    let one =
        |number: u64| record(number * 100, &format!("s{number}"), "autocommit", &[("SELECT 1", "s", 0, 2)]);
    let folder = Folder::new(&(0..100).map(one).collect::<Vec<_>>());
    let arrived = |rest: &str| class(&folder.run(&format!("{TRACE}{rest}")), "select").arrived;
    assert_eq!(arrived(""), 100);
    assert_eq!(arrived("window = { from = \"2 s\", to = \"5 s\" }\n"), 30);
    assert_eq!(arrived("scale = 3.0\n"), 300);
    let fast = folder.run(&format!("{TRACE}speed = 4.0\n"));
    let last = fast.series.arrived.iter().rposition(|arrived| *arrived > 0).unwrap();
    assert!(last as f64 * fast.series.interval_ms < 2_500.0);
    assert!(close_to(class(&fast, "select").max_ms, 2.0));
}

#[test]
fn a_statement_that_is_not_modelled_keeps_its_locks_and_its_time_and_is_named() {
    let copy = [("COPY accounts FROM STDIN", "c", 0, 4_000), ("COMMIT", "e", 0, 0)];
    let records = [
        record(3_000, "a", "commit", &copy),
        record(3_500, "b", "autocommit", &[("SELECT nothing FROM nowhere", "n", 0, 10)]),
    ];
    let report = Folder::new(&records).run(TRACE);
    assert!(close_to(report.migration.statements[0].waited_ms, 2_000.0), "{:?}", report.migration);
    let told = report.not_modelled.join("\n");
    assert!(told.contains("2 of its 3 statements are not run as they were sent"), "{told}");
    assert!(told.contains("COPY is not modelled; it takes its time and its locks on tables"), "{told}");
    assert!(told.contains("relation \"nowhere\" does not exist"), "{told}");
    assert_eq!(report.overall.failed.values().sum::<u64>(), 0, "{:?}", report.overall);
}

#[test]
fn a_statement_that_the_migration_breaks_fails_from_then_on() {
    let one = |number: u64| {
        record(
            number * 1_000,
            &format!("s{number}"),
            "autocommit",
            &[("SELECT balance FROM accounts WHERE id = 3", "s", 0, 2)],
        )
    };
    let folder = Folder::new(&(0..10).map(one).collect::<Vec<_>>());
    folder.write("add.sql", "ALTER TABLE accounts DROP COLUMN balance;");
    let report = folder.run(TRACE);
    let class = class(&report, "select balance");
    assert_eq!(class.failed.get("42703"), Some(&5), "{:?}", class.failed);
}

#[test]
fn parameters_are_those_of_the_log() {
    let statement = r#"{"text":"UPDATE accounts SET balance = balance + $1 WHERE id = $2","fingerprint":"u","params":["5","7"],"service_us":100}"#;
    let held = format!(
        r#"{{"at_us":1000000,"session":"a","end":"disconnect","idle_at_end_us":3000000,"statements":[{statement}]}}"#
    );
    let next = |at_us: u64, id: &str| {
        let statement = statement.replace("\"7\"", id);
        format!(r#"{{"at_us":{at_us},"session":"s{at_us}","end":"autocommit","statements":[{statement}]}}"#)
    };
    let report = Folder::new(&[held, next(2_000_000, "\"8\""), next(2_000_001, "\"7\"")]).run(TRACE);
    let class = class(&report, "update accounts");
    // Only the last one wants the row that is held until 4 s.
    assert_eq!((class.arrived, class.delayed), (3, 1), "{class:?}");
    assert!(report.waits.iter().any(|wait| close_to(wait.longest_ms, 2_000.0)), "{:?}", report.waits);
    assert_eq!(report.assumptions.iter().filter(|one| one.what.contains("does not hold")).count(), 0);
}

#[test]
fn without_an_application_the_sessions_are_as_many_as_there_were() {
    let one = |number: u64| record(1_000, &format!("s{number}"), "autocommit", &[("SELECT 1", "s", 0, 100)]);
    let folder = Folder::new(&(0..20).map(one).collect::<Vec<_>>());
    let report = folder.run(TRACE);
    assert_eq!((report.pools.len(), report.pools[0].size, report.pools[0].peak_queue), (1, 20, 0));
    let pooled = folder.run(&format!("{TRACE}{APPLICATION}"));
    assert_eq!((pooled.pools[0].size, pooled.pools[0].peak_queue), (4, 16));
    assert!(class(&pooled, "web/select").max_ms > 450.0);
}

const APPLICATION: &str = r#"
[application]
name = "web"
pool_size = 4
versions = [{ name = "v1", requests = [] }]
"#;

/// A log as `rehearsal trace import` reads it.
fn import(name: &str, to: &Path) {
    let from = format!("{}/../traces/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut importer =
        Importer::new(Options::default(), || Ok(Box::new(std::io::Cursor::new(Vec::new())))).unwrap();
    importer.read(name, std::fs::File::open(from).unwrap()).unwrap();
    importer.finish(&mut std::fs::File::create(to).unwrap()).unwrap();
}

const PGBENCH: &str = r#"
seed = 1

[run]
until = "15 min"

[database]
version = 15
schema = """
CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler char(84));
CREATE TABLE pgbench_branches (bid integer PRIMARY KEY, bbalance integer, filler char(88));
CREATE TABLE pgbench_tellers (tid integer PRIMARY KEY, bid integer, tbalance integer, filler char(84));
CREATE TABLE pgbench_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));
"""

[[tables]]
name = "pgbench_branches"
rows = 1
data = "INSERT INTO pgbench_branches SELECT i, 0 FROM generate_series(1, $1) AS i"

[[tables]]
name = "pgbench_tellers"
rows = 10
data = "INSERT INTO pgbench_tellers SELECT i, 1, 0 FROM generate_series(1, $1) AS i"

[traffic_trace]
file = "trace.ndjson"
# After pgbench has made its tables anew.
window = { from = "51.5 s" }

[migration]
files = ["add.sql"]
start = "200 ms"
"#;

#[test]
fn a_servers_log_becomes_a_report_with_a_class_for_each_kind_of_transaction() {
    let folder = Folder::new(&[]);
    import("csvlog-pg15.csv.gz", &folder.path("trace.ndjson"));
    folder.write("add.sql", "ALTER TABLE pgbench_branches ADD COLUMN note text;");
    folder.write("scenario.toml", PGBENCH);
    let loaded = Loaded::from_file(&folder.path("scenario.toml")).unwrap_or_else(|error| panic!("{error}"));
    let report = scenarios::run(&loaded, RunMode::Bare, None).unwrap();
    insta::assert_snapshot!(told(&report));
    let again = scenarios::run(&loaded, RunMode::Actors, None).unwrap();
    assert_eq!(reports::json::to_string(&report), reports::json::to_string(&again));
}

/// Classes with their counts, and what is said about the trace.
fn told(report: &Report) -> String {
    let mut lines = Vec::new();
    let mut classes: Vec<&RequestClass> = report.classes.iter().collect();
    classes.sort_by(|a, b| b.arrived.cmp(&a.arrived).then_with(|| a.name.cmp(&b.name)));
    for class in classes {
        lines.push(format!(
            "{} of {} served, {:?}: {}",
            class.served, class.arrived, class.failed, class.name
        ));
    }
    for one in report.assumptions.iter().filter(|one| one.what.starts_with("trace")) {
        let basis = match one.basis {
            Basis::Measured => "measured",
            Basis::Derived => "derived",
            Basis::Assumed => "assumed",
        };
        lines.push(format!("{}: {} ({basis}: {})", one.what, one.value, one.note));
    }
    lines.extend(report.not_modelled.iter().filter(|one| one.starts_with("trace")).cloned());
    lines.join("\n")
}

#[test]
fn a_snapshot_of_the_statistics_arrives_as_a_poisson_process_and_says_so() {
    let folder = Folder::new(&[]);
    let csv = "captured_at,stats_reset,queryid,query,calls,total_exec_time,min_exec_time,max_exec_time,mean_exec_time,stddev_exec_time,rows,toplevel\n\
        2026-01-01 01:00:00+00,2026-01-01 00:00:00+00,1,UPDATE accounts SET balance = balance + $1 WHERE id = $2,36000,36000,0.1,20,1,0.5,36000,t\n\
        2026-01-01 01:00:00+00,2026-01-01 00:00:00+00,2,\"INSERT INTO audit VALUES ($1, $2)\",3600,3600,0.1,20,1,0.5,3600,t\n";
    let mut importer =
        Importer::new(Options::default(), || Ok(Box::new(std::io::Cursor::new(Vec::new())))).unwrap();
    importer.read("statements.csv", csv.as_bytes()).unwrap();
    importer.finish(&mut std::fs::File::create(folder.path("trace.ndjson")).unwrap()).unwrap();
    let report = folder.run(TRACE);
    let updates = class(&report, "update accounts");
    assert!((160..240).contains(&updates.arrived), "{}", updates.arrived);
    assert_eq!(report.overall.failed.values().sum::<u64>(), 0, "{:?}", report.overall.failed);
    insta::assert_snapshot!(told(&report));
}

#[test]
fn a_trace_that_cannot_be_replayed_is_an_error_that_names_the_line() {
    let sound = record(0, "a", "autocommit", &[("SELECT 1", "s", 0, 1)]);
    let folder = Folder::new(&[sound.clone(), "{".to_owned()]);
    let error = |rest: &str| match folder.load(rest) {
        Ok(_) => panic!("no error"),
        Err(error) => error.to_string().replace(&folder.0.path().display().to_string(), "…"),
    };
    let broken = error(TRACE);
    folder.write("trace.ndjson", &format!("{}\n{sound}\n", header("measured")));
    assert!(broken.starts_with("…/trace.ndjson: line 3: expected a record"), "{broken}");
    let empty = error(&format!("{TRACE}window = {{ from = \"1 h\" }}\n"));
    assert!(empty.contains("no transaction arrives in the window"), "{empty}");
    let missing = error("[traffic_trace]\nfile = \"nothing.ndjson\"\n");
    assert!(missing.starts_with("…/nothing.ndjson: cannot be read"), "{missing}");
}
