//! Whether an instance is in rotation: its health check, and ejection after failures in a row.
//!
//! A health check goes through the pool like any request. So an instance whose connections are all
//! stuck behind a lock fails it, though nothing is wrong with the instance itself.

use sim_clock::{Context, Nanos};
use transactions::{SessionId, SqlState};

use super::pool::Waiting;
use super::{AppInstance, EJECTED, HEALTH, closes_session};
use crate::event::Event;
use crate::message::{Keys, Message};
use crate::request::Step;

/// The kind of request that a health check is.
pub(super) const CHECK: u32 = u32::MAX;

/// How an instance is checked.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// What it runs; nothing tests the pool alone.
    pub step: Option<Step>,
    /// Whether it has a connection of its own, beside the pool's.
    pub own_connection: bool,
    /// From the start of one check to that of the next.
    pub every: Nanos,
    /// How long a check may take.
    pub timeout: Nanos,
    /// Failures in a row that take the instance out of rotation.
    pub unhealthy_after: u32,
    /// Successes in a row that bring it back.
    pub healthy_after: u32,
}

/// Taking an instance out because the requests that it got failed in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// After that many failures in a row.
    pub after: u32,
    /// For that long.
    pub length: Nanos,
}

#[derive(Debug, Default)]
pub(super) struct Health {
    /// Counts checks, so that an old one's timers are known as such.
    check: u64,
    /// Its place in the queue for a connection.
    ticket: u64,
    under_way: bool,
    /// Whether a statement is under way on the check's own connection, wanted or not.
    busy: bool,
    failures: u32,
    successes: u32,
    failed_requests: u32,
    unhealthy: bool,
    ejected: bool,
}

impl Health {
    pub(super) fn takes_requests(&self) -> bool {
        !self.unhealthy && !self.ejected
    }

    /// A new process knows nothing of how the old one did.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { check: self.check, ..Self::default() };
    }
}

impl AppInstance {
    /// Begins checking: the caller sets the first timer by this key.
    #[must_use]
    pub fn first_check(&self) -> Option<(Nanos, u64)> {
        self.settings.health_check.as_ref().map(|check| (check.every, HEALTH))
    }

    pub(super) fn health_timer(&mut self, check: u64, cx: &mut Context<'_, Message, Event>) {
        if check == 0 {
            self.begin_check(cx);
        } else if check == self.health.check && self.health.under_way {
            self.pool.give_up(self.health.ticket);
            self.checked(false, cx);
        }
    }

    fn begin_check(&mut self, cx: &mut Context<'_, Message, Event>) {
        let Some(check) = &self.settings.health_check else { return };
        cx.set_timer(cx.now() + check.every, HEALTH);
        self.check_now(cx);
    }

    /// Checks, unless a check is under way or there is nothing to be checked.
    pub(super) fn check_now(&mut self, cx: &mut Context<'_, Message, Event>) {
        let Some(check) = &self.settings.health_check else { return };
        let due = self.is_serving() || self.is_starting_up();
        if self.health.under_way || !due || self.health.busy || self.pool.runs(CHECK) {
            return;
        }
        let limit = cx.now() + check.timeout;
        self.health.check += 1;
        self.health.under_way = true;
        cx.set_timer(limit, HEALTH | self.health.check);
        if let Some(session) = self.check_session {
            return self.check_on(session, cx);
        }
        self.health.ticket = self.admit(Waiting::new(CHECK, Keys::new(), None, cx.now()), cx);
    }

    /// Takes connections: the last one is the health check's if it has its own.
    pub(super) fn opened(mut self, sessions: Vec<SessionId>) -> Self {
        self.open(sessions);
        self
    }

    pub(super) fn open(&mut self, mut sessions: Vec<SessionId>) {
        if self.settings.health_check.as_ref().is_some_and(|check| check.own_connection) && sessions.len() > 1
        {
            self.check_session = sessions.pop();
        }
        self.pool.open(sessions);
    }

    /// Checks on the connection that is for that alone.
    fn check_on(&mut self, session: SessionId, cx: &mut Context<'_, Message, Event>) {
        let step = self.settings.health_check.as_ref().and_then(|check| check.step.clone());
        let Some(step) = step else { return self.checked(true, cx) };
        self.health.busy = true;
        let work = step.service.draw(&mut self.service);
        cx.send(self.settings.server, step.execute(session, &[], work));
    }

    pub(super) fn check_completed(
        &mut self,
        session: SessionId,
        outcome: Result<(), SqlState>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        self.health.busy = false;
        if outcome.is_err_and(closes_session) {
            self.replace_session(session, cx);
        }
        self.checked(outcome.is_ok(), cx);
    }

    /// A check has ended, or its time is over.
    pub(super) fn checked(&mut self, passed: bool, cx: &mut Context<'_, Message, Event>) {
        let Some(check) = &self.settings.health_check else { return };
        if !std::mem::take(&mut self.health.under_way) {
            return;
        }
        let passed = passed && !self.starts_in_vain();
        if passed {
            (self.health.successes, self.health.failures) = (self.health.successes + 1, 0);
        } else {
            (self.health.failures, self.health.successes) = (self.health.failures + 1, 0);
        }
        if self.is_starting_up() {
            return self.start_checked(passed, self.health.failures, cx);
        }
        let unhealthy = match self.health.unhealthy {
            true => self.health.successes < check.healthy_after,
            false => self.health.failures >= check.unhealthy_after,
        };
        if unhealthy != self.health.unhealthy {
            self.health.unhealthy = unhealthy;
            self.rotate(cx);
        }
    }

    /// Counts what ejects an instance.
    pub(super) fn note_outcome(&mut self, failed: bool, cx: &mut Context<'_, Message, Event>) {
        let Some(ejection) = self.settings.ejection else { return };
        self.health.failed_requests = if failed { self.health.failed_requests + 1 } else { 0 };
        if self.health.failed_requests >= ejection.after && !self.health.ejected {
            self.health.ejected = true;
            cx.set_timer(cx.now() + ejection.length, EJECTED);
            self.rotate(cx);
        }
    }

    pub(super) fn readmit(&mut self, cx: &mut Context<'_, Message, Event>) {
        (self.health.ejected, self.health.failed_requests) = (false, 0);
        self.rotate(cx);
    }

    /// Tells the balancer whether this instance takes requests.
    pub(super) fn rotate(&self, cx: &mut Context<'_, Message, Event>) {
        let takes_requests = self.is_serving() && self.in_rotation && self.health.takes_requests();
        cx.log(Event::Rotation { takes_requests });
        cx.send(self.settings.balancer, Message::Rotation { takes_requests });
    }
}
