//! Indexes, partitions and materialised views: statements that have a CONCURRENTLY of their own.

use sql_syntax::ast::{AlterTableAction, DetachMode, ObjectKind, ReindexTarget, Statement};

use super::{Context, Finding};
use crate::effects::WorkKind;
use crate::findings::safe::insert_after;

pub(super) fn detect(context: &Context<'_>, found: &mut Vec<Finding>) {
    match &context.statement.value {
        Statement::CreateIndex(create) if create.concurrently && create.if_not_exists => {
            found.push(
                context
                    .here(
                        "if-not-exists-hides-invalid-index",
                        "if an earlier try has failed, an invalid index has the name, and this does nothing",
                    )
                    .note("look for `indisvalid = false` in pg_index, or drop the index first"),
            );
        }
        Statement::CreateIndex(create) if !create.concurrently => {
            let build = |kind: &WorkKind| matches!(kind, WorkKind::BuildIndex { .. });
            for (id, takes) in per_table(context, build) {
                let message = format!("{} cannot be written to while the index is built", context.name(id));
                let mut finding =
                    context.timed("index-blocks-writes", context.statement.range, message, takes);
                finding.safe = insert_after(context.sql(), "INDEX", "CONCURRENTLY");
                found.push(outside(context, finding));
            }
        }
        Statement::Drop(drop) if drop.kind == ObjectKind::Index && !drop.concurrently => {
            let tables: Vec<_> = context.locks.iter().filter(|l| !l.index && !l.new).collect();
            if let Some(lock) = tables.first() {
                let message =
                    format!("takes {} for itself, readers too, until the transaction ends", lock.relation);
                let mut finding = context.here("drop-index-blocks", message);
                finding.safe = insert_after(context.sql(), "INDEX", "CONCURRENTLY");
                found.push(outside(context, finding));
            }
        }
        Statement::Reindex(reindex) if !reindex.concurrently => {
            let word = match reindex.target {
                ReindexTarget::Index(_) => "INDEX",
                ReindexTarget::Table(_) => "TABLE",
                ReindexTarget::Schema(_) => "SCHEMA",
                ReindexTarget::Database(_) => "DATABASE",
                ReindexTarget::System(_) => return,
            };
            let build = |kind: &WorkKind| matches!(kind, WorkKind::BuildIndex { .. });
            for (id, takes) in per_table(context, build) {
                let message = format!(
                    "{} cannot be written to, nor read by the index, while the index is rebuilt",
                    context.name(id)
                );
                let mut finding = context.timed("reindex-blocks", context.statement.range, message, takes);
                finding.safe = insert_after(context.sql(), word, "CONCURRENTLY");
                found.push(outside(context, finding));
            }
        }
        Statement::RefreshMaterializedView(refresh) if !refresh.concurrently => {
            let fill = |kind: &WorkKind| matches!(kind, WorkKind::FillNewHeap);
            for (id, takes) in per_table(context, fill) {
                let message = format!("{} cannot be read while it is refreshed", context.name(id));
                let mut finding =
                    context.timed("refresh-blocks-reads", context.statement.range, message, takes);
                finding.safe = insert_after(context.sql(), "VIEW", "CONCURRENTLY");
                found.push(finding.note("CONCURRENTLY needs a unique index over columns of the view"));
            }
        }
        Statement::AlterTable(alter) => {
            for action in &alter.actions {
                if let AlterTableAction::DetachPartition { mode: DetachMode::Plain, .. } = action.value {
                    let mut finding = context.at(
                        "detach-blocks",
                        action.range,
                        format!("takes {} for itself, readers of every partition too", alter.name),
                    );
                    finding.safe = Some(format!("{} CONCURRENTLY;", context.sql()));
                    found.push(outside(context, finding));
                }
            }
        }
        _ => {}
    }
}

/// The work of one kind, added up per table, in the order of the steps.
fn per_table(
    context: &Context<'_>,
    wanted: impl Fn(&WorkKind) -> bool,
) -> Vec<(crate::RelationId, crate::cost::Estimate)> {
    let mut tables: Vec<crate::RelationId> = Vec::new();
    for (kind, id, _) in context.works() {
        if wanted(kind) && !tables.contains(&id) {
            tables.push(id);
        }
    }
    tables.into_iter().filter_map(|id| Some((id, context.work_on(id, &wanted)?))).collect()
}

/// CONCURRENTLY needs a place outside transactions.
fn outside(context: &Context<'_>, finding: Finding) -> Finding {
    if !context.in_transaction {
        return finding;
    }
    match context.runner.opt_out.first() {
        Some(marker) => finding.note(format!(
            "CONCURRENTLY cannot run in a transaction: `{marker}` takes a file of {} out of it",
            context.runner.name
        )),
        None => finding.note("CONCURRENTLY cannot run in a transaction: put it into a file of its own"),
    }
}
