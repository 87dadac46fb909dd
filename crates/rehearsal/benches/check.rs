//! How long `rehearsal check` takes as its input grows: one file of up to 10 MB, and up to 10,000 files.
//!
//! `cargo bench -p rehearsal --bench check` prints the time of each size and by how much it grew with the last doubling:
//! 2.0 is linear. It fails where it grew by more than three times.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Some growth is noise of the machine.
const MOST_GROWTH: f64 = 3.0;

fn main() {
    let folder = std::env::temp_dir().join(format!("rehearsal-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let mut fits = true;
    for (kind, line_break) in [("lines", "\n"), ("one line", " ")] {
        let file = folder.join("one.sql");
        fits &= doubling(&format!("one file, {kind}"), "kB", &[1250, 2500, 5000, 10_000], |kilobytes| {
            std::fs::write(&file, script(0, kilobytes * 1000, line_break)).expect("a temporary file");
            check(&file)
        });
    }
    fits &= doubling("files", "files", &[1250, 2500, 5000, 10_000], |count| {
        let many = folder.join(format!("many-{count}"));
        std::fs::create_dir_all(&many).expect("a temporary folder");
        for at in 0..count {
            let text = script(at, 600, "\n");
            std::fs::write(many.join(format!("{at:06}_step.sql")), text).expect("a temporary file");
        }
        check(&many)
    });
    std::fs::remove_dir_all(&folder).expect("it was there");
    assert!(fits, "some time grew by more than {MOST_GROWTH} times while the input doubled");
}

/// Runs each size and prints it; whether no time grew by much more than its size.
fn doubling(what: &str, unit: &str, sizes: &[usize], mut run: impl FnMut(usize) -> Duration) -> bool {
    let mut last: Option<f64> = None;
    let mut fits = true;
    for size in sizes {
        let seconds = run(*size).as_secs_f64();
        let growth = last.map(|last| seconds / last);
        let told = growth.map(|g| format!("{g:.2} times the half")).unwrap_or_default();
        println!("{what:<20} {size:>6} {unit:<5} {seconds:>8.2} s  {told}");
        fits &= growth.is_none_or(|g| g < MOST_GROWTH);
        last = Some(seconds);
    }
    fits
}

/// Statements of a migration over tables of its own, of about this many bytes.
fn script(seed: usize, bytes: usize, line_break: &str) -> String {
    let mut text = String::new();
    let mut at = 0;
    while text.len() < bytes {
        let table = format!("t{seed}_{at}");
        let (n, b) = (at % 97, line_break);
        write!(
            text,
            "CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL, n int DEFAULT {n});{b}\
             CREATE INDEX {table}_name ON {table} (name);{b}\
             ALTER TABLE {table} ADD COLUMN extra text;{b}\
             ALTER TABLE {table} ALTER COLUMN n SET NOT NULL;{b}\
             INSERT INTO {table} (id, name, n) VALUES ({n}, 'a;b', {at});{b}\
             UPDATE big SET owner = {n} WHERE id = {at};{b}"
        )
        .expect("a string takes all");
        at += 1;
    }
    text
}

fn check(path: &Path) -> Duration {
    let started = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .args(["check", "--fail-on", "never", "--runner", "plain"])
        .arg(path)
        .stdout(Stdio::null())
        .status()
        .expect("the binary is built");
    assert!(status.success(), "the check of {} ends well", path.display());
    started.elapsed()
}
