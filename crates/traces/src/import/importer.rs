//! The importer: sources in, one trace out.

use std::io::{self, BufRead, Read, Write};

use super::detect::{Format, detect, is_statistics_header};
use super::outcome::{ImportError, Options, Problem, Report};
use super::sessions::Sessions;
use super::snapshot::{self, Snapshot};
use super::sorter::{Sorter, Spill};
use super::survey::Survey;
use super::transaction::Finished;
use super::{pgbench, pgreplay, synthetic};
use crate::instant;
use crate::lines::{Line, Lines, decompressed};
use crate::logs::message::{self, Message};
use crate::logs::prefix::{Prefix, PrefixError};
use crate::logs::stderr::StderrLog;
use crate::logs::{Broken, Entry, csvlog, excerpt, jsonlog};
use crate::record::{Bases, Basis, Counts, Header, Sampling, Source, VERSION};

/// How many lines of a source are looked at to tell its format.
const PEEK_LINES: usize = 50;

/// Problems that are kept for the report; the others are counted.
const KEPT_PROBLEMS: usize = 20;

/// Reads sources one after the other, then writes the trace.
pub struct Importer {
    options: Options,
    prefix: Option<Prefix>,
    sorter: Sorter,
    sessions: Sessions,
    survey: Survey,
    snapshots: Vec<Snapshot>,
    pgbench: Vec<pgbench::Kind>,
    sources: Vec<Source>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    counts: Counts,
    latest_us: Option<i64>,
}

impl Importer {
    /// An importer that spills sorted runs to files that `open_spill` opens, when there is much to sort.
    pub fn new(
        options: Options,
        open_spill: impl FnMut() -> io::Result<Box<dyn Spill>> + 'static,
    ) -> Result<Self, PrefixError> {
        let prefix = options.log_line_prefix.as_deref().map(Prefix::new).transpose()?;
        Ok(Self {
            options,
            prefix,
            sorter: Sorter::new(Box::new(open_spill)),
            sessions: Sessions::default(),
            survey: Survey::default(),
            snapshots: Vec::new(),
            pgbench: Vec::new(),
            sources: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
            counts: Counts::default(),
            latest_us: None,
        })
    }

