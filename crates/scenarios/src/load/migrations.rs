//! Migration files as the node takes them: `NNN_name.up.sql` beside `NNN_name.down.sql`.

use std::fs;
use std::path::{Path, PathBuf};

use sim_actors::coordinator::migrations::{Migration, Script, ScriptStatement};
use sql_syntax::TextRange;

use super::{ScenarioError, read};

pub(super) fn migrations_in(folder: &Path) -> Result<Vec<Migration>, ScenarioError> {
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
pub(super) fn read_migrations(
    files: impl Iterator<Item = (PathBuf, String)>,
) -> Result<Vec<Migration>, ScenarioError> {
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
    let statements =
        read_statements(path, sql, TextRange::new(0, u32::try_from(sql.len()).unwrap_or(u32::MAX)))?;
    Ok(Script { file: file.to_owned(), statements })
}

/// The statements of a part of a file, each with its line.
pub(super) fn read_statements(
    path: &Path,
    sql: &str,
    part: TextRange,
) -> Result<Vec<ScriptStatement>, ScenarioError> {
    let place =
        |range: TextRange| TextRange::new(range.start + part.start, range.end + part.start).line_column(sql);
    let parsed = sql_syntax::parse(part.of(sql));
    if let Some(error) = parsed.errors.first() {
        let (line, column) = place(error.range);
        let reason = format!("column {column}: {error}");
        return Err(ScenarioError::Migration { path: path.to_owned(), line, reason });
    }
    let statement =
        |range: TextRange| ScriptStatement { sql: range.of(part.of(sql)).to_owned(), line: place(range).0 };
    Ok(parsed.statements.iter().map(|located| statement(located.range)).collect())
}
