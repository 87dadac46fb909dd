//! Statements with a plan: locks, then the work, then what is checked at the end.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, Scope};
use sim_clock::Nanos;
use sql_syntax::ast;
use transactions::{Step, StepContext, StepOutcome, WaitPolicy};

use super::insert::InsertTask;
use super::machine::{Flow, Machine, Task};
use super::modify::{ModifyTask, Work};
use super::query;
use super::reference::AfterTask;
use super::select::SelectTask;
use super::serializable;
use crate::error::{Result, error};
use crate::job::{KeptPlan, Prepared};
use crate::plan::{Plan, Planner, ResultColumn, StatementPlan};
use crate::state::{CatalogStamp, QueryResult, Tuple};
use crate::value::Type;

/// How far a statement with a plan has come.
pub(super) enum Phase {
    Plan,
    Lock(usize),
    /// A relation of the plan before the last one is locked in vain.
    Unlock(usize),
    Prerequisite(usize),
    Body,
    After,
    Work,
    Finish,
}

/// Plans a statement, takes its locks, and runs it.
///
/// Whenever a lock was taken and the catalog is not what it was, names are looked up again, as the server
/// does after waiting (`RangeVarGetRelidExtended` in namespace.c): a renamed table is another one, a dropped
/// one is an error, and a lock of what is not meant any more is given back.
pub(crate) struct PlannedTask {
    statement: Rc<ast::Statement>,
    /// Where plans are kept for the next time.
    prepared: Option<Rc<Prepared>>,
    types: Vec<Type>,
    /// What the statement must return: a prepared statement's columns may not change.
    must_return: Option<Vec<ResultColumn>>,
    plan: Option<(CatalogStamp, Rc<Plan>)>,
    locked: Vec<(RelationId, LockMode)>,
    phase: Phase,
}

impl PlannedTask {
    pub(crate) fn new(
        statement: Rc<ast::Statement>,
        prepared: Option<Rc<Prepared>>,
        types: Vec<Type>,
        must_return: Option<Vec<ResultColumn>>,
    ) -> Self {
        Self { statement, prepared, types, must_return, plan: None, locked: Vec::new(), phase: Phase::Plan }
    }

    /// Goes on with a statement that has come this far with a plan, and holds so many of its locks.
    pub(super) fn resumed(prepared: Rc<Prepared>, kept: &KeptPlan, locks: usize, phase: Phase) -> Self {
        let locked = kept.plan.locks.iter().take(locks).copied().collect();
        let plan = Some((kept.stamp.clone(), Rc::clone(&kept.plan)));
        let statement = Rc::clone(&prepared.statement);
        let types = prepared.types.clone();
        Self { statement, prepared: Some(prepared), types, must_return: None, plan, locked, phase }
    }

    fn stamp(m: &Machine) -> CatalogStamp {
        m.shared.get().stamp(m.session)
    }

    fn make_plan(&mut self, m: &Machine) -> Result<()> {
        let stamp = Self::stamp(m);
        let may_keep = m.shared.get().sees_committed(m.session);
        if let Some(prepared) = &self.prepared
            && may_keep
            && let Some(plan) = prepared.kept_plan(&stamp)
        {
            self.plan = Some((stamp, plan));
            return self.check_columns();
        }
        let plan = Rc::new(plan_now(m, &self.statement, &self.types)?);
        if let (Some(prepared), true) = (&self.prepared, may_keep) {
            prepared.keep_plan(&stamp, &plan);
        }
        self.plan = Some((stamp, plan));
        self.check_columns()
    }

    fn check_columns(&self) -> Result<()> {
        let (Some(wanted), Some((_, plan))) = (&self.must_return, &self.plan) else { return Ok(()) };
        let same = wanted.len() == plan.columns.len()
            && wanted.iter().zip(&plan.columns).all(|(a, b)| a.name == b.name && a.ty == b.ty);
        if same { Ok(()) } else { Err(error("0A000", "cached plan must not change result type")) }
    }

    fn plan(&self) -> Result<Rc<Plan>> {
        self.plan.as_ref().map(|(_, p)| Rc::clone(p)).ok_or_else(|| error("XX000", "no plan"))
    }

