//! Tokens of the spec language, as `src/test/isolation/specscanner.l` in PostgreSQL's tree defines
//! them: names are not folded, the six keywords are lower case, and an SQL block ends at its first
//! closing brace, whatever the SQL means by it.

use std::fmt;

use super::error::SpecError;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Keyword(Keyword),
    /// A bare or quoted name; the quotes are gone and doubled ones inside are single.
    Name(String),
    /// The text between braces without the blanks at its ends; newlines stay.
    Sql(String),
    Integer(u64),
    Comma,
    OpenParen,
    CloseParen,
    Star,
    End,
}

/// The words that are a name only in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Notices,
    Permutation,
    Session,
    Setup,
    Step,
    Teardown,
}

const KEYWORDS: [(&str, Keyword); 6] = [
    ("notices", Keyword::Notices),
    ("permutation", Keyword::Permutation),
    ("session", Keyword::Session),
    ("setup", Keyword::Setup),
    ("step", Keyword::Step),
    ("teardown", Keyword::Teardown),
];

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = KEYWORDS.iter().find(|(_, keyword)| keyword == self).map_or("", |(word, _)| word);
        write!(f, "`{word}`")
    }
}

/// As an error message names what it found.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(keyword) => write!(f, "{keyword}"),
            Self::Name(name) => write!(f, "the name \"{name}\""),
            Self::Sql(_) => f.write_str("a block of SQL"),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Comma => f.write_str("`,`"),
            Self::OpenParen => f.write_str("`(`"),
            Self::CloseParen => f.write_str("`)`"),
            Self::Star => f.write_str("`*`"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// Reads one token after the other.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and the offset of its first byte.
    pub(crate) fn next(&mut self) -> Result<(usize, Token), SpecError> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok((start, Token::End));
        };
        let token = match first {
            '{' => self.sql()?,
            '"' => self.quoted_name()?,
            '0'..='9' => self.integer(),
            ',' => self.single(Token::Comma),
            '(' => self.single(Token::OpenParen),
            ')' => self.single(Token::CloseParen),
            '*' => self.single(Token::Star),
            c if starts_name(c) => self.bare_name(),
            c => {
                let problem = format!("unexpected character `{}`", c.escape_debug());
                return Err(SpecError::at(self.text, start, problem));
            }
        };
        Ok((start, token))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with('#') {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if rest.starts_with(|c| c == '\n' || is_blank(c)) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    /// Blanks next to the braces go, newlines do not: so the transcript shows them.
    fn sql(&mut self) -> Result<Token, SpecError> {
        let body = &self.text[self.at + 1..];
        let Some(end) = body.find('}') else {
            let problem = "this block of SQL has no closing `}`".to_owned();
            return Err(SpecError::at(self.text, self.at, problem));
        };
        self.at += end + 2;
        Ok(Token::Sql(body[..end].trim_matches(is_blank).to_owned()))
    }

    fn quoted_name(&mut self) -> Result<Token, SpecError> {
        let open = self.at;
        let mut name = String::new();
        self.at += 1;
        loop {
            let rest = self.rest();
            let stop = rest.find(['"', '\n']).unwrap_or(rest.len());
            name.push_str(&rest[..stop]);
            self.at += stop;
            match self.rest().as_bytes() {
                [b'"', b'"', ..] => {
                    name.push('"');
                    self.at += 2;
                }
                [b'"', ..] => {
                    self.at += 1;
                    return Ok(Token::Name(name));
                }
                _ => {
                    let problem = "this quoted name has no closing `\"` on its line".to_owned();
                    return Err(SpecError::at(self.text, open, problem));
                }
            }
        }
    }

    fn bare_name(&mut self) -> Token {
        let word = self.take_while(|c| starts_name(c) || c.is_ascii_digit() || c == '$');
        match KEYWORDS.iter().find(|(keyword, _)| *keyword == word) {
            Some(&(_, keyword)) => Token::Keyword(keyword),
            None => Token::Name(word.to_owned()),
        }
    }

    /// A number too large to count with is as good as the largest one.
    fn integer(&mut self) -> Token {
        let digits = self.take_while(|c| c.is_ascii_digit());
        Token::Integer(digits.parse().unwrap_or(u64::MAX))
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0c' | '\x0b')
}

fn starts_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let mut scanner = Scanner::new(text);
        let mut tokens = Vec::new();
        loop {
            match scanner.next().expect("tokens").1 {
                Token::End => return tokens,
                token => tokens.push(token),
            }
        }
    }

    fn name(name: &str) -> Token {
        Token::Name(name.to_owned())
    }

    #[test]
    fn bare_names_keep_their_case_and_quoted_ones_may_be_keywords() {
        assert_eq!(tokens("Step \"step\" x$1 ä_"), [name("Step"), name("step"), name("x$1"), name("ä_")]);
    }

    #[test]
    fn a_doubled_quote_inside_a_quoted_name_is_one() {
        assert_eq!(tokens(r#""a ""b"" c""#), [name(r#"a "b" c"#)]);
    }

    #[test]
    fn blanks_at_the_ends_of_a_block_go_but_newlines_stay() {
        assert_eq!(tokens("{ \tSELECT 1;\n }"), [Token::Sql("SELECT 1;\n".to_owned())]);
        assert_eq!(tokens("{\n  SELECT 1; \n}"), [Token::Sql("\n  SELECT 1; \n".to_owned())]);
    }

    #[test]
    fn a_comment_ends_with_its_line_and_is_none_inside_a_block() {
        assert_eq!(tokens("# {\n{# x}"), [Token::Sql("# x".to_owned())]);
    }

    #[test]
    fn an_open_block_and_an_open_name_are_reported_where_they_begin() {
        for text in ["a\n  {", "a\n  \"b\nc\""] {
            let mut scanner = Scanner::new(text);
            scanner.next().expect("a name");
            let error = scanner.next().expect_err("open");
            assert_eq!((error.line, error.column), (2, 3));
        }
    }
}
