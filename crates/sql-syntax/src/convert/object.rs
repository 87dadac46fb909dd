//! Objects other than tables.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::table::{attributes, behavior};
use super::{Place, Result, alter, child, children, expr, has, name, statement, table, tokens, types};
use crate::Located;
use crate::ast::{
    AlterDomain, AlterDomainAction, AlterObject, AlterObjectAction, AlterType, AlterTypeAction, CommentOn,
    CreateDomain, CreateFunction, CreateRule, CreateSchema, CreateSequence, CreateStatistics, CreateTrigger,
    CreateType, Drop, FunctionBody, Grant, ObjectKind, ObjectName, Publication, Statement, TableName,
    TriggerEvent, TriggerTiming, TypeDefinition, Volatility,
};

/// Which kind of object a DROP, ALTER, COMMENT or GRANT node is about, by the words of its name.
const KINDS: [(&str, ObjectKind); 41] = [
    ("ACCESS_METHOD", ObjectKind::AccessMethod),
    ("AGGREGATE", ObjectKind::Aggregate),
    ("CAST", ObjectKind::Cast),
    ("COLLATION", ObjectKind::Collation),
    ("COLUMN", ObjectKind::Column),
    ("CONSTRAINT", ObjectKind::Constraint),
    ("CONVERSION", ObjectKind::Conversion),
    ("DATABASE", ObjectKind::Database),
    ("DOMAIN", ObjectKind::Domain),
    ("EVENT_TRIGGER", ObjectKind::EventTrigger),
    ("EXTENSION", ObjectKind::Extension),
    ("FOREIGN_DATA_WRAPPER", ObjectKind::ForeignDataWrapper),
    ("FOREIGN_SERVER", ObjectKind::Server),
    ("FOREIGN_TABLE", ObjectKind::ForeignTable),
    ("FUNCTION", ObjectKind::Function),
    ("INDEX", ObjectKind::Index),
    ("LANGUAGE", ObjectKind::Language),
    ("LARGE_OBJECT", ObjectKind::LargeObject),
    ("MATERIALIZED_VIEW", ObjectKind::MaterializedView),
    ("OPERATOR", ObjectKind::Operator),
    ("OPERATOR_CLASS", ObjectKind::OperatorClass),
    ("OPERATOR_FAMILY", ObjectKind::OperatorFamily),
    ("OWNED", ObjectKind::Owned),
    ("POLICY", ObjectKind::Policy),
    ("PROCEDURE", ObjectKind::Procedure),
    ("PROPERTY_GRAPH", ObjectKind::PropertyGraph),
    ("PUBLICATION", ObjectKind::Publication),
    ("ROLE", ObjectKind::Role),
    ("ROUTINE", ObjectKind::Routine),
    ("RULE", ObjectKind::Rule),
    ("SCHEMA", ObjectKind::Schema),
    ("SEQUENCE", ObjectKind::Sequence),
    ("SERVER", ObjectKind::Server),
    ("STATISTICS", ObjectKind::Statistics),
    ("SUBSCRIPTION", ObjectKind::Subscription),
    ("TABLE", ObjectKind::Table),
    ("TABLESPACE", ObjectKind::Tablespace),
    ("TRANSFORM", ObjectKind::Transform),
    ("TRIGGER", ObjectKind::Trigger),
    ("TYPE", ObjectKind::Type),
    ("VIEW", ObjectKind::View),
];

/// The name of a node's kind, as in squawk-syntax: `DROP_MATERIALIZED_VIEW`.
pub(super) fn kind_name(node: &SyntaxNode) -> String {
    format!("{:?}", node.kind())
}

fn kind_named(name: &str) -> Option<ObjectKind> {
    match name {
        "GROUP" | "USER" => Some(ObjectKind::Role),
        "USER_MAPPING" => Some(ObjectKind::UserMapping),
        _ if name.starts_with("TEXT_SEARCH") => Some(ObjectKind::TextSearch),
        _ => KINDS.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind),
    }
}

