//! Transactions, settings and maintenance.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, child, children, expr, has, name, query, table, tokens};
use crate::ast::{
    Analyze, Cluster, DropBehavior, FetchCount, Ident, IsolationLevel, LockTable, MaintenanceOption, Reindex,
    ReindexTarget, SetVariable, Statement, TableLockMode, TableName, TransactionModes, Truncate, Vacuum,
};

/// What BEGIN and SET TRANSACTION say.
pub(super) fn transaction_modes(at: Place<'_>, node: &SyntaxNode) -> TransactionModes {
    let mut modes = TransactionModes::default();
    let list = child::<ast::TransactionModeList>(node);
    for mode in list.iter().flat_map(|l| children::<ast::TransactionMode>(l.syntax())) {
        match mode {
            ast::TransactionMode::Serializable(_) => modes.isolation = Some(IsolationLevel::Serializable),
            ast::TransactionMode::RepeatableRead(_) => modes.isolation = Some(IsolationLevel::RepeatableRead),
            ast::TransactionMode::ReadCommitted(_) => modes.isolation = Some(IsolationLevel::ReadCommitted),
            ast::TransactionMode::ReadUncommitted(_) => {
                modes.isolation = Some(IsolationLevel::ReadUncommitted);
            }
            ast::TransactionMode::ReadWrite(_) => modes.read_only = Some(false),
            ast::TransactionMode::ReadOnly(_) => modes.read_only = Some(true),
            ast::TransactionMode::Deferrable(_) => modes.deferrable = Some(true),
            ast::TransactionMode::NotDeferrable(_) => modes.deferrable = Some(false),
        }
    }
    modes.snapshot = child::<ast::Literal>(node).map(|l| table::plain_text(at, l.syntax()));
    modes
}

/// SET TRANSACTION, SET SESSION CHARACTERISTICS.
pub(super) fn set_transaction(at: Place<'_>, node: &SyntaxNode) -> Statement {
    let inner = node.children().next().unwrap_or_else(|| node.clone());
    let session = inner.kind() == SyntaxKind::SESSION_CHARACTERISTICS;
    Statement::SetTransaction { session, modes: transaction_modes(at, &inner) }
}

/// SET.
pub(super) fn set(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let local = matches!(child::<ast::SetScope>(node), Some(ast::SetScope::LocalScope(_)));
    let target = at.need::<ast::SetTarget>(node, "a setting")?;
    let inner = target.syntax();
    let (name, values) = match &target {
        ast::SetTarget::SetConfig(_) => {
            let name = name::named::<ast::ConfigParameterRef>(at, inner, "a setting")?;
            let full = match &name.schema {
                Some(prefix) => format!("{}.{}", prefix.text, name.name.text),
                None => name.name.text.clone(),
            };
            let assignment = at.need::<ast::ConfigAssignment>(inner, "TO or =")?;
            let node = assignment.syntax();
            if let ast::ConfigAssignment::FromCurrent(_) = assignment {
                return Ok(Statement::NotModelled { name: "SET FROM CURRENT".to_owned() });
            }
            let values: Vec<String> =
                children::<ast::ConfigValue>(node).map(|v| table::plain_text(at, v.syntax())).collect();
            if values.is_empty() && !has(node, SyntaxKind::DEFAULT_KW) {
                return Err(at.missing(node, "a value"));
            }
            (full.to_ascii_lowercase(), Some(values).filter(|v| !v.is_empty()))
        }
        ast::SetTarget::SetTimeZone(_) => {
            let value = inner.children().next().map(|v| table::plain_text(at, &v));
            ("timezone".to_owned(), value.map(|v| vec![v]))
        }
        ast::SetTarget::SetSchemaValue(_) => {
            let value = at.need::<ast::Literal>(inner, "a schema")?;
            ("search_path".to_owned(), Some(vec![table::plain_text(at, value.syntax())]))
        }
        ast::SetTarget::SetCatalog(_) | ast::SetTarget::SetXmlOption(_) => {
            return Ok(Statement::NotModelled { name: format!("SET {}", table::words(inner)) });
        }
        #[allow(unreachable_patterns)]
        _ => return Ok(Statement::NotModelled { name: format!("SET {}", table::words(inner)) }),
    };
    Ok(Statement::Set(SetVariable { name, local, values }))
}

