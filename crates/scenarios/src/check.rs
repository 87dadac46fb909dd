//! Contradictions between the parts of a scenario, each with its remedy.

use crate::model::{Arrivals, BackgroundWork, KeySpec, Scenario, StatementSpec};

/// The first contradiction, if there is one.
pub(crate) fn contradiction(scenario: &Scenario) -> Option<String> {
    let application = &scenario.application;
    if !(12..=18).contains(&scenario.database.version) {
        return Some(format!(
            "database.version is {}; the model knows PostgreSQL 12 to 18",
            scenario.database.version
        ));
    }
    if application.instances == 0 || application.pool_size == 0 {
        return Some("application.instances and application.pool_size must be 1 or more".to_owned());
    }
    let Some(first) = application.versions.iter().find(|version| version.name == application.version) else {
        return Some(format!(
            "application.version is {:?}, but no entry of application.versions has that name",
            application.version
        ));
    };
    for traffic in &scenario.traffic {
        if !first.requests.iter().any(|request| request.name == traffic.request) {
            return Some(format!(
                "traffic names the request {:?}, which version {:?} does not have",
                traffic.request, first.name
            ));
        }
        if let Arrivals::Poisson { rate } = traffic.arrivals
            && (!rate.is_finite() || rate < 0.0)
        {
            return Some(format!("the rate of {:?} must be 0 or more a second", traffic.request));
        }
    }
    let requests = application.versions.iter().flat_map(|version| &version.requests);
    let statements = requests.flat_map(|request| &request.statements).chain(
        scenario.background.iter().flat_map(|session| match &session.work {
            BackgroundWork::Session { statements } => statements.as_slice(),
            _ => &[],
        }),
    );
    statements
        .into_iter()
        .find_map(|statement| unknown_key(scenario, statement))
        .or_else(|| bad_key(scenario))
}

fn unknown_key(scenario: &Scenario, statement: &StatementSpec) -> Option<String> {
    let unknown = statement.params.iter().find(|name| !scenario.keys.contains_key(*name))?;
    Some(format!("a statement takes the key {unknown:?}, which [keys] does not describe"))
}

fn bad_key(scenario: &Scenario) -> Option<String> {
    scenario.keys.iter().find_map(|(name, key)| match *key {
        KeySpec::Uniform { first, last } | KeySpec::Zipf { first, last, .. } if last < first => {
            Some(format!("keys.{name:?} ends at {last}, before it begins at {first}"))
        }
        _ => None,
    })
}