/// DROP of any kind.
pub(super) fn drop_object(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    let spelled = kind_name(node);
    let Some(kind) = spelled.strip_prefix("DROP_").and_then(kind_named) else { return Ok(None) };
    let mut names = Vec::new();
    for part in node.children() {
        names.extend(dropped_names(at, &part)?);
    }
    if kind == ObjectKind::Owned {
        names = roles(at, node)?.into_iter().map(|role| ObjectName::new(role.text)).collect();
    }
    let nameless =
        matches!(kind, ObjectKind::Operator | ObjectKind::Cast | ObjectKind::Transform | ObjectKind::Owned);
    if names.is_empty() && !nameless && kind != ObjectKind::UserMapping {
        return Err(at.missing(node, "a name"));
    }
    Ok(Some(Statement::Drop(Drop {
        kind,
        names,
        on: on_relation(at, node)?,
        if_exists: child::<ast::IfExists>(node).is_some(),
        concurrently: has(node, SyntaxKind::CONCURRENTLY_KW),
        behavior: behavior(node),
    })))
}

/// The names in one part of a DROP: a reference, or a list of signatures.
fn dropped_names(at: Place<'_>, part: &SyntaxNode) -> Result<Vec<ObjectName>> {
    let kind = kind_name(part);
    if kind.ends_with("_SIG_LIST") {
        return part.children().map(|sig| signature_name(at, &sig)).collect();
    }
    if kind == "AGGREGATE" {
        return Ok(vec![signature_name(at, part)?]);
    }
    if kind.ends_with("_REF") {
        return Ok(vec![name::object_name(at, part)?]);
    }
    Ok(Vec::new())
}

/// The name in front of a signature's parameters.
fn signature_name(at: Place<'_>, sig: &SyntaxNode) -> Result<ObjectName> {
    let inner = sig.children().find(|n| n.kind() != SyntaxKind::PARAM_LIST).unwrap_or_else(|| sig.clone());
    name::object_name(at, &inner)
}

