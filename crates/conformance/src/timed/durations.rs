//! How long statements take: what was measured of each, and what clients and pools add.

use std::collections::BTreeMap;

use sim_clock::Nanos;

use super::recording::{Recording, Template, span};

/// What a client of the recorded load needs between two statements. Measured over the recordings: a request of one
/// statement takes 0.3 ms to 0.5 ms longer under load than alone, one of four or five 1.5 ms to 2.5 ms.
const ROUND_TRIP: Nanos = Nanos::from_micros(400);

/// How late a request reaches the pool: the median of how late the recorded load was fed (`feeder_lag_ms`).
const HAND_OVER: Nanos = Nanos::from_micros(700);

/// Durations for one run.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    /// Of the migrations' statements, by their text.
    pub(super) migration: BTreeMap<String, Nanos>,
    /// What a statement that does not sleep takes.
    pub(super) plain: Nanos,
    /// What a statement that sleeps takes beside its sleep.
    asleep: Nanos,
    templates: BTreeMap<String, Vec<f64>>,
    /// The client's own time after a statement.
    pub(super) round_trip: Nanos,
    /// From a request's arrival to the pool.
    pub(super) hand_over: Nanos,
}

impl Durations {
    /// What the recording's calibration says.
    pub(super) fn calibrated(recording: &Recording) -> Self {
        let (mut asleep, mut plain) = (Vec::new(), Vec::new());
        let templates = &recording.calibration.template_stmt_ms;
        for template in &recording.input.templates {
            let measured = templates.get(&template.name).map_or(&[][..], Vec::as_slice);
            for (statement, ms) in template.stmts.iter().zip(measured) {
                match &statement.ms {
                    Some(_) => asleep.push(ms - recording.input.svc_ms),
                    None => plain.push(*ms),
                }
            }
        }
        let mut durations = Self {
            migration: BTreeMap::new(),
            plain: span(median(plain)),
            // One of them may have been measured in a bad moment; all are alike.
            asleep: span(median(asleep)),
            templates: templates.clone(),
            round_trip: ROUND_TRIP,
            hand_over: HAND_OVER,
        };
        for (migration, step, place, sql) in migration_statements(recording) {
            let measured = recording.calibration.migration_stmt_ms.get(migration);
            if let Some(ms) = measured.and_then(|durations| durations.of(step, place)) {
                durations.migration.insert(sql.to_owned(), span(ms));
            }
        }
        durations
    }

    /// What the statements took in this repeat, less how long they waited for locks.
    pub(super) fn of_run(
        mut self,
        recording: &Recording,
        run: usize,
        lock_waits: &BTreeMap<(usize, usize, usize), Nanos>,
    ) -> Self {
        for (migration, step, place, sql) in migration_statements(recording) {
            let attempts = &recording.runs[run].migrations.get(migration).map_or(&[][..], |m| &m.attempts);
            let of_step = attempts.iter().filter(|attempt| attempt.step == step);
            let mut done = of_step
                .flat_map(|attempt| &attempt.stmts)
                .filter(|statement| statement.0 == place && statement.3.as_deref() == Some("ok"));
            if let Some(statement) = done.next_back()
                && let Some(end) = statement.2
            {
                let waited = lock_waits.get(&(migration, step, place)).copied().unwrap_or_default();
                self.migration.insert(sql.to_owned(), span(end - statement.1) - waited);
            }
        }
        self
    }

    /// What a request's statement takes beside its sleep.
    pub(super) fn of_template(&self, template: &Template, at: usize) -> Nanos {
        if template.stmts.get(at).is_some_and(|statement| statement.ms.is_some()) {
            return self.asleep;
        }
        self.templates.get(&template.name).and_then(|all| all.get(at)).map_or(self.plain, |ms| span(*ms))
    }
}

/// Each statement of each migration: migration, step, place, text.
fn migration_statements(recording: &Recording) -> impl Iterator<Item = (usize, usize, usize, &str)> {
    recording.input.migrations.iter().enumerate().flat_map(|(migration, script)| {
        script.plan.iter().enumerate().flat_map(move |(step, of_step)| {
            let statements = of_step.stmts.iter().enumerate();
            statements.map(move |(place, statement)| (migration, step, place, &*statement.sql))
        })
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
