//! The lock manager as an actor: the simulated server behind an inbox.
//!
//! It never waits: a statement that has to wait for a lock stays with the server's own state
//! machine, and its completion goes out when it comes.

use sim_clock::{Actor, ActorId, Context, Nanos};
use sql_engine::{Database, Effects, LockMode, SessionId, StatementId, Timer, Value};

use crate::coordinator::database::{DatabaseError, Executed, LockFailure, Timeouts};
use crate::event::Event;
use crate::message::{Keys, Message};

/// The simulated server and its clients.
pub struct LockManager {
    database: Database,
    /// Whose each session is.
    clients: Vec<ActorId>,
    /// The session that sends texts and wants results: the coordinator's.
    questioner: Option<Questioner>,
    effects: Effects,
}

struct Questioner {
    session: SessionId,
    /// The lock that it waits for, as far as it is known.
    waits: Option<LockFailure>,
    since: Nanos,
    /// The relation locks that it was granted, each once.
    granted: Vec<(String, LockMode)>,
}

impl LockManager {
    /// A server whose sessions belong to these clients, by session number; `questioner` is the one
    /// that sends texts.
    #[must_use]
    pub fn new(database: Database, clients: Vec<ActorId>, questioner: SessionId) -> Self {
        let questioner =
            Questioner { session: questioner, waits: None, since: Nanos::ZERO, granted: Vec::new() };
        Self { database, clients, questioner: Some(questioner), effects: Effects::default() }
    }

    /// The server as the run left it, and the relation locks that the questioner was granted.
    #[must_use]
    pub fn into_parts(self) -> (Database, Vec<(String, LockMode)>) {
        (self.database, self.questioner.map(|one| one.granted).unwrap_or_default())
    }
}
