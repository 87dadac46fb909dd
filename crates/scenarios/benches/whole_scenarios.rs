//! What a whole rehearsal costs: CPU time per transaction, and memory, as the span of time, the sessions and the
//! tables grow. Each measurement is a process of its own, so that its peak memory is its own.
//!
//! `cargo bench -p scenarios --bench whole_scenarios`, or for one of them
//! `… -- --one SECONDS INSTANCES POOL TABLES RATE`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a benchmark measures this process")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use scenarios::Loaded;
use sim_actors::RunMode;

/// A web application over tables of a million rows each: point reads and point updates, half and half. A column is
/// added to the first table after a tenth of the time.
#[derive(Clone, Copy)]
struct Shape {
    seconds: u64,
    instances: u64,
    pool: u64,
    tables: u64,
    rate: u64,
}

impl Shape {
    fn text(self) -> String {
        let Self { seconds, instances, pool, tables, rate } = self;
        let mut text = format!(
            "seed = 1\n[run]\nuntil = \"{seconds} s\"\n[database]\nversion = 16\nmax_connections = {}\nschema = '''\n",
            instances * pool + 10
        );
        for table in 0..tables {
            let _ =
                writeln!(text, "CREATE TABLE t{table} (id bigint PRIMARY KEY, v bigint NOT NULL DEFAULT 0);");
        }
        let _ = writeln!(
            text,
            "'''\n[migration]\nfiles = [\"0001_add.sql\"]\nstart = \"{} ms\"\nlock_timeout = \"200 ms\"",
            seconds * 100
        );
        for table in 0..tables {
            let _ = writeln!(text, "[[tables]]\nname = \"t{table}\"\nrows = 1_000_000");
        }
        let _ = writeln!(
            text,
            "[application]\nname = \"web\"\ninstances = {instances}\npool_size = {pool}\nacquire_timeout = \"5 s\"\n\
             version = \"v1\"\n[[application.versions]]\nname = \"v1\""
        );
        // As many kinds of requests as a report could show; they spread over the tables.
        let kinds = tables.min(10);
        for kind in 0..kinds {
            let table = kind * tables / kinds;
            for (name, sql) in [
                ("read", format!("SELECT v FROM t{table} WHERE id = $1")),
                ("write", format!("UPDATE t{table} SET v = v + 1 WHERE id = $1")),
            ] {
                let _ = writeln!(
                    text,
                    "[[application.versions.requests]]\nname = \"{name} {table}\"\n\
                     statements = [{{ sql = \"{sql}\", params = [\"id\"], takes = \"1 ms\" }}]"
                );
            }
        }
        #[allow(clippy::cast_precision_loss)]
        let each = rate as f64 / (2 * kinds) as f64;
        for kind in 0..kinds {
            let table = kind * tables / kinds;
            for name in ["read", "write"] {
                let _ = writeln!(text, "[[traffic]]\nrequest = \"{name} {table}\"\nrate = {each:.3}");
            }
        }
        text.push_str("[keys.id]\nfirst = 1\nlast = 1_000_000\n");
        text
    }

    /// The whole rehearsal in this process: what it took.
    fn measure(self) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("whole-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the scenario");
        let scenario = folder.join("scenario.toml");
        std::fs::write(&scenario, self.text()).expect("the scenario is written");
        std::fs::write(folder.join("0001_add.sql"), "ALTER TABLE t0 ADD COLUMN note text;\n")
            .expect("so is the SQL");
        let before = cpu_seconds();
        let loaded = Loaded::from_file(&scenario).unwrap_or_else(|error| panic!("{error}"));
        let made_up = cpu_seconds() - before;
        let before = cpu_seconds();
        let report = scenarios::run(&loaded, RunMode::Actors, None).unwrap_or_else(|error| panic!("{error}"));
        let spent = cpu_seconds() - before;
        let transactions = report.overall.arrived;
        let _ = std::fs::remove_dir_all(&folder);
        #[allow(clippy::cast_precision_loss)]
        let each = spent * 1e9 / transactions.max(1) as f64;
        println!(
            "{:>8} {:>8} {:>7} {:>6} {transactions:>10} {made_up:>8.2} {spent:>8.2} {each:>9.0} {:>9}",
            self.seconds,
            self.instances * self.pool,
            self.tables,
            self.rate,
            peak_kilobytes()
        );
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[allow(clippy::cast_precision_loss)]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// The most memory that this process had (Linux; 0 elsewhere).
fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if let [seconds, instances, pool, tables, rate] = numbers[..] {
        return Shape { seconds, instances, pool, tables, rate }.measure();
    }
    println!(
        "{:>8} {:>8} {:>7} {:>6} {:>10} {:>8} {:>8} {:>9} {:>9}",
        "seconds", "sessions", "tables", "rate", "requests", "load s", "run s", "ns each", "peak KB"
    );
    let shape = Shape { seconds: 60, instances: 8, pool: 25, tables: 10, rate: 1_000 };
    let spans = [60, 600, 3_600].map(|seconds| Shape { seconds, ..shape });
    let sessions =
        [(1, 20), (8, 25), (80, 25), (800, 25)].map(|(instances, pool)| Shape { instances, pool, ..shape });
    let tables = [1, 100, 1_000, 10_000].map(|tables| Shape { tables, ..shape });
    for Shape { seconds, instances, pool, tables, rate } in spans.into_iter().chain(sessions).chain(tables) {
        let numbers = [seconds, instances, pool, tables, rate].map(|number| number.to_string());
        let own = std::env::current_exe().expect("this program");
        let status = Command::new(own).arg("--one").args(numbers).status().expect("it runs again");
        assert!(status.success(), "a measurement failed");
    }
}
