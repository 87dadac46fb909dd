//! What lies behind `<waiting ...>`: after each step the queues, the waits-for graph and the reason
//! of each wait, as indented lines in the transcript.
//!
//! ```text
//!   | queue of relation crate: checker holds AccessShareLock; mig waits for AccessExclusiveLock, then copier for AccessShareLock
//!   | waits-for: mig -> checker, copier ~> mig
//!   | mig waits: AccessExclusiveLock conflicts with AccessShareLock, which checker holds
//!   | copier waits: AccessShareLock conflicts with AccessExclusiveLock, which mig asked for first
//!   | deadlock: copier waits for ShareLock on relation bin, which mig holds; mig waits for ...; copier fails
//! ```

use std::fmt::Write as _;

use super::server::{Connection, Deadlock, LockViews, Obstacle, Queue, Wait};
use super::spec::Spec;
use super::tester::Observer;

/// Adds explanations to a transcript.
#[derive(Clone, Debug)]
pub struct Explainer {
    /// By connection.
    names: Vec<String>,
}

impl Explainer {
    /// For the connections that a run of the spec opens.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let sessions = spec.sessions.iter().map(|session| session.name.clone());
        Self { names: std::iter::once("control connection".to_owned()).chain(sessions).collect() }
    }

    /// For connections with these names, the first of them connection 0.
    #[must_use]
    pub fn with_names(names: Vec<String>) -> Self {
        Self { names }
    }

    fn name(&self, connection: Connection) -> &str {
        self.names.get(connection.0).map_or("somebody else", String::as_str)
    }

    fn queue(&self, queue: &Queue) -> String {
        let holders = queue
            .holders
            .iter()
            .map(|(who, modes)| format!("{} holds {}", self.name(*who), modes.join(" and ")));
        let waiters = queue.waiters.iter().enumerate().map(|(index, (who, mode))| {
            let waits = if index == 0 { " waits" } else { "" };
            format!("{}{waits} for {mode}", self.name(*who))
        });
        let waiters = waiters.collect::<Vec<_>>().join(", then ");
        let sides: Vec<_> = holders.chain(std::iter::once(waiters)).collect();
        format!("queue of {}: {}", queue.object, sides.join("; "))
    }

    fn edges(&self, waiter: Connection, wait: &Wait) -> Vec<String> {
        let edge = |obstacle: &Obstacle| {
            let arrow = if obstacle.held { "->" } else { "~>" };
            format!("{} {arrow} {}", self.name(waiter), self.name(obstacle.connection))
        };
        wait.obstacles.iter().map(edge).collect()
    }

    /// Why each of those in the way is in the way.
    #[must_use]
    pub fn reasons(&self, waiter: Connection, wait: &Wait) -> Vec<String> {
        let Wait { object, mode, .. } = wait;
        let reason = |obstacle: &Obstacle| {
            let other = self.name(obstacle.connection);
            let has = if obstacle.held { "holds" } else { "asked for first" };
            let why = match object.as_str() {
                "transactionid" if obstacle.held => {
                    format!("{other} has the row or the key, until its transaction ends")
                }
                "virtualxid" if obstacle.held => {
                    format!("{other} may still use what is older, until its transaction ends or moves on")
                }
                _ => format!("{mode} conflicts with {}, which {other} {has}", obstacle.mode),
            };
            format!("{} waits: {why}", self.name(waiter))
        };
        wait.obstacles.iter().map(reason).collect()
    }

    /// The lines for the state as it is; none if nobody waits.
    pub fn lines<S: LockViews>(&self, server: &S) -> Vec<String> {
        let waits: Vec<_> = (0..self.names.len())
            .map(Connection)
            .filter_map(|connection| Some((connection, server.wait_of(connection)?)))
            .collect();
        if waits.is_empty() {
            return Vec::new();
        }
        let mut lines: Vec<_> = server.queues().iter().map(|queue| self.queue(queue)).collect();
        let edges: Vec<_> = waits.iter().flat_map(|(waiter, wait)| self.edges(*waiter, wait)).collect();
        lines.push(format!("waits-for: {}", edges.join(", ")));
        lines.extend(waits.iter().flat_map(|(waiter, wait)| self.reasons(*waiter, wait)));
        lines
    }
}

impl Explainer {
    /// The circle of a deadlock, and who had to go.
    fn circle(&self, deadlock: &Deadlock) -> String {
        let next = deadlock.waits.iter().cycle().skip(1);
        let waits = deadlock.waits.iter().zip(next).map(|(wait, next)| {
            let has = if wait.held { "holds" } else { "asked for first" };
            let (waiter, other) = (self.name(wait.waiter), self.name(next.waiter));
            format!("{waiter} waits for {} on {}, which {other} {has}", wait.mode, wait.object)
        });
        let victim = deadlock.waits.first().map_or("somebody", |wait| self.name(wait.waiter));
        format!("deadlock: {}; {victim} fails", waits.collect::<Vec<_>>().join("; "))
    }
}

impl<S: LockViews> Observer<S> for Explainer {
    fn after_step(&mut self, server: &mut S, out: &mut String) {
        for deadlock in server.take_deadlocks() {
            let _ = writeln!(out, "  | {}", self.circle(&deadlock));
        }
        for line in self.lines(server) {
            let _ = writeln!(out, "  | {line}");
        }
    }
}
