//! Syntax that came with a version: older servers refuse it before they look at anything.
//!
//! Source: the release notes of each version; the recorded `syntax error at or near` of real servers.

use sql_syntax::ast::{
    AlterObjectAction, AlterTable, AlterTableAction, ColumnChange, ColumnConstraintKind, ColumnDef,
    ConstraintAttributes, CreateTable, DetachMode, Merge, MergeWhen, ObjectKind, Statement, TableConstraint,
    TableConstraintKind,
};

use super::run::Outcome;
use crate::error::SqlError;
use crate::version::PgVersion;

/// Fails if the statement uses syntax that the version does not have.
pub(super) fn require_version(statement: &Statement, version: PgVersion) -> Outcome {
    match needs(statement) {
        Some((since, near)) if version < since => Err(SqlError::syntax(near)),
        _ => Ok(()),
    }
}

/// The version that brought the statement's syntax, and the word that older ones stumble over.
fn needs(statement: &Statement) -> Option<(PgVersion, &'static str)> {
    match statement {
        Statement::Merge(merge) => Some(merge_needs(merge)),
        Statement::AlterTable(alter) => alter_table(alter),
        Statement::CreateTable(create) => create_table(create),
        Statement::CreateIndex(create) if create.nulls_not_distinct => Some((PgVersion::V15, "NULLS")),
        Statement::Reindex(reindex) if reindex.tablespace.is_some() => Some((PgVersion::V14, "TABLESPACE")),
        Statement::AlterObject(alter)
            if alter.kind == ObjectKind::Statistics
                && matches!(alter.action, AlterObjectAction::SetStatistics(_)) =>
        {
            Some((PgVersion::V13, "STATISTICS"))
        }
        _ => None,
    }
}

fn merge_needs(merge: &Merge) -> (PgVersion, &'static str) {
    if merge.clauses.iter().any(|c| c.when == MergeWhen::NotMatchedBySource) {
        (PgVersion::V17, "BY")
    } else if !merge.returning.is_empty() {
        (PgVersion::V17, "RETURNING")
    } else {
        (PgVersion::V15, "MERGE")
    }
}

fn create_table(create: &CreateTable) -> Option<(PgVersion, &'static str)> {
    let columns = create.columns.iter().filter_map(column);
    let constraints = create.constraints.iter().filter_map(table_constraint);
    columns.chain(constraints).max_by_key(|(since, _)| *since)
}

fn alter_table(alter: &AlterTable) -> Option<(PgVersion, &'static str)> {
    alter.actions.iter().filter_map(|action| action_needs(&action.value)).max_by_key(|(since, _)| *since)
}

fn action_needs(action: &AlterTableAction) -> Option<(PgVersion, &'static str)> {
    match action {
        AlterTableAction::AddColumn { column: definition, .. } => column(definition),
        AlterTableAction::AddConstraint(constraint) => table_constraint(constraint),
        AlterTableAction::AlterConstraint { attributes, .. } => attributes_need(attributes)
            .or_else(|| (attributes.no_inherit || attributes.inherit).then_some((PgVersion::V18, "INHERIT"))),
        AlterTableAction::SetAccessMethod(None) => Some((PgVersion::V17, "DEFAULT")),
        AlterTableAction::SetAccessMethod(_) => Some((PgVersion::V15, "ACCESS")),
        AlterTableAction::DetachPartition { mode, .. } => match mode {
            DetachMode::Plain => None,
            DetachMode::Concurrently => Some((PgVersion::V14, "CONCURRENTLY")),
            DetachMode::Finalize => Some((PgVersion::V14, "FINALIZE")),
        },
        AlterTableAction::AlterColumn { change, .. } => match change {
            ColumnChange::SetExpression(_) => Some((PgVersion::V17, "EXPRESSION")),
            ColumnChange::DropExpression { .. } => Some((PgVersion::V13, "EXPRESSION")),
            ColumnChange::SetCompression(_) => Some((PgVersion::V14, "COMPRESSION")),
            ColumnChange::SetStatistics(None) => Some((PgVersion::V17, "DEFAULT")),
            _ => None,
        },
        _ => None,
    }
}

fn column(column: &ColumnDef) -> Option<(PgVersion, &'static str)> {
    let own = column.compression.is_some().then_some((PgVersion::V14, "COMPRESSION"));
    let storage = column.storage.is_some().then_some((PgVersion::V16, "STORAGE"));
    let constraints = column.constraints.iter().filter_map(|c| match &c.kind {
        // Without a word after the parenthesis the statement means VIRTUAL, in PostgreSQL 18.
        ColumnConstraintKind::Generated { stored: false, .. } => Some((PgVersion::V18, "VIRTUAL")),
        ColumnConstraintKind::Unique(index) | ColumnConstraintKind::PrimaryKey(index)
            if index.nulls_not_distinct =>
        {
            Some((PgVersion::V15, "NULLS"))
        }
        _ => attributes_need(&c.attributes),
    });
    constraints.chain(own).chain(storage).max_by_key(|(since, _)| *since)
}

fn table_constraint(constraint: &TableConstraint) -> Option<(PgVersion, &'static str)> {
    match &constraint.kind {
        TableConstraintKind::NotNull(_) => Some((PgVersion::V18, "NOT")),
        TableConstraintKind::Unique { index, .. } | TableConstraintKind::PrimaryKey { index, .. }
            if index.without_overlaps =>
        {
            Some((PgVersion::V18, "WITHOUT"))
        }
        TableConstraintKind::Unique { index, .. } if index.nulls_not_distinct => {
            Some((PgVersion::V15, "NULLS"))
        }
        _ => attributes_need(&constraint.attributes),
    }
}

fn attributes_need(attributes: &ConstraintAttributes) -> Option<(PgVersion, &'static str)> {
    attributes.enforced.is_some().then_some((PgVersion::V18, "ENFORCED"))
}
