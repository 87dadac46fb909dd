//! The shipped scenarios, carried out, and what to ask of their reports.

use std::path::{Path, PathBuf};

use reports::{LockWaits, Report, RequestClass};
use scenarios::Loaded;
use sim_actors::RunMode;

/// The folder of the shipped scenarios.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sim-scenarios")
}

/// Rehearses a scenario by its name below the folder.
pub(crate) fn rehearse(name: &str) -> Report {
    rehearse_with(name, |_| {})
}

/// Rehearses a scenario with something about it changed.
pub(crate) fn rehearse_with(name: &str, change: impl FnOnce(&mut Loaded)) -> Report {
    let mut loaded =
        Loaded::from_file(&folder().join(format!("{name}.toml"))).unwrap_or_else(|error| panic!("{error}"));
    change(&mut loaded);
    scenarios::run(&loaded, RunMode::Bare, None).unwrap_or_else(|error| panic!("{error}"))
}

/// What became of a class of requests, by the end of its name.
pub(crate) fn class<'a>(report: &'a Report, name: &str) -> &'a RequestClass {
    let found = report.classes.iter().find(|class| class.name.ends_with(&format!("/{name}")));
    found.unwrap_or_else(|| panic!("no class {name}"))
}

/// How many requests of a class failed by a cause.
pub(crate) fn failed(class: &RequestClass, cause: &str) -> u64 {
    class.failed.get(cause).copied().unwrap_or(0)
}

/// How many requests of a class failed.
pub(crate) fn failures(class: &RequestClass) -> u64 {
    class.failed.values().sum()
}

/// The waits for a mode on an object.
pub(crate) fn waits<'a>(report: &'a Report, object: &str, mode: &str) -> Option<&'a LockWaits> {
    report.waits.iter().find(|wait| wait.object == object && wait.mode == mode)
}

/// The sessions from the victim at the worst moment to the root.
pub(crate) fn chain(report: &Report) -> Vec<&str> {
    report.chain.iter().map(|link| link.session.as_str()).collect()
}

/// When the first pool ran dry.
pub(crate) fn first_dry_ms(report: &Report) -> Option<f64> {
    report.pools.iter().filter_map(|pool| pool.first_exhausted_ms).reduce(f64::min)
}

/// Who was to blame for the most, and their share.
pub(crate) fn most_to_blame(report: &Report) -> (&str, f64) {
    report.blame.first().map_or(("nobody", 0.0), |blame| (blame.session.as_str(), blame.share))
}

/// What the migration took from its first statement to its end.
pub(crate) fn migration_ms(report: &Report) -> f64 {
    report.migration.end_ms.unwrap_or(report.span_ms) - report.migration.start_ms
}
