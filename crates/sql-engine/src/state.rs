//! What all sessions of a server share, and what each keeps for itself.
//!
//! Statements run as state machines inside of [`transactions::Backends`]; they reach this state by a shared
//! handle and hold it only for the length of one step.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::{RelationId, RowKey, SessionId};
use persistent::PersistentMap;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use rustc_hash::FxHashMap;
use schema_rules::catalog::Change;
use schema_rules::{Catalog, PgVersion};
use sim_clock::Nanos;
use smallvec::SmallVec;

use crate::cost::Durations;
use crate::job::Prepared;
use crate::plan::ResultColumn;
use crate::value::{Type, Value};
use crate::virtual_table::{Mark, VirtualTable};

/// A row's version: what [`transactions`] keeps for us.
#[derive(Clone, Debug, Default)]
pub struct Tuple {
    /// Where it would stand in the table's file: later versions come later, as they do there.
    pub(crate) place: u64,
    /// Its values by column number; shorter than the table's columns if it is older than the last of them.
    pub(crate) values: Option<Rc<[Value]>>,
}

impl Tuple {
    pub(crate) fn values(&self) -> &[Value] {
        self.values.as_deref().unwrap_or(&[])
    }
}

impl PartialEq for Tuple {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place && self.values == other.values
    }
}

impl Eq for Tuple {}

/// The key of an index entry.
pub(crate) type IndexKey = Box<[Value]>;

/// The entries of an index. An entry stays as long as any version of its row may have the key, and may stay
/// longer: who follows it looks at the row.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexData {
    pub(crate) entries: PersistentMap<IndexKey, SmallVec<[RowKey; 2]>>,
}

impl IndexData {
    pub(crate) fn add(&mut self, key: IndexKey, row: RowKey) {
        match self.entries.get(&key) {
            None => {
                self.entries.insert(key, SmallVec::from_elem(row, 1));
            }
            Some(rows) if rows.contains(&row) => {}
            Some(_) => {
                if let Some(rows) = self.entries.get_mut(&key) {
                    rows.push(row);
                }
            }
        }
    }
}

/// What is known of a table beside its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableData {
    pub(crate) next_row: RowKey,
    pub(crate) next_place: u64,
    /// The values of columns that rows older than the column do not have.
    pub(crate) missing: Vec<Value>,
    /// Which of the table's files this is: a rewrite and a truncation begin a new one.
    pub(crate) file: u64,
    /// Whether its rows were counted: by VACUUM, ANALYZE, or when an index was built.
    pub(crate) is_counted: bool,
    /// The indexes whose entries are kept; others are built when they are first needed.
    pub(crate) built: Vec<RelationId>,
}

/// A sequence; it belongs to no transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SequenceData {
    pub(crate) last: i64,
    pub(crate) called: bool,
}

/// One session.
#[derive(Debug)]
pub(crate) struct SessionData {
    /// Search path and the like.
    pub(crate) lookup: Rc<schema_rules::Session>,
    /// What its running transaction has changed in the catalog, one entry for each statement.
    pub(crate) changes: Vec<(u64, Rc<[Change]>)>,
    /// The catalog with those changes, as of this generation of the committed one.
    pub(crate) own_catalog: Option<Box<(u64, Catalog)>>,
    /// Few sessions have any of it.
    belongings: Option<Box<Belongings>>,
    pub(crate) transaction_start: Nanos,
    pub(crate) statement_start: Nanos,
    pub(crate) in_transaction: bool,
    /// In a repeatable-read transaction: the generation of the catalog when it took its snapshot, nothing
    /// before that.
    pub(crate) repeatable: Option<Option<u64>>,
    /// In a serializable transaction: whether it is to write nothing.
    pub(crate) serializable: Option<bool>,
    /// Its number among the serializable ones, once it has a snapshot.
    pub(crate) serial: Option<crate::serial::Number>,
    /// Whether transactions are serializable unless they say otherwise.
    pub(crate) default_serializable: bool,
    /// Whether the transaction has looked at data: from then on its isolation level stands.
    pub(crate) has_queried: bool,
    /// Whether the statement under way returns rows.
    pub(crate) sends_rows: bool,
    /// Results of the statements of the query under way.
    pub(crate) results: Vec<StatementResult>,
    /// NOTICE and WARNING messages since they were last taken.
    pub(crate) notices: Vec<Notice>,
    /// Foreign keys that are to be checked when the transaction commits.
    pub(crate) deferred: Vec<crate::exec::Deferred>,
    pub(crate) default_isolation: Option<transactions::Isolation>,
}

