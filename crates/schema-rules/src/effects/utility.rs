//! Settings, comments, grants, statistics objects, publications, extensions.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    AlterObject, AlterObjectAction, CommentOn, CreateStatistics, Grant, Ident, LockTable, ObjectKind,
    ObjectName, Publication, Statement, TableLockMode,
};

use super::run::{Outcome, Run, TransactionRule};
use super::{Step, Wait};
use crate::catalog::{
    Change, DependencyKind, Name, NamedObject, ObjectAddress, ObjectClass, Relation, RelationId,
};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    /// PREPARE analyses the statement, which locks its tables for a moment; EXECUTE does the work.
    pub(super) fn prepared(&mut self, statement: &Statement) -> Outcome {
        if let Statement::Select(query) = statement {
            return self.lock_query(query);
        }
        Ok(())
    }

    pub(super) fn lock_table(&mut self, statement: &LockTable) -> Outcome {
        self.transaction = TransactionRule::InsideOnly("LOCK TABLE");
        let mode = table_mode(statement.mode);
        let wait = if statement.nowait { Wait::NoWait } else { Wait::Block };
        for table in &statement.tables {
            let relation = self.find(&table.name)?;
            let view = relation.as_view().is_some() && !relation.has_heap();
            if !relation.is_table() && !view {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    format!("cannot lock relation \"{}\"", relation.name),
                ));
            }
            let mut ids = vec![relation.id];
            if let Some(view) = relation.as_view() {
                // A view's tables are locked as well (`LockViewRecurse`).
                ids.extend(&view.reads);
            } else if !table.only {
                ids = self.catalog.with_descendants(relation.id);
            }
            for id in ids {
                self.steps.push(Step::Lock { relation: id, mode, wait });
            }
        }
        Ok(())
    }

    /// A comment on a table, a column or something that belongs to a table needs the table as it is.
    pub(super) fn comment(&mut self, statement: &CommentOn) -> Outcome {
        use ObjectKind as K;
        let mode = LockMode::ShareUpdateExclusive;
        match statement.kind {
            K::Table | K::View | K::MaterializedView | K::Sequence | K::Index | K::ForeignTable => {
                let relation = self.open(&statement.name, mode)?;
                is_of_kind(&relation, statement.kind)?;
            }
            K::Column => {
                let table = self.open(&statement.name, mode)?;
                if let Some(column) = &statement.column {
                    self.column(table.id, column)?;
                }
            }
            K::Constraint | K::Trigger | K::Rule | K::Policy => {
                if let Some(on) = &statement.on
                    && self.catalog.find_type(self.session, on.schema(), &on.name).is_none()
                {
                    // The table is opened for looking the object up, no more.
                    let table = self.open(on, LockMode::AccessShare)?;
                    self.named_on_table(&table, statement.kind, &statement.name.name)?;
                }
            }
            K::Schema => {
                if let Some(schema) = self.catalog.schema(&statement.name.name) {
                    let address = ObjectAddress::new(ObjectClass::Schema, schema.oid);
                    self.lock_object(address, mode);
                }
            }
            _ => {}
        }
        self.work_on_catalogs();
        Ok(())
    }

    fn named_on_table(&self, table: &Relation, kind: ObjectKind, name: &str) -> Outcome {
        let (found, what) = match kind {
            ObjectKind::Constraint => (table.constraint(name).is_some(), "constraint"),
            ObjectKind::Trigger => (table.triggers.iter().any(|t| &*t.name == name), "trigger"),
            ObjectKind::Rule => (table.rules.iter().any(|r| &*r.name == name), "rule"),
            _ => (table.policies.iter().any(|p| &*p.name == name), "policy"),
        };
        if found || table.assumed {
            return Ok(());
        }
        let joint = if what == "constraint" { "for table" } else { "for relation" };
        Err(SqlError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!("{what} \"{name}\" {joint} \"{}\" does not exist", table.name),
        ))
    }

    /// The statement changes rows of the system catalogs that this catalog does not hold.
    pub(super) fn work_on_catalogs(&mut self) {
        self.work(RelationId(0), super::WorkKind::Catalog);
    }

    /// Rights are kept with the table; only PostgreSQL 18 takes a lock on it while they change.
    pub(super) fn grant(&mut self, statement: &Grant) -> Outcome {
        for role in &statement.roles {
            self.role_exists(role)?;
        }
        let relations = matches!(statement.kind, Some(ObjectKind::Table | ObjectKind::Sequence));
        if relations && !statement.all_in_schema {
            for name in &statement.objects {
                let relation = self.find(name)?;
                if self.version >= PgVersion::V18 {
                    self.lock(relation.id, LockMode::AccessShare);
                }
            }
        }
        self.work_on_catalogs();
        Ok(())
    }

    pub(super) fn create_extension(&mut self, name: &Ident, if_not_exists: bool) -> Outcome {
        // Every database has plpgsql from the start.
        let exists = self.catalog.named_object(ObjectClass::Extension, "", name).is_some();
        if exists || name.text == "plpgsql" {
            if if_not_exists {
                self.notice(format!("extension \"{}\" already exists, skipping", name.text));
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("extension \"{}\" already exists", name.text),
            ));
        }
        self.extension_is_available(name)?;
        self.enter_named(ObjectClass::Extension, "", name, &[], false);
        Ok(())
    }

    fn enter_named(
        &mut self,
        class: ObjectClass,
        schema: &str,
        name: &str,
        relations: &[RelationId],
        all_tables: bool,
    ) -> ObjectAddress {
        let oid = self.catalog.new_oid();
        let object = NamedObject {
            class,
            oid,
            schema: schema.into(),
            name: name.into(),
            relations: relations.into(),
            all_tables,
        };
        let key = (class, object.schema.clone(), object.name.clone());
        self.catalog.record(Change::Other(key, Some(Rc::new(object))));
        ObjectAddress::new(class, oid)
    }

    pub(super) fn create_statistics(&mut self, statement: &CreateStatistics) -> Outcome {
        let table = self.open(&statement.table, LockMode::ShareUpdateExclusive)?;
        if !matches!(
            table.kind,
            crate::catalog::RelationKind::Table
                | crate::catalog::RelationKind::PartitionedTable(_)
                | crate::catalog::RelationKind::MaterializedView { .. }
                | crate::catalog::RelationKind::ForeignTable
        ) {
            return Err(SqlError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("cannot define statistics for relation \"{}\"", table.name),
            ));
        }
        let mut columns = Vec::new();
        for element in &statement.elements {
            self.check_columns_exist(&table, element)?;
            columns.extend(crate::expression::columns_of(&self.relation(table.id), element));
        }
        if let [one] = statement.elements.as_slice()
            && crate::expression::bare_column(one).is_some()
        {
            return Err(SqlError::new(
                sqlstate::INVALID_OBJECT_DEFINITION,
                "extended statistics require at least 2 columns",
            ));
        }
        let (schema, name) = match &statement.name {
            Some(name) => (self.creation_schema(name)?, Name::from(name.name.as_str())),
            None => {
                let joined: Vec<String> =
                    columns.iter().filter_map(|c| table.column_at(*c)).map(|c| c.name.to_string()).collect();
                let name = super::naming::make_object_name(&table.name, &joined.join("_"), "stat");
                (table.schema.clone(), name.as_str().into())
            }
        };
        if self.catalog.named_object(ObjectClass::Statistics, &schema, &name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("statistics object \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("statistics object \"{name}\" already exists"),
            ));
        }
        let address = self.enter_named(ObjectClass::Statistics, &schema, &name, &[table.id], false);
        for column in columns {
            let column = ObjectAddress::column(table.id, column);
            self.catalog.add_dependency(address, column, DependencyKind::Auto);
        }
        self.depend_on_schema(address, &schema);
        Ok(())
    }

    fn depend_on_schema(&mut self, address: ObjectAddress, schema: &str) {
        if let Some(schema) = self.catalog.schema(schema) {
            let schema = ObjectAddress::new(ObjectClass::Schema, schema.oid);
            self.catalog.add_dependency(address, schema, DependencyKind::Normal);
        }
    }

    /// Each table named is locked so that no other change of its publications runs alongside.
    pub(super) fn create_publication(&mut self, statement: &Publication) -> Outcome {
        if self.catalog.named_object(ObjectClass::Publication, "", &statement.name).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("publication \"{}\" already exists", statement.name.text),
            ));
        }
        let tables = self.publication_tables(statement)?;
        let name = statement.name.as_str();
        let address = self.enter_named(ObjectClass::Publication, "", name, &tables, statement.all_tables);
        self.publication_relations(address, &tables);
        Ok(())
    }

    fn publication_tables(&mut self, statement: &Publication) -> Outcome<Vec<RelationId>> {
        let mut tables = Vec::new();
        for table in &statement.tables {
            let relation = self.open(&table.name, LockMode::ShareUpdateExclusive)?;
            if !relation.is_table() {
                return Err(SqlError::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("cannot add relation \"{}\" to publication", relation.name),
                ));
            }
            tables.push(relation.id);
            if !table.only && relation.partition_key().is_none() {
                for child in self.catalog.with_descendants(relation.id).into_iter().skip(1) {
                    self.lock(child, LockMode::ShareUpdateExclusive);
                    tables.push(child);
                }
            }
        }
        Ok(tables)
    }

    fn publication_relations(&mut self, publication: ObjectAddress, tables: &[RelationId]) {
        for table in tables {
            let member = ObjectAddress::new(ObjectClass::PublicationRelation, self.catalog.new_oid());
            self.catalog.add_dependency(member, publication, DependencyKind::Auto);
            self.catalog.add_dependency(member, ObjectAddress::relation(*table), DependencyKind::Auto);
        }
    }

    pub(super) fn alter_publication(&mut self, statement: &Publication) -> Outcome {
        let found = self.catalog.named_object(ObjectClass::Publication, "", &statement.name).cloned();
        let Some(publication) = found else {
            if self.session.assume_unknown {
                return self.publication_tables(statement).map(drop);
            }
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("publication \"{}\" does not exist", statement.name.text),
            ));
        };
        let address = ObjectAddress::new(ObjectClass::Publication, publication.oid);
        if self.version >= PgVersion::V15 && !statement.tables.is_empty() {
            self.lock_object(address, LockMode::AccessExclusive);
        }
        let tables = self.publication_tables(statement)?;
        let mut members = publication.relations.to_vec();
        match statement.action.as_deref() {
            Some("ADD") => {
                if let Some(twice) = tables.iter().find(|t| members.contains(t)) {
                    let relation = self.relation(*twice);
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!(
                            "relation \"{}\" is already member of publication \"{}\"",
                            relation.name, publication.name
                        ),
                    ));
                }
                members.extend(&tables);
                self.publication_relations(address, &tables);
            }
            Some("DROP") => members.retain(|m| !tables.contains(m)),
            Some("SET") if !tables.is_empty() => {
                for gone in members.iter().filter(|m| !tables.contains(m)) {
                    self.lock(*gone, LockMode::ShareUpdateExclusive);
                }
                members = tables;
            }
            _ => {}
        }
        let changed = NamedObject { relations: members.into(), ..(*publication).clone() };
        let key = (ObjectClass::Publication, Name::from(""), changed.name.clone());
        self.catalog.record(Change::Other(key, Some(Rc::new(changed))));
        Ok(())
    }

    /// ALTER of an object that is no relation.
    pub(super) fn alter_object(&mut self, statement: &AlterObject) -> Outcome {
        match (statement.kind, &statement.on, &statement.action) {
            (ObjectKind::Trigger, Some(on), AlterObjectAction::RenameTo(to)) => {
                self.rename_trigger(on, &statement.name, to)
            }
            (ObjectKind::Rule, Some(on), AlterObjectAction::RenameTo(to)) => {
                let table = self.open(on, LockMode::AccessExclusive)?;
                self.named_on_table(&table, ObjectKind::Rule, &statement.name.name)?;
                let (from, to) = (statement.name.name.text.clone(), Name::from(to.as_str()));
                self.catalog.change_relation(table.id, |r| {
                    r.rules.iter_mut().filter(|x| *x.name == *from).for_each(|x| x.name = to.clone());
                });
                Ok(())
            }
            (ObjectKind::Schema, _, AlterObjectAction::RenameTo(to)) => {
                self.rename_schema(&statement.name.name, to)
            }
            _ => {
                self.work_on_catalogs();
                Ok(())
            }
        }
    }

    fn rename_trigger(&mut self, on: &ObjectName, name: &ObjectName, to: &Ident) -> Outcome {
        let table = self.open(on, LockMode::AccessExclusive)?;
        self.named_on_table(&table, ObjectKind::Trigger, &name.name)?;
        let mut ids = vec![table.id];
        if table.partition_key().is_some() && self.version >= PgVersion::V15 {
            ids = self.catalog.with_descendants(table.id);
        }
        for (depth, id) in ids.into_iter().enumerate() {
            if depth > 0 {
                self.lock(id, LockMode::AccessExclusive);
            }
            self.catalog.change_relation(id, |r| {
                let same = |t: &&mut crate::catalog::Trigger| *t.name == *name.name.text;
                r.triggers.iter_mut().filter(same).for_each(|t| t.name = to.as_str().into());
            });
        }
        Ok(())
    }

    fn rename_schema(&mut self, from: &Ident, to: &Ident) -> Outcome {
        let Some(schema) = self.catalog.schema(from).cloned() else {
            return Err(SqlError::new(
                sqlstate::INVALID_SCHEMA_NAME,
                format!("schema \"{}\" does not exist", from.text),
            ));
        };
        if self.catalog.schema(to).is_some() {
            return Err(SqlError::new(
                sqlstate::DUPLICATE_SCHEMA,
                format!("schema \"{}\" already exists", to.text),
            ));
        }
        let name: Name = to.as_str().into();
        let renamed = crate::catalog::Schema { name: name.clone(), ..(*schema).clone() };
        self.catalog.record(Change::Schema(schema.name.clone(), None));
        self.catalog.record(Change::Schema(name.clone(), Some(Rc::new(renamed))));
        let inside: Vec<Rc<Relation>> =
            self.catalog.relations().filter(|r| r.schema == schema.name).cloned().collect();
        for relation in inside {
            self.catalog.change_relation(relation.id, |r| r.schema = name.clone());
        }
        let types: Vec<_> = self.catalog.types().filter(|t| t.schema == schema.name).cloned().collect();
        for def in types {
            self.catalog.record(Change::TypeName((def.schema.clone(), def.name.clone()), None));
            self.catalog.record(Change::TypeName((name.clone(), def.name.clone()), Some(def.oid)));
            let moved = crate::catalog::TypeDef { schema: name.clone(), ..(*def).clone() };
            self.catalog.record(Change::Type(def.oid, Some(Rc::new(moved))));
        }
        Ok(())
    }
}

