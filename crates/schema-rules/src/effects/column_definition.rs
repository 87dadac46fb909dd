//! Columns as they are defined: types, defaults, generated values, identities and the sequences that they bring along.
//!
//! Source: `transformColumnDefinition` and `generateSerialExtraStmts` in `src/backend/parser/parse_utilcmd.c`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    ColumnConstraintKind, ColumnDef, Expr, ExprKind, FunctionCall, Literal, SequenceOption,
};

use super::create_table::is_null;
use super::partition::expr;
use super::run::{Outcome, Run};
use crate::catalog::{
    Column, ColumnNumber, ColumnType, DependencyKind, Generated, Identity, Name, ObjectAddress, ObjectClass,
    Relation, RelationId, RelationKind, TypeId,
};
use crate::error::{SqlError, sqlstate};

/// A sequence that a column brings along.
pub(super) struct OwnedSequence {
    pub(super) sequence: RelationId,
    pub(super) identity: bool,
}

impl Run<'_> {
    /// Adds a column as its definition says, with the sequence that it may need.
    pub(super) fn define_column(
        &mut self,
        table: &mut Relation,
        definition: &ColumnDef,
        sequences: &mut Vec<OwnedSequence>,
    ) -> Outcome {
        let name: Name = definition.name.as_str().into();
        let inherited = table
            .columns
            .iter()
            .position(|c| c.name == name && (c.inherited > 0 || definition.data_type.is_none()));
        if inherited.is_none() && table.column(&name).is_some() {
            return Err(duplicate_column(&name));
        }
        let number = inherited.map_or(table.next_column_number(), |at| table.columns[at].number);
        let mut column = match (inherited, &definition.data_type) {
            (Some(at), _) => Column { local: true, ..table.columns[at].clone() },
            (None, Some(written)) => Column::new(number, name.clone(), self.resolve_type(written)?),
            (None, None) => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{name}\" does not exist"),
                ));
            }
        };
        let owned = self.column_properties(&table.schema, &table.name, table.id, &mut column, definition)?;
        sequences.extend(owned);
        match inherited {
            Some(at) => table.columns[at] = column,
            None => table.columns.push(column),
        }
        Ok(())
    }

    /// What a column definition says besides name and type. Creates the sequence of a serial or identity column.
    pub(super) fn column_properties(
        &mut self,
        schema: &Name,
        table_name: &Name,
        table: RelationId,
        column: &mut Column,
        definition: &ColumnDef,
    ) -> Outcome<Option<OwnedSequence>> {
        column.collation = definition.collation.as_ref().map(|c| super::run::plain(c).as_str().into());
        let mut owned = None;
        if let Some(base) = definition.data_type.as_ref().and_then(|t| t.serial_base()) {
            let owner = (table, column.number);
            let sequence = self.new_owned_sequence(schema, table_name, &column.name, base, &[], owner)?;
            let full = format!("{schema}.{}", self.relation(sequence).name);
            let argument = expr(ExprKind::Literal(Literal::String(full)));
            column.default =
                Some(Rc::new(expr(ExprKind::Function(FunctionCall::plain("nextval", vec![argument])))));
            column.not_null = true;
            owned = Some(OwnedSequence { sequence, identity: false });
        }
        for constraint in &definition.constraints {
            match &constraint.kind {
                ColumnConstraintKind::NotNull | ColumnConstraintKind::PrimaryKey(_) => column.not_null = true,
                ColumnConstraintKind::Default(value) => {
                    self.default_fits(&column.data_type, value)?;
                    column.default = if is_null(value) { None } else { Some(Rc::new(value.clone())) };
                }
                ColumnConstraintKind::Generated { value, stored } => {
                    let message = "generation expression is not immutable";
                    let known = self.catalog.relation(table).cloned();
                    let scope = known.unwrap_or_else(|| {
                        Rc::new(Relation::new(table, schema.clone(), table_name.clone(), RelationKind::Table))
                    });
                    self.require_immutable(&scope, value, message)?;
                    generated_fits(&scope, column, value)?;
                    column.generated =
                        Some(Generated { stored: *stored, expression: Rc::new(value.clone()) });
                }
                ColumnConstraintKind::Identity { always, options } => {
                    let base = column.data_type.builtin_name().unwrap_or("int8");
                    let owner = (table, column.number);
                    let sequence =
                        self.new_owned_sequence(schema, table_name, &column.name, base, options, owner)?;
                    column.identity = Some(Identity { always: *always, sequence });
                    column.not_null = true;
                    owned = Some(OwnedSequence { sequence, identity: true });
                }
                _ => {}
            }
        }
        Ok(owned)
    }

    pub(super) fn new_owned_sequence(
        &mut self,
        schema: &Name,
        table_name: &Name,
        column: &str,
        base: &str,
        options: &[SequenceOption],
        owner: (RelationId, ColumnNumber),
    ) -> Outcome<RelationId> {
        if !matches!(base, "int2" | "int4" | "int8") {
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        let chosen = options.iter().find_map(|o| match o {
            SequenceOption::Name(name) => Some(Name::from(name.name.as_str())),
            _ => None,
        });
        let name = chosen.unwrap_or_else(|| self.choose_relation_name(schema, table_name, column, "seq"));
        let schema_object = self.catalog.schema(schema).map(|s| s.oid);
        if let Some(oid) = schema_object {
            self.lock_object(ObjectAddress::new(ObjectClass::Schema, oid), LockMode::AccessShare);
        }
        let sequence = self.sequence_definition(ColumnType::builtin(base), options)?;
        let sequence = crate::catalog::Sequence { owned_by: Some(owner), ..sequence };
        let id = self.catalog.new_relation_id();
        let relation = Relation::new(id, schema.clone(), name, RelationKind::Sequence(sequence));
        Ok(self.create_relation(relation))
    }

    /// Makes a column an identity column, with a new sequence.
    pub(super) fn new_identity(
        &mut self,
        table: RelationId,
        column: &Column,
        always: bool,
        options: &[SequenceOption],
    ) -> Outcome {
        let relation = self.relation(table);
        let base = column.data_type.builtin_name().unwrap_or("int8");
        let owner = (table, column.number);
        let (schema, name) = (relation.schema.clone(), relation.name.clone());
        let sequence = self.new_owned_sequence(&schema, &name, &column.name, base, options, owner)?;
        self.catalog.change_relation(table, |r| {
            for c in r.columns.iter_mut().filter(|c| c.number == column.number) {
                c.identity = Some(Identity { always, sequence });
            }
        });
        self.own_sequence(&OwnedSequence { sequence, identity: true });
        Ok(())
    }

    /// `ALTER SEQUENCE … OWNED BY` at the end of the statement.
    pub(super) fn own_sequence(&mut self, owned: &OwnedSequence) {
        self.lock(owned.sequence, LockMode::ShareRowExclusive);
        let owner = self.relation(owned.sequence).as_sequence().and_then(|s| s.owned_by);
        if let Some((table, column)) = owner {
            let kind = if owned.identity { DependencyKind::Internal } else { DependencyKind::Auto };
            let sequence = ObjectAddress::relation(owned.sequence);
            self.catalog.add_dependency(sequence, ObjectAddress::column(table, column), kind);
        }
    }

    /// What the columns of a new table need: types, functions, sequences.
    pub(super) fn column_dependencies(&mut self, id: RelationId) {
        let table = self.relation(id);
        for column in table.live_columns() {
            self.one_column_dependencies(&table, column);
        }
    }

    pub(super) fn one_column_dependencies(&mut self, table: &Relation, column: &Column) {
        let address = ObjectAddress::column(table.id, column.number);
        if let TypeId::User(oid) = column.data_type.id {
            let data_type = ObjectAddress::new(ObjectClass::Type, oid);
            self.catalog.add_dependency(address, data_type, DependencyKind::Normal);
        }
        self.default_dependencies(table, column);
    }

    pub(super) fn default_dependencies(&mut self, table: &Relation, column: &Column) {
        let address = ObjectAddress::column(table.id, column.number);
        let generated = column.generated.as_ref().map(|g| &g.expression);
        let Some(expression) = column.default.as_ref().or(generated) else { return };
        let default = ObjectAddress::default_of(table.id, column.number);
        self.catalog.add_dependency(default, address, DependencyKind::Auto);
        if column.generated.is_some() {
            for source in crate::expression::columns_of(table, expression) {
                let source = ObjectAddress::column(table.id, source);
                self.catalog.add_dependency(address, source, DependencyKind::Normal);
            }
        }
        self.expression_dependencies(default, table, expression, DependencyKind::Normal);
    }
}

/// What a generation expression must not be made of.
pub(super) fn generated_fits(table: &Relation, column: &Column, value: &Expr) -> Outcome {
    let refuse = |state, what: String| Err(SqlError::new(state, what));
    let mut subquery = false;
    crate::expression::walk(value, &mut |part| {
        subquery |= matches!(
            part.kind,
            ExprKind::Subquery(_)
                | ExprKind::Exists(_)
                | ExprKind::InSubquery { .. }
                | ExprKind::ArraySubquery(_)
        );
    });
    if subquery {
        let what = "cannot use subquery in column generation expression".into();
        return refuse(sqlstate::FEATURE_NOT_SUPPORTED, what);
    }
    for number in crate::expression::columns_of(table, value) {
        let Some(source) = table.column_at(number) else { continue };
        if source.generated.is_some() || source.number == column.number {
            let what =
                format!("cannot use generated column \"{}\" in column generation expression", source.name);
            return refuse(sqlstate::INVALID_OBJECT_DEFINITION, what);
        }
    }
    Ok(())
}

pub(super) fn duplicate_column(name: &str) -> SqlError {
    SqlError::new(sqlstate::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once"))
}
