//! Queries under way: which statement is next, and what has to come before it.

use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::Nanos;
use sql_syntax::ast::Statement;
use transactions::{CommandTag, Completion, Effects, SessionState, Statement as Sent};

use super::Database;
use super::ends::is_control;
use super::execute::parse;
use crate::error::{SqlError, error};
use crate::exec::{DdlTask, DeferredTask, Machine, SerialCommit};
use crate::job::{
    Current, Dispatch, Job, Pause, Prepared, Queue, controls_transactions, ends_failure,
    needs_explicit_block, sent,
};
use crate::state::Tuple;
use crate::value::Value;

impl Database {
    /// Sends a query as text to an idle session.
    pub fn submit(&mut self, now: Nanos, session: SessionId, sql: &str, fx: &mut Effects) {
        self.submit_with(now, session, sql, &[], None, fx);
    }

    /// Sends a query as text with parameters. `work` is as for [`Database::execute`].
    pub fn submit_with(
        &mut self,
        now: Nanos,
        session: SessionId,
        sql: &str,
        params: &[Value],
        work: Option<Nanos>,
        fx: &mut Effects,
    ) {
        match parse(sql) {
            Ok(statements) => {
                let queue = statements.into_iter().map(|s| Rc::new(Prepared::new(s))).collect();
                self.begin_job(now, session, Job::new(Queue::new(queue), params.into(), work), fx);
            }
            Err(failure) => {
                let mut job = Job::new(Queue::default(), Rc::from([]), None);
                job.current = Current::Statement(Rc::new(Statement::Checkpoint));
                self.fail_job(now, session, job, failure, fx);
            }
        }
    }

    pub(super) fn begin_job(&mut self, now: Nanos, session: SessionId, job: Box<Job>, fx: &mut Effects) {
        let from = fx.completions.len();
        if let Some(gone) = self.backends.gone(session) {
            fx.completions.push(Completion { session, result: Err(gone.clone()) });
            return;
        }
        debug_assert!(self.jobs[session.index()].is_none(), "{session} is at another query");
        {
            self.shared.edit().session_mut(session).begin_query(now);
        }
        self.jobs[session.index()] = Some(job);
        self.next_statement(now, session, fx);
        self.work_off(now, from, fx);
    }

    fn fail_job(
        &mut self,
        now: Nanos,
        session: SessionId,
        job: Box<Job>,
        failure: SqlError,
        fx: &mut Effects,
    ) {
        let from = fx.completions.len();
        if let Some(gone) = self.backends.gone(session) {
            fx.completions.push(Completion { session, result: Err(gone.clone()) });
            return;
        }
        self.shared.edit().session_mut(session).results.clear();
        let params = Rc::clone(&job.params);
        self.jobs[session.index()] = Some(job);
        let failing = self.dispatch(session).fail(&params, failure);
        self.backends.start(now, session, failing, fx);
        self.work_off(now, from, fx);
    }

