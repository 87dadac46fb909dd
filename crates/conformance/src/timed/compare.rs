//! The comparison: each figure of the simulation with the range of the recorded repeats.

use std::collections::BTreeSet;

use super::durations::Durations;
use super::outcome::{Figures, Outcome, Unit, figures};
use super::recording::{Recording, RecordingError};
use super::stage;

/// How far a figure may lie outside of the recorded range, as a share of the repeats' mean.
const ALLOWANCE: f64 = 0.05;

/// One figure beside what was recorded.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Which figure.
    pub metric: String,
    /// The repeat, from 1, where each is judged by itself.
    pub run: Option<usize>,
    /// What it counts.
    pub unit: Unit,
    /// The simulation's value.
    pub simulated: f64,
    /// The least and the greatest of the recorded values.
    pub recorded: (f64, f64),
    /// How far outside of them it may lie.
    pub allowance: f64,
}

impl Comparison {
    fn new(metric: &str, run: Option<usize>, unit: Unit, simulated: f64, recorded: &[f64]) -> Self {
        let (least, most) = recorded
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        #[allow(clippy::cast_precision_loss)]
        let mean = recorded.iter().sum::<f64>() / recorded.len().max(1) as f64;
        let share = if unit == Unit::Flag { 0.0 } else { ALLOWANCE };
        let allowance = (mean * share).max(unit.least_allowance());
        Self { metric: metric.to_owned(), run, unit, simulated, recorded: (least, most), allowance }
    }

    /// Whether it lies near enough.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let (least, most) = self.recorded;
        (least - self.allowance..=most + self.allowance).contains(&self.simulated)
    }
}

/// Runs a recording's input in the simulator, and compares every figure.
///
/// # Errors
/// If its tables or statements are not understood.
pub fn compare(recording: &Recording) -> Result<Vec<Comparison>, RecordingError> {
    let input = &recording.input;
    let server = stage::server(recording)?;
    let calibrated = Durations::calibrated(recording);
    let first = stage::perform(recording, &server, &calibrated)?;
    let recorded: Vec<Figures> =
        recording.runs.iter().map(|run| figures(input, &Outcome::recorded(run))).collect();
    if !recording.is_cpu_bound() {
        return Ok(beside(&figures(input, &first.outcome), None, &recorded));
    }
    let mut all = Vec::new();
    for (run, recorded) in recorded.iter().enumerate() {
        let durations = calibrated.clone().of_run(recording, run, &first.lock_waits);
        let performed = stage::perform(recording, &server, &durations)?;
        let simulated = figures(input, &performed.outcome);
        all.extend(beside(&simulated, Some(run + 1), std::slice::from_ref(recorded)));
    }
    Ok(all)
}

/// Figures that only one side has are counts of what the other side did not see: 0.
fn beside(simulated: &Figures, run: Option<usize>, recorded: &[Figures]) -> Vec<Comparison> {
    let names: BTreeSet<&String> =
        recorded.iter().flatten().map(|(name, _)| name).chain(simulated.keys()).collect();
    let value = |figures: &Figures, name: &String| figures.get(name).map_or(0.0, |figure| figure.1);
    let compared = names.into_iter().map(|name| {
        let unit = recorded.iter().chain([simulated]).find_map(|figures| figures.get(name));
        let unit = unit.map_or(Unit::Count, |figure| figure.0);
        let values: Vec<f64> = recorded.iter().map(|figures| value(figures, name)).collect();
        Comparison::new(name, run, unit, value(simulated, name), &values)
    });
    compared.collect()
}
