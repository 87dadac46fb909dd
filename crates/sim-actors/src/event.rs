//! The event log of a rehearsal: what the server's locks did, and what users and deployments felt.

use sim_clock::{Nanos, TraceHash, Traced};
use transactions::{Event as ServerEvent, LockTag, SessionId, SqlState};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failed {
    /// A statement failed.
    Database(SqlState),
    /// No connection came free in time.
    PoolTimeout,
    /// The version that runs knows no such request.
    NotServed,
}

/// One line of the event log.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A transition of the server.
    Server(ServerEvent),
    /// A request has arrived at the balancer.
    Arrived {
        /// Which kind.
        request: u32,
    },
    /// A request, or a health check, has got a connection of the instance's pool.
    Started {
        /// Which kind; `u32::MAX` for a health check.
        request: u32,
        /// How long it waited for the connection.
        waited: Nanos,
        /// Whether it had to queue for it.
        queued: bool,
    },
    /// All connections of the instance's pool are in use: it queues for one.
    Queued {
        /// Which kind.
        request: u32,
    },
    /// It has no more use for the connection.
    Freed {
        /// Which kind.
        request: u32,
    },
    /// It has given up waiting for a connection.
    GaveUp {
        /// Which kind.
        request: u32,
    },
    /// A request has ended.
    Request {
        /// Which kind.
        request: u32,
        /// Its number among all arrivals, from 0. Not part of the trace's hash: it follows from the arrivals.
        ordinal: u64,
        /// From its arrival to its end.
        latency: Nanos,
        /// Its own work and its client's thinking, as far as the scenario gives it: what it would have
        /// taken alone.
        own: Nanos,
        /// Why it failed, if it did.
        failed: Option<Failed>,
    },
    /// A request found no instance to take it.
    TurnedAway {
        /// Which kind.
        request: u32,
    },
    /// An instance is taken into rotation or out of it.
    Rotation {
        /// Whether it takes requests.
        takes_requests: bool,
    },
    /// A session has begun to wait behind another.
    Blocked {
        /// Who waits.
        waiter: SessionId,
        /// The first in its way: a holder of the lock, or else a waiter ahead.
        blocker: SessionId,
    },
    /// The server opened or refused connections.
    Connections {
        /// How many are open now.
        open: u32,
        /// How many were refused just now.
        refused: u32,
    },
    /// A statement of a background session begins or ends.
    Background {
        /// Its place in the script, from 0.
        statement: u32,
        /// Whether it begins, succeeded or failed.
        step: StatementStep,
    },
    /// The coordinator pauses: between attempts or batches.
    Pauses {
        /// For how long.
        span: Nanos,
    },
    /// An instance enters a phase of its deployment.
    Deployment {
        /// The version that it is about.
        version: u32,
        /// Which phase.
        phase: DeploymentPhase,
    },
    /// The coordinator's statement begins or ends.
    Migration {
        /// On which session.
        session: SessionId,
        /// Its number, from 1.
        statement: u32,
        /// Whether it begins, succeeded or failed.
        step: StatementStep,
    },
}

/// The phases of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentPhase {
    /// It takes no more requests and finishes those it has.
    Draining,
    /// It starts on the version.
    Starting,
    /// It passed its health check.
    Healthy,
    /// It did not, and goes back.
    Unhealthy,
    /// It has started and does what comes before its health check: its migrations, say.
    Held,
    /// It does not run any more.
    Stopped,
}

/// What a statement of a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementStep {
    /// It begins.
    Begins,
    /// It succeeded.
    Succeeds,
    /// It failed.
    Fails(SqlState),
}

impl Traced for Event {
    fn trace(&self, hash: &mut TraceHash) {
        let kind = |kind: u64, detail: u32| kind << 32 | u64::from(detail);
        match self {
            Self::Server(event) => trace_server(event, hash),
            Self::Request { request, latency, own, failed, .. } => {
                hash.word(kind(1, *request));
                hash.word(latency.0);
                hash.word(own.0);
                hash.word(failed.map_or(0, failure_word));
            }
            Self::TurnedAway { request } => hash.word(kind(2, *request)),
            Self::Deployment { version, phase } => {
                hash.word(kind(3, *version));
                hash.word(*phase as u64);
            }
            Self::Migration { statement, step, .. } => {
                hash.word(kind(4, *statement));
                hash.word(step_word(*step));
            }
            Self::Arrived { request } => hash.word(kind(5, *request)),
            Self::Queued { request } => hash.word(kind(14, *request)),
            Self::Started { request, waited, queued } => {
                hash.word(kind(6, *request) | u64::from(*queued) << 48);
                hash.word(waited.0);
            }
            Self::Freed { request } => hash.word(kind(7, *request)),
            Self::GaveUp { request } => hash.word(kind(8, *request)),
            Self::Rotation { takes_requests } => hash.word(kind(9, u32::from(*takes_requests))),
            Self::Blocked { waiter, blocker } => {
                hash.word(kind(10, waiter.0));
                hash.word(u64::from(blocker.0));
            }
            Self::Connections { open, refused } => {
                hash.word(kind(11, *open));
                hash.word(u64::from(*refused));
            }
            Self::Background { statement, step } => {
                hash.word(kind(12, *statement));
                hash.word(step_word(*step));
            }
            Self::Pauses { span } => {
                hash.word(kind(13, 0));
                hash.word(span.0);
            }
        }
    }
}

fn step_word(step: StatementStep) -> u64 {
    match step {
        StatementStep::Begins => 0,
        StatementStep::Succeeds => 1,
        StatementStep::Fails(state) => state_word(state),
    }
}

/// Feeds a transition of the server: whose, which, in which mode, on what.
pub fn trace_server(event: &ServerEvent, hash: &mut TraceHash) {
    let ServerEvent { session, kind, mode, tag } = *event;
    hash.word(u64::from(session.0) << 16 | (kind as u64) << 8 | mode as u64);
    let (class, object, more) = match tag {
        LockTag::Relation(relation) => (0, u64::from(relation.0), 0),
        LockTag::Tuple { relation, version, key } => {
            (1, u64::from(relation.0) << 32 | u64::from(version), key)
        }
        LockTag::Transaction(xid) => (2, xid.number(), u64::from(xid.session().0)),
        LockTag::VirtualTransaction { session, local } => (3, u64::from(session.0), u64::from(local)),
        LockTag::Object { class, object } => (4, u64::from(class), u64::from(object)),
        LockTag::Advisory(key) => (5, key.cast_unsigned(), 0),
    };
    hash.word(object.rotate_left(8) ^ class);
    if more != 0 {
        hash.word(more);
    }
}

fn failure_word(failed: Failed) -> u64 {
    match failed {
        Failed::Database(state) => state_word(state),
        Failed::PoolTimeout => 1,
        Failed::NotServed => 2,
    }
}

fn state_word(state: SqlState) -> u64 {
    state.as_str().bytes().fold(0, |word, byte| word << 8 | u64::from(byte))
}
