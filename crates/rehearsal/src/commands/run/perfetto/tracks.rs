//! Which row of the drawing is whose, and what is open on it.

use std::collections::BTreeMap;

use serde_json::json;
use sim_clock::Nanos;
use transactions::SessionId;

use super::format::{Slice, Track, Writer};

/// A slice that is open on a session's track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Statement,
    Idle,
    Wait,
}

/// How an instance's pool stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Pool {
    pub(super) in_use: u32,
    pub(super) queued: u32,
}

/// What belongs to one name: an instance, a background session, the migration.
struct Process {
    pid: usize,
    sessions: usize,
    /// The thread beside those of its sessions.
    beside: Option<Track>,
    /// Whether a phase of a deployment is open there.
    in_phase: bool,
    pool: Pool,
}

struct Session {
    track: Track,
    owner: String,
    open: Vec<Open>,
}

/// All tracks, numbered in the order in which they were first seen.
#[derive(Default)]
pub(super) struct Tracks {
    processes: BTreeMap<String, Process>,
    sessions: BTreeMap<SessionId, Session>,
}

impl Tracks {
    /// Where the server's counters stand.
    pub(super) const SERVER: Track = Track { pid: 1, tid: 0 };

    pub(super) fn new(writer: &mut Writer) -> Self {
        writer.metadata(Self::SERVER, "process_name", "name", &json!("server"));
        writer.metadata(Self::SERVER, "process_sort_index", "sort_index", &json!(0));
        Self::default()
    }

    fn process(&mut self, name: &str, writer: &mut Writer) -> &mut Process {
        if !self.processes.contains_key(name) {
            let pid = self.processes.len() + 2;
            let track = Track { pid, tid: 0 };
            writer.metadata(track, "process_name", "name", &json!(name));
            // The migration above the others: it is what one looks for.
            let place = if name == "migration" { 1 } else { pid };
            writer.metadata(track, "process_sort_index", "sort_index", &json!(place));
            let process = Process { pid, sessions: 0, beside: None, in_phase: false, pool: Pool::default() };
            self.processes.insert(name.to_owned(), process);
        }
        match self.processes.get_mut(name) {
            Some(process) => process,
            None => unreachable!("it has just been inserted"),
        }
    }

    /// The track of a session, named when it is first seen.
    pub(super) fn session(&mut self, session: SessionId, owner: &str, writer: &mut Writer) -> Track {
        if let Some(known) = self.sessions.get(&session) {
            return known.track;
        }
        let process = self.process(owner, writer);
        process.sessions += 1;
        let (number, track) = (process.sessions, Track { pid: process.pid, tid: session.0 as usize + 1 });
        writer.metadata(track, "thread_name", "name", &json!(format!("{owner}, connection {number}")));
        writer.metadata(track, "thread_sort_index", "sort_index", &json!(number));
        self.sessions.insert(session, Session { track, owner: owner.to_owned(), open: Vec::new() });
        track
    }

    /// The track of a session that has been seen.
    pub(super) fn known(&self, session: SessionId) -> Option<Track> {
        self.sessions.get(&session).map(|known| known.track)
    }

    pub(super) fn name(&self, session: SessionId) -> &str {
        self.sessions.get(&session).map_or("a connection", |known| known.owner.as_str())
    }

    pub(super) fn push(&mut self, session: SessionId, what: Open) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.open.push(what);
        }
    }

    pub(super) fn pop(&mut self, session: SessionId) -> Option<Open> {
        self.sessions.get_mut(&session)?.open.pop()
    }

    pub(super) fn top(&self, session: SessionId) -> Option<Open> {
        self.sessions.get(&session)?.open.last().copied()
    }

    pub(super) fn depth(&self, session: SessionId) -> usize {
        self.sessions.get(&session).map_or(0, |known| known.open.len())
    }

    /// The thread of an actor beside those of its sessions.
    pub(super) fn beside(&mut self, actor: &str, name: &str, writer: &mut Writer) -> Track {
        let process = self.process(actor, writer);
        if let Some(track) = process.beside {
            return track;
        }
        // Sessions are numbered from 1, and there are fewer than these; a thread's number has 32 bits.
        let track = Track { pid: process.pid, tid: 1_000_000_000 + process.pid };
        process.beside = Some(track);
        writer.metadata(track, "thread_name", "name", &json!(name));
        writer.metadata(track, "thread_sort_index", "sort_index", &json!(0));
        track
    }

    /// Ends the phase of an instance's deployment, and begins the next one if it has a name.
    pub(super) fn phase(&mut self, actor: &str, at: Nanos, name: Option<&str>, writer: &mut Writer) {
        let track = self.beside(actor, "deployment", writer);
        let process = self.process(actor, writer);
        if std::mem::replace(&mut process.in_phase, name.is_some()) {
            writer.ends(at, track, &[]);
        }
        if let Some(name) = name {
            writer.begins(at, track, &Slice { name, category: "deployment", details: &[] });
        }
    }

    /// Changes an instance's pool, and counts what has changed.
    pub(super) fn pool(
        &mut self,
        actor: &str,
        at: Nanos,
        writer: &mut Writer,
        change: impl FnOnce(&mut Pool),
    ) {
        let process = self.process(actor, writer);
        let (before, track) = (process.pool, Track { pid: process.pid, tid: 0 });
        change(&mut process.pool);
        let after = process.pool;
        if before.in_use != after.in_use {
            writer.counter(at, track, "connections in use", "connections", after.in_use);
        }
        if before.queued != after.queued {
            writer.counter(at, track, "wait for a connection", "requests", after.queued);
        }
    }

    /// Ends everything.
    pub(super) fn close(&mut self, at: Nanos, writer: &mut Writer) {
        for session in self.sessions.values_mut() {
            while session.open.pop().is_some() {
                writer.ends(at, session.track, &[]);
            }
        }
        for process in self.processes.values_mut() {
            if let (true, Some(track)) = (std::mem::take(&mut process.in_phase), process.beside) {
                writer.ends(at, track, &[]);
            }
        }
    }
}
