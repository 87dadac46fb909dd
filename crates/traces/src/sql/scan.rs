//! SQL's tokens, as `src/backend/parser/scan.l` delimits them: strings of all kinds, dollar quotes,
//! quoted identifiers, nested comments, numbers, parameters, operators. Text that ends in the middle of a
//! string or comment ends the token.

/// A token with its text as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A keyword or an unquoted identifier.
    Word(&'a str),
    /// `"Quoted"`.
    Quoted(&'a str),
    /// A string or number of any kind.
    Constant(&'a str),
    /// `$1`.
    Param(&'a str),
    /// An operator or a single punctuation character.
    Symbol(&'a str),
}

/// The tokens of a text, comments and white space left out.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, offset: usize) -> u8 {
        self.text.as_bytes().get(self.at + offset).copied().unwrap_or(0)
    }

    /// Takes the token that ends before `end` (moved forward to a character's boundary).
    fn take(&mut self, mut end: usize) -> &'a str {
        end = end.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        let token = &self.text[self.at..end];
        self.at = end;
        token
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let byte = self.byte(0);
            if self.at < self.text.len() && (byte.is_ascii_whitespace() || byte == 0 || byte == 0x0b) {
                self.at += 1;
            } else if byte == b'-' && self.byte(1) == b'-' {
                let rest = &self.text.as_bytes()[self.at..];
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            } else if byte == b'/' && self.byte(1) == b'*' {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0_u32;
        while self.at < self.text.len() {
            match (self.byte(0), self.byte(1)) {
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                (b'*', b'/') => (depth, self.at) = (depth - 1, self.at + 2),
                _ => self.at += 1,
            }
            if depth == 0 {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    /// The end of a quoted token whose opening quote is at `open`; a doubled quote stands for itself.
    fn quoted_end(&self, open: usize, quote: u8, backslashes: bool) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = open + 1;
        while at < bytes.len() {
            if backslashes && bytes[at] == b'\\' {
                at += 2;
            } else if bytes[at] != quote {
                at += 1;
            } else if bytes.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        }
        bytes.len()
    }

    /// The end of a dollar-quoted string that starts here, if one does.
    fn dollar_end(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let tag = rest[1..].find('$')? + 2;
        let name = &rest.as_bytes()[1..tag - 1];
        let sound = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
        if !sound || name.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let close = rest[tag..].find(&rest[..tag]);
        Some(close.map_or(self.text.len(), |close| self.at + 2 * tag + close))
    }

    fn run_end(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes();
        from + bytes[from.min(bytes.len())..].iter().take_while(|byte| belongs(**byte)).count()
    }

    fn number_end(&self) -> usize {
        let mut end =
            self.run_end(self.at, |byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
        let bytes = self.text.as_bytes();
        // `1e-5`: the sign belongs to the exponent, unless the number is a hexadecimal one.
        let exponent = matches!(bytes[end - 1], b'e' | b'E') && !matches!(self.byte(1), b'x' | b'X');
        if exponent && matches!(bytes.get(end), Some(b'+' | b'-')) {
            end = self.run_end(end + 1, |byte| byte.is_ascii_digit() || byte == b'_');
        }
        end
    }

    fn operator_end(&self) -> usize {
        let end = self.run_end(self.at, is_operator).max(self.at + 1);
        let run = &self.text[self.at..end];
        // A comment ends an operator.
        let comment = run.find("--").into_iter().chain(run.find("/*")).min();
        comment.filter(|at| *at > 0).map_or(end, |at| self.at + at)
    }
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks_and_comments();
        if self.at >= self.text.len() {
            return None;
        }
        let (first, second) = (self.byte(0), self.byte(1));
        Some(match first {
            b'\'' => {
                let end = self.quoted_end(self.at, b'\'', false);
                Token::Constant(self.take(end))
            }
            b'"' => {
                let end = self.quoted_end(self.at, b'"', false);
                Token::Quoted(self.take(end))
            }
            b'e' | b'E' | b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if second == b'\'' => {
                let end = self.quoted_end(self.at + 1, b'\'', matches!(first, b'e' | b'E'));
                Token::Constant(self.take(end))
            }
            b'u' | b'U' if second == b'&' && matches!(self.byte(2), b'\'' | b'"') => {
                let quote = self.byte(2);
                let end = self.quoted_end(self.at + 2, quote, false);
                let token = self.take(end);
                if quote == b'"' { Token::Quoted(token) } else { Token::Constant(token) }
            }
            b'$' if second.is_ascii_digit() => {
                let end = self.run_end(self.at + 1, |byte| byte.is_ascii_digit());
                Token::Param(self.take(end))
            }
            b'$' => match self.dollar_end() {
                Some(end) => Token::Constant(self.take(end)),
                None => Token::Symbol(self.take(self.at + 1)),
            },
            b'0'..=b'9' => {
                let end = self.number_end();
                Token::Constant(self.take(end))
            }
            b'.' if second.is_ascii_digit() => {
                let end = self.number_end();
                Token::Constant(self.take(end))
            }
            b':' if second == b':' => Token::Symbol(self.take(self.at + 2)),
            byte if is_word(byte) => {
                let end = self.run_end(self.at, is_word);
                Token::Word(self.take(end))
            }
            byte if is_operator(byte) => {
                let end = self.operator_end();
                Token::Symbol(self.take(end))
            }
            _ => Token::Symbol(self.take(self.at + 1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        Tokens::new(text).collect()
    }

    #[test]
    fn strings_of_all_kinds_are_one_token() {
        for text in
            ["'it''s'", r"E'a\'b'", "$$a;b$$", "$f$ $$ ; $f$", "U&'d!0061t'", "B'101'", "'open", "1.5e-3"]
        {
            assert_eq!(tokens(text), [Token::Constant(text)], "{text}");
        }
    }

    #[test]
    fn comments_vanish_even_nested() {
        assert_eq!(tokens("a /* b /* c */ d */ -- e\n f"), [Token::Word("a"), Token::Word("f")]);
        assert_eq!(tokens("1+/**/2").len(), 3);
        assert_eq!(tokens("1 /* open").len(), 1);
    }

    #[test]
    fn parameters_are_not_dollar_quotes() {
        assert_eq!(tokens("$1::int")[0], Token::Param("$1"));
        assert_eq!(tokens("a$1"), [Token::Word("a$1")]);
    }
}