/// The setting that RESET and SHOW name; nothing for ALL.
pub(super) fn setting(at: Place<'_>, node: &SyntaxNode) -> Result<Option<String>> {
    if let Some(name) = child::<ast::ConfigParameterRef>(node) {
        let name = name::object_name(at, name.syntax())?;
        let prefix = name.schema.map(|s| format!("{}.", s.text)).unwrap_or_default();
        return Ok(Some(format!("{prefix}{}", name.name.text).to_ascii_lowercase()));
    }
    Ok(match node.children().next().map(|n| n.kind()) {
        Some(SyntaxKind::RESET_TIME_ZONE | SyntaxKind::TIME_ZONE) => Some("timezone".to_owned()),
        Some(SyntaxKind::RESET_TRANSACTION_ISOLATION | SyntaxKind::TRANSACTION_ISOLATION_LEVEL) => {
            Some("transaction_isolation".to_owned())
        }
        Some(SyntaxKind::SESSION_AUTHORIZATION) => Some("session_authorization".to_owned()),
        _ => None,
    })
}

/// LOCK TABLE.
pub(super) fn lock(at: Place<'_>, node: &SyntaxNode) -> Result<LockTable> {
    let list = at.need::<ast::RelationList>(node, "tables")?;
    let tables = children::<ast::RelationName>(list.syntax())
        .map(|r| query::relation_name(at, r.syntax()))
        .collect::<Result<_>>()?;
    let mode = match child::<ast::LockModeClause>(node) {
        None => TableLockMode::AccessExclusive,
        Some(clause) => match at.need::<ast::LockMode>(clause.syntax(), "a lock mode")? {
            ast::LockMode::AccessShare(_) => TableLockMode::AccessShare,
            ast::LockMode::RowShare(_) => TableLockMode::RowShare,
            ast::LockMode::RowExclusive(_) => TableLockMode::RowExclusive,
            ast::LockMode::ShareUpdateExclusive(_) => TableLockMode::ShareUpdateExclusive,
            ast::LockMode::Share(_) => TableLockMode::Share,
            ast::LockMode::ShareRowExclusive(_) => TableLockMode::ShareRowExclusive,
            ast::LockMode::Exclusive(_) => TableLockMode::Exclusive,
            ast::LockMode::AccessExclusive(_) => TableLockMode::AccessExclusive,
        },
    };
    Ok(LockTable { tables, mode, nowait: child::<ast::Nowait>(node).is_some() })
}

/// TRUNCATE.
pub(super) fn truncate(at: Place<'_>, node: &SyntaxNode) -> Result<Truncate> {
    let list = at.need::<ast::TableList>(node, "tables")?;
    Ok(Truncate {
        tables: children::<ast::TableRelationName>(list.syntax())
            .map(|r| query::relation_name(at, r.syntax()))
            .collect::<Result<_>>()?,
        restart_identity: has(node, SyntaxKind::RESTART_IDENTITY),
        behavior: if has(node, SyntaxKind::CASCADE) { DropBehavior::Cascade } else { DropBehavior::Restrict },
    })
}

fn option(at: Place<'_>, node: &SyntaxNode) -> MaintenanceOption {
    let mut parts = node.children();
    let name = parts.next().map(|n| at.text_of(&n).to_ascii_lowercase()).unwrap_or_default();
    let value = parts.next().map(|n| table::plain_text(at, &n).to_ascii_lowercase());
    MaintenanceOption { name, value }
}

fn options<L: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Vec<MaintenanceOption> {
    let list = child::<L>(node);
    list.iter().flat_map(|l| l.syntax().children()).map(|o| option(at, &o)).collect()
}

/// Options that stand as bare words between the command and its tables.
fn bare_options(node: &SyntaxNode, words: &[&str]) -> Vec<MaintenanceOption> {
    let spoken = tokens(node).map(|t| t.text().to_ascii_lowercase());
    let canonical = |w: String| if w == "analyse" { "analyze".to_owned() } else { w };
    spoken
        .map(canonical)
        .skip(1)
        .filter(|w| words.contains(&w.as_str()))
        .map(|name| MaintenanceOption { name, value: None })
        .collect()
}

