//! Maelstrom's envelopes around bodies: unwrapped on the way in, put on on the way out.

use serde_json::{Map, Value, json};

use crate::format::object;

/// When replies are put into envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelopes {
    /// After an `init` message.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A message without its envelope.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) body: Map<String, Value>,
    /// Who sent it: what a reply is addressed to.
    pub(crate) source: Option<String>,
    /// Whom it was sent to: the name that this node goes by.
    destination: Option<String>,
}

impl Incoming {
    /// Takes the body out of its envelope; a bare body is one already.
    pub(crate) fn unwrap(value: Value) -> Result<Self, &'static str> {
        let Value::Object(mut outer) = value else { return Err("a message must be a JSON object") };
        let name = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if outer.contains_key("type") || !outer.contains_key("body") {
            return Ok(Self { body: outer, source: None, destination: None });
        }
        let (source, destination) = (name(outer.get("src")), name(outer.get("dest")));
        match outer.remove("body") {
            Some(Value::Object(body)) => Ok(Self { body, source, destination }),
            _ => Err("field \"body\" of an envelope must be a JSON object"),
        }
    }
}

/// The outgoing side: node name and message count.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    envelopes: Envelopes,
    node_id: Option<String>,
    next_msg_id: u64,
}

impl Outgoing {
    pub(crate) fn new(envelopes: Envelopes) -> Self {
        Self { envelopes, node_id: None, next_msg_id: 0 }
    }

    /// The handshake has given this node a name; from now on replies go in envelopes.
    pub(crate) fn initialise(&mut self, node_id: String) {
        self.node_id = Some(node_id);
    }

    /// Whether replies are put into envelopes now.
    pub(crate) fn wraps(&self) -> bool {
        match self.envelopes {
            Envelopes::Always => true,
            Envelopes::Never => false,
            Envelopes::Auto => self.node_id.is_some(),
        }
    }

    /// The reply as it goes out.
    pub(crate) fn wrap(&mut self, mut body: Map<String, Value>, to: &Incoming) -> Value {
        if !self.wraps() {
            return Value::Object(body);
        }
        body.insert("msg_id".to_owned(), json!(self.next_msg_id));
        self.next_msg_id += 1;
        let node = self.node_id.as_ref().or(to.destination.as_ref());
        Value::Object(object([
            ("src", json!(node.map_or("rehearsal", String::as_str))),
            ("dest", json!(to.source.as_deref().unwrap_or("unknown"))),
            ("body", Value::Object(body)),
        ]))
    }
}
