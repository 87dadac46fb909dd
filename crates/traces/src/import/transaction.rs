//! Which statements of a session form a transaction.
//!
//! A log shows the ends of transactions in three ways, any of which may be missing: the text (BEGIN,
//! COMMIT), the virtual transaction id (`3/22`; number 0 once the transaction is over) and the process title
//! at a statement's start (`idle in transaction`). Statements with the same id belong together even where
//! BEGIN was too quick to be logged.

use crate::logs::VirtualXid;
use crate::logs::message::Protocol;
use crate::record::{End, Failure, Record, Statement};
use crate::sql::{Control, controls};

/// Statements that are kept of one transaction; a bulk load must not fill the memory.
const MAX_STATEMENTS: usize = 100_000;

/// A record that only lacks its place in the window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finished {
    /// Its arrival, microseconds since the epoch.
    pub(crate) at_us: i64,
    pub(crate) record: Record,
}

/// What is known about the session's transaction when a statement starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StartView {
    /// The id at the start; nothing if only the end was logged.
    pub(crate) virtual_xid: Option<VirtualXid>,
    /// Whether the process title said `idle in transaction`; nothing if it said nothing of use.
    pub(crate) in_block: Option<bool>,
}

/// What is known when a statement ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) at_us: i64,
    /// Whether the end was logged at all.
    pub(crate) known: bool,
    /// The source ended first.
    pub(crate) cut: bool,
    pub(crate) virtual_xid: Option<VirtualXid>,
    pub(crate) protocol: Protocol,
}

/// A transaction that has not ended yet, as far as is known.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    start_us: i64,
    /// The end of the last statement.
    end_us: i64,
    end_known: bool,
    /// Inside BEGIN … COMMIT, rather than a statement whose Sync is still out.
    block: bool,
    failed: bool,
    virtual_xid: Option<VirtualXid>,
    statements: Vec<Statement>,
    omitted: u64,
}

/// Why a transaction is closed without a statement of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The session went on with another one.
    NextTransaction,
    /// The connection ended.
    Disconnect(i64),
    /// The source ended.
    EndOfSource(i64),
}

impl Open {
    pub(crate) fn new(start_us: i64, view: StartView) -> Self {
        Self {
            start_us,
            end_us: start_us,
            end_known: true,
            block: view.in_block == Some(true),
            failed: false,
            virtual_xid: in_transaction(view.virtual_xid),
            statements: Vec::new(),
            omitted: 0,
        }
    }

    /// Whether a statement that starts (or, if only its end was logged, ends) like this belongs here.
    pub(crate) fn belongs(&self, view: StartView, text: Option<&str>, end_id: Option<VirtualXid>) -> bool {
        if view.in_block == Some(false) {
            return false;
        }
        if let (Some(own), Some(start)) = (self.virtual_xid, in_transaction(view.virtual_xid)) {
            return own == start;
        }
        match end_id {
            Some(id) if id.local == 0 => self.block && text.is_some_and(ends_first),
            Some(id) => self.virtual_xid.is_none_or(|own| own == id),
            None => self.block,
        }
    }

    /// How long the client took before a statement that starts then; nothing before the first one.
    pub(crate) fn think_us(&self, start_us: i64) -> u64 {
        if self.statements.is_empty() { 0 } else { span(self.end_us, start_us) }
    }

    /// Adds a statement; gives back how the transaction ended, if it did.
    pub(crate) fn add(&mut self, statement: Statement, ended: &Ended) -> Option<End> {
        let text = statement.text.clone().unwrap_or_default();
        let ok = statement.error.is_none();
        self.end_us = ended.at_us;
        self.end_known = ended.known;
        if self.statements.len() < MAX_STATEMENTS {
            self.statements.push(statement);
        } else {
            self.omitted += 1;
        }
        let id = ended.virtual_xid;
        if id.is_some_and(|id| id.local != 0) {
            self.virtual_xid = id;
        }
        if ended.cut {
            self.block = true;
            return None;
        }
        let controls = controls(&text);
        if ok { self.after_success(&controls, id, ended.protocol) } else { self.after_failure(&controls) }
    }

