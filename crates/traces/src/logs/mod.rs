//! The server's own logs, in its three forms, as entries; and what the entries' messages say.

pub(crate) mod csvlog;
pub(crate) mod jsonlog;
pub(crate) mod message;
pub(crate) mod prefix;
pub(crate) mod stderr;

/// One entry of a server's log, whichever form it was written in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `log_time`, microseconds since the epoch.
    pub(crate) at_us: i64,
    /// Whether the time's zone was understood.
    pub(crate) zone_known: bool,
    pub(crate) user: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) application: Option<String>,
    pub(crate) pid: Option<u32>,
    /// `%c`: start time and process id in hexadecimal.
    pub(crate) session: Option<String>,
    /// The entry's number within its session.
    pub(crate) session_line: Option<u64>,
    /// `%i`: what the process title says (`SELECT`, `idle in transaction`, `ALTER TABLE waiting`).
    pub(crate) command_tag: Option<String>,
    pub(crate) virtual_xid: Option<VirtualXid>,
    pub(crate) severity: String,
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    /// The statement that the server was executing, where it shows it.
    pub(crate) query: Option<String>,
    pub(crate) backend_type: Option<String>,
}

/// `%v`: a backend's slot and the number of its transaction; number 0 outside of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VirtualXid {
    pub(crate) backend: u32,
    pub(crate) local: u32,
}

impl VirtualXid {
    /// Reads `3/22`; an empty text is a session that has none yet, hence nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (backend, local) = text.split_once('/')?;
        Some(Self { backend: backend.parse().ok()?, local: local.parse().ok()? })
    }
}

/// The severities as an English server names them.
pub(crate) const SEVERITIES: &[&str] = &[
    "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5", "LOG", "INFO", "NOTICE", "WARNING", "ERROR",
    "FATAL", "PANIC",
];

/// An entry or a line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) line: u64,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Broken {
    /// What was expected on that line, and the start of what stood there.
    pub(crate) fn new(line: u64, expected: impl Into<String>, text: &str) -> Self {
        Self { line, expected: expected.into(), found: excerpt(text) }
    }
}

/// The start of a text, fit for a message.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
