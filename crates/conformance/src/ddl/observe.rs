//! What the rules say about a statement, in the recordings' words.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use lock_table::LockMode;
use schema_rules::catalog::{Catalog, Persistence, Relation, RelationKind};
use schema_rules::effects::{Effects, Step, TransactionRule, Wait, WorkKind};
use schema_rules::{RelationId, SqlError};
use sql_syntax::ast::Statement;

use super::recording::Entry;
use super::rows::Rows;
use super::world::World;

/// What the rules say about one statement on one version.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Why it fails.
    pub error: Option<SqlError>,
    /// That it cannot run inside a transaction block, and what is said then.
    pub in_tx_error: Option<SqlError>,
    /// The strongest lock held at the end on each table, view and sequence.
    pub locks: BTreeMap<String, String>,
    /// The strongest lock ever taken on each.
    pub strongest: BTreeMap<String, String>,
    /// The strongest lock on each index, from SHARE UPDATE EXCLUSIVE up.
    pub index_locks: BTreeMap<String, String>,
    /// Relations with several modes from SHARE UPDATE EXCLUSIVE up.
    pub all_modes: BTreeMap<String, BTreeSet<String>>,
    /// Tables in the order of their first lock, with its mode.
    pub acquire_order: Vec<(String, String)>,
    /// Tables with a new file.
    pub rewritten: BTreeSet<String>,
    /// Indexes with a new file.
    pub indexes_rebuilt: BTreeSet<String>,
    /// Indexes that are new and took the old file over.
    pub reused: BTreeSet<String>,
    /// Sequences with a new file.
    pub sequence_files: BTreeSet<String>,
    /// Full reads of each table.
    pub heap_passes: BTreeMap<String, u64>,
    /// Relations that are new.
    pub created: BTreeSet<String>,
    /// Relations that are gone.
    pub dropped: BTreeSet<String>,
    /// Indexes left invalid.
    pub invalid: BTreeSet<String>,
    /// Whether the transaction gets an id.
    pub assigns_xid: Option<bool>,
    /// The first wait when another session holds the main relation in each mode.
    pub waits: BTreeMap<String, String>,
}

/// The mode as the recordings spell it.
fn spelled(mode: LockMode) -> String {
    mode.pg_locks().trim_end_matches("Lock").to_owned()
}

fn rank(mode: LockMode) -> usize {
    LockMode::ALL.iter().position(|m| *m == mode).unwrap_or(0)
}

/// Runs an entry's statement in a world that is prepared for it.
pub fn observe(world: &World, entry: &Entry) -> Observed {
    let parsed = sql_syntax::parse(&entry.sql);
    let Some(statement) = parsed.statements.first().map(|s| s.value.clone()) else {
        let error = SqlError::new("42601", parsed.errors.first().map_or("syntax error", |e| &*e.message));
        return Observed { error: Some(error), ..Observed::default() };
    };
    let mut prepared = world.prepared_for(entry);
    let earlier = prepared.earlier(entry);
    let inside = run_inside(&prepared, &statement);
    let refused_inside = inside.error.as_ref().is_some_and(|e| e.sqlstate == "25001");
    let outside_only = matches!(inside.transaction, TransactionRule::OutsideOnly(_)) || refused_inside;
    prepared.session.in_transaction |= !outside_only;
    let rows = prepared.rows.clone();
    let effects = in_one_transaction(&earlier, prepared.run(&statement));
    let reader = Reader { effects: &effects, rows: &rows };
    let mut observed = Observed {
        error: effects.error.clone(),
        in_tx_error: inside.error.filter(|e| e.sqlstate == "25001"),
        assigns_xid: effects.assigns_xid,
        ..Observed::default()
    };
    reader.locks(&mut observed);
    reader.works(&mut observed);
    reader.names(&mut observed);
    if outside_only {
        reader.waits(&entry.main, &mut observed);
    }
    observed
}

/// The statement's effects with those of the transaction's earlier statements before them.
fn in_one_transaction(earlier: &[Effects], last: Effects) -> Effects {
    let Some(first) = earlier.first() else { return last };
    let writes = earlier.iter().any(|e| e.assigns_xid == Some(true));
    let mut steps: Vec<Step> = earlier.iter().flat_map(|e| e.steps.iter().cloned()).collect();
    steps.extend(last.steps);
    Effects {
        steps,
        before: first.before.clone(),
        assigns_xid: if writes { Some(true) } else { last.assigns_xid },
        ..last
    }
}

