//! Which files are checked, in which order, by whose rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use schema_rules::migrations::{Direction, FileName, Runner, Version, detect, file_name};

/// A migration file.
#[derive(Debug)]
pub(super) struct MigrationFile {
    pub(super) path: PathBuf,
    pub(super) name: FileName,
    pub(super) runner: &'static Runner,
}

/// The files that the paths name: a directory stands for the migrations in it and below it.
pub(super) fn collect(
    paths: &[PathBuf],
    chosen: Option<&'static Runner>,
) -> anyhow::Result<Vec<MigrationFile>> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            let before = found.len();
            directory(path, chosen, &mut found)?;
            if found.len() == before {
                bail!("no migrations in {}", path.display());
            }
        } else {
            found.push(single(path, chosen)?);
        }
    }
    Ok(found)
}

fn single(path: &Path, chosen: Option<&'static Runner>) -> anyhow::Result<MigrationFile> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let runner = match chosen {
        Some(runner) => runner,
        None => {
            let names = names_in(directory).unwrap_or_default();
            guess(directory, &names, path)
        }
    };
    let name = file_name(runner, &own).unwrap_or_else(|| FileName {
        version: Version::Text(own.clone()),
        description: own,
        direction: Direction::Up,
    });
    Ok(MigrationFile { path: path.to_owned(), name, runner })
}

/// The migrations of a directory in the order of their versions, then those of the directories in it.
fn directory(
    path: &Path,
    chosen: Option<&'static Runner>,
    found: &mut Vec<MigrationFile>,
) -> anyhow::Result<()> {
    let names = names_in(path)?;
    let first = names.iter().find(|n| n.ends_with(".sql"));
    if let Some(first) = first {
        let runner = chosen.unwrap_or_else(|| guess(path, &names, &path.join(first)));
        let mut ordered: BTreeMap<(bool, Version, bool, String), MigrationFile> = BTreeMap::new();
        for own in &names {
            if let Some(name) = file_name(runner, own) {
                let repeatable = name.direction == Direction::Repeatable;
                let down = name.direction == Direction::Down;
                let key = (repeatable, name.version.clone(), down, own.clone());
                ordered.insert(key, MigrationFile { path: path.join(own), name, runner });
            }
        }
        found.extend(ordered.into_values());
    }
    let mut below: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.is_dir())
        .collect();
    below.sort();
    below.iter().try_for_each(|p| directory(p, chosen, found))
}

fn names_in(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .filter_map(|entry| entry.ok())
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Looks at the files, at the start of one of them, and at what lies beside and above the directory.
fn guess(directory: &Path, names: &[String], sample: &Path) -> &'static Runner {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bytes = std::fs::read(sample).unwrap_or_default();
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    let mut neighbours = Vec::new();
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    for above in absolute.ancestors().skip(1).take(3) {
        neighbours.extend(names_in(above).unwrap_or_default());
    }
    let neighbours: Vec<&str> = neighbours.iter().map(String::as_str).collect();
    detect(&names, &start, &neighbours)
}
