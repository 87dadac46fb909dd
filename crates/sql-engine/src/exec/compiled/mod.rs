//! Point statements as flat programs: a row of a virtual table, found by its key, is read, locked, changed, deleted or
//! inserted. And queries, which are evaluated as a whole if they need not stop for a lock.
//!
//! Nearly everything that an application does all day is of this kind, and of nearly all of it nothing but its
//! waits and its time is wanted. The general way builds a stack of tasks for each execution, with rows, results and
//! maps; a compiled statement is one object with a phase:
//!
//! ```text
//!   Overhead ─► Lock(0) ─► … ─► Lock(n) ─► Find ─► Changed ─► Work ─► Finish
//!                  └── the catalog is another ──┬──┘  └── a foreign key is to be checked
//!                                               ▼
//!                              the general tasks, from the very place that was reached
//! ```
//!
//! A plan is compiled when it is executed again; what [`compile`] does not know it leaves to the general tasks.
//! Invariant: whichever way a statement goes, it takes the same steps, evaluates what can fail or be noticed in the
//! same order, and ends with the same counts (`compiled_statements_log_what_general_ones_log`).
//!
//! Deliberately absent: changes of stored rows, partitions, triggers, generated columns, ON CONFLICT, serializable and
//! repeatable-read transactions, rows of a result.

mod compile;
mod harmless;
mod stepper;

use std::rc::Rc;

use lock_table::{RelationId, SessionId};
use schema_rules::catalog::Sequence;
use transactions::{CommandTag, RowLockStrength, WaitPolicy};

pub(crate) use stepper::{Execution, Pool};

use crate::expr::Typed;
use crate::plan::{Plan, Table};
use crate::state::State;
use crate::value::{Type, Value, in_range};
use crate::virtual_table::VirtualTable;

/// A plan that was compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    form: Form,
    tag: CommandTag,
    /// So many parameters are needed by expressions that are left out.
    params: usize,
    /// Whether a client that wants results gets rows.
    pub(crate) returns_rows: bool,
}

#[derive(Debug)]
enum Form {
    /// A row of a virtual table, or few of them.
    Point(Point),
    /// A query of any kind that need not stop: it is evaluated as a whole.
    Query,
}

/// What is done to which rows of a virtual table.
#[derive(Debug)]
struct Point {
    table: RelationId,
    /// What the table was known to be: if it is not so any more, the plan is compiled anew.
    known: Rc<VirtualTable>,
    width: usize,
    find: Find,
    deed: Deed,
}

/// Which rows it is about.
#[derive(Debug)]
enum Find {
    /// The row whose number is this parameter, an integer of this type.
    Number(usize, Type),
    /// The row with this primary key: the values in the order in which they are evaluated, each with its place.
    Key(Vec<(usize, Typed)>),
    /// The row with these values in a unique index.
    Unique(Vec<Typed>),
    /// The few rows that have this value in some column.
    Few(Typed),
    /// None: one is inserted.
    New,
}

/// What it does.
#[derive(Debug)]
enum Deed {
    Read {
        /// LIMIT.
        most: u64,
        /// What of its target list and its order can fail or be noticed.
        shows: Vec<Typed>,
    },
    Lock {
        strength: RowLockStrength,
        policy: WaitPolicy,
        shows: Vec<Typed>,
    },
    Update {
        table: Rc<Table>,
        /// In the order in which they are evaluated.
        set: Vec<(usize, Typed)>,
        /// Those of them that can fail or be noticed, if the new row itself does not matter.
        evaluated: Vec<Typed>,
        /// Whether keys depend on what is set.
        sets_keys: bool,
    },
    Delete {
        table: Rc<Table>,
    },
    Insert {
        table: Rc<Table>,
        /// In the order in which they are evaluated: first those that are given, then the defaults.
        values: Vec<(usize, Given)>,
    },
}

/// A value of a row that is inserted.
#[derive(Debug)]
enum Given {
    Value(Typed),
    /// `nextval` of a sequence that is known by its name.
    Next(RelationId, Box<Sequence>),
}

