//! Statements step by step: from their start to the point where they wait, work, fail or are done.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope, SessionId};
use sim_clock::Nanos;

use crate::backends::{Asked, Backends};
use crate::heap::{Deed, NO_TUPLE, TupleId};
use crate::row_op::{Flow, Intent, RowOp};
use crate::session::{Block, Pending, Running};
use crate::{
    CommandTag, Effects, EventKind, Isolation, Outcome, ProgramStep, RowLockStrength, SqlError, SqlState,
    Statement, Step, StepContext, StepOutcome, TimerKind, WaitPolicy,
};

impl<P: Clone + Default> Backends<P> {
    /// Starts a statement on an idle session and carries it on until it is done, fails, waits or works; and
    /// whoever is woken by it, too.
    ///
    /// A session whose connection is gone completes it at once with the error that it went with. One that is
    /// not idle is left alone, and so is its statement: that is a mistake of the caller, which debug builds
    /// do not accept.
    pub fn start(&mut self, now: Nanos, session: SessionId, statement: Statement<P>, fx: &mut Effects) {
        let this = self.session_mut(session);
        if let Some(error) = &this.gone {
            return fx.complete(session, Err(error.clone()));
        }
        if !matches!(this.running, Running::None) {
            debug_assert!(false, "{session} was sent a statement while it is at another");
            return;
        }
        this.timers.deadline[TimerKind::IdleInTransaction as usize] = Nanos::MAX;
        self.prune_now_and_then();
        let timeout = self.session(session).settings.statement_timeout;
        if timeout > Nanos::ZERO {
            self.set_deadline(session, TimerKind::Statement, now + timeout, fx);
        }
        match statement {
            Statement::Program { program, keys, work } => {
                self.run(now, session, Running::Program { program, keys, work, next: 0 }, true, fx);
            }
            Statement::Dynamic(stepper) => {
                let refusal = match self.session(session).block {
                    Block::None => stepper.requires_transaction_block(),
                    Block::Open => stepper.refuses_transaction_block(),
                    Block::Failed => None,
                };
                if let (Some(error), true) = (refusal, self.session(session).block != Block::Failed) {
                    self.fail(now, session, error, fx);
                } else {
                    let takes_snapshot = stepper.takes_snapshot();
                    let is_vacuum = stepper.is_vacuum();
                    self.session_mut(session).is_vacuum = is_vacuum;
                    self.run(now, session, Running::Dynamic(stepper), takes_snapshot, fx);
                }
            }
            control => self.control(now, session, control, fx),
        }
        self.settle(now, fx);
    }

    /// Transaction commands and settings: they neither wait nor work.
    fn control(&mut self, now: Nanos, session: SessionId, statement: Statement<P>, fx: &mut Effects) {
        let block = self.session(session).block;
        let no_block =
            || SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        let result = match (statement, block) {
            (Statement::Begin { isolation }, Block::None) => {
                self.begin_transaction(now, session, isolation, fx);
                self.session_mut(session).block = Block::Open;
                Ok(CommandTag::BEGIN)
            }
            (Statement::Begin { .. }, Block::Open) => Ok(CommandTag::BEGIN),
            (Statement::Commit, Block::Failed) | (Statement::Rollback, _) => {
                self.session_mut(session).block = Block::None;
                self.abort_transaction(now, session, fx);
                Ok(CommandTag::ROLLBACK)
            }
            (Statement::Commit, _) => {
                self.session_mut(session).block = Block::None;
                self.commit_transaction(session, fx);
                Ok(CommandTag::COMMIT)
            }
            (Statement::RollbackTo(name), Block::Open | Block::Failed) => {
                self.rollback_to_savepoint(session, name, fx).map(|()| CommandTag::ROLLBACK)
            }
            (_, Block::Failed) => Err(in_failed_transaction()),
            (Statement::Savepoint(name), Block::Open) => {
                self.savepoint(session, name);
                Ok(CommandTag::SAVEPOINT)
            }
            (Statement::Release(name), Block::Open) => {
                self.release_savepoint(session, name, fx).map(|()| CommandTag::RELEASE)
            }
            (Statement::Set { local, guc, value }, block) => {
                self.set(session, local, guc, value);
                if block == Block::None {
                    let this = self.session_mut(session);
                    this.settings = this.lasting;
                    this.settings_before.clear();
                }
                Ok(CommandTag::SET)
            }
            _ => Err(no_block()),
        };
        match result {
            Ok(tag) => {
                self.become_idle(now, session, fx);
                fx.complete(session, Ok(Outcome { tag, rows: 0 }));
            }
            Err(error) => self.fail(now, session, error, fx),
        }
    }

