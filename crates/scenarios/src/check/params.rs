//! Parameters: `$1`, `$2`… against what stands for them.

use super::{Problems, below, way};
use crate::load::Step;
use crate::model::StatementSpec;

pub(super) fn check(statement: &StatementSpec, way: &[Step], problems: &mut Problems) {
    let (used, given) = (highest(&statement.sql), statement.params.len());
    if used > given {
        let stands_for = match given {
            0 => "there are no `params`".to_owned(),
            1 => "`params` has one entry".to_owned(),
            _ => format!("`params` has {given} entries"),
        };
        let remedy = "name a key of [keys] for each parameter, in order: params = [\"user\"]";
        problems.add(below(way, way!["sql"]), format!("the SQL has ${used}, but {stands_for}"), remedy);
    } else if used < given {
        let what = match used {
            0 => "the SQL has no parameters".to_owned(),
            _ => format!("the SQL has no parameter after ${used}"),
        };
        problems.add(below(way, way!["params", used]), what, "leave the entry out, or use it in the SQL");
    }
}

/// The highest parameter of a statement, 0 for none. Quoted texts, names and comments have none (manual, section 4.1).
fn highest(sql: &str) -> usize {
    let mut highest = 0;
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '$', '-', '/']) {
        let found = &rest[at..];
        let after_name = rest[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_');
        let skipped = match found.as_bytes() {
            [quote @ (b'\'' | b'"'), ..] => {
                let end = found[1..].find(char::from(*quote));
                end.map_or(found.len(), |end| end + 2)
            }
            [b'-', b'-', ..] => found.find('\n').unwrap_or(found.len()),
            [b'/', b'*', ..] => found.find("*/").map_or(found.len(), |end| end + 2),
            [b'$', digit, ..] if digit.is_ascii_digit() && !after_name => {
                let digits = found[1..].bytes().take_while(u8::is_ascii_digit).count();
                highest = highest.max(found[1..=digits].parse().unwrap_or(usize::MAX));
                digits + 1
            }
            [b'$', ..] if !after_name => dollar_quoted(found),
            _ => 1,
        };
        rest = &found[skipped..];
    }
    highest
}

/// The length of a text in dollar quotes; 1 if it is none.
fn dollar_quoted(text: &str) -> usize {
    let Some(end) = text[1..].find('$') else { return 1 };
    let tag = &text[..end + 2];
    let is_tag = tag[1..=end].chars().all(|one| one.is_alphanumeric() || one == '_');
    match text[tag.len()..].find(tag) {
        Some(close) if is_tag => 2 * tag.len() + close,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::highest;

    #[test]
    fn parameters_are_told_from_texts_names_and_comments() {
        assert_eq!(highest("SELECT a FROM t WHERE id = $1 AND b = $12"), 12);
        assert_eq!(highest("SELECT '$1', \"$2\", a$3 -- $4\n/* $5 */"), 0);
        assert_eq!(highest("SELECT $$ $1 $$, $x$ $2 $x$, $3"), 3);
        assert_eq!(highest("SELECT 'it''s $1', $2"), 2);
    }
}
