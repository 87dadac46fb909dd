//! The coordinator as an actor: it carries a story's questions to the lock manager and the fleet.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use sim_clock::{Actor, ActorId, Context};
use transactions::{SessionId, SessionSettings, SqlState};

use crate::coordinator::coroutine::{Answer, Ask, Branch, Coroutine, Turn};
use crate::coordinator::database::{DatabaseError, InstanceStatus};
use crate::event::{Event, StatementStep};
use crate::message::Message;

/// An instance that the coordinator may move.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub actor: ActorId,
    /// The name of its application.
    pub application: Rc<str>,
    /// The names of its application's versions.
    pub versions: Rc<[String]>,
    /// The version that it runs, by its place in the list.
    pub version: usize,
    /// Whether it runs.
    pub running: bool,
}

/// What an instance was asked to do.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// By which line of the story.
    branch: Branch,
    /// The version that it runs if all goes well.
    version: usize,
    /// Whether it runs then.
    running: bool,
    /// Whether it is only to start, and not there yet.
    holds: bool,
}

/// Runs one story to its end, and ends the run with it.
pub struct MigrationCoordinator<R> {
    story: Coroutine<R>,
    server: ActorId,
    /// The connections of the story's lines.
    sessions: BTreeMap<Branch, SessionId>,
    /// What connections that it opens have for settings.
    settings: SessionSettings,
    /// The lines that wait for a connection, in order.
    connecting: VecDeque<Branch>,
    fleet: Vec<Managed>,
    /// What the instances are at, by their place.
    orders: BTreeMap<usize, Order>,
    /// Who wants to know how an instance does.
    examining: BTreeMap<usize, Branch>,
    /// The statements under way, by session.
    executing: BTreeMap<SessionId, (Branch, u32)>,
    begun: bool,
    /// Whether the run ends with the story.
    ends_run: bool,
    texts: Vec<Box<str>>,
    outcome: Option<R>,
}

/// `too_many_connections` (manual, appendix A).
const TOO_MANY_CONNECTIONS: &str = "53300";

/// The timer that begins the story; the others are for its lines.
const BEGIN: u64 = 0;

impl<R> MigrationCoordinator<R> {
    /// A coordinator that begins its story when its timer 0 fires. The story's first line has `session`.
    #[must_use]
    pub fn new(story: Coroutine<R>, server: ActorId, session: SessionId, fleet: Vec<Managed>) -> Self {
        Self {
            story,
            server,
            sessions: BTreeMap::from([(Branch::default(), session)]),
            settings: SessionSettings::default(),
            connecting: VecDeque::new(),
            fleet,
            orders: BTreeMap::new(),
            examining: BTreeMap::new(),
            executing: BTreeMap::new(),
            begun: false,
            ends_run: true,
            texts: Vec::new(),
            outcome: None,
        }
    }

