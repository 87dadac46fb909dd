//! Queries: the statements that were sent together, carried out one after the other.
//!
//! Several statements in one query are one transaction unless they say otherwise (manual, section 55.2.2.1):
//! a block is opened before the first of them and closed after the last, unseen.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::Nanos;
use sql_syntax::ast::{self, Statement};
use transactions::{CommandTag, Guc, Isolation, Statement as Sent, Step, StepContext, StepOutcome, Stepper};

use crate::command::{duration, guc, show_duration, tag};
use crate::error::{Result, SqlError, error, not_modelled};
use crate::exec::{Compiled, DdlTask, Flow, Machine, PlannedTask, StatementStepper, Task, plan_now};
use crate::plan::{Plan, ResultColumn};
use crate::state::{CatalogStamp, Cursor, QueryResult, Shared, State, Tuple};
use crate::value::{Type, Value};

/// A statement that was parsed once, with its plan as long as that is good.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) statement: Rc<Statement>,
    pub(crate) types: Vec<Type>,
    /// What it returned when it was prepared: that may not change.
    columns: Option<Vec<ResultColumn>>,
    plan: RefCell<Option<Rc<KeptPlan>>>,
}

/// A plan, and the state of the catalog that it is good for.
#[derive(Debug)]
pub(crate) struct KeptPlan {
    pub(crate) stamp: CatalogStamp,
    pub(crate) plan: Rc<Plan>,
    /// Its compiled form, once it was asked for; nothing if it has none.
    compiled: RefCell<Option<Option<Rc<Compiled>>>>,
}

impl KeptPlan {
    /// The compiled form of the plan, if it has one.
    pub(crate) fn compiled(&self, state: &State, session: SessionId) -> Option<Rc<Compiled>> {
        let mut compiled = self.compiled.borrow_mut();
        compiled.get_or_insert_with(|| Compiled::of(&self.plan, state, session).map(Rc::new)).clone()
    }

    /// What the compiled form took for granted is not so any more.
    pub(crate) fn forget_compiled(&self) {
        *self.compiled.borrow_mut() = None;
    }
}

impl Prepared {
    pub(crate) fn new(statement: Rc<Statement>) -> Self {
        Self { statement, types: Vec::new(), columns: None, plan: RefCell::new(None) }
    }

    pub(crate) fn kept_plan(&self, stamp: &CatalogStamp) -> Option<Rc<Plan>> {
        match &*self.plan.borrow() {
            Some(kept) if kept.stamp == *stamp => Some(Rc::clone(&kept.plan)),
            _ => None,
        }
    }

