//! The simulated server under the tester: a [`Database`] with clients' connections and a timer queue.

use std::collections::BTreeMap;

use sim_clock::Nanos;
use sql_engine::{
    Database, DatabaseConfig, NOT_MODELLED, Notice, SqlError, StatementResult, is_not_modelled,
};
use sql_syntax::ast::Statement;
use sql_syntax::parse;
use transactions::{
    Completion, CycleEdge, EdgeKind, Effects, EventKind, LockModes, LockTag, SessionId, SessionSettings,
    Timer,
};

use super::server::{
    Connection, Deadlock, DeadlockWait, LockViews, Message, Obstacle, Outcome, Queue, Server, Wait,
};
use super::table::Table;

/// A server of one major version, empty at first, on which nothing takes time but waits and sleeps.
pub struct Simulated {
    database: Database,
    connections: Vec<Line>,
    now: Nanos,
    /// By time, then by age.
    timers: BTreeMap<(Nanos, u64), Timer>,
    timers_set: u64,
    effects: Effects,
    deadlocks: Vec<Deadlock>,
}

/// A connection as its client sees it.
struct Line {
    session: SessionId,
    is_busy: bool,
    is_lost: bool,
    outcomes: Vec<Outcome>,
}

impl Simulated {
    /// A server without tables.
    #[must_use]
    pub fn new(major: u32) -> Self {
        let mut config = DatabaseConfig::instant();
        config.version = u16::try_from(major).unwrap_or(u16::MAX);
        Self {
            database: Database::new(config),
            connections: Vec::new(),
            now: Nanos::ZERO,
            timers: BTreeMap::new(),
            timers_set: 0,
            effects: Effects::default(),
            deadlocks: Vec::new(),
        }
    }

    /// Sends a text whose statements take so long, whatever they do.
    pub fn send_slow(&mut self, connection: Connection, sql: &str, work: Nanos) {
        let session = self.begin(connection);
        match self.database.prepare(sql) {
            Ok(id) => self.database.execute(self.now, session, id, &[], Some(work), &mut self.effects),
            Err(error) => self.effects.completions.push(Completion { session, result: Err(error) }),
        }
        self.settle();
    }

    /// What a connection's session holds on relations and advisory keys, in the order of asking.
    #[must_use]
    pub fn held_by(&self, connection: Connection) -> Vec<(String, Vec<String>)> {
        let held = self.database.backends().held_by(self.connections[connection.0].session);
        let is_lasting = |tag: &LockTag| matches!(tag, LockTag::Relation(_) | LockTag::Advisory(_));
        held.filter(|(tag, _)| is_lasting(tag)).map(|(tag, modes)| (self.object(tag), names(modes))).collect()
    }

    fn begin(&mut self, connection: Connection) -> SessionId {
        let line = &mut self.connections[connection.0];
        line.is_busy = true;
        line.outcomes.clear();
        line.session
    }

    fn connection_of(&self, session: SessionId) -> Option<Connection> {
        self.connections.iter().position(|line| line.session == session).map(Connection)
    }

    /// The deadlock that had a victim last, in the words of the time.
    fn note_deadlock(&mut self) {
        let wait = |edge: &CycleEdge| {
            Some(DeadlockWait {
                waiter: self.connection_of(edge.waiter)?,
                object: self.object(edge.tag),
                mode: edge.mode.to_string(),
                held: edge.kind == EdgeKind::Hard,
            })
        };
        let waits = self.database.backends().last_deadlock().iter().filter_map(wait).collect();
        self.deadlocks.push(Deadlock { waits });
    }

    /// Takes note of what a call into the database brought about.
    fn settle(&mut self) {
        if self.effects.events.iter().any(|event| event.kind == EventKind::DeadlockVictim) {
            self.note_deadlock();
        }
        for (at, timer) in self.effects.timers.drain(..) {
            self.timers_set += 1;
            self.timers.insert((at, self.timers_set), timer);
        }
        for Completion { session, result } in std::mem::take(&mut self.effects.completions) {
            // A session that ends while nobody talks to it tells its client at the next occasion.
            if let Some(Connection(index)) = self.connection_of(session)
                && self.connections[index].is_busy
            {
                let results = self.database.take_results(session);
                let line = &mut self.connections[index];
                line.outcomes = outcomes(results, result.err());
                line.is_lost = line.outcomes.contains(&Outcome::ConnectionLost);
                line.is_busy = false;
            }
        }
        self.effects.clear();
    }

    fn object(&self, tag: LockTag) -> String {
        let name =
            |relation| self.database.relation_name(relation).unwrap_or_else(|| "that is no more".to_owned());
        match tag {
            LockTag::Relation(relation) => format!("relation {}", name(relation)),
            LockTag::Tuple { relation, .. } => format!("tuple {}", name(relation)),
            LockTag::Transaction(_) => "transactionid".to_owned(),
            LockTag::VirtualTransaction { .. } => "virtualxid".to_owned(),
            LockTag::Object { .. } => "object".to_owned(),
            LockTag::Advisory(key) => format!("advisory {key}"),
        }
    }
}

