//! Where statements begin and end, found without understanding them.
//!
//! Every statement is parsed by itself, so that a mistake in one cannot swallow the next. The rules
//! are those of the server's lexer (scan.l) and, for what a script may hold between statements, of
//! psql's: backslash commands and the data lines after `COPY ... FROM STDIN` are passed over.

use crate::{Comment, TextRange};

/// The extent of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// From the first token up to the semicolon.
    pub(crate) range: TextRange,
    /// An upper bound of the stack that its syntax tree can need, in units of about 100 bytes.
    pub(crate) weight: u32,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) extents: Vec<Extent>,
    pub(crate) comments: Vec<Comment>,
}

/// Finds the statements and comments of a text.
pub(crate) fn scan(text: &str) -> Scan {
    let mut scanner = Scanner::new(text);
    let mut found = Scan::default();
    while let Some(extent) = scanner.statement(&mut found.comments) {
        found.extents.push(extent);
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Word,
    Text,
    Open,
    Close,
    Comma,
    Semicolon,
    /// An operator that may stand before its operand, or a cast: each can nest.
    Prefix,
    /// Numbers and the rest.
    Other,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The next statement that has at least one token.
    fn statement(&mut self, comments: &mut Vec<Comment>) -> Option<Extent> {
        let mut shape = Shape::default();
        let mut start = None;
        let mut end = self.at;
        loop {
            self.trivia(comments, start.is_none());
            let token_start = self.at;
            let Some(token) = self.token() else { break };
            let token_text = &self.text[token_start..self.at];
            if token == Token::Semicolon && !shape.shields_semicolons() {
                if start.is_some() {
                    break;
                }
                continue;
            }
            start.get_or_insert(token_start);
            end = self.at;
            shape.push(token, token_text);
        }
        let start = start?;
        if shape.is_copy_from_stdin() {
            self.copy_data();
        }
        Some(Extent { range: TextRange::new(start as u32, end as u32), weight: shape.weight() })
    }

    fn trivia(&mut self, comments: &mut Vec<Comment>, between_statements: bool) {
        loop {
            let start = self.at;
            match (self.peek(0), self.peek(1)) {
                (b'-', b'-') => self.line(),
                (b'/', b'*') => self.block_comment(),
                (b'\\', _) if between_statements => {
                    self.line();
                    continue;
                }
                (b, _) if b.is_ascii_whitespace() || b == 0x0b => {
                    self.at += 1;
                    continue;
                }
                // A byte order mark at the start of a file is no token.
                (0xef, 0xbb) if start == 0 && self.peek(2) == 0xbf => {
                    self.at += 3;
                    continue;
                }
                _ => return,
            }
            comments.push(Comment { range: TextRange::new(start as u32, self.at as u32) });
        }
    }

    /// Up to the end of the line, which stays.
    fn line(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_u32;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn token(&mut self) -> Option<Token> {
        let first = *self.bytes.get(self.at)?;
        let token = match first {
            b'\'' => self.quoted(b'\'', false),
            b'"' => {
                self.quoted(b'"', false);
                Token::Word
            }
            b'$' => self.dollar(),
            b'(' | b'[' => self.single(Token::Open),
            b')' | b']' => self.single(Token::Close),
            b',' => self.single(Token::Comma),
            b';' => self.single(Token::Semicolon),
            b if is_word_start(b) => self.word(),
            b'0'..=b'9' => {
                self.word();
                Token::Other
            }
            b'=' | b'<' | b'>' | b'*' | b'/' => self.single(Token::Other),
            _ => self.single(Token::Prefix),
        };
        Some(token)
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    /// A word, or a string whose kind a letter before the quote names.
    fn word(&mut self) -> Token {
        if self.peek(1) == b'\'' && b"eEbBxXnN".contains(&self.peek(0)) {
            let escapes = self.peek(0).eq_ignore_ascii_case(&b'e');
            self.at += 1;
            return self.quoted(b'\'', escapes);
        }
        while self.at < self.bytes.len() && is_word_part(self.bytes[self.at]) {
            self.at += 1;
        }
        Token::Word
    }

    /// A quoted string or name; a doubled quote stands for itself.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Token {
        self.at += 1;
        while self.at < self.bytes.len() {
            let byte = self.bytes[self.at];
            self.at += 1;
            if byte == b'\\' && escapes {
                self.at = (self.at + 1).min(self.bytes.len());
            } else if byte == quote {
                if self.peek(0) != quote {
                    break;
                }
                self.at += 1;
            }
        }
        // An escaped or last multi-byte character may leave the position inside it.
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        Token::Text
    }

    /// `$tag$ ... $tag$`, or `$1`, or a lone dollar sign.
    fn dollar(&mut self) -> Token {
        let rest = &self.bytes[self.at + 1..];
        let tag_length = rest.iter().take_while(|b| is_word_part(**b) && **b != b'$').count();
        let opens = rest.get(tag_length) == Some(&b'$') && !rest.first().is_some_and(u8::is_ascii_digit);
        if !opens {
            self.at += 1 + tag_length;
            return Token::Other;
        }
        let delimiter = &self.text[self.at..self.at + tag_length + 2];
        let body = self.at + delimiter.len();
        let length = self.text[body..].find(delimiter);
        self.at = length.map_or(self.bytes.len(), |n| body + n + delimiter.len());
        Token::Text
    }

    /// Passes over the data lines of a COPY, if they are there.
    fn copy_data(&mut self) {
        let rest = &self.text[self.at..];
        let mut at = self.at;
        for line in rest.split_inclusive('\n') {
            at += line.len();
            if line.trim_end() == "\\." {
                self.at = at;
                return;
            }
        }
    }
}

const fn is_word_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

const fn is_word_part(b: u8) -> bool {
    is_word_start(b) || b.is_ascii_digit() || b == b'$'
}

/// What a token may cost the parser and the conversion in stack, in units of about 100 bytes; measured
/// with statements that repeat one construct until the stack is full.
mod cost {
    pub(super) const OPEN: u32 = 55;
    pub(super) const PREFIX: u32 = 35;
    pub(super) const QUERY: u32 = 130;
    pub(super) const SET_OPERATION: u32 = 60;
    pub(super) const NESTING_WORD: u32 = 45;
    pub(super) const WORD: u32 = 5;
}

/// What has been seen of a statement, as far as it matters for its end and its depth.
#[derive(Default)]
struct Shape {
    /// The first words, in lower case.
    words: Vec<String>,
    previous_word: String,
    /// Open parentheses: at each level the tokens since the last comma, and chains that commas do not end.
    levels: Vec<(u32, u32)>,
    top: (u32, u32),
    below: u32,
    heaviest: u32,
    /// Depth of BEGIN ATOMIC ... END.
    atomic: u32,
    from_stdin: bool,
}

impl Shape {
    fn push(&mut self, token: Token, text: &str) {
        match token {
            Token::Open => {
                self.top.0 += cost::OPEN;
                self.below += self.top.0 + self.top.1;
                self.levels.push(std::mem::take(&mut self.top));
            }
            Token::Close => {
                if let Some(level) = self.levels.pop() {
                    self.below -= level.0 + level.1;
                    self.top = level;
                }
            }
            Token::Comma => self.top.0 = 0,
            Token::Word => self.word(text),
            Token::Text if self.defines_code() => self.heaviest = self.heaviest.max(code_weight(text)),
            Token::Prefix => self.top.0 += cost::PREFIX,
            Token::Text | Token::Semicolon | Token::Other => self.top.0 += 1,
        }
        self.heaviest = self.heaviest.max(self.below + self.top.0 + self.top.1);
    }

    fn word(&mut self, text: &str) {
        // Long names are no key words: the copy stays short.
        let word = if text.len() <= 16 { text.to_ascii_lowercase() } else { String::new() };
        match word.as_str() {
            "union" | "except" | "intersect" => self.top.1 += cost::SET_OPERATION,
            "select" | "values" => self.top.0 += cost::QUERY,
            "not" | "collate" | "between" => self.top.0 += cost::NESTING_WORD,
            _ => self.top.0 += cost::WORD,
        }
        if self.atomic > 0 {
            match word.as_str() {
                "begin" | "case" => self.atomic += 1,
                "end" => self.atomic -= 1,
                _ => {}
            }
        } else if word == "atomic" && self.previous_word == "begin" && self.defines_code() {
            self.atomic = 1;
        }
        self.from_stdin |= word == "stdin" && self.previous_word == "from";
        if self.words.len() < 5 {
            self.words.push(word.clone());
        }
        self.previous_word = word;
    }

    /// CREATE FUNCTION, CREATE PROCEDURE and DO hold code in a string.
    fn defines_code(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["do", ..] => true,
            ["create", "or", "replace", rest @ ..] | ["create", rest @ ..] => {
                matches!(rest.first(), Some(&("function" | "procedure")))
            }
            _ => false,
        }
    }

    /// A rule's actions stand in parentheses with semicolons between them.
    fn shields_semicolons(&self) -> bool {
        let rule = self.words.first().is_some_and(|w| w == "create")
            && self.words.iter().take(4).any(|w| w == "rule");
        self.atomic > 0 || (rule && !self.levels.is_empty())
    }

    fn is_copy_from_stdin(&self) -> bool {
        self.from_stdin && self.words.first().is_some_and(|w| w == "copy")
    }

    const fn weight(&self) -> u32 {
        self.heaviest
    }
}

/// The weight of code inside a string, read as one long statement per semicolon.
fn code_weight(literal: &str) -> u32 {
    let inner = literal.trim_start_matches(|c: char| c != '$' && c != '\'');
    let inner = match inner.strip_prefix('$').and_then(|s| s.split_once('$')) {
        Some((_, body)) => body,
        None => inner.get(1..).unwrap_or(""),
    };
    let mut scanner = Scanner::new(inner);
    let mut comments = Vec::new();
    let mut shape = Shape::default();
    let mut heaviest = 0;
    loop {
        scanner.trivia(&mut comments, false);
        let start = scanner.at;
        match scanner.token() {
            None => return heaviest.max(shape.weight()),
            Some(Token::Semicolon) => {
                heaviest = heaviest.max(shape.weight());
                shape = Shape::default();
            }
            // Strings within the code are not code again as far as the parser goes.
            Some(Token::Text) => shape.push(Token::Other, ""),
            Some(token) => shape.push(token, &inner[start..scanner.at]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<&str> {
        scan(text).extents.iter().map(|e| e.range.of(text)).collect()
    }

    #[test]
    fn semicolons_in_strings_names_and_comments_end_nothing() {
        let text = "select ';', \";\" /* ; /* ; */ */ -- ;\n, e'\\';', $$;$$, $a$ ; $$ ; $a$; select 2";
        assert_eq!(statements(text).len(), 2);
        assert_eq!(statements(text)[1], "select 2");
    }

    #[test]
    fn empty_statements_are_no_statements() {
        assert!(statements(" ;; -- nothing\n;").is_empty());
    }

    #[test]
    fn a_missing_parenthesis_does_not_swallow_the_next_statement() {
        assert_eq!(statements("create table t (a int; select 1;"), ["create table t (a int", "select 1"]);
    }

    #[test]
    fn bodies_keep_their_semicolons() {
        let function = "create function f() returns int begin atomic select case when true then 1 end; end";
        let rule = "create rule r as on insert to t do also (delete from u; delete from v)";
        let text = format!("{function}; {rule}; select 1");
        assert_eq!(statements(&text), [function, rule, "select 1"]);
    }

    #[test]
    fn copy_data_and_psql_commands_are_passed_over() {
        let text = "\\restrict abc\nCOPY t (a) FROM stdin;\n1\t;\n\\.\n\nselect 1;\n\\unrestrict abc\n";
        assert_eq!(statements(text), ["COPY t (a) FROM stdin", "select 1"]);
    }

    #[test]
    fn comments_are_kept_with_their_places() {
        let text = "-- a\nselect 1 /* b */;\n-- c\n";
        let comments: Vec<&str> = scan(text).comments.iter().map(|c| c.range.of(text)).collect();
        assert_eq!(comments, ["-- a", "/* b */", "-- c"]);
    }

    #[test]
    fn weight_grows_with_nesting_and_chains_but_not_with_lists() {
        let weight = |text: &str| scan(text).extents[0].weight;
        assert!(weight(&format!("select {}1", "(".repeat(1000))) > 1000);
        assert!(weight(&format!("select 1{}", "+1".repeat(1000))) > 1000);
        assert!(weight(&format!("select 1, 2{}", " union select 1, 2".repeat(1000))) > 1000);
        assert!(weight(&format!("insert into t values (1, 2){}", ", (1, 2)".repeat(1000))) < 300);
        let body =
            format!("create function f() returns int language sql as $$ select {}1 $$", "(".repeat(1000));
        assert!(weight(&body) > 1000);
    }
}
