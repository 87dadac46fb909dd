//! Tables as statements need them: for a question about statements alone, without a schema.
//!
//! The statements are tried, and what the server misses is added, until it misses nothing. Every table
//! has a primary key `id`; other columns are numbers, or text if numbers will not do.

use std::collections::{BTreeMap, BTreeSet};

use super::conflicts::failure;
use super::server::Server as _;
use super::simulated::Simulated;

/// So many tables and columns can be missing.
const MAX_TRIES: usize = 100;

/// Statements that make the tables, none if the statements name none.
pub(crate) fn assume_schema(major: u32, statements: &[String]) -> Vec<String> {
    let tries =
        ["bigint", "text"].map(|column_type| Assumptions { major, column_type, tables: BTreeMap::new() });
    let mut first = None;
    for mut assumptions in tries {
        let is_enough = assumptions.grow(statements);
        let schema = assumptions.schema();
        if is_enough {
            return schema;
        }
        first.get_or_insert(schema);
    }
    first.unwrap_or_default()
}

struct Assumptions {
    major: u32,
    column_type: &'static str,
    tables: BTreeMap<String, BTreeSet<String>>,
}

impl Assumptions {
    /// Adds what is missing; whether every statement runs in the end.
    fn grow(&mut self, statements: &[String]) -> bool {
        for _ in 0..MAX_TRIES {
            let Some((statement, problem)) = self.first_problem(statements) else { return true };
            if !self.add_missing(statement, &problem) {
                return false;
            }
        }
        false
    }

    fn first_problem<'s>(&self, statements: &'s [String]) -> Option<(&'s str, String)> {
        statements.iter().find_map(|statement| {
            let mut server = Simulated::new(self.major);
            let connection = server.connect("assumed");
            let problem = failure(&mut server, connection, &self.schema().join("\n"));
            let problem = problem.or_else(|| failure(&mut server, connection, statement))?;
            Some((statement.as_str(), problem))
        })
    }

    fn add_missing(&mut self, statement: &str, problem: &str) -> bool {
        let Some(missing) = problem.strip_suffix(" does not exist") else { return false };
        if let Some(table) = missing.strip_prefix("relation ").or_else(|| missing.strip_prefix("table ")) {
            return self.tables.insert(unquoted(table), BTreeSet::new()).is_none();
        }
        let Some(column) = missing.strip_prefix("column ") else { return false };
        if let Some((column, table)) = column.split_once(" of relation ") {
            let columns = self.tables.get_mut(&unquoted(table));
            return columns.is_some_and(|columns| columns.insert(unquoted(column)));
        }
        let column = unquoted(column.rsplit('.').next().unwrap_or(column));
        let named = self.tables.iter_mut().filter(|(table, _)| statement.contains(table.as_str()));
        named.map(|(_, columns)| columns.insert(column.clone())).fold(false, |any, added| any | added)
    }

    fn schema(&self) -> Vec<String> {
        let table = |(name, columns): (&String, &BTreeSet<String>)| {
            let others: String = columns
                .iter()
                .filter(|column| *column != "id")
                .map(|column| format!(", {} {}", quoted(column), self.column_type))
                .collect();
            format!("CREATE TABLE {} (id bigint PRIMARY KEY{others});", quoted(name))
        };
        self.tables.iter().map(table).collect()
    }
}

fn unquoted(name: &str) -> String {
    name.trim_matches('"').to_owned()
}

/// A name as it has to be written; a schema before it is taken as part of the text.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.');
    if is_plain { name.to_owned() } else { format!("\"{name}\"") }
}
