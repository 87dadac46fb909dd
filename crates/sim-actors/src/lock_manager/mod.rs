//! The lock manager as an actor: the simulated server behind an inbox.
//!
//! It never waits: a statement that has to wait for a lock stays with the server's own state
//! machine, and its completion goes out when it comes.

mod questioner;

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use sim_clock::{Actor, ActorId, Context, Nanos};
use sql_engine::{Database, StatementId, Value};
use transactions::{
    Completion, Effects, Event as ServerEvent, EventKind, LockMode, SessionId, SessionSettings, SessionState,
    Timer,
};

use crate::arrivals::SentText;
use crate::event::Event;
use crate::message::Message;
use crate::watch::{INTERVAL, Sent, WaitWatch};
use crate::witness::{SessionStep, Witness, step_of};
use questioner::Questioner;

/// The simulated server and its clients.
pub struct LockManager {
    database: Database,
    /// Whose each session is, by its number.
    clients: Vec<ActorId>,
    /// Those who send texts, by session; a few.
    questioners: Vec<Questioner>,
    connections: Connections,
    /// What waits are made of, if anybody wants to know.
    watch: Option<WaitWatch>,
    /// Who is told of every statement and wait.
    witness: Option<Witness>,
    /// How long texts of the questioners work whose duration was measured.
    measured: BTreeMap<Box<str>, Nanos>,
    /// Recorded texts that come again and again.
    prepared: FxHashMap<Rc<str>, StatementId>,
    effects: Effects,
}

/// How many recorded texts are kept prepared; what comes beyond them is read anew each time.
const MOST_PREPARED: usize = 10_000;

/// The timer of the watch; no timer of a session has that key.
const LOOK: u64 = u64::MAX;

/// How many connections there are and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How many may be open: `max_connections` less what is reserved.
    pub limit: u32,
    /// How many are open.
    pub open: u32,
}

impl LockManager {
    /// A server whose sessions belong to these clients, by session number; `questioners` are those
    /// that send texts.
    #[must_use]
    pub fn new(
        database: Database,
        clients: Vec<ActorId>,
        questioners: &[SessionId],
        connections: Connections,
    ) -> Self {
        let questioners = questioners.iter().map(|session| Questioner::new(*session)).collect();
        let (watch, witness, measured) = (None, None, BTreeMap::new());
        let (prepared, effects) = (FxHashMap::default(), Effects::default());
        Self { database, clients, questioners, connections, watch, witness, measured, prepared, effects }
    }

    /// Leaves out of the log what is of no wait: for runs whose log is neither kept nor compared.
    #[must_use]
    pub fn terse(mut self) -> Self {
        self.effects = Effects::terse();
        self
    }

