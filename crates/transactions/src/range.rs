//! Changes of whole stretches of a virtual relation's rows: a backfill of five million rows is one entry.
//!
//! A *range write* goes through the keys in order and takes its time for it. The rows that it has passed count
//! as changed by its transaction, the rows ahead of it are as they were:
//!
//! ```text
//!   first                next(now)                           last
//!     ├──── locked ─────────┼──── free, whoever comes ─────────┤
//! ```
//!
//! A row that somebody else deals with meanwhile gets versions of its own, with the range's transaction among
//! those who hold it, so that all else goes the way of any other row ([`crate::row_op`]).

use lock_table::{RelationId, RowKey, Xid};
use sim_clock::Nanos;

use crate::extent::Extent;
use crate::heap::{Csn, Deed, Heap, Member, MemberState, Origin, Row, TupleId, Xmax};
use crate::{RowLockStrength, SessionId};

/// One stretch that a transaction has changed or is changing.
#[derive(Clone, Debug)]
pub(crate) struct RangeWrite {
    pub(crate) id: u64,
    pub(crate) relation: RelationId,
    pub(crate) first: RowKey,
    /// The rows before this one are done.
    pub(crate) next: RowKey,
    /// Those that are being done: how many after `next`, from when on, in what time.
    pub(crate) stretch: (u64, Nanos, Nanos),
    pub(crate) xid: Xid,
    pub(crate) deed: Deed,
    pub(crate) command: u32,
    pub(crate) state: MemberState,
    /// Rows in it that have versions of their own.
    pub(crate) rows: Vec<RowKey>,
}

impl RangeWrite {
    /// The first row that is not done yet.
    fn reached(&self, now: Nanos) -> RowKey {
        let (rows, start, span) = self.stretch;
        let passed = now.0.saturating_sub(start.0);
        if passed >= span.0 {
            return self.next.saturating_add(rows);
        }
        let done = u128::from(rows) * u128::from(passed) / u128::from(span.0.max(1));
        self.next.saturating_add(u64::try_from(done).unwrap_or(rows))
    }

    pub(crate) fn covers(&self, relation: RelationId, key: RowKey, now: Nanos) -> bool {
        self.relation == relation && self.first <= key && key < self.reached(now)
    }
}

impl<P: Clone + Default> Heap<P> {
    /// From now on the relation has these rows, and those that are inserted.
    pub(crate) fn set_extent(&mut self, relation: RelationId, first: RowKey, last: RowKey) {
        self.drop_relation(relation);
        self.extents.insert(relation, Extent::of(first, last));
    }

    pub(crate) fn extent(&self, relation: RelationId) -> Option<&Extent> {
        if self.extents.is_empty() { None } else { self.extents.get(&relation) }
    }

    /// Whether a virtual relation has the row, as far as that is committed.
    pub(crate) fn exists(&self, relation: RelationId, key: RowKey) -> bool {
        self.extent(relation).is_none_or(|extent| extent.contains(key))
    }

    pub(crate) fn is_covered(&self, relation: RelationId, key: RowKey) -> bool {
        !self.ranges.is_empty() && self.ranges.iter().any(|range| range.covers(relation, key, self.now))
    }

    /// What a uniqueness check finds of a key without an entry: the transaction that is about to delete it.
    pub(crate) fn deleting(&self, relation: RelationId, key: RowKey) -> Option<Xid> {
        let of = |it: &&RangeWrite| it.deed == Deed::Deleted && it.covers(relation, key, self.now);
        self.ranges.iter().find(of).map(|it| it.xid)
    }

    /// Whether a transaction of whom `others` holds has a conflicting lock on the row by way of a range.
    pub(crate) fn is_held_by_range(
        &self,
        relation: RelationId,
        key: RowKey,
        strength: RowLockStrength,
        others: impl Fn(Xid) -> bool,
    ) -> bool {
        let holds = |it: &RangeWrite| {
            it.state == MemberState::Running
                && it.covers(relation, key, self.now)
                && others(it.xid)
                && it.deed.strength().conflicts_with(strength)
        };
        self.ranges.iter().any(holds)
    }

