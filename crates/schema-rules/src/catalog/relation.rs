//! Relations: everything that has a row in `pg_class`, and what hangs on it.

use std::rc::Rc;

use sql_syntax::ast::Expr;

use super::{
    ColumnNumber, ColumnType, Constraint, ConstraintKind, ForeignKey, Index, Name, Oid, PartitionBound,
    PartitionKey, RelationId,
};

/// A table, index, sequence, view, …
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its id.
    pub id: RelationId,
    /// The schema that it is in.
    pub schema: Name,
    /// Its name.
    pub name: Name,
    /// Permanent, unlogged or temporary.
    pub persistence: Persistence,
    /// Its columns by number, dropped ones included (`columns[0]` is number 1).
    pub columns: Vec<Column>,
    /// What kind of relation it is, with what only that kind has.
    pub kind: RelationKind,
    /// Its constraints in the order of their creation.
    pub constraints: Vec<Constraint>,
    /// Its triggers, foreign keys' internal ones not included.
    pub triggers: Vec<Trigger>,
    /// Its rules; a view's own query is in its kind.
    pub rules: Vec<Rule>,
    /// Its row security policies.
    pub policies: Vec<Policy>,
    /// Tables that it inherits from, or the partitioned table that it is a partition of.
    pub parents: Vec<RelationId>,
    /// The bound, if it is a partition.
    pub partition_bound: Option<Rc<PartitionBound>>,
    /// That `DETACH PARTITION … CONCURRENTLY` has begun and not finished.
    pub detach_pending: bool,
    /// Storage parameters.
    pub options: Vec<(Name, Name)>,
    /// Who owns it, if anyone was named.
    pub owner: Option<Name>,
    /// The composite type that it is a table of (`CREATE TABLE … OF`).
    pub of_type: Option<Oid>,
    /// The tablespace, unless it is the database's own.
    pub tablespace: Option<Name>,
    /// The table access method, unless it is the default one.
    pub access_method: Option<Name>,
    /// The index that CLUSTER uses.
    pub clustered_on: Option<RelationId>,
    /// `ENABLE ROW LEVEL SECURITY`.
    pub row_security: bool,
    /// What identifies a row in logical replication.
    pub replica_identity: ReplicaIdentity,
    /// That nothing but its name is known: it was mentioned before it was defined.
    pub assumed: bool,
}

/// How long a relation's contents live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Logged.
    #[default]
    Permanent,
    /// Empty after a crash.
    Unlogged,
    /// Gone with the session.
    Temporary,
}

/// `REPLICA IDENTITY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key.
    #[default]
    Default,
    /// The whole row.
    Full,
    /// Nothing.
    Nothing,
    /// A unique index.
    Index(RelationId),
}

/// The kinds of relations.
#[derive(Clone, Debug)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table: it has no rows of its own.
    PartitionedTable(Rc<PartitionKey>),
    /// An index, or a partitioned index (one over a partitioned table).
    Index(Index),
    /// A sequence.
    Sequence(Sequence),
    /// A view.
    View(Rc<View>),
    /// A materialised view.
    MaterializedView {
        /// Its query.
        view: Rc<View>,
        /// Whether it has been filled.
        populated: bool,
    },
    /// A foreign table.
    ForeignTable,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its number.
    pub number: ColumnNumber,
    /// Its name.
    pub name: Name,
    /// Its type.
    pub data_type: ColumnType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Its default.
    pub default: Option<Rc<Expr>>,
    /// That its value is computed.
    pub generated: Option<Generated>,
    /// That it is an identity column.
    pub identity: Option<Identity>,
    /// The collation, unless it is the type's.
    pub collation: Option<Name>,
    /// That the default of rows older than the column is kept in the catalog instead of the rows
    /// (`atthasmissing`). A rewrite clears it.
    pub has_missing: bool,
    /// That it has been dropped: only its number remains.
    pub dropped: bool,
    /// How many parents it is inherited from.
    pub inherited: u16,
    /// Whether it was (also) defined on this table itself.
    pub local: bool,
}

/// A generated column.
#[derive(Clone, Debug)]
pub struct Generated {
    /// STORED: computed when the row is written. Otherwise VIRTUAL: when it is read (PostgreSQL 18).
    pub stored: bool,
    /// From what.
    pub expression: Rc<Expr>,
}

