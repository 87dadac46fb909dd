//! All backends of one server: the entry points, and how they ask for locks.

use std::collections::VecDeque;
use std::rc::Rc;

use lock_table::{CycleEdge, HoldId, LockMode, LockTable, LockTag, Request, Scope, SessionId, Xid};
use sim_clock::Nanos;

use crate::heap::{Csn, Heap};
use crate::row_op::WAIT_FOR_END;
use crate::session::{Acquired, Block, Pending, Running, Session};
use crate::{
    BackendRole, Effects, EventKind, ServerSettings, SessionSettings, SqlError, SqlState, TimerKind,
    WaitPolicy,
};

/// Chooses one of the n sessions that could go on, 0 to n - 1, in the order in which they were woken.
pub(crate) type WakeOrder = Box<dyn FnMut(usize) -> usize>;

/// All backends of one simulated server, with its lock table and its rows. See the crate's documentation.
///
/// `P` is what a row's version carries: the SQL engine's values, or nothing at all.
pub struct Backends<P> {
    pub(crate) server: ServerSettings,
    pub(crate) table: LockTable,
    pub(crate) heap: Heap<P>,
    pub(crate) sessions: Vec<Session<P>>,
    pub(crate) last_xid: u64,
    pub(crate) last_commit: Csn,
    /// Sessions whose lock has been granted and who have not gone on yet, first woken first.
    pub(crate) woken: VecDeque<SessionId>,
    pub(crate) newly_woken: Vec<SessionId>,
    /// How many repeatable-read snapshots there are: as long as there are any, old versions are kept.
    pub(crate) lasting_snapshots: u32,
    pub(crate) prune_at: usize,
    /// Who of several woken sessions goes on; the first if nothing else is said.
    pub(crate) wake_order: Option<WakeOrder>,
    /// The waits of the last deadlock that had a victim.
    pub(crate) last_cycle: Vec<CycleEdge>,
}

/// What came of asking for a lock.
pub(crate) enum Asked {
    /// The session has it now.
    Have(HoldId),
    /// The session had it already.
    Already(HoldId),
    /// The session waits for it and will have this.
    Wait(HoldId),
    /// It is not free, and waiting was not wanted.
    Unavailable,
    /// To wait would be a deadlock.
    Deadlock,
}

impl<P: Clone + Default> Backends<P> {
    /// A server without sessions.
    #[must_use]
    pub fn new(settings: ServerSettings) -> Self {
        Self {
            table: LockTable::new(settings.no_wait_may_jump()),
            server: settings,
            heap: Heap::default(),
            sessions: Vec::new(),
            last_xid: 0,
            last_commit: Csn::FIRST,
            woken: VecDeque::new(),
            newly_woken: Vec::new(),
            lasting_snapshots: 0,
            prune_at: 64,
            wake_order: None,
            last_cycle: Vec::new(),
        }
    }

    /// A server of its own with the rows that are committed here, without sessions. The two share whatever
    /// neither of them changes. `None` while a transaction runs: what it wrote is in the rows.
    #[must_use]
    pub fn copy_at_rest(&self) -> Option<Self> {
        if self.sessions.iter().any(|session| session.in_transaction || session.snapshot.is_some()) {
            return None;
        }
        let mut copy = Self::new(self.server.clone());
        copy.heap = self.heap.clone();
        (copy.last_xid, copy.last_commit) = (self.last_xid, self.last_commit);
        copy.prune();
        Some(copy)
    }

    /// Decides races between woken sessions otherwise than by the order of waking: whenever several could go
    /// on, `choose` is given their number and answers with a place. It is asked, too (for 0 or 1 of 2), whether
    /// a session that lets the next one at a row pass loses the processor at that moment.
    pub fn set_wake_order(&mut self, choose: impl FnMut(usize) -> usize + 'static) {
        self.wake_order = Some(Box::new(choose));
    }

    /// Opens a session. Its number is the next one; numbers are not used again.
    pub fn connect(&mut self, _now: Nanos, settings: SessionSettings) -> SessionId {
        let session = SessionId(u32::try_from(self.sessions.len()).expect("fewer than 2^24 sessions"));
        let is_worker = settings.role != BackendRole::Client;
        // Most sessions begin with what another one began with.
        let known = self.sessions.last().filter(|last| *last.initial == settings);
        let settings = known.map_or_else(|| Rc::new(settings), |last| Rc::clone(&last.initial));
        self.sessions.push(Session::new(settings));
        self.table.add_session(session);
        self.table.set_autovacuum(session, is_worker);
        session
    }

