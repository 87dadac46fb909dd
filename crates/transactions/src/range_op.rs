//! Carrying out a range write: a stretch, the time that it takes, the rows in it that others hold, the next one.
//!
//! ```text
//!   Next ──work──► Arrived ──for each row that somebody deals with──► Meet ──► Next … ──► done
//! ```
//!
//! Rows are dealt with in the order of their keys. Where a row that another transaction holds comes up, the
//! stretch ends before it and the row is waited for like any other; those behind it stay free meanwhile. A row
//! that another comes to hold ahead of the front is found when its stretch is done, which is never more than
//! [`STRETCH`] later, or at once if a row takes longer than that.

use lock_table::{RelationId, RowKey, SessionId};
use sim_clock::Nanos;

use crate::backends::Backends;
use crate::heap::{Deed, MemberState, RANGE};
use crate::range::RangeWrite;
use crate::row_op::{Flow, Intent};
use crate::session::Pending;
use crate::{Effects, RangeDeed, RowLockStrength, StepOutcome, TimerKind, WaitPolicy};

/// How much work is done between two looks at the rows ahead.
const STRETCH: Nanos = Nanos::from_millis(5);

/// Where a range write stands.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// To begin with the stretch from here on.
    Next(RowKey),
    /// The work of a stretch is done; this is its end.
    Arrived { first: RowKey, end: RowKey },
    /// Rows that somebody deals with are to be dealt with one by one; then it goes on from here.
    Meet { then: RowKey },
    /// One of them was replaced and is to be looked at again, which takes as long as any row.
    Again { then: RowKey },
}

/// A range write under way.
#[derive(Clone, Debug)]
pub(crate) struct RangeOp {
    range: u64,
    relation: RelationId,
    last: RowKey,
    deed: RangeDeed,
    /// How long all rows together take, how many they are, and how many of them are done.
    work: Nanos,
    total: u64,
    passed: u64,
    /// How many were changed.
    rows: u64,
    /// Rows to be met, the next one last.
    met: Vec<RowKey>,
    phase: Phase,
}

impl RangeOp {
    /// The time that the next so many rows take: sums do not drift.
    fn time_of(&self, rows: u64) -> Nanos {
        let until = |rows: u64| {
            let nanos = u128::from(self.work.0) * u128::from(rows) / u128::from(self.total.max(1));
            u64::try_from(nanos).unwrap_or(u64::MAX)
        };
        Nanos(until(self.passed.saturating_add(rows)).saturating_sub(until(self.passed)))
    }

    /// How many rows make a stretch.
    fn at_once(&self) -> u64 {
        if self.work <= STRETCH {
            return u64::MAX;
        }
        let rows = u128::from(self.total) * u128::from(STRETCH.0) / u128::from(self.work.0);
        u64::try_from(rows).unwrap_or(u64::MAX).max(1)
    }
}

impl RangeDeed {
    const fn strength(self) -> RowLockStrength {
        match self {
            Self::Lock(strength) => strength,
            Self::Update { key_columns_changed: false } => RowLockStrength::NoKeyUpdate,
            Self::Update { key_columns_changed: true } | Self::Delete => RowLockStrength::Update,
        }
    }

    const fn deed(self) -> Deed {
        match self {
            Self::Lock(strength) => Deed::Locked(strength),
            Self::Update { .. } => Deed::Updated(self.strength()),
            Self::Delete => Deed::Deleted,
        }
    }

    fn intent<P: Default>(self) -> Intent<P> {
        match self {
            Self::Lock(_) => Intent::Lock,
            Self::Update { .. } => Intent::Update(P::default()),
            Self::Delete => Intent::Delete { moves: false },
        }
    }
}

impl<P: Clone + Default> Backends<P> {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn begin_range(
        &mut self,
        now: Nanos,
        session: SessionId,
        relation: RelationId,
        (first, last): (RowKey, RowKey),
        deed: RangeDeed,
        work: Nanos,
        fx: &mut Effects,
    ) -> Flow<P> {
        let total = match self.heap.extent(relation) {
            Some(extent) => extent.count_within(first, last),
            None if self.heap.is_stored(relation) => 0,
            None => last.saturating_sub(first).saturating_add(1),
        };
        if total == 0 || last < first {
            return Flow::Outcome(StepOutcome::Range { rows: 0 });
        }
        let xid = self.assign_xid(session);
        let command = self.session(session).command;
        self.snapshot(session);
        let id = self.heap.new_range_id();
        self.heap.ranges.push(RangeWrite {
            id,
            relation,
            first,
            next: first,
            stretch: (0, now, Nanos::ZERO),
            xid,
            deed: deed.deed(),
            command,
            state: MemberState::Running,
            rows: Vec::new(),
        });
        self.touch(session, relation, first, RANGE);
        let phase = Phase::Next(first);
        let op = RangeOp {
            range: id,
            relation,
            last,
            deed,
            work,
            total,
            passed: 0,
            rows: 0,
            met: Vec::new(),
            phase,
        };
        self.run_range(now, session, Box::new(op), fx)
    }