impl Compiled {
    /// Whether it can be executed with these parameters.
    #[inline]
    pub(crate) fn takes(&self, params: &[Value]) -> bool {
        let is_number = match &self.form {
            Form::Point(Point { find: Find::Number(n, ty), .. }) => {
                matches!(params.get(*n), Some(Value::Int(number)) if in_range(*number, ty))
            }
            Form::Point(_) | Form::Query => true,
        };
        is_number && params.len() >= self.params
    }

    /// Nothing if the plan is not of this kind.
    pub(crate) fn of(plan: &Plan, state: &State, session: SessionId) -> Option<Self> {
        compile::compile(plan, state, session)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Database, DatabaseConfig};

    fn has_compiled_form(sql: &str) -> bool {
        let mut database = Database::new(DatabaseConfig::default());
        let schema = "
            CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE, n int, seen timestamptz);
            CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users (id), n int CHECK (n > 0));
            CREATE TABLE stored (id int PRIMARY KEY);
            CREATE TABLE made (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
            CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
            CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000);";
        database.script(schema).expect("a schema");
        for table in ["users", "orders", "made", "parts"] {
            assert!(database.set_virtual_rows(table, 100, None));
        }
        let statement = database.prepare(sql).expect("a statement");
        database.check(statement).expect("one of this schema");
        database.has_compiled_form(statement)
    }

    #[test]
    fn point_statements_on_virtual_tables_have_a_compiled_form() {
        for sql in [
            "SELECT * FROM users WHERE id = $1",
            "SELECT n + 1, now() FROM users WHERE id = 7 AND n > $1 LIMIT 1",
            "SELECT id FROM users WHERE email = $1",
            "SELECT id FROM orders WHERE user_id = $1 ORDER BY id LIMIT 10",
            "SELECT id FROM users WHERE id = $1 FOR UPDATE SKIP LOCKED",
            "UPDATE users SET n = n + 1, seen = now() WHERE id = $1",
            "UPDATE users SET email = lower($2) WHERE id = $1 RETURNING id",
            "DELETE FROM users WHERE id = $1",
            "INSERT INTO orders (user_id, n) VALUES ($1, 3) RETURNING id",
            "INSERT INTO users VALUES ($1, 'a' || $1)",
        ] {
            assert!(has_compiled_form(sql), "{sql}");
        }
    }

    #[test]
    fn queries_that_need_not_stop_have_a_compiled_form() {
        for sql in [
            "SELECT count(*) FROM users WHERE id = $1",
            "SELECT id FROM users WHERE id IN ($1, $2) OR id > $1",
            "SELECT id FROM stored WHERE id = (SELECT max(id) FROM orders)",
            "SELECT u.id FROM users u JOIN stored s ON s.id = u.id WHERE u.id = $1 GROUP BY u.id",
            "SELECT id FROM parts WHERE id = $1",
            "VALUES (1), ($1)",
        ] {
            assert!(has_compiled_form(sql), "{sql}");
        }
    }

    #[test]
    fn what_is_more_than_a_point_statement_is_left_to_the_general_tasks() {
        for sql in [
            "SELECT id FROM users WHERE id IN ($1, $2) FOR UPDATE",
            "SELECT pg_advisory_lock(id) FROM users WHERE id = $1",
            "SELECT id FROM stored WHERE pg_try_advisory_lock(id)",
            "WITH gone AS (DELETE FROM stored RETURNING id) SELECT count(*) FROM gone",
            "SELECT id FROM stored WHERE id = $1 FOR SHARE",
            "UPDATE users SET n = 1",
            "UPDATE users SET n = (SELECT 1) WHERE id = $1",
            "UPDATE users SET n = 1 WHERE id = $1 RETURNING 1 / n",
            "UPDATE made SET id = 3 WHERE id = $1",
            "INSERT INTO users VALUES ($1), ($2)",
            "INSERT INTO users VALUES ($1) ON CONFLICT DO NOTHING",
            "INSERT INTO stored VALUES ($1)",
        ] {
            assert!(!has_compiled_form(sql), "{sql}");
        }
    }
}
