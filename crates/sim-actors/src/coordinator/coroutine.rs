//! The coordinator as a synchronous state machine: questions come out, answers go in.
//!
//! Its logic is written as an `async fn` against [`Database`] and [`Fleet`], because a migration is
//! a story with waits in it. Here that story becomes a coroutine: [`Coroutine::resume`] runs it up
//! to its next question and gives the question back. There is no runtime and no waker in it, so the
//! bare loop, an actor or a driver with a real connection can carry the questions out alike.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use sim_clock::{Nanos, Stream};

use super::database::{Database, DatabaseError, Executed, Fleet, InstanceStatus, Timeouts};

/// What the story needs to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The outcome of a statement.
    Execute {
        /// Its text.
        sql: String,
        /// Its limits.
        timeouts: Timeouts,
    },
    /// To be woken after a while.
    Sleep(Nanos),
    /// The state of the fleet.
    Instances,
    /// Instances in rotation, or out of it.
    Serve {
        /// Which instances.
        instances: Vec<String>,
        /// Whether they take requests from now on.
        serve: bool,
    },
    /// An instance on another version.
    Deploy {
        /// Which instance.
        instance: String,
        /// Which version.
        version: String,
    },
}

/// The answer to an [`Ask`] of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The statement's outcome.
    Executed(Result<Executed, DatabaseError>),
    /// The while has passed.
    Slept,
    /// The fleet.
    Instances(Vec<InstanceStatus>),
    /// The balancer will be told.
    Serving,
    /// Whether the instance was moved.
    Deployed(Result<(), String>),
}

/// How far a [`Coroutine`] got.
#[derive(Debug)]
pub enum Turn<R> {
    /// It needs an answer to go on.
    Asks(Ask),
    /// It is over.
    Returns(R),
}

struct Mailbox {
    now: Nanos,
    chance: Stream,
    ask: Option<Ask>,
    answer: Option<Answer>,
}

/// The story's end of the mailbox: what it takes for a database and a fleet.
#[derive(Clone)]
pub struct Port {
    mailbox: Rc<RefCell<Mailbox>>,
}

impl Port {
    async fn ask(&self, ask: Ask) -> Answer {
        self.mailbox.borrow_mut().ask = Some(ask);
        poll_fn(|_| match self.mailbox.borrow_mut().answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }
}

/// A driver that answers one question with the answer to another has a bug.
const MISMATCH: &str = "the answer is of the kind that was asked for";

impl Database for Port {
    async fn execute(&mut self, sql: &str, timeouts: Timeouts) -> Result<Executed, DatabaseError> {
        match self.ask(Ask::Execute { sql: sql.to_owned(), timeouts }).await {
            Answer::Executed(outcome) => outcome,
            _ => unreachable!("{MISMATCH}"),
        }
    }

    async fn sleep(&mut self, span: Nanos) {
        if span > Nanos::ZERO {
            self.ask(Ask::Sleep(span)).await;
        }
    }

    fn chance(&mut self) -> f64 {
        self.mailbox.borrow_mut().chance.unit()
    }

    fn now(&self) -> Nanos {
        self.mailbox.borrow().now
    }
}

impl Fleet for Port {
    async fn instances(&mut self) -> Vec<InstanceStatus> {
        match self.ask(Ask::Instances).await {
            Answer::Instances(instances) => instances,
            _ => unreachable!("{MISMATCH}"),
        }
    }

    async fn serve(&mut self, instances: &[String], serve: bool) {
        self.ask(Ask::Serve { instances: instances.to_vec(), serve }).await;
    }

    async fn deploy(&mut self, instance: &str, version: &str) -> Result<(), String> {
        let (instance, version) = (instance.to_owned(), version.to_owned());
        match self.ask(Ask::Deploy { instance, version }).await {
            Answer::Deployed(outcome) => outcome,
            _ => unreachable!("{MISMATCH}"),
        }
    }
}

/// A story under way.
pub struct Coroutine<R> {
    mailbox: Rc<RefCell<Mailbox>>,
    story: Pin<Box<dyn Future<Output = R>>>,
}

impl<R> Coroutine<R> {
    /// Prepares a story; nothing of it runs yet. Its jitter comes from `chance`.
    pub fn new<F: Future<Output = R> + 'static>(chance: Stream, story: impl FnOnce(Port) -> F) -> Self {
        let mailbox = Mailbox { now: Nanos::ZERO, chance, ask: None, answer: None };
        let mailbox = Rc::new(RefCell::new(mailbox));
        let port = Port { mailbox: Rc::clone(&mailbox) };
        Self { mailbox, story: Box::pin(story(port)) }
    }

    /// Runs it up to its next question. The first call takes no answer, every other one does.
    pub fn resume(&mut self, now: Nanos, answer: Option<Answer>) -> Turn<R> {
        {
            let mut mailbox = self.mailbox.borrow_mut();
            (mailbox.now, mailbox.answer) = (now, answer);
        }
        match self.story.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Turn::Returns(result),
            Poll::Pending => match self.mailbox.borrow_mut().ask.take() {
                Some(ask) => Turn::Asks(ask),
                None => unreachable!("a story waits for nothing but answers"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_runs_from_question_to_question() {
        let chance = sim_clock::Seed(1).stream("jitter");
        let mut story = Coroutine::new(chance, |mut port| async move {
            let started = port.now();
            port.sleep(Nanos(5)).await;
            let outcome = port.execute("SELECT 1", Timeouts::default()).await;
            (started, port.now(), outcome.map(|done| done.rows_affected))
        });
        let Turn::Asks(Ask::Sleep(Nanos(5))) = story.resume(Nanos(10), None) else {
            panic!("it sleeps first");
        };
        let Turn::Asks(Ask::Execute { sql, .. }) = story.resume(Nanos(15), Some(Answer::Slept)) else {
            panic!("then it asks the database");
        };
        assert_eq!(sql, "SELECT 1");
        let done = Executed { rows_affected: 1, rows: Vec::new() };
        let Turn::Returns(result) = story.resume(Nanos(20), Some(Answer::Executed(Ok(done)))) else {
            panic!("then it is over");
        };
        assert_eq!(result, (Nanos(10), Nanos(20), Ok(1)));
    }
}
