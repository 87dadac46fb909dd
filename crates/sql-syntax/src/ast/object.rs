//! Objects other than tables.

use super::{
    ConstraintAttributes, DataType, DropBehavior, Expr, Ident, ObjectName, Persistence, SequenceOption,
    Statement, StorageOption, TableConstraint, TableName,
};

/// The kinds of object that statements name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ObjectKind {
    AccessMethod,
    Aggregate,
    Cast,
    Collation,
    Column,
    Constraint,
    Conversion,
    Database,
    Domain,
    EventTrigger,
    Extension,
    ForeignDataWrapper,
    ForeignTable,
    Function,
    Index,
    Language,
    LargeObject,
    MaterializedView,
    Operator,
    OperatorClass,
    OperatorFamily,
    Owned,
    Policy,
    Procedure,
    PropertyGraph,
    Publication,
    Role,
    Routine,
    Rule,
    Schema,
    Sequence,
    Server,
    Statistics,
    Subscription,
    Table,
    Tablespace,
    TextSearch,
    Transform,
    Trigger,
    Type,
    UserMapping,
    View,
}

impl ObjectKind {
    /// As SQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessMethod => "ACCESS METHOD",
            Self::Aggregate => "AGGREGATE",
            Self::Cast => "CAST",
            Self::Collation => "COLLATION",
            Self::Column => "COLUMN",
            Self::Constraint => "CONSTRAINT",
            Self::Conversion => "CONVERSION",
            Self::Database => "DATABASE",
            Self::Domain => "DOMAIN",
            Self::EventTrigger => "EVENT TRIGGER",
            Self::Extension => "EXTENSION",
            Self::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            Self::ForeignTable => "FOREIGN TABLE",
            Self::Function => "FUNCTION",
            Self::Index => "INDEX",
            Self::Language => "LANGUAGE",
            Self::LargeObject => "LARGE OBJECT",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Operator => "OPERATOR",
            Self::OperatorClass => "OPERATOR CLASS",
            Self::OperatorFamily => "OPERATOR FAMILY",
            Self::Owned => "OWNED",
            Self::Policy => "POLICY",
            Self::Procedure => "PROCEDURE",
            Self::PropertyGraph => "PROPERTY GRAPH",
            Self::Publication => "PUBLICATION",
            Self::Role => "ROLE",
            Self::Routine => "ROUTINE",
            Self::Rule => "RULE",
            Self::Schema => "SCHEMA",
            Self::Sequence => "SEQUENCE",
            Self::Server => "SERVER",
            Self::Statistics => "STATISTICS",
            Self::Subscription => "SUBSCRIPTION",
            Self::Table => "TABLE",
            Self::Tablespace => "TABLESPACE",
            Self::TextSearch => "TEXT SEARCH",
            Self::Transform => "TRANSFORM",
            Self::Trigger => "TRIGGER",
            Self::Type => "TYPE",
            Self::UserMapping => "USER MAPPING",
            Self::View => "VIEW",
        }
    }
}

/// DROP of anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// Of which kind.
    pub kind: ObjectKind,
    /// What.
    pub names: Vec<ObjectName>,
    /// The table that a trigger, rule or policy is on.
    pub on: Option<ObjectName>,
    /// IF EXISTS.
    pub if_exists: bool,
    /// CONCURRENTLY, of indexes.
    pub concurrently: bool,
    /// CASCADE.
    pub behavior: DropBehavior,
}

/// CREATE SEQUENCE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSequence {
    /// Its name.
    pub name: ObjectName,
    /// TEMPORARY, UNLOGGED.
    pub persistence: Persistence,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Its options.
    pub options: Vec<SequenceOption>,
}

/// ALTER SEQUENCE with options.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSequence {
    /// Its name.
    pub name: ObjectName,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Its options.
    pub options: Vec<SequenceOption>,
}

