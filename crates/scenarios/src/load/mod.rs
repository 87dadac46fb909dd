//! From files to a checked scenario. Every error names the file, the place and the remedy.

mod faults;
mod migrations;
mod place;
mod plan;
mod schema_file;
mod shape;

use std::fs;
use std::path::{Path, PathBuf};

use sim_actors::coordinator::migrations::Migration;
use toml::de::DeTable;

use crate::model::{Scenario, TraceSpec, json_schema};
use crate::replay::Survey;

use faults::Fault;
pub use faults::Faults;
pub(crate) use faults::one_of;
use migrations::{migrations_in, read_migrations};
pub(crate) use place::{Problem, Step};
pub use plan::{MigrationFile, MigrationPart, MigrationPlan};
pub(crate) use schema_file::read_schema;

/// A scenario, or a file that it names, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error("{path}: cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        reason: std::io::Error,
    },
    /// The text is not a scenario.
    #[error("{0}")]
    NotAScenario(Faults),
    /// What the scenario names does not work together.
    #[error("{path}: {reason}", path = path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What, and the remedy.
        reason: String,
    },
    /// A trace cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What, and the remedy.
        reason: String,
    },
    /// A migration file cannot be used.
    #[error("{path}:{line}: {reason}", path = path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What, and the remedy.
        reason: String,
    },
}

/// A scenario with the migrations that it names.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// Its migrations, by version: up and down.
    pub migrations: Vec<Migration>,
    /// Its migration files as their runner runs them.
    pub plan: MigrationPlan,
    /// What of the schema file is not modelled.
    pub(crate) left_out: Vec<String>,
    /// What is in the trace that it replays.
    pub(crate) trace: Option<Survey>,
    /// The file that it came from, for messages.
    path: PathBuf,
    /// Its text, for excerpts.
    text: String,
}

macro_rules! embedded {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../../../sim-scenarios/default/migrations/", $file)))),*]
    };
}

/// The scenario that is used when none is named.
pub const DEFAULT: &str = include_str!("../../../../sim-scenarios/default.toml");

const RUN: &str = include_str!("../../../../sim-scenarios/alter-behind-long-select.toml");
const RUN_SQL: &str = include_str!("../../../../sim-scenarios/alter-behind-long-select/0001_add_column.sql");

const DEFAULT_MIGRATIONS: [(&str, &str); 4] = embedded!(
    "0001_create_users.down.sql",
    "0001_create_users.up.sql",
    "0002_add_posts_table.down.sql",
    "0002_add_posts_table.up.sql",
);

impl Loaded {
    /// The embedded default.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn embedded() -> Result<Self, ScenarioError> {
        Self::embedded_text(DEFAULT)
    }

    /// The scenario that `rehearsal run` takes when none is named.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn embedded_run() -> Result<Self, ScenarioError> {
        let path = Path::new("sim-scenarios/alter-behind-long-select.toml");
        Self::from_texts(path, RUN, &[("0001_add_column.sql", RUN_SQL)])
    }

    /// A scenario whose text and migration files, by name, are at hand; `path` is what messages call it.
    ///
    /// # Errors
    /// When one of the texts cannot be used.
    pub fn from_texts(path: &Path, text: &str, files: &[(&str, &str)]) -> Result<Self, ScenarioError> {
        let scenario = read_scenario(path, text)?;
        let files: Vec<(PathBuf, String)> =
            files.iter().map(|(name, sql)| (PathBuf::from(name), (*sql).to_owned())).collect();
        let plan = MigrationPlan::of(&scenario.migration, &files, &[])?;
        let text = text.to_owned();
        Self {
            migrations: plan.migrations(),
            plan,
            scenario,
            trace: None,
            left_out: Vec::new(),
            path: path.to_owned(),
            text,
        }
        .checked()
    }

    /// A text that takes the place of the embedded default, with the embedded migrations.
    ///
    /// # Errors
    /// When the text is no scenario.
    pub fn embedded_text(text: &str) -> Result<Self, ScenarioError> {
        let path = Path::new("sim-scenarios/default.toml");
        let scenario = read_scenario(path, text)?;
        let folder = Path::new("default/migrations");
        let files: Vec<(PathBuf, String)> =
            DEFAULT_MIGRATIONS.iter().map(|(name, sql)| (folder.join(name), (*sql).to_owned())).collect();
        let plan = MigrationPlan::of(&scenario.migration, &files, &[])?;
        let (migrations, text) = (read_migrations(files.into_iter())?, text.to_owned());
        Self { scenario, plan, migrations, trace: None, left_out: Vec::new(), path: path.to_owned(), text }
            .checked()
    }

    /// A scenario file and the migrations beside it.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let text = read(path)?;
        let mut scenario = read_scenario(path, &text)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let mut left_out = Vec::new();
        if let Some(file) = &scenario.database.schema_file {
            let path = beside.join(file);
            let file = read_schema(&path, &read(&path)?, scenario.database.version)?;
            (scenario.database.schema, left_out) = (file.sql, file.left_out);
        }
        let plan = MigrationPlan::read(&scenario.migration, beside)?;
        let migrations = match &scenario.migration.directory {
            Some(directory) if scenario.migration.runner.is_none() => migrations_in(&beside.join(directory))?,
            _ => plan.migrations(),
        };
        let loaded = Self { migrations, plan, scenario, trace: None, left_out, path: path.to_owned(), text }
            .checked()?;
        loaded.with_trace_beside(beside)
    }

    /// Takes the migrations of another folder instead.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn with_migrations(mut self, folder: &Path) -> Result<Self, ScenarioError> {
        self.migrations = migrations_in(folder)?;
        let spec = &mut self.scenario.migration;
        (spec.directory, spec.files) = (Some(folder.display().to_string()), Vec::new());
        self.plan = MigrationPlan::read(spec, Path::new("."))?;
        Ok(self)
    }

    /// What the scenario allows and is rarely meant, in sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        crate::check::warnings(&self.scenario)
    }

    /// Itself, if what it names fits its migration files.
    fn checked(self) -> Result<Self, ScenarioError> {
        self.none_of(crate::check::plan_problems(&self.scenario, &self.plan))?;
        Ok(self)
    }

    /// An error that shows the problems in the scenario's text, unless there are none.
    pub(crate) fn none_of(&self, problems: Vec<Problem>) -> Result<(), ScenarioError> {
        match DeTable::parse(&self.text) {
            Ok(root) if !problems.is_empty() => {
                let faults = problems.into_iter().map(|problem| problem.located(root.get_ref())).collect();
                Err(ScenarioError::NotAScenario(Faults::new(&self.path, &self.text, faults)))
            }
            _ => Ok(()),
        }
    }

    /// Replays a trace in place of the scenario's own traffic.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub fn replaying(mut self, trace: TraceSpec) -> Result<Self, ScenarioError> {
        self.scenario.traffic_trace = Some(trace);
        self.scenario.traffic.clear();
        self.with_trace_beside(Path::new("."))
    }

    /// Reads the trace that the scenario names.
    fn with_trace_beside(mut self, beside: &Path) -> Result<Self, ScenarioError> {
        let Some(spec) = &self.scenario.traffic_trace else { return Ok(self) };
        let survey = Survey::read(&beside.join(&spec.file), spec)?;
        let database = &self.scenario.database;
        let room = database.max_connections.saturating_sub(database.superuser_reserved_connections);
        if self.scenario.application.is_of_trace() {
            self.scenario.application.pool_size = survey.connections().min(room).max(1);
        }
        self.trace = Some(survey);
        Ok(self)
    }

    /// Its name: that of its file, without the ending.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// An error about the scenario's own contents.
    pub(crate) fn contradiction(&self, reason: String) -> ScenarioError {
        ScenarioError::Contradiction { path: self.path.clone(), reason }
    }
}