/// What a session has made for itself.
#[derive(Debug)]
pub(crate) struct Belongings {
    pub(crate) prepared: BTreeMap<String, Rc<Prepared>>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) currval: FxHashMap<RelationId, i64>,
    pub(crate) last_sequence: Option<RelationId>,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    /// Temporary tables that are dropped or emptied at commit.
    pub(crate) temporary: Vec<(String, sql_syntax::ast::OnCommit)>,
}

impl Belongings {
    const NONE: &Self = &Self {
        prepared: BTreeMap::new(),
        settings: BTreeMap::new(),
        currval: FxHashMap::with_hasher(rustc_hash::FxBuildHasher),
        last_sequence: None,
        cursors: BTreeMap::new(),
        temporary: Vec::new(),
    };
}

/// A message that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE` or `WARNING`.
    pub severity: &'static str,
    /// The message.
    pub message: String,
    /// Its detail, if it has one.
    pub detail: Option<String>,
    /// How many results of the query's statements a client has to take before it comes by this.
    pub after: usize,
}

/// An open cursor: its rows are computed when it is opened, which is what its snapshot shows.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) rows: Vec<Rc<[Value]>>,
    pub(crate) origins: Vec<Option<(RelationId, RowKey)>>,
    /// How many rows were fetched: 0 is before the first.
    pub(crate) at: usize,
    pub(crate) hold: bool,
}

/// The rows that a statement returned.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The columns.
    pub columns: Vec<ResultColumn>,
    /// The rows.
    pub rows: Vec<Rc<[Value]>>,
}

/// What became of one statement of a query.
#[derive(Clone, Debug)]
pub struct StatementResult {
    /// Its command, and how many rows it was about as the command counts them; as text it is what psql shows.
    pub outcome: transactions::Outcome,
    /// How many rows it was about.
    pub count: u64,
    /// Its rows, if it is a statement that returns rows.
    pub rows: Option<QueryResult>,
}

/// The state behind a handle.
pub(crate) struct Shared {
    state: RefCell<State>,
}

/// What all sessions share.
pub(crate) struct State {
    pub(crate) version: PgVersion,
    pub(crate) catalog: Catalog,
    /// What a session starts with; shared, so that plans are.
    pub(crate) default_lookup: Rc<schema_rules::Session>,
    pub(crate) tables: FxHashMap<RelationId, TableData>,
    pub(crate) indexes: FxHashMap<RelationId, IndexData>,
    pub(crate) sequences: FxHashMap<RelationId, SequenceData>,
    pub(crate) sessions: Vec<SessionData>,
    pub(crate) random: Xoshiro256PlusPlus,
    /// Microseconds since 2000-01-01 at the virtual time zero.
    pub(crate) epoch: i64,
    pub(crate) durations: Rc<dyn Durations>,
    pub(crate) statement_overhead: Nanos,
    pub(crate) next_change: u64,
    pub(crate) serial: crate::serial::Serial,
    /// Partitions that are being detached, with the catalog's generation when that began.
    pub(crate) detaching: Vec<(RelationId, u64)>,
    /// Tables of which only the size is known.
    pub(crate) virtual_tables: FxHashMap<RelationId, Rc<VirtualTable>>,
    /// How far backfills of such tables have come, by their condition; and what their transactions add to it.
    pub(crate) marks: FxHashMap<(RelationId, u64), RowKey>,
    pub(crate) open_marks: Vec<(SessionId, Mark)>,
    /// Backends that a statement wants cancelled (false) or terminated (true).
    pub(crate) signals: Vec<(SessionId, bool)>,
}

impl Shared {
    pub(crate) fn new(version: PgVersion, seed: u64, epoch: i64, durations: Rc<dyn Durations>) -> Self {
        Self {
            state: RefCell::new(State {
                version,
                catalog: Catalog::new(),
                default_lookup: Rc::default(),
                tables: FxHashMap::default(),
                indexes: FxHashMap::default(),
                sequences: FxHashMap::default(),
                sessions: Vec::new(),
                random: Xoshiro256PlusPlus::seed_from_u64(seed),
                epoch,
                durations,
                statement_overhead: Nanos::ZERO,
                next_change: 0,
                serial: crate::serial::Serial::default(),
                detaching: Vec::new(),
                virtual_tables: FxHashMap::default(),
                marks: FxHashMap::default(),
                open_marks: Vec::new(),
                signals: Vec::new(),
            }),
        }
    }

