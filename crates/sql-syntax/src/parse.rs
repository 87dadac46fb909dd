//! From text to statements.

use squawk_syntax::SourceFile;
use squawk_syntax::ast::AstNode;

use crate::ast::Statement;
use crate::convert::{self, Place};
use crate::scan::{Extent, scan};
use crate::{Comment, Located, TextRange};

/// How heavy a statement may be (see `scan`): the parser works by recursion, and a server would
/// answer such a statement with "stack depth limit exceeded" too. A thread of 2 MB must do.
const WEIGHT_LIMIT: u32 = 15_000;

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedScript {
    /// The statements that could be read, in order.
    pub statements: Vec<Located<Statement>>,
    /// What could not, in order.
    pub errors: Vec<SyntaxError>,
    /// All comments, in order, also those inside statements.
    pub comments: Vec<Comment>,
}

impl ParsedScript {
    /// The comments between the statement before `statement` and `statement` itself.
    #[must_use]
    pub fn leading_comments(&self, statement: &Located<Statement>) -> &[Comment] {
        let start = self.statements.partition_point(|s| s.range.end <= statement.range.start);
        let floor = start.checked_sub(1).map_or(0, |previous| self.statements[previous].range.end);
        let from = self.comments.partition_point(|c| c.range.start < floor);
        let to = self.comments.partition_point(|c| c.range.start < statement.range.start);
        &self.comments[from..to.max(from)]
    }

    /// The comments inside a range.
    #[must_use]
    pub fn comments_in(&self, range: TextRange) -> &[Comment] {
        let from = self.comments.partition_point(|c| c.range.start < range.start);
        let to = self.comments.partition_point(|c| c.range.end <= range.end);
        &self.comments[from..to.max(from)]
    }
}

/// A mistake in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What was expected, or what is wrong.
    pub message: String,
    /// Where.
    pub range: TextRange,
    /// The statement that it is in.
    pub statement: TextRange,
}

/// Reads a script: any number of statements.
///
/// A statement with a mistake yields errors and is left out; the others are all there.
///
/// ```
/// let script = sql_syntax::parse("ALTER TABLE t ADD; SELECT 1");
/// assert_eq!(script.statements.len(), 1);
/// assert_eq!(script.errors.len(), 1);
/// ```
#[must_use]
pub fn parse(text: &str) -> ParsedScript {
    let Some(text) = text.get(..u32::MAX as usize).or(Some(text)).filter(|t| u32::try_from(t.len()).is_ok())
    else {
        let message = "a text may be at most 4 GB long".to_owned();
        let nowhere = TextRange::default();
        let errors = vec![SyntaxError { message, range: nowhere, statement: nowhere }];
        return ParsedScript { errors, ..ParsedScript::default() };
    };
    let found = scan(text);
    let mut script = ParsedScript { comments: found.comments, ..ParsedScript::default() };
    for extent in found.extents {
        match one(text, extent) {
            Ok(statement) => script.statements.push(statement),
            Err(error) => script.errors.push(error),
        }
    }
    script
}

fn one(text: &str, extent: Extent) -> Result<Located<Statement>, SyntaxError> {
    let error = |message: String, range| SyntaxError { message, range, statement: extent.range };
    if extent.weight > WEIGHT_LIMIT {
        let message = "the statement is nested too deeply".to_owned();
        return Err(error(message, extent.range));
    }
    let place = Place { text, base: extent.range.start };
    let parsed = SourceFile::parse(extent.range.of(text));
    // One mistake makes the parser stumble over what follows: only the first says something.
    if let Some(first) = parsed.errors().first() {
        let range = word_at(text, place.range(first.range()), extent.range.end);
        return Err(error(plain_words(first.message()), range));
    }
    let tree = parsed.tree();
    let mut statements = tree.syntax().children();
    let converted = match (statements.next(), statements.next()) {
        (Some(node), None) => convert::statement(place, &node),
        _ => Err(convert::Unexpected::new(extent.range, "one statement")),
    };
    match converted {
        Ok(value) => Ok(Located { value, range: extent.range }),
        Err(unexpected) => Err(error(format!("expected {}", unexpected.expected), unexpected.range)),
    }
}

/// The word or symbol at or after a place; the place itself at the end of the statement.
fn word_at(text: &str, place: TextRange, end: u32) -> TextRange {
    if place.end > place.start {
        return place;
    }
    let rest = text.get(place.start as usize..end as usize).unwrap_or("");
    let blank = rest.len() - rest.trim_start().len();
    let rest = &rest[blank..];
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    let start = place.start + blank as u32;
    TextRange::new(start, start + length as u32)
}

/// The parser names its tokens by their constants (`SET_KW`, `L_PAREN`); people get SQL.
fn plain_words(message: &str) -> String {
    const SYMBOLS: [(&str, &str); 12] = [
        ("L_PAREN", "\"(\""),
        ("R_PAREN", "\")\""),
        ("L_BRACK", "\"[\""),
        ("R_BRACK", "\"]\""),
        ("COMMA", "\",\""),
        ("DOT", "\".\""),
        ("EQ", "\"=\""),
        ("STAR", "\"*\""),
        ("EOF", "the end"),
        ("IDENT", "a name"),
        ("INT_NUMBER", "a number"),
        ("STRING", "a string"),
    ];
    let word = |w: &str| match w.strip_suffix("_KW") {
        Some(keyword) => keyword.to_owned(),
        None => SYMBOLS.iter().find(|(n, _)| *n == w).map_or_else(|| w.to_owned(), |(_, s)| (*s).to_owned()),
    };
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        out.push_str(&word(&rest[..length]));
        let gap = rest[length..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&rest[length..length + gap]);
        rest = &rest[length + gap..];
    }
    out
}
