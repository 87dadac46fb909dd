//! Triggers, as far as they call what is built in.

use sql_syntax::ast::{TriggerEvent, TriggerTiming};

use crate::error::{Result, not_modelled};
use crate::plan::Table;
use crate::value::Value;

/// What a change of a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Insert,
    Update,
    Delete,
}

/// What the row triggers in front of a change make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// The row is left as it is.
    Skip,
}

fn concerns(events: &[TriggerEvent], change: Change) -> bool {
    events.iter().any(|e| match (e, change) {
        (TriggerEvent::Insert, Change::Insert) | (TriggerEvent::Delete, Change::Delete) => true,
        (TriggerEvent::Update(columns), Change::Update) => {
            // Whether a named column is set would have to be known; then the trigger is refused by name.
            let _ = columns;
            true
        }
        _ => false,
    })
}

/// Whether a row has to be locked before the change, so that triggers see its latest version.
pub(super) fn has_before_row(table: &Table, change: Change) -> bool {
    table
        .triggers
        .iter()
        .any(|t| t.timing == TriggerTiming::Before && t.for_each_row && concerns(&t.events, change))
}

/// Refuses triggers that call what is not built in.
pub(super) fn refuse_unknown(table: &Table, change: Change) -> Result<()> {
    for trigger in &table.triggers {
        if !concerns(&trigger.events, change) {
            continue;
        }
        let built_in = &*trigger.function == "suppress_redundant_updates_trigger"
            && trigger.timing == TriggerTiming::Before
            && trigger.for_each_row
            && change == Change::Update
            && !trigger.has_condition;
        if !built_in {
            let what = format!("the trigger {} (function {})", trigger.name, trigger.function);
            return Err(not_modelled(what));
        }
    }
    Ok(())
}

/// `suppress_redundant_updates_trigger`: an update that changes nothing is left out.
pub(super) fn before_update(table: &Table, old: &[Value], new: &[Value]) -> Verdict {
    if has_before_row(table, Change::Update) && old == new { Verdict::Skip } else { Verdict::Proceed }
}
