//! `rehearsal run --perfetto`: the trace is whole, and shows what the report tells.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

/// A trace that was checked for its form, and the report on the same run.
struct Run {
    bytes: Vec<u8>,
    events: Vec<Value>,
    facts: Value,
    report: Value,
}

fn run(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let (trace, report) = (folder.path().join("trace.json"), folder.path().join("report.json"));
    let files = ["--perfetto", trace.to_str().unwrap(), "--json", report.to_str().unwrap()];
    let status = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .arg("run")
        .args(arguments)
        .args(files)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.code().is_some_and(|code| code < 2), "{status}");
    let bytes = fs::read(trace).unwrap();
    let mut whole: Value = serde_json::from_slice(&bytes).unwrap();
    let events = whole["traceEvents"].as_array().unwrap().clone();
    let report = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    Run { bytes, events, facts: whole["otherData"].take(), report }
}

type Track = (u64, u64);

fn track(event: &Value) -> Track {
    (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap())
}

fn phase(event: &Value) -> &str {
    event["ph"].as_str().unwrap()
}

/// Microseconds to whole nanoseconds.
fn nanos(field: &Value) -> u64 {
    (field.as_f64().unwrap() * 1e3).round() as u64
}

/// The names of processes, and of threads.
fn names(run: &Run) -> (BTreeMap<u64, String>, BTreeMap<Track, String>) {
    let of = |what: &'static str| run.events.iter().filter(move |event| event["name"] == what);
    let name = |event: &Value| event["args"]["name"].as_str().unwrap().to_owned();
    (
        of("process_name").map(|event| (track(event).0, name(event))).collect(),
        of("thread_name").map(|event| (track(event), name(event))).collect(),
    )
}

/// A slice: whose, what, from when to when in nanoseconds.
struct Slice {
    process: String,
    name: String,
    from: u64,
    to: u64,
}

/// Checks the form of a trace, and gives its slices and arrows (from which process to which).
fn checked(run: &Run) -> (Vec<Slice>, Vec<(String, String)>) {
    let (processes, threads) = names(run);
    let mut open: BTreeMap<Track, Vec<(&Value, u64)>> = BTreeMap::new();
    let mut begun: BTreeMap<u64, &Value> = BTreeMap::new();
    let (mut slices, mut arrows, mut last) = (Vec::new(), Vec::new(), 0);
    for event in run.events.iter().filter(|event| phase(event) != "M") {
        let (at, of) = (nanos(&event["ts"]), track(event));
        assert!(at >= last, "time goes back at {event}");
        last = at;
        let process = processes.get(&of.0).unwrap_or_else(|| panic!("no name for the process of {event}"));
        if phase(event) != "C" {
            assert!(threads.contains_key(&of), "no name for the thread of {event}");
        }
        let slice = |begin: &Value, from, to| {
            let name = begin["name"].as_str().unwrap().to_owned();
            Slice { process: process.clone(), name, from, to }
        };
        match phase(event) {
            "B" => open.entry(of).or_default().push((event, at)),
            "E" => {
                let (begin, from) = open.entry(of).or_default().pop().expect("an end has its beginning");
                slices.push(slice(begin, from, at));
            }
            "X" => slices.push(slice(event, at, at + nanos(&event["dur"]))),
            "s" => {
                assert!(!open[&of].is_empty(), "an arrow begins in a slice: {event}");
                assert!(begun.insert(event["id"].as_u64().unwrap(), event).is_none(), "one arrow to an id");
            }
            "f" => {
                assert!(!open[&of].is_empty(), "an arrow ends in a slice: {event}");
                let from =
                    begun.remove(&event["id"].as_u64().unwrap()).expect("an arrow's end has a beginning");
                assert_eq!(event["bp"], "e", "it ends in the slice that is open, not in the next one");
                arrows.push((processes[&track(from).0].clone(), process.clone()));
            }
            "C" => assert!(event["args"].as_object().unwrap().values().all(Value::is_u64), "{event}"),
            other => panic!("unknown phase {other}"),
        }
    }
    assert!(begun.is_empty(), "arrows without end: {begun:?}");
    assert!(open.values().all(Vec::is_empty), "slices without end: {open:?}");
    (slices, arrows)
}

