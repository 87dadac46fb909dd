//! What a statement does, as a list of steps: locks, waits, work and catalog changes, in the server's order.
//!
//! [`advance`] runs a statement against a catalog the way the server's own code would: it looks names up, takes
//! locks, finds reasons to refuse, changes the catalog, and notes every step. One pass yields both the effects and
//! the catalog afterwards, since within one `ALTER TABLE` the later actions depend on the earlier ones.
//!
//! One module per family of statements:
//!
//! | module | statements |
//! |---|---|
//! | `create_table`, `column_definition`, `partition_copy` | `CREATE TABLE`, `CREATE TABLE AS`, new partitions |
//! | `alter_table` | `ALTER TABLE` and its relatives |
//! | `constraint`, `check`, `key`, `foreign_key` | constraints, whoever adds them |
//! | `index`, `index_definition`, `reindex` | `CREATE INDEX`, `REINDEX` |
//! | `drop`, `deletion` | every `DROP`, and what goes along |
//! | `view`, `sequence`, `data_type`, `trigger` | what they say |
//! | `dml` | `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `COPY` |
//! | `maintenance`, `truncate` | `VACUUM`, `ANALYZE`, `CLUSTER`, `TRUNCATE` |
//! | `transaction`, `settings` | savepoints, cursors, deferred constraints, `SET` |
//! | `procedural` | the SQL in `DO` and `CALL` |
//! | `server_objects` | roles, tablespaces, extensions; what a role owns |
//! | `utility` | `LOCK TABLE`, comments, grants, statistics, publications |

mod alter_table;
mod check;
mod column_definition;
mod condition;
mod constraint;
mod create_table;
mod data_type;
mod default_value;
mod deletion;
mod dml;
mod drop;
mod foreign_key;
mod index;
mod index_definition;
mod key;
mod maintenance;
mod naming;
mod operator_class;
mod partition;
mod partition_copy;
mod procedural;
mod queue;
mod references;
mod reindex;
mod run;
mod sequence;
mod server_objects;
mod settings;
mod statement;
mod step;
mod storage_options;
mod syntax;
mod transaction;
mod trigger;
mod truncate;
mod utility;
mod view;

pub use condition::{Affected, Condition, DataFacts, NoFacts, Written};
pub use partition::keys_to_partition;
pub use run::{Effects, NotModelled, Notice, TransactionRule, advance, effects};
pub use step::{LockSummary, ScanReason, Step, Wait, Work, WorkKind};
