//! Dumps, vacuums, forgotten transactions and jobs: what they lock, for how long, and who gives way.

use reports::{Report, Track};
use scenarios::Loaded;
use sim_actors::RunMode;
use tempfile::TempDir;

const BASE: &str = r#"
seed = 1

[run]
until = "300 s"

[database]
version = 16
schema = """
CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE audit (id bigint PRIMARY KEY, what text);
"""

[[tables]]
name = "accounts"
rows = 1_000_000
bytes = "1 GB"
dead_rows = 20_000

[application]
name = "web"

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT balance FROM accounts WHERE id = $1", params = ["account"], takes = "1 ms" }]

[[traffic]]
request = "read"
rate = 5.0

[keys.account]
first = 1
last = 100

[migration]
files = ["migration.sql"]
start = "5 s"
"#;

fn run(migration: &str, rest: &str) -> Report {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("migration.sql"), migration).unwrap();
    std::fs::write(folder.path().join("scenario.toml"), format!("{BASE}{rest}")).unwrap();
    let loaded =
        Loaded::from_file(&folder.path().join("scenario.toml")).unwrap_or_else(|error| panic!("{error}"));
    scenarios::run(&loaded, RunMode::Bare, None).unwrap_or_else(|error| panic!("{error}"))
}

const ALTER: &str = "ALTER TABLE accounts ADD COLUMN note text;";

fn waited(report: &Report) -> f64 {
    report.migration.statements[0].waited_ms
}

fn track<'r>(report: &'r Report, name: &str) -> &'r Track {
    report.gantt.iter().find(|track| track.name == name).unwrap_or_else(|| panic!("no track {name}"))
}

/// When the session's statements began, in ms.
fn begins(report: &Report, name: &str) -> Vec<f64> {
    track(report, name).bars.iter().filter(|bar| bar.state == "works").map(|bar| bar.from_ms).collect()
}

#[test]
fn a_dump_keeps_an_alter_waiting_until_it_has_read_the_last_table() {
    let report = run(ALTER, "[[background]]\nname = \"nightly\"\nkind = \"pg_dump\"\ntakes = \"20 s\"\n");
    assert!((14_900.0..15_100.0).contains(&waited(&report)), "{}", waited(&report));
}

#[test]
fn a_dump_reads_every_table_for_as_long_as_its_size_tells() {
    let report = run(ALTER, "[[background]]\nname = \"nightly\"\nkind = \"pg_dump\"\nstart = \"4.9 s\"\n");
    // A million rows of 1 kB, by the rate at which rows are copied.
    assert!((1_000.0..5_000.0).contains(&waited(&report)), "{}", waited(&report));
    // BEGIN, the look at the catalog, two locks, two tables, COMMIT.
    assert_eq!(begins(&report, "nightly").len(), 7);
}

#[test]
fn a_dump_of_other_tables_is_in_nobodys_way_but_an_index_built_concurrently_waits_for_its_snapshot() {
    let dump =
        "[[background]]\nname = \"nightly\"\nkind = \"pg_dump\"\ntables = [\"audit\"]\ntakes = \"20 s\"\n";
    assert!(waited(&run(ALTER, dump)) < 1.0);
    let concurrent = run("CREATE INDEX CONCURRENTLY i ON accounts (balance);", dump);
    assert!((14_000.0..15_100.0).contains(&waited(&concurrent)), "{}", waited(&concurrent));
}

#[test]
fn autovacuum_gives_way_after_deadlock_timeout_and_comes_again_a_minute_later() {
    let rest =
        "[[background]]\nname = \"worker\"\nkind = \"autovacuum\"\ntable = \"accounts\"\ntakes = \"90 s\"\n";
    let report = run(ALTER, rest);
    assert!((999.0..1_050.0).contains(&waited(&report)), "{}", waited(&report));
    let begins = begins(&report, "worker");
    assert_eq!(begins.len(), 2, "{begins:?}");
    assert!((66_000.0..66_100.0).contains(&begins[1]), "{begins:?}");
    assert!(track(&report, "worker").bars.iter().any(|bar| bar.label.starts_with("57014: ")));
}

