//! What in a scenario does not work together: names that nothing bears, times that never come, SQL that cannot be read.

mod names;
mod params;
mod plan;
mod quantities;
mod schema;
mod statements;
mod warnings;

use crate::load::{Problem, Step};
use crate::model::{ApplicationSpec, Scenario};

pub(crate) use plan::plan_problems;
pub(crate) use schema::schema_problems;
pub(crate) use warnings::warnings;

/// Every problem of a scenario whose shape is right.
pub(crate) fn problems(scenario: &Scenario) -> Vec<Problem> {
    let mut problems = Problems::default();
    names::check(scenario, &mut problems);
    quantities::check(scenario, &mut problems);
    statements::check(scenario, &mut problems);
    problems.found
}

/// The way to a part of a scenario: `way!["traffic", 2, "request"]`.
macro_rules! way {
    ($($step:expr),* $(,)?) => { Vec::from([$($crate::load::Step::from($step)),*]) };
}
use way;

#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, way: Vec<Step>, what: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Problem { way, what: what.into(), remedy: remedy.into() });
    }

    fn add_if(&mut self, wrong: bool, way: Vec<Step>, what: impl Into<String>, remedy: impl Into<String>) {
        if wrong {
            self.add(way, what, remedy);
        }
    }
}

/// A part of a part.
fn below(way: &[Step], more: Vec<Step>) -> Vec<Step> {
    way.iter().cloned().chain(more).collect()
}

/// Every application with the way to it.
fn applications(scenario: &Scenario) -> Vec<(Vec<Step>, &ApplicationSpec)> {
    let others = scenario.applications.iter().enumerate().map(|(at, one)| (way!["applications", at], one));
    std::iter::once((way!["application"], &scenario.application)).chain(others).collect()
}
