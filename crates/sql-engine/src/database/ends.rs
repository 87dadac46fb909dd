//! What becomes of statements: the next one of their query, or its end; timers, cancelling, results.

use std::rc::Rc;

use lock_table::{LockTag, SessionId};
use sim_clock::Nanos;
use sql_syntax::ast::Statement;
use transactions::{CommandTag, Completion, Effects, Statement as Sent, Timer};

use super::Database;
use crate::error::{SqlError, SqlState};
use crate::job::{Current, controls_transactions};
use crate::state::{Notice, QueryResult, StatementResult};

impl Database {
    /// Works off completions of statements: each goes on with its query, or is passed on as its end.
    pub(super) fn work_off(&mut self, now: Nanos, from: usize, fx: &mut Effects) {
        // Up to `ended` stand the ends of queries, from `next` on what is still to be worked off; in between,
        // nothing. What a completion brings about comes behind all that are there already.
        if fx.completions.len() == from && self.shared.get().signals.is_empty() {
            return;
        }
        let (mut ended, mut next) = (from, from);
        loop {
            while let Some(place) = fx.completions.get_mut(next) {
                next += 1;
                if place.result.is_ok() && self.jobs[place.session.index()].is_none() {
                    // It is the end of a query of one statement.
                    if ended + 1 < next {
                        fx.completions.swap(ended, next - 1);
                    }
                    ended += 1;
                    continue;
                }
                let nothing = transactions::Outcome { tag: CommandTag(""), rows: 0 };
                let nothing = Completion { session: place.session, result: Ok(nothing) };
                let completion = std::mem::replace(place, nothing);
                if let Some(end) = self.completed(now, completion, fx) {
                    fx.completions[ended] = end;
                    ended += 1;
                }
            }
            if self.shared.get().signals.is_empty() {
                break;
            }
            let signals = std::mem::take(&mut self.shared.edit().signals);
            for (session, terminate) in signals {
                if session.index() >= self.names.len() {
                    continue;
                }
                if terminate {
                    self.backends.terminate(now, session, fx);
                } else {
                    self.backends.cancel(now, session, fx);
                }
            }
        }
        fx.completions.truncate(ended);
    }

    /// One completion: nothing if the query goes on.
    fn completed(&mut self, now: Nanos, completion: Completion, fx: &mut Effects) -> Option<Completion> {
        let Completion { session, result } = completion;
        let Some(job) = self.jobs[session.index()].as_mut() else {
            return Some(Completion { session, result: result.map_err(|e| self.named(session, None, e)) });
        };
        let current = std::mem::replace(&mut job.current, Current::HiddenBegin);
        match (current, result) {
            (Current::HiddenBegin | Current::BeforeCommit, Ok(_)) => {
                self.next_statement(now, session, fx);
                None
            }
            (Current::HiddenCommit, Ok(_)) => {
                let last = job.last;
                self.jobs[session.index()] = None;
                let outcome = last.unwrap_or(transactions::Outcome { tag: CommandTag(""), rows: 0 });
                Some(Completion { session, result: Ok(outcome) })
            }
            (Current::HiddenRollback(failure), _) => {
                self.jobs[session.index()] = None;
                Some(Completion { session, result: Err(failure) })
            }
            (Current::Statement(statement), Ok(outcome)) => {
                job.last = Some(outcome);
                if is_control(&statement) {
                    let result = StatementResult { outcome, count: 0, rows: None };
                    self.shared.edit().session_mut(session).results.push(result);
                }
                let is_over = job.queue.is_empty() && !job.implicit;
                if is_over {
                    self.jobs[session.index()] = None;
                    return Some(Completion { session, result: Ok(outcome) });
                }
                self.next_statement(now, session, fx);
                None
            }
            (current, Err(failure)) => {
                let statement = match &current {
                    Current::Statement(statement) => Some(Rc::clone(statement)),
                    _ => None,
                };
                job.queue.clear();
                // A COMMIT that fails has ended its block all the same.
                let implicit = job.implicit || matches!(current, Current::BeforeCommit);
                let failure = self.named(session, statement.as_deref(), failure);
                if implicit && self.in_block(session) {
                    if let Some(job) = self.jobs[session.index()].as_mut() {
                        job.current = Current::HiddenRollback(failure);
                    }
                    self.backends.start(now, session, Sent::Rollback, fx);
                    return None;
                }
                self.jobs[session.index()] = None;
                Some(Completion { session, result: Err(failure) })
            }
        }
    }

