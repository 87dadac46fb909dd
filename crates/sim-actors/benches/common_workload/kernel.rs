//! The least that answers the common workload: the lock table, a map of locked rows, and who is at what.
//!
//! It knows nothing of SQL, snapshots, savepoints or timeouts other than `lock_timeout`, so it is what a loop
//! over the lock table costs. Whoever runs it (a loop, actors, another simulator) does the same work.

use lock_table::{LockMode, LockTable, LockTag, RelationId, Request, RowKey, Scope, SessionId};
use sim_clock::Nanos;

use crate::engine::{Answers, Logged};
use crate::rows::{LockedRows, Row};

/// What a session asks for in one statement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// Whether the table is locked for a migration, which locks no row.
    pub(crate) is_migration: bool,
    pub(crate) writes: bool,
    pub(crate) table: u32,
    pub(crate) row: RowKey,
    pub(crate) work: Nanos,
}

/// What happened, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Granted,
    Waits,
    RowLocked,
    Committed,
    TimedOut,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    order: Order,
    /// Numbers its statements: a timer of an earlier one is stale.
    number: u32,
    has_table: bool,
    locked: Option<Row>,
}

/// The lock table and what little there is around it.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    table: LockTable,
    rows: LockedRows,
    sessions: Vec<Session>,
    woken: Vec<SessionId>,
}

const WORK: u64 = 0;
const LOCK_TIMEOUT: u64 = 1 << 24;
const DEADLOCK: u64 = 2 << 24;
const WHOSE: u64 = (1 << 24) - 1;
const DEADLOCK_TIMEOUT: Nanos = Nanos::from_secs(1);
const MIGRATION_LIMIT: Nanos = Nanos::from_millis(200);

impl Kernel {
    pub(crate) fn connect(&mut self) -> SessionId {
        let session = SessionId(u32::try_from(self.sessions.len()).unwrap());
        self.sessions.push(Session::default());
        self.table.add_session(session);
        self.rows.make_room(self.sessions.len());
        session
    }

    fn timer(&self, session: SessionId, kind: u64) -> u64 {
        u64::from(self.sessions[session.index()].number) << 32 | kind | u64::from(session.0)
    }

    pub(crate) fn start(&mut self, now: Nanos, session: SessionId, order: Order, out: &mut impl Answers) {
        let this = &mut self.sessions[session.index()];
        *this = Session { order, number: this.number.wrapping_add(1), has_table: false, locked: None };
        let mode = match order {
            Order { is_migration: true, .. } => LockMode::AccessExclusive,
            Order { writes: true, .. } => LockMode::RowExclusive,
            _ => LockMode::AccessShare,
        };
        let tag = LockTag::Relation(RelationId(order.table));
        if self.wait_for(now, session, tag, mode, out) {
            self.go_on(now, session, out);
        }
    }

    /// Whether the session has the lock at once.
    #[inline]
    fn wait_for(
        &mut self,
        now: Nanos,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        out: &mut impl Answers,
    ) -> bool {
        let waits =
            matches!(self.table.request(session, tag, mode, Scope::Transaction, true), Request::Queued(_));
        if waits {
            self.begin_to_wait(now, session, out);
        }
        !waits
    }

    #[inline(never)]
    fn begin_to_wait(&mut self, now: Nanos, session: SessionId, out: &mut impl Answers) {
        let order = self.sessions[session.index()].order;
        out.log(Logged::Kernel(Kind::Waits, session, order.table, 0));
        out.timer(now + DEADLOCK_TIMEOUT, self.timer(session, DEADLOCK));
        if order.is_migration {
            out.timer(now + MIGRATION_LIMIT, self.timer(session, LOCK_TIMEOUT));
        }
    }

    /// The session has what it last waited for.
    fn go_on(&mut self, now: Nanos, session: SessionId, out: &mut impl Answers) {
        let this = &mut self.sessions[session.index()];
        let order = this.order;
        if !std::mem::replace(&mut this.has_table, true) {
            out.log(Logged::Kernel(Kind::Granted, session, order.table, 0));
        }
        if !order.is_migration {
            let row = Row::new(order.table, order.row);
            match self.rows.lock(row, session) {
                Some(holder) => {
                    let local = self.sessions[holder.index()].number;
                    let end = LockTag::VirtualTransaction { session: holder, local };
                    self.table.enter_own(holder, end);
                    if !self.wait_for(now, session, end, LockMode::Share, out) {
                        return;
                    }
                }
                None => {
                    this.locked = Some(row);
                    out.log(Logged::Kernel(Kind::RowLocked, session, order.table, order.row));
                }
            }
        }
        out.timer(now + order.work, self.timer(session, WORK));
    }

    pub(crate) fn fire(&mut self, now: Nanos, timer: u64, out: &mut impl Answers) {
        let session = SessionId(u32::try_from(timer & WHOSE).unwrap());
        if self.sessions[session.index()].number != u32::try_from(timer >> 32).unwrap() {
            return;
        }
        match timer & (LOCK_TIMEOUT | DEADLOCK) {
            WORK => self.end(session, Kind::Committed, out),
            _ if self.table.waits_for(session).is_none() => return,
            LOCK_TIMEOUT => {
                self.table.cancel_wait(session, &mut self.woken);
                self.end(session, Kind::TimedOut, out);
            }
            _ => drop(self.table.check_deadlock(session, &mut self.woken)),
        }
        let mut next = 0;
        while let Some(&woken) = self.woken.get(next) {
            next += 1;
            self.go_on(now, woken, out);
        }
        self.woken.clear();
    }

    #[inline(always)]
    fn end(&mut self, session: SessionId, kind: Kind, out: &mut impl Answers) {
        let this = &mut self.sessions[session.index()];
        this.number = this.number.wrapping_add(1);
        out.log(Logged::Kernel(kind, session, this.order.table, 0));
        if let Some(row) = this.locked.take() {
            self.rows.unlock(row);
        }
        self.table.release_transaction(session, &mut self.woken);
        out.done(session);
    }
}
