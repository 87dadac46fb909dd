//! The same scenario with many seeds: how far each figure spreads, and how often the budget is kept.
//!
//! ```text
//!   Report ─► Sample ─┐  one a seed, in whatever order they ended
//!   Report ─► Sample ─┼► Spread::of ─► text, page, JSON
//!   Report ─► Sample ─┘
//! ```
//!
//! Invariant: a spread depends on the seeds alone, not on the order in which their samples came. A sample is some
//! dozens of numbers, whatever the length of the run.

mod distribution;
mod html;
mod interval;
mod text;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BudgetLine, Figure, Report, json};

pub use distribution::Distribution;
pub use interval::Proportion;

/// What the run of one seed came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    seed: u64,
    title: (String, String, u16),
    within_budget: bool,
    migrated: Option<bool>,
    headline: String,
    budget: Vec<BudgetLine>,
    figures: Vec<(String, Figure)>,
}

impl Sample {
    /// Keeps of a report what a spread is made of.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let is_there = report.migration.is_there();
        Self {
            seed: report.seed,
            title: (report.scenario.clone(), report.description.clone(), report.postgres),
            within_budget: report.verdict.within_budget,
            migrated: is_there.then_some(report.migration.succeeded == Some(true)),
            headline: report.verdict.headline.clone(),
            budget: report.verdict.budget.clone(),
            figures: report.figures(),
        }
    }

    /// The seed that gave it.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn figure(&self, name: &str) -> f64 {
        self.figures.iter().find(|figure| figure.0 == name).map_or(0.0, |figure| figure.1.value)
    }

    /// Which of two is worse: outside the budget, without its migration, the longer stall, the more failures, the
    /// greater p99; of equals the lower seed.
    fn compare(&self, other: &Self) -> Ordering {
        let outside = |one: &Self| !one.within_budget;
        let unmigrated = |one: &Self| one.migrated == Some(false);
        let by = |name: &str| self.figure(name).total_cmp(&other.figure(name));
        (outside(self), unmigrated(self))
            .cmp(&(outside(other), unmigrated(other)))
            .then_with(|| by("all requests: longest stall"))
            .then_with(|| by("all requests: failed"))
            .then_with(|| by("all requests: p99"))
            .then_with(|| other.seed.cmp(&self.seed))
    }
}

/// Many seeds of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The scenario's name.
    pub scenario: String,
    /// What it is about.
    pub description: String,
    /// PostgreSQL's major version.
    pub postgres: u16,
    /// The first seed; the others follow it one by one.
    pub first_seed: u64,
    /// How many seeds were run.
    pub seeds: u64,
    /// Whether fewer were run than were asked for, and why.
    pub cut: Option<String>,
    /// The seeds that were within budget.
    pub within_budget: Proportion,
    /// The seeds whose migration succeeded; `None` if there is no migration.
    pub migration_succeeded: Option<Proportion>,
    /// The budget, line by line.
    pub budget: Vec<BudgetSpread>,
    /// The seed to look at first.
    pub worst: Option<Worst>,
    /// The seeds outside the budget.
    pub outside: Vec<u64>,
    /// Every figure that [`Report::figures`] has, in the order of the first seed.
    pub figures: Vec<Distribution>,
}

/// One limit over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetSpread {
    /// What is limited.
    pub name: String,
    /// The limit.
    pub limit: Figure,
    /// The seeds that kept it.
    pub kept: Proportion,
    /// What it came to.
    pub actual: Distribution,
}

/// The worst seed, and how to see it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// The seed.
    pub seed: u64,
    /// What happened to the users.
    pub headline: String,
    /// The command that runs it alone.
    pub command: String,
}

