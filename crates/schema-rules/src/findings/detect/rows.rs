//! Rewrites and scans.

use sql_syntax::Located;
use sql_syntax::ast::{
    AlterTable, AlterTableAction, ColumnChange, ColumnConstraintKind, ColumnDef, Statement, TableConstraint,
    TableConstraintKind,
};

use super::{Context, Finding};
use crate::catalog::{ConstraintKind, Relation, RelationId};
use crate::effects::{ScanReason, WorkKind};
use crate::findings::safe;

pub(super) fn detect(context: &Context<'_>, found: &mut Vec<Finding>) {
    match &context.statement.value {
        Statement::AlterTable(alter) => alter_table(context, alter, found),
        Statement::Vacuum(_) | Statement::Cluster(_) => {
            for (id, takes) in rewritten(context) {
                let message = format!("writes all of {} anew while nobody can use it", context.name(id));
                found.push(
                    context
                        .timed("rewrites-table", context.statement.range, message, takes)
                        .note("pg_repack and pg_squeeze do the same while reads and writes go on"),
                );
            }
        }
        Statement::AlterDomain(_) => {
            for (kind, id, takes) in context.works() {
                if matches!(kind, WorkKind::Scan(ScanReason::Domain)) {
                    let message =
                        format!("reads all of {}, which cannot be written to meanwhile", context.name(id));
                    found.push(context.timed(
                        "domain-constraint-scans",
                        context.statement.range,
                        message,
                        takes,
                    ));
                }
            }
        }
        Statement::CreateTable(_) => {
            partition_scans(context, context.statement.range, found);
            new_columns(context, found);
        }
        Statement::Update(update) if update.filter.is_none() && update.from.is_empty() => {
            whole_table(context, found);
        }
        Statement::Delete(delete) if delete.filter.is_none() && delete.using.is_empty() => {
            whole_table(context, found);
        }
        _ => {}
    }
}

