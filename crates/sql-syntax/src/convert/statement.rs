//! Which conversion a statement's node goes to.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, alter, child, children, expr, has, name, object, query, table, types, utility};
use crate::ast::{RelationKeyword, Statement};

/// One statement.
pub(crate) fn statement(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    if let Some(into) = ast::SelectInto::cast(node.clone()) {
        return table::select_into(at, &into).map(Statement::CreateTableAs);
    }
    if let Some(select) = ast::SelectVariant::cast(node.clone()) {
        return query::query(at, &select).map(Statement::Select);
    }
    if let Some(converted) = rows(at, node)? {
        return Ok(converted);
    }
    if let Some(converted) = definition(at, node)? {
        return Ok(converted);
    }
    if let Some(converted) = control(at, node)? {
        return Ok(converted);
    }
    if let Some(converted) = object::drop_object(at, node)? {
        return Ok(converted);
    }
    if let Some(converted) = object::alter_object(at, node)? {
        return Ok(converted);
    }
    Ok(Statement::NotModelled { name: object::sql_words(node) })
}

/// What reads and changes rows.
fn rows(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    Ok(Some(match node.kind() {
        SyntaxKind::INSERT => Statement::Insert(query::insert(at, node)?),
        SyntaxKind::UPDATE => Statement::Update(query::update(at, node)?),
        SyntaxKind::DELETE => Statement::Delete(query::delete(at, node)?),
        SyntaxKind::MERGE => Statement::Merge(query::merge(at, node)?),
        SyntaxKind::COPY => Statement::Copy(query::copy(at, node)?),
        SyntaxKind::TRUNCATE => Statement::Truncate(utility::truncate(at, node)?),
        SyntaxKind::EXPLAIN => {
            let inner = at.need::<ast::ExplainStmt>(node, "a statement")?;
            let mode = child::<ast::ExplainMode>(node);
            let text = mode.map(|m| at.text_of(m.syntax()).to_ascii_lowercase()).unwrap_or_default();
            let analyze = (text.contains("analyze") || text.contains("analyse"))
                && !["analyze false", "analyze off", "analyze 0"].iter().any(|off| text.contains(off));
            Statement::Explain { analyze, statement: Box::new(statement(at, inner.syntax())?) }
        }
        _ => return Ok(None),
    }))
}

