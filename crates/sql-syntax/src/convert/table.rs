//! CREATE TABLE, CREATE INDEX, CREATE VIEW and their parts.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, child, children, expr, has, name, query, statement, tokens, types};
use crate::ast::{
    ColumnConstraint, ColumnConstraintKind, ColumnDef, ConstraintAttributes, CreateIndex,
    CreateMaterializedView, CreateTable, CreateTableAs, CreateView, DropBehavior, Expr, ExprKind, Ident,
    IndexElement, IndexParameters, LikeClause, Literal, OnCommit, PartitionBound, PartitionBy, PartitionOf,
    PartitionStrategy, Persistence, References, ReferentialAction, SequenceOption, StorageOption,
    TableConstraint, TableConstraintKind, UnaryOp,
};

/// CREATE TABLE and CREATE FOREIGN TABLE.
pub(super) fn create_table(at: Place<'_>, node: &SyntaxNode) -> Result<CreateTable> {
    let mut columns = Vec::new();
    let mut constraints = Vec::new();
    let mut likes = Vec::new();
    if let Some(list) = child::<ast::TableArgList>(node) {
        for arg in children::<ast::TableArg>(list.syntax()) {
            match arg {
                ast::TableArg::Column(column) => columns.push(column_def(at, column.syntax())?),
                ast::TableArg::LikeClause(like) => likes.push(like_clause(at, like.syntax())?),
                ast::TableArg::TableConstraint(c) => constraints.push(table_constraint(at, c.syntax())?),
            }
        }
    }
    let foreign = node.kind() == SyntaxKind::CREATE_FOREIGN_TABLE;
    let partition_of = match child::<ast::PartitionOf>(node) {
        None => None,
        Some(of) => {
            let parent = name::named::<ast::TableNameRef>(at, of.syntax(), "a table")?;
            let bound = at.need::<ast::PartitionType>(node, "FOR VALUES or DEFAULT")?;
            Some(PartitionOf { parent, bound: partition_bound(at, &bound)? })
        }
    };
    if columns.is_empty() && child::<ast::TableArgList>(node).is_none() {
        let other = partition_of.is_some() || child::<ast::OfType>(node).is_some();
        if !other {
            return Err(at.missing(node, "a list of columns"));
        }
    }
    Ok(CreateTable {
        name: name::named::<ast::TableName>(at, node, "a table's name")?,
        persistence: persistence(node),
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        foreign,
        columns,
        constraints,
        likes,
        inherits: match child::<ast::Inherits>(node) {
            Some(list) => name::names::<ast::TableNameRef>(at, list.syntax())?,
            None => Vec::new(),
        },
        partition_of,
        of_type: match child::<ast::OfType>(node) {
            Some(of) => Some(types::data_type(at, &at.need::<ast::Type>(of.syntax(), "a type")?)?),
            None => None,
        },
        partition_by: child::<ast::PartitionBy>(node).map(|p| partition_by(at, p.syntax())).transpose()?,
        access_method: access_method::<ast::UsingMethod>(at, node)?,
        options: storage_options::<ast::WithParams>(at, node)?,
        on_commit: on_commit(node),
        tablespace: tablespace(at, node)?,
    })
}

/// TEMPORARY, UNLOGGED.
pub(super) fn persistence(node: &SyntaxNode) -> Persistence {
    match child::<ast::Persistence>(node) {
        None => Persistence::Permanent,
        Some(ast::Persistence::Temp(_)) => Persistence::Temporary,
        Some(ast::Persistence::Unlogged(_)) => Persistence::Unlogged,
    }
}

fn on_commit(node: &SyntaxNode) -> OnCommit {
    let action = child::<ast::OnCommit>(node).and_then(|o| child::<ast::OnCommitAction>(o.syntax()));
    match action {
        Some(ast::OnCommitAction::DeleteRows(_)) => OnCommit::DeleteRows,
        Some(ast::OnCommitAction::Drop(_)) => OnCommit::Drop,
        _ => OnCommit::PreserveRows,
    }
}

fn tablespace(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    match node.children().find(|n| n.kind() == SyntaxKind::TABLESPACE_CLAUSE) {
        Some(clause) => name::maybe_name::<ast::TablespaceRef>(at, &clause),
        None => Ok(None),
    }
}