fn run_inside(world: &World, statement: &Statement) -> Effects {
    let mut world = world.clone();
    world.session.in_transaction = true;
    // The recorder has asked for the transaction's id before.
    world.session.transaction.has_queried = true;
    world.run(statement)
}

struct Reader<'a> {
    effects: &'a Effects,
    rows: &'a Rows,
}

impl Reader<'_> {
    fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.effects.relation(id).map(|r| &**r)
    }

    /// The name of a relation; a new index that takes the name of one that is dropped is marked so.
    fn name(&self, id: RelationId) -> String {
        if let Some(relation) = self.effects.before.relation(id) {
            return relation.name.to_string();
        }
        let Some(relation) = self.effects.after.relation(id) else { return format!("relation {}", id.0) };
        let replaces = self.effects.before.find_in(&relation.schema, &relation.name).is_some();
        if replaces { format!("new:{}", relation.name) } else { relation.name.to_string() }
    }

    fn is_temporary(&self, id: RelationId) -> bool {
        self.relation(id).is_some_and(|r| r.persistence == Persistence::Temporary)
    }

    fn is_index(&self, id: RelationId) -> bool {
        self.relation(id).is_some_and(|r| r.as_index().is_some())
    }

    fn locks(&self, observed: &mut Observed) {
        let mut held: BTreeMap<RelationId, Vec<LockMode>> = BTreeMap::new();
        let mut ever: BTreeMap<RelationId, LockMode> = BTreeMap::new();
        for step in &self.effects.steps {
            match step {
                Step::Lock { relation, mode, .. } | Step::SessionLock { relation, mode } => {
                    held.entry(*relation).or_default().push(*mode);
                    let strongest = ever.entry(*relation).or_insert(*mode);
                    if rank(*mode) > rank(*strongest) {
                        *strongest = *mode;
                    }
                    self.first_lock(*relation, *mode, observed);
                }
                Step::Unlock { relation, mode } => {
                    if let Some(modes) = held.get_mut(relation)
                        && let Some(at) = modes.iter().rposition(|m| m == mode)
                    {
                        modes.remove(at);
                    }
                }
                Step::Commit { .. } => held.clear(),
                _ => {}
            }
        }
        for (id, mode) in ever {
            if !self.is_index(id) {
                observed.strongest.insert(self.name(id), spelled(mode));
            }
        }
        let strong = rank(LockMode::ShareUpdateExclusive);
        for (id, modes) in held {
            if self.is_temporary(id) {
                continue;
            }
            let Some(strongest) = modes.iter().copied().max_by_key(|m| rank(*m)) else { continue };
            if self.is_index(id) {
                if rank(strongest) >= strong {
                    observed.index_locks.insert(self.name(id), spelled(strongest));
                }
                continue;
            }
            observed.locks.insert(self.name(id), spelled(strongest));
            let several: BTreeSet<String> =
                modes.into_iter().filter(|m| rank(*m) >= strong).map(spelled).collect();
            if several.len() > 1 {
                observed.all_modes.insert(self.name(id), several);
            }
        }
    }

    fn first_lock(&self, id: RelationId, mode: LockMode, observed: &mut Observed) {
        let Some(relation) = self.effects.before.relation(id) else { return };
        let table = matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable(_));
        let name = relation.name.to_string();
        if table && !observed.acquire_order.iter().any(|(known, _)| *known == name) {
            observed.acquire_order.push((name, spelled(mode)));
        }
    }

    fn works(&self, observed: &mut Observed) {
        let mut fresh: BTreeSet<RelationId> = BTreeSet::new();
        for step in &self.effects.steps {
            let Step::Work(work) = step else { continue };
            let id = work.relation;
            match &work.kind {
                WorkKind::Scan(_) | WorkKind::Update { .. } => self.pass(id, 1, observed),
                WorkKind::Rewrite { .. } => {
                    self.pass(id, 1, observed);
                    fresh.insert(id);
                    if self.effects.before.relation(id).is_some() {
                        observed.rewritten.insert(self.name(id));
                    }
                }
                WorkKind::CopyFile => {
                    if self.is_index(id) {
                        observed.indexes_rebuilt.insert(self.name(id));
                    } else {
                        observed.rewritten.insert(self.name(id));
                    }
                }
                WorkKind::Truncate | WorkKind::FillNewHeap => {
                    fresh.insert(id);
                    observed.rewritten.insert(self.name(id));
                }
                WorkKind::NewSequenceFile => {
                    observed.sequence_files.insert(self.name(id));
                }
                WorkKind::BuildIndex { index, concurrently } => {
                    // A build looks at dead row versions too, but not a concurrent one, nor one over a new heap.
                    let (alive, dead) = self.rows.counts(id);
                    let all = if fresh.contains(&id) || *concurrently || alive == 0 {
                        1
                    } else {
                        (alive + dead) / alive
                    };
                    self.pass(id, all, observed);
                    self.rebuilt(*index, observed);
                }
                WorkKind::BuildEmptyIndex { index } => self.rebuilt(*index, observed),
                WorkKind::ValidateIndex { .. } => self.pass(id, 1, observed),
                WorkKind::CheckForeignKey { referenced } => {
                    self.pass(id, 1, observed);
                    for part in self.effects.after.with_descendants(*referenced) {
                        if self.relation(part).is_some_and(Relation::has_heap) {
                            self.pass(part, 1, observed);
                        }
                    }
                }
                WorkKind::Analyze
                | WorkKind::Vacuum { .. }
                | WorkKind::Rows { .. }
                | WorkKind::Query
                | WorkKind::Load
                | WorkKind::Catalog => {}
            }
        }
        for (_, new) in &self.effects.reused_indexes {
            // A partitioned index has no file.
            let with_file = |r: &&Rc<Relation>| r.as_index().is_some_and(|i| !i.partitioned);
            let new = self.effects.after.relation(*new).filter(with_file);
            observed.reused.extend(new.map(|r| r.name.to_string()));
        }
    }

    fn pass(&self, id: RelationId, passes: u64, observed: &mut Observed) {
        // Reads are counted by rows: of an empty table nothing is seen.
        let table = self.relation(id).is_some_and(|r| matches!(r.kind, RelationKind::Table));
        if table && self.rows.counts(id) == (0, 0) {
            return;
        }
        *observed.heap_passes.entry(self.name(id)).or_default() += passes;
    }

    /// An index that was there before, by name.
    fn rebuilt(&self, index: RelationId, observed: &mut Observed) {
        let Some(relation) =
            self.effects.after.relation(index).or_else(|| self.effects.before.relation(index))
        else {
            return;
        };
        if self.effects.before.find_in(&relation.schema, &relation.name).is_some() {
            observed.indexes_rebuilt.insert(relation.name.to_string());
        }
    }

    fn names(&self, observed: &mut Observed) {
        // The schemas of temporary relations were left out of the recordings.
        let of = |catalog: &Catalog| -> BTreeSet<String> {
            let lasting = |r: &&Rc<Relation>| r.persistence != Persistence::Temporary;
            catalog.relations().filter(lasting).map(|r| r.name.to_string()).collect()
        };
        let (before, after) = (of(&self.effects.before), of(&self.effects.after));
        observed.created = after.difference(&before).cloned().collect();
        observed.dropped = before.difference(&after).cloned().collect();
        observed.invalid = self
            .effects
            .after
            .relations()
            .filter(|r| r.as_index().is_some_and(|i| !i.valid) && observed.created.contains(&*r.name))
            .map(|r| r.name.to_string())
            .collect();
    }

    /// The first step that has to wait for another session that holds `main` in each of the modes.
    fn waits(&self, main: &str, observed: &mut Observed) {
        for held in LockMode::ALL {
            let first = self.effects.steps.iter().find_map(|step| match step {
                Step::Lock { relation, mode, wait: Wait::Block } | Step::SessionLock { relation, mode }
                    if mode.conflicts_with(held) && self.name(*relation) == main =>
                {
                    Some(format!("relation {main} {}", spelled(*mode)))
                }
                Step::WaitForLockHolders { relation, mode }
                    if mode.conflicts_with(held) && self.name(*relation) == main =>
                {
                    Some("virtualxid Share".to_owned())
                }
                _ => None,
            });
            let wait = first.unwrap_or_else(|| match &self.effects.error {
                Some(error) => format!("no_wait(fails {})", error.sqlstate),
                None => "no_wait".to_owned(),
            });
            observed.waits.insert(spelled(held), wait);
        }
    }
}
