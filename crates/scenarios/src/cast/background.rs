//! The sessions beside the applications.

use std::collections::BTreeMap;

use schema_rules::catalog::{Catalog, RelationSize};
use schema_rules::cost::CostModel;
use schema_rules::effects::{Work, WorkKind};
use sim_actors::{Background, Event, Player, Repetition, Step};
use sim_clock::{Nanos, Scheduler, Seed};
use transactions::{BackendRole, SessionSettings};

use super::{Cast, SERVER, with_settings};
use crate::model::{BackgroundSpec, BackgroundWork, DumpedTable, Scenario, StatementSpec, TableSpec};
use crate::units::Span;

/// When a worker that had to give way comes again: `autovacuum_naptime`, 1 min by default (manual, section 19.10).
const NAPTIME: Nanos = Nanos::from_secs(60);
/// How much an autovacuum worker spends before it sleeps: `vacuum_cost_limit` (manual, section 19.4.4).
const COST_LIMIT: u64 = 200;
/// How long it then sleeps: `autovacuum_vacuum_cost_delay`, 2 ms since PostgreSQL 12.
const COST_DELAY: Nanos = Nanos::from_millis(2);
/// `vacuum_cost_page_dirty`.
const PAGE_DIRTY: u64 = 20;
const PAGE: u64 = 8_192;

impl<R> Cast<R> {
    pub(super) fn add_background(&mut self, scenario: &Scenario, scheduler: &mut Scheduler<Event>) {
        if scenario.background.is_empty() {
            return;
        }
        let sizes = Sizes::of(self.database.catalog(), scenario);
        for spec in &scenario.background {
            let script = spec.script(&sizes.dumped(), |table| sizes.vacuum(table));
            let steps: Vec<Step> = script.iter().map(|statement| self.step(statement, &[])).collect();
            // A session whose tables are not there yet has nothing to do yet either.
            if steps.iter().any(|step| self.database.check(step.statement).is_err()) {
                continue;
            }
            let place = self.next_actor();
            self.scripts.insert(place, told(&script));
            let settings =
                SessionSettings { role: role(spec), ..with_settings(self.settings, &spec.settings) };
            let session = self.database.connect(Nanos::ZERO, &spec.name, settings);
            self.clients.push(place);
            let rollback = self.plain_step("ROLLBACK");
            let service = Seed(scenario.seed).stream(&format!("background/{}", spec.name));
            let mut player = Background::new(SERVER, session, steps, None, rollback, service)
                .reconnecting(spec.name.as_str().into(), settings)
                .repeated(repetition(spec));
            scheduler.set_timer(player.first_start(spec.start.0), place, 0);
            self.add(spec.name.clone(), Player::Background(player));
        }
    }
}

/// A statement of a background session, for whoever draws it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptStep {
    /// Its text, whitespace folded.
    pub(crate) sql: String,
    /// Whether a transaction is open after it.
    pub(crate) leaves_open: bool,
}

fn told(script: &[StatementSpec]) -> Vec<ScriptStep> {
    let mut open = false;
    let step = |statement: &StatementSpec| {
        let sql = statement.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut words = sql.split([' ', ';']).map(str::to_ascii_uppercase);
        match words.next().as_deref() {
            Some("BEGIN" | "START") => open = true,
            Some("COMMIT" | "END" | "ABORT") => open = false,
            // Back to a savepoint is not out of the transaction.
            Some("ROLLBACK") if !words.any(|word| word == "TO") => open = false,
            _ => {}
        }
        ScriptStep { sql, leaves_open: open }
    };
    script.iter().map(step).collect()
}

fn role(spec: &BackgroundSpec) -> BackendRole {
    match spec.work {
        BackgroundWork::Autovacuum { anti_wraparound: true, .. } => BackendRole::AntiWraparoundAutovacuum,
        BackgroundWork::Autovacuum { .. } => BackendRole::Autovacuum,
        _ => BackendRole::Client,
    }
}

fn repetition(spec: &BackgroundSpec) -> Repetition {
    let worker = matches!(spec.work, BackgroundWork::Autovacuum { .. });
    Repetition {
        every: spec.every.map(|span| span.0),
        jitter: spec.jitter.0,
        after_failure: worker.then_some(NAPTIME),
    }
}