fn access_method<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    match child::<N>(node) {
        Some(using) => name::maybe_name::<ast::AccessMethodRef>(at, using.syntax()),
        None => Ok(None),
    }
}

/// CASCADE or RESTRICT.
pub(super) fn behavior(node: &SyntaxNode) -> DropBehavior {
    match child::<ast::DropBehavior>(node) {
        Some(ast::DropBehavior::Cascade(_)) => DropBehavior::Cascade,
        _ => DropBehavior::Restrict,
    }
}

/// The storage options in the child of type `N`.
pub(super) fn storage_options<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<StorageOption>> {
    match child::<N>(node) {
        Some(with) => attributes(at, with.syntax()),
        None => Ok(Vec::new()),
    }
}

/// The storage options in a node's attribute list.
pub(super) fn attributes(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<StorageOption>> {
    let list = match ast::AttributeList::cast(node.clone()).or_else(|| child(node)) {
        Some(list) => list,
        None => return Ok(Vec::new()),
    };
    children::<ast::AttributeOption>(list.syntax())
        .map(|option| {
            let node = option.syntax();
            let namespace = child::<ast::AttributeNamespace>(node)
                .map(|n| name::ident(at, n.syntax()))
                .transpose()?
                .map(|n| n.text);
            let name = name::own_name::<ast::AttributeName>(at, node, "an option's name")?.text;
            let value = child::<ast::AttributeValue>(node).map(|v| plain_text(at, v.syntax()));
            Ok(StorageOption { namespace, name, value })
        })
        .collect()
}

/// A value as written, a string without its quotes.
pub(super) fn plain_text(at: Place<'_>, node: &SyntaxNode) -> String {
    let literal = ast::Literal::cast(node.clone()).or_else(|| child(node));
    literal
        .and_then(|l| l.string_value())
        .filter(|_| node.text().to_string().contains(['\'', '$']))
        .unwrap_or_else(|| at.text_of(node))
}

/// A column of CREATE TABLE or ADD COLUMN.
pub(super) fn column_def(at: Place<'_>, node: &SyntaxNode) -> Result<ColumnDef> {
    let mut constraints = Vec::new();
    for constraint in children::<ast::Constraint>(node) {
        constraints.push(column_constraint(at, &constraint)?);
    }
    let collation = match child::<ast::Collate>(node) {
        Some(collate) => Some(name::named::<ast::CollationRef>(at, collate.syntax(), "a collation")?),
        None => None,
    };
    Ok(ColumnDef {
        name: name::own_name::<ast::ColumnName>(at, node, "a column's name")?,
        data_type: child::<ast::Type>(node).map(|ty| types::data_type(at, &ty)).transpose()?,
        collation,
        storage: child::<ast::Storage>(node)
            .and_then(|s| child::<ast::StorageMode>(s.syntax()))
            .map(|m| at.text_of(m.syntax()).to_ascii_lowercase()),
        compression: child::<ast::CompressionMethod>(node)
            .and_then(|s| child::<ast::CompressionMethodName>(s.syntax()))
            .map(|m| at.text_of(m.syntax()).to_ascii_lowercase()),
        constraints,
        range: at.of(node),
    })
}

fn constraint_name(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    match child::<ast::ConstraintNameClause>(node) {
        Some(clause) => name::maybe_name::<ast::ConstraintName>(at, clause.syntax()),
        None => Ok(None),
    }
}

fn column_constraint(at: Place<'_>, constraint: &ast::Constraint) -> Result<ColumnConstraint> {
    let node = constraint.syntax();
    let kind = match constraint {
        ast::Constraint::NotNullConstraint(_) => ColumnConstraintKind::NotNull,
        ast::Constraint::NullConstraint(_) => ColumnConstraintKind::Null,
        ast::Constraint::DefaultConstraint(_) => ColumnConstraintKind::Default(expr::required(at, node)?),
        ast::Constraint::CheckConstraint(_) => ColumnConstraintKind::Check(expr::required(at, node)?),
        ast::Constraint::PrimaryKeyConstraint(_) => {
            ColumnConstraintKind::PrimaryKey(index_parameters(at, node)?)
        }
        ast::Constraint::UniqueConstraint(_) => ColumnConstraintKind::Unique(index_parameters(at, node)?),
        ast::Constraint::ReferencesConstraint(_) => {
            let columns = name::idents::<ast::ColumnNameRef>(at, node)?;
            ColumnConstraintKind::References(references(at, node, columns)?)
        }
        ast::Constraint::GeneratedConstraint(_) => generated(at, node)?,
        ast::Constraint::ForeignKeyConstraint(_) | ast::Constraint::ExcludeConstraint(_) => {
            return Err(at.missing(node, "a column constraint"));
        }
    };
    let range = at.of(node);
    Ok(ColumnConstraint { name: constraint_name(at, node)?, kind, attributes: attributes_of(node), range })
}

fn generated(at: Place<'_>, node: &SyntaxNode) -> Result<ColumnConstraintKind> {
    match at.need::<ast::GeneratedAs>(node, "AS")? {
        ast::GeneratedAs::GeneratedIdentity(identity) => Ok(ColumnConstraintKind::Identity {
            always: always(identity.syntax()),
            options: sequence_option_list(at, identity.syntax())?,
        }),
        ast::GeneratedAs::GeneratedStored(stored) => Ok(ColumnConstraintKind::Generated {
            value: expr::required(at, stored.syntax())?,
            stored: matches!(
                child::<ast::GeneratedKind>(stored.syntax()),
                Some(ast::GeneratedKind::Stored(_))
            ),
        }),
    }
}

/// GENERATED ALWAYS rather than BY DEFAULT.
pub(super) fn always(node: &SyntaxNode) -> bool {
    !matches!(child::<ast::GeneratedWhen>(node), Some(ast::GeneratedWhen::GeneratedByDefault(_)))
}

/// DEFERRABLE, NOT VALID and the like among a node's children.
pub(super) fn attributes_of(node: &SyntaxNode) -> ConstraintAttributes {
    let mut attributes = ConstraintAttributes::default();
    for option in children::<ast::ConstraintOption>(node) {
        match option {
            ast::ConstraintOption::DeferrableConstraintOption(_) => attributes.deferrable = Some(true),
            ast::ConstraintOption::NotDeferrableConstraintOption(_) => attributes.deferrable = Some(false),
            ast::ConstraintOption::InitiallyDeferredConstraintOption(_) => {
                attributes.initially_deferred = Some(true);
            }
            ast::ConstraintOption::InitiallyImmediateConstraintOption(_) => {
                attributes.initially_deferred = Some(false);
            }
            ast::ConstraintOption::NotValid(_) => attributes.not_valid = true,
            ast::ConstraintOption::NoInherit(_) => attributes.no_inherit = true,
            ast::ConstraintOption::Inherit(_) => attributes.inherit = true,
            ast::ConstraintOption::NotEnforced(_) => attributes.enforced = Some(false),
            ast::ConstraintOption::Enforced(_) => attributes.enforced = Some(true),
        }
    }
    attributes
}

fn index_parameters(at: Place<'_>, node: &SyntaxNode) -> Result<IndexParameters> {
    if let Some(using) = child::<ast::UsingIndexName>(node) {
        let using_index = Some(name::named::<ast::IndexRef>(at, using.syntax(), "an index")?);
        return Ok(IndexParameters { using_index, ..IndexParameters::default() });
    }
    let holder = child::<ast::IndexParameters>(node).map_or_else(|| node.clone(), |p| p.syntax().clone());
    let include = match child::<ast::ConstraintIncludeClause>(&holder) {
        Some(clause) => name::columns_of::<ast::ColumnRefList>(at, clause.syntax())?,
        None => Vec::new(),
    };
    let tablespace = match child::<ast::ConstraintIndexTablespace>(&holder) {
        Some(clause) => name::maybe_name::<ast::TablespaceRef>(at, clause.syntax())?,
        None => None,
    };
    Ok(IndexParameters {
        nulls_not_distinct: matches!(
            child::<ast::NullsDistinctOption>(&holder),
            Some(ast::NullsDistinctOption::NullsNotDistinct(_))
        ),
        include,
        options: storage_options::<ast::WithParams>(at, &holder)?,
        tablespace,
        using_index: None,
        without_overlaps: child::<ast::ConstraintColumnRefList>(&holder)
            .is_some_and(|l| has(l.syntax(), SyntaxKind::WITHOUT_OVERLAPS)),
    })
}

fn key_columns(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Ident>> {
    match child::<ast::IndexParameters>(node) {
        Some(parameters) => name::columns_of::<ast::ConstraintColumnRefList>(at, parameters.syntax()),
        None => Ok(Vec::new()),
    }
}

fn references(at: Place<'_>, node: &SyntaxNode, columns: Vec<Ident>) -> Result<References> {
    let mut on_delete = ReferentialAction::NoAction;
    let mut on_update = ReferentialAction::NoAction;
    for action in children::<ast::ReferentialAction>(node) {
        let what = at.need::<ast::RefAction>(action.syntax(), "an action")?;
        let what = match what {
            ast::RefAction::NoAction(_) => ReferentialAction::NoAction,
            ast::RefAction::Restrict(_) => ReferentialAction::Restrict,
            ast::RefAction::Cascade(_) => ReferentialAction::Cascade,
            ast::RefAction::SetNullColumns(c) => {
                ReferentialAction::SetNull(name::columns_of::<ast::ColumnRefList>(at, c.syntax())?)
            }
            ast::RefAction::SetDefaultColumns(c) => {
                ReferentialAction::SetDefault(name::columns_of::<ast::ColumnRefList>(at, c.syntax())?)
            }
        };
        match action {
            ast::ReferentialAction::OnDeleteAction(_) => on_delete = what,
            ast::ReferentialAction::OnUpdateAction(_) => on_update = what,
        }
    }
    Ok(References {
        table: name::named::<ast::TableNameRef>(at, node, "a table")?,
        columns,
        match_full: matches!(child::<ast::MatchType>(node), Some(ast::MatchType::MatchFull(_))),
        on_delete,
        on_update,
    })
}

/// A table constraint, also of ALTER TABLE ... ADD and of a domain.
pub(super) fn table_constraint(at: Place<'_>, node: &SyntaxNode) -> Result<TableConstraint> {
    let constraint =
        ast::Constraint::cast(node.clone()).ok_or_else(|| at.missing(node, "a table constraint"))?;
    let kind = match constraint {
        ast::Constraint::CheckConstraint(_) => TableConstraintKind::Check(expr::required(at, node)?),
        ast::Constraint::NotNullConstraint(_) => {
            TableConstraintKind::NotNull(name::own_name::<ast::ColumnNameRef>(at, node, "a column")?)
        }
        ast::Constraint::PrimaryKeyConstraint(_) => TableConstraintKind::PrimaryKey {
            columns: key_columns(at, node)?,
            index: index_parameters(at, node)?,
        },
        ast::Constraint::UniqueConstraint(_) => TableConstraintKind::Unique {
            columns: key_columns(at, node)?,
            index: index_parameters(at, node)?,
        },
        ast::Constraint::ForeignKeyConstraint(key) => {
            let columns = |list: Option<ast::ForeignKeyColumnList>| match list {
                None => Ok(Vec::new()),
                Some(list) => name::idents::<ast::ColumnNameRef>(at, list.syntax()),
            };
            TableConstraintKind::ForeignKey {
                columns: columns(key.from_columns())?,
                references: references(at, node, columns(key.to_columns())?)?,
            }
        }
        ast::Constraint::ExcludeConstraint(_) => exclude(at, node)?,
        ast::Constraint::DefaultConstraint(_)
        | ast::Constraint::GeneratedConstraint(_)
        | ast::Constraint::ReferencesConstraint(_)
        | ast::Constraint::NullConstraint(_) => return Err(at.missing(node, "a table constraint")),
    };
    let range = at.of(node);
    Ok(TableConstraint { name: constraint_name(at, node)?, kind, attributes: attributes_of(node), range })
}

fn exclude(at: Place<'_>, node: &SyntaxNode) -> Result<TableConstraintKind> {
    let list = at.need::<ast::ConstraintExclusionList>(node, "elements")?;
    let elements = children::<ast::ConstraintExclusion>(list.syntax())
        .map(|element| {
            let node = element.syntax();
            let operator = node.children().last().map(|n| expr::operator_text(&n)).unwrap_or_default();
            Ok((expr::required(at, node)?, operator))
        })
        .collect::<Result<_>>()?;
    Ok(TableConstraintKind::Exclude {
        access_method: access_method::<ast::ConstraintIndexMethod>(at, node)?,
        elements,
        index: index_parameters(at, node)?,
        predicate: expr::within::<ast::WhereConditionClause>(at, node)?,
    })
}

fn like_clause(at: Place<'_>, node: &SyntaxNode) -> Result<LikeClause> {
    let options = children::<ast::LikeOption>(node)
        .map(|option| {
            let including = matches!(option, ast::LikeOption::IncludingProperty(_));
            let property = child::<ast::TableProperty>(option.syntax())
                .map(|p| at.text_of(p.syntax()).to_ascii_lowercase())
                .unwrap_or_default();
            (including, property)
        })
        .collect();
    Ok(LikeClause { table: name::named::<ast::RelationNameRef>(at, node, "a table")?, options })
}

/// FOR VALUES and DEFAULT.
pub(super) fn partition_bound(at: Place<'_>, bound: &ast::PartitionType) -> Result<PartitionBound> {
    let node = bound.syntax();
    Ok(match bound {
        ast::PartitionType::PartitionDefault(_) => PartitionBound::Default,
        ast::PartitionType::PartitionForValuesIn(_) => PartitionBound::In(expr::exprs(at, node)?),
        ast::PartitionType::PartitionForValuesFrom(_) => PartitionBound::Range {
            from: expr::exprs(at, at.need::<ast::PartitionFromValues>(node, "FROM")?.syntax())?,
            to: expr::exprs(at, at.need::<ast::PartitionToValues>(node, "TO")?.syntax())?,
        },
        ast::PartitionType::PartitionForValuesWith(_) => {
            let find = |word: &str| {
                let bound = children::<ast::HashPartitionBound>(node).find(|b| query::says(b.syntax(), word));
                let number = bound
                    .and_then(|b| child::<ast::Literal>(b.syntax()))
                    .and_then(|l| at.text_of(l.syntax()).parse().ok());
                number.ok_or_else(|| at.missing(node, &format!("{} with a number", word.to_uppercase())))
            };
            PartitionBound::Hash { modulus: find("modulus")?, remainder: find("remainder")? }
        }
    })
}

fn partition_by(at: Place<'_>, node: &SyntaxNode) -> Result<PartitionBy> {
    let strategy = at.need::<ast::PartitionStrategy>(node, "RANGE, LIST or HASH")?;
    let strategy = match at.text_of(strategy.syntax()).to_ascii_lowercase().as_str() {
        "range" => PartitionStrategy::Range,
        "list" => PartitionStrategy::List,
        "hash" => PartitionStrategy::Hash,
        _ => return Err(at.missing(strategy.syntax(), "RANGE, LIST or HASH")),
    };
    Ok(PartitionBy { strategy, keys: index_elements(at, node)? })
}

/// The keys of an index or partitioning.
fn index_elements(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<IndexElement>> {
    let list = at.need::<ast::PartitionItemList>(node, "columns in parentheses")?;
    children::<ast::PartitionItem>(list.syntax()).map(|item| index_element(at, item.syntax())).collect()
}

fn index_element(at: Place<'_>, node: &SyntaxNode) -> Result<IndexElement> {
    let mut value = expr::required(at, node)?;
    let mut collation = None;
    if let ExprKind::Collate { operand, collation: name } = value.kind {
        // `a COLLATE "C"` without parentheses is a column with a collation.
        value = *operand;
        collation = Some(name);
    }
    if let Some(collate) = children::<ast::Collate>(node).find(|c| child::<ast::Expr>(c.syntax()).is_none()) {
        collation = Some(name::named::<ast::CollationRef>(at, collate.syntax(), "a collation")?);
    }
    Ok(IndexElement {
        value,
        collation,
        opclass: match child::<ast::OpClassRef>(node) {
            Some(class) => Some(name::object_name(at, class.syntax())?),
            None => None,
        },
        opclass_options: attributes(at, node)?,
        descending: matches!(child::<ast::SortOrder>(node), Some(ast::SortOrder::SortDesc(_))),
        nulls_first: child::<ast::NullsOrder>(node).map(|n| matches!(n, ast::NullsOrder::NullsFirst(_))),
    })
}

/// CREATE INDEX.
pub(super) fn create_index(at: Place<'_>, node: &SyntaxNode) -> Result<CreateIndex> {
    Ok(CreateIndex {
        name: name::maybe_name::<ast::Index>(at, node)?,
        table: query::relation_name(at, at.need::<ast::TableRelationName>(node, "a table")?.syntax())?,
        unique: has(node, SyntaxKind::UNIQUE_KW),
        concurrently: has(node, SyntaxKind::CONCURRENTLY_KW),
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        access_method: access_method::<ast::UsingMethod>(at, node)?,
        elements: index_elements(at, node)?,
        include: match child::<ast::IndexIncludeClause>(node) {
            Some(clause) => index_elements(at, clause.syntax())?,
            None => Vec::new(),
        },
        nulls_not_distinct: matches!(
            child::<ast::NullsDistinctOption>(node),
            Some(ast::NullsDistinctOption::NullsNotDistinct(_))
        ),
        options: storage_options::<ast::WithParams>(at, node)?,
        tablespace: tablespace(at, node)?,
        predicate: expr::within::<ast::WhereClause>(at, node)?,
    })
}

fn with_data(node: &SyntaxNode) -> bool {
    !matches!(child::<ast::DataOption>(node), Some(ast::DataOption::WithNoData(_)))
}

/// CREATE TABLE AS.
pub(super) fn create_table_as(at: Place<'_>, node: &SyntaxNode) -> Result<CreateTableAs> {
    let columns = match child::<ast::TableArgList>(node) {
        None => Vec::new(),
        Some(list) => children::<ast::Column>(list.syntax())
            .map(|c| name::own_name::<ast::ColumnName>(at, c.syntax(), "a column"))
            .collect::<Result<_>>()?,
    };
    let source = at.need::<ast::CreateTableAsQuery>(node, "a query")?;
    Ok(CreateTableAs {
        name: name::named::<ast::TableName>(at, node, "a table's name")?,
        persistence: persistence(node),
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        columns,
        source: Box::new(statement(at, source.syntax())?),
        with_data: with_data(node),
        on_commit: on_commit(node),
        options: storage_options::<ast::WithParams>(at, node)?,
    })
}

/// SELECT INTO.
pub(super) fn select_into(at: Place<'_>, into: &ast::SelectInto) -> Result<CreateTableAs> {
    let node = into.syntax();
    let clause = at.need::<ast::IntoClause>(node, "INTO")?;
    let variant = ast::SelectVariant::cast(node.clone()).ok_or_else(|| at.missing(node, "a query"))?;
    Ok(CreateTableAs {
        name: name::named::<ast::TableName>(at, clause.syntax(), "a table's name")?,
        persistence: persistence(clause.syntax()),
        if_not_exists: false,
        columns: Vec::new(),
        source: Box::new(crate::ast::Statement::Select(query::query(at, &variant)?)),
        with_data: true,
        on_commit: OnCommit::PreserveRows,
        options: Vec::new(),
    })
}

/// CREATE VIEW.
pub(super) fn create_view(at: Place<'_>, node: &SyntaxNode) -> Result<CreateView> {
    let select = at.need::<ast::SelectVariant>(node, "a query")?;
    Ok(CreateView {
        name: name::named::<ast::View>(at, node, "a view's name")?,
        or_replace: child::<ast::OrReplace>(node).is_some(),
        persistence: persistence(node),
        recursive: has(node, SyntaxKind::RECURSIVE_KW),
        columns: name::columns_of::<ast::ColumnList>(at, node)?,
        options: storage_options::<ast::WithParams>(at, node)?,
        query: Box::new(query::query(at, &select)?),
    })
}

/// CREATE MATERIALIZED VIEW.
pub(super) fn create_materialized_view(at: Place<'_>, node: &SyntaxNode) -> Result<CreateMaterializedView> {
    let select = at.need::<ast::SelectVariant>(node, "a query")?;
    Ok(CreateMaterializedView {
        name: name::named::<ast::View>(at, node, "a view's name")?,
        if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        columns: name::columns_of::<ast::ColumnList>(at, node)?,
        options: storage_options::<ast::WithParams>(at, node)?,
        query: Box::new(query::query(at, &select)?),
        with_data: with_data(node),
    })
}

/// Sequence options in parentheses.
pub(super) fn sequence_option_list(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<SequenceOption>> {
    match child::<ast::SequenceOptionList>(node) {
        Some(list) => sequence_options(at, list.syntax()),
        None => Ok(Vec::new()),
    }
}

/// Sequence options among a node's children.
pub(super) fn sequence_options(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<SequenceOption>> {
    children::<ast::SequenceOption>(node).map(|o| sequence_option(at, &o)).collect()
}

/// One sequence option.
pub(super) fn sequence_option(at: Place<'_>, option: &ast::SequenceOption) -> Result<SequenceOption> {
    let node = option.syntax();
    let number = || integer(&expr::required(at, node)?);
    Ok(match option {
        ast::SequenceOption::OptionAsType(_) => {
            SequenceOption::As(types::data_type(at, &at.need::<ast::Type>(node, "a type")?)?)
        }
        ast::SequenceOption::OptionCache(_) => SequenceOption::Cache(number()?),
        ast::SequenceOption::OptionIncrement(_) => SequenceOption::Increment(number()?),
        ast::SequenceOption::OptionStart(_) => SequenceOption::Start(number()?),
        ast::SequenceOption::OptionMaxValue(_) => SequenceOption::MaxValue(Some(number()?)),
        ast::SequenceOption::OptionMinValue(_) => SequenceOption::MinValue(Some(number()?)),
        ast::SequenceOption::OptionNoMaxValue(_) => SequenceOption::MaxValue(None),
        ast::SequenceOption::OptionNoMinValue(_) => SequenceOption::MinValue(None),
        ast::SequenceOption::OptionCycle(_) => SequenceOption::Cycle(true),
        ast::SequenceOption::OptionNoCycle(_) => SequenceOption::Cycle(false),
        ast::SequenceOption::OptionLogged(_) => SequenceOption::Logged(true),
        ast::SequenceOption::OptionUnlogged(_) => SequenceOption::Logged(false),
        ast::SequenceOption::OptionRestart(_) => SequenceOption::Restart(match child::<ast::Expr>(node) {
            Some(_) => Some(number()?),
            None => None,
        }),
        ast::SequenceOption::OptionSequenceName(_) => {
            SequenceOption::Name(name::named::<ast::Sequence>(at, node, "a sequence")?)
        }
        ast::SequenceOption::OptionOwnedBy(_) => SequenceOption::OwnedBy(owned_by(at, node)?),
    })
}

fn owned_by(at: Place<'_>, node: &SyntaxNode) -> Result<Option<(crate::ast::ObjectName, Ident)>> {
    let Some(target) = child::<ast::QualifiedColumnNameRef>(node) else { return Ok(None) };
    column_of_table(at, target.syntax()).map(Some)
}

/// `schema.table.column`, `table.column`.
pub(super) fn column_of_table(at: Place<'_>, node: &SyntaxNode) -> Result<(crate::ast::ObjectName, Ident)> {
    let mut parts = name::parts(at, node)?;
    let (Some(column), Some(table)) = (parts.pop(), parts.pop()) else {
        return Err(at.missing(node, "table.column"));
    };
    Ok((crate::ast::ObjectName { schema: parts.pop(), name: table, range: at.of(node) }, column))
}

/// An integer constant with an optional sign.
pub(super) fn integer(e: &Expr) -> Result<i64> {
    let wrong = || super::Unexpected::new(e.range, "an integer");
    match &e.kind {
        ExprKind::Literal(Literal::Integer(n)) => Ok(*n),
        ExprKind::Unary { op: UnaryOp::Plus, operand } => integer(operand),
        ExprKind::Unary { op: UnaryOp::Minus, operand } => match &operand.kind {
            // The least bigint has a magnitude that does not fit.
            ExprKind::Literal(Literal::Numeric(text)) if text == "9223372036854775808" => Ok(i64::MIN),
            _ => integer(operand)?.checked_neg().ok_or_else(wrong),
        },
        _ => Err(wrong()),
    }
}

/// The words directly below a node, in upper case.
pub(super) fn words(node: &SyntaxNode) -> String {
    let words: Vec<String> = tokens(node)
        .filter(|t| t.text().bytes().all(|b| b.is_ascii_alphabetic() || b == b'_'))
        .map(|t| t.text().to_ascii_uppercase())
        .collect();
    words.join(" ")
}