/// CREATE TYPE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateType {
    /// Its name.
    pub name: ObjectName,
    /// What it is made of.
    pub definition: TypeDefinition,
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeDefinition {
    /// AS ENUM.
    Enum(Vec<String>),
    /// AS (...).
    Composite(Vec<(Ident, Option<DataType>)>),
    /// AS RANGE.
    Range(Vec<StorageOption>),
    /// A base type.
    Base(Vec<StorageOption>),
    /// Only the name, to be defined later.
    Shell,
}

/// ALTER TYPE.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterType {
    /// Its name.
    pub name: ObjectName,
    /// How.
    pub action: AlterTypeAction,
}

/// What ALTER TYPE does.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterTypeAction {
    /// ADD VALUE.
    AddValue {
        /// The label.
        value: String,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// BEFORE (true) or AFTER (false) which label, if given.
        position: Option<(bool, String)>,
    },
    /// RENAME VALUE.
    RenameValue {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// RENAME TO.
    RenameTo(Ident),
    /// OWNER TO.
    OwnerTo(String),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// ADD, DROP, ALTER or RENAME ATTRIBUTE; the text as written, and whether CASCADE.
    Attributes {
        /// Key words of the first action: `ADD ATTRIBUTE`.
        action: String,
        /// CASCADE.
        behavior: DropBehavior,
    },
    /// SET (...) of a base type.
    SetOptions(Vec<StorageOption>),
}

/// CREATE DOMAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateDomain {
    /// Its name.
    pub name: ObjectName,
    /// Its base type.
    pub data_type: DataType,
    /// DEFAULT.
    pub default: Option<Expr>,
    /// NOT NULL.
    pub not_null: bool,
    /// CHECK constraints.
    pub checks: Vec<TableConstraint>,
}

/// ALTER DOMAIN.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDomain {
    /// Its name.
    pub name: ObjectName,
    /// How.
    pub action: AlterDomainAction,
}

/// What ALTER DOMAIN does.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterDomainAction {
    /// SET DEFAULT.
    SetDefault(Expr),
    /// DROP DEFAULT.
    DropDefault,
    /// SET NOT NULL.
    SetNotNull,
    /// DROP NOT NULL.
    DropNotNull,
    /// ADD CONSTRAINT.
    AddConstraint(TableConstraint),
    /// DROP CONSTRAINT.
    DropConstraint {
        /// Which.
        name: Ident,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// RENAME CONSTRAINT.
    RenameConstraint {
        /// From.
        name: Ident,
        /// To.
        to: Ident,
    },
    /// VALIDATE CONSTRAINT.
    ValidateConstraint(Ident),
    /// OWNER TO.
    OwnerTo(String),
    /// RENAME TO.
    RenameTo(Ident),
    /// SET SCHEMA.
    SetSchema(Ident),
}

/// CREATE SCHEMA.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSchema {
    /// Its name, or that of the role that is to own it.
    pub name: Ident,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// What is created in it.
    pub elements: Vec<crate::Located<Statement>>,
}

/// CREATE TRIGGER.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    /// Its name.
    pub name: Ident,
    /// OR REPLACE.
    pub or_replace: bool,
    /// CONSTRAINT.
    pub constraint: bool,
    /// BEFORE, AFTER, INSTEAD OF.
    pub timing: TriggerTiming,
    /// On which events.
    pub events: Vec<TriggerEvent>,
    /// On which table or view.
    pub table: ObjectName,
    /// FROM, of a constraint trigger.
    pub from: Option<ObjectName>,
    /// DEFERRABLE and the like.
    pub attributes: ConstraintAttributes,
    /// FOR EACH ROW rather than STATEMENT.
    pub for_each_row: bool,
    /// WHEN.
    pub condition: Option<Expr>,
    /// What is called.
    pub function: ObjectName,
    /// Its arguments, as written.
    pub args: Vec<Expr>,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerTiming {
    /// BEFORE.
    Before,
    /// AFTER.
    After,
    /// INSTEAD OF.
    InsteadOf,
}

/// What a trigger waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerEvent {
    /// INSERT.
    Insert,
    /// UPDATE, of these columns or (empty) of any.
    Update(Vec<Ident>),
    /// DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
}

