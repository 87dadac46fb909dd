//! Statements that were parsed once, and the plans that are kept of them.

use std::cell::RefCell;
use std::rc::Rc;

use lock_table::SessionId;
use sql_syntax::ast::Statement;

use crate::error::Result;
use crate::exec::Compiled;
use crate::plan::{Plan, ResultColumn};
use crate::state::{CatalogStamp, State};
use crate::value::Type;

/// A statement that was parsed once, with its plan as long as that is good.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) statement: Rc<Statement>,
    pub(crate) types: Vec<Type>,
    /// What it returned when it was prepared: that may not change.
    pub(super) columns: Option<Vec<ResultColumn>>,
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

    /// One of PREPARE: with the types of its parameters, and the columns that it is bound to return.
    pub(super) fn returning(statement: Rc<Statement>, types: Vec<Type>, columns: Vec<ResultColumn>) -> Self {
        Self { statement, types, columns: Some(columns), plan: RefCell::new(None) }
    }

    pub(crate) fn kept_plan(&self, stamp: &CatalogStamp) -> Option<Rc<Plan>> {
        match &*self.plan.borrow() {
            Some(kept) if kept.stamp == *stamp => Some(Rc::clone(&kept.plan)),
            _ => None,
        }
    }

    /// The plan that is kept, if it is good for what the session sees now.
    #[inline]
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
