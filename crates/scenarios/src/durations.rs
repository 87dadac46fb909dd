//! How long statements work: the cost model with the scenario's rates.

use schema_rules::Catalog;
use schema_rules::catalog::RelationSize;
use schema_rules::cost::{CostModel, Rate, UnknownRate};
use schema_rules::effects::Work;
use sim_clock::Nanos;
use sql_engine::Durations;

use crate::model::DatabaseSpec;

/// The cost model as the simulated server asks it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelledDurations {
    model: CostModel,
}

impl ModelledDurations {
    /// The measured rates, but for those that the scenario names.
    pub(crate) fn of(spec: &DatabaseSpec) -> Result<Self, UnknownRate> {
        let mut model = CostModel::default();
        for (name, span) in &spec.rates {
            model.rates.set(&format!("{name}_ns"), &span.0.0.to_string())?;
        }
        Ok(Self { model })
    }

    fn per_row(&self, rate: Rate, rows: u64) -> Nanos {
        Nanos(self.model.rates.picoseconds(rate).saturating_mul(rows) / 1_000)
    }
}

impl Durations for ModelledDurations {
    fn of_work(&self, catalog: &Catalog, work: &Work, rows: u64) -> Nanos {
        if catalog.has_size(work.relation) {
            return Nanos(self.model.work(catalog, work).likely_ns);
        }
        let mut sized = catalog.clone();
        sized.set_size(work.relation, RelationSize { rows, ..RelationSize::default() });
        Nanos(self.model.work(&sized, work).likely_ns)
    }

    fn of_rows(&self, read: u64, written: u64) -> Nanos {
        self.per_row(Rate::ScanRow, read) + self.per_row(Rate::UpdateRow, written)
    }
}
