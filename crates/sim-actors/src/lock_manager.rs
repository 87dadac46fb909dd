//! The lock manager as an actor: the simulated server behind an inbox.
//!
//! It never waits: a statement that has to wait for a lock stays with the server's own state
//! machine, and its completion goes out when it comes.

use std::collections::BTreeMap;

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
    questioners: Vec<Questioner>,
    /// How long statements work whose duration was measured, by their text.
    measured: BTreeMap<Box<str>, Nanos>,
    effects: Effects,
}

/// A session that sends texts and wants results: a coordinator's.
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

impl Questioner {
    fn new(session: SessionId) -> Self {
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
    /// A server whose sessions belong to these clients, by session number; `questioner` is the one
    /// that sends texts.
    #[must_use]
    pub fn new(database: Database, clients: Vec<ActorId>, questioner: SessionId) -> Self {
        let (questioners, measured) = (vec![Questioner::new(questioner)], BTreeMap::new());
        Self { database, clients, questioners, measured, effects: Effects::default() }
    }

    /// Another session that sends texts.
    #[must_use]
    pub fn with_questioner(mut self, session: SessionId) -> Self {
        if self.questioner(session).is_none() {
            self.questioners.push(Questioner::new(session));
        }
        self
    }

    /// A text of a questioner works that long, lock waits apart, whatever the cost model says.
    #[must_use]
    pub fn with_measured(mut self, sql: &str, work: Nanos) -> Self {
        self.measured.insert(sql.into(), work);
        self
    }

    /// The server as the run left it, and the relation locks that the questioners were granted.
    #[must_use]
    pub fn into_parts(self) -> (Database, Vec<(String, LockMode)>) {
        (self.database, self.questioners.into_iter().flat_map(|one| one.granted).collect())
    }

    fn questioner(&self, session: SessionId) -> Option<usize> {
        self.questioners.iter().position(|one| one.session == session)
    }

    fn query(
        &mut self,
        session: SessionId,
        sql: &str,
        limits: Timeouts,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Some(by) = self.questioner(session) else { return };
        self.questioners[by].asked = true;
        match self.database.prepare(sql) {
            Err(error) => self.answer(by, Err(error), 0, cx),
            Ok(statement) => {
                self.database.set_timeouts(session, limits.lock_timeout, limits.statement_timeout);
                let work = self.measured.get(sql).copied();
                self.database.execute(cx.now(), session, statement, &[], work, &mut self.effects);
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
            if let Some(by) = self.questioner(event.session) {
                self.notice(by, event, cx.now());
            }
            cx.log(Event::Server(event));
        }
        for completion in effects.completions.drain(..) {
            let session = completion.session;
            if let Some(by) = self.questioner(session) {
                let rows = completion.result.as_ref().map_or(0, |outcome| outcome.rows);
                self.answer(by, completion.result.map(|_| ()), rows, cx);
            } else if let Some(client) = self.clients.get(session.0 as usize) {
                let outcome = completion.result.map(|_| ()).map_err(|error| error.sqlstate);
                cx.send(*client, Message::Completed { session, outcome });
            }
        }
        self.effects = effects;
    }

    fn answer(
        &mut self,
        by: usize,
        result: Result<(), SqlError>,
        rows: u64,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let session = self.questioners[by].session;
        let Some(client) = self.clients.get(session.0 as usize).copied() else { return };
        self.questioners[by].asked = false;
        let outcome = match result {
            Ok(()) => {
                let returned = self.database.take_result(session).unwrap_or_default();
                Ok(Executed { rows_affected: rows, rows: returned })
            }
            Err(error) => Err(self.questioners[by].describe(&error, cx.now())),
        };
        self.questioners[by].wait = None;
        cx.send(client, Message::Answered(Box::new(outcome)));
    }

    /// Keeps what a questioner's reports are made of.
    fn notice(&mut self, by: usize, event: ServerEvent, now: Nanos) {
        let questioner = &mut self.questioners[by];
        match (event.kind, event.tag) {
            (EventKind::Waits, _) => questioner.waits_since = now,
            (EventKind::Granted | EventKind::Woken, tag) => {
                questioner.wait = None;
                if let LockTag::Relation(relation) = tag
                    && let Some(name) = self.database.relation_name(relation)
                    && !questioner.granted.contains(&(name.clone(), event.mode))
                {
                    questioner.granted.push((name, event.mode));
                }
            }
            _ => {}
        }
    }

    /// Looks at what a questioner waits for, before a timer may end the wait.
    fn look_at_wait(&mut self, timer: Timer) {
        let session = timer.session();
        let Some(by) = self.questioner(session).filter(|by| self.questioners[*by].asked) else { return };
        if let Some((_, mode)) = self.database.waits_for(session) {
            let mut names: Vec<String> = Vec::new();
            for blocker in self.database.blockers(session) {
                let name = self.database.session_name(blocker).to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            self.questioners[by].wait = Some((mode, names));
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
