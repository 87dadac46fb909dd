//! What was measured on PostgreSQL 12 to 18 about queues, timeouts, deadlocks, the CONCURRENTLY commands and
//! autovacuum. Each test is named after the fact (`queue.a_...` is `queue::queue_a_...`).

mod autovacuum;
mod concurrently;
mod deadlocks;
mod queue;
mod server;
mod timeouts;
