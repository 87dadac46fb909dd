//! Looking at a server from outside of all sessions.

use lock_table::{LockMode, LockTag, RelationId, SessionId};
use schema_rules::catalog::{Catalog, RelationKind};
use transactions::{Backends, Waiter};

use super::Database;
use crate::plan::name_of;
use crate::state::Tuple;

impl Database {
    /// The catalog as it is committed.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.shared.get().catalog.clone()
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

    pub(super) fn find(&self, table: &str) -> Option<RelationId> {
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
}
