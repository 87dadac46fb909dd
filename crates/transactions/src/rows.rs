//! Rows: the fast way for those that one transaction alone deals with, and the way to the versions of all others.

use std::collections::hash_map::Entry;

use lock_table::{LockMode, LockTag, RelationId, RowKey, SessionId};
use sim_clock::Nanos;

use crate::backends::{Asked, Backends};
use crate::heap::{Deed, NO_TUPLE, Origin, Row, Touched, TupleId, Xmax};
use crate::row_op::{Flow, Intent, RowOp};
use crate::session::Pending;
use crate::tuple::DirtyState;
use crate::{AtOnce, Effects, EventKind, RowLockStrength, SqlError, SqlState, StepOutcome, WaitPolicy};

impl<P: Clone + Default> Backends<P> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn deal_with_row(
        &mut self,
        now: Nanos,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
        intent: Intent<P>,
        strength: RowLockStrength,
        policy: WaitPolicy,
        fx: &mut Effects,
    ) -> Flow<P> {
        let deed = match intent {
            Intent::Lock | Intent::Recheck => Deed::Locked(strength),
            Intent::Update(_) => Deed::Updated(strength),
            Intent::Delete { .. } => Deed::Deleted,
        };
        if self.deal_simply(session, relation, key, deed, strength, fx) == AtOnce::Done {
            return Flow::Outcome(match deed {
                Deed::Locked(_) => StepOutcome::Locked { row: P::default(), moved: false },
                _ => StepOutcome::Done,
            });
        }
        self.take_id_for_part(session, relation);
        let Some(tuple) = self.version_to_deal_with(session, relation, key) else {
            return Flow::Outcome(StepOutcome::Gone);
        };
        self.run_row(now, session, RowOp::new(relation, key, tuple, intent, strength, policy), fx)
    }

    /// A virtual row that nobody else deals with takes one entry and no version.
    pub(crate) fn deal_simply(
        &mut self,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
        deed: Deed,
        strength: RowLockStrength,
        fx: &mut Effects,
    ) -> AtOnce {
        if self.heap.is_stored(relation) {
            return AtOnce::TakeStep;
        }
        let Self { heap, sessions, last_xid, .. } = self;
        let this = &mut sessions[session.index()];
        match heap.virtual_rows.entry((relation, key)) {
            Entry::Occupied(mut entry) => {
                let Some(done) = entry.get().and(this.current_xid(), deed) else { return AtOnce::TakeStep };
                entry.insert(done);
            }
            Entry::Vacant(entry) => {
                let extent = if heap.extents.is_empty() { None } else { heap.extents.get(&relation) };
                let is_there = extent.is_none_or(|extent| extent.contains(key));
                let fits = extent.is_none() || is_there != (deed == Deed::Inserted);
                let is_covered = !heap.ranges.is_empty()
                    && heap.ranges.iter().any(|range| range.covers(relation, key, heap.now));
                if !fits || is_covered {
                    return if is_there || is_covered { AtOnce::TakeStep } else { AtOnce::Missing };
                }
                let xid = this.assign_xid(session, last_xid);
                entry.insert(Row::Simple { xid, deed });
                this.touched.push(Touched { relation, key, tuple: NO_TUPLE });
            }
        }
        let tag = LockTag::Tuple { relation, version: 0, key };
        fx.push(session, EventKind::RowLocked, strength.tuple_lock_mode(), tag);
        AtOnce::Done
    }

    /// A part of a transaction takes its id when it first deals with a row of a virtual relation, even if that
    /// comes to nothing.
    fn take_id_for_part(&mut self, session: SessionId, relation: RelationId) {
        if !self.session(session).savepoints.is_empty() && !self.heap.is_stored(relation) {
            self.assign_xid(session);
        }
    }

    /// The version that the statement's snapshot shows, or the one that its update has just locked.
    fn version_to_deal_with(
        &mut self,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
    ) -> Option<TupleId> {
        if let Some((_, _, tuple)) =
            self.session(session).rechecked.filter(|&(r, k, _)| (r, k) == (relation, key))
        {
            return Some(tuple);
        }
        let snapshot = self.snapshot(session);
        self.heap.inflate(relation, key)?;
        let command = self.session(session).command;
        self.heap
            .versions(relation, key)
            .find(|&id| self.heap.tuple(id).is_visible(session, command, snapshot))
    }

    /// A new row. Whether its key is taken may depend on a transaction that still runs: that is waited for
    /// (`_bt_check_unique` in nbtinsert.c).
    pub(crate) fn insert(
        &mut self,
        now: Nanos,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
        row: P,
        fx: &mut Effects,
    ) -> Flow<P> {
        let tag = LockTag::Tuple { relation, version: 0, key };
        let simply = self.deal_simply(session, relation, key, Deed::Inserted, RowLockStrength::Update, fx);
        if simply == AtOnce::Done {
            return Flow::Outcome(StepOutcome::Done);
        }
        self.take_id_for_part(session, relation);
        match self.heap.dirty_state(relation, key, session) {
            DirtyState::Live => {
                let what = "duplicate key value violates unique constraint";
                return SqlError::new(SqlState::UNIQUE_VIOLATION, what).about(tag).into();
            }
            DirtyState::Busy(xid) => match self.wait_for_xid(now, session, xid, WaitPolicy::Block, fx) {
                Asked::Wait(_) | Asked::Unavailable => {
                    self.session_mut(session).pending = Pending::Insert(Box::new((relation, key, row)));
                    return Flow::Blocked;
                }
                Asked::Deadlock => return self.deadlock_error().into(),
                Asked::Have(_) | Asked::Already(_) => {}
            },
            DirtyState::Dead => {}
        }
        let xid = self.assign_xid(session);
        let command = self.session(session).command;
        if self.heap.row(relation, key).is_some() || self.heap.is_covered(relation, key) {
            self.heap.inflate(relation, key);
        }
        let tuple = match self.heap.row(relation, key) {
            // The key was deleted, and somebody may still see that it was there.
            Some(Row::Chain { newest, .. }) => {
                self.heap.append(newest, Origin::Running(xid), command, row, Xmax::default())
            }
            _ => self.heap.insert(relation, key, xid, command, row),
        };
        self.touch(session, relation, key, tuple);
        fx.push(session, EventKind::RowLocked, LockMode::AccessExclusive, tag);
        Flow::Outcome(StepOutcome::Done)
    }
}