    /// Which tables a parent has is found out once: one that leaves its parent while the planner waits for it is
    /// read all the same, as long as it is there (`find_all_inheritors` in pg_inherits.c).
    fn is_settled(m: &Machine, plan: &Plan, at: usize) -> bool {
        let catalog = m.shared.edit().catalog_of(m.session);
        at > plan.named_locks && plan.locks.iter().all(|(id, _)| catalog.relation(*id).is_some())
    }

    /// A part that is no part any more may have become another table (`make_inh_translation_list` in appendinfo.c).
    fn check_parts(m: &Machine, plan: &Plan) -> Result<()> {
        let catalog = m.shared.edit().catalog_of(m.session);
        for (root, part) in &plan.parts {
            let (Some(root), Some(part)) = (catalog.relation(*root), catalog.relation(*part)) else {
                continue;
            };
            for column in root.live_columns() {
                let name = &column.name;
                let Some(theirs) = part.column(name) else {
                    let message = format!(
                        "could not find inherited attribute \"{name}\" of relation \"{}\"",
                        part.name
                    );
                    return Err(error("XX000", message));
                };
                if theirs.data_type != column.data_type {
                    let message = format!(
                        "attribute \"{name}\" of relation \"{}\" does not match parent's type",
                        part.name
                    );
                    return Err(error("42P13", message));
                }
            }
        }
        Ok(())
    }

    fn body(plan: &Rc<Plan>) -> Box<dyn Task> {
        Box::new(RootTask { plan: Rc::clone(plan), inner: None })
    }
}

/// Makes a plan with the catalog that the session sees.
pub(crate) fn plan_now(m: &Machine, statement: &ast::Statement, types: &[Type]) -> Result<Plan> {
    let (catalog, lookup, still_attached) = {
        let mut state = m.shared.edit();
        let still_attached = state.still_attached(m.session);
        (state.catalog_of(m.session), state.session(m.session).lookup.clone(), still_attached)
    };
    Planner::new(&catalog, &lookup, types).seeing(still_attached).plan(statement)
}

impl Task for PlannedTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        loop {
            match self.phase {
                Phase::Plan => {
                    self.make_plan(m)?;
                    self.phase = Phase::Unlock(0);
                }
                Phase::Unlock(n) => {
                    let plan = self.plan()?;
                    let Some((relation, mode)) = self.locked.get(n).copied() else {
                        self.locked.retain(|l| plan.locks.contains(l));
                        self.phase = Phase::Lock(0);
                        continue;
                    };
                    self.phase = Phase::Unlock(n + 1);
                    if !plan.locks.contains(&(relation, mode)) {
                        let tag = LockTag::Relation(relation);
                        return Ok(Flow::Yield(Step::Unlock { tag, mode, scope: Scope::Transaction }));
                    }
                }
                Phase::Lock(n) => {
                    let (stamp, plan) = match &self.plan {
                        Some((stamp, plan)) => (stamp.clone(), Rc::clone(plan)),
                        None => return Err(error("XX000", "no plan")),
                    };
                    if Self::stamp(m) != stamp && !Self::is_settled(m, &plan, n) {
                        self.phase = Phase::Plan;
                        continue;
                    }
                    let Some((relation, mode)) = plan.locks.get(n).copied() else {
                        if Self::stamp(m) != stamp {
                            Self::check_parts(m, &plan)?;
                        }
                        self.phase = Phase::Prerequisite(0);
                        continue;
                    };
                    self.phase = Phase::Lock(n + 1);
                    if self.locked.contains(&(relation, mode)) {
                        continue;
                    }
                    self.locked.push((relation, mode));
                    return Ok(Flow::Yield(Step::Lock {
                        tag: LockTag::Relation(relation),
                        mode,
                        scope: Scope::Transaction,
                        policy: WaitPolicy::Block,
                    }));
                }
                Phase::Prerequisite(n) => {
                    if n == 0 {
                        // The snapshot is taken when planning is done, not when it is first looked at.
                        cx.take_snapshot();
                        serializable::enter(m, cx);
                    }
                    let plan = self.plan()?;
                    let Some(first) = plan.prerequisites.get(n) else {
                        self.phase = Phase::Body;
                        continue;
                    };
                    self.phase = Phase::Prerequisite(n + 1);
                    let task = PrerequisiteTask {
                        id: first.id,
                        plan: Rc::clone(&plan),
                        statement: Rc::clone(&first.plan),
                        saved: None,
                    };
                    return Ok(Flow::First(Box::new(task)));
                }
                Phase::Body => {
                    self.phase = Phase::After;
                    return Ok(Flow::First(Self::body(&self.plan()?)));
                }
                Phase::After => {
                    self.phase = Phase::Work;
                    if !m.after.is_empty() {
                        return Ok(Flow::First(Box::new(AfterTask)));
                    }
                }
                Phase::Work => {
                    self.phase = Phase::Finish;
                    let modelled = || m.shared.get().durations.of_rows(m.rows_read, m.rows_written);
                    let work = m.work.unwrap_or_else(modelled) - m.worked;
                    if work > Nanos::ZERO {
                        return Ok(Flow::Yield(Step::Work(work)));
                    }
                }
                Phase::Finish => {
                    let _ = cx;
                    return Ok(Flow::Done);
                }
            }
        }
    }
}

