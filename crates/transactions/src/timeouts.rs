//! What happens when a timer fires.

use lock_table::{DeadlockState, SessionId};
use sim_clock::Nanos;

use crate::backends::Backends;
use crate::session::{Block, Running};
use crate::{BackendRole, Effects, EventKind, SqlError, SqlState, Timer, TimerKind};

impl<P: Clone + Default> Backends<P> {
    /// A timer that was set through [`Effects::timers`] is due. One that has been overtaken is ignored.
    pub fn fire(&mut self, now: Nanos, timer: Timer, fx: &mut Effects) {
        let (session, kind) = (timer.session(), timer.kind());
        let Some(this) = self.sessions.get_mut(session.index()) else { return };
        let timers = &mut this.timers;
        let Some(deadline) = timers.goes_off(now, kind, timer.generation()) else { return };
        self.heap.now = now;
        if deadline > now {
            if deadline < Nanos::MAX {
                self.set_deadline(session, kind, deadline, fx);
            }
            return;
        }
        self.act(now, session, kind, fx);
        self.settle(now, fx);
    }

    fn act(&mut self, now: Nanos, session: SessionId, kind: TimerKind, fx: &mut Effects) {
        // Of timeouts that are due in the same instant, the deadlock check comes first, as `ProcSleep` looks
        // for deadlocks before it looks for interrupts, and the statement's before the wait's, as it began
        // earlier (fact `timeouts.both_equal_300`).
        let also_due = |this: &Self, kind: TimerKind| this.session(session).timers.get(kind).deadline <= now;
        if kind != TimerKind::Deadlock && also_due(self, TimerKind::Deadlock) {
            self.deadlock_timeout(now, session, fx);
            if !also_due(self, kind) {
                return;
            }
        }
        let kind = match kind {
            TimerKind::Lock if also_due(self, TimerKind::Statement) => TimerKind::Statement,
            kind => kind,
        };
        self.session_mut(session).timers.clear(kind);
        match kind {
            TimerKind::Work => self.resume(now, session, fx),
            TimerKind::Deadlock => self.deadlock_timeout(now, session, fx),
            TimerKind::Lock => {
                self.end_wait(session, EventKind::LockTimeout, fx);
                let why = "canceling statement due to lock timeout";
                self.fail(now, session, SqlError::new(SqlState::LOCK_NOT_AVAILABLE, why), fx);
            }
            TimerKind::Statement => {
                self.end_wait(session, EventKind::StatementTimeout, fx);
                let why = "canceling statement due to statement timeout";
                self.fail(now, session, SqlError::new(SqlState::QUERY_CANCELED, why), fx);
            }
            TimerKind::IdleInTransaction => {
                let why = "terminating connection due to idle-in-transaction timeout";
                let error = SqlError::fatal(SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, why);
                self.close(now, session, error, EventKind::Terminated, true, fx);
            }
            TimerKind::Transaction => {
                let why = "terminating connection due to transaction timeout";
                let error = SqlError::fatal(SqlState::TRANSACTION_TIMEOUT, why);
                self.close(now, session, error, EventKind::Terminated, true, fx);
            }
        }
    }

    /// The one deadlock check of a wait (`CheckDeadLock` in `proc.c`).
    fn deadlock_timeout(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        self.session_mut(session).timers.clear(TimerKind::Deadlock);
        let Some((tag, mode)) = self.table.waits_for(session) else { return };
        let state = self.table.check_deadlock(session, &mut self.newly_woken);
        self.queue_woken();
        match state {
            DeadlockState::None => {}
            DeadlockState::Soft => fx.push(session, EventKind::Rearranged, mode, tag),
            DeadlockState::Hard(cycle) => {
                self.last_cycle = cycle;
                self.end_wait(session, EventKind::DeadlockVictim, fx);
                let error = self.deadlock_error();
                self.fail(now, session, error, fx);
            }
            DeadlockState::BlockedByAutovacuum(worker) => {
                if self.session(worker).settings.role == BackendRole::Autovacuum {
                    self.cancel_with(now, worker, "canceling autovacuum task", fx);
                }
            }
        }
    }

    /// Sets a deadline. A timer that is set already and fires no later will do.
    pub(crate) fn set_deadline(&mut self, session: SessionId, kind: TimerKind, at: Nanos, fx: &mut Effects) {
        if let Some(generation) = self.session_mut(session).timers.set(kind, at) {
            fx.timers.push((at, Timer::new(session, kind, generation)));
        }
    }

    pub(crate) fn clear_deadline(&mut self, session: SessionId, kind: TimerKind) {
        self.session_mut(session).timers.clear(kind);
    }

    /// A statement has ended and its session waits for the next one.
    pub(crate) fn become_idle(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        self.clear_deadline(session, TimerKind::Statement);
        let this = self.session(session);
        let timeout = this.settings.idle_in_transaction_session_timeout;
        debug_assert!(matches!(this.running, Running::None), "an idle session runs no statement");
        if this.block != Block::None && timeout > Nanos::ZERO && this.gone.is_none() {
            self.set_deadline(session, TimerKind::IdleInTransaction, now + timeout, fx);
        }
    }
}