/// The scenario's tables by their names without a schema, those of one name in the scenario's order.
fn specs_by_name(scenario: &Scenario) -> BTreeMap<&str, Vec<&TableSpec>> {
    let mut specs: BTreeMap<&str, Vec<&TableSpec>> = BTreeMap::new();
    for spec in &scenario.tables {
        let name = spec.name.split_once('.').map_or(spec.name.as_str(), |(_, name)| name);
        specs.entry(name).or_default().push(spec);
    }
    specs
}

/// How big the tables are, by the scenario; those that it does not name are empty.
struct Sizes<'s> {
    scenario: &'s Scenario,
    catalog: Catalog,
    model: CostModel,
}

impl<'s> Sizes<'s> {
    fn of(mut catalog: Catalog, scenario: &'s Scenario) -> Self {
        let tables: Vec<_> = catalog.relations().filter(|one| one.is_table()).cloned().collect();
        let specs = specs_by_name(scenario);
        for table in tables {
            let named = specs.get(&*table.name).map_or(&[][..], Vec::as_slice);
            let spec = named.iter().find(|one| one.is_called(&table.schema, &table.name));
            let rows = spec.map_or(0, |one| one.rows);
            let bytes = spec.and_then(|one| one.bytes).map_or(0, |size| size.0);
            catalog.set_size(table.id, RelationSize { rows, bytes });
        }
        let mut model = CostModel::default();
        for (name, span) in &scenario.database.rates {
            // The names were checked when the file was read.
            let _ = model.rates.set(&format!("{name}_ns"), &span.0.0.to_string());
        }
        Self { scenario, catalog, model }
    }

    /// Every table, and how long a dump reads it.
    fn dumped(&self) -> Vec<DumpedTable> {
        let tables = self.catalog.relations().filter(|one| one.has_heap() && one.is_table());
        let dumped = |table: &std::rc::Rc<schema_rules::catalog::Relation>| DumpedTable {
            schema: table.schema.to_string(),
            name: table.name.to_string(),
            rows: self.catalog.size(table.id).rows,
            takes: self.time(table.id, WorkKind::Rewrite { computed: 0 }),
        };
        tables.map(dumped).collect()
    }

    fn time(&self, relation: schema_rules::RelationId, kind: WorkKind) -> Span {
        Span(Nanos(self.model.work(&self.catalog, &Work { relation, kind }).likely_ns))
    }

    /// How long an autovacuum worker is busy with a table: its work, or the naps between if they are longer.
    fn vacuum(&self, name: &str) -> Option<Span> {
        let called = |schema: &str, table: &str| crate::model::same_table(name, schema, table);
        let table = self.catalog.relations().find(|one| one.is_table() && called(&one.schema, &one.name))?;
        let spec = self.scenario.tables.iter().find(|one| one.is_called(&table.schema, &table.name))?;
        let pages = self.model.bytes(&self.catalog, table.id) / PAGE;
        // `vacuum_cost_page_miss` was 10 up to PostgreSQL 13.
        let miss = if self.scenario.database.version < 14 { 10 } else { 2 };
        let cost = pages.saturating_mul(miss).saturating_add(spec.dead_rows.min(pages) * PAGE_DIRTY);
        let naps = Span(Nanos((cost / COST_LIMIT).saturating_mul(COST_DELAY.0)));
        Some(naps.max(self.time(table.id, WorkKind::Vacuum { freeze: false })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_in_a_transaction_between_begin_and_its_end() {
        let script = ["SELECT 1", "begin;", "SELECT 2", "ROLLBACK TO a", "COMMIT", "SELECT 3"];
        let statement = |sql: &&str| StatementSpec { sql: (*sql).to_owned(), ..StatementSpec::default() };
        let told = told(&script.iter().map(statement).collect::<Vec<_>>());
        let open: Vec<bool> = told.iter().map(|step| step.leaves_open).collect();
        assert_eq!(open, [false, true, true, true, false, false]);
    }
}
