//! PostgreSQL's backends as pure state machines: sessions, transactions, row locks, snapshots and timeouts.
//!
//! [`Backends`] is a server without SQL. A session is sent a [`Statement`]; it runs until it is done, fails,
//! waits for a lock or works for a while. Nothing happens by itself: time comes in as an argument, and each call
//! says in [`Effects`] which statements ended, which timers the caller shall put into its queue (ordered by time,
//! then by age) and what happened to locks and transactions.
//!
//! ```
//! use std::rc::Rc;
//! use sim_clock::Nanos;
//! use transactions::{
//!     Backends, CommandTag, Effects, Isolation, LockMode, Program, ProgramStep, RelationId, ServerSettings,
//!     SessionSettings, SessionState, Statement,
//! };
//!
//! let orders = RelationId(1);
//! let update = Rc::new(Program {
//!     steps: vec![
//!         ProgramStep::Lock { relation: orders, mode: LockMode::RowExclusive },
//!         ProgramStep::Update { relation: orders, slot: 0, key_columns_changed: false },
//!         ProgramStep::Work,
//!     ],
//!     tag: CommandTag::UPDATE,
//! });
//! let update_row = |key| Statement::Program { program: Rc::clone(&update), keys: [key, 0], work: Nanos::from_millis(2) };
//!
//! let mut server = Backends::<()>::new(ServerSettings::default());
//! let mut fx = Effects::default();
//! let now = Nanos::ZERO;
//! let a = server.connect(now, SessionSettings::default());
//! let b = server.connect(now, SessionSettings::default());
//!
//! // Both update row 42; the second one waits for the first one's transaction.
//! server.start(now, a, update_row(42), &mut fx);
//! server.start(now, b, update_row(42), &mut fx);
//! assert_eq!((server.state(a), server.state(b)), (SessionState::Working, SessionState::Waiting));
//!
//! // The caller keeps the timers and hands each back when it is due.
//! let (at, timer) = fx.timers[0];
//! fx.clear();
//! server.fire(at, timer, &mut fx);
//! assert_eq!(fx.completions[0].session, a);
//! assert_eq!(fx.completions[0].result.as_ref().unwrap().to_string(), "UPDATE 1");
//! assert_eq!(server.state(b), SessionState::Working);
//! ```
//!
//! # Order
//!
//! Everything that a call brings about happens in one order, which depends on nothing but the calls:
//! a statement runs until it ends or waits; whoever was woken meanwhile then goes on, one after the other in the
//! order in which their locks were granted, each until it ends or waits; those woken by them come after them. On
//! a real server woken backends race. This rule is one of the outcomes that a race can have.
//!
//! Within an instant, timers fire in the order in which they were set, with two exceptions that are the
//! server's: a session's deadlock check comes before its `lock_timeout`, and its `statement_timeout` before its
//! `lock_timeout`.
//!
//! # Statements
//!
//! [`Statement::Program`] is for traffic: steps compiled once, row keys filled in, no allocation. Everything
//! else implements [`Stepper`]: it is asked for one [`Step`] at a time and told what came of it. What it changes
//! outside (a catalog) it undoes or makes final in a [`TransactionHook`], which runs before any lock is given
//! back. A statement outside of a transaction block commits by itself.
//!
//! # Rows
//!
//! A relation is virtual until [`Backends::store_relation`]: it has every row, and only rows that somebody
//! deals with take memory. A virtual row that was deleted is there again once nobody can see the difference by
//! his snapshot. Rows of stored relations carry a `P`. [`Backends::set_extent`] says which rows a virtual
//! relation has.
//! [`Step::WriteRange`] changes a stretch of any length as one thing that moves on with its work.
//!
//! # Absent on purpose
//!
//! Predicate locks (SERIALIZABLE is repeatable read here; whoever knows which rows a statement reads can add
//! them with [`StepContext::unseen_writers`]), lightweight locks, buffer pins, speculative insertion.

mod backends;
pub mod commands;
mod concurrently;
mod context;
mod control;
mod effects;
mod error;
mod extent;
mod heap;
mod list;
mod range;
mod range_op;
mod row_op;
mod row_wait;
mod rows;
mod run;
mod session;
mod settings;
mod statement;
mod steps;
mod timeouts;
mod timer;
mod transaction;
mod tuple;
mod views;

pub use backends::Backends;
pub use context::{AtOnce, StepContext, Writer};
pub use effects::{CommandTag, Completion, Effects, Event, EventKind, Outcome};
pub use error::{SqlError, SqlState};
pub use lock_table::{
    Blocker, CycleEdge, EdgeKind, LockMode, LockModes, LockTag, RelationId, RowKey, Scope, SessionId, Xid,
};
pub use session::{SessionState, TransactionEnd, TransactionHook};
pub use settings::{BackendRole, Guc, ServerSettings, SessionSettings};
pub use statement::{
    Isolation, Program, ProgramStep, RangeDeed, RowLockStrength, Statement, Step, StepOutcome, Stepper,
    WaitPolicy,
};
pub use timer::{Timer, TimerKind};
pub use tuple::DirtyState;
pub use views::Waiter;
