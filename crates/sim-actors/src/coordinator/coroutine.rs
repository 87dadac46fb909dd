//! The coordinator as a synchronous state machine: questions come out, answers go in.
//!
//! Its logic is written as an `async fn` against [`Database`] and [`Fleet`], because a migration is
//! a story with waits in it. Here that story becomes a coroutine: [`Coroutine::resume`] runs it up
//! to its next questions (a story may have several lines) and gives them back. There is no runtime and no waker in it, so the
//! bare loop, an actor or a driver with a real connection can carry the questions out alike.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use sim_clock::{Nanos, Stream};

use super::database::{
    Branching, Connecting, Database, DatabaseError, Executed, Fleet, InstanceStatus, Timeouts, Vitals,
};

/// One of the lines of a story, by number. A line waits for one answer at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch(pub u32);

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
    /// A connection for this line.
    Connect {
        /// Its `application_name`.
        name: String,
    },
    /// The end of this line's connection.
    Disconnect,
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
        /// Whether it waits for [`Ask::Admit`] once it has started.
        hold: bool,
    },
    /// An instance that has started: to its health check, or back.
    Admit {
        /// Which instance.
        instance: String,
        /// Whether its start went well.
        start: Result<(), String>,
    },
    /// An instance drained and stopped.
    Stop {
        /// Which.
        instance: String,
    },
    /// How an instance does.
    Vitals {
        /// Which.
        instance: String,
    },
}

/// The answer to an [`Ask`] of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The statement's outcome.
    Executed(Result<Executed, DatabaseError>),
    /// The while has passed.
    Slept,
    /// The connection, or why there is none.
    Connected(Result<(), DatabaseError>),
    /// It is closed.
    Disconnected,
    /// The fleet.
    Instances(Vec<InstanceStatus>),
    /// The balancer will be told.
    Serving,
    /// Whether the instance was moved, held, admitted or stopped.
    Deployed(Result<(), String>),
    /// How it does.
    Vitals(Vitals),
}

/// How far a [`Coroutine`] got.
#[derive(Debug)]
pub enum Turn<R> {
    /// Its lines need these answers to go on, besides those that they asked for before.
    Asks(Vec<(Branch, Ask)>),
    /// It is over.
    Returns(R),
}

struct Mailbox {
    now: Nanos,
    chance: Stream,
    asks: Vec<(Branch, Ask)>,
    answers: BTreeMap<Branch, Answer>,
    branches: u32,
}

/// A line's end of the mailbox: what it takes for a database and a fleet.
pub struct Port {
    mailbox: Rc<RefCell<Mailbox>>,
    branch: Branch,
}

impl Port {
    async fn ask(&self, ask: Ask) -> Answer {
        self.mailbox.borrow_mut().asks.push((self.branch, ask));
        poll_fn(|_| match self.mailbox.borrow_mut().answers.remove(&self.branch) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }

    async fn ask_to_move(&self, ask: Ask) -> Result<(), String> {
        match self.ask(ask).await {
            Answer::Deployed(outcome) => outcome,
            _ => unreachable!("{MISMATCH}"),
        }
    }
}

impl Branching for Port {
    fn branch(&self) -> Self {
        let mut mailbox = self.mailbox.borrow_mut();
        mailbox.branches += 1;
        Self { mailbox: Rc::clone(&self.mailbox), branch: Branch(mailbox.branches) }
    }
}

impl Connecting for Port {
    async fn connect(&self, name: &str) -> Result<Self, DatabaseError> {
        let connection = self.branch();
        match connection.ask(Ask::Connect { name: name.to_owned() }).await {
            Answer::Connected(outcome) => outcome.map(|()| connection),
            _ => unreachable!("{MISMATCH}"),
        }
    }

    async fn close(self) {
        self.ask(Ask::Disconnect).await;
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
        self.ask_to_move(Ask::Deploy { instance, version, hold: false }).await
    }

    async fn boot(&mut self, instance: &str, version: &str) -> Result<(), String> {
        let (instance, version) = (instance.to_owned(), version.to_owned());
        self.ask_to_move(Ask::Deploy { instance, version, hold: true }).await
    }

