//! Transactions and their parts: beginning, committing, failing, savepoints, settings that roll back.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope, SessionId, Xid};
use sim_clock::Nanos;

use crate::backends::Backends;
use crate::heap::{Csn, Touched, TupleId};
use crate::session::{Block, Pending, Running, Savepoint, TransactionEnd, Undo};
use crate::{Effects, EventKind, Guc, Isolation, SqlError, SqlState, TimerKind};

impl<P: Clone + Default> Backends<P> {
    pub(crate) fn begin_transaction(
        &mut self,
        now: Nanos,
        session: SessionId,
        isolation: Isolation,
        fx: &mut Effects,
    ) {
        let this = self.session_mut(session);
        debug_assert!(!this.in_transaction, "{session} is in a transaction already");
        this.in_transaction = true;
        this.local_transaction += 1;
        this.isolation = isolation;
        this.command = 0;
        let timeout = this.settings.transaction_timeout;
        if timeout > Nanos::ZERO && self.server.has_transaction_timeout() {
            self.set_deadline(session, TimerKind::Transaction, now + timeout, fx);
        }
    }

    /// Commits: rows first, then locks, so that whoever is woken finds the rows as they are now.
    pub(crate) fn commit_transaction(&mut self, session: SessionId, fx: &mut Effects) {
        if !self.session(session).in_transaction {
            return;
        }
        if self.session(session).xid.is_some() {
            self.last_commit = Csn(self.last_commit.0 + 1);
        }
        let csn = self.last_commit;
        self.settle_rows(session, 0, Some(csn), |_| true);
        if !self.session(session).undo.is_empty() {
            for undo in self.session_mut(session).undo.take() {
                match undo {
                    Undo::Rows(saved) => self.heap.forget(saved),
                    Undo::Hook(hook) => hook.end(true),
                }
            }
        }
        if !self.session(session).at_end.is_empty() {
            self.tell_the_end(session, Some(csn));
        }
        let this = self.session_mut(session);
        this.keep_settings();
        self.end_transaction(session, EventKind::Committed, fx);
    }

    /// Rolls the whole transaction back, if there is one.
    pub(crate) fn abort_transaction(&mut self, _now: Nanos, session: SessionId, fx: &mut Effects) {
        if !self.session(session).in_transaction {
            return;
        }
        self.undo_down_to(session, 0);
        self.settle_rows(session, 0, None, |_| true);
        if !self.session(session).at_end.is_empty() {
            self.tell_the_end(session, None);
        }
        self.restore_settings(session, 0);
        self.end_transaction(session, EventKind::RolledBack, fx);
    }

    fn tell_the_end(&mut self, session: SessionId, commit: Option<Csn>) {
        let end = TransactionEnd { commit: commit.map(|csn| csn.0), next_xid: self.last_xid + 1 };
        for hook in self.session_mut(session).at_end.take() {
            hook.end_of_transaction(end);
        }
    }

    fn end_transaction(&mut self, session: SessionId, kind: EventKind, fx: &mut Effects) {
        let local = self.session(session).local_transaction;
        fx.push(session, kind, LockMode::Exclusive, LockTag::VirtualTransaction { session, local });
        self.release_snapshot(session);
        self.clear_deadline(session, TimerKind::Transaction);
        let this = self.session_mut(session);
        this.in_transaction = false;
        this.holds_xmin = false;
        this.is_safe_index_build = false;
        this.xid = None;
        this.savepoints.clear();
        this.sub_xids.clear();
        this.acquired.clear();
        this.settings_before.clear();
        this.rechecked = None;
        this.wait_lock = None;
        self.table.release_transaction(session, &mut self.newly_woken);
        self.queue_woken();
    }

    /// Gives back what outlives transactions: the session is gone.
    pub(crate) fn release_session_locks(&mut self, session: SessionId, fx: &mut Effects) {
        for lock in self.session_mut(session).session_locks.take() {
            if let Some(hold) = self.table.hold_on(session, lock.tag) {
                fx.push(session, EventKind::Released, lock.mode, lock.tag);
                self.table.release(hold, lock.mode, Scope::Session, &mut self.newly_woken);
            }
        }
        self.queue_woken();
    }

