//! From somebody's schema and migrations to a report: `rehearsal scenario new`, `rehearsal run`, recorded traffic.

use std::path::Path;
use std::process::{Command, Output};

fn rehearsal(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a schema and a migration.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("schema.sql", "CREATE TABLE t (id integer PRIMARY KEY, v text);");
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    write("migrations/0001_note.sql", "ALTER TABLE t ADD COLUMN note text;");
    folder
}

const NEW: [&str; 8] = [
    "scenario",
    "new",
    "--schema",
    "schema.sql",
    "--migrations",
    "migrations/",
    "--output",
    "rehearsal.toml",
];

#[test]
fn three_commands_lead_from_a_schema_to_a_report() {
    let folder = folder();
    let new = rehearsal(folder.path(), &NEW);
    assert_eq!(new.status.code(), Some(0), "{}", text(&new.stderr));
    assert!(text(&new.stderr).contains("wrote rehearsal.toml"), "{}", text(&new.stderr));
    let run = rehearsal(folder.path(), &["run", "rehearsal.toml", "--report", "report.html"]);
    assert!(matches!(run.status.code(), Some(0 | 1)), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("ALTER TABLE t ADD COLUMN note text"), "{}", text(&run.stdout));
    assert!(std::fs::read_to_string(folder.path().join("report.html")).unwrap().contains("read t"));
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let folder = folder();
    let path = folder.path().join("rehearsal.toml");
    std::fs::write(&path, "mine").unwrap();
    let new = rehearsal(folder.path(), &NEW);
    assert_eq!(new.status.code(), Some(2));
    assert!(text(&new.stderr).contains("is there already and is not overwritten"), "{}", text(&new.stderr));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn without_an_output_the_scenario_goes_to_standard_output() {
    let folder = folder();
    let new = rehearsal(folder.path(), &NEW[..6]);
    assert_eq!(new.status.code(), Some(0), "{}", text(&new.stderr));
    assert!(text(&new.stdout).contains("schema_file = \"schema.sql\""), "{}", text(&new.stdout));
}

#[test]
fn recorded_traffic_takes_the_place_of_the_scenarios() {
    let folder = folder();
    assert_eq!(rehearsal(folder.path(), &NEW).status.code(), Some(0));
    let log = format!("{}/../traces/tests/data/csvlog-pg18.csv", env!("CARGO_MANIFEST_DIR"));
    let imported = rehearsal(folder.path(), &["trace", "import", &log, "--out", "trace.ndjson"]);
    assert_eq!(imported.status.code(), Some(0), "{}", text(&imported.stderr));
    let run = |more: &[&str]| {
        let arguments =
            [&["run", "rehearsal.toml", "--trace", "trace.ndjson", "--json", "report.json"], more].concat();
        let run = rehearsal(folder.path(), &arguments);
        assert!(matches!(run.status.code(), Some(0 | 1)), "{}", text(&run.stderr));
        let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        (report["overall"]["arrived"].as_u64().unwrap(), report["classes"].clone())
    };
    let (all, classes) = run(&[]);
    assert!(!classes.to_string().contains("read t"), "{classes}");
    assert_eq!(run(&["--scale", "2"]).0, 2 * all);
    assert!(run(&["--window", "..500ms"]).0 < all);
    let none = rehearsal(folder.path(), &["run", "rehearsal.toml", "--speed", "2"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("--trace"), "{}", text(&none.stderr));
}
