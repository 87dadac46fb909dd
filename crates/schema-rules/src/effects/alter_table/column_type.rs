//! `ALTER COLUMN … TYPE`.
//!
//! Source: `ATPrepAlterColumnType`, `ATExecAlterColumnType` and `ATPostAlterTypeCleanup` in `tablecmds.c`. Whatever
//! is defined over the column (indexes, CHECKs, keys, foreign keys from here and to here) is dropped and made again.
//! If the rows need not be written anew, an index that keeps its operator class takes its old file over
//! (`TryReuseIndex`), and a foreign key that keeps its operators is not verified again (`TryReuseForeignKey`).

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ConstraintAttributes, DataType, Expr, ExprKind, Ident, ObjectName, SequenceOption};

use super::Alter;
use crate::catalog::{
    Column, ColumnNumber, ColumnType, Constraint, ConstraintKind, IndexKey, IndexKeyValue, Name,
    ObjectAddress, ObjectClass, Oid, Relation, RelationId, TypeId,
};
use crate::coercion::{Conversion, conversion, same_operator_class};
use crate::effects::ScanReason;
use crate::effects::condition::Condition;
use crate::effects::constraint::Adding;
use crate::effects::index_definition::{IndexBuild, IndexSpec};
use crate::effects::run::{Outcome, Run, plain};
use crate::error::{SqlError, sqlstate};
use crate::expression::columns_of;

/// What was dropped and has to be made again.
#[derive(Clone, Debug, Default)]
pub(super) struct Readd {
    /// The changed columns with their old types.
    changed: Vec<(RelationId, ColumnNumber, ColumnType, Option<Name>)>,
    indexes: Vec<(RelationId, Rc<Relation>, Option<Constraint>)>,
    checks: Vec<(RelationId, Constraint)>,
    foreign_keys: Vec<(RelationId, Constraint)>,
    /// Tables with extended statistics over a changed column.
    statistics: Vec<RelationId>,
}