pub(crate) fn read(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |reason| ScenarioError::Unreadable { path: path.to_owned(), reason };
    fs::read_to_string(path).map_err(unreadable)
}

fn read_scenario(path: &Path, text: &str) -> Result<Scenario, ScenarioError> {
    let not_a_scenario =
        |faults: Vec<Fault>| Err(ScenarioError::NotAScenario(Faults::new(path, text, faults)));
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => return not_a_scenario(vec![syntax(&error)]),
    };
    let faults = shape::faults(&json_schema(), &root);
    if !faults.is_empty() {
        return not_a_scenario(faults);
    }
    let read = toml::from_str(text).and_then(|mut table: toml::Table| {
        name_default_kinds(&mut table);
        table.try_into()
    });
    let mut scenario: Scenario = match read {
        Ok(scenario) => scenario,
        Err(error) => return not_a_scenario(vec![syntax(&error)]),
    };
    for application in std::iter::once(&mut scenario.application).chain(&mut scenario.applications) {
        if application.version.is_empty()
            && let Some(first) = application.versions.first()
        {
            application.version = first.name.clone();
        }
    }
    let problems = crate::check::problems(&scenario);
    if problems.is_empty() {
        return Ok(scenario);
    }
    not_a_scenario(problems.into_iter().map(|problem| problem.located(root.get_ref())).collect())
}

/// A fault that the TOML reader has found.
fn syntax(error: &toml::de::Error) -> Fault {
    let remedy = "the file is TOML (https://toml.io): a key and its value to each line, texts in quotes";
    Fault { range: error.span().unwrap_or(0..0), what: error.message().to_owned(), remedy: remedy.to_owned() }
}

/// Which kind is meant when none is named: section, key, kind.
const DEFAULT_KINDS: [(&str, &str, &str); 4] = [
    ("traffic", "kind", "poisson"),
    ("background", "kind", "session"),
    ("deployments", "strategy", "rolling"),
    ("keys", "choice", "uniform"),
];

fn name_default_kinds(table: &mut toml::Table) {
    let missing = |entry: &mut toml::Value, key: &str, kind: &str| {
        if let Some(entry) = entry.as_table_mut() {
            entry.entry(key).or_insert_with(|| kind.into());
        }
    };
    for (section, key, kind) in DEFAULT_KINDS {
        match table.get_mut(section) {
            Some(toml::Value::Array(entries)) => {
                entries.iter_mut().for_each(|entry| missing(entry, key, kind))
            }
            Some(toml::Value::Table(entries)) => {
                entries.iter_mut().for_each(|entry| missing(entry.1, key, kind));
            }
            _ => {}
        }
    }
}
