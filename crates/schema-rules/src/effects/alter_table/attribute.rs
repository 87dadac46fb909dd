//! `ALTER COLUMN`, but for `TYPE`.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ColumnChange, ConstraintAttributes, Expr, Ident, SequenceOption};

use super::Alter;
use crate::catalog::{Column, ConstraintKind, Generated, IndexKeyValue, ObjectAddress, RelationId, Sequence};
use crate::effects::create_table::is_null;
use crate::effects::run::{Outcome, Run};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn alter_column(
        &mut self,
        alter: &mut Alter<'_>,
        name: &Ident,
        change: &ColumnChange,
    ) -> Outcome {
        use ColumnChange as C;
        if let C::SetType { data_type, collation, using } = change {
            return self.alter_column_type(alter, name, data_type, collation.as_ref(), using.as_ref());
        }
        let column = self.column(alter.table, name)?;
        match change {
            C::SetNotNull => self.set_not_null(alter, name),
            C::DropNotNull => self.drop_not_null(alter, &column),
            C::SetDefault(value) => self.set_default(alter, name, Some(value)),
            C::DropDefault => self.set_default(alter, name, None),
            C::AddIdentity { always, options } => self.add_identity(alter, &column, *always, options),
            C::SetIdentity { always, options } => self.set_identity(alter, &column, *always, options),
            C::DropIdentity { if_exists } => self.drop_identity(alter, &column, *if_exists),
            C::SetExpression(value) => self.set_expression(alter, name, value),
            C::DropExpression { if_exists } => self.drop_expression(alter, &column, *if_exists),
            C::NotModelled(what) => {
                self.not_modelled(
                    format!("ALTER COLUMN … {what}"),
                    "ACCESS EXCLUSIVE on the table, no rewrite",
                );
                Ok(())
            }
            C::SetStatistics(Some(target)) if *target < -1 => Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("statistics target {target} is too low"),
            )),
            C::SetStorage(storage) => self.set_storage(&column, storage),
            C::SetCompression(_) if is_fixed_length(&column) => Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("column data type {} does not support compression", column.data_type.written),
            )),
            C::SetType { .. }
            | C::SetStatistics(_)
            | C::SetCompression(_)
            | C::SetOptions(_)
            | C::ResetOptions(_) => {
                self.work_on_catalogs();
                Ok(())
            }
        }
    }

    /// `ALTER INDEX … ALTER COLUMN n SET STATISTICS`.
    pub(super) fn alter_index_column(
        &mut self,
        alter: &mut Alter<'_>,
        number: i64,
        change: &ColumnChange,
    ) -> Outcome {
        let index = self.relation(alter.table);
        if let (Some(definition), ColumnChange::SetStatistics(_)) = (index.as_index(), change) {
            let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
            match definition.keys.get(at).map(|k| &k.value) {
                Some(IndexKeyValue::Expression(_)) => {}
                Some(IndexKeyValue::Column(column)) => {
                    let table = self.relation(definition.table);
                    let column = table.column_at(*column).map(|c| c.name.to_string()).unwrap_or_default();
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        format!(
                            "cannot alter statistics on non-expression column \"{column}\" of index \"{}\"",
                            index.name
                        ),
                    )
                    .hint("Alter statistics on table column instead."));
                }
                None if at < definition.keys.len() + definition.included.len() => {}
                None => {
                    return Err(SqlError::new(
                        sqlstate::UNDEFINED_COLUMN,
                        format!("column number {number} of relation \"{}\" does not exist", index.name),
                    ));
                }
            }
        }
        self.work_on_catalogs();
        Ok(())
    }

    /// Only values of varying length can be moved out of line (`ATExecSetStorage`).
    fn set_storage(&mut self, column: &Column, storage: &str) -> Outcome {
        let storage = storage.to_ascii_lowercase();
        if storage == "default" && self.version < PgVersion::V16 {
            return Err(SqlError::syntax("DEFAULT"));
        }
        if is_fixed_length(column) && !matches!(&*storage, "plain" | "default") {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("column data type {} can only have storage PLAIN", column.data_type.written),
            ));
        }
        self.work_on_catalogs();
        Ok(())
    }

    fn with_children(&self, alter: &Alter<'_>) -> Vec<RelationId> {
        if alter.only { vec![alter.table] } else { self.catalog.with_descendants(alter.table) }
    }

    fn set_not_null(&mut self, alter: &mut Alter<'_>, name: &Ident) -> Outcome {
        if self.column(alter.table, name)?.not_null {
            return Ok(());
        }
        self.children_are_not_null(alter, name)?;
        for (depth, id) in self.with_children(alter).into_iter().enumerate() {
            let column = self.column(id, name)?;
            let attributes = ConstraintAttributes::default();
            let inherited = u16::from(depth > 0);
            self.set_not_null_on(id, &column, None, attributes, inherited, &mut alter.queue);
        }
        Ok(())
    }

    /// With ONLY, children must not be left behind: those of a partitioned table, and since PostgreSQL 18 of any.
    fn children_are_not_null(&self, alter: &Alter<'_>, name: &str) -> Outcome {
        let inherits = self.version >= PgVersion::V18 || self.relation(alter.table).partition_key().is_some();
        if !alter.only || !inherits {
            return Ok(());
        }
        let left = |child: &Rc<crate::catalog::Relation>| {
            self.version >= PgVersion::V18 || child.column(name).is_some_and(|c| !c.not_null)
        };
        if self.catalog.children_of(alter.table).any(left) {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                "constraint must be added to child tables too",
            )
            .hint("Do not specify the ONLY keyword."));
        }
        Ok(())
    }

    fn drop_not_null(&mut self, alter: &mut Alter<'_>, column: &Column) -> Outcome {
        let table = self.relation(alter.table);
        if column.identity.is_some() {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("column \"{}\" of relation \"{}\" is an identity column", column.name, table.name),
            ));
        }
        if table.primary_key().is_some_and(|(columns, _)| columns.contains(&column.number)) {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("column \"{}\" is in a primary key", column.name),
            ));
        }
        if table.is_partition()
            && let Some(parent) = table.parents.first()
            && self.relation(*parent).column(&column.name).is_some_and(|c| c.not_null)
        {
            return Err(SqlError::new(
                sqlstate::INVALID_TABLE_DEFINITION,
                format!("column \"{}\" is marked NOT NULL in parent table", column.name),
            ));
        }
        for id in self.with_children(alter) {
            let number = self.column(id, &column.name)?.number;
            self.catalog.change_relation(id, |r| {
                r.columns.iter_mut().filter(|c| c.number == number).for_each(|c| c.not_null = false);
                r.constraints.retain(|c| !matches!(c.kind, ConstraintKind::NotNull(n) if n == number));
            });
        }
        Ok(())
    }

    fn set_default(&mut self, alter: &mut Alter<'_>, name: &Ident, value: Option<&Expr>) -> Outcome {
        let column = self.column(alter.table, name)?;
        let table = self.relation(alter.table);
        let kind = match (&column.identity, &column.generated) {
            (Some(_), _) => Some("an identity"),
            (_, Some(_)) => Some("a generated"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(SqlError::new(
                sqlstate::SYNTAX_ERROR,
                format!("column \"{}\" of relation \"{}\" is {kind} column", column.name, table.name),
            ));
        }
        self.functions_exist(value)?;
        if let Some(value) = value {
            self.default_fits(&column.data_type, value)?;
        }
        for id in self.with_children(alter) {
            let column = self.column(id, name)?;
            let value = value.filter(|v| !is_null(v)).cloned().map(Rc::new);
            self.catalog.forget_dependencies_of(ObjectAddress::default_of(id, column.number));
            self.catalog.change_relation(id, |r| {
                r.columns
                    .iter_mut()
                    .filter(|c| c.number == column.number)
                    .for_each(|c| c.default = value.clone());
            });
            let (table, column) = (self.relation(id), self.column(id, name)?);
            self.default_dependencies(&table, &column);
        }
        Ok(())
    }

    fn add_identity(
        &mut self,
        alter: &mut Alter<'_>,
        column: &Column,
        always: bool,
        options: &[SequenceOption],
    ) -> Outcome {
        let table = self.relation(alter.table);
        let wrong = |why: &str| {
            Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("column \"{}\" of relation \"{}\" {why}", column.name, table.name),
            ))
        };
        if !matches!(column.data_type.builtin_name(), Some("int2" | "int4" | "int8")) && !table.assumed {
            return Err(SqlError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            ));
        }
        if !column.not_null && !table.assumed {
            return wrong("must be declared NOT NULL before identity can be added");
        }
        if column.identity.is_some() {
            return wrong("is already an identity column");
        }
        if column.default.is_some() {
            return wrong("already has a default value");
        }
        self.new_identity(alter.table, column, always, options)
    }

    fn set_identity(
        &mut self,
        alter: &mut Alter<'_>,
        column: &Column,
        always: Option<bool>,
        options: &[SequenceOption],
    ) -> Outcome {
        let Some(identity) = column.identity else {
            return Err(self.no_identity(alter, column));
        };
        if let Some(always) = always {
            self.catalog.change_relation(alter.table, |r| {
                for c in r.columns.iter_mut().filter(|c| c.number == column.number) {
                    if let Some(identity) = &mut c.identity {
                        identity.always = always;
                    }
                }
            });
        }
        // An ALTER SEQUENCE is run along with it, if only to change nothing.
        self.lock(identity.sequence, LockMode::ShareRowExclusive);
        let old: Option<Sequence> = self.relation(identity.sequence).as_sequence().cloned();
        if let Some(old) = old {
            self.change_sequence(identity.sequence, old, options)?;
        }
        Ok(())
    }

    fn drop_identity(&mut self, alter: &mut Alter<'_>, column: &Column, if_exists: bool) -> Outcome {
        let Some(identity) = column.identity else {
            if if_exists {
                self.notice(format!(
                    "column \"{}\" of relation \"{}\" is not an identity column, skipping",
                    column.name,
                    self.relation(alter.table).name
                ));
                return Ok(());
            }
            return Err(self.no_identity(alter, column));
        };
        self.catalog.change_relation(alter.table, |r| {
            r.columns.iter_mut().filter(|c| c.number == column.number).for_each(|c| c.identity = None);
        });
        self.lock(identity.sequence, LockMode::AccessExclusive);
        self.forget_relation(identity.sequence);
        Ok(())
    }

    fn no_identity(&self, alter: &Alter<'_>, column: &Column) -> SqlError {
        SqlError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "column \"{}\" of relation \"{}\" is not an identity column",
                column.name,
                self.relation(alter.table).name
            ),
        )
    }

    /// A new generation expression: every stored value is computed anew, and whatever is over the column is made
    /// again as for a change of type.
    fn set_expression(&mut self, alter: &mut Alter<'_>, name: &Ident, value: &Expr) -> Outcome {
        let column = self.column(alter.table, name)?;
        let table = self.relation(alter.table);
        let Some(generated) = &column.generated else {
            return Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "column \"{}\" of relation \"{}\" is not a generated column",
                    column.name, table.name
                ),
            ));
        };
        let stored = generated.stored;
        self.require_immutable(&table, value, "generation expression is not immutable")?;
        for id in self.with_children(alter) {
            let number = self.column(id, name)?.number;
            if stored {
                let work = alter.queue.table(id);
                work.rewrite = true;
                work.computed += 1;
            }
            self.catalog.forget_dependencies_of(ObjectAddress::default_of(id, number));
            self.catalog.change_relation(id, |r| {
                for c in r.columns.iter_mut().filter(|c| c.number == number) {
                    c.generated = Some(Generated { stored, expression: Rc::new(value.clone()) });
                }
            });
            let (table, column) = (self.relation(id), self.column(id, name)?);
            self.default_dependencies(&table, &column);
        }
        Ok(())
    }

    fn drop_expression(&mut self, alter: &mut Alter<'_>, column: &Column, if_exists: bool) -> Outcome {
        let table = self.relation(alter.table);
        match &column.generated {
            Some(generated) if !generated.stored => Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "ALTER TABLE / DROP EXPRESSION is not supported for virtual generated columns",
            )),
            Some(_) => {
                for id in self.with_children(alter) {
                    let number = self.column(id, &column.name)?.number;
                    self.catalog.forget_dependencies_of(ObjectAddress::default_of(id, number));
                    self.catalog.change_relation(id, |r| {
                        r.columns.iter_mut().filter(|c| c.number == number).for_each(|c| c.generated = None);
                    });
                }
                Ok(())
            }
            None if if_exists => {
                self.notice(format!(
                    "column \"{}\" of relation \"{}\" is not a generated column, skipping",
                    column.name, table.name
                ));
                Ok(())
            }
            None => Err(SqlError::new(
                sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!(
                    "column \"{}\" of relation \"{}\" is not a generated column",
                    column.name, table.name
                ),
            )),
        }
    }
}

/// Whether the values are all of one length: such a type is never compressed nor moved out of line.
fn is_fixed_length(column: &Column) -> bool {
    let fixed = [
        "int2",
        "int4",
        "int8",
        "float4",
        "float8",
        "bool",
        "date",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "uuid",
        "oid",
        "money",
        "point",
        "box",
        "line",
        "lseg",
        "circle",
        "macaddr",
        "macaddr8",
        "name",
        "pg_lsn",
    ];
    !column.data_type.array && column.data_type.builtin_name().is_some_and(|name| fixed.contains(&name))
}
