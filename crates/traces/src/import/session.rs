//! One session: entries joined to statements, statements to transactions.
//!
//! A statement's text, its lock waits and its duration may stand in one entry or in four; what ties them is
//! the session and the order of its entries.

use super::transaction::{Closing, Ended, Finished, Open, StartView, span};
use crate::logs::message::{Message, Phase, Protocol, Wait, WaitState, parameters};
use crate::logs::{Entry, VirtualXid};
use crate::record::{Failure, LockWait, Statement, WaitOutcome};
use crate::sql;

/// What statements whose text was not logged are called.
const UNTITLED: &str = "(text not logged)";

/// One session.
#[derive(Default)]
pub(super) struct Session {
    user: Option<String>,
    database: Option<String>,
    application: Option<String>,
    last_line: Option<u64>,
    pub(super) last_at_us: i64,
    running: Option<Running>,
    /// Time spent on parse and bind for the statement that will follow.
    prepare: Option<Span>,
    /// Durations without text that may be a parse and a bind.
    untitled: Vec<Untitled>,
    waits: Vec<PendingWait>,
    /// The statement that the waits belong to, as their entries show it.
    waiting_query: Option<String>,
    transaction: Option<Open>,
    /// A plan of auto_explain whose statement may be logged next.
    plan: Option<Untitled>,
    /// The source has ended in the middle of a statement.
    cut: bool,
}

/// A statement whose start was logged.
struct Running {
    start_us: i64,
    text: Option<String>,
    protocol: Protocol,
    view: StartView,
    params: Vec<Option<String>>,
    prepared: Option<String>,
    prepare_us: u64,
}

#[derive(Clone, Copy)]
struct Span {
    start_us: i64,
    us: u64,
}

struct Untitled {
    end_us: i64,
    us: u64,
    text: Option<String>,
    tag: Option<String>,
    virtual_xid: Option<VirtualXid>,
}

struct PendingWait {
    wait: LockWait,
    reported_us: i64,
    over: bool,
}

impl Session {
    pub(super) fn count_line(&mut self, line: Option<u64>) -> u64 {
        let missing = match (self.last_line, line) {
            (Some(last), Some(line)) => line.saturating_sub(last + 1),
            _ => 0,
        };
        self.last_line = line.or(self.last_line);
        missing
    }

    /// Entries of the session are missing: what was running has ended somewhere among them, and a transaction
    /// goes on only if its id says so.
    pub(super) fn lost_track(&mut self, out: &mut Vec<Finished>) {
        self.end_unfinished(out);
        self.untitled.clear();
        self.prepare = None;
        if self.transaction.as_ref().is_some_and(|open| !open.has_id()) {
            let open = self.transaction.take();
            out.extend(open.and_then(|open| open.close(Closing::NextTransaction, None)));
        }
    }

    pub(super) fn take_names(&mut self, entry: &Entry) {
        let take = |own: &mut Option<String>, other: &Option<String>| {
            if other.is_some() && own != other {
                own.clone_from(other);
            }
        };
        take(&mut self.user, &entry.user);
        take(&mut self.database, &entry.database);
        take(&mut self.application, &entry.application);
    }

    /// Writes the session's names into records that it has just finished.
    pub(super) fn sign(&self, id: &str, finished: &mut [Finished]) {
        for Finished { record, .. } in finished {
            record.session = id.to_owned();
            record.user.clone_from(&self.user);
            record.database.clone_from(&self.database);
            record.application.clone_from(&self.application);
        }
    }

    /// `statement:` or `execute`.
    pub(super) fn started(
        &mut self,
        entry: &Entry,
        text: String,
        protocol: Protocol,
        out: &mut Vec<Finished>,
    ) {
        self.end_unfinished(out);
        let prepare = match protocol {
            Protocol::Simple => {
                self.flush_untitled(out);
                None
            }
            Protocol::Extended => self.take_prepare(),
        };
        // Only a simple statement finds the process title of the time before it.
        let tag = entry.command_tag.as_deref().filter(|_| protocol == Protocol::Simple);
        let in_block = tag.and_then(|tag| {
            if tag.starts_with("idle in transaction") { Some(true) } else { (tag == "idle").then_some(false) }
        });
        let detail = entry.detail.as_deref().unwrap_or("");
        self.running = Some(Running {
            start_us: prepare.map_or(entry.at_us, |prepare| prepare.start_us),
            text: Some(text),
            protocol,
            view: StartView { virtual_xid: entry.virtual_xid, in_block },
            params: parameters(detail),
            prepared: detail.strip_prefix("prepare: ").map(str::to_owned),
            prepare_us: prepare.map_or(0, |prepare| prepare.us),
        });
    }

