//! Storage parameters: their names, and who has which.
//!
//! Source: `src/backend/access/common/reloptions.c`; manual, "Storage Parameters" of `CREATE TABLE`, `CREATE INDEX`,
//! `CREATE VIEW`.

use sql_syntax::ast::StorageOption;

use super::run::{Outcome, Run};
use crate::catalog::{Relation, RelationKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// Parameters of tables and materialised views, besides those of autovacuum.
const TABLE: [&str; 8] = [
    "fillfactor",
    "toast_tuple_target",
    "parallel_workers",
    "user_catalog_table",
    "vacuum_truncate",
    "vacuum_index_cleanup",
    "log_autovacuum_min_duration",
    "vacuum_max_eager_freeze_failure_rate",
];

/// Parameters of autovacuum, of a table or (as `toast.…`) of its TOAST table.
const AUTOVACUUM: [&str; 17] = [
    "autovacuum_enabled",
    "autovacuum_vacuum_threshold",
    "autovacuum_vacuum_max_threshold",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_analyze_threshold",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_analyze_scale_factor",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_freeze_min_age",
    "autovacuum_freeze_max_age",
    "autovacuum_freeze_table_age",
    "autovacuum_multixact_freeze_min_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_multixact_freeze_table_age",
    "log_autovacuum_min_duration",
];

/// Parameters that came late.
const SINCE: [(&str, PgVersion); 7] = [
    ("autovacuum_vacuum_insert_threshold", PgVersion::V13),
    ("autovacuum_vacuum_insert_scale_factor", PgVersion::V13),
    ("deduplicate_items", PgVersion::V13),
    ("security_invoker", PgVersion::V15),
    ("vacuum_max_eager_freeze_failure_rate", PgVersion::V18),
    ("autovacuum_vacuum_max_threshold", PgVersion::V18),
    ("log_autoanalyze_min_duration", PgVersion::V18),
];

/// What the integer parameters may be.
const BOUNDS: [(&str, i64, i64); 5] = [
    ("fillfactor", 10, 100),
    ("toast_tuple_target", 128, 8160),
    ("parallel_workers", 0, 1024),
    ("pages_per_range", 1, 131_072),
    ("gin_pending_list_limit", 64, 2_147_483_647),
];

/// The parameters of an index by its access method.
fn of_index(method: &str) -> &'static [&'static str] {
    match method {
        "btree" => &["fillfactor", "deduplicate_items"],
        "hash" | "spgist" => &["fillfactor"],
        "gist" => &["fillfactor", "buffering"],
        "gin" => &["fastupdate", "gin_pending_list_limit"],
        "brin" => &["pages_per_range", "autosummarize"],
        _ => &[],
    }
}

impl Run<'_> {
    /// Fails on a parameter that this kind of relation does not have.
    pub(super) fn known_options(&self, relation: &Relation, written: &[StorageOption]) -> Outcome {
        if relation.partition_key().is_some() && !written.is_empty() && self.version >= PgVersion::V16 {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                "cannot specify storage parameters for a partitioned table",
            ));
        }
        self.each_option(written, &|option| known(&relation.kind, option))
    }

    /// The same of an index that is to be.
    pub(super) fn known_index_options(&self, method: &str, written: &[StorageOption]) -> Outcome {
        self.each_option(written, &|option| {
            of_index(method).contains(&option.name.as_str()) || !is_builtin(method)
        })
    }

    fn each_option(&self, written: &[StorageOption], known: &dyn Fn(&StorageOption) -> bool) -> Outcome {
        for option in written {
            let name = option.name.as_str();
            if let Some((_, low, high)) = BOUNDS.iter().find(|(n, ..)| *n == name)
                && let Some(value) = option.value.as_deref()
                && value.parse::<i64>().is_ok_and(|v| v < *low || v > *high)
            {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("value {value} out of bounds for option \"{name}\""),
                ));
            }
            let late = SINCE.iter().any(|(n, since)| *n == name && self.version < *since);
            if late || !known(option) {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("unrecognized parameter \"{name}\""),
                ));
            }
        }
        Ok(())
    }
}

fn known(kind: &RelationKind, option: &StorageOption) -> bool {
    let name = option.name.as_str();
    match kind {
        RelationKind::Table | RelationKind::MaterializedView { .. } => match option.namespace.as_deref() {
            None => TABLE.contains(&name) || AUTOVACUUM.contains(&name) || name == "oids",
            Some("toast") => AUTOVACUUM.contains(&name) || name.starts_with("vacuum_"),
            Some(_) => false,
        },
        RelationKind::Index(index) => of_index(&index.method).contains(&name) || !is_builtin(&index.method),
        RelationKind::View(_) => matches!(name, "security_barrier" | "check_option" | "security_invoker"),
        RelationKind::PartitionedTable(_) => false,
        RelationKind::ForeignTable | RelationKind::Sequence(_) => true,
    }
}

/// An access method of an extension has parameters of its own.
fn is_builtin(method: &str) -> bool {
    matches!(method, "btree" | "hash" | "gist" | "spgist" | "gin" | "brin")
}
