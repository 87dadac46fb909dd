//! `CREATE TABLE` and `CREATE TABLE AS`.
//!
//! Source: `transformCreateStmt` in `src/backend/parser/parse_utilcmd.c`, `DefineRelation` and `MergeAttributes` in
//! `src/backend/commands/tablecmds.c`, `ExecCreateTableAs` in `createas.c`. The server turns one statement into
//! several: sequences of serial columns first, then the table, its CHECKs, its indexes (the primary key's first),
//! its foreign keys, and the ownership of the sequences.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    self, ColumnConstraintKind, ColumnDef, ConstraintAttributes, CreateTable, CreateTableAs, Expr, ExprKind,
    LikeClause, Literal, Statement, TableConstraint, TableConstraintKind,
};

use super::WorkKind;
use super::column_definition::{OwnedSequence, duplicate_column};
use super::constraint::Adding;
use super::index::options;
use super::index_definition::IndexBuild;
use super::partition::{bound, bound_fits};
use super::queue::Queue;
use super::run::{Outcome, Run};
use crate::catalog::{
    Column, ConstraintKind, DependencyKind, Identity, IndexKeyValue, Name, ObjectAddress, ObjectClass,
    PartitionKey, PartitionStrategy, Persistence, Relation, RelationId, RelationKind, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn create_table(&mut self, statement: &CreateTable) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let parents = self.lock_parents(statement)?;
        let id = self.catalog.new_relation_id();
        let mut table = Relation::new(id, schema.clone(), name, RelationKind::Table);
        table.persistence = persistence(statement.persistence);
        table.options = options(&statement.options);
        table.tablespace = statement.tablespace.as_deref().map(Name::from);
        table.access_method = statement.access_method.as_deref().map(Name::from);
        if statement.foreign {
            table.kind = RelationKind::ForeignTable;
        }
        for parent in &parents {
            self.inherit_columns(&mut table, *parent)?;
        }
        if let Some(written) = &statement.of_type {
            self.columns_of_type(&mut table, written)?;
        }
        for like in &statement.likes {
            self.copy_columns(&mut table, like)?;
        }
        let mut sequences = Vec::new();
        for column in &statement.columns {
            self.define_column(&mut table, column, &mut sequences)?;
        }
        if let Some(by) = &statement.partition_by {
            table.kind = self.partition_key(&table, by)?;
        }
        if let Some(part) = &statement.partition_of {
            let bound = bound(&part.bound);
            if let Some(parent) = parents.first() {
                bound_fits(&self.relation(*parent), &bound)?;
                self.bound_is_free(&self.relation(*parent), &table.name, &bound)?;
            }
            table.partition_bound = Some(Rc::new(bound));
        }
        self.known_options(&table, &statement.options)?;
        if let Some(name) = &statement.tablespace {
            self.tablespace_exists(name)?;
        }
        if let Some(method) = &statement.access_method {
            self.table_method_exists(method)?;
        }
        let of_type = table.of_type;
        self.create_relation(table);
        if let Some(oid) = of_type {
            let data_type = ObjectAddress::new(ObjectClass::Type, oid);
            self.catalog.add_dependency(ObjectAddress::relation(id), data_type, DependencyKind::Normal);
        }
        self.inherit_from_parents(id, &parents, statement)?;
        self.column_dependencies(id);
        self.add_table_constraints(id, statement)?;
        for owned in &sequences {
            self.own_sequence(owned);
        }
        for like in &statement.likes {
            self.copy_constraints_and_indexes(id, like)?;
        }
        for parent in &parents {
            self.copy_from_partitioned(id, *parent)?;
        }
        Ok(())
    }

    /// A partition needs its parent to itself; an inheritance child only keeps others from altering it.
    fn lock_parents(&mut self, statement: &CreateTable) -> Outcome<Vec<RelationId>> {
        let mut parents = Vec::new();
        if let Some(part) = &statement.partition_of {
            let parent = self.open(&part.parent, LockMode::AccessExclusive)?;
            if parent.partition_key().is_none() && !parent.assumed {
                return Err(SqlError::new(
                    sqlstate::INVALID_OBJECT_DEFINITION,
                    format!("\"{}\" is not partitioned", parent.name),
                ));
            }
            parents.push(parent.id);
            if let Some(default) = self.default_partition(parent.id) {
                if matches!(part.bound, ast::PartitionBound::Default) {
                    return Err(self.second_default(statement.name.name.as_str(), default));
                }
                self.lock(default, LockMode::AccessExclusive);
            }
        }
        for name in &statement.inherits {
            parents.push(self.open(name, LockMode::ShareUpdateExclusive)?.id);
        }
        Ok(parents)
    }

    pub(super) fn second_default(&self, partition: &str, default: RelationId) -> SqlError {
        let name = self.relation(default).name.clone();
        SqlError::new(
            sqlstate::INVALID_OBJECT_DEFINITION,
            format!("partition \"{partition}\" conflicts with existing default partition \"{name}\""),
        )
    }

    /// `OF type`: the columns are the type's attributes.
    fn columns_of_type(&mut self, table: &mut Relation, written: &ast::DataType) -> Outcome {
        let resolved = self.resolve_type(written)?;
        let TypeId::User(oid) = resolved.id else { return Ok(()) };
        let Some(def) = self.catalog.type_def(oid).cloned() else { return Ok(()) };
        let crate::catalog::TypeKind::Composite(fields) = &def.kind else {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("type {} is not a composite type", def.name),
            ));
        };
        table.of_type = Some(oid);
        for (name, data_type) in fields {
            let column = Column::new(table.next_column_number(), name.clone(), data_type.clone());
            table.columns.push(column);
        }
        Ok(())
    }

    fn inherit_columns(&mut self, table: &mut Relation, parent: RelationId) -> Outcome {
        let parent = self.relation(parent);
        for column in parent.live_columns() {
            if let Some(existing) = table.columns.iter_mut().find(|c| c.name == column.name) {
                existing.inherited += 1;
                existing.not_null |= column.not_null;
                continue;
            }
            let identity = if parent.partition_key().is_some() && self.version >= PgVersion::V17 {
                column.identity
            } else {
                None
            };
            table.columns.push(Column {
                number: table.next_column_number(),
                inherited: 1,
                local: false,
                has_missing: false,
                identity,
                ..column.clone()
            });
        }
        Ok(())
    }

    /// `LIKE`: names, types and NOT NULL always, the rest as asked for.
    fn copy_columns(&mut self, table: &mut Relation, like: &LikeClause) -> Outcome {
        let source = self.open(&like.table, LockMode::AccessShare)?;
        for column in source.live_columns() {
            if table.column(&column.name).is_some() {
                return Err(duplicate_column(&column.name));
            }
            table.columns.push(Column {
                number: table.next_column_number(),
                default: column.default.clone().filter(|_| like.includes("defaults")),
                generated: column.generated.clone().filter(|_| like.includes("generated")),
                identity: None,
                has_missing: false,
                inherited: 0,
                local: true,
                ..column.clone()
            });
        }
        Ok(())
    }

    fn partition_key(&mut self, table: &Relation, by: &ast::PartitionBy) -> Outcome<RelationKind> {
        let strategy = match by.strategy {
            ast::PartitionStrategy::Range => PartitionStrategy::Range,
            ast::PartitionStrategy::List => PartitionStrategy::List,
            ast::PartitionStrategy::Hash => PartitionStrategy::Hash,
        };
        let mut keys = Vec::new();
        for element in &by.keys {
            keys.push(match element.column() {
                Some(name) => match table.column(name) {
                    Some(column) => IndexKeyValue::Column(column.number),
                    None => {
                        return Err(SqlError::new(
                            sqlstate::UNDEFINED_COLUMN,
                            format!("column \"{name}\" named in partition key does not exist"),
                        ));
                    }
                },
                None => {
                    let message = "functions in partition key expression must be marked IMMUTABLE";
                    self.require_immutable(table, &element.value, message)?;
                    IndexKeyValue::Expression(Rc::new(element.value.clone()))
                }
            });
        }
        Ok(RelationKind::PartitionedTable(Rc::new(PartitionKey { strategy, keys })))
    }

    /// Enters the table below its parents, with their CHECKs. A new partition takes its rows away from the default.
    fn inherit_from_parents(
        &mut self,
        id: RelationId,
        parents: &[RelationId],
        statement: &CreateTable,
    ) -> Outcome {
        let kind =
            if statement.partition_of.is_some() { DependencyKind::Auto } else { DependencyKind::Normal };
        self.catalog.change_relation(id, |r| r.parents = parents.to_vec());
        for parent in parents {
            self.catalog.add_dependency(ObjectAddress::relation(id), ObjectAddress::relation(*parent), kind);
            let parent = self.relation(*parent);
            for constraint in &parent.constraints {
                if let ConstraintKind::Check(expression) = &constraint.kind
                    && !constraint.no_inherit
                {
                    let oid = self.catalog.new_oid();
                    let copy =
                        crate::catalog::Constraint { oid, inherited: 1, local: false, ..constraint.clone() };
                    self.catalog.change_relation(id, |r| r.constraints.push(copy));
                    let relation = self.relation(id);
                    self.check_dependencies(&relation, oid, expression);
                }
            }
            if let Some(bound) = self.relation(id).partition_bound.clone()
                && let Some(default) = self.default_partition(parent.id).filter(|d| *d != id)
            {
                self.check_default_partition(&parent, default, &bound)?;
            }
        }
        Ok(())
    }

    /// Constraints of columns and of the table, in the server's order: CHECKs, indexes with the primary key's first,
    /// foreign keys.
    fn add_table_constraints(&mut self, id: RelationId, statement: &CreateTable) -> Outcome {
        let mut all = Vec::new();
        for column in &statement.columns {
            all.extend(column_constraints(column));
        }
        all.extend(statement.constraints.iter().cloned());
        if self.version >= PgVersion::V18 {
            self.name_not_nulls(id, statement);
        }
        let adding = Adding { with_table: true, ..Adding::default() };
        let mut queue = Queue::default();
        for group in [Group::Check, Group::PrimaryKey, Group::OtherIndex, Group::ForeignKey] {
            for constraint in all.iter().filter(|c| Group::of(c) == group) {
                self.add_constraint(id, constraint, adding, &mut queue)?;
            }
        }
        Ok(())
    }

    fn name_not_nulls(&mut self, id: RelationId, statement: &CreateTable) {
        let table = self.relation(id);
        for column in table.live_columns().filter(|c| c.not_null) {
            let written = statement.columns.iter().find(|d| d.name.as_str() == &*column.name);
            let name = written.and_then(|d| {
                let not_null = d.constraints.iter().find(|c| matches!(c.kind, ColumnConstraintKind::NotNull));
                not_null.and_then(|c| c.name.as_deref().map(Name::from))
            });
            self.enter_not_null_constraint(id, column, name, true, 0);
        }
    }

    fn copy_constraints_and_indexes(&mut self, id: RelationId, like: &LikeClause) -> Outcome {
        let source = self.find(&like.table)?;
        let mut queue = Queue::default();
        let adding = Adding { with_table: true, ..Adding::default() };
        if like.includes("constraints") {
            for constraint in &source.constraints {
                if let ConstraintKind::Check(expression) = &constraint.kind {
                    let attributes =
                        ConstraintAttributes { no_inherit: constraint.no_inherit, ..Default::default() };
                    let name = Some(constraint.name.clone());
                    self.add_check(id, name, expression, attributes, adding, &mut queue)?;
                }
            }
        }
        if like.includes("identity") {
            self.copy_identities(id, &source)?;
        }
        if like.includes("indexes") {
            let indexes: Vec<Rc<Relation>> = self.catalog.indexes_of(source.id).cloned().collect();
            let (primary, rest): (Vec<_>, Vec<_>) =
                indexes.into_iter().partition(|i| i.as_index().is_some_and(|i| i.primary));
            for index in primary.into_iter().chain(rest) {
                self.copy_index(id, &source, &index, IndexBuild::default())?;
            }
        }
        Ok(())
    }

    fn copy_identities(&mut self, id: RelationId, source: &Relation) -> Outcome {
        let table = self.relation(id);
        for column in source.live_columns() {
            let Some(identity) = column.identity else { continue };
            let Some(own) = table.column(&column.name) else { continue };
            let base = own.data_type.builtin_name().unwrap_or("int8");
            let owner = (id, own.number);
            let sequence =
                self.new_owned_sequence(&table.schema, &table.name, &own.name, base, &[], owner)?;
            let number = own.number;
            self.catalog.change_relation(id, |r| {
                for c in r.columns.iter_mut().filter(|c| c.number == number) {
                    c.identity = Some(Identity { always: identity.always, sequence });
                }
            });
            self.own_sequence(&OwnedSequence { sequence, identity: true });
        }
        Ok(())
    }

    pub(super) fn create_table_as(&mut self, statement: &CreateTableAs) -> Outcome {
        let schema = self.creation_schema(&statement.name)?;
        let name: Name = statement.name.name.as_str().into();
        if self.catalog.find_in(&schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(&name));
        }
        let columns = match &*statement.source {
            Statement::Select(query) => self.query_columns(query, &statement.columns)?,
            other => {
                self.statement(other)?;
                Vec::new()
            }
        };
        let id = self.catalog.new_relation_id();
        let mut table = Relation::new(id, schema, name, RelationKind::Table);
        table.persistence = persistence(statement.persistence);
        table.columns = columns;
        table.options = options(&statement.options);
        if let Statement::Select(query) = &*statement.source {
            if statement.with_data {
                self.query(query)?;
            } else {
                self.lock_query(query)?;
            }
        }
        self.create_relation(table);
        self.column_dependencies(id);
        if statement.with_data {
            self.work(id, WorkKind::Query);
        }
        Ok(())
    }
}