    pub(crate) fn get(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    pub(crate) fn edit(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

/// Which state of the catalog a session sees: as long as it is the same, plans made against it are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogStamp {
    committed: u64,
    own: u64,
    path: Rc<[schema_rules::catalog::Name]>,
}

impl State {
    pub(crate) fn session(&self, session: SessionId) -> &SessionData {
        &self.sessions[session.index()]
    }

    pub(crate) fn session_mut(&mut self, session: SessionId) -> &mut SessionData {
        &mut self.sessions[session.index()]
    }

    /// All sessions but one.
    pub(crate) fn others(&self, session: SessionId) -> impl Iterator<Item = (SessionId, &SessionData)> {
        let all = self.sessions.iter().enumerate();
        let all = all.filter_map(|(at, data)| Some((SessionId(u32::try_from(at).ok()?), data)));
        all.filter(move |(id, _)| *id != session)
    }

    /// The catalog as the session sees it: what is committed, and its own transaction's changes.
    pub(crate) fn catalog_of(&mut self, session: SessionId) -> Catalog {
        let committed = self.catalog.generation();
        let this = &mut self.sessions[session.index()];
        if this.changes.is_empty() {
            this.own_catalog = None;
            return self.catalog.clone();
        }
        match &this.own_catalog {
            Some(own) if own.0 == committed => own.1.clone(),
            _ => {
                let mut own = self.catalog.clone();
                for (_, changes) in &this.changes {
                    own.apply_changes(changes);
                }
                this.own_catalog = Some(Box::new((committed, own.clone())));
                own
            }
        }
    }

    pub(crate) fn stamp(&self, session: SessionId) -> CatalogStamp {
        let this = self.session(session);
        CatalogStamp {
            committed: self.catalog.generation(),
            own: this.changes.last().map_or(0, |(number, _)| *number),
            path: Rc::clone(&this.lookup.search_path),
        }
    }

    /// Whether the session sees the state of the catalog that the stamp is of.
    #[inline]
    pub(crate) fn is_at(&self, session: SessionId, stamp: &CatalogStamp) -> bool {
        let this = self.session(session);
        self.catalog.generation() == stamp.committed
            && this.changes.last().map_or(0, |(number, _)| *number) == stamp.own
            && (Rc::ptr_eq(&this.lookup.search_path, &stamp.path) || this.lookup.search_path == stamp.path)
    }

    /// What a session sees that has changed nothing.
    pub(crate) fn committed_stamp(&self) -> CatalogStamp {
        let path = Rc::clone(&self.default_lookup.search_path);
        CatalogStamp { committed: self.catalog.generation(), own: 0, path }
    }

    /// Whether other sessions see what this one sees, so that a plan may be kept for all.
    #[inline]
    pub(crate) fn sees_committed(&self, session: SessionId) -> bool {
        self.session(session).changes.is_empty()
            && (self.detaching.is_empty() || self.still_attached(session).is_empty())
    }

    /// Partitions whose detaching began after the session's repeatable snapshot was taken.
    pub(crate) fn still_attached(&self, session: SessionId) -> Rc<[RelationId]> {
        let Some(Some(taken)) = self.session(session).repeatable.filter(|_| !self.detaching.is_empty())
        else {
            return Rc::from([]);
        };
        self.detaching.iter().filter(|(_, began)| *began > taken).map(|(id, _)| *id).collect()
    }

    /// The schema of a session's temporary tables comes into being with the first of them, and is looked
    /// into first.
    pub(crate) fn add_temporary_schema(&mut self, session: SessionId, name: &str) {
        let script = sql_syntax::parse(&format!("CREATE SCHEMA {name}"));
        let mut catalog = self.catalog.clone();
        for statement in &script.statements {
            let mut lookup = (*self.default_lookup).clone();
            let no_facts = schema_rules::effects::NoFacts;
            let version = self.version;
            let done = schema_rules::effects::advance(
                &mut catalog,
                &mut lookup,
                &statement.value,
                version,
                &no_facts,
            );
            self.catalog.apply_changes(&done.changes);
        }
        let lookup = Rc::make_mut(&mut self.session_mut(session).lookup);
        lookup.search_path = std::iter::once(name.into()).chain(lookup.search_path.iter().cloned()).collect();
    }

    pub(crate) fn table(&mut self, relation: RelationId) -> &mut TableData {
        self.tables.entry(relation).or_default()
    }

    pub(crate) fn notice(&mut self, session: SessionId, severity: &'static str, message: String) {
        self.notice_with(session, severity, message, None);
    }

    pub(crate) fn notice_with(
        &mut self,
        session: SessionId,
        severity: &'static str,
        message: String,
        detail: Option<String>,
    ) {
        let session = self.session_mut(session);
        // A client comes by a message that follows a result at once, but not by one that follows the heading of the
        // next (`pqParseInput3` in fe-protocol3.c).
        let after = session.results.len().saturating_sub(usize::from(!session.sends_rows));
        session.notices.push(Notice { severity, message, detail, after });
    }

    /// Forgets the entries of a table's indexes: they are built again when they are needed.
    pub(crate) fn forget_indexes(&mut self, table: RelationId) {
        let built = std::mem::take(&mut self.table(table).built);
        for index in built {
            self.indexes.remove(&index);
        }
    }
}

/// An isolation level as settings have it.
const fn level(is_serializable: bool, is_repeatable: bool) -> &'static str {
    match (is_serializable, is_repeatable) {
        (true, _) => "serializable",
        (false, true) => "repeatable read",
        (false, false) => "read committed",
    }
}

impl SessionData {
    /// What the session has made for itself.
    pub(crate) fn own(&self) -> &Belongings {
        self.belongings.as_deref().unwrap_or(Belongings::NONE)
    }

