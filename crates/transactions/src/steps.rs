//! The steps of statements: which of them does what.

use lock_table::{HoldId, LockMode, LockTag, RowKey, Scope, SessionId};
use sim_clock::Nanos;

use crate::backends::{Asked, Backends};
use crate::row_op::{Flow, Intent};
use crate::session::Pending;
use crate::{
    Effects, EventKind, Isolation, ProgramStep, RowLockStrength, SqlError, SqlState, Step, StepOutcome,
    TimerKind, WaitPolicy,
};

impl<P: Clone + Default> Backends<P> {
    pub(crate) fn program_step(
        &mut self,
        now: Nanos,
        session: SessionId,
        step: ProgramStep,
        keys: [RowKey; 2],
        work: Nanos,
        fx: &mut Effects,
    ) -> Flow<P> {
        let key = |slot: u8| keys[usize::from(slot) % keys.len()];
        match step {
            ProgramStep::Lock { relation, mode } => {
                let tag = LockTag::Relation(relation);
                self.lock(now, session, tag, mode, Scope::Transaction, WaitPolicy::Block, fx)
            }
            ProgramStep::LockRow { relation, slot, strength, policy } => {
                self.deal_with_row(now, session, relation, key(slot), Intent::Lock, strength, policy, fx)
            }
            ProgramStep::Update { relation, slot, key_columns_changed } => {
                let intent = Intent::Update(P::default());
                let strength = update_strength(key_columns_changed);
                self.deal_with_row(now, session, relation, key(slot), intent, strength, WaitPolicy::Block, fx)
            }
            ProgramStep::Delete { relation, slot } => {
                let strength = RowLockStrength::Update;
                self.deal_with_row(
                    now,
                    session,
                    relation,
                    key(slot),
                    Intent::Delete { moves: false },
                    strength,
                    WaitPolicy::Block,
                    fx,
                )
            }
            ProgramStep::Insert { relation, slot } => {
                self.insert(now, session, relation, key(slot), P::default(), fx)
            }
            ProgramStep::Work => self.work(now, session, work, fx),
        }
    }

