//! What a request came to, as the body of a reply.

use serde_json::{Map, Value, json};
use sim_actors::coordinator::Failure;
use sim_actors::coordinator::FailureKind;
use sim_actors::coordinator::database::DatabaseError;

use crate::format::object;
use crate::request::RequestError;

/// A reply's body, or an error's, without `in_reply_to`.
pub(crate) type Body = Map<String, Value>;

/// Maelstrom's error codes, as far as the node uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NotSupported = 10,
    Malformed = 12,
    Crash = 13,
    Abort = 14,
    KeyDoesNotExist = 20,
    KeyAlreadyExists = 21,
    PreconditionFailed = 22,
    TxnConflict = 30,
}

/// Why a request is answered with an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    code: Code,
    text: String,
    more: Body,
    /// Whether what the request committed before it failed stays.
    pub(crate) keeps_commits: bool,
}

impl Refusal {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), more: Body::new(), keeps_commits: false }
    }

    /// The error as a reply's body.
    pub(crate) fn body(self) -> Body {
        let mut body =
            object([("type", json!("error")), ("code", json!(self.code as u64)), ("text", json!(self.text))]);
        body.extend(self.more);
        body
    }

    /// The request failed after some of it had been committed for good.
    pub(crate) fn keeping_what_was_committed(mut self) -> Self {
        self.keeps_commits = true;
        self
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        let code = match error {
            RequestError::UnknownType(_) => Code::NotSupported,
            RequestError::Field(_) => Code::Malformed,
        };
        Self::new(code, error.to_string())
    }
}

/// SQLSTATEs by what they mean to the sender; all others are preconditions that do not hold
/// (PostgreSQL manual, appendix A).
const CODES: [(&str, Code); 15] = [
    ("42P01", Code::KeyDoesNotExist),
    ("42703", Code::KeyDoesNotExist),
    ("42704", Code::KeyDoesNotExist),
    ("42883", Code::KeyDoesNotExist),
    ("3F000", Code::KeyDoesNotExist),
    ("42P07", Code::KeyAlreadyExists),
    ("42701", Code::KeyAlreadyExists),
    ("42710", Code::KeyAlreadyExists),
    ("42P06", Code::KeyAlreadyExists),
    ("55P03", Code::Abort),
    ("57014", Code::Abort),
    ("57P01", Code::Abort),
    ("40P01", Code::TxnConflict),
    ("40001", Code::TxnConflict),
    ("0A000", Code::NotSupported),
];

fn code_of(error: &DatabaseError) -> Code {
    let found = CODES.iter().find(|entry| entry.0 == error.sqlstate);
    found.map_or(Code::PreconditionFailed, |entry| entry.1)
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let code = match (failure.kind, &failure.database) {
            (FailureKind::Database, Some(error)) => code_of(error),
            _ => Code::PreconditionFailed,
        };
        let mut refusal = Self::new(code, failure.text);
        if !failure.instances.is_empty() {
            refusal = refusal.with("instances", json!(failure.instances));
        }
        let Some(error) = failure.database else { return refusal };
        if let Some(lock) = error.lock {
            refusal = refusal
                .with("lock_mode", json!(lock.mode))
                .with("waited_ms", json!(lock.waited.as_millis()))
                .with("blocked_by", json!(lock.blocked_by));
        }
        refusal.with("sqlstate", json!(error.sqlstate)).with("rolled_back", json!(failure.rolled_back))
    }
}
