//! What a backend remembers: its transaction, its statement, what it waits for, its timeouts.

use std::rc::Rc;

use lock_table::{HoldId, LockMode, LockTag, RelationId, RowKey, Scope, SessionId, Xid};
use sim_clock::Nanos;

use crate::heap::{Csn, Touched, TupleId};
use crate::list::List;
use crate::row_op::RowOp;
use crate::timer::Timers;
use crate::{Guc, Isolation, Program, SessionSettings, SqlError, Stepper};

/// The state letter of a session, as `pg_stat_activity.state` and the transaction status tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// No transaction, no statement.
    Idle,
    /// Idle in a transaction.
    IdleInTransaction,
    /// Idle in a transaction that failed.
    IdleInFailedTransaction,
    /// A statement is at work.
    Working,
    /// A statement waits for a lock.
    Waiting,
    /// The connection is gone.
    Gone,
}

/// Whether there is a transaction block, and in what state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Each statement is a transaction of its own.
    None,
    /// Between BEGIN and its end.
    Open,
    /// After an error: everything but the end, or a return to a savepoint, is refused.
    Failed,
}

/// A savepoint: the start of a subtransaction, and how long the session's lists were then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint {
    pub(crate) name: u32,
    pub(crate) xid: Option<Xid>,
    pub(crate) acquired: usize,
    pub(crate) touched: usize,
    pub(crate) undo: usize,
    pub(crate) settings: usize,
    pub(crate) sub_xids: usize,
}

/// The running statement.
pub(crate) enum Running<P> {
    None,
    Program { program: Rc<Program>, keys: [RowKey; 2], work: Nanos, next: u32 },
    Dynamic(Box<dyn Stepper<P>>),
}

/// Where the running statement goes on when its session is woken.
pub(crate) enum Pending<P> {
    /// With its next step.
    Next,
    /// A lock was asked for; the session has it when it wakes.
    Lock { hold: HoldId, mode: LockMode, scope: Scope, tag: LockTag },
    /// A row is to be locked or changed.
    Row(Box<RowOp<P>>),
    /// A stretch of rows is to be gone on with.
    Range(Box<crate::range_op::RangeOp>),
    /// A row is to be inserted, once it is known whether its key is taken.
    Insert(Box<(RelationId, RowKey, P)>),
    /// A transaction is to end.
    Transaction(Xid),
    /// Transactions are to end one after the other, from the last of the list to its first.
    Transactions(Box<VirtualWaits>),
}

/// The transactions that a CONCURRENTLY command waits for.
pub(crate) struct VirtualWaits {
    /// Session and number of its transaction, the next one last.
    pub(crate) left: Vec<LockTag>,
    /// If they are waited for because of their snapshots: those not older than this do not matter.
    pub(crate) older_than: Option<Csn>,
}

/// Something to be undone if the (sub)transaction fails.
pub(crate) enum Undo<P> {
    /// The rows of a relation that was emptied or rewritten.
    Rows(crate::heap::SavedRows<P>),
    /// Something of the layer above.
    Hook(Box<dyn TransactionHook>),
}

/// What the layer above does when the transaction (or the subtransaction that made it) ends, before any of
/// its locks is given back: a catalog's change becomes final or is undone.
pub trait TransactionHook {
    /// The end, and whether it is a commit.
    fn end(self: Box<Self>, committed: bool);

    /// The end of the whole transaction, for a hook that was set by
    /// [`StepContext::at_end_of_transaction`](crate::StepContext::at_end_of_transaction).
    fn end_of_transaction(self: Box<Self>, end: TransactionEnd) {
        self.end(end.commit.is_some());
    }
}

/// How a transaction ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// The number of the commit: the latest one's, if the transaction has written nothing. Nothing for a rollback.
    pub commit: Option<u64>,
    /// The number of the transaction id that was to be given next.
    pub next_xid: u64,
}

/// A setting as it was before a SET in this transaction: what holds now, and what would hold after a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingBefore {
    pub(crate) guc: Guc,
    pub(crate) current: Nanos,
    pub(crate) lasting: Nanos,
}

/// A lock taken after a savepoint, to be given back if the session returns to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquired {
    pub(crate) hold: HoldId,
    pub(crate) mode: LockMode,
}

/// A session lock that was taken n times, and has to be given back n times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLock {
    pub(crate) tag: LockTag,
    pub(crate) mode: LockMode,
    pub(crate) count: u32,
}

