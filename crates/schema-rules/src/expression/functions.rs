//! Built-in functions of which something has to be known: those that are not immutable, and those that came late.
//!
//! Source: `src/include/catalog/pg_proc.dat` (`provolatile`), the release notes for the versions. A name that is not
//! here is taken for an immutable function if nothing else is known about it.

use Volatility::{Immutable, Stable, Volatile};
use sql_syntax::ast::Volatility;

use crate::version::PgVersion;

/// A built-in function.
#[derive(Debug)]
pub struct BuiltinFunction {
    /// Its name.
    pub name: &'static str,
    /// What its result depends on.
    pub volatility: Volatility,
    /// The first version that has it.
    pub since: PgVersion,
}

const fn of(name: &'static str, volatility: Volatility) -> BuiltinFunction {
    BuiltinFunction { name, volatility, since: PgVersion::V12 }
}

const fn since(since: PgVersion, name: &'static str, volatility: Volatility) -> BuiltinFunction {
    BuiltinFunction { name, volatility, since }
}

/// Sorted by name within the three groups.
static FUNCTIONS: &[BuiltinFunction] = &[
    // What every call may answer differently, or what has an effect.
    of("clock_timestamp", Volatile),
    of("currval", Volatile),
    since(PgVersion::V13, "gen_random_uuid", Volatile),
    of("lastval", Volatile),
    of("lo_create", Volatile),
    of("lo_unlink", Volatile),
    of("nextval", Volatile),
    of("pg_advisory_lock", Volatile),
    of("pg_advisory_lock_shared", Volatile),
    of("pg_advisory_unlock", Volatile),
    of("pg_advisory_unlock_all", Volatile),
    of("pg_advisory_unlock_shared", Volatile),
    of("pg_advisory_xact_lock", Volatile),
    of("pg_advisory_xact_lock_shared", Volatile),
    of("pg_cancel_backend", Volatile),
    of("pg_notify", Volatile),
    of("pg_sleep", Volatile),
    of("pg_sleep_for", Volatile),
    of("pg_sleep_until", Volatile),
    of("pg_terminate_backend", Volatile),
    of("pg_try_advisory_lock", Volatile),
    of("pg_try_advisory_lock_shared", Volatile),
    of("pg_try_advisory_xact_lock", Volatile),
    of("pg_try_advisory_xact_lock_shared", Volatile),
    of("random", Volatile),
    since(PgVersion::V16, "random_normal", Volatile),
    of("set_config", Volatile),
    of("setseed", Volatile),
    of("setval", Volatile),
    of("timeofday", Volatile),
    of("txid_current_if_assigned", Stable),
    of("uuid_generate_v1", Volatile),
    of("uuid_generate_v1mc", Volatile),
    of("uuid_generate_v4", Volatile),
    since(PgVersion::V18, "uuidv4", Volatile),
    since(PgVersion::V18, "uuidv7", Volatile),
    // What stays the same within a statement.
    of("age", Stable),
    of("concat", Stable),
    of("concat_ws", Stable),
    of("current_catalog", Stable),
    of("current_database", Stable),
    of("current_date", Stable),
    of("current_query", Volatile),
    of("current_role", Stable),
    of("current_schema", Stable),
    of("current_schemas", Stable),
    of("current_setting", Stable),
    of("current_time", Stable),
    of("current_timestamp", Stable),
    of("current_user", Stable),
    of("format", Stable),
    of("format_type", Stable),
    of("has_table_privilege", Stable),
    of("inet_client_addr", Stable),
    of("inet_server_addr", Stable),
    of("json_build_array", Stable),
    of("json_build_object", Stable),
    of("jsonb_build_array", Stable),
    of("jsonb_build_object", Stable),
    of("localtime", Stable),
    of("localtimestamp", Stable),
    of("now", Stable),
    since(PgVersion::V13, "pg_current_xact_id", Stable),
    since(PgVersion::V13, "pg_current_snapshot", Stable),
    of("pg_get_expr", Stable),
    of("pg_relation_size", Volatile),
    of("pg_total_relation_size", Volatile),
    of("quote_nullable", Stable),
    of("row_to_json", Stable),
    of("session_user", Stable),
    of("statement_timestamp", Stable),
    since(PgVersion::V16, "system_user", Stable),
    of("to_char", Stable),
    of("to_date", Stable),
    of("to_json", Stable),
    of("to_jsonb", Stable),
    of("to_number", Stable),
    of("to_timestamp", Stable),
    of("transaction_timestamp", Stable),
    of("txid_current", Stable),
    of("txid_current_snapshot", Stable),
    of("unaccent", Stable),
    of("user", Stable),
    of("version", Stable),
    // Immutable ones that older versions lack.
    since(PgVersion::V16, "array_sample", Volatile),
    since(PgVersion::V16, "array_shuffle", Volatile),
    since(PgVersion::V14, "bit_count", Immutable),
    since(PgVersion::V14, "date_bin", Immutable),
    since(PgVersion::V13, "gcd", Immutable),
    since(PgVersion::V13, "lcm", Immutable),
    since(PgVersion::V13, "min_scale", Immutable),
    since(PgVersion::V13, "normalize", Immutable),
    since(PgVersion::V15, "regexp_count", Immutable),
    since(PgVersion::V15, "regexp_instr", Immutable),
    since(PgVersion::V15, "regexp_like", Immutable),
    since(PgVersion::V15, "regexp_substr", Immutable),
    since(PgVersion::V14, "string_to_table", Immutable),
    since(PgVersion::V14, "trim_array", Immutable),
    since(PgVersion::V13, "trim_scale", Immutable),
    since(PgVersion::V14, "unistr", Immutable),
];

/// The entry of a built-in function, if anything has to be known about it.
pub fn builtin_function(name: &str) -> Option<&'static BuiltinFunction> {
    FUNCTIONS.iter().find(|f| f.name == name)
}
