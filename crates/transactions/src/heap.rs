//! The rows: chains of versions, kept only as far as somebody could see a difference.
//!
//! A relation is *virtual* unless it was declared stored. A virtual relation has every row that is asked for:
//! committed long ago, with `P::default()` in it, and locked by nobody. Only what differs from that is kept, so
//! a table of 10⁹ rows costs nothing but its locked rows. Such a row is a [`Row::Simple`] entry while one
//! transaction alone deals with it, and becomes a chain of versions when another comes.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use lock_table::{RelationId, RowKey, SessionId, Xid};
use persistent::{PersistentMap, PersistentVec};
use rustc_hash::FxHashMap;
use sim_clock::Nanos;

use crate::RowLockStrength;
use crate::extent::Extent;
use crate::range::RangeWrite;
use crate::tuple::DirtyState;
pub(crate) use crate::tuple::{Csn, Member, MemberState, NO_TUPLE, Origin, Tuple, TupleId, Xmax};

/// In place of a version: the touched row is the first of a range write.
pub(crate) const RANGE: TupleId = NO_TUPLE - 1;

/// What a transaction did to a row that nobody else deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Locked(RowLockStrength),
    Updated(RowLockStrength),
    Deleted,
    Inserted,
}

/// The state of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row {
    /// A virtual row in the hands of one transaction.
    Simple { xid: Xid, deed: Deed },
    /// A chain of versions from the oldest that anybody may need.
    Chain { oldest: TupleId, newest: TupleId },
}

/// A row that a transaction has to look at when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touched {
    pub(crate) relation: RelationId,
    pub(crate) key: RowKey,
    /// The version, or none if the row was simple then.
    pub(crate) tuple: TupleId,
}

/// A relation's rows, put aside while it is being replaced.
pub(crate) struct SavedRows<P> {
    pub(crate) relation: RelationId,
    rows: PersistentMap<RowKey, Row>,
    extent: Option<Extent>,
    _of: std::marker::PhantomData<P>,
}

/// All rows of all relations. A clone shares the pages that neither changes.
#[derive(Clone)]
pub(crate) struct Heap<P> {
    slab: PersistentVec<Tuple<P>>,
    free: Vec<TupleId>,
    pub(crate) virtual_rows: FxHashMap<(RelationId, RowKey), Row>,
    /// Which rows virtual relations have, where that was said.
    pub(crate) extents: FxHashMap<RelationId, Extent>,
    pub(crate) ranges: Vec<RangeWrite>,
    last_range: u64,
    /// The time of the call that is being carried out: how far a range has come depends on it.
    pub(crate) now: Nanos,
    stored: FxHashMap<RelationId, PersistentMap<RowKey, Row>>,
    /// Rows with versions that nobody needs once all snapshots are as new as this.
    pub(crate) prunable: VecDeque<(Csn, RelationId, RowKey)>,
}

impl<P> Default for Heap<P> {
    fn default() -> Self {
        Self {
            slab: PersistentVec::default(),
            free: Vec::new(),
            virtual_rows: FxHashMap::default(),
            extents: FxHashMap::default(),
            ranges: Vec::new(),
            last_range: 0,
            now: Nanos::ZERO,
            stored: FxHashMap::default(),
            prunable: VecDeque::new(),
        }
    }
}

impl<P: Clone + Default> Heap<P> {
    /// From now on the relation has the rows that are inserted and no others.
    pub(crate) fn store(&mut self, relation: RelationId) {
        self.extents.remove(&relation);
        self.stored.entry(relation).or_default();
    }

    pub(crate) fn drop_relation(&mut self, relation: RelationId) {
        self.stored.remove(&relation);
        self.extents.remove(&relation);
    }

    pub(crate) fn new_range_id(&mut self) -> u64 {
        self.last_range += 1;
        self.last_range
    }

    pub(crate) fn is_stored(&self, relation: RelationId) -> bool {
        !self.stored.is_empty() && self.stored.contains_key(&relation)
    }

    pub(crate) fn row(&self, relation: RelationId, key: RowKey) -> Option<Row> {
        if !self.stored.is_empty()
            && let Some(rows) = self.stored.get(&relation)
        {
            return rows.get(&key).copied();
        }
        self.virtual_rows.get(&(relation, key)).copied()
    }

    fn set_row(&mut self, relation: RelationId, key: RowKey, row: Row) {
        match self.stored.get_mut(&relation) {
            Some(rows) => rows.insert(key, row),
            None => self.virtual_rows.insert((relation, key), row),
        };
    }

    fn remove_row(&mut self, relation: RelationId, key: RowKey) {
        match self.stored.get_mut(&relation) {
            Some(rows) => rows.remove(&key),
            None => self.virtual_rows.remove(&(relation, key)),
        };
    }