    /// Gives the connections that the story opens these settings.
    #[must_use]
    pub fn connecting_with(mut self, settings: SessionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Lets the run go on after the story.
    #[must_use]
    pub fn beside_others(mut self) -> Self {
        self.ends_run = false;
        self
    }

    /// What the story came to, if it has ended.
    pub fn take_outcome(&mut self) -> Option<R> {
        self.outcome.take()
    }

    /// The statements that it has sent, in order.
    #[must_use]
    pub fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    fn resume(&mut self, answer: Option<(Branch, Answer)>, cx: &mut Context<'_, Message, Event>) {
        let mut ready = VecDeque::new();
        let mut turn = self.story.resume(cx.now(), answer);
        loop {
            match turn {
                Turn::Asks(asks) => {
                    for (branch, ask) in asks {
                        ready.extend(self.carry_out(branch, ask, cx).map(|answer| (branch, answer)));
                    }
                }
                Turn::Returns(outcome) => {
                    self.outcome = Some(outcome);
                    if self.ends_run {
                        cx.stop();
                    }
                    return;
                }
            }
            let Some(next) = ready.pop_front() else { return };
            turn = self.story.resume(cx.now(), Some(next));
        }
    }

    /// Sends a question on its way, or answers it at once.
    fn carry_out(
        &mut self,
        branch: Branch,
        ask: Ask,
        cx: &mut Context<'_, Message, Event>,
    ) -> Option<Answer> {
        match ask {
            Ask::Execute { sql, timeouts } => {
                let Some(session) = self.sessions.get(&branch).copied() else {
                    return Some(Answer::Executed(Err(no_connection("the line has no connection"))));
                };
                let sql: Box<str> = sql.into();
                self.texts.push(sql.clone());
                let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                self.executing.insert(session, (branch, number));
                cx.log(Event::Migration { session, statement: number, step: StatementStep::Begins });
                tracing::debug!(at = %cx.now(), sql, "migration statement");
                cx.send(self.server, Message::Query { session, sql, timeouts });
                None
            }
            Ask::Sleep(span) => {
                cx.log(Event::Pauses { span });
                cx.set_timer(cx.now() + span, u64::from(branch.0) + 1);
                None
            }
            Ask::Connect { name } => {
                self.connecting.push_back(branch);
                let (settings, application_name) = (Box::new(self.settings), name.as_str().into());
                let (count, instead_of) = (1, None);
                cx.send(self.server, Message::Connect { application_name, settings, count, instead_of });
                None
            }
            Ask::Disconnect => {
                if let Some(session) = self.sessions.remove(&branch) {
                    cx.send(self.server, Message::Disconnect { sessions: vec![session] });
                }
                Some(Answer::Disconnected)
            }
            Ask::Serve { instances, serve } => {
                let told = self.fleet.iter().filter(|managed| instances.contains(&managed.name));
                for managed in told {
                    cx.send(managed.actor, Message::Serve(serve));
                }
                Some(Answer::Serving)
            }
            Ask::Instances => Some(Answer::Instances(self.instances())),
            Ask::Vitals { instance } => {
                let Some(at) = self.place(&instance) else {
                    return Some(Answer::Vitals(crate::coordinator::database::Vitals::default()));
                };
                self.examining.insert(at, branch);
                cx.send(self.fleet[at].actor, Message::Examine);
                None
            }
            Ask::Deploy { instance, version, hold } => {
                let at = self.place(&instance);
                let to = at.and_then(|at| self.fleet[at].versions.iter().position(|name| *name == version));
                let (Some(at), Some(to)) = (at, to) else {
                    let reason = format!("there is no instance {instance} or no version {version}");
                    return Some(Answer::Deployed(Err(reason)));
                };
                self.order(
                    at,
                    Order { branch, version: to, running: true, holds: hold },
                    cx,
                    Message::Deploy { version: to, hold },
                )
            }
            Ask::Admit { instance, start } => {
                let Some((at, order)) =
                    self.place(&instance).and_then(|at| Some((at, *self.orders.get(&at)?)))
                else {
                    return Some(Answer::Deployed(Err(format!("{instance} is not waiting to be admitted"))));
                };
                self.order(
                    at,
                    Order { branch, holds: false, ..order },
                    cx,
                    Message::Admit(start.map_err(Into::into)),
                )
            }
            Ask::Stop { instance } => {
                let Some(at) = self.place(&instance) else {
                    return Some(Answer::Deployed(Err(format!("there is no instance {instance}"))));
                };
                let version = self.fleet[at].version;
                self.order(at, Order { branch, version, running: false, holds: false }, cx, Message::Stop)
            }
        }
    }

    fn place(&self, instance: &str) -> Option<usize> {
        self.fleet.iter().position(|managed| managed.name == instance)
    }

    fn order(
        &mut self,
        at: usize,
        order: Order,
        cx: &mut Context<'_, Message, Event>,
        message: Message,
    ) -> Option<Answer> {
        self.orders.insert(at, order);
        cx.send(self.fleet[at].actor, message);
        None
    }

    fn instances(&self) -> Vec<InstanceStatus> {
        let status = |managed: &Managed| InstanceStatus {
            name: managed.name.clone(),
            application: managed.application.to_string(),
            version: managed.versions.get(managed.version).cloned().unwrap_or_default(),
            running: managed.running,
        };
        self.fleet.iter().map(status).collect()
    }

    fn answered(
        &mut self,
        session: SessionId,
        outcome: Result<crate::coordinator::database::Executed, DatabaseError>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Some((branch, statement)) = self.executing.remove(&session) else { return };
        let step = match &outcome {
            Ok(_) => StatementStep::Succeeds,
            Err(error) => StatementStep::Fails(SqlState::new(&error.sqlstate)),
        };
        cx.log(Event::Migration { session, statement, step });
        self.resume(Some((branch, Answer::Executed(outcome))), cx);
    }

    fn connected(&mut self, session: Option<SessionId>, cx: &mut Context<'_, Message, Event>) {
        let Some(branch) = self.connecting.pop_front() else { return };
        let outcome = match session {
            Some(session) => {
                self.sessions.insert(branch, session);
                Ok(())
            }
            None => Err(no_connection("sorry, too many clients already")),
        };
        self.resume(Some((branch, Answer::Connected(outcome))), cx);
    }

    fn deployed(
        &mut self,
        from: ActorId,
        outcome: Result<(), Box<str>>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Some(at) = self.fleet.iter().position(|managed| managed.actor == from) else { return };
        let Some(order) = self.orders.get(&at).copied() else { return };
        if outcome.is_ok() && !order.holds {
            (self.fleet[at].version, self.fleet[at].running) = (order.version, order.running);
        }
        self.resume(Some((order.branch, Answer::Deployed(outcome.map_err(String::from)))), cx);
    }
}

fn no_connection(message: &str) -> DatabaseError {
    DatabaseError { sqlstate: TOO_MANY_CONNECTIONS.to_owned(), message: message.to_owned(), lock: None }
}

impl<R> Actor<Message, Event> for MigrationCoordinator<R> {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        if key == BEGIN {
            if !std::mem::replace(&mut self.begun, true) {
                self.resume(None, cx);
            }
            return;
        }
        let branch = Branch(u32::try_from(key - 1).unwrap_or(u32::MAX));
        self.resume(Some((branch, Answer::Slept)), cx);
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match message {
            Message::Answered { session, outcome } => self.answered(session, *outcome, cx),
            Message::Connected { sessions, .. } => self.connected(sessions.first().copied(), cx),
            Message::Deployed(outcome) => self.deployed(from, outcome, cx),
            Message::Vitals(vitals) => {
                let at = self.fleet.iter().position(|managed| managed.actor == from);
                if let Some(branch) = at.and_then(|at| self.examining.remove(&at)) {
                    self.resume(Some((branch, Answer::Vitals(vitals))), cx);
                }
            }
            _ => {}
        }
    }
}
