//! The simulated server: sessions, queries, results.

use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, SessionId};
use rustc_hash::FxHashMap;
use schema_rules::catalog::{Catalog, RelationKind};
use schema_rules::cost::CostModel;
use schema_rules::{PgVersion, effects};
use sim_clock::Nanos;
use sql_syntax::ast::Statement;
use transactions::{
    Backends, CommandTag, Completion, Effects, ServerSettings, SessionSettings, SessionState,
    Statement as Sent, Timer, Waiter,
};

use crate::cost::{Durations, Instant};
use crate::error::{Result, SqlError, SqlState, error};
use crate::exec::{DdlTask, DeferredTask, Execution, Machine, Pool, SerialCommit};
use crate::job::{
    Current, Dispatch, Job, Pause, Prepared, Queue, controls_transactions, ends_failure,
    needs_explicit_block, sent, timeouts,
};
use crate::plan::name_of;
use crate::state::{Notice, QueryResult, SessionData, Shared, StatementResult, Tuple};
use crate::value::Value;

/// What a server is made with.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// The major version, 12 to 18.
    pub version: u16,
    /// What chance is drawn from: `random()`, `gen_random_uuid()`.
    pub seed: u64,
    /// Microseconds from 2000-01-01 to the virtual time zero: what `now()` counts from.
    pub epoch: i64,
    /// What each statement takes before it begins: parsing, planning, the network.
    pub statement_overhead: Nanos,
    model: Option<CostModel>,
}

impl Default for DatabaseConfig {
    /// PostgreSQL 18 with the measured rates; its clock starts on 2025-01-01.
    fn default() -> Self {
        Self {
            version: 18,
            seed: 0,
            epoch: 9_132 * 86_400_000_000,
            statement_overhead: Nanos::ZERO,
            model: Some(CostModel::default()),
        }
    }
}

impl DatabaseConfig {
    /// The same, but nothing takes any time.
    #[must_use]
    pub fn instant() -> Self {
        Self { model: None, ..Self::default() }
    }

    /// Sets the duration of a unit of work by its name, with or without `_ns`: `update_row`.
    ///
    /// # Errors
    /// If there is no rate of this name: the names that there are.
    pub fn set_rate(&mut self, name: &str, span: Nanos) -> std::result::Result<(), String> {
        let full = if name.ends_with("_ns") { name.to_owned() } else { format!("{name}_ns") };
        let model = self.model.get_or_insert_default();
        model.rates.set(&full, &span.0.to_string()).map_err(|e| e.to_string())
    }

    /// The cost model, if work takes time.
    pub fn cost_model(&mut self) -> Option<&mut CostModel> {
        self.model.as_mut()
    }

    fn durations(&self) -> Rc<dyn Durations> {
        match &self.model {
            Some(model) => Rc::new(model.clone()),
            None => Rc::new(Instant),
        }
    }

    fn pg_version(&self) -> PgVersion {
        PgVersion::new(u32::from(self.version)).unwrap_or_default()
    }
}

/// A query that was parsed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId(pub u32);

/// The rows of a table, put aside.
#[derive(Clone, Debug)]
pub struct TableBackup {
    columns: Vec<Rc<str>>,
    rows: Vec<Rc<[Value]>>,
}

/// The queries that were parsed once.
#[derive(Clone, Default)]
struct Statements {
    by_text: FxHashMap<Rc<str>, StatementId>,
    queries: Vec<Rc<[Rc<Prepared>]>>,
}

/// The simulated server. See the crate's documentation.
pub struct Database {
    config: DatabaseConfig,
    backends: Backends<Tuple>,
    shared: Rc<Shared>,
    jobs: Vec<Option<Job>>,
    names: Vec<String>,
    initial: Vec<SessionSettings>,
    statements: Rc<Statements>,
    savepoints: BTreeMap<String, u32>,
    pool: Rc<Pool>,
    is_general: bool,
}

