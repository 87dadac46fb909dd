//! PostgreSQL's heavyweight lock table as a pure state machine: modes, queues, deadlock detection.
//!
//! A [`LockTable`] knows sessions, the objects that they lock ([`LockTag`]) and who waits for whom. It knows
//! neither time nor transactions: timeouts, savepoints and row versions belong to the layer above. Its calls
//! change the table and append the sessions that may go on to a list, in the order in which PostgreSQL wakes
//! them; nothing else happens.
//!
//! ```
//! use lock_table::{LockMode, LockTable, LockTag, RelationId, Request, Scope, SessionId};
//!
//! let mut table = LockTable::new(false);
//! let (reader, migration, next) = (SessionId(1), SessionId(2), SessionId(3));
//! table.add_session(next);
//! let t = LockTag::Relation(RelationId(7));
//! let ask = |table: &mut LockTable, who, mode| table.request(who, t, mode, Scope::Transaction, true);
//!
//! assert!(matches!(ask(&mut table, reader, LockMode::AccessShare), Request::Granted(_)));
//! assert!(matches!(ask(&mut table, migration, LockMode::AccessExclusive), Request::Queued(_)));
//! // A reader conflicts with nobody who holds the table, but with the one that waits for it.
//! assert!(matches!(ask(&mut table, next, LockMode::AccessShare), Request::Queued(_)));
//!
//! let mut woken = Vec::new();
//! table.release_transaction(reader, &mut woken);
//! assert_eq!(woken, [migration]);
//! ```
//!
//! **Invariants**, asserted after every change in debug builds: the modes granted on an object conflict only
//! if one session holds them all; each waiter conflicts with a holder or with a waiter ahead of it; the
//! masks and counts of a lock agree with its lists; a session waits for one lock at most.
//!
//! **Absent on purpose**: lock groups of parallel workers, predicate locks (SSI), the partitions of the shared table,
//! which change speed but not behaviour, and of the fast path all that cannot be seen from outside.

mod deadlock;
mod fast_path;
mod hold;
mod invariants;
mod lock;
mod mode;
mod queue;
mod search;
mod table;
mod tag;
mod views;

pub use deadlock::DeadlockState;
pub use hold::HoldId;
pub use mode::{LockMode, LockModes};
pub use search::CycleEdge;
pub use table::{LockTable, Request, Scope};
pub use tag::{LockTag, RelationId, RowKey, SessionId, Xid};
pub use views::{Blocker, EdgeKind};
