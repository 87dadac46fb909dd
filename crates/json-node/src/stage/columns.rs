//! Expand–contract: a new column beside the old one, the values copied, the old one dropped.

use scenarios::ExpansionSpec;
use serde_json::json;
use sim_actors::coordinator::batches::{self, BatchPlan};
use sim_actors::coordinator::changes::{self, ContractPlan};
use sim_actors::coordinator::quote_ident;
use sim_actors::coordinator::rollout::roll_out;

use super::Stage;
use crate::format::object;
use crate::reply::{Body, Code, Refusal};

/// Rows that a copy moves at a time.
const COPY_BATCH: u64 = 1_000;

impl Stage<'_> {
    pub(super) fn expand(&mut self, table: &str, column: &str) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let failed_before = self.world.failing_statements(self.loaded);
        let no_errors = self.add_expansion(table, column)?;
        let compatible = no_errors && self.world.failing_statements(self.loaded) <= failed_before;
        let version = self.history.next_column_version();
        let old = self.expansion(table, column).and_then(|spec| spec.replaces);
        let beside = old.map(|old| format!("{old}, ")).unwrap_or_default();
        Ok(object([
            ("type", json!("migration_applied")),
            ("version", json!(version)),
            ("name", json!(format!("add_{column}_column"))),
            ("schema", json!(format!("{table} ({beside}{column} NULL)"))),
            ("backward_compatible", json!(compatible)),
        ]))
    }

    pub(super) fn copy_column(&mut self, table: Option<&str>, from: &str, to: &str) -> Result<Body, Refusal> {
        let table = self.table_of(table, from, to)?;
        self.take_expansion_for_granted(&table, to)?;
        let rows = self.copy(&table, from, to)?;
        let version = self.history.next_column_version();
        Ok(object([
            ("type", json!("data_migrated")),
            ("version", json!(version)),
            ("rows_migrated", json!(rows)),
        ]))
    }

    pub(super) fn contract(&mut self, table: &str, column: &str) -> Result<Body, Refusal> {
        let specs = &self.loaded.scenario.expansions;
        let spec = specs.iter().find(|spec| spec.table == table && spec.replaces.as_deref() == Some(column));
        let successor = spec.map(|spec| spec.column.clone());
        match &successor {
            Some(successor) if self.history.presupposes_columns() => {
                self.take_expansion_for_granted(table, successor)?;
                self.copy(table, column, successor)?;
                self.history.next_column_version();
            }
            _ => self.take_schema_for_granted()?,
        }
        self.require_column(table, column)?;
        let Some(version) = self.world.version_without(self.loaded, table, column) else {
            let text = format!("every version of the application uses {table}.{column}");
            return Err(Refusal::new(Code::PreconditionFailed, text));
        };
        let plan = ContractPlan {
            table: table.to_owned(),
            column: column.to_owned(),
            successor: successor.clone(),
            version,
        };
        let policy = self.policy(None);
        let done = self.rehearse(|mut db| async move { changes::contract(&mut db, &plan, policy).await })?;
        if let Some(failed) = done.observed.schema_failure() {
            return Err(Refusal::new(Code::PreconditionFailed, failed));
        }
        // The migration is over: what it could fall back on is of no use any more.
        self.history.backups.remove(table);
        let version = self.history.next_column_version();
        Ok(object([
            ("type", json!("migration_applied")),
            ("version", json!(version)),
            ("name", json!(format!("remove_{column}_column"))),
            ("schema", json!(format!("{table} ({})", successor.unwrap_or_default()))),
        ]))
    }

    pub(super) fn expansion(&self, table: &str, column: &str) -> Option<ExpansionSpec> {
        let specs = &self.loaded.scenario.expansions;
        specs.iter().find(|spec| spec.table == table && spec.column == column).cloned()
    }

    /// Expand as a step of the past, unless the session has taken steps of the kind.
    pub(super) fn take_expansion_for_granted(&mut self, table: &str, column: &str) -> Result<(), Refusal> {
        self.take_schema_for_granted()?;
        let known = self.expansion(table, column).is_some();
        if known && self.history.presupposes_columns() && !self.world.has_column(table, column) {
            self.add_expansion(table, column)?;
            self.history.next_column_version();
        }
        Ok(())
    }

    /// Adds the column, nullable; whether no request failed meanwhile because of the schema.
    fn add_expansion(&mut self, table: &str, column: &str) -> Result<bool, Refusal> {
        let data_type = self.expansion(table, column).map_or("text".to_owned(), |spec| spec.data_type);
        let (table, column, policy) = (table.to_owned(), column.to_owned(), self.policy(None));
        let story =
            |mut db| async move { changes::add_column(&mut db, &table, &column, &data_type, policy).await };
        Ok(self.rehearse(story)?.observed.schema_failure().is_none())
    }

    /// Copies a column where the other one is empty. The version that writes both comes first, so
    /// that no row written meanwhile is left behind.
    fn copy(&mut self, table: &str, from: &str, to: &str) -> Result<u64, Refusal> {
        let key = self.expansion(table, to).map_or("id".to_owned(), |spec| spec.key);
        self.back_up(table);
        let (old, new) = (quote_ident(from), quote_ident(to));
        let plan = BatchPlan {
            table: table.to_owned(),
            key,
            assignments: format!("{new} = {old}"),
            needed: Some(format!("{new} IS NULL AND {old} IS NOT NULL")),
            batch_size: COPY_BATCH,
            total_rows: None,
            pause: self.loaded.scenario.migration.batch_pause.0,
            policy: self.policy(None),
        };
        let writer = self.world.version_using(self.loaded, table, to);
        let story = |mut db| async move {
            if let Some(version) = writer {
                roll_out(&mut db, &version).await?;
            }
            batches::run_batches(&mut db, &plan).await
        };
        let report = self.rehearse(story)?.value;
        self.history.note_filled(table, to);
        Ok(report.updated)
    }

    /// The table that a copy is about: as named, or the only one that the columns point to.
    fn table_of(&self, named: Option<&str>, from: &str, to: &str) -> Result<String, Refusal> {
        if let Some(table) = named {
            return Ok(table.to_owned());
        }
        let specs = &self.loaded.scenario.expansions;
        let by_spec = specs.iter().find(|spec| spec.column == to).map(|spec| spec.table.clone());
        by_spec.or_else(|| self.world.table_with_columns(from, to)).ok_or_else(|| {
            let text = format!("no table has the columns {from} and {to}; name it in field \"table\"");
            Refusal::new(Code::KeyDoesNotExist, text)
        })
    }
}