/// What is committed, on a server of its own: sessions and their transactions are not part of it. Rows, index
/// entries, catalog and plans are shared until either of the two changes them.
impl Clone for Database {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.config.clone());
        let state = self.shared.get();
        {
            let mut new = copy.shared.edit();
            new.catalog = state.catalog.detached();
            new.sequences = state.sequences.clone();
            new.virtual_tables = state.virtual_tables.clone();
            new.marks = state.marks.clone();
            new.random = state.random.clone();
            new.tables = state.tables.clone();
        }
        match self.backends.copy_at_rest() {
            Some(backends) => {
                copy.backends = backends;
                copy.shared.edit().indexes = state.indexes.clone();
            }
            None => copy.take_committed_rows(&self.backends),
        }
        copy.statements = Rc::clone(&self.statements);
        copy.is_general = self.is_general;
        copy
    }
}

impl Database {
    /// A server with nothing in it.
    #[must_use]
    pub fn new(config: DatabaseConfig) -> Self {
        let version = config.pg_version();
        let server = ServerSettings { version: version.major() as u8 };
        let shared = Shared::new(version, config.seed, config.epoch, config.durations());
        shared.edit().statement_overhead = config.statement_overhead;
        Self {
            config,
            backends: Backends::new(server),
            shared: Rc::new(shared),
            jobs: Vec::new(),
            names: Vec::new(),
            initial: Vec::new(),
            statements: Rc::default(),
            savepoints: BTreeMap::new(),
            pool: Rc::default(),
            is_general: false,
        }
    }

    /// Takes over another server's rows one by one, without what its running transactions wrote.
    fn take_committed_rows(&mut self, from: &Backends<Tuple>) {
        let mut state = self.shared.edit();
        for relation in state.catalog.clone().relations().filter(|r| r.has_heap()) {
            if state.virtual_tables.contains_key(&relation.id) {
                continue;
            }
            state.table(relation.id).built.clear();
            self.backends.store_relation(relation.id);
            for (key, row) in from.committed_rows(relation.id) {
                self.backends.seed_row(relation.id, key, row);
            }
        }
        self.backends.copy_extents(from);
    }

    // ---- sessions ----

    /// Opens a session.
    pub fn connect(&mut self, now: Nanos, name: &str, settings: SessionSettings) -> SessionId {
        let session = self.backends.connect(now, settings);
        let mut state = self.shared.edit();
        let lookup = state.default_lookup.clone();
        state.sessions.push(SessionData::new(lookup));
        drop(state);
        self.jobs.push(None);
        self.names.push(name.to_owned());
        self.initial.push(settings);
        session
    }

    /// Closes a session as its client's disconnecting does.
    pub fn disconnect(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
        let from = fx.completions.len();
        if let Some(job) = self.jobs.get_mut(session.index()) {
            *job = None;
        }
        self.backends.disconnect(now, session, fx);
        self.drop_temporary(session);
        self.work_off(now, from, fx);
    }

    /// Closes all sessions; what they had not committed is gone.
    pub fn close_sessions(&mut self) {
        let mut fx = Effects::default();
        for at in 0..self.names.len() {
            let session = SessionId(u32::try_from(at).unwrap_or(u32::MAX));
            if self.backends.gone(session).is_none() {
                self.disconnect(Nanos::ZERO, session, &mut fx);
            }
        }
    }

    /// The name that a session was given.
    #[must_use]
    pub fn session_name(&self, session: SessionId) -> &str {
        self.names.get(session.index()).map_or("", String::as_str)
    }

    /// Sets timeouts of an idle session, as its client's driver would.
    pub fn set_timeouts(&mut self, session: SessionId, lock: Option<Nanos>, statement: Option<Nanos>) {
        let mut fx = Effects::default();
        for (guc, value) in timeouts(lock, statement) {
            let is_busy = matches!(
                self.state(session),
                SessionState::Working | SessionState::Waiting | SessionState::Gone
            );
            if !is_busy && self.jobs[session.index()].is_none() {
                self.backends.start(Nanos::ZERO, session, Sent::Set { local: false, guc, value }, &mut fx);
            }
        }
    }

    /// The state of a session.
    #[must_use]
    pub fn state(&self, session: SessionId) -> SessionState {
        self.backends.state(session)
    }