impl Server for Simulated {
    fn connect(&mut self, name: &str) -> Connection {
        let session = self.database.connect(self.now, name, SessionSettings::default());
        self.connections.push(Line { session, is_busy: false, is_lost: false, outcomes: Vec::new() });
        Connection(self.connections.len() - 1)
    }

    fn send(&mut self, connection: Connection, sql: &str) {
        let session = self.begin(connection);
        if is_deferrable(sql) {
            let line = &mut self.connections[connection.0];
            line.outcomes = vec![Outcome::NotModelled("SERIALIZABLE READ ONLY DEFERRABLE".to_owned())];
            line.is_busy = false;
            return;
        }
        self.database.submit(self.now, session, sql, &mut self.effects);
        self.settle();
    }

    fn is_busy(&self, connection: Connection) -> bool {
        self.connections[connection.0].is_busy
    }

    fn is_blocked(&self, connection: Connection, by: &[Connection]) -> bool {
        let blockers = self.database.blockers(self.connections[connection.0].session);
        blockers.iter().any(|&session| by.iter().any(|other| self.connections[other.0].session == session))
    }

    fn take_outcomes(&mut self, connection: Connection) -> Vec<Outcome> {
        std::mem::take(&mut self.connections[connection.0].outcomes)
    }

    fn take_notices(&mut self, connection: Connection) -> Vec<Message> {
        let notices = self.database.take_notices(self.connections[connection.0].session);
        let message = |notice: Notice| Message {
            detail: notice.detail,
            after: notice.after,
            ..Message::new(notice.severity, notice.message)
        };
        notices.into_iter().map(message).collect()
    }

    fn is_lost(&self, connection: Connection) -> bool {
        self.connections[connection.0].is_lost
    }

    fn cancel(&mut self, connection: Connection) {
        self.database.cancel(self.now, self.connections[connection.0].session, &mut self.effects);
        self.settle();
    }

    fn now(&self) -> Nanos {
        self.now
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    fn advance(&mut self, to: Nanos) {
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= to
        {
            let ((at, _), timer) = entry.remove_entry();
            self.now = self.now.max(at);
            self.database.fire(self.now, timer, &mut self.effects);
            self.settle();
        }
        self.now = self.now.max(to);
    }
}

impl LockViews for Simulated {
    fn take_deadlocks(&mut self) -> Vec<Deadlock> {
        std::mem::take(&mut self.deadlocks)
    }

    fn wait_of(&self, connection: Connection) -> Option<Wait> {
        let session = self.connections[connection.0].session;
        let (tag, mode) = self.database.waits_for(session)?;
        let obstacles = self.database.backends().blockers(session).into_iter().filter_map(|blocker| {
            Some(Obstacle {
                connection: self.connection_of(blocker.session)?,
                mode: blocker.mode.to_string(),
                held: blocker.kind == EdgeKind::Hard,
            })
        });
        Some(Wait { object: self.object(tag), mode: mode.to_string(), obstacles: obstacles.collect() })
    }

    fn queues(&self) -> Vec<Queue> {
        let mut tags: Vec<LockTag> = self.database.waiters().iter().map(|waiter| waiter.tag).collect();
        tags.sort_unstable();
        tags.dedup();
        let table = self.database.backends().lock_table();
        let queue = |tag| Queue {
            object: self.object(tag),
            holders: table
                .holders(tag)
                .filter_map(|(session, modes)| Some((self.connection_of(session)?, names(modes))))
                .collect(),
            waiters: table
                .queue(tag)
                .filter_map(|(session, mode)| Some((self.connection_of(session)?, mode.to_string())))
                .collect(),
        };
        tags.into_iter().map(queue).collect()
    }
}

/// A transaction that waits for a snapshot that nothing can go wrong with.
fn is_deferrable(sql: &str) -> bool {
    parse(sql).statements.iter().any(|statement| match &statement.value {
        Statement::Begin(modes) | Statement::SetTransaction { modes, .. } => modes.deferrable == Some(true),
        _ => false,
    })
}

fn names(modes: LockModes) -> Vec<String> {
    modes.iter().map(|mode| mode.to_string()).collect()
}

/// What a client is sent for a text: the results of the statements that succeeded, then the error.
fn outcomes(results: Vec<StatementResult>, error: Option<SqlError>) -> Vec<Outcome> {
    let mut outcomes: Vec<_> = results.into_iter().map(outcome).collect();
    match error {
        None if outcomes.is_empty() => outcomes.push(Outcome::Empty),
        None => {}
        Some(error) if is_not_modelled(&error) => {
            let reason = error.message.strip_prefix(NOT_MODELLED).unwrap_or(&error.message);
            outcomes.push(Outcome::NotModelled(reason.to_owned()));
        }
        Some(error) => {
            let severity = if error.is_fatal { "FATAL" } else { "ERROR" };
            outcomes.push(Outcome::Failed(Message::new(severity, error.message.into_owned())));
            if error.is_fatal {
                outcomes.push(Outcome::ConnectionLost);
            }
        }
    }
    outcomes
}

fn outcome(result: StatementResult) -> Outcome {
    match result.rows {
        None => Outcome::Command,
        Some(rows) => Outcome::Rows(Table {
            columns: rows.columns.iter().map(|column| column.name.to_string()).collect(),
            rows: rows.texts(),
        }),
    }
}