    async fn admit(&mut self, instance: &str, start: Result<(), String>) -> Result<(), String> {
        self.ask_to_move(Ask::Admit { instance: instance.to_owned(), start }).await
    }

    async fn stop(&mut self, instance: &str) -> Result<(), String> {
        self.ask_to_move(Ask::Stop { instance: instance.to_owned() }).await
    }

    async fn vitals(&mut self, instance: &str) -> Vitals {
        match self.ask(Ask::Vitals { instance: instance.to_owned() }).await {
            Answer::Vitals(vitals) => vitals,
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
        let (asks, answers) = (Vec::new(), BTreeMap::new());
        let mailbox = Mailbox { now: Nanos::ZERO, chance, asks, answers, branches: 0 };
        let mailbox = Rc::new(RefCell::new(mailbox));
        let port = Port { mailbox: Rc::clone(&mailbox), branch: Branch::default() };
        Self { mailbox, story: Box::pin(story(port)) }
    }

    /// Runs it up to its next questions. The first call takes no answer, every other one does.
    pub fn resume(&mut self, now: Nanos, answer: Option<(Branch, Answer)>) -> Turn<R> {
        {
            let mut mailbox = self.mailbox.borrow_mut();
            mailbox.now = now;
            mailbox.answers.extend(answer);
        }
        match self.story.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Turn::Returns(result),
            Poll::Pending => Turn::Asks(std::mem::take(&mut self.mailbox.borrow_mut().asks)),
        }
    }
}

/// Runs lines of a story side by side, and gives what each came to.
pub async fn all<'s, T>(lines: Vec<Pin<Box<dyn Future<Output = T> + 's>>>) -> Vec<T> {
    let mut lines: Vec<(Option<T>, Pin<Box<dyn Future<Output = T> + 's>>)> =
        lines.into_iter().map(|line| (None, line)).collect();
    poll_fn(|context| {
        for (outcome, line) in lines.iter_mut().filter(|line| line.0.is_none()) {
            if let Poll::Ready(done) = line.as_mut().poll(context) {
                *outcome = Some(done);
            }
        }
        if lines.iter().all(|line| line.0.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    lines.into_iter().filter_map(|line| line.0).collect()
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
        let only = |turn| match turn {
            Turn::Asks(mut asks) if asks.len() == 1 => asks.remove(0).1,
            other => panic!("one question, not {other:?}"),
        };
        assert_eq!(only(story.resume(Nanos(10), None)), Ask::Sleep(Nanos(5)));
        let second = only(story.resume(Nanos(15), Some((Branch(0), Answer::Slept))));
        let Ask::Execute { sql, .. } = second else {
            panic!("then it asks the database");
        };
        assert_eq!(sql, "SELECT 1");
        let done = Executed { rows_affected: 1, rows: Vec::new() };
        let last = story.resume(Nanos(20), Some((Branch(0), Answer::Executed(Ok(done)))));
        let Turn::Returns(result) = last else {
            panic!("then it is over");
        };
        assert_eq!(result, (Nanos(10), Nanos(20), Ok(1)));
    }

    #[test]
    fn lines_side_by_side_wait_each_for_its_own_answer() {
        let chance = sim_clock::Seed(1).stream("jitter");
        let mut story = Coroutine::new(chance, |port| async move {
            let line = |span: u64| {
                let mut port = port.branch();
                let line: Pin<Box<dyn Future<Output = u64>>> = Box::pin(async move {
                    port.sleep(Nanos(span)).await;
                    port.now().0
                });
                line
            };
            all(vec![line(30), line(10)]).await
        });
        let Turn::Asks(asks) = story.resume(Nanos(0), None) else { panic!("both sleep") };
        assert_eq!(asks, [(Branch(1), Ask::Sleep(Nanos(30))), (Branch(2), Ask::Sleep(Nanos(10)))]);
        let Turn::Asks(asks) = story.resume(Nanos(10), Some((Branch(2), Answer::Slept))) else {
            panic!("one line sleeps on")
        };
        assert_eq!(asks, []);
        let last = story.resume(Nanos(30), Some((Branch(1), Answer::Slept)));
        let Turn::Returns(times) = last else { panic!("it is over") };
        assert_eq!(times, [30, 10]);
    }
}
