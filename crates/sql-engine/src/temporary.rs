//! Temporary tables: names that lead into the session's own schema.

use sql_syntax::ast::{
    Drop, DropBehavior, Ident, ObjectKind, ObjectName, OnCommit, Persistence, Statement, TableName, Truncate,
};

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

/// The table that the statement creates to be emptied or dropped at commit.
pub(crate) fn on_commit(statement: &Statement) -> Option<(String, OnCommit)> {
    let (name, action) = match statement {
        Statement::CreateTable(s) => (&s.name, s.on_commit),
        Statement::CreateTableAs(s) => (&s.name, s.on_commit),
        _ => return None,
    };
    (action != OnCommit::PreserveRows).then(|| (name.name.text.clone(), action))
}

/// What is done to such tables when the transaction commits (`PreCommit_on_commit_actions` in tablecmds.c):
/// first the emptying, then the dropping.
pub(crate) fn at_commit(own: &str, tables: &[(String, OnCommit)]) -> Vec<Statement> {
    let named = |action: OnCommit| -> Vec<ObjectName> {
        let of = tables.iter().filter(|(_, a)| *a == action);
        of.map(|(name, _)| ObjectName::qualified(own, name.as_str())).collect()
    };
    let mut statements = Vec::new();
    let emptied = named(OnCommit::DeleteRows);
    if !emptied.is_empty() {
        let tables = emptied.into_iter().map(|name| TableName { name, only: false }).collect();
        statements.push(Statement::Truncate(Truncate {
            tables,
            restart_identity: false,
            behavior: DropBehavior::Restrict,
        }));
    }
    let names = named(OnCommit::Drop);
    if !names.is_empty() {
        statements.push(Statement::Drop(Drop {
            kind: ObjectKind::Table,
            names,
            on: None,
            if_exists: true,
            concurrently: false,
            behavior: DropBehavior::Cascade,
        }));
    }
    statements
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
