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
//! | `create_table` | `CREATE TABLE`, `CREATE TABLE AS` |
//! | `alter_table` | `ALTER TABLE` and its relatives |
//! | `index` | `CREATE INDEX`, `REINDEX` |
//! | `deletion` | every `DROP`, and what goes along |
//! | `view`, `sequence`, `data_type`, `trigger` | what they say |
//! | `dml` | `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `COPY` |
//! | `maintenance` | `VACUUM`, `ANALYZE`, `CLUSTER`, `REFRESH`, `TRUNCATE`, `LOCK TABLE` |

mod alter_table;
mod condition;
mod constraint;
mod create_table;
mod data_type;
mod default_value;
mod deletion;
mod dml;
mod index;
mod maintenance;
mod naming;
mod partition;
mod queue;
mod references;
mod run;
mod sequence;
mod statement;
mod step;
mod storage_options;
mod syntax;
mod trigger;
mod utility;
mod view;

pub use condition::{Condition, DataFacts, NoFacts};
pub use partition::keys_to_partition;
pub use run::{Effects, NotModelled, Notice, TransactionRule, advance, effects};
pub use step::{LockSummary, ScanReason, Step, Wait, Work, WorkKind};
