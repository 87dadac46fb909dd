//! Data steps in batches: an UPDATE or DELETE cut up along its table's integer primary key, each batch a transaction.
//!
//! ```text
//!   UPDATE t SET … WHERE c           SELECT key … WHERE (c) AND key > last ORDER BY key LIMIT n    the batch's end
//!                             ─►     UPDATE t SET … WHERE (c) AND key > last AND key <= end
//!                                    pause, and again until no row is found
//! ```
//!
//! Only the rows that are there at the start are meant (`key <= newest`), so that an application that inserts faster
//! than the batches run cannot keep the step from ending.

use std::collections::BTreeMap;

use schema_rules::catalog::ColumnType;
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::{Database, DatabaseError, Timeouts};
use sim_actors::coordinator::quote_ident;
use sql_engine::Database as Server;
use sql_syntax::TextRange;
use sql_syntax::ast::{Expr, Ident, Statement, TableName};

use super::steps::{File, Step};

/// A statement that can be cut up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// From the table on to its condition: `UPDATE t SET a = 1`.
    head: String,
    /// Its condition, if it has one.
    condition: Option<String>,
    /// The table as a FROM list has it, alias included.
    from: String,
    /// The key, with the table's name or alias before it.
    key: String,
}

/// Cuts the data steps of the files by the primary keys that the tables have at the start, or says why it cannot.
pub(crate) fn cuts(files: &[File], server: &Server) -> Result<BTreeMap<String, Cut>, String> {
    let keys = integer_keys(server);
    let mut cuts = BTreeMap::new();
    for step in files.iter().flat_map(|file| &file.steps).filter(|step| step.batched) {
        for sql in &step.statements {
            let cut = cut(sql, &keys).map_err(|why| {
                format!("{}: batch_size: {sql:?} cannot be run in batches: {why}", step.file)
            })?;
            cuts.insert(sql.clone(), cut);
        }
    }
    Ok(cuts)
}

/// The tables whose primary key is one column of an integer type, with that column.
fn integer_keys(server: &Server) -> BTreeMap<String, String> {
    let catalog = server.catalog();
    let of = |relation: &schema_rules::catalog::Relation| {
        let ([key], _) = relation.primary_key()? else { return None };
        let column = relation.column_at(*key)?;
        let is = |name: &str| column.data_type.id == ColumnType::builtin(name).id;
        let integer = !column.data_type.array && (is("int2") || is("int4") || is("int8"));
        integer.then(|| (relation.name.to_string(), column.name.to_string()))
    };
    catalog.relations().filter_map(|relation| of(relation)).collect()
}

fn cut(sql: &str, keys: &BTreeMap<String, String>) -> Result<Cut, String> {
    let parsed = sql_syntax::parse(sql);
    let Some(statement) = parsed.statements.first() else { return Err("it cannot be read".to_owned()) };
    let (table, alias, filter, others) = match &statement.value {
        Statement::Update(one) => {
            let others = one.with.is_some() || !one.from.is_empty() || one.current_of.is_some();
            (&one.table, &one.alias, &one.filter, others || !one.returning.is_empty())
        }
        Statement::Delete(one) => {
            let others = one.with.is_some() || !one.using.is_empty() || one.current_of.is_some();
            (&one.table, &one.alias, &one.filter, others || !one.returning.is_empty())
        }
        _ => return Err("it is no UPDATE or DELETE".to_owned()),
    };
    if others {
        return Err("it has more than a table and a condition (WITH, FROM, USING, RETURNING)".to_owned());
    }
    let name = &table.name.name.text;
    let Some(key) = keys.get(name) else {
        return Err(format!(
            "{name} has no primary key of one integer column when the migration begins; leave batch_size out for it"
        ));
    };
    Ok(parts(sql, statement.range, table, alias.as_ref(), filter.as_ref(), key))
}

fn parts(
    sql: &str,
    whole: TextRange,
    table: &TableName,
    alias: Option<&Ident>,
    filter: Option<&Expr>,
    key: &str,
) -> Cut {
    let text = |from: u32, to: u32| sql[from as usize..to as usize].trim().to_owned();
    let qualified = match &table.name.schema {
        Some(schema) => format!("{}.{}", quote_ident(&schema.text), quote_ident(&table.name.name.text)),
        None => quote_ident(&table.name.name.text),
    };
    let (called, from) = match alias {
        Some(alias) => {
            let alias = quote_ident(&alias.text);
            (alias.clone(), format!("{qualified} AS {alias}"))
        }
        None => (quote_ident(&table.name.name.text), qualified),
    };
    let key = format!("{called}.{}", quote_ident(key));
    match filter {
        None => Cut { head: text(whole.start, whole.end), condition: None, from, key },
        Some(filter) => {
            let before = text(whole.start, filter.range.start);
            // It ends with WHERE, and maybe with what opens the condition's parentheses.
            let at = before.to_ascii_lowercase().rfind("where").unwrap_or(before.len());
            Cut {
                head: before[..at].trim_end().to_owned(),
                condition: Some(text(
                    whole.start + u32::try_from(at + "where".len()).unwrap_or(0),
                    whole.end,
                )),
                from,
                key,
            }
        }
    }
}

impl Cut {
    fn bounded(&self, after: Option<&str>, to: &str) -> String {
        let mut parts: Vec<String> =
            self.condition.iter().map(|condition| format!("({condition}\n)")).collect();
        parts.extend(after.map(|after| format!("{} > {after}", self.key)));
        parts.push(format!("{} <= {to}", self.key));
        parts.join(" AND ")
    }

    /// The key of the newest row.
    pub(super) async fn newest(&self, port: &mut Port) -> Result<Option<String>, DatabaseError> {
        let sql = format!("SELECT {0} FROM {1} ORDER BY {0} DESC LIMIT 1", self.key, self.from);
        Ok(key_of(port.execute(&sql, Timeouts::default()).await?.rows.first()))
    }

    /// The next batch: the key of its last row and its statement.
    pub(super) async fn next(
        &self,
        port: &mut Port,
        after: Option<&str>,
        newest: &str,
        rows: u32,
    ) -> Result<Option<(String, String)>, DatabaseError> {
        let sql = format!(
            "SELECT {0} FROM {1} WHERE {2} ORDER BY {0} LIMIT {rows}",
            self.key,
            self.from,
            self.bounded(after, newest)
        );
        let keys = port.execute(&sql, Timeouts::default()).await?.rows;
        let Some(last) = key_of(keys.last()) else { return Ok(None) };
        let statement = format!("{} WHERE {}", self.head, self.bounded(after, &last));
        Ok(Some((last, statement)))
    }
}

/// The key in a row; a number.
fn key_of(row: Option<&Vec<Option<String>>>) -> Option<String> {
    row?.first()?.clone()
}

/// The step of one batch.
pub(super) fn step_of(batch: String, step: &Step) -> Step {
    Step { statements: vec![batch], batched: false, ..step.clone() }
}
