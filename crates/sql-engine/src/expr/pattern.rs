//! LIKE, SIMILAR TO and regular expressions.

use regex::RegexBuilder;

use crate::error::{Result, error, not_modelled};

/// A pattern language, with what makes a match of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Like { fold: bool, escape: Option<char> },
    Regex { fold: bool },
}

impl Pattern {
    pub(crate) fn matches(self, text: &str, pattern: &str) -> Result<bool> {
        match self {
            Self::Like { fold, escape } if fold => {
                like(&text.to_lowercase(), &pattern.to_lowercase(), escape)
            }
            Self::Like { escape, .. } => like(text, pattern, escape),
            Self::Regex { fold } => regex(text, pattern, fold),
        }
    }
}

/// `%` is any string, `_` any character.
fn like(text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    let mut items = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        items.push(match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) => Item::One(next),
                None => return Err(error("22025", "LIKE pattern must not end with escape character")),
            },
            '%' => Item::Any,
            '_' => Item::AnyOne,
            c => Item::One(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    Ok(like_items(&text, &items))
}

enum Item {
    One(char),
    AnyOne,
    Any,
}

/// Two marks and a way back to the last `%`: linear but for patterns with many of them.
fn like_items(text: &[char], items: &[Item]) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    while at < text.len() {
        match items.get(item) {
            Some(Item::One(c)) if *c == text[at] => (at, item) = (at + 1, item + 1),
            Some(Item::AnyOne) => (at, item) = (at + 1, item + 1),
            Some(Item::Any) => {
                last_any = Some((at, item));
                item += 1;
            }
            _ => match last_any {
                Some((from, any)) => {
                    last_any = Some((from + 1, any));
                    (at, item) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    items[item..].iter().all(|i| matches!(i, Item::Any))
}

/// PostgreSQL's advanced regular expressions as far as they mean the same to the regex crate: without
/// back-references and look-around, which that crate refuses by itself.
fn regex(text: &str, pattern: &str, fold: bool) -> Result<bool> {
    let compiled = RegexBuilder::new(pattern).case_insensitive(fold).size_limit(1 << 20).build();
    let compiled = compiled.map_err(|_| not_modelled(format!("the regular expression {pattern}")))?;
    Ok(compiled.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_its_two_wildcards_and_the_escape() {
        let like = Pattern::Like { fold: false, escape: Some('\\') };
        for (text, pattern, matches) in [
            ("abc", "a%", true),
            ("abc", "_b_", true),
            ("abc", "b%", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("aaab", "%aab", true),
            ("", "%", true),
            ("", "_", false),
        ] {
            assert_eq!(like.matches(text, pattern).expect("a pattern"), matches, "{text} {pattern}");
        }
        assert!(like.matches("a", "a\\").is_err());
    }

    #[test]
    fn regular_expressions_search_anywhere() {
        let regex = Pattern::Regex { fold: false };
        assert!(regex.matches("a@b.c", "^[^@]+@[^@]+\\.[^@]+$").expect("a pattern"));
        assert!(!regex.matches("nobody", "@").expect("a pattern"));
    }
}