    /// `duration:` alone: the end of what is running, or a parse or bind, or a statement without text.
    pub(super) fn took(&mut self, entry: &Entry, us: u64, out: &mut Vec<Finished>) {
        if self.running.is_some() {
            self.end_running(entry.at_us, Some(us), entry.virtual_xid, None, out);
        } else {
            let (end_us, tag) = (entry.at_us, entry.command_tag.clone());
            self.untitled.push(Untitled { end_us, us, text: None, tag, virtual_xid: entry.virtual_xid });
            if self.untitled.len() > 2 {
                self.flush_untitled(out);
            }
        }
    }

    /// `duration: … statement: …` and the steps of the extended protocol.
    pub(super) fn took_with_text(
        &mut self,
        entry: &Entry,
        us: u64,
        phase: Phase,
        text: String,
        out: &mut Vec<Finished>,
    ) {
        let start_us = entry.at_us.saturating_sub_unsigned(us);
        if matches!(phase, Phase::Parse | Phase::Bind) {
            let prepare = self.prepare.get_or_insert(Span { start_us, us: 0 });
            prepare.us += us;
            return;
        }
        if self.waiting_query.as_ref().is_some_and(|query| *query != text) {
            self.flush_waits(entry.at_us, out);
        }
        self.end_unfinished(out);
        let (protocol, prepare) = match phase {
            Phase::Statement => (Protocol::Simple, None),
            _ => (Protocol::Extended, self.take_prepare()),
        };
        let detail = entry.detail.as_deref().unwrap_or("");
        self.running = Some(Running {
            start_us: prepare.map_or(start_us, |prepare| prepare.start_us.min(start_us)),
            text: Some(text),
            protocol,
            view: StartView { virtual_xid: None, in_block: None },
            params: parameters(detail),
            prepared: detail.strip_prefix("prepare: ").map(str::to_owned),
            prepare_us: prepare.map_or(0, |prepare| prepare.us),
        });
        self.end_running(entry.at_us, Some(us), entry.virtual_xid, None, out);
    }

    pub(super) fn waited(&mut self, entry: &Entry, wait: Wait, holders: Vec<String>, queue: u64) {
        if self.running.is_none() && entry.query.is_some() {
            self.waiting_query.clone_from(&entry.query);
        }
        let (over, outcome) = match wait.state {
            WaitState::Waiting => (false, WaitOutcome::Unlogged),
            WaitState::Acquired => (true, WaitOutcome::Acquired),
            WaitState::Deadlock => (true, WaitOutcome::Deadlock),
            WaitState::Failed => (true, WaitOutcome::Canceled),
        };
        let same = |pending: &&mut PendingWait| {
            !pending.over && pending.wait.mode == wait.mode && pending.wait.object == wait.object
        };
        if let Some(pending) = self.waits.iter_mut().rev().find(same) {
            (pending.wait.us, pending.wait.outcome, pending.over) = (wait.us, outcome, over);
            pending.reported_us = entry.at_us;
            return;
        }
        let wait = LockWait { mode: wait.mode, object: wait.object, us: wait.us, outcome, holders, queue };
        self.waits.push(PendingWait { wait, reported_us: entry.at_us, over });
    }

    /// An ERROR: the end of what is running, or of the statement that the entry shows.
    pub(super) fn failed(&mut self, entry: Entry, out: &mut Vec<Finished>) {
        let failure = Failure { sqlstate: entry.sqlstate.clone(), message: entry.message.clone() };
        if self.running.is_none() {
            if self.waiting_query.is_some() && self.waiting_query != entry.query {
                self.flush_waits(entry.at_us, out);
            }
            self.flush_untitled(out);
            let prepare = self.take_prepare();
            let waited: u64 = self.waits.iter().map(|wait| wait.us_at(entry.at_us)).sum();
            let start_us = entry.at_us.saturating_sub_unsigned(waited);
            self.running = Some(Running {
                start_us: prepare.map_or(start_us, |prepare| prepare.start_us.min(start_us)),
                text: entry.query.clone(),
                protocol: Protocol::Extended,
                view: StartView { virtual_xid: entry.virtual_xid, in_block: None },
                params: Vec::new(),
                prepared: None,
                prepare_us: 0,
            });
            self.end_running(entry.at_us, None, None, Some(failure), out);
            return;
        }
        let prepare_us = self.running.as_ref().map_or(0, |running| running.prepare_us);
        let from = self.running.as_ref().map_or(entry.at_us, |running| running.start_us);
        // Nobody logs how long a failed statement took, but both its ends have times.
        let us = span(from, entry.at_us).saturating_sub(prepare_us);
        self.end_running(entry.at_us, Some(us), None, Some(failure), out);
    }

