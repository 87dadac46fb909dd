//! Queries: the statements that were sent together, carried out one after the other.
//!
//! Several statements in one query are one transaction unless they say otherwise (manual, section 55.2.2.1):
//! a block is opened before the first of them and closed after the last, unseen.

mod dispatch;
mod prepared;
mod settings;
mod tasks;

use std::rc::Rc;

use sim_clock::Nanos;
use sql_syntax::ast::Statement;
use transactions::Guc;

pub(crate) use dispatch::Dispatch;
pub(crate) use prepared::{KeptPlan, Prepared};
pub(crate) use tasks::{Pause, sent};

use crate::error::SqlError;
use crate::value::Value;

/// What of a query is being carried out.
#[derive(Debug)]
pub(crate) enum Current {
    /// One of its statements.
    Statement(Rc<Statement>),
    /// The block around them is being opened.
    HiddenBegin,
    /// The block around them is being closed.
    HiddenCommit,
    /// The block around them failed.
    HiddenRollback(SqlError),
    /// What has to be done before a COMMIT: deferred constraints, temporary tables.
    /// Or before any statement that the layer below carries out by itself: its overhead.
    BeforeCommit,
}

/// The statements of a query that are still to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    statements: Rc<[Rc<Prepared>]>,
    next: usize,
}

impl Queue {
    pub(crate) fn new(statements: Rc<[Rc<Prepared>]>) -> Self {
        Self { statements, next: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.statements.len() - self.next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn front(&self) -> Option<&Rc<Prepared>> {
        self.statements.get(self.next)
    }

    pub(crate) fn pop_front(&mut self) {
        self.next = self.statements.len().min(self.next + 1);
    }

    pub(crate) fn clear(&mut self) {
        self.next = self.statements.len();
    }
}

/// A query under way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) queue: Queue,
    pub(crate) params: Rc<[Value]>,
    pub(crate) work: Option<Nanos>,
    pub(crate) implicit: bool,
    pub(crate) several: bool,
    pub(crate) current: Current,
    pub(crate) last: Option<transactions::Outcome>,
    /// What is left to do to temporary tables before the COMMIT that is next in the queue.
    pub(crate) at_commit: Option<Vec<Statement>>,
    /// Whether the transaction was found fit to commit.
    pub(crate) prepared: bool,
    /// Whether the overhead of the statement that is next in the queue has gone by.
    pub(crate) has_paused: bool,
}

impl Job {
    /// Boxed: most sessions of a server are at no query.
    pub(crate) fn new(queue: Queue, params: Rc<[Value]>, work: Option<Nanos>) -> Box<Self> {
        let several = queue.len() > 1;
        Box::new(Self {
            queue,
            params,
            work,
            implicit: false,
            several,
            current: Current::HiddenBegin,
            last: None,
            at_commit: None,
            prepared: false,
            has_paused: false,
        })
    }
}

/// Whether the statement itself begins or ends transactions.
pub(crate) fn controls_transactions(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Begin(_)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::Release(_)
    )
}

/// Whether the statement is refused without a block that was begun.
pub(crate) fn needs_explicit_block(statement: &Statement) -> bool {
    matches!(statement, Statement::Savepoint(_) | Statement::RollbackTo(_) | Statement::Release(_))
}

/// Whether the statement is carried out in a failed transaction.
pub(crate) fn ends_failure(statement: &Statement) -> bool {
    matches!(statement, Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo(_))
}

/// The timeouts of a session, set from outside.
pub(crate) fn timeouts(lock: Option<Nanos>, statement: Option<Nanos>) -> impl Iterator<Item = (Guc, Nanos)> {
    let lock = lock.map(|span| (Guc::LockTimeout, span));
    lock.into_iter().chain(statement.map(|span| (Guc::StatementTimeout, span)))
}
