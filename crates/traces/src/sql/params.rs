//! What the parameters of a text stand for, as far as its tokens tell: a trace without their values (a snapshot of
//! `pg_stat_statements`) has nothing else.

use super::scan::{Token, Tokens};

/// What a parameter stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParamUse {
    /// Rows are chosen by it: `column = $1`, `column IN ($1)`.
    Chosen(String),
    /// It is written to a column: `SET column = $1`, or a place in the list of VALUES.
    Written(String),
    /// It is written to the column of that place, from 0, of an INSERT without a list of columns.
    WrittenAt(usize),
    /// `LIMIT $1`, `OFFSET $1`.
    Limit,
    /// Anything else.
    #[default]
    Other,
}

/// The part of a statement that a token is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Columns,
    Values,
    Set,
    Where,
    Limit,
}

/// What each parameter of a text stands for, by its number; `$1` comes first.
#[must_use]
pub fn param_uses(text: &str) -> Vec<ParamUse> {
    let mut uses: Vec<ParamUse> = Vec::new();
    let mut part = Part::Start;
    let (mut depth, mut place) = (0_usize, 0);
    let (mut inserts, mut columns, mut column) = (false, Vec::new(), String::new());
    for token in Tokens::new(text) {
        match token {
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "insert" => inserts = true,
                "values" => (part, depth, place) = (Part::Values, 0, 0),
                "set" => part = Part::Set,
                "where" | "on" | "having" => part = Part::Where,
                "limit" | "offset" | "fetch" => part = Part::Limit,
                "and" | "or" | "not" | "in" | "between" | "any" | "all" | "is" | "like" | "ilike"
                | "array" | "by" | "conflict" | "do" | "update" => {}
                "returning" | "for" | "order" | "group" => part = Part::Start,
                name => column = note_column(part, name, &mut columns),
            },
            Token::Quoted(name) => column = note_column(part, name.trim_matches('"'), &mut columns),
            Token::Symbol("(") => {
                depth += 1;
                if inserts && part == Part::Start && columns.is_empty() {
                    part = Part::Columns;
                }
            }
            Token::Symbol(")") => {
                depth = depth.saturating_sub(1);
                if part == Part::Columns {
                    part = Part::Start;
                } else if part == Part::Values && depth == 0 {
                    place = 0;
                }
            }
            Token::Symbol(",") if part == Part::Values && depth == 1 => place += 1,
            Token::Param(number) => {
                let Some(at) = number[1..].parse::<usize>().ok().and_then(|one| one.checked_sub(1)) else {
                    continue;
                };
                if at >= uses.len() && at < MOST {
                    uses.resize(at + 1, ParamUse::Other);
                }
                if let Some(slot) = uses.get_mut(at).filter(|slot| **slot == ParamUse::Other) {
                    *slot = match part {
                        Part::Values => {
                            columns.get(place).cloned().map_or(ParamUse::WrittenAt(place), ParamUse::Written)
                        }
                        Part::Set => ParamUse::Written(column.clone()),
                        Part::Where => ParamUse::Chosen(column.clone()),
                        Part::Limit => ParamUse::Limit,
                        Part::Start | Part::Columns => ParamUse::Other,
                    };
                }
            }
            _ => {}
        }
    }
    uses
}

/// The wire protocol counts parameters in 16 bits (manual, section 55.7, Bind).
const MOST: usize = 65_535;

fn note_column(part: Part, name: &str, columns: &mut Vec<String>) -> String {
    if part == Part::Columns {
        columns.push(name.to_owned());
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(column: &str) -> ParamUse {
        ParamUse::Chosen(column.to_owned())
    }

    fn written(column: &str) -> ParamUse {
        ParamUse::Written(column.to_owned())
    }

    #[test]
    fn a_parameter_stands_for_the_column_that_it_is_compared_with_or_written_to() {
        assert_eq!(
            param_uses("UPDATE a SET n = n + $1, m = $2 WHERE id = $3 AND t IN ($4, $5)"),
            [written("n"), written("m"), chosen("id"), chosen("t"), chosen("t")]
        );
        assert_eq!(
            param_uses("SELECT x FROM a WHERE \"Id\" BETWEEN $1 AND $2 ORDER BY x LIMIT $3"),
            [chosen("Id"), chosen("Id"), ParamUse::Limit]
        );
    }

    #[test]
    fn the_values_of_an_insert_are_told_by_their_places() {
        assert_eq!(
            param_uses("INSERT INTO h (tid, delta) VALUES ($1, $2), ($3, now())"),
            [written("tid"), written("delta"), written("tid")]
        );
        assert_eq!(
            param_uses("INSERT INTO h VALUES (1, lower($1), $2)"),
            [ParamUse::WrittenAt(1), ParamUse::WrittenAt(2)]
        );
    }

    #[test]
    fn a_parameter_that_the_text_does_not_explain_is_still_counted() {
        assert_eq!(param_uses("SELECT $2"), [ParamUse::Other, ParamUse::Other]);
        assert_eq!(param_uses("SELECT $0, $99999999999999999999"), []);
    }
}
