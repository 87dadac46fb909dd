//! `--perfetto`: a trace that <https://ui.perfetto.dev> opens.
//!
//! ```text
//!   process  server       counter: sessions that wait for a lock
//!            migration    thread: its session; its pauses
//!            bank-1 …     thread for each connection; its deployment; counters of its pool
//!            a report …   thread: its session
//! ```
//!
//! A session's thread shows its statements, in them its waits for locks, and between them the time that it sat idle in
//! a transaction. An arrow leads from what was in the way to each wait. Kept in memory: what each session does just now.

mod format;
mod tracks;

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use reports::Report;
use scenarios::{Does, Sight};
use serde_json::{Value, json};
use sim_actors::{DeploymentPhase, Event};
use sim_clock::Nanos;
use transactions::{EventKind, SessionId};

use format::{Slice, Track, Writer};
use tracks::{Open, Tracks};

/// Arrows beyond these are left out of one wait; its details name how many were in the way.
const ARROWS: usize = 16;

/// The trace of a run, as a file.
pub(super) struct Trace {
    state: RefCell<State>,
    path: PathBuf,
}

struct State {
    writer: Writer,
    tracks: Tracks,
    arrows: u64,
    /// Sessions that wait for a lock.
    waiting: u32,
    /// The last instant.
    now: Nanos,
}

impl Trace {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut writer = Writer::new(file);
        let tracks = Tracks::new(&mut writer);
        let state = State { writer, tracks, arrows: 0, waiting: 0, now: Nanos::ZERO };
        Ok(Self { state: RefCell::new(state), path: path.to_owned() })
    }

    /// A session has taken a step.
    pub(super) fn session(&self, sight: &Sight<'_>) {
        self.state.borrow_mut().session(sight);
    }

    /// Something has happened beside the sessions.
    pub(super) fn event(&self, at: Nanos, actor: &str, event: &Event) {
        self.state.borrow_mut().event(at, actor, event);
    }

    /// Ends what is under way, and the file.
    pub(super) fn finish(&self, report: &Report) -> anyhow::Result<()> {
        let State { writer, tracks, now, .. } = &mut *self.state.borrow_mut();
        tracks.close(*now, writer);
        let facts =
            [("scenario", json!(report.scenario)), ("seed", json!(report.seed)), ("cut", json!(report.cut))];
        writer.finish(&facts).with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

impl State {
    fn session(&mut self, sight: &Sight<'_>) {
        let Sight { at, owner, session, does } = *sight;
        self.now = at;
        let track = self.tracks.session(session, owner, &mut self.writer);
        match does {
            Does::Begins { sql } => {
                self.close(at, session, track, &[]);
                self.open(at, session, track, Open::Statement, (sql, "statement", &[]));
            }
            Does::Ends { failed, in_transaction } => {
                let details = failed.map(|code| ("failed", json!(code.to_string())));
                self.close(at, session, track, details.as_slice());
                if in_transaction {
                    let idle = ("idle in transaction", "transaction", &[][..]);
                    self.open(at, session, track, Open::Idle, idle);
                }
            }
            Does::Waits { lock, behind } => self.waits(at, session, track, lock, behind),
            Does::GoesOn => self.goes_on(at, session, track),
            Does::Leaves => {
                self.goes_on(at, session, track);
                if self.tracks.top(session) == Some(Open::Idle) {
                    self.pop(at, session, track, &[]);
                }
            }
        }
    }

    fn open(
        &mut self,
        at: Nanos,
        session: SessionId,
        track: Track,
        what: Open,
        (name, category, details): (&str, &'static str, &[(&'static str, Value)]),
    ) {
        self.writer.begins(at, track, &Slice { name, category, details });
        self.tracks.push(session, what);
    }

    fn pop(&mut self, at: Nanos, session: SessionId, track: Track, details: &[(&'static str, Value)]) {
        self.writer.ends(at, track, details);
        if self.tracks.pop(session) == Some(Open::Wait) {
            self.waiting = self.waiting.saturating_sub(1);
            self.count_waiting(at);
        }
    }

    /// Ends everything that is open on a session's track; the details are those of the outermost.
    fn close(&mut self, at: Nanos, session: SessionId, track: Track, details: &[(&'static str, Value)]) {
        while let Some(depth) = self.tracks.depth(session).checked_sub(1) {
            self.pop(at, session, track, if depth == 0 { details } else { &[] });
        }
    }

    fn goes_on(&mut self, at: Nanos, session: SessionId, track: Track) {
        if self.tracks.top(session) == Some(Open::Wait) {
            self.pop(at, session, track, &[]);
        }
    }

    fn waits(&mut self, at: Nanos, session: SessionId, track: Track, lock: &str, behind: &[SessionId]) {
        self.goes_on(at, session, track);
        let names: Vec<&str> = behind.iter().map(|one| self.tracks.name(*one)).collect();
        let details = [("behind", json!(names)), ("in the way", json!(behind.len()))];
        let name = format!("waits for {lock}");
        self.open(at, session, track, Open::Wait, (&name, "lock", &details));
        self.waiting += 1;
        self.count_waiting(at);
        for blocker in behind.iter().take(ARROWS) {
            let Some(from) = self.tracks.known(*blocker) else { continue };
            // A lock that outlives its transaction has no slice that the arrow could begin in.
            let holds = self.tracks.depth(*blocker) == 0;
            if holds {
                let slice = Slice { name: "holds a lock", category: "lock", details: &[] };
                self.writer.begins(at, from, &slice);
            }
            self.arrows += 1;
            self.writer.flow(at, self.arrows, from, track);
            if holds {
                self.writer.ends(at, from, &[]);
            }
        }
    }

    fn count_waiting(&mut self, at: Nanos) {
        self.writer.counter(at, Tracks::SERVER, "wait for a lock", "sessions", self.waiting);
    }

    fn event(&mut self, at: Nanos, actor: &str, event: &Event) {
        self.now = at;
        let Self { writer, tracks, .. } = self;
        match event {
            Event::Queued { .. } => tracks.pool(actor, at, writer, |pool| pool.queued += 1),
            Event::Started { queued, .. } => tracks.pool(actor, at, writer, |pool| {
                pool.queued = pool.queued.saturating_sub(u32::from(*queued));
                pool.in_use += 1;
            }),
            Event::Freed { .. } => {
                tracks.pool(actor, at, writer, |pool| pool.in_use = pool.in_use.saturating_sub(1));
            }
            Event::GaveUp { .. } => {
                tracks.pool(actor, at, writer, |pool| pool.queued = pool.queued.saturating_sub(1));
            }
            Event::Pauses { span } => {
                let track = tracks.beside(actor, "pauses", writer);
                writer.whole(at, *span, track, "sleeps");
            }
            Event::Deployment { phase, .. } => {
                let name = match phase {
                    DeploymentPhase::Draining => Some("draining"),
                    DeploymentPhase::Starting => Some("starting"),
                    DeploymentPhase::Healthy => None,
                    DeploymentPhase::Unhealthy => Some("failed its health check"),
                    DeploymentPhase::Held => Some("before its health check"),
                    DeploymentPhase::Stopped => Some("stopped"),
                };
                tracks.phase(actor, at, name, writer);
            }
            Event::Server(event) if event.kind == EventKind::Terminated => {
                if let Some(track) = tracks.known(event.session) {
                    self.close(at, event.session, track, &[]);
                }
            }
            _ => {}
        }
    }
}
