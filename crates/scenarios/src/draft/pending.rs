//! Which migrations are still to come.

use sql_engine::{Database, DatabaseConfig, is_not_modelled};

use crate::load::MigrationFile;

/// The migrations that are rehearsed, and the server before them.
pub(super) struct Pending<'p> {
    pub(super) database: Database,
    pub(super) files: &'p [MigrationFile],
    /// How many files come before them.
    pub(super) earlier: usize,
}

impl<'p> Pending<'p> {
    /// Those that a given schema can still take: the longest run of files up to the last one.
    pub(super) fn after(
        schema: Database,
        files: &'p [MigrationFile],
        from: Option<&str>,
    ) -> Result<Self, String> {
        let first = match from {
            Some(start) => position(files, start)?,
            None => {
                let mut first = 0;
                let mut database = schema.clone();
                for (at, file) in files.iter().enumerate() {
                    if apply(&mut database, file).is_err() {
                        (first, database) = (at + 1, schema.clone());
                    }
                }
                first
            }
        };
        if first == files.len() {
            let last = files.last().map_or("", |file| file.name.as_str());
            return Err(format!(
                "the schema cannot take the last migration, {last}: {}; give the schema as it is before the migration, or name the first file with --from",
                files.last().and_then(|file| apply(&mut schema.clone(), file).err()).unwrap_or_default()
            ));
        }
        Ok(Self { database: schema, files: &files[first..], earlier: first })
    }

    /// The last one, after all others on an empty server.
    pub(super) fn last_of(
        files: &'p [MigrationFile],
        from: Option<&str>,
        version: u16,
    ) -> Result<Self, String> {
        let first = match from {
            Some(start) => position(files, start)?,
            None => files.len() - 1,
        };
        let mut config = DatabaseConfig::default();
        config.version = version;
        let mut database = Database::new(config);
        for file in &files[..first] {
            for statement in file.parts.iter().flat_map(|part| &part.statements) {
                database.script(&statement.sql).map_err(|error| {
                    let place = format!("{} line {}", file.name, statement.line);
                    format!("{place}: {error}; give the schema before the migration with --schema (pg_dump --schema-only)")
                })?;
            }
        }
        Ok(Self { database, files: &files[first..], earlier: first })
    }
}

fn position(files: &[MigrationFile], start: &str) -> Result<usize, String> {
    let found = files.iter().position(|file| file.name.starts_with(start));
    let names =
        || files.iter().rev().take(5).rev().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("no migration's name begins with {start:?}; the last ones are {}", names()))
}

/// Applies a file; what is not modelled is passed over.
fn apply(database: &mut Database, file: &MigrationFile) -> Result<(), String> {
    for statement in file.parts.iter().flat_map(|part| &part.statements) {
        match database.script(&statement.sql) {
            Err(error) if !is_not_modelled(&error) => {
                return Err(format!("line {}: {error}", statement.line));
            }
            _ => {}
        }
    }
    Ok(())
}
