//! The lock manager as an actor: the simulated server behind an inbox.
//!
//! It never waits: a statement that has to wait for a lock stays with the server's own state
//! machine, and its completion goes out when it comes.

use sim_clock::{Actor, ActorId, Context, Nanos};
use sql_engine::{Database, Value};
use transactions::{Effects, Event as ServerEvent, EventKind, LockMode, LockTag, SessionId, SqlError, Timer};

use crate::coordinator::database::{DatabaseError, Executed, LockFailure, Timeouts};
use crate::event::Event;
use crate::message::Message;

/// The simulated server and its clients.
pub struct LockManager {
    database: Database,
    /// Whose each session is, by its number.
    clients: Vec<ActorId>,
    questioner: Questioner,
    effects: Effects,
}

/// The session that sends texts and wants results: the coordinator's.
struct Questioner {
    session: SessionId,
    /// Whether a text of it is under way.
    asked: bool,
    /// When its present wait began.
    waits_since: Nanos,
    /// The lock that it waited for when it was last looked at.
    wait: Option<(LockMode, Vec<String>)>,
    /// The relation locks that it was granted, each once.
    granted: Vec<(String, LockMode)>,
}

impl LockManager {
    /// A server whose sessions belong to these clients, by session number; `questioner` is the one
    /// that sends texts.
    #[must_use]
    pub fn new(database: Database, clients: Vec<ActorId>, questioner: SessionId) -> Self {
        let questioner = Questioner {
            session: questioner,
            asked: false,
            waits_since: Nanos::ZERO,
            wait: None,
            granted: Vec::new(),
        };
        Self { database, clients, questioner, effects: Effects::default() }
    }

    /// The server as the run left it, and the relation locks that the questioner was granted.
    #[must_use]
    pub fn into_parts(self) -> (Database, Vec<(String, LockMode)>) {
        (self.database, self.questioner.granted)
    }

    fn query(
        &mut self,
        session: SessionId,
        sql: &str,
        limits: Timeouts,
        cx: &mut Context<'_, Message, Event>,
    ) {
        self.questioner.asked = true;
        match self.database.prepare(sql) {
            Err(error) => self.answer(Err(error), 0, cx),
            Ok(statement) => {
                self.database.set_timeouts(session, limits.lock_timeout, limits.statement_timeout);
                self.database.execute(cx.now(), session, statement, &[], None, &mut self.effects);
                self.flush(cx);
            }
        }
    }

    /// Passes on what the server has brought about.
    fn flush(&mut self, cx: &mut Context<'_, Message, Event>) {
        let mut effects = std::mem::take(&mut self.effects);
        for (at, timer) in effects.timers.drain(..) {
            cx.set_timer(at, timer.0);
        }
        for event in effects.events.drain(..) {
            if event.session == self.questioner.session {
                self.notice(event, cx.now());
            }
            cx.log(Event::Server(event));
        }
        for completion in effects.completions.drain(..) {
            let session = completion.session;
            if session == self.questioner.session {
                let rows = completion.result.as_ref().map_or(0, |outcome| outcome.rows);
                self.answer(completion.result.map(|_| ()), rows, cx);
            } else if let Some(client) = self.clients.get(session.0 as usize) {
                let outcome = completion.result.map(|_| ()).map_err(|error| error.sqlstate);
                cx.send(*client, Message::Completed { session, outcome });
            }
        }
        self.effects = effects;
    }

    fn answer(&mut self, result: Result<(), SqlError>, rows: u64, cx: &mut Context<'_, Message, Event>) {
        let session = self.questioner.session;
        let Some(client) = self.clients.get(session.0 as usize).copied() else { return };
        self.questioner.asked = false;
        let outcome = match result {
            Ok(()) => {
                let returned = self.database.take_result(session).unwrap_or_default();
                Ok(Executed { rows_affected: rows, rows: returned })
            }
            Err(error) => Err(self.describe(&error, cx.now())),
        };
        self.questioner.wait = None;
        cx.send(client, Message::Answered(Box::new(outcome)));
    }

    fn describe(&mut self, error: &SqlError, now: Nanos) -> DatabaseError {
        let waited = now - self.questioner.waits_since;
        let failure = |(mode, blocked_by): (LockMode, Vec<String>)| LockFailure {
            mode: mode.to_string(),
            waited,
            blocked_by,
        };
        DatabaseError {
            sqlstate: error.sqlstate.to_string(),
            message: error.message.to_string(),
            lock: self.questioner.wait.take().map(failure),
        }
    }

    /// Keeps what the questioner's reports are made of.
    fn notice(&mut self, event: ServerEvent, now: Nanos) {
        match (event.kind, event.tag) {
            (EventKind::Waits, _) => self.questioner.waits_since = now,
            (EventKind::Granted | EventKind::Woken, tag) => {
                self.questioner.wait = None;
                if let LockTag::Relation(relation) = tag
                    && let Some(name) = self.database.relation_name(relation)
                    && !self.questioner.granted.contains(&(name.clone(), event.mode))
                {
                    self.questioner.granted.push((name, event.mode));
                }
            }
            _ => {}
        }
    }

    /// Looks at what the questioner waits for, before a timer may end the wait.
    fn look_at_wait(&mut self, timer: Timer) {
        let session = self.questioner.session;
        if !self.questioner.asked || timer.session() != session {
            return;
        }
        if let Some((_, mode)) = self.database.waits_for(session) {
            let mut names: Vec<String> = Vec::new();
            for blocker in self.database.blockers(session) {
                let name = self.database.session_name(blocker).to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            self.questioner.wait = Some((mode, names));
        }
    }
}

impl Actor<Message, Event> for LockManager {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        let timer = Timer(key);
        self.look_at_wait(timer);
        self.database.fire(cx.now(), timer, &mut self.effects);
        self.flush(cx);
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match message {
            Message::Execute { session, statement, params, work } => {
                let params: smallvec::SmallVec<[Value; 2]> = params.into_iter().map(Value::Int).collect();
                self.database.execute(cx.now(), session, statement, &params, work, &mut self.effects);
                self.flush(cx);
            }
            Message::Query { session, sql, timeouts } => self.query(session, &sql, timeouts, cx),
            Message::Cancel { session } => {
                self.database.cancel(cx.now(), session, &mut self.effects);
                self.flush(cx);
            }
            Message::Probe { statements } => {
                let failure = statements.iter().find_map(|one| self.database.check(*one).err());
                cx.send(from, Message::Probed(failure.map(|error| error.sqlstate)));
            }
            _ => {}
        }
    }
}
