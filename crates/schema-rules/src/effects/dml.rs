//! Statements that read and change rows.
use sql_syntax::ast::*;
use super::run::{Outcome, Run};
impl Run<'_> {
    pub(super) fn query(&mut self, query: &Query) -> Outcome { self.lock_query(query) }
    pub(super) fn lock_query(&mut self, query: &Query) -> Outcome {
        for id in self.query_relations(query) { self.lock(id, lock_table::LockMode::AccessShare); }
        Ok(())
    }
}
