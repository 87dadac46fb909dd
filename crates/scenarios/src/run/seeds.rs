//! The same scenario with many seeds, on as many threads as are wanted.
//!
//! A run knows nothing of its neighbours, and what is kept of it is put in order of the seeds: the result does not
//! depend on how many threads there are or on which of them was faster.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use reports::Sample;
use sim_actors::RunMode;

use crate::load::{Loaded, ScenarioError};

use super::{Onlooker, run_before};

/// As much stack as the main thread has.
const STACK: usize = 8 << 20;

/// Who runs the seeds, and how they are told to stop and tell how far they are.
#[derive(Clone, Debug)]
pub struct Workers {
    /// How many threads.
    pub jobs: usize,
    /// Ends the runs that are under way, and begins no more.
    pub stop: Arc<AtomicBool>,
    /// How many seeds are done.
    pub done: Arc<AtomicU64>,
}

impl Workers {
    /// So many threads.
    #[must_use]
    pub fn new(jobs: usize) -> Self {
        Self { jobs: jobs.max(1), stop: Arc::default(), done: Arc::default() }
    }
}

/// What came of a seed, by its place.
type Outcome = (u64, Result<Sample, ScenarioError>);

/// Runs that many seeds, beginning with the scenario's own. When it is stopped it gives the seeds up to the first
/// that is missing: whichever happened to be quick would be a biased choice.
///
/// # Errors
/// When the scenario's own SQL fails, or its statements do not fit its schema.
pub fn run_seeds(loaded: &Loaded, seeds: u64, workers: &Workers) -> Result<Vec<Sample>, ScenarioError> {
    let (next, outcomes) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let failed = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..workers.jobs.min(usize::try_from(seeds).unwrap_or(usize::MAX)) {
            let work = || {
                while !failed.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(outcome) = (place < seeds).then(|| one(loaded, place, workers)).flatten() else {
                        break;
                    };
                    failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((place, outcome));
                    workers.done.fetch_add(1, Ordering::Relaxed);
                }
            };
            let spawned = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            // Where no more threads can be had, those that there are do the work.
            if spawned.is_err() {
                work();
                break;
            }
        }
    });
    let mut outcomes: Vec<Outcome> = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|outcome| outcome.0);
    let unbroken = (0..).zip(outcomes).take_while(|(place, outcome)| *place == outcome.0);
    unbroken.map(|(_, outcome)| outcome.1).collect()
}

/// The seed at a place; `None` when it was stopped.
fn one(loaded: &Loaded, place: u64, workers: &Workers) -> Option<Result<Sample, ScenarioError>> {
    if workers.stop.load(Ordering::Relaxed) {
        return None;
    }
    let mut own = loaded.clone();
    own.scenario.seed = own.scenario.seed.wrapping_add(place);
    let stop = Arc::clone(&workers.stop);
    let goes_on = Box::new(move |_| !stop.load(Ordering::Relaxed));
    match run_before(&own, RunMode::Actors, Onlooker { goes_on: Some(goes_on), ..Onlooker::default() }) {
        Ok(report) if report.cut.is_some() && workers.stop.load(Ordering::Relaxed) => None,
        outcome => Some(outcome.map(|report| Sample::of(&report))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_seeds_are_the_first_ones_without_a_gap() {
        let loaded = Loaded::embedded_run().unwrap();
        let workers = Workers::new(2);
        let samples = thread::scope(|scope| {
            scope.spawn(|| {
                while workers.done.load(Ordering::Relaxed) < 3 {
                    thread::yield_now();
                }
                workers.stop.store(true, Ordering::Relaxed);
            });
            run_seeds(&loaded, 1_000_000, &workers).unwrap()
        });
        assert!((2..1_000_000).contains(&samples.len()), "{} seeds", samples.len());
        for (seed, sample) in (loaded.scenario.seed..).zip(&samples) {
            assert_eq!(sample.seed(), seed);
        }
        let again = run_seeds(&loaded, 2, &Workers::new(1)).unwrap();
        assert_eq!(samples[..2], again[..]);
    }

    #[test]
    fn a_scenario_that_cannot_run_fails_with_every_number_of_jobs() {
        let mut loaded = Loaded::embedded_run().unwrap();
        loaded.scenario.database.schema = "CREATE TABLE accounts (id bigint)".to_owned();
        let failure = |jobs| run_seeds(&loaded, 5, &Workers::new(jobs)).unwrap_err().to_string();
        assert_eq!(failure(1), failure(3));
    }
}
