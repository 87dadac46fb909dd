//! Locking, updating and deleting a row that others may hold: who waits for whom, and for what.
//!
//! A row has no entry in the lock table as long as nobody waits. Who locks it is written on the version itself
//! (its `xmax`), and who finds a conflicting one there waits for that transaction to end. So that several who
//! wait keep their order, each first takes the version's *tuple lock* in the lock table: the first has it and
//! waits for the transaction, the others queue behind the first.
//!
//! ```text
//!   Examine ──free──────────────────────────────────────────► Write ──► done
//!      │ conflict                                                ▲
//!      ▼                                                         │ unchanged
//!   AskTupleLock ──granted──► Wait for each holder ──► Waited ───┤
//!      ▲                                                 │changed│ replaced, READ COMMITTED
//!      └───────────────────── Examine ◄──────────────────┘       ▼
//!                                ▲──────────live──────────── Chase the newest version
//! ```
//!
//! Who needs no conflicting lock (a share lock beside a share lock, a key-share lock beside an update of other
//! columns) passes those who wait: nothing in `Examine` looks at the tuple lock's queue. A weak lock of a
//! version that is being replaced is put on its successors, too (`Follow`), or it would be lost with the commit.
//!
//! Sources: `heap_lock_tuple`, `heap_update`, `heap_delete`, `heap_lock_updated_tuple` in `heapam.c`,
//! `heapam_tuple_lock` in `heapam_handler.c`, `README.tuplock`, `EvalPlanQual` in `execMain.c`.

use lock_table::{HoldId, LockMode, RelationId, RowKey, SessionId, Xid};
use sim_clock::Nanos;
use smallvec::SmallVec;

use crate::backends::Backends;
use crate::heap::{Member, MemberState, NO_TUPLE, Origin, TupleId};
use crate::session::Pending;
use crate::tuple::Verdict;
use crate::{Effects, EventKind, Isolation, RowLockStrength, SqlError, SqlState, StepOutcome, WaitPolicy};

/// What a session wants of a row.
pub(crate) enum Intent<P> {
    Lock,
    Update(P),
    /// And whether the row goes into another relation.
    Delete {
        moves: bool,
    },
    /// Lock the newest version after an update met a newer one than it was looking for.
    Recheck,
}

/// Where it stands.
pub(crate) enum Phase {
    Examine,
    AskTupleLock,
    /// Waits for those who were in the way, the next one last.
    Wait,
    Waited,
    /// Puts the lock on the versions after the one that is locked; goes on as the flag says.
    Follow {
        at: TupleId,
        after_wait: bool,
    },
    /// Looks for the newest version.
    Chase {
        at: TupleId,
    },
    Write,
}

/// A session's dealing with one row.
pub(crate) struct RowOp<P> {
    pub(crate) relation: RelationId,
    pub(crate) key: RowKey,
    /// The version that it is about now, and the one that it began with.
    pub(crate) tuple: TupleId,
    pub(crate) first: TupleId,
    pub(crate) intent: Intent<P>,
    pub(crate) strength: RowLockStrength,
    pub(crate) policy: WaitPolicy,
    pub(crate) phase: Phase,
    pub(crate) tuple_lock: Option<HoldId>,
    pub(crate) skips_tuple_lock: bool,
    pub(crate) is_first_look: bool,
    pub(crate) in_the_way: SmallVec<[Xid; 1]>,
    pub(crate) revision: u64,
    pub(crate) was_updated: bool,
}

/// What became of it for now.
pub(crate) enum Flow<P> {
    Outcome(StepOutcome<P>),
    Blocked,
    Error(Box<SqlError>),
}

impl<P> From<SqlError> for Flow<P> {
    fn from(error: SqlError) -> Self {
        Self::Error(Box::new(error))
    }
}

/// What one turn of the machine came to: the next one, or an end.
pub(crate) enum Turn<P> {
    Again,
    End(Flow<P>),
}

impl<P> RowOp<P> {
    pub(crate) fn new(
        relation: RelationId,
        key: RowKey,
        tuple: TupleId,
        intent: Intent<P>,
        strength: RowLockStrength,
        policy: WaitPolicy,
    ) -> Self {
        Self {
            relation,
            key,
            tuple,
            first: tuple,
            intent,
            strength,
            policy,
            phase: Phase::Examine,
            tuple_lock: None,
            skips_tuple_lock: false,
            is_first_look: true,
            in_the_way: SmallVec::new(),
            revision: 0,
            was_updated: false,
        }
    }

    fn only_locks(&self) -> bool {
        matches!(self.intent, Intent::Lock | Intent::Recheck)
    }

    /// Whether the lock has to be on later versions, too; `EvalPlanQual` goes to the newest one anyway.
    pub(crate) fn follows_updates(&self) -> bool {
        matches!(self.intent, Intent::Lock)
    }
}

