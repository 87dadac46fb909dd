//! Setting a server up.

use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::Nanos;
use transactions::{Effects, SessionSettings, Timer};

use super::Database;
use super::execute::parse;
use crate::error::{Result, error};
use crate::job::{Job, Prepared, Queue};

impl Database {
    /// Runs a script, statement by statement, on a session of its own; waits are waited for in a time of
    /// their own.
    ///
    /// # Errors
    /// The first statement's that fails; those before it stay done.
    pub fn script(&mut self, sql: &str) -> Result<()> {
        let statements = parse(sql)?;
        let session = self.connect(Nanos::ZERO, "script", SessionSettings::default());
        let mut outcome = Ok(());
        for statement in statements {
            let job = Job::new(Queue::new([Rc::new(Prepared::new(statement))].into()), Rc::from([]), None);
            outcome = self.run_alone(session, job);
            if outcome.is_err() {
                break;
            }
        }
        self.disconnect(Nanos::ZERO, session, &mut Effects::default());
        outcome
    }

    /// Runs a query on a session of its own and gives its rows as text.
    ///
    /// # Errors
    /// The server's, if it fails.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let queue = Queue::new(parse(sql)?.into_iter().map(|s| Rc::new(Prepared::new(s))).collect());
        let session = self.connect(Nanos::ZERO, "query", SessionSettings::default());
        let outcome = self.run_alone(session, Job::new(queue, Rc::from([]), None));
        let rows = self.take_result(session).unwrap_or_default();
        self.disconnect(Nanos::ZERO, session, &mut Effects::default());
        outcome.map(|()| rows)
    }

    /// Runs a query to its end, its timers firing at once.
    fn run_alone(&mut self, session: SessionId, job: Box<Job>) -> Result<()> {
        let mut fx = Effects::default();
        let mut timers: BTreeMap<(Nanos, usize), Timer> = BTreeMap::new();
        let mut set = 0;
        self.begin_job(Nanos::ZERO, session, job, &mut fx);
        loop {
            for (at, timer) in fx.timers.drain(..) {
                set += 1;
                timers.insert((at, set), timer);
            }
            let end = fx.completions.iter().position(|c| c.session == session);
            if let Some(at) = end {
                return fx.completions.remove(at).result.map(drop);
            }
            let Some(((at, _), timer)) = timers.pop_first() else {
                return Err(error("57014", "the statement waits for a session that does not go on"));
            };
            self.fire(at, timer, &mut fx);
        }
    }

    /// Says how big a table is for the cost model, if not as big as its rows make it.
    pub fn set_table_size(&mut self, table: &str, rows: u64, bytes: u64) -> bool {
        let Some(relation) = self.find(table) else { return false };
        let size = schema_rules::catalog::RelationSize { rows, bytes };
        self.shared.edit().catalog.set_size(relation, size);
        true
    }

    /// Says that a table has so many rows, with the keys from 1 on if its primary key is one integer, and how much
    /// room they take. The rows are not stored: statements lock them as if they were there, what is in them is not
    /// known. Whether there is such a table.
    pub fn set_virtual_rows(&mut self, table: &str, rows: u64, bytes: Option<u64>) -> bool {
        let Some(relation) = self.find(table) else { return false };
        let mut state = self.shared.edit();
        state.set_virtual_rows(&mut self.backends, relation, rows, bytes);
        true
    }
}
