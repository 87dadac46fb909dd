//! Values for parameters that a trace does not hold, as those of `pg_stat_statements` never are: keys that there are
//! where rows are chosen, new keys where rows are inserted, something of the type elsewhere.

use std::rc::Rc;

use schema_rules::catalog::{Catalog, Column, Relation};
use sim_clock::Stream;
use traces::text::{ParamUse, param_uses, touched};

/// How a value is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    /// A key between 1 and that.
    Key(u64),
    /// A key that nobody has had: the count begins after that many rows.
    New(u64),
    /// Always the same.
    Fixed(&'static str),
    /// NULL.
    Null,
}

/// How the parameters of a text are drawn; `rows` knows how many rows a table has.
pub(super) fn draws(text: &str, catalog: &Catalog, rows: &dyn Fn(&str) -> u64) -> Vec<Draw> {
    let uses = param_uses(text);
    if uses.is_empty() {
        return Vec::new();
    }
    let tables: Vec<Rc<Relation>> = touched(text)
        .tables
        .iter()
        .filter_map(|(name, _)| {
            let bare = name.rsplit('.').next().unwrap_or(name);
            catalog.relations().find(|relation| relation.is_table() && *relation.name == *bare).map(Rc::clone)
        })
        .collect();
    uses.iter().map(|use_of| draw(use_of, &tables, catalog, rows)).collect()
}

fn draw(use_of: &ParamUse, tables: &[Rc<Relation>], catalog: &Catalog, rows: &dyn Fn(&str) -> u64) -> Draw {
    let named = |column: &str| tables.iter().find_map(|table| Some((table, table.column(column)?)));
    match use_of {
        ParamUse::Chosen(column) => match named(column) {
            Some((table, column)) if is_integer(column) => Draw::Key(
                referenced(table, column, catalog, rows).unwrap_or_else(|| rows(&table.name)).max(1),
            ),
            Some((_, column)) => of_type(column),
            None => Draw::Key(1),
        },
        ParamUse::Written(column) => {
            named(column).map_or(Draw::Null, |(table, column)| written(table, column, catalog, rows))
        }
        ParamUse::WrittenAt(place) => {
            let found = tables.iter().find_map(|table| Some((table, table.live_columns().nth(*place)?)));
            found.map_or(Draw::Null, |(table, column)| written(table, column, catalog, rows))
        }
        ParamUse::Limit => Draw::Fixed("10"),
        ParamUse::Other => Draw::Fixed("1"),
    }
}

fn written(table: &Relation, column: &Column, catalog: &Catalog, rows: &dyn Fn(&str) -> u64) -> Draw {
    let is_key = table.primary_key().is_some_and(|(columns, _)| columns == [column.number]);
    if is_key && is_integer(column) {
        return Draw::New(rows(&table.name));
    }
    match referenced(table, column, catalog, rows) {
        Some(there) => Draw::Key(there.max(1)),
        None => of_type(column),
    }
}

/// The rows of the table that a column refers to.
fn referenced(
    table: &Relation,
    column: &Column,
    catalog: &Catalog,
    rows: &dyn Fn(&str) -> u64,
) -> Option<u64> {
    let (_, key) = table.foreign_keys().find(|(_, key)| key.columns == [column.number])?;
    Some(rows(&catalog.relation(key.referenced)?.name))
}

fn is_integer(column: &Column) -> bool {
    matches!(column.data_type.builtin_name(), Some("int2" | "int4" | "int8"))
}

fn of_type(column: &Column) -> Draw {
    match column.data_type.builtin_name() {
        Some("int2" | "int4" | "int8" | "numeric" | "float4" | "float8") => Draw::Fixed("1"),
        Some("bool") => Draw::Fixed("true"),
        Some("text" | "varchar" | "bpchar") => Draw::Fixed("x"),
        Some("date") => Draw::Fixed("2025-01-01"),
        Some("timestamp" | "timestamptz") => Draw::Fixed("2025-01-01 00:00:00"),
        Some("json" | "jsonb") => Draw::Fixed("{}"),
        Some("uuid") => Draw::Fixed("00000000-0000-4000-8000-000000000001"),
        _ => Draw::Null,
    }
}

impl Draw {
    /// A value; `made` counts the new keys that there were.
    pub(super) fn value(&self, chance: &mut Stream, made: &mut u64) -> Option<Rc<str>> {
        match self {
            Self::Key(last) => Some((chance.below(*last) + 1).to_string().into()),
            Self::New(rows) => {
                *made += 1;
                Some((rows + *made).to_string().into())
            }
            Self::Fixed(text) => Some((*text).into()),
            Self::Null => None,
        }
    }
}