impl<P: Clone + Default> Backends<P> {
    /// Goes on with the row until it is dealt with or the session has to wait.
    pub(crate) fn run_row(
        &mut self,
        now: Nanos,
        session: SessionId,
        mut op: RowOp<P>,
        fx: &mut Effects,
    ) -> Flow<P> {
        loop {
            let turn = match op.phase {
                Phase::Examine if op.only_locks() => self.examine_to_lock(session, &mut op, fx),
                Phase::Examine => self.examine_to_modify(session, &mut op, fx),
                Phase::AskTupleLock => self.ask_tuple_lock(now, session, &mut op, fx),
                Phase::Wait => self.wait_for_holders(now, session, &mut op, fx),
                Phase::Waited => self.look_again(session, &mut op, fx),
                Phase::Follow { at, after_wait } => self.follow(now, session, &mut op, at, after_wait, fx),
                Phase::Chase { at } => self.chase(now, session, &mut op, at, fx),
                Phase::Write => Turn::End(self.write(session, &mut op, fx)),
            };
            match turn {
                Turn::Again => {}
                Turn::End(Flow::Blocked) => {
                    self.session_mut(session).pending = Pending::Row(Box::new(op));
                    return Flow::Blocked;
                }
                Turn::End(flow) => {
                    self.release_tuple_lock(session, &mut op, fx);
                    return flow;
                }
            }
        }
    }

    /// Gives up a row that the session was dealing with: its statement failed.
    pub(crate) fn abandon_row(&mut self, session: SessionId, mut op: RowOp<P>, fx: &mut Effects) {
        self.release_tuple_lock(session, &mut op, fx);
    }

    fn examine_to_modify(&mut self, session: SessionId, op: &mut RowOp<P>, fx: &mut Effects) -> Turn<P> {
        let tuple = self.heap.tuple(op.tuple);
        match tuple.verdict(session) {
            Verdict::Free => op.phase = Phase::Write,
            Verdict::Invisible | Verdict::SelfModified => return Turn::End(Flow::Outcome(StepOutcome::Gone)),
            verdict @ (Verdict::Updated | Verdict::Deleted) => {
                return self.replaced(session, op, verdict, fx);
            }
            Verdict::BeingModified => {
                let (conflict, is_mine) = tuple.xmax.conflict(session, op.strength);
                if conflict {
                    op.skips_tuple_lock = is_mine;
                    self.prepare_to_wait(session, op);
                } else {
                    op.phase = Phase::Write;
                }
            }
        }
        Turn::Again
    }

    fn examine_to_lock(&mut self, session: SessionId, op: &mut RowOp<P>, fx: &mut Effects) -> Turn<P> {
        let tuple = self.heap.tuple(op.tuple);
        let verdict = tuple.verdict(session);
        match verdict {
            Verdict::Free => {
                op.phase = Phase::Write;
                return Turn::Again;
            }
            Verdict::Invisible | Verdict::SelfModified => return Turn::End(Flow::Outcome(StepOutcome::Gone)),
            Verdict::BeingModified | Verdict::Updated | Verdict::Deleted => {}
        }
        let xmax = &tuple.xmax;
        if std::mem::take(&mut op.is_first_look) {
            // Who holds as much already wants nothing more; who holds less must not queue for the rest, as
            // the first of the queue may be waiting for it.
            let mut mine = xmax.members.iter().filter(|it| it.is_of(session)).peekable();
            op.skips_tuple_lock = xmax.is_multi && mine.peek().is_some();
            if mine.any(|it| it.strength >= op.strength) {
                return Turn::End(self.locked(op));
            }
        }
        let flagged = xmax.flagged_strength();
        let is_updated = xmax.is_flagged_updated();
        if op.strength == RowLockStrength::KeyShare && flagged != Some(RowLockStrength::Update) {
            op.phase = if op.follows_updates() && is_updated {
                Phase::Follow { at: tuple.next, after_wait: false }
            } else {
                Phase::Write
            };
            return Turn::Again;
        }
        let need_not_wait = match op.strength {
            RowLockStrength::Share => !is_updated && flagged <= Some(RowLockStrength::Share),
            RowLockStrength::NoKeyUpdate => !xmax.conflict(session, op.strength).0,
            RowLockStrength::KeyShare | RowLockStrength::Update => false,
        };
        let is_only_mine = !xmax.is_multi && xmax.members.iter().all(|it| it.is_of(session));
        if need_not_wait || is_only_mine {
            op.phase = Phase::Write;
        } else if verdict == Verdict::BeingModified {
            self.prepare_to_wait(session, op);
        } else {
            return self.replaced(session, op, verdict, fx);
        }
        Turn::Again
    }

    /// Notes whom to wait for. The list stays as it is while the session queues for the tuple lock.
    fn prepare_to_wait(&self, session: SessionId, op: &mut RowOp<P>) {
        let xmax = &self.heap.tuple(op.tuple).xmax;
        op.in_the_way = xmax.in_the_way(session, op.strength);
        op.in_the_way.reverse();
        op.revision = xmax.revision;
        op.was_updated = xmax.is_flagged_updated();
        op.phase = Phase::AskTupleLock;
    }