/// What defines and changes objects.
fn definition(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    Ok(Some(match node.kind() {
        SyntaxKind::CREATE_TABLE | SyntaxKind::CREATE_FOREIGN_TABLE => {
            Statement::CreateTable(table::create_table(at, node)?)
        }
        SyntaxKind::CREATE_TABLE_AS => Statement::CreateTableAs(table::create_table_as(at, node)?),
        SyntaxKind::ALTER_TABLE | SyntaxKind::ALTER_FOREIGN_TABLE => alter::alter_table(at, node)?,
        SyntaxKind::ALTER_INDEX => alter::alter_relation::<ast::IndexRef>(at, node, RelationKeyword::Index)?,
        SyntaxKind::ALTER_VIEW => alter::alter_relation::<ast::ViewRef>(at, node, RelationKeyword::View)?,
        SyntaxKind::ALTER_MATERIALIZED_VIEW => {
            alter::alter_relation::<ast::ViewRef>(at, node, RelationKeyword::MaterializedView)?
        }
        SyntaxKind::ALTER_SEQUENCE => alter::alter_sequence(at, node)?,
        SyntaxKind::CREATE_INDEX => Statement::CreateIndex(table::create_index(at, node)?),
        SyntaxKind::CREATE_VIEW => Statement::CreateView(table::create_view(at, node)?),
        SyntaxKind::CREATE_MATERIALIZED_VIEW => {
            Statement::CreateMaterializedView(table::create_materialized_view(at, node)?)
        }
        SyntaxKind::REFRESH => Statement::RefreshMaterializedView(crate::ast::RefreshMaterializedView {
            name: name::named::<ast::ViewRef>(at, node, "a materialized view")?,
            concurrently: has(node, SyntaxKind::CONCURRENTLY_KW),
            with_data: !matches!(child::<ast::DataOption>(node), Some(ast::DataOption::WithNoData(_))),
        }),
        SyntaxKind::CREATE_SEQUENCE => Statement::CreateSequence(object::create_sequence(at, node)?),
        SyntaxKind::CREATE_TYPE => Statement::CreateType(object::create_type(at, node)?),
        SyntaxKind::ALTER_TYPE => Statement::AlterType(object::alter_type(at, node)?),
        SyntaxKind::CREATE_DOMAIN => Statement::CreateDomain(object::create_domain(at, node)?),
        SyntaxKind::ALTER_DOMAIN => Statement::AlterDomain(object::alter_domain(at, node)?),
        SyntaxKind::CREATE_SCHEMA => Statement::CreateSchema(object::create_schema(at, node)?),
        SyntaxKind::CREATE_EXTENSION => Statement::CreateExtension {
            name: name::own_name::<ast::Extension>(at, node, "an extension")?,
            if_not_exists: child::<ast::IfNotExists>(node).is_some(),
        },
        SyntaxKind::CREATE_TRIGGER => Statement::CreateTrigger(object::create_trigger(at, node)?),
        SyntaxKind::CREATE_FUNCTION | SyntaxKind::CREATE_PROCEDURE => {
            Statement::CreateFunction(object::create_function(at, node)?)
        }
        SyntaxKind::CREATE_RULE => Statement::CreateRule(object::create_rule(at, node)?),
        SyntaxKind::CREATE_POLICY | SyntaxKind::ALTER_POLICY => object::policy(at, node)?,
        SyntaxKind::CREATE_STATISTICS => Statement::CreateStatistics(object::create_statistics(at, node)?),
        SyntaxKind::CREATE_PUBLICATION => Statement::CreatePublication(object::publication(at, node)?),
        SyntaxKind::ALTER_PUBLICATION => Statement::AlterPublication(object::publication(at, node)?),
        SyntaxKind::REASSIGN => object::reassign_owned(at, node)?,
        SyntaxKind::COMMENT_ON => return object::comment(at, node),
        SyntaxKind::GRANT | SyntaxKind::REVOKE => Statement::Grant(object::grant(at, node)?),
        _ => return Ok(None),
    }))
}

