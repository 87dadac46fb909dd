//! Queries that were parsed once, and how they are executed.

use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::Nanos;
use sql_syntax::ast::Statement;
use transactions::{Effects, SessionState, Statement as Sent};

use super::{Database, StatementId};
use crate::error::{Result, error};
use crate::exec::Execution;
use crate::job::{Job, Prepared, Queue};
use crate::state::Tuple;
use crate::value::Value;

impl Database {
    /// Parses a query, to be executed any number of times. The same text is the same statement.
    ///
    /// # Errors
    /// If its syntax is wrong: 42601.
    pub fn prepare(&mut self, sql: &str) -> Result<StatementId> {
        if let Some(known) = self.statements.by_text.get(sql) {
            return Ok(*known);
        }
        let query = parse(sql)?.into_iter().map(|s| Rc::new(Prepared::new(s))).collect();
        let statements = Rc::make_mut(&mut self.statements);
        let id = StatementId(u32::try_from(statements.queries.len()).unwrap_or(u32::MAX));
        statements.queries.push(query);
        statements.by_text.insert(sql.into(), id);
        Ok(id)
    }

    /// Whether a prepared query's names and types are right by what is committed now.
    ///
    /// # Errors
    /// What the server would say when it is executed.
    pub fn check(&mut self, id: StatementId) -> Result<()> {
        let state = self.shared.get();
        for prepared in self.statements.queries.get(id.0 as usize).into_iter().flat_map(|query| query.iter())
        {
            if let Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) =
                &*prepared.statement
            {
                prepared.check(&state)?;
            }
        }
        Ok(())
    }

    /// Executes a prepared query on an idle session. `work` says how long each of its statements takes, if not
    /// as long as the cost model says.
    pub fn execute(
        &mut self,
        now: Nanos,
        session: SessionId,
        id: StatementId,
        params: &[Value],
        work: Option<Nanos>,
        fx: &mut Effects,
    ) {
        self.execute_for(now, session, id, params, work, true, fx);
    }

    /// The same for somebody who does not ask for the rows.
    pub fn execute_unread(
        &mut self,
        now: Nanos,
        session: SessionId,
        id: StatementId,
        params: &[Value],
        work: Option<Nanos>,
        fx: &mut Effects,
    ) {
        self.execute_for(now, session, id, params, work, false, fx);
    }

    #[allow(clippy::too_many_arguments)]
    fn execute_for(
        &mut self,
        now: Nanos,
        session: SessionId,
        id: StatementId,
        params: &[Value],
        work: Option<Nanos>,
        reads: bool,
        fx: &mut Effects,
    ) {
        let sent = self.compiled(now, session, id, params, work, reads);
        if let Some(sent) = sent.or_else(|| if reads { None } else { self.bracket(now, session, id) }) {
            let from = fx.completions.len();
            self.backends.start(now, session, sent, fx);
            return self.work_off(now, from, fx);
        }
        let queue = self.statements.queries.get(id.0 as usize).cloned().map(Queue::new).unwrap_or_default();
        self.begin_job(now, session, Job::new(queue, params.into(), work), fx);
    }

    /// A query of one statement that has a compiled form: the session is made ready for it.
    fn compiled(
        &self,
        now: Nanos,
        session: SessionId,
        id: StatementId,
        params: &[Value],
        work: Option<Nanos>,
        reads: bool,
    ) -> Option<Sent<Tuple>> {
        let [prepared] = &self.statements.queries.get(id.0 as usize)?[..] else { return None };
        let in_block = self.free_session(session)?;
        let mut state = self.shared.edit();
        let kept = prepared.plan_for(&state, session)?;
        let compiled = kept.compiled(&state, session)?;
        if !compiled.takes(params) || (reads && compiled.returns_rows) {
            return None;
        }
        let data = state.session_mut(session);
        if !data.is_read_committed(in_block) {
            return None;
        }
        data.begin_query(now);
        data.begin_statement(now, in_block);
        data.has_queried = true;
        data.sends_rows = compiled.returns_rows;
        drop(state);
        let shared = &self.shared;
        let run = Execution { shared, session, prepared, kept, compiled, params, work, keeps_result: reads };
        Some(Sent::Dynamic(self.pool.begin(run)))
    }

    /// Whether a session that may do without a job is in a transaction block; nothing if it needs one.
    fn free_session(&self, session: SessionId) -> Option<bool> {
        if self.is_general || self.jobs[session.index()].is_some() {
            return None;
        }
        match self.backends.state(session) {
            SessionState::Idle => Some(false),
            SessionState::IdleInTransaction => Some(true),
            _ => None,
        }
    }

    /// A plain BEGIN, COMMIT or ROLLBACK that needs no preparation: the session is made ready for it.
    fn bracket(&mut self, now: Nanos, session: SessionId, id: StatementId) -> Option<Sent<Tuple>> {
        let [prepared] = &self.statements.queries.get(id.0 as usize)?[..] else { return None };
        let statement = Rc::clone(&prepared.statement);
        let in_block = self.free_session(session)?;
        let is_plain = match &*statement {
            Statement::Begin(_) => !in_block,
            Statement::Commit { chain: false } => in_block && !self.has_to_prepare(session),
            Statement::Rollback { chain: false } => in_block,
            _ => false,
        };
        let pauses = self.config.statement_overhead > Nanos::ZERO;
        if !is_plain || pauses {
            return None;
        }
        {
            let mut state = self.shared.edit();
            let data = state.session_mut(session);
            data.begin_query(now);
            data.begin_statement(now, in_block);
            data.sends_rows = false;
        }
        match &*statement {
            Statement::Begin(modes) => self.dispatch(session).begin(&statement, modes).ok(),
            Statement::Commit { .. } => Some(Sent::Commit),
            _ => Some(Sent::Rollback),
        }
    }

    /// Whether something is left to do before a session's transaction can commit.
    pub(super) fn has_to_prepare(&self, session: SessionId) -> bool {
        let state = self.shared.get();
        let data = state.session(session);
        !data.deferred.is_empty() || data.serial.is_some() || !data.own().temporary.is_empty()
    }

    /// Whether the plan that is kept of a query has a compiled form.
    #[cfg(test)]
    pub(crate) fn has_compiled_form(&self, id: StatementId) -> bool {
        let state = self.shared.get();
        let [prepared] = &self.statements.queries[id.0 as usize][..] else { return false };
        prepared.kept().is_some_and(|kept| kept.compiled(&state, SessionId(0)).is_some())
    }

    /// Has every statement carried out by general tasks, if it has a compiled form or not: the two are to be compared.
    #[doc(hidden)]
    pub fn set_general(&mut self, is_general: bool) {
        self.is_general = is_general;
    }
}

/// The statements of a text, or the first mistake in it as the server would put it.
pub(super) fn parse(sql: &str) -> Result<Vec<Rc<Statement>>> {
    let script = sql_syntax::parse(sql);
    if let Some(mistake) = script.errors.first() {
        let word = mistake.range.of(sql);
        let message = if mistake.message.contains("too deeply") {
            return Err(error("54001", "stack depth limit exceeded"));
        } else if word.is_empty() {
            "syntax error at end of input".to_owned()
        } else {
            format!("syntax error at or near \"{word}\"")
        };
        return Err(error("42601", message));
    }
    Ok(script.statements.into_iter().map(|s| Rc::new(s.value)).collect())
}
