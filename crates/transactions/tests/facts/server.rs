//! A server under test: statements are sent, time passes, results and waits are looked at.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use sim_clock::Nanos;
use transactions::commands::{Sequence, Steps};
use transactions::{
    Backends, CommandTag, Completion, Effects, EventKind, Guc, Isolation, LockMode, LockTag, RelationId,
    RowLockStrength, Scope, ServerSettings, SessionId, SessionSettings, SqlError, SqlState, Statement, Step,
    StepContext, StepOutcome, Stepper, Timer, WaitPolicy,
};

pub(crate) const VERSIONS: std::ops::RangeInclusive<u8> = 12..=18;
pub(crate) const T: RelationId = RelationId(1);
pub(crate) const T2: RelationId = RelationId(2);
pub(crate) const INDEX: RelationId = RelationId(11);

pub(crate) struct Server {
    pub(crate) backends: Backends<u32>,
    pub(crate) now: Nanos,
    timers: BinaryHeap<Reverse<(Nanos, u64, Timer)>>,
    set: u64,
    fx: Effects,
    results: BTreeMap<SessionId, (Nanos, Completion)>,
    pub(crate) events: Vec<(Nanos, SessionId, EventKind)>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::of_version(15)
    }

    pub(crate) fn of_version(version: u8) -> Self {
        Self {
            backends: Backends::new(ServerSettings { version }),
            now: Nanos::ZERO,
            timers: BinaryHeap::new(),
            set: 0,
            fx: Effects::default(),
            results: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn session(&mut self) -> SessionId {
        self.backends.connect(self.now, SessionSettings::default())
    }

    pub(crate) fn session_with(&mut self, settings: SessionSettings) -> SessionId {
        self.backends.connect(self.now, settings)
    }

    /// A session in a transaction block.
    pub(crate) fn in_block(&mut self) -> SessionId {
        let session = self.session();
        self.begin(session);
        session
    }

    pub(crate) fn begin(&mut self, session: SessionId) {
        self.send(session, Statement::Begin { isolation: Isolation::ReadCommitted });
    }

    pub(crate) fn in_repeatable_read(&mut self) -> SessionId {
        let session = self.session();
        self.send(session, Statement::Begin { isolation: Isolation::RepeatableRead });
        session
    }

    pub(crate) fn set(&mut self, session: SessionId, guc: Guc, ms: u64) {
        self.send(session, Statement::Set { local: false, guc, value: Nanos::from_millis(ms) });
    }

    pub(crate) fn send(&mut self, session: SessionId, statement: Statement<u32>) {
        self.results.remove(&session);
        self.backends.start(self.now, session, statement, &mut self.fx);
        self.take_effects();
    }

    pub(crate) fn commit(&mut self, session: SessionId) {
        self.send(session, Statement::Commit);
    }

    pub(crate) fn rollback(&mut self, session: SessionId) {
        self.send(session, Statement::Rollback);
    }

    pub(crate) fn steps(&mut self, session: SessionId, steps: Vec<Step<u32>>) {
        self.send(session, Statement::Dynamic(Box::new(Sequence::simple(steps, CommandTag("DONE")))));
    }

    pub(crate) fn lock(&mut self, session: SessionId, table: RelationId, mode: LockMode) {
        self.steps(session, vec![lock(table, mode, WaitPolicy::Block)]);
    }

    pub(crate) fn lock_nowait(&mut self, session: SessionId, table: RelationId, mode: LockMode) {
        self.steps(session, vec![lock(table, mode, WaitPolicy::NoWait)]);
    }

    pub(crate) fn row(&mut self, session: SessionId, row: RowWork) {
        self.send(session, Statement::Dynamic(Box::new(row)));
    }

    pub(crate) fn concurrently(&mut self, session: SessionId, steps: Steps<u32>) {
        self.send(session, Statement::Dynamic(Box::new(Sequence::concurrent(steps, CommandTag("DONE")))));
    }

    pub(crate) fn vacuum(&mut self, session: SessionId, steps: Vec<Step<u32>>) {
        self.send(session, Statement::Dynamic(Box::new(Sequence::vacuum(steps))));
    }

    pub(crate) fn work(&mut self, session: SessionId, ms: u64) {
        self.steps(session, vec![Step::Work(Nanos::from_millis(ms))]);
    }

    pub(crate) fn cancel(&mut self, session: SessionId) {
        self.backends.cancel(self.now, session, &mut self.fx);
        self.take_effects();
    }

    pub(crate) fn terminate(&mut self, session: SessionId) {
        self.backends.terminate(self.now, session, &mut self.fx);
        self.take_effects();
    }

    /// Lets time pass and fires what is due meanwhile.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + Nanos::from_millis(ms);
        while let Some(&Reverse((at, _, timer))) = self.timers.peek()
            && at <= until
        {
            self.timers.pop();
            self.now = at;
            self.backends.fire(at, timer, &mut self.fx);
            self.take_effects();
        }
        self.now = until;
    }

    fn take_effects(&mut self) {
        for (at, timer) in self.fx.timers.drain(..) {
            self.set += 1;
            self.timers.push(Reverse((at, self.set, timer)));
        }
        for completion in self.fx.completions.drain(..) {
            self.results.insert(completion.session, (self.now, completion));
        }
        let now = self.now;
        self.events.extend(self.fx.events.drain(..).map(|event| (now, event.session, event.kind)));
    }

    /// `ok`, the SQLSTATE of the last statement's error, or `waits` or `works` if it has not ended.
    pub(crate) fn result(&self, session: SessionId) -> String {
        match self.results.get(&session).map(|(_, completion)| &completion.result) {
            Some(Ok(_)) => "ok".to_owned(),
            Some(Err(error)) => error.sqlstate.to_string(),
            None if self.backends.waits_for(session).is_some() => "waits".to_owned(),
            None => "works".to_owned(),
        }
    }

    pub(crate) fn outcome(&self, session: SessionId) -> String {
        match self.results.get(&session).map(|(_, completion)| &completion.result) {
            Some(Ok(outcome)) => outcome.to_string(),
            _ => self.result(session),
        }
    }

    pub(crate) fn message(&self, session: SessionId) -> String {
        match self.results.get(&session).map(|(_, completion)| &completion.result) {
            Some(Err(error)) => error.message.to_string(),
            _ => String::new(),
        }
    }

    pub(crate) fn ended_at_ms(&self, session: SessionId) -> u64 {
        self.results[&session].0.as_millis()
    }

    /// What kind of object a session waits for, in which mode, and for whom.
    pub(crate) fn wait(&self, session: SessionId) -> Option<(&'static str, LockMode, Vec<SessionId>)> {
        let waiter = self.backends.waiters().into_iter().find(|it| it.session == session)?;
        let kind = match waiter.tag {
            LockTag::Relation(_) => "relation",
            LockTag::Tuple { .. } => "tuple",
            LockTag::Transaction(_) => "transactionid",
            LockTag::VirtualTransaction { .. } => "virtualxid",
            LockTag::Object { .. } => "object",
            LockTag::Advisory(_) => "advisory",
        };
        Some((kind, waiter.mode, waiter.blockers))
    }

    pub(crate) fn blocked_by(&self, session: SessionId) -> Vec<SessionId> {
        self.wait(session).map(|(_, _, blockers)| blockers).unwrap_or_default()
    }
}