    /// The plan that is kept, if it is good for what the session sees now.
    pub(crate) fn plan_for(&self, state: &State, session: SessionId) -> Option<Rc<KeptPlan>> {
        let plan = self.plan.borrow();
        let kept = plan.as_ref().filter(|kept| state.is_at(session, &kept.stamp))?;
        state.sees_committed(session).then(|| Rc::clone(kept))
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> Option<Rc<KeptPlan>> {
        self.plan.borrow().clone()
    }

    /// Makes a plan against what is committed, as any session that has changed nothing would; it is kept.
    pub(crate) fn check(&self, state: &State) -> Result<()> {
        let stamp = state.committed_stamp();
        if self.kept_plan(&stamp).is_some() || !self.types.is_empty() {
            return Ok(());
        }
        let planner = crate::plan::Planner::new(&state.catalog, &state.default_lookup, &[]);
        self.keep_plan(&stamp, &Rc::new(planner.plan(&self.statement)?));
        Ok(())
    }

    pub(crate) fn keep_plan(&self, stamp: &CatalogStamp, plan: &Rc<Plan>) {
        let kept = KeptPlan { stamp: stamp.clone(), plan: Rc::clone(plan), compiled: RefCell::default() };
        *self.plan.borrow_mut() = Some(Rc::new(kept));
    }
}

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
    pub(crate) fn new(queue: Queue, params: Rc<[Value]>, work: Option<Nanos>) -> Self {
        let several = queue.len() > 1;
        Self {
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
        }
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

/// The isolation level of the layer below; nothing if none is named.
pub(crate) fn isolation(modes: &ast::TransactionModes) -> Option<Isolation> {
    modes.isolation.map(|level| match level {
        ast::IsolationLevel::ReadCommitted | ast::IsolationLevel::ReadUncommitted => Isolation::ReadCommitted,
        ast::IsolationLevel::RepeatableRead | ast::IsolationLevel::Serializable => Isolation::RepeatableRead,
    })
}

/// A statement for the layer below that does nothing but what the task does.
pub(crate) fn sent(machine: Machine, task: impl Task + 'static) -> Sent<Tuple> {
    Sent::Dynamic(Box::new(StatementStepper::new(machine, Box::new(task))))
}

fn sent_without_snapshot(machine: Machine, task: impl Task + 'static) -> Sent<Tuple> {
    Sent::Dynamic(Box::new(StatementStepper::new(machine, Box::new(task)).without_snapshot()))
}

/// The overhead of a statement that the layer below carries out by itself.
pub(crate) struct Pause(pub(crate) Option<Nanos>);

impl Stepper<Tuple> for Pause {
    fn step(&mut self, _cx: &mut StepContext<'_, Tuple>, _last: StepOutcome<Tuple>) -> Step<Tuple> {
        self.0.take().map_or(Step::Done { tag: CommandTag(""), rows: 0 }, Step::Work)
    }

    fn takes_snapshot(&self) -> bool {
        false
    }
}

/// A task that is done, or fails, at once.
pub(crate) struct AtOnce(pub(crate) Option<SqlError>);

impl Task for AtOnce {
    fn run(
        &mut self,
        _m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        self.0.take().map_or(Ok(Flow::Done), Err)
    }
}

/// PREPARE: the statement is analysed, so that its result's columns are known.
struct PrepareTask {
    name: String,
    types: Vec<ast::DataType>,
    statement: Rc<Statement>,
}

impl Task for PrepareTask {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let types = self.types.iter().map(|t| type_of(m, t)).collect::<Result<Vec<_>>>()?;
        let plan = plan_now(m, &self.statement, &types)?;
        let mut state = m.shared.edit();
        let session = state.session_mut(m.session);
        if session.prepared.contains_key(&self.name) {
            let message = format!("prepared statement \"{}\" already exists", self.name);
            return Err(error("42P05", message));
        }
        let prepared = Prepared {
            statement: Rc::clone(&self.statement),
            types,
            columns: Some(plan.columns.clone()),
            plan: RefCell::new(None),
        };
        session.prepared.insert(self.name.clone(), Rc::new(prepared));
        Ok(Flow::Done)
    }
}

fn type_of(m: &Machine, written: &ast::DataType) -> Result<Type> {
    let (catalog, lookup) = {
        let mut state = m.shared.edit();
        (state.catalog_of(m.session), state.session(m.session).lookup.clone())
    };
    crate::plan::Planner::new(&catalog, &lookup, &[]).data_type(written)
}

/// DECLARE: the query is run, and its rows are kept.
struct DeclareTask {
    name: String,
    hold: bool,
    query: Rc<Statement>,
    begun: bool,
}

impl Task for DeclareTask {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        if !self.begun {
            self.begun = true;
            let task = PlannedTask::new(Rc::clone(&self.query), None, Vec::new(), None);
            return Ok(Flow::First(Box::new(task)));
        }
        let result = m.result.take();
        m.rows = 0;
        let mut state = m.shared.edit();
        let session = state.session_mut(m.session);
        if session.cursors.contains_key(&self.name) {
            return Err(error("42P03", format!("cursor \"{}\" already exists", self.name)));
        }
        if let Some(QueryResult { columns, rows }) = result {
            let origins = vec![None; rows.len()];
            let cursor = Cursor { columns, rows, origins, at: 0, hold: self.hold };
            session.cursors.insert(self.name.clone(), cursor);
        }
        Ok(Flow::Done)
    }
}

/// FETCH and MOVE.
struct FetchTask {
    cursor: String,
    count: ast::FetchCount,
    is_move: bool,
}

