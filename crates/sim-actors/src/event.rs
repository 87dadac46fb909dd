//! The event log of a rehearsal: what the server's locks did, and what users and deployments felt.

use sim_clock::{Nanos, TraceHash, Traced};
use transactions::{Event as ServerEvent, LockTag, SqlState};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failed {
    /// A statement failed.
    Database(SqlState),
    /// No connection came free in time.
    PoolTimeout,
}

/// One line of the event log.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A transition of the server.
    Server(ServerEvent),
    /// A request has ended.
    Request {
        /// Which kind.
        request: u32,
        /// Its number among all arrivals, from 0.
        ordinal: u64,
        /// From its arrival to its end.
        latency: Nanos,
        /// Why it failed, if it did.
        failed: Option<Failed>,
    },
    /// A request found no instance to take it.
    TurnedAway {
        /// Which kind.
        request: u32,
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
        /// Its number, from 1.
        statement: u32,
        /// Whether it begins, succeeded or failed.
        step: MigrationStep,
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
}

/// What a statement of the coordinator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationStep {
    /// It begins.
    Begins,
    /// It succeeded.
    Succeeds,
    /// It failed.
    Fails(SqlState),
}

impl Traced for Event {
    fn trace(&self, hash: &mut TraceHash) {
        match self {
            Self::Server(event) => trace_server(event, hash),
            Self::Request { request, latency, failed, .. } => {
                hash.word(1 << 32 | u64::from(*request));
                hash.word(latency.0);
                hash.word(failed.map_or(0, failure_word));
            }
            Self::TurnedAway { request } => hash.word(2 << 32 | u64::from(*request)),
            Self::Deployment { version, phase } => {
                hash.word(3 << 32 | u64::from(*version));
                hash.word(*phase as u64);
            }
            Self::Migration { statement, step } => {
                hash.word(4 << 32 | u64::from(*statement));
                hash.word(match step {
                    MigrationStep::Begins => 0,
                    MigrationStep::Succeeds => 1,
                    MigrationStep::Fails(state) => state_word(*state),
                });
            }
        }
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
    }
}

fn state_word(state: SqlState) -> u64 {
    state.as_str().bytes().fold(0, |word, byte| word << 8 | u64::from(byte))
}
