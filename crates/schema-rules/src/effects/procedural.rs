//! Code that is run by `DO` and `CALL`.
//!
//! Source: `src/pl/plpgsql/src/pl_gram.y`, `pl_exec.c`; manual, "PL/pgSQL". An SQL body is run statement by statement.
//! Of PL/pgSQL only the SQL in it is followed: every branch is taken to be run once, in the order of the text, and an
//! EXECUTE of a constant text is that text. What depends on a variable is not followed and named.

use sql_syntax::ast::{FunctionBody, FunctionCall, Statement};

use super::run::{Outcome, Run, plain};
use crate::error::{SqlError, sqlstate};

/// How deep code that calls code is followed.
const DEEPEST: u32 = 8;

/// How a statement of SQL begins that PL/pgSQL runs as it is.
const SQL_VERBS: [&str; 27] = [
    "alter", "analyze", "call", "cluster", "comment", "copy", "create", "delete", "do", "drop", "grant",
    "import", "insert", "lock", "merge", "notify", "reassign", "refresh", "reindex", "revoke", "security",
    "select", "set", "truncate", "update", "vacuum", "with",
];

/// Words of PL/pgSQL that may stand before a statement.
const BEFORE: [&str; 5] = ["begin", "then", "else", "loop", "exception"];

impl Run<'_> {
    /// A block of code, of `DO` or of a procedure.
    pub(super) fn run_block(&mut self, body: &FunctionBody) -> Outcome {
        if self.code_depth >= DEEPEST {
            return Ok(());
        }
        self.code_depth += 1;
        let result = match body.language.as_str() {
            "sql" => self.run_sql(&body.text),
            "plpgsql" => self.run_plpgsql(&body.text),
            other => {
                self.not_modelled(format!("code in {other}"), "it locks no table");
                Ok(())
            }
        };
        self.code_depth -= 1;
        result
    }

    pub(super) fn call(&mut self, call: &FunctionCall) -> Outcome {
        let found = self.catalog.find_functions(self.session, &call.name);
        let Some(procedure) = found.into_iter().find(|f| f.definition.procedure).cloned() else {
            if self.session.assume_unknown {
                self.not_modelled(
                    format!("CALL {}", call.name),
                    "the procedure's body is not known: no locks",
                );
                return Ok(());
            }
            let name = plain(&call.name);
            return Err(SqlError::new(
                sqlstate::UNDEFINED_FUNCTION,
                format!("procedure {name}() does not exist"),
            )
            .hint(
                "No procedure matches the given name and argument types. You might need to add explicit type casts.",
            ));
        };
        self.run_block(&procedure.definition.body)
    }

    fn run_sql(&mut self, text: &str) -> Outcome {
        for statement in sql_syntax::parse(inside_atomic(text)).statements {
            self.statement(&statement.value)?;
        }
        Ok(())
    }

    fn run_plpgsql(&mut self, text: &str) -> Outcome {
        let code = Code::of(text);
        if code.branches {
            self.not_modelled("branches and loops in PL/pgSQL", "every statement in them is run once");
        }
        for part in &code.statements {
            let Some(sql) = executed(part) else {
                self.not_modelled("EXECUTE of a computed text", "it locks no table");
                continue;
            };
            for statement in sql_syntax::parse(&sql).statements {
                if matches!(statement.value, Statement::Commit { .. } | Statement::Rollback { .. }) {
                    continue;
                }
                let result = self.statement(&statement.value);
                // A name may be a variable's, and a branch may not be taken: only straight code fails for certain.
                if !code.branches && !code.declares {
                    result?;
                }
            }
        }
        Ok(())
    }
}

/// What stands between BEGIN ATOMIC and END.
fn inside_atomic(text: &str) -> &str {
    let text = text.trim();
    match text.get(..12) {
        Some(start) if start.eq_ignore_ascii_case("begin atomic") => {
            let inside = text[start.len()..].trim_end();
            inside.get(..inside.len().saturating_sub(3)).unwrap_or(inside)
        }
        _ => text,
    }
}

/// The statement that a part of PL/pgSQL runs; nothing for an EXECUTE whose text is computed.
fn executed(part: &str) -> Option<String> {
    let (verb, rest) = first_word(part);
    match verb.as_str() {
        "perform" => Some(format!("select {rest}")),
        "execute" => {
            let rest = rest.trim();
            let literal = rest.strip_prefix("format(").map_or(rest, |inner| inner.trim_end_matches(')'));
            let parsed = sql_syntax::parse(&format!("select {literal}"));
            match parsed.statements.first().map(|s| &s.value) {
                Some(Statement::Select(query)) => constant_text(query).filter(|text| !text.contains('%')),
                _ => None,
            }
        }
        _ => Some(without_into(part)),
    }
}