/// One backend.
pub(crate) struct Session<P> {
    /// What it was opened with.
    pub(crate) initial: Rc<SessionSettings>,
    pub(crate) settings: Rc<SessionSettings>,
    /// The settings as they will be after a commit: what SET LOCAL changed is as before.
    pub(crate) lasting: Rc<SessionSettings>,
    /// Why the connection is gone, to be told when it is used next.
    pub(crate) gone: Option<Box<SqlError>>,
    pub(crate) block: Block,
    pub(crate) isolation: Isolation,
    /// Whether a transaction is under way, and the number of the latest one.
    pub(crate) in_transaction: bool,
    pub(crate) local_transaction: u32,
    pub(crate) xid: Option<Xid>,
    pub(crate) savepoints: List<Savepoint>,
    /// What is to be done at the end of the whole transaction.
    pub(crate) at_end: List<Box<dyn TransactionHook>>,
    /// The ids of released savepoints.
    pub(crate) sub_xids: List<Xid>,
    /// What is seen of the data; kept by the whole transaction in repeatable read.
    pub(crate) snapshot: Option<Csn>,
    /// The snapshot of the last step that took one, for those who wait for older ones.
    pub(crate) reference_snapshot: Csn,
    /// Whether a statement is under way that may look at old data, others may have to wait for it; and what
    /// was committed when it began.
    pub(crate) holds_xmin: bool,
    pub(crate) xmin: Csn,
    pub(crate) is_vacuum: bool,
    /// The lock by which the session waits for a transaction's end.
    pub(crate) wait_lock: Option<(LockTag, HoldId)>,
    pub(crate) is_safe_index_build: bool,
    /// The number of the command within its transaction.
    pub(crate) command: u32,
    pub(crate) rows: u64,
    /// The version that an update met and locked instead of the one it was looking for.
    pub(crate) rechecked: Option<(RelationId, RowKey, TupleId)>,
    pub(crate) running: Running<P>,
    pub(crate) pending: Pending<P>,
    pub(crate) is_waiting: bool,
    /// The range write that a wait for one of its rows belongs to.
    pub(crate) range: Option<Box<crate::range_op::RangeOp>>,
    pub(crate) acquired: List<Acquired>,
    pub(crate) session_locks: List<SessionLock>,
    pub(crate) touched: Vec<Touched>,
    pub(crate) undo: List<Undo<P>>,
    pub(crate) settings_before: List<SettingBefore>,
    pub(crate) timers: Timers,
}

impl<P> Session<P> {
    pub(crate) fn new(settings: Rc<SessionSettings>) -> Self {
        Self {
            initial: Rc::clone(&settings),
            lasting: Rc::clone(&settings),
            settings,
            gone: None,
            block: Block::None,
            isolation: Isolation::ReadCommitted,
            in_transaction: false,
            local_transaction: 0,
            xid: None,
            savepoints: List::default(),
            at_end: List::default(),
            sub_xids: List::default(),
            snapshot: None,
            reference_snapshot: Csn::FIRST,
            holds_xmin: false,
            xmin: Csn::FIRST,
            is_vacuum: false,
            wait_lock: None,
            is_safe_index_build: false,
            command: 0,
            rows: 0,
            rechecked: None,
            running: Running::None,
            pending: Pending::Next,
            is_waiting: false,
            range: None,
            acquired: List::default(),
            session_locks: List::default(),
            touched: Vec::new(),
            undo: List::default(),
            settings_before: List::default(),
            timers: Timers::default(),
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        match (self.gone.is_some(), &self.running, self.block) {
            (true, ..) => SessionState::Gone,
            (_, Running::None, Block::None) => SessionState::Idle,
            (_, Running::None, Block::Open) => SessionState::IdleInTransaction,
            (_, Running::None, Block::Failed) => SessionState::IdleInFailedTransaction,
            _ if self.is_waiting => SessionState::Waiting,
            _ => SessionState::Working,
        }
    }

    /// The statement is over: nobody has to wait for what it may look at.
    pub(crate) fn release_statement_snapshot_flag(&mut self) {
        self.holds_xmin = false;
        self.is_vacuum = false;
    }

    /// What SET LOCAL changed is as it was before.
    pub(crate) fn keep_settings(&mut self) {
        if !Rc::ptr_eq(&self.settings, &self.lasting) {
            self.settings = Rc::clone(&self.lasting);
        }
    }

    /// The transaction id that rows are marked with now: the innermost subtransaction's, if it has one.
    pub(crate) fn current_xid(&self) -> Option<Xid> {
        self.savepoints.last().map_or(self.xid, |savepoint| savepoint.xid)
    }

    /// That id; it is taken when it is first needed, after those of all enclosing transactions.
    pub(crate) fn assign_xid(&mut self, session: SessionId, last: &mut u64) -> Xid {
        if let Some(xid) = self.current_xid() {
            return xid;
        }
        let mut next = || {
            *last += 1;
            Xid::new(*last, session)
        };
        let mut xid = *self.xid.get_or_insert_with(&mut next);
        for savepoint in self.savepoints.iter_mut() {
            xid = *savepoint.xid.get_or_insert_with(&mut next);
        }
        xid
    }

    /// Whether the id belongs to the running transaction and its part is not rolled back.
    pub(crate) fn owns(&self, xid: Xid) -> bool {
        self.xid == Some(xid)
            || self.sub_xids.contains(&xid)
            || self.savepoints.iter().any(|savepoint| savepoint.xid == Some(xid))
    }

    pub(crate) fn release_session_lock(&mut self, tag: LockTag, mode: LockMode) -> bool {
        let Some(at) = self.session_locks.iter().position(|it| it.tag == tag && it.mode == mode) else {
            return false;
        };
        self.session_locks[at].count -= 1;
        if self.session_locks[at].count > 0 {
            return false;
        }
        self.session_locks.remove(at);
        true
    }

    pub(crate) fn count_lock(&mut self, tag: LockTag, mode: LockMode, scope: Scope) {
        if scope == Scope::Session {
            match self.session_locks.iter_mut().find(|it| it.tag == tag && it.mode == mode) {
                Some(lock) => lock.count += 1,
                None => self.session_locks.push(SessionLock { tag, mode, count: 1 }),
            }
        }
    }
}