/// Tables that are written anew, with the time that takes, index builds included.
fn rewritten(context: &Context<'_>) -> Vec<(RelationId, crate::cost::Estimate)> {
    let mut ids: Vec<RelationId> = Vec::new();
    for (kind, id, _) in context.works() {
        if matches!(kind, WorkKind::Rewrite { .. }) && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.into_iter().filter_map(|id| Some((id, context.work_on(id, |_| true)?))).collect()
}

fn alter_table(context: &Context<'_>, alter: &AlterTable, found: &mut Vec<Finding>) {
    let rewrites = rewritten(context);
    for action in &alter.actions {
        match &action.value {
            AlterTableAction::AlterColumn { column, change: ColumnChange::SetType { data_type, .. } } => {
                for (id, takes) in &rewrites {
                    let message = format!(
                        "every row of {} is written anew and every index rebuilt: nobody can use it meanwhile",
                        context.name(*id)
                    );
                    found.push(
                        context
                            .timed("column-type-rewrites", action.range, message, *takes)
                            .safe(safe::new_column_for_type(&alter.name, column, &data_type.to_string())),
                    );
                }
            }
            AlterTableAction::AddColumn { column, .. } => {
                added_column(context, alter, action, column, &rewrites, found)
            }
            AlterTableAction::AlterColumn { column, change: ColumnChange::SetNotNull } => {
                if let Some((id, takes)) = constraint_scan(context) {
                    let message = format!(
                        "reads all of {} to look for NULLs in {column} while nobody can use it",
                        context.name(id)
                    );
                    found.push(
                        context
                            .timed("set-not-null-scans", action.range, message, takes)
                            .safe(safe::set_not_null(&alter.name, column, context.version)),
                    );
                }
            }
            AlterTableAction::AddConstraint(constraint) => {
                added_constraint(context, alter, action, constraint, found);
            }
            AlterTableAction::AttachPartition { .. } => partition_scans(context, action.range, found),
            AlterTableAction::SetLogged(_) | AlterTableAction::SetAccessMethod(_) => {
                for (id, takes) in &rewrites {
                    let message = format!("writes all of {} anew while nobody can use it", context.name(*id));
                    found.push(context.timed("rewrites-table", action.range, message, *takes));
                }
            }
            AlterTableAction::SetTablespace(_) => {
                for (kind, id, takes) in context.works() {
                    if matches!(kind, WorkKind::CopyFile) {
                        let message =
                            format!("copies the file of {} while nobody can use it", context.name(id));
                        found.push(context.timed("rewrites-table", action.range, message, takes));
                    }
                }
            }
            _ => {}
        }
    }
}

fn constraint_scan(context: &Context<'_>) -> Option<(RelationId, crate::cost::Estimate)> {
    context.works().into_iter().find_map(|(kind, id, takes)| {
        matches!(kind, WorkKind::Scan(ScanReason::Constraint)).then_some((id, takes))
    })
}

fn added_column(
    context: &Context<'_>,
    alter: &AlterTable,
    action: &Located<AlterTableAction>,
    column: &ColumnDef,
    rewrites: &[(RelationId, crate::cost::Estimate)],
    found: &mut Vec<Finding>,
) {
    let type_of = |c: &ColumnDef| c.data_type.as_ref().map(|t| t.to_string()).unwrap_or_default();
    for (id, takes) in rewrites {
        let why = rewrite_reason(column);
        let message = format!(
            "{why}: every row of {} is written anew and every index rebuilt, nobody can use it meanwhile",
            context.name(*id)
        );
        let mut finding = context.timed("default-rewrites", action.range, message, *takes);
        if let Some(default) = column.default_value() {
            let default = safe::slice(context.text, default.range);
            finding.safe =
                Some(safe::column_then_default(&alter.name, &column.name, &type_of(column), default));
        }
        found.push(finding);
    }
    for constraint in &column.constraints {
        match &constraint.kind {
            ColumnConstraintKind::PrimaryKey(_) | ColumnConstraintKind::Unique(_) => {
                index_under_lock(context, action, None, found);
            }
            ColumnConstraintKind::Check(_) => {
                if let Some((id, takes)) = constraint_scan(context) {
                    let message = format!(
                        "reads all of {} to verify the CHECK while nobody can use it",
                        context.name(id)
                    );
                    found.push(
                        context
                            .timed("constraint-scans", action.range, message, takes)
                            .note("add the column first, then the CHECK as NOT VALID, then validate it"),
                    );
                }
            }
            ColumnConstraintKind::References(_) => foreign_key_scan(context, action, None, found),
            _ => {}
        }
    }
    type_hygiene(context, column, found);
}

fn rewrite_reason(column: &ColumnDef) -> String {
    let name = &column.name;
    let stored = |k: &ColumnConstraintKind| matches!(k, ColumnConstraintKind::Generated { stored: true, .. });
    let identity = |k: &ColumnConstraintKind| matches!(k, ColumnConstraintKind::Identity { .. });
    if column.data_type.as_ref().is_some_and(|t| t.serial_base().is_some())
        || column.constraints.iter().any(|c| identity(&c.kind))
    {
        return format!("{name} takes a number from a sequence for each row");
    }
    if column.constraints.iter().any(|c| stored(&c.kind)) {
        return format!("{name} is computed and stored for each row");
    }
    match column.default_value() {
        Some(_) => format!("the default of {name} is volatile"),
        None => format!("the type of {name} is a domain with constraints"),
    }
}

fn added_constraint(
    context: &Context<'_>,
    alter: &AlterTable,
    action: &Located<AlterTableAction>,
    constraint: &TableConstraint,
    found: &mut Vec<Finding>,
) {
    let text = safe::slice(context.text, action.range);
    match &constraint.kind {
        TableConstraintKind::PrimaryKey { columns, index }
        | TableConstraintKind::Unique { columns, index }
            if index.using_index.is_none() =>
        {
            let kind = if matches!(constraint.kind, TableConstraintKind::PrimaryKey { .. }) {
                "PRIMARY KEY"
            } else {
                "UNIQUE"
            };
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let name = new_constraint_name(context, kind);
            let safe = safe::key_by_index(&alter.name, &name, &columns.join(", "), kind);
            index_under_lock(context, action, Some(safe), found);
        }
        TableConstraintKind::Exclude { .. } => index_under_lock(context, action, None, found),
        TableConstraintKind::Check(_) | TableConstraintKind::NotNull(_)
            if !constraint.attributes.not_valid =>
        {
            if let Some((id, takes)) = constraint_scan(context) {
                let message = format!(
                    "reads all of {} to verify the constraint while nobody can use it",
                    context.name(id)
                );
                let name = new_constraint_name(context, "CHECK");
                found.push(
                    context.timed("constraint-scans", action.range, message, takes).safe(safe::not_valid(
                        &alter.name,
                        text,
                        &name,
                    )),
                );
            }
        }
        TableConstraintKind::ForeignKey { .. } => {
            let name = new_constraint_name(context, "FOREIGN KEY");
            let safe = safe::not_valid(&alter.name, text, &name);
            foreign_key_scan(context, action, Some(safe), found);
            foreign_key_index(context, action, found);
        }
        _ => {}
    }
}

/// The name that the constraint has got.
fn new_constraint_name(context: &Context<'_>, kind: &str) -> String {
    let fits = |k: &ConstraintKind| match k {
        ConstraintKind::PrimaryKey { .. } => kind == "PRIMARY KEY",
        ConstraintKind::Unique { .. } => kind == "UNIQUE",
        ConstraintKind::ForeignKey(_) => kind == "FOREIGN KEY",
        _ => kind == "CHECK",
    };
    let before = |table: &Relation, name: &str| {
        context.effects.before.relation(table.id).is_some_and(|r| r.constraint(name).is_some())
    };
    let new = |table: &Relation| {
        table
            .constraints
            .iter()
            .find(|c| fits(&c.kind) && !before(table, &c.name))
            .map(|c| c.name.to_string())
    };
    let target = context.target().and_then(|t| context.effects.after.relation(t.id));
    target.and_then(|t| new(t)).unwrap_or_else(|| "the_constraint".into())
}

fn index_under_lock(
    context: &Context<'_>,
    action: &Located<AlterTableAction>,
    safe: Option<String>,
    found: &mut Vec<Finding>,
) {
    let build = |kind: &WorkKind| matches!(kind, WorkKind::BuildIndex { .. });
    let Some((_, id, _)) = context.works().into_iter().find(|(kind, _, _)| build(kind)) else { return };
    let Some(takes) = context.work_on(id, build) else { return };
    let message = format!("builds an index over {} while nobody can use the table", context.name(id));
    let mut finding = context.timed("constraint-builds-index", action.range, message, takes);
    finding.safe = safe;
    found.push(finding);
}

fn foreign_key_scan(
    context: &Context<'_>,
    action: &Located<AlterTableAction>,
    safe: Option<String>,
    found: &mut Vec<Finding>,
) {
    for (kind, id, takes) in context.works() {
        let WorkKind::CheckForeignKey { referenced } = kind else { continue };
        let message = format!(
            "looks up every row of {} in {} while neither can be written to",
            context.name(id),
            context.name(*referenced)
        );
        let mut finding = context.timed("foreign-key-scans", action.range, message, takes);
        finding.safe.clone_from(&safe);
        found.push(finding);
    }
}

/// Deleting or renumbering a referenced row searches the referencing table.
fn foreign_key_index(context: &Context<'_>, action: &Located<AlterTableAction>, found: &mut Vec<Finding>) {
    let catalog = &context.effects.after;
    if let Some(relation) = context.target()
        && let Some(table) = catalog.relation(relation.id)
        && !(context.is_new)(table.id)
    {
        for (constraint, key) in table.foreign_keys() {
            let old = relation.constraint(&constraint.name).is_some();
            let leads = |index: &std::rc::Rc<Relation>| {
                index.as_index().is_some_and(|i| {
                    i.valid && i.keys.first().is_some_and(|k| {
                        matches!(k.value, crate::catalog::IndexKeyValue::Column(n) if key.columns.first() == Some(&n))
                    })
                })
            };
            if !old && !table.assumed && !catalog.indexes_of(table.id).any(leads) {
                let columns: Vec<String> = key
                    .columns
                    .iter()
                    .filter_map(|n| table.column_at(*n))
                    .map(|c| sql_syntax::ast::quote_identifier(&c.name))
                    .collect();
                found.push(
                    context
                        .at(
                            "foreign-key-without-index",
                            action.range,
                            format!(
                                "no index of {} leads with {}: deleting a row of {} reads all of it",
                                table.name,
                                columns.join(", "),
                                context.name(key.referenced)
                            ),
                        )
                        .safe(format!(
                            "CREATE INDEX CONCURRENTLY ON {} ({});",
                            table.name,
                            columns.join(", ")
                        )),
                );
            }
        }
    }
}

fn partition_scans(context: &Context<'_>, range: sql_syntax::TextRange, found: &mut Vec<Finding>) {
    for (kind, id, takes) in context.works() {
        if matches!(kind, WorkKind::Scan(ScanReason::PartitionBound)) {
            let message = format!(
                "reads all of {} to compare its rows with the bound, locked against everybody",
                context.name(id)
            );
            found.push(
                context
                    .timed("partition-scans", range, message, takes)
                    .note("a valid CHECK that implies the bound (for a default partition: that excludes it) saves the scan"),
            );
        }
    }
}

fn whole_table(context: &Context<'_>, found: &mut Vec<Finding>) {
    for (kind, id, takes) in context.works() {
        if matches!(kind, WorkKind::Update { .. }) {
            let message = format!("changes every row of {} in one transaction", context.name(id));
            found.push(
                context
                    .timed("whole-table-update", context.statement.range, message, takes)
                    .note("each row stays locked to the end, and the dead versions cannot be vacuumed before that")
                    .safe(safe::in_batches(&format!("{}\n WHERE true", context.sql()))),
            );
        }
    }
}

fn new_columns(context: &Context<'_>, found: &mut Vec<Finding>) {
    if let Statement::CreateTable(create) = &context.statement.value {
        for column in &create.columns {
            type_hygiene(context, column, found);
            let key =
                column.constraints.iter().any(|c| matches!(c.kind, ColumnConstraintKind::PrimaryKey(_)));
            let small = column.data_type.as_ref().is_some_and(|t| {
                matches!(t.name.as_str(), "int4" | "int2" | "serial" | "serial4" | "smallserial" | "serial2")
            });
            if key && small {
                found.push(context.at(
                    "integer-key",
                    column.range,
                    format!(
                        "{} runs out of numbers; a later change to bigint rewrites the table",
                        column.name
                    ),
                ));
            }
        }
    }
}

fn type_hygiene(context: &Context<'_>, column: &ColumnDef, found: &mut Vec<Finding>) {
    if column.data_type.as_ref().is_some_and(|t| t.name == "json" && t.array_dimensions == 0) {
        found.push(
            context
                .at(
                    "json-column",
                    column.range,
                    format!("{} cannot be compared: SELECT DISTINCT fails on it", column.name),
                )
                .note("jsonb has equality and indexes"),
        );
    }
}
