//! What is run for a recorded text: itself where the simulation can run it; otherwise what is known of it, its locks on
//! tables and its duration.

use std::rc::Rc;

use sql_engine::{Database, is_not_modelled};
use sql_syntax::ast::Statement;
use traces::text::{Control, controls, normalise, touched};

/// What is run for a text.
#[derive(Clone, Debug)]
pub(super) struct Runnable {
    /// The text to send instead; `None` sends each execution's own.
    pub(super) instead: Option<Rc<str>>,
    /// How many of its statements work.
    pub(super) statements: u32,
    /// What it is called.
    pub(super) shown: Rc<str>,
    /// Why not its own text is run.
    pub(super) refused: Option<String>,
    /// Whether it leaves settings behind that the next user of the connection would meet.
    pub(super) sets: bool,
    /// What it does to transaction blocks, statement by statement.
    pub(super) controls: Vec<Control>,
}

/// A statement that takes time and locks nothing.
const NOTHING: &str = "SELECT 1";

impl Runnable {
    /// For a text, against the schema at the start.
    pub(super) fn of(text: &str, database: &mut Database) -> Self {
        let controls = controls(text);
        let working = controls.iter().filter(|one| **one == Control::Other).count();
        let parsed = sql_syntax::parse(text);
        let sets =
            parsed.statements.iter().any(|one| matches!(&one.value, Statement::Set(set) if !set.local));
        let runnable = Self {
            instead: None,
            statements: u32::try_from(working).unwrap_or(u32::MAX).max(1),
            shown: normalise(text).into(),
            refused: None,
            sets,
            controls,
        };
        if let Some(error) = parsed.errors.first() {
            return runnable.refused(text, format!("the text cannot be read: {}", error.message), database);
        }
        // PREPARE is for a session; a pool's connections are anybody's, and EXECUTE's own text is known.
        let of_session =
            |one: &Statement| matches!(one, Statement::Prepare { .. } | Statement::Deallocate(_));
        if parsed.statements.iter().all(|one| of_session(&one.value)) {
            return Self { instead: Some(NOTHING.into()), statements: 1, ..runnable };
        }
        let foreign = parsed.statements.iter().find_map(|one| not_run(&one.value));
        if let Some(name) = foreign {
            return runnable.refused(text, format!("{name} is not modelled"), database);
        }
        match database.prepare(text).and_then(|statement| database.check(statement)) {
            Ok(()) => runnable,
            Err(error) if is_not_modelled(&error) => {
                runnable.refused(text, error.message.to_string(), database)
            }
            Err(error) => {
                let reason = format!("the scenario's schema does not know it: {}", error.message);
                runnable.refused(text, reason, database)
            }
        }
    }

    /// For a statement of which only the name is known.
    pub(super) fn nameless(label: &str) -> Self {
        Self {
            instead: Some(NOTHING.into()),
            statements: 1,
            shown: label.into(),
            refused: Some("the trace has no text of it".to_owned()),
            sets: false,
            controls: vec![Control::Other],
        }
    }

    fn refused(self, text: &str, reason: String, database: &Database) -> Self {
        let mut locks = Vec::new();
        for (table, mode) in &touched(text).tables {
            let mode = mode.split(',').next().unwrap_or(mode);
            if mode.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ') && database.has_table(table)
            {
                locks.push(format!("LOCK TABLE {table} IN {mode} MODE"));
            }
        }
        let reason = match locks.len() {
            0 => format!("{reason}; it takes its time and no locks"),
            _ => format!("{reason}; it takes its time and its locks on tables"),
        };
        // LOCK TABLE wants a transaction block, which statements of one message are (manual, section 55.2.2.1). It works
        // for no time itself, the last statement does for all.
        locks.push(NOTHING.to_owned());
        let instead = Some(locks.join("; ").into());
        Self {
            instead,
            statements: 1,
            refused: Some(reason),
            sets: false,
            controls: vec![Control::Other],
            ..self
        }
    }
}

/// What the engine refuses whatever the schema.
fn not_run(statement: &Statement) -> Option<&str> {
    Some(match statement {
        Statement::Merge(_) => "MERGE",
        Statement::Copy(_) => "COPY",
        Statement::Explain { .. } => "EXPLAIN",
        Statement::Do(_) => "DO",
        Statement::Call(_) => "CALL",
        Statement::PrepareTransaction(_) | Statement::CommitPrepared(_) | Statement::RollbackPrepared(_) => {
            "two-phase commit"
        }
        Statement::SetConstraints { .. } => "SET CONSTRAINTS",
        Statement::NotModelled { name } => name,
        _ => return None,
    })
}