    /// Goes on until the range is done or has to wait.
    pub(crate) fn run_range(
        &mut self,
        now: Nanos,
        session: SessionId,
        mut op: Box<RangeOp>,
        fx: &mut Effects,
    ) -> Flow<P> {
        loop {
            match op.phase {
                Phase::Next(from) => {
                    let Some((first, end)) = self.next_stretch(&op, from) else {
                        self.advance_range(op.range, op.last.saturating_add(1));
                        return Flow::Outcome(StepOutcome::Range { rows: op.rows });
                    };
                    let (plain, all) = (end - first, (end - first).max(1));
                    let span = op.time_of(all);
                    op.passed += all;
                    op.phase = Phase::Arrived { first, end };
                    if let Some(range) = self.heap.range_mut(op.range) {
                        range.next = first;
                        range.stretch = (plain, now, span);
                    }
                    if span > Nanos::ZERO {
                        return self.work_on_range(now, session, op, span, fx);
                    }
                }
                Phase::Arrived { first, end } => {
                    // A stretch of no rows stands for the one at its end, which somebody held.
                    let until = end.max(first.saturating_add(1));
                    op.met = self.heap.entries_within(op.relation, first, until, op.range);
                    op.rows +=
                        (end - first).saturating_sub(op.met.iter().filter(|key| **key < end).count() as u64);
                    if end == first && op.met.is_empty() {
                        op.rows += 1;
                    }
                    op.met.reverse();
                    // Up to the first row that is held the stretch is done.
                    let done = op.met.last().map_or(until, |key| *key);
                    self.advance_range(op.range, done);
                    op.phase = Phase::Meet { then: until };
                }
                Phase::Meet { then } => {
                    let Some(key) = op.met.pop() else {
                        self.advance_range(op.range, then);
                        op.phase = Phase::Next(then);
                        continue;
                    };
                    self.advance_range(op.range, key);
                    op.met.push(key);
                    let (relation, deed) = (op.relation, op.deed);
                    let (intent, strength) = (deed.intent(), deed.strength());
                    let flow = self.deal_with_row(
                        now,
                        session,
                        relation,
                        key,
                        intent,
                        strength,
                        WaitPolicy::Block,
                        fx,
                    );
                    match flow {
                        Flow::Outcome(outcome) => {
                            if let Some(span) = op.met_row(&outcome) {
                                return self.work_on_range(now, session, op, span, fx);
                            }
                        }
                        Flow::Blocked => {
                            self.session_mut(session).range = Some(op);
                            return Flow::Blocked;
                        }
                        Flow::Error(error) => return Flow::Error(error),
                    }
                }
                Phase::Again { then } => op.phase = Phase::Meet { then },
            }
        }
    }

    /// A row that the range was waiting for is dealt with: the range goes on.
    pub(crate) fn range_goes_on(
        &mut self,
        now: Nanos,
        session: SessionId,
        flow: Flow<P>,
        fx: &mut Effects,
    ) -> Flow<P> {
        if !matches!(flow, Flow::Outcome(_)) {
            return flow;
        }
        let Some(mut op) = self.session_mut(session).range.take() else { return flow };
        if let Flow::Outcome(outcome) = &flow
            && let Some(span) = op.met_row(outcome)
        {
            return self.work_on_range(now, session, op, span, fx);
        }
        self.run_range(now, session, op, fx)
    }

    fn work_on_range(
        &mut self,
        now: Nanos,
        session: SessionId,
        op: Box<RangeOp>,
        span: Nanos,
        fx: &mut Effects,
    ) -> Flow<P> {
        self.session_mut(session).pending = Pending::Range(op);
        self.set_deadline(session, TimerKind::Work, now + span, fx);
        Flow::Blocked
    }

    /// The next rows that nobody deals with, up to (and without) the first that somebody does; no rows if that
    /// is the very next one.
    fn next_stretch(&self, op: &RangeOp, from: RowKey) -> Option<(RowKey, RowKey)> {
        if from > op.last {
            return None;
        }
        let (first, last) = self.heap.next_span(op.relation, from, op.last)?;
        let end = last.saturating_add(1).min(first.saturating_add(op.at_once()));
        let held = self.heap.entries_within(op.relation, first, end, op.range);
        Some((first, held.first().map_or(end, |key| *key)))
    }

    fn advance_range(&mut self, id: u64, next: RowKey) {
        if let Some(range) = self.heap.range_mut(id) {
            range.next = next;
            range.stretch.0 = 0;
        }
    }
}

impl RangeOp {
    /// What came of a row that somebody dealt with; the time that another look at it takes, if it needs one.
    fn met_row<P>(&mut self, outcome: &StepOutcome<P>) -> Option<Nanos> {
        if matches!(outcome, StepOutcome::Recheck(_)) {
            let span = Nanos(self.work.0 / self.total.max(1));
            if span > Nanos::ZERO
                && let Phase::Meet { then } = self.phase
            {
                self.phase = Phase::Again { then };
                return Some(span);
            }
            return None;
        }
        self.met.pop();
        self.rows += u64::from(matches!(outcome, StepOutcome::Done | StepOutcome::Locked { .. }));
        None
    }
}
