//! The waits of a session for a row: the queue at its tuple lock, the transactions in the way, and the versions
//! that have come since. The whole picture is in [`crate::row_op`].

use lock_table::{LockTag, Scope, SessionId};
use sim_clock::Nanos;

use crate::backends::{Asked, Backends};
use crate::heap::{Member, NO_TUPLE, TupleId};
use crate::row_op::{Flow, Phase, RowOp, Turn, moved_away};
use crate::tuple::Verdict;
use crate::{Effects, RowLockStrength, SqlError, SqlState, StepOutcome, WaitPolicy};

impl<P: Clone + Default> Backends<P> {
    pub(crate) fn ask_tuple_lock(
        &mut self,
        now: Nanos,
        session: SessionId,
        op: &mut RowOp<P>,
        fx: &mut Effects,
    ) -> Turn<P> {
        let tag = self.heap.tuple(op.tuple).tag();
        op.phase = Phase::Wait;
        if op.skips_tuple_lock || op.tuple_lock.is_some() {
            return Turn::Again;
        }
        let mode = op.strength.tuple_lock_mode();
        match self.ask(now, session, tag, mode, Scope::Transaction, op.policy == WaitPolicy::Block, fx) {
            Asked::Have(hold) | Asked::Already(hold) => {
                op.tuple_lock = Some(hold);
                Turn::Again
            }
            Asked::Wait(hold) => {
                op.tuple_lock = Some(hold);
                Turn::End(Flow::Blocked)
            }
            Asked::Unavailable => Turn::End(row_not_available(op.policy, tag)),
            Asked::Deadlock => Turn::End(self.deadlock_error().into()),
        }
    }

    pub(crate) fn wait_for_holders(
        &mut self,
        now: Nanos,
        session: SessionId,
        op: &mut RowOp<P>,
        fx: &mut Effects,
    ) -> Turn<P> {
        while let Some(&xid) = op.in_the_way.last() {
            match self.wait_for_xid(now, session, xid, op.policy, fx) {
                Asked::Have(_) | Asked::Already(_) => {
                    op.in_the_way.pop();
                }
                Asked::Wait(_) => return Turn::End(Flow::Blocked),
                Asked::Unavailable => {
                    let tag = self.heap.tuple(op.tuple).tag();
                    return Turn::End(row_not_available(op.policy, tag));
                }
                Asked::Deadlock => return Turn::End(self.deadlock_error().into()),
            }
        }
        op.phase = if op.follows_updates() && op.was_updated {
            Phase::Follow { at: self.heap.tuple(op.tuple).next, after_wait: true }
        } else {
            Phase::Waited
        };
        Turn::Again
    }

    /// Goes to the newest version, waiting for whoever is about to replace the one at hand.
    pub(crate) fn chase(
        &mut self,
        now: Nanos,
        session: SessionId,
        op: &mut RowOp<P>,
        at: TupleId,
        fx: &mut Effects,
    ) -> Turn<P> {
        if at == NO_TUPLE {
            return Turn::End(Flow::Outcome(StepOutcome::Gone));
        }
        let tuple = self.heap.tuple(at);
        match tuple.xmax.updater() {
            Some(updater) if updater.runs() && !updater.is_of(session) => {
                let xid = updater.xid;
                match self.wait_for_xid(now, session, xid, op.policy, fx) {
                    Asked::Have(_) | Asked::Already(_) => {}
                    Asked::Wait(_) => return Turn::End(Flow::Blocked),
                    Asked::Unavailable => {
                        let tag = self.heap.tuple(at).tag();
                        return Turn::End(row_not_available(op.policy, tag));
                    }
                    Asked::Deadlock => return Turn::End(self.deadlock_error().into()),
                }
            }
            Some(_) if tuple.has_moved() => return Turn::End(moved_away().into()),
            Some(_) => op.phase = Phase::Chase { at: tuple.next },
            None => {
                op.tuple = at;
                op.is_first_look = true;
                op.skips_tuple_lock = false;
                op.phase = Phase::Examine;
            }
        }
        Turn::Again
    }

    /// Puts the lock on a later version, and on those after it.
    pub(crate) fn follow(
        &mut self,
        now: Nanos,
        session: SessionId,
        op: &mut RowOp<P>,
        at: TupleId,
        after_wait: bool,
        fx: &mut Effects,
    ) -> Turn<P> {
        if at == NO_TUPLE {
            let updater = self.heap.tuple(op.tuple).xmax.updater();
            let key_is_gone = updater.is_some_and(|it| it.strength == RowLockStrength::Update);
            op.phase = match (after_wait, key_is_gone) {
                (true, _) => Phase::Waited,
                (false, true) => Phase::Examine,
                (false, false) => Phase::Write,
            };
            return Turn::Again;
        }
        let tuple = self.heap.tuple(at);
        let (next, xmax) = (tuple.next, &tuple.xmax);
        if !xmax.members.iter().any(|it| it.is_of(session)) {
            let conflicts = |it: &&Member| it.strength.conflicts_with(op.strength);
            if let Some(&xid) = xmax.in_the_way(session, op.strength).first() {
                return match self.wait_for_xid(now, session, xid, WaitPolicy::Block, fx) {
                    Asked::Have(_) | Asked::Already(_) => Turn::Again,
                    Asked::Deadlock => Turn::End(self.deadlock_error().into()),
                    Asked::Wait(_) | Asked::Unavailable => Turn::End(Flow::Blocked),
                };
            }
            if xmax.updater().filter(conflicts).is_some() {
                let verdict = if next == NO_TUPLE { Verdict::Deleted } else { Verdict::Updated };
                return self.replaced(session, op, verdict, fx);
            }
            self.enter_xmax(session, at, op.strength, false);
        }
        let goes_on = self.heap.tuple(at).xmax.updater().is_some();
        op.phase = Phase::Follow { at: if goes_on { next } else { NO_TUPLE }, after_wait };
        Turn::Again
    }
}

fn row_not_available<P>(policy: WaitPolicy, tag: LockTag) -> Flow<P> {
    if policy == WaitPolicy::Skip {
        return Flow::Outcome(StepOutcome::Unavailable);
    }
    let what = "could not obtain lock on row in relation";
    SqlError::new(SqlState::LOCK_NOT_AVAILABLE, what).about(tag).into()
}