/// Transactions, settings, cursors and maintenance.
fn control(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Statement>> {
    let text = || -> Result<String> {
        let literal = at.need::<ast::Literal>(node, "a transaction's identifier")?;
        Ok(table::plain_text(at, literal.syntax()))
    };
    let chain = || matches!(child::<ast::ChainClause>(node), Some(ast::ChainClause::AndChain(_)));
    let prepared = || name::maybe_name::<ast::PreparedStatementRef>(at, node);
    Ok(Some(match node.kind() {
        SyntaxKind::BEGIN => Statement::Begin(utility::transaction_modes(at, node)),
        SyntaxKind::COMMIT_TRANSACTION => Statement::Commit { chain: chain() },
        SyntaxKind::COMMIT_PREPARED => Statement::CommitPrepared(text()?),
        SyntaxKind::ROLLBACK_TRANSACTION => Statement::Rollback { chain: chain() },
        SyntaxKind::ROLLBACK_PREPARED => Statement::RollbackPrepared(text()?),
        SyntaxKind::ROLLBACK_TO_SAVEPOINT => {
            Statement::RollbackTo(name::own_name::<ast::SavepointRef>(at, node, "a savepoint")?)
        }
        SyntaxKind::SAVEPOINT_CREATE => {
            Statement::Savepoint(name::own_name::<ast::Savepoint>(at, node, "a savepoint's name")?)
        }
        SyntaxKind::RELEASE_SAVEPOINT => {
            Statement::Release(name::own_name::<ast::SavepointRef>(at, node, "a savepoint")?)
        }
        SyntaxKind::PREPARE_TRANSACTION => Statement::PrepareTransaction(text()?),
        SyntaxKind::SET => utility::set(at, node)?,
        SyntaxKind::SET_TRANSACTION => utility::set_transaction(at, node),
        SyntaxKind::SET_CONSTRAINTS => Statement::SetConstraints {
            names: name::names::<ast::ConstraintNameRef>(at, node)?,
            deferred: matches!(
                child::<ast::ConstraintTiming>(node),
                Some(ast::ConstraintTiming::Deferred(_))
            ),
        },
        SyntaxKind::RESET => Statement::Reset(utility::setting(at, node)?),
        SyntaxKind::SHOW => Statement::Show(utility::setting(at, node)?),
        SyntaxKind::PREPARE => {
            let inner = at.need::<ast::PreparableStmt>(node, "a statement")?;
            let list = child::<ast::ParamList>(node);
            let params = list.iter().flat_map(|l| children::<ast::Param>(l.syntax()));
            let types = params
                .map(|p| types::func_type(at, &at.need::<ast::FuncType>(p.syntax(), "a type")?))
                .collect::<Result<_>>()?;
            Statement::Prepare {
                name: name::own_name::<ast::PreparedStatement>(at, node, "a name")?,
                types,
                statement: Box::new(statement(at, inner.syntax())?),
            }
        }
        SyntaxKind::EXECUTE => Statement::Execute {
            name: prepared()?.ok_or_else(|| at.missing(node, "a prepared statement"))?,
            args: match child::<ast::ArgList>(node) {
                Some(list) => expr::arguments(at, &list)?.0.into_iter().map(|a| a.value).collect(),
                None => Vec::new(),
            },
        },
        SyntaxKind::DEALLOCATE => Statement::Deallocate(prepared()?),
        SyntaxKind::DECLARE => {
            let select = at.need::<ast::SelectVariant>(node, "a query")?;
            Statement::DeclareCursor {
                name: name::own_name::<ast::Cursor>(at, node, "a cursor's name")?,
                hold: matches!(child::<ast::CursorHold>(node), Some(ast::CursorHold::WithHold(_))),
                query: Box::new(query::query(at, &select)?),
            }
        }
        SyntaxKind::FETCH | SyntaxKind::MOVE => utility::fetch(at, node)?,
        SyntaxKind::CLOSE => Statement::CloseCursor(name::maybe_name::<ast::CursorRef>(at, node)?),
        SyntaxKind::DISCARD => {
            let target = at.need::<ast::DiscardTarget>(node, "ALL, PLANS, SEQUENCES or TEMP")?;
            Statement::Discard(at.text_of(target.syntax()).to_ascii_uppercase())
        }
        SyntaxKind::DO => Statement::Do(object::do_block(at, node)?),
        SyntaxKind::CALL => {
            let name = name::named::<ast::ProcedureNameRef>(at, node, "a procedure")?;
            let list = at.need::<ast::ArgList>(node, "arguments")?;
            let (args, order_by) = expr::arguments(at, &list)?;
            let call = crate::ast::FunctionCall::plain("", Vec::new());
            Statement::Call(crate::ast::FunctionCall { name, args, order_by, ..call })
        }
        SyntaxKind::LISTEN => Statement::Listen(name::own_name::<ast::Channel>(at, node, "a channel")?),
        SyntaxKind::UNLISTEN => Statement::Unlisten(name::maybe_name::<ast::ChannelRef>(at, node)?),
        SyntaxKind::NOTIFY => Statement::Notify(name::own_name::<ast::ChannelRef>(at, node, "a channel")?),
        SyntaxKind::LOCK => Statement::LockTable(utility::lock(at, node)?),
        SyntaxKind::VACUUM => Statement::Vacuum(utility::vacuum(at, node)?),
        SyntaxKind::ANALYZE => Statement::Analyze(utility::analyze(at, node)?),
        SyntaxKind::CLUSTER => Statement::Cluster(utility::cluster(at, node)?),
        SyntaxKind::CHECKPOINT => Statement::Checkpoint,
        SyntaxKind::REINDEX => {
            let reindex = ast::Reindex::cast(node.clone()).ok_or_else(|| at.missing(node, "REINDEX"))?;
            Statement::Reindex(utility::reindex(at, &reindex)?)
        }
        _ => return Ok(None),
    }))
}
