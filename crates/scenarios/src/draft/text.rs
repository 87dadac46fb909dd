//! The drafted scenario's text.

use std::fmt::Write;

use super::pending::Pending;
use super::requests::Table;
use super::{Draft, relative};
use crate::load::MigrationPlan;

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

pub(super) fn scenario(
    draft: &Draft,
    plan: &MigrationPlan,
    pending: &Pending<'_>,
    tables: &[Table],
    version: u16,
) -> String {
    let mut out = String::new();
    let text = &mut out;
    head(text);
    database(text, draft, version);
    migration(text, draft, plan, pending);
    sizes(text, tables);
    application(text, tables);
    traffic(text, tables);
    background(text, tables);
    budget(text);
    out
}

/// Writing to a string does not fail.
macro_rules! say {
    ($out:expr, $($text:tt)*) => { let _ = writeln!($out, $($text)*); };
}

fn head(out: &mut String) {
    say!(
        out,
        "# A rehearsal of a migration: `rehearsal run` with this file says what the application's users would feel."
    );
    say!(
        out,
        "# Every line marked `# assumed` is a guess: replace it by what you know. docs/scenario-format.md has all keys."
    );
    say!(out, "");
    say!(out, "seed = 1");
    say!(out, "");
}

fn database(out: &mut String, draft: &Draft, version: u16) {
    say!(out, "[database]");
    say!(out, "version = {version}              # assumed; SHOW server_version");
    say!(out, "max_connections = 100     # assumed; SHOW max_connections");
    if let Some(schema) = &draft.schema {
        say!(out, "# The schema as it is before the migration: pg_dump --schema-only");
        say!(out, "schema_file = {}", quoted(&relative(&draft.folder, schema)));
    }
    say!(out, "");
}

fn migration(out: &mut String, draft: &Draft, plan: &MigrationPlan, pending: &Pending<'_>) {
    say!(out, "[migration]");
    say!(out, "directory = {}", quoted(&relative(&draft.folder, &draft.migrations)));
    say!(out, "runner = {:<17}# found out from the files", quoted(plan.runner.name));
    if let Some(first) = pending.files.first().filter(|_| pending.earlier > 0) {
        let why = match draft.schema {
            Some(_) => "the first file that the schema does not have yet",
            None => "the last file; those before it make the schema",
        };
        say!(out, "from = {}   # {why}", quoted(&first.name));
    }
    say!(out, "start = \"10 s\"");
    say!(out, "# How the migration goes about its locks. Try it: the report says what it changes.");
    say!(out, "# lock_timeout = \"2 s\"");
    say!(out, "# retry = {{ preset = \"pgroll\" }}");
    say!(out, "");
}

fn sizes(out: &mut String, tables: &[Table]) {
    if tables.is_empty() {
        return;
    }
    say!(out, "# How big the tables are in production:");
    say!(
        out,
        "#   SELECT relname, n_live_tup, n_dead_tup, pg_size_pretty(pg_table_size(relid)) FROM pg_stat_user_tables;"
    );
    for table in tables {
        say!(out, "[[tables]]");
        say!(out, "name = {}", quoted(&table.name));
        say!(out, "rows = 1_000_000          # assumed");
        say!(out, "# bytes = \"1 GB\"");
        say!(out, "# dead_rows = 0");
        say!(out, "");
    }
}

fn application(out: &mut String, tables: &[Table]) {
    say!(out, "# The application and its connection pools.");
    say!(out, "[application]");
    say!(out, "name = \"app\"");
    say!(out, "instances = 2             # assumed");
    say!(out, "pool_size = 10            # assumed");
    say!(out, "acquire_timeout = \"5 s\"   # assumed");
    say!(out, "");
    say!(out, "[[application.versions]]");
    say!(out, "name = \"before the migration\"");
    if tables.is_empty() {
        say!(out, "requests = []");
    }
    say!(out, "");
    if tables.iter().any(|table| table.touched) {
        say!(
            out,
            "# For each table that the migration touches, a request that reads a row and one that writes it. Leave out the"
        );
        say!(
            out,
            "# columns that the application does not name; write down its own statements where it matters."
        );
    } else if !tables.is_empty() {
        say!(out, "# The migration touches no table that there is already; these are requests for others.");
    }
    for table in tables {
        for (what, sql, p50, p99) in [("read", &table.read, 1, 10), ("write", &table.write, 2, 20)] {
            say!(out, "[[application.versions.requests]]");
            say!(out, "name = {}", quoted(&request(what, table)));
            say!(out, "[[application.versions.requests.statements]]");
            say!(out, "sql = {}", quoted(sql));
            if table.keyed {
                say!(out, "params = [{}]", quoted(&table.key));
            }
            say!(out, "takes = {{ p50 = \"{p50} ms\", p99 = \"{p99} ms\" }}   # assumed");
            say!(out, "");
        }
    }
}

fn request(what: &str, table: &Table) -> String {
    format!("{what} {}", table.name)
}

fn traffic(out: &mut String, tables: &[Table]) {
    if tables.is_empty() {
        return;
    }
    say!(
        out,
        "# Requests a second. Recorded traffic is better: `rehearsal trace import` makes a trace of the server's log, and"
    );
    say!(out, "# `rehearsal run --trace FILE` replays it in place of these.");
    for table in tables {
        for (what, rate) in [("read", 20.0), ("write", 5.0)] {
            say!(out, "[[traffic]]");
            say!(out, "request = {}", quoted(&request(what, table)));
            say!(out, "{:<26}# assumed", format!("rate = {rate:.1}"));
            say!(out, "");
        }
    }
    for table in tables.iter().filter(|table| table.keyed) {
        say!(out, "[keys.{}]", key_name(&table.key));
        say!(out, "first = 1");
        say!(out, "last = 1_000_000          # assumed: as many as rows, all alike");
        say!(out, "");
    }
}

/// A key of TOML: bare where it can be.
fn key_name(name: &str) -> String {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare && !name.is_empty() { name.to_owned() } else { quoted(name) }
}

fn background(out: &mut String, tables: &[Table]) {
    say!(
        out,
        "# What else the server does. A long query is what makes most locks of migrations hurt: this one begins before the"
    );
    say!(out, "# migration and is still there when it comes.");
    let table = tables.first().map_or_else(String::new, |table| {
        let parts = table.name.split('.').map(super::ident);
        format!(" FROM {}", parts.collect::<Vec<_>>().join("."))
    });
    say!(out, "[[background]]");
    say!(out, "name = \"report\"");
    say!(out, "start = \"8 s\"");
    say!(
        out,
        "statements = [{{ sql = {}, takes = \"5 s\" }}]   # assumed",
        quoted(&format!("SELECT count(*){table}"))
    );
    say!(out, "");
}

fn budget(out: &mut String) {
    say!(out, "# What the users may feel; `rehearsal run` ends with status 1 if they feel more.");
    say!(out, "[budget]");
    say!(out, "longest_stall = \"2 s\"     # assumed");
    say!(out, "failed_requests = 0       # assumed");
    say!(out, "p99 = \"1 s\"               # assumed");
}
