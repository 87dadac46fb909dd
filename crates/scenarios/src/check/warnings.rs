//! What is allowed and still rarely meant.

use crate::model::{DeploymentStrategy, Scenario};

/// Sentences about the scenario, for people.
pub(crate) fn warnings(scenario: &Scenario) -> Vec<String> {
    let database = &scenario.database;
    let room = u64::from(database.max_connections.saturating_sub(database.superuser_reserved_connections));
    let pools = |running: &dyn Fn(&str) -> u64| -> u64 {
        scenario
            .all_applications()
            .map(|one| running(&one.name) * u64::from(one.instances) * u64::from(one.pool_size))
            .sum()
    };
    let mut list = Vec::new();
    let mut warn = |when: &str, sum: u64| {
        if sum > room {
            list.push(format!(
                "the pools add up to {sum} connections{when}, and max_connections leaves room for {room}: some \
                 instances will get fewer than their pool_size"
            ));
        }
    };
    let all = pools(&|_| 1);
    warn("", all);
    let doubled = |name: &str| {
        let of = |one: &&crate::model::DeploymentSpec| {
            one.application.as_deref().unwrap_or(&scenario.application.name) == name
        };
        let blue_green = scenario
            .deployments
            .iter()
            .filter(of)
            .any(|one| matches!(one.strategy, DeploymentStrategy::BlueGreen {}));
        if blue_green { 2 } else { 1 }
    };
    if all <= room {
        warn(" while a second set of instances runs", pools(&doubled));
    }
    list
}