    /// Gives a row's first version what the ranges over it have done to it.
    pub(crate) fn apply_ranges(&mut self, relation: RelationId, key: RowKey, first: TupleId) {
        let mut newest = first;
        for at in 0..self.ranges.len() {
            let range = &mut self.ranges[at];
            if !range.covers(relation, key, self.now) {
                continue;
            }
            range.rows.push(key);
            let RangeWrite { xid, deed, command, state, .. } = *range;
            let (strength, updates) = (deed.strength(), !matches!(deed, Deed::Locked(_)));
            let member = Member { xid, strength, updates, command, state };
            let inherited = self.tuple(newest).xmax.inherited();
            self.tuple_mut(newest).xmax.enter(member);
            if let Deed::Updated(_) = deed {
                let origin = match state {
                    MemberState::Committed(csn) => Origin::Committed(csn),
                    _ => Origin::Running(xid),
                };
                let xmax = if matches!(state, MemberState::Running) { inherited } else { Xmax::default() };
                newest = self.append(newest, origin, command, P::default(), xmax);
            }
        }
    }

    pub(crate) fn range_mut(&mut self, id: u64) -> Option<&mut RangeWrite> {
        self.ranges.iter_mut().find(|range| range.id == id)
    }

    /// The next keys of a relation within these bounds, as far as they follow each other.
    pub(crate) fn next_span(
        &self,
        relation: RelationId,
        first: RowKey,
        last: RowKey,
    ) -> Option<(RowKey, RowKey)> {
        match self.extent(relation) {
            Some(extent) => extent.next_span(first, last),
            None => (first <= last).then_some((first, last)),
        }
    }

    /// The rows in a stretch that somebody deals with, in order; without those that this range has seen.
    pub(crate) fn entries_within(
        &self,
        relation: RelationId,
        first: RowKey,
        end: RowKey,
        range: u64,
    ) -> Vec<RowKey> {
        if end <= first {
            return Vec::new();
        }
        let seen = self.ranges.iter().find(|it| it.id == range).map_or(&[][..], |it| &it.rows);
        let mut found: Vec<RowKey> = if end - first <= self.virtual_rows.len() as u64 {
            (first..end).filter(|&key| self.virtual_rows.contains_key(&(relation, key))).collect()
        } else {
            // Sorted below: the order of the map does not matter.
            let keys = self.virtual_rows.keys().filter(|(it, _)| *it == relation).map(|&(_, key)| key);
            keys.filter(|key| (first..end).contains(key)).collect()
        };
        found.retain(|key| !seen.contains(key));
        found.sort_unstable();
        found
    }

    /// Settles the ranges of a transaction, or of the part of it that ends, which began at this key.
    pub(crate) fn settle_ranges(
        &mut self,
        (relation, first): (RelationId, RowKey),
        session: SessionId,
        committed: Option<Csn>,
        keep_old: bool,
        is_over: &impl Fn(Xid) -> bool,
    ) {
        let mut at = 0;
        while at < self.ranges.len() {
            let range = &mut self.ranges[at];
            let ours = range.relation == relation
                && range.first == first
                && range.state == MemberState::Running
                && range.xid.session() == session
                && is_over(range.xid);
            if !ours {
                at += 1;
                continue;
            }
            let rows = std::mem::take(&mut range.rows);
            let is_kept = keep_old && !matches!(range.deed, Deed::Locked(_));
            let (deed, end) = (range.deed, range.next);
            match committed {
                Some(csn) if is_kept => {
                    range.state = MemberState::Committed(csn);
                    at += 1;
                }
                _ => {
                    self.ranges.remove(at);
                }
            }
            if committed.is_some()
                && deed == Deed::Deleted
                && end > first
                && let Some(extent) = self.extents.get_mut(&relation)
            {
                extent.remove(first, end - 1);
            }
            for key in rows {
                if let Some(Row::Chain { oldest, .. }) = self.row(relation, key) {
                    self.settle_from(Some(oldest), (relation, key), session, committed, is_over);
                }
            }
        }
    }

    /// Forgets ranges whose changes every snapshot sees.
    pub(crate) fn prune_ranges(&mut self, horizon: Csn) {
        self.ranges.retain(|it| !matches!(it.state, MemberState::Committed(csn) if csn <= horizon));
    }
}
