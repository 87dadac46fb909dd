//! A small in-memory SQL engine over the catalog, the lock table and the transaction layer.
