//! ALTER TABLE and its relatives.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::table::{attributes, attributes_of, behavior};
use super::{Place, Result, child, children, expr, name, node, query, table, types};
use crate::Located;
use crate::ast::{
    AlterTable, AlterTableAction, ColumnChange, DetachMode, Ident, MoveAll, RelationKeyword, ReplicaIdentity,
    SequenceOption, Statement, TriggerState, TriggerTarget,
};

/// ALTER TABLE and ALTER FOREIGN TABLE.
pub(super) fn alter_table(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let Some(target) = child::<ast::TableRelationName>(node) else {
        let all = at.need::<ast::AllInTablespace>(node, "a table")?;
        return move_all(at, &all, RelationKeyword::Table);
    };
    let target = query::relation_name(at, target.syntax())?;
    let keyword = match node.kind() {
        SyntaxKind::ALTER_FOREIGN_TABLE => RelationKeyword::ForeignTable,
        _ => RelationKeyword::Table,
    };
    let actions = actions(at, node)?;
    if actions.is_empty() {
        return Err(at.missing(node, "an action"));
    }
    Ok(Statement::AlterTable(AlterTable {
        keyword,
        name: target.name,
        only: target.only,
        if_exists: child::<ast::IfExists>(node).is_some(),
        actions,
    }))
}

