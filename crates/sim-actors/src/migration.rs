//! The coordinator as an actor: it carries a story's questions to the lock manager and the fleet.

use sim_clock::{Actor, ActorId, Context};
use transactions::{SessionId, SqlState};

use crate::coordinator::coroutine::{Answer, Ask, Coroutine, Turn};
use crate::coordinator::database::InstanceStatus;
use crate::event::{Event, StatementStep};
use crate::message::Message;

/// An instance that the coordinator may move.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub actor: ActorId,
    /// The version that it runs, by its place in the list.
    pub version: usize,
}

/// Runs one story to its end, and ends the run with it.
pub struct MigrationCoordinator<R> {
    story: Coroutine<R>,
    server: ActorId,
    session: SessionId,
    fleet: Vec<Managed>,
    versions: Vec<String>,
    /// The instance under deployment and its version to be.
    deploying: Option<(usize, usize)>,
    begun: bool,
    /// Whether the run ends with the story.
    ends_run: bool,
    statements: u32,
    outcome: Option<R>,
}

impl<R> MigrationCoordinator<R> {
    /// A coordinator that begins its story when its timer fires.
    #[must_use]
    pub fn new(
        story: Coroutine<R>,
        server: ActorId,
        session: SessionId,
        fleet: Vec<Managed>,
        versions: Vec<String>,
    ) -> Self {
        let (deploying, outcome, begun, ends_run, statements) = (None, None, false, true, 0);
        Self { story, server, session, fleet, versions, deploying, begun, ends_run, statements, outcome }
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

    fn resume(&mut self, mut answer: Option<Answer>, cx: &mut Context<'_, Message, Event>) {
        loop {
            let ask = match self.story.resume(cx.now(), answer.take()) {
                Turn::Asks(ask) => ask,
                Turn::Returns(outcome) => {
                    self.outcome = Some(outcome);
                    if self.ends_run {
                        cx.stop();
                    }
                    return;
                }
            };
            answer = self.carry_out(ask, cx);
            if answer.is_none() {
                return;
            }
        }
    }

    /// Sends a question on its way, or answers it at once.
    fn carry_out(&mut self, ask: Ask, cx: &mut Context<'_, Message, Event>) -> Option<Answer> {
        match ask {
            Ask::Execute { sql, timeouts } => {
                self.statements += 1;
                self.log(StatementStep::Begins, cx);
                tracing::debug!(at = %cx.now(), sql, "migration statement");
                let (session, sql) = (self.session, sql.into());
                cx.send(self.server, Message::Query { session, sql, timeouts });
                None
            }
            Ask::Sleep(span) => {
                cx.log(Event::Pauses { span });
                cx.set_timer(cx.now() + span, 0);
                None
            }
            Ask::Serve { instances, serve } => {
                let told = self.fleet.iter().filter(|managed| instances.contains(&managed.name));
                for managed in told {
                    cx.send(managed.actor, Message::Serve(serve));
                }
                Some(Answer::Serving)
            }
            Ask::Instances => Some(Answer::Instances(self.instances())),
            Ask::Deploy { instance, version } => {
                let at = self.fleet.iter().position(|managed| managed.name == instance);
                let to = self.versions.iter().position(|name| *name == version);
                let (Some(at), Some(to)) = (at, to) else {
                    let reason = format!("there is no instance {instance} or no version {version}");
                    return Some(Answer::Deployed(Err(reason)));
                };
                self.deploying = Some((at, to));
                cx.send(self.fleet[at].actor, Message::Deploy { version: to });
                None
            }
        }
    }

    fn instances(&self) -> Vec<InstanceStatus> {
        let status = |managed: &Managed| InstanceStatus {
            name: managed.name.clone(),
            version: self.versions.get(managed.version).cloned().unwrap_or_default(),
        };
        self.fleet.iter().map(status).collect()
    }

    fn log(&self, step: StatementStep, cx: &mut Context<'_, Message, Event>) {
        cx.log(Event::Migration { statement: self.statements, step });
    }
}

/// Stories begin, and wake from their sleep, by the only timer that the coordinator has.
impl<R> Actor<Message, Event> for MigrationCoordinator<R> {
    fn on_timer(&mut self, _: u64, cx: &mut Context<'_, Message, Event>) {
        let answer = self.begun.then_some(Answer::Slept);
        self.begun = true;
        self.resume(answer, cx);
    }

    fn on_message(&mut self, _: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match message {
            Message::Answered(outcome) => {
                self.log(
                    match &*outcome {
                        Ok(_) => StatementStep::Succeeds,
                        Err(error) => StatementStep::Fails(SqlState::new(&error.sqlstate)),
                    },
                    cx,
                );
                self.resume(Some(Answer::Executed(*outcome)), cx);
            }
            Message::Deployed(outcome) => {
                if let (Some((at, version)), Ok(())) = (self.deploying.take(), &outcome) {
                    self.fleet[at].version = version;
                }
                self.resume(Some(Answer::Deployed(outcome.map_err(String::from))), cx);
            }
            _ => {}
        }
    }
}
