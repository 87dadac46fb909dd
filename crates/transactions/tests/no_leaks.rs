//! Whatever sessions do, whoever is cancelled or terminated on the way: when all transactions are over, no lock
//! is held or awaited, every statement has come to an end, and no row is remembered for nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use proptest::prelude::*;
use sim_clock::Nanos;
use transactions::commands::{
    Sequence, create_index_concurrently, detach_partition_concurrently, drop_index_concurrently,
    reindex_concurrently,
};
use transactions::{
    BackendRole, Backends, CommandTag, Effects, Guc, Isolation, LockMode, LockTag, Program, ProgramStep,
    RelationId, RowLockStrength, Scope, ServerSettings, SessionId, SessionSettings, SessionState, Statement,
    Step, Timer, WaitPolicy,
};

const SESSIONS: u32 = 7;
const STORED: RelationId = RelationId(1);
const VIRTUAL: RelationId = RelationId(2);

#[derive(Clone, Debug)]
enum Deed {
    Begin(bool),
    End(bool),
    Savepoint(u32),
    RollbackTo(u32),
    Release(u32),
    Timeout(Guc, u64),
    LockTable(LockMode, WaitPolicy),
    Row { stored: bool, key: u64, what: u8, policy: WaitPolicy },
    Program { key: u64, what: u8 },
    Advisory { key: i64, exclusive: bool, session: bool },
    Concurrently(u8),
    Work(u64),
    Cancel,
    Terminate,
}

fn deeds() -> impl Strategy<Value = Vec<(u32, u64, Deed)>> {
    let policy = || {
        prop::sample::select(vec![WaitPolicy::Block, WaitPolicy::Block, WaitPolicy::NoWait, WaitPolicy::Skip])
    };
    let mode = prop::sample::select(LockMode::ALL.to_vec());
    let guc = prop::sample::select(vec![
        Guc::LockTimeout,
        Guc::DeadlockTimeout,
        Guc::StatementTimeout,
        Guc::IdleInTransactionSessionTimeout,
    ]);
    let deed = prop_oneof![
        6 => any::<bool>().prop_map(Deed::Begin),
        6 => any::<bool>().prop_map(Deed::End),
        2 => (0..2u32).prop_map(Deed::Savepoint),
        2 => (0..2u32).prop_map(Deed::RollbackTo),
        1 => (0..2u32).prop_map(Deed::Release),
        1 => (guc, 1..40u64).prop_map(|(guc, ms)| Deed::Timeout(guc, ms)),
        6 => (mode, policy()).prop_map(|(mode, policy)| Deed::LockTable(mode, policy)),
        16 => (any::<bool>(), 1..4u64, 0..7u8, policy())
            .prop_map(|(stored, key, what, policy)| Deed::Row { stored, key, what, policy }),
        6 => (1..4u64, 0..7u8).prop_map(|(key, what)| Deed::Program { key, what }),
        3 => (0..2i64, any::<bool>(), any::<bool>())
            .prop_map(|(key, exclusive, session)| Deed::Advisory { key, exclusive, session }),
        1 => (0..4u8).prop_map(Deed::Concurrently),
        2 => (1..60u64).prop_map(Deed::Work),
        1 => Just(Deed::Cancel),
        1 => Just(Deed::Terminate),
    ];
    prop::collection::vec((0..SESSIONS, 0..30u64, deed), 1..120)
}

