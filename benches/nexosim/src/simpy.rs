//! The workload on SimPy, by a Python of its own.

use std::path::Path;
use std::process::Command;

use crate::Run;

/// One run, shorter than the others': SimPy takes twenty times as long. Or why there is none.
pub fn run(seconds: u64) -> Result<Run, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/simpy/common_workload.py");
    let seconds = (seconds / 4).max(1).to_string();
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(&python).arg(script).arg("--one").arg(seconds).output();
    let output = output.map_err(|error| format!("{python}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    let mut numbers = told.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(nanos)), Some(Ok(transactions))) => Ok(Run { nanos, transactions }),
        _ => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("{python}: {}", errors.lines().last().unwrap_or("it said nothing")))
        }
    }
}