    /// A FATAL error: the session ends with it, also an idle one.
    pub(super) fn died(&mut self, entry: Entry, out: &mut Vec<Finished>) {
        let at_us = entry.at_us;
        if self.running.is_some() || !self.waits.is_empty() {
            self.failed(entry, out);
            return;
        }
        let failure = Failure { sqlstate: entry.sqlstate, message: entry.message };
        if self.transaction.is_none() {
            self.transaction = Some(Open::new(at_us, StartView { virtual_xid: None, in_block: None }));
        }
        self.flush_untitled(out);
        let open = self.transaction.take();
        out.extend(open.and_then(|open| open.close(Closing::Disconnect(at_us), Some(failure))));
    }

    /// Ends the session's transaction, whatever state it is in.
    pub(super) fn close(&mut self, closing: Closing, error: Option<Failure>, out: &mut Vec<Finished>) {
        self.settle_plan(&Message::Disconnected, out);
        self.end_unfinished_at(closing, out);
        self.flush_untitled(out);
        self.flush_waits(self.last_at_us, out);
        let open = self.transaction.take();
        out.extend(open.and_then(|open| open.close(closing, error)));
    }

    /// A statement whose end was not logged: the session has gone on.
    fn end_unfinished(&mut self, out: &mut Vec<Finished>) {
        if let Some(running) = &self.running {
            let start_us = running.start_us;
            self.end_running(start_us, None, None, None, out);
        } else {
            self.flush_waits(self.last_at_us, out);
        }
    }

    /// A statement that was running when the source or the connection ended keeps its transaction open.
    fn end_unfinished_at(&mut self, closing: Closing, out: &mut Vec<Finished>) {
        let Some(running) = &self.running else { return };
        let start_us = running.start_us;
        // It may well have been a transaction of its own; it is cut all the same.
        self.cut = matches!(closing, Closing::EndOfSource(_));
        self.end_running(start_us, None, None, None, out);
    }

    /// Puts the running statement into its transaction, and gives the transaction out if it ended.
    fn end_running(
        &mut self,
        at_us: i64,
        us: Option<u64>,
        virtual_xid: Option<VirtualXid>,
        error: Option<Failure>,
        out: &mut Vec<Finished>,
    ) {
        let Some(running) = self.running.take() else { return };
        let waits = self.take_waits(at_us, error.as_ref());
        let waited: u64 = waits.iter().map(|wait| wait.us).sum();
        let service_us = us.map(|us| (us + running.prepare_us).saturating_sub(waited));
        let text = running.text.as_deref();
        let joins =
            self.transaction.as_ref().is_some_and(|open| open.belongs(running.view, text, virtual_xid));
        if !joins && let Some(open) = self.transaction.take() {
            out.extend(open.close(Closing::NextTransaction, None));
        }
        let open = self.transaction.get_or_insert_with(|| Open::new(running.start_us, running.view));
        let statement = Statement {
            think_us: open.think_us(running.start_us),
            fingerprint: sql::fingerprint_of_name(&text.map_or(UNTITLED.to_owned(), sql::normalise)),
            label: text.is_none().then(|| UNTITLED.to_owned()),
            text: running.text,
            prepared: running.prepared,
            params: running.params,
            service_us,
            waits,
            rows: None,
            error,
        };
        let end_us = match us {
            Some(us) => running.start_us.saturating_add_unsigned(us + running.prepare_us),
            None => at_us,
        };
        let known = us.is_some() || statement.error.is_some();
        let ended = Ended { at_us: end_us, known, cut: self.cut, virtual_xid, protocol: running.protocol };
        if let Some(end) = open.add(statement, &ended) {
            let next = open
                .chains()
                .then(|| Open::new(end_us, StartView { virtual_xid: None, in_block: Some(true) }));
            let open = std::mem::replace(&mut self.transaction, next);
            out.extend(open.and_then(|open| open.into_finished(end)));
        }
    }

