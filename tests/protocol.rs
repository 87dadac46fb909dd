//! The recorded protocol, through the real binary's stdin and stdout, to the byte.

mod support;

use serde_json::Value;
use support::Node;

fn cases() -> Vec<Value> {
    include_str!("data/protocol-cases.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_recorded_case_is_answered_to_the_byte() {
    for case in cases() {
        let messages: Vec<String> = case["input"].as_array().unwrap().iter().map(Value::to_string).collect();
        let replies = Node::start(&[]).converse(&(messages.join("\n") + "\n"));
        assert_eq!(replies, texts(&case["expected"]), "{}", case["name"]);
    }
}

#[test]
fn a_conversation_is_answered_message_by_message_before_the_input_ends() {
    let mut node = Node::start(&[]);
    for case in cases().iter().filter(|case| case["source"] == "schema migrations") {
        let mut session = Node::start(&[]);
        let inputs = case["input"].as_array().unwrap();
        for (message, expected) in inputs.iter().zip(texts(&case["expected"])) {
            assert_eq!(session.ask(&message.to_string()), expected);
        }
    }
    assert!(node.ask(r#"{"type": "status", "msg_id": 1}"#).contains("migration_status"));
}
