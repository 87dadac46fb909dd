//! Statements against the schema, as the migration changes it: what fits at no time was not meant.

use sql_engine::Database;

use super::{Problems, applications, below, way};
use crate::load::{Loaded, Problem, Step};
use crate::model::BackgroundWork;

/// A statement that has not fitted yet.
struct Unfit<'s> {
    way: Vec<Step>,
    whose: String,
    sql: &'s str,
    /// What the server said last.
    said: String,
}

/// Statements that the server can plan neither before, during nor after the migration. `database` has the schema as
/// it is at the start; its tables may be empty.
pub(crate) fn schema_problems(loaded: &Loaded, database: &Database) -> Vec<Problem> {
    let mut database = database.clone();
    let mut unfit = statements(loaded);
    unfit.retain_mut(|one| !one.fits(&mut database));
    for part in loaded.plan.files.iter().flat_map(|file| &file.parts) {
        for statement in &part.statements {
            if unfit.is_empty() {
                break;
            }
            // What fails for want of rows fails here only.
            if database.script(&statement.sql).is_ok() {
                unfit.retain_mut(|one| !one.fits(&mut database));
            }
        }
    }
    let mut problems = Problems::default();
    for one in unfit {
        let what = format!("{} cannot be run before, during or after the migration: {}", one.whose, one.said);
        problems.add(one.way, what, "correct the SQL, or the schema that it is meant for");
    }
    problems.found
}

fn statements(loaded: &Loaded) -> Vec<Unfit<'_>> {
    let mut all = Vec::new();
    for (way, application) in applications(&loaded.scenario) {
        for (version_at, version) in application.versions.iter().enumerate() {
            for (request_at, request) in version.requests.iter().enumerate() {
                for (at, statement) in request.statements.iter().enumerate() {
                    let more = way!["versions", version_at, "requests", request_at, "statements", at, "sql"];
                    let whose =
                        format!("{:?} of version {:?} of {}", request.name, version.name, application.name);
                    let said = String::new();
                    all.push(Unfit { way: below(&way, more), whose, sql: &statement.sql, said });
                }
            }
        }
    }
    for (at, session) in loaded.scenario.background.iter().enumerate() {
        let BackgroundWork::Session { statements } = &session.work else { continue };
        for (place, statement) in statements.iter().enumerate() {
            let way = way!["background", at, "statements", place, "sql"];
            let whose = format!("a statement of {:?}", session.name);
            all.push(Unfit { way, whose, sql: &statement.sql, said: String::new() });
        }
    }
    all
}

impl Unfit<'_> {
    fn fits(&mut self, database: &mut Database) -> bool {
        let planned = database.prepare(self.sql).and_then(|id| database.check(id));
        match planned {
            Ok(()) => true,
            Err(error) => {
                self.said = error.to_string();
                false
            }
        }
    }
}
