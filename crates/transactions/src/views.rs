//! What can be seen from outside: sessions, waits, blockers, locks.

use lock_table::{
    Blocker, CycleEdge, LockMode, LockModes, LockTable, LockTag, RelationId, RowKey, SessionId,
};

use crate::backends::Backends;
use crate::session::SessionState;
use crate::{SessionSettings, SqlError};

/// A session that waits (`pg_locks` where `granted` is false).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Who waits.
    pub session: SessionId,
    /// What for.
    pub tag: LockTag,
    /// In which mode.
    pub mode: LockMode,
    /// For whom, each session once, ordered by number: `pg_blocking_pids`.
    pub blockers: Vec<SessionId>,
}

impl<P: Clone + Default> Backends<P> {
    /// From now on the relation has the rows that are inserted and no others. Until then it is *virtual*: it
    /// has every row that is asked for, with default content, at no cost.
    pub fn store_relation(&mut self, relation: RelationId) {
        self.heap.store(relation);
    }

    /// Forgets a stored relation's rows.
    pub fn drop_relation(&mut self, relation: RelationId) {
        self.heap.drop_relation(relation);
    }

    /// Puts a committed row into a stored relation: how a table comes to its first content.
    pub fn seed_row(&mut self, relation: RelationId, key: RowKey, row: P) {
        self.heap.seed(relation, key, row);
    }

    /// How many rows of a relation take memory: all of a stored one, and of a virtual one those that somebody
    /// deals with or may see otherwise than they are.
    pub fn remembered_rows(&mut self, relation: RelationId) -> usize {
        self.prune();
        self.heap.remembered(relation)
    }

    /// The state of a session.
    #[must_use]
    pub fn state(&self, session: SessionId) -> SessionState {
        self.session(session).state()
    }

    /// How many sessions were ever opened.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Why the session's connection is gone, if it is.
    #[must_use]
    pub fn gone(&self, session: SessionId) -> Option<&SqlError> {
        self.session(session).gone.as_deref()
    }

    /// What the session was opened with.
    #[must_use]
    pub fn initial_settings(&self, session: SessionId) -> &SessionSettings {
        &self.session(session).initial
    }

    /// The session's settings as they are now.
    #[must_use]
    pub fn settings(&self, session: SessionId) -> &SessionSettings {
        &self.session(session).settings
    }

    /// What the session waits for.
    #[must_use]
    pub fn waits_for(&self, session: SessionId) -> Option<(LockTag, LockMode)> {
        self.table.waits_for(session)
    }

    /// All who wait, ordered by session.
    #[must_use]
    pub fn waiters(&self) -> Vec<Waiter> {
        (0..self.sessions.len())
            .filter_map(|index| {
                let session = SessionId(u32::try_from(index).ok()?);
                let (tag, mode) = self.table.waits_for(session)?;
                let mut blockers: Vec<_> = self.table.blockers(session).iter().map(|it| it.session).collect();
                blockers.sort_unstable();
                blockers.dedup();
                Some(Waiter { session, tag, mode, blockers })
            })
            .collect()
    }

    /// All who wait, ordered by session, each with the first session in its way.
    pub fn first_blockers(&self) -> impl Iterator<Item = (SessionId, SessionId)> {
        (0..self.sessions.len()).filter_map(|index| {
            let session = SessionId(u32::try_from(index).ok()?);
            Some((session, self.table.first_blocker(session)?))
        })
    }

    /// Why a session waits: the holders in its way and the waiters ahead of it.
    #[must_use]
    pub fn blockers(&self, session: SessionId) -> Vec<Blocker> {
        self.table.blockers(session)
    }

    /// What a session holds, with the modes.
    pub fn held_by(&self, session: SessionId) -> impl Iterator<Item = (LockTag, LockModes)> {
        self.table.held_by(session)
    }

    /// The lock table.
    #[must_use]
    pub fn lock_table(&self) -> &LockTable {
        &self.table
    }

    /// The waits of the last deadlock that had a victim, from the victim on.
    #[must_use]
    pub fn last_deadlock(&self) -> &[CycleEdge] {
        &self.last_cycle
    }

    /// Whether the transaction id belongs to a subtransaction (of a transaction that is under way).
    #[must_use]
    pub fn is_subtransaction(&self, xid: lock_table::Xid) -> bool {
        let owner = self.session(xid.session());
        owner.xid != Some(xid) && owner.owns(xid)
    }
}
