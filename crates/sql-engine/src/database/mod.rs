//! The simulated server: sessions, queries, results.

mod config;
mod contents;
mod ends;
mod execute;
mod look;
mod query;
mod setup;
mod temporary;

use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::SessionId;
use rustc_hash::FxHashMap;
use sim_clock::Nanos;
use transactions::{Backends, Effects, ServerSettings, SessionSettings, SessionState, Statement as Sent};

pub use config::DatabaseConfig;
pub use contents::TableBackup;

use crate::exec::Pool;
use crate::job::{Job, Prepared, timeouts};
use crate::state::{SessionData, Shared, Tuple};

/// A query that was parsed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub u32);

/// The queries that were parsed once.
#[derive(Clone, Default)]
struct Statements {
    by_text: FxHashMap<Rc<str>, StatementId>,
    queries: Vec<Rc<[Rc<Prepared>]>>,
}

/// The simulated server. See the crate's documentation.
pub struct Database {
    config: DatabaseConfig,
    backends: Backends<Tuple>,
    shared: Rc<Shared>,
    jobs: Vec<Option<Box<Job>>>,
    names: Vec<Rc<str>>,
    statements: Rc<Statements>,
    savepoints: BTreeMap<String, u32>,
    pool: Rc<Pool>,
    is_general: bool,
}

/// What is committed, on a server of its own: sessions and their transactions are not part of it. Rows, index
/// entries, catalog and plans are shared until either of the two changes them.
impl Clone for Database {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.config.clone());
        let state = self.shared.get();
        {
            let mut new = copy.shared.edit();
            new.catalog = state.catalog.detached();
            new.sequences = state.sequences.clone();
            new.virtual_tables = state.virtual_tables.clone();
            new.marks = state.marks.clone();
            new.random = state.random.clone();
            new.tables = state.tables.clone();
        }
        match self.backends.copy_at_rest() {
            Some(backends) => {
                copy.backends = backends;
                copy.shared.edit().indexes = state.indexes.clone();
            }
            None => copy.take_committed_rows(&self.backends),
        }
        copy.statements = Rc::clone(&self.statements);
        copy.is_general = self.is_general;
        copy
    }
}

impl Database {
    /// A server with nothing in it.
    #[must_use]
    pub fn new(config: DatabaseConfig) -> Self {
        let version = config.pg_version();
        let server = ServerSettings { version: version.major() as u8 };
        let shared = Shared::new(version, config.seed, config.epoch, config.durations());
        shared.edit().statement_overhead = config.statement_overhead;
        Self {
            config,
            backends: Backends::new(server),
            shared: Rc::new(shared),
            jobs: Vec::new(),
            names: Vec::new(),
            statements: Rc::default(),
            savepoints: BTreeMap::new(),
            pool: Rc::default(),
            is_general: false,
        }
    }

    /// Takes over another server's rows one by one, without what its running transactions wrote.
    fn take_committed_rows(&mut self, from: &Backends<Tuple>) {
        let mut state = self.shared.edit();
        for relation in state.catalog.clone().relations().filter(|r| r.has_heap()) {
            if state.virtual_tables.contains_key(&relation.id) {
                continue;
            }
            state.table(relation.id).built.clear();
            self.backends.store_relation(relation.id);
            for (key, row) in from.committed_rows(relation.id) {
                self.backends.seed_row(relation.id, key, row);
            }
        }
        self.backends.copy_extents(from);
    }

    // ---- sessions ----

    /// Opens a session.
    pub fn connect(&mut self, now: Nanos, name: &str, settings: SessionSettings) -> SessionId {
        let session = self.backends.connect(now, settings);
        let mut state = self.shared.edit();
        let lookup = Rc::clone(&state.default_lookup);
        state.sessions.push(SessionData::new(lookup));
        drop(state);
        self.jobs.push(None);
        // Most sessions have the name of the one before: connections of one pool.
        let known = self.names.last().filter(|last| ***last == *name);
        self.names.push(known.map_or_else(|| Rc::from(name), Rc::clone));
        session
    }

    /// Closes a session as its client's disconnecting does.
    pub fn disconnect(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let from = fx.completions.len();
        if let Some(job) = self.jobs.get_mut(session.index()) {
            *job = None;
        }
        self.backends.disconnect(now, session, fx);
        self.drop_temporary(session);
        self.work_off(now, from, fx);
    }

    /// Closes all sessions; what they had not committed is gone.
    pub fn close_sessions(&mut self) {
        let mut fx = Effects::default();
        for at in 0..self.names.len() {
            let session = SessionId(u32::try_from(at).unwrap_or(u32::MAX));
            if self.backends.gone(session).is_none() {
                self.disconnect(Nanos::ZERO, session, &mut fx);
            }
        }
    }

    /// The name that a session was given.
    #[must_use]
    pub fn session_name(&self, session: SessionId) -> &str {
        self.names.get(session.index()).map_or("", |name| &**name)
    }

    /// Sets timeouts of an idle session, as its client's driver would.
    pub fn set_timeouts(&mut self, session: SessionId, lock: Option<Nanos>, statement: Option<Nanos>) {
        let mut fx = Effects::default();
        for (guc, value) in timeouts(lock, statement) {
            let is_busy = matches!(
                self.state(session),
                SessionState::Working | SessionState::Waiting | SessionState::Gone
            );
            if !is_busy && self.jobs[session.index()].is_none() {
                self.backends.start(Nanos::ZERO, session, Sent::Set { local: false, guc, value }, &mut fx);
            }
        }
    }

    /// The state of a session.
    #[must_use]
    pub fn state(&self, session: SessionId) -> SessionState {
        self.backends.state(session)
    }
}
