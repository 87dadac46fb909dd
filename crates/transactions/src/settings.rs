//! Settings of the server and of a session, by their GUC names.

use sim_clock::Nanos;

/// What holds for the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The major version, 12 to 18.
    pub version: u8,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self { version: 15 }
    }
}

impl ServerSettings {
    /// Concurrent builds of plain indexes ignore each other's snapshots from 14 on (`PROC_IN_SAFE_IC`).
    #[must_use]
    pub const fn ignores_safe_index_builds(&self) -> bool {
        self.version >= 14
    }

    /// `transaction_timeout` exists from 17 on.
    #[must_use]
    pub const fn has_transaction_timeout(&self) -> bool {
        self.version >= 17
    }

    /// From 17 on a NOWAIT request gets what a waiting one would get by the holder's jump.
    #[must_use]
    pub const fn no_wait_may_jump(&self) -> bool {
        self.version >= 17
    }
}

/// A setting that a session can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guc {
    /// How long a single wait for a lock may take; 0 is for ever.
    LockTimeout,
    /// How long a wait goes on before the session looks for a deadlock.
    DeadlockTimeout,
    /// How long a statement may take; 0 is for ever.
    StatementTimeout,
    /// How long a transaction may take (17 and later); 0 is for ever.
    TransactionTimeout,
    /// How long a session may be idle in a transaction; 0 is for ever.
    IdleInTransactionSessionTimeout,
}

/// What a session starts with; each can be changed by [`Statement::Set`](crate::Statement::Set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// See [`Guc::LockTimeout`].
    pub lock_timeout: Nanos,
    /// See [`Guc::DeadlockTimeout`].
    pub deadlock_timeout: Nanos,
    /// See [`Guc::StatementTimeout`].
    pub statement_timeout: Nanos,
    /// See [`Guc::TransactionTimeout`].
    pub transaction_timeout: Nanos,
    /// See [`Guc::IdleInTransactionSessionTimeout`].
    pub idle_in_transaction_session_timeout: Nanos,
    /// What kind of backend it is.
    pub role: BackendRole,
}

/// Who is behind a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendRole {
    /// A client.
    #[default]
    Client,
    /// An autovacuum worker: whoever waits for it cancels it after its own `deadlock_timeout`.
    Autovacuum,
    /// An autovacuum worker "to prevent wraparound", which does not yield.
    AntiWraparoundAutovacuum,
}

impl Default for SessionSettings {
    /// PostgreSQL's defaults: no timeout but a deadlock check after 1 s.
    fn default() -> Self {
        Self {
            lock_timeout: Nanos::ZERO,
            deadlock_timeout: Nanos::from_secs(1),
            statement_timeout: Nanos::ZERO,
            transaction_timeout: Nanos::ZERO,
            idle_in_transaction_session_timeout: Nanos::ZERO,
            role: BackendRole::Client,
        }
    }
}

impl SessionSettings {
    /// The value of a setting.
    #[must_use]
    pub const fn get(&self, guc: Guc) -> Nanos {
        match guc {
            Guc::LockTimeout => self.lock_timeout,
            Guc::DeadlockTimeout => self.deadlock_timeout,
            Guc::StatementTimeout => self.statement_timeout,
            Guc::TransactionTimeout => self.transaction_timeout,
            Guc::IdleInTransactionSessionTimeout => self.idle_in_transaction_session_timeout,
        }
    }

    pub(crate) const fn set(&mut self, guc: Guc, value: Nanos) {
        *match guc {
            Guc::LockTimeout => &mut self.lock_timeout,
            Guc::DeadlockTimeout => &mut self.deadlock_timeout,
            Guc::StatementTimeout => &mut self.statement_timeout,
            Guc::TransactionTimeout => &mut self.transaction_timeout,
            Guc::IdleInTransactionSessionTimeout => &mut self.idle_in_transaction_session_timeout,
        } = value;
    }
}
