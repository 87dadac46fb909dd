//! What the server says when it refuses a statement.

use std::fmt;

/// The SQLSTATEs that statements are refused with (manual, appendix A).
pub mod sqlstate {
    /// `feature_not_supported`
    pub const FEATURE_NOT_SUPPORTED: &str = "0A000";
    /// `string_data_right_truncation`
    pub const STRING_DATA_RIGHT_TRUNCATION: &str = "22001";
    /// `numeric_value_out_of_range`
    pub const NUMERIC_VALUE_OUT_OF_RANGE: &str = "22003";
    /// `invalid_cursor_name`
    pub const INVALID_CURSOR_NAME: &str = "34000";
    /// `invalid_savepoint_specification`
    pub const INVALID_SAVEPOINT: &str = "3B001";
    /// `grouping_error`
    pub const GROUPING_ERROR: &str = "42803";
    /// `invalid_column_reference`
    pub const INVALID_COLUMN_REFERENCE: &str = "42P10";
    /// `cant_change_runtime_param`
    pub const CANT_CHANGE_RUNTIME_PARAM: &str = "55P02";
    /// `invalid_parameter_value`
    pub const INVALID_PARAMETER_VALUE: &str = "22023";
    /// `not_null_violation`
    pub const NOT_NULL_VIOLATION: &str = "23502";
    /// `restrict_violation`
    pub const RESTRICT_VIOLATION: &str = "23001";
    /// `foreign_key_violation`
    pub const FOREIGN_KEY_VIOLATION: &str = "23503";
    /// `unique_violation`
    pub const UNIQUE_VIOLATION: &str = "23505";
    /// `check_violation`
    pub const CHECK_VIOLATION: &str = "23514";
    /// `exclusion_violation`
    pub const EXCLUSION_VIOLATION: &str = "23P01";
    /// `active_sql_transaction`
    pub const ACTIVE_SQL_TRANSACTION: &str = "25001";
    /// `no_active_sql_transaction`
    pub const NO_ACTIVE_SQL_TRANSACTION: &str = "25P01";
    /// `dependent_objects_still_exist`
    pub const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";
    /// `syntax_error`
    pub const SYNTAX_ERROR: &str = "42601";
    /// A text that is no value of its type.
    pub const INVALID_TEXT_REPRESENTATION: &str = "22P02";
    /// `duplicate_column`
    pub const DUPLICATE_COLUMN: &str = "42701";
    /// `generated_always`
    pub const GENERATED_ALWAYS: &str = "428C9";
    /// `undefined_column`
    pub const UNDEFINED_COLUMN: &str = "42703";
    /// `undefined_object`
    pub const UNDEFINED_OBJECT: &str = "42704";
    /// `duplicate_object`
    pub const DUPLICATE_OBJECT: &str = "42710";
    /// `datatype_mismatch`
    pub const DATATYPE_MISMATCH: &str = "42804";
    /// `wrong_object_type`
    pub const WRONG_OBJECT_TYPE: &str = "42809";
    /// `duplicate_function`
    pub const DUPLICATE_FUNCTION: &str = "42723";
    /// `invalid_foreign_key`
    pub const INVALID_FOREIGN_KEY: &str = "42830";
    /// `cannot_coerce`
    pub const CANNOT_COERCE: &str = "42846";
    /// `undefined_function`
    pub const UNDEFINED_FUNCTION: &str = "42883";
    /// `undefined_table`
    pub const UNDEFINED_TABLE: &str = "42P01";
    /// `duplicate_schema`
    pub const DUPLICATE_SCHEMA: &str = "42P06";
    /// `duplicate_table`
    pub const DUPLICATE_TABLE: &str = "42P07";
    /// `invalid_table_definition`
    pub const INVALID_TABLE_DEFINITION: &str = "42P16";
    /// `invalid_object_definition`
    pub const INVALID_OBJECT_DEFINITION: &str = "42P17";
    /// `undefined_schema` (`invalid_schema_name`)
    pub const INVALID_SCHEMA_NAME: &str = "3F000";
    /// `object_not_in_prerequisite_state`
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
    /// `object_in_use`
    pub const OBJECT_IN_USE: &str = "55006";
    /// `unsafe_new_enum_value_usage`
    pub const UNSAFE_NEW_ENUM_VALUE_USAGE: &str = "55P04";
}

/// An error of the server's, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The SQLSTATE.
    pub sqlstate: &'static str,
    /// MESSAGE.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error with nothing but a message.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None, hint: None }
    }

    /// Adds the DETAIL.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the HINT.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `relation "…" does not exist`
    pub fn no_such_relation(name: impl fmt::Display) -> Self {
        Self::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
    }

    /// `column "…" of relation "…" does not exist`
    pub fn no_such_column(column: &str, relation: &str) -> Self {
        Self::new(
            sqlstate::UNDEFINED_COLUMN,
            format!("column \"{column}\" of relation \"{relation}\" does not exist"),
        )
    }

    /// `relation "…" already exists`
    pub fn duplicate_relation(name: &str) -> Self {
        Self::new(sqlstate::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"))
    }

    /// `… cannot run inside a transaction block`
    pub fn in_transaction_block(statement: &str) -> Self {
        Self::new(
            sqlstate::ACTIVE_SQL_TRANSACTION,
            format!("{statement} cannot run inside a transaction block"),
        )
    }

    /// `syntax error at or near "…"`
    pub fn syntax(near: &str) -> Self {
        Self::new(sqlstate::SYNTAX_ERROR, format!("syntax error at or near \"{near}\""))
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl std::error::Error for SqlError {}
