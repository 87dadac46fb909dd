//! Replaying a schedule: the statements at their times, and the timers between them.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use lock_table::{LockTag, RelationId, SessionId, Xid};
use sim_clock::Nanos;
use transactions::{
    Backends, Completion, Effects, EventKind, ServerSettings, SessionSettings, SessionState, SqlState, Timer,
};

use super::format::{Entry, OpKind, Schedule, TimerFound, Wait};
use super::ops::{self, CHILD};
use super::schema::{ForeignKey, Row, Schema};

/// A schedule under way on the simulated server.
pub struct Replay<'a> {
    schedule: &'a Schedule,
    schema: Rc<Schema>,
    /// The server as it stands.
    pub(crate) backends: Backends<Row>,
    timers: BinaryHeap<Reverse<(Nanos, u64, Timer)>>,
    timers_set: u64,
    fx: Effects,
    /// The operation that each session was sent last.
    ops: Vec<OpKind>,
    waits: Vec<Wait>,
    next: usize,
}

/// What the simulated server makes of a schedule, in the recordings' own form.
#[must_use]
pub fn replay(schedule: &Schedule) -> Vec<Entry> {
    let mut replay = Replay::new(schedule);
    std::iter::from_fn(|| replay.next_entry()).collect()
}

impl<'a> Replay<'a> {
    /// A server in the schedules' starting state.
    #[must_use]
    pub fn new(schedule: &'a Schedule) -> Self {
        let mut backends = Backends::new(ServerSettings { version: 15 });
        for &deadlock_timeout in &schedule.dl {
            let deadlock_timeout = Nanos::from_millis(deadlock_timeout);
            backends.connect(Nanos::ZERO, SessionSettings { deadlock_timeout, ..SessionSettings::default() });
        }
        let schema = Rc::new(Schema::default());
        schema.last_key.set(1_000);
        for table in (1..=schedule.tables).map(RelationId) {
            backends.store_relation(table);
            for id in 1..=4 {
                let row = Row { id: id as i64, k: id as i64, v: id as i64 };
                schema.seed(table, id, &row);
                backends.seed_row(table, id, row);
            }
        }
        if schedule.fk == 1 {
            backends.store_relation(CHILD);
            let key = ForeignKey { child: CHILD, column: |row| row.k, parent: RelationId(1) };
            schema.foreign_keys.borrow_mut().push(key);
        }
        Self {
            schedule,
            schema,
            backends,
            timers: BinaryHeap::new(),
            timers_set: 0,
            fx: Effects::default(),
            ops: vec![OpKind::Begin; schedule.n as usize],
            waits: Vec::new(),
            next: 0,
        }
    }

    /// Decides races between woken sessions by these choices, and by the order of waking after them; what was
    /// decided, and between how many, is noted.
    pub(crate) fn decide_races(&mut self, choices: &[usize]) -> Rc<RefCell<Vec<(usize, usize)>>> {
        let made = Rc::new(RefCell::new(Vec::new()));
        let (noted, choices) = (Rc::clone(&made), choices.to_vec());
        self.backends.set_wake_order(move |of| {
            let choice = choices.get(noted.borrow().len()).copied().unwrap_or(0);
            noted.borrow_mut().push((choice, of));
            choice
        });
        made
    }

    /// Goes on to the next thing that happens: a timer with an effect, or the next statement.
    pub fn next_entry(&mut self) -> Option<Entry> {
        loop {
            let step = self.schedule.tr[self.next..].iter().position(|entry| entry.s.is_some());
            let step = step.map(|offset| self.next + offset);
            let until = step.map_or(Nanos::MAX, |step| Nanos::from_millis(self.schedule.tr[step].t));
            match self.timers.peek() {
                Some(&Reverse((at, _, timer))) if at < until => {
                    self.timers.pop();
                    if let Some(entry) = self.fire(at, timer) {
                        return Some(entry);
                    }
                }
                _ => {
                    let step = step?;
                    self.next = step + 1;
                    return Some(self.step(&self.schedule.tr[step]));
                }
            }
        }
    }

