//! `rehearsal check`: what migrations lock, for how long, and what is dangerous about them.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;
use schema_rules::PgVersion;
use schema_rules::cost::CostModel;
use schema_rules::findings::{RULES, Severity, rule};
use schema_rules::migrations::{RUNNERS, runner};

use crate::check::config::Config;
use crate::check::render::{Format, render};
use crate::check::{Options, check};

/// Checks migration files: locks, rewrites, scans, failures, and the safe way to write them.
///
/// Exit status: 0 when there is no finding of the severity asked for, 1 when there is, 2 when the check could not be
/// made.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories.
    paths: Vec<PathBuf>,
    /// The schema before the first of the migrations (pg_dump --schema-only, or any script).
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The server's major version, 12 to 18.
    #[arg(long, value_name = "MAJOR")]
    pg: Option<u32>,
    /// The tool that runs the migrations; found out if not given.
    #[arg(long, value_name = "NAME")]
    runner: Option<String>,
    /// How many rows a table has: orders=5000000, orders=5M.
    #[arg(long, value_name = "TABLE=N")]
    rows: Vec<String>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The least severity that makes the check fail.
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
    /// Work under a lock that is shorter is a note.
    #[arg(long, value_name = "MS")]
    tolerate_ms: Option<u64>,
    /// Allow a rule everywhere.
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// Check the ways back too.
    #[arg(long)]
    down: bool,
    /// Settings; rehearsal.toml in the working directory if not given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Explain a rule; without a name list all.
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
}

/// From which severity on the check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

impl FailOn {
    fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Note => Some(Severity::Note),
            Self::Never => None,
        }
    }
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        if let Some(name) = &self.explain {
            return explain(&mut out, name);
        }
        let (options, fail_on) = self.options()?;
        let (reports, unknown) = check(&options)?;
        for name in unknown {
            // The settings of a project may speak of tables that these files do not touch.
            if self.rows.iter().any(|given| given.split('=').next().map(str::trim) == Some(&*name)) {
                eprintln!(
                    "warning: --rows {name}: neither the schema nor a migration has a table of this name"
                );
            }
        }
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        render(&mut out, self.format, &reports, color)?;
        let worst = reports.iter().filter_map(|r| r.worst()).max();
        let fails = fail_on.severity().is_some_and(|limit| worst.is_some_and(|w| w >= limit));
        Ok(if fails { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    fn options(&self) -> anyhow::Result<(Options, FailOn)> {
        if self.paths.is_empty() {
            bail!("nothing to check: name files or directories");
        }
        let config = Config::load(self.config.as_deref())?;
        let major = self.pg.or(config.pg).unwrap_or(PgVersion::default().major());
        let Some(version) = PgVersion::new(major) else {
            bail!("PostgreSQL {major} is not modelled; 12 to 18 are");
        };
        let runner = match self.runner.as_ref().or(config.runner.as_ref()) {
            Some(name) => Some(runner(name).with_context(|| {
                let names: Vec<&str> = RUNNERS.iter().map(|r| r.name).collect();
                format!("there is no runner \"{name}\"; there are {}", names.join(", "))
            })?),
            None => None,
        };
        let mut model = CostModel::default();
        for (name, value) in &config.rates {
            model.rates.set(name, &format!("{value:.3}"))?;
        }
        let mut rows: Vec<(String, u64)> = config.rows.clone().into_iter().collect();
        for given in &self.rows {
            rows.push(parse_rows(given)?);
        }
        let mut allowed = config.allowed()?;
        for name in &self.allow {
            allowed.push(crate::check::config::Allowed::new(name, None)?);
        }
        let fail_on = match (self.fail_on, &config.fail_on) {
            (Some(given), _) => given,
            (None, Some(name)) => match FailOn::from_str(name, true) {
                Ok(parsed) => parsed,
                Err(_) => bail!("fail-on = \"{name}\" is none of error, warning, note, never"),
            },
            (None, None) => FailOn::Error,
        };
        let options = Options {
            paths: self.paths.clone(),
            schema: self.schema.clone(),
            version,
            runner,
            rows,
            model,
            tolerate_ms: self.tolerate_ms.or(config.tolerate_ms).unwrap_or(100),
            down: self.down,
            allowed,
        };
        Ok((options, fail_on))
    }
}

/// `orders=5000000` or `orders=5M`.
pub(crate) fn parse_rows(text: &str) -> anyhow::Result<(String, u64)> {
    let parsed = text.split_once('=').and_then(|(table, number)| {
        let (digits, factor) = match number.to_ascii_lowercase().chars().last()? {
            'k' => (&number[..number.len() - 1], 1_000),
            'm' => (&number[..number.len() - 1], 1_000_000),
            'g' => (&number[..number.len() - 1], 1_000_000_000),
            _ => (number, 1),
        };
        let digits = digits.replace('_', "");
        Some((table.to_owned(), digits.parse::<u64>().ok()?.checked_mul(factor)?))
    });
    parsed.with_context(|| format!("--rows {text}: expected TABLE=NUMBER, as in orders=5M"))
}

fn explain(out: &mut dyn Write, name: &str) -> anyhow::Result<ExitCode> {
    if name.is_empty() {
        for rule in RULES {
            writeln!(out, "{:<34} {:<8} {}", rule.name, rule.severity.to_string(), rule.summary)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match rule(name) {
        Some(rule) => {
            write!(out, "{}", rule.page)?;
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("there is no rule \"{name}\"; `rehearsal check --explain` lists them"),
    }
}