    /// Closes a session as its client's disconnecting does: its transaction is rolled back, its statement, if
    /// one is under way, ends without a completion.
    pub fn disconnect(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        self.heap.now = now;
        let gone = SqlError::fatal(SqlState::CONNECTION_DOES_NOT_EXIST, "the connection was closed");
        self.close(now, session, gone, EventKind::Terminated, false, fx);
        self.settle(now, fx);
    }

    /// `pg_cancel_backend`: the running statement fails with 57014; an idle session does not notice.
    pub fn cancel(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        self.heap.now = now;
        self.cancel_with(now, session, "canceling statement due to user request", fx);
        self.settle(now, fx);
    }

    /// `pg_terminate_backend`: the session is gone, its transaction rolled back. A running statement completes
    /// with 57P01; an idle session's client is told at its next statement.
    pub fn terminate(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        self.heap.now = now;
        let message = "terminating connection due to administrator command";
        let error = SqlError::fatal(SqlState::ADMIN_SHUTDOWN, message);
        self.close(now, session, error, EventKind::Terminated, true, fx);
        self.settle(now, fx);
    }

    pub(crate) fn cancel_with(
        &mut self,
        now: Nanos,
        session: SessionId,
        why: &'static str,
        fx: &mut Effects,
    ) {
        if !matches!(self.session(session).running, Running::None) {
            let error = SqlError::new(SqlState::QUERY_CANCELED, why);
            self.end_wait(session, EventKind::Cancelled, fx);
            self.fail(now, session, error, fx);
        }
    }

    /// Ends the session for good; `tell` says whether its running statement is to be completed.
    pub(crate) fn close(
        &mut self,
        now: Nanos,
        session: SessionId,
        error: SqlError,
        kind: EventKind,
        tell: bool,
        fx: &mut Effects,
    ) {
        if self.session(session).gone.is_some() {
            return;
        }
        let is_running = !matches!(self.session(session).running, Running::None);
        self.end_wait(session, kind, fx);
        self.drop_statement(session, fx);
        let this = self.session_mut(session);
        this.gone = Some(Box::new(error.clone()));
        this.timers.clear_all();
        this.block = Block::None;
        self.abort_transaction(now, session, fx);
        self.release_session_locks(session, fx);
        if is_running && tell {
            fx.complete(session, Err(error));
        }
    }

    pub(crate) fn session(&self, session: SessionId) -> &Session<P> {
        &self.sessions[session.index()]
    }

    pub(crate) fn session_mut(&mut self, session: SessionId) -> &mut Session<P> {
        &mut self.sessions[session.index()]
    }

