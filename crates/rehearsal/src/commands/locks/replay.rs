//! `rehearsal locks replay FILE.ndjson --id ID`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use conformance::schedules::{Schedule, dot, story};

/// Tells a recorded lock schedule as a story: a line for each statement or timer, and whenever the waits have
/// changed, the queues, who waits for whom, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// A file of schedules, one JSON object a line.
    file: PathBuf,
    /// Which schedule.
    #[arg(long)]
    id: String,
    /// The waits-for graph for Graphviz instead, as it is when most sessions wait.
    #[arg(long)]
    dot: bool,
    /// The graph after this entry, counted from 1.
    #[arg(long, requires = "dot")]
    entry: Option<usize>,
}

impl Replay {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let schedules = crate::commands::read_schedules(&self.file)?;
        let Some(schedule) = schedules.iter().find(|schedule| schedule.id == self.id) else {
            bail!("{}: no schedule {}; {}", self.file.display(), self.id, hint(&schedules));
        };
        let text = if self.dot {
            dot(schedule, self.entry).context("there is no such entry")?
        } else {
            story(schedule)
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn hint(schedules: &[Schedule]) -> String {
    let ids: Vec<_> = schedules.iter().take(5).map(|schedule| schedule.id.as_str()).collect();
    format!("it has {} schedules, among them {}", schedules.len(), ids.join(", "))
}
