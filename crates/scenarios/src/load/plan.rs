//! Migration files as their runner runs them: which files, in which order, what shares a transaction.

use std::fs;
use std::path::{Path, PathBuf};

use schema_rules::migrations::{Direction, FileName, Runner, Version, detect, file_name, runner, sections};
use sim_actors::coordinator::migrations::{Migration, Script, ScriptStatement};

use super::migrations::read_statements;
use super::{ScenarioError, read};
use crate::model::MigrationSpec;

/// How many folders above the migrations tell which tool they belong to.
const FOLDERS_ABOVE: usize = 3;

/// What a runner does with a scenario's migration files.
#[derive(Clone, Debug)]
pub struct MigrationPlan {
    /// The tool that runs them.
    pub runner: &'static Runner,
    /// Files that come before the rehearsed ones.
    pub earlier: Vec<MigrationFile>,
    /// The files that are rehearsed, in order.
    pub files: Vec<MigrationFile>,
}

/// A migration file, as far as it goes forward.
#[derive(Clone, Debug)]
pub struct MigrationFile {
    /// Its name, without directories.
    pub name: String,
    /// What its name says.
    pub meaning: FileName,
    /// Its parts, in order; nearly always one.
    pub parts: Vec<MigrationPart>,
}

/// A part of a migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPart {
    /// Whether its statements share a transaction.
    pub transaction: bool,
    /// Its statements, in order.
    pub statements: Vec<ScriptStatement>,
}

impl MigrationPlan {
    /// Reads what a scenario names, relative to the folder of its file.
    pub(crate) fn read(spec: &MigrationSpec, beside: &Path) -> Result<Self, ScenarioError> {
        let Some(directory) = &spec.directory else {
            let paths: Vec<PathBuf> = spec.files.iter().map(|file| beside.join(file)).collect();
            let texts: Result<Vec<_>, _> = paths.iter().map(|path| Ok((path.clone(), read(path)?))).collect();
            return Self::of(spec, &texts?, &[]);
        };
        let folder = beside.join(directory);
        let mut files = Vec::new();
        for name in names_in(&folder)? {
            let path = folder.join(&name);
            // What lies there besides tells which tool it is: `atlas.sum`, `.sql.conf`.
            let text = if name.ends_with(".sql") { read(&path)? } else { String::new() };
            files.push((path, text));
        }
        let above = std::path::absolute(&folder).unwrap_or(folder);
        let neighbours: Vec<String> = (above.ancestors().skip(1).take(FOLDERS_ABOVE))
            .flat_map(|folder| names_in(folder).unwrap_or_default())
            .collect();
        Self::of(spec, &files, &neighbours)
    }

    /// Sorts files out as their runner does. A list of files is taken as it stands; a directory by its names.
    pub(super) fn of(
        spec: &MigrationSpec,
        files: &[(PathBuf, String)],
        neighbours: &[String],
    ) -> Result<Self, ScenarioError> {
        let names: Vec<String> = files.iter().map(|file| name_of(&file.0)).collect();
        let runner = match spec.runner.as_deref().and_then(runner) {
            Some(runner) => runner,
            None => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let sample = files.iter().find(|file| !file.1.is_empty()).map_or("", |file| &file.1);
                let neighbours: Vec<&str> = neighbours.iter().map(String::as_str).collect();
                detect(&names, sample, &neighbours)
            }
        };
        let mut forward = Vec::new();
        for ((path, text), name) in files.iter().zip(&names) {
            let listed = spec.directory.is_none();
            let Some(meaning) = file_name(runner, name).or_else(|| listed.then(|| nameless(name))) else {
                continue;
            };
            let mut parts = Vec::new();
            for section in sections(runner, &meaning, text) {
                if section.direction != Direction::Down {
                    let statements = read_statements(path, text, section.range)?;
                    parts.push(MigrationPart { transaction: section.transaction, statements });
                }
            }
            if !parts.is_empty() {
                forward.push(MigrationFile { name: name.clone(), meaning, parts });
            }
        }
        if spec.directory.is_some() {
            let repeatable = |file: &MigrationFile| file.meaning.direction == Direction::Repeatable;
            forward.sort_by(|a, b| {
                let order = |file: &MigrationFile| (repeatable(file), file.meaning.version.clone());
                order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name))
            });
        }
        let first =
            spec.from.as_ref().and_then(|start| forward.iter().position(|file| file.name.starts_with(start)));
        let files = forward.split_off(first.unwrap_or(0));
        Ok(Self { runner, earlier: forward, files })
    }

    /// The files as the node takes them, one version each.
    pub(super) fn migrations(&self) -> Vec<Migration> {
        let of = |(place, file): (i64, &MigrationFile)| Migration {
            version: match &file.meaning.version {
                Version::Numbers(parts) if parts.len() == 1 => i64::try_from(parts[0]).unwrap_or(place),
                _ => place,
            },
            name: file.meaning.description.clone(),
            up: Script {
                file: file.name.clone(),
                statements: file.parts.iter().flat_map(|part| part.statements.clone()).collect(),
            },
            down: None,
        };
        (1..).zip(self.earlier.iter().chain(&self.files)).map(of).collect()
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What is made of a file that is named in the scenario, whatever its name.
fn nameless(name: &str) -> FileName {
    FileName {
        version: Version::Text(name.to_owned()),
        description: name.trim_end_matches(".sql").to_owned(),
        direction: Direction::Up,
    }
}

/// The names of the files in a folder, in order.
fn names_in(folder: &Path) -> Result<Vec<String>, ScenarioError> {
    let unreadable = |reason| ScenarioError::Unreadable { path: folder.to_owned(), reason };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