    pub(super) fn dispatch(&mut self, session: SessionId) -> Dispatch<'_> {
        let in_block = self.in_block(session);
        let settings = *self.backends.settings(session);
        let initial = *self.backends.initial_settings(session);
        let savepoints = &mut self.savepoints;
        Dispatch { shared: &self.shared, session, in_block, settings, initial, savepoints }
    }

    pub(super) fn in_block(&self, session: SessionId) -> bool {
        matches!(self.state(session), SessionState::IdleInTransaction | SessionState::IdleInFailedTransaction)
    }

    /// Starts what is next of a session's query; the session is idle.
    pub(super) fn next_statement(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let state = self.state(session);
        let in_block = self.in_block(session);
        let Some(mut job) = self.jobs[session.index()].take() else { return };
        self.shared.edit().session_mut(session).begin_statement(now, in_block);
        job.prepared &= in_block;
        let Some(next) = job.queue.front().cloned() else {
            if job.implicit && in_block {
                if state == SessionState::IdleInTransaction
                    && let Some(first) = self.before_commit(session, &mut job)
                {
                    job.current = Current::BeforeCommit;
                    self.jobs[session.index()] = Some(job);
                    self.backends.start(now, session, first, fx);
                    return;
                }
                job.current = Current::HiddenCommit;
                self.jobs[session.index()] = Some(job);
                self.backends.start(now, session, Sent::Commit, fx);
                return;
            }
            let outcome = job.last.unwrap_or(transactions::Outcome { tag: CommandTag(""), rows: 0 });
            self.jobs[session.index()] = Some(job);
            fx.completions.push(Completion { session, result: Ok(outcome) });
            self.jobs[session.index()] = None;
            return;
        };
        let statement = Rc::clone(&next.statement);
        let control = controls_transactions(&statement);
        if !control {
            let mut shared = self.shared.edit();
            let generation = shared.catalog.generation();
            let data = shared.session_mut(session);
            data.has_queried |= takes_snapshot(&statement);
            let repeatable = &mut data.repeatable;
            if *repeatable == Some(None) {
                *repeatable = Some(Some(generation));
            }
        }
        let of_level = self.shared.get().session(session).default_isolation.unwrap_or_default();
        let is_query = matches!(
            *statement,
            Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)
        );
        // What stands alone is a transaction of the session's level, too.
        let alone = of_level == transactions::Isolation::RepeatableRead && is_query;
        if !in_block && !control && ((job.several && job.queue.len() > 1) || alone) {
            job.implicit = true;
            job.current = Current::HiddenBegin;
            let isolation = self.shared.get().session(session).default_isolation.unwrap_or_default();
            self.jobs[session.index()] = Some(job);
            self.backends.start(now, session, Sent::Begin { isolation }, fx);
            return;
        }
        let commits = matches!(*statement, Statement::Commit { .. });
        if commits
            && state == SessionState::IdleInTransaction
            && let Some(first) = self.before_commit(session, &mut job)
        {
            job.current = Current::BeforeCommit;
            self.jobs[session.index()] = Some(job);
            self.backends.start(now, session, first, fx);
            return;
        }
        let overhead = self.config.statement_overhead;
        if overhead > Nanos::ZERO
            && is_control(&statement)
            && state != SessionState::IdleInFailedTransaction
            && !std::mem::replace(&mut job.has_paused, true)
        {
            job.current = Current::BeforeCommit;
            self.jobs[session.index()] = Some(job);
            self.backends.start(now, session, Sent::Dynamic(Box::new(Pause(Some(overhead)))), fx);
            return;
        }
        job.has_paused = false;
        job.queue.pop_front();
        // The unseen block is none for the statements that begin and end blocks (manual, 55.2.2.1): BEGIN turns
        // it into one, COMMIT and ROLLBACK warn that there is none, and savepoints want one.
        let explicit_block = in_block && !job.implicit;
        if job.implicit && control && !needs_explicit_block(&statement) {
            job.implicit = false;
        }
        job.current = Current::Statement(Rc::clone(&statement));
        self.shared.edit().session_mut(session).sends_rows = sends_rows(&statement);
        let sent = if state == SessionState::IdleInFailedTransaction && !ends_failure(&statement) {
            // Whatever it is, the layer below refuses it.
            let refused = error("25P02", "current transaction is aborted");
            self.dispatch(session).fail(&job.params, refused)
        } else {
            let rewritten = self.with_temporary_names(session, &next);
            let mut dispatch = self.dispatch(session);
            dispatch.in_block &= !control || explicit_block;
            dispatch.send(&job, &rewritten)
        };
        self.jobs[session.index()] = Some(job);
        self.backends.start(now, session, sent, fx);
    }

    /// What is left to do before a COMMIT: deferred constraints, then temporary tables.
    fn before_commit(&mut self, session: SessionId, job: &mut Job) -> Option<Sent<Tuple>> {
        let machine = || {
            let shared = Rc::clone(&self.shared);
            Machine::new(shared, session, Rc::clone(&job.params), CommandTag("COMMIT"), None)
        };
        if job.at_commit.is_none() && !self.has_to_prepare(session) {
            return None;
        }
        if !self.shared.get().session(session).deferred.is_empty() {
            return Some(sent(machine(), DeferredTask));
        }
        if self.shared.get().session(session).serial.is_some() && !job.prepared {
            job.prepared = true;
            return Some(sent(machine(), SerialCommit));
        }
        let mut state = self.shared.edit();
        let own = format!("pg_temp_{}", session.0);
        let data = state.session_mut(session);
        if job.at_commit.is_none() {
            job.at_commit = Some(crate::temporary::at_commit(&own, &data.own().temporary));
            data.forget_dropped_tables();
        }
        drop(state);
        let actions = job.at_commit.as_mut()?;
        if actions.is_empty() {
            job.at_commit = None;
            return None;
        }
        let statement = Rc::new(actions.remove(0));
        let shared = Rc::clone(&self.shared);
        let machine = Machine::new(shared, session, Rc::clone(&job.params), CommandTag("COMMIT"), None);
        Some(sent(machine, DdlTask::new(statement)))
    }
}

/// Statements that look at data: after them the isolation level stands.
const fn takes_snapshot(statement: &Statement) -> bool {
    !matches!(
        statement,
        Statement::Set(_)
            | Statement::SetTransaction { .. }
            | Statement::Reset(_)
            | Statement::Show(_)
            | Statement::LockTable(_)
            | Statement::Deallocate(_)
            | Statement::Discard(_)
            | Statement::Listen(_)
            | Statement::Unlisten(_)
            | Statement::Notify(_)
            | Statement::Checkpoint
    )
}

/// Statements whose result is a table.
fn sends_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Select(_) | Statement::Show(_) | Statement::Execute { .. } => true,
        Statement::Fetch { is_move, .. } => !is_move,
        Statement::Insert(insert) => !insert.returning.is_empty(),
        Statement::Update(update) => !update.returning.is_empty(),
        Statement::Delete(delete) => !delete.returning.is_empty(),
        _ => false,
    }
}