    /// Reads one source, which may be compressed with gzip. Server logs go on where the last one ended.
    pub fn read(&mut self, file: &str, input: impl Read) -> Result<Format, ImportError> {
        let io_error = |source| ImportError::Io { file: file.to_owned(), source };
        let mut lines = Lines::new(decompressed(input).map_err(io_error)?);
        let peeked = peek(&mut lines).map_err(io_error)?;
        let Some(first) = peeked.first() else { return Err(ImportError::Empty { file: file.to_owned() }) };
        if first.starts_with("{\"rehearsal_trace\"") {
            return Err(ImportError::AlreadyTrace { file: file.to_owned() });
        }
        let unknown = || ImportError::UnknownFormat { file: file.to_owned(), found: excerpt(first) };
        let format =
            self.options.format.or_else(|| detect(&peeked, self.prefix.as_ref())).ok_or_else(unknown)?;
        let detail = match format {
            Format::Csvlog => self.read_csvlog(file, &mut lines, &peeked).map_err(io_error)?,
            Format::Jsonlog => self
                .read_lines(file, &mut lines, |line, text| {
                    jsonlog::parse(line, text)
                        .map(|entry| (message_of(&entry), entry))
                        .map(|(message, entry)| (entry, message))
                })
                .map_err(io_error)?,
            Format::Pgreplay => {
                self.notes.push(
                    "pgreplay-go's lines have no durations: service times are unknown, and think times include the \
                     service time before them."
                        .to_owned(),
                );
                self.read_lines(file, &mut lines, pgreplay::parse).map_err(io_error)?
            }
            Format::Stderr => {
                let prefix = self.prefix.clone().or_else(|| Prefix::guess(&peeked)).ok_or_else(unknown)?;
                self.read_stderr(file, &mut lines, prefix).map_err(io_error)?
            }
            Format::Pgbench => self.read_pgbench(file, &mut lines).map_err(io_error)?,
            Format::PgStatStatements => {
                if !is_statistics_header(first) {
                    return Err(ImportError::NoColumns { file: file.to_owned(), found: excerpt(first) });
                }
                self.read_snapshot(file, &mut lines).map_err(io_error)?
            }
        };
        self.counts.source_lines += lines.count();
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file).to_owned();
        self.sources.push(Source { file: name, format: format.to_string(), detail });
        Ok(format)
    }

    fn problem(&mut self, file: &str, broken: Broken) {
        self.counts.skipped += 1;
        if self.problems.len() < KEPT_PROBLEMS {
            let Broken { line, expected, found } = broken;
            self.problems.push(Problem { file: file.to_owned(), line, expected, found });
        }
    }

    fn read_csvlog<R: BufRead>(
        &mut self,
        file: &str,
        lines: &mut Lines<R>,
        peeked: &[String],
    ) -> io::Result<Option<String>> {
        while let Some(entry) = csvlog::next(lines)? {
            self.entry_or_problem(file, entry.map(|entry| (message_of(&entry), entry)))?;
        }
        let columns =
            peeked.iter().find(|line| csvlog::starts_record(line)).map(|line| csvlog::columns(line));
        Ok(columns.and_then(csvlog::versions_of).map(str::to_owned))
    }

    fn read_stderr<R: BufRead>(
        &mut self,
        file: &str,
        lines: &mut Lines<R>,
        prefix: Prefix,
    ) -> io::Result<Option<String>> {
        let detail = format!("log_line_prefix '{}'", prefix.as_str());
        let reader = StderrLog::new(prefix);
        while let Some(entry) = reader.next(lines)? {
            self.entry_or_problem(file, entry.map(|entry| (message_of(&entry), entry)))?;
        }
        Ok(Some(detail))
    }

    fn read_lines<R: BufRead>(
        &mut self,
        file: &str,
        lines: &mut Lines<R>,
        parse: impl Fn(u64, &str) -> Result<(Entry, Message), Broken>,
    ) -> io::Result<Option<String>> {
        while let Some((number, line)) = lines.next()? {
            let parsed = match line {
                Line::Text(text) if text.trim().is_empty() => continue,
                Line::Text(text) => parse(number, &text),
                Line::TooLong => Err(Broken::new(number, "a line of at most 16 MiB", "")),
            };
            self.entry_or_problem(file, parsed.map(|(entry, message)| (message, entry)))?;
        }
        Ok(None)
    }

    fn read_pgbench<R: BufRead>(&mut self, file: &str, lines: &mut Lines<R>) -> io::Result<Option<String>> {
        let mut seen = Vec::new();
        let seed = self.options.seed;
        let kind = pgbench::read(lines, seed, |finished| {
            match finished {
                Ok(finished) => {
                    if let Some(client) = finished.record.session.strip_prefix("pgbench-") {
                        let client = client.parse::<usize>().unwrap_or(0).min(1 << 16);
                        if seen.len() <= client {
                            seen.resize(client + 1, false);
                        }
                        seen[client] = true;
                    }
                    self.push(finished)?;
                }
                Err(broken) => self.problem(file, broken),
            }
            Ok(())
        })?;
        self.counts.sessions += seen.iter().filter(|seen| **seen).count() as u64;
        for note in pgbench::notes(kind) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self.pgbench.push(kind);
        Ok(Some(match kind {
            pgbench::Kind::Aggregated => "aggregated".to_owned(),
            pgbench::Kind::PerTransaction { .. } => "per transaction".to_owned(),
        }))
    }

    fn read_snapshot<R: BufRead>(&mut self, file: &str, lines: &mut Lines<R>) -> io::Result<Option<String>> {
        let snapshot = snapshot::read(lines, |broken| self.problem(file, broken))?;
        let detail = snapshot.as_ref().map(|snapshot| format!("{} columns", snapshot.columns));
        self.snapshots.extend(snapshot);
        Ok(detail)
    }

    fn entry_or_problem(&mut self, file: &str, entry: Result<(Message, Entry), Broken>) -> io::Result<()> {
        match entry {
            Ok((message, entry)) => {
                self.survey.observe(&entry, &message);
                self.sessions.observe(entry, message);
                self.push_finished()
            }
            Err(broken) => {
                self.problem(file, broken);
                Ok(())
            }
        }
    }

    fn push_finished(&mut self) -> io::Result<()> {
        let finished: Vec<Finished> = self.sessions.take_finished().collect();
        finished.into_iter().try_for_each(|finished| self.push(finished))
    }

    fn push(&mut self, finished: Finished) -> io::Result<()> {
        let Finished { at_us, record } = finished;
        let counts = &mut self.counts;
        counts.transactions += 1;
        counts.statements += record.statements.len() as u64;
        counts.failures += u64::from(record.error.is_some())
            + record.statements.iter().filter(|statement| statement.error.is_some()).count() as u64;
        counts.lock_waits +=
            record.statements.iter().map(|statement| statement.waits.len() as u64).sum::<u64>();
        let end_us = at_us.saturating_add_unsigned(record.duration_us.unwrap_or(0));
        self.latest_us = Some(self.latest_us.map_or(end_us, |latest| latest.max(end_us)));
        let line = serde_json::to_vec(&record)?;
        self.sorter.push(at_us, line)
    }

    /// Writes the trace: the header, then every record in order of time.
    pub fn finish(mut self, out: &mut impl Write) -> Result<Report, ImportError> {
        let io_error = |source| ImportError::Io { file: "the trace".to_owned(), source };
        self.sessions.finish(self.survey.last_us.unwrap_or(0));
        self.push_finished().map_err(io_error)?;
        let mut rates = Vec::new();
        let mut start_us = None;
        if !self.snapshots.is_empty() {
            let snapshots = std::mem::take(&mut self.snapshots);
            let drawn = snapshot::rates(snapshots, self.options.stats_span).ok_or(ImportError::NoSpan)?;
            let (span, seed) = (self.options.draw, self.options.seed);
            synthetic::draw(&drawn.rates, drawn.start_us, span, seed, |finished| self.push(finished))
                .map_err(io_error)?;
            start_us = Some(drawn.start_us);
            let end_us = drawn.start_us.saturating_add_unsigned(span.0 / 1_000);
            self.latest_us = Some(self.latest_us.map_or(end_us, |latest| latest.max(end_us)));
            self.notes.extend(drawn.notes);
            rates = drawn.rates;
        }
        if self.counts.transactions == 0 {
            let reason = match self.problems.first() {
                Some(problem) => format!("The first: {problem}"),
                None => self.survey.why_nothing(),
            };
            return Err(ImportError::Nothing { skipped: self.counts.skipped, reason });
        }
        let start_us = [start_us, self.survey.first_us, self.sorter.earliest_us()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(0);
        let header = self.header(start_us, rates);
        serde_json::to_writer(&mut *out, &header).map_err(|error| io_error(error.into()))?;
        out.write_all(b"\n").map_err(io_error)?;
        let Self { sorter, problems, .. } = self;
        sorter
            .drain(|at_us, line| write_record(out, at_us.saturating_sub(start_us), line))
            .map_err(io_error)?;
        out.flush().map_err(io_error)?;
        Ok(Report { header, problems })
    }

    /// What the logs said about themselves.
    fn notes(&self) -> Vec<String> {
        if self.survey.first_us.is_some() {
            self.survey.notes(self.sessions.missing_entries)
        } else {
            Vec::new()
        }
    }

    /// The first of the entries that could not be read so far.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn header(&self, start_us: i64, rates: Vec<crate::record::StatementRate>) -> Header {
        let logs = self.survey.first_us.is_some();
        let end_us = self.latest_us.into_iter().chain(self.survey.last_us).max().unwrap_or(start_us);
        let mut notes = self.notes();
        notes.extend(self.notes.iter().cloned());
        let mut counts = self.counts;
        counts.sessions += self.sessions.count;
        Header {
            rehearsal_trace: VERSION,
            sources: self.sources.clone(),
            start: instant::rfc3339(start_us),
            duration_us: u64::try_from(end_us.saturating_sub(start_us)).unwrap_or(0),
            basis: self.bases(logs, !rates.is_empty()),
            sampling: if logs { self.survey.sampling() } else { Sampling::Complete },
            counts,
            deadlock_timeout_us: self.survey.deadlock_timeout_us(),
            rates,
            notes,
        }
    }

    /// The weakest basis of all sources for each kind of figure.
    fn bases(&self, logs: bool, drawn: bool) -> Bases {
        let mut all = Vec::new();
        if logs {
            all.push(self.survey.bases());
        }
        if drawn {
            all.push(Bases {
                arrivals: Basis::Assumed,
                service_times: Basis::Assumed,
                think_times: Basis::Absent,
                lock_waits: Basis::Absent,
                rows: Basis::Derived,
                texts: Basis::Measured,
            });
        }
        for kind in &self.pgbench {
            let (arrivals, service_times) = match kind {
                pgbench::Kind::Aggregated => (Basis::Assumed, Basis::Assumed),
                pgbench::Kind::PerTransaction { .. } => (Basis::Derived, Basis::Measured),
            };
            let absent = Basis::Absent;
            all.push(Bases {
                arrivals,
                service_times,
                think_times: absent,
                lock_waits: absent,
                rows: absent,
                texts: absent,
            });
        }
        weakest(&all)
    }
}

