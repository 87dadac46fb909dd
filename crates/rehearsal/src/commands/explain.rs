//! `rehearsal explain`: what a statement does, step by step.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use schema_rules::catalog::RelationSize;
use schema_rules::cost::CostModel;
use schema_rules::effects::{Effects, NoFacts, Step, TransactionRule, Wait, WorkKind, advance};
use schema_rules::findings::{blocks, duration};
use schema_rules::{Catalog, PgVersion, RelationId, Session};

/// Shows what statements do, step by step: locks in their order, waits, work, commits.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The statements; read from standard input if not given.
    sql: Option<String>,
    /// The schema before them.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The server's major version, 12 to 18.
    #[arg(long, value_name = "MAJOR", default_value_t = 18)]
    pg: u32,
    /// How many rows a table has.
    #[arg(long, value_name = "TABLE=N")]
    rows: Vec<String>,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Some(version) = PgVersion::new(self.pg) else {
            bail!("PostgreSQL {} is not modelled; 12 to 18 are", self.pg);
        };
        let sql = match self.sql {
            Some(sql) => sql,
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
                text
            }
        };
        let (mut catalog, mut session) = (Catalog::new(), Session::default());
        session.assume_unknown = true;
        if let Some(path) = &self.schema {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            for statement in sql_syntax::parse(&text).statements {
                advance(&mut catalog, &mut session, &statement.value, version, &NoFacts);
            }
        }
        for given in &self.rows {
            let (name, rows) = super::check::parse_rows(given)?;
            if let Some(id) = catalog.find_in("public", &name).map(|r| r.id) {
                catalog.set_size(id, RelationSize { rows, bytes: 0 });
            }
        }
        let mut out = std::io::stdout().lock();
        let parsed = sql_syntax::parse(&sql);
        for error in &parsed.errors {
            let (line, column) = error.range.line_column(&sql);
            writeln!(out, "line {line}, column {column}: {}", error.message)?;
        }
        let mut failed = !parsed.errors.is_empty();
        for statement in &parsed.statements {
            let effects = advance(&mut catalog, &mut session, &statement.value, version, &NoFacts);
            failed |= effects.error.is_some();
            writeln!(out, "{}", statement.range.of(&sql))?;
            steps(&mut out, &effects)?;
        }
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}

fn steps(out: &mut dyn Write, effects: &Effects) -> std::io::Result<()> {
    match effects.transaction {
        TransactionRule::Anywhere => {}
        TransactionRule::OutsideOnly(name) => writeln!(out, "  {name} runs outside transaction blocks only")?,
        TransactionRule::InsideOnly(name) => writeln!(out, "  {name} runs inside transaction blocks only")?,
    }
    let model = CostModel::default();
    let times = model.steps(effects);
    let name = |id: &RelationId| effects.relation(*id).map(|r| r.name.to_string()).unwrap_or_default();
    for (at, step) in effects.steps.iter().enumerate() {
        let text = match step {
            Step::Lock { relation, mode, wait } => {
                let how = match wait {
                    Wait::Block => "",
                    Wait::NoWait => ", or fails",
                    Wait::Skip => ", or goes without",
                };
                format!("locks {} {mode}{how} (blocks {})", name(relation), blocks(*mode))
            }
            Step::Unlock { relation, mode } => format!("gives {mode} on {} back", name(relation)),
            Step::SessionLock { relation, mode } => {
                format!("keeps {mode} on {} over commits", name(relation))
            }
            Step::SessionUnlock { relation, mode } => format!("gives {mode} on {} back", name(relation)),
            Step::LockObject { class, mode, .. } => format!("locks an object of {class} {mode}"),
            Step::Work(work) => match work_text(&work.kind, &name(&work.relation), &name) {
                Some(what) => {
                    let takes = times.iter().find(|(i, _)| *i == at).map(|(_, e)| *e).unwrap_or_default();
                    format!("{what}: {} ({})", duration(takes.likely_ns), takes.basis.as_str())
                }
                None => continue,
            },
            Step::Check { otherwise, .. } => format!("unless the data forbids it: {otherwise}"),
            Step::WaitForLockHolders { relation, mode } => {
                format!("waits for all holders of locks on {} that conflict with {mode}", name(relation))
            }
            Step::WaitForOlderSnapshots => "waits for all older snapshots".to_owned(),
            Step::TakeSnapshot => "takes a snapshot".to_owned(),
            Step::Publish(_) => continue,
            Step::Commit { .. } => "commits and goes on".to_owned(),
        };
        writeln!(out, "  {text}")?;
    }
    for notice in &effects.notices {
        writeln!(out, "  NOTICE: {}", notice.message)?;
        for line in notice.detail.iter().flat_map(|detail| detail.lines()) {
            writeln!(out, "    {line}")?;
        }
    }
    for gap in &effects.not_modelled {
        writeln!(out, "  not modelled: {}; {}", gap.what, gap.assumed)?;
    }
    match &effects.error {
        Some(error) => writeln!(out, "  ERROR: {error}"),
        None => Ok(()),
    }
}

fn work_text(kind: &WorkKind, table: &str, name: &dyn Fn(&RelationId) -> String) -> Option<String> {
    Some(match kind {
        WorkKind::Scan(_) => format!("reads all of {table}"),
        WorkKind::Rewrite { .. } => format!("rewrites {table}"),
        WorkKind::CopyFile => format!("copies the file of {table}"),
        WorkKind::BuildIndex { index, .. } => format!("builds {} over {table}", name(index)),
        WorkKind::ValidateIndex { index } => format!("completes {}", name(index)),
        WorkKind::CheckForeignKey { referenced } => {
            format!("looks up every row of {table} in {}", name(referenced))
        }
        WorkKind::Analyze => format!("samples {table}"),
        WorkKind::Vacuum { .. } => format!("vacuums {table}"),
        WorkKind::Rows { written: true, .. } => format!("changes or locks rows of {table}"),
        WorkKind::Rows { .. } => format!("reads rows of {table}"),
        WorkKind::Update { .. } => format!("reads all of {table} and changes rows"),
        WorkKind::Query | WorkKind::FillNewHeap => format!("fills {table} with the result of a query"),
        WorkKind::Truncate => format!("empties {table}"),
        WorkKind::Load => format!("loads rows into {table}"),
        WorkKind::NewSequenceFile => format!("writes the sequence {table} anew"),
        WorkKind::BuildEmptyIndex { .. } | WorkKind::Catalog => return None,
    })
}
