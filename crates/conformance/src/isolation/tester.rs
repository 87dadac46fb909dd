//! Runs a spec and writes the transcript, by the rules of PostgreSQL's
//! `src/test/isolation/isolationtester.c` (version 14 and later), in virtual time.
//!
//! The rules in short. A step is sent, and the tester looks every 10 ms whether it has completed
//! or waits for a lock that another session of the spec stands in front of; a statement that is
//! merely slow is awaited. After each step all steps known to wait are looked at again, in the
//! order in which they were started, until each has completed or waits. If the session of the next
//! step is still busy, its running step is awaited first, without regard to locks; this is where a
//! deadlock or a timeout gets the time that it needs. Markers hold back reports, not statements.
//! A step that takes longer than some minutes is cancelled; what lasts twice as long ends the run.
//!
//! Standard output and standard error are one stream here, in the order of writing, as in the
//! files of expected output that PostgreSQL's own tests compare with.

use std::fmt::Write as _;

use sim_clock::Nanos;

use super::server::{Connection, Message, Outcome, Server};
use super::spec::{Marker, Permutation, PermutationStep, Spec};

const POLL_INTERVAL: Nanos = Nanos::from_millis(10);

/// How long a step may take before it is cancelled: twice the tests' usual timeout of 180 s since
/// version 16, five minutes before.
const fn max_step_wait(major: u32) -> Nanos {
    Nanos::from_secs(if major >= 16 { 360 } else { 300 })
}

/// The control connection: setups and teardowns of the whole spec.
const CONTROL: Connection = Connection(0);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All permutations were run.
    Complete,
    /// The tester gave up; the transcript's last line says why.
    GaveUp,
    /// A statement is beyond the simulated server.
    NotSupported {
        /// The step, setup or teardown it is in.
        place: String,
        /// What is not modelled.
        reason: String,
    },
}

/// What a run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Everything the tester printed.
    pub transcript: String,
    /// How it ended.
    pub end: End,
}

/// Looks on after each step, and may add to the transcript.
pub trait Observer<S> {
    /// A permutation begins: the setups are done, no step is.
    fn permutation_begins(&mut self, _server: &mut S, _out: &mut String) {}
    /// A step was sent and everything that could be reported has been.
    fn after_step(&mut self, _server: &mut S, _out: &mut String) {}
}

/// Nobody looks on.
impl<S> Observer<S> for () {}

/// Runs all permutations of a spec, with the tester of a major version of PostgreSQL, on a server
/// that has no connections yet.
pub fn run<S: Server>(spec: &Spec, major: u32, server: &mut S, observer: &mut dyn Observer<S>) -> Run {
    let mut tester = Tester::connect(spec, server, max_step_wait(major));
    let ended =
        spec.all_permutations().try_for_each(|permutation| tester.permutation(&permutation, observer));
    let end = match ended {
        Ok(()) => End::Complete,
        Err(Stop::GaveUp) => End::GaveUp,
        Err(Stop::NotModelled { place, reason }) => End::NotSupported { place, reason },
    };
    Run { transcript: tester.out, end }
}

/// Why the run cannot go on.
enum Stop {
    GaveUp,
    NotModelled { place: String, reason: String },
}

/// How to look at a running step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// For the first time: it may be found waiting.
    First,
    /// Again: it may still wait.
    Again,
    /// Again, and stay until it has completed.
    Await,
}

struct Tester<'a, S> {
    spec: &'a Spec,
    server: &'a mut S,
    max_step_wait: Nanos,
    out: String,
    /// The connections whose locks count, that is all but the control connection.
    sessions: Vec<Connection>,
    /// By session: the place in the permutation of the step that runs on it.
    active: Vec<Option<usize>>,
    /// By session: how many notices it has sent.
    notices: Vec<u64>,
    any_new_notice: bool,
    /// By session: messages that stand between the results of its text, and are read with them.
    late: Vec<Vec<Message>>,
    /// The places of the steps known to wait, in the order in which they were started.
    waiting: Vec<usize>,
    /// For each place of the permutation and each of its markers, how many notices it takes.
    targets: Vec<Vec<u64>>,
}