fn actions(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Located<AlterTableAction>>> {
    children::<ast::AlterTableAction>(node)
        .map(|a| Ok(Located { value: action(at, &a)?, range: at.of(a.syntax()) }))
        .collect()
}

/// ALTER of an index, view, materialised view: the name's node type and the actions differ.
pub(super) fn alter_relation<N: AstNode>(
    at: Place<'_>,
    node: &SyntaxNode,
    keyword: RelationKeyword,
) -> Result<Statement> {
    if let Some(all) = child::<ast::AllInTablespace>(node) {
        return move_all(at, &all, keyword);
    }
    let target = at.need::<N>(node, "a name")?;
    let mut actions = Vec::new();
    for part in node.children().skip_while(|n| n.kind() != target.syntax().kind()).skip(1) {
        actions.push(Located { value: relation_action(at, &part)?, range: at.of(&part) });
    }
    Ok(Statement::AlterTable(AlterTable {
        keyword,
        name: name::object_name(at, target.syntax())?,
        only: false,
        if_exists: child::<ast::IfExists>(node).is_some(),
        actions,
    }))
}

fn move_all(at: Place<'_>, all: &ast::AllInTablespace, keyword: RelationKeyword) -> Result<Statement> {
    let node = all.syntax();
    let to = at.need::<ast::SetTablespace>(node, "SET TABLESPACE")?;
    let owners = child::<ast::OwnedByRoles>(node);
    Ok(Statement::MoveAll(MoveAll {
        keyword,
        from: name::own_name::<ast::TablespaceRef>(at, node, "a tablespace")?,
        owned_by: owners.map(|o| super::object::roles(at, o.syntax())).transpose()?.unwrap_or_default(),
        to: name::own_name::<ast::TablespaceRef>(at, to.syntax(), "a tablespace")?,
        nowait: child::<ast::Nowait>(node).is_some(),
    }))
}

fn relation_action(at: Place<'_>, node: &SyntaxNode) -> Result<AlterTableAction> {
    if let Some(action) = ast::AlterTableAction::cast(node.clone()) {
        return self::action(at, &action);
    }
    Ok(match node.kind() {
        SyntaxKind::INDEX_RENAME_TO | SyntaxKind::VIEW_RENAME_TO | SyntaxKind::SEQUENCE_RENAME_TO => {
            AlterTableAction::RenameTo(last_name(at, node)?)
        }
        SyntaxKind::ATTACH_INDEX_PARTITION => {
            AlterTableAction::AttachIndexPartition(name::named::<ast::IndexRef>(at, node, "an index")?)
        }
        SyntaxKind::ALTER_SET_STATISTICS => {
            let change = match (child::<ast::SetStatistics>(node), child::<ast::SetOptions>(node)) {
                (Some(statistics), _) => set_statistics(at, statistics.syntax())?,
                (None, Some(options)) => ColumnChange::SetOptions(attributes(at, options.syntax())?),
                (None, None) => return Err(at.missing(node, "SET STATISTICS")),
            };
            match child::<ast::ColumnNameRef>(node) {
                Some(column) => {
                    AlterTableAction::AlterColumn { column: name::ident(at, column.syntax())?, change }
                }
                None => {
                    let number = table::integer(&expr::required(at, node)?)?;
                    AlterTableAction::AlterColumnNumber { number, change }
                }
            }
        }
        SyntaxKind::ALTER_VIEW_COLUMN => {
            let column = name::own_name::<ast::ColumnNameRef>(at, node, "a column")?;
            let change = match child::<ast::SetDefault>(node) {
                Some(default) => ColumnChange::SetDefault(expr::required(at, default.syntax())?),
                None => ColumnChange::DropDefault,
            };
            AlterTableAction::AlterColumn { column, change }
        }
        _ => AlterTableAction::NotModelled(table::words(node)),
    })
}

fn last_name(at: Place<'_>, node: &SyntaxNode) -> Result<Ident> {
    let inner = node.children().last().ok_or_else(|| at.missing(node, "a name"))?;
    Ok(name::object_name(at, &inner)?.name)
}

fn action(at: Place<'_>, action: &ast::AlterTableAction) -> Result<AlterTableAction> {
    use ast::AlterTableAction as A;
    let node = action.syntax();
    let constraint = || name::own_name::<ast::ConstraintNameRef>(at, node, "a constraint");
    let relation = || name::named::<ast::TableNameRef>(at, node, "a table");
    let trigger = |state| {
        let name = name::own_name::<ast::TriggerRef>(at, node, "a trigger")?;
        Ok(AlterTableAction::Trigger { target: TriggerTarget::Name(name), state })
    };
    let rule = |state| {
        let name = name::own_name::<ast::RuleRef>(at, node, "a rule")?;
        Ok(AlterTableAction::Rule { name, state })
    };
    Ok(match action {
        A::AddColumn(_) => AlterTableAction::AddColumn {
            if_not_exists: child::<ast::IfNotExists>(node).is_some(),
            column: {
                let column = table::column_def(at, node)?;
                if column.data_type.is_none() {
                    return Err(at.missing(node, "a data type"));
                }
                column
            },
        },
        A::DropColumn(_) => AlterTableAction::DropColumn {
            column: name::own_name::<ast::ColumnNameRef>(at, node, "a column")?,
            if_exists: child::<ast::IfExists>(node).is_some(),
            behavior: behavior(node),
        },
        A::AlterColumn(_) => AlterTableAction::AlterColumn {
            column: name::own_name::<ast::ColumnNameRef>(at, node, "a column")?,
            change: column_change(at, node)?,
        },
        A::AddConstraint(_) => {
            let inner = at.need::<ast::Constraint>(node, "a constraint")?;
            AlterTableAction::AddConstraint(table::table_constraint(at, inner.syntax())?)
        }
        A::AlterConstraint(_) => {
            AlterTableAction::AlterConstraint { name: constraint()?, attributes: attributes_of(node) }
        }
        A::ValidateConstraint(_) => AlterTableAction::ValidateConstraint { name: constraint()? },
        A::DropConstraint(_) => AlterTableAction::DropConstraint {
            name: constraint()?,
            if_exists: child::<ast::IfExists>(node).is_some(),
            behavior: behavior(node),
        },
        A::TableRenameTo(_) => AlterTableAction::RenameTo(last_name(at, node)?),
        A::RenameColumn(_) => AlterTableAction::RenameColumn {
            column: name::own_name::<ast::ColumnNameRef>(at, node, "a column")?,
            to: name::own_name::<ast::ColumnName>(at, node, "a name")?,
        },
        A::RenameConstraint(_) => AlterTableAction::RenameConstraint {
            name: constraint()?,
            to: name::own_name::<ast::ConstraintName>(at, node, "a name")?,
        },
        A::SetSchema(_) => {
            AlterTableAction::SetSchema(name::own_name::<ast::SchemaRef>(at, node, "a schema")?)
        }
        A::SetTablespace(_) => {
            AlterTableAction::SetTablespace(name::own_name::<ast::TablespaceRef>(at, node, "a tablespace")?)
        }
        A::SetAccessMethod(_) => {
            AlterTableAction::SetAccessMethod(name::maybe_name::<ast::AccessMethodRef>(at, node)?)
        }
        A::SetLogged(_) => AlterTableAction::SetLogged(true),
        A::SetUnlogged(_) => AlterTableAction::SetLogged(false),
        A::SetOptions(_) => AlterTableAction::SetOptions(attributes(at, node)?),
        A::ResetOptions(_) => AlterTableAction::ResetOptions(attributes(at, node)?),
        A::ClusterOn(_) => {
            AlterTableAction::ClusterOn(name::own_name::<ast::IndexRef>(at, node, "an index")?)
        }
        A::SetWithoutCluster(_) => AlterTableAction::SetWithoutCluster,
        A::SetWithoutOids(_) => AlterTableAction::SetWithoutOids,
        A::OwnerTo(_) => AlterTableAction::OwnerTo(owner(at, node)?),
        A::ReplicaIdentity(_) => AlterTableAction::ReplicaIdentity(replica_identity(at, node)?),
        A::EnableTrigger(_) => triggers(at, node, TriggerState::Enabled)?,
        A::DisableTrigger(_) => triggers(at, node, TriggerState::Disabled)?,
        A::EnableReplicaTrigger(_) => trigger(TriggerState::Replica)?,
        A::EnableAlwaysTrigger(_) => trigger(TriggerState::Always)?,
        A::EnableRule(_) => rule(TriggerState::Enabled)?,
        A::DisableRule(_) => rule(TriggerState::Disabled)?,
        A::EnableReplicaRule(_) => rule(TriggerState::Replica)?,
        A::EnableAlwaysRule(_) => rule(TriggerState::Always)?,
        A::EnableRls(_) => AlterTableAction::RowSecurity(true),
        A::DisableRls(_) => AlterTableAction::RowSecurity(false),
        A::ForceRls(_) => AlterTableAction::ForceRowSecurity(true),
        A::NoForceRls(_) => AlterTableAction::ForceRowSecurity(false),
        A::InheritTable(_) => AlterTableAction::Inherit(relation()?),
        A::NoInheritTable(_) => AlterTableAction::NoInherit(relation()?),
        A::OfType(_) => {
            AlterTableAction::OfType(types::data_type(at, &at.need::<ast::Type>(node, "a type")?)?)
        }
        A::NotOf(_) => AlterTableAction::NotOf,
        A::AttachPartition(_) => AlterTableAction::AttachPartition {
            partition: relation()?,
            bound: table::partition_bound(
                at,
                &at.need::<ast::PartitionType>(node, "FOR VALUES or DEFAULT")?,
            )?,
        },
        A::DetachPartition(_) => AlterTableAction::DetachPartition {
            partition: relation()?,
            mode: match child::<ast::DetachPartitionOption>(node) {
                None => DetachMode::Plain,
                Some(ast::DetachPartitionOption::DetachConcurrently(_)) => DetachMode::Concurrently,
                Some(ast::DetachPartitionOption::DetachFinalize(_)) => DetachMode::Finalize,
            },
        },
        A::MergePartitions(_) => AlterTableAction::NotModelled("MERGE PARTITIONS".to_owned()),
        A::SplitPartition(_) => AlterTableAction::NotModelled("SPLIT PARTITION".to_owned()),
        A::AlterOptionList(_) | A::OptionItemList(_) => AlterTableAction::NotModelled("OPTIONS".to_owned()),
    })
}

/// OWNER TO, as written.
pub(super) fn owner(at: Place<'_>, node: &SyntaxNode) -> Result<String> {
    Ok(name::own_name::<ast::RoleRef>(at, node, "a role").map_or_else(|_| at.text_of(node), |n| n.text))
}

fn replica_identity(at: Place<'_>, node: &SyntaxNode) -> Result<ReplicaIdentity> {
    Ok(match at.need::<ast::ReplicaIdentityOption>(node, "DEFAULT, FULL, NOTHING or USING INDEX")? {
        ast::ReplicaIdentityOption::ReplicaIdentityDefault(_) => ReplicaIdentity::Default,
        ast::ReplicaIdentityOption::ReplicaIdentityFull(_) => ReplicaIdentity::Full,
        ast::ReplicaIdentityOption::ReplicaIdentityNothing(_) => ReplicaIdentity::Nothing,
        ast::ReplicaIdentityOption::UsingIndexName(index) => {
            ReplicaIdentity::Index(name::own_name::<ast::IndexRef>(at, index.syntax(), "an index")?)
        }
    })
}

fn triggers(at: Place<'_>, node: &SyntaxNode, state: TriggerState) -> Result<AlterTableAction> {
    let target = match at.need::<ast::TriggerTarget>(node, "a trigger, ALL or USER")? {
        ast::TriggerTarget::All(_) => TriggerTarget::All,
        ast::TriggerTarget::User(_) => TriggerTarget::User,
        ast::TriggerTarget::TriggerRef(name) => TriggerTarget::Name(name::ident(at, name.syntax())?),
    };
    Ok(AlterTableAction::Trigger { target, state })
}

fn set_statistics(at: Place<'_>, node: &SyntaxNode) -> Result<ColumnChange> {
    let target = expr::optional(at, node)?.map(|e| table::integer(&e)).transpose()?;
    Ok(ColumnChange::SetStatistics(target))
}

fn column_change(at: Place<'_>, parent: &SyntaxNode) -> Result<ColumnChange> {
    use ast::AlterColumnOption as O;
    let option = at.need::<O>(parent, "a change")?;
    let node = option.syntax();
    let if_exists = child::<ast::IfExists>(node).is_some();
    let word = |text: Option<SyntaxNode>| {
        text.map(|n| at.text_of(&n).to_ascii_lowercase()).ok_or_else(|| at.missing(node, "a value"))
    };
    Ok(match &option {
        O::SetType(_) => ColumnChange::SetType {
            data_type: types::data_type(at, &at.need::<ast::Type>(node, "a type")?)?,
            collation: match child::<ast::Collate>(node) {
                Some(c) => Some(name::named::<ast::CollationRef>(at, c.syntax(), "a collation")?),
                None => None,
            },
            using: expr::within::<ast::UsingExpr>(at, node)?,
        },
        O::SetDefault(_) => ColumnChange::SetDefault(expr::required(at, node)?),
        O::DropDefault(_) => ColumnChange::DropDefault,
        O::SetNotNull(_) => ColumnChange::SetNotNull,
        O::DropNotNull(_) => ColumnChange::DropNotNull,
        O::SetExpression(_) => ColumnChange::SetExpression(expr::required(at, node)?),
        O::DropExpression(_) => ColumnChange::DropExpression { if_exists },
        O::SetStatistics(_) => set_statistics(at, node)?,
        O::SetStorage(_) => ColumnChange::SetStorage(word(self::node(node, SyntaxKind::STORAGE_MODE))?),
        O::SetCompression(_) => {
            ColumnChange::SetCompression(word(self::node(node, SyntaxKind::COMPRESSION_METHOD_NAME))?)
        }
        O::SetOptions(_) => ColumnChange::SetOptions(attributes(at, node)?),
        O::ResetOptions(_) => ColumnChange::ResetOptions(attributes(at, node)?),
        O::AddGenerated(_) => ColumnChange::AddIdentity {
            always: table::always(node),
            options: table::sequence_option_list(at, node)?,
        },
        O::DropIdentity(_) => ColumnChange::DropIdentity { if_exists },
        O::SetGenerated(_) | O::SetGeneratedOptions(_) | O::SetSequenceOption(_) | O::Restart(_) => {
            identity_change(at, parent)?
        }
        O::SetOptionsList(_) => ColumnChange::NotModelled("OPTIONS".to_owned()),
        O::Inherit(_) | O::NoInherit(_) => ColumnChange::NotModelled("INHERIT".to_owned()),
    })
}

/// SET GENERATED, SET INCREMENT, RESTART and the like, in any number and order.
fn identity_change(at: Place<'_>, parent: &SyntaxNode) -> Result<ColumnChange> {
    let mut always = None;
    let mut options = Vec::new();
    for part in parent.descendants() {
        match part.kind() {
            SyntaxKind::SET_GENERATED => always = Some(table::always(&part)),
            SyntaxKind::SET_SEQUENCE_OPTION => options.extend(table::sequence_options(at, &part)?),
            SyntaxKind::RESTART => {
                let value = expr::optional(at, &part)?.map(|e| table::integer(&e)).transpose()?;
                options.push(SequenceOption::Restart(value));
            }
            _ => {}
        }
    }
    Ok(ColumnChange::SetIdentity { always, options })
}

/// ALTER SEQUENCE: options, or the actions of any relation.
pub(super) fn alter_sequence(at: Place<'_>, node: &SyntaxNode) -> Result<Statement> {
    let target = name::named::<ast::SequenceRef>(at, node, "a sequence")?;
    let if_exists = child::<ast::IfExists>(node).is_some();
    let relational = |n: &SyntaxNode| {
        matches!(
            n.kind(),
            SyntaxKind::OWNER_TO
                | SyntaxKind::SEQUENCE_RENAME_TO
                | SyntaxKind::SET_SCHEMA
                | SyntaxKind::SET_LOGGED
                | SyntaxKind::SET_UNLOGGED
        )
    };
    if !node.children().any(|n| relational(&n)) {
        let options = table::sequence_options(at, node)?;
        return Ok(Statement::AlterSequence(crate::ast::AlterSequence { name: target, if_exists, options }));
    }
    let actions = node
        .children()
        .filter(relational)
        .map(|n| Ok(Located { value: relation_action(at, &n)?, range: at.of(&n) }))
        .collect::<Result<_>>()?;
    let keyword = RelationKeyword::Sequence;
    Ok(Statement::AlterTable(AlterTable { keyword, name: target, only: false, if_exists, actions }))
}
