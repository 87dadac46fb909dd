//! What the tester needs of a server: connections that take SQL text and answer in virtual time.

use sim_clock::Nanos;

use super::table::Table;

/// A connection, numbered from 0 in the order of [`Server::connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection(pub usize);

/// What a server sends besides rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `ERROR`, `FATAL`, `NOTICE`, `WARNING`...
    pub severity: &'static str,
    /// The primary message.
    pub text: String,
    /// The message's detail, if it has one.
    pub detail: Option<String>,
    /// The message's hint, if it has one.
    pub hint: Option<String>,
    /// How many results of the text a client has to take before it comes by this.
    pub after: usize,
}

impl Message {
    /// A message without detail and hint.
    #[must_use]
    pub fn new(severity: &'static str, text: impl Into<String>) -> Self {
        Self { severity, text: text.into(), detail: None, hint: None, after: 0 }
    }

    /// The message with detail and hint, each on a line, as libpq prints it.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = format!("{}:  {}\n", self.severity, self.text);
        for (title, text) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(text) = text {
                lines.push_str(&format!("{title}:  {text}\n"));
            }
        }
        lines
    }
}

/// What came of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded without rows.
    Command,
    /// There was no statement in the text.
    Empty,
    /// It succeeded with rows.
    Rows(Table),
    /// It failed; what followed it in the same text was not run.
    Failed(Message),
    /// The server closed the connection.
    ConnectionLost,
    /// The simulated server cannot run it, for the reason given: nothing can be said about it.
    NotModelled(String),
}

/// A server under virtual time. Each connection runs one text of statements at a time.
pub trait Server {
    /// Opens the next connection.
    fn connect(&mut self, name: &str) -> Connection;
    /// Starts the statements of a text on an idle connection, as one simple query.
    fn send(&mut self, connection: Connection, sql: &str);
    /// Is the text sent last still running?
    fn is_busy(&self, connection: Connection) -> bool;
    /// Does it wait for a lock because of one of these?
    fn is_blocked(&self, connection: Connection, by: &[Connection]) -> bool;
    /// The outcomes of the text sent last, once it is done.
    fn take_outcomes(&mut self, connection: Connection) -> Vec<Outcome>;
    /// Notices and warnings that came since the last call.
    fn take_notices(&mut self, connection: Connection) -> Vec<Message>;
    /// Can nothing more be sent, because the server has closed it?
    fn is_lost(&self, connection: Connection) -> bool;
    /// Asks the running statement to stop.
    fn cancel(&mut self, connection: Connection);
    /// The time.
    fn now(&self) -> Nanos;
    /// When something will happen by itself.
    fn next_deadline(&self) -> Option<Nanos>;
    /// Lets everything happen that is due up to this time, which then is the time.
    fn advance(&mut self, to: Nanos);
}

/// A look at the locks.
pub trait LockViews: Server {
    /// What a connection waits for, if it does.
    fn wait_of(&self, connection: Connection) -> Option<Wait>;
    /// Everything that is waited for, each with its holders and its queue.
    fn queues(&self) -> Vec<Queue>;
    /// The deadlocks that were broken since this was asked last.
    fn take_deadlocks(&mut self) -> Vec<Deadlock>;
}

/// A circle of waits, from the one who failed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The waits, each for the connection of the next one, the last for that of the first.
    pub waits: Vec<DeadlockWait>,
}

/// A wait of a deadlock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlockWait {
    /// Who waited.
    pub waiter: Connection,
    /// For which lock.
    pub object: String,
    /// In which mode.
    pub mode: String,
    /// Did the next one hold it, or stand before the waiter in the queue?
    pub held: bool,
}

/// A connection's ungranted lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is to be locked, as `pg_locks` has it: `relation gong`, `transactionid`...
    pub object: String,
    /// The mode, as `pg_locks.mode` has it.
    pub mode: String,
    /// Whom it waits for.
    pub obstacles: Vec<Obstacle>,
}

/// Whom a connection waits for, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Who is in the way.
    pub connection: Connection,
    /// The conflicting mode.
    pub mode: String,
    /// Is it held (a hard edge of the waits-for graph) or asked for earlier (a soft one)?
    pub held: bool,
}

/// A lock that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What is locked.
    pub object: String,
    /// Who holds it, and in which modes.
    pub holders: Vec<(Connection, Vec<String>)>,
    /// Who waits, first come first, and for which mode.
    pub waiters: Vec<(Connection, String)>,
}