    fn run(
        &mut self,
        now: Nanos,
        session: SessionId,
        running: Running<P>,
        takes_snapshot: bool,
        fx: &mut Effects,
    ) {
        match self.session(session).block {
            Block::Failed => return self.fail(now, session, in_failed_transaction(), fx),
            Block::None => self.begin_transaction(now, session, Isolation::ReadCommitted, fx),
            Block::Open => {}
        }
        let xmin = self.last_commit;
        let this = self.session_mut(session);
        this.command += 1;
        this.rows = 0;
        this.rechecked = None;
        this.running = running;
        this.holds_xmin = true;
        this.xmin = xmin;
        if this.isolation == Isolation::RepeatableRead && takes_snapshot {
            self.snapshot(session);
        }
        self.go_on(now, session, StepOutcome::Start, fx);
    }

    /// A woken session, or one whose work is done, goes on.
    pub(crate) fn resume(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let pending = std::mem::replace(&mut self.session_mut(session).pending, Pending::Next);
        match pending {
            Pending::Next => self.go_on(now, session, StepOutcome::Done, fx),
            Pending::Lock { hold, mode, scope, tag } => {
                self.now_holds(session, tag, hold, mode, scope);
                self.go_on(now, session, StepOutcome::Done, fx);
            }
            Pending::Row(op) => {
                let flow = self.run_row(now, session, op, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Transaction(xid) => {
                let flow = self.wait_for_transaction(now, session, xid, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Transactions(waits) => {
                let flow = self.wait_for_transactions(now, session, waits, fx);
                self.flow(now, session, flow, fx);
            }
        }
    }

    fn flow(&mut self, now: Nanos, session: SessionId, flow: Flow<P>, fx: &mut Effects) {
        match flow {
            Flow::Outcome(outcome) => self.go_on(now, session, outcome, fx),
            Flow::Blocked => {}
            Flow::Error(error) => self.fail(now, session, error, fx),
        }
    }

    /// Takes step after step until one does not come to an end at once.
    fn go_on(&mut self, now: Nanos, session: SessionId, mut last: StepOutcome<P>, fx: &mut Effects) {
        loop {
            let flow = match std::mem::replace(&mut self.session_mut(session).running, Running::None) {
                Running::None => return,
                Running::Program { program, keys, work, next } => {
                    let (next, rows) = after(&program, next, &last);
                    let this = self.session_mut(session);
                    this.rows += rows;
                    let Some(&step) = program.steps.get(next as usize) else {
                        let (tag, rows) = (program.tag, this.rows);
                        return self.done(now, session, tag, rows, fx);
                    };
                    this.running = Running::Program { program, keys, work, next: next + 1 };
                    self.program_step(now, session, step, keys, work, fx)
                }
                Running::Dynamic(mut stepper) => {
                    let step = stepper.step(&mut StepContext::new(self, now, session), last);
                    if let Step::Done { tag, rows } = step {
                        return self.done(now, session, tag, rows, fx);
                    }
                    self.session_mut(session).running = Running::Dynamic(stepper);
                    self.step(now, session, step, fx)
                }
            };
            match flow {
                Flow::Outcome(outcome) => last = outcome,
                Flow::Blocked => return,
                Flow::Error(error) => return self.fail(now, session, error, fx),
            }
        }
    }

    fn done(&mut self, now: Nanos, session: SessionId, tag: CommandTag, rows: u64, fx: &mut Effects) {
        let this = self.session_mut(session);
        this.pending = Pending::Next;
        this.release_statement_snapshot_flag();
        if this.block == Block::None {
            self.commit_transaction(session, fx);
            self.release_command_locks(session, fx);
        } else if this.isolation == Isolation::ReadCommitted {
            this.snapshot = None;
        }
        self.become_idle(now, session, fx);
        fx.complete(session, Ok(Outcome { tag, rows }));
    }

    fn program_step(
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
                    Intent::Delete,
                    strength,
                    WaitPolicy::Block,
                    fx,
                )
            }
            ProgramStep::Insert { relation, slot } => {
                self.insert(session, relation, key(slot), P::default(), fx)
            }
            ProgramStep::Work => self.work(now, session, work, fx),
        }
    }

    fn step(&mut self, now: Nanos, session: SessionId, step: Step<P>, fx: &mut Effects) -> Flow<P> {
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
            Step::Delete { relation, key } => {
                let strength = RowLockStrength::Update;
                self.deal_with_row(
                    now,
                    session,
                    relation,
                    key,
                    Intent::Delete,
                    strength,
                    WaitPolicy::Block,
                    fx,
                )
            }
            Step::Insert { relation, key, row } => self.insert(session, relation, key, row, fx),
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
            Step::Fail(error) => Flow::Error(error),
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
                Flow::Error(SqlError::new(SqlState::LOCK_NOT_AVAILABLE, what).about(tag))
            }
            Asked::Deadlock => Flow::Error(self.deadlock_error()),
        }
    }

    fn now_holds(
        &mut self,
        session: SessionId,
        tag: LockTag,
        hold: lock_table::HoldId,
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
        let (advisory, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut this.session_locks)
            .into_iter()
            .partition(|lock| matches!(lock.tag, LockTag::Advisory(_)));
        this.session_locks = advisory;
        self.release_session_locks(session, fx);
        self.session_mut(session).session_locks = kept;
        Flow::Outcome(StepOutcome::Done)
    }

    #[allow(clippy::too_many_arguments)]
    fn deal_with_row(
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
            Intent::Delete => Deed::Deleted,
        };
        if let Some(flow) = self.deal_simply(session, relation, key, deed, strength, fx) {
            return flow;
        }
        let Some(tuple) = self.version_to_deal_with(session, relation, key) else {
            return Flow::Outcome(StepOutcome::Gone);
        };
        self.run_row(now, session, RowOp::new(relation, key, tuple, intent, strength, policy), fx)
    }

    /// A virtual row that nobody else deals with takes one entry and no version.
    fn deal_simply(
        &mut self,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
        deed: Deed,
        strength: RowLockStrength,
        fx: &mut Effects,
    ) -> Option<Flow<P>> {
        if self.heap.is_stored(relation) {
            return None;
        }
        let before = (self.last_xid, self.session(session).xid);
        let xid = self.assign_xid(session);
        let Some(is_new) = self.heap.do_simply(relation, key, xid, deed) else {
            // Nothing was written: an id that was taken for it alone is given back.
            if self.session(session).savepoints.is_empty() {
                (self.last_xid, self.session_mut(session).xid) = before;
            }
            return None;
        };
        if is_new {
            self.touch(session, relation, key, NO_TUPLE);
        }
        let tag = LockTag::Tuple { relation, version: 0, key };
        fx.push(session, EventKind::RowLocked, strength.tuple_lock_mode(), tag);
        Some(Flow::Outcome(match deed {
            Deed::Locked(_) => StepOutcome::Locked { row: P::default(), moved: false },
            _ => StepOutcome::Done,
        }))
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

    fn insert(
        &mut self,
        session: SessionId,
        relation: RelationId,
        key: RowKey,
        row: P,
        fx: &mut Effects,
    ) -> Flow<P> {
        let tag = LockTag::Tuple { relation, version: 0, key };
        if let Some(flow) =
            self.deal_simply(session, relation, key, Deed::Inserted, RowLockStrength::Update, fx)
        {
            return flow;
        }
        if self.heap.row(relation, key).is_some() {
            let what = "duplicate key value violates unique constraint";
            return Flow::Error(SqlError::new(SqlState::UNIQUE_VIOLATION, what).about(tag));
        }
        let xid = self.assign_xid(session);
        let command = self.session(session).command;
        let tuple = self.heap.insert(relation, key, xid, command, row);
        self.touch(session, relation, key, tuple);
        fx.push(session, EventKind::RowLocked, LockMode::AccessExclusive, tag);
        Flow::Outcome(StepOutcome::Done)
    }

    fn work(&mut self, now: Nanos, session: SessionId, span: Nanos, fx: &mut Effects) -> Flow<P> {
        if span == Nanos::ZERO {
            return Flow::Outcome(StepOutcome::Done);
        }
        self.session_mut(session).pending = Pending::Next;
        self.set_deadline(session, TimerKind::Work, now + span, fx);
        Flow::Blocked
    }
}

/// Which step of a program comes next, and how many rows the last one was about. An update that met a newer
/// version has locked it and is repeated on it.
fn after<P>(program: &Rc<crate::Program>, next: u32, last: &StepOutcome<P>) -> (u32, u64) {
    let counts = |next: u32| {
        let step = next.checked_sub(1).and_then(|at| program.steps.get(at as usize));
        u64::from(!matches!(step, None | Some(ProgramStep::Lock { .. } | ProgramStep::Work)))
    };
    match last {
        StepOutcome::Recheck(_) => (next - 1, 0),
        StepOutcome::Done | StepOutcome::Locked { .. } => (next, counts(next)),
        StepOutcome::Start | StepOutcome::Unavailable | StepOutcome::Gone => (next, 0),
    }
}

const fn update_strength(key_columns_changed: bool) -> RowLockStrength {
    if key_columns_changed { RowLockStrength::Update } else { RowLockStrength::NoKeyUpdate }
}

fn in_failed_transaction() -> SqlError {
    let why = "current transaction is aborted, commands ignored until end of transaction block";
    SqlError::new(SqlState::IN_FAILED_SQL_TRANSACTION, why)
}
