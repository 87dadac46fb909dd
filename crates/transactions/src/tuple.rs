//! A version of a row, who wrote it, and who locks or replaces it (a heap tuple's header).

use lock_table::{LockTag, RelationId, RowKey, SessionId, Xid};
use smallvec::SmallVec;

use crate::RowLockStrength;

/// A version's place in the heap's slab.
pub(crate) type TupleId = u32;

/// No version.
pub(crate) const NO_TUPLE: TupleId = u32::MAX;

/// A commit's sequence number: a snapshot sees what was committed up to its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Csn(pub(crate) u64);

impl Csn {
    /// The time before everything: rows that nobody has written are of this age.
    pub(crate) const FIRST: Self = Self(0);
}

/// Who wrote a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Running(Xid),
    Committed(Csn),
}

/// How a member of an `xmax` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    Running,
    /// An updater that committed.
    Committed(Csn),
    /// A locker that ended, or an updater that was rolled back: kept in a multixact only, where its strength
    /// still counts among the flags of the row until the multixact is replaced.
    Over,
}

/// A transaction that locks a version or has replaced or deleted it.
///
/// The heap is told of each transaction's end and settles its members at once. (PostgreSQL finds out when it
/// next looks at the row, by `pg_xact` and hint bits.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) xid: Xid,
    pub(crate) strength: RowLockStrength,
    pub(crate) updates: bool,
    pub(crate) command: u32,
    pub(crate) state: MemberState,
}

impl Member {
    pub(crate) fn runs(&self) -> bool {
        self.state == MemberState::Running
    }

    pub(crate) fn is_of(&self, session: SessionId) -> bool {
        self.runs() && self.xid.session() == session
    }

    /// Whether it is of interest still: it runs, or is an updater that committed.
    fn counts(&self) -> bool {
        self.state != MemberState::Over
    }
}

/// A version's `xmax`: nobody, one transaction, or several at once (a multixact).
#[derive(Clone, Debug, Default)]
pub(crate) struct Xmax {
    /// Changes with every entry, so that a waiter can tell whether another came in between.
    pub(crate) revision: u64,
    pub(crate) is_multi: bool,
    pub(crate) members: SmallVec<[Member; 1]>,
}

impl Xmax {
    /// The transaction that replaces or has replaced the version.
    pub(crate) fn updater(&self) -> Option<&Member> {
        self.members.iter().find(|it| it.updates && it.counts())
    }

    /// Whether the row's flags say that it was updated, even if that was rolled back.
    pub(crate) fn is_flagged_updated(&self) -> bool {
        self.members.iter().any(|it| it.updates)
    }

    /// The strength that the row's flags tell; of a multixact, it may be that of a member that is over.
    pub(crate) fn flagged_strength(&self) -> Option<RowLockStrength> {
        self.members.iter().map(|it| it.strength).max()
    }

    pub(crate) fn runs(&self) -> bool {
        self.members.iter().any(Member::runs)
    }

    /// Enters a locker or updater beside those who are there (`compute_new_xmax_infomask` in `heapam.c`).
    pub(crate) fn enter(&mut self, new: Member) {
        let is_same = |it: &Member| (it.xid, it.strength, it.updates) == (new.xid, new.strength, new.updates);
        if self.members.iter().any(|it| it.runs() && is_same(it)) {
            return;
        }
        self.revision += 1;
        self.members.retain(|it| it.counts());
        match &mut self.members[..] {
            // A transaction that locks what it has locked keeps the stronger of the two.
            [only] if !self.is_multi && only.xid == new.xid && only.runs() => {
                *only = Member { strength: only.strength.max(new.strength), ..new };
            }
            [] => {
                self.members.push(new);
                self.is_multi = false;
            }
            _ => {
                self.members.push(new);
                self.is_multi = true;
            }
        }
    }

    /// Settles the members of which `is_over` holds: updaters have committed if `committed` says when, and
    /// all others are over. Without anybody left of interest, the version counts as untouched.
    pub(crate) fn settle(&mut self, committed: Option<Csn>, is_over: impl Fn(Xid) -> bool) {
        for member in self.members.iter_mut().filter(|it| it.runs() && is_over(it.xid)) {
            member.state = match committed {
                Some(csn) if member.updates => MemberState::Committed(csn),
                _ => MemberState::Over,
            };
        }
        if !self.members.iter().any(Member::counts) {
            self.members.clear();
            self.is_multi = false;
        }
    }

    /// What of it the next version inherits: the lockers that go on locking the row, and never the update
    /// itself. A single one is inherited as a key-share lock, whatever it was: anything stronger of another
    /// transaction would have kept the updater waiting.
    pub(crate) fn inherited(&self) -> Self {
        let weakened = |it: &Member| if self.is_multi { it.strength } else { RowLockStrength::KeyShare };
        let lockers = self.members.iter().filter(|it| it.runs() && !it.updates);
        Self {
            revision: 0,
            is_multi: self.is_multi,
            members: lockers.map(|it| Member { strength: weakened(it), ..*it }).collect(),
        }
    }

