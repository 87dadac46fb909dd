//! `rehearsal scenario new`: a first scenario for somebody's own schema and migrations.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use scenarios::Draft;

/// The arguments of `rehearsal scenario new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The schema as it is before the migration (`pg_dump --schema-only`); without it, the migrations before the last
    /// one make it.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The folder of the migrations.
    #[arg(long, value_name = "DIRECTORY")]
    migrations: PathBuf,
    /// The first migration that is rehearsed, by the start of its file's name; without it, the first one that the schema
    /// can still take.
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// Where to write the scenario, which must not be there yet; standard output if not given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.output.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        if let Some(path) = self.output.as_deref().filter(|path| path.exists()) {
            anyhow::bail!("{} is there already and is not overwritten; name another file", path.display());
        }
        let draft = Draft { schema: self.schema, migrations: self.migrations, folder, from: self.from };
        let text = draft.write()?;
        let Some(path) = &self.output else {
            return match io::stdout().lock().write_all(text.as_bytes()) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(ExitCode::SUCCESS),
            };
        };
        // Only a file that was not there: whatever came in between stays as it is.
        let cannot = || format!("{} cannot be written", path.display());
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).with_context(cannot)?;
        file.write_all(text.as_bytes()).with_context(cannot)?;
        eprintln!("wrote {0}; look at the lines marked `# assumed`, then: rehearsal run {0}", path.display());
        Ok(ExitCode::SUCCESS)
    }
}