/// An identity column.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// GENERATED ALWAYS rather than BY DEFAULT.
    pub always: bool,
    /// The sequence behind it.
    pub sequence: RelationId,
}

/// What only a sequence has.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// smallint, integer or bigint.
    pub data_type: ColumnType,
    /// START.
    pub start: i64,
    /// INCREMENT.
    pub increment: i64,
    /// MINVALUE.
    pub min: i64,
    /// MAXVALUE.
    pub max: i64,
    /// CACHE.
    pub cache: i64,
    /// CYCLE.
    pub cycle: bool,
    /// The column that owns it.
    pub owned_by: Option<(RelationId, ColumnNumber)>,
}

/// A view's query and what it reads.
#[derive(Clone, Debug)]
pub struct View {
    /// The query.
    pub query: Rc<sql_syntax::ast::Query>,
    /// The relations that it reads, in the order of the query.
    pub reads: Vec<RelationId>,
    /// The search path it was created under: names in the query are resolved by it.
    pub search_path: Rc<[Name]>,
}

/// A trigger.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
    /// As it was created.
    pub definition: Rc<sql_syntax::ast::CreateTrigger>,
    /// The function that it calls, if the catalog knows it.
    pub function: Option<Oid>,
    /// `ENABLE` or `DISABLE TRIGGER`.
    pub enabled: bool,
    /// The trigger of the partitioned table that this one is a partition's copy of.
    pub parent: Option<Oid>,
}

/// A rewrite rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
    /// As it was created.
    pub definition: Rc<sql_syntax::ast::CreateRule>,
    /// `ENABLE` or `DISABLE RULE`.
    pub enabled: bool,
}

/// A row security policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
}

/// How big a relation is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RelationSize {
    /// Rows that are alive.
    pub rows: u64,
    /// Bytes of the heap (or of the index).
    pub bytes: u64,
}

impl Column {
    /// A nullable column without a default.
    pub fn new(number: ColumnNumber, name: Name, data_type: ColumnType) -> Self {
        Self {
            number,
            name,
            data_type,
            not_null: false,
            default: None,
            generated: None,
            identity: None,
            collation: None,
            has_missing: false,
            dropped: false,
            inherited: 0,
            local: true,
        }
    }
}

impl Relation {
    /// A permanent relation without columns.
    pub fn new(id: RelationId, schema: Name, name: Name, kind: RelationKind) -> Self {
        Self {
            id,
            schema,
            name,
            persistence: Persistence::default(),
            columns: Vec::new(),
            kind,
            constraints: Vec::new(),
            triggers: Vec::new(),
            rules: Vec::new(),
            policies: Vec::new(),
            parents: Vec::new(),
            partition_bound: None,
            detach_pending: false,
            options: Vec::new(),
            owner: None,
            of_type: None,
            tablespace: None,
            access_method: None,
            clustered_on: None,
            row_security: false,
            replica_identity: ReplicaIdentity::default(),
            assumed: false,
        }
    }

