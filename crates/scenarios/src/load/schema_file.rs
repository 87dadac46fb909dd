//! A schema file as people have it: what `pg_dump --schema-only` writes, or any script for psql.

use std::path::Path;

use sql_engine::{Database, DatabaseConfig, is_not_modelled};
use sql_syntax::TextRange;

use super::ScenarioError;
use super::migrations::read_statements;

/// What a schema file holds.
pub(crate) struct SchemaFile {
    /// Its statements as far as they are modelled.
    pub(crate) sql: String,
    /// The others, each with its line and the reason.
    pub(crate) left_out: Vec<String>,
    /// The server after it.
    pub(crate) database: Database,
}

/// Runs a schema file on an empty server of that version. Statements that are not modelled are left out.
pub(crate) fn read_schema(path: &Path, text: &str, version: u16) -> Result<SchemaFile, ScenarioError> {
    let text = without_psql(text);
    let whole = TextRange::new(0, u32::try_from(text.len()).unwrap_or(u32::MAX));
    let mut config = DatabaseConfig::default();
    config.version = version;
    let mut file = SchemaFile { sql: String::new(), left_out: Vec::new(), database: Database::new(config) };
    for statement in read_statements(path, &text, whole)? {
        // pg_dump empties the search path of its own session and then writes every name in full.
        if statement.sql.starts_with("SELECT pg_catalog.set_config(") {
            continue;
        }
        match file.database.script(&statement.sql) {
            Ok(()) => {
                file.sql.push_str(&statement.sql);
                file.sql.push_str(";\n");
            }
            Err(error) if is_not_modelled(&error) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                file.left_out.push(format!("{name} line {}: {}", statement.line, error.message));
            }
            Err(error) => {
                let reason = format!(
                    "{error}; the schema has to be one that PostgreSQL {version} takes on an empty database"
                );
                return Err(ScenarioError::Migration { path: path.to_owned(), line: statement.line, reason });
            }
        }
    }
    Ok(file)
}

/// The text without what only psql understands: lines that begin with a backslash, and the data of COPY FROM stdin. Lines
/// stay where they are.
fn without_psql(text: &str) -> String {
    let (mut kept, mut data) = (String::with_capacity(text.len()), false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let copies = bare.starts_with("COPY ") && bare.ends_with("FROM stdin;");
        if data || copies || line.starts_with('\\') {
            data = (data || copies) && bare != "\\.";
            if line.ends_with('\n') {
                kept.push('\n');
            }
        } else {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_psql_understands_is_left_out_and_lines_stay_where_they_are() {
        let text =
            "\\restrict x\nCREATE TABLE a ();\nCOPY a (b) FROM stdin;\n1\t\\N\n\\.\nCREATE TABLE c ();\n";
        assert_eq!(without_psql(text), "\nCREATE TABLE a ();\n\n\n\nCREATE TABLE c ();\n");
    }

    #[test]
    fn a_dump_is_read_and_what_is_not_modelled_is_named() {
        let text = "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE SEQUENCE public.s;\n\
            CREATE TABLE public.t (id bigint DEFAULT nextval('public.s'::regclass) NOT NULL);\n\
            ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id);\nSELECT xml_is_well_formed('x');\n";
        let file = read_schema(Path::new("a/schema.sql"), text, 16).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(file.left_out.len(), 1, "{:?}", file.left_out);
        assert!(file.left_out[0].starts_with("schema.sql line 5: not modelled"), "{:?}", file.left_out);
        assert!(file.database.has_table("t"));
    }

    #[test]
    fn a_statement_that_the_server_refuses_is_an_error_with_its_line() {
        let text = "CREATE TABLE t (a int);\n\nCREATE INDEX ON u (a);\n";
        let Err(error) = read_schema(Path::new("schema.sql"), text, 16) else { panic!("no error") };
        assert!(error.to_string().starts_with("schema.sql:3: 42P01"), "{error}");
    }
}
