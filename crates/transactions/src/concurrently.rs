//! What the CONCURRENTLY commands wait for: whole transactions, by their virtual ids.

use lock_table::{LockMode, LockTag, SessionId, Xid};
use sim_clock::Nanos;

use crate::backends::{Asked, Backends};
use crate::heap::Csn;
use crate::row_op::Flow;
use crate::session::{Pending, VirtualWaits};
use crate::{BackendRole, Effects, Isolation, StepOutcome, WaitPolicy};

impl<P: Clone + Default> Backends<P> {
    /// Waits for one transaction: the inserter of the same key.
    pub(crate) fn wait_for_transaction(
        &mut self,
        now: Nanos,
        session: SessionId,
        xid: Xid,
        fx: &mut Effects,
    ) -> Flow<P> {
        match self.wait_for_xid(now, session, xid, WaitPolicy::Block, fx) {
            Asked::Have(_) | Asked::Already(_) => Flow::Outcome(StepOutcome::Done),
            Asked::Deadlock => self.deadlock_error().into(),
            Asked::Wait(_) | Asked::Unavailable => {
                self.session_mut(session).pending = Pending::Transaction(xid);
                Flow::Blocked
            }
        }
    }

    /// `WaitForLockers` in `lmgr.c`: the transactions that hold a conflicting lock at this moment. Those
    /// who only wait for one do not count, nor do those who come later.
    pub(crate) fn wait_for_lock_holders(
        &mut self,
        now: Nanos,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        fx: &mut Effects,
    ) -> Flow<P> {
        let conflicts = mode.conflicts();
        let mut left: Vec<_> = self
            .table
            .holders(tag)
            .filter(|&(holder, modes)| holder != session && modes.intersects(conflicts))
            .map(|(holder, _)| self.virtual_transaction(holder))
            .collect();
        left.reverse();
        self.wait_for_transactions(now, session, VirtualWaits { left, older_than: None }, fx)
    }

    /// `WaitForOlderSnapshots` in `indexcmds.c`: the transactions with a snapshot no newer than this
    /// session's reference snapshot.
    pub(crate) fn wait_for_older_snapshots(
        &mut self,
        now: Nanos,
        session: SessionId,
        fx: &mut Effects,
    ) -> Flow<P> {
        let limit = self.session(session).reference_snapshot;
        let mut left: Vec<_> = (0..self.sessions.len())
            .map(|index| SessionId(u32::try_from(index).unwrap_or(u32::MAX)))
            .filter(|&other| other != session && self.holds_old_snapshot(other, limit))
            .map(|other| self.virtual_transaction(other))
            .collect();
        left.reverse();
        self.wait_for_transactions(now, session, VirtualWaits { left, older_than: Some(limit) }, fx)
    }

    pub(crate) fn wait_for_transactions(
        &mut self,
        now: Nanos,
        session: SessionId,
        mut waits: VirtualWaits,
        fx: &mut Effects,
    ) -> Flow<P> {
        self.drop_wait_lock(session);
        while let Some(&tag) = waits.left.last() {
            let LockTag::VirtualTransaction { session: owner, local } = tag else { break };
            let theirs = self.session(owner);
            let lives = theirs.in_transaction && theirs.local_transaction == local;
            let matters = waits.older_than.is_none_or(|limit| self.holds_old_snapshot(owner, limit));
            if !lives || !matters {
                waits.left.pop();
                continue;
            }
            return match self.wait_for_end(now, session, tag, owner, true, fx) {
                Asked::Deadlock => self.deadlock_error().into(),
                _ => {
                    self.session_mut(session).pending = Pending::Transactions(Box::new(waits));
                    Flow::Blocked
                }
            };
        }
        Flow::Outcome(StepOutcome::Done)
    }

    fn virtual_transaction(&self, session: SessionId) -> LockTag {
        LockTag::VirtualTransaction { session, local: self.session(session).local_transaction }
    }

    /// Whether the session's transaction may still look at data as of then (`GetCurrentVirtualXIDs`).
    fn holds_old_snapshot(&self, session: SessionId, limit: Csn) -> bool {
        let this = self.session(session);
        let is_ignored = this.is_vacuum
            || this.settings.role != BackendRole::Client
            || (this.is_safe_index_build && self.server.ignores_safe_index_builds());
        let since = this.snapshot.unwrap_or(this.xmin);
        this.in_transaction && !is_ignored && (this.holds_xmin || this.snapshot.is_some()) && since <= limit
    }

    /// Who waits for a relation has looked it up in the catalogs, and keeps that snapshot while it waits: any
    /// command, LOCK TABLE, too (fact `cic_followers.create_concurrently`).
    pub(crate) fn hold_catalog_snapshot(&mut self, session: SessionId, tag: LockTag) {
        let now = self.last_commit;
        let this = self.session_mut(session);
        if matches!(tag, LockTag::Relation(_)) && !this.holds_xmin {
            this.holds_xmin = true;
            this.xmin = now;
        }
    }

    /// A new snapshot for what follows; a repeatable-read transaction keeps the one it has.
    pub(crate) fn take_snapshot(&mut self, session: SessionId) {
        if self.session(session).isolation == Isolation::ReadCommitted {
            self.release_snapshot(session);
        }
        let snapshot = self.snapshot(session);
        let this = self.session_mut(session);
        this.reference_snapshot = snapshot;
        this.holds_xmin = true;
        // A new snapshot shows what the statement itself has done so far (`CommandCounterIncrement`).
        this.command += 1;
    }

    /// Gives up what others could wait for.
    pub(crate) fn give_up_snapshot(&mut self, session: SessionId) {
        if self.session(session).isolation == Isolation::ReadCommitted {
            self.release_snapshot(session);
            self.session_mut(session).holds_xmin = false;
        }
    }
}
