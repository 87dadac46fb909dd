//! `CREATE INDEX` in its three forms.
//!
//! Source: `DefineIndex` in `src/backend/commands/indexcmds.c`; manual, `CREATE INDEX`, "Building Indexes Concurrently".

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{CreateIndex, Expr, IndexElement, StorageOption, Volatility};

use super::index_definition::{IndexBuild, IndexRole, IndexSpec};
use super::run::{Outcome, Run, plain};
use super::{Step, WorkKind};
use crate::catalog::{
    ColumnNumber, DependencyKind, IndexKey, IndexKeyValue, Name, ObjectAddress, Relation, RelationKind,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::volatility_over;
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn create_index(&mut self, statement: &CreateIndex) -> Outcome {
        if statement.concurrently {
            self.outside_transaction("CREATE INDEX CONCURRENTLY")?;
        }
        let mode = if statement.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share };
        let table = self.open(&statement.table.name, mode)?;
        if !matches!(
            table.kind,
            RelationKind::Table | RelationKind::PartitionedTable(_) | RelationKind::MaterializedView { .. }
        ) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot create index on relation \"{}\"", table.name),
            ));
        }
        self.not_in_use(&table, "CREATE INDEX")?;
        let partitioned = table.partition_key().is_some();
        if partitioned && !statement.table.only {
            // `ProcessUtilitySlow` locks all inheritors before `DefineIndex` looks at them.
            for id in self.catalog.with_descendants(table.id).into_iter().skip(1) {
                self.lock(id, mode);
            }
        }
        if partitioned && statement.concurrently {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("cannot create index on partitioned table \"{}\" concurrently", table.name),
            ));
        }
        let spec = self.index_spec(&table, statement)?;
        let schema = table.schema.clone();
        if let Some(name) = &spec.name
            && self.catalog.find_in(&schema, name).is_some()
        {
            if statement.if_not_exists {
                self.notice(format!("relation \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::duplicate_relation(name));
        }
        if statement.concurrently {
            return self.create_index_concurrently(&table, spec);
        }
        let build = IndexBuild { only: partitioned && statement.table.only, ..IndexBuild::default() };
        self.define_index(table.id, spec, build).map(drop)
    }

    /// The three transactions of `CREATE INDEX CONCURRENTLY`.
    ///
    /// 1. the index enters the catalog, not ready and not valid; wait for writers that do not know it
    /// 2. it is built and marked ready; wait for writers that do not maintain it
    /// 3. what was written meanwhile is added; wait for snapshots that could see rows it lacks; marked valid
    fn create_index_concurrently(&mut self, table: &Relation, spec: IndexSpec) -> Outcome {
        let mode = LockMode::ShareUpdateExclusive;
        let index = self.enter_index(table, &spec, IndexBuild::default(), LockMode::ShareUpdateExclusive)?;
        let plain_keys = spec.keys.iter().all(|k| matches!(k.value, IndexKeyValue::Column(_)));
        let safe = self.version >= PgVersion::V14 && plain_keys && spec.predicate.is_none();
        self.steps.push(Step::SessionLock { relation: table.id, mode });
        self.commit(safe);
        self.steps.push(Step::WaitForLockHolders { relation: table.id, mode: LockMode::Share });
        self.lock(table.id, mode);
        self.lock(index, LockMode::RowExclusive);
        self.build_index(table.id, index, &spec, true)?;
        self.set_index_state(index, false, true);
        self.commit(safe);
        self.steps.push(Step::WaitForLockHolders { relation: table.id, mode: LockMode::Share });
        self.lock(table.id, mode);
        self.lock(index, LockMode::RowExclusive);
        self.steps.push(Step::TakeSnapshot);
        self.work(table.id, WorkKind::ValidateIndex { index });
        self.commit(safe);
        self.steps.push(Step::WaitForOlderSnapshots);
        self.set_index_state(index, true, true);
        self.steps.push(Step::SessionUnlock { relation: table.id, mode });
        Ok(())
    }

    /// What a `CREATE INDEX` asks for.
    fn index_spec(&mut self, table: &Relation, statement: &CreateIndex) -> Outcome<IndexSpec> {
        let method: Name = statement.access_method.as_deref().unwrap_or("btree").into();
        self.index_method_exists(&method)?;
        if let Some(name) = &statement.tablespace {
            self.tablespace_exists(name)?;
        }
        let mut keys = Vec::new();
        for element in &statement.elements {
            keys.push(self.index_key(table, element, &method)?);
        }
        let mut included = Vec::new();
        for element in &statement.include {
            match element.column() {
                Some(name) => included.push(self.key_column(table, name)?),
                None => {
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "expressions are not supported in included columns",
                    ));
                }
            }
        }
        if let Some(predicate) = &statement.predicate {
            self.check_columns_exist(table, predicate)?;
            self.require_immutable(
                table,
                predicate,
                "functions in index predicate must be marked IMMUTABLE",
            )?;
        }
        if self.version >= PgVersion::V18 {
            for key in keys.iter().filter_map(|k| match k.value {
                IndexKeyValue::Column(number) => table.column_at(number),
                IndexKeyValue::Expression(_) => None,
            }) {
                if key.generated.as_ref().is_some_and(|g| !g.stored) {
                    return Err(SqlError::new(
                        sqlstate::FEATURE_NOT_SUPPORTED,
                        "indexes on virtual generated columns are not supported",
                    ));
                }
            }
        }
        if keys.len() > 1 && matches!(&*method, "hash" | "spgist") {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("access method \"{method}\" does not support multicolumn indexes"),
            ));
        }
        if statement.unique && &*method != "btree" {
            return Err(SqlError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("access method \"{method}\" does not support unique indexes"),
            ));
        }
        self.known_index_options(&method, &statement.options)?;
        Ok(IndexSpec {
            name: statement.name.as_deref().map(Name::from),
            method,
            keys,
            included,
            predicate: statement.predicate.clone().map(Rc::new),
            unique: statement.unique,
            nulls_not_distinct: statement.nulls_not_distinct,
            role: IndexRole::Plain,
            deferrable: false,
            initially_deferred: false,
            options: options(&statement.options),
            tablespace: statement.tablespace.as_deref().map(Name::from),
        })
    }

    fn index_key(&mut self, table: &Relation, element: &IndexElement, method: &str) -> Outcome<IndexKey> {
        let value = match element.column() {
            Some(name) => IndexKeyValue::Column(self.key_column(table, name)?),
            None => {
                self.check_columns_exist(table, &element.value)?;
                let message = "functions in index expression must be marked IMMUTABLE";
                self.require_immutable(table, &element.value, message)?;
                IndexKeyValue::Expression(Rc::new(element.value.clone()))
            }
        };
        if let IndexKeyValue::Column(number) = &value
            && let Some(column) = self.relation(table.id).column_at(*number)
        {
            match &element.opclass {
                None => self.has_default_class(method, &column.data_type)?,
                Some(class) => self.class_takes(method, class, &column.data_type)?,
            }
        }
        Ok(IndexKey {
            value,
            operator_class: element.opclass.as_ref().map(|o| plain(o).as_str().into()),
            collation: element.collation.as_ref().map(|c| plain(c).as_str().into()),
            descending: element.descending,
            nulls_first: element.nulls_first.unwrap_or(element.descending),
            exclusion_operator: None,
        })
    }

    /// The number of an indexed column; here the server words the error without the table's name.
    pub(super) fn key_column(&mut self, table: &Relation, name: &str) -> Outcome<ColumnNumber> {
        match self.column(table.id, name) {
            Ok(column) => Ok(column.number),
            Err(_) => {
                Err(SqlError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")))
            }
        }
    }

    /// Every column that the expression names must be one of the table's.
    pub(super) fn check_columns_exist(&mut self, table: &Relation, expression: &Expr) -> Outcome {
        for name in crate::expression::column_names(expression) {
            if is_value_word(name) {
                continue;
            }
            self.key_column(table, name)?;
        }
        Ok(())
    }

    pub(super) fn require_immutable(
        &mut self,
        table: &Relation,
        expression: &Expr,
        message: &str,
    ) -> Outcome {
        if volatility_over(self.catalog, self.session, table, expression).class == Volatility::Immutable {
            return Ok(());
        }
        Err(SqlError::new(sqlstate::INVALID_OBJECT_DEFINITION, message))
    }

    /// Records what an expression needs besides the table's own columns: functions, sequences, types.
    pub(super) fn expression_dependencies(
        &mut self,
        dependent: ObjectAddress,
        table: &Relation,
        expression: &Expr,
        kind: DependencyKind,
    ) {
        for address in self.expression_references(expression) {
            if address != ObjectAddress::relation(table.id) {
                self.catalog.add_dependency(dependent, address, kind);
            }
        }
    }
}

/// `VALUE` in a domain's check is no column.
fn is_value_word(name: &str) -> bool {
    name == "value"
}

/// Storage parameters as name and value.
pub(super) fn options(written: &[StorageOption]) -> Vec<(Name, Name)> {
    let full = |o: &StorageOption| match &o.namespace {
        Some(namespace) => format!("{namespace}.{}", o.name),
        None => o.name.clone(),
    };
    written.iter().map(|o| (full(o).as_str().into(), o.value.as_deref().unwrap_or("true").into())).collect()
}
