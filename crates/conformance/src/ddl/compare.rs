//! Comparing a recording with the rules, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schema_rules::PgVersion;

use super::observe::{Observed, observe};
use super::recording::{Entry, Recorded, Recording};
use super::world::World;

/// Something that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Whether it succeeds, and the SQLSTATE if not.
    Outcome,
    /// Whether it can run in a transaction block.
    Transaction,
    /// Locks of tables, views and sequences.
    Locks,
    /// Locks of indexes.
    IndexLocks,
    /// All modes held at once.
    Modes,
    /// The order of locks and their first modes.
    Order,
    /// Files rewritten.
    Rewritten,
    /// Indexes rebuilt or taken over.
    Rebuilt,
    /// Full reads.
    Passes,
    /// Relations created, dropped, left invalid.
    Catalog,
    /// Whether a transaction id is assigned.
    Xid,
    /// First waits.
    Waits,
}

impl Field {
    /// Whether the field is about locks; all others are effects.
    pub fn is_lock(self) -> bool {
        matches!(self, Self::Locks | Self::IndexLocks | Self::Modes | Self::Order | Self::Waits)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcome => "outcome",
            Self::Transaction => "transaction rule",
            Self::Locks => "locks",
            Self::IndexLocks => "index locks",
            Self::Modes => "modes held",
            Self::Order => "acquire order",
            Self::Rewritten => "rewritten",
            Self::Rebuilt => "indexes rebuilt",
            Self::Passes => "heap passes",
            Self::Catalog => "relations",
            Self::Xid => "transaction id",
            Self::Waits => "waits",
        })
    }
}

/// A disagreement, or a field that agrees.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The statement's name.
    pub id: String,
    /// The statement.
    pub sql: String,
    /// The version.
    pub version: u32,
    /// The fields that were compared, with what differs in each.
    pub fields: Vec<(Field, Option<String>)>,
}

impl Comparison {
    /// Whether every field agrees.
    pub fn agrees(&self) -> bool {
        self.fields.iter().all(|(_, difference)| difference.is_none())
    }

    /// Whether every field of one kind agrees.
    pub fn agrees_in(&self, locks: bool) -> bool {
        self.fields.iter().all(|(field, difference)| field.is_lock() != locks || difference.is_none())
    }
}

/// Compares every statement on every version that was recorded.
pub fn compare(recording: &Recording) -> Vec<Comparison> {
    let worlds: BTreeMap<u32, World> = PgVersion::ALL
        .into_iter()
        .map(|version| (version.major(), World::new(&recording.meta, version)))
        .collect();
    let mut all = Vec::new();
    for entry in &recording.statements {
        for recorded in &entry.results {
            for version in &recorded.v {
                let Some(world) = worlds.get(version) else { continue };
                all.push(compare_one(entry, recorded, *version, &observe(world, entry)));
            }
        }
    }
    all
}

