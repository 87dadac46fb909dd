//! A node in this process, over the embedded default or an edited copy of it.

use json_node::{Item, Node, NodeOptions};
use scenarios::{DEFAULT, Loaded};
use serde_json::Value;

/// A fresh node over the default scenario in which each text is replaced by another.
#[track_caller]
pub(crate) fn edited(edits: &[(&str, &str)]) -> Node {
    let mut text = DEFAULT.to_owned();
    for (old, new) in edits {
        assert!(text.contains(old), "the default scenario has no {old:?}");
        text = text.replace(old, new);
    }
    let loaded = Loaded::embedded_text(&text).unwrap_or_else(|error| panic!("{error}"));
    Node::new(loaded, NodeOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A fresh node over the default scenario.
#[allow(dead_code)]
pub(crate) fn fresh() -> Node {
    edited(&[])
}

/// The reply to one message; its `msg_id` is 1.
#[allow(dead_code)]
pub(crate) fn ask(node: &mut Node, message: &str) -> Value {
    let mut message: Value = serde_json::from_str(message).expect("a test's own message is JSON");
    message["msg_id"] = 1.into();
    let reply = node.answer(Item::Value(message)).expect("a message has a reply");
    serde_json::from_str(&reply).expect("a reply is JSON")
}