fn most(run: &Run, process: &str, counter: &str) -> u64 {
    let (processes, _) = names(run);
    let of = |event: &&Value| event["name"] == counter && processes[&track(event).0] == process;
    let value = |event: &Value| event["args"].as_object().unwrap().values().next().unwrap().as_u64().unwrap();
    run.events.iter().filter(|event| phase(event) == "C").filter(of).map(value).max().unwrap()
}

#[test]
fn arrows_lead_from_the_report_to_the_migration_and_from_it_to_the_requests() {
    let run = run(&[]);
    let (slices, arrows) = checked(&run);
    let leads = |from: &str, to: &str| arrows.iter().any(|one| one.0 == from && one.1 == to);
    assert!(leads("monthly report", "migration"), "{arrows:?}");
    assert!(leads("migration", "bank-1") && leads("migration", "bank-2"), "{arrows:?}");
    assert!(!leads("bank-1", "monthly report"), "a reader is not in a reader's way");

    let wait = slices.iter().find(|one| one.process == "migration" && one.name.starts_with("waits")).unwrap();
    assert_eq!(wait.name, "waits for AccessExclusiveLock on accounts");
    let waited = run.report["migration"]["statements"][0]["waited_ms"].as_f64().unwrap();
    assert!(((wait.to - wait.from) as f64 / 1e6 - waited).abs() < 1e-3, "the report says {waited}");
    let statement = slices.iter().find(|one| one.name.starts_with("ALTER TABLE")).unwrap();
    assert!(statement.from <= wait.from && wait.to <= statement.to, "the wait is part of the statement");
}

#[test]
fn the_counters_come_to_the_peaks_of_the_report() {
    let run = run(&[]);
    for pool in run.report["pools"].as_array().unwrap() {
        let instance = pool["instance"].as_str().unwrap();
        assert_eq!(most(&run, instance, "connections in use"), pool["peak_in_use"].as_u64().unwrap());
        assert_eq!(most(&run, instance, "wait for a connection"), pool["peak_queue"].as_u64().unwrap());
    }
    let queue = run.report["series"]["lock_queue"].as_array().unwrap();
    let longest = queue.iter().map(|value| value.as_u64().unwrap()).max().unwrap();
    assert_eq!(most(&run, "server", "wait for a lock"), longest);
}

#[test]
fn each_connection_has_a_track_and_each_request_its_slice() {
    let run = run(&[]);
    let (slices, _) = checked(&run);
    let (_, threads) = names(&run);
    let of = |owner: &str| threads.values().filter(|name| name.starts_with(owner)).count();
    assert_eq!((of("bank-1,"), of("bank-2,"), of("migration,"), of("monthly report,")), (5, 5, 1, 1));
    let selects =
        slices.iter().filter(|one| one.name.starts_with("SELECT") && one.process != "monthly report");
    let served = run.report["overall"]["served"].as_u64().unwrap();
    assert!(selects.count() as u64 >= served, "each request that was served ran its statement");
    assert_eq!(run.facts["seed"], run.report["seed"]);
}

#[test]
fn equal_seeds_give_equal_traces() {
    let (one, two, other) = (run(&[]), run(&[]), run(&["--seed", "8"]));
    assert!(one.bytes == two.bytes, "the traces of two equal runs differ");
    assert!(one.bytes != other.bytes, "another seed gives another trace");
}

#[test]
fn a_rolling_deployment_and_the_pauses_of_retries_have_tracks_of_their_own() {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/retries-and-deployment.toml");
    let run = run(&[scenario]);
    let (slices, _) = checked(&run);
    let (_, threads) = names(&run);
    for name in ["pauses", "deployment"] {
        assert!(threads.values().any(|thread| thread == name), "{threads:?}");
    }
    let phases =
        |name: &str| slices.iter().filter(|one| one.process.starts_with("shop-") && one.name == name).count();
    assert_eq!((phases("draining"), phases("starting")), (2, 2));
    assert!(slices.iter().any(|one| one.name == "idle in transaction" && one.process == "careless script"));
    let failed = run.events.iter().filter(|event| event["args"]["failed"] == "55P03").count() as u64;
    assert_eq!(failed, run.report["migration"]["failed_attempts"].as_u64().unwrap());
    assert!(failed > 0);
}
