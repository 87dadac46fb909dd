//! Whatever comes in on stdin, the node answers what can be answered and loses no later message.

mod support;

use support::Node;

const STATUS: &str = r#"{"type": "status", "msg_id": 99}"#;

/// Sends bytes, then a message on a line of its own; gives the replies to the bytes.
#[track_caller]
fn replies_before_status(bytes: &[u8]) -> Vec<String> {
    let mut all = bytes.to_owned();
    all.extend_from_slice(format!("\n{STATUS}\n").as_bytes());
    let mut replies = Node::start(&[]).converse_bytes(&all);
    let last = replies.pop().unwrap_or_default();
    assert!(last.starts_with(r#"{"type": "migration_status", "in_reply_to": 99"#), "{last}");
    replies
}

#[track_caller]
fn one_error(bytes: impl AsRef<[u8]>, code: u32, text: &str) {
    let replies = replies_before_status(bytes.as_ref());
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert!(replies[0].contains(&format!("\"code\": {code}")), "{}", replies[0]);
    assert!(replies[0].contains(text), "{}", replies[0]);
}

#[test]
fn broken_json_gets_one_error_and_the_next_message_its_reply() {
    one_error("{\"type\": \"migrate\", \"msg_id\": 1", 12, "not JSON");
    one_error("hello", 12, "not JSON");
    one_error(b"{\"type\": \"\xff\xfe\", \"msg_id\": 1}", 12, "not JSON");
    one_error("[".repeat(200_000), 12, "nested");
    one_error("[1, 2, 3]", 12, "JSON object");
    one_error("{\"src\": \"a\", \"dest\": \"b\", \"body\": 7}", 12, "body");
}

#[test]
fn values_may_share_a_line_span_lines_and_end_in_crlf() {
    let message = |id: u32| format!("{{\"type\": \"status\", \"msg_id\": {id}}}");
    let text = format!("{}{}\r\n{{\"type\":\r\n\"status\",\n\"msg_id\":\n3\n}}", message(1), message(2));
    let replies = replies_before_status(text.as_bytes());
    let ids: Vec<bool> =
        (1..=3).map(|id| replies[id - 1].contains(&format!("\"in_reply_to\": {id},"))).collect();
    assert_eq!((replies.len(), ids), (3, vec![true; 3]));
}

#[test]
fn a_line_of_fifty_megabytes_is_read() {
    let name = "x".repeat(50 << 20);
    let replies = replies_before_status(
        format!("{{\"type\": \"status\", \"msg_id\": 1, \"x\": \"{name}\"}}").as_bytes(),
    );
    assert_eq!(replies.len(), 1);
    assert!(replies[0].contains("migration_status"));
}

#[test]
fn malformed_requests_are_told_the_field() {
    one_error(r#"{"msg_id": 1}"#, 12, r#"field \"type\" is missing"#);
    one_error(r#"{"type": 3, "msg_id": 1}"#, 12, r#"field \"type\" is 3"#);
    one_error(r#"{"type": "status"}"#, 12, "msg_id");
    one_error(r#"{"type": "status", "msg_id": "one"}"#, 12, "msg_id");
    one_error(r#"{"type": "explode", "msg_id": 1}"#, 10, "unknown type");
    one_error(
        r#"{"type": "create_index", "msg_id": 1, "table": "users"}"#,
        12,
        r#"field \"column\" is missing"#,
    );
    one_error(r#"{"type": "migrate", "phase": "extend", "msg_id": 1}"#, 12, "phase");
    one_error(
        r#"{"type": "backfill", "msg_id": 1, "table": "users", "column": "full_name", "batch_size": 0}"#,
        12,
        "batch_size",
    );
    one_error(
        r#"{"type": "backfill", "msg_id": 1, "table": "users", "column": "full_name", "batch_size": -5}"#,
        12,
        "batch_size",
    );
    one_error(
        r#"{"type": "migrate_data", "msg_id": 1, "table": "users", "batch_size": 1e300}"#,
        12,
        "batch_size",
    );
    one_error(
        r#"{"type": "migrate_data", "msg_id": 1, "table": "users", "total_rows": 123456789012345678901234567890}"#,
        12,
        "total_rows",
    );
    one_error(
        r#"{"type": "validate", "msg_id": 1, "table": "users", "validations": "all"}"#,
        12,
        "validations",
    );
    one_error(
        r#"{"type": "validate", "msg_id": 1, "table": "users", "validations": ["no_nuls"]}"#,
        12,
        "known: no_nulls",
    );
}

#[test]
fn names_from_messages_never_become_sql() {
    let name = r#"users; DROP TABLE users; --"#;
    let message = format!(r#"{{"type": "create_index", "msg_id": 1, "table": "{name}", "column": "email"}}"#);
    one_error(message, 20, "does not exist");
    let message = r#"{"type": "add_column", "msg_id": 1, "table": "users", "column": "x", "data_type": "int; DROP TABLE users"}"#;
    one_error(message, 12, "data_type");
    let column =
        r#"{"type": "add_column", "msg_id": 1, "table": "users", "column": "a\" int, DROP COLUMN \"email"}"#;
    let replies = replies_before_status(column.as_bytes());
    assert!(replies[0].contains("column_added"), "{}", replies[0]);
}

#[test]
fn a_closed_stdout_ends_the_node_quietly() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .arg("node")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        // The node is free to end at any time; then the pipe breaks here, too.
        while input.write_all(format!("{STATUS}\n").as_bytes()).is_ok() {}
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
