//! `rehearsal trace import FILE…`: one trace out of logs and statistics.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use sim_clock::{Nanos, Seed};
use traces::import::{Format, Importer, Options, Report};

/// The arguments of `rehearsal trace import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The files, in the order they were written; `-` is standard input, `.gz` is understood.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Their format: auto, csvlog, jsonlog, stderr, pgbench, pgreplay or pg_stat_statements.
    #[arg(long, default_value = "auto", value_parser = parse_format)]
    format: ChosenFormat,
    /// The server's log_line_prefix, for stderr logs; without it the common ones are tried.
    #[arg(long, value_name = "PREFIX")]
    log_line_prefix: Option<String>,
    /// What a snapshot of pg_stat_statements covers, if it does not say so itself.
    #[arg(long, value_name = "SPAN", value_parser = super::parse_span)]
    stats_span: Option<Nanos>,
    /// How much traffic to draw from a source without arrival times.
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = super::parse_span)]
    draw: Nanos,
    /// The seed of what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the trace; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
enum ChosenFormat {
    Auto,
    Named(Format),
}

fn parse_format(text: &str) -> Result<ChosenFormat, String> {
    if text == "auto" { Ok(ChosenFormat::Auto) } else { text.parse().map(ChosenFormat::Named) }
}

impl Arguments {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let options = Options {
            format: if let ChosenFormat::Named(format) = self.format { Some(format) } else { None },
            log_line_prefix: self.log_line_prefix.clone(),
            stats_span: self.stats_span,
            draw: self.draw,
            seed: Seed(self.seed),
        };
        // Runs are spilled to a file without a name, which the system removes whatever happens.
        let mut importer = Importer::new(options, || Ok(Box::new(tempfile::tempfile()?)))?;
        let mut unread = 0;
        for file in &self.files {
            if let Err(error) = read(&mut importer, file) {
                eprintln!("error: {error:#}");
                unread += 1;
            }
        }
        if unread == self.files.len() {
            return Ok(ExitCode::from(2));
        }
        for problem in importer.problems() {
            eprintln!("warning: {problem}");
        }
        let report = self.write(importer)?;
        say(&report, self.out.as_deref());
        Ok(if unread == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Writes the trace. A file appears under its name only once it is whole.
    fn write(&self, importer: Importer) -> anyhow::Result<Report> {
        let Some(path) = &self.out else {
            return Ok(importer.finish(&mut BufWriter::new(io::stdout().lock()))?);
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = temporary()
            .tempfile_in(folder)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        let report = importer.finish(&mut BufWriter::new(&mut file))?;
        file.flush()?;
        file.persist(path).with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(report)
    }
}

/// A temporary file that gets the permissions of any other new file, not the secret ones of its kind.
#[cfg(unix)]
fn temporary() -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    builder.permissions(std::fs::Permissions::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn temporary() -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}

fn read(importer: &mut Importer, path: &Path) -> anyhow::Result<()> {
    let name = path.to_string_lossy();
    let input: Box<dyn Read> = if name == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("{name}: cannot be opened"))?)
    };
    importer.read(&name, input)?;
    Ok(())
}

/// What was read and what was not, on standard error: standard output may be the trace.
fn say(report: &Report, out: Option<&Path>) {
    let counts = &report.header.counts;
    let shown = report.problems.len() as u64;
    if counts.skipped > shown {
        eprintln!("warning: … and {} more entries that could not be read", counts.skipped - shown);
    }
    report.header.notes.iter().for_each(|note| eprintln!("note: {note}"));
    let target = out.map_or(String::new(), |out| format!(" to {}", out.display()));
    eprintln!(
        "{} transactions with {} statements of {} sessions{target}; {} of the sources' {} lines skipped",
        counts.transactions, counts.statements, counts.sessions, counts.skipped, counts.source_lines
    );
}