impl Task for FetchTask {
    fn run(
        &mut self,
        m: &mut Machine,
        _cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let shared = Rc::clone(&m.shared);
        let mut state = shared.edit();
        let session = state.session_mut(m.session);
        let Some(cursor) = session.cursors.get_mut(&self.cursor) else {
            return Err(error("34000", format!("cursor \"{}\" does not exist", self.cursor)));
        };
        let wanted = match self.count {
            ast::FetchCount::Rows(n) if n >= 0 => usize::try_from(n).unwrap_or(usize::MAX),
            ast::FetchCount::All => usize::MAX,
            _ => return Err(not_modelled("cursors that go backward or to a place")),
        };
        let from = cursor.at.min(cursor.rows.len());
        let to = from.saturating_add(wanted).min(cursor.rows.len());
        let rows = cursor.rows[from..to].to_vec();
        // Fetching past the end leaves the cursor behind the last row.
        cursor.at = if from.saturating_add(wanted) > cursor.rows.len() { cursor.rows.len() + 1 } else { to };
        m.rows = rows.len() as u64;
        if !self.is_move {
            m.result = Some(QueryResult { columns: cursor.columns.clone(), rows });
        }
        Ok(Flow::Done)
    }
}

/// The statement as the layer below wants it. Errors that are known at once still have to fail the
/// transaction, so they are sent, too.
pub(crate) struct Dispatch<'d> {
    pub(crate) shared: &'d Rc<Shared>,
    pub(crate) session: SessionId,
    pub(crate) in_block: bool,
    pub(crate) settings: transactions::SessionSettings,
    pub(crate) initial: transactions::SessionSettings,
    /// The names of savepoints are numbers below.
    pub(crate) savepoints: &'d mut BTreeMap<String, u32>,
}

