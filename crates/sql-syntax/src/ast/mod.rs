//! The statement types.
//!
//! One module per family: [`name`], [`types`], [`expr`], [`query`] (what reads and changes rows),
//! [`table`] (CREATE TABLE and its parts), [`alter`], [`object`] (every other kind of object) and
//! [`utility`] (transactions, settings, maintenance).

// Statements are few and short-lived: plain patterns are worth more than the bytes.
#![allow(clippy::large_enum_variant)]

pub mod alter;
pub mod expr;
pub mod name;
pub mod object;
pub mod query;
pub mod table;
pub mod types;
pub mod utility;

pub use alter::*;
pub use expr::*;
pub use name::*;
pub use object::*;
pub use query::*;
pub use table::*;
pub use types::*;
pub use utility::*;

/// One SQL statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `TABLE` and their combinations.
    Select(Query),
    /// `INSERT`.
    Insert(Insert),
    /// `UPDATE`.
    Update(Update),
    /// `DELETE`.
    Delete(Delete),
    /// `MERGE`.
    Merge(Merge),
    /// `COPY`.
    Copy(Copy),
    /// `EXPLAIN`; with ANALYZE the statement is run.
    Explain {
        /// Whether the statement is run.
        analyze: bool,
        /// What is explained.
        statement: Box<Statement>,
    },

    /// `CREATE TABLE`, also `... PARTITION OF`.
    CreateTable(CreateTable),
    /// `CREATE TABLE ... AS` and `SELECT ... INTO`.
    CreateTableAs(CreateTableAs),
    /// `ALTER TABLE`, and `ALTER INDEX | VIEW | MATERIALIZED VIEW | SEQUENCE | FOREIGN TABLE`, which
    /// share its actions.
    AlterTable(AlterTable),
    /// `ALTER TABLE | INDEX | MATERIALIZED VIEW ALL IN TABLESPACE`.
    MoveAll(MoveAll),
    /// `CREATE INDEX`.
    CreateIndex(CreateIndex),
    /// `REINDEX`.
    Reindex(Reindex),
    /// `CREATE VIEW`.
    CreateView(CreateView),
    /// `CREATE MATERIALIZED VIEW`.
    CreateMaterializedView(CreateMaterializedView),
    /// `REFRESH MATERIALIZED VIEW`.
    RefreshMaterializedView(RefreshMaterializedView),
    /// `CREATE SEQUENCE`.
    CreateSequence(CreateSequence),
    /// `ALTER SEQUENCE` with sequence options.
    AlterSequence(AlterSequence),
    /// `CREATE TYPE`.
    CreateType(CreateType),
    /// `ALTER TYPE`.
    AlterType(AlterType),
    /// `CREATE DOMAIN`.
    CreateDomain(CreateDomain),
    /// `ALTER DOMAIN`.
    AlterDomain(AlterDomain),
    /// `CREATE SCHEMA`.
    CreateSchema(CreateSchema),
    /// `CREATE EXTENSION`.
    CreateExtension {
        /// The extension.
        name: Ident,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// `CREATE TRIGGER`.
    CreateTrigger(CreateTrigger),
    /// `CREATE FUNCTION` and `CREATE PROCEDURE`.
    CreateFunction(CreateFunction),
    /// `CREATE RULE`.
    CreateRule(CreateRule),
    /// `CREATE POLICY`.
    CreatePolicy {
        /// The policy.
        name: Ident,
        /// The table that it guards.
        table: ObjectName,
        /// The expressions of USING and WITH CHECK.
        conditions: Vec<Expr>,
    },
    /// `ALTER POLICY`.
    AlterPolicy {
        /// The policy.
        name: Ident,
        /// The table that it guards.
        table: ObjectName,
        /// RENAME TO.
        rename_to: Option<Ident>,
        /// The new expressions of USING and WITH CHECK.
        conditions: Vec<Expr>,
    },
    /// `CREATE STATISTICS`.
    CreateStatistics(CreateStatistics),
    /// `CREATE PUBLICATION`.
    CreatePublication(Publication),
    /// `ALTER PUBLICATION`.
    AlterPublication(Publication),
    /// ALTER of an object that is not a relation: rename, owner, schema and the like.
    AlterObject(AlterObject),
    /// Every `DROP ...`.
    Drop(Drop),
    /// `REASSIGN OWNED`.
    ReassignOwned {
        /// The roles that own something.
        from: Vec<Ident>,
        /// The role that is to own it.
        to: String,
    },
    /// `COMMENT ON`.
    Comment(CommentOn),
    /// `GRANT` and `REVOKE` on objects.
    Grant(Grant),
    /// `TRUNCATE`.
    Truncate(Truncate),

    /// `LOCK TABLE`.
    LockTable(LockTable),
    /// `VACUUM`.
    Vacuum(Vacuum),
    /// `ANALYZE`.
    Analyze(Analyze),
    /// `CLUSTER`.
    Cluster(Cluster),
    /// `CHECKPOINT`.
    Checkpoint,

    /// `BEGIN`, `START TRANSACTION`.
    Begin(TransactionModes),
    /// `COMMIT`, `END`.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// `SAVEPOINT`.
    Savepoint(Ident),
    /// `ROLLBACK TO SAVEPOINT`.
    RollbackTo(Ident),
    /// `RELEASE SAVEPOINT`.
    Release(Ident),
    /// `PREPARE TRANSACTION`.
    PrepareTransaction(String),
    /// `COMMIT PREPARED`.
    CommitPrepared(String),
    /// `ROLLBACK PREPARED`.
    RollbackPrepared(String),
    /// `SET TRANSACTION` and `SET SESSION CHARACTERISTICS`.
    SetTransaction {
        /// Whether it is the session's default that changes.
        session: bool,
        /// What is set.
        modes: TransactionModes,
    },
    /// `SET CONSTRAINTS`.
    SetConstraints {
        /// The constraints; empty for ALL.
        names: Vec<ObjectName>,
        /// DEFERRED rather than IMMEDIATE.
        deferred: bool,
    },
    /// `SET name = value`.
    Set(SetVariable),
    /// `RESET name`, `RESET ALL` (no name).
    Reset(Option<String>),
    /// `SHOW name`.
    Show(Option<String>),
    /// `PREPARE name AS ...`.
    Prepare {
        /// Its name.
        name: Ident,
        /// Declared parameter types.
        types: Vec<DataType>,
        /// What is prepared.
        statement: Box<Statement>,
    },
    /// `EXECUTE name (...)`.
    Execute {
        /// Its name.
        name: Ident,
        /// The arguments.
        args: Vec<Expr>,
    },
    /// `DEALLOCATE name`, `DEALLOCATE ALL` (no name).
    Deallocate(Option<Ident>),
    /// `DECLARE name CURSOR FOR ...`.
    DeclareCursor {
        /// Its name.
        name: Ident,
        /// WITH HOLD.
        hold: bool,
        /// What it reads.
        query: Box<Query>,
    },
    /// `FETCH` and `MOVE`.
    Fetch {
        /// The cursor.
        cursor: Ident,
        /// How many rows, and in which direction.
        count: FetchCount,
        /// MOVE: the rows are not returned.
        is_move: bool,
    },
    /// `CLOSE name`, `CLOSE ALL` (no name).
    CloseCursor(Option<Ident>),
    /// `DISCARD ALL | PLANS | SEQUENCES | TEMP`.
    Discard(String),
    /// `DO` with its body.
    Do(FunctionBody),
    /// `CALL`.
    Call(FunctionCall),
    /// `LISTEN`.
    Listen(Ident),
    /// `UNLISTEN`.
    Unlisten(Option<Ident>),
    /// `NOTIFY`.
    Notify(Ident),

    /// A statement whose SQL is sound but of which nothing more than its name is known here.
    NotModelled {
        /// As in the manual: `CREATE FOREIGN TABLE`.
        name: String,
    },
}
