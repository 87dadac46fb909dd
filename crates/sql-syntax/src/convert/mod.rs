//! From squawk-syntax's concrete tree to our statements.
//!
//! The tree of a statement without errors is complete except where the parser is more lenient than
//! the server; there the conversion answers [`Unexpected`], never a half-filled statement.

mod alter;
mod expr;
mod name;
mod object;
mod query;
mod statement;
mod table;
mod types;
mod utility;

use squawk_syntax::ast::AstNode;
use squawk_syntax::{SyntaxKind, SyntaxNode};

pub(crate) use statement::statement;

use crate::TextRange;

/// Where the tree's text stands in the whole text.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) text: &'a str,
    pub(crate) base: u32,
}

/// Something that the server's grammar wants and the text does not have.
#[derive(Debug)]
pub(crate) struct Unexpected {
    pub(crate) range: TextRange,
    pub(crate) expected: String,
}

impl Unexpected {
    pub(crate) fn new(range: TextRange, expected: impl Into<String>) -> Self {
        Self { range, expected: expected.into() }
    }
}

type Result<T> = std::result::Result<T, Unexpected>;

impl Place<'_> {
    pub(crate) fn range(self, range: rowan::TextRange) -> TextRange {
        TextRange::new(self.base + u32::from(range.start()), self.base + u32::from(range.end()))
    }

    /// A node's range without blanks and comments at its ends.
    fn of(self, node: &SyntaxNode) -> TextRange {
        let solid = |t: &squawk_syntax::SyntaxToken| !t.kind().is_trivia();
        let mut tokens = node.descendants_with_tokens().filter_map(|e| e.into_token()).filter(solid);
        let Some(first) = tokens.next() else { return self.range(node.text_range()) };
        let mut last = node.last_token();
        while let Some(token) = last.take_if(|t| t.kind().is_trivia()) {
            last = token.prev_token();
        }
        let end = last.map_or(first.text_range().end(), |t| t.text_range().end());
        self.range(rowan::TextRange::new(first.text_range().start(), end.max(first.text_range().end())))
    }

    /// The text of a node without blanks and comments at its ends.
    fn text_of(self, node: &SyntaxNode) -> String {
        self.of(node).of(self.text).to_owned()
    }

    fn missing(self, node: &SyntaxNode, what: &str) -> Unexpected {
        Unexpected::new(self.of(node), what)
    }

    /// The child that the grammar requires.
    fn need<N: AstNode>(self, node: &SyntaxNode, what: &str) -> Result<N> {
        child(node).ok_or_else(|| self.missing(node, what))
    }
}

fn child<N: AstNode>(node: &SyntaxNode) -> Option<N> {
    node.children().find_map(N::cast)
}

fn children<N: AstNode>(node: &SyntaxNode) -> impl Iterator<Item = N> {
    node.children().filter_map(N::cast)
}

/// The child node of this kind.
fn node(parent: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    parent.children().find(|n| n.kind() == kind)
}

/// Whether a node has a child or token of this kind.
fn has(parent: &SyntaxNode, kind: SyntaxKind) -> bool {
    parent.children_with_tokens().any(|e| e.kind() == kind)
}

/// The solid tokens directly below a node.
fn tokens(node: &SyntaxNode) -> impl Iterator<Item = squawk_syntax::SyntaxToken> {
    node.children_with_tokens().filter_map(|e| e.into_token()).filter(|t| !t.kind().is_trivia())
}
