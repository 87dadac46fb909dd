//! The trace event format, as far as it is used here: "Trace Event Format" (Google, 2016) has the fields.
//!
//! Written as it happens: a beginning when it begins (`B`), an end when it ends (`E`). So the file needs no memory,
//! and its times never go back.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde_json::Value;
use sim_clock::Nanos;

/// A row of the drawing: process and thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) pid: usize,
    pub(super) tid: usize,
}

/// What is known of a slice when it begins.
pub(super) struct Slice<'a> {
    pub(super) name: &'a str,
    pub(super) category: &'static str,
    /// Shown when it is selected.
    pub(super) details: &'a [(&'static str, Value)],
}

/// The file under way. The first failure is kept, and the rest left unwritten.
pub(super) struct Writer {
    file: BufWriter<File>,
    failure: Option<io::Error>,
    is_first: bool,
}

/// Microseconds, which the format counts in, to the nanosecond.
struct Micros(Nanos);

impl Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.0 / 1_000, self.0.0 % 1_000)
    }
}

fn text(words: &str) -> Value {
    Value::String(words.to_owned())
}

fn object(pairs: &[(&'static str, Value)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

impl Writer {
    pub(super) fn new(file: File) -> Self {
        let mut writer = Self { file: BufWriter::new(file), failure: None, is_first: true };
        writer.put(format_args!("{{\"displayTimeUnit\": \"ms\", \"traceEvents\": ["));
        writer
    }

    fn put(&mut self, line: std::fmt::Arguments<'_>) {
        if self.failure.is_none()
            && let Err(error) = self.file.write_fmt(line)
        {
            self.failure = Some(error);
        }
    }

    fn event(&mut self, phase: char, track: Track, rest: std::fmt::Arguments<'_>) {
        let separator = if self.is_first { "\n" } else { ",\n" };
        self.is_first = false;
        let Track { pid, tid } = track;
        self.put(format_args!("{separator}{{\"ph\": \"{phase}\", \"pid\": {pid}, \"tid\": {tid}{rest}}}"));
    }

    /// What a process or a thread is called, or where it stands.
    pub(super) fn metadata(&mut self, track: Track, what: &str, field: &str, value: &Value) {
        self.event('M', track, format_args!(", \"name\": \"{what}\", \"args\": {{\"{field}\": {value}}}"));
    }

    pub(super) fn begins(&mut self, at: Nanos, track: Track, slice: &Slice<'_>) {
        let (at, name, details) = (Micros(at), text(slice.name), object(slice.details));
        let category = slice.category;
        self.event(
            'B',
            track,
            format_args!(", \"ts\": {at}, \"name\": {name}, \"cat\": \"{category}\", \"args\": {details}"),
        );
    }

    /// Ends the slice that began last on a track.
    pub(super) fn ends(&mut self, at: Nanos, track: Track, details: &[(&'static str, Value)]) {
        let (at, details) = (Micros(at), object(details));
        self.event('E', track, format_args!(", \"ts\": {at}, \"args\": {details}"));
    }

    /// A slice whose length is known when it begins.
    pub(super) fn whole(&mut self, at: Nanos, length: Nanos, track: Track, name: &str) {
        let (at, length, name) = (Micros(at), Micros(length), text(name));
        self.event(
            'X',
            track,
            format_args!(
                ", \"ts\": {at}, \"dur\": {length}, \"name\": {name}, \"cat\": \"pause\", \"args\": {{}}"
            ),
        );
    }

    /// An arrow between the slices that are open on two tracks.
    pub(super) fn flow(&mut self, at: Nanos, number: u64, from: Track, to: Track) {
        let rest = |tail: &str| {
            format!(
                ", \"ts\": {}, \"id\": {number}, \"name\": \"blocks\", \"cat\": \"lock\"{tail}",
                Micros(at)
            )
        };
        self.event('s', from, format_args!("{}", rest("")));
        self.event('f', to, format_args!("{}", rest(", \"bp\": \"e\"")));
    }

    pub(super) fn counter(&mut self, at: Nanos, track: Track, name: &str, unit: &str, value: u32) {
        let at = Micros(at);
        self.event(
            'C',
            track,
            format_args!(", \"ts\": {at}, \"name\": \"{name}\", \"args\": {{\"{unit}\": {value}}}"),
        );
    }

    /// Closes the file; `facts` say what it shows.
    pub(super) fn finish(&mut self, facts: &[(&'static str, Value)]) -> io::Result<()> {
        let facts = object(facts);
        self.put(format_args!("\n], \"otherData\": {facts}}}\n"));
        let flushed = self.file.flush();
        self.failure.take().map_or(flushed, Err)
    }
}
