//! `rehearsal trace` as a user meets it: output, messages, exit status.

use std::path::Path;
use std::process::{Command, Output};

fn rehearsal(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal")).args(arguments).output().unwrap()
}

fn sample(name: &str) -> String {
    format!("{}/../traces/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_imported_trace_can_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.ndjson");
    let imported = rehearsal(&["trace", "import", &sample("csvlog-pg18.csv"), "--out", path(&trace)]);
    assert_eq!(imported.status.code(), Some(0), "{}", text(&imported.stderr));
    assert!(text(&imported.stderr).contains("26 transactions with 26 statements of 25 sessions"));
    let shown = rehearsal(&["trace", "show", path(&trace)]);
    assert_eq!(shown.status.code(), Some(0));
    assert!(text(&shown.stdout).contains("40P01  deadlock detected"));
    let cut = rehearsal(&["trace", "show", path(&trace), "--window", "15m..", "--scale", "2"]);
    assert!(text(&cut.stdout).contains("36 transactions"), "{}", text(&cut.stdout));
}

#[test]
fn the_trace_goes_to_standard_output_and_messages_do_not() {
    let imported = rehearsal(&["trace", "import", &sample("pgbench-maxtries.log")]);
    let lines = text(&imported.stdout);
    assert_eq!(lines.lines().count(), 239);
    assert!(lines.starts_with("{\"rehearsal_trace\":1,"));
}

#[test]
fn nothing_readable_is_exit_status_2_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.log");
    std::fs::write(&junk, "hello\n").unwrap();
    let imported = rehearsal(&["trace", "import", path(&junk)]);
    assert_eq!(imported.status.code(), Some(2));
    assert!(text(&imported.stderr).contains("--log-line-prefix"), "{}", text(&imported.stderr));
    let missing = rehearsal(&["trace", "import", "/no/such/file"]);
    assert_eq!(missing.status.code(), Some(2));
    let shown = rehearsal(&["trace", "show", path(&junk)]);
    assert_eq!(shown.status.code(), Some(2));
    assert!(text(&shown.stderr).contains("rehearsal trace import"), "{}", text(&shown.stderr));
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_the_others_from_being_imported() {
    let imported = rehearsal(&["trace", "import", "/no/such/file", &sample("csvlog-pg13.csv")]);
    assert_eq!(imported.status.code(), Some(1), "{}", text(&imported.stderr));
    assert_eq!(text(&imported.stdout).lines().count(), 9);
}

#[test]
fn broken_lines_are_shown_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("torn.csv");
    let whole = std::fs::read_to_string(sample("csvlog-pg13.csv")).unwrap();
    std::fs::write(&log, whole.replacen("\"psql\",\"client backend\"\n", "\"psql\n", 1)).unwrap();
    let imported = rehearsal(&["trace", "import", path(&log)]);
    assert_eq!(imported.status.code(), Some(0));
    let messages = text(&imported.stderr);
    assert!(messages.contains("torn.csv:") && messages.contains("expected a closing quote"), "{messages}");
    assert!(messages.contains("1 of the sources' 54 lines skipped"), "{messages}");
}
