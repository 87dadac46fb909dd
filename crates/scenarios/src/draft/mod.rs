//! A first scenario out of a schema and a folder of migrations: everything that can be found out, and defaults marked as
//! such for what cannot.
//!
//! ```text
//!   schema.sql ──► server ──┐
//!   migrations/ ─► runner, ─┴─► which files are still to come ─► tables that they touch ─► requests ─► TOML
//! ```

mod pending;
mod requests;
mod text;

use std::path::{Path, PathBuf};

use crate::load::{MigrationPlan, ScenarioError, read, read_schema};
use crate::model::MigrationSpec;

use pending::Pending;

/// The major version that is taken when nobody says which.
const VERSION: u16 = 16;

/// What a scenario is drafted from.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The schema as it is before the migration; without it, the migrations before the last one make it.
    pub schema: Option<PathBuf>,
    /// The folder of the migrations.
    pub migrations: PathBuf,
    /// The folder that the scenario will be in.
    pub folder: PathBuf,
    /// The first migration that is rehearsed, by the start of its file's name; default: found out.
    pub from: Option<String>,
}

impl Draft {
    /// The scenario's text.
    ///
    /// # Errors
    /// When a file cannot be read or used, or nothing is left to be rehearsed.
    pub fn write(&self) -> Result<String, ScenarioError> {
        let spec = MigrationSpec {
            directory: Some(self.migrations.display().to_string()),
            ..MigrationSpec::default()
        };
        let plan = MigrationPlan::read(&spec, Path::new("."))?;
        if plan.files.is_empty() {
            let reason = format!(
                "no migration that {} would run is in this folder; name the folder with the .sql files",
                plan.runner.name
            );
            return Err(self.cannot(reason));
        }
        let pending = match &self.schema {
            Some(path) => {
                let schema = read_schema(path, &read(path)?, VERSION)?;
                Pending::after(schema.database, &plan.files, self.from.as_deref())
            }
            None => Pending::last_of(&plan.files, self.from.as_deref(), VERSION),
        };
        let pending = pending.map_err(|reason| self.cannot(reason))?;
        let tables = requests::tables(&pending);
        Ok(text::scenario(self, &plan, &pending, &tables, VERSION))
    }

    fn cannot(&self, reason: String) -> ScenarioError {
        ScenarioError::Contradiction { path: self.migrations.clone(), reason }
    }
}

/// A path as it is written in a file of that folder.
fn relative(folder: &Path, path: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (folder, path) = (absolute(folder), absolute(path));
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), path.components().collect());
    let common = from.iter().zip(&to).take_while(|pair| pair.0 == pair.1).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    let down = to[common..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// Words that a bare name must not be: what they mean by themselves is no column.
const MEANINGFUL: [&str; 16] = [
    "user",
    "current_user",
    "session_user",
    "system_user",
    "current_role",
    "current_catalog",
    "current_schema",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "null",
    "true",
    "false",
    "default",
];

/// A name as SQL has it, in quotes only where it needs them.
fn ident(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let bare = name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && !MEANINGFUL.contains(&name)
        && sql_syntax::parse(&format!("UPDATE {name} SET {name} = {name} WHERE {name} = $1"))
            .errors
            .is_empty();
    if bare { name.to_owned() } else { sim_actors::coordinator::quote_ident(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_only_where_they_need_it() {
        let quoted = ["users", "order", "user", "Users", "a b", "1a", "key", "select"].map(ident);
        assert_eq!(
            quoted,
            ["users", "\"order\"", "\"user\"", "\"Users\"", "\"a b\"", "\"1a\"", "key", "\"select\""]
        );
    }

    #[test]
    fn a_path_is_written_as_seen_from_the_folder() {
        assert_eq!(relative(Path::new("/a/b"), Path::new("/a/c/d.sql")), "../c/d.sql");
        assert_eq!(relative(Path::new("/a"), Path::new("/a/c")), "c");
        assert_eq!(relative(Path::new("."), Path::new(".")), ".");
    }
}
