//! What each of the server's sessions does, told step by step to somebody who draws it.
//!
//! The event log tells of locks and transactions; a drawing of sessions also needs the statements. They are told
//! beside the log, so that a log is the same whether somebody looks on or not.

use sim_clock::Nanos;
use sql_engine::Database;
use transactions::{EventKind, LockMode, LockTag, SessionId, SessionState, SqlState};

use crate::watch::Sent;

/// One step of a session.
#[derive(Clone, Copy, Debug)]
pub enum SessionStep<'a> {
    /// A statement begins.
    Begins(&'a Sent),
    /// It ends.
    Ends {
        /// With which SQLSTATE, if it failed.
        failed: Option<SqlState>,
        /// Whether the session sits in a transaction now.
        in_transaction: bool,
    },
    /// The session waits for a lock.
    Waits {
        /// In which mode.
        mode: LockMode,
        /// On what.
        tag: LockTag,
        /// Behind whom, as `pg_blocking_pids` has it.
        behind: &'a [SessionId],
    },
    /// The wait is over, with the lock or without.
    GoesOn,
    /// The transaction is over while no statement runs: the connection was closed or terminated.
    Leaves,
}

/// Is told of each step when it is taken. Names can be asked of the database.
pub type Witness = Box<dyn FnMut(Nanos, &Database, SessionId, SessionStep<'_>)>;

/// What a transition of the server means for its session, waits apart.
pub(crate) fn step_of(kind: EventKind, state: SessionState) -> Option<SessionStep<'static>> {
    let is_out = matches!(state, SessionState::Idle | SessionState::Gone);
    match kind {
        EventKind::Waits
        | EventKind::Granted
        | EventKind::Released
        | EventKind::RowLocked
        | EventKind::Rearranged => None,
        EventKind::Committed | EventKind::RolledBack | EventKind::Terminated if is_out => {
            Some(SessionStep::Leaves)
        }
        _ => Some(SessionStep::GoesOn),
    }
}