pub(crate) fn lock(table: RelationId, mode: LockMode, policy: WaitPolicy) -> Step<u32> {
    Step::Lock { tag: LockTag::Relation(table), mode, scope: Scope::Transaction, policy }
}

/// A statement about one row of a table.
#[derive(Clone, Copy)]
pub(crate) enum RowDeed {
    Lock(RowLockStrength, WaitPolicy),
    Update { key: bool },
    Delete,
}

/// It, with what its statement locks first.
pub(crate) struct RowWork {
    pub(crate) table: RelationId,
    pub(crate) key: u64,
    pub(crate) deed: RowDeed,
    pub(crate) rows: u64,
    pub(crate) began: bool,
}

impl RowWork {
    pub(crate) fn new(key: u64, deed: RowDeed) -> Self {
        Self { table: T, key, deed, rows: 0, began: false }
    }

    pub(crate) fn update(key: u64) -> Self {
        Self::new(key, RowDeed::Update { key: false })
    }

    pub(crate) fn lock(key: u64, strength: RowLockStrength) -> Self {
        Self::new(key, RowDeed::Lock(strength, WaitPolicy::Block))
    }

    fn row_step(&self) -> Step<u32> {
        let (relation, key) = (self.table, self.key);
        match self.deed {
            RowDeed::Lock(strength, policy) => Step::LockRow { relation, key, strength, policy },
            RowDeed::Update { key: changed } => {
                Step::Update { relation, key, new: 1, key_columns_changed: changed }
            }
            RowDeed::Delete => Step::Delete { relation, key },
        }
    }
}

impl Stepper<u32> for RowWork {
    fn step(&mut self, _: &mut StepContext<'_, u32>, last: StepOutcome<u32>) -> Step<u32> {
        if !std::mem::replace(&mut self.began, true) {
            let mode = if matches!(self.deed, RowDeed::Lock(..)) {
                LockMode::RowShare
            } else {
                LockMode::RowExclusive
            };
            return lock(self.table, mode, WaitPolicy::Block);
        }
        match last {
            StepOutcome::Recheck(_) => return self.row_step(),
            StepOutcome::Done if self.rows == 0 && self.key != u64::MAX => {
                self.rows = 1;
                return self.row_step();
            }
            StepOutcome::Gone | StepOutcome::Unavailable => self.rows = 0,
            _ => {}
        }
        let tag = match self.deed {
            RowDeed::Lock(..) => CommandTag::SELECT,
            RowDeed::Update { .. } => CommandTag::UPDATE,
            RowDeed::Delete => CommandTag::DELETE,
        };
        Step::Done { tag, rows: self.rows }
    }
}

/// An error of the layer above, for tests of failing statements.
pub(crate) fn division_by_zero() -> Step<u32> {
    Step::Fail(SqlError::new(SqlState::new("22012"), "division by zero"))
}
