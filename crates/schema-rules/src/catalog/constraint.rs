//! The constraints of tables.

use std::rc::Rc;

use sql_syntax::ast::Expr;

use super::{ColumnNumber, Name, Oid, RelationId};

/// A constraint of a table.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
    /// What it demands.
    pub kind: ConstraintKind,
    /// Whether the rows that exist are known to satisfy it.
    pub validated: bool,
    /// Whether it is enforced at all (PostgreSQL 18).
    pub enforced: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
    /// NO INHERIT.
    pub no_inherit: bool,
    /// How many parents it is inherited from.
    pub inherited: u16,
    /// Whether it was (also) defined on this table itself.
    pub local: bool,
    /// The constraint of the partitioned table that this one is a partition's part of.
    pub parent: Option<Oid>,
}

/// The kinds of constraints.
#[derive(Clone, Debug)]
pub enum ConstraintKind {
    /// CHECK.
    Check(Rc<Expr>),
    /// NOT NULL, where the server keeps it as a constraint of its own (PostgreSQL 18).
    NotNull(ColumnNumber),
    /// PRIMARY KEY.
    PrimaryKey {
        /// Its index.
        index: RelationId,
        /// Its columns.
        columns: Vec<ColumnNumber>,
    },
    /// UNIQUE.
    Unique {
        /// Its index.
        index: RelationId,
        /// Its columns.
        columns: Vec<ColumnNumber>,
    },
    /// EXCLUDE.
    Exclude {
        /// Its index.
        index: RelationId,
    },
    /// FOREIGN KEY.
    ForeignKey(ForeignKey),
    /// A constraint trigger.
    Trigger,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// The referencing columns.
    pub columns: Vec<ColumnNumber>,
    /// The referenced table.
    pub referenced: RelationId,
    /// The referenced columns.
    pub referenced_columns: Vec<ColumnNumber>,
    /// The unique index over them.
    pub referenced_index: Option<RelationId>,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
    /// MATCH FULL.
    pub match_full: bool,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferentialAction {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

impl Constraint {
    /// A constraint that is enforced, validated and not deferrable.
    pub fn new(oid: Oid, name: Name, kind: ConstraintKind) -> Self {
        Self {
            oid,
            name,
            kind,
            validated: true,
            enforced: true,
            deferrable: false,
            initially_deferred: false,
            no_inherit: false,
            inherited: 0,
            local: true,
            parent: None,
        }
    }
}