#[test]
fn a_reader_is_not_in_autovacuums_way() {
    let rest =
        "[[background]]\nname = \"worker\"\nkind = \"autovacuum\"\ntable = \"accounts\"\ntakes = \"30 s\"\n";
    let report = run("ALTER TABLE audit ADD COLUMN note text;", rest);
    assert_eq!(begins(&report, "worker").len(), 1);
    assert!(report.overall.delayed == 0, "{:?}", report.overall);
}

#[test]
fn anti_wraparound_autovacuum_does_not_give_way() {
    let rest = "[[background]]\nname = \"worker\"\nkind = \"autovacuum\"\ntable = \"accounts\"\nanti_wraparound = true\ntakes = \"60 s\"\n";
    let report = run(ALTER, rest);
    assert!((54_900.0..55_100.0).contains(&waited(&report)), "{}", waited(&report));
    assert!(report.classes[0].longest_stall_ms > 54_000.0, "{:?}", report.classes[0]);
}

#[test]
fn a_worker_takes_as_long_as_its_cost_limit_lets_it() {
    let rest = "[[background]]\nname = \"worker\"\nkind = \"autovacuum\"\ntable = \"accounts\"\nanti_wraparound = true\n";
    let report = run(ALTER, rest);
    // 131,072 pages at 2 and 20,000 dirty ones at 20 are 662,144: 3,310 naps of 2 ms.
    assert!((1_500.0..1_700.0).contains(&waited(&report)), "{}", waited(&report));
}

#[test]
fn a_forgotten_transaction_holds_its_locks_until_it_is_remembered() {
    let rest = "[[background]]\nname = \"psql\"\nkind = \"idle in transaction\"\nstatement = \"SELECT count(*) FROM accounts\"\nfor = \"40 s\"\n";
    let report = run(ALTER, rest);
    assert!((34_900.0..36_000.0).contains(&waited(&report)), "{}", waited(&report));
}

#[test]
fn a_forgotten_transaction_ends_with_its_timeout_and_the_session_comes_back() {
    let rest = "[[background]]\nname = \"psql\"\nkind = \"idle in transaction\"\nstatement = \"SELECT 1 FROM accounts\"\nfor = \"40 s\"\n\
        every = \"100 s\"\nsettings = { idle_in_transaction_session_timeout = \"8 s\" }\n";
    let report = run(ALTER, rest);
    assert!((2_900.0..3_200.0).contains(&waited(&report)), "{}", waited(&report));
    let begins = begins(&report, "psql");
    assert!(begins.iter().any(|at| (99_000.0..101_000.0).contains(at)), "{begins:?}");
    assert!(track(&report, "psql").bars.iter().filter(|bar| bar.label.starts_with("25P03: ")).count() >= 2);
}

#[test]
fn a_job_comes_again_at_even_distances_each_time_late_by_its_jitter() {
    let job = "[[background]]\nname = \"job\"\nstart = \"10 s\"\nevery = \"20 s\"\nstatements = [{ sql = \"SELECT 1\", takes = \"5 s\" }]\n";
    let exact = begins(&run(ALTER, job), "job");
    assert_eq!(exact[..3], [10_000.0, 30_000.0, 50_000.0]);
    let jittered = begins(&run(ALTER, &format!("{job}jitter = \"2 s\"\n")), "job");
    assert_eq!(jittered.len(), exact.len());
    let late: Vec<f64> = jittered.iter().zip(&exact).map(|(one, due)| one - due).collect();
    assert!(late.iter().all(|late| (0.0..2_000.0).contains(late)), "{late:?}");
    assert!(late.windows(2).any(|pair| pair[0] != pair[1]), "{late:?}");
}

#[test]
fn a_job_that_takes_too_long_begins_again_when_it_has_ended() {
    let job = "[[background]]\nname = \"job\"\nevery = \"5 s\"\nstatements = [{ sql = \"SELECT 1\", takes = \"8 s\" }]\n";
    let begins = begins(&run(ALTER, job), "job");
    assert_eq!(begins[..3], [0.0, 8_000.0, 16_000.0]);
}
