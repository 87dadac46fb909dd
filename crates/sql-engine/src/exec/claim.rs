//! Names that two sessions want to give at the same time.
//!
//! The server's catalogs have unique indexes, and an entry that is not committed yet makes whoever wants the same
//! key wait (`_bt_check_unique` in nbtinsert.c): for the end of that transaction, and then it fails or goes on.

use schema_rules::Catalog;
use schema_rules::catalog::{Change, Name, Relation, RelationId, RelationKind};
use schema_rules::effects::{Effects, Step as Effect};
use sql_syntax::ast::Statement;
use transactions::{Step, StepContext};

use super::machine::Machine;
use crate::error::{Result, error};
use crate::state::Tuple;

/// A name that a statement gives.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    relation: RelationId,
    schema: Name,
    name: Name,
    /// The unique index that an equal name runs into.
    index: &'static str,
    /// When it is entered, among those of the statement.
    turn: u8,
}

/// What a statement has to do before it may give its names.
pub(super) enum Claimed {
    /// Nothing.
    Free,
    /// Wait for somebody who gives the same name.
    Wait(Step<Tuple>),
}

/// The names that the statement gives: are they free?
pub(super) fn claim(
    m: &Machine,
    cx: &mut StepContext<'_, Tuple>,
    effects: &Effects,
    statement: &Statement,
    waited: bool,
) -> Result<Claimed> {
    let is_unnamed = matches!(statement, Statement::CreateIndex(create) if create.name.is_none());
    let claims = claims(effects, is_unnamed);
    if claims.is_empty() {
        return Ok(Claimed::Free);
    }
    let state = m.shared.get();
    for claim in claims {
        let is_it = |catalog: &Catalog| {
            catalog.find_in(&claim.schema, &claim.name).is_some_and(|found| found.id != claim.relation)
        };
        if waited && is_it(&state.catalog) {
            let message = format!("duplicate key value violates unique constraint \"{}\"", claim.index);
            return Err(error("23505", message));
        }
        for (other, session) in state.others(m.session) {
            let gives = |change: &Change| match change {
                Change::Relation(id, Some(given)) => {
                    given.name == claim.name
                        && given.schema == claim.schema
                        && state.catalog.relation(*id).is_none_or(|known| known.name != given.name)
                }
                _ => false,
            };
            if session.changes.iter().any(|(_, changes)| changes.iter().any(gives)) {
                let xid = cx.transaction_of(other);
                return Ok(Claimed::Wait(Step::WaitForTransaction(xid)));
            }
        }
    }
    Ok(Claimed::Free)
}

fn claims(effects: &Effects, is_unnamed: bool) -> Vec<Claim> {
    let published = effects.steps.iter().filter_map(|step| match step {
        Effect::Publish(changes) => Some(changes.as_slice()),
        _ => None,
    });
    let mut found: Vec<Claim> = Vec::new();
    for change in published.flatten().chain(&effects.changes) {
        let Change::Relation(id, Some(relation)) = change else { continue };
        let before = effects.before.relation(*id);
        if before.is_some_and(|b| b.name == relation.name && b.schema == relation.schema) {
            continue;
        }
        if is_unnamed && relation.as_index().is_some() {
            // A name that the server chooses is one that nobody else is about to give (`ChooseRelationName`).
            continue;
        }
        let (turn, index) = entered(relation, before.is_some());
        let claim = Claim {
            relation: *id,
            schema: relation.schema.clone(),
            name: relation.name.clone(),
            index,
            turn,
        };
        if !found.iter().any(|c| c.relation == claim.relation && c.name == claim.name) {
            found.push(claim);
        }
    }
    found.sort_by_key(|claim| claim.turn);
    found
}

/// A table's row type is entered before the table, its sequences before both, its indexes after; a table that is
/// renamed is entered first (`heap_create_with_catalog`, `RenameRelationInternal`).
fn entered(relation: &Relation, is_renamed: bool) -> (u8, &'static str) {
    match relation.kind {
        RelationKind::Sequence(_) => (0, "pg_class_relname_nsp_index"),
        RelationKind::Index(_) => (2, "pg_class_relname_nsp_index"),
        _ if is_renamed => (1, "pg_class_relname_nsp_index"),
        _ => (1, "pg_type_typname_nsp_index"),
    }
}
