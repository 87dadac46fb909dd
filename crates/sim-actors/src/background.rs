//! Sessions beside the application: reports, statistics, dumps, autovacuum. Each follows its script.

use std::rc::Rc;

use sim_clock::{Actor, ActorId, Context, Nanos, Stream};
use transactions::{SessionId, SessionSettings};

use crate::event::{Event, StatementStep};
use crate::instance::closes_session;
use crate::message::Message;
use crate::request::Step;

/// When a script is run again.
#[derive(Clone, Debug, Default)]
pub struct Repetition {
    /// After that span, counted from start to start; never if there is none. A script that is still running then
    /// begins again when it has ended.
    pub every: Option<Nanos>,
    /// Each start is late by up to that much.
    pub jitter: Nanos,
    /// After a failure it begins again after that span, whatever `every` says.
    pub after_failure: Option<Nanos>,
}

/// A session with a script.
#[derive(Debug)]
pub struct Background {
    server: ActorId,
    session: SessionId,
    /// What the session is opened with anew when the server has closed it.
    opened_with: Option<(Rc<str>, SessionSettings)>,
    steps: Vec<Step>,
    repetition: Repetition,
    rollback: Step,
    service: Stream,
    /// When the present run was due, its jitter left out.
    due: Nanos,
    at: usize,
    failed: bool,
}

impl Background {
    /// A session that runs `steps` when its timer fires, and again after `every`.
    #[must_use]
    pub fn new(
        server: ActorId,
        session: SessionId,
        steps: Vec<Step>,
        every: Option<Nanos>,
        rollback: Step,
        service: Stream,
    ) -> Self {
        let repetition = Repetition { every, ..Repetition::default() };
        let (opened_with, due, at, failed) = (None, Nanos::ZERO, usize::MAX, false);
        Self { server, session, opened_with, steps, repetition, rollback, service, due, at, failed }
    }

    /// Opens its session anew when the server has closed it.
    #[must_use]
    pub fn reconnecting(mut self, application_name: Rc<str>, settings: SessionSettings) -> Self {
        self.opened_with = Some((application_name, settings));
        self
    }

    /// Is run again as `repetition` has it.
    #[must_use]
    pub fn repeated(mut self, repetition: Repetition) -> Self {
        self.repetition = repetition;
        self
    }

    /// When it begins if it is due at `start`: its first timer, which is the caller's to set.
    pub fn first_start(&mut self, start: Nanos) -> Nanos {
        self.due = start;
        start + self.lateness()
    }

    fn lateness(&mut self) -> Nanos {
        match self.repetition.jitter {
            Nanos::ZERO => Nanos::ZERO,
            jitter => Nanos(self.service.below(jitter.0)),
        }
    }

    fn log(&self, step: StatementStep, cx: &mut Context<'_, Message, Event>) {
        let statement = u32::try_from(self.at).unwrap_or(u32::MAX);
        cx.log(Event::Background { statement, step });
    }

    fn proceed(&mut self, cx: &mut Context<'_, Message, Event>) {
        match self.steps.get(self.at) {
            Some(step) => {
                let work = step.service.draw(&mut self.service);
                self.log(StatementStep::Begins, cx);
                cx.send(self.server, step.execute(self.session, &[], work));
            }
            None => self.rest(cx),
        }
    }

    /// Waits for the next run, if there is one.
    fn rest(&mut self, cx: &mut Context<'_, Message, Event>) {
        let next = match (self.repetition.after_failure.filter(|_| self.failed), self.repetition.every) {
            (Some(pause), _) => cx.now() + pause,
            (None, Some(every)) => (self.due + every).max(cx.now()),
            (None, None) => return,
        };
        self.due = next;
        let at = next + self.lateness();
        cx.set_timer(at, 0);
    }

    /// The script is over; whatever transaction it was in must not linger.
    fn give_up(&mut self, lost: bool, cx: &mut Context<'_, Message, Event>) {
        (self.at, self.failed) = (usize::MAX, true);
        let message = match &self.opened_with {
            Some((name, settings)) if lost => Message::Connect {
                application_name: Rc::clone(name),
                settings: Box::new(*settings),
                count: 1,
                instead_of: Some(self.session),
            },
            _ => self.rollback.execute(self.session, &[], None),
        };
        cx.send(self.server, message);
    }
}

impl Actor<Message, Event> for Background {
    fn on_timer(&mut self, _: u64, cx: &mut Context<'_, Message, Event>) {
        if self.at >= self.steps.len() {
            (self.at, self.failed) = (0, false);
        }
        self.proceed(cx);
    }

    fn on_message(&mut self, _: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        let outcome = match message {
            Message::Completed { outcome, .. } => outcome,
            Message::Connected { sessions, .. } => {
                // A server without room leaves it with the session that is gone: the next run will ask again.
                self.session = sessions.first().copied().unwrap_or(self.session);
                return self.rest(cx);
            }
            _ => return,
        };
        if self.at < self.steps.len() {
            let step = outcome.map_or_else(StatementStep::Fails, |()| StatementStep::Succeeds);
            self.log(step, cx);
            if let Err(state) = outcome {
                return self.give_up(closes_session(state), cx);
            }
        }
        let think = self.steps.get(self.at).map_or(Nanos::ZERO, |step| step.think);
        self.at = self.at.saturating_add(1);
        if think > Nanos::ZERO && self.at < self.steps.len() {
            cx.set_timer(cx.now() + think, 0);
        } else {
            self.proceed(cx);
        }
    }
}
