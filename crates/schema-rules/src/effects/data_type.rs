//! Types, domains and schemas.
//!
//! Source: `src/backend/commands/typecmds.c`. A domain's constraint is verified in every table that has a column of
//! the domain, each locked in SHARE mode (`validateDomainConstraint`).

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{
    AlterDomain, AlterDomainAction, AlterType, AlterTypeAction, CreateDomain, CreateSchema, CreateType,
    DropBehavior, Expr, Ident, ObjectName, TableConstraint, TableConstraintKind, TypeDefinition,
};

use super::ScanReason;
use super::condition::Condition;
use super::naming::make_object_name;
use super::run::{Outcome, Run, plain};
use crate::catalog::{
    Change, DependencyKind, Domain, DomainCheck, Name, ObjectAddress, ObjectClass, Oid, RelationId, TypeDef,
    TypeId, TypeKind,
};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

impl Run<'_> {
    pub(super) fn create_schema(&mut self, statement: &CreateSchema) -> Outcome {
        let name = statement.name.as_str();
        if self.catalog.schema(name).is_some() {
            if statement.if_not_exists {
                self.notice(format!("schema \"{name}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::DUPLICATE_SCHEMA,
                format!("schema \"{name}\" already exists"),
            ));
        }
        self.add_schema(name);
        let path = self.session.search_path.clone();
        self.session.search_path = std::iter::once(Name::from(name)).chain(path.iter().cloned()).collect();
        let result = statement.elements.iter().try_for_each(|element| self.statement(&element.value));
        self.session.search_path = path;
        result
    }

    pub(super) fn create_type(&mut self, statement: &CreateType) -> Outcome {
        let kind = match &statement.definition {
            TypeDefinition::Enum(labels) => {
                TypeKind::Enum(labels.iter().map(|l| l.as_str().into()).collect())
            }
            TypeDefinition::Composite(attributes) => {
                let mut fields = Vec::new();
                for (name, written) in attributes {
                    if let Some(written) = written {
                        fields.push((Name::from(name.as_str()), self.resolve_type(written)?));
                    }
                }
                TypeKind::Composite(fields)
            }
            TypeDefinition::Range(_) => TypeKind::Range,
            TypeDefinition::Base(_) | TypeDefinition::Shell => TypeKind::Base,
        };
        let oid = self.enter_type(&statement.name, kind)?;
        self.session.transaction.created_types.push(oid);
        Ok(())
    }

    fn enter_type(&mut self, name: &ObjectName, kind: TypeKind) -> Outcome<Oid> {
        let schema = self.creation_schema(name)?;
        let own: Name = name.name.as_str().into();
        if self.catalog.find_type(self.session, Some(&schema), &own).is_some() {
            return Err(SqlError::new(sqlstate::DUPLICATE_OBJECT, format!("type \"{own}\" already exists")));
        }
        let oid = self.catalog.new_oid();
        let address = ObjectAddress::new(ObjectClass::Type, oid);
        if let TypeKind::Domain(domain) = &kind
            && let TypeId::User(base) = domain.base.id
        {
            let base = ObjectAddress::new(ObjectClass::Type, base);
            self.catalog.add_dependency(address, base, DependencyKind::Normal);
        }
        if let Some(schema) = self.catalog.schema(&schema) {
            let schema = ObjectAddress::new(ObjectClass::Schema, schema.oid);
            self.catalog.add_dependency(address, schema, DependencyKind::Normal);
        }
        self.put_type(TypeDef { oid, schema, name: own, kind });
        Ok(oid)
    }

    fn put_type(&mut self, def: TypeDef) {
        if let Some(old) = self.catalog.type_def(def.oid).cloned() {
            self.catalog.record(Change::TypeName((old.schema.clone(), old.name.clone()), None));
        }
        self.catalog.record(Change::TypeName((def.schema.clone(), def.name.clone()), Some(def.oid)));
        self.catalog.record(Change::Type(def.oid, Some(Rc::new(def))));
    }

    fn find_type(&mut self, name: &ObjectName) -> Outcome<Rc<TypeDef>> {
        if let Some(found) = self.catalog.find_type(self.session, name.schema(), &name.name) {
            return Ok(found.clone());
        }
        if self.session.assume_unknown {
            let oid = self.enter_type(name, TypeKind::Base)?;
            return self.catalog.type_def(oid).cloned().ok_or_else(|| no_such_type(name));
        }
        Err(no_such_type(name))
    }

    pub(super) fn alter_type(&mut self, statement: &AlterType) -> Outcome {
        let def = self.find_type(&statement.name)?;
        let mut new = (*def).clone();
        match &statement.action {
            AlterTypeAction::AddValue { value, if_not_exists, position } => {
                return self.add_enum_value(new, value, *if_not_exists, position.as_ref());
            }
            AlterTypeAction::RenameValue { from, to } => {
                let TypeKind::Enum(labels) = &mut new.kind else { return Err(not_an_enum(&new)) };
                if labels.iter().any(|l| **l == **to) {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("enum label \"{to}\" already exists"),
                    ));
                }
                match labels.iter_mut().find(|l| ***l == **from) {
                    Some(label) => *label = to.as_str().into(),
                    None => {
                        return Err(SqlError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            format!("\"{from}\" is not an existing enum label"),
                        ));
                    }
                }
            }
            AlterTypeAction::RenameTo(to) => new.name = to.as_str().into(),
            AlterTypeAction::SetSchema(schema) => new.schema = self.existing_schema(schema)?,
            AlterTypeAction::Attributes { action, behavior } => {
                self.alter_composite(&def, action, *behavior)?;
            }
            AlterTypeAction::OwnerTo(_) | AlterTypeAction::SetOptions(_) => {}
        }
        self.put_type(new);
        Ok(())
    }

    /// Changing a composite type touches every table with a column of it: it is refused if there is one
    /// (`find_composite_type_dependencies`), unless the tables are typed ones.
    fn alter_composite(&mut self, def: &TypeDef, action: &str, behavior: DropBehavior) -> Outcome {
        let of_type = |r: &&Rc<crate::catalog::Relation>| r.of_type == Some(def.oid);
        let typed: Vec<RelationId> = self.catalog.relations().filter(of_type).map(|r| r.id).collect();
        if !typed.is_empty() && behavior == DropBehavior::Restrict {
            return Err(SqlError::new(
                sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot alter type \"{}\" because it is the type of a typed table", def.name),
            )
            .hint("Use ALTER ... CASCADE to alter the typed tables too."));
        }
        for table in typed {
            self.lock(table, LockMode::AccessExclusive);
        }
        if action.starts_with("ALTER") || action.starts_with("ADD") {
            let users = self.tables_with_type(def.oid);
            if let Some((table, column)) = users.first()
                && action.starts_with("ALTER")
            {
                let relation = self.relation(*table);
                let column = relation.column_at(*column).map(|c| c.name.to_string()).unwrap_or_default();
                return Err(SqlError::new(
                    sqlstate::FEATURE_NOT_SUPPORTED,
                    format!(
                        "cannot alter type \"{}\" because column \"{}.{column}\" uses it",
                        def.name, relation.name
                    ),
                ));
            }
        }
        self.not_modelled("ALTER TYPE … ATTRIBUTE", "the type's attributes are kept as they were");
        Ok(())
    }

    fn add_enum_value(
        &mut self,
        mut def: TypeDef,
        value: &str,
        if_not_exists: bool,
        position: Option<&(bool, String)>,
    ) -> Outcome {
        let oid = def.oid;
        if matches!(def.kind, TypeKind::Base) && self.session.assume_unknown {
            def.kind = TypeKind::Enum(position.iter().map(|(_, label)| label.as_str().into()).collect());
        }
        let TypeKind::Enum(labels) = &mut def.kind else { return Err(not_an_enum(&def)) };
        if labels.iter().any(|l| **l == *value) {
            if if_not_exists {
                self.notice(format!("enum label \"{value}\" already exists, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::DUPLICATE_OBJECT,
                format!("enum label \"{value}\" already exists"),
            ));
        }
        let at = match position {
            None => labels.len(),
            Some((before, neighbour)) => match labels.iter().position(|l| **l == **neighbour) {
                Some(at) => at + usize::from(!before),
                None => {
                    return Err(SqlError::new(
                        sqlstate::INVALID_PARAMETER_VALUE,
                        format!("\"{neighbour}\" is not an existing enum label"),
                    ));
                }
            },
        };
        labels.insert(at, value.into());
        self.put_type(def);
        let transaction = &mut self.session.transaction;
        let usable = self.version >= PgVersion::V17 && transaction.created_types.contains(&oid);
        if self.session.in_transaction && !usable {
            transaction.uncommitted_labels.push((oid, value.into()));
        }
        Ok(())
    }

    pub(super) fn existing_schema(&mut self, name: &Ident) -> Outcome<Name> {
        if self.catalog.schema(name).is_none() {
            if !self.session.assume_unknown {
                return Err(SqlError::new(
                    sqlstate::INVALID_SCHEMA_NAME,
                    format!("schema \"{}\" does not exist", name.text),
                ));
            }
            self.add_schema(name);
        }
        Ok(name.as_str().into())
    }

    pub(super) fn create_domain(&mut self, statement: &CreateDomain) -> Outcome {
        let base = self.resolve_type(&statement.data_type)?;
        let own: Name = statement.name.name.as_str().into();
        let mut checks: Vec<DomainCheck> = Vec::new();
        for constraint in &statement.checks {
            if let TableConstraintKind::Check(condition) = &constraint.kind {
                let name = domain_constraint_name(&own, &checks, constraint);
                let (oid, condition) = (self.catalog.new_oid(), Rc::new(condition.clone()));
                checks.push(DomainCheck { oid, name, condition, validated: true });
            }
        }
        let default = statement.default.clone().map(Rc::new);
        let kind = TypeKind::Domain(Domain { base, not_null: statement.not_null, default, checks });
        self.enter_type(&statement.name, kind).map(drop)
    }

    pub(super) fn alter_domain(&mut self, statement: &AlterDomain) -> Outcome {
        let def = self.find_type(&statement.name)?;
        let mut new = (*def).clone();
        match &statement.action {
            AlterDomainAction::RenameTo(to) => new.name = to.as_str().into(),
            AlterDomainAction::SetSchema(schema) => new.schema = self.existing_schema(schema)?,
            AlterDomainAction::OwnerTo(_) => {}
            action => {
                if !matches!(new.kind, TypeKind::Domain(_)) && self.session.assume_unknown {
                    return Ok(());
                }
                let TypeKind::Domain(domain) = &mut new.kind else {
                    return Err(SqlError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("{} is not a domain", plain(&statement.name)),
                    ));
                };
                self.change_domain(def.oid, &def.name, domain, action)?;
            }
        }
        self.put_type(new);
        Ok(())
    }

    fn change_domain(
        &mut self,
        oid: Oid,
        name: &Name,
        domain: &mut Domain,
        action: &AlterDomainAction,
    ) -> Outcome {
        let missing = |constraint: &str| {
            SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("constraint \"{constraint}\" of domain \"{name}\" does not exist"),
            )
        };
        match action {
            AlterDomainAction::SetDefault(value) => domain.default = Some(Rc::new(value.clone())),
            AlterDomainAction::DropDefault => domain.default = None,
            AlterDomainAction::SetNotNull => {
                if !domain.not_null {
                    self.scan_domain_users(oid, None)?;
                    domain.not_null = true;
                }
            }
            AlterDomainAction::DropNotNull => domain.not_null = false,
            AlterDomainAction::AddConstraint(constraint) => {
                let constraint_name = domain_constraint_name(name, &domain.checks, constraint);
                if domain.checks.iter().any(|c| c.name == constraint_name) {
                    return Err(SqlError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("constraint \"{constraint_name}\" for domain \"{name}\" already exists"),
                    ));
                }
                let validated = !constraint.attributes.not_valid;
                match &constraint.kind {
                    TableConstraintKind::Check(condition) => {
                        let condition = Rc::new(condition.clone());
                        if validated {
                            self.scan_domain_users(oid, Some(&condition))?;
                        }
                        let oid = self.catalog.new_oid();
                        domain.checks.push(DomainCheck { oid, name: constraint_name, condition, validated });
                    }
                    TableConstraintKind::NotNull(_) => {
                        self.scan_domain_users(oid, None)?;
                        domain.not_null = true;
                    }
                    _ => {}
                }
            }
            AlterDomainAction::ValidateConstraint(constraint) => {
                let check = domain.checks.iter_mut().find(|c| *c.name == *constraint.text);
                let check = check.ok_or_else(|| missing(constraint))?;
                if !check.validated {
                    self.scan_domain_users(oid, Some(&check.condition.clone()))?;
                }
                check.validated = true;
            }
            AlterDomainAction::DropConstraint { name: constraint, if_exists } => {
                let before = domain.checks.len();
                domain.checks.retain(|c| *c.name != *constraint.text);
                if domain.checks.len() == before && !if_exists {
                    return Err(missing(constraint));
                }
            }
            AlterDomainAction::RenameConstraint { name: from, to } => {
                let check = domain.checks.iter_mut().find(|c| *c.name == *from.text);
                check.ok_or_else(|| missing(from))?.name = to.as_str().into();
            }
            AlterDomainAction::RenameTo(_)
            | AlterDomainAction::SetSchema(_)
            | AlterDomainAction::OwnerTo(_) => {}
        }
        Ok(())
    }

    /// Reads every table that has a column of the domain, or of a domain over it.
    fn scan_domain_users(&mut self, oid: Oid, condition: Option<&Rc<Expr>>) -> Outcome {
        let users = self.tables_with_type(oid);
        for (table, _) in &users {
            self.lock(*table, LockMode::Share);
        }
        let mut scanned: Vec<RelationId> = Vec::new();
        for (table, column) in users {
            let relation = self.relation(table);
            if !relation.has_heap() {
                continue;
            }
            if !scanned.contains(&table) {
                self.scan(table, ScanReason::Domain);
                scanned.push(table);
            }
            let name = relation.column_at(column).map(|c| c.name.to_string()).unwrap_or_default();
            match condition {
                Some(expression) => {
                    let expression = expression.clone();
                    let otherwise = SqlError::new(
                        sqlstate::CHECK_VIOLATION,
                        format!(
                            "column \"{name}\" of table \"{}\" contains values that violate the new constraint",
                            relation.name
                        ),
                    );
                    self.check(Condition::DomainCheck { relation: table, column, expression }, otherwise)?;
                }
                None => {
                    let otherwise = SqlError::new(
                        sqlstate::NOT_NULL_VIOLATION,
                        format!("column \"{name}\" of table \"{}\" contains null values", relation.name),
                    );
                    self.check(Condition::NoNulls { relation: table, column }, otherwise)?;
                }
            }
        }
        Ok(())
    }

    /// The columns of a type, also by way of domains over it, in the order of their dependencies.
    fn tables_with_type(&self, oid: Oid) -> Vec<(RelationId, u16)> {
        let mut found = Vec::new();
        for dependency in self.catalog.dependents_of(ObjectAddress::new(ObjectClass::Type, oid)) {
            let dependent = dependency.dependent;
            match dependent.class {
                ObjectClass::Relation if dependent.column > 0 => {
                    found.push((RelationId(dependent.oid), dependent.column));
                }
                ObjectClass::Type => found.extend(self.tables_with_type(Oid(dependent.oid))),
                _ => {}
            }
        }
        found
    }
}

fn domain_constraint_name(domain: &str, checks: &[DomainCheck], constraint: &TableConstraint) -> Name {
    if let Some(name) = &constraint.name {
        return name.as_str().into();
    }
    let mut name = make_object_name(domain, "", "check");
    let mut suffix = 0;
    while checks.iter().any(|c| *c.name == *name) {
        suffix += 1;
        name = make_object_name(domain, "", &format!("check{suffix}"));
    }
    name.as_str().into()
}

fn no_such_type(name: &ObjectName) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", plain(name)))
}

fn not_an_enum(def: &TypeDef) -> SqlError {
    SqlError::new(sqlstate::WRONG_OBJECT_TYPE, format!("{} is not an enum", def.name))
}
