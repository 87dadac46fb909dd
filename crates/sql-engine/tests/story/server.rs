//! A server with a clock of its own, for tests that tell a story.

use std::collections::BTreeMap;

use sim_clock::Nanos;
use sql_engine::{Database, DatabaseConfig, StatementId, Value};
use transactions::{Effects, SessionId, SessionSettings, Timer};

/// A server with a clock of its own.
pub(crate) struct Server {
    pub(crate) database: Database,
    pub(crate) now: Nanos,
    timers: BTreeMap<(Nanos, usize), Timer>,
    set: usize,
    pub(crate) ended: Vec<(SessionId, Result<String, String>)>,
    fx: Effects,
}

impl Server {
    pub(crate) fn new(script: &str) -> Self {
        let mut server = Self::with(DatabaseConfig::instant());
        if let Err(e) = server.database.script(script) {
            panic!("{script}: {e}");
        }
        server
    }

    /// With nothing in it yet.
    pub(crate) fn with(config: DatabaseConfig) -> Self {
        let database = Database::new(config);
        let (timers, ended, fx) = (BTreeMap::new(), Vec::new(), Effects::default());
        Self { database, now: Nanos::ZERO, timers, set: 0, ended, fx }
    }

    /// Sends a query that takes so long.
    pub(crate) fn working(
        &mut self,
        session: SessionId,
        sql: &str,
        work: Nanos,
    ) -> Option<Result<String, String>> {
        let id = self.database.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        self.execute(session, id, &[], work);
        self.end_of(session)
    }

    pub(crate) fn connect(&mut self, name: &str) -> SessionId {
        self.database.connect(self.now, name, SessionSettings::default())
    }

    pub(crate) fn collect(&mut self) {
        for (at, timer) in self.fx.timers.drain(..) {
            self.set += 1;
            self.timers.insert((at, self.set), timer);
        }
        for c in self.fx.completions.drain(..) {
            let result =
                c.result.map(|o| o.to_string()).map_err(|e| format!("{}: {}", e.sqlstate, e.message));
            self.ended.push((c.session, result));
        }
        self.fx.clear();
    }

    /// Sends a query; what has come of it by now, or nothing if it waits or works.
    pub(crate) fn send(&mut self, session: SessionId, sql: &str) -> Option<Result<String, String>> {
        self.database.submit(self.now, session, sql, &mut self.fx);
        self.collect();
        self.end_of(session)
    }

    /// Executes a prepared statement that takes so long.
    pub(crate) fn execute(&mut self, session: SessionId, id: StatementId, params: &[Value], work: Nanos) {
        self.database.execute(self.now, session, id, params, Some(work), &mut self.fx);
        self.collect();
    }

    pub(crate) fn end_of(&mut self, session: SessionId) -> Option<Result<String, String>> {
        let at = self.ended.iter().position(|(s, _)| *s == session)?;
        Some(self.ended.remove(at).1)
    }

    pub(crate) fn ok(&mut self, session: SessionId, sql: &str) -> String {
        match self.send(session, sql) {
            Some(Ok(tag)) => tag,
            other => panic!("{sql}: {other:?}"),
        }
    }

    pub(crate) fn run_until(&mut self, end: Nanos) {
        while let Some(entry) = self.timers.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let timer = entry.remove();
            self.now = at;
            self.database.fire(at, timer, &mut self.fx);
            self.collect();
        }
        self.now = end;
    }

    pub(crate) fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.database.query(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    pub(crate) fn single(&mut self, sql: &str) -> String {
        self.rows(sql).first().and_then(|r| r.first().cloned()).flatten().unwrap_or_default()
    }
}
