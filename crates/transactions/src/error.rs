//! What the server says when it refuses: an SQLSTATE and a message, as values.

use std::borrow::Cow;
use std::fmt;

use lock_table::LockTag;

/// The five characters that name a condition (manual, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// `division_by_zero` and its like have no constant here: the layers above name their own.
    #[must_use]
    pub const fn new(code: &str) -> Self {
        let bytes = code.as_bytes();
        Self([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// `lock_not_available`: NOWAIT, or `lock_timeout`.
    pub const LOCK_NOT_AVAILABLE: Self = Self::new("55P03");
    /// `deadlock_detected`.
    pub const DEADLOCK_DETECTED: Self = Self::new("40P01");
    /// `query_canceled`: `statement_timeout`, a user's cancel, autovacuum's yielding.
    pub const QUERY_CANCELED: Self = Self::new("57014");
    /// `admin_shutdown`: `pg_terminate_backend`.
    pub const ADMIN_SHUTDOWN: Self = Self::new("57P01");
    /// `connection_does_not_exist`: the session's client has left.
    pub const CONNECTION_DOES_NOT_EXIST: Self = Self::new("08003");
    /// `in_failed_sql_transaction`.
    pub const IN_FAILED_SQL_TRANSACTION: Self = Self::new("25P02");
    /// `no_active_sql_transaction`: LOCK TABLE or SAVEPOINT outside of a transaction block.
    pub const NO_ACTIVE_SQL_TRANSACTION: Self = Self::new("25P01");
    /// `active_sql_transaction`: a CONCURRENTLY command inside of a transaction block.
    pub const ACTIVE_SQL_TRANSACTION: Self = Self::new("25001");
    /// `idle_in_transaction_session_timeout`.
    pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Self = Self::new("25P03");
    /// `transaction_timeout`, from version 17 on.
    pub const TRANSACTION_TIMEOUT: Self = Self::new("25P04");
    /// `serialization_failure`.
    pub const SERIALIZATION_FAILURE: Self = Self::new("40001");
    /// `invalid_savepoint_specification`: no such savepoint.
    pub const NO_SUCH_SAVEPOINT: Self = Self::new("3B001");
    /// `unique_violation`.
    pub const UNIQUE_VIOLATION: Self = Self::new("23505");
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An ERROR or FATAL message of the simulated server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The condition.
    pub sqlstate: SqlState,
    /// The primary message. What this layer says itself names no relation, as it knows none: see `object`.
    pub message: Cow<'static, str>,
    /// The object that the message is about, for the layer that knows names.
    pub object: Option<LockTag>,
    /// Whether the session ended with it (FATAL).
    pub is_fatal: bool,
}

impl SqlError {
    /// An ERROR.
    pub fn new(sqlstate: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self { sqlstate, message: message.into(), object: None, is_fatal: false }
    }

    /// A FATAL: the connection is gone.
    pub fn fatal(sqlstate: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self { is_fatal: true, ..Self::new(sqlstate, message) }
    }

    /// The same error about this object.
    #[must_use]
    pub fn about(mut self, object: LockTag) -> Self {
        self.object = Some(object);
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)
    }
}