    // ---- queries ----

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
        let in_block = match self.backends.state(session) {
            SessionState::Idle => false,
            SessionState::IdleInTransaction => true,
            _ => return None,
        };
        if self.is_general || self.jobs[session.index()].is_some() {
            return None;
        }
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

    /// A plain BEGIN, COMMIT or ROLLBACK that needs no preparation: the session is made ready for it.
    fn bracket(&mut self, now: Nanos, session: SessionId, id: StatementId) -> Option<Sent<Tuple>> {
        let [prepared] = &self.statements.queries.get(id.0 as usize)?[..] else { return None };
        let statement = Rc::clone(&prepared.statement);
        let in_block = match self.backends.state(session) {
            SessionState::Idle => false,
            SessionState::IdleInTransaction => true,
            _ => return None,
        };
        let is_plain = match &*statement {
            Statement::Begin(_) => !in_block,
            Statement::Commit { chain: false } => in_block && !self.has_to_prepare(session),
            Statement::Rollback { chain: false } => in_block,
            _ => false,
        };
        let pauses = self.config.statement_overhead > Nanos::ZERO;
        if !is_plain || pauses || self.is_general || self.jobs[session.index()].is_some() {
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
    fn has_to_prepare(&self, session: SessionId) -> bool {
        let state = self.shared.get();
        let data = state.session(session);
        !data.deferred.is_empty() || data.serial.is_some() || !data.temporary.is_empty()
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

    fn begin_job(&mut self, now: Nanos, session: SessionId, job: Job, fx: &mut Effects) {
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

    fn fail_job(&mut self, now: Nanos, session: SessionId, job: Job, failure: SqlError, fx: &mut Effects) {
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

    fn dispatch(&mut self, session: SessionId) -> Dispatch<'_> {
        let in_block = self.in_block(session);
        let settings = *self.backends.settings(session);
        let initial = self.initial[session.index()];
        let savepoints = &mut self.savepoints;
        Dispatch { shared: &self.shared, session, in_block, settings, initial, savepoints }
    }

    fn in_block(&self, session: SessionId) -> bool {
        matches!(self.state(session), SessionState::IdleInTransaction | SessionState::IdleInFailedTransaction)
    }

    /// Starts what is next of a session's query; the session is idle.
    fn next_statement(&mut self, now: Nanos, session: SessionId, fx: &mut Effects) {
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
        let tables = &mut state.session_mut(session).temporary;
        if job.at_commit.is_none() {
            let actions = crate::temporary::at_commit(&own, tables);
            tables.retain(|(_, action)| *action == sql_syntax::ast::OnCommit::DeleteRows);
            job.at_commit = Some(actions);
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

    /// Works off completions of statements: each goes on with its query, or is passed on as its end.
    fn work_off(&mut self, now: Nanos, from: usize, fx: &mut Effects) {
        // Up to `ended` stand the ends of queries, from `next` on what is still to be worked off; in between,
        // nothing. What a completion brings about comes behind all that are there already.
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

    // ---- results ----

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
        let least = match data.settings.get("client_min_messages").map(String::as_str) {
            Some("warning") => 1,
            Some("error") => 2,
            _ => 0,
        };
        let mut notices = std::mem::take(&mut data.notices);
        notices.retain(|n| usize::from(n.severity == "WARNING") >= least);
        notices
    }

    // ---- setting up, and looking from outside ----

    /// Runs a script, statement by statement, on a session of its own; waits are waited for in a time of
    /// their own.
    ///
    /// # Errors
    /// The first statement's that fails; those before it stay done.
    pub fn script(&mut self, sql: &str) -> Result<()> {
        let statements = parse(sql)?;
        let session = self.connect(Nanos::ZERO, "script", SessionSettings::default());
        let mut outcome = Ok(());
        for statement in statements {
            let job = Job::new(Queue::new([Rc::new(Prepared::new(statement))].into()), Rc::from([]), None);
            outcome = self.run_alone(session, job);
            if outcome.is_err() {
                break;
            }
        }
        self.disconnect(Nanos::ZERO, session, &mut Effects::default());
        outcome
    }

    /// Runs a query on a session of its own and gives its rows as text.
    ///
    /// # Errors
    /// The server's, if it fails.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let queue = Queue::new(parse(sql)?.into_iter().map(|s| Rc::new(Prepared::new(s))).collect());
        let session = self.connect(Nanos::ZERO, "query", SessionSettings::default());
        let outcome = self.run_alone(session, Job::new(queue, Rc::from([]), None));
        let rows = self.take_result(session).unwrap_or_default();
        self.disconnect(Nanos::ZERO, session, &mut Effects::default());
        outcome.map(|()| rows)
    }

    /// Runs a query to its end, its timers firing at once.
    fn run_alone(&mut self, session: SessionId, job: Job) -> Result<()> {
        let mut fx = Effects::default();
        let mut timers: BTreeMap<(Nanos, usize), Timer> = BTreeMap::new();
        let mut set = 0;
        self.begin_job(Nanos::ZERO, session, job, &mut fx);
        loop {
            for (at, timer) in fx.timers.drain(..) {
                set += 1;
                timers.insert((at, set), timer);
            }
            let end = fx.completions.iter().position(|c| c.session == session);
            if let Some(at) = end {
                return fx.completions.remove(at).result.map(drop);
            }
            let Some(((at, _), timer)) = timers.pop_first() else {
                return Err(error("57014", "the statement waits for a session that does not go on"));
            };
            self.fire(at, timer, &mut fx);
        }
    }

    /// The catalog as it is committed.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.shared.get().catalog.clone()
    }

    /// Says how big a table is for the cost model, if not as big as its rows make it.
    pub fn set_table_size(&mut self, table: &str, rows: u64, bytes: u64) -> bool {
        let Some(relation) = self.find(table) else { return false };
        let size = schema_rules::catalog::RelationSize { rows, bytes };
        self.shared.edit().catalog.set_size(relation, size);
        true
    }

    /// Says that a table has so many rows, with the keys from 1 on if its primary key is one integer, and how much
    /// room they take. The rows are not stored: statements lock them as if they were there, what is in them is not
    /// known. Whether there is such a table.
    pub fn set_virtual_rows(&mut self, table: &str, rows: u64, bytes: Option<u64>) -> bool {
        let Some(relation) = self.find(table) else { return false };
        let mut state = self.shared.edit();
        state.set_virtual_rows(&mut self.backends, relation, rows, bytes);
        true
    }

    /// Whether no row of a table, or of those below it, is committed.
    #[must_use]
    pub fn is_empty(&self, table: &str) -> bool {
        let Some(relation) = self.find(table) else { return true };
        let parts = self.shared.get().catalog.with_descendants(relation);
        parts.into_iter().all(|part| {
            self.backends.extent_rows(part).unwrap_or_else(|| self.backends.committed_rows(part).len() as u64)
                == 0
        })
    }

    fn find(&self, table: &str) -> Option<RelationId> {
        let state = self.shared.get();
        state.catalog.find(&state.default_lookup, &name_of(table)).map(|r| r.id)
    }

    /// Whether there is a table of this name.
    #[must_use]
    pub fn has_table(&self, table: &str) -> bool {
        let state = self.shared.get();
        let found = state.catalog.find(&state.default_lookup, &name_of(table));
        found.is_some_and(|r| matches!(r.kind, RelationKind::Table | RelationKind::PartitionedTable(_)))
    }

    /// The columns of a table, and whether each refuses NULL.
    #[must_use]
    pub fn columns(&self, table: &str) -> Vec<(String, bool)> {
        let state = self.shared.get();
        let found = state.catalog.find(&state.default_lookup, &name_of(table));
        let columns = found.into_iter().flat_map(|r| r.live_columns());
        columns.map(|c| (c.name.to_string(), c.not_null)).collect()
    }

    /// The tables, in the order of their creation.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let state = self.shared.get();
        let tables = state
            .catalog
            .relations()
            .filter(|r| matches!(r.kind, RelationKind::Table | RelationKind::PartitionedTable(_)));
        tables.map(|r| r.name.to_string()).collect()
    }

    /// The table and column that a column refers to by a foreign key.
    #[must_use]
    pub fn referenced_by(&self, table: &str, column: &str) -> Option<(String, String)> {
        let state = self.shared.get();
        let relation = state.catalog.find(&state.default_lookup, &name_of(table))?;
        let number = relation.column(column)?.number;
        let (_, key) = relation.foreign_keys().find(|(_, k)| k.columns.contains(&number))?;
        let at = key.columns.iter().position(|c| *c == number)?;
        let parent = state.catalog.relation(key.referenced)?;
        let column = parent.column_at(*key.referenced_columns.get(at)?)?;
        Some((parent.name.to_string(), column.name.to_string()))
    }

    /// The sessions that a session waits for (`pg_blocking_pids`).
    #[must_use]
    pub fn blockers(&self, session: SessionId) -> Vec<SessionId> {
        let mut blockers: Vec<_> = self.backends.blockers(session).iter().map(|it| it.session).collect();
        blockers.sort_unstable();
        blockers.dedup();
        blockers
    }

    /// What a session waits for, and in which mode.
    #[must_use]
    pub fn waits_for(&self, session: SessionId) -> Option<(LockTag, LockMode)> {
        self.backends.waits_for(session)
    }

    /// The first session in the way of one that waits.
    #[must_use]
    pub fn first_blocker(&self, session: SessionId) -> Option<SessionId> {
        self.backends.lock_table().first_blocker(session)
    }

    /// All sessions that wait.
    #[must_use]
    pub fn waiters(&self) -> Vec<Waiter> {
        self.backends.waiters()
    }

    /// The layer below, to be looked at.
    #[must_use]
    pub fn backends(&self) -> &Backends<Tuple> {
        &self.backends
    }

    /// The name of a relation, also of one that only a running transaction knows.
    #[must_use]
    pub fn relation_name(&self, relation: RelationId) -> Option<String> {
        let mut state = self.shared.edit();
        if let Some(found) = state.catalog.relation(relation) {
            return Some(found.name.to_string());
        }
        let sessions = 0..state.sessions.len();
        sessions
            .filter_map(|at| u32::try_from(at).ok())
            .find_map(|at| state.catalog_of(SessionId(at)).relation(relation).map(|r| r.name.to_string()))
    }

    // ---- the contents of tables ----

    fn committed(&self, table: &str) -> Option<(RelationId, Vec<Rc<str>>, Vec<Rc<[Value]>>)> {
        let state = self.shared.get();
        let relation = state.catalog.find(&state.default_lookup, &name_of(table))?;
        let missing = state.tables.get(&relation.id).map_or(&[][..], |t| &t.missing);
        let live: Vec<usize> =
            relation.live_columns().map(|c| usize::from(c.number).saturating_sub(1)).collect();
        let columns = relation.live_columns().map(|c| Rc::clone(&c.name)).collect();
        let mut rows = self.backends.committed_rows(relation.id);
        rows.sort_by_key(|(key, _)| *key);
        let value = |tuple: &Tuple, at: usize| {
            tuple.values().get(at).or_else(|| missing.get(at)).cloned().unwrap_or_default()
        };
        let rows = rows.iter().map(|(_, t)| live.iter().map(|at| value(t, *at)).collect()).collect();
        Some((relation.id, columns, rows))
    }

    /// What is committed of a table.
    #[must_use]
    pub fn back_up(&self, table: &str) -> Option<TableBackup> {
        self.committed(table).map(|(_, columns, rows)| TableBackup { columns, rows })
    }

    /// Puts a table back as it was, whatever its rows are now; columns that it did not have then are NULL.
    pub fn restore(&mut self, table: &str, backup: TableBackup) {
        let Some(relation) = self.find(table) else { return };
        let mut state = self.shared.edit();
        if state.virtual_tables.contains_key(&relation) {
            return;
        }
        let Some(definition) = state.catalog.relation(relation).cloned() else { return };
        self.backends.drop_relation(relation);
        self.backends.store_relation(relation);
        state.forget_indexes(relation);
        for row in backup.rows {
            let value = |name: &Rc<str>| {
                let at = backup.columns.iter().position(|c| c == name)?;
                row.get(at).cloned()
            };
            let values: Rc<[Value]> = definition
                .columns
                .iter()
                .map(|c| if c.dropped { Value::Null } else { value(&c.name).unwrap_or_default() })
                .collect();
            let data = state.table(relation);
            data.next_row += 1;
            data.next_place += 1;
            let tuple = Tuple { place: data.next_place, values: Some(values) };
            let key = data.next_row;
            self.backends.seed_row(relation, key, tuple);
        }
    }

    /// A number that is the same for the same rows, in whatever order they are.
    #[must_use]
    pub fn checksum(&self, table: &str) -> Option<u64> {
        let (_, columns, rows) = self.committed(table)?;
        let mut sum = 0_u64;
        for row in rows {
            let mut text = String::new();
            for (column, value) in columns.iter().zip(row.iter()) {
                let shown = crate::value::Type::Unknown.show(value);
                text.push_str(column);
                text.push_str(&shown.map_or_else(|| "\u{1}".to_owned(), |s| format!("={s}\u{0}")));
            }
            sum = sum.wrapping_add(fnv(text.as_bytes()));
        }
        Some(sum)
    }

    // ---- temporary tables ----

    /// A session's temporary tables are in a schema of its own, which its names are looked up in first.
    fn with_temporary_names(&mut self, session: SessionId, prepared: &Rc<Prepared>) -> Rc<Prepared> {
        let statement = &*prepared.statement;
        if !crate::temporary::creates(statement) && !crate::temporary::creates_unqualified(statement) {
            return Rc::clone(prepared);
        }
        let own = format!("pg_temp_{}", session.0);
        let mut state = self.shared.edit();
        let has_own = state.session(session).lookup.search_path.first().is_some_and(|n| **n == *own);
        let concerned = crate::temporary::creates(statement)
            || (has_own && crate::temporary::creates_unqualified(statement));
        if !concerned {
            return Rc::clone(prepared);
        }
        if crate::temporary::creates(statement) && !has_own {
            state.add_temporary_schema(session, &own);
        }
        if crate::temporary::creates(statement)
            && let Some(table) = crate::temporary::on_commit(statement)
        {
            state.session_mut(session).temporary.push(table);
        }
        let path = &state.session(session).lookup.search_path;
        let first = path.iter().find(|n| ***n != *own).map_or("public", |n| &**n).to_owned();
        let qualified = crate::temporary::qualified(statement, &own, &first);
        Rc::new(Prepared::new(Rc::new(qualified)))
    }

    /// The temporary tables go with the session.
    fn drop_temporary(&mut self, session: SessionId) {
        let own = format!("pg_temp_{}", session.0);
        let mut state = self.shared.edit();
        if state.catalog.schema(&own).is_none() {
            return;
        }
        let mut catalog = state.catalog.clone();
        let mut lookup = state.default_lookup.clone();
        let drop = parse(&format!("DROP SCHEMA {own} CASCADE")).unwrap_or_default();
        for statement in drop {
            let version = state.version;
            let done = effects::advance(&mut catalog, &mut lookup, &statement, version, &effects::NoFacts);
            state.catalog.apply_changes(&done.changes);
        }
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

/// Statements that the layer below carries out by itself: their results are noted here.
fn is_control(statement: &Statement) -> bool {
    controls_transactions(statement)
        || match statement {
            Statement::Set(set) => crate::command::guc(&set.name).is_some(),
            Statement::Reset(Some(name)) => crate::command::guc(name).is_some(),
            _ => false,
        }
}

/// The statements of a text, or the first mistake in it as the server would put it.
fn parse(sql: &str) -> Result<Vec<Rc<Statement>>> {
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

/// FNV-1a with a final mix: a sum of such numbers tells sets of rows apart.
fn fnv(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ (hash >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb)
}
