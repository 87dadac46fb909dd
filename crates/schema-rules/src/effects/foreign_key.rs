//! Adding foreign keys.
//!
//! Source: `ATAddForeignKeyConstraint`, `addFkConstraint` and `transformFkeyCheckAttrs` in
//! `src/backend/commands/tablecmds.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ConstraintAttributes, Ident, References};

use super::constraint::Adding;
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    ColumnNumber, Constraint, ConstraintKind, DependencyKind, ForeignKey, IndexKeyValue, Name, ObjectAddress,
    ObjectClass, Oid, Persistence, ReferentialAction, Relation, RelationId, RelationKind, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_foreign_key(
        &mut self,
        table: RelationId,
        name: Option<Name>,
        columns: &[Ident],
        references: &References,
        attributes: ConstraintAttributes,
        adding: Adding,
        queue: &mut Queue,
    ) -> Outcome {
        let relation = self.relation(table);
        let partitioned = relation.partition_key().is_some();
        let mode = LockMode::ShareRowExclusive;
        let referenced = self.open(&references.table, mode)?;
        if partitioned {
            self.partitioned_foreign_key(&relation, &referenced, attributes, adding)?;
        }
        if !matches!(referenced.kind, RelationKind::Table | RelationKind::PartitionedTable(_)) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("referenced relation \"{}\" is not a table", referenced.name),
            ));
        }
        same_persistence(&relation, &referenced)?;
        let mut own = Vec::new();
        for column in columns {
            own.push(self.column(table, column).map_err(|_| missing_in_key(column))?.number);
        }
        let (theirs, index) = self.referenced_key(&referenced, references)?;
        if own.len() != theirs.len() {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let name = name.unwrap_or_else(|| {
            let names: Vec<&str> = columns.iter().map(|c| c.as_str()).collect();
            self.choose_constraint_name(&relation, &names.join("_"), "fkey")
        });
        self.comparable(&name, table, &own, &referenced, &theirs)?;
        let key = ForeignKey {
            columns: own,
            referenced: referenced.id,
            referenced_columns: theirs,
            referenced_index: index,
            on_delete: action(&references.on_delete),
            on_update: action(&references.on_update),
            match_full: references.match_full,
        };
        self.enter_foreign_key(table, &name, key, attributes, None, adding, queue);
        Ok(())
    }

    /// What a partitioned referencing table may not do.
    pub(super) fn partitioned_foreign_key(
        &self,
        table: &Relation,
        referenced: &Relation,
        attributes: ConstraintAttributes,
        adding: Adding,
    ) -> Outcome {
        let refuse = |what: &str| {
            Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!(
                    "cannot {what} foreign key on partitioned table \"{}\" referencing relation \"{}\"",
                    table.name, referenced.name
                ),
            ))
        };
        if adding.only {
            return refuse("use ONLY for");
        }
        if attributes.not_valid && self.version < PgVersion::V18 && !adding.with_table {
            return refuse("add NOT VALID")
                .map_err(|e: SqlError| e.detail("This feature is not yet supported on partitioned tables."));
        }
        Ok(())
    }

    /// The referenced columns and the unique index over them.
    pub(super) fn referenced_key(
        &mut self,
        table: &Relation,
        references: &References,
    ) -> Outcome<(Vec<ColumnNumber>, Option<RelationId>)> {
        if references.columns.is_empty() {
            return match table.primary_key() {
                Some((columns, index)) => Ok((columns.to_vec(), Some(index))),
                None if table.assumed => Ok((vec![self.column(table.id, "id")?.number], None)),
                None => Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", table.name),
                )),
            };
        }
        let mut columns = Vec::new();
        for column in &references.columns {
            columns.push(self.column(table.id, column).map_err(|_| missing_in_key(column))?.number);
        }
        if table.assumed {
            return Ok((columns, None));
        }
        let mut wanted = columns.clone();
        wanted.sort_unstable();
        let found = self.catalog.indexes_of(table.id).find(|candidate| {
            candidate.as_index().is_some_and(|index| {
                let mut keys: Vec<ColumnNumber> = index
                    .keys
                    .iter()
                    .filter_map(|key| match key.value {
                        IndexKeyValue::Column(number) => Some(number),
                        IndexKeyValue::Expression(_) => None,
                    })
                    .collect();
                keys.sort_unstable();
                index.unique
                    && index.valid
                    && index.predicate.is_none()
                    && index.keys.len() == wanted.len()
                    && keys == wanted
            })
        });
        let Some(found) = found else {
            return Err(SqlError::new(
                sqlstate::INVALID_FOREIGN_KEY,
                format!(
                    "there is no unique constraint matching given keys for referenced table \"{}\"",
                    table.name
                ),
            ));
        };
        let constraint = found.as_index().and_then(|i| i.constraint).and_then(|oid| table.constraint_at(oid));
        if constraint.is_some_and(|c| c.deferrable) {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("cannot use a deferrable unique constraint for referenced table \"{}\"", table.name),
            ));
        }
        Ok((columns, Some(found.id)))
    }

    /// The two sides must have an equality operator between them.
    pub(super) fn comparable(
        &self,
        name: &str,
        table: RelationId,
        own: &[ColumnNumber],
        referenced: &Relation,
        theirs: &[ColumnNumber],
    ) -> Outcome {
        let table = self.relation(table);
        let referenced = self.relation(referenced.id);
        for (a, b) in own.iter().zip(theirs) {
            let (Some(a), Some(b)) = (table.column_at(*a), referenced.column_at(*b)) else { continue };
            if !self.same_key_family(&a.data_type, &b.data_type) {
                return Err(SqlError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("foreign key constraint \"{name}\" cannot be implemented"),
                )
                .detail(format!(
                    "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                    a.name, b.name, a.data_type.written, b.data_type.written
                )));
            }
        }
        Ok(())
    }

    /// Whether values of two types can be compared by one btree operator family, or be brought to one type.
    pub(super) fn same_key_family(
        &self,
        a: &crate::catalog::ColumnType,
        b: &crate::catalog::ColumnType,
    ) -> bool {
        let (a, b) = (self.catalog.base_type(a), self.catalog.base_type(b));
        if matches!(a.id, TypeId::Unknown) || matches!(b.id, TypeId::Unknown) || a.id == b.id {
            return a.array == b.array;
        }
        let family = |t: &crate::catalog::ColumnType| match t.builtin_name() {
            Some("int2" | "int4" | "int8" | "numeric" | "float4" | "float8") => Some("numbers"),
            Some("text" | "varchar" | "bpchar" | "name") => Some("strings"),
            Some("date" | "timestamp" | "timestamptz") => Some("times"),
            Some("inet" | "cidr") => Some("network"),
            Some("bit" | "varbit") => Some("bits"),
            Some("oid" | "regclass" | "regproc" | "regtype") => Some("oids"),
            _ => None,
        };
        family(a).is_some() && family(a) == family(b)
    }

    /// Enters the foreign key for the table and all its partitions, and has their rows looked up.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn enter_foreign_key(
        &mut self,
        table: RelationId,
        name: &Name,
        key: ForeignKey,
        attributes: ConstraintAttributes,
        parent: Option<Oid>,
        adding: Adding,
        queue: &mut Queue,
    ) {
        let enforced = attributes.enforced != Some(false);
        let validated = enforced && (adding.with_table || !attributes.not_valid);
        let oid = self.catalog.new_oid();
        let constraint = Constraint {
            validated,
            enforced,
            deferrable: attributes.deferrable.unwrap_or(false) || attributes.initially_deferred == Some(true),
            initially_deferred: attributes.initially_deferred.unwrap_or(false),
            inherited: u16::from(parent.is_some()),
            local: parent.is_none(),
            parent,
            ..Constraint::new(oid, name.clone(), ConstraintKind::ForeignKey(key.clone()))
        };
        self.catalog.change_relation(table, |r| r.constraints.push(constraint));
        self.foreign_key_dependencies(table, oid, &key, parent);
        // `CreateTrigger` for the triggers that enforce it, on both sides.
        self.lock(table, LockMode::ShareRowExclusive);
        let referenced_parts = self.catalog.with_descendants(key.referenced);
        for part in referenced_parts.into_iter().skip(1) {
            self.lock(part, LockMode::ShareRowExclusive);
        }
        let relation = self.relation(table);
        if relation.partition_key().is_some() {
            self.foreign_key_on_partitions(&relation, name, &key, attributes, oid, adding, queue);
        } else if validated && !adding.with_table && !self.is_new(table) {
            queue.table(table).foreign_keys.push((name.clone(), Rc::new(key)));
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn foreign_key_on_partitions(
        &mut self,
        parent: &Relation,
        name: &Name,
        key: &ForeignKey,
        attributes: ConstraintAttributes,
        oid: Oid,
        adding: Adding,
        queue: &mut Queue,
    ) {
        for id in self.partitions_in_bound_order(parent.id) {
            self.lock(id, adding.lock.unwrap_or(LockMode::ShareRowExclusive));
            let child = self.relation(id);
            let part = self.translated_key(key, parent, &child);
            let name = match child.constraint(name) {
                Some(_) => self.choose_constraint_name(&child, "", "fkey"),
                None => name.clone(),
            };
            self.enter_foreign_key(id, &name, part, attributes, Some(oid), adding, queue);
        }
    }

    /// A foreign key of `parent` in terms of `child`'s columns.
    pub(super) fn translated_key(&self, key: &ForeignKey, parent: &Relation, child: &Relation) -> ForeignKey {
        let column = |number: &ColumnNumber| {
            let name = parent.column_at(*number).map(|c| c.name.clone());
            name.and_then(|name| child.column(&name)).map_or(*number, |c| c.number)
        };
        ForeignKey { columns: key.columns.iter().map(column).collect(), ..key.clone() }
    }

    /// A foreign key to a partitioned table refers to each of the partitions, with a constraint of its own.
    pub(super) fn needs_partition(&mut self, constraint: Oid, partition: RelationId) {
        let address = ObjectAddress::new(ObjectClass::Constraint, constraint);
        self.catalog.add_dependency(address, ObjectAddress::relation(partition), DependencyKind::Normal);
    }

    pub(super) fn foreign_key_dependencies(
        &mut self,
        table: RelationId,
        oid: Oid,
        key: &ForeignKey,
        parent: Option<Oid>,
    ) {
        let address = ObjectAddress::new(ObjectClass::Constraint, oid);
        for column in &key.columns {
            self.catalog.add_dependency(address, ObjectAddress::column(table, *column), DependencyKind::Auto);
        }
        for column in &key.referenced_columns {
            let column = ObjectAddress::column(key.referenced, *column);
            self.catalog.add_dependency(address, column, DependencyKind::Normal);
        }
        if let Some(index) = key.referenced_index {
            self.catalog.add_dependency(address, ObjectAddress::relation(index), DependencyKind::Normal);
        }
        for part in self.catalog.with_descendants(key.referenced).into_iter().skip(1) {
            self.needs_partition(oid, part);
        }
        if let Some(parent) = parent {
            let parent = ObjectAddress::new(ObjectClass::Constraint, parent);
            self.catalog.add_dependency(address, parent, DependencyKind::Partition);
        }
    }
}

pub(super) fn missing_in_key(column: &str) -> SqlError {
    SqlError::new(
        sqlstate::UNDEFINED_COLUMN,
        format!("column \"{column}\" referenced in foreign key constraint does not exist"),
    )
}

pub(super) fn same_persistence(table: &Relation, referenced: &Relation) -> Outcome {
    let allowed = match table.persistence {
        Persistence::Permanent => referenced.persistence == Persistence::Permanent,
        Persistence::Unlogged => referenced.persistence != Persistence::Temporary,
        Persistence::Temporary => referenced.persistence == Persistence::Temporary,
    };
    if allowed {
        return Ok(());
    }
    let message = match table.persistence {
        Persistence::Permanent => "constraints on permanent tables may reference only permanent tables",
        Persistence::Unlogged => {
            "constraints on unlogged tables may reference only permanent or unlogged tables"
        }
        Persistence::Temporary => "constraints on temporary tables may reference only temporary tables",
    };
    Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message))
}

pub(super) fn action(written: &sql_syntax::ast::ReferentialAction) -> ReferentialAction {
    use sql_syntax::ast::ReferentialAction as Written;
    match written {
        Written::NoAction => ReferentialAction::NoAction,
        Written::Restrict => ReferentialAction::Restrict,
        Written::Cascade => ReferentialAction::Cascade,
        Written::SetNull(_) => ReferentialAction::SetNull,
        Written::SetDefault(_) => ReferentialAction::SetDefault,
    }
}
