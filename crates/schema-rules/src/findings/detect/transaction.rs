//! Failures, transactions, timeouts, locks on other tables.

use sql_syntax::ast::Statement;

use super::{Context, Finding};
use crate::cost::Estimate;
use crate::effects::TransactionRule;
use crate::error::sqlstate;
use crate::findings::safe;
use crate::findings::words::{self, blocks, blocks_traffic};
use crate::migrations::{Grouping, LockWait};

pub(super) fn detect(context: &Context<'_>, found: &mut Vec<Finding>) {
    fails(context, found);
    not_modelled(context, found);
    if context.effects.error.is_some() {
        return;
    }
    no_lock_timeout(context, found);
    work_under_lock(context, found);
    locks_another_table(context, found);
    runner_lock(context, found);
}

fn fails(context: &Context<'_>, found: &mut Vec<Finding>) {
    let Some(error) = &context.effects.error else { return };
    let outside = matches!(context.effects.transaction, TransactionRule::OutsideOnly(_));
    if error.sqlstate == sqlstate::ACTIVE_SQL_TRANSACTION && outside {
        let mut finding = context.here("concurrently-in-transaction", error.message.clone());
        let runner = context.runner;
        if runner.grouping != Grouping::PerStatement {
            finding = finding.note(match runner.opt_out.first() {
                Some(marker) => {
                    format!("{} puts the file into a transaction; `{marker}` takes it out", runner.name)
                }
                None => format!("{} puts the file into a transaction", runner.name),
            });
        }
        found.push(finding.safe(format!("{}\n{};", runner.alone, context.sql())));
        return;
    }
    let mut finding = context.here("fails", format!("{} (SQLSTATE {})", error.message, error.sqlstate));
    finding.notes.extend(error.detail.iter().cloned());
    finding.notes.extend(error.hint.iter().cloned());
    finding.notes.push(format!("on PostgreSQL {}", context.version));
    found.push(finding);
}

fn not_modelled(context: &Context<'_>, found: &mut Vec<Finding>) {
    for gap in &context.effects.not_modelled {
        found.push(context.here("not-modelled", format!("not modelled: {}; {}", gap.what, gap.assumed)));
    }
}

/// A statement that has to wait for a strong lock makes everybody wait who comes after it.
fn no_lock_timeout(context: &Context<'_>, found: &mut Vec<Finding>) {
    if context.lock_timeout || !context.held_before.is_empty() {
        return;
    }
    let strong = context.locks.iter().find(|lock| blocks_traffic(lock.mode) && !lock.index && !lock.new);
    let Some(lock) = strong else { return };
    if matches!(context.statement.value, Statement::LockTable(_)) && lock.held.likely_ns == 0 {
        return;
    }
    found.push(
        context
            .here(
                "no-lock-timeout",
                format!("no lock_timeout: while this waits for {} on {}, it blocks {}", lock.mode, lock.relation, blocks(lock.mode)),
            )
            .note("a transaction that has used the table is enough to make it wait, however short its own work is")
            .safe(format!("{}\n{};", safe::LOCK_TIMEOUT, context.sql())),
    );
}

/// Work while a strong lock of an earlier statement of the transaction is still held.
fn work_under_lock(context: &Context<'_>, found: &mut Vec<Finding>) {
    let Some(strongest) = context.held_before.first() else { return };
    let works = context.works();
    let takes = works.iter().fold(Estimate::default(), |sum, (_, _, takes)| sum.plus(*takes));
    if works.is_empty() || takes.high_ns < context.tolerate_ns {
        return;
    }
    let (line, _) = strongest.taken_at.line_column(context.text);
    found.push(
        context
            .here(
                "work-under-lock",
                format!(
                    "{} on {} is held since line {line} while this works: it blocks {}",
                    strongest.mode,
                    strongest.name,
                    blocks(strongest.mode)
                ),
            )
            .note(format!("it takes about {}", words::estimate(&takes)))
            .note("run it in a transaction of its own"),
    );
}

/// Foreign keys make statements lock tables at their other end.
fn locks_another_table(context: &Context<'_>, found: &mut Vec<Finding>) {
    let sql = context.sql().to_ascii_lowercase();
    for lock in context.locks {
        let own = lock.relation.rsplit('.').next().unwrap_or(&lock.relation);
        let named = sql.contains(&own.to_ascii_lowercase());
        if named || lock.index || lock.new || !blocks_traffic(lock.mode) {
            continue;
        }
        if belongs_to_named(context, lock.id, &sql) {
            continue;
        }
        found.push(context.here(
            "locks-another-table",
            format!("also takes {} on {}: it blocks {}", lock.mode, lock.relation, blocks(lock.mode)),
        ));
    }
}

/// Partitions and sequences of a table that is named surprise nobody; nor does the table of an index that is.
fn belongs_to_named(context: &Context<'_>, id: crate::RelationId, sql: &str) -> bool {
    let catalog = &context.effects.before;
    let named = |id: crate::RelationId| catalog.relation(id).is_some_and(|r| sql.contains(&*r.name));
    let Some(relation) = catalog.relation(id) else { return false };
    let owner = relation.as_sequence().and_then(|s| s.owned_by).map(|(table, _)| table);
    relation.parents.iter().copied().chain(owner).any(named) || catalog.indexes_of(id).any(|i| named(i.id))
}

/// A second runner that waits for the first one's advisory lock inside a statement has a snapshot, and a
/// CONCURRENTLY command waits for every snapshot: the two wait for each other (golang-migrate issue 960).
fn runner_lock(context: &Context<'_>, found: &mut Vec<Finding>) {
    let concurrently =
        context.effects.steps.iter().any(|s| matches!(s, crate::effects::Step::WaitForOlderSnapshots));
    let Some(lock) = context.runner.lock.filter(|l| l.wait == LockWait::Blocking) else { return };
    if concurrently {
        found.push(
            context
                .here(
                    "runner-lock-deadlocks",
                    format!(
                        "a second {} waits in a statement with a snapshot, and this waits for all older snapshots",
                        context.runner.name
                    ),
                )
                .note(format!("the lock is {}", lock.key))
                .note("start one runner only, or set a lock_timeout for it"),
        );
    }
}
