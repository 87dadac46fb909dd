//! `rehearsal trace show FILE`: what a trace holds.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{parse_factor, parse_window};
use anyhow::Context;
use sim_clock::Seed;
use traces::summary::Summary;
use traces::transform::{self, Window};
use traces::{Header, Reader, Record};

/// The arguments of `rehearsal trace show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The trace; `-` is standard input, `.gz` is understood.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only transactions that arrive within this part, counted from the start: `10m..20m`, `..1h`, `5m..`.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_window)]
    window: Option<Window>,
    /// Arrivals that many times as fast.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_factor)]
    speed: f64,
    /// That many times the traffic, in shifted copies.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_factor)]
    scale: f64,
    /// The seed of the copies' shifts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let name = self.file.to_string_lossy().into_owned();
        let input: Box<dyn Read> = if name == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(&self.file).with_context(|| format!("{name}: cannot be opened"))?)
        };
        let reader = Reader::open(input).with_context(|| name.clone())?;
        let header = reader.header().clone();
        let (mut skipped, mut records) = (0_u64, 0_u64);
        let sound = reader.filter_map(|record| match record {
            Ok(record) => {
                records += 1;
                Some(record)
            }
            Err(error) => {
                skipped += 1;
                if skipped <= 20 {
                    eprintln!("warning: {name}: {error}");
                }
                None
            }
        });
        let summary = self.summarise(&header, sound);
        if skipped > 0 {
            eprintln!("warning: {name}: {skipped} lines skipped");
        }
        if records == 0 && skipped > 0 {
            anyhow::bail!("{name}: no record could be read");
        }
        // A reader that closes its end (`| head`) has seen enough.
        match write!(io::stdout().lock(), "{summary}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn summarise(&self, header: &Header, records: impl Iterator<Item = Record>) -> Summary {
        let window = self.window.unwrap_or(Window { from_us: 0, to_us: None });
        let end_us = window.to_us.map_or(header.duration_us, |to| to.min(header.duration_us));
        let span_us = (end_us.saturating_sub(window.from_us) as f64 / self.speed) as u64;
        let mut summary = Summary::new(header, span_us);
        let records = transform::speed(transform::window(records, window), self.speed);
        if self.scale == 1.0 {
            records.for_each(|record| summary.add(&record));
        } else {
            transform::scale(records, self.scale, Seed(self.seed)).for_each(|record| summary.add(&record));
        }
        summary
    }
}