    /// An error: the innermost (sub)transaction is rolled back at once, with its locks; what encloses it
    /// stays, but is good for nothing before a return to a savepoint (`AbortCurrentTransaction` in `xact.c`).
    pub(crate) fn fail(&mut self, now: Nanos, session: SessionId, error: SqlError, fx: &mut Effects) {
        self.drop_statement(session, fx);
        if error.is_fatal {
            return self.close(now, session, error, EventKind::Terminated, true, fx);
        }
        let has_savepoint = !self.session(session).savepoints.is_empty();
        match self.session(session).block {
            Block::None => {
                self.abort_transaction(now, session, fx);
                self.release_command_locks(session, fx);
            }
            Block::Open if has_savepoint => self.abort_innermost(session, fx),
            Block::Open => self.abort_transaction(now, session, fx),
            Block::Failed => {}
        }
        let this = self.session_mut(session);
        if this.block == Block::Open {
            this.block = Block::Failed;
        }
        this.release_statement_snapshot_flag();
        self.become_idle(now, session, fx);
        fx.complete(session, Err(error));
    }

    /// Gives back the locks that a CONCURRENTLY command kept across its transactions; advisory locks stay.
    pub(crate) fn release_command_locks(&mut self, session: SessionId, fx: &mut Effects) {
        let this = self.session_mut(session);
        if this.session_locks.is_empty() {
            return;
        }
        let is_advisory = |tag: LockTag| matches!(tag, LockTag::Advisory(_));
        let (kept, command): (Vec<_>, Vec<_>) =
            this.session_locks.take().into_iter().partition(|lock| is_advisory(lock.tag));
        this.session_locks = command.into();
        self.release_session_locks(session, fx);
        self.session_mut(session).session_locks = kept.into();
    }

    /// Forgets the running statement, and what it holds for its own purposes only.
    pub(crate) fn drop_statement(&mut self, session: SessionId, fx: &mut Effects) {
        let this = self.session_mut(session);
        this.running = Running::None;
        this.timers.clear(TimerKind::Work);
        this.range = None;
        let pending = std::mem::replace(&mut this.pending, Pending::Next);
        if let Pending::Row(op) = pending {
            self.abandon_row(session, *op, fx);
        }
        self.drop_wait_lock(session);
    }

    pub(crate) fn savepoint(&mut self, session: SessionId, name: u32) {
        let this = self.session_mut(session);
        let savepoint = Savepoint {
            name,
            xid: None,
            acquired: this.acquired.len(),
            touched: this.touched.len(),
            undo: this.undo.len(),
            settings: this.settings_before.len(),
            sub_xids: this.sub_xids.len(),
        };
        this.savepoints.push(savepoint);
    }

    fn find_savepoint(&self, session: SessionId, name: u32) -> Result<usize, SqlError> {
        let found = self.session(session).savepoints.iter().rposition(|it| it.name == name);
        found.ok_or_else(|| SqlError::new(SqlState::NO_SUCH_SAVEPOINT, "savepoint does not exist"))
    }

    /// RELEASE: what was done since the savepoint becomes a part of what encloses it. Only the locks of its
    /// subtransaction ids end; who waits for one goes on to wait for the whole transaction.
    pub(crate) fn release_savepoint(
        &mut self,
        session: SessionId,
        name: u32,
        fx: &mut Effects,
    ) -> Result<(), SqlError> {
        let level = self.find_savepoint(session, name)?;
        while self.session(session).savepoints.len() > level {
            let Some(savepoint) = self.session_mut(session).savepoints.pop() else { break };
            if let Some(xid) = savepoint.xid {
                self.session_mut(session).sub_xids.push(xid);
                self.release_xid(session, xid, fx);
            }
        }
        Ok(())
    }

    /// ROLLBACK TO: the subtransactions since the savepoint are undone, and a new one begins in its place.
    pub(crate) fn rollback_to_savepoint(
        &mut self,
        session: SessionId,
        name: u32,
        fx: &mut Effects,
    ) -> Result<(), SqlError> {
        let level = self.find_savepoint(session, name)?;
        while self.session(session).savepoints.len() > level {
            self.abort_innermost(session, fx);
            self.session_mut(session).savepoints.pop();
        }
        self.session_mut(session).block = Block::Open;
        self.savepoint(session, name);
        Ok(())
    }