    /// Asks the lock table; if the session has to wait, its timeouts begin now.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn ask(
        &mut self,
        now: Nanos,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
        wait: bool,
        fx: &mut Effects,
    ) -> Asked {
        match self.table.request(session, tag, mode, scope, wait) {
            Request::AlreadyHeld(hold) => Asked::Already(hold),
            Request::Granted(hold) => {
                fx.push(session, EventKind::Granted, mode, tag);
                Asked::Have(hold)
            }
            Request::Queued(hold) => {
                fx.push(session, EventKind::Waits, mode, tag);
                self.begin_wait(now, session, fx);
                Asked::Wait(hold)
            }
            Request::Unavailable => Asked::Unavailable,
            Request::Deadlock => {
                fx.push(session, EventKind::EarlyDeadlock, mode, tag);
                Asked::Deadlock
            }
        }
    }

    /// Notes a lock that is kept until the transaction, or the part of it that took it, ends.
    #[inline]
    pub(crate) fn note_acquired(&mut self, session: SessionId, hold: HoldId, mode: LockMode) {
        let this = self.session_mut(session);
        if !this.savepoints.is_empty() {
            this.acquired.push(Acquired { hold, mode });
        }
    }

    pub(crate) fn give_back(
        &mut self,
        session: SessionId,
        tag: LockTag,
        hold: HoldId,
        mode: LockMode,
        fx: &mut Effects,
    ) {
        fx.push(session, EventKind::Released, mode, tag);
        self.table.release(hold, mode, Scope::Transaction, &mut self.newly_woken);
        self.queue_woken();
    }

    /// Those who were granted something go on in that order, after those who were woken before.
    #[inline]
    pub(crate) fn queue_woken(&mut self) {
        if !self.newly_woken.is_empty() {
            self.woken.extend(self.newly_woken.drain(..));
        }
    }

    fn begin_wait(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let this = self.session_mut(session);
        this.is_waiting = true;
        let (deadlock, lock) = (this.settings.deadlock_timeout, this.settings.lock_timeout);
        self.set_deadline(session, TimerKind::Deadlock, now + deadlock, fx);
        if lock > Nanos::ZERO {
            self.set_deadline(session, TimerKind::Lock, now + lock, fx);
        }
    }

    /// The wait is over, one way or the other.
    pub(crate) fn forget_wait(&mut self, session: SessionId) {
        let this = self.session_mut(session);
        this.is_waiting = false;
        this.timers.clear(TimerKind::Deadlock);
        this.timers.clear(TimerKind::Lock);
    }

    /// Ends a wait without the lock, if the session waits.
    pub(crate) fn end_wait(&mut self, session: SessionId, kind: EventKind, fx: &mut Effects) {
        if let Some((tag, mode)) = self.table.waits_for(session) {
            fx.push(session, kind, mode, tag);
            self.table.cancel_wait(session, &mut self.newly_woken);
            self.queue_woken();
            self.forget_wait(session);
        }
    }

    /// Waits for the end of a transaction; for the end of a subtransaction, and then of the transaction that
    /// it became part of (`XactLockTableWait` in `lmgr.c`).
    pub(crate) fn wait_for_xid(
        &mut self,
        now: Nanos,
        session: SessionId,
        xid: Xid,
        policy: WaitPolicy,
        fx: &mut Effects,
    ) -> Asked {
        self.drop_wait_lock(session);
        let owner = xid.session();
        let theirs = self.session(owner);
        if owner == session || !theirs.owns(xid) {
            return Asked::Already(HoldId::NONE);
        }
        // A released savepoint's id is locked no more: only the whole transaction's is.
        let awaited = if theirs.sub_xids.contains(&xid) { theirs.xid.unwrap_or(xid) } else { xid };
        self.wait_for_end(now, session, LockTag::Transaction(awaited), owner, policy == WaitPolicy::Block, fx)
    }

    /// Waits for an object that its owner holds exclusively while it lives.
    pub(crate) fn wait_for_end(
        &mut self,
        now: Nanos,
        session: SessionId,
        tag: LockTag,
        owner: SessionId,
        wait: bool,
        fx: &mut Effects,
    ) -> Asked {
        self.table.enter_own(owner, tag);
        let asked = self.ask(now, session, tag, WAIT_FOR_END, Scope::Transaction, wait, fx);
        if let Asked::Wait(hold) = asked {
            self.session_mut(session).wait_lock = Some((tag, hold));
        }
        asked
    }

    /// Gives back the share lock by which the session waited for an end: it was wanted only for the wait.
    pub(crate) fn drop_wait_lock(&mut self, session: SessionId) {
        let Some((tag, hold)) = self.session_mut(session).wait_lock.take() else { return };
        if self.table.hold_on(session, tag) == Some(hold) {
            self.table.release(hold, WAIT_FOR_END, Scope::Transaction, &mut self.newly_woken);
            self.queue_woken();
        }
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn deadlock_error(&self) -> SqlError {
        SqlError::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
    }

    /// Frees versions that nobody can see any more, when enough have come together to make it worth while to
    /// ask all sessions how far back they look.
    pub(crate) fn prune_now_and_then(&mut self) {
        if self.heap.prunable.len() < self.prune_at {
            return;
        }
        self.prune();
        self.prune_at = (2 * self.heap.prunable.len()).max(self.sessions.len()).max(64);
    }

    pub(crate) fn prune(&mut self) {
        let oldest = self.sessions.iter().filter_map(|session| session.snapshot).min();
        self.heap.prune(oldest.unwrap_or(self.last_commit));
    }

    /// Lets everybody go on who was woken, in the order of waking, until all wait, work or are done.
    #[inline]
    pub(crate) fn settle(&mut self, now: Nanos, fx: &mut Effects) {
        if !self.woken.is_empty() {
            self.let_all_go_on(now, fx);
        }
    }

    fn let_all_go_on(&mut self, now: Nanos, fx: &mut Effects) {
        while !self.woken.is_empty() {
            let place = self.choose(self.woken.len());
            let Some(session) = self.woken.remove(place) else { break };
            if let Some((tag, mode)) = self.woken_with(session) {
                fx.push(session, EventKind::Woken, mode, tag);
            }
            self.forget_wait(session);
            self.resume(now, session, fx);
        }
    }

    /// A place among `n`: the first, unless a race is to be decided otherwise.
    pub(crate) fn choose(&mut self, n: usize) -> usize {
        match &mut self.wake_order {
            Some(choose) if n > 1 => choose(n).min(n - 1),
            _ => 0,
        }
    }

    fn woken_with(&self, session: SessionId) -> Option<(LockTag, LockMode)> {
        match &self.session(session).pending {
            Pending::Lock { tag, mode, .. } => Some((*tag, *mode)),
            _ => self.session(session).wait_lock.map(|(tag, _)| (tag, WAIT_FOR_END)),
        }
    }
}
