//! PostgreSQL's heavyweight lock table as a pure state machine: modes, queues, deadlock detection.