impl<'a, S: Server> Tester<'a, S> {
    fn connect(spec: &'a Spec, server: &'a mut S, max_step_wait: Nanos) -> Self {
        let mut out = String::new();
        for name in spec.unused_steps() {
            let _ = writeln!(out, "unused step name: {name}");
        }
        let _ = writeln!(out, "Parsed test spec with {} sessions", spec.sessions.len());
        server.connect("control connection");
        let sessions: Vec<_> = spec.sessions.iter().map(|session| server.connect(&session.name)).collect();
        let count = sessions.len();
        Self {
            spec,
            server,
            max_step_wait,
            out,
            sessions,
            active: vec![None; count],
            notices: vec![0; count],
            any_new_notice: false,
            late: vec![Vec::new(); count],
            waiting: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn permutation(&mut self, permutation: &Permutation, observer: &mut dyn Observer<S>) -> Result<(), Stop> {
        let steps = &permutation.steps[..];
        self.out.push_str("\nstarting permutation:");
        for step in steps {
            let _ = write!(self.out, " {}", self.spec.step(step.id).name);
        }
        self.out.push('\n');
        self.targets = vec![Vec::new(); steps.len()];
        self.set_up()?;
        observer.permutation_begins(self.server, &mut self.out);
        for place in 0..steps.len() {
            self.await_session(steps, steps[place].id.session)?;
            self.start(steps, place)?;
            let must_wait = self.try_complete(steps, place, Look::First)?;
            self.try_complete_all(steps, Look::Again)?;
            if must_wait {
                self.waiting.push(place);
            }
            observer.after_step(self.server, &mut self.out);
        }
        self.try_complete_all(steps, Look::Await)?;
        if !self.waiting.is_empty() {
            return self.give_up("failed to complete permutation due to mutually-blocking steps\n");
        }
        self.tear_down()
    }

    fn set_up(&mut self) -> Result<(), Stop> {
        let spec = self.spec;
        for sql in &spec.setups {
            if let Some(message) = self.execute(CONTROL, sql, || "setup".to_owned())? {
                return self.give_up(&format!("setup failed: {message}"));
            }
        }
        for (index, session) in spec.sessions.iter().enumerate() {
            let Some(sql) = &session.setup else { continue };
            let place = || format!("setup of session {}", session.name);
            if let Some(message) = self.execute(self.sessions[index], sql, place)? {
                return self.give_up(&format!("setup of session {} failed: {message}", session.name));
            }
        }
        Ok(())
    }

    /// A teardown that fails is reported, and the run goes on.
    fn tear_down(&mut self) -> Result<(), Stop> {
        let spec = self.spec;
        for (index, session) in spec.sessions.iter().enumerate() {
            let Some(sql) = &session.teardown else { continue };
            let place = || format!("teardown of session {}", session.name);
            if let Some(message) = self.execute(self.sessions[index], sql, place)? {
                let _ = write!(self.out, "teardown of session {} failed: {message}", session.name);
            }
        }
        if let Some(sql) = &spec.teardown
            && let Some(message) = self.execute(CONTROL, sql, || "teardown".to_owned())?
        {
            let _ = write!(self.out, "teardown failed: {message}");
        }
        Ok(())
    }

    fn gives_up_after(&self) -> Nanos {
        self.max_step_wait + self.max_step_wait
    }

    fn give_up<T>(&mut self, why: &str) -> Result<T, Stop> {
        self.out.push_str(why);
        Err(Stop::GaveUp)
    }

    /// libpq's `PQexec`: runs a text to its end and shows its last result; the error message if
    /// that is one.
    fn execute(
        &mut self,
        connection: Connection,
        sql: &str,
        place: impl Fn() -> String,
    ) -> Result<Option<String>, Stop> {
        if self.server.is_lost(connection) {
            return Ok(Some("no connection to the server\n".to_owned()));
        }
        self.server.send(connection, sql);
        while self.server.is_busy(connection) {
            let Some(next) = self.server.next_deadline() else {
                return self.give_up(&format!("{} would wait forever\n", place()));
            };
            self.server.advance(next);
        }
        self.take_notices(connection);
        let outcomes = self.server.take_outcomes(connection);
        if let Some(reason) = outcomes.iter().find_map(not_modelled) {
            return Err(Stop::NotModelled { place: place(), reason });
        }
        Ok(match outcomes.last() {
            Some(Outcome::Rows(table)) => {
                table.print(&mut self.out);
                None
            }
            Some(Outcome::Command) => None,
            Some(Outcome::Failed(message)) => Some(message.lines()),
            Some(Outcome::ConnectionLost) => Some(CONNECTION_LOST.to_owned()),
            Some(Outcome::Empty | Outcome::NotModelled(_)) | None => Some(String::new()),
        })
    }

    /// Before a session's next step, its running one has to be done and reported.
    fn await_session(&mut self, steps: &[PermutationStep], session: usize) -> Result<(), Stop> {
        let since = self.server.now();
        while let Some(place) = self.active[session] {
            let before = (self.server.now(), self.waiting.len());
            if !self.try_complete(steps, place, Look::Await)? {
                self.waiting.retain(|&other| other != place);
            }
            self.try_complete_all(steps, Look::Again)?;
            let waited = self.server.now() - since;
            if let Some(place) = self.active[session]
                && waited > self.gives_up_after()
            {
                return self.report_hang(steps, place, waited);
            }
            // Everybody is held back by a marker, and only time can show that it is forever.
            if (self.server.now(), self.waiting.len()) == before {
                let later = self.server.now() + POLL_INTERVAL;
                self.server.advance(later);
            }
        }
        Ok(())
    }

    fn report_hang<T>(&mut self, steps: &[PermutationStep], place: usize, waited: Nanos) -> Result<T, Stop> {
        let name = |place: usize| &self.spec.step(steps[place].id).name;
        let active: Vec<_> = self.active.iter().flatten().map(|&place| format!(" {}", name(place))).collect();
        let seconds = waited.as_millis() / 1000;
        let report = format!(
            "step {} timed out after {seconds} seconds\nactive steps are:{}\n",
            name(place),
            active.concat(),
        );
        self.give_up(&report)
    }

    fn start(&mut self, steps: &[PermutationStep], place: usize) -> Result<(), Stop> {
        let PermutationStep { id, markers } = &steps[place];
        let step = self.spec.step(*id);
        let connection = self.sessions[id.session];
        if self.server.is_lost(connection) {
            let problem =
                format!("failed to send query for step {}: no connection to the server\n\n", step.name);
            return self.give_up(&problem);
        }
        self.server.send(connection, &step.sql);
        self.active[id.session] = Some(place);
        let target = |marker: &Marker| match *marker {
            Marker::Notices { of, count } => self.notices[of.session].saturating_add(count),
            Marker::Once | Marker::WhileRunning(_) => 0,
        };
        self.targets[place] = markers.iter().map(target).collect();
        Ok(())
    }

    /// Looks at all waiting steps. One that is held back by a marker may be released by what
    /// comes after it, so as long as there is such a step and anything happens, all are looked at
    /// again.
    fn try_complete_all(&mut self, steps: &[PermutationStep], look: Look) -> Result<(), Stop> {
        loop {
            self.any_new_notice = false;
            let before = self.waiting.len();
            let mut has_marked = false;
            let mut index = 0;
            while let Some(&place) = self.waiting.get(index) {
                if self.try_complete(steps, place, look)? {
                    has_marked |= !steps[place].markers.is_empty();
                    index += 1;
                } else {
                    self.waiting.remove(index);
                }
            }
            if !(has_marked && (self.waiting.len() < before || self.any_new_notice)) {
                return Ok(());
            }
        }
    }

    /// Reports the step if it is done, and says whether it still is not.
    fn try_complete(&mut self, steps: &[PermutationStep], place: usize, look: Look) -> Result<bool, Stop> {
        let PermutationStep { id, markers } = &steps[place];
        let spec = self.spec;
        let step = spec.step(*id);
        let connection = self.sessions[id.session];
        let waits = |out: &mut String| {
            if look == Look::First {
                let _ = writeln!(out, "step {}: {} <waiting ...>", step.name, step.sql);
            }
            Ok(true)
        };
        if look == Look::First && markers.contains(&Marker::Once) {
            return waits(&mut self.out);
        }
        if self.poll(connection, look, &step.name)? || self.is_held_back(steps, place) {
            return waits(&mut self.out);
        }
        let _ = match look {
            Look::First => writeln!(self.out, "step {}: {}", step.name, step.sql),
            Look::Again | Look::Await => writeln!(self.out, "step {}: <... completed>", step.name),
        };
        self.active[id.session] = None;
        for (at, outcome) in self.server.take_outcomes(connection).into_iter().enumerate() {
            if let Some(reason) = not_modelled(&outcome) {
                return Err(Stop::NotModelled { place: format!("step {}", step.name), reason });
            }
            self.print_late(id.session, at);
            self.print(&outcome);
        }
        self.print_late(id.session, usize::MAX);
        Ok(false)
    }

    /// Lets time pass until the text sent last is done (false) or seen to wait for a lock (true).
    fn poll(&mut self, connection: Connection, look: Look, name: &str) -> Result<bool, Stop> {
        let since = self.server.now();
        let mut cancelled = false;
        self.take_notices(connection);
        while self.server.is_busy(connection) {
            if !self.is_still_busy_after_a_tick(connection) {
                break;
            }
            if look != Look::Await && self.server.is_blocked(connection, &self.sessions) {
                return Ok(true);
            }
            let waited = self.server.now() - since;
            let seconds = waited.as_millis() / 1000;
            if waited > self.max_step_wait && !cancelled {
                self.server.cancel(connection);
                let _ = writeln!(self.out, "isolationtester: canceling step {name} after {seconds} seconds");
                cancelled = true;
            }
            if waited > self.gives_up_after() {
                return self.give_up(&format!("step {name} timed out after {seconds} seconds\n"));
            }
        }
        Ok(false)
    }

    fn is_still_busy_after_a_tick(&mut self, connection: Connection) -> bool {
        let tick = self.server.now() + POLL_INTERVAL;
        while self.server.is_busy(connection) && self.server.now() < tick {
            let next = self.server.next_deadline().map_or(tick, |deadline| deadline.min(tick));
            self.server.advance(next);
        }
        self.take_notices(connection);
        self.server.is_busy(connection)
    }

    fn is_held_back(&self, steps: &[PermutationStep], place: usize) -> bool {
        steps[place].markers.iter().zip(&self.targets[place]).any(|(marker, &target)| match *marker {
            Marker::Once => false,
            Marker::WhileRunning(other) => {
                self.active[other.session].is_some_and(|active| steps[active].id == other)
            }
            Marker::Notices { of, .. } => self.notices[of.session] < target,
        })
    }

    /// Notices are printed when they are read. Those of the control connection are not.
    fn take_notices(&mut self, connection: Connection) {
        for message in self.server.take_notices(connection) {
            let Some(session) = self.sessions.iter().position(|&session| session == connection) else {
                continue;
            };
            if message.after > 0 {
                self.late[session].push(message);
            } else {
                self.print_notice(session, &message);
            }
        }
    }

    fn print_notice(&mut self, session: usize, message: &Message) {
        let _ = write!(self.out, "{}: {}", self.spec.sessions[session].name, message.lines());
        self.notices[session] += 1;
        self.any_new_notice = true;
    }

    /// The messages that stand before the n-th result.
    fn print_late(&mut self, session: usize, up_to: usize) {
        let (due, later) =
            std::mem::take(&mut self.late[session]).into_iter().partition(|message| message.after <= up_to);
        self.late[session] = later;
        let due: Vec<Message> = due;
        due.iter().for_each(|message| self.print_notice(session, message));
    }

    fn print(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Command | Outcome::Empty | Outcome::NotModelled(_) => {}
            Outcome::Rows(table) => table.print(&mut self.out),
            // Details may name transaction ids: they are not printed.
            Outcome::Failed(Message { severity, text, .. }) => {
                let _ = writeln!(self.out, "{severity}:  {text}");
            }
            Outcome::ConnectionLost => {
                let _ = writeln!(self.out, "{CONNECTION_LOST}");
            }
        }
    }
}

/// What libpq says when the server has gone.
const CONNECTION_LOST: &str = "server closed the connection unexpectedly\n\
    \tThis probably means the server terminated abnormally\n\
    \tbefore or while processing the request.\n";

fn not_modelled(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::NotModelled(reason) => Some(reason.clone()),
        _ => None,
    }
}
