//! What the tests share: importing from memory.
#![allow(dead_code, unreachable_pub)]

use std::io::Cursor;

use traces::import::{ImportError, Importer, Options, Report};
use traces::{Reader, Record};

/// A trace in memory, with what was said about it.
pub struct Imported {
    pub trace: Vec<u8>,
    pub report: Report,
}

pub fn import_all(options: Options, sources: &[(&str, &[u8])]) -> Result<Imported, ImportError> {
    let mut importer = Importer::new(options, || Ok(Box::new(Cursor::new(Vec::new()))))?;
    for (name, bytes) in sources {
        importer.read(name, *bytes)?;
    }
    let mut trace = Vec::new();
    let report = importer.finish(&mut trace)?;
    Ok(Imported { trace, report })
}

pub fn import(name: &str, bytes: &[u8]) -> Imported {
    import_all(Options::default(), &[(name, bytes)]).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

impl Imported {
    pub fn records(&self) -> Vec<Record> {
        Reader::open(&self.trace[..]).unwrap().map(|record| record.unwrap()).collect()
    }

    pub fn notes(&self) -> String {
        self.report.header.notes.join("\n")
    }
}

/// The lines of a default stderr log: time in ms after 10:00, process, text.
pub fn stderr_log(lines: &[(u64, u32, &str)]) -> String {
    let line = |(ms, pid, text): &(u64, u32, &str)| {
        format!("2026-11-21 10:00:{:02}.{:03} UTC [{pid}] {text}\n", ms / 1_000, ms % 1_000)
    };
    lines.iter().map(line).collect()
}
