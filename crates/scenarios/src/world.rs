//! The world between rehearsals: the database at rest, and what the application's instances run.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use sim_actors::coordinator::quote_ident;
use sql_engine::{Database, DatabaseConfig, TableBackup};

use crate::load::{Loaded, ScenarioError};
use crate::model::{Scenario, StatementSpec, VersionSpec};

/// What persists from one rehearsal to the next.
#[derive(Clone)]
pub struct World {
    pub(crate) database: Database,
    /// The version of each instance, by its place in the scenario's list.
    pub(crate) versions: Vec<usize>,
    /// Where each key sequence goes on.
    pub(crate) sequences: BTreeMap<String, i64>,
    /// The tables that have been given their production data.
    pub(crate) filled: BTreeSet<String>,
    /// What the record of migrations holds, once somebody has asked.
    pub(crate) applied: OnceCell<Vec<i64>>,
}

impl World {
    /// The world before the first migration: what the scenario's `schema` sets up, no more.
    ///
    /// # Errors
    /// When the scenario's own SQL fails.
    pub fn new(loaded: &Loaded) -> Result<Self, ScenarioError> {
        let scenario = &loaded.scenario;
        let database = &scenario.database;
        let mut config = DatabaseConfig::default();
        (config.version, config.seed) = (database.version, scenario.seed);
        config.statement_overhead = database.statement_overhead.0;
        for (name, span) in &database.rates {
            config
                .set_rate(name, span.0)
                .map_err(|error| loaded.contradiction(format!("database.rates: {error}")))?;
        }
        let first = version_index(scenario, &scenario.application.version).unwrap_or(0);
        let mut world = Self {
            database: Database::new(config),
            versions: vec![first; scenario.application.instances as usize],
            sequences: BTreeMap::new(),
            filled: BTreeSet::new(),
            applied: OnceCell::new(),
        };
        world.run(loaded, "database.schema", &database.schema)?;
        Ok(world)
    }

    /// Gives every table that exists now, and has not been filled yet, its production data.
    ///
    /// # Errors
    /// When the scenario's own SQL fails.
    pub fn fill_tables(&mut self, loaded: &Loaded) -> Result<(), ScenarioError> {
        self.filled.retain(|table| self.database.has_table(table));
        for table in &loaded.scenario.tables {
            if !self.has_table(&table.name) || self.filled.contains(&table.name) {
                continue;
            }
            let bytes = table.bytes.map(|size| size.0);
            if let Some(data) = &table.data {
                let data = data.replace("$1", &table.rows.to_string());
                self.run(loaded, &format!("the data of table {:?}", table.name), &data)?;
            }
            // Rows that the schema's own INSERTs have made are there and stay.
            if table.data.is_none() && self.database.is_empty(&table.name) {
                self.database.set_virtual_rows(&table.name, table.rows, bytes);
            } else if let Some(bytes) = bytes {
                self.database.set_table_size(&table.name, table.rows, bytes);
            }
            self.filled.insert(table.name.clone());
        }
        Ok(())
    }