fn statement(deed: &Deed) -> Option<Statement<u32>> {
    let wait = |relation, mode| Step::Lock {
        tag: LockTag::Relation(relation),
        mode,
        scope: Scope::Transaction,
        policy: WaitPolicy::Block,
    };
    let simple = |steps| Some(Statement::Dynamic(Box::new(Sequence::simple(steps, CommandTag("DONE")))));
    let strength = |what: u8| {
        [
            RowLockStrength::KeyShare,
            RowLockStrength::Share,
            RowLockStrength::NoKeyUpdate,
            RowLockStrength::Update,
        ][usize::from(what) % 4]
    };
    match *deed {
        Deed::Begin(repeatable) => {
            let isolation = if repeatable { Isolation::RepeatableRead } else { Isolation::ReadCommitted };
            Some(Statement::Begin { isolation })
        }
        Deed::End(commits) => Some(if commits { Statement::Commit } else { Statement::Rollback }),
        Deed::Savepoint(name) => Some(Statement::Savepoint(name)),
        Deed::RollbackTo(name) => Some(Statement::RollbackTo(name)),
        Deed::Release(name) => Some(Statement::Release(name)),
        Deed::Timeout(guc, ms) => {
            Some(Statement::Set { local: ms % 2 == 0, guc, value: Nanos::from_millis(ms) })
        }
        Deed::LockTable(mode, policy) => {
            let tag = LockTag::Relation(STORED);
            simple(vec![Step::Lock { tag, mode, scope: Scope::Transaction, policy }])
        }
        Deed::Row { stored, key, what, policy } => {
            let relation = if stored { STORED } else { VIRTUAL };
            let row = match what {
                0..=3 => Step::LockRow { relation, key, strength: strength(what), policy },
                4 => Step::Update { relation, key, new: 1, key_columns_changed: false },
                5 => Step::Update { relation, key, new: 1, key_columns_changed: true },
                _ => Step::Delete { relation, key },
            };
            simple(vec![wait(relation, LockMode::RowExclusive), row.clone(), Step::TakeSnapshot, row])
        }
        Deed::Program { key, what } => {
            let relation = VIRTUAL;
            let row = match what {
                0..=3 => {
                    let policy = WaitPolicy::Block;
                    ProgramStep::LockRow { relation, slot: 0, strength: strength(what), policy }
                }
                4 => ProgramStep::Update { relation, slot: 0, key_columns_changed: false },
                5 => ProgramStep::Insert { relation, slot: 1 },
                _ => ProgramStep::Delete { relation, slot: 0 },
            };
            let lock = ProgramStep::Lock { relation, mode: LockMode::RowExclusive };
            let program = Program { steps: vec![lock, row, ProgramStep::Work], tag: CommandTag::UPDATE };
            Some(Statement::Program {
                program: Rc::new(program),
                keys: [key, 100 + key],
                work: Nanos::from_millis(5),
            })
        }
        Deed::Advisory { key, exclusive, session } => {
            let mode = if exclusive { LockMode::Exclusive } else { LockMode::Share };
            let scope = if session { Scope::Session } else { Scope::Transaction };
            let tag = LockTag::Advisory(key);
            simple(vec![Step::Lock { tag, mode, scope, policy: WaitPolicy::Block }])
        }
        Deed::Concurrently(which) => {
            let (table, index, span) = (STORED, RelationId(9), Nanos::from_millis(20));
            let steps = match which {
                0 => create_index_concurrently(table, true, span, span),
                1 => reindex_concurrently(table, index, false, span, span),
                2 => drop_index_concurrently(table, index),
                _ => detach_partition_concurrently(table, VIRTUAL),
            };
            Some(Statement::Dynamic(Box::new(Sequence::concurrent(steps, CommandTag("DONE")))))
        }
        Deed::Work(ms) => simple(vec![Step::Work(Nanos::from_millis(ms))]),
        Deed::Cancel | Deed::Terminate => None,
    }
}

struct World {
    server: Backends<u32>,
    fx: Effects,
    now: Nanos,
    timers: BinaryHeap<Reverse<(Nanos, u64, Timer)>>,
    set: u64,
    log: Vec<String>,
    sent: [u32; SESSIONS as usize],
    ended: [u32; SESSIONS as usize],
}