    fn fire(&mut self, at: Nanos, timer: Timer) -> Option<Entry> {
        self.backends.fire(at, timer, &mut self.fx);
        let found = self.fx.events.iter().find_map(|event| {
            let found = match event.kind {
                EventKind::LockTimeout => TimerFound::LockTimeout,
                EventKind::DeadlockVictim => TimerFound::Deadlock,
                EventKind::Rearranged => TimerFound::Rearranged,
                _ => return None,
            };
            Some((event.session.0 + 1, found))
        });
        self.take_timers();
        let tm = found?;
        let done = self.take_completions(None);
        Some(self.settled(Entry { t: at.as_millis(), tm: Some(tm), done, ..Entry::default() }))
    }

    fn step(&mut self, recorded: &Entry) -> Entry {
        let number = recorded.s.unwrap_or(1);
        let session = SessionId(number - 1);
        let mut entry = Entry {
            t: recorded.t,
            s: recorded.s,
            op: recorded.op,
            args: recorded.args.clone(),
            ..Entry::default()
        };
        if self.backends.state(session) == SessionState::Waiting {
            return Entry { skip: 1, ..entry };
        }
        let op = recorded.op.unwrap_or(OpKind::Begin);
        self.ops[session.index()] = op;
        // The parser has seen to it that there is a statement.
        if let Ok(statement) = ops::statement(op, &recorded.args, &self.schema) {
            self.backends.start(Nanos::from_millis(recorded.t), session, statement, &mut self.fx);
        }
        self.take_timers();
        let own = self.fx.completions.iter().find(|it| it.session == session);
        entry.res = Some(own.map_or_else(|| "W".to_owned(), |it| self.result(it)));
        entry.done = self.take_completions(Some(session));
        self.settled(entry)
    }

    /// Adds who waits, if that has changed, and how the sessions stand.
    fn settled(&mut self, mut entry: Entry) -> Entry {
        let waits = self.waits();
        if waits != self.waits {
            entry.w = Some(waits.clone());
            self.waits = waits;
        }
        entry.st = Some((0..self.schedule.n).map(|index| self.letter(SessionId(index))).collect());
        self.fx.clear();
        entry
    }

    fn take_timers(&mut self) {
        for (at, timer) in self.fx.timers.drain(..) {
            self.timers_set += 1;
            self.timers.push(Reverse((at, self.timers_set, timer)));
        }
    }

    fn take_completions(&mut self, except: Option<SessionId>) -> Vec<(u32, String)> {
        let others = self.fx.completions.iter().filter(|it| Some(it.session) != except);
        let mut done: Vec<_> = others.map(|it| (it.session.0 + 1, self.result(it))).collect();
        done.sort();
        done
    }

    fn result(&self, completion: &Completion) -> String {
        match &completion.result {
            Ok(outcome) => ops::result_name(self.ops[completion.session.index()], outcome.tag, outcome.rows),
            Err(error) if error.sqlstate == SqlState::LOCK_NOT_AVAILABLE => {
                if error.object.is_some() { "!55P03n" } else { "!55P03t" }.to_owned()
            }
            Err(error) => format!("!{}", error.sqlstate),
        }
    }

    fn letter(&self, session: SessionId) -> char {
        match self.backends.state(session) {
            SessionState::Idle | SessionState::Gone => 'I',
            SessionState::IdleInTransaction | SessionState::Working => 'T',
            SessionState::IdleInFailedTransaction => 'E',
            SessionState::Waiting => 'W',
        }
    }

    fn waits(&self) -> Vec<Wait> {
        let wait = |it: transactions::Waiter| {
            let blockers = it.blockers.iter().map(|blocker| blocker.0 + 1).collect();
            (it.session.0 + 1, self.object(it.tag), ops::mode_name(it.mode).to_owned(), blockers)
        };
        self.backends.waiters().into_iter().map(wait).collect()
    }

    /// The name of an object in the recordings.
    #[must_use]
    pub fn object(&self, tag: LockTag) -> String {
        match tag {
            LockTag::Relation(relation) => ops::relation_name(relation),
            LockTag::Tuple { relation, .. } => format!("row:{}", ops::relation_name(relation)),
            LockTag::Transaction(xid) => self.transaction(xid),
            LockTag::VirtualTransaction { session, .. } => format!("vxid:{}", session.0 + 1),
            LockTag::Object { class, object } => format!("object:{class}:{object}"),
            LockTag::Advisory(key) => format!("adv:{key}"),
        }
    }

    fn transaction(&self, xid: Xid) -> String {
        let part = if self.backends.is_subtransaction(xid) { "s" } else { "" };
        format!("xid:{}{part}", xid.session().0 + 1)
    }
}
