//! Messages as typed requests. What a message lacks or has of the wrong type is named.

use serde_json::{Map, Value};

/// A request is malformed; the text names the field, what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// Nothing here answers this type.
    #[error("unknown type {0:?}; known types: {known}", known = KNOWN_TYPES.join(", "))]
    UnknownType(String),
    /// A field is missing, of the wrong type or out of range.
    #[error("{0}")]
    Field(String),
}

const KNOWN_TYPES: [&str; 9] = [
    "add_column",
    "backfill",
    "create_index",
    "init",
    "migrate",
    "migrate_data",
    "rollback",
    "status",
    "validate",
];

/// What a message asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Maelstrom's handshake.
    Init {
        /// The name that this node goes by.
        node_id: String,
    },
    /// Every known migration and whether it is applied.
    Status,
    /// All pending migrations.
    Migrate,
    /// Undo the migration applied last.
    Rollback,
    /// A new nullable column beside the old one.
    Expand {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Copy a column's values to another.
    CopyColumn {
        /// The table, if named.
        table: Option<String>,
        /// Copied from.
        from: String,
        /// Copied to.
        to: String,
    },
    /// Drop a column that no instance uses any more.
    Contract {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The idempotent data migration of a table, several times over.
    Idempotent {
        /// The table.
        table: String,
        /// How many times.
        runs: u64,
    },
    /// An index on a column.
    CreateIndex {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Without blocking writers.
        concurrently: bool,
        /// The longest wait for a lock.
        max_lock_ms: Option<u64>,
    },
    /// A new column.
    AddColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its default.
        default: Option<ColumnDefault>,
        /// Whether it admits NULL.
        nullable: bool,
        /// Its type, if named.
        data_type: Option<String>,
        /// The longest wait for a lock.
        max_lock_ms: Option<u64>,
    },
    /// The data migration of a table, in batches.
    MigrateData(Batched),
    /// Fill a column, in batches.
    Backfill {
        /// The column.
        column: String,
        /// Table, batch size and so on.
        batched: Batched,
    },
    /// Checks of the data.
    Validate {
        /// The table.
        table: String,
        /// Which checks.
        checks: Vec<Check>,
    },
}

/// What data steps have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batched {
    /// The table.
    pub(crate) table: String,
    /// Rows a batch.
    pub(crate) batch_size: u64,
    /// Rows to process at most.
    pub(crate) total_rows: Option<u64>,
    /// The longest wait for a lock.
    pub(crate) max_lock_ms: Option<u64>,
}

/// A column's default: a JSON value stands for itself, a call such as `gen_random_uuid()` for what
/// it returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnDefault {
    /// As SQL.
    pub(crate) sql: String,
    /// The type that such a value has.
    pub(crate) data_type: &'static str,
}

/// One named check with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    /// Its name.
    pub(crate) name: String,
    /// The column, if named.
    pub(crate) column: Option<String>,
    /// The least value or length.
    pub(crate) min: Option<i64>,
    /// The greatest value or length.
    pub(crate) max: Option<i64>,
}

impl Request {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// When the type is unknown, or a field is missing, of the wrong type or out of range.
    pub(crate) fn read(body: &Map<String, Value>) -> Result<Self, RequestError> {
        let fields = Fields(body);
        match fields.text("type")?.as_str() {
            "init" => Ok(Self::Init { node_id: fields.text("node_id")? }),
            "status" => Ok(Self::Status),
            "rollback" => Ok(Self::Rollback),
            "migrate" => Self::read_migrate(&fields),
            "create_index" => Ok(Self::CreateIndex {
                table: fields.text("table")?,
                column: fields.text("column")?,
                concurrently: fields.flag("concurrently", false)?,
                max_lock_ms: fields.whole("max_lock_duration_ms")?,
            }),
            "add_column" => Ok(Self::AddColumn {
                table: fields.text("table")?,
                column: fields.text("column")?,
                default: fields.default()?,
                nullable: fields.flag("nullable", true)?,
                data_type: fields.optional_text("data_type")?,
                max_lock_ms: fields.whole("max_lock_duration_ms")?,
            }),
            "migrate_data" => Ok(Self::MigrateData(fields.batched()?)),
            "backfill" => Ok(Self::Backfill { column: fields.text("column")?, batched: fields.batched()? }),
            "validate" => Ok(Self::Validate { table: fields.text("table")?, checks: fields.checks()? }),
            other => Err(RequestError::UnknownType(other.to_owned())),
        }
    }