impl Spread {
    /// Puts samples together; `command` runs the scenario, `cut` says why there are fewer than were asked for.
    #[must_use]
    pub fn of(mut samples: Vec<Sample>, command: &str, cut: Option<String>) -> Self {
        samples.sort_by_key(Sample::seed);
        let (scenario, description, postgres) =
            samples.first().map(|first| first.title.clone()).unwrap_or_default();
        let seeds = samples.len() as u64;
        let counted = |kept: &dyn Fn(&&Sample) -> bool| samples.iter().filter(kept).count() as u64;
        let migrations = counted(&|one| one.migrated.is_some());
        let migrated = Proportion::new(counted(&|one| one.migrated == Some(true)), migrations);
        let worst = samples.iter().max_by(|a, b| a.compare(b)).map(|worst| Worst {
            seed: worst.seed,
            headline: worst.headline.clone(),
            command: format!("{command} --seed {}", worst.seed),
        });
        Self {
            scenario,
            description,
            postgres,
            first_seed: samples.first().map_or(0, Sample::seed),
            seeds,
            cut,
            within_budget: Proportion::new(counted(&|one| one.within_budget), seeds),
            migration_succeeded: (migrations > 0).then_some(migrated),
            budget: budget(&samples),
            worst,
            outside: samples.iter().filter(|one| !one.within_budget).map(Sample::seed).collect(),
            figures: figures(&samples),
        }
    }

    /// The last seed.
    #[must_use]
    pub fn last_seed(&self) -> u64 {
        self.first_seed.saturating_add(self.seeds.saturating_sub(1))
    }

    /// Whether every seed was within budget, and there was one.
    #[must_use]
    pub fn is_within_budget(&self) -> bool {
        self.seeds > 0 && self.within_budget.is_all()
    }

    /// The spread for programs. Equal spreads give equal bytes.
    #[must_use]
    pub fn json(&self) -> String {
        json::document(self)
    }

    /// The spread as a page for the terminal, 100 columns.
    #[must_use]
    pub fn text(&self, color: bool) -> String {
        text::page(self, color)
    }

    /// The spread as one self-contained page, like that of a single rehearsal.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Those figures that tell of the whole, rather than of one class of requests.
    fn overall(&self) -> impl Iterator<Item = (usize, &Distribution)> {
        self.figures.iter().enumerate().filter(|(_, one)| is_whole(&one.name))
    }
}

fn is_whole(name: &str) -> bool {
    name.starts_with("all requests: ") || !name.contains(": ")
}

/// Values by name, in the order in which the names were first seen.
#[derive(Default)]
struct Gathered {
    places: BTreeMap<String, usize>,
    list: Vec<(String, Figure, Vec<f64>)>,
}

impl Gathered {
    fn add(&mut self, name: &str, figure: Figure) {
        let next = self.list.len();
        let place = *self.places.entry(name.to_owned()).or_insert(next);
        if place == next {
            self.list.push((name.to_owned(), figure, Vec::new()));
        }
        self.list[place].2.push(figure.value);
    }

    fn distributions(self) -> Vec<Distribution> {
        self.list.into_iter().map(|(name, figure, values)| Distribution::of(name, figure, values)).collect()
    }
}

fn figures(samples: &[Sample]) -> Vec<Distribution> {
    let mut gathered = Gathered::default();
    for (name, figure) in samples.iter().flat_map(|sample| &sample.figures) {
        gathered.add(name, *figure);
    }
    gathered.distributions()
}

fn budget(samples: &[Sample]) -> Vec<BudgetSpread> {
    let mut gathered = Gathered::default();
    let mut limits: BTreeMap<&str, (Figure, u64)> = BTreeMap::new();
    for line in samples.iter().flat_map(|sample| &sample.budget) {
        gathered.add(&line.name, line.actual);
        limits.entry(&line.name).or_insert((line.limit, 0)).1 += u64::from(line.within);
    }
    let line = |actual: Distribution| {
        let (limit, kept) = limits[actual.name.as_str()];
        let kept = Proportion::new(kept, actual.seeds);
        BudgetSpread { name: actual.name.clone(), limit, kept, actual }
    };
    gathered.distributions().into_iter().map(line).collect()
}
