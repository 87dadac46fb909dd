//! What stands behind the server: the bare lock table, or the transactions of the shipped engine over it. Each
//! is asked for the same statements; how they are sent (one message for each, or one for each lock) is up to
//! the clients.

use std::rc::Rc;

use lock_table::SessionId;
use sim_actors::trace_server;
use sim_clock::{Nanos, TraceHash, Traced};
use transactions::{
    Backends, CommandTag, Effects, Event, Isolation, LockMode, Program, ProgramStep, RelationId,
    RowLockStrength, ServerSettings, SessionSettings, Statement, Timer, WaitPolicy,
};

use crate::kernel::{Kernel, Kind, Order};

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// The whole statement: locks, work, commit.
    Statement,
    /// BEGIN.
    Begin,
    /// The table's lock alone.
    Table,
    /// The row's lock alone.
    Row,
    /// COMMIT.
    Commit,
}

/// One line of the log.
pub(crate) enum Logged {
    Kernel(Kind, SessionId, u32, u64),
    Server(Event),
    /// A client's transaction has ended.
    Request {
        latency: Nanos,
    },
}

impl Traced for Logged {
    #[inline]
    fn trace(&self, hash: &mut TraceHash) {
        match self {
            Self::Kernel(kind, session, table, row) => {
                hash.word(u64::from(session.0) << 8 | *kind as u64);
                hash.word(u64::from(*table) << 40 ^ *row);
            }
            Self::Server(event) => trace_server(event, hash),
            Self::Request { latency } => hash.word(latency.0),
        }
    }
}

/// Who is told what a call brings about, as it happens.
pub(crate) trait Answers {
    fn timer(&mut self, at: Nanos, timer: u64);
    fn log(&mut self, event: Logged);
    fn done(&mut self, session: SessionId);
}

/// A database for the workload.
pub(crate) trait Engine {
    fn connect(&mut self, is_migration: bool) -> SessionId;
    fn start(&mut self, now: Nanos, session: SessionId, ask: Ask, order: Order, to: &mut impl Answers);
    fn fire(&mut self, now: Nanos, timer: u64, to: &mut impl Answers);
}

impl Engine for Kernel {
    fn connect(&mut self, _: bool) -> SessionId {
        Self::connect(self)
    }

    fn start(&mut self, now: Nanos, session: SessionId, _: Ask, order: Order, to: &mut impl Answers) {
        Self::start(self, now, session, order, to);
    }

    fn fire(&mut self, now: Nanos, timer: u64, to: &mut impl Answers) {
        Self::fire(self, now, timer, to);
    }
}

/// The shipped transactions, with the statements compiled to programs.
pub(crate) struct Server {
    backends: Backends<()>,
    /// By table: a migration's statement; then whole statements, table locks and row locks, for readers and for
    /// writers.
    programs: Vec<[Rc<Program>; 7]>,
    effects: Effects,
}

impl Server {
    pub(crate) fn new(tables: u32) -> Self {
        let programs = (0..tables).map(|table| programs(RelationId(table))).collect();
        Self { backends: Backends::new(ServerSettings::default()), programs, effects: Effects::default() }
    }

    fn tell(&mut self, to: &mut impl Answers) {
        let Effects { timers, events, completions, .. } = &self.effects;
        timers.iter().for_each(|&(at, timer)| to.timer(at, timer.0));
        events.iter().for_each(|&event| to.log(Logged::Server(event)));
        completions.iter().for_each(|completion| to.done(completion.session));
        self.effects.clear();
    }
}

fn programs(relation: RelationId) -> [Rc<Program>; 7] {
    let lock = |mode| ProgramStep::Lock { relation, mode };
    let (strength, policy) = (RowLockStrength::Update, WaitPolicy::Block);
    let read = ProgramStep::LockRow { relation, slot: 0, strength, policy };
    let write = ProgramStep::Update { relation, slot: 0, key_columns_changed: false };
    let (shared, exclusive) = (lock(LockMode::AccessShare), lock(LockMode::RowExclusive));
    let program = |steps: &[ProgramStep], tag| Rc::new(Program { steps: steps.to_vec(), tag });
    [
        program(&[lock(LockMode::AccessExclusive), ProgramStep::Work], CommandTag::LOCK_TABLE),
        program(&[shared, read, ProgramStep::Work], CommandTag::SELECT),
        program(&[exclusive, write, ProgramStep::Work], CommandTag::UPDATE),
        program(&[shared], CommandTag::LOCK_TABLE),
        program(&[exclusive], CommandTag::LOCK_TABLE),
        program(&[read], CommandTag::SELECT),
        program(&[write], CommandTag::UPDATE),
    ]
}

impl Engine for Server {
    fn connect(&mut self, is_migration: bool) -> SessionId {
        let lock_timeout = if is_migration { Nanos::from_millis(200) } else { Nanos::ZERO };
        self.backends.connect(Nanos::ZERO, SessionSettings { lock_timeout, ..SessionSettings::default() })
    }

    fn start(&mut self, now: Nanos, session: SessionId, ask: Ask, order: Order, to: &mut impl Answers) {
        let which = match ask {
            _ if order.is_migration => Some(0),
            Ask::Statement => Some(1),
            Ask::Table => Some(3),
            Ask::Row => Some(5),
            Ask::Begin | Ask::Commit => None,
        };
        let writes = usize::from(order.writes && !order.is_migration);
        let statement = match (which, ask) {
            (Some(at), _) => {
                let program = Rc::clone(&self.programs[order.table as usize][at + writes]);
                Statement::Program { program, keys: [order.row, 0], work: order.work }
            }
            (None, Ask::Commit) => Statement::Commit,
            (None, _) => Statement::Begin { isolation: Isolation::ReadCommitted },
        };
        self.backends.start(now, session, statement, &mut self.effects);
        self.tell(to);
    }

    fn fire(&mut self, now: Nanos, timer: u64, to: &mut impl Answers) {
        self.backends.fire(now, Timer(timer), &mut self.effects);
        self.tell(to);
    }
}
