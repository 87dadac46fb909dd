//! Where results go: files, and stdout.

use std::cell::RefCell;
use std::fs;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a whole file.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// Whether stdout takes colours.
pub(super) fn color() -> bool {
    std::io::stdout().is_terminal()
}

/// Writes a page to stdout.
pub(super) fn print(page: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(page.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The event log as a file; the first failure is kept until the end.
pub(super) struct EventLog {
    file: RefCell<BufWriter<fs::File>>,
    failure: RefCell<Option<std::io::Error>>,
    path: PathBuf,
}

impl EventLog {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let (file, failure) = (RefCell::new(BufWriter::new(file)), RefCell::new(None));
        Ok(Self { file, failure, path: path.to_owned() })
    }

    pub(super) fn write(&self, line: &str) {
        if let Err(error) = writeln!(self.file.borrow_mut(), "{line}") {
            self.failure.borrow_mut().get_or_insert(error);
        }
    }

    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let flushed = self.file.borrow_mut().flush();
        let outcome = self.failure.take().map_or(flushed, Err);
        outcome.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