impl Run<'_> {
    pub(super) fn alter_column_type(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        written: &DataType,
        collation: Option<&ObjectName>,
        using: Option<&Expr>,
    ) -> Outcome {
        let table = self.relation(alter.table);
        let column = self.column(alter.table, name)?;
        let refuse = |why: String| Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, why));
        if column.inherited > 0 {
            return refuse(format!("cannot alter inherited column \"{}\"", name.text));
        }
        if let Some(key) = table.partition_key()
            && key.keys.iter().any(|k| match k {
                IndexKeyValue::Column(number) => *number == column.number,
                IndexKeyValue::Expression(e) => columns_of(&table, e).contains(&column.number),
            })
        {
            return refuse(format!(
                "cannot alter column \"{}\" because it is part of the partition key of relation \"{}\"",
                name.text, table.name
            ));
        }
        let tables = if alter.only { vec![alter.table] } else { self.catalog.with_descendants(alter.table) };
        if alter.only && self.catalog.children_of(alter.table).next().is_some() {
            return refuse(format!(
                "type of inherited column \"{}\" must be changed in child tables too",
                name.text
            ));
        }
        for id in tables {
            self.alter_type_of(alter, id, name, written, collation, using)?;
        }
        Ok(())
    }

    fn alter_type_of(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        name: &Ident,
        written: &DataType,
        collation: Option<&ObjectName>,
        using: Option<&Expr>,
    ) -> Outcome {
        let data_type = &self.resolve_type(written)?;
        let column = self.column(id, name)?;
        let old = column.data_type.clone();
        let change = match using {
            Some(expression) => self.using_conversion(expression, &column.name, &old, data_type),
            None => conversion(self.catalog, self.session, &old, data_type),
        };
        if change == Conversion::Impossible {
            return Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "column \"{}\" cannot be cast automatically to type {}",
                    name.text, data_type.written
                ),
            )
            .hint(format!("You might need to specify \"USING {}::{}\".", name, data_type.written)));
        }
        if column.default.is_some()
            && conversion(self.catalog, self.session, &old, data_type) == Conversion::Impossible
        {
            return Err(SqlError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "default for column \"{}\" cannot be cast automatically to type {}",
                    name.text, data_type.written
                ),
            ));
        }
        let of_sequence = matches!(data_type.builtin_name(), Some("int2" | "int4" | "int8"));
        if column.identity.is_some() && !of_sequence {
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        if let Some(identity) = column.identity {
            // The sequence takes the column's type (`transformAlterTableStmt`).
            self.lock(identity.sequence, LockMode::ShareRowExclusive);
            let old = self.relation(identity.sequence).as_sequence().cloned();
            if let Some(old) = old {
                self.change_sequence(identity.sequence, old, &[SequenceOption::As(written.clone())])?;
            }
        }
        self.remember_dependents(alter, id, column.number)?;
        if change == Conversion::Compute && self.relation(id).has_heap() {
            let work = alter.queue.table(id);
            work.rewrite = true;
            work.computed += 1;
        }
        if change == Conversion::Compute && self.relation(id).has_heap() {
            self.verify_conversion(alter, id, &column, data_type, using)?;
        }
        // Without COLLATE the column gets the type's own collation, whatever it had before.
        let new_collation: Option<Name> = collation.map(|c| plain(c).as_str().into());
        alter.readd.changed.push((id, column.number, old, column.collation.clone()));
        let address = ObjectAddress::column(id, column.number);
        for dependency in self.catalog.dependencies_of(address) {
            if dependency.dependent == address && dependency.referenced.class == ObjectClass::Type {
                self.catalog.record(crate::catalog::Change::Forget(dependency));
            }
        }
        if let TypeId::User(oid) = data_type.id {
            let needed = ObjectAddress::new(ObjectClass::Type, oid);
            self.catalog.add_dependency(address, needed, crate::catalog::DependencyKind::Normal);
        }
        self.catalog.change_relation(id, |r| {
            for c in r.columns.iter_mut().filter(|c| c.number == column.number) {
                c.data_type = data_type.clone();
                c.collation = new_collation.clone();
            }
        });
        Ok(())
    }

    /// A value that the new type cannot hold, or its domain does not allow, stops the rewrite.
    fn verify_conversion(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        column: &Column,
        to: &ColumnType,
        using: Option<&Expr>,
    ) -> Outcome {
        if self.catalog.has_domain_constraints(to) {
            self.verify_domain(alter, id, &Column { data_type: to.clone(), ..column.clone() })?;
        }
        let base = self.catalog.base_type(to);
        let from = self.catalog.base_type(&column.data_type);
        let text = |t: &ColumnType| matches!(t.builtin_name(), Some("text" | "varchar" | "bpchar" | "name"));
        let written = match &base.id {
            TypeId::Builtin(builtin) => builtin.display,
            _ => &to.written,
        };
        let otherwise = if text(base) && !base.array {
            let length = base.modifiers.first().map(|n| format!("({n})")).unwrap_or_default();
            SqlError::new(
                sqlstate::STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for type {written}{length}"),
            )
        } else if text(from) {
            SqlError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("invalid input syntax for type {written}"),
            )
        } else {
            let what = if base.builtin_name() == Some("numeric") {
                "numeric field overflow".to_owned()
            } else {
                format!("{written} out of range")
            };
            SqlError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, what)
        };
        if !self.may_fail(from, base, using) {
            return Ok(());
        }
        let condition = Condition::Converts {
            relation: id,
            column: column.name.clone(),
            using: using.cloned().map(Rc::new),
            to: to.clone(),
        };
        alter.queue.verify(id, ScanReason::Constraint, condition, otherwise);
        Ok(())
    }

    /// Whether some value of the old type is none of the new: strings get shorter, numbers smaller, texts are read.
    fn may_fail(&self, from: &ColumnType, to: &ColumnType, using: Option<&Expr>) -> bool {
        let rank = |t: &ColumnType| match t.builtin_name() {
            Some("int2") => Some(1),
            Some("int4") => Some(2),
            Some("int8") => Some(3),
            Some("float4" | "float8" | "numeric") => Some(4),
            _ => None,
        };
        match to.builtin_name() {
            Some("varchar" | "bpchar") => !to.modifiers.is_empty() && using.is_none(),
            Some("numeric") => !to.modifiers.is_empty(),
            Some("int2" | "int4" | "int8") => match rank(from) {
                Some(old) => rank(to).is_some_and(|new| new < old),
                None => using.is_some(),
            },
            _ => false,
        }
    }

    /// What USING makes of the old value: a bare column and casts of it are understood, everything else computes.
    fn using_conversion(&self, expr: &Expr, column: &str, old: &ColumnType, new: &ColumnType) -> Conversion {
        let Some(middle) = self.cast_chain(expr, column, old) else { return Conversion::Compute };
        let (reached, so_far) = middle;
        let last = conversion(self.catalog, self.session, &reached, new);
        if so_far == Conversion::Relabel && last == Conversion::Relabel {
            Conversion::Relabel
        } else {
            Conversion::Compute
        }
    }

    /// The type that a chain of casts of the column arrives at, and whether it gets there by relabelling only.
    fn cast_chain(&self, expr: &Expr, column: &str, old: &ColumnType) -> Option<(ColumnType, Conversion)> {
        match &expr.kind {
            ExprKind::Column { name, .. } if name.text == column => Some((old.clone(), Conversion::Relabel)),
            ExprKind::Collate { operand, .. } => self.cast_chain(operand, column, old),
            ExprKind::Cast { operand, to } => {
                let (from, so_far) = self.cast_chain(operand, column, old)?;
                let to = self.catalog.resolve_type(self.session, to);
                let step = conversion(self.catalog, self.session, &from, &to);
                let all = if step == Conversion::Relabel { so_far } else { Conversion::Compute };
                Some((to, all))
            }
            _ => None,
        }
    }

    /// Finds what is defined over the column; some of it stands in the way.
    fn remember_dependents(
        &mut self,
        alter: &mut Alter<'_>,
        id: RelationId,
        column: ColumnNumber,
    ) -> Outcome {
        let address = ObjectAddress::column(id, column);
        let name = self.relation(id).column_at(column).map(|c| c.name.to_string()).unwrap_or_default();
        for dependency in self.catalog.dependents_of(address) {
            let dependent = dependency.dependent;
            match dependent.class {
                ObjectClass::Relation if dependent.oid == id.0 && dependent.column != column => {
                    return Err(in_the_way(
                        "cannot alter type of a column used by a generated column",
                        format!("Column \"{name}\" is used by a generated column."),
                    ));
                }
                ObjectClass::Relation => self.remember_relation(alter, dependent, &name)?,
                ObjectClass::Constraint => self.remember_constraint(alter, Oid(dependent.oid), dependent),
                ObjectClass::Statistics if !alter.readd.statistics.contains(&id) => {
                    alter.readd.statistics.push(id);
                }
                ObjectClass::Policy => {
                    let detail = format!("{} depends on column \"{name}\"", self.describe(dependent));
                    return Err(in_the_way(
                        "cannot alter type of a column used in a policy definition",
                        detail,
                    ));
                }
                ObjectClass::Trigger => {
                    let detail = format!("{} depends on column \"{name}\"", self.describe(dependent));
                    return Err(in_the_way(
                        "cannot alter type of a column used in a trigger definition",
                        detail,
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remember_relation(
        &mut self,
        alter: &mut Alter<'_>,
        dependent: ObjectAddress,
        column: &str,
    ) -> Outcome {
        let Some(id) = dependent.as_relation().filter(|_| dependent.column == 0) else { return Ok(()) };
        let relation = self.relation(id);
        if relation.as_view().is_some() {
            return Err(in_the_way(
                "cannot alter type of a column used by a view or rule",
                format!(
                    "rule _RETURN on {} {} depends on column \"{column}\"",
                    relation.kind_name(),
                    relation.name
                ),
            ));
        }
        if let Some(index) = relation.as_index() {
            self.remember_index(alter, index.table, &relation, None);
        }
        Ok(())
    }

    fn remember_index(
        &mut self,
        alter: &mut Alter<'_>,
        table: RelationId,
        index: &Rc<Relation>,
        constraint: Option<Constraint>,
    ) {
        if !alter.readd.indexes.iter().any(|(_, known, _)| known.id == index.id) {
            alter.readd.indexes.push((table, index.clone(), constraint));
        }
    }

    fn remember_constraint(&mut self, alter: &mut Alter<'_>, oid: Oid, address: ObjectAddress) {
        let Some(owner) = self.owner_of(address) else { return };
        let relation = self.relation(owner);
        let Some(constraint) = relation.constraint_at(oid).cloned() else { return };
        match &constraint.kind {
            ConstraintKind::Check(_) => {
                if !alter.readd.checks.iter().any(|(_, c)| c.oid == oid) {
                    alter.readd.checks.push((owner, constraint));
                }
            }
            ConstraintKind::ForeignKey(_) => {
                if !alter.readd.foreign_keys.iter().any(|(_, c)| c.oid == oid) {
                    alter.readd.foreign_keys.push((owner, constraint));
                }
            }
            ConstraintKind::PrimaryKey { index, .. }
            | ConstraintKind::Unique { index, .. }
            | ConstraintKind::Exclude { index } => {
                let index = self.relation(*index);
                // Foreign keys that refer to this key depend on its index.
                for dependency in self.catalog.dependents_of(ObjectAddress::relation(index.id)) {
                    if dependency.dependent.class == ObjectClass::Constraint {
                        self.remember_constraint(alter, Oid(dependency.dependent.oid), dependency.dependent);
                    }
                }
                self.remember_index(alter, owner, &index, Some(constraint.clone()));
            }
            ConstraintKind::NotNull(_) | ConstraintKind::Trigger => {}
        }
    }

    /// Drops what was remembered and makes it again over the new types.
    pub(super) fn make_again(&mut self, alter: &mut Alter<'_>) -> Outcome {
        let readd = std::mem::take(&mut alter.readd);
        for (owner, _) in &readd.foreign_keys {
            if *owner != alter.table {
                self.lock(*owner, LockMode::AccessExclusive);
            }
        }
        for (owner, constraint) in &readd.foreign_keys {
            if let ConstraintKind::ForeignKey(key) = &constraint.kind {
                self.lock(*owner, LockMode::AccessExclusive);
                self.lock(key.referenced, LockMode::AccessExclusive);
            }
            self.remove_constraint(*owner, constraint.oid);
        }
        for (owner, constraint) in &readd.checks {
            self.remove_constraint(*owner, constraint.oid);
        }
        for table in &readd.statistics {
            self.lock(*table, LockMode::ShareUpdateExclusive);
        }
        for (table, index, constraint) in &readd.indexes {
            self.lock(index.id, LockMode::AccessExclusive);
            if let Some(constraint) = constraint {
                self.remove_constraint(*table, constraint.oid);
            }
            self.forget_relation(index.id);
        }
        let mut renewed: Vec<(RelationId, RelationId)> = Vec::new();
        for (table, index, constraint) in &readd.indexes {
            let new = self.make_index_again(alter, &readd, *table, index, constraint.as_ref())?;
            renewed.extend(new.map(|new| (index.id, new)));
        }
        for (owner, constraint) in &readd.checks {
            let ConstraintKind::Check(expression) = &constraint.kind else { continue };
            let adding = Adding { only: true, ..Adding::default() };
            let attributes = attributes_of(constraint);
            // Children have been remembered by themselves: no recursion, but not NO INHERIT either.
            let alone = ConstraintAttributes { no_inherit: true, ..attributes };
            let name = Some(constraint.name.clone());
            self.add_check(*owner, name, expression, alone, adding, &mut alter.queue)?;
            let no_inherit = constraint.no_inherit;
            self.catalog.change_relation(*owner, |r| {
                for c in r.constraints.iter_mut().filter(|c| c.name == constraint.name) {
                    (c.no_inherit, c.inherited, c.local) =
                        (no_inherit, constraint.inherited, constraint.local);
                }
            });
        }
        for (owner, constraint) in &readd.foreign_keys {
            self.make_foreign_key_again(alter, &readd, *owner, constraint, &renewed);
        }
        Ok(())
    }

    fn remove_constraint(&mut self, owner: RelationId, oid: Oid) {
        self.catalog.change_relation(owner, |r| r.constraints.retain(|c| c.oid != oid));
        self.catalog.forget_dependencies_of(ObjectAddress::new(ObjectClass::Constraint, oid));
    }

    fn make_index_again(
        &mut self,
        alter: &Alter<'_>,
        readd: &Readd,
        table: RelationId,
        index: &Relation,
        constraint: Option<&Constraint>,
    ) -> Outcome<Option<RelationId>> {
        let Some(definition) = index.as_index() else { return Ok(None) };
        let rewrite = alter.queue.rewrites(table);
        let reuse = !rewrite && self.index_compatible(readd, table, index);
        let mut spec = IndexSpec::like(definition, constraint);
        spec.name = Some(index.name.clone());
        spec.options = index.options.clone();
        spec.tablespace = index.tablespace.clone();
        let build = IndexBuild {
            skip: rewrite,
            reuse_file: reuse,
            only: definition.partitioned,
            ..IndexBuild::default()
        };
        let new = self.define_index(table, spec, build)?;
        self.catalog.change_relation(new, |r| {
            if let crate::catalog::RelationKind::Index(i) = &mut r.kind {
                (i.valid, i.ready, i.parent) = (definition.valid, definition.ready, definition.parent);
            }
        });
        if reuse {
            self.reused_indexes.push((index.id, new));
        }
        Ok(Some(new))
    }

    /// Whether the index's old file serves the new definition: no expressions and no predicate, and every key keeps
    /// its operator class and collation.
    fn index_compatible(&self, readd: &Readd, table: RelationId, index: &Relation) -> bool {
        let Some(definition) = index.as_index() else { return false };
        let relation = self.relation(table);
        let plain = definition.predicate.is_none()
            && definition.valid
            && definition.keys.iter().all(|k| matches!(k.value, IndexKeyValue::Column(_)));
        let keeps = |key: &IndexKey| {
            let IndexKeyValue::Column(number) = key.value else { return false };
            let Some((_, _, old, old_collation)) =
                readd.changed.iter().find(|(t, c, _, _)| (*t, *c) == (table, number))
            else {
                return true;
            };
            let Some(column) = relation.column_at(number) else { return false };
            let collated = is_string(old) || is_string(&column.data_type);
            let same_collation = key.collation.is_some() || !collated || *old_collation == column.collation;
            same_operator_class(self.catalog, old, &column.data_type) && same_collation
        };
        plain && definition.keys.iter().all(keeps)
    }

    fn make_foreign_key_again(
        &mut self,
        alter: &mut Alter<'_>,
        readd: &Readd,
        owner: RelationId,
        constraint: &Constraint,
        renewed: &[(RelationId, RelationId)],
    ) {
        let ConstraintKind::ForeignKey(key) = &constraint.kind else { return };
        let mut key = key.clone();
        key.referenced_index = key
            .referenced_index
            .map(|old| renewed.iter().find(|(o, _)| *o == old).map_or(old, |(_, new)| *new));
        let impugned = |table: RelationId, columns: &[ColumnNumber]| {
            let relation = self.relation(table);
            readd.changed.iter().any(|(t, c, old, _)| {
                *t == table
                    && columns.contains(c)
                    && relation
                        .column_at(*c)
                        .is_some_and(|now| !same_operator_class(self.catalog, old, &now.data_type))
            })
        };
        let verify = impugned(owner, &key.columns) || impugned(key.referenced, &key.referenced_columns);
        self.lock(key.referenced, LockMode::ShareRowExclusive);
        let adding = Adding { with_table: !verify && constraint.validated, ..alter.adding() };
        let attributes = attributes_of(constraint);
        let name = constraint.name.clone();
        self.enter_foreign_key(owner, &name, key, attributes, constraint.parent, adding, &mut alter.queue);
    }
}

fn attributes_of(constraint: &Constraint) -> ConstraintAttributes {
    ConstraintAttributes {
        deferrable: Some(constraint.deferrable),
        initially_deferred: Some(constraint.initially_deferred),
        not_valid: !constraint.validated,
        enforced: Some(constraint.enforced),
        no_inherit: constraint.no_inherit,
        inherit: false,
    }
}

fn in_the_way(message: &str, detail: String) -> SqlError {
    SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, message).detail(detail)
}

fn is_string(data_type: &ColumnType) -> bool {
    match data_type.id {
        TypeId::Builtin(builtin) => builtin.collatable,
        _ => false,
    }
}
