//! What a statement can see and do at once while it decides on its next step.

mod at_once;
mod rows;

pub use at_once::AtOnce;

use lock_table::{RelationId, RowKey, SessionId, Xid};
use sim_clock::Nanos;

use crate::Effects;
use crate::backends::Backends;
use crate::heap::{NO_TUPLE, Row};
use crate::session::{TransactionHook, Undo};
use crate::tuple::{DirtyState, MemberState, Origin};

/// Who wrote a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A session whose transaction still runs.
    Running(SessionId),
    /// A transaction that has committed, with the number of its commit.
    Committed(u64),
}

/// The world as a [`Stepper`](crate::Stepper) sees it.
pub struct StepContext<'a, P> {
    backends: &'a mut Backends<P>,
    now: Nanos,
    session: SessionId,
    looks_at_latest: bool,
    fx: &'a mut Effects,
}

impl<'a, P: Clone + Default> StepContext<'a, P> {
    pub(crate) fn new(
        backends: &'a mut Backends<P>,
        now: Nanos,
        session: SessionId,
        fx: &'a mut Effects,
    ) -> Self {
        Self { backends, now, session, looks_at_latest: false, fx }
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The session that the statement runs on.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The rows of a stored relation that the statement's snapshot shows, in the order of their keys.
    pub fn scan(&mut self, relation: RelationId) -> Vec<(RowKey, P)> {
        let mut found = Vec::new();
        self.for_each_row(relation, |key, row| found.push((key, row.clone())));
        found
    }

    /// Shows each of these rows as it stands there.
    pub fn for_each_row(&mut self, relation: RelationId, mut each: impl FnMut(RowKey, &P)) {
        let snapshot = self.backends.snapshot(self.session);
        let command = self.backends.session(self.session).command;
        let heap = &self.backends.heap;
        // Iteration from within: over the pages of a map it is several times as fast as a loop.
        heap.rows(relation).for_each(|(key, row)| {
            let Row::Chain { oldest, .. } = row else { return };
            let mut next = Some(heap.tuple(oldest));
            while let Some(tuple) = next {
                if tuple.is_visible(self.session, command, snapshot) {
                    return each(key, &tuple.row);
                }
                next = (tuple.next != NO_TUPLE).then(|| heap.tuple(tuple.next));
            }
        });
    }

    /// The row as the statement's snapshot shows it. What is in a virtual one is not known.
    pub fn row(&mut self, relation: RelationId, key: RowKey) -> Option<P> {
        if self.has_extent(relation) {
            return self.has_row(relation, key).then(P::default);
        }
        let snapshot = if self.looks_at_latest {
            self.backends.last_commit
        } else {
            self.backends.snapshot(self.session)
        };
        let command = self.backends.session(self.session).command;
        let heap = &self.backends.heap;
        heap.versions(relation, key)
            .map(|id| heap.tuple(id))
            .find(|tuple| tuple.is_visible(self.session, command, snapshot))
            .map(|tuple| tuple.row.clone())
    }

    /// The next step on this row is about its newest version, whatever the snapshot shows: a unique index has found it.
    pub fn follow_newest(&mut self, relation: RelationId, key: RowKey) {
        let heap = &self.backends.heap;
        let is_live = |tuple: &crate::tuple::Tuple<P>| tuple.dirty_state(self.session) == DirtyState::Live;
        let newest = heap.versions(relation, key).find(|id| is_live(heap.tuple(*id)));
        if let Some(tuple) = newest {
            self.backends.session_mut(self.session).rechecked = Some((relation, key, tuple));
        }
    }

    /// Shows rows as they are committed now, whatever the snapshot is, until this is called again.
    pub fn look_at_latest(&mut self, latest: bool) {
        self.looks_at_latest = latest;
    }

    /// All rows of a stored relation with the content of their versions, whoever wrote them: what an index
    /// holds. Each row comes once for each version.
    pub fn all_versions(&self, relation: RelationId) -> Vec<(RowKey, P)> {
        let heap = &self.backends.heap;
        let oldest = |row| match row {
            Row::Chain { oldest, .. } => Some(oldest),
            Row::Simple { .. } => None,
        };
        heap.rows(relation)
            .flat_map(|(key, row)| {
                heap.chain_from(oldest(row)).map(move |id| (key, heap.tuple(id).row.clone()))
            })
            .collect()
    }

    /// Whether the row exists, for a uniqueness check.
    #[must_use]
    pub fn dirty_state(&self, relation: RelationId, key: RowKey) -> DirtyState {
        self.backends.heap.dirty_state(relation, key, self.session)
    }

    /// What a unique index would find of all versions of a stored relation's rows for which `matches` holds:
    /// the first that is there or busy.
    pub fn dirty_state_where(
        &self,
        relation: RelationId,
        matches: impl Fn(RowKey, &P) -> bool,
    ) -> DirtyState {
        let heap = &self.backends.heap;
        let versions = heap.keys(relation).flat_map(|key| heap.versions(relation, key));
        let mut states = versions
            .map(|id| heap.tuple(id))
            .filter(|tuple| matches(tuple.key, &tuple.row))
            .map(|tuple| tuple.dirty_state(self.session));
        states.find(|&state| state != DirtyState::Dead).unwrap_or(DirtyState::Dead)
    }

    /// The keys of a stored relation's rows, visible or not.
    #[must_use]
    pub fn keys(&self, relation: RelationId) -> Vec<RowKey> {
        self.backends.heap.keys(relation).collect()
    }

    /// Whose changes of a row the snapshot does not show: rows that others have inserted, replaced or deleted since.
    pub fn unseen_writers(&mut self, relation: RelationId, key: RowKey) -> Vec<Writer> {
        let snapshot = self.backends.snapshot(self.session);
        let heap = &self.backends.heap;
        let mut found = Vec::new();
        for tuple in heap.versions(relation, key).map(|id| heap.tuple(id)) {
            let writer = match tuple.origin {
                Origin::Running(xid) => Some(Writer::Running(xid.session())),
                Origin::Committed(csn) if csn > snapshot => Some(Writer::Committed(csn.0)),
                Origin::Committed(_) => tuple.xmax.updater().and_then(|updater| match updater.state {
                    MemberState::Running => Some(Writer::Running(updater.xid.session())),
                    MemberState::Committed(csn) if csn > snapshot => Some(Writer::Committed(csn.0)),
                    MemberState::Committed(_) | MemberState::Over => None,
                }),
            };
            found.extend(writer.filter(|writer| *writer != Writer::Running(self.session)));
        }
        found
    }

    /// Takes the snapshot that the statement works on, if there is none yet.
    pub fn take_snapshot(&mut self) {
        self.backends.snapshot(self.session);
    }

    /// The number of the last commit that the snapshot shows, and that of the oldest transaction id that runs.
    pub fn snapshot_limits(&mut self) -> (u64, u64) {
        let snapshot = self.backends.snapshot(self.session);
        (snapshot.0, self.backends.oldest_running())
    }

    /// Has this done when the whole transaction ends, whatever becomes of its savepoints.
    pub fn at_end_of_transaction(&mut self, hook: Box<dyn TransactionHook>) {
        self.backends.session_mut(self.session).at_end.push(hook);
    }

    /// The number of another session's transaction, to be waited for. A transaction that has none yet gets one.
    ///
    /// The session must be in a transaction.
    pub fn transaction_of(&mut self, session: SessionId) -> Xid {
        self.backends.assign_xid(session)
    }

    /// Has this done when the transaction ends, or when the subtransaction that is under way is rolled back,
    /// before anybody else is woken.
    pub fn at_end(&mut self, hook: Box<dyn TransactionHook>) {
        self.backends.session_mut(self.session).undo.push(Undo::Hook(hook));
    }

    /// From now on the relation has the rows that are inserted and no others.
    pub fn store_relation(&mut self, relation: RelationId) {
        self.backends.heap.store(relation);
    }

    /// Empties a stored relation, as TRUNCATE does; if the transaction fails, the rows come back.
    pub fn truncate(&mut self, relation: RelationId) {
        let saved = self.backends.heap.take_rows(relation);
        self.backends.session_mut(self.session).undo.push(Undo::Rows(saved));
    }
}