/// The statement proper, its rows going to the result.
struct RootTask {
    plan: Rc<Plan>,
    inner: Option<Box<dyn Task>>,
}

impl RootTask {
    /// The statement of the plan as a thing of its own: the plan keeps it alive.
    fn start(&self, m: &mut Machine, cx: &mut StepContext<'_, Tuple>) -> Result<Option<Box<dyn Task>>> {
        let columns = self.plan.columns.clone();
        let returns = !columns.is_empty() || matches!(&*self.plan.statement, StatementPlan::Query(_));
        if returns {
            m.result = Some(QueryResult { columns, rows: Vec::new() });
        }
        let statement = Rc::clone(&self.plan.statement);
        start(&self.plan, &statement, None, m, cx)
    }
}

/// Begins a statement: queries that need not stop are done at once.
fn start(
    plan: &Rc<Plan>,
    statement: &Rc<StatementPlan>,
    store: Option<usize>,
    m: &mut Machine,
    cx: &mut StepContext<'_, Tuple>,
) -> Result<Option<Box<dyn Task>>> {
    Ok(match &**statement {
        StatementPlan::Query(query) if query.locks_rows() => {
            Some(Box::new(SelectTask::new(Rc::clone(statement), store)))
        }
        StatementPlan::Query(query) => {
            let rows = m.exec(cx, |ex| query::run(ex, query, None))?;
            match store {
                Some(id) => {
                    m.stored.insert(id, rows);
                }
                None => {
                    m.rows += rows.len() as u64;
                    if let Some(result) = &mut m.result {
                        result.rows = Rc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec());
                    }
                }
            }
            None
        }
        StatementPlan::Insert(_) => Some(Box::new(InsertTask::new(Rc::clone(plan), Rc::clone(statement)))),
        StatementPlan::Update(_) | StatementPlan::Delete(_) => {
            Some(Box::new(ModifyTask::new(Work::Statement(Rc::clone(statement)))))
        }
    })
}

impl Task for RootTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        if self.inner.is_none() {
            self.inner = self.start(m, cx)?;
            return match &mut self.inner {
                Some(task) => task.run(m, cx, StepOutcome::Start),
                None => Ok(Flow::Done),
            };
        }
        match &mut self.inner {
            Some(task) => task.run(m, cx, last),
            None => Ok(Flow::Done),
        }
    }
}

/// A common table expression or a subquery that locks rows: its rows are stored under its id.
struct PrerequisiteTask {
    id: usize,
    plan: Rc<Plan>,
    statement: Rc<StatementPlan>,
    /// The machine's own result and count, put aside meanwhile.
    saved: Option<(Option<QueryResult>, u64)>,
}

impl Task for PrerequisiteTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        if let Some((result, rows)) = self.saved.take() {
            let own = std::mem::replace(&mut m.result, result);
            m.rows = rows;
            if let Some(own) = own
                && !matches!(&*self.statement, StatementPlan::Query(_))
            {
                m.stored.insert(self.id, Rc::new(own.rows));
            }
            return Ok(Flow::Done);
        }
        let columns = self.statement.columns().to_vec();
        let own = QueryResult { columns, rows: Vec::new() };
        let statement = Rc::clone(&self.statement);
        let (result, rows) = (m.result.replace(own), m.rows);
        match start(&self.plan, &statement, Some(self.id), m, cx) {
            Ok(task) => {
                self.saved = Some((result, rows));
                match task {
                    Some(task) => Ok(Flow::First(task)),
                    None => self.run(m, cx, StepOutcome::Done),
                }
            }
            Err(failure) => {
                m.result = result;
                Err(failure)
            }
        }
    }
}
