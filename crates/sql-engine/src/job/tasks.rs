//! What is neither planned nor about the catalog: prepared statements, cursors, the overhead of the rest.

use std::rc::Rc;

use sim_clock::Nanos;
use sql_syntax::ast::{self, Statement};
use transactions::{CommandTag, Statement as Sent, Step, StepContext, StepOutcome, Stepper};

use super::Prepared;
use crate::error::{Result, SqlError, error, not_modelled};
use crate::exec::{Flow, Machine, PlannedTask, StatementStepper, Task, plan_now};
use crate::state::{Cursor, QueryResult, Tuple};
use crate::value::Type;

/// A statement for the layer below that does nothing but what the task does.
pub(crate) fn sent(machine: Machine, task: impl Task + 'static) -> Sent<Tuple> {
    Sent::Dynamic(Box::new(StatementStepper::new(machine, Box::new(task))))
}

pub(super) fn sent_without_snapshot(machine: Machine, task: impl Task + 'static) -> Sent<Tuple> {
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
pub(super) struct PrepareTask {
    pub(super) name: String,
    pub(super) types: Vec<ast::DataType>,
    pub(super) statement: Rc<Statement>,
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
        if session.own().prepared.contains_key(&self.name) {
            let message = format!("prepared statement \"{}\" already exists", self.name);
            return Err(error("42P05", message));
        }
        let prepared = Prepared::returning(Rc::clone(&self.statement), types, plan.columns.clone());
        session.own_mut().prepared.insert(self.name.clone(), Rc::new(prepared));
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
pub(super) struct DeclareTask {
    pub(super) name: String,
    pub(super) hold: bool,
    pub(super) query: Rc<Statement>,
    pub(super) begun: bool,
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
        if session.own().cursors.contains_key(&self.name) {
            return Err(error("42P03", format!("cursor \"{}\" already exists", self.name)));
        }
        if let Some(QueryResult { columns, rows }) = result {
            let origins = vec![None; rows.len()];
            let cursor = Cursor { columns, rows, origins, at: 0, hold: self.hold };
            session.own_mut().cursors.insert(self.name.clone(), cursor);
        }
        Ok(Flow::Done)
    }
}

/// FETCH and MOVE.
pub(super) struct FetchTask {
    pub(super) cursor: String,
    pub(super) count: ast::FetchCount,
    pub(super) is_move: bool,
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
        let Some(cursor) = session.own_mut().cursors.get_mut(&self.cursor) else {
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
