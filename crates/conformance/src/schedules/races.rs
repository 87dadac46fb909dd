//! The ways in which the races between woken sessions can go.

use std::collections::BTreeSet;

use super::format::{Entry, Schedule, Wait};
use super::replay::Replay;

/// How many ways are tried at most.
const MAX_WAYS: usize = 20_000;

/// Whether in any way that the schedule can go `test` holds. The ways are tried depth first: one is left when
/// `test` has seen enough, and of the decisions made up to there the last one is changed.
pub(crate) fn any_way(schedule: &Schedule, mut test: impl FnMut(&mut Replay<'_>) -> bool) -> bool {
    let mut choices = Vec::new();
    for _ in 0..MAX_WAYS {
        let mut replay = Replay::new(schedule);
        let made = replay.decide_races(&choices);
        if test(&mut replay) {
            return true;
        }
        let mut made = made.borrow().clone();
        while made.last().is_some_and(|&(choice, of)| choice + 1 >= of) {
            made.pop();
        }
        let Some(last) = made.last_mut() else { return false };
        last.0 += 1;
        choices = made.iter().map(|&(choice, _)| choice).collect();
    }
    false
}

/// Which waiting statements ended, and who waits now.
pub type LastOutcome = (Vec<(u32, String)>, Vec<Wait>);

/// All outcomes that the last entry of a schedule can have: which sessions got through and who waits.
#[must_use]
pub fn last_outcomes(schedule: &Schedule) -> BTreeSet<LastOutcome> {
    let mut outcomes = BTreeSet::new();
    any_way(schedule, |replay| {
        let mut last = Entry::default();
        while let Some(entry) = replay.next_entry() {
            last = entry;
        }
        outcomes.insert((last.done, last.w.unwrap_or_default()));
        false
    });
    outcomes
}
