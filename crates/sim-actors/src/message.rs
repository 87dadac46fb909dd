//! What the actors say to one another: plain data, no reply channels.

use std::rc::Rc;

use sim_clock::Nanos;
use smallvec::SmallVec;
use sql_engine::StatementId;
use transactions::{SessionId, SessionSettings, SqlState};

use crate::arrivals::{Recorded, SentText};
use crate::coordinator::database::{DatabaseError, Executed, Timeouts, Vitals};

/// The keys that a request's parameters stand for.
pub type Keys = SmallVec<[i64; 2]>;

/// A message between two actors.
#[derive(Clone, Debug)]
pub enum Message {
    /// To the lock manager: run a prepared statement on an idle session.
    Execute {
        /// On which session.
        session: SessionId,
        /// Which statement.
        statement: StatementId,
        /// Its parameters.
        params: Keys,
        /// How long it works; `None` leaves that to the cost model.
        work: Option<Nanos>,
    },
    /// To the lock manager: run a recorded text on an idle session. Answered with [`Message::Completed`].
    Replay {
        /// On which session.
        session: SessionId,
        /// The texts of its request.
        texts: Rc<Vec<SentText>>,
        /// Which of them.
        at: usize,
    },
    /// To the lock manager: run this text on an idle session. Answered with [`Message::Answered`].
    Query {
        /// On which session.
        session: SessionId,
        /// The statement.
        sql: Box<str>,
        /// Its limits.
        timeouts: Timeouts,
    },
    /// To the lock manager: `pg_cancel_backend`.
    Cancel {
        /// Whose statement.
        session: SessionId,
    },
    /// To the lock manager: can these statements be planned against the schema as it is?
    Probe {
        /// What the version of an application runs.
        statements: Rc<[StatementId]>,
    },
    /// To the lock manager: open connections. Answered with [`Message::Connected`].
    Connect {
        /// The `application_name`.
        application_name: Rc<str>,
        /// What they are opened with.
        settings: Box<SessionSettings>,
        /// How many.
        count: u32,
        /// The session that the server has closed and that a new one shall replace.
        instead_of: Option<SessionId>,
    },
    /// To the lock manager: close connections.
    Disconnect {
        /// Which.
        sessions: Vec<SessionId>,
    },

    /// From the lock manager: the connections that it had to give.
    Connected {
        /// Which sessions they are.
        sessions: Vec<SessionId>,
        /// As it was asked.
        instead_of: Option<SessionId>,
    },
    /// From the lock manager: a prepared statement has ended.
    Completed {
        /// On which session.
        session: SessionId,
        /// How.
        outcome: Result<(), SqlState>,
    },
    /// From the lock manager: the outcome of a [`Message::Query`].
    Answered {
        /// On which session.
        session: SessionId,
        /// What came of it.
        outcome: Box<Result<Executed, DatabaseError>>,
    },
    /// From the lock manager: the first error that planning met.
    Probed(Option<SqlState>),

    /// From the balancer to an instance: a request has arrived.
    Arrive {
        /// Which kind, by its place in the list of requests.
        request: u32,
        /// Its keys.
        keys: Keys,
        /// What it was recorded with, if it was.
        recorded: Option<Recorded>,
        /// Its number among all arrivals, from 0.
        ordinal: u64,
    },
    /// From an instance to the balancer: send it requests, or stop.
    Rotation {
        /// Whether it takes requests.
        takes_requests: bool,
    },

    /// From the coordinator to an instance: move to a version.
    Deploy {
        /// Its place in the list of versions.
        version: usize,
        /// Whether it waits for [`Message::Admit`] once it has started.
        hold: bool,
    },
    /// From the coordinator to an instance that has started: go on to the health check, or back because of this.
    Admit(Result<(), Box<str>>),
    /// From the coordinator to an instance: drain and stop.
    Stop,
    /// From the coordinator to an instance: how do you do?
    Examine,
    /// From an instance to the coordinator: so.
    Vitals(Vitals),
    /// From the coordinator to an instance: take requests from now on, or none.
    Serve(bool),
    /// From an instance to the coordinator: moved, held or stopped, or why not.
    Deployed(Result<(), Box<str>>),
}
