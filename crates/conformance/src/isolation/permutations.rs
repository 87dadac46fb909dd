//! Which orders of steps a spec asks for.

use super::spec::{Permutation, PermutationStep, Spec, StepId};

impl Spec {
    /// The permutations to run: those written, or all interleavings that keep each session's own
    /// order, those first in which earlier sessions go first. Made one at a time: there can be more
    /// of them than fit in memory.
    pub fn all_permutations(&self) -> impl Iterator<Item = Permutation> + '_ {
        let generated = if self.permutations.is_empty() { Some(Interleavings::of(self)) } else { None };
        self.permutations.iter().cloned().chain(generated.into_iter().flatten())
    }
}

/// All ways to pick from the sessions' piles of steps, in lexicographic order of the picks.
struct Interleavings {
    /// For each place, the session that is picked from; `None` after the last.
    picks: Option<Vec<usize>>,
    sessions: usize,
}

impl Interleavings {
    fn of(spec: &Spec) -> Self {
        let picks = spec.step_ids().map(|id| id.session).collect();
        Self { picks: Some(picks), sessions: spec.sessions.len() }
    }
}

impl Iterator for Interleavings {
    type Item = Permutation;

    fn next(&mut self) -> Option<Permutation> {
        let picks = self.picks.as_mut()?;
        let mut taken = vec![0; self.sessions];
        let steps = picks.iter().map(|&session| {
            taken[session] += 1;
            PermutationStep { id: StepId { session, step: taken[session] - 1 }, markers: Vec::new() }
        });
        let permutation = Permutation { steps: steps.collect() };
        if !step_forward(picks) {
            self.picks = None;
        }
        Some(permutation)
    }
}

/// Turns a sequence into the next one in lexicographic order; false if it was the last.
pub(crate) fn step_forward(picks: &mut [usize]) -> bool {
    let Some(fall) = picks.windows(2).rposition(|pair: &[usize]| pair[0] < pair[1]) else { return false };
    let swap = picks.iter().rposition(|&pick| pick > picks[fall]).unwrap_or(fall);
    picks.swap(fall, swap);
    picks[fall + 1..].reverse();
    true
}

#[cfg(test)]
mod tests {
    use crate::isolation::parse;

    fn names(text: &str) -> Vec<String> {
        let spec = parse(text).expect("a spec");
        let name = |id| spec.step(id).name.clone();
        spec.all_permutations()
            .map(|p| p.steps.iter().map(|s| name(s.id)).collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn without_permutations_all_interleavings_are_run_earlier_sessions_first() {
        let text = "session a step a1 {} step a2 {} session b step b1 {} step b2 {}";
        let expected =
            ["a1 a2 b1 b2", "a1 b1 a2 b2", "a1 b1 b2 a2", "b1 a1 a2 b2", "b1 a1 b2 a2", "b1 b2 a1 a2"];
        assert_eq!(names(text), expected);
    }

    #[test]
    fn a_single_session_has_one_order() {
        assert_eq!(names("session a step x {} step y {}"), ["x y"]);
    }
}
