//! What an index finds of a row: every version of it, whoever wrote it, with what is to become of it; and what
//! is committed of a relation, for whoever looks at it from outside of all sessions.

use lock_table::{RelationId, RowKey, SessionId};

use super::StepContext;
use crate::backends::Backends;
use crate::heap::Row;
use crate::tuple::DirtyState;

impl<P: Clone + Default> StepContext<'_, P> {
    /// All versions of a row with their content, oldest first, and for each whether it is there for a
    /// uniqueness check (`SnapshotDirty`).
    #[must_use]
    pub fn dirty_versions(&self, relation: RelationId, key: RowKey) -> Vec<(P, DirtyState)> {
        let heap = &self.backends.heap;
        if matches!(heap.row(relation, key), Some(Row::Simple { .. }) | None) {
            return Vec::new();
        }
        let versions = heap.versions(relation, key).map(|id| heap.tuple(id));
        versions.map(|tuple| (tuple.row.clone(), tuple.dirty_state(self.session))).collect()
    }
}

impl<P: Clone + Default> StepContext<'_, P> {
    /// How many rows of a stored relation are committed.
    #[must_use]
    pub fn committed_count(&self, relation: RelationId) -> u64 {
        self.backends.committed_rows(relation).len() as u64
    }
}

impl<P: Clone + Default> Backends<P> {
    /// The rows of a stored relation as they are committed, in the order of their keys.
    #[must_use]
    pub fn committed_rows(&self, relation: RelationId) -> Vec<(RowKey, P)> {
        // No session has this number, so that nothing counts as its own.
        let nobody = SessionId(u32::MAX >> 8);
        let visible = |key: RowKey| {
            let mut versions = self.heap.versions(relation, key).map(|id| self.heap.tuple(id));
            let found = versions.find(|tuple| tuple.is_visible(nobody, 0, self.last_commit))?;
            Some((key, found.row.clone()))
        };
        self.heap.keys(relation).filter_map(visible).collect()
    }
}
