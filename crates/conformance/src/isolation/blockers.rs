//! Who blocks whom after every step: a plain replay of a spec, without the tester's markers.
//!
//! Each step is sent as soon as its session is idle; once it has completed or waits, every session
//! that waits is listed with its ungranted lock and `pg_blocking_pids()`, if that is news; so too when
//! a busy session has been awaited:
//!
//! ```text
//! permutation: lock a_read b_read end
//!   a_read: AccessShareLock on relation gong <- mig
//! ```

use std::fmt::Write as _;

use sim_clock::Nanos;

use super::server::{Connection, LockViews, Outcome};
use super::spec::{Permutation, Spec, StepId};

const POLL_INTERVAL: Nanos = Nanos::from_millis(10);

/// Why a replay was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A statement is beyond the simulated server.
    #[error("not modelled: {0}")]
    NotModelled(String),
    /// A setup or a teardown failed.
    #[error("{0}")]
    Failed(String),
    /// Somebody waits, and nothing will ever happen.
    #[error("step {0} waits forever")]
    Stuck(String),
}

/// Replays all permutations of a spec on a server that has no connections yet.
///
/// # Errors
/// If the server cannot run a statement, or the spec does not come to its end.
pub fn replay_blockers<S: LockViews>(spec: &Spec, server: &mut S) -> Result<String, ReplayError> {
    let control = server.connect("control connection");
    let sessions: Vec<_> = spec.sessions.iter().map(|session| server.connect(&session.name)).collect();
    let mut replay = Replay { spec, server, control, sessions, running: Vec::new(), out: String::new() };
    for permutation in spec.all_permutations() {
        replay.permutation(&permutation)?;
    }
    Ok(replay.out)
}

struct Replay<'a, S> {
    spec: &'a Spec,
    server: &'a mut S,
    control: Connection,
    sessions: Vec<Connection>,
    /// The steps that have not completed, in the order in which they were sent, with the line
    /// written last for each.
    running: Vec<(StepId, String)>,
    out: String,
}

impl<S: LockViews> Replay<'_, S> {
    fn permutation(&mut self, permutation: &Permutation) -> Result<(), ReplayError> {
        let spec = self.spec;
        self.out.push_str("permutation:");
        for step in &permutation.steps {
            let _ = write!(self.out, " {}", spec.step(step.id).name);
        }
        self.out.push('\n');
        let sessions: Vec<_> = spec.sessions.iter().zip(self.sessions.clone()).collect();
        for sql in &spec.setups {
            self.execute(self.control, sql)?;
        }
        for (session, connection) in &sessions {
            session.setup.iter().try_for_each(|sql| self.execute(*connection, sql))?;
        }
        for step in &permutation.steps {
            self.step(step.id)?;
        }
        while let Some(&(id, _)) = self.running.first() {
            self.finish(self.sessions[id.session], &spec.step(id).name)?;
            self.settle()?;
        }
        for (session, connection) in &sessions {
            session.teardown.iter().try_for_each(|sql| self.execute(*connection, sql))?;
        }
        spec.teardown.iter().try_for_each(|sql| self.execute(self.control, sql))
    }

    fn step(&mut self, id: StepId) -> Result<(), ReplayError> {
        let connection = self.sessions[id.session];
        if let Some(&(before, _)) = self.running.iter().find(|(other, _)| other.session == id.session) {
            self.finish(connection, &self.spec.step(before).name)?;
            self.settle()?;
            self.report();
        }
        self.server.send(connection, &self.spec.step(id).sql);
        self.running.push((id, String::new()));
        self.settle()?;
        self.report();
        Ok(())
    }

    /// A setup or teardown; its results are nobody's business unless it fails.
    fn execute(&mut self, connection: Connection, sql: &str) -> Result<(), ReplayError> {
        self.server.send(connection, sql);
        self.finish(connection, sql)?;
        match self.server.take_outcomes(connection).into_iter().last() {
            Some(Outcome::Failed(message)) => Err(ReplayError::Failed(message.lines())),
            Some(Outcome::NotModelled(reason)) => Err(ReplayError::NotModelled(reason)),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, connection: Connection, what: &str) -> Result<(), ReplayError> {
        while self.server.is_busy(connection) {
            let next = self.server.next_deadline().ok_or_else(|| ReplayError::Stuck(what.to_owned()))?;
            self.server.advance(next);
        }
        Ok(())
    }

    /// Lets time pass until every step has completed or waits, and forgets those that completed.
    fn settle(&mut self) -> Result<(), ReplayError> {
        let mut index = 0;
        while let Some(&(id, _)) = self.running.get(index) {
            let connection = self.sessions[id.session];
            self.await_block(connection, id)?;
            if self.server.is_busy(connection) {
                index += 1;
                continue;
            }
            self.running.remove(index);
            self.server.take_notices(connection);
            for outcome in self.server.take_outcomes(connection) {
                if let Outcome::NotModelled(reason) = outcome {
                    return Err(ReplayError::NotModelled(reason));
                }
            }
        }
        Ok(())
    }

    fn await_block(&mut self, connection: Connection, id: StepId) -> Result<(), ReplayError> {
        while self.server.is_busy(connection) && !self.server.is_blocked(connection, &self.sessions) {
            let next = self.server.next_deadline();
            let next = next.ok_or_else(|| ReplayError::Stuck(self.spec.step(id).name.clone()))?;
            self.server.advance(next.min(self.server.now() + POLL_INTERVAL));
        }
        Ok(())
    }

    fn report(&mut self) {
        for (id, last) in &mut self.running {
            let Some(wait) = self.server.wait_of(self.sessions[id.session]) else { continue };
            let mut blockers: Vec<&str> = wait
                .obstacles
                .iter()
                .filter_map(|obstacle| {
                    let session = self.sessions.iter().position(|&session| session == obstacle.connection)?;
                    Some(self.spec.sessions[session].name.as_str())
                })
                .collect();
            blockers.sort_unstable();
            blockers.dedup();
            let line = format!(
                "  {}: {} on {} <- {}\n",
                self.spec.step(*id).name,
                wait.mode,
                wait.object,
                blockers.join(", "),
            );
            if *last != line {
                self.out.push_str(&line);
                *last = line;
            }
        }
    }
}
