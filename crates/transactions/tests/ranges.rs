//! Stretches of rows that are changed in one go: who waits for them, whom they wait for, and what is left of them.

use std::collections::BTreeMap;

use sim_clock::Nanos;
use transactions::{
    Backends, CommandTag, Effects, Isolation, Program, ProgramStep, RangeDeed, RelationId, ServerSettings,
    SessionId, SessionSettings, SessionState, SqlState, Statement, Step, StepContext, StepOutcome, Stepper,
    Timer,
};

const TABLE: RelationId = RelationId(7);
const UPDATE: RangeDeed = RangeDeed::Update { key_columns_changed: false };

/// One step, whose rows the statement reports.
struct One(Option<Step<()>>);

impl Stepper<()> for One {
    fn step(&mut self, _cx: &mut StepContext<'_, ()>, last: StepOutcome<()>) -> Step<()> {
        let rows = if let StepOutcome::Range { rows } = last { rows } else { 0 };
        self.0.take().unwrap_or(Step::Done { tag: CommandTag::UPDATE, rows })
    }
}

/// A server with a table of a thousand rows, its clock and its timers.
struct World {
    server: Backends<()>,
    fx: Effects,
    timers: BTreeMap<(Nanos, usize), Timer>,
    set: usize,
    now: Nanos,
    ended: Vec<(SessionId, Result<u64, SqlState>)>,
}

impl World {
    fn new() -> Self {
        let mut server = Backends::new(ServerSettings::default());
        server.set_extent(TABLE, 1, 1000);
        Self {
            server,
            fx: Effects::default(),
            timers: BTreeMap::new(),
            set: 0,
            now: Nanos::ZERO,
            ended: Vec::new(),
        }
    }

    fn session(&mut self) -> SessionId {
        self.server.connect(self.now, SessionSettings::default())
    }

    fn note(&mut self) {
        for (at, timer) in self.fx.timers.drain(..) {
            self.set += 1;
            self.timers.insert((at, self.set), timer);
        }
        let ends = self.fx.completions.drain(..);
        self.ended.extend(ends.map(|end| (end.session, end.result.map(|o| o.rows).map_err(|e| e.sqlstate))));
        self.fx.clear();
    }

    fn start(&mut self, session: SessionId, statement: Statement<()>) {
        self.server.start(self.now, session, statement, &mut self.fx);
        self.note();
    }

    fn begin(&mut self, session: SessionId) {
        self.start(session, Statement::Begin { isolation: Isolation::ReadCommitted });
    }

    fn range(&mut self, session: SessionId, first: u64, last: u64, deed: RangeDeed, millis: u64) {
        let work = Nanos::from_millis(millis);
        let step = Step::WriteRange { relation: TABLE, first, last, deed, work };
        self.start(session, Statement::Dynamic(Box::new(One(Some(step)))));
    }

    fn update(&mut self, session: SessionId, key: u64) {
        let step = ProgramStep::Update { relation: TABLE, slot: 0, key_columns_changed: false };
        let program = Program { steps: vec![step], tag: CommandTag::UPDATE };
        self.start(
            session,
            Statement::Program { program: program.into(), keys: [key, 0], work: Nanos::ZERO },
        );
    }

    fn run_until(&mut self, millis: u64) {
        let end = Nanos::from_millis(millis);
        while let Some((&(at, set), &timer)) = self.timers.first_key_value() {
            if at > end {
                break;
            }
            self.timers.remove(&(at, set));
            self.now = at;
            self.server.fire(at, timer, &mut self.fx);
            self.note();
        }
        self.now = end;
    }

    fn result(&self, session: SessionId) -> Option<&Result<u64, SqlState>> {
        self.ended.iter().rev().find(|(it, _)| *it == session).map(|(_, result)| result)
    }
}

#[test]
fn rows_behind_the_front_are_locked_and_rows_ahead_are_free() {
    let mut world = World::new();
    let (backfill, a, b) = (world.session(), world.session(), world.session());
    world.begin(backfill);
    world.range(backfill, 1, 1000, UPDATE, 1000);
    world.run_until(500);
    world.update(a, 400);
    world.update(b, 600);
    assert_eq!(world.server.state(a), SessionState::Waiting);
    assert_eq!(world.server.state(b), SessionState::Idle);
    world.run_until(1100);
    assert_eq!(world.result(backfill), Some(&Ok(1000)));
    world.start(backfill, Statement::Commit);
    assert_eq!(world.server.state(a), SessionState::Idle);
    assert_eq!(world.result(a), Some(&Ok(1)));
    assert_eq!(world.server.remembered_rows(TABLE), 0);
}

#[test]
fn a_range_waits_for_a_row_that_another_holds_and_then_goes_on() {
    let mut world = World::new();
    let (holder, backfill, other) = (world.session(), world.session(), world.session());
    world.begin(holder);
    world.update(holder, 300);
    world.range(backfill, 1, 1000, UPDATE, 1000);
    world.run_until(700);
    assert_eq!(world.server.state(backfill), SessionState::Waiting);
    world.update(other, 301);
    assert_eq!(world.server.state(other), SessionState::Idle, "rows behind the one awaited are free");
    world.start(holder, Statement::Commit);
    world.run_until(1390);
    assert_eq!(world.result(backfill), None);
    world.run_until(1410);
    assert_eq!(world.result(backfill), Some(&Ok(1000)));
}

#[test]
fn a_range_and_a_session_that_wait_for_each_other_are_a_deadlock() {
    let mut world = World::new();
    let (holder, backfill) = (world.session(), world.session());
    world.begin(holder);
    world.update(holder, 300);
    world.range(backfill, 1, 1000, UPDATE, 1000);
    world.run_until(400);
    world.update(holder, 100);
    world.run_until(5000);
    let deadlock = Some(&Err(SqlState::DEADLOCK_DETECTED));
    assert!(world.result(holder) == deadlock || world.result(backfill) == deadlock);
}

#[test]
fn a_range_after_a_savepoint_is_gone_when_that_is_rolled_back() {
    let mut world = World::new();
    let (backfill, other, late) = (world.session(), world.session(), world.session());
    world.begin(backfill);
    world.range(backfill, 1, 10, UPDATE, 0);
    world.start(backfill, Statement::Savepoint(0));
    world.range(backfill, 11, 1000, UPDATE, 0);
    world.update(other, 500);
    assert_eq!(world.server.state(other), SessionState::Waiting);
    world.start(backfill, Statement::RollbackTo(0));
    assert_eq!(world.server.state(other), SessionState::Idle);
    world.update(late, 5);
    assert_eq!(world.server.state(late), SessionState::Waiting, "what came before the savepoint stays");
    world.start(backfill, Statement::Rollback);
    assert_eq!(world.server.state(late), SessionState::Idle);
}

#[test]
fn a_deleted_stretch_is_gone_after_the_commit_and_only_then() {
    let mut world = World::new();
    let (cleaner, other) = (world.session(), world.session());
    world.begin(cleaner);
    world.range(cleaner, 1, 100, RangeDeed::Delete, 0);
    world.update(other, 50);
    assert_eq!(world.server.state(other), SessionState::Waiting);
    world.start(cleaner, Statement::Commit);
    assert_eq!(world.result(other), Some(&Ok(0)));
    assert_eq!(world.server.extent_rows(TABLE), Some(900));
}