    /// Whether another transaction than the session's is in the way of this lock, and whether the session's
    /// own is among the members (`DoesMultiXactIdConflict`).
    pub(crate) fn conflict(&self, session: SessionId, wanted: RowLockStrength) -> (bool, bool) {
        let blocks = |it: &Member| it.counts() && !it.is_of(session) && it.strength.conflicts_with(wanted);
        (self.members.iter().any(blocks), self.members.iter().any(|it| it.is_of(session)))
    }

    /// The running transactions of others in the way of this lock, in the order in which they are waited
    /// for: that of their ids (`MultiXactIdWait`; the members are sorted when a multixact is made).
    pub(crate) fn in_the_way(&self, session: SessionId, wanted: RowLockStrength) -> SmallVec<[Xid; 1]> {
        let blocks = |it: &&Member| it.runs() && !it.is_of(session) && it.strength.conflicts_with(wanted);
        let mut xids: SmallVec<[Xid; 1]> = self.members.iter().filter(blocks).map(|it| it.xid).collect();
        xids.sort_unstable();
        xids
    }
}

/// A version of a row.
#[derive(Clone, Debug)]
pub(crate) struct Tuple<P> {
    pub(crate) relation: RelationId,
    pub(crate) key: RowKey,
    pub(crate) version: u32,
    pub(crate) origin: Origin,
    pub(crate) command: u32,
    pub(crate) xmax: Xmax,
    /// The version that replaced this one.
    pub(crate) next: TupleId,
    /// Who has moved the row into another relation, unless that was rolled back.
    pub(crate) moved_by: Option<Xid>,
    pub(crate) row: P,
}

impl<P> Tuple<P> {
    /// The tag under which those queue who want this version next.
    pub(crate) const fn tag(&self) -> LockTag {
        LockTag::Tuple { relation: self.relation, version: self.version, key: self.key }
    }
}

/// What a unique index would find of a row, without regard to snapshots (`SnapshotDirty`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirtyState {
    /// It is there.
    Live,
    /// It is not, or no more.
    Dead,
    /// Another transaction that still runs has inserted, changed or deleted it: wait for it and look again.
    Busy(Xid),
}

/// What a transaction that wants to change a version finds (`HeapTupleSatisfiesUpdate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be changed.
    Free,
    /// It is another's, not committed, or one's own and newer than the command.
    Invisible,
    /// The running command or an earlier one of the same transaction has replaced it.
    SelfModified,
    /// Running transactions lock it or are about to replace it.
    BeingModified,
    /// A committed transaction has replaced it.
    Updated,
    /// A committed transaction has deleted it.
    Deleted,
}

impl<P> Tuple<P> {
    /// Whether the row was moved into another relation for good.
    pub(crate) fn has_moved(&self) -> bool {
        self.moved_by.is_some() && self.xmax.updater().map(|updater| updater.xid) == self.moved_by
    }

    pub(crate) fn verdict(&self, session: SessionId) -> Verdict {
        if matches!(self.origin, Origin::Running(xid) if xid.session() != session) {
            return Verdict::Invisible;
        }
        match self.xmax.updater() {
            Some(updater) if updater.is_of(session) => Verdict::SelfModified,
            _ if self.xmax.runs() => Verdict::BeingModified,
            Some(_) if self.next != NO_TUPLE => Verdict::Updated,
            Some(_) => Verdict::Deleted,
            None => Verdict::Free,
        }
    }

    /// Whether the version is what this session's command sees under the snapshot
    /// (`HeapTupleSatisfiesMVCC`).
    pub(crate) fn is_visible(&self, session: SessionId, command: u32, snapshot: Csn) -> bool {
        let is_written = match self.origin {
            Origin::Running(xid) => xid.session() == session && self.command < command,
            Origin::Committed(csn) => csn <= snapshot,
        };
        let is_replaced = self.xmax.updater().is_some_and(|it| match it.state {
            MemberState::Committed(csn) => csn <= snapshot,
            _ => it.is_of(session) && it.command < command,
        });
        is_written && !is_replaced
    }

    /// Whether the version exists for a uniqueness check (`HeapTupleSatisfiesDirty`).
    pub(crate) fn dirty_state(&self, session: SessionId) -> DirtyState {
        if let Origin::Running(xid) = self.origin
            && xid.session() != session
        {
            return DirtyState::Busy(xid);
        }
        match self.xmax.updater() {
            None => DirtyState::Live,
            Some(it) if it.runs() && !it.is_of(session) => DirtyState::Busy(it.xid),
            Some(_) => DirtyState::Dead,
        }
    }
}
