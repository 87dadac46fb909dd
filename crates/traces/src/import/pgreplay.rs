//! pgreplay-go's JSON lines: `{"type": "Statement", "item": {"timestamp": …, "session_id": …, "query": …}}`
//! with the types Connect, Statement, BoundExecute and Disconnect. They have arrival times but no durations.

use serde::Deserialize;

use crate::instant;
use crate::lines::json_error;
use crate::logs::message::{Message, Protocol};
use crate::logs::{Broken, Entry};

#[derive(Deserialize)]
struct Object {
    r#type: String,
    item: Item,
}

#[derive(Deserialize)]
struct Item {
    timestamp: String,
    session_id: String,
    user: Option<String>,
    database: Option<String>,
    query: Option<String>,
    #[serde(default)]
    parameters: Vec<serde_json::Value>,
}

/// Reads one line as the entry that a server would have logged.
pub(crate) fn parse(line: u64, text: &str) -> Result<(Entry, Message), Broken> {
    let expected =
        "a JSON object with \"type\" (Connect, Statement, BoundExecute or Disconnect) and \"item\"";
    let object: Object = serde_json::from_str(text)
        .map_err(|error| Broken::new(line, format!("{expected} ({})", json_error(&error)), text))?;
    let stamp = instant::parse(&object.item.timestamp)
        .ok_or_else(|| Broken::new(line, "an RFC 3339 \"timestamp\"", &object.item.timestamp))?;
    let query = object.item.query.unwrap_or_default();
    let message = match object.r#type.as_str() {
        "Connect" => Message::Connected,
        "Disconnect" => Message::Disconnected,
        // Each statement is a message of its own; there is no virtual transaction id to go by.
        "Statement" | "BoundExecute" => Message::Statement { text: query, protocol: Protocol::Simple },
        other => return Err(Broken::new(line, expected, other)),
    };
    let entry = Entry {
        at_us: stamp.us,
        zone_known: stamp.zone_known,
        user: object.item.user.filter(|name| !name.is_empty()),
        database: object.item.database.filter(|name| !name.is_empty()),
        session: Some(object.item.session_id),
        severity: "LOG".to_owned(),
        detail: parameters(&object.item.parameters),
        ..Entry::default()
    };
    Ok((entry, message))
}

/// The parameters as a server's DETAIL line has them.
fn parameters(values: &[serde_json::Value]) -> Option<String> {
    let shown = values.iter().enumerate().map(|(place, value)| {
        let value = match value {
            serde_json::Value::Null => "NULL".to_owned(),
            serde_json::Value::String(text) => format!("'{}'", text.replace('\'', "''")),
            other => format!("'{other}'"),
        };
        format!("${} = {value}", place + 1)
    });
    (!values.is_empty()).then(|| format!("parameters: {}", shown.collect::<Vec<_>>().join(", ")))
}