fn tables_and_columns(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<(TableName, Vec<Ident>)>> {
    let Some(list) = child::<ast::TableAndColumnsList>(node) else { return Ok(Vec::new()) };
    children::<ast::TableAndColumns>(list.syntax())
        .map(|item| {
            let table = at.need::<ast::TableRelationName>(item.syntax(), "a table")?;
            let columns = name::columns_of::<ast::ColumnRefList>(at, item.syntax())?;
            Ok((query::relation_name(at, table.syntax())?, columns))
        })
        .collect()
}

/// VACUUM.
pub(super) fn vacuum(at: Place<'_>, node: &SyntaxNode) -> Result<Vacuum> {
    let mut all = options::<ast::VacuumOptionList>(at, node);
    all.extend(bare_options(node, &["full", "freeze", "verbose", "analyze"]));
    Ok(Vacuum { options: all, tables: tables_and_columns(at, node)? })
}

/// ANALYZE.
pub(super) fn analyze(at: Place<'_>, node: &SyntaxNode) -> Result<Analyze> {
    let mut all = options::<ast::OptionItemList>(at, node);
    all.extend(bare_options(node, &["verbose"]));
    Ok(Analyze { options: all, tables: tables_and_columns(at, node)? })
}

/// CLUSTER.
pub(super) fn cluster(at: Place<'_>, node: &SyntaxNode) -> Result<Cluster> {
    if let Some(legacy) = child::<ast::ClusterLegacy>(node) {
        let on = at.need::<ast::OnPath>(legacy.syntax(), "ON")?;
        return Ok(Cluster {
            table: Some(name::named::<ast::TableNameRef>(at, on.syntax(), "a table")?),
            index: Some(name::named::<ast::IndexRef>(at, legacy.syntax(), "an index")?),
        });
    }
    let table = child::<ast::TableNameRef>(node).map(|t| name::object_name(at, t.syntax())).transpose()?;
    let index = match child::<ast::ClusterUsingIndex>(node) {
        Some(using) => Some(name::named::<ast::IndexRef>(at, using.syntax(), "an index")?),
        None => None,
    };
    Ok(Cluster { table, index })
}

/// REINDEX.
pub(super) fn reindex(at: Place<'_>, reindex: &ast::Reindex) -> Result<Reindex> {
    let node = reindex.syntax();
    let target = at.need::<ast::ReindexTarget>(node, "INDEX, TABLE, SCHEMA, DATABASE or SYSTEM")?;
    let inner = target.syntax();
    let target = match target {
        ast::ReindexTarget::ReindexTargetIndex(_) => {
            ReindexTarget::Index(name::named::<ast::IndexRef>(at, inner, "an index")?)
        }
        ast::ReindexTarget::ReindexTargetTable(_) => {
            ReindexTarget::Table(name::named::<ast::TableNameRef>(at, inner, "a table")?)
        }
        ast::ReindexTarget::ReindexTargetSchema(_) => {
            ReindexTarget::Schema(name::own_name::<ast::SchemaRef>(at, inner, "a schema")?)
        }
        ast::ReindexTarget::ReindexTargetDatabase(_) => {
            ReindexTarget::Database(name::maybe_name::<ast::DatabaseRef>(at, inner)?)
        }
        ast::ReindexTarget::ReindexTargetSystem(_) => {
            ReindexTarget::System(name::maybe_name::<ast::DatabaseRef>(at, inner)?)
        }
    };
    let tablespace = match child::<ast::ReindexOptionList>(node) {
        None => None,
        Some(list) => match child::<ast::ReindexOptionTablespace>(list.syntax()) {
            Some(option) => name::maybe_name::<ast::TablespaceRef>(at, option.syntax())?,
            None => None,
        },
    };
    Ok(Reindex { target, concurrently: reindex.is_concurrently(), tablespace })
}

/// FETCH and MOVE.
pub(super) fn fetch(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let number = |node: &SyntaxNode| -> Result<Option<i64>> {
        expr::optional(at, node)?.map(|e| table::integer(&e)).transpose()
    };
    let count = match child::<ast::CursorAction>(node) {
        None | Some(ast::CursorAction::Next(_)) => FetchCount::Rows(1),
        Some(ast::CursorAction::Prior(_)) => FetchCount::Rows(-1),
        Some(ast::CursorAction::First(_)) => FetchCount::Absolute(1),
        Some(ast::CursorAction::Last(_)) => FetchCount::Absolute(-1),
        Some(ast::CursorAction::All(_)) => FetchCount::All,
        Some(ast::CursorAction::Absolute(a)) => FetchCount::Absolute(number(a.syntax())?.unwrap_or(0)),
        Some(ast::CursorAction::Relative(r)) => FetchCount::Relative(number(r.syntax())?.unwrap_or(0)),
        Some(ast::CursorAction::Expr(e)) => FetchCount::Rows(table::integer(&expr::expr(at, &e)?)?),
        Some(ast::CursorAction::Forward(f)) if query::says(f.syntax(), "all") => FetchCount::All,
        Some(ast::CursorAction::Forward(f)) => FetchCount::Rows(number(f.syntax())?.unwrap_or(1)),
        Some(ast::CursorAction::Backward(b)) if query::says(b.syntax(), "all") => FetchCount::BackwardAll,
        Some(ast::CursorAction::Backward(b)) => {
            FetchCount::Rows(number(b.syntax())?.unwrap_or(1).saturating_neg())
        }
    };
    let cursor = name::own_name::<ast::CursorRef>(at, node, "a cursor")?;
    Ok(Statement::Fetch { cursor, count, is_move: node.kind() == SyntaxKind::MOVE })
}