    fn read_migrate(fields: &Fields<'_>) -> Result<Self, RequestError> {
        if fields.flag("idempotent", false)? {
            let runs = fields.positive("runs", 1)?;
            if runs > MOST_RUNS {
                return fields.wrong("runs", &format!("a whole number from 1 to {MOST_RUNS}"));
            }
            return Ok(Self::Idempotent { table: fields.text("table")?, runs });
        }
        match fields.optional_text("phase")?.as_deref() {
            None => Ok(Self::Migrate),
            Some("expand") => {
                Ok(Self::Expand { table: fields.text("table")?, column: fields.text("add_column")? })
            }
            Some("migrate_data") => Ok(Self::CopyColumn {
                table: fields.optional_text("table")?,
                from: fields.text("from")?,
                to: fields.text("to")?,
            }),
            Some("contract") => {
                Ok(Self::Contract { table: fields.text("table")?, column: fields.text("remove_column")? })
            }
            Some(other) => Err(RequestError::Field(format!(
                "field \"phase\" is {other:?}; expected \"expand\", \"migrate_data\" or \"contract\""
            ))),
        }
    }
}

/// The fields of a body, read by type.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    /// A field, null counting as absent.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn wrong<T>(&self, name: &str, expected: &str) -> Result<T, RequestError> {
        let found = self.get(name).map_or("missing".to_owned(), |value| match value {
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => abridged(&other.to_string()),
        });
        Err(RequestError::Field(format!("field {name:?} is {found}; expected {expected}")))
    }

    fn optional_text(&self, name: &str) -> Result<Option<String>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() || text.contains('\0') => {
                self.wrong(name, "a text that is not empty and has no NUL character")
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => self.wrong(name, "a text"),
        }
    }

    fn text(&self, name: &str) -> Result<String, RequestError> {
        self.optional_text(name)?.map_or_else(|| self.wrong(name, "a text"), Ok)
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, RequestError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.wrong(name, "true or false"),
        }
    }

    /// A whole number, not negative.
    fn whole(&self, name: &str) -> Result<Option<u64>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match whole_number(value) {
                Some(number) => Ok(Some(number)),
                None => self.wrong(name, &format!("a whole number from 0 to {LARGEST}")),
            },
        }
    }

    fn positive(&self, name: &str, default: u64) -> Result<u64, RequestError> {
        match self.whole(name)? {
            Some(0) => self.wrong(name, &format!("a whole number from 1 to {LARGEST}")),
            found => Ok(found.unwrap_or(default)),
        }
    }

    fn default(&self) -> Result<Option<ColumnDefault>, RequestError> {
        let (sql, data_type) = match self.get("default") {
            None => return Ok(None),
            Some(Value::String(text)) => match volatile_call(text) {
                Some(data_type) => (text.clone(), data_type),
                None => (sim_actors::coordinator::quote_literal(text), "text"),
            },
            Some(Value::Bool(flag)) => (flag.to_string(), "boolean"),
            Some(Value::Number(number)) if number.is_i64() => (number.to_string(), "bigint"),
            Some(Value::Number(number)) => (number.to_string(), "numeric"),
            Some(_) => return self.wrong("default", "a text, a number, true or false"),
        };
        Ok(Some(ColumnDefault { sql, data_type }))
    }

    fn batched(&self) -> Result<Batched, RequestError> {
        Ok(Batched {
            table: self.text("table")?,
            batch_size: self.positive("batch_size", 1000)?,
            total_rows: self.whole("total_rows")?,
            max_lock_ms: self.whole("max_lock_duration_ms")?,
        })
    }

    fn checks(&self) -> Result<Vec<Check>, RequestError> {
        let Some(Value::Array(entries)) = self.get("validations") else {
            return self.wrong("validations", "an array of names");
        };
        entries.iter().map(|entry| self.check(entry)).collect()
    }

    fn check(&self, entry: &Value) -> Result<Check, RequestError> {
        match entry {
            Value::String(name) => Ok(Check { name: name.clone(), column: None, min: None, max: None }),
            Value::Object(body) => {
                let fields = Fields(body);
                let number = |name| match fields.get(name) {
                    None => Ok(None),
                    Some(value) => match value.as_i64() {
                        Some(number) => Ok(Some(number)),
                        None => fields.wrong(name, "a whole number"),
                    },
                };
                Ok(Check {
                    name: fields.text("name")?,
                    column: fields.optional_text("column")?,
                    min: number("min")?,
                    max: number("max")?,
                })
            }
            _ => self.wrong("validations", "an array of names, or of objects with a name"),
        }
    }
}

/// More runs than this prove nothing new, and take real time.
const MOST_RUNS: u64 = 1_000;

/// The largest number that every JSON reader keeps exact (RFC 8259, section 6).
const LARGEST: u64 = (1 << 53) - 1;

/// A number that is whole, `10` and `10.0` alike.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn whole_number(value: &Value) -> Option<u64> {
    let number = match value.as_u64() {
        Some(number) => number,
        None => {
            let number = value.as_f64()?;
            if number.fract() != 0.0 || !(0.0..=LARGEST as f64).contains(&number) {
                return None;
            }
            number as u64
        }
    };
    (number <= LARGEST).then_some(number)
}

/// The type of the functions that a default may call, rather than be taken for a text.
fn volatile_call(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "gen_random_uuid()" => Some("uuid"),
        "random()" => Some("double precision"),
        "clock_timestamp()" | "now()" | "current_timestamp" | "statement_timestamp()" => {
            Some("timestamp with time zone")
        }
        _ => None,
    }
}

fn abridged(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
