//! All sessions of a source: which one an entry belongs to, and when it is over.
//!
//! Sessions are told apart by `%c`, or by process id where the log has nothing better.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::session::Session;
use super::transaction::{Closing, Finished};
use crate::logs::Entry;
use crate::logs::message::{Message, wait_detail};

/// Sessions that are remembered at a time; beyond that those that were quiet for longest are closed.
const MAX_SESSIONS: usize = 50_000;

/// All sessions of a source.
#[derive(Default)]
pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    by_pid: FxHashMap<u32, String>,
    generations: FxHashMap<u32, u32>,
    finished: Vec<Finished>,
    /// How many sessions have been seen.
    pub(crate) count: u64,
    /// Entries that are missing between others of their sessions.
    pub(crate) missing_entries: u64,
}

impl Sessions {
    /// Takes the transactions that have ended since the last call.
    pub(crate) fn take_finished(&mut self) -> std::vec::Drain<'_, Finished> {
        self.finished.drain(..)
    }

    /// Takes note of an entry.
    pub(crate) fn observe(&mut self, entry: Entry, message: Message) {
        let Some(id) = self.session_of(&entry, &message) else { return };
        let mut session = self.open.remove(&id).unwrap_or_default();
        let missing = session.count_line(entry.session_line);
        let from = self.finished.len();
        if missing > 0 {
            self.missing_entries += missing;
            session.lost_track(&mut self.finished);
        }
        session.last_at_us = entry.at_us;
        session.take_names(&entry);
        let at_us = entry.at_us;
        let goes_on = self.act(&mut session, entry, message);
        if !goes_on {
            session.close(Closing::Disconnect(at_us), None, &mut self.finished);
        }
        session.sign(&id, &mut self.finished[from..]);
        if goes_on {
            self.open.insert(id, session);
            self.forget_the_quiet();
        }
    }

    /// Closes every session.
    pub(crate) fn finish(&mut self, at_us: i64) {
        while let Some((id, mut session)) = self.open.pop_first() {
            let from = self.finished.len();
            session.close(Closing::EndOfSource(at_us), None, &mut self.finished);
            session.sign(&id, &mut self.finished[from..]);
        }
    }

    /// The session an entry belongs to; nothing if the entry is of no interest and its session unknown.
    fn session_of(&mut self, entry: &Entry, message: &Message) -> Option<String> {
        let pid =
            entry.pid.or_else(|| u32::from_str_radix(entry.session.as_deref()?.split_once('.')?.1, 16).ok());
        let known = pid.and_then(|pid| self.by_pid.get(&pid)).filter(|id| self.open.contains_key(*id));
        let failed = matches!(entry.severity.as_str(), "ERROR" | "FATAL" | "PANIC");
        let dull = matches!(message, Message::Irrelevant | Message::Unknown | Message::Disconnected);
        let opens = is_client(entry) && (failed || !dull);
        let id = match (&entry.session, known) {
            (Some(id), _) => id.clone(),
            // Without %c a new connection is the only sign that the process id has a new owner.
            (None, Some(id)) if *message != Message::Connected => id.clone(),
            _ if opens => self.next_generation(pid?),
            _ => return None,
        };
        if !self.open.contains_key(&id) {
            if !opens {
                return None;
            }
            self.count += 1;
        }
        if let Some(pid) = pid {
            match self.by_pid.insert(pid, id.clone()) {
                Some(other) if other != id => self.disconnect(&other, entry.at_us),
                _ => {}
            }
        }
        Some(id)
    }

    fn next_generation(&mut self, pid: u32) -> String {
        let generation = self.generations.entry(pid).or_default();
        *generation += 1;
        if *generation == 1 { pid.to_string() } else { format!("{pid}#{generation}") }
    }

    /// The process id has a new owner, so the old session has ended without saying so.
    fn disconnect(&mut self, id: &str, at_us: i64) {
        let Some(mut session) = self.open.remove(id) else { return };
        let from = self.finished.len();
        let last = session.last_at_us.min(at_us);
        session.close(Closing::Disconnect(last), None, &mut self.finished);
        session.sign(id, &mut self.finished[from..]);
    }

    fn forget_the_quiet(&mut self) {
        if self.open.len() <= MAX_SESSIONS {
            return;
        }
        let mut times: Vec<i64> = self.open.values().map(|session| session.last_at_us).collect();
        let (_, median, _) = times.select_nth_unstable(MAX_SESSIONS / 2);
        let median = *median;
        let quiet: Vec<String> = self
            .open
            .iter()
            .filter(|(_, session)| session.last_at_us <= median)
            .map(|(id, _)| id.clone())
            .collect();
        for id in quiet {
            self.disconnect(&id, median);
        }
    }

    /// Acts on an entry; false when the session is over.
    fn act(&mut self, session: &mut Session, entry: Entry, message: Message) -> bool {
        let out = &mut self.finished;
        session.settle_plan(&message, out);
        match entry.severity.as_str() {
            "ERROR" => session.failed(entry, out),
            "FATAL" | "PANIC" => {
                session.died(entry, out);
                return false;
            }
            "LOG" => match message {
                Message::Statement { text, protocol } => session.started(&entry, text, protocol, out),
                Message::Duration { us, of: None } => session.took(&entry, us, out),
                Message::Duration { us, of: Some((phase, text)) } => {
                    session.took_with_text(&entry, us, phase, text, out);
                }
                Message::Wait(wait) => {
                    let (holders, queue) = wait_detail(entry.detail.as_deref().unwrap_or(""));
                    let name =
                        |pid: u32| self.by_pid.get(&pid).cloned().unwrap_or_else(|| format!("pid {pid}"));
                    session.waited(&entry, wait, holders.into_iter().map(name).collect(), queue);
                }
                Message::Disconnected => return false,
                Message::Plan { us, text } => session.explained(&entry, us, text),
                Message::Connected | Message::Irrelevant | Message::Unknown => {}
            },
            _ => {}
        }
        true
    }
}

/// Whether the entry comes from a process that serves a client.
fn is_client(entry: &Entry) -> bool {
    entry.backend_type.as_deref().is_none_or(|kind| kind == "client backend" || kind == "not initialized")
}
