//! The fixture: a catalog and its rows, as a value that every statement starts from.

use std::rc::Rc;

use schema_rules::catalog::{Name, ServerObjects};
use schema_rules::effects::{Effects, advance};
use schema_rules::{Catalog, PgVersion, Session};
use sql_syntax::ast::Statement;

use super::recording::{Entry, Meta};
use super::rows::Rows;

/// Rows of the table that the fixture leaves open (`%(N)s`), unless the recording says otherwise.
const DEFAULT_ORDERS: u64 = 5000;

/// A catalog with rows and a session over it.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) catalog: Catalog,
    pub(super) session: Session,
    pub(super) rows: Rows,
    version: PgVersion,
}

impl World {
    /// The fixture of a recording.
    pub fn new(meta: &Meta, version: PgVersion) -> Self {
        let orders = meta.rows.get("orders").copied().unwrap_or(DEFAULT_ORDERS);
        let script = meta.fixture.text().replace("%(N)s", &orders.to_string());
        let mut world =
            Self { catalog: Catalog::new(), session: Session::default(), rows: Rows::default(), version };
        world.script(&script);
        world.session.server = meta.server.as_ref().map(|server| {
            let names = |names: &[String]| names.iter().map(|n| Name::from(n.as_str())).collect();
            Rc::new(ServerObjects {
                roles: names(&server.roles),
                tablespaces: names(&server.tablespaces),
                extensions: names(&server.extensions),
            })
        });
        world
    }

    /// Runs a script; what fails in it leaves no trace, as in `psql`.
    pub fn script(&mut self, script: &str) {
        for statement in sql_syntax::parse(script).statements {
            self.run(&statement.value);
        }
    }

    /// Runs one statement over catalog and rows.
    pub fn run(&mut self, statement: &Statement) -> Effects {
        let (before, session) = (self.catalog.clone(), self.session.clone());
        let effects = advance(&mut self.catalog, &mut self.session, statement, self.version, &self.rows);
        if effects.error.is_none() {
            self.rows.run(&before, &session, statement);
        }
        effects
    }

    /// The world as it is when the entry's statement is about to run.
    pub fn prepared_for(&self, entry: &Entry) -> Self {
        let mut world = self.clone();
        if entry.setup_from_version.is_none_or(|v| self.version.major() >= v) {
            entry.setup.iter().for_each(|s| world.script(s));
        }
        // What has been prepared was prepared by another session.
        (world.session.has_called_nextval, world.session.called_sequences) = (false, Vec::new());
        entry.session.iter().for_each(|s| world.script(s));
        world
    }

    /// Runs what came earlier in the statement's transaction: its locks are still held, its changes are part of what
    /// the recording has seen.
    pub fn earlier(&mut self, entry: &Entry) -> Vec<Effects> {
        self.session.in_transaction = !entry.earlier_in_same_tx.is_empty();
        let scripts: Vec<_> = entry.earlier_in_same_tx.iter().map(|s| sql_syntax::parse(s)).collect();
        scripts.iter().flat_map(|s| &s.statements).map(|s| self.run(&s.value)).collect()
    }
}