    /// The keys of a stored relation, in order.
    pub(crate) fn keys(&self, relation: RelationId) -> impl Iterator<Item = RowKey> {
        self.stored.get(&relation).into_iter().flat_map(|rows| rows.iter().map(|(key, _)| *key))
    }

    /// The rows of a stored relation with their keys, in order.
    pub(crate) fn rows(&self, relation: RelationId) -> impl Iterator<Item = (RowKey, Row)> {
        self.stored.get(&relation).into_iter().flat_map(|rows| rows.iter().map(|(key, row)| (*key, *row)))
    }

    pub(crate) fn tuple(&self, id: TupleId) -> &Tuple<P> {
        &self.slab[id as usize]
    }

    pub(crate) fn tuple_mut(&mut self, id: TupleId) -> &mut Tuple<P> {
        &mut self.slab[id as usize]
    }

    /// The versions of a row, oldest first.
    pub(crate) fn versions(&self, relation: RelationId, key: RowKey) -> impl Iterator<Item = TupleId> {
        let oldest = match self.row(relation, key) {
            Some(Row::Chain { oldest, .. }) => Some(oldest),
            _ => None,
        };
        self.chain_from(oldest)
    }

    pub(crate) fn chain_from(&self, first: Option<TupleId>) -> impl Iterator<Item = TupleId> {
        std::iter::successors(first, |&id| Some(self.slab[id as usize].next).filter(|&next| next != NO_TUPLE))
    }

    /// Turns a simple row into a chain of versions, as it is about to be seen by others. A virtual row that
    /// is not kept at all becomes a chain of one.
    pub(crate) fn inflate(&mut self, relation: RelationId, key: RowKey) -> Option<TupleId> {
        let (xid, deed) = match self.row(relation, key) {
            Some(Row::Chain { oldest, .. }) => return Some(oldest),
            Some(Row::Simple { xid, deed }) => (Some(xid), Some(deed)),
            None if self.is_stored(relation) || !self.exists(relation, key) => return None,
            None => (None, None),
        };
        let written = match (xid, deed) {
            (Some(xid), Some(Deed::Inserted)) => Origin::Running(xid),
            _ => Origin::Committed(Csn::FIRST),
        };
        let first = self.add(Tuple::new(relation, key, written, 0, P::default()));
        self.set_row(relation, key, Row::Chain { oldest: first, newest: first });
        let (Some(xid), Some(deed)) = (xid, deed) else {
            self.apply_ranges(relation, key, first);
            return Some(first);
        };
        let (strength, updates) = match deed {
            Deed::Inserted => return Some(first),
            Deed::Locked(strength) => (strength, false),
            Deed::Updated(strength) => (strength, true),
            Deed::Deleted => (RowLockStrength::Update, true),
        };
        self.tuple_mut(first).xmax.enter(Member {
            xid,
            strength,
            updates,
            command: 0,
            state: MemberState::Running,
        });
        if matches!(deed, Deed::Updated(_)) {
            self.append(first, Origin::Running(xid), 0, P::default(), Xmax::default());
        }
        Some(first)
    }

    /// A new row.
    pub(crate) fn insert(
        &mut self,
        relation: RelationId,
        key: RowKey,
        xid: Xid,
        command: u32,
        row: P,
    ) -> TupleId {
        let id = self.add(Tuple::new(relation, key, Origin::Running(xid), command, row));
        self.set_row(relation, key, Row::Chain { oldest: id, newest: id });
        id
    }

    /// A row that was always there.
    pub(crate) fn seed(&mut self, relation: RelationId, key: RowKey, row: P) {
        let id = self.add(Tuple::new(relation, key, Origin::Committed(Csn::FIRST), 0, row));
        self.set_row(relation, key, Row::Chain { oldest: id, newest: id });
    }

    /// A new version after this one, which is the newest.
    pub(crate) fn append(
        &mut self,
        old: TupleId,
        origin: Origin,
        command: u32,
        row: P,
        xmax: Xmax,
    ) -> TupleId {
        let Tuple { relation, key, version, .. } = *self.tuple(old);
        let version = version + 1;
        let new = self.add(Tuple { version, xmax, ..Tuple::new(relation, key, origin, command, row) });
        self.tuple_mut(old).next = new;
        if let Some(Row::Chain { oldest, .. }) = self.row(relation, key) {
            self.set_row(relation, key, Row::Chain { oldest, newest: new });
        }
        new
    }

    fn add(&mut self, tuple: Tuple<P>) -> TupleId {
        if let Some(id) = self.free.pop() {
            self.slab[id as usize] = tuple;
            return id;
        }
        self.slab.push(tuple);
        u32::try_from(self.slab.len() - 1).expect("fewer than 2^32 versions fit into memory")
    }

