//! What an entry's message says, as far as a trace wants to know.
//!
//! The texts are those of an English server (`src/backend/tcop/postgres.c` for statements and durations,
//! `ProcSleep` in `src/backend/storage/lmgr/proc.c` for lock waits). Under another `lc_messages` nothing of
//! this matches, which the importer reports.

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// `statement: SQL`, `execute NAME: SQL`: a statement starts.
    Statement { text: String, protocol: Protocol },
    /// `duration: X ms`, with or without the text.
    Duration { us: u64, of: Option<(Phase, String)> },
    /// `duration: X ms  plan:` of auto_explain, with the query's text if the plan's format shows it.
    Plan { us: u64, text: Option<String> },
    /// `process P still waiting for …`, `… acquired …` and their relatives.
    Wait(Wait),
    /// `connection authorized: …`.
    Connected,
    /// `disconnection: …`.
    Disconnected,
    /// Something that says nothing about requests, in words that an English server uses.
    Irrelevant,
    /// Anything else.
    Unknown,
}

/// The protocol that a statement came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One message with the text; it may hold several statements.
    Simple,
    /// Parse, bind, execute: the transaction ends with a Sync that is not logged.
    Extended,
}

/// The step of the extended protocol that a duration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A whole simple statement.
    Statement,
    /// Parsing.
    Parse,
    /// Binding parameters, and planning.
    Bind,
    /// Execution.
    Execute,
}

/// A lock wait as the server reports it, `deadlock_timeout` after its start or at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) state: WaitState,
    pub(crate) mode: String,
    pub(crate) object: String,
    pub(crate) us: u64,
}

/// What a lock wait's report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitState {
    Waiting,
    Acquired,
    Deadlock,
    Failed,
}

/// Beginnings of messages that every server writes and that say nothing about requests.
const IRRELEVANT: &[&str] = &[
    "connection received:",
    "connection authenticated:",
    "connection ready:",
    "replication connection authorized:",
    "received replication command:",
    "fastpath function call:",
    "checkpoint ",
    "restartpoint ",
    "checkpoints are occurring too frequently",
    "automatic vacuum of table",
    "automatic aggressive vacuum",
    "automatic analyze of table",
    "temporary file:",
    "ending log output",
    "starting PostgreSQL",
    "listening on ",
    "redirecting log output",
    "database system ",
    "received ",
    "aborting any active transactions",
    "background worker ",
    "shutting down",
    "all server processes terminated",
    "parameter ",
    "configuration file ",
    "could not receive data from client",
    "could not send data to client",
    "unexpected EOF on client connection",
    "SSL ",
    "process ",
    "server process ",
    "terminating ",
    "logical ",
    "started streaming",
    "starting logical decoding",
    "redo ",
    "recovery ",
    "consistent recovery state",
    "selected new timeline",
    "archive ",
    "invalid record length",
    "QUERY STATISTICS",
    "PARSER STATISTICS",
    "EXECUTOR STATISTICS",
    "PLANNER STATISTICS",
];

/// Reads the message of an entry of severity LOG.
pub(crate) fn parse(message: &str) -> Message {
    if let Some(text) = message.strip_prefix("statement: ") {
        return Message::Statement { text: text.to_owned(), protocol: Protocol::Simple };
    }
    if let Some(text) = message.strip_prefix("execute ").and_then(after_name) {
        return Message::Statement { text: text.to_owned(), protocol: Protocol::Extended };
    }
    if let Some(rest) = message.strip_prefix("duration: ") {
        return duration(rest).unwrap_or(Message::Unknown);
    }
    if let Some(wait) = message.strip_prefix("process ").and_then(wait) {
        return Message::Wait(wait);
    }
    if message.starts_with("connection authorized:") {
        return Message::Connected;
    }
    if message.starts_with("disconnection:") {
        return Message::Disconnected;
    }
    if IRRELEVANT.iter().any(|start| message.starts_with(start)) {
        Message::Irrelevant
    } else {
        Message::Unknown
    }
}

/// What stands after a prepared statement's or portal's name: `<unnamed>: SQL`, `fetch from S_1/C_2: SQL`.
fn after_name(rest: &str) -> Option<&str> {
    rest.split_once(": ").map(|(_, text)| text)
}

fn duration(rest: &str) -> Option<Message> {
    let (figure, rest) = rest.split_once(" ms")?;
    let us = milliseconds(figure)?;
    let rest = rest.trim_start();
    if rest.is_empty() {
        return Some(Message::Duration { us, of: None });
    }
    if let Some(plan) = rest.strip_prefix("plan:") {
        return Some(Message::Plan { us, text: query_text(plan.trim_start()) });
    }
    if rest.starts_with("fastpath function call:") {
        return Some(Message::Irrelevant);
    }
    let (phase, text) = if let Some(text) = rest.strip_prefix("statement: ") {
        (Phase::Statement, text)
    } else if let Some(named) = rest.strip_prefix("parse ") {
        (Phase::Parse, after_name(named)?)
    } else if let Some(named) = rest.strip_prefix("bind ") {
        (Phase::Bind, after_name(named)?)
    } else if let Some(named) = rest.strip_prefix("execute ") {
        (Phase::Execute, after_name(named)?)
    } else {
        return None;
    };
    Some(Message::Duration { us, of: Some((phase, text.to_owned())) })
}

