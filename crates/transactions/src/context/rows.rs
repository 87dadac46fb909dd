//! What an index finds of a row: every version of it, whoever wrote it, with what is to become of it.

use lock_table::{RelationId, RowKey};

use super::{DirtyState, StepContext};
use crate::heap::{Origin, Row};

impl<P: Clone + Default> StepContext<'_, P> {
    /// All versions of a row with their content, oldest first, and for each whether it is there for a
    /// uniqueness check (`SnapshotDirty`).
    #[must_use]
    pub fn dirty_versions(&self, relation: RelationId, key: RowKey) -> Vec<(P, DirtyState)> {
        let heap = &self.backends.heap;
        if matches!(heap.row(relation, key), Some(Row::Simple { .. }) | None) {
            return Vec::new();
        }
        let state = |tuple: &crate::heap::Tuple<P>| {
            if let Origin::Running(xid) = tuple.origin
                && xid.session() != self.session
            {
                return DirtyState::Busy(xid);
            }
            match tuple.xmax.updater() {
                None => DirtyState::Live,
                Some(it) if it.runs() && !it.is_of(self.session) => DirtyState::Busy(it.xid),
                Some(_) => DirtyState::Dead,
            }
        };
        let versions = heap.versions(relation, key).map(|id| heap.tuple(id));
        versions.map(|tuple| (tuple.row.clone(), state(tuple))).collect()
    }

    /// Whether any version of the row is still kept: an index entry without one is of no use any more.
    #[must_use]
    pub fn has_versions(&self, relation: RelationId, key: RowKey) -> bool {
        self.backends.heap.row(relation, key).is_some()
    }
}
