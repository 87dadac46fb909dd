//! Ctrl-C ends `rehearsal run` with the report so far.

#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The embedded scenario, which after its migration goes on for days.
fn endless() -> (tempfile::TempDir, String) {
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sim-scenarios");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(format!("{scenarios}/alter-behind-long-select.toml")).unwrap();
    let cool_down = "cool_down = \"10 s\"";
    assert!(text.contains(cool_down), "the scenario says how long it runs");
    let file = folder.path().join("endless.toml");
    fs::write(&file, text.replace(cool_down, "until = \"160 h\"")).unwrap();
    let sql = "alter-behind-long-select/0001_add_column.sql";
    fs::create_dir(folder.path().join("alter-behind-long-select")).unwrap();
    fs::copy(format!("{scenarios}/{sql}"), folder.path().join(sql)).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (folder, path)
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsal"));
    command.arg("run").args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn press_ctrl_c(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

#[test]
fn ctrl_c_ends_a_run_with_the_report_so_far() {
    let (folder, scenario) = endless();
    let (json, page) = (folder.path().join("cut.json"), folder.path().join("cut.html"));
    let files = ["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()];
    // The events come through a pipe, so the run goes no further than they are read.
    let mut child = start(&[&[scenario.as_str(), "--events", "/dev/stderr"], &files[..]].concat());
    let mut events = BufReader::new(child.stderr.take().unwrap()).lines();
    let later = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["t_ns"].as_u64().unwrap() > 20_000_000_000
    };
    assert!(events.any(|line| later(&line.unwrap())), "the run comes to its twentieth second");
    press_ctrl_c(&child);
    let rest = events.count();
    assert!(rest < 1_000_000, "{rest} events after Ctrl-C");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Cut short: interrupted after "), "{text}");
    let report: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert!(report["cut"].as_str().unwrap().starts_with("interrupted after "), "{}", report["cut"]);
    assert!(report["span_ms"].as_f64().unwrap() >= 20_000.0);
    assert_eq!(report["migration"]["succeeded"], true, "it had ended before the cut");
    assert!(report["overall"]["longest_stall_ms"].as_f64().unwrap() > 9_000.0, "it saw the outage");
    assert!(fs::read_to_string(page).unwrap().contains("Cut short."));
}
