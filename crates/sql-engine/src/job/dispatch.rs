//! Which statement of the layer below a statement becomes.

use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::Nanos;
use sql_syntax::ast::{self, Statement};
use transactions::{CommandTag, Statement as Sent};

use super::tasks::{AtOnce, DeclareTask, FetchTask, PrepareTask, sent, sent_without_snapshot};
use super::{Job, Prepared};
use crate::command::tag;
use crate::error::{Result, SqlError, error, not_modelled};
use crate::exec::{DdlTask, Machine, PlannedTask, StatementStepper};
use crate::state::{Shared, Tuple};
use crate::value::{Type, Value};

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

    pub(super) fn machine(&self, params: &Rc<[Value]>, tag: CommandTag, work: Option<Nanos>) -> Machine {
        let machine = Machine::new(Rc::clone(self.shared), self.session, Rc::clone(params), tag, work);
        Machine { overhead: self.shared.get().statement_overhead, ..machine }
    }

    pub(super) fn noop(&self, job: &Job, statement: &Statement) -> Sent<Tuple> {
        sent_without_snapshot(self.machine(&job.params, tag(statement), job.work), AtOnce(None))
    }

    fn savepoint(&mut self, name: &str) -> u32 {
        let next = u32::try_from(self.savepoints.len()).unwrap_or(u32::MAX);
        *self.savepoints.entry(name.to_owned()).or_insert(next)
    }

    pub(super) fn warn(&self, message: &str) {
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
                let known = &mut state.session_mut(self.session).own_mut().prepared;
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
                let cursors = &mut state.session_mut(self.session).own_mut().cursors;
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

    fn execute(&self, job: &Job, name: &ast::Ident, args: &[ast::Expr]) -> Result<Sent<Tuple>> {
        let prepared = self.shared.get().session(self.session).own().prepared.get(&name.text).cloned();
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
