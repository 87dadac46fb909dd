//! Sessions that send texts and want results: a coordinator's.

use sim_clock::{Context, Nanos};
use transactions::{Event as ServerEvent, EventKind, LockMode, LockTag, SessionId, SqlError, Timer};

use super::LockManager;
use crate::coordinator::database::{DatabaseError, Executed, LockFailure, Timeouts};
use crate::event::Event;
use crate::message::Message;
use crate::watch::Sent;

/// A session that sends texts and wants results: a coordinator's.
pub(super) struct Questioner {
    pub(super) session: SessionId,
    /// Whether a text of it is under way.
    asked: bool,
    /// When its present wait began.
    waits_since: Nanos,
    /// The lock that it waited for when it was last looked at.
    wait: Option<(LockMode, Vec<String>)>,
    /// The relation locks that it was granted, each once.
    pub(super) granted: Vec<(String, LockMode)>,
}

impl Questioner {
    pub(super) fn new(session: SessionId) -> Self {
        Self { session, asked: false, waits_since: Nanos::ZERO, wait: None, granted: Vec::new() }
    }

    fn describe(&mut self, error: &SqlError, now: Nanos) -> DatabaseError {
        let waited = now - self.waits_since;
        let failure = |(mode, blocked_by): (LockMode, Vec<String>)| LockFailure {
            mode: mode.to_string(),
            waited,
            blocked_by,
        };
        DatabaseError {
            sqlstate: error.sqlstate.to_string(),
            message: error.message.to_string(),
            lock: self.wait.take().map(failure),
        }
    }
}

impl LockManager {
    fn questioner(&mut self, session: SessionId) -> Option<&mut Questioner> {
        self.questioners.iter_mut().find(|questioner| questioner.session == session)
    }

    pub(super) fn query(
        &mut self,
        session: SessionId,
        sql: &str,
        limits: Timeouts,
        cx: &mut Context<'_, Message, Event>,
    ) {
        match self.questioner(session) {
            Some(questioner) => questioner.asked = true,
            // Opened since the start: its first text makes it a questioner.
            None => self.questioners.push(Questioner { asked: true, ..Questioner::new(session) }),
        }
        match self.database.prepare(sql) {
            Err(error) => self.answer(session, Err(error), 0, cx),
            Ok(statement) => {
                self.sends(cx.now(), session, || Sent::Text(sql.into()));
                self.database.set_timeouts(session, limits.lock_timeout, limits.statement_timeout);
                let work = self.measured.get(sql).copied();
                self.database.execute(cx.now(), session, statement, &[], work, &mut self.effects);
                self.flush(cx);
            }
        }
    }

    pub(super) fn answer(
        &mut self,
        session: SessionId,
        result: Result<(), SqlError>,
        rows: u64,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Some(client) = self.clients.get(session.0 as usize).copied() else { return };
        let returned = self.database.take_result(session).unwrap_or_default();
        let Some(questioner) = self.questioner(session) else { return };
        questioner.asked = false;
        let outcome = match result {
            Ok(()) => Ok(Executed { rows_affected: rows, rows: returned }),
            Err(error) => Err(questioner.describe(&error, cx.now())),
        };
        questioner.wait = None;
        cx.send(client, Message::Answered { session, outcome: Box::new(outcome) });
    }

    /// Keeps what a questioner's failures and reports are made of.
    pub(super) fn note_wait(&mut self, at: usize, event: ServerEvent, now: Nanos) {
        match event.kind {
            EventKind::Waits => self.questioners[at].waits_since = now,
            EventKind::Granted | EventKind::Woken => {
                let name = match event.tag {
                    LockTag::Relation(relation) => self.database.relation_name(relation),
                    _ => None,
                };
                let questioner = &mut self.questioners[at];
                questioner.wait = None;
                if let Some(name) = name
                    && !questioner.granted.contains(&(name.clone(), event.mode))
                {
                    questioner.granted.push((name, event.mode));
                }
            }
            _ => {}
        }
    }

    /// Looks at what a questioner waits for, before a timer may end the wait.
    pub(super) fn look_at_wait(&mut self, timer: Timer) {
        let session = timer.session();
        let Some(at) = self.questioners.iter().position(|one| one.session == session && one.asked) else {
            return;
        };
        if let Some((_, mode)) = self.database.waits_for(session) {
            let mut names: Vec<String> = Vec::new();
            for blocker in self.database.blockers(session) {
                let name = self.database.session_name(blocker).to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            self.questioners[at].wait = Some((mode, names));
        }
    }
}
