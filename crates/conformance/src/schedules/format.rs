//! The format in which lock schedules were recorded: one JSON object a line.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A recorded schedule: what was sent to which session when, and what the server made of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name.
    pub id: String,
    /// What it shows; the hand-made ones say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// What kind of schedule the generator was to make.
    #[serde(default)]
    pub prof: String,
    /// How many sessions there are, numbered from 1.
    pub n: u32,
    /// How many tables there are, `t1` to `tT`.
    #[serde(rename = "T")]
    pub tables: u32,
    /// Whether there is a table `c` that refers to `t1`.
    #[serde(default)]
    pub fk: u8,
    /// The sessions' `deadlock_timeout` in ms.
    pub dl: Vec<u64>,
    /// In how many entries one event woke two or more waiters, who then raced.
    #[serde(default)]
    pub mw: u32,
    /// What happened, in order.
    pub tr: Vec<Entry>,
}

/// One thing that happened, and how the sessions stood once all had come to rest.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When, in ms.
    pub t: u64,
    /// The session that was sent a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s: Option<u32>,
    /// The session whose timer fired, and what it found: `LT`, `DL` or `SOFT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tm: Option<(u32, TimerFound)>,
    /// The statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpKind>,
    /// Its arguments.
    #[serde(flatten)]
    pub args: Args,
    /// Whether the session was waiting, so that nothing was sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u8,
    /// What came of the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub res: Option<String>,
    /// Which waiting statements of other sessions ended, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<(u32, String)>,
    /// Who waits now: left out if it is as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w: Option<Vec<Wait>>,
    /// The sessions' states, a letter each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub st: Option<String>,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// A waiter: session, object, mode, blockers.
pub type Wait = (u32, String, String, Vec<u32>);

/// The arguments of a statement; which of them there are depends on the operation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Args {
    /// A table's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tb: Option<u32>,
    /// A second table's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tb2: Option<u32>,
    /// A mode or strength.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m: Option<String>,
    /// NOWAIT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nw: Option<u8>,
    /// What if a row is locked: `nw`, `sl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wp: Option<String>,
    /// A row's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<i64>,
    /// A number: of a savepoint, an advisory lock, a new object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<i64>,
    /// A timeout in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// SET LOCAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<u8>,
}

/// What a timer found.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum TimerFound {
    /// `lock_timeout`: the wait was too long.
    #[serde(rename = "LT")]
    LockTimeout,
    /// `deadlock_timeout`: a deadlock, whose victim the session is.
    #[serde(rename = "DL")]
    Deadlock,
    /// `deadlock_timeout`: a deadlock that another queue order undid.
    #[serde(rename = "SOFT")]
    Rearranged,
}

/// The operations.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum OpKind {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    Release,
    Lock,
    Select,
    Rowlock,
    Insert,
    Update,
    UpdateKey,
    Delete,
    InsertChild,
    AddColumn,
    CreateIndex,
    Cic,
    Validate,
    Truncate,
    AddFk,
    Analyze,
    Vacuum,
    Drop,
    Advisory,
    TryAdvisory,
    SetLt,
}

/// A file of schedules that cannot be read.
#[derive(Debug, Error)]
pub enum FormatError {
    /// A line is no schedule.
    #[error("{file}:{line}:{column}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// There is none.
    #[error("{file}: no schedules in it; expected one JSON object a line")]
    Empty {
        /// The file.
        file: String,
    },
}

/// Reads schedules, one a line; empty lines are passed over. `file` is its name for messages.
///
/// # Errors
/// Names the first line that is not a schedule, the place in it, and what was expected there.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Schedule>, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        let problem = "not UTF-8; expected a lock schedule as one line of JSON".to_owned();
        FormatError::Line { file: file.to_owned(), line, column, problem }
    })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let schedules: Vec<_> =
        lines.map(|(index, line)| parse_line(file, index + 1, line)).collect::<Result<_, _>>()?;
    if schedules.is_empty() {
        return Err(FormatError::Empty { file: file.to_owned() });
    }
    Ok(schedules)
}

fn parse_line(file: &str, line: usize, text: &str) -> Result<Schedule, FormatError> {
    let error =
        |column: usize, problem: String| FormatError::Line { file: file.to_owned(), line, column, problem };
    let schedule: Schedule = serde_json::from_str(text).map_err(|it| {
        let problem = it.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
        error(it.column().max(1), format!("{problem}; expected a lock schedule, one JSON object a line"))
    })?;
    super::ops::check(&schedule)
        .map_err(|problem| error(1, format!("schedule {}: {problem}", schedule.id)))?;
    Ok(schedule)
}
