//! What a lock is on, and who holds it.

use std::fmt;

/// A backend, as the lock table sees it: the holder of locks and the waiter in queues.
///
/// Small numbers, as they index flat arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

impl SessionId {
    /// The session as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// A relation: table, index, sequence, view, partition. Small numbers, as they index flat arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationId(pub u32);

/// The identity of a row within its relation, common to all its versions.
pub type RowKey = u64;

/// A transaction id, of a top-level transaction or of a subtransaction. Never reused.
///
/// It names its session, so that whoever finds it on a row knows whom to wait for without a table of all
/// running transactions (PostgreSQL searches the process array and `pg_subtrans`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(u64);

const SESSION_BITS: u32 = 24;

impl Xid {
    /// The server's n-th transaction id, taken by this session.
    #[must_use]
    pub const fn new(number: u64, session: SessionId) -> Self {
        Self(number << SESSION_BITS | session.0 as u64)
    }

    /// Which of the server's transaction ids it is; later ones are greater.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> SESSION_BITS
    }

    /// Whose transaction it is.
    #[must_use]
    pub const fn session(self) -> SessionId {
        SessionId((self.0 & ((1 << SESSION_BITS) - 1)) as u32)
    }
}

/// The object that a lock is on (`LOCKTAG` in `lock.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockTag {
    /// A whole relation.
    Relation(RelationId),
    /// One version of a row: the queue of those who want to lock or change it next.
    Tuple {
        /// The relation of the row.
        relation: RelationId,
        /// Which version of the row (a tuple id in PostgreSQL).
        version: u32,
        /// The row.
        key: RowKey,
    },
    /// A transaction or subtransaction: held exclusively by itself until it ends, waited for in `Share` mode.
    Transaction(Xid),
    /// A transaction that need not have an id yet: the session's n-th.
    VirtualTransaction {
        /// The session.
        session: SessionId,
        /// Its n-th transaction.
        local: u32,
    },
    /// Anything else in the catalogs: a schema, a role, a type.
    Object {
        /// The catalog that the object is in.
        class: u32,
        /// The object.
        object: u32,
    },
    /// An application's own lock, `pg_advisory_lock`.
    Advisory(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_takes_no_more_than_24_bytes() {
        assert!(size_of::<LockTag>() <= 24);
    }
}
