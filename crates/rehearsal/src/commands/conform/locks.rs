//! `rehearsal conform locks FILE.ndjson…`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use conformance::schedules::{Agreement, Difference, Schedule, compare};
use serde_json::json;

/// Replays recorded lock schedules on the model and compares them with the recordings: results, who is done, who
/// waits for what behind whom, the sessions' states, the order of timers.
///
/// Where an event woke several sessions at once, which then raced on the real server, a schedule agrees if the
/// recorded outcome is one that the race can have. Exit status 0 if all schedules agree.
#[derive(Debug, clap::Args)]
pub(crate) struct Locks {
    /// Files of schedules, one JSON object a line.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Show each difference of a schedule, not only the first.
    #[arg(long)]
    all: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Tally {
    of: usize,
    by_race: Vec<String>,
    differing: Vec<Vec<Difference>>,
}

impl Tally {
    fn agree(&self) -> usize {
        self.of - self.differing.len()
    }

    fn add(&mut self, schedule: &Schedule) {
        self.of += 1;
        match compare(schedule) {
            Agreement::Agrees => {}
            Agreement::AgreesByRace => self.by_race.push(schedule.id.clone()),
            Agreement::Differs(differences) => self.differing.push(differences),
        }
    }
}

impl Locks {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut tally = Tally::default();
        for file in &self.files {
            crate::commands::read_schedules(file)?.iter().for_each(|schedule| tally.add(schedule));
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", self.as_json(&tally))?;
        } else {
            self.write_text(&mut out, &tally)?;
        }
        Ok(if tally.differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn shown<'a>(&self, differences: &'a [Difference]) -> &'a [Difference] {
        if self.all { differences } else { &differences[..1] }
    }

    fn write_text(&self, out: &mut impl Write, tally: &Tally) -> std::io::Result<()> {
        for differences in &tally.differing {
            for difference in self.shown(differences) {
                writeln!(out, "{difference}")?;
            }
        }
        if !tally.by_race.is_empty() {
            let ids = tally.by_race.join(", ");
            writeln!(out, "by another outcome of a race than the order of waking gives: {ids}")?;
        }
        writeln!(out, "{} of {} schedules agree", tally.agree(), tally.of)
    }

    fn as_json(&self, tally: &Tally) -> serde_json::Value {
        let difference = |it: &Difference| {
            let fields = it.fields.iter().map(|(field, recorded, replayed)| {
                json!({"field": field, "recorded": recorded, "replayed": replayed})
            });
            json!({"id": it.id, "entry": it.entry, "what": it.what, "fields": fields.collect::<Vec<_>>()})
        };
        let differences = tally.differing.iter().flat_map(|it| self.shown(it)).map(difference);
        json!({
            "agree": tally.agree(),
            "of": tally.of,
            "agree_by_race": tally.by_race,
            "differences": differences.collect::<Vec<_>>(),
        })
    }
}