    pub(crate) fn step(
        &mut self,
        now: Nanos,
        session: SessionId,
        step: Step<P>,
        fx: &mut Effects,
    ) -> Flow<P> {
        match step {
            Step::Lock { tag, mode, scope, policy } => self.lock(now, session, tag, mode, scope, policy, fx),
            Step::Unlock { tag, mode, scope } => self.unlock(session, tag, mode, scope, fx),
            Step::UnlockAllAdvisory => self.unlock_all_advisory(session, fx),
            Step::LockRow { relation, key, strength, policy } => {
                self.deal_with_row(now, session, relation, key, Intent::Lock, strength, policy, fx)
            }
            Step::Update { relation, key, new, key_columns_changed } => {
                let strength = update_strength(key_columns_changed);
                let intent = Intent::Update(new);
                self.deal_with_row(now, session, relation, key, intent, strength, WaitPolicy::Block, fx)
            }
            Step::Delete { relation, key } | Step::MoveAway { relation, key } => {
                let strength = RowLockStrength::Update;
                let intent = Intent::Delete { moves: matches!(step, Step::MoveAway { .. }) };
                self.deal_with_row(now, session, relation, key, intent, strength, WaitPolicy::Block, fx)
            }
            Step::Insert { relation, key, row } => self.insert(now, session, relation, key, row, fx),
            Step::WriteRange { relation, first, last, deed, work } => {
                self.begin_range(now, session, relation, (first, last), deed, work, fx)
            }
            Step::WaitForTransaction(xid) => self.wait_for_transaction(now, session, xid, fx),
            Step::WaitForLockHolders { tag, mode } => self.wait_for_lock_holders(now, session, tag, mode, fx),
            Step::WaitForOlderSnapshots => self.wait_for_older_snapshots(now, session, fx),
            Step::NewTransaction { safe_index_build } => {
                self.commit_transaction(session, fx);
                self.begin_transaction(now, session, Isolation::ReadCommitted, fx);
                self.session_mut(session).is_safe_index_build = safe_index_build;
                Flow::Outcome(StepOutcome::Done)
            }
            Step::TakeSnapshot => {
                self.take_snapshot(session);
                Flow::Outcome(StepOutcome::Done)
            }
            Step::ReleaseSnapshot => {
                self.give_up_snapshot(session);
                Flow::Outcome(StepOutcome::Done)
            }
            Step::Work(span) => self.work(now, session, span, fx),
            Step::Fail(error) => error.into(),
            // The caller has seen to it.
            Step::Done { .. } => Flow::Blocked,
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn lock(
        &mut self,
        now: Nanos,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
        policy: WaitPolicy,
        fx: &mut Effects,
    ) -> Flow<P> {
        match self.ask(now, session, tag, mode, scope, policy == WaitPolicy::Block, fx) {
            Asked::Have(hold) => {
                self.now_holds(session, tag, hold, mode, scope);
                Flow::Outcome(StepOutcome::Done)
            }
            Asked::Already(_) => {
                self.session_mut(session).count_lock(tag, mode, scope);
                Flow::Outcome(StepOutcome::Done)
            }
            Asked::Wait(hold) => {
                self.session_mut(session).pending = Pending::Lock { hold, mode, scope, tag };
                self.hold_catalog_snapshot(session, tag);
                Flow::Blocked
            }
            Asked::Unavailable if policy == WaitPolicy::Skip => Flow::Outcome(StepOutcome::Unavailable),
            Asked::Unavailable => {
                let what = "could not obtain lock on relation";
                SqlError::new(SqlState::LOCK_NOT_AVAILABLE, what).about(tag).into()
            }
            Asked::Deadlock => self.deadlock_error().into(),
        }
    }

    pub(crate) fn now_holds(
        &mut self,
        session: SessionId,
        tag: LockTag,
        hold: HoldId,
        mode: LockMode,
        scope: Scope,
    ) {
        match scope {
            Scope::Transaction => self.note_acquired(session, hold, mode),
            Scope::Session => self.session_mut(session).count_lock(tag, mode, scope),
        }
    }

    fn unlock(
        &mut self,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
        fx: &mut Effects,
    ) -> Flow<P> {
        let hold = self.table.hold_on(session, tag);
        let this = self.session_mut(session);
        let is_held = match scope {
            Scope::Session => this.session_locks.iter().any(|it| it.tag == tag && it.mode == mode),
            Scope::Transaction => hold.is_some(),
        };
        let (Some(hold), true) = (hold, is_held) else { return Flow::Outcome(StepOutcome::Unavailable) };
        if scope == Scope::Session && !this.release_session_lock(tag, mode) {
            return Flow::Outcome(StepOutcome::Done);
        }
        this.acquired.retain(|it| scope == Scope::Session || (it.hold, it.mode) != (hold, mode));
        fx.push(session, EventKind::Released, mode, tag);
        self.table.release(hold, mode, scope, &mut self.newly_woken);
        self.queue_woken();
        Flow::Outcome(StepOutcome::Done)
    }

    fn unlock_all_advisory(&mut self, session: SessionId, fx: &mut Effects) -> Flow<P> {
        let this = self.session_mut(session);
        let (advisory, kept): (Vec<_>, Vec<_>) =
            this.session_locks.take().into_iter().partition(|lock| matches!(lock.tag, LockTag::Advisory(_)));
        this.session_locks = advisory.into();
        self.release_session_locks(session, fx);
        self.session_mut(session).session_locks = kept.into();
        Flow::Outcome(StepOutcome::Done)
    }

    #[inline]
    pub(crate) fn work(&mut self, now: Nanos, session: SessionId, span: Nanos, fx: &mut Effects) -> Flow<P> {
        if span == Nanos::ZERO {
            return Flow::Outcome(StepOutcome::Done);
        }
        self.session_mut(session).pending = Pending::Next;
        self.set_deadline(session, TimerKind::Work, now + span, fx);
        Flow::Blocked
    }
}

pub(crate) const fn update_strength(key_columns_changed: bool) -> RowLockStrength {
    if key_columns_changed { RowLockStrength::Update } else { RowLockStrength::NoKeyUpdate }
}
