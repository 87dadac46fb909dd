//! From files to a checked scenario. Every error names the file, the place and the remedy.

use std::fs;
use std::path::{Path, PathBuf};

use sim_actors::coordinator::migrations::{Migration, Script, ScriptStatement};

use sql_syntax::TextRange;

use crate::model::Scenario;

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
    /// The text is not a scenario: `toml`'s message shows the line.
    #[error("{path}: not a scenario: {reason}", path = path.display())]
    NotAScenario {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: toml::de::Error,
    },
    /// The parts of a scenario contradict one another.
    #[error("{path}: {reason}", path = path.display())]
    Contradiction {
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
    /// Its migrations, by version.
    pub migrations: Vec<Migration>,
    /// The file that it came from, for messages.
    path: PathBuf,
}

macro_rules! embedded {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../../sim-scenarios/default/migrations/", $file)))),*]
    };
}

/// The scenario that is used when none is named.
pub const DEFAULT: &str = include_str!("../../../sim-scenarios/default.toml");

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

    /// A text that takes the place of the embedded default, with the embedded migrations.
    ///
    /// # Errors
    /// When the text is no scenario.
    pub fn embedded_text(text: &str) -> Result<Self, ScenarioError> {
        let path = Path::new("sim-scenarios/default.toml");
        let scenario = read_scenario(path, text)?;
        let folder = Path::new("default/migrations");
        let files = DEFAULT_MIGRATIONS.iter().map(|(name, sql)| (folder.join(name), (*sql).to_owned()));
        Ok(Self { scenario, migrations: read_migrations(files)?, path: path.to_owned() })
    }

    /// A scenario file and the migrations beside it.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn from_file(path: &Path) -> Result<Self, ScenarioError> {
        let scenario = read_scenario(path, &read(path)?)?;
        let folder = path.parent().unwrap_or(Path::new(".")).join(&scenario.migration.directory);
        Ok(Self { migrations: migrations_in(&folder)?, scenario, path: path.to_owned() })
    }

    /// Takes the migrations of another folder instead.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub fn with_migrations(mut self, folder: &Path) -> Result<Self, ScenarioError> {
        self.migrations = migrations_in(folder)?;
        Ok(self)
    }

    /// An error about the scenario's own contents.
    pub(crate) fn contradiction(&self, reason: String) -> ScenarioError {
        ScenarioError::Contradiction { path: self.path.clone(), reason }
    }
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let unreadable = |reason| ScenarioError::Unreadable { path: path.to_owned(), reason };
    fs::read_to_string(path).map_err(unreadable)
}

fn read_scenario(path: &Path, text: &str) -> Result<Scenario, ScenarioError> {
    let scenario: Scenario = toml::from_str(text)
        .map_err(|reason| ScenarioError::NotAScenario { path: path.to_owned(), reason })?;
    match crate::check::contradiction(&scenario) {
        None => Ok(scenario),
        Some(reason) => Err(ScenarioError::Contradiction { path: path.to_owned(), reason }),
    }
}

fn migrations_in(folder: &Path) -> Result<Vec<Migration>, ScenarioError> {
    let unreadable = |reason| ScenarioError::Unreadable { path: folder.to_owned(), reason };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            files.push((path.clone(), read(&path)?));
        }
    }
    files.sort();
    read_migrations(files.into_iter())
}

/// Pairs `NNN_name.up.sql` with `NNN_name.down.sql`, in order of version.
fn read_migrations(files: impl Iterator<Item = (PathBuf, String)>) -> Result<Vec<Migration>, ScenarioError> {
    let mut migrations: Vec<Migration> = Vec::new();
    let mut downs: Vec<(i64, Script)> = Vec::new();
    for (path, sql) in files {
        let fail = |reason: &str| ScenarioError::Migration {
            path: path.clone(),
            line: 1,
            reason: reason.to_owned(),
        };
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((version, rest)) = file.split_once('_') else {
            return Err(fail("the name has no version; name it NNN_name.up.sql or NNN_name.down.sql"));
        };
        let version = version.parse().map_err(|_| fail("the name does not begin with a version number"))?;
        let script = read_script(&path, &file, &sql)?;
        let stem = rest.trim_end_matches(".sql");
        if stem.ends_with(".down") {
            downs.push((version, script));
        } else {
            if migrations.iter().any(|known| known.version == version) {
                return Err(fail("another migration has the same version; give each its own"));
            }
            let name = stem.trim_end_matches(".up").to_owned();
            migrations.push(Migration { version, name, up: script, down: None });
        }
    }
    migrations.sort_by_key(|migration| migration.version);
    for (version, script) in downs {
        match migrations.iter_mut().find(|migration| migration.version == version) {
            Some(migration) => migration.down = Some(script),
            None => {
                let reason = "it undoes a migration that has no up file".to_owned();
                return Err(ScenarioError::Migration { path: script.file.into(), line: 1, reason });
            }
        }
    }
    Ok(migrations)
}

fn read_script(path: &Path, file: &str, sql: &str) -> Result<Script, ScenarioError> {
    let parsed = sql_syntax::parse(sql);
    if let Some(error) = parsed.errors.first() {
        let (line, column) = error.range.line_column(sql);
        return Err(ScenarioError::Migration {
            path: path.to_owned(),
            line,
            reason: format!("column {column}: {error}"),
        });
    }
    let statement =
        |range: TextRange| ScriptStatement { sql: range.of(sql).to_owned(), line: range.line_column(sql).0 };
    let statements = parsed.statements.iter().map(|located| statement(located.range)).collect();
    Ok(Script { file: file.to_owned(), statements })
}