    /// Gives a version's place back. Whoever still remembers having touched it finds nothing of his own in it.
    fn free(&mut self, id: TupleId) {
        let tuple = &mut self.slab[id as usize];
        debug_assert!(!self.free.contains(&id) || self.free.len() > 64, "a version is freed once");
        (tuple.row, tuple.next) = (P::default(), NO_TUPLE);
        tuple.origin = Origin::Committed(Csn::FIRST);
        tuple.xmax = Xmax::default();
        self.free.push(id);
    }

    /// Settles what the session's transaction did to a row: `committed` says when it committed, or else
    /// which of its ids are rolled back.
    pub(crate) fn settle(
        &mut self,
        at: Touched,
        session: SessionId,
        committed: Option<Csn>,
        keep_old: bool,
        is_over: impl Fn(Xid) -> bool,
    ) {
        let Touched { relation, key, tuple } = at;
        if tuple == RANGE {
            return self.settle_ranges((relation, key), session, committed, keep_old, &is_over);
        }
        if tuple == NO_TUPLE
            && !self.is_stored(relation)
            && let Entry::Occupied(entry) = self.virtual_rows.entry((relation, key))
            && let Row::Simple { xid, deed } = *entry.get()
        {
            if xid.session() != session || !is_over(xid) {
                return;
            }
            if committed.is_some()
                && matches!(deed, Deed::Inserted | Deed::Deleted)
                && let Some(extent) = self.extents.get_mut(&relation)
            {
                if deed == Deed::Inserted { extent.add(key) } else { extent.remove(key, key) }
            }
            if !keep_old || committed.is_none() || matches!(deed, Deed::Locked(_)) {
                entry.remove();
                return;
            }
            self.inflate(relation, key);
        }
        if let Some(Row::Chain { oldest, .. }) = self.row(relation, key) {
            let from = if tuple == NO_TUPLE { oldest } else { tuple };
            self.settle_from(Some(from), (relation, key), session, committed, &is_over);
        }
    }

    pub(crate) fn settle_from(
        &mut self,
        from: Option<TupleId>,
        (relation, key): (RelationId, RowKey),
        session: SessionId,
        committed: Option<Csn>,
        is_over: &impl Fn(Xid) -> bool,
    ) {
        let ours = |xid: Xid| xid.session() == session && is_over(xid);
        let mut next = from;
        let mut may_prune = !self.is_stored(relation);
        while let Some(id) = next {
            let tuple = &mut self.slab[id as usize];
            next = Some(tuple.next).filter(|&next| next != NO_TUPLE);
            if let Origin::Running(xid) = tuple.origin
                && ours(xid)
            {
                match committed {
                    Some(csn) => {
                        tuple.origin = Origin::Committed(csn);
                        if let Some(extent) = self.extents.get_mut(&relation) {
                            extent.add(key);
                        }
                    }
                    None => {
                        self.cut_off(id);
                        break;
                    }
                }
            }
            tuple.xmax.settle(committed, ours);
            if committed.is_some()
                && next.is_none()
                && tuple.xmax.updater().is_some_and(|it| !it.runs())
                && let Some(extent) = self.extents.get_mut(&relation)
            {
                extent.remove(key, key);
            }
            may_prune |= tuple.xmax.updater().is_some_and(|it| !it.runs());
        }
        if may_prune {
            let csn = committed.unwrap_or(Csn::FIRST);
            self.prunable.push_back((csn, relation, key));
        }
    }

    /// Removes a version that was rolled back, and those after it, which are of the same transaction.
    fn cut_off(&mut self, id: TupleId) {
        let Tuple { relation, key, .. } = self.slab[id as usize];
        let before = self.versions(relation, key).take_while(|&it| it != id).last();
        let doomed: Vec<_> = self.chain_from(Some(id)).collect();
        for id in doomed {
            self.free(id);
        }
        match (before, self.row(relation, key)) {
            (Some(before), Some(Row::Chain { oldest, .. })) => {
                self.tuple_mut(before).next = NO_TUPLE;
                self.set_row(relation, key, Row::Chain { oldest, newest: before });
            }
            _ => self.remove_row(relation, key),
        }
    }

    /// Frees the versions that no snapshot older than `horizon` can see any more (HOT pruning).
    pub(crate) fn prune(&mut self, horizon: Csn) {
        self.prune_ranges(horizon);
        while let Some(&(csn, relation, key)) = self.prunable.front()
            && csn <= horizon
        {
            self.prunable.pop_front();
            self.prune_row(relation, key, horizon);
        }
    }

