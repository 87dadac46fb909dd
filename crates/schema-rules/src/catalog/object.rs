//! How objects of all classes are addressed, as in `pg_depend`.

use std::fmt;

pub use lock_table::RelationId;

/// The identity of any object that is not a relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub u32);

/// A column's number (`attnum`): it survives a rename and is never given out again.
pub type ColumnNumber = u16;

/// The system catalog that an object lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// `pg_class`.
    Relation,
    /// `pg_type`.
    Type,
    /// `pg_proc`.
    Function,
    /// `pg_constraint`.
    Constraint,
    /// `pg_attrdef`: a column's default or generation expression. Its oid is the relation's, its column the column.
    Default,
    /// `pg_trigger`.
    Trigger,
    /// `pg_rewrite`: rules, and the `_RETURN` rule that holds a view's query.
    Rule,
    /// `pg_policy`.
    Policy,
    /// `pg_namespace`.
    Schema,
    /// `pg_statistic_ext`.
    Statistics,
    /// `pg_publication`.
    Publication,
    /// `pg_publication_rel`: that a table is in a publication.
    PublicationRelation,
    /// `pg_extension`.
    Extension,
    /// `pg_authid`.
    Role,
    /// `pg_event_trigger`, `pg_cast`, `pg_operator`, `pg_collation`, text search and the rest.
    Other,
}

impl fmt::Display for ObjectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relation => "pg_class",
            Self::Type => "pg_type",
            Self::Function => "pg_proc",
            Self::Constraint => "pg_constraint",
            Self::Default => "pg_attrdef",
            Self::Trigger => "pg_trigger",
            Self::Rule => "pg_rewrite",
            Self::Policy => "pg_policy",
            Self::Schema => "pg_namespace",
            Self::Statistics => "pg_statistic_ext",
            Self::Publication => "pg_publication",
            Self::PublicationRelation => "pg_publication_rel",
            Self::Extension => "pg_extension",
            Self::Role => "pg_authid",
            Self::Other => "pg_depend",
        })
    }
}

/// An object, or one column of a relation (`column` is 0 for the whole object).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectAddress {
    /// The catalog that it is in.
    pub class: ObjectClass,
    /// Its oid there.
    pub oid: u32,
    /// The column, or 0.
    pub column: ColumnNumber,
}

impl ObjectAddress {
    /// A whole object.
    pub fn new(class: ObjectClass, oid: Oid) -> Self {
        Self { class, oid: oid.0, column: 0 }
    }

    /// A whole relation.
    pub fn relation(id: RelationId) -> Self {
        Self { class: ObjectClass::Relation, oid: id.0, column: 0 }
    }

    /// One column of a relation.
    pub fn column(id: RelationId, column: ColumnNumber) -> Self {
        Self { class: ObjectClass::Relation, oid: id.0, column }
    }

    /// A column's default.
    pub fn default_of(id: RelationId, column: ColumnNumber) -> Self {
        Self { class: ObjectClass::Default, oid: id.0, column }
    }

    /// The relation, if it is one or a column of one.
    pub fn as_relation(self) -> Option<RelationId> {
        (self.class == ObjectClass::Relation).then_some(RelationId(self.oid))
    }
}

/// Why an object depends on another (manual, `pg_depend.deptype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// Refuses a drop without CASCADE.
    Normal,
    /// Goes along silently.
    Auto,
    /// Is part of the other's implementation: goes along, cannot be dropped by itself.
    Internal,
    /// Is a partition's part of an object of the parent's: goes along with either.
    Partition,
}