    /// After the wait: if nobody else has come in, the row is free or replaced for good.
    fn look_again(&mut self, session: SessionId, op: &mut RowOp<P>, fx: &mut Effects) -> Turn<P> {
        let tuple = self.heap.tuple(op.tuple);
        if tuple.xmax.revision != op.revision && !tuple.xmax.members.is_empty() {
            op.phase = Phase::Examine;
        } else if tuple.xmax.updater().is_none() {
            op.phase = Phase::Write;
        } else {
            let verdict = if tuple.next == NO_TUPLE { Verdict::Deleted } else { Verdict::Updated };
            return self.replaced(session, op, verdict, fx);
        }
        Turn::Again
    }

    /// Another transaction has replaced the version and committed.
    pub(crate) fn replaced(
        &mut self,
        session: SessionId,
        op: &mut RowOp<P>,
        verdict: Verdict,
        fx: &mut Effects,
    ) -> Turn<P> {
        let woken_before = self.woken.len();
        self.release_tuple_lock(session, op, fx);
        let wakes_next = self.woken.len() > woken_before;
        if self.session(session).isolation == Isolation::RepeatableRead {
            // `ExecLockRows` calls both an update, `ExecUpdate` and `ExecDelete` do not.
            let is_gone = verdict == Verdict::Deleted && !self.heap.tuple(op.tuple).has_moved();
            let what = if is_gone && !matches!(op.intent, Intent::Lock) {
                "could not serialize access due to concurrent delete"
            } else {
                "could not serialize access due to concurrent update"
            };
            return Turn::End(SqlError::new(SqlState::SERIALIZATION_FAILURE, what).into());
        }
        if verdict == Verdict::Deleted {
            if self.heap.tuple(op.tuple).has_moved() {
                return Turn::End(moved_away().into());
            }
            return Turn::End(Flow::Outcome(StepOutcome::Gone));
        }
        if !op.only_locks() {
            op.intent = Intent::Recheck;
            op.policy = WaitPolicy::Block;
        }
        op.phase = Phase::Chase { at: self.heap.tuple(op.tuple).next };
        // The next in the queue is awake now, and both are after the newest version.
        if wakes_next && self.choose(2) == 1 {
            self.woken.push_back(session);
            return Turn::End(Flow::Blocked);
        }
        Turn::Again
    }

    fn write(&mut self, session: SessionId, op: &mut RowOp<P>, fx: &mut Effects) -> Flow<P> {
        let intent = std::mem::replace(&mut op.intent, Intent::Lock);
        let command = self.session(session).command;
        let mode = op.strength.tuple_lock_mode();
        let inherited = self.heap.tuple(op.tuple).xmax.inherited();
        let updates = matches!(intent, Intent::Update(_) | Intent::Delete { .. });
        let xid = self.enter_xmax(session, op.tuple, op.strength, updates);
        fx.push(session, EventKind::RowLocked, mode, self.heap.tuple(op.tuple).tag());
        match intent {
            Intent::Lock => self.locked(op),
            Intent::Recheck => {
                self.session_mut(session).rechecked = Some((op.relation, op.key, op.tuple));
                Flow::Outcome(StepOutcome::Recheck(self.heap.tuple(op.tuple).row.clone()))
            }
            Intent::Delete { moves } => {
                self.heap.tuple_mut(op.tuple).moved_by = moves.then_some(xid);
                Flow::Outcome(StepOutcome::Done)
            }
            Intent::Update(row) => {
                self.heap.append(op.tuple, Origin::Running(xid), command, row, inherited);
                Flow::Outcome(StepOutcome::Done)
            }
        }
    }

    fn locked(&self, op: &RowOp<P>) -> Flow<P> {
        let row = self.heap.tuple(op.tuple).row.clone();
        Flow::Outcome(StepOutcome::Locked { row, moved: op.tuple != op.first })
    }

    pub(crate) fn enter_xmax(
        &mut self,
        session: SessionId,
        tuple: TupleId,
        strength: RowLockStrength,
        updates: bool,
    ) -> Xid {
        let xid = self.assign_xid(session);
        let command = self.session(session).command;
        let member = Member { xid, strength, updates, command, state: MemberState::Running };
        let entry = self.heap.tuple_mut(tuple);
        entry.xmax.enter(member);
        let (relation, key) = (entry.relation, entry.key);
        self.touch(session, relation, key, tuple);
        xid
    }

    fn release_tuple_lock(&mut self, session: SessionId, op: &mut RowOp<P>, fx: &mut Effects) {
        let Some(hold) = op.tuple_lock.take() else { return };
        let tag = self.heap.tuple(op.tuple).tag();
        // A session that gave up waiting for the tuple lock has none.
        if self.table.hold_on(session, tag) == Some(hold) {
            self.give_back(session, tag, hold, op.strength.tuple_lock_mode(), fx);
        }
    }
}

/// Nobody goes after a row into another partition (`heapam_tuple_lock`).
pub(crate) fn moved_away() -> SqlError {
    let message = "tuple to be locked was already moved to another partition due to concurrent update";
    SqlError::new(SqlState::SERIALIZATION_FAILURE, message)
}

/// The mode in which one waits for a transaction's end.
pub(crate) const WAIT_FOR_END: LockMode = LockMode::Share;