/// The query in a plan of auto_explain (`contrib/auto_explain`), formats text and json. In text format it ends
/// where the first node's line with its costs starts.
fn query_text(plan: &str) -> Option<String> {
    if plan.starts_with('{') {
        let object: serde_json::Value = serde_json::from_str(plan).ok()?;
        return object.get("Query Text")?.as_str().map(str::to_owned);
    }
    let text = plan.strip_prefix("Query Text: ")?;
    let is_node = |line: &&str| line.contains("  (cost=") || line.contains("  (actual ");
    let ends = ["Query Parameters: ", "Settings: "];
    let lines =
        text.lines().take_while(|line| !is_node(line) && !ends.iter().any(|end| line.starts_with(end)));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

/// `501.123` milliseconds in microseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(whole.parse::<u64>().ok()? * 1_000 + thousandths.parse::<u64>().ok()?)
}

fn wait(rest: &str) -> Option<Wait> {
    let (_, rest) = rest.split_once(' ')?;
    let (what, figure) = rest.rsplit_once(" after ")?;
    let us = milliseconds(figure.strip_suffix(" ms")?)?;
    let states = [
        ("still waiting for ", WaitState::Waiting),
        ("acquired ", WaitState::Acquired),
        ("detected deadlock while waiting for ", WaitState::Deadlock),
        ("avoided deadlock for ", WaitState::Waiting),
        ("failed to acquire ", WaitState::Failed),
    ];
    let (lock, state) = states.iter().find_map(|(start, state)| Some((what.strip_prefix(start)?, *state)))?;
    let (mode, object) = lock.split_once(" on ")?;
    let object = object.strip_suffix(" by rearranging queue order").unwrap_or(object);
    Some(Wait { state, mode: mode.to_owned(), object: object.to_owned(), us })
}

/// `Process holding the lock: A. Wait queue: B, C.`: the holders' process ids and the queue's length.
pub(crate) fn wait_detail(detail: &str) -> (Vec<u32>, u64) {
    let pids = |text: &str| -> Vec<u32> {
        text.split([',', ' ', '.']).filter_map(|part| part.parse().ok()).collect()
    };
    let Some((holders, queue)) = detail.split_once("Wait queue:") else { return (Vec::new(), 0) };
    let holders = holders.split_once(':').map_or(Vec::new(), |(_, holders)| pids(holders));
    (holders, pids(queue).len() as u64)
}

/// `parameters: $1 = '5', $2 = NULL` (`Parameters:` from 16 on): the values in order.
pub(crate) fn parameters(detail: &str) -> Vec<Option<String>> {
    let Some(mut rest) = detail.strip_prefix("parameters: ").or_else(|| detail.strip_prefix("Parameters: "))
    else {
        return Vec::new();
    };
    let mut values = Vec::new();
    while let Some((_, after)) = rest.split_once(" = ") {
        if let Some(quoted) = after.strip_prefix('\'') {
            let (value, after) = quoted_value(quoted);
            values.push(Some(value));
            rest = after;
        } else {
            values.push(None);
            rest = after.split_once(',').map_or("", |(_, after)| after);
        }
    }
    values
}

/// A value up to its closing quote, doubled quotes undone.
fn quoted_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('\'') else {
            value.push_str(rest);
            return (value, "");
        };
        value.push_str(part);
        let Some(doubled) = after.strip_prefix('\'') else { return (value, after) };
        value.push('\'');
        rest = doubled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_text() {
        assert_eq!(parse("duration: 0.501 ms"), Message::Duration { us: 501, of: None });
        assert_eq!(
            parse("duration: 1002.2 ms  statement: select 1"),
            Message::Duration { us: 1_002_200, of: Some((Phase::Statement, "select 1".to_owned())) }
        );
        assert_eq!(
            parse("duration: 3 ms  execute fetch from <unnamed>/C_1: select 1"),
            Message::Duration { us: 3_000, of: Some((Phase::Execute, "select 1".to_owned())) }
        );
    }

    #[test]
    fn plans_of_auto_explain_show_their_query() {
        for plan in [
            "Query Text: select 1\n from t\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: a",
            "{\n  \"Query Text\": \"select 1\\n from t\",\n  \"Plan\": {}\n}",
        ] {
            let text = Some("select 1\n from t".to_owned());
            assert_eq!(parse(&format!("duration: 1.5 ms  plan:\n{plan}")), Message::Plan { us: 1_500, text });
        }
    }

    #[test]
    fn lock_waits_name_mode_object_and_time() {
        let message = "process 12379 still waiting for AccessExclusiveLock on relation 16415 of database 5 after 100.144 ms";
        let Message::Wait(wait) = parse(message) else { panic!("{message}") };
        assert_eq!((wait.state, wait.us), (WaitState::Waiting, 100_144));
        assert_eq!(
            (wait.mode.as_str(), wait.object.as_str()),
            ("AccessExclusiveLock", "relation 16415 of database 5")
        );
        let message = "process 7 avoided deadlock for ShareLock on transaction 9 by rearranging queue order after 1000.5 ms";
        assert!(matches!(parse(message), Message::Wait(wait) if wait.object == "transaction 9"));
        assert_eq!(wait_detail("Processes holding the lock: 1, 2. Wait queue: 3, 4, 5."), (vec![1, 2], 3));
        assert_eq!(wait_detail("Process holding the lock: 29235. Wait queue: ."), (vec![29_235], 0));
    }

    #[test]
    fn parameters_are_unquoted_and_null_is_null() {
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(
            parameters("parameters: $1 = 'it''s, $2 = ''x''', $2 = NULL, $3 = ''"),
            [value("it's, $2 = 'x'"), None, value("")]
        );
        assert_eq!(parameters("Parameters: $1 = '5'"), [value("5")]);
        assert_eq!(parameters("prepare: prepare q as select 1"), []);
    }
}
