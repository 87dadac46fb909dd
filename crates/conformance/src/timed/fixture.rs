//! The tables of a recording, as a script.

use std::fmt::Write;

use super::recording::Input;

/// Functions that slept for each row of the real server. How long that made a statement is known from its
/// calibration, so here they need not sleep.
const FUNCTIONS: &str = "
CREATE FUNCTION slow2(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i';
CREATE FUNCTION slow4(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i';
CREATE FUNCTION slowck(i int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT i IS NOT NULL';
";

/// Creates and fills every table that the recording's statements name.
pub(super) fn script(input: &Input) -> String {
    let mut script = FUNCTIONS.to_owned();
    let rows = rows(input);
    for table in tables(input) {
        // Writing to a text cannot fail.
        let _ = write!(
            script,
            "CREATE TABLE {table} (id int PRIMARY KEY, v int, v2 int, ref_id int);
             INSERT INTO {table} (id, v, ref_id) SELECT g, 0, g FROM generate_series(1, {rows}) AS g;"
        );
    }
    script
}

/// As many rows as the traffic may ask for: how long statements take that go through all of them is measured.
fn rows(input: &Input) -> u64 {
    match input.row_range {
        Some((_, last)) => last.max(default_if_small(input.rows)),
        None => input.rows,
    }
}

const fn default_if_small(rows: u64) -> u64 {
    if rows == 0 { 1 } else { rows }
}

fn tables(input: &Input) -> Vec<String> {
    let of_templates = input.templates.iter().flat_map(|template| template.tables.iter().cloned());
    let sessions = input.sessions.iter().flat_map(|session| &session.stmts);
    let steps = input.migrations.iter().flat_map(|migration| &migration.plan);
    let statements = sessions.chain(steps.flat_map(|step| &step.stmts));
    let of_statements = statements.flat_map(|statement| statement.locks.iter().map(|lock| lock.0.clone()));
    let mut tables: Vec<String> = of_templates.chain(of_statements).collect();
    tables.sort();
    tables.dedup();
    tables
}