    /// The error with the names that the layers below do not know.
    fn named(&self, session: SessionId, statement: Option<&Statement>, mut failure: SqlError) -> SqlError {
        let relation = match failure.object {
            Some(LockTag::Relation(id) | LockTag::Tuple { relation: id, .. }) => Some(id),
            _ => None,
        };
        if let Some(id) = relation
            && failure.sqlstate == SqlState::LOCK_NOT_AVAILABLE
            && failure.message.ends_with("relation")
        {
            let name = self.shared.edit().catalog_of(session).relation(id).map(|r| r.name.to_string());
            failure.message = format!("{} \"{}\"", failure.message, name.unwrap_or_default()).into();
        }
        if let Some(id) = relation
            && failure.sqlstate == SqlState::UNIQUE_VIOLATION
            && failure.message.ends_with("constraint")
        {
            let catalog = self.shared.edit().catalog_of(session);
            let key = catalog.relation(id).and_then(|r| r.primary_key());
            let name = key.and_then(|(_, index)| catalog.relation(index)).map(|r| r.name.to_string());
            failure.message = format!("{} \"{}\"", failure.message, name.unwrap_or_default()).into();
        }
        if let (Some(Statement::RollbackTo(name) | Statement::Release(name)), SqlState::NO_SUCH_SAVEPOINT) =
            (statement, failure.sqlstate)
        {
            failure.message = format!("savepoint \"{}\" does not exist", name.text).into();
        }
        failure
    }

    /// A timer that was set earlier is due.
    pub fn fire(&mut self, now: Nanos, timer: Timer, fx: &mut Effects) {
        let from = fx.completions.len();
        self.backends.fire(now, timer, fx);
        self.work_off(now, from, fx);
    }

    /// Cancels a session's statement, as `pg_cancel_backend` does.
    pub fn cancel(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let from = fx.completions.len();
        self.backends.cancel(now, session, fx);
        self.work_off(now, from, fx);
    }

    /// Ends a session, as `pg_terminate_backend` does.
    pub fn terminate(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let from = fx.completions.len();
        self.backends.terminate(now, session, fx);
        self.drop_temporary(session);
        self.work_off(now, from, fx);
    }

    /// The rows of the last statement of a session's query that returned any, as text.
    pub fn take_result(&mut self, session: SessionId) -> Option<Vec<Vec<Option<String>>>> {
        self.take_query_result(session).map(|r| r.texts())
    }

    /// The rows of the last statement of a session's query that returned any.
    pub fn take_query_result(&mut self, session: SessionId) -> Option<QueryResult> {
        self.take_results(session).into_iter().rev().find_map(|r| r.rows)
    }

    /// What became of the statements of a session's query that succeeded.
    pub fn take_results(&mut self, session: SessionId) -> Vec<StatementResult> {
        std::mem::take(&mut self.shared.edit().session_mut(session).results)
    }

    /// The messages that are no errors, since they were last taken.
    pub fn take_notices(&mut self, session: SessionId) -> Vec<Notice> {
        let mut state = self.shared.edit();
        let data = state.session_mut(session);
        let least = match data.own().settings.get("client_min_messages").map(String::as_str) {
            Some("warning") => 1,
            Some("error") => 2,
            _ => 0,
        };
        let mut notices = std::mem::take(&mut data.notices);
        notices.retain(|n| usize::from(n.severity == "WARNING") >= least);
        notices
    }
}

/// Statements that the layer below carries out by itself: their results are noted here.
pub(super) fn is_control(statement: &Statement) -> bool {
    controls_transactions(statement)
        || match statement {
            Statement::Set(set) => crate::command::guc(&set.name).is_some(),
            Statement::Reset(Some(name)) => crate::command::guc(name).is_some(),
            _ => false,
        }
}