    fn after_failure(&mut self, controls: &[Control]) -> Option<End> {
        self.failed = true;
        self.block |= controls.contains(&Control::Begin);
        // A COMMIT that fails has rolled back.
        let commits = matches!(controls, [Control::Commit { .. } | Control::Prepare]);
        (commits || !self.block).then_some(End::Rollback)
    }

    fn after_success(
        &mut self,
        controls: &[Control],
        id: Option<VirtualXid>,
        protocol: Protocol,
    ) -> Option<End> {
        let mut end = None;
        for control in controls {
            match control {
                Control::Begin => self.block = true,
                Control::Commit { chain } => {
                    end = Some(if self.failed { End::Rollback } else { End::Commit });
                    self.block = *chain;
                }
                Control::Prepare => (end, self.block) = (Some(End::Commit), false),
                Control::Rollback { chain } => (end, self.block) = (Some(End::Rollback), *chain),
                Control::RollbackTo => self.failed = false,
                Control::Other => {}
            }
        }
        if end.is_some() {
            return end;
        }
        match id {
            Some(id) if id.local == 0 => Some(if self.block { End::Unlogged } else { End::Autocommit }),
            Some(_) => {
                // A simple statement that leaves a transaction open stands in a block.
                self.block |= protocol == Protocol::Simple;
                None
            }
            None => (!self.block).then_some(End::Autocommit),
        }
    }

    /// Whether its virtual transaction id is known, by which later statements can be told to belong to it.
    pub(crate) fn has_id(&self) -> bool {
        self.virtual_xid.is_some()
    }

    /// Whether AND CHAIN (or a BEGIN behind COMMIT in one message) has opened the next block already.
    pub(crate) fn chains(&self) -> bool {
        self.block
    }

    /// The record of a transaction that ended with its last statement.
    pub(crate) fn into_finished(self, end: End) -> Option<Finished> {
        let duration_us = self.end_known.then(|| span(self.start_us, self.end_us));
        self.finish(end, duration_us, 0, None)
    }

    /// The record of a transaction that ended otherwise.
    pub(crate) fn close(self, closing: Closing, error: Option<Failure>) -> Option<Finished> {
        let alone = self.statements.len() == 1 && !self.block;
        let end = match closing {
            _ if alone && error.is_none() && self.end_known => End::Autocommit,
            Closing::NextTransaction => End::Unlogged,
            Closing::Disconnect(_) => End::Disconnect,
            Closing::EndOfSource(_) => End::Cut,
        };
        match (end, closing) {
            (End::Disconnect, Closing::Disconnect(at)) | (End::Cut, Closing::EndOfSource(at)) => {
                let idle = if self.end_known { span(self.end_us, at) } else { 0 };
                let duration_us = Some(span(self.start_us, at));
                self.finish(end, duration_us, idle, error)
            }
            _ => self.into_finished(end),
        }
    }

    fn finish(
        self,
        end: End,
        duration_us: Option<u64>,
        idle: u64,
        error: Option<Failure>,
    ) -> Option<Finished> {
        if self.statements.is_empty() && error.is_none() {
            return None;
        }
        let record = Record {
            at_us: 0,
            session: String::new(),
            user: None,
            database: None,
            application: None,
            end,
            duration_us,
            idle_at_end_us: idle,
            retries: 0,
            error,
            omitted_statements: self.omitted,
            statements: self.statements,
        };
        Some(Finished { at_us: self.start_us, record })
    }
}

fn in_transaction(id: Option<VirtualXid>) -> Option<VirtualXid> {
    id.filter(|id| id.local != 0)
}

/// Whether the text's first statement ends a transaction.
fn ends_first(text: &str) -> bool {
    matches!(
        controls(text).first(),
        Some(Control::Commit { .. } | Control::Rollback { .. } | Control::Prepare)
    )
}

/// The time from one point to another; clocks that went back count as no time.
pub(crate) fn span(from_us: i64, to_us: i64) -> u64 {
    u64::try_from(to_us.saturating_sub(from_us)).unwrap_or(0)
}