/// Whether a relation is what a statement calls it (`get_relation_by_qualified_name`).
fn is_of_kind(relation: &Relation, kind: ObjectKind) -> Outcome {
    use crate::catalog::RelationKind as R;
    let (fits, what) = match kind {
        ObjectKind::Table => (matches!(relation.kind, R::Table | R::PartitionedTable(_)), "a table"),
        ObjectKind::View => (matches!(relation.kind, R::View(_)), "a view"),
        ObjectKind::MaterializedView => {
            (matches!(relation.kind, R::MaterializedView { .. }), "a materialized view")
        }
        ObjectKind::Sequence => (matches!(relation.kind, R::Sequence(_)), "a sequence"),
        ObjectKind::Index => (matches!(relation.kind, R::Index(_)), "an index"),
        ObjectKind::ForeignTable => (matches!(relation.kind, R::ForeignTable), "a foreign table"),
        _ => return Ok(()),
    };
    if fits || relation.assumed {
        return Ok(());
    }
    Err(SqlError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{}\" is not {what}", relation.name)))
}

fn table_mode(mode: TableLockMode) -> LockMode {
    match mode {
        TableLockMode::AccessShare => LockMode::AccessShare,
        TableLockMode::RowShare => LockMode::RowShare,
        TableLockMode::RowExclusive => LockMode::RowExclusive,
        TableLockMode::ShareUpdateExclusive => LockMode::ShareUpdateExclusive,
        TableLockMode::Share => LockMode::Share,
        TableLockMode::ShareRowExclusive => LockMode::ShareRowExclusive,
        TableLockMode::Exclusive => LockMode::Exclusive,
        TableLockMode::AccessExclusive => LockMode::AccessExclusive,
    }
}