    /// Undoes the innermost subtransaction. A second time does nothing.
    fn abort_innermost(&mut self, session: SessionId, fx: &mut Effects) {
        let Some(&savepoint) = self.session(session).savepoints.last() else { return };
        let released = self.session_mut(session).sub_xids.split_off(savepoint.sub_xids);
        self.undo_down_to(session, savepoint.undo);
        let is_over = |xid: Xid| Some(xid) == savepoint.xid || released.contains(&xid);
        self.settle_rows(session, savepoint.touched, None, is_over);
        self.restore_settings(session, savepoint.settings);
        if let Some(last) = self.session_mut(session).savepoints.last_mut() {
            last.xid = None;
        }
        let local = self.session(session).local_transaction;
        fx.push(
            session,
            EventKind::RolledBack,
            LockMode::Share,
            LockTag::VirtualTransaction { session, local },
        );
        let acquired = self.session_mut(session).acquired.split_off(savepoint.acquired);
        for lock in acquired.iter().rev() {
            self.table.release(lock.hold, lock.mode, Scope::Transaction, &mut self.newly_woken);
        }
        self.queue_woken();
        if let Some(xid) = savepoint.xid {
            self.release_xid(session, xid, fx);
        }
    }

    fn release_xid(&mut self, session: SessionId, xid: Xid, fx: &mut Effects) {
        let tag = LockTag::Transaction(xid);
        if let Some(hold) = self.table.hold_on(session, tag) {
            self.give_back(session, tag, hold, LockMode::Exclusive, fx);
        }
    }

    fn settle_rows(
        &mut self,
        session: SessionId,
        from: usize,
        committed: Option<Csn>,
        is_over: impl Fn(Xid) -> bool,
    ) {
        if self.session(session).touched.len() == from {
            return;
        }
        let mut touched = std::mem::take(&mut self.session_mut(session).touched);
        let keep_old = self.lasting_snapshots > 0;
        // Backwards: of a chain of own versions the last is cut off first.
        for &at in touched[from..].iter().rev() {
            self.heap.settle(at, session, committed, keep_old, &is_over);
        }
        touched.truncate(from);
        self.session_mut(session).touched = touched;
    }

    fn undo_down_to(&mut self, session: SessionId, mark: usize) {
        for undo in self.session_mut(session).undo.split_off(mark).into_iter().rev() {
            match undo {
                Undo::Rows(saved) => self.heap.put_back(saved),
                Undo::Hook(hook) => hook.end(false),
            }
        }
    }

    fn restore_settings(&mut self, session: SessionId, mark: usize) {
        let this = self.session_mut(session);
        for before in this.settings_before.split_off(mark).into_iter().rev() {
            Rc::make_mut(&mut this.settings).set(before.guc, before.current);
            Rc::make_mut(&mut this.lasting).set(before.guc, before.lasting);
        }
    }

    pub(crate) fn set(&mut self, session: SessionId, local: bool, guc: Guc, value: Nanos) {
        let this = self.session_mut(session);
        let (current, lasting) = (this.settings.get(guc), this.lasting.get(guc));
        this.settings_before.push(crate::session::SettingBefore { guc, current, lasting });
        Rc::make_mut(&mut this.settings).set(guc, value);
        if !local {
            Rc::make_mut(&mut this.lasting).set(guc, value);
        }
    }

    /// The id under which the session writes now; it is taken when it is first needed, after those of all
    /// enclosing transactions.
    pub(crate) fn assign_xid(&mut self, session: SessionId) -> Xid {
        self.sessions[session.index()].assign_xid(session, &mut self.last_xid)
    }

    /// The number of the oldest transaction id that is still in use, or of the next one.
    pub(crate) fn oldest_running(&self) -> u64 {
        let running = self.sessions.iter().filter_map(|session| session.xid).map(Xid::number);
        running.min().unwrap_or(self.last_xid + 1)
    }

    pub(crate) fn touch(&mut self, session: SessionId, relation: RelationId, key: RowKey, tuple: TupleId) {
        self.session_mut(session).touched.push(Touched { relation, key, tuple });
    }

    /// The snapshot that the session works on, taken now if it has none.
    pub(crate) fn snapshot(&mut self, session: SessionId) -> Csn {
        if let Some(snapshot) = self.session(session).snapshot {
            return snapshot;
        }
        let snapshot = self.last_commit;
        let this = self.session_mut(session);
        this.snapshot = Some(snapshot);
        if this.isolation == Isolation::RepeatableRead {
            self.lasting_snapshots += 1;
        }
        snapshot
    }

    pub(crate) fn release_snapshot(&mut self, session: SessionId) {
        let this = self.session_mut(session);
        if this.snapshot.take().is_some() && this.isolation == Isolation::RepeatableRead {
            self.lasting_snapshots -= 1;
            if self.lasting_snapshots == 0 {
                self.heap.prune_ranges(self.last_commit);
            }
        }
    }
}