    /// The same, to be added to.
    pub(crate) fn own_mut(&mut self) -> &mut Belongings {
        self.belongings.get_or_insert_with(|| {
            let (prepared, settings, cursors) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
            let (currval, last_sequence, temporary) = (FxHashMap::default(), None, Vec::new());
            Box::new(Belongings { prepared, settings, currval, last_sequence, cursors, temporary })
        })
    }

    /// A transaction is over, and with it the cursors that are not held.
    pub(crate) fn close_cursors(&mut self) {
        if let Some(own) = &mut self.belongings
            && !own.cursors.is_empty()
        {
            own.cursors.retain(|_, cursor| cursor.hold);
        }
    }

    /// A transaction is to commit, and with that the temporary tables that live no longer are to be dropped.
    pub(crate) fn forget_dropped_tables(&mut self) {
        if let Some(own) = &mut self.belongings {
            own.temporary.retain(|(_, action)| *action == sql_syntax::ast::OnCommit::DeleteRows);
        }
    }

    /// `transaction_isolation`
    pub(crate) fn isolation_level(&self) -> &'static str {
        level(self.serializable.is_some(), self.repeatable.is_some())
    }

    /// `default_transaction_isolation`
    pub(crate) fn default_level(&self) -> &'static str {
        let default = self.default_isolation.unwrap_or_default();
        level(self.default_serializable, default == transactions::Isolation::RepeatableRead)
    }

    /// A query comes.
    #[inline]
    pub(crate) fn begin_query(&mut self, now: Nanos) {
        self.results.clear();
        self.statement_start = now;
    }

    /// A statement of it is next, in a transaction block or not.
    #[inline]
    pub(crate) fn begin_statement(&mut self, now: Nanos, in_block: bool) {
        self.in_transaction = in_block;
        if in_block {
            return;
        }
        self.transaction_start = now;
        self.deferred.clear();
        self.close_cursors();
        self.serializable = self.default_serializable.then_some(false);
        self.repeatable = None;
        self.has_queried = false;
    }

    /// Whether its next statement is one of a read-committed transaction.
    pub(crate) fn is_read_committed(&self, in_block: bool) -> bool {
        if in_block {
            return self.serializable.is_none() && self.repeatable.is_none();
        }
        self.default_isolation.unwrap_or_default() == transactions::Isolation::ReadCommitted
            && !self.default_serializable
    }

    pub(crate) fn new(lookup: Rc<schema_rules::Session>) -> Self {
        Self {
            lookup,
            changes: Vec::new(),
            own_catalog: None,
            belongings: None,
            transaction_start: Nanos::ZERO,
            statement_start: Nanos::ZERO,
            in_transaction: false,
            repeatable: None,
            serializable: None,
            serial: None,
            default_serializable: false,
            has_queried: false,
            sends_rows: false,
            results: Vec::new(),
            notices: Vec::new(),
            deferred: Vec::new(),
            default_isolation: None,
        }
    }
}

impl QueryResult {
    /// The values as the server would send them, NULL as nothing.
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<Option<String>>> {
        let show = |row: &Rc<[Value]>| {
            row.iter().zip(&self.columns).map(|(value, column)| column.ty.show(value)).collect()
        };
        self.rows.iter().map(show).collect()
    }

    /// The first value of the first row.
    #[must_use]
    pub fn single(&self) -> Option<&Value> {
        self.rows.first()?.first()
    }

    /// The types of the columns.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.columns.iter().map(|c| &c.ty)
    }
}
