//! From names to objects, by the session's search path (manual, "The Schema Search Path").

use std::rc::Rc;

use sql_syntax::ast::{DataType, ObjectName};

use super::{Catalog, ColumnType, Function, Name, Oid, Relation, Session, TypeDef, TypeId, builtin_type};

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The schema that was named does not exist.
    NoSuchSchema(String),
    /// Nothing in the search path has the name.
    NoSuchObject(String),
    /// No schema was named and the search path has none that exists.
    NoSchemaSelected,
}

impl Catalog {
    /// The relation that a name means.
    pub fn find(&self, session: &Session, name: &ObjectName) -> Option<&Rc<Relation>> {
        match name.schema() {
            Some(schema) => self.find_in(schema, &name.name),
            None => session.search_path.iter().find_map(|schema| self.find_in(schema, &name.name)),
        }
    }

    /// The relation of this name in this schema.
    pub fn find_in(&self, schema: &str, name: &str) -> Option<&Rc<Relation>> {
        let id = self.names.get(&(Name::from(schema), Name::from(name)))?;
        self.relation(*id)
    }

    /// The relation that an unqualified name means.
    pub fn find_name(&self, session: &Session, name: &str) -> Option<&Rc<Relation>> {
        session.search_path.iter().find_map(|schema| self.find_in(schema, name))
    }

    /// The schema that a new object of this name is put in.
    pub fn creation_schema(&self, session: &Session, name: &ObjectName) -> Result<Name, NameError> {
        match name.schema() {
            Some("pg_temp") => Ok("pg_temp".into()),
            Some(schema) => match self.schema(schema) {
                Some(schema) => Ok(schema.name.clone()),
                None => Err(NameError::NoSuchSchema(schema.into())),
            },
            None => session
                .search_path
                .iter()
                .find(|schema| self.schema(schema).is_some())
                .cloned()
                .ok_or(NameError::NoSchemaSelected),
        }
    }

    /// The user-defined type that a name means.
    pub fn find_type(&self, session: &Session, schema: Option<&str>, name: &str) -> Option<&Rc<TypeDef>> {
        let within = |schema: &str| {
            let oid = self.type_names.get(&(Name::from(schema), Name::from(name)))?;
            self.type_def(*oid)
        };
        match schema {
            Some(schema) => within(schema),
            None => session.search_path.iter().find_map(|schema| within(schema)),
        }
    }

    /// The functions of this name that the search path finds first.
    pub fn find_functions(&self, session: &Session, name: &ObjectName) -> Vec<&Rc<Function>> {
        let within = |schema: &str| -> Vec<&Rc<Function>> {
            let key = (Name::from(schema), Name::from(&*name.name.text), Oid(0));
            self.functions
                .range_from(&key)
                .take_while(|((s, n, _), _)| *s == key.0 && *n == key.1)
                .map(|(_, function)| function)
                .collect()
        };
        match name.schema() {
            Some(schema) => within(schema),
            None => session
                .search_path
                .iter()
                .map(|schema| within(schema))
                .find(|found| !found.is_empty())
                .unwrap_or_default(),
        }
    }

    /// What a type's name means. `pg_catalog` is searched before the user's schemas.
    pub fn resolve_type(&self, session: &Session, written: &DataType) -> ColumnType {
        let schema = written.schema.as_deref();
        let base = written.serial_base().unwrap_or(&written.name);
        let id = match builtin_type(base) {
            Some(builtin) if schema.is_none_or(|s| s == "pg_catalog") => TypeId::Builtin(builtin),
            _ => match self.find_type(session, schema, &written.name) {
                Some(def) => TypeId::User(def.oid),
                None => TypeId::Unknown,
            },
        };
        let mut modifiers: Vec<i32> =
            written.modifiers.iter().filter_map(|m| m.trim().parse().ok()).collect();
        // `char` and `bit` without a length are `char(1)` and `bit(1)`; `numeric(8)` is `numeric(8,0)`.
        match (base, modifiers.len()) {
            ("numeric", 1) => modifiers.push(0),
            ("bit", 0) => modifiers.push(1),
            _ => {}
        }
        ColumnType {
            id,
            modifiers: modifiers.into(),
            interval_field: written.interval_fields.as_deref().map(Name::from),
            array: written.array_dimensions > 0,
            written: written.to_string().into(),
        }
    }

    /// The type at the bottom of a pile of domains.
    pub fn base_type<'t>(&'t self, data_type: &'t ColumnType) -> &'t ColumnType {
        let mut current = data_type;
        while let TypeId::User(oid) = current.id
            && !current.array
            && let Some(def) = self.type_def(oid)
            && let super::TypeKind::Domain(domain) = &def.kind
        {
            current = &domain.base;
        }
        current
    }

    /// Whether a type is a domain, or stands on one, that has constraints (`DomainHasConstraints`).
    pub fn has_domain_constraints(&self, data_type: &ColumnType) -> bool {
        let mut current = data_type;
        while let TypeId::User(oid) = current.id
            && !current.array
            && let Some(def) = self.type_def(oid)
            && let super::TypeKind::Domain(domain) = &def.kind
        {
            if domain.not_null || !domain.checks.is_empty() {
                return true;
            }
            current = &domain.base;
        }
        false
    }
}
