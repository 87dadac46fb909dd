//! `rehearsal run --seeds`: the same scenario with many seeds, on all processors.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use reports::Spread;
use scenarios::{Loaded, Workers};

use super::Args;
use super::output::{self, print, write};
use super::progress::{Extent, Interrupt, Progress};

pub(super) fn run(
    args: &Args,
    loaded: &Loaded,
    count: u64,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = args.jobs.map_or_else(processors, NonZeroUsize::get);
    let workers = Workers { stop: interrupt.flag(), ..Workers::new(jobs) };
    let progress = Progress::of(Extent::Seeds(count), workers.done.clone());
    let samples = scenarios::run_seeds(loaded, count, &workers);
    progress.end();
    let samples = samples?;
    let done = samples.len() as u64;
    let cut = (done < count).then(|| format!("interrupted after {done} of {count} seeds."));
    let spread = Spread::of(samples, &command(std::env::args().skip(1)), cut);
    if let Some(path) = &args.report {
        write(path, &spread.html())?;
    }
    if let Some(path) = &args.json {
        write(path, &spread.json())?;
    }
    print(&spread.text(output::color()))?;
    Ok(interrupt.status(spread.is_within_budget()))
}

/// Options of which each has a value, and which are not for a single seed.
const OF_MANY: [&str; 5] = ["--seeds", "--jobs", "--seed", "--report", "--json"];

/// What the program was asked to do, without the options of many seeds, for a shell.
fn command(mut arguments: impl Iterator<Item = String>) -> String {
    let mut command = "rehearsal".to_owned();
    while let Some(argument) = arguments.next() {
        let (option, has_value) =
            argument.split_once('=').map_or((argument.as_str(), false), |(o, _)| (o, true));
        if !OF_MANY.contains(&option) {
            command.push(' ');
            command.push_str(&quoted(&argument));
        } else if !has_value {
            arguments.next();
        }
    }
    command
}

fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_one_seed_is_what_was_typed_less_the_options_of_many() {
        let typed = "run|a.toml|--seeds|200|--speed=2|--jobs=3|--seed|7|--trace|my day.jsonl|--json|out.json";
        let command = command(typed.split('|').map(str::to_owned));
        assert_eq!(command, "rehearsal run a.toml --speed=2 --trace 'my day.jsonl'");
    }
}
