//! Logs that real servers and pgbench wrote, PostgreSQL 12 to 18.

mod common;

use std::fmt::Write;
use std::io::Read;

use common::{import, import_all, sample};
use traces::import::Options;
use traces::record::{End, Sampling, WaitOutcome};
use traces::summary::Summary;
use traces::{Reader, Record};

const SAMPLES: [&str; 15] = [
    "csvlog-pg12.csv",
    "csvlog-pg13.csv",
    "csvlog-pg14.csv",
    "csvlog-pg15.csv.gz",
    "csvlog-pg16.csv",
    "csvlog-pg17.csv",
    "csvlog-pg18.csv",
    "jsonlog-pg15.json.gz",
    "jsonlog-pg16.json",
    "jsonlog-pg17.json",
    "jsonlog-pg18.json",
    "pgbench-agg-rate.log",
    "pgbench-agg-tries.log",
    "pgbench-maxtries.log",
    "pgbench-rate-limit.log",
];

#[test]
fn every_line_of_every_sample_is_read() {
    for name in SAMPLES {
        let imported = import(name, &sample(name));
        assert_eq!(imported.report.header.counts.skipped, 0, "{name}: {:?}", imported.report.problems);
        let records = imported.records();
        assert_eq!(records.len() as u64, imported.report.header.counts.transactions, "{name}");
        assert!(records.is_sorted_by_key(|record| record.at_us), "{name}");
    }
}

#[test]
fn summaries_of_the_samples() {
    for name in SAMPLES {
        let imported = import(name, &sample(name));
        let reader = Reader::open(&imported.trace[..]).unwrap();
        let header = reader.header().clone();
        let mut summary = Summary::new(&header, header.duration_us);
        reader.for_each(|record| summary.add(&record.unwrap()));
        insta::assert_snapshot!(format!("show {name}"), summary.to_string());
    }
}

#[test]
fn csvlog_and_jsonlog_of_one_server_hold_the_same_transactions() {
    for version in [16, 17, 18] {
        let csv = format!("csvlog-pg{version}.csv");
        let json = format!("jsonlog-pg{version}.json");
        assert_eq!(
            import(&csv, &sample(&csv)).records(),
            import(&json, &sample(&json)).records(),
            "{version}"
        );
    }
}

#[test]
fn the_same_log_as_stderr_gives_the_same_transactions() {
    let prefix = "%m [%p] %c %l v%v t%i|%u|%d|%a|%b|%e ";
    for name in ["jsonlog-pg15.json.gz", "jsonlog-pg18.json"] {
        let mut json = String::new();
        traces::decompressed(&sample(name)[..]).unwrap().read_to_string(&mut json).unwrap();
        let options = Options { log_line_prefix: Some(prefix.to_owned()), ..Options::default() };
        let stderr = import_all(options, &[("server.log", as_stderr(&json).as_bytes())]).unwrap();
        assert_eq!(stderr.report.header.counts.skipped, 0, "{:?}", stderr.report.problems);
        assert_eq!(stderr.records(), import(name, &sample(name)).records(), "{name}");
    }
}

/// What the server would have written to stderr under the prefix above.
fn as_stderr(json: &str) -> String {
    let mut out = String::new();
    for line in json.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| match &object[key] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let state = if object["state_code"].is_null() { "00000".to_owned() } else { text("state_code") };
        let prefix = format!(
            "{} [{}] {} {} v{} t{}|{}|{}|{}|{}|{state} ",
            text("timestamp"),
            text("pid"),
            text("session_id"),
            text("line_num"),
            text("vxid"),
            text("ps"),
            text("user"),
            text("dbname"),
            text("application_name"),
            text("backend_type"),
        );
        let mut part = |label: &str, text: &str| {
            writeln!(out, "{prefix}{label}:  {}", text.replace('\n', "\n\t")).unwrap();
        };
        part(&text("error_severity"), &text("message"));
        for (label, key) in [("DETAIL", "detail"), ("HINT", "hint"), ("STATEMENT", "statement")] {
            if !object[key].is_null() {
                part(label, &text(key));
            }
        }
    }
    out
}

/// The server was run with `log_statement = all` and `log_duration = on`; the sample was cut in the middle.
#[test]
fn a_cut_log_is_not_taken_for_a_sampled_one() {
    let imported = import("csvlog-pg15.csv.gz", &sample("csvlog-pg15.csv.gz"));
    assert_eq!(imported.report.header.sampling, Sampling::Complete);
    assert!(imported.notes().contains("the log was cut, or files are missing"), "{}", imported.notes());
}

#[test]
fn transactions_of_pgbench_are_kept_together() {
    let records = import("csvlog-pg15.csv.gz", &sample("csvlog-pg15.csv.gz")).records();
    let is_tpcb = |record: &&Record| {
        record.statements.len() == 7
            && record.statements[1]
                .text
                .as_ref()
                .is_some_and(|text| text.starts_with("UPDATE pgbench_accounts"))
    };
    let tpcb: Vec<&Record> = records.iter().filter(is_tpcb).collect();
    assert!(tpcb.len() > 300, "{}", tpcb.len());
    // One was cut in the middle of its END.
    assert_eq!(tpcb.iter().filter(|record| record.end == End::Cut).count(), 1);
    for record in tpcb.iter().filter(|record| record.end == End::Commit) {
        let parts: u64 = record
            .statements
            .iter()
            .map(|statement| statement.think_us + statement.latency_us().unwrap())
            .sum();
        assert!(parts.abs_diff(record.duration_us.unwrap()) < 8_000, "{record:?}");
    }
}

#[test]
fn lock_waits_are_subtracted_from_service_times() {
    let records = import("csvlog-pg15.csv.gz", &sample("csvlog-pg15.csv.gz")).records();
    let waiting: Vec<_> = records
        .iter()
        .flat_map(|record| &record.statements)
        .filter(|statement| !statement.waits.is_empty())
        .collect();
    let outcomes: Vec<WaitOutcome> = waiting.iter().map(|statement| statement.waits[0].outcome).collect();
    use WaitOutcome::{Acquired, Deadlock, LockTimeout};
    assert_eq!(outcomes, [LockTimeout, LockTimeout, Acquired, Deadlock]);
    // Under `lock_timeout = 400ms` the ALTER waited 400 ms and worked for less than one.
    assert_eq!(waiting[0].waits[0].us / 1_000, 400);
    assert!(waiting[0].service_us.unwrap() < 1_000);
    assert_eq!(waiting[0].error.as_ref().unwrap().sqlstate.as_deref(), Some("55P03"));
    // The report of the acquisition and the duration agree to the microsecond.
    assert_eq!((waiting[2].waits[0].us, waiting[2].latency_us()), (417_765, Some(418_387)));
}

#[test]
fn one_seed_gives_the_same_bytes() {
    let trace = |seed| {
        let options = Options { seed: sim_clock::Seed(seed), ..Options::default() };
        import_all(options, &[("a.log", &sample("pgbench-agg-tries.log"))]).unwrap().trace
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
