//! What a statement does to a live PostgreSQL database: locks, rewrites, scans, catalog and cost, by version.