impl Dispatch<'_> {
    /// Sends a statement, or the error that it is.
    pub(crate) fn send(&mut self, job: &Job, prepared: &Rc<Prepared>) -> Sent<Tuple> {
        match self.statement(job, prepared) {
            Ok(sent) => sent,
            Err(failure) => self.fail(&job.params, failure),
        }
    }

    pub(crate) fn fail(&self, params: &Rc<[Value]>, failure: SqlError) -> Sent<Tuple> {
        let machine = self.machine(params, CommandTag("ERROR"), None);
        sent_without_snapshot(machine, AtOnce(Some(failure)))
    }

    fn machine(&self, params: &Rc<[Value]>, tag: CommandTag, work: Option<Nanos>) -> Machine {
        let machine = Machine::new(Rc::clone(self.shared), self.session, Rc::clone(params), tag, work);
        Machine { overhead: self.shared.get().statement_overhead, ..machine }
    }

    fn noop(&self, job: &Job, statement: &Statement) -> Sent<Tuple> {
        sent_without_snapshot(self.machine(&job.params, tag(statement), job.work), AtOnce(None))
    }

    fn savepoint(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.savepoints.len()).unwrap_or(u32::MAX);
        *self.savepoints.entry(name.to_owned()).or_insert(next)
    }

    fn warn(&self, message: &str) {
        self.shared.edit().notice(self.session, "WARNING", message.to_owned());
    }

    fn needs_block(&self, name: &str) -> Result<()> {
        if self.in_block {
            return Ok(());
        }
        Err(error("25P01", format!("{name} can only be used in transaction blocks")))
    }

    fn statement(&mut self, job: &Job, prepared: &Rc<Prepared>) -> Result<Sent<Tuple>> {
        let statement = &prepared.statement;
        let machine = || self.machine(&job.params, tag(statement), job.work);
        Ok(match &**statement {
            Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                let types = prepared.types.clone();
                sent(
                    machine(),
                    PlannedTask::new(Rc::clone(statement), Some(Rc::clone(prepared)), types, None),
                )
            }
            Statement::Merge(_) => return Err(not_modelled("MERGE")),
            Statement::Copy(_) => return Err(not_modelled("COPY")),
            Statement::Explain { .. } => return Err(not_modelled("EXPLAIN")),
            Statement::Do(_) => return Err(not_modelled("DO")),
            Statement::Call(_) => return Err(not_modelled("CALL")),
            Statement::PrepareTransaction(_)
            | Statement::CommitPrepared(_)
            | Statement::RollbackPrepared(_) => return Err(not_modelled("two-phase commit")),
            Statement::NotModelled { name } => return Err(not_modelled(name)),
            Statement::Begin(modes) => return self.begin(statement, modes),
            Statement::Commit { chain: true } | Statement::Rollback { chain: true } => {
                return Err(not_modelled("AND CHAIN"));
            }
            Statement::Commit { .. } => {
                if !self.in_block {
                    self.warn("there is no transaction in progress");
                }
                Sent::Commit
            }
            Statement::Rollback { .. } => {
                if !self.in_block {
                    self.warn("there is no transaction in progress");
                }
                Sent::Rollback
            }
            Statement::Savepoint(name) => {
                self.needs_block("SAVEPOINT")?;
                Sent::Savepoint(self.savepoint(name))
            }
            Statement::RollbackTo(name) => {
                self.needs_block("ROLLBACK TO SAVEPOINT")?;
                Sent::RollbackTo(self.savepoint(name))
            }
            Statement::Release(name) => {
                self.needs_block("RELEASE SAVEPOINT")?;
                Sent::Release(self.savepoint(name))
            }
            Statement::Set(set) => return self.set(job, statement, set),
            Statement::Reset(name) => return self.reset(job, statement, name.as_deref()),
            Statement::SetTransaction { session, modes } => {
                return self.set_transaction(job, statement, *session, modes);
            }
            Statement::Show(name) => return self.show(job, statement, name.as_deref()),
            Statement::Prepare { name, types, statement: inner } => {
                let inner = Rc::new((**inner).clone());
                let task = PrepareTask { name: name.text.clone(), types: types.clone(), statement: inner };
                sent(machine(), task)
            }
            Statement::Execute { name, args } => return self.execute(job, name, args),
            Statement::Deallocate(name) => {
                let mut state = self.shared.edit();
                let known = &mut state.session_mut(self.session).prepared;
                match name {
                    None => known.clear(),
                    Some(name) if known.remove(&name.text).is_none() => {
                        let message = format!("prepared statement \"{}\" does not exist", name.text);
                        return Err(error("26000", message));
                    }
                    Some(_) => {}
                }
                drop(state);
                self.noop(job, statement)
            }
            Statement::DeclareCursor { name, hold, query } => {
                if !hold {
                    self.needs_block("DECLARE CURSOR")?;
                }
                let query = Rc::new(Statement::Select((**query).clone()));
                sent(machine(), DeclareTask { name: name.text.clone(), hold: *hold, query, begun: false })
            }
            Statement::Fetch { cursor, count, is_move } => {
                let task = FetchTask { cursor: cursor.text.clone(), count: *count, is_move: *is_move };
                sent_without_snapshot(machine(), task)
            }
            Statement::CloseCursor(name) => {
                let mut state = self.shared.edit();
                let cursors = &mut state.session_mut(self.session).cursors;
                match name {
                    None => cursors.clear(),
                    Some(name) if cursors.remove(&name.text).is_none() => {
                        return Err(error("34000", format!("cursor \"{}\" does not exist", name.text)));
                    }
                    Some(_) => {}
                }
                drop(state);
                self.noop(job, statement)
            }
            Statement::SetConstraints { .. } => return Err(not_modelled("SET CONSTRAINTS")),
            Statement::Discard(what) if what != "PLANS" => {
                return Err(not_modelled(format!("DISCARD {what}")));
            }
            Statement::Discard(_)
            | Statement::Checkpoint
            | Statement::Listen(_)
            | Statement::Unlisten(_)
            | Statement::Notify(_) => self.noop(job, statement),
            Statement::LockTable(_) => sent_without_snapshot(machine(), DdlTask::new(Rc::clone(statement))),
            Statement::Vacuum(vacuum) => {
                let full = ast::has_option(&vacuum.options, "full");
                let stepper = StatementStepper::new(machine(), Box::new(DdlTask::new(Rc::clone(statement))));
                Sent::Dynamic(Box::new(if full { stepper } else { stepper.vacuum() }))
            }
            _ => sent(machine(), DdlTask::new(Rc::clone(statement))),
        })
    }

    pub(crate) fn begin(&self, statement: &Statement, modes: &ast::TransactionModes) -> Result<Sent<Tuple>> {
        if self.in_block {
            self.warn("there is already a transaction in progress");
        }
        let state = self.shared.get();
        let session = state.session(self.session);
        if session.in_transaction
            && let Some(level) = isolation(modes)
        {
            // In a block BEGIN sets its characteristics as SET TRANSACTION does.
            let is_repeatable = session.repeatable.is_some();
            if is_repeatable == (level == Isolation::RepeatableRead) {
                return Ok(Sent::Begin { isolation: level });
            }
            if session.has_queried {
                let message = "SET TRANSACTION ISOLATION LEVEL must be called before any query";
                return Err(error("25001", message));
            }
            drop(state);
            return Err(not_modelled(format!(
                "{} with another isolation level in a block",
                tag(statement).0
            )));
        }
        drop(state);
        let default = self.shared.get().session(self.session).default_isolation.unwrap_or_default();
        let isolation = isolation(modes).unwrap_or(default);
        let repeatable = (isolation == Isolation::RepeatableRead).then_some(None);
        let mut state = self.shared.edit();
        let session = state.session_mut(self.session);
        if !session.in_transaction {
            session.repeatable = repeatable;
            let is_serializable = match modes.isolation {
                Some(level) => level == ast::IsolationLevel::Serializable,
                None => session.default_serializable,
            };
            session.serializable = is_serializable.then(|| modes.read_only.unwrap_or(false));
        }
        drop(state);
        Ok(Sent::Begin { isolation })
    }

    fn set(&mut self, job: &Job, statement: &Statement, set: &ast::SetVariable) -> Result<Sent<Tuple>> {
        if set.local && !self.in_block {
            self.warn("SET LOCAL can only be used in transaction blocks");
            return Ok(self.noop(job, statement));
        }
        let text = set.values.as_ref().map(|v| v.join(", "));
        if let Some(guc) = guc(&set.name) {
            let value = match &text {
                Some(text) => duration(&set.name, text)?,
                None => self.initial.get(guc),
            };
            return Ok(Sent::Set { local: set.local, guc, value });
        }
        if matches!(set.name.as_str(), "default_transaction_isolation" | "transaction_isolation") {
            let level = match text.as_deref() {
                Some("repeatable read" | "serializable") => Isolation::RepeatableRead,
                _ => Isolation::ReadCommitted,
            };
            if set.name == "transaction_isolation" && level != Isolation::ReadCommitted {
                return Err(not_modelled("SET transaction_isolation"));
            }
            let mut state = self.shared.edit();
            let session = state.session_mut(self.session);
            session.default_isolation = Some(level);
            session.default_serializable = text.as_deref() == Some("serializable");
            drop(state);
            return Ok(self.noop(job, statement));
        }
        let mut state = self.shared.edit();
        let version = state.version;
        let session = state.session_mut(self.session);
        // The rules know which settings change what names mean.
        let mut scratch = schema_rules::Catalog::new();
        let no_facts = schema_rules::effects::NoFacts;
        schema_rules::effects::advance(&mut scratch, &mut session.lookup, statement, version, &no_facts);
        match text {
            Some(text) => session.settings.insert(set.name.clone(), text),
            None => session.settings.remove(&set.name),
        };
        drop(state);
        Ok(self.noop(job, statement))
    }

    fn reset(&mut self, job: &Job, statement: &Statement, name: Option<&str>) -> Result<Sent<Tuple>> {
        if let Some(guc) = name.and_then(guc) {
            return Ok(Sent::Set { local: false, guc, value: self.initial.get(guc) });
        }
        let mut state = self.shared.edit();
        let version = state.version;
        let session = state.session_mut(self.session);
        let mut scratch = schema_rules::Catalog::new();
        let no_facts = schema_rules::effects::NoFacts;
        schema_rules::effects::advance(&mut scratch, &mut session.lookup, statement, version, &no_facts);
        match name {
            Some(name) => {
                session.settings.remove(name);
            }
            None => session.settings.clear(),
        }
        drop(state);
        Ok(self.noop(job, statement))
    }

    fn set_transaction(
        &mut self,
        job: &Job,
        statement: &Statement,
        session: bool,
        modes: &ast::TransactionModes,
    ) -> Result<Sent<Tuple>> {
        if modes.snapshot.is_some() {
            return Err(not_modelled("SET TRANSACTION SNAPSHOT"));
        }
        match isolation(modes) {
            Some(level) if session => {
                let mut state = self.shared.edit();
                let session = state.session_mut(self.session);
                session.default_isolation = Some(level);
                session.default_serializable = modes.isolation == Some(ast::IsolationLevel::Serializable);
            }
            Some(Isolation::RepeatableRead) if self.in_block => {
                return Err(not_modelled("SET TRANSACTION ISOLATION LEVEL"));
            }
            _ if !self.in_block && !session => {
                self.warn("SET TRANSACTION can only be used in transaction blocks");
            }
            _ => {}
        }
        Ok(self.noop(job, statement))
    }

    fn show(&self, job: &Job, statement: &Statement, name: Option<&str>) -> Result<Sent<Tuple>> {
        let Some(name) = name else { return Err(not_modelled("SHOW ALL")) };
        let text = match guc(name) {
            Some(guc) => show_duration(self.settings.get(guc)),
            None => {
                let state = self.shared.get();
                let session = state.session(self.session);
                let kept = session.settings.get(name).cloned();
                match (kept, name) {
                    (Some(kept), _) => kept,
                    (None, "search_path") => session.lookup.search_path.join(", "),
                    (None, "transaction_isolation") => session.isolation_level().to_owned(),
                    (None, "default_transaction_isolation") => session.default_level().to_owned(),
                    (None, "timezone") => "UTC".to_owned(),
                    (None, "server_version_num") => format!("{}0000", state.version.major()),
                    _ => return Err(not_modelled(format!("the value of the setting {name}"))),
                }
            }
        };
        let columns = vec![ResultColumn { name: name.into(), ty: Type::Text }];
        let row: Rc<[Value]> = [Value::text(text)].into();
        let mut machine = self.machine(&job.params, tag(statement), job.work);
        machine.result = Some(QueryResult { columns, rows: vec![row] });
        Ok(sent_without_snapshot(machine, AtOnce(None)))
    }

    fn execute(&self, job: &Job, name: &ast::Ident, args: &[ast::Expr]) -> Result<Sent<Tuple>> {
        let prepared = self.shared.get().session(self.session).prepared.get(&name.text).cloned();
        let Some(prepared) = prepared else {
            return Err(error("26000", format!("prepared statement \"{}\" does not exist", name.text)));
        };
        let machine = self.machine(&job.params, tag(&prepared.statement), job.work);
        let params = constants(&machine, args, &prepared.types)?;
        let machine = Machine { params: params.into(), ..machine };
        let statement = Rc::clone(&prepared.statement);
        let types = prepared.types.clone();
        let columns = prepared.columns.clone();
        Ok(sent(machine, PlannedTask::new(statement, Some(prepared), types, columns)))
    }
}

/// The arguments of EXECUTE: constants.
fn constants(m: &Machine, args: &[ast::Expr], types: &[Type]) -> Result<Vec<Value>> {
    let state = m.shared.get();
    let lookup = state.session(m.session).lookup.clone();
    let mut planner = crate::plan::Planner::new(&state.catalog, &lookup, &[]);
    let mut values = Vec::new();
    for (at, e) in args.iter().enumerate() {
        let typed = crate::expr::Binder::new(&mut planner, crate::expr::Scope::default()).compile(e)?;
        let value = typed.as_constant().ok_or_else(|| not_modelled("computed arguments of EXECUTE"))?;
        let to = types.get(at).unwrap_or(&typed.ty);
        values.push(crate::value::cast(value.clone(), &typed.ty, to)?);
    }
    Ok(values)
}

/// The timeouts of a session, set from outside.
pub(crate) fn timeouts(lock: Option<Nanos>, statement: Option<Nanos>) -> impl Iterator<Item = (Guc, Nanos)> {
    let lock = lock.map(|span| (Guc::LockTimeout, span));
    lock.into_iter().chain(statement.map(|span| (Guc::StatementTimeout, span)))
}
