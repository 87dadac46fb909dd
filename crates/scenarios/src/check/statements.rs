//! Statements: their SQL, their parameters, how long they work.

use super::{Problems, applications, below, params, way};
use crate::load::{Step, one_of};
use crate::model::{BackgroundWork, Scenario, StatementSpec, Takes, Variation};

pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    for (way, application) in applications(scenario) {
        for (version_at, version) in application.versions.iter().enumerate() {
            for (request_at, request) in version.requests.iter().enumerate() {
                let way = below(&way, way!["versions", version_at, "requests", request_at, "statements"]);
                list(scenario, &request.statements, &way, problems);
                for (at, statement) in request.statements.iter().enumerate() {
                    params::check(statement, &below(&way, way![at]), problems);
                }
            }
        }
        if let Some(check) = &application.health_check {
            sql(&check.statement, below(&way, way!["health_check", "statement"]), problems);
        }
    }
    for (at, session) in scenario.background.iter().enumerate() {
        match &session.work {
            BackgroundWork::Session { statements } => {
                list(scenario, statements, &way!["background", at, "statements"], problems);
            }
            BackgroundWork::IdleInTransaction { statement, .. } => {
                sql(statement, way!["background", at, "statement"], problems);
            }
            BackgroundWork::PgDump { .. } | BackgroundWork::Autovacuum { .. } => {}
        }
    }
}

fn list(scenario: &Scenario, statements: &[StatementSpec], way: &[Step], problems: &mut Problems) {
    let keys: Vec<&str> = scenario.keys.keys().map(String::as_str).collect();
    for (at, statement) in statements.iter().enumerate() {
        let way = below(way, way![at]);
        sql(&statement.sql, below(&way, way!["sql"]), problems);
        for (at, key) in statement.params.iter().enumerate() {
            let unknown = !keys.contains(&key.as_str());
            let what = format!("[keys] does not describe {key:?}");
            problems.add_if(unknown, below(&way, way!["params", at]), what, one_of(key, &keys));
        }
        match statement.takes {
            Some(Takes::Lognormal { p50, p99 }) => {
                problems.add_if(
                    p99 < p50,
                    below(&way, way!["takes"]),
                    "the 99th percentile is below the median",
                    "let `p99` be `p50` or more",
                );
                problems.add_if(
                    statement.varies != Variation::Fixed,
                    below(&way, way!["varies"]),
                    "`takes` with `p50` and `p99` varies by itself",
                    "leave `varies` out",
                );
            }
            None => problems.add_if(
                statement.varies != Variation::Fixed,
                below(&way, way!["varies"]),
                "`varies` says how `takes` varies, which is not there",
                "add `takes`, or leave `varies` out",
            ),
            Some(Takes::Span(_)) => {}
        }
    }
}

/// One statement that PostgreSQL would read.
fn sql(text: &str, way: Vec<Step>, problems: &mut Problems) {
    let parsed = sql_syntax::parse(text);
    if let Some(error) = parsed.errors.first() {
        problems.add(way, format!("the SQL cannot be read: {error}"), "write it as psql would take it");
        return;
    }
    let count = parsed.statements.len();
    let remedy = "write one statement to each entry";
    problems.add_if(count != 1, way, format!("these are {count} statements"), remedy);
}