/// The order in which the constraints of a new table are carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Check,
    PrimaryKey,
    OtherIndex,
    ForeignKey,
}

impl Group {
    fn of(constraint: &TableConstraint) -> Self {
        match constraint.kind {
            TableConstraintKind::Check(_) | TableConstraintKind::NotNull(_) => Self::Check,
            TableConstraintKind::PrimaryKey { .. } => Self::PrimaryKey,
            TableConstraintKind::Unique { .. } | TableConstraintKind::Exclude { .. } => Self::OtherIndex,
            TableConstraintKind::ForeignKey { .. } => Self::ForeignKey,
        }
    }
}

/// The constraints of a column as constraints of its table.
pub(super) fn column_constraints(column: &ColumnDef) -> Vec<TableConstraint> {
    column
        .constraints
        .iter()
        .filter_map(|constraint| {
            let columns = vec![column.name.clone()];
            let kind = match &constraint.kind {
                ColumnConstraintKind::Check(expression) => TableConstraintKind::Check(expression.clone()),
                ColumnConstraintKind::PrimaryKey(index) => {
                    TableConstraintKind::PrimaryKey { columns, index: index.clone() }
                }
                ColumnConstraintKind::Unique(index) => {
                    TableConstraintKind::Unique { columns, index: index.clone() }
                }
                ColumnConstraintKind::References(references) => {
                    TableConstraintKind::ForeignKey { columns, references: references.clone() }
                }
                _ => return None,
            };
            Some(TableConstraint {
                name: constraint.name.clone(),
                kind,
                attributes: constraint.attributes,
                range: constraint.range,
            })
        })
        .collect()
}

pub(super) fn persistence(written: ast::Persistence) -> Persistence {
    match written {
        ast::Persistence::Permanent => Persistence::Permanent,
        ast::Persistence::Temporary => Persistence::Temporary,
        ast::Persistence::Unlogged => Persistence::Unlogged,
    }
}

/// `DEFAULT NULL` is no default.
pub(super) fn is_null(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Literal(Literal::Null) => true,
        ExprKind::Cast { operand, .. } => is_null(operand),
        _ => false,
    }
}
