//! The schemas of temporary tables.

use std::rc::Rc;

use lock_table::SessionId;
use schema_rules::effects;

use super::Database;
use super::execute::parse;
use crate::job::Prepared;

impl Database {
    /// A session's temporary tables are in a schema of its own, which its names are looked up in first.
    pub(super) fn with_temporary_names(
        &mut self,
        session: SessionId,
        prepared: &Rc<Prepared>,
    ) -> Rc<Prepared> {
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
            state.session_mut(session).own_mut().temporary.push(table);
        }
        let path = &state.session(session).lookup.search_path;
        let first = path.iter().find(|n| ***n != *own).map_or("public", |n| &**n).to_owned();
        let qualified = crate::temporary::qualified(statement, &own, &first);
        Rc::new(Prepared::new(Rc::new(qualified)))
    }

    /// The temporary tables go with the session.
    pub(super) fn drop_temporary(&mut self, session: SessionId) {
        let own = format!("pg_temp_{}", session.0);
        let mut state = self.shared.edit();
        if state.catalog.schema(&own).is_none() {
            return;
        }
        let mut catalog = state.catalog.clone();
        let mut lookup = (*state.default_lookup).clone();
        let drop = parse(&format!("DROP SCHEMA {own} CASCADE")).unwrap_or_default();
        for statement in drop {
            let version = state.version;
            let done = effects::advance(&mut catalog, &mut lookup, &statement, version, &effects::NoFacts);
            state.catalog.apply_changes(&done.changes);
        }
    }
}