    /// Runs the migration files that come before the rehearsed ones, unless the schema is given.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn apply_earlier(&mut self, loaded: &Loaded) -> Result<(), ScenarioError> {
        if !loaded.scenario.database.schema.is_empty() {
            return Ok(());
        }
        for file in &loaded.plan.earlier {
            for statement in file.parts.iter().flat_map(|part| &part.statements) {
                self.run(loaded, &format!("{} line {}", file.name, statement.line), &statement.sql)?;
            }
        }
        Ok(())
    }

    /// Sees to it that the first version's statements fit the schema: else nothing would be rehearsed.
    ///
    /// # Errors
    /// The first statement that does not.
    pub fn must_serve(&self, loaded: &Loaded) -> Result<(), ScenarioError> {
        let mut database = self.database.clone();
        for (at, application) in loaded.scenario.all_applications().enumerate() {
            let running: BTreeSet<usize> = self.versions_of(&loaded.scenario, at).into_iter().collect();
            for version in running.into_iter().filter_map(|at| application.versions.get(at)) {
                for statement in version.requests.iter().flat_map(|request| &request.statements) {
                    let fits = database.prepare(&statement.sql).and_then(|id| database.check(id));
                    fits.map_err(|error| {
                        let (name, sql) = (&application.name, &statement.sql);
                        loaded.contradiction(format!(
                            "version {:?} of {name} sends {sql:?}, which fails on the schema as it is: {error}",
                            version.name
                        ))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// The versions that the instances of an application run: the migrated one is at place 0, the others have changed
    /// nothing yet.
    pub(crate) fn versions_of(&self, scenario: &Scenario, application: usize) -> Vec<usize> {
        if application == 0 {
            return self.versions.clone();
        }
        let Some(spec) = scenario.all_applications().nth(application) else { return Vec::new() };
        let first = spec.versions.iter().position(|version| version.name == spec.version);
        vec![first.unwrap_or(0); spec.instances as usize]
    }

    fn run(&mut self, loaded: &Loaded, what: &str, sql: &str) -> Result<(), ScenarioError> {
        self.database.script(sql).map_err(|error| loaded.contradiction(format!("{what}: {error}")))
    }

    /// Whether there is a table of that name.
    #[must_use]
    pub fn has_table(&self, table: &str) -> bool {
        self.database.has_table(table)
    }

    /// Whether the table has that column.
    #[must_use]
    pub fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns(table).iter().any(|(name, _)| name == column)
    }

    /// The table's columns, in order, and whether each is NOT NULL.
    #[must_use]
    pub fn columns(&self, table: &str) -> Vec<(String, bool)> {
        self.database.columns(table)
    }

    /// The only table that has both columns.
    #[must_use]
    pub fn table_with_columns(&self, one: &str, other: &str) -> Option<String> {
        let mut found = self
            .database
            .tables()
            .into_iter()
            .filter(|table| self.has_column(table, one) && self.has_column(table, other));
        let first = found.next();
        first.filter(|_| found.next().is_none())
    }

    /// The table and column that a foreign key on this column refers to.
    #[must_use]
    pub fn referenced_by(&self, table: &str, column: &str) -> Option<(String, String)> {
        self.database.referenced_by(table, column)
    }

    /// The versions that the record of migrations holds.
    #[must_use]
    pub fn applied_versions(&self) -> &[i64] {
        self.applied.get_or_init(|| self.read_applied_versions())
    }

    fn read_applied_versions(&self) -> Vec<i64> {
        if !self.has_table("schema_migrations") {
            return Vec::new();
        }
        let rows = self.database.clone().query("SELECT version FROM schema_migrations ORDER BY version");
        let rows = rows.unwrap_or_default();
        rows.iter().filter_map(|row| row.first()?.as_ref()?.parse().ok()).collect()
    }

    /// A table's contents, to be put back should its data migration prove wrong.
    #[must_use]
    pub fn back_up(&self, table: &str) -> Option<TableBackup> {
        self.database.back_up(table)
    }

    /// Puts a table's contents back.
    pub fn restore(&mut self, table: &str, backup: TableBackup) {
        self.database.restore(table, backup);
    }

    /// A checksum over a table's contents, whatever the order of its rows.
    #[must_use]
    pub fn checksum(&self, table: &str) -> u64 {
        self.database.checksum(table).unwrap_or_default()
    }

    /// How many statements of the versions that run now cannot be planned against the schema.
    #[must_use]
    pub fn failing_statements(&self, loaded: &Loaded) -> usize {
        let running: BTreeSet<usize> = self.versions.iter().copied().collect();
        let versions = running.iter().filter_map(|at| loaded.scenario.application.versions.get(*at));
        versions.map(|version| failing(&mut self.database.clone(), version)).sum()
    }

    /// The oldest version, from the ones that run now on, that gets by without a column.
    #[must_use]
    pub fn version_without(&self, loaded: &Loaded, table: &str, column: &str) -> Option<String> {
        let mut without = self.database.clone();
        let drop = format!("ALTER TABLE {} DROP COLUMN {}", quote_ident(table), quote_ident(column));
        without.script(&drop).ok()?;
        self.later_versions(loaded)
            .find(|version| failing(&mut without, version) == 0)
            .map(|version| version.name.clone())
    }

    /// The oldest version, from the ones that run now on, that uses a column.
    #[must_use]
    pub fn version_using(&self, loaded: &Loaded, table: &str, column: &str) -> Option<String> {
        let mut without = self.database.clone();
        let drop = format!("ALTER TABLE {} DROP COLUMN {}", quote_ident(table), quote_ident(column));
        without.script(&drop).ok()?;
        let mut with = self.database.clone();
        self.later_versions(loaded)
            .find(|version| failing(&mut with, version) < failing(&mut without, version))
            .map(|version| version.name.clone())
    }

    /// The versions of the application from the oldest that runs now on.
    fn later_versions<'a>(&self, loaded: &'a Loaded) -> impl Iterator<Item = &'a VersionSpec> {
        let oldest = self.versions.iter().copied().min().unwrap_or(0);
        loaded.scenario.application.versions.iter().skip(oldest)
    }
}

/// How many of a version's statements cannot be planned.
fn failing(database: &mut Database, version: &VersionSpec) -> usize {
    let statements = version.requests.iter().flat_map(|request| &request.statements);
    statements.filter(|statement| !can_be_planned(database, statement)).count()
}

fn can_be_planned(database: &mut Database, statement: &StatementSpec) -> bool {
    let prepared = database.prepare(&statement.sql);
    prepared.is_ok_and(|statement| database.check(statement).is_ok())
}

pub(crate) fn version_index(scenario: &Scenario, name: &str) -> Option<usize> {
    scenario.application.versions.iter().position(|version| version.name == name)
}
