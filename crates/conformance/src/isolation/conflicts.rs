//! Do these statements conflict? Each is run by a session of its own, in every order, with its
//! transaction left open, and it is seen who waits for whom.

use std::fmt::Write as _;

use sim_clock::Nanos;

use super::assumptions::assume_schema;
use super::explain::Explainer;
use super::permutations::step_forward;
use super::server::{Connection, LockViews as _, Outcome, Server as _};
use super::simulated::Simulated;

/// The number of orders grows with the factorial.
pub const MAX_STATEMENTS: usize = 5;

/// How long a statement is made to take that cannot be run in a transaction block: while it runs,
/// the others are started.
const LONG_ENOUGH: Nanos = Nanos::from_secs(3600);

/// Why statements could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConflictError {
    /// The schema is not one.
    #[error("the schema fails: {0}")]
    Schema(String),
    /// A statement fails by itself.
    #[error("statement {number} fails: {problem}")]
    Statement {
        /// Which, counted from 1.
        number: usize,
        /// The server's message.
        problem: String,
    },
    /// There are too few or too many.
    #[error("give 2 to {MAX_STATEMENTS} statements: every order of them is tried")]
    Count,
}

/// Says of statements, by the rules of a major version, what each locks and who waits for whom in each
/// order. Without a schema, tables are assumed to be as the statements need them.
///
/// # Errors
/// If the schema or a statement fails by itself.
pub fn explain_conflicts(
    major: u32,
    schema: Option<&str>,
    statements: &[String],
) -> Result<String, ConflictError> {
    if !(2..=MAX_STATEMENTS).contains(&statements.len()) {
        return Err(ConflictError::Count);
    }
    let mut out = String::new();
    let schema = match schema {
        Some(schema) => schema.to_owned(),
        None => {
            let assumed = assume_schema(major, statements);
            for statement in &assumed {
                let _ = writeln!(out, "assumed: {statement}");
            }
            if !assumed.is_empty() {
                out.push('\n');
            }
            assumed.join("\n")
        }
    };
    let stage = Stage { major, schema: &schema, statements };
    for number in 0..statements.len() {
        stage.alone(number, &mut out)?;
    }
    let mut order: Vec<usize> = (0..statements.len()).collect();
    let mut pairs = Vec::new();
    loop {
        stage.in_order(&order, &mut out, &mut pairs)?;
        if !step_forward(&mut order) {
            break;
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| format!("{} and {}", a + 1, b + 1)).collect();
    let verdict = if pairs.is_empty() { "nobody".to_owned() } else { pairs.join(", ") };
    let _ = writeln!(out, "in conflict: {verdict}");
    Ok(out)
}

struct Stage<'a> {
    major: u32,
    schema: &'a str,
    statements: &'a [String],
}

impl Stage<'_> {
    fn server(&self) -> Result<(Simulated, Connection), ConflictError> {
        let mut server = Simulated::new(self.major);
        let control = server.connect("schema");
        match failure(&mut server, control, self.schema) {
            None => Ok((server, control)),
            Some(problem) => Err(ConflictError::Schema(problem)),
        }
    }

    /// What a statement holds when nobody is in its way.
    fn alone(&self, number: usize, out: &mut String) -> Result<(), ConflictError> {
        let (mut server, _) = self.server()?;
        let connection = server.connect("alone");
        if let Some(problem) = self.start(&mut server, connection, number) {
            return Err(ConflictError::Statement { number: number + 1, problem });
        }
        let _ = writeln!(out, "{}: {}", number + 1, self.statements[number]);
        let span = if server.is_busy(connection) { "while it runs" } else { "until its transaction ends" };
        for (object, modes) in server.held_by(connection) {
            let _ = writeln!(out, "   {} on {object}, {span}", modes.join(" and "));
        }
        out.push('\n');
        Ok(())
    }

    fn in_order(
        &self,
        order: &[usize],
        out: &mut String,
        pairs: &mut Vec<(usize, usize)>,
    ) -> Result<(), ConflictError> {
        let (mut server, _) = self.server()?;
        let names: Vec<_> = order.iter().map(|number| (number + 1).to_string()).collect();
        let _ = writeln!(out, "{}:", names.join(", then "));
        let connections: Vec<_> = names.iter().map(|name| server.connect(name)).collect();
        for (&number, &connection) in order.iter().zip(&connections) {
            if let Some(problem) = self.start(&mut server, connection, number) {
                let _ = writeln!(out, "   {} fails: {problem}", number + 1);
            }
        }
        let explainer = Explainer::with_names(std::iter::once(String::new()).chain(names).collect());
        let number_of = |connection: Connection| order.get(connection.0.wrapping_sub(1)).copied();
        let waits: Vec<_> = connections.iter().filter_map(|&c| Some((c, server.wait_of(c)?))).collect();
        for (waiter, wait) in &waits {
            for obstacle in &wait.obstacles {
                if let (Some(a), Some(b)) = (number_of(*waiter), number_of(obstacle.connection)) {
                    pairs.push((a.min(b), a.max(b)));
                }
            }
            for reason in explainer.reasons(*waiter, wait) {
                let _ = writeln!(out, "   {reason} ({})", wait.object);
            }
        }
        if waits.is_empty() {
            out.push_str("   nobody waits\n");
        }
        out.push('\n');
        Ok(())
    }

    /// Starts a statement in a transaction that stays open, or, if it refuses to run in one, by
    /// itself and for a long time. The message if it fails at once.
    fn start(&self, server: &mut Simulated, connection: Connection, number: usize) -> Option<String> {
        let sql = &self.statements[number];
        failure(server, connection, "BEGIN");
        let problem = failure(server, connection, sql)?;
        if !problem.ends_with("cannot run inside a transaction block") {
            return Some(problem);
        }
        failure(server, connection, "ROLLBACK");
        server.send_slow(connection, sql, LONG_ENOUGH);
        failed(server, connection)
    }
}

/// Sends a text; the message if it has failed already.
pub(crate) fn failure(server: &mut Simulated, connection: Connection, sql: &str) -> Option<String> {
    server.send(connection, sql);
    failed(server, connection)
}

fn failed(server: &mut Simulated, connection: Connection) -> Option<String> {
    if server.is_busy(connection) {
        return None;
    }
    server.take_outcomes(connection).into_iter().find_map(|outcome| match outcome {
        Outcome::Failed(message) => Some(message.text),
        Outcome::NotModelled(reason) => Some(format!("not modelled: {reason}")),
        Outcome::ConnectionLost => Some("the connection is lost".to_owned()),
        Outcome::Command | Outcome::Empty | Outcome::Rows(_) => None,
    })
}
