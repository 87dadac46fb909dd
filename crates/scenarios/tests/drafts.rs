//! A first scenario for somebody's own migrations: for every tool, and it runs at once.

use std::path::{Path, PathBuf};

use scenarios::{Draft, Loaded};
use sim_actors::RunMode;
use tempfile::TempDir;

const SCHEMA: &str = "CREATE TABLE public.users (id bigint NOT NULL, email text NOT NULL, name text);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE TABLE public.orders (id uuid NOT NULL, user_id bigint REFERENCES public.users (id), total numeric(10,2));
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE INDEX orders_total ON public.orders (total);
CREATE TABLE public.settings (key text PRIMARY KEY, value jsonb, changed_at timestamptz GENERATED ALWAYS AS (NULL) STORED);
CREATE TABLE public.log (at timestamptz, what text);
";

/// Each tool with its files: those that the schema has, and the one that is still to come.
const TOOLS: &[(&str, &[(&str, &str)])] = &[
    (
        "sqlx",
        &[
            ("Cargo.toml", ""),
            (
                "migrations/20240101000000_users.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            (
                "migrations/20240202000000_phone.sql",
                "-- no-transaction\nALTER TABLE users ADD COLUMN phone text;",
            ),
        ],
    ),
    (
        "dbmate",
        &[
            (
                "migrations/20240101_users.sql",
                "-- migrate:up\nCREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);\n-- migrate:down\nDROP TABLE users;",
            ),
            (
                "migrations/20240202_phone.sql",
                "-- migrate:up\nALTER TABLE users ADD COLUMN phone text;\n-- migrate:down\nALTER TABLE users DROP COLUMN phone;",
            ),
        ],
    ),
    (
        "golang-migrate",
        &[
            ("go.mod", ""),
            (
                "migrations/1_users.up.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            ("migrations/1_users.down.sql", "DROP TABLE users;"),
            ("migrations/2_phone.up.sql", "ALTER TABLE users ADD COLUMN phone text;"),
            ("migrations/2_phone.down.sql", "ALTER TABLE users DROP COLUMN phone;"),
        ],
    ),
    (
        "refinery",
        &[
            ("Cargo.toml", ""),
            (
                "migrations/V1__users.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            ("migrations/V2__phone.sql", "ALTER TABLE users ADD COLUMN phone text;"),
        ],
    ),
    (
        "flyway",
        &[
            ("flyway.conf", ""),
            (
                "migrations/V1__users.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            ("migrations/V2__phone.sql", "ALTER TABLE users ADD COLUMN phone text;"),
        ],
    ),
    (
        "goose",
        &[
            (
                "migrations/00001_users.sql",
                "-- +goose Up\nCREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);\n-- +goose Down\nDROP TABLE users;",
            ),
            (
                "migrations/00002_phone.sql",
                "-- +goose Up\nALTER TABLE users ADD COLUMN phone text;\n-- +goose Down\nALTER TABLE users DROP COLUMN phone;",
            ),
        ],
    ),
    (
        "atlas",
        &[
            ("migrations/atlas.sum", "h1:x"),
            (
                "migrations/20240101_users.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            ("migrations/20240202_phone.sql", "ALTER TABLE users ADD COLUMN phone text;"),
        ],
    ),
    (
        "plain",
        &[
            (
                "migrations/a_users.sql",
                "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);",
            ),
            ("migrations/b_phone.sql", "ALTER TABLE users ADD COLUMN phone text;"),
        ],
    ),
];

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn draft(folder: &Path, schema: Option<&str>) -> Draft {
    let schema: Option<PathBuf> = schema.map(|text| {
        let path = folder.join("schema.sql");
        std::fs::write(&path, text).unwrap();
        path
    });
    Draft { schema, migrations: folder.join("migrations"), folder: folder.to_owned(), from: None }
}

fn written(draft: &Draft) -> String {
    draft.write().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(draft: &Draft, folder: &TempDir) -> String {
    let Err(error) = draft.write() else { panic!("no error") };
    error.to_string().replace(&folder.path().display().to_string(), "…")
}

/// Runs a drafted scenario as it is.
fn run(folder: &Path, text: &str) -> reports::Report {
    let path = folder.join("rehearsal.toml");
    std::fs::write(&path, text).unwrap();
    let loaded = Loaded::from_file(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
    scenarios::run(&loaded, RunMode::Bare, None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_tools_migrations_become_a_scenario_that_runs_at_once() {
    for (tool, files) in TOOLS {
        for schema in [Some(SCHEMA), None] {
            let folder = folder(files);
            let text = written(&draft(folder.path(), schema));
            assert!(text.contains(&format!("runner = \"{tool}\"")), "{tool}:\n{text}");
            let report = run(folder.path(), &text);
            assert_eq!(report.migration.succeeded, Some(true), "{tool}: {:?}", report.migration);
            let sent =
                report.migration.statements.iter().map(|one| one.sql.as_str()).collect::<Vec<_>>().join("; ");
            assert!(
                sent.contains("ADD COLUMN phone") && !sent.contains("CREATE TABLE users"),
                "{tool}: {sent}"
            );
            let names: Vec<&str> = report.classes.iter().map(|class| class.name.as_str()).collect();
            assert!(
                names.contains(&"app/read users") && names.contains(&"app/write users"),
                "{tool}: {names:?}"
            );
            assert!(report.overall.served > 400, "{tool}: {:?}", report.overall);
        }
    }
}

#[test]
fn a_draft_says_what_it_assumes() {
    let folder = folder(&[(
        "migrations/1_all.sql",
        "ALTER TABLE users ADD COLUMN phone text; DROP INDEX orders_total; CREATE TABLE new (id int);
        ALTER TABLE settings ADD CHECK (key <> ''); TRUNCATE log;",
    )]);
    let text = written(&draft(folder.path(), Some(SCHEMA)));
    insta::assert_snapshot!(text);
    let report = run(folder.path(), &text);
    assert_eq!(report.classes.len(), 8);
    assert_eq!(report.migration.succeeded, Some(true), "{:?}", report.migration);
}

#[test]
fn files_are_named_as_seen_from_the_scenarios_folder() {
    let folder = folder(TOOLS[0].1);
    let draft =
        Draft { folder: folder.path().join("rehearsals/first"), ..draft(folder.path(), Some(SCHEMA)) };
    let text = written(&draft);
    assert!(text.contains("directory = \"../../migrations\""), "{text}");
    assert!(text.contains("schema_file = \"../../schema.sql\""), "{text}");
}

#[test]
fn a_migration_of_new_tables_alone_gets_requests_for_others() {
    let folder = folder(&[("migrations/1_new.sql", "CREATE TABLE new (id int);")]);
    let text = written(&draft(folder.path(), Some(SCHEMA)));
    assert!(text.contains("The migration touches no table that there is already"), "{text}");
    run(folder.path(), &text);
}

#[test]
fn what_cannot_be_drafted_is_an_error_with_its_remedy() {
    let empty = folder(&[("migrations/README.md", "nothing")]);
    let applied = folder(&TOOLS[3].1[..2]);
    let alone =
        folder(&[("migrations/1_a.sql", "ALTER TABLE old ADD b int;"), ("migrations/2_b.sql", "SELECT 1;")]);
    let whole = folder(TOOLS[3].1);
    let broken = "CREATE TABLE a (b int);\nCREATE INDEX ON c (d);";
    let told = [
        ("no migrations", refused(&draft(empty.path(), Some(SCHEMA)), &empty)),
        ("migrations that the schema has", refused(&draft(applied.path(), Some(SCHEMA)), &applied)),
        ("a schema that no server takes", refused(&draft(whole.path(), Some(broken)), &whole)),
        ("migrations that need a schema", refused(&draft(alone.path(), None), &alone)),
        ("a start that is none", {
            let from = Some("9".to_owned());
            refused(&Draft { from, ..draft(whole.path(), Some(SCHEMA)) }, &whole)
        }),
        ("a folder that is not there", {
            let migrations = PathBuf::from("/nowhere/at/all");
            refused(&Draft { migrations, ..draft(whole.path(), None) }, &whole)
        }),
    ];
    let told: Vec<String> = told.iter().map(|(what, error)| format!("{what}:\n{error}")).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

/// As `pg_dump --schema-only` of PostgreSQL 16 writes it.
const DUMP: &str = include_str!("support/dump.sql");

#[test]
fn a_dump_is_a_schema() {
    let folder =
        folder(&[("migrations/1_note.sql", "ALTER TABLE users ADD COLUMN note text NOT NULL DEFAULT '';")]);
    let text = written(&draft(folder.path(), Some(DUMP)));
    let report = run(folder.path(), &text);
    assert_eq!(report.migration.succeeded, Some(true), "{:?}", report.migration);
    assert_eq!(report.overall.failed.values().sum::<u64>(), 0, "{:?}", report.overall);
}
