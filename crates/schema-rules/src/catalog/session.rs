//! What a session brings along: settings that change how a statement is understood, and what its transaction has done
//! so far that later statements depend on.

use std::rc::Rc;

use super::{Name, Oid, RelationId};

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// `search_path`, without `pg_catalog`, which is always searched first.
    pub search_path: Rc<[Name]>,
    /// Whether `TimeZone` is UTC: a change between `timestamp` and `timestamptz` then moves no value.
    pub timezone_is_utc: bool,
    /// Whether `session_replication_role` is `replica`: triggers do not fire then, those of foreign keys among them.
    pub is_replica: bool,
    /// Whether a transaction block is open.
    pub in_transaction: bool,
    /// Tables that nobody has defined are assumed to exist, instead of being an error.
    pub assume_unknown: bool,
    /// What is known of the objects that belong to the server rather than to a database. Nothing: whatever is named
    /// is taken to exist.
    pub server: Option<Rc<ServerObjects>>,
    /// What the open transaction has done.
    pub transaction: OpenTransaction,
    /// The cursors that are open.
    pub cursors: Vec<Cursor>,
    /// The sequences that have given this session a number: `currval` knows those only.
    pub called_sequences: Vec<RelationId>,
    /// Whether `nextval` has been called at all: `lastval` needs it.
    pub has_called_nextval: bool,
}

/// Objects that no statement of a migration need have created.
#[derive(Clone, Debug, Default)]
pub struct ServerObjects {
    /// Roles, besides those whose names begin with `pg_`.
    pub roles: Vec<Name>,
    /// Tablespaces, besides `pg_default` and `pg_global`.
    pub tablespaces: Vec<Name>,
    /// Extensions that can be created.
    pub extensions: Vec<Name>,
}

/// What a transaction has done that its later statements depend on.
#[derive(Clone, Debug, Default)]
pub struct OpenTransaction {
    /// Enum labels that were added, as type and label: they cannot be used before the commit.
    pub uncommitted_labels: Vec<(Oid, Name)>,
    /// Types that were created: labels added to them can be used at once, from PostgreSQL 17 on.
    pub created_types: Vec<Oid>,
    /// Relations that were created or truncated: nobody else sees their rows (COPY … FREEZE wants such a one).
    pub fresh_relations: Vec<RelationId>,
    /// Relations with rows that a deferred constraint has still to look at.
    pub pending_events: Vec<RelationId>,
    /// What SET CONSTRAINTS has said: a constraint (nothing for all) and whether it is deferred, the last word last.
    pub deferred: Vec<(Option<Oid>, bool)>,
    /// Savepoints, the oldest first.
    pub savepoints: Vec<Name>,
    /// Whether a statement has taken a snapshot: the isolation level is fixed from then on.
    pub has_queried: bool,
}

/// An open cursor.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Its name.
    pub name: Name,
    /// The relations that its query keeps open.
    pub relations: Vec<RelationId>,
    /// WITH HOLD: it outlives the transaction.
    pub hold: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            search_path: Rc::from(["public".into()]),
            timezone_is_utc: true,
            is_replica: false,
            in_transaction: false,
            assume_unknown: false,
            server: None,
            transaction: OpenTransaction::default(),
            cursors: Vec::new(),
            called_sequences: Vec::new(),
            has_called_nextval: false,
        }
    }
}

impl Session {
    /// The transaction is over.
    pub(crate) fn end_transaction(&mut self) {
        self.transaction = OpenTransaction::default();
        self.cursors.retain(|c| c.hold);
    }
}
