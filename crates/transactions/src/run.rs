//! Statements step by step: from their start to the point where they wait, work, fail or are done.

use lock_table::SessionId;
use sim_clock::Nanos;

use crate::backends::Backends;
use crate::row_op::Flow;
use crate::session::{Block, Pending, Running};
use crate::{
    CommandTag, Effects, Isolation, Outcome, Program, ProgramStep, SqlError, SqlState, Statement, Step,
    StepContext, StepOutcome, TimerKind,
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
            return fx.complete(session, Err((**error).clone()));
        }
        if !matches!(this.running, Running::None) {
            debug_assert!(false, "{session} was sent a statement while it is at another");
            return;
        }
        this.timers.clear(TimerKind::IdleInTransaction);
        self.heap.now = now;
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
                let flow = self.run_row(now, session, *op, fx);
                let flow = self.range_goes_on(now, session, flow, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Range(op) => {
                let flow = self.run_range(now, session, op, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Insert(row) => {
                let (relation, key, row) = *row;
                let flow = self.insert(now, session, relation, key, row, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Transaction(xid) => {
                let flow = self.wait_for_transaction(now, session, xid, fx);
                self.flow(now, session, flow, fx);
            }
            Pending::Transactions(waits) => {
                let flow = self.wait_for_transactions(now, session, *waits, fx);
                self.flow(now, session, flow, fx);
            }
        }
    }

    fn flow(&mut self, now: Nanos, session: SessionId, flow: Flow<P>, fx: &mut Effects) {
        match flow {
            Flow::Outcome(outcome) => self.go_on(now, session, outcome, fx),
            Flow::Blocked => {}
            Flow::Error(error) => self.fail(now, session, *error, fx),
        }
    }

    /// Takes step after step until one does not come to an end at once.
    fn go_on(&mut self, now: Nanos, session: SessionId, mut last: StepOutcome<P>, fx: &mut Effects) {
        loop {
            let this = self.session_mut(session);
            let flow = match &mut this.running {
                Running::None => return,
                Running::Program { program, keys, work, next } => {
                    let rows = after(program, next, &last);
                    this.rows += rows;
                    let Some(&step) = program.steps.get(*next as usize) else {
                        let (tag, rows) = (program.tag, this.rows);
                        return self.done(now, session, tag, rows, fx);
                    };
                    *next += 1;
                    let (keys, work) = (*keys, *work);
                    self.program_step(now, session, step, keys, work, fx)
                }
                Running::Dynamic(_) => match self.next_step(now, session, last, fx) {
                    None => return,
                    Some(Step::Done { tag, rows }) => return self.done(now, session, tag, rows, fx),
                    Some(Step::Work(span)) => self.work(now, session, span, fx),
                    Some(step) => self.step(now, session, step, fx),
                },
            };
            match flow {
                Flow::Outcome(outcome) => last = outcome,
                Flow::Blocked => return,
                Flow::Error(error) => return self.fail(now, session, *error, fx),
            }
        }
    }

    /// Asks the statement, which is out of its session's hands meanwhile: it may look at all of them.
    #[inline]
    fn next_step(
        &mut self,
        now: Nanos,
        session: SessionId,
        last: StepOutcome<P>,
        fx: &mut Effects,
    ) -> Option<Step<P>> {
        let Running::Dynamic(mut stepper) =
            std::mem::replace(&mut self.session_mut(session).running, Running::None)
        else {
            return None;
        };
        let step = stepper.step(&mut StepContext::new(self, now, session, fx), last);
        self.session_mut(session).running = Running::Dynamic(stepper);
        Some(step)
    }

    fn done(&mut self, now: Nanos, session: SessionId, tag: CommandTag, rows: u64, fx: &mut Effects) {
        let this = self.session_mut(session);
        if let Running::Dynamic(stepper) = std::mem::replace(&mut this.running, Running::None) {
            stepper.retire();
        }
        let this = self.session_mut(session);
        if !matches!(this.pending, Pending::Next) {
            this.pending = Pending::Next;
        }
        this.release_statement_snapshot_flag();
        if this.block == Block::None {
            self.commit_transaction(session, fx);
            if !self.session(session).session_locks.is_empty() {
                self.release_command_locks(session, fx);
            }
        } else if this.isolation == Isolation::ReadCommitted {
            this.snapshot = None;
        }
        self.become_idle(now, session, fx);
        fx.complete(session, Ok(Outcome { tag, rows }));
    }
}

/// How many rows the last step of a program was about. An update that met a newer version has locked it and is
/// repeated on it.
fn after<P>(program: &Program, next: &mut u32, last: &StepOutcome<P>) -> u64 {
    match last {
        StepOutcome::Recheck(_) => {
            *next -= 1;
            0
        }
        StepOutcome::Done | StepOutcome::Locked { .. } => {
            let step = next.checked_sub(1).and_then(|at| program.steps.get(at as usize));
            u64::from(!matches!(step, None | Some(ProgramStep::Lock { .. } | ProgramStep::Work)))
        }
        StepOutcome::Range { rows } => *rows,
        StepOutcome::Start | StepOutcome::Unavailable | StepOutcome::Gone => 0,
    }
}

pub(crate) fn in_failed_transaction() -> SqlError {
    let why = "current transaction is aborted, commands ignored until end of transaction block";
    SqlError::new(SqlState::IN_FAILED_SQL_TRANSACTION, why)
}
