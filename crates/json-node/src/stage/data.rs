//! Data migrations: batches, backfills, validations, idempotent runs.

use serde_json::{Value, json};
use sim_actors::coordinator::batches::{self, BatchPlan, BatchReport};
use sim_actors::coordinator::changes;
use sim_actors::coordinator::database::Database;
use sim_actors::coordinator::rollout::roll_out;
use sim_actors::coordinator::validation::{self, CHECK_NAMES};
use sim_actors::coordinator::{Failure, quote_ident};

use super::{Rehearsal, Stage};
use crate::format::{object, seconds};
use crate::reply::{Body, Code, Refusal};
use crate::request::{Batched, Check};

impl Stage<'_> {
    pub(super) fn migrate_data(&mut self, batched: Batched) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let specs = &self.loaded.scenario.data_migrations;
        let spec = specs.iter().find(|spec| spec.table == batched.table).cloned();
        let Some(spec) = spec else {
            return Err(self.nothing_to_do(&batched.table, "data_migrations"));
        };
        let table = batched.table.clone();
        let plan = self.plan(batched, spec.key, spec.assignments, spec.needed);
        let done = self.run_batches(plan, None)?;
        Ok(object([
            ("type", json!("data_migrated")),
            ("total_rows", json!(done.value.0.processed)),
            ("batches", json!(done.value.0.batches)),
            ("table_locked", json!(done.observed.blocked_access_to(&table))),
        ]))
    }

    pub(super) fn backfill(&mut self, column: &str, batched: Batched) -> Result<Body, Refusal> {
        let table = batched.table.clone();
        let fresh = self.history.presupposes_columns();
        self.take_expansion_for_granted(&table, column)?;
        self.require_column(&table, column)?;
        let spec = self.expansion(&table, column);
        let Some((spec, fill)) = spec.and_then(|spec| spec.fill.clone().map(|fill| (spec, fill))) else {
            let text = format!(
                "nothing says what {table}.{column} is to be filled with; give the scenario an entry of \
                 [[expansions]] with a `fill` expression"
            );
            return Err(Refusal::new(Code::PreconditionFailed, text));
        };
        let writer = self.world.version_using(self.loaded, &table, column);
        if fresh {
            // In the past, the version that writes the column has been running for a while.
            let (version, soak) = (writer.clone(), spec.soak.0);
            self.rehearse(|mut db| async move {
                if let Some(version) = version {
                    roll_out(&mut db, &version).await?;
                }
                db.sleep(soak).await;
                Ok(())
            })?;
        }
        let new = quote_ident(column);
        let plan = self.plan(batched, spec.key, format!("{new} = {fill}"), Some(format!("{new} IS NULL")));
        let done = self.run_batches(plan, writer)?;
        self.history.column_steps = true;
        self.history.note_filled(&table, column);
        let (report, took) = done.value;
        Ok(object([
            ("type", json!("backfill_complete")),
            ("total_processed", json!(report.processed)),
            ("total_updated", json!(report.updated)),
            ("duration_seconds", seconds(took)),
        ]))
    }

    pub(super) fn run_idempotent(&mut self, table: &str, runs: u64) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let specs = &self.loaded.scenario.idempotent_migrations;
        let Some(spec) = specs.iter().find(|spec| spec.table == table).cloned() else {
            return Err(self.nothing_to_do(table, "idempotent_migrations"));
        };
        self.back_up(table);
        let policy = self.policy(None);
        let (mut changed, mut states) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let statement = spec.statement.clone();
            let story =
                |mut db| async move { changes::run_data_statement(&mut db, &statement, policy).await };
            // The first run meets live traffic. The later ones have the database to themselves, so
            // that whatever differs after them is their own doing.
            changed.push(self.rehearse_with(run == 0, story)?.value);
            states.push(self.world.checksum(table));
        }
        let unchanged = states.windows(2).all(|pair| pair[0] == pair[1]);
        Ok(object([
            ("type", json!("migration_complete")),
            ("rows_updated", json!(changed.first().copied().unwrap_or_default())),
            ("final_state", json!(if unchanged { "unchanged" } else { "changed" })),
        ]))
    }

    pub(super) fn validate(&mut self, table: &str, checks: &[Check]) -> Result<Body, Refusal> {
        if self.history.presupposes_columns()
            && let Some(spec) = self.loaded.scenario.expansions.iter().find(|spec| spec.table == table)
        {
            let batched =
                Batched { table: table.to_owned(), batch_size: 1_000, total_rows: None, max_lock_ms: None };
            let column = spec.column.clone();
            self.backfill(&column, batched)?;
        }
        self.take_schema_for_granted()?;
        self.require_table(table)?;
        let planned: Vec<validation::Check> =
            checks.iter().map(|check| self.planned_check(table, check)).collect::<Result<_, _>>()?;
        let name = table.to_owned();
        let story = |mut db| async move { validation::validate(&mut db, &name, &planned).await };
        let failed = self.rehearse(story)?.value;
        let passed = failed.iter().all(|rows| *rows == 0);
        let results: Vec<Value> = checks
            .iter()
            .zip(failed)
            .map(|(check, rows)| json!({"name": check.name, "passed": rows == 0, "failed_rows": rows}))
            .collect();
        let mut body = object([("type", json!("validation_results")), ("results", Value::Array(results))]);
        if !passed && self.restore(table) {
            body.insert("restored_from_backup".to_owned(), json!(true));
        }
        Ok(body)
    }

    fn planned_check(&self, table: &str, check: &Check) -> Result<validation::Check, Refusal> {
        let column = || match &check.column {
            Some(column) => self.require_column(table, column).map(|()| column.clone()),
            None => Err(Refusal::new(
                Code::Malformed,
                format!(
                    "validation {:?} needs a column: {{\"name\": {:?}, \"column\": …}}",
                    check.name, check.name
                ),
            )),
        };
        let (min, max) = (check.min, check.max);
        Ok(match check.name.as_str() {
            "no_nulls" => {
                validation::Check::NoNulls { columns: self.columns_or(check, self.required_columns(table))? }
            }
            "email_format" => {
                validation::Check::EmailFormat { columns: self.columns_or(check, self.email_columns(table))? }
            }
            "unique" => validation::Check::Unique { column: column()? },
            "no_orphans" => {
                let column = column()?;
                let Some((parent, parent_column)) = self.world.referenced_by(table, &column) else {
                    let text = format!("{table}.{column} has no foreign key that names its parent");
                    return Err(Refusal::new(Code::PreconditionFailed, text));
                };
                validation::Check::NoOrphans { column, parent, parent_column }
            }
            "length" => validation::Check::Length { column: column()?, min, max },
            "in_range" => validation::Check::InRange { column: column()?, min, max },
            other => {
                let text = format!("unknown validation {other:?}; known: {}", CHECK_NAMES.join(", "));
                return Err(Refusal::new(Code::Malformed, text));
            }
        })
    }

    fn columns_or(&self, check: &Check, found: Vec<String>) -> Result<Vec<String>, Refusal> {
        let columns = check.column.clone().map_or(found, |column| vec![column]);
        if columns.is_empty() {
            let text = format!("no column for validation {:?}; name one in \"column\"", check.name);
            return Err(Refusal::new(Code::PreconditionFailed, text));
        }
        Ok(columns)
    }

    /// Columns that must not be NULL: declared so, or filled by this session's data migrations.
    fn required_columns(&self, table: &str) -> Vec<String> {
        let filled = self.history.filled.get(table).cloned().unwrap_or_default();
        let columns = self.world.columns(table);
        let required = columns.into_iter().filter(|(name, not_null)| *not_null || filled.contains(name));
        required.map(|(name, _)| name).collect()
    }

    fn email_columns(&self, table: &str) -> Vec<String> {
        let columns = self.world.columns(table).into_iter().map(|(name, _)| name);
        columns.filter(|name| name == "email" || name.ends_with("_email")).collect()
    }

    fn plan(&self, batched: Batched, key: String, assignments: String, needed: Option<String>) -> BatchPlan {
        BatchPlan {
            policy: self.policy(batched.max_lock_ms),
            table: batched.table,
            key,
            assignments,
            needed,
            batch_size: batched.batch_size,
            total_rows: batched.total_rows,
            pause: self.loaded.scenario.migration.batch_pause.0,
        }
    }

    /// Backs the table up and runs the batches, once the version that writes the column is there.
    fn run_batches(
        &mut self,
        plan: BatchPlan,
        writer: Option<String>,
    ) -> Result<Rehearsal<(BatchReport, sim_clock::Nanos)>, Refusal> {
        self.back_up(&plan.table);
        self.rehearse(|mut db| async move {
            if let Some(version) = writer {
                roll_out(&mut db, &version).await?;
            }
            let started = db.now();
            let report = batches::run_batches(&mut db, &plan).await?;
            Ok::<_, Failure>((report, db.now() - started))
        })
    }

    pub(super) fn back_up(&mut self, table: &str) {
        if let Some(backup) = self.world.back_up(table) {
            self.history.backups.insert(table.to_owned(), backup);
        }
    }

    /// Puts a table's contents back to before its data migration, if there is a backup of them.
    fn restore(&mut self, table: &str) -> bool {
        let Some(backup) = self.history.backups.remove(table) else { return false };
        let mut world = scenarios::World::clone(&self.world);
        world.restore(table, backup);
        self.world = std::rc::Rc::new(world);
        true
    }

    fn nothing_to_do(&self, table: &str, section: &str) -> Refusal {
        match self.require_table(table) {
            Err(refusal) => refusal,
            Ok(()) => Refusal::new(
                Code::PreconditionFailed,
                format!("the scenario has no entry of [[{section}]] for table {table}"),
            ),
        }
    }

    fn require_table(&self, table: &str) -> Result<(), Refusal> {
        if self.world.has_table(table) {
            return Ok(());
        }
        Err(Refusal::new(Code::KeyDoesNotExist, format!("relation \"{table}\" does not exist")))
    }

    pub(super) fn require_column(&self, table: &str, column: &str) -> Result<(), Refusal> {
        self.require_table(table)?;
        if self.world.has_column(table, column) {
            return Ok(());
        }
        let text = format!("column \"{column}\" of relation \"{table}\" does not exist");
        Err(Refusal::new(Code::KeyDoesNotExist, text))
    }
}