    fn take_waits(&mut self, at_us: i64, error: Option<&Failure>) -> Vec<LockWait> {
        self.waiting_query = None;
        let outcome = error.map(|failure| match failure.sqlstate.as_deref() {
            Some("55P03") => WaitOutcome::LockTimeout,
            Some("40P01") => WaitOutcome::Deadlock,
            _ => WaitOutcome::Canceled,
        });
        let finish = |pending: PendingWait| {
            let us = if outcome.is_some() { pending.us_at(at_us) } else { pending.wait.us };
            let outcome = outcome.filter(|_| !pending.over).unwrap_or(pending.wait.outcome);
            LockWait { us, outcome, ..pending.wait }
        };
        self.waits.drain(..).map(finish).collect()
    }

    /// Waits whose statement was never logged are a statement all the same: their entries show its text.
    fn flush_waits(&mut self, at_us: i64, out: &mut Vec<Finished>) {
        if self.waits.is_empty() || self.running.is_some() {
            return;
        }
        let text = self.waiting_query.take();
        let first = &self.waits[0];
        let start_us = first.reported_us.saturating_sub_unsigned(first.wait.us);
        self.running = Some(Running {
            start_us,
            text,
            protocol: Protocol::Extended,
            view: StartView { virtual_xid: None, in_block: None },
            params: Vec::new(),
            prepared: None,
            prepare_us: 0,
        });
        let end_us = self.waits.last().map_or(at_us, |wait| wait.reported_us);
        self.end_running(end_us, None, None, None, out);
    }

    /// Durations without text that were no parse and no bind: statements of unknown text.
    fn flush_untitled(&mut self, out: &mut Vec<Finished>) {
        for untitled in std::mem::take(&mut self.untitled) {
            if !matches!(untitled.tag.as_deref(), Some("PARSE" | "BIND")) {
                self.end_unstarted(untitled, out);
            }
        }
    }

    /// A statement of which only the end is known.
    fn end_unstarted(&mut self, untitled: Untitled, out: &mut Vec<Finished>) {
        self.running = Some(Running {
            start_us: untitled.end_us.saturating_sub_unsigned(untitled.us),
            text: untitled.text,
            protocol: Protocol::Extended,
            view: StartView { virtual_xid: untitled.virtual_xid, in_block: None },
            params: Vec::new(),
            prepared: None,
            prepare_us: 0,
        });
        self.end_running(untitled.end_us, Some(untitled.us), untitled.virtual_xid, None, out);
    }

    /// A plan of auto_explain. It comes before the statement's own duration, if that is logged at all.
    pub(super) fn explained(&mut self, entry: &Entry, us: u64, text: Option<String>) {
        if self.running.is_none() {
            let (end_us, virtual_xid) = (entry.at_us, entry.virtual_xid);
            self.plan = Some(Untitled { end_us, us, text, tag: None, virtual_xid });
        }
    }

    /// With the next entry it is clear whether a plan was all that is logged of its statement.
    pub(super) fn settle_plan(&mut self, next: &Message, out: &mut Vec<Finished>) {
        let Some(plan) = self.plan.take() else { return };
        let repeats = match next {
            Message::Duration { of: None, .. } => true,
            Message::Duration { of: Some((Phase::Statement | Phase::Execute, text)), .. } => {
                // The plan's query is one of those in a message of several.
                plan.text.as_ref().is_none_or(|query| text.contains(query.trim()))
            }
            _ => false,
        };
        if !repeats {
            self.end_unstarted(plan, out);
        }
    }

    /// What parse and bind took for the statement that starts now.
    fn take_prepare(&mut self) -> Option<Span> {
        let untitled = self.untitled.drain(..);
        let spans =
            untitled.map(|step| Span { start_us: step.end_us.saturating_sub_unsigned(step.us), us: step.us });
        let sum =
            |sum: Span, span: Span| Span { start_us: sum.start_us.min(span.start_us), us: sum.us + span.us };
        self.prepare.take().into_iter().chain(spans).reduce(sum)
    }
}

impl PendingWait {
    /// How long the wait had lasted at a time, if it was not over yet.
    fn us_at(&self, at_us: i64) -> u64 {
        if self.over { self.wait.us } else { self.wait.us + span(self.reported_us, at_us) }
    }
}