fn on_relation(at: Place<'_>, node: &SyntaxNode) -> Result<Option<ObjectName>> {
    for part in node.children() {
        match part.kind() {
            SyntaxKind::ON_RELATION => {
                return Ok(Some(name::named::<ast::RelationNameRef>(at, &part, "a relation")?));
            }
            SyntaxKind::ON_TABLE => {
                return Ok(Some(name::named::<ast::TableNameRef>(at, &part, "a table")?));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// CREATE SEQUENCE.
pub(super) fn create_sequence(at: Place<'_>, node: &SyntaxNode) -> Result<CreateSequence> {
    Ok(CreateSequence {
        name: name::named::<ast::Sequence>(at, node, "a sequence's name")?,
        persistence: table::persistence(node),
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        options: table::sequence_options(at, node)?,
    })
}

/// CREATE TYPE.
pub(super) fn create_type(at: Place<'_>, node: &SyntaxNode) -> Result<CreateType> {
    let definition = match child::<ast::CreateTypeKind>(node) {
        None => TypeDefinition::Shell,
        Some(kind) => {
            let inner = kind.syntax();
            match &kind {
                ast::CreateTypeKind::EnumType(_) => {
                    let list = child::<ast::VariantList>(inner);
                    let variants = list.iter().flat_map(|l| children::<ast::Variant>(l.syntax()));
                    TypeDefinition::Enum(variants.map(|v| table::plain_text(at, v.syntax())).collect())
                }
                ast::CreateTypeKind::CompositeType(_) => {
                    let list = at.need::<ast::CompositeFieldList>(inner, "fields")?;
                    let fields = children::<ast::CompositeFieldDef>(list.syntax()).map(|f| {
                        let name = name::own_name::<ast::CompositeField>(at, f.syntax(), "a field")?;
                        let ty =
                            child::<ast::Type>(f.syntax()).map(|t| types::data_type(at, &t)).transpose()?;
                        Ok((name, ty))
                    });
                    TypeDefinition::Composite(fields.collect::<Result<_>>()?)
                }
                ast::CreateTypeKind::RangeType(_) => TypeDefinition::Range(attributes(at, inner)?),
                ast::CreateTypeKind::BaseType(_) => TypeDefinition::Base(attributes(at, inner)?),
            }
        }
    };
    Ok(CreateType { name: name::named::<ast::TypeName>(at, node, "a type's name")?, definition })
}

/// ALTER TYPE.
pub(super) fn alter_type(at: Place<'_>, node: &SyntaxNode) -> Result<AlterType> {
    let part = at.need::<ast::AlterTypeAction>(node, "an action")?;
    let inner = part.syntax();
    let text = |literal: Option<ast::Literal>| {
        let literal = literal.ok_or_else(|| at.missing(inner, "a label"))?;
        Ok(table::plain_text(at, literal.syntax()))
    };
    let action = match &part {
        ast::AlterTypeAction::AddValue(_) => AlterTypeAction::AddValue {
            value: text(child(inner))?,
            if_not_exists: child::<ast::IfNotExists>(inner).is_some(),
            position: match child::<ast::ValuePosition>(inner) {
                None => None,
                Some(position) => {
                    let before = matches!(position, ast::ValuePosition::BeforeValue(_));
                    Some((before, text(child(position.syntax()))?))
                }
            },
        },
        ast::AlterTypeAction::RenameValue(_) => {
            let mut labels = children::<ast::Literal>(inner);
            AlterTypeAction::RenameValue { from: text(labels.next())?, to: text(labels.next())? }
        }
        ast::AlterTypeAction::TypeRenameTo(_) => {
            AlterTypeAction::RenameTo(name::own_name::<ast::TypeName>(at, inner, "a name")?)
        }
        ast::AlterTypeAction::OwnerTo(_) => AlterTypeAction::OwnerTo(alter::owner(at, inner)?),
        ast::AlterTypeAction::SetSchema(_) => {
            AlterTypeAction::SetSchema(name::own_name::<ast::SchemaRef>(at, inner, "a schema")?)
        }
        ast::AlterTypeAction::SetOptions(_) => AlterTypeAction::SetOptions(attributes(at, inner)?),
        ast::AlterTypeAction::RenameAttribute(_) => {
            AlterTypeAction::Attributes { action: "RENAME ATTRIBUTE".to_owned(), behavior: behavior(inner) }
        }
        ast::AlterTypeAction::AlterTypeAttributeActionList(_) => {
            let first = inner.children().next().unwrap_or_else(|| inner.clone());
            let action = table::words(&first).split(' ').take(2).collect::<Vec<_>>().join(" ");
            AlterTypeAction::Attributes { action, behavior: behavior(&first) }
        }
    };
    Ok(AlterType { name: name::named::<ast::TypeNameRef>(at, node, "a type")?, action })
}

/// CREATE DOMAIN.
pub(super) fn create_domain(at: Place<'_>, node: &SyntaxNode) -> Result<CreateDomain> {
    let mut domain = CreateDomain {
        name: name::named::<ast::Domain>(at, node, "a domain's name")?,
        data_type: types::data_type(at, &at.need::<ast::Type>(node, "a type")?)?,
        default: None,
        not_null: false,
        checks: Vec::new(),
    };
    for constraint in children::<ast::Constraint>(node) {
        match &constraint {
            ast::Constraint::DefaultConstraint(d) => {
                domain.default = Some(expr::required(at, d.syntax())?);
            }
            ast::Constraint::NotNullConstraint(_) => domain.not_null = true,
            ast::Constraint::CheckConstraint(_) => {
                domain.checks.push(table::table_constraint(at, constraint.syntax())?);
            }
            _ => {}
        }
    }
    Ok(domain)
}

/// ALTER DOMAIN.
pub(super) fn alter_domain(at: Place<'_>, node: &SyntaxNode) -> Result<AlterDomain> {
    let part = at.need::<ast::AlterDomainAction>(node, "an action")?;
    let inner = part.syntax();
    let constraint = || name::own_name::<ast::ConstraintNameRef>(at, inner, "a constraint");
    let action = match &part {
        ast::AlterDomainAction::SetDefault(_) => AlterDomainAction::SetDefault(expr::required(at, inner)?),
        ast::AlterDomainAction::DropDefault(_) => AlterDomainAction::DropDefault,
        ast::AlterDomainAction::SetNotNull(_) => AlterDomainAction::SetNotNull,
        ast::AlterDomainAction::DropNotNull(_) => AlterDomainAction::DropNotNull,
        ast::AlterDomainAction::AddConstraint(_) => {
            let added = at.need::<ast::Constraint>(inner, "a constraint")?;
            AlterDomainAction::AddConstraint(table::table_constraint(at, added.syntax())?)
        }
        ast::AlterDomainAction::DropConstraint(_) => AlterDomainAction::DropConstraint {
            name: constraint()?,
            if_exists: child::<ast::IfExists>(inner).is_some(),
        },
        ast::AlterDomainAction::RenameConstraint(_) => AlterDomainAction::RenameConstraint {
            name: constraint()?,
            to: name::own_name::<ast::ConstraintName>(at, inner, "a name")?,
        },
        ast::AlterDomainAction::ValidateConstraint(_) => AlterDomainAction::ValidateConstraint(constraint()?),
        ast::AlterDomainAction::OwnerTo(_) => AlterDomainAction::OwnerTo(alter::owner(at, inner)?),
        ast::AlterDomainAction::DomainRenameTo(_) => {
            AlterDomainAction::RenameTo(name::own_name::<ast::Domain>(at, inner, "a name")?)
        }
        ast::AlterDomainAction::SetSchema(_) => {
            AlterDomainAction::SetSchema(name::own_name::<ast::SchemaRef>(at, inner, "a schema")?)
        }
    };
    Ok(AlterDomain { name: name::named::<ast::DomainRef>(at, node, "a domain")?, action })
}

/// CREATE SCHEMA.
pub(super) fn create_schema(at: Place<'_>, node: &SyntaxNode) -> Result<CreateSchema> {
    let target = at.need::<ast::CreateSchemaTarget>(node, "a schema's name")?;
    let named = match child::<ast::Schema>(target.syntax()) {
        Some(schema) => name::ident(at, schema.syntax())?,
        None => name::own_name::<ast::Role>(at, target.syntax(), "a name")?,
    };
    let elements = children::<ast::SchemaElement>(node)
        .map(|e| Ok(Located { value: statement(at, e.syntax())?, range: at.of(e.syntax()) }))
        .collect::<Result<_>>()?;
    let if_not_exists = child::<ast::IfNotExists>(node).is_some();
    Ok(CreateSchema { name: named, if_not_exists, elements })
}

/// CREATE TRIGGER.
pub(super) fn create_trigger(at: Place<'_>, node: &SyntaxNode) -> Result<CreateTrigger> {
    let timing = match at.need::<ast::Timing>(node, "BEFORE, AFTER or INSTEAD OF")? {
        ast::Timing::TimingBefore(_) => TriggerTiming::Before,
        ast::Timing::TimingAfter(_) => TriggerTiming::After,
        ast::Timing::TimingInsteadOf(_) => TriggerTiming::InsteadOf,
    };
    let list = at.need::<ast::TriggerEventList>(node, "an event")?;
    let events = children::<ast::TriggerEvent>(list.syntax())
        .map(|event| {
            Ok(match event {
                ast::TriggerEvent::TriggerEventInsert(_) => TriggerEvent::Insert,
                ast::TriggerEvent::TriggerEventDelete(_) => TriggerEvent::Delete,
                ast::TriggerEvent::TriggerEventTruncate(_) => TriggerEvent::Truncate,
                ast::TriggerEvent::TriggerEventUpdate(u) => {
                    TriggerEvent::Update(name::idents::<ast::ColumnNameRef>(at, u.syntax())?)
                }
            })
        })
        .collect::<Result<_>>()?;
    let call = at.need::<ast::CallExpr>(node, "a function")?;
    let arguments = child::<ast::ArgList>(call.syntax());
    let arguments = arguments.map(|l| expr::arguments(at, &l)).transpose()?;
    let from = child::<ast::FromTable>(node);
    Ok(CreateTrigger {
        name: name::own_name::<ast::Trigger>(at, node, "a trigger's name")?,
        or_replace: child::<ast::OrReplace>(node).is_some(),
        constraint: has(node, SyntaxKind::CONSTRAINT_KW),
        timing,
        events,
        table: on_relation(at, node)?.ok_or_else(|| at.missing(node, "ON"))?,
        from: from.map(|f| name::named::<ast::TableNameRef>(at, f.syntax(), "a table")).transpose()?,
        attributes: table::attributes_of(node),
        for_each_row: matches!(child::<ast::TriggerLevel>(node), Some(ast::TriggerLevel::ForEachRow(_))),
        condition: expr::within::<ast::WhenCondition>(at, node)?,
        function: function_name(at, call.syntax())?,
        args: arguments.map(|(args, _)| args.into_iter().map(|a| a.value).collect()).unwrap_or_default(),
    })
}

/// The name of a called function, qualified or not.
fn function_name(at: Place<'_>, call: &SyntaxNode) -> Result<ObjectName> {
    let list = at.need::<ast::ArgList>(call, "arguments")?;
    Ok(expr::function(at, call, &list)?.name)
}

/// CREATE FUNCTION and CREATE PROCEDURE.
pub(super) fn create_function(at: Place<'_>, node: &SyntaxNode) -> Result<CreateFunction> {
    let procedure = node.kind() == SyntaxKind::CREATE_PROCEDURE;
    let named = node
        .children()
        .find(|n| matches!(n.kind(), SyntaxKind::FUNCTION_NAME | SyntaxKind::PROCEDURE_NAME))
        .ok_or_else(|| at.missing(node, "a name"))?;
    let mut params = Vec::new();
    if let Some(list) = child::<ast::ParamList>(node) {
        for param in children::<ast::Param>(list.syntax()) {
            let name = name::maybe_name::<ast::ParamName>(at, param.syntax())?;
            params.push((name, param_type(at, param.syntax())?));
        }
    }
    let returns = match child::<ast::RetType>(node) {
        Some(ret) if child::<ast::FuncType>(ret.syntax()).is_some() => Some(param_type(at, ret.syntax())?),
        _ => None,
    };
    let mut function = CreateFunction {
        name: name::object_name(at, &named)?,
        or_replace: child::<ast::OrReplace>(node).is_some(),
        procedure,
        params,
        returns,
        volatility: Volatility::Volatile,
        body: FunctionBody { language: "sql".to_owned(), ..FunctionBody::default() },
    };
    let options = child::<ast::FuncOptionList>(node);
    for option in options.iter().flat_map(|l| children::<ast::FuncOption>(l.syntax())) {
        function_option(at, &option, &mut function);
    }
    if let Some(body) = child::<ast::RoutineBody>(node) {
        function.body.text = at.text_of(body.syntax());
        function.body.range = at.of(body.syntax());
    }
    Ok(function)
}

fn param_type(at: Place<'_>, node: &SyntaxNode) -> Result<crate::ast::DataType> {
    types::func_type(at, &at.need::<ast::FuncType>(node, "a type")?)
}

fn function_option(at: Place<'_>, option: &ast::FuncOption, function: &mut CreateFunction) {
    match option {
        ast::FuncOption::LanguageFuncOption(language) => {
            if let Some(name) = language.language_name() {
                function.body.language = language_text(at, language.syntax(), &name);
            }
        }
        ast::FuncOption::VolatilityFuncOption(volatility) => {
            function.volatility = match volatility {
                ast::VolatilityFuncOption::Immutable(_) => Volatility::Immutable,
                ast::VolatilityFuncOption::Stable(_) => Volatility::Stable,
                ast::VolatilityFuncOption::Volatile(_) => Volatility::Volatile,
            };
        }
        ast::FuncOption::AsFuncOption(body) => {
            if let Some(literal) = body.syntax().descendants().find_map(ast::Literal::cast) {
                function.body.text = table::plain_text(at, literal.syntax());
                function.body.range = at.of(literal.syntax());
            }
        }
        _ => {}
    }
}

/// LANGUAGE's word, without quotes and in lower case.
fn language_text(at: Place<'_>, node: &SyntaxNode, _name: &ast::LanguageName) -> String {
    let last = node.children().last().map_or_else(String::new, |n| table::plain_text(at, &n));
    last.trim_matches('"').to_ascii_lowercase()
}

/// DO.
pub(super) fn do_block(at: Place<'_>, node: &SyntaxNode) -> Result<FunctionBody> {
    let body = at.need::<ast::Literal>(node, "code")?;
    let language = match child::<ast::DoLanguage>(node) {
        Some(language) => {
            let last = language.syntax().children().last();
            last.map(|n| table::plain_text(at, &n).to_ascii_lowercase())
        }
        None => None,
    };
    Ok(FunctionBody {
        language: language.unwrap_or_else(|| "plpgsql".to_owned()),
        text: table::plain_text(at, body.syntax()),
        range: at.of(body.syntax()),
    })
}

/// CREATE RULE.
pub(super) fn create_rule(at: Place<'_>, node: &SyntaxNode) -> Result<CreateRule> {
    let on = at.need::<ast::RuleOn>(node, "ON")?;
    let event = at.need::<ast::RuleEvent>(on.syntax(), "an event")?;
    let action = child::<ast::RuleDo>(node);
    let instead = action.as_ref().is_some_and(|d| has(d.syntax(), SyntaxKind::INSTEAD_KW));
    let mut actions = Vec::new();
    for part in action.iter().filter_map(|d| child::<ast::RuleAction>(d.syntax())) {
        match &part {
            ast::RuleAction::Nothing(_) => {}
            ast::RuleAction::RuleStmt(one) => actions.push(statement(at, one.syntax())?),
            ast::RuleAction::RuleStmtList(list) => {
                for one in children::<ast::RuleStmt>(list.syntax()) {
                    actions.push(statement(at, one.syntax())?);
                }
            }
        }
    }
    Ok(CreateRule {
        name: name::own_name::<ast::Rule>(at, node, "a rule's name")?,
        or_replace: child::<ast::OrReplace>(node).is_some(),
        table: name::named::<ast::RelationNameRef>(at, on.syntax(), "a table")?,
        event: at.text_of(event.syntax()).to_ascii_lowercase(),
        instead,
        actions,
    })
}

/// CREATE, ALTER POLICY.
pub(super) fn policy(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let table = on_relation(at, node)?.ok_or_else(|| at.missing(node, "ON"))?;
    if node.kind() == SyntaxKind::CREATE_POLICY {
        let name = name::own_name::<ast::Policy>(at, node, "a policy's name")?;
        let conditions = policy_conditions(at, node)?;
        return Ok(Statement::CreatePolicy { name, table, conditions });
    }
    let rename = node.descendants().find_map(ast::Policy::cast);
    let rename_to = rename.map(|p| name::ident(at, p.syntax())).transpose()?;
    let name = name::own_name::<ast::PolicyRef>(at, node, "a policy")?;
    let conditions = match child::<ast::AlterPolicyAction>(node) {
        Some(action) => policy_conditions(at, action.syntax())?,
        None => Vec::new(),
    };
    Ok(Statement::AlterPolicy { name, table, rename_to, conditions })
}

/// The expressions of USING and WITH CHECK.
fn policy_conditions(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<crate::ast::Expr>> {
    let using = expr::within::<ast::UsingExprClause>(at, node)?;
    let check = expr::within::<ast::WithCheckExprClause>(at, node)?;
    Ok(using.into_iter().chain(check).collect())
}

/// CREATE STATISTICS.
pub(super) fn create_statistics(at: Place<'_>, node: &SyntaxNode) -> Result<CreateStatistics> {
    let from = at.need::<ast::FromTable>(node, "FROM")?;
    let elements = match child::<ast::StatisticsOnClause>(node) {
        Some(on) => expr::exprs(at, on.syntax())?,
        None => Vec::new(),
    };
    Ok(CreateStatistics {
        name: child::<ast::Statistics>(node).map(|n| name::object_name(at, n.syntax())).transpose()?,
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        elements,
        table: name::named::<ast::TableNameRef>(at, from.syntax(), "a table")?,
    })
}

/// CREATE and ALTER PUBLICATION.
pub(super) fn publication(at: Place<'_>, node: &SyntaxNode) -> Result<Publication> {
    let create = node.kind() == SyntaxKind::CREATE_PUBLICATION;
    let name = if create {
        name::own_name::<ast::Publication>(at, node, "a publication's name")?
    } else {
        name::own_name::<ast::PublicationRef>(at, node, "a publication")?
    };
    let mut tables = Vec::new();
    let mut schemas = Vec::new();
    let mut all_tables = false;
    for part in node.descendants() {
        match part.kind() {
            SyntaxKind::PUBLICATION_OBJECT_TABLE => {
                let name = name::named::<ast::TableNameRef>(at, &part, "a table")?;
                tables.push(TableName { name, only: has(&part, SyntaxKind::ONLY_KW) });
            }
            SyntaxKind::PUBLICATION_OBJECT_TABLES_IN_SCHEMA => {
                schemas.extend(name::maybe_name::<ast::SchemaRef>(at, &part)?);
            }
            SyntaxKind::ALL_PUBLICATION_TABLES => all_tables = true,
            _ => {}
        }
    }
    let action = if create {
        None
    } else {
        let part = at.need::<ast::AlterPublicationAction>(node, "an action")?;
        Some(table::words(part.syntax()).split(' ').next().unwrap_or_default().to_owned())
    };
    Ok(Publication { name, tables, all_tables, schemas, action })
}

/// ALTER of an object that has no statement type of its own.
pub(super) fn alter_object(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    let spelled = kind_name(node);
    let Some(kind) = spelled.strip_prefix("ALTER_").and_then(kind_named) else { return Ok(None) };
    let Some(target) = node.children().find(|n| {
        let kind = kind_name(n);
        kind.ends_with("_REF") || kind.ends_with("_SIG") || kind == "AGGREGATE"
    }) else {
        return Ok(None);
    };
    let name = signature_name(at, &target)?;
    let on = on_relation(at, node)?;
    let part = node.children().filter(|n| n.kind() != SyntaxKind::ON_RELATION).last();
    let action = match part {
        Some(part) => object_action(at, &part)?,
        None => AlterObjectAction::Other(String::new()),
    };
    Ok(Some(Statement::AlterObject(AlterObject { kind, name, on, action })))
}

fn object_action(at: Place<'_>, part: &SyntaxNode) -> Result<AlterObjectAction> {
    let kind = kind_name(part);
    Ok(match part.kind() {
        SyntaxKind::OWNER_TO => AlterObjectAction::OwnerTo(alter::owner(at, part)?),
        SyntaxKind::SET_SCHEMA => {
            AlterObjectAction::SetSchema(name::own_name::<ast::SchemaRef>(at, part, "a schema")?)
        }
        SyntaxKind::SET_STATISTICS => AlterObjectAction::SetStatistics(
            expr::optional(at, part)?.map(|e| table::integer(&e)).transpose()?,
        ),
        SyntaxKind::SET_CONFIG_PARAM | SyntaxKind::RESET_CONFIG_PARAM => AlterObjectAction::SetParameter,
        _ if kind.ends_with("_RENAME_TO") => {
            let to = part.children().last().ok_or_else(|| at.missing(part, "a name"))?;
            AlterObjectAction::RenameTo(name::object_name(at, &to)?.name)
        }
        _ => AlterObjectAction::Other(table::words(part)),
    })
}

/// COMMENT ON.
pub(super) fn comment(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    let object = at.need::<ast::CommentObject>(node, "an object")?;
    let inner = object.syntax();
    let spelled = kind_name(inner);
    let Some(kind) = spelled.strip_prefix("OBJECT_").and_then(kind_named) else { return Ok(None) };
    let text = child::<ast::Literal>(node).map(|l| table::plain_text(at, l.syntax()));
    if kind == ObjectKind::Column {
        let target = at.need::<ast::QualifiedColumnNameRef>(inner, "table.column")?;
        let (name, column) = table::column_of_table(at, target.syntax())?;
        return Ok(Some(Statement::Comment(CommentOn { kind, name, column: Some(column), on: None, text })));
    }
    let mut parts = inner.children();
    let Some(target) = parts.next() else {
        return Ok(None);
    };
    let on = parts.next().map(|n| name::object_name(at, &n)).transpose()?;
    let name = signature_name(at, &target)?;
    Ok(Some(Statement::Comment(CommentOn { kind, name, column: None, on, text })))
}

/// GRANT and REVOKE.
pub(super) fn grant(at: Place<'_>, node: &SyntaxNode) -> Result<Grant> {
    let revoke = node.kind() == SyntaxKind::REVOKE;
    let roles = roles(at, node)?;
    let clause = node.children().find(|n| n.kind() == SyntaxKind::ON_PRIVILEGE_OBJECTS_CLAUSE);
    let objects = clause.and_then(|c| child::<ast::PrivilegeObjects>(&c));
    let Some(objects) = objects else {
        return Ok(Grant { revoke, kind: None, objects: Vec::new(), all_in_schema: false, roles });
    };
    let spelled = kind_name(objects.syntax());
    let word = spelled.strip_prefix("PRIVILEGE_").unwrap_or(&spelled);
    let all = word.strip_prefix("ALL_").and_then(|w| w.strip_suffix("S_IN_SCHEMA"));
    let kind = match (all, word) {
        (Some(word), _) => kind_named(word),
        (None, "DEFAULT") => Some(ObjectKind::Table),
        (None, word) => kind_named(word),
    };
    let mut names = Vec::new();
    for part in objects.syntax().children() {
        names.extend(dropped_names(at, &part)?);
    }
    Ok(Grant { revoke, kind, objects: names, all_in_schema: all.is_some(), roles })
}

/// The roles of a list that are called by their names: `PUBLIC` is none, and `CURRENT_USER` is one whatever it is
/// called.
pub(super) fn roles(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<crate::ast::Ident>> {
    let mut found = Vec::new();
    for list in children::<ast::RoleRefList>(node) {
        for role in children::<ast::RoleRef>(list.syntax()) {
            if let Some(ast::RoleRefValue::RoleNameRef(named)) = child::<ast::RoleRefValue>(role.syntax()) {
                let name = name::object_name(at, named.syntax())?.name;
                if name.text != "public" {
                    found.push(name);
                }
            }
        }
    }
    Ok(found)
}

/// REASSIGN OWNED.
pub(super) fn reassign_owned(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let from = roles(at, node)?;
    let to = match children::<ast::RoleRef>(node).last() {
        Some(role) => at.text_of(role.syntax()).trim_matches('"').to_owned(),
        None => {
            let list = children::<ast::RoleRefList>(node).last();
            list.map(|l| at.text_of(l.syntax()).trim_matches('"').to_owned()).unwrap_or_default()
        }
    };
    Ok(Statement::ReassignOwned { from, to })
}

/// The words of SQL for a node's kind: `CREATE FOREIGN DATA WRAPPER`.
pub(super) fn sql_words(node: &SyntaxNode) -> String {
    let name = kind_name(node).replace('_', " ");
    let first = tokens(node).next().map(|t| t.text().to_ascii_uppercase()).unwrap_or_default();
    if name.starts_with(&first) { name } else { format!("{first} {name}") }
}