    fn prune_row(&mut self, relation: RelationId, key: RowKey, horizon: Csn) {
        let Some(Row::Chain { mut oldest, newest }) = self.row(relation, key) else { return };
        loop {
            let tuple = self.tuple(oldest);
            let is_dead = !tuple.xmax.runs()
                && tuple
                    .xmax
                    .updater()
                    .is_some_and(|it| matches!(it.state, MemberState::Committed(csn) if csn <= horizon));
            if !is_dead {
                break;
            }
            let next = tuple.next;
            self.free(oldest);
            if next == NO_TUPLE {
                return self.remove_row(relation, key);
            }
            oldest = next;
        }
        let tuple = self.tuple(oldest);
        let is_settled = matches!(tuple.origin, Origin::Committed(csn) if csn <= horizon);
        if oldest == newest && is_settled && tuple.xmax.members.is_empty() && !self.is_stored(relation) {
            self.free(oldest);
            return self.remove_row(relation, key);
        }
        self.set_row(relation, key, Row::Chain { oldest, newest });
    }

    /// What a uniqueness check finds of a key, whoever wrote it.
    pub(crate) fn dirty_state(&self, relation: RelationId, key: RowKey, session: SessionId) -> DirtyState {
        match self.row(relation, key) {
            Some(Row::Simple { xid, deed }) => match deed {
                Deed::Locked(_) => DirtyState::Live,
                _ if xid.session() != session => DirtyState::Busy(xid),
                Deed::Deleted => DirtyState::Dead,
                Deed::Updated(_) | Deed::Inserted => DirtyState::Live,
            },
            Some(Row::Chain { .. }) => {
                let mut states = self.versions(relation, key).map(|id| self.tuple(id).dirty_state(session));
                states.find(|&state| state != DirtyState::Dead).unwrap_or(DirtyState::Dead)
            }
            None if self.extent(relation).is_some_and(|extent| extent.contains(key)) => {
                match self.deleting(relation, key) {
                    Some(xid) if xid.session() != session => DirtyState::Busy(xid),
                    Some(_) => DirtyState::Dead,
                    None => DirtyState::Live,
                }
            }
            None => DirtyState::Dead,
        }
    }

    pub(crate) fn remembered(&self, relation: RelationId) -> usize {
        match self.stored.get(&relation) {
            Some(rows) => rows.len(),
            None => self.virtual_rows.keys().filter(|(it, _)| *it == relation).count(),
        }
    }

    /// Empties a stored relation; what was in it can be put back.
    pub(crate) fn take_rows(&mut self, relation: RelationId) -> SavedRows<P> {
        let rows = self.stored.get_mut(&relation).map(std::mem::take).unwrap_or_default();
        let extent = self.extents.get_mut(&relation).map(std::mem::take);
        SavedRows { relation, rows, extent, _of: std::marker::PhantomData }
    }

    /// Puts back what was there before; what came since is gone.
    pub(crate) fn put_back(&mut self, saved: SavedRows<P>) {
        let now = self.take_rows(saved.relation);
        self.forget(now);
        if let Some(rows) = self.stored.get_mut(&saved.relation) {
            *rows = saved.rows;
        }
        if let Some(extent) = saved.extent {
            self.extents.insert(saved.relation, extent);
        }
    }

    /// Frees rows that were put aside.
    pub(crate) fn forget(&mut self, saved: SavedRows<P>) {
        for row in saved.rows.values() {
            if let Row::Chain { oldest, .. } = row {
                let chain: Vec<_> = self.chain_from(Some(*oldest)).collect();
                chain.into_iter().for_each(|id| self.free(id));
            }
        }
    }
}

impl Row {
    /// What it is after its only transaction has done this to it, too; nothing if it is not that one's alone.
    pub(crate) fn and(self, by: Option<Xid>, deed: Deed) -> Option<Self> {
        match self {
            Self::Simple { xid, deed: done } if by == Some(xid) => {
                Some(Self::Simple { xid, deed: done.and(deed)? })
            }
            _ => None,
        }
    }
}

impl Deed {
    /// How strongly the row is locked by it.
    pub(crate) const fn strength(self) -> RowLockStrength {
        match self {
            Self::Locked(strength) | Self::Updated(strength) => strength,
            Self::Deleted | Self::Inserted => RowLockStrength::Update,
        }
    }

    /// What remains to be remembered when a transaction does this after that; `None` if it takes versions.
    fn and(self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Locked(a), Self::Locked(b)) => Some(Self::Locked(a.max(b))),
            (Self::Locked(a), Self::Updated(b)) => Some(Self::Updated(a.max(b))),
            (Self::Locked(_), Self::Deleted) => Some(Self::Deleted),
            (Self::Updated(a), Self::Updated(b)) => Some(Self::Updated(a.max(b))),
            (Self::Updated(_), Self::Locked(_)) => None,
            _ => None,
        }
    }
}

impl<P> Tuple<P> {
    fn new(relation: RelationId, key: RowKey, origin: Origin, command: u32, row: P) -> Self {
        Self {
            relation,
            key,
            version: 0,
            origin,
            command,
            xmax: Xmax::default(),
            next: NO_TUPLE,
            moved_by: None,
            row,
        }
    }
}
