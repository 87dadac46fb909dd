//! Carrying plans out.
//!
//! What can be read off the rows at once is computed at once ([`query`], [`scan`]); whatever may have to wait
//! is a [`machine::Task`] that yields one step at a time.

mod claim;
mod compiled;
mod ddl;
mod insert;
mod join;
mod machine;
mod modify;
mod pace;
mod place;
mod planned;
mod query;
mod reference;
mod rows;
mod scan;
mod select;
mod selection;
mod serializable;
mod sieve;
mod span;
mod stops;
mod trigger;
mod unique;
mod verify;

use std::rc::Rc;

use lock_table::{RelationId, SessionId};
use rand_xoshiro::rand_core::Rng;
use rustc_hash::FxHashMap;
use schema_rules::catalog::Sequence;
use sim_clock::Nanos;
use transactions::StepContext;

pub(crate) use compiled::{Compiled, Execution, Pool};
pub(crate) use ddl::DdlTask;
pub(crate) use machine::{Flow, Machine, StatementStepper, Task};
pub(crate) use planned::{PlannedTask, plan_now};
pub(crate) use reference::{Deferred, DeferredTask};
pub(crate) use scan::{mapped, series};
pub(crate) use serializable::SerialCommit;

use crate::error::{Result, error, not_modelled};
use crate::expr::Env;
use crate::plan::{SubPlan, name_of};
use crate::state::{SequenceData, Shared, Tuple};
use crate::value::Value;
use crate::virtual_table::{Mark, VirtualTable};

/// Rows as a query returns them.
pub(crate) type Rows = Rc<Vec<Rc<[Value]>>>;

/// What evaluation needs: the rows, the shared state, parameters.
pub(crate) struct Exec<'a, 'c> {
    pub(crate) cx: &'a mut StepContext<'c, Tuple>,
    pub(crate) shared: &'a Shared,
    pub(crate) params: &'a [Value],
    pub(crate) step_results: Vec<Value>,
    /// Results of subqueries that do not depend on the row, and of common table expressions.
    pub(crate) stored: &'a mut FxHashMap<usize, Rows>,
    /// How many rows were looked at, for the cost.
    pub(crate) rows_read: u64,
    /// Functions that the statement has to stop for.
    pub(crate) stops: &'a mut stops::Stops,
    /// Rows of virtual tables that are not among those that were made up for a query.
    pub(crate) unseen: u64,
    /// Where backfills of virtual tables have come to, if their rows are changed.
    pub(crate) marks: Vec<Mark>,
}

/// Whose time a function tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The transaction's start.
    Transaction,
    /// The statement's start.
    Statement,
    /// Now.
    Clock,
}

impl Exec<'_, '_> {
    pub(crate) fn session(&self) -> SessionId {
        self.cx.session()
    }

    /// The table if its rows are not stored.
    pub(crate) fn virtual_table(&self, relation: RelationId) -> Option<Rc<VirtualTable>> {
        let state = self.shared.get();
        if state.virtual_tables.is_empty() { None } else { state.virtual_tables.get(&relation).cloned() }
    }

    pub(crate) fn param(&self, at: usize) -> Result<Value> {
        let missing = || error("42P02", format!("there is no parameter ${}", at + 1));
        self.params.get(at).cloned().ok_or_else(missing)
    }

    pub(crate) fn subquery(&mut self, plan: &SubPlan, env: &Env<'_>) -> Result<Rows> {
        if plan.correlated {
            return query::run(self, &plan.plan, Some(env));
        }
        if let Some(rows) = self.stored.get(&plan.id) {
            return Ok(Rc::clone(rows));
        }
        let rows = query::run(self, &plan.plan, None)?;
        self.stored.insert(plan.id, Rc::clone(&rows));
        self.stops.stored.push(plan.id);
        Ok(rows)
    }