/// The text, if the query is `SELECT 'text'` and nothing else.
fn constant_text(query: &sql_syntax::ast::Query) -> Option<String> {
    use sql_syntax::ast::{ExprKind, Literal, QueryBody};
    let QueryBody::Select(select) = &query.body else { return None };
    match select.targets.as_slice() {
        [one] => match &one.value.kind {
            ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `SELECT … INTO variable FROM …` is no `SELECT INTO` here.
fn without_into(part: &str) -> String {
    let (verb, _) = first_word(part);
    if verb != "select" && verb != "with" {
        return part.to_owned();
    }
    let lower = part.to_ascii_lowercase();
    let Some(at) = lower.find(" into ").filter(|_| lower.len() == part.len()) else { return part.to_owned() };
    let after = lower[at + 6..].trim_start_matches("strict ");
    let start = part.len() - after.len();
    let names = after.find(" from ").map_or(part.len(), |from| start + from);
    format!("{}{}", &part[..at], &part[names..])
}

fn first_word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (text[..end].to_ascii_lowercase(), &text[end..])
}

/// PL/pgSQL, as far as it is followed.
struct Code {
    /// What runs SQL, in order: statements of SQL, PERFORM, EXECUTE.
    statements: Vec<String>,
    /// Whether it has IF, CASE, loops or handlers.
    branches: bool,
    /// Whether it has variables.
    declares: bool,
}

impl Code {
    fn of(text: &str) -> Self {
        let mut code = Self { statements: Vec::new(), branches: false, declares: false };
        let mut declaring = false;
        for part in pieces(text) {
            let mut rest = part.trim();
            loop {
                let (word, after) = first_word(rest);
                match word.as_str() {
                    "declare" => (declaring, code.declares) = (true, true),
                    "begin" => declaring = false,
                    "if" | "elsif" | "elseif" | "when" | "exception" | "case" | "for" | "foreach"
                    | "while" => {
                        code.branches = true;
                        // What comes after THEN or LOOP is a statement again.
                        match statement_after(after) {
                            Some(inner) => {
                                rest = inner;
                                continue;
                            }
                            None => break,
                        }
                    }
                    "perform" | "execute" if !declaring => code.statements.push(rest.to_owned()),
                    word if SQL_VERBS.contains(&word) && !declaring => code.statements.push(rest.to_owned()),
                    word if BEFORE.contains(&word) => {}
                    _ => break,
                }
                if !BEFORE.contains(&word.as_str()) {
                    break;
                }
                rest = after.trim_start();
            }
        }
        code
    }
}

/// What stands behind the first THEN or LOOP.
fn statement_after(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    if lower.len() != text.len() {
        return None;
    }
    let at = [" then", "\nthen", " loop", "\nloop"].iter().filter_map(|w| lower.find(w)).min()?;
    Some(text[at + 5..].trim_start())
}

/// The text between semicolons, without comments; quotes, dollar quotes and parentheses keep theirs.
fn pieces(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut rest = text;
    let mut depth = 0_u32;
    while let Some(c) = rest.chars().next() {
        let taken = if rest.starts_with("--") {
            let end = rest.find('\n').unwrap_or(rest.len());
            rest = &rest[end..];
            continue;
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
            rest = &rest[end..];
            continue;
        } else if c == '\'' || c == '"' {
            rest[1..].find(c).map_or(rest.len(), |at| at + 2)
        } else if let Some(tag) = dollar_tag(rest) {
            rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
        } else {
            c.len_utf8()
        };
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ';' && depth == 0 {
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    found
}

fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let plain = inner[..end].chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_by(text: &str) -> Vec<String> {
        Code::of(text).statements.iter().filter_map(|s| executed(s)).map(|s| s.trim().to_owned()).collect()
    }

    #[test]
    fn the_sql_of_a_block_is_found_behind_its_branches() {
        let block = "declare n int := 1; begin if exists (select 1 from t where a = 'x;y') then \
            alter table t add b int; end if; -- drop table t;\n perform f(1); execute 'drop table u'; \
            select count(*) into n from t; execute 'drop table ' || n; end";
        assert_eq!(
            run_by(block),
            ["alter table t add b int", "select  f(1)", "drop table u", "select count(*) from t"]
        );
        assert!(Code::of(block).branches && Code::of(block).declares);
    }

    #[test]
    fn a_loop_and_a_handler_are_looked_into() {
        let block = "begin for r in select * from t loop update t set a = 1; end loop; \
            exception when others then insert into log values ($q$a;b$q$); end";
        assert_eq!(run_by(block), ["update t set a = 1", "insert into log values ($q$a;b$q$)"]);
    }
}
