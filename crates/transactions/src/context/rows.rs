//! What an index finds of a row: every version of it, whoever wrote it, with what is to become of it; and what
//! is committed of a relation, for whoever looks at it from outside of all sessions.

use lock_table::{RelationId, RowKey, SessionId};

use super::StepContext;
use crate::backends::Backends;
use crate::heap::{Deed, Row};
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
    /// How many rows of a relation are committed, as far as that is known.
    #[must_use]
    pub fn committed_count(&self, relation: RelationId) -> u64 {
        if let Some(extent) = self.backends.heap.extent(relation) {
            return extent.count();
        }
        self.backends.committed_rows(relation).len() as u64
    }
}

/// Virtual relations of which it is known what rows they have.
impl<P: Clone + Default> StepContext<'_, P> {
    /// Whether the relation is virtual and has these rows only that were said and inserted.
    #[must_use]
    pub fn has_extent(&self, relation: RelationId) -> bool {
        self.backends.heap.extent(relation).is_some()
    }

    /// The least and the greatest key of such a relation.
    #[must_use]
    pub fn key_bounds(&self, relation: RelationId) -> Option<(RowKey, RowKey)> {
        self.backends.heap.extent(relation)?.bounds()
    }

    /// How many rows are committed between two keys.
    #[must_use]
    pub fn count_within(&self, relation: RelationId, first: RowKey, last: RowKey) -> u64 {
        self.backends.heap.extent(relation).map_or(0, |extent| extent.count_within(first, last))
    }

    /// The next stretch of keys that are committed, within these bounds.
    #[must_use]
    pub fn next_span(&self, relation: RelationId, first: RowKey, last: RowKey) -> Option<(RowKey, RowKey)> {
        self.backends.heap.extent(relation)?.next_span(first, last)
    }

    /// Whether the row is there for this session: committed, or inserted by itself.
    #[must_use]
    pub fn has_row(&self, relation: RelationId, key: RowKey) -> bool {
        let heap = &self.backends.heap;
        let session = self.session;
        match heap.row(relation, key) {
            None => heap.exists(relation, key),
            Some(Row::Simple { xid, deed }) if xid.session() == session => deed != Deed::Deleted,
            Some(Row::Simple { deed, .. }) => deed != Deed::Inserted,
            Some(Row::Chain { .. }) => {
                let command = self.backends.session(session).command;
                let now = self.backends.last_commit;
                let mut versions = heap.versions(relation, key).map(|id| heap.tuple(id));
                versions.any(|tuple| tuple.is_visible(session, command, now))
            }
        }
    }

    /// Whether another transaction holds the row so that this lock would have to wait: what SKIP LOCKED passes.
    #[must_use]
    pub fn is_row_busy(&self, relation: RelationId, key: RowKey, strength: crate::RowLockStrength) -> bool {
        let heap = &self.backends.heap;
        let others = |xid: lock_table::Xid| xid.session() != self.session;
        match heap.row(relation, key) {
            None => heap.is_held_by_range(relation, key, strength, others),
            Some(Row::Simple { xid, deed }) => others(xid) && deed.strength().conflicts_with(strength),
            Some(Row::Chain { newest, .. }) => heap.tuple(newest).xmax.conflict(self.session, strength).0,
        }
    }

    /// A key that no row of the relation ever had.
    pub fn fresh_key(&mut self, relation: RelationId) -> RowKey {
        self.backends.heap.extents.get_mut(&relation).map_or(1, crate::extent::Extent::fresh)
    }
}

impl<P: Clone + Default> Backends<P> {
    /// From now on the relation is virtual and has the rows from `first` to `last`, and those that are inserted.
    pub fn set_extent(&mut self, relation: RelationId, first: RowKey, last: RowKey) {
        self.heap.set_extent(relation, first, last);
    }

    /// How many rows of such a virtual relation are committed.
    #[must_use]
    pub fn extent_rows(&self, relation: RelationId) -> Option<u64> {
        Some(self.heap.extent(relation)?.count())
    }

    /// Takes over which rows another server's virtual relations have.
    pub fn copy_extents(&mut self, from: &Self) {
        self.heap.extents.clone_from(&from.heap.extents);
    }

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
