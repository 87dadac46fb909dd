//! Migration folders of one's own, through the real binary.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::Node;

/// A fresh folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    folder
}

fn converse(folder: &Path, more: &[&str], messages: &[Value]) -> Vec<Value> {
    let mut arguments = vec!["--migrations", folder.to_str().unwrap()];
    arguments.extend(more);
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let replies = Node::start(&arguments).converse(&text);
    replies.iter().map(|reply| serde_json::from_str(reply).unwrap()).collect()
}

const GOOD: (&str, &str) =
    ("0001_create_teams.up.sql", "CREATE TABLE teams (id int PRIMARY KEY, name text);");

#[test]
fn a_migration_that_fails_partway_is_rolled_back_and_later_ones_are_not_attempted() {
    let folder = folder(
        "fails-partway",
        &[
            GOOD,
            (
                "0002_add_size.up.sql",
                "-- two steps\nALTER TABLE teams ADD COLUMN size int;\n\nALTER TABLE squads ADD COLUMN size int;\n",
            ),
            ("0003_add_motto.up.sql", "ALTER TABLE teams ADD COLUMN motto text;"),
        ],
    );
    let replies = converse(
        &folder,
        &["--strict"],
        &[
            json!({"type": "migrate", "msg_id": 1}),
            json!({"type": "status", "msg_id": 2}),
            json!({"type": "add_column", "msg_id": 3, "table": "teams", "column": "size", "data_type": "int"}),
        ],
    );
    assert_eq!(replies[0]["code"], json!(20), "{}", replies[0]);
    let text = replies[0]["text"].as_str().unwrap();
    assert!(text.contains("statement 2 of 0002_add_size.up.sql (line 4)"), "{text}");
    assert!(text.contains("relation \"squads\" does not exist"), "{text}");
    assert_eq!(replies[0]["rolled_back"], json!(true));
    // The first one was committed before, and stays.
    let applied: Vec<&Value> =
        replies[1]["migrations"].as_array().unwrap().iter().map(|one| &one["applied"]).collect();
    assert_eq!(applied, [&json!(true), &json!(false), &json!(false)]);
    // What the second one had done before it failed is undone: its column is not there.
    assert_eq!(replies[2]["type"], json!("column_added"), "{}", replies[2]);
}

#[test]
fn a_migration_without_a_down_file_cannot_be_rolled_back() {
    let folder = folder("no-down", &[GOOD]);
    let replies = converse(&folder, &[], &[json!({"type": "rollback", "msg_id": 1})]);
    assert_eq!(replies[0]["code"], json!(22));
    assert!(replies[0]["text"].as_str().unwrap().contains("has no down script"), "{}", replies[0]);
}

#[test]
fn broken_sql_in_a_migration_file_is_an_error_that_names_the_place() {
    let folder =
        folder("broken-sql", &[("0001_oops.up.sql", "CREATE TABLE a (id int);\nCREATE TABEL b (id int);\n")]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .args(["node", "--migrations", folder.to_str().unwrap()])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("0001_oops.up.sql:2:"), "{said}");
}

#[test]
fn the_events_of_a_session_are_written_and_the_same_each_time() {
    let folder = folder("events", &[GOOD]);
    let read = |name: &str| {
        let file = folder.join(name);
        converse(&folder, &["--events", file.to_str().unwrap()], &[json!({"type": "migrate", "msg_id": 1})]);
        fs::read_to_string(file).unwrap()
    };
    let first = read("one.ndjson");
    assert_eq!(first, read("two.ndjson"));
    let lines: Vec<Value> = first.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["event"] == "granted" && line["mode"] == "AccessExclusiveLock"));
    assert!(lines.iter().any(|line| line["actor"] == "migration" && line["step"] == "succeeds"));
    assert!(first.lines().all(|line| line.starts_with("{\"t_ns\": ")));
}

#[test]
fn an_envelope_can_be_asked_for_or_refused() {
    let status =
        json!({"src": "c9", "dest": "n1", "body": {"type": "status", "msg_id": 4}}).to_string() + "\n";
    let always = Node::start(&["--envelope", "always"]).converse(&status);
    assert!(
        always[0].starts_with(r#"{"src": "n1", "dest": "c9", "body": {"type": "migration_status""#),
        "{always:?}"
    );
    let init = json!({"src": "c9", "dest": "n1", "body": {"type": "init", "msg_id": 1, "node_id": "n1", "node_ids": ["n1"]}});
    let never = Node::start(&["--envelope", "never"]).converse(&format!("{init}\n{status}"));
    assert_eq!(never[0], r#"{"type": "init_ok", "in_reply_to": 1}"#);
    assert!(never[1].starts_with(r#"{"type": "migration_status""#), "{never:?}");
}
