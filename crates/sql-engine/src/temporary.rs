//! Temporary tables: names that lead into the session's own schema.

use sql_syntax::ast::{Ident, ObjectName, Persistence, Statement};

/// Whether the statement creates something temporary.
pub(crate) fn creates(statement: &Statement) -> bool {
    let persistence = match statement {
        Statement::CreateTable(s) => s.persistence,
        Statement::CreateTableAs(s) => s.persistence,
        Statement::CreateSequence(s) => s.persistence,
        Statement::CreateView(s) => s.persistence,
        _ => return false,
    };
    persistence == Persistence::Temporary
}

/// Whether the statement creates something whose schema it does not name.
pub(crate) fn creates_unqualified(statement: &Statement) -> bool {
    let name = match statement {
        Statement::CreateTable(s) => &s.name,
        Statement::CreateTableAs(s) => &s.name,
        Statement::CreateSequence(s) => &s.name,
        Statement::CreateView(s) => &s.name,
        Statement::CreateMaterializedView(s) => &s.name,
        Statement::CreateType(s) => &s.name,
        Statement::CreateDomain(s) => &s.name,
        Statement::CreateFunction(s) => &s.name,
        _ => return false,
    };
    name.schema.is_none()
}

/// The statement with the schema of what it creates: the session's own if it is temporary.
pub(crate) fn qualified(statement: &Statement, own: &str, otherwise: &str) -> Statement {
    let temporary = creates(statement);
    let mut statement = statement.clone();
    let name: &mut ObjectName = match &mut statement {
        Statement::CreateTable(s) => &mut s.name,
        Statement::CreateTableAs(s) => &mut s.name,
        Statement::CreateSequence(s) => &mut s.name,
        Statement::CreateView(s) => &mut s.name,
        Statement::CreateMaterializedView(s) => &mut s.name,
        Statement::CreateType(s) => &mut s.name,
        Statement::CreateDomain(s) => &mut s.name,
        Statement::CreateFunction(s) => &mut s.name,
        _ => return statement,
    };
    if name.schema.is_none() || temporary {
        name.schema = Some(Ident::new(if temporary { own } else { otherwise }));
    }
    statement
}