impl World {
    fn new(version: u8) -> Self {
        let mut server = Backends::new(ServerSettings { version });
        server.store_relation(STORED);
        for key in 1..4 {
            server.seed_row(STORED, key, 0);
        }
        for session in 0..SESSIONS {
            let role = if session == 0 { BackendRole::Autovacuum } else { BackendRole::Client };
            let deadlock_timeout = Nanos::from_millis(20 + 7 * u64::from(session));
            let settings = SessionSettings { role, deadlock_timeout, ..SessionSettings::default() };
            server.connect(Nanos::ZERO, settings);
        }
        let (fx, timers) = (Effects::default(), BinaryHeap::new());
        let (sent, ended) = ([0; SESSIONS as usize], [0; SESSIONS as usize]);
        Self { server, fx, now: Nanos::ZERO, timers, set: 0, log: Vec::new(), sent, ended }
    }

    fn take(&mut self) {
        for (at, timer) in self.fx.timers.drain(..) {
            assert!(at >= self.now, "timers are set for the future");
            self.set += 1;
            self.timers.push(Reverse((at, self.set, timer)));
        }
        for done in self.fx.completions.drain(..) {
            self.ended[done.session.index()] += 1;
            self.log.push(format!("{} {:?} {:?}", self.now, done.session, done.result));
        }
        let now = self.now;
        self.log.extend(self.fx.events.drain(..).map(|event| format!("{now} {event:?}")));
        for waiter in self.server.waiters() {
            assert!(
                !waiter.blockers.is_empty(),
                "{} waits for nobody: {}",
                waiter.session,
                self.log.join("\n")
            );
            assert_eq!(self.server.state(waiter.session), SessionState::Waiting);
        }
    }

    fn pass_until(&mut self, until: Nanos) {
        while let Some(&Reverse((at, _, timer))) = self.timers.peek()
            && at <= until
        {
            self.timers.pop();
            self.now = at;
            self.server.fire(at, timer, &mut self.fx);
            self.take();
        }
        self.now = self.now.max(until.min(self.now + Nanos::from_secs(100)));
    }

    fn send(&mut self, session: SessionId, statement: Statement<u32>) {
        if matches!(self.server.state(session), SessionState::Waiting | SessionState::Working) {
            return;
        }
        self.sent[session.index()] += 1;
        self.server.start(self.now, session, statement, &mut self.fx);
        self.take();
    }
}

fn run(version: u8, deeds: &[(u32, u64, Deed)]) -> Vec<String> {
    let mut world = World::new(version);
    for (session, pause, deed) in deeds {
        let session = SessionId(*session);
        world.pass_until(world.now + Nanos::from_millis(*pause));
        match (statement(deed), deed) {
            (Some(statement), _) => world.send(session, statement),
            (None, Deed::Cancel) => world.server.cancel(world.now, session, &mut world.fx),
            (None, _) => world.server.terminate(world.now, session, &mut world.fx),
        }
        world.take();
    }
    // Everybody rolls back as soon as it can; what is still at work or waits is cancelled in the end.
    for session in (0..SESSIONS).map(SessionId) {
        world.pass_until(world.now + Nanos::from_secs(10));
        world.server.cancel(world.now, session, &mut world.fx);
        world.take();
        world.send(session, Statement::Rollback);
        let unlock = Sequence::simple(vec![Step::UnlockAllAdvisory], CommandTag("DONE"));
        world.send(session, Statement::Dynamic(Box::new(unlock)));
    }
    assert!(world.server.waiters().is_empty());
    assert_eq!(world.sent, world.ended, "each statement ends once: {}", world.log.join("\n"));
    for session in (0..SESSIONS).map(SessionId) {
        let held: Vec<_> = world.server.held_by(session).collect();
        assert!(held.is_empty(), "{session} still holds {held:?}: {}", world.log.join("\n"));
        assert!(!matches!(world.server.state(session), SessionState::Waiting | SessionState::Working));
    }
    assert_eq!(world.server.remembered_rows(VIRTUAL), 0, "{}", world.log.join("\n"));
    world.log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_when_all_transactions_are_over(deeds in deeds(), version in 12..=18u8) {
        run(version, &deeds);
    }

    #[test]
    fn the_same_calls_have_the_same_effects(deeds in deeds()) {
        prop_assert_eq!(run(15, &deeds), run(15, &deeds));
    }
}