    /// Watches who waits for whom.
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.watch = Some(WaitWatch::default());
        self
    }

    /// Tells a witness of every statement and wait.
    #[must_use]
    pub fn witnessed(mut self, witness: Witness) -> Self {
        self.witness = Some(witness);
        self
    }

    fn tell(&mut self, now: Nanos, session: SessionId, step: SessionStep<'_>) {
        if let Some(witness) = &mut self.witness {
            witness(now, &self.database, session, step);
        }
    }

    fn tell_transition(&mut self, now: Nanos, event: ServerEvent) {
        if event.kind == EventKind::Waits {
            let behind = self.database.blockers(event.session);
            let wait = SessionStep::Waits { mode: event.mode, tag: event.tag, behind: &behind };
            self.tell(now, event.session, wait);
        } else if let Some(step) = step_of(event.kind, self.database.state(event.session)) {
            self.tell(now, event.session, step);
        }
    }

    /// Notes what a session sends, before it is carried out.
    fn sends(&mut self, now: Nanos, session: SessionId, sent: impl Fn() -> Sent) {
        if let Some(watch) = &mut self.watch {
            watch.sends(session, sent());
        }
        if self.witness.is_some() {
            self.tell(now, session, SessionStep::Begins(&sent()));
        }
    }

    /// What the watch came to.
    pub fn take_watch(&mut self) -> Option<WaitWatch> {
        let mut watch = self.watch.take()?;
        watch.settle();
        Some(watch)
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
        (self.database, self.questioners.into_iter().flat_map(|questioner| questioner.granted).collect())
    }

    /// Every session that there has been, by number: its name and whose it is.
    #[must_use]
    pub fn sessions(&self) -> Vec<(String, ActorId)> {
        let of = |(number, client): (u32, &ActorId)| {
            (self.database.session_name(SessionId(number)).to_owned(), *client)
        };
        (0..).zip(&self.clients).map(of).collect()
    }

    /// Runs a text as it was recorded.
    fn replay(&mut self, session: SessionId, text: &SentText, cx: &mut Context<'_, Message, Event>) {
        self.sends(cx.now(), session, || Sent::Text(Rc::clone(&text.shown)));
        let value = |param: &Option<Rc<str>>| param.clone().map_or(Value::Null, Value::Text);
        let params: smallvec::SmallVec<[Value; 4]> = text.params.iter().map(value).collect();
        match self.prepared(text) {
            Some(statement) => {
                self.database.execute_unread(
                    cx.now(),
                    session,
                    statement,
                    &params,
                    text.work,
                    &mut self.effects,
                );
            }
            None => {
                self.database.submit_with(
                    cx.now(),
                    session,
                    &text.sql,
                    &params,
                    text.work,
                    &mut self.effects,
                );
            }
        }
        self.flush(cx);
    }

    /// A text that is worth it as a prepared statement.
    fn prepared(&mut self, text: &SentText) -> Option<StatementId> {
        if !text.repeats {
            return None;
        }
        if let Some(known) = self.prepared.get(&text.sql) {
            return Some(*known);
        }
        if self.prepared.len() >= MOST_PREPARED {
            return None;
        }
        let statement = self.database.prepare(&text.sql).ok()?;
        self.prepared.insert(Rc::clone(&text.sql), statement);
        Some(statement)
    }

    /// The watch must look anew.
    fn stir(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.stirs();
        }
    }

    fn connect(
        &mut self,
        client: ActorId,
        name: &str,
        settings: SessionSettings,
        count: u32,
        cx: &mut Context<'_, Message, Event>,
    ) -> Vec<SessionId> {
        let given = count.min(self.connections.limit.saturating_sub(self.connections.open));
        let mut sessions = Vec::new();
        for _ in 0..given {
            sessions.push(self.database.connect(cx.now(), name, settings));
            self.clients.push(client);
        }
        self.connections.open += given;
        cx.log(Event::Connections { open: self.connections.open, refused: count - given });
        sessions
    }

    fn disconnect(&mut self, sessions: &[SessionId], cx: &mut Context<'_, Message, Event>) {
        for session in sessions {
            self.database.disconnect(cx.now(), *session, &mut self.effects);
            self.connections.open = self.connections.open.saturating_sub(1);
        }
        self.flush(cx);
        cx.log(Event::Connections { open: self.connections.open, refused: 0 });
    }

    /// Passes on what the server has brought about.
    fn flush(&mut self, cx: &mut Context<'_, Message, Event>) {
        for (at, timer) in &self.effects.timers {
            cx.set_timer(*at, timer.0);
        }
        self.effects.timers.clear();
        if !self.effects.events.is_empty() {
            if self.is_followed() {
                for at in 0..self.effects.events.len() {
                    let event = self.effects.events[at];
                    cx.log(Event::Server(event));
                    self.notice(event, cx);
                }
            } else {
                cx.log_all(self.effects.events.iter().copied().map(Event::Server));
            }
            self.effects.events.clear();
        }
        // There is seldom more than one.
        self.effects.completions.reverse();
        while let Some(completion) = self.effects.completions.pop() {
            self.complete(completion, cx);
        }
    }

    /// Tells a client that its statement has ended.
    fn complete(&mut self, completion: Completion, cx: &mut Context<'_, Message, Event>) {
        let Completion { session, result } = completion;
        if self.witness.is_some() {
            let failed = result.as_ref().err().map(|error| error.sqlstate);
            let in_transaction = matches!(
                self.database.state(session),
                SessionState::IdleInTransaction | SessionState::IdleInFailedTransaction
            );
            self.tell(cx.now(), session, SessionStep::Ends { failed, in_transaction });
        }
        if self.questioners.iter().any(|questioner| questioner.session == session) {
            let rows = result.as_ref().map_or(0, |outcome| outcome.rows);
            self.answer(session, result.map(|_| ()), rows, cx);
        } else if let Some(client) = self.clients.get(session.0 as usize) {
            let outcome = result.map(|_| ()).map_err(|error| error.sqlstate);
            cx.send(*client, Message::Completed { session, outcome });
        }
    }

    /// Whether anybody wants to know more of the transitions than the log tells: of most nobody does.
    fn is_followed(&self) -> bool {
        let is_followed = |event: &ServerEvent| {
            event.kind == EventKind::Waits || self.questioners.iter().any(|one| one.session == event.session)
        };
        self.witness.is_some()
            || self.watch.as_ref().is_some_and(WaitWatch::sees_waiting)
            || self.effects.events.iter().any(is_followed)
    }

    /// Keeps what reports are made of.
    #[inline(never)]
    fn notice(&mut self, event: ServerEvent, cx: &mut Context<'_, Message, Event>) {
        if event.kind == EventKind::Waits
            && let Some(blocker) = self.database.first_blocker(event.session)
        {
            cx.log(Event::Blocked { waiter: event.session, blocker });
        }
        if self.witness.is_some() {
            self.tell_transition(cx.now(), event);
        }
        if let Some(watch) = &mut self.watch
            && watch.notice(event.kind, event.session, cx.now())
        {
            cx.set_timer(cx.now() + INTERVAL, LOOK);
        }
        if let Some(at) = self.questioners.iter().position(|one| one.session == event.session) {
            self.note_wait(at, event, cx.now());
        }
    }
}

