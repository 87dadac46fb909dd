//! The scenario against its migration files: steps and files that it names and that are not there.

use schema_rules::migrations::protocol;

use super::{Problems, way};
use crate::load::{MigrationPlan, Problem, one_of};
use crate::model::{DeploymentStart, RunnerLockKind, Scenario};
use crate::run::files;

/// Every problem that shows when the migration files have been read.
pub(crate) fn plan_problems(scenario: &Scenario, plan: &MigrationPlan) -> Vec<Problem> {
    let mut problems = Problems::default();
    let files = files(plan, &scenario.migration);
    let ends: Vec<&str> =
        files.iter().flat_map(|file| &file.steps).flat_map(|step| &step.ends).map(String::as_str).collect();
    let starts = scenario.deployments.iter().any(|deployment| deployment.migrate_on_start);
    for (at, deployment) in scenario.deployments.iter().enumerate() {
        let DeploymentStart::AfterStep(name) = &deployment.start else { continue };
        let way = || way!["deployments", at, "start"];
        let what = format!("the migration has no step {name:?}");
        let remedy = format!(
            "a step is called as its file, or as its [[migration.steps]] entry: {}",
            one_of(name, &ends)
        );
        problems.add_if(!ends.contains(&name.as_str()), way(), what, remedy);
        problems.add_if(
            starts,
            way(),
            "instances run the migration when they start, so it does not wait after a step",
            "leave `migrate_on_start` out, or let this deployment start otherwise",
        );
    }
    for (at, entry) in scenario.migration.steps.iter().enumerate() {
        let all = plan.earlier.iter().chain(&plan.files);
        let names: Vec<&str> = all.map(|file| file.name.as_str()).collect();
        let Some(file) = &entry.file else { continue };
        let what = format!("no migration file begins with {file:?}");
        let missing = !names.iter().any(|name| name.starts_with(file.as_str()));
        problems.add_if(missing, way!["migration", "steps", at, "file"], what, one_of(file, &names));
    }
    problems.add_if(
        scenario.migration.runner_lock == Some(RunnerLockKind::Table) && plan.runner.bookkeeping.is_empty(),
        way!["migration", "runner_lock"],
        format!("the runner {:?} keeps no table that could be locked", plan.runner.name),
        "name a runner that keeps one, such as \"dbmate\", or write \"advisory\"",
    );
    problems.add_if(
        scenario.migration.runner_lock == Some(RunnerLockKind::Table)
            && protocol(plan.runner.name).keeps_last_only,
        way!["migration", "runner_lock"],
        format!(
            "{} empties its table for each migration, so nobody else can hold a lock on it",
            plan.runner.name
        ),
        "write \"advisory\", or leave it out",
    );
    problems.found
}
