//! Requests for the tables that a migration touches: one that reads a row by its key and one that writes it.

use std::collections::BTreeSet;
use std::rc::Rc;

use schema_rules::catalog::{Catalog, Column, Relation};
use sql_engine::Database;
use sql_syntax::ast::Statement;
use traces::text::touched;

use super::ident;
use super::pending::Pending;

/// More tables than that make a scenario that nobody reads.
const MOST_TABLES: usize = 8;

/// A table that gets requests.
pub(super) struct Table {
    /// Its name, with its schema unless that is `public`.
    pub(super) name: String,
    /// What its key is called among the keys of the scenario.
    pub(super) key: String,
    pub(super) read: String,
    pub(super) write: String,
    /// Whether the statements have a parameter.
    pub(super) keyed: bool,
    /// Whether the migration touches it.
    pub(super) touched: bool,
}

/// The tables that the migrations touch; if they touch none that there is, the first ones that there are.
pub(super) fn tables(pending: &Pending<'_>) -> Vec<Table> {
    let catalog = pending.database.catalog();
    let named = named(pending);
    let all: Vec<Rc<Relation>> = catalog
        .relations()
        .filter(|one| one.is_table() && !one.is_partition() && !is_bookkeeping(&one.name))
        .cloned()
        .collect();
    let is_named = |table: &&Rc<Relation>| {
        named.contains(&*table.name) || named.contains(&format!("{}.{}", table.schema, table.name))
    };
    let touched: Vec<&Rc<Relation>> = all.iter().filter(is_named).take(MOST_TABLES).collect();
    let (chosen, is_touched) =
        if touched.is_empty() { (all.iter().take(3).collect(), false) } else { (touched, true) };
    let mut database = pending.database.clone();
    let table = |one: &Rc<Relation>| table(one, is_touched, &catalog, &mut database);
    chosen.into_iter().filter_map(table).collect()
}

/// What migration tools write about themselves.
fn is_bookkeeping(table: &str) -> bool {
    let books = schema_rules::migrations::RUNNERS.iter().map(|runner| runner.bookkeeping);
    books.chain(["ar_internal_metadata"]).any(|book| book.rsplit('.').next() == Some(table))
}

/// Every table that a statement of the migrations names, and those behind the indexes that it names.
fn named(pending: &Pending<'_>) -> BTreeSet<String> {
    let catalog = pending.database.catalog();
    let mut names = BTreeSet::new();
    for sql in pending.files.iter().flat_map(|file| &file.parts).flat_map(|part| &part.statements) {
        names.extend(touched(&sql.sql).tables.into_iter().map(|(table, _)| table));
        for statement in sql_syntax::parse(&sql.sql).statements {
            if let Statement::Drop(drop) = &statement.value {
                let indexes = drop.names.iter().filter_map(|name| {
                    let index = catalog.relations().find(|one| *one.name == *name.name.text)?;
                    Some(catalog.relation(index.as_index()?.table)?.name.to_string())
                });
                names.extend(indexes);
            }
        }
    }
    names
}

fn table(table: &Relation, touched: bool, catalog: &Catalog, database: &mut Database) -> Option<Table> {
    let quoted = match &*table.schema {
        "public" => ident(&table.name),
        schema => format!("{}.{}", ident(schema), ident(&table.name)),
    };
    let name = if &*table.schema == "public" {
        table.name.to_string()
    } else {
        format!("{}.{}", table.schema, table.name)
    };
    let columns: Vec<String> = table.live_columns().map(|column| ident(&column.name)).collect();
    if columns.is_empty() {
        return None;
    }
    let list = columns.join(", ");
    let row = key_of(table, catalog).map_or(String::new(), |key| format!(" WHERE {key}"));
    let written = written_column(table).map(|column| ident(&column.name));
    let read = format!("SELECT {list} FROM {quoted}{row}");
    let write = match written {
        Some(column) if !row.is_empty() => format!("UPDATE {quoted} SET {column} = {column}{row}"),
        _ => format!(
            "SELECT {list} FROM {quoted}{} FOR UPDATE",
            if row.is_empty() { " LIMIT 1" } else { &row }
        ),
    };
    let read = if row.is_empty() { format!("{read} LIMIT 1") } else { read };
    // What the engine cannot plan would end the rehearsal before it begins.
    for sql in [&read, &write] {
        database.prepare(sql).and_then(|id| database.check(id)).ok()?;
    }
    let key = table.name.to_string();
    Some(Table { name, key, read, write, keyed: !row.is_empty(), touched })
}

/// The condition that finds a row by its key, `$1` being a number.
fn key_of(table: &Relation, catalog: &Catalog) -> Option<String> {
    let (numbers, _) = table.primary_key()?;
    let column = table.column_at(*numbers.first()?)?;
    let name = ident(&column.name);
    Some(match catalog.base_type(&column.data_type).builtin_name()? {
        "int2" | "int4" | "int8" | "numeric" => format!("{name} = $1"),
        "uuid" => format!("{name} = ('00000000-0000-4000-8000-' || lpad($1::text, 12, '0'))::uuid"),
        "text" | "varchar" => format!("{name} = 'key ' || $1"),
        _ => return None,
    })
}

/// A column that an application might write: the last one that is no key and not computed.
fn written_column(table: &Relation) -> Option<&Column> {
    let key: Vec<_> = table.primary_key().map(|(numbers, _)| numbers.to_vec()).unwrap_or_default();
    let free = |column: &&Column| {
        !key.contains(&column.number)
            && column.generated.is_none()
            && column.identity.is_none()
            && !table.foreign_keys().any(|(_, one)| one.columns.contains(&column.number))
    };
    table.live_columns().filter(free).last()
}