fn compare_one(entry: &Entry, recorded: &Recorded, version: u32, observed: &Observed) -> Comparison {
    let mut fields = vec![
        (Field::Outcome, outcome(recorded, observed)),
        (Field::Transaction, transaction(recorded, observed)),
    ];
    let mut add = |field, difference| fields.push((field, difference));
    if let Some(locks) = &recorded.locks {
        add(Field::Locks, differ(locks, &observed.locks));
        add(Field::IndexLocks, differ(&recorded.index_locks, &observed.index_locks));
        let modes: BTreeMap<String, BTreeSet<String>> =
            recorded.all_modes_held.iter().map(|(k, v)| (k.clone(), v.iter().cloned().collect())).collect();
        add(Field::Modes, differ(&modes, &observed.all_modes));
    } else if let Some(main) = &recorded.main_lock {
        let own = observed.strongest.get(&entry.main);
        add(Field::Locks, differ(&Some(main), &own));
    }
    if !recorded.acquire_order.is_empty() {
        add(Field::Order, differ(&recorded.acquire_order, &observed.acquire_order));
    }
    if recorded.ok || !recorded.created.is_empty() {
        let set = |names: &[String]| -> BTreeSet<String> { names.iter().cloned().collect() };
        let pair = |a: &[String], b: &[String]| (set(a), set(b));
        add(
            Field::Rewritten,
            differ(
                &pair(&recorded.rewritten, &recorded.sequence_refilenode),
                &(observed.rewritten.clone(), observed.sequence_files.clone()),
            ),
        );
        add(
            Field::Rebuilt,
            differ(
                &pair(&recorded.indexes_rebuilt, &recorded.index_recreated_file_reused),
                &(observed.indexes_rebuilt.clone(), observed.reused.clone()),
            ),
        );
        add(Field::Passes, differ(&recorded.heap_passes, &observed.heap_passes));
        let names = (set(&recorded.created), set(&recorded.dropped), set(&recorded.invalid_index_left));
        // What is invalid was noted of failures only.
        let invalid = if recorded.ok { BTreeSet::new() } else { observed.invalid.clone() };
        let own = (observed.created.clone(), observed.dropped.clone(), invalid);
        add(Field::Catalog, differ(&names, &own));
    }
    if let (Some(server), Some(model)) = (recorded.assigns_xid, observed.assigns_xid) {
        add(Field::Xid, differ(&server, &model));
    }
    if !recorded.waits_when_main_is_held_in.is_empty() {
        add(Field::Waits, differ(&recorded.waits_when_main_is_held_in, &observed.waits));
    }
    Comparison { id: entry.id.clone(), sql: entry.sql.clone(), version, fields }
}

fn outcome(recorded: &Recorded, observed: &Observed) -> Option<String> {
    let server = recorded.error.as_ref().map(|e| e.sqlstate.as_str());
    let model = observed.error.as_ref().map(|e| e.sqlstate);
    if server == model {
        return None;
    }
    let told = |state: Option<&str>, message: &str| match state {
        Some(state) => format!("{state} {message}"),
        None => "success".to_owned(),
    };
    Some(format!(
        "server: {}; model: {}",
        told(server, recorded.error.as_ref().map_or("", |e| &e.message)),
        told(model, observed.error.as_ref().map_or("", |e| &e.message))
    ))
}

fn transaction(recorded: &Recorded, observed: &Observed) -> Option<String> {
    let server = recorded.in_tx_error.as_ref().map(|e| e.message.as_str());
    let model = observed.in_tx_error.as_ref().map(|e| e.message.as_str());
    (recorded.in_tx != model.is_none() || server != model)
        .then(|| format!("server: {}; model: {}", server.unwrap_or("allowed"), model.unwrap_or("allowed")))
}

/// Both sides, if they differ.
fn differ<A: PartialEq<B> + Show, B: Show>(server: &A, model: &B) -> Option<String> {
    (server != model).then(|| format!("server: {}; model: {}", server.show(), model.show()))
}

/// How a value is shown in a report.
trait Show {
    fn show(&self) -> String;
}

impl Show for bool {
    fn show(&self) -> String {
        if *self { "yes".into() } else { "no".into() }
    }
}

impl Show for u64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Show for String {
    fn show(&self) -> String {
        self.clone()
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self) -> String {
        (*self).show()
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "nothing".into(), Show::show)
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&self) -> String {
        self.iter().map(Show::show).collect::<Vec<_>>().join(", ")
    }
}

impl<T: Show> Show for BTreeSet<T> {
    fn show(&self) -> String {
        let parts: Vec<String> = self.iter().map(Show::show).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(" ") }
    }
}

impl<V: Show> Show for BTreeMap<String, V> {
    fn show(&self) -> String {
        let parts: Vec<String> = self.iter().map(|(k, v)| format!("{k} {}", v.show())).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}

impl Show for (String, String) {
    fn show(&self) -> String {
        format!("{} {}", self.0, self.1)
    }
}

impl<A: Show, B: Show> Show for (BTreeSet<A>, BTreeSet<B>) {
    fn show(&self) -> String {
        format!("{} / {}", self.0.show(), self.1.show())
    }
}

impl<A: Show, B: Show, C: Show> Show for (BTreeSet<A>, BTreeSet<B>, BTreeSet<C>) {
    fn show(&self) -> String {
        format!("{} / {} / {}", self.0.show(), self.1.show(), self.2.show())
    }
}
