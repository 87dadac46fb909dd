//! Names.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, child, children};
use crate::ast::{Ident, ObjectName};

/// The server cuts names to NAMEDATALEN - 1 bytes (truncate_identifier in parser/scansup.c).
const NAME_BYTES: usize = 63;

/// A node that is one name.
pub(super) fn ident(at: Place<'_>, node: &SyntaxNode) -> Result<Ident> {
    let mut text = ast::normalize_name_node(node);
    if text.is_empty() {
        // A role's name is wrapped once more.
        if let Some(inner) = node.children().last() {
            return ident(at, &inner);
        }
        return Err(at.missing(node, "a name"));
    }
    if text.len() > NAME_BYTES {
        let cut = (0..=NAME_BYTES).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
        text.truncate(cut);
    }
    Ok(Ident { text, range: at.of(node) })
}

/// The parts of a possibly qualified name, in order.
pub(super) fn parts(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Ident>> {
    let is_segment =
        |n: &SyntaxNode| matches!(n.kind(), SyntaxKind::PATH_SEGMENT | SyntaxKind::PATH_SEGMENT_REF);
    let found = node.descendants().filter(is_segment).map(|n| ident(at, &n)).collect::<Result<Vec<_>>>()?;
    if found.is_empty() { Ok(vec![ident(at, node)?]) } else { Ok(found) }
}

/// A possibly qualified name; a database in front of the schema is dropped.
pub(super) fn object_name(at: Place<'_>, node: &SyntaxNode) -> Result<ObjectName> {
    let mut parts = parts(at, node)?;
    let name = parts.pop().ok_or_else(|| at.missing(node, "a name"))?;
    Ok(ObjectName { schema: parts.pop(), name, range: at.of(node) })
}

/// The name in the child of type `N`.
pub(super) fn named<N: AstNode>(at: Place<'_>, node: &SyntaxNode, what: &str) -> Result<ObjectName> {
    object_name(at, at.need::<N>(node, what)?.syntax())
}

/// The unqualified name in the child of type `N`.
pub(super) fn own_name<N: AstNode>(at: Place<'_>, node: &SyntaxNode, what: &str) -> Result<Ident> {
    Ok(named::<N>(at, node, what)?.name)
}

/// The unqualified name in the child of type `N`, if it is there.
pub(super) fn maybe_name<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    child::<N>(node).map(|n| Ok(object_name(at, n.syntax())?.name)).transpose()
}

/// All names in children of type `N`.
pub(super) fn names<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<ObjectName>> {
    children::<N>(node).map(|n| object_name(at, n.syntax())).collect()
}

/// All unqualified names in children of type `N`.
pub(super) fn idents<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Ident>> {
    children::<N>(node).map(|n| ident(at, n.syntax())).collect()
}

/// The column names of an optional list node.
pub(super) fn columns_of<L: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Ident>> {
    let Some(list) = child::<L>(node) else { return Ok(Vec::new()) };
    list.syntax()
        .children()
        .filter(|n| matches!(n.kind(), SyntaxKind::COLUMN_NAME | SyntaxKind::COLUMN_NAME_REF))
        .map(|n| ident(at, &n))
        .collect()
}
