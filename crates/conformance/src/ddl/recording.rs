//! The recordings' format.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file of recorded statements.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    /// Where and over what it was recorded.
    pub meta: Meta,
    /// The statements.
    pub statements: Vec<Entry>,
}

/// Where and over what a recording was made.
#[derive(Clone, Debug, Deserialize)]
pub struct Meta {
    /// The script that builds the schema and its rows. `%(N)s` stands for the number of orders.
    pub fixture: Script,
    /// Rows of each table.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// What the servers had besides the database. Where nothing is said, whatever is named was there.
    pub server: Option<Server>,
}

/// What the servers had besides the database.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Roles.
    pub roles: Vec<String>,
    /// Tablespaces.
    pub tablespaces: Vec<String>,
    /// Extensions that could be created.
    pub extensions: Vec<String>,
}

/// A script, in one piece or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Script {
    /// In one piece.
    Text(String),
    /// In several.
    Lines(Vec<String>),
}

impl Script {
    /// The whole script.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

/// One statement and what became of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// A name.
    pub id: String,
    /// A group.
    #[serde(default)]
    pub cat: String,
    /// The statement.
    pub sql: String,
    /// The relation that it is about.
    pub main: String,
    /// What was committed before.
    #[serde(default)]
    pub setup: Vec<String>,
    /// The first version that the setup ran on.
    #[serde(default)]
    pub setup_from_version: Option<u32>,
    /// What ran before in the same transaction.
    #[serde(default)]
    pub earlier_in_same_tx: Vec<String>,
    /// Settings of the session.
    #[serde(default)]
    pub session: Vec<String>,
    /// The outcomes, versions with the same one together.
    pub results: Vec<Recorded>,
}

/// What some versions did. A field that is absent was not recorded or had nothing to say.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Recorded {
    /// The versions.
    pub v: Vec<u32>,
    /// Whether it succeeded.
    pub ok: bool,
    /// Whether it can run inside a transaction block.
    pub in_tx: bool,
    /// What is said if not.
    pub in_tx_error: Option<SqlFailure>,
    /// Why it failed.
    pub error: Option<SqlFailure>,
    /// The strongest lock on the main relation.
    pub main_lock: Option<String>,
    /// The strongest lock held at the end on each table, view and sequence.
    pub locks: Option<BTreeMap<String, String>>,
    /// The same for indexes, from SHARE UPDATE EXCLUSIVE up.
    #[serde(default)]
    pub index_locks: BTreeMap<String, String>,
    /// Relations with several modes from SHARE UPDATE EXCLUSIVE up.
    #[serde(default)]
    pub all_modes_held: BTreeMap<String, Vec<String>>,
    /// Tables in the order of their first lock, with its mode.
    #[serde(default)]
    pub acquire_order: Vec<(String, String)>,
    /// Tables whose first request was weaker than the final lock.
    #[serde(default)]
    pub upgrade_on: Vec<String>,
    /// Tables with a new file.
    #[serde(default)]
    pub rewritten: Vec<String>,
    /// Indexes with a new file.
    #[serde(default)]
    pub indexes_rebuilt: Vec<String>,
    /// Indexes that are new and took the old file over.
    #[serde(default)]
    pub index_recreated_file_reused: Vec<String>,
    /// Sequences with a new file.
    #[serde(default)]
    pub sequence_refilenode: Vec<String>,
    /// Full reads of each table.
    #[serde(default)]
    pub heap_passes: BTreeMap<String, u64>,
    /// Relations that are new.
    #[serde(default)]
    pub created: Vec<String>,
    /// Relations that are gone.
    #[serde(default)]
    pub dropped: Vec<String>,
    /// Indexes left invalid.
    #[serde(default)]
    pub invalid_index_left: Vec<String>,
    /// Whether the transaction got an id.
    pub assigns_xid: Option<bool>,
    /// The first wait when another session holds the main relation in a mode.
    #[serde(default)]
    pub waits_when_main_is_held_in: BTreeMap<String, String>,
}

/// An error as recorded.
#[derive(Clone, Debug, Deserialize)]
pub struct SqlFailure {
    /// Its SQLSTATE.
    pub sqlstate: String,
    /// Its message.
    #[serde(default)]
    pub message: String,
}

/// A file that is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The JSON does not have the format.
    #[error("not a recording of DDL statements: {0}")]
    Format(#[from] serde_json::Error),
    /// The compressed data is damaged.
    #[error("cannot be decompressed: {0}")]
    Compression(#[from] std::io::Error),
}

/// Reads a recording, compressed by gzip or not.
pub fn parse(bytes: &[u8]) -> Result<Recording, RecordingError> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(serde_json::from_reader(flate2::read::GzDecoder::new(bytes))?);
    }
    Ok(serde_json::from_slice(bytes)?)
}
