//! Sessions beside the application: reports, statistics, dumps. Each follows its script.

use sim_clock::{Actor, ActorId, Context, Nanos, Stream};
use transactions::SessionId;

use crate::event::{Event, StatementStep};
use crate::message::Message;
use crate::request::Step;

/// A session with a script.
#[derive(Debug)]
pub struct Background {
    server: ActorId,
    session: SessionId,
    steps: Vec<Step>,
    every: Option<Nanos>,
    rollback: Step,
    service: Stream,
    began: Nanos,
    at: usize,
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
        Self { server, session, steps, every, rollback, service, began: Nanos::ZERO, at: usize::MAX }
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
            None => {
                if let Some(every) = self.every {
                    cx.set_timer((self.began + every).max(cx.now()), 0);
                }
            }
        }
    }
}

impl Actor<Message, Event> for Background {
    fn on_timer(&mut self, _: u64, cx: &mut Context<'_, Message, Event>) {
        if self.at < self.steps.len() {
            // The client has thought; the next statement comes.
            return self.proceed(cx);
        }
        (self.began, self.at) = (cx.now(), 0);
        self.proceed(cx);
    }

    fn on_message(&mut self, _: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        let Message::Completed { outcome, .. } = message else { return };
        if self.at < self.steps.len() {
            let step = outcome.map_or_else(StatementStep::Fails, |()| StatementStep::Succeeds);
            self.log(step, cx);
        }
        if outcome.is_err() && self.at < self.steps.len() {
            // The script is over; whatever transaction it was in must not linger.
            self.at = usize::MAX;
            return cx.send(self.server, self.rollback.execute(self.session, &[], None));
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
