//! What statements that differ in constants have in common, in the manner of `pg_stat_statements`
//! (`contrib/pg_stat_statements`, manual F.32): constants and parameters become `?`, lists of them one `?`,
//! so that the text of a log line, of a prepared statement and of a snapshot (where 18 squashes lists
//! itself) meet in one fingerprint.

use super::scan::{Token, Tokens};

/// Words after which a parenthesis is not a call's.
const BEFORE_PARENTHESIS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "by",
    "conflict",
    "distinct",
    "exists",
    "filter",
    "from",
    "in",
    "into",
    "join",
    "key",
    "not",
    "on",
    "or",
    "over",
    "references",
    "returning",
    "select",
    "set",
    "some",
    "table",
    "then",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// What is looked at of a text. Longer ones are bulk loads, whose start tells all that their rows have in
/// common.
const MAX_BYTES: usize = 64 << 10;

/// The text with constants replaced and case, spacing and comments evened out.
#[must_use]
pub fn normalise(text: &str) -> String {
    let cut = text.len() > MAX_BYTES;
    let mut words = folded(&text[..text.floor_char_boundary(MAX_BYTES)]);
    while words.last().is_some_and(|word| word == ";") {
        words.pop();
    }
    squash_lists(&mut words, cut);
    squash_rows(&mut words, cut);
    spaced(&words)
}

/// A fingerprint of any name or normalised text: FNV-1a, 64 bits, as 16 hexadecimal digits.
pub(crate) fn fingerprint_of_name(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn folded(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for token in Tokens::new(text) {
        let word = match token {
            Token::Param(_) => "?".to_owned(),
            Token::Constant(_) => {
                drop_sign(&mut words);
                "?".to_owned()
            }
            Token::Word(word) => constant_word(&word.to_lowercase(), words.last()),
            Token::Quoted(word) => unquoted(word),
            Token::Symbol(symbol) => symbol.to_owned(),
        };
        words.push(word);
    }
    words
}

/// A sign in front of a number is part of the constant when no operand stands before it.
fn drop_sign(words: &mut Vec<String>) {
    let [.., before, sign] = words.as_slice() else { return };
    let operand = before == "?"
        || before == ")"
        || before == "]"
        || before.ends_with('"')
        || (before.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !is_plain_keyword(before));
    if sign == "-" && !operand {
        words.pop();
    }
}

fn is_plain_keyword(word: &str) -> bool {
    BEFORE_PARENTHESIS.contains(&word)
        || matches!(word, "limit" | "offset" | "between" | "else" | "like" | "return")
}

/// NULL, TRUE and FALSE are constants, except where the grammar spells a test or a constraint with them.
fn constant_word(word: &str, before: Option<&String>) -> String {
    let test = before.is_some_and(|before| matches!(before.as_str(), "is" | "not" | "drop"));
    let constant = matches!(word, "null" | "true" | "false") && !test;
    if constant { "?".to_owned() } else { word.to_owned() }
}

/// `"users"` is `users`; a name that needs its quotes keeps them.
fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
    let plain = !inner.is_empty()
        && !inner.as_bytes()[0].is_ascii_digit()
        && inner.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain { inner.to_owned() } else { word.to_owned() }
}

/// `in (?, ?, ?)` and `array[?, ?]` become lists of one.
fn squash_lists(words: &mut Vec<String>, cut: bool) {
    let mut at = 1;
    while at < words.len() {
        let close = match (words[at - 1].as_str(), words[at].as_str()) {
            ("in", "(") => ")",
            ("array", "[") => "]",
            _ => {
                at += 1;
                continue;
            }
        };
        let list = words[at + 1..].iter().take_while(|word| *word == "?" || *word == ",").count();
        let closed = words.get(at + 1 + list).map_or(cut, |word| word == close);
        if list > 1 && closed {
            words.drain(at + 2..at + 1 + list);
        }
        at += 1;
    }
}

/// `values (?, ?), (?, ?)` keeps its first row as long as the others are like it.
fn squash_rows(words: &mut Vec<String>, cut: bool) {
    let mut at = 0;
    while let Some(values) = words[at..].iter().position(|word| word == "values") {
        let first = at + values + 1;
        at = first;
        let Some(length) = group_length(&words[first..]) else { continue };
        let end = first + length;
        let mut like = 0;
        while words.get(end + like).is_some_and(|word| word == ",")
            && words.get(end + like + 1..end + like + 1 + length) == Some(&words[first..end])
        {
            like += length + 1;
        }
        words.drain(end..end + like);
        // The row in which the text was cut is like the others as far as anyone knows.
        if cut && words.get(end).is_some_and(|word| word == ",") && group_length(&words[end + 1..]).is_none()
        {
            words.truncate(end);
        }
    }
}

/// How many words a parenthesised group at the start has.
fn group_length(words: &[String]) -> Option<usize> {
    if words.first()? != "(" {
        return None;
    }
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

fn spaced(words: &[String]) -> String {
    let mut text = String::new();
    let mut before = "";
    for word in words {
        if !text.is_empty() && wants_space(before, word) {
            text.push(' ');
        }
        text.push_str(word);
        before = word;
    }
    text
}

fn wants_space(before: &str, word: &str) -> bool {
    if matches!(word, "," | ")" | ";" | "." | "::" | "[" | "]") || matches!(before, "(" | "." | "::" | "[") {
        return false;
    }
    let call = before
        .bytes()
        .next_back()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'"')
        && !BEFORE_PARENTHESIS.contains(&before);
    !(word == "(" && call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_case_spacing_and_comments_do_not_matter() {
        let expected = "select * from t where a = ? and b in (?)";
        for text in [
            "SELECT * FROM t WHERE a = 5 AND b IN (1, 2, 3);",
            "select *\n  from t -- all\n where a=$1 and b in ($2 /*, ... */)",
            "select * from \"t\" where a = -1 and b in ('x')",
        ] {
            assert_eq!(normalise(text), expected, "{text}");
        }
    }

    #[test]
    fn rows_of_an_insert_are_one_row() {
        assert_eq!(
            normalise("insert into t(a,b) values (1,now()),(2,now())"),
            "insert into t(a, b) values (?, now())"
        );
        assert_eq!(
            normalise("insert into t values (1, default), (2, 3)"),
            "insert into t values (?, default), (?, ?)"
        );
    }

    #[test]
    fn bulk_loads_of_any_length_are_one_statement() {
        let load = |rows: usize| format!("insert into t values {}", vec!["(1, 'a')"; rows].join(", "));
        assert_eq!(normalise(&load(2)), "insert into t values (?, ?)");
        let list = |items: usize| format!("select 1 from t where a in ({})", vec!["12345"; items].join(","));
        for count in [20_000, 20_001, 20_010, 20_100] {
            assert_eq!(normalise(&load(count)), normalise(&load(2)), "{count}");
            assert_eq!(normalise(&list(count)), normalise(&list(20_000)), "{count}");
        }
    }

    #[test]
    fn tests_for_null_are_not_constants() {
        assert_eq!(
            normalise("update t set a = null where b is not null"),
            "update t set a = ? where b is not null"
        );
    }

    #[test]
    fn a_minus_between_operands_stays() {
        assert_eq!(normalise("select a - 1, b + -874 from t"), "select a - ?, b + ? from t");
    }
}
