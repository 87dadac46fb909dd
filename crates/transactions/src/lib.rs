//! PostgreSQL's backends as pure state machines: sessions, transactions, row locks, snapshots and timeouts.