    /// The number that the next column gets.
    pub fn next_column_number(&self) -> ColumnNumber {
        self.columns.len() as ColumnNumber + 1
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| !c.dropped && &*c.name == name)
    }

    /// The column of this number, unless it was dropped.
    pub fn column_at(&self, number: ColumnNumber) -> Option<&Column> {
        self.columns.get(usize::from(number).checked_sub(1)?).filter(|c| !c.dropped)
    }

    /// The columns that have not been dropped.
    pub fn live_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|c| !c.dropped)
    }

    /// The constraint of this name.
    pub fn constraint(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|c| &*c.name == name)
    }

    /// The constraint of this oid.
    pub fn constraint_at(&self, oid: Oid) -> Option<&Constraint> {
        self.constraints.iter().find(|c| c.oid == oid)
    }

    /// The foreign keys that this table declares.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&Constraint, &ForeignKey)> {
        self.constraints.iter().filter_map(|c| match &c.kind {
            ConstraintKind::ForeignKey(fk) => Some((c, fk)),
            _ => None,
        })
    }

    /// The primary key's columns and index.
    pub fn primary_key(&self) -> Option<(&[ColumnNumber], RelationId)> {
        self.constraints.iter().find_map(|c| match &c.kind {
            ConstraintKind::PrimaryKey { index, columns } => Some((columns.as_slice(), *index)),
            _ => None,
        })
    }

    /// The part that only an index has.
    pub fn as_index(&self) -> Option<&Index> {
        match &self.kind {
            RelationKind::Index(index) => Some(index),
            _ => None,
        }
    }

    /// The part that only a sequence has.
    pub fn as_sequence(&self) -> Option<&Sequence> {
        match &self.kind {
            RelationKind::Sequence(sequence) => Some(sequence),
            _ => None,
        }
    }

    /// The query of a view or materialised view.
    pub fn as_view(&self) -> Option<&Rc<View>> {
        match &self.kind {
            RelationKind::View(view) | RelationKind::MaterializedView { view, .. } => Some(view),
            _ => None,
        }
    }

    /// The key of a partitioned table.
    pub fn partition_key(&self) -> Option<&PartitionKey> {
        match &self.kind {
            RelationKind::PartitionedTable(key) => Some(key),
            _ => None,
        }
    }

    /// Has whatever refers to one index refer to another.
    pub(crate) fn replace_index(&mut self, old: RelationId, new: RelationId) {
        let put = |index: &mut RelationId| {
            if *index == old {
                *index = new;
            }
        };
        for constraint in &mut self.constraints {
            match &mut constraint.kind {
                ConstraintKind::PrimaryKey { index, .. }
                | ConstraintKind::Unique { index, .. }
                | ConstraintKind::Exclude { index } => put(index),
                ConstraintKind::ForeignKey(key) => key.referenced_index.iter_mut().for_each(put),
                ConstraintKind::Check(_) | ConstraintKind::NotNull(_) | ConstraintKind::Trigger => {}
            }
        }
        self.clustered_on.iter_mut().for_each(put);
        if let ReplicaIdentity::Index(index) = &mut self.replica_identity {
            put(index);
        }
    }

    /// Whether it is a partition.
    pub fn is_partition(&self) -> bool {
        self.partition_bound.is_some()
    }

    /// Whether it is a table of any kind, partitioned and foreign ones included.
    pub fn is_table(&self) -> bool {
        matches!(
            self.kind,
            RelationKind::Table | RelationKind::PartitionedTable(_) | RelationKind::ForeignTable
        )
    }

    /// Whether it has rows in a heap of its own.
    pub fn has_heap(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::MaterializedView { .. })
    }

    /// Whether its rows may become too long for a page: such a table has a TOAST table with an index of its own
    /// (`needs_toast_table` in `src/backend/catalog/toasting.c`).
    pub fn has_toast_table(&self) -> bool {
        /// A quarter of a page, less its header.
        const LONGEST: u64 = 2032;
        let longest = |column: &Column| -> Option<u64> {
            if let Some(width) = column.data_type.width() {
                return Some(u64::from(width));
            }
            let limit = u64::try_from(*column.data_type.modifiers.first()?).ok()?;
            match column.data_type.builtin_name()? {
                // A character takes up to four bytes in UTF-8.
                "varchar" | "bpchar" => Some(4 * limit + 4),
                "numeric" => Some(limit.div_ceil(4) * 2 + 8),
                "bit" | "varbit" => Some(limit.div_ceil(8) + 8),
                _ => None,
            }
        };
        let stored = |c: &&Column| c.generated.as_ref().is_none_or(|g| g.stored);
        let varies = self.live_columns().filter(stored).any(|c| c.data_type.width().is_none());
        let total: Option<u64> = self.live_columns().filter(stored).map(longest).sum();
        self.has_heap() && varies && total.is_none_or(|t| t > LONGEST)
    }

    /// What `ALTER` and error messages call this kind of relation.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            RelationKind::Table | RelationKind::PartitionedTable(_) => "table",
            RelationKind::Index(_) => "index",
            RelationKind::Sequence(_) => "sequence",
            RelationKind::View(_) => "view",
            RelationKind::MaterializedView { .. } => "materialized view",
            RelationKind::ForeignTable => "foreign table",
        }
    }
}
