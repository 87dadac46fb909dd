//! What running clients, which know the old schema, stumble over.

use sql_syntax::ast::{AlterTableAction, ColumnDef, DropBehavior, ObjectKind, Statement};

use super::{Context, Finding};
use crate::catalog::RelationKind;
use crate::effects::WorkKind;

pub(super) fn detect(context: &Context<'_>, found: &mut Vec<Finding>) {
    match &context.statement.value {
        Statement::AlterTable(alter) => {
            let Some(table) = context.target() else { return };
            if (context.is_new)(table.id) {
                return;
            }
            let is_table = matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable(_));
            for action in &alter.actions {
                match &action.value {
                    AlterTableAction::DropColumn { column, .. } => found.push(
                        context
                            .at("drops-column", action.range, format!("clients that still name {column} fail with 42703"))
                            .note("prepared `SELECT *` fails too (0A000), until its session prepares it again"),
                    ),
                    AlterTableAction::RenameColumn { column, to } => found.push(
                        context
                            .at("renames-column", action.range, format!("clients that know {column} and not yet {to} fail with 42703"))
                            .note("add the new column, keep both equal by a trigger, move the clients, drop the old one"),
                    ),
                    AlterTableAction::RenameTo(to) if is_table => found.push(
                        context
                            .at("renames-table", action.range, format!("clients that know {} and not yet {to} fail with 42P01", alter.name))
                            .note("a view of the old name over the new table, made in the same transaction, keeps them going"),
                    ),
                    AlterTableAction::AddColumn { column, .. } if is_required(column) => found.push(
                        context
                            .at("required-column", action.range, format!("clients that do not know {} fail with 23502 when they insert", column.name))
                            .note("give it a default, or make it NOT NULL once all clients fill it"),
                    ),
                    _ => {}
                }
            }
        }
        Statement::Drop(drop) if drop.kind == ObjectKind::Table => {
            for lock in context.locks.iter().filter(|l| !l.index && !l.new) {
                if drop.names.iter().any(|n| *n.name.text == *context.name(lock.id)) {
                    let message = format!("clients that still use {} fail with 42P01", lock.relation);
                    found.push(context.here("drops-table", message));
                }
            }
        }
        Statement::Truncate(truncate) if truncate.behavior == DropBehavior::Cascade => {
            for (kind, id, _) in context.works() {
                let named = truncate.tables.iter().any(|t| t.name.name.text == context.name(id));
                if matches!(kind, WorkKind::Truncate) && !named {
                    found
                        .push(context.here("truncate-cascades", format!("empties {} too", context.name(id))));
                }
            }
        }
        _ => {}
    }
}

/// NOT NULL without anything that fills it.
fn is_required(column: &ColumnDef) -> bool {
    use sql_syntax::ast::ColumnConstraintKind as K;
    let filled = column
        .constraints
        .iter()
        .any(|c| matches!(c.kind, K::Default(_) | K::Generated { .. } | K::Identity { .. }))
        || column.data_type.as_ref().is_some_and(|t| t.serial_base().is_some());
    let required = column.constraints.iter().any(|c| matches!(c.kind, K::NotNull | K::PrimaryKey(_)));
    required && !filled
}