/// CREATE FUNCTION and CREATE PROCEDURE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    /// Its name.
    pub name: ObjectName,
    /// OR REPLACE.
    pub or_replace: bool,
    /// PROCEDURE.
    pub procedure: bool,
    /// Its parameters: name (if given) and type.
    pub params: Vec<(Option<Ident>, DataType)>,
    /// RETURNS, unless a table or nothing.
    pub returns: Option<DataType>,
    /// IMMUTABLE, STABLE or (by default) VOLATILE.
    pub volatility: Volatility,
    /// Its body.
    pub body: FunctionBody,
}

/// What a function may depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// On its arguments only.
    Immutable,
    /// On the statement's snapshot too.
    Stable,
    /// On anything.
    #[default]
    Volatile,
}

/// A body of code: a function's or a DO block's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FunctionBody {
    /// LANGUAGE, in lower case; `plpgsql` for a DO block that names none.
    pub language: String,
    /// The code, decoded; a BEGIN ATOMIC body as written.
    pub text: String,
    /// The literal or body in the text, with its quotes.
    pub range: crate::TextRange,
}

/// CREATE RULE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateRule {
    /// Its name.
    pub name: Ident,
    /// OR REPLACE.
    pub or_replace: bool,
    /// On which table or view.
    pub table: ObjectName,
    /// SELECT, INSERT, UPDATE or DELETE, in lower case.
    pub event: String,
    /// INSTEAD.
    pub instead: bool,
    /// What is done: nothing, or some statements.
    pub actions: Vec<Statement>,
}

/// CREATE STATISTICS.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateStatistics {
    /// Its name, if given.
    pub name: Option<ObjectName>,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Columns and expressions.
    pub elements: Vec<Expr>,
    /// Of which table.
    pub table: ObjectName,
}

/// CREATE and ALTER PUBLICATION.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Its name.
    pub name: Ident,
    /// The tables named.
    pub tables: Vec<TableName>,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// TABLES IN SCHEMA.
    pub schemas: Vec<Ident>,
    /// For ALTER: `ADD`, `SET`, `DROP`, `RENAME`, `OWNER`.
    pub action: Option<String>,
}

/// ALTER of an object that is not a relation.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterObject {
    /// Of which kind.
    pub kind: ObjectKind,
    /// What.
    pub name: ObjectName,
    /// The table that a trigger or rule is on.
    pub on: Option<ObjectName>,
    /// How.
    pub action: AlterObjectAction,
}

/// What ALTER does to such an object.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterObjectAction {
    /// RENAME TO.
    RenameTo(Ident),
    /// OWNER TO.
    OwnerTo(String),
    /// SET SCHEMA.
    SetSchema(Ident),
    /// SET STATISTICS, of extended statistics; nothing for DEFAULT.
    SetStatistics(Option<i64>),
    /// SET parameter, of a role or database.
    SetParameter,
    /// Another one, by its key words.
    Other(String),
}

/// COMMENT ON.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentOn {
    /// Of which kind.
    pub kind: ObjectKind,
    /// The object; for a column its table, for a constraint, trigger, rule or policy the object itself.
    pub name: ObjectName,
    /// The column.
    pub column: Option<Ident>,
    /// The table or domain that a constraint, trigger, rule or policy is on.
    pub on: Option<ObjectName>,
    /// IS; nothing for NULL.
    pub text: Option<String>,
}

/// GRANT and REVOKE.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// REVOKE.
    pub revoke: bool,
    /// What kind of object, nothing for membership in roles.
    pub kind: Option<ObjectKind>,
    /// The objects, or for `ALL ... IN SCHEMA` the schemas.
    pub objects: Vec<ObjectName>,
    /// `ALL TABLES IN SCHEMA` and its relatives.
    pub all_in_schema: bool,
    /// The roles that gain or lose it, `PUBLIC` and `CURRENT_USER` not among them.
    pub roles: Vec<Ident>,
}