fn weakest(all: &[Bases]) -> Bases {
    let order = |basis: &Basis| match basis {
        Basis::Measured => 0,
        Basis::Derived => 1,
        Basis::Assumed => 2,
        Basis::Absent => 3,
    };
    let of = |field: fn(&Bases) -> Basis| all.iter().map(field).max_by_key(order).unwrap_or(Basis::Absent);
    Bases {
        arrivals: of(|bases| bases.arrivals),
        service_times: of(|bases| bases.service_times),
        think_times: of(|bases| bases.think_times),
        lock_waits: of(|bases| bases.lock_waits),
        rows: of(|bases| bases.rows),
        texts: of(|bases| bases.texts),
    }
}

/// What the message of a server's entry says; only those of severity LOG are about requests.
fn message_of(entry: &Entry) -> Message {
    if entry.severity == "LOG" { message::parse(&entry.message) } else { Message::Irrelevant }
}

fn peek<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Vec<String>> {
    let mut taken = Vec::new();
    while taken.len() < PEEK_LINES {
        let Some(line) = lines.next()? else { break };
        taken.push(line);
    }
    let texts = taken
        .iter()
        .filter_map(|(_, line)| if let Line::Text(text) = line { Some(text.clone()) } else { None })
        .filter(|text| !text.trim().is_empty())
        .collect();
    for (number, line) in taken.into_iter().rev() {
        lines.put_back(number, line);
    }
    Ok(texts)
}

/// Writes a record's line with its place in the window, which was not known when it was made.
fn write_record(out: &mut impl Write, at_us: i64, line: &[u8]) -> io::Result<()> {
    let rest =
        line.strip_prefix(b"{\"at_us\":0,").ok_or_else(|| io::Error::other("a record without at_us"))?;
    write!(out, "{{\"at_us\":{},", at_us.max(0))?;
    out.write_all(rest)?;
    out.write_all(b"\n")
}
