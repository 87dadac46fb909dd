//! `rehearsal scenario schema`: the JSON Schema of scenario files.

use std::io::Write;
use std::process::ExitCode;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(&scenarios::json_schema())?;
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