impl Actor<Message, Event> for LockManager {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        if key == LOOK {
            if let Some(watch) = &mut self.watch
                && watch.look(&self.database, cx.now())
            {
                cx.set_timer(cx.now() + INTERVAL, LOOK);
            }
            return;
        }
        self.stir();
        let timer = Timer(key);
        self.look_at_wait(timer);
        self.database.fire(cx.now(), timer, &mut self.effects);
        self.flush(cx);
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        self.stir();
        match message {
            Message::Execute { session, statement, params, work } => {
                self.sends(cx.now(), session, || Sent::Prepared(statement));
                let mut values = smallvec::SmallVec::<[Value; 2]>::new();
                for key in params {
                    values.push(Value::Int(key));
                }
                self.database.execute_unread(cx.now(), session, statement, &values, work, &mut self.effects);
                self.flush(cx);
            }
            Message::Replay { session, texts, at } => {
                if let Some(text) = texts.get(at) {
                    self.replay(session, text, cx);
                }
            }
            Message::Query { session, sql, timeouts } => self.query(session, &sql, timeouts, cx),
            Message::Cancel { session } => {
                self.database.cancel(cx.now(), session, &mut self.effects);
                self.flush(cx);
            }
            Message::Connect { application_name, settings, count, instead_of } => {
                if instead_of.is_some() {
                    // The server has closed it already; its place is free.
                    self.connections.open = self.connections.open.saturating_sub(1);
                }
                let sessions = self.connect(from, &application_name, *settings, count, cx);
                cx.send(from, Message::Connected { sessions, instead_of });
            }
            Message::Disconnect { sessions } => self.disconnect(&sessions, cx),
            Message::Probe { statements } => {
                let failure = statements.iter().find_map(|one| self.database.check(*one).err());
                cx.send(from, Message::Probed(failure.map(|error| error.sqlstate)));
            }
            _ => {}
        }
    }
}