    /// A point in time as a `timestamptz`.
    pub(crate) fn time(&self, moment: Moment) -> Value {
        let state = self.shared.get();
        let session = state.session(self.session());
        let at: Nanos = match moment {
            Moment::Transaction => session.transaction_start,
            Moment::Statement => session.statement_start,
            Moment::Clock => self.cx.now(),
        };
        let micros = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX);
        Value::Timestamp(state.epoch.saturating_add(micros))
    }

    pub(crate) fn random(&self) -> f64 {
        let bits = self.shared.edit().random.next_u64() >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }

    /// A UUID of version 4.
    pub(crate) fn random_uuid(&self) -> u128 {
        let mut state = self.shared.edit();
        let bits = u128::from(state.random.next_u64()) << 64 | u128::from(state.random.next_u64());
        let version = 0x4_u128 << 76;
        let variant = 0x2_u128 << 62;
        bits & !(0xf_u128 << 76) & !(0x3_u128 << 62) | version | variant
    }

    fn sequence(&self, name: &str) -> Result<RelationId> {
        let written = name_of(name);
        let mut state = self.shared.edit();
        let catalog = state.catalog_of(self.session());
        let session = state.session(self.session());
        let Some(relation) = catalog.find(&session.lookup, &written) else {
            return Err(error("42P01", format!("relation \"{name}\" does not exist")));
        };
        if relation.as_sequence().is_none() {
            return Err(error("42809", format!("\"{name}\" is not a sequence")));
        }
        Ok(relation.id)
    }

    pub(crate) fn nextval(&self, name: &str) -> Result<Value> {
        let id = self.sequence(name)?;
        let catalog = self.shared.edit().catalog_of(self.session());
        let Some(definition) = catalog.relation(id).and_then(|r| r.as_sequence()) else {
            return Err(error("42P01", format!("relation \"{name}\" does not exist")));
        };
        self.next_of(id, definition)
    }

    /// The next value of a sequence that is known.
    pub(crate) fn next_of(&self, id: RelationId, definition: &Sequence) -> Result<Value> {
        let mut state = self.shared.edit();
        let data =
            state.sequences.entry(id).or_insert(SequenceData { last: definition.start, called: false });
        let next = if data.called { data.last.checked_add(definition.increment) } else { Some(data.last) };
        let inside = |n: &i64| (definition.min..=definition.max).contains(n);
        let value = match next.filter(inside) {
            Some(n) => n,
            None if definition.cycle && definition.increment > 0 => definition.min,
            None if definition.cycle => definition.max,
            None => {
                let (word, limit) = if definition.increment > 0 {
                    ("maximum", definition.max)
                } else {
                    ("minimum", definition.min)
                };
                let catalog = state.catalog_of(self.session());
                let name = catalog.relation(id).map_or("", |r| &*r.name);
                let message = format!("nextval: reached {word} value of sequence \"{name}\" ({limit})");
                return Err(error("2200H", message));
            }
        };
        *data = SequenceData { last: value, called: true };
        let session = state.session_mut(self.session());
        let own = session.own_mut();
        own.currval.insert(id, value);
        own.last_sequence = Some(id);
        Ok(Value::Int(value))
    }

    pub(crate) fn currval(&self, name: &str) -> Result<Value> {
        let id = self.sequence(name)?;
        let state = self.shared.get();
        state.session(self.session()).own().currval.get(&id).map(|n| Value::Int(*n)).ok_or_else(|| {
            let message = format!("currval of sequence \"{name}\" is not yet defined in this session");
            error("55000", message)
        })
    }

    pub(crate) fn lastval(&self) -> Result<Value> {
        let state = self.shared.get();
        let session = state.session(self.session());
        let own = session.own();
        let last = own.last_sequence.and_then(|id| own.currval.get(&id));
        last.map(|n| Value::Int(*n))
            .ok_or_else(|| error("55000", "lastval is not yet defined in this session"))
    }

    pub(crate) fn setval(&self, name: &str, value: i64, called: bool) -> Result<Value> {
        let id = self.sequence(name)?;
        let mut state = self.shared.edit();
        state.sequences.insert(id, SequenceData { last: value, called });
        if called {
            state.session_mut(self.session()).own_mut().currval.insert(id, value);
        }
        Ok(Value::Int(value))
    }

    pub(crate) fn serial_sequence(&self, table: &str, column: &str) -> Result<Value> {
        let mut state = self.shared.edit();
        let catalog = state.catalog_of(self.session());
        let session = state.session(self.session());
        let Some(relation) = catalog.find(&session.lookup, &name_of(table)) else {
            return Err(error("42P01", format!("relation \"{table}\" does not exist")));
        };
        let Some(column) = relation.column(column) else {
            let message = format!("column \"{column}\" of relation \"{}\" does not exist", relation.name);
            return Err(error("42703", message));
        };
        let owner = (relation.id, column.number);
        let owned = catalog.relations().find(|r| r.as_sequence().is_some_and(|s| s.owned_by == Some(owner)));
        Ok(owned.map_or(Value::Null, |s| Value::text(format!("{}.{}", s.schema, s.name))))
    }

    /// Which file a relation's rows are in: another number after a rewrite. NULL if there is no such relation.
    pub(crate) fn filenode(&self, name: &str) -> Value {
        let mut state = self.shared.edit();
        let catalog = state.catalog_of(self.session());
        let found = catalog.find(&state.session(self.session()).lookup, &name_of(name)).map(|r| r.id);
        let Some(relation) = found else { return Value::Null };
        // Relations have numbers of their own; the count of files goes above them.
        let file = i64::try_from(state.table(relation).file).unwrap_or(i64::MAX >> 32);
        Value::Int(file << 32 | i64::from(relation.0))
    }

    pub(crate) fn backend_pid(&self) -> i64 {
        crate::command::backend_pid(self.session())
    }

    pub(crate) fn server_version(&self) -> u32 {
        self.shared.get().version.major()
    }

    pub(crate) fn current_schema(&self) -> Value {
        let state = self.shared.get();
        let path = &state.session(self.session()).lookup.search_path;
        path.first().map_or(Value::Null, |name| Value::text(&**name))
    }

    pub(crate) fn setting(&self, name: &str, missing_ok: bool) -> Result<Value> {
        let name = name.to_ascii_lowercase();
        let state = self.shared.get();
        if let Some(value) = state.session(self.session()).own().settings.get(&name) {
            return Ok(Value::text(value.as_str()));
        }
        let session = state.session(self.session());
        match name.as_str() {
            "transaction_isolation" => return Ok(Value::text(session.isolation_level())),
            "default_transaction_isolation" => return Ok(Value::text(session.default_level())),
            _ => {}
        }
        if name == "server_version_num" {
            return Ok(Value::text(format!("{}0000", state.version.major())));
        }
        if missing_ok {
            return Ok(Value::Null);
        }
        if name.contains('.') {
            let message = format!("unrecognized configuration parameter \"{name}\"");
            return Err(error("42704", message));
        }
        Err(not_modelled(format!("the value of the setting {name}")))
    }
}
