//! Snapshots of `pg_stat_statements` as CSV, read by the names of their columns (manual, F.32; the columns
//! of 12 to 18 differ in number, order and names).
//!
//! One snapshot gives the statistics since they were reset, two give what happened between them.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use sim_clock::Nanos;

use crate::instant;
use crate::lines::Lines;
use crate::logs::{Broken, csvlog};
use crate::record::StatementRate;
use crate::sql;

/// One file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    captured_us: Option<i64>,
    rows: BTreeMap<Key, Row>,
    /// Statements inside functions, which their callers' figures contain already.
    nested: u64,
    /// How many columns the header has.
    pub(crate) columns: usize,
}

/// What identifies a row: user, database, query id, text.
type Key = [String; 4];

/// One statement's figures; times in microseconds.
#[derive(Clone, Debug)]
struct Row {
    query: String,
    calls: f64,
    total_us: f64,
    stddev_us: f64,
    min_us: f64,
    max_us: f64,
    rows: Option<f64>,
    since_us: Option<i64>,
}

/// Rates, and what has to be said about them.
pub(crate) struct Rates {
    pub(crate) rates: Vec<StatementRate>,
    pub(crate) start_us: i64,
    pub(crate) notes: Vec<String>,
}

/// Reads a snapshot; rows that cannot be read are handed to `broken`.
pub(crate) fn read<R: BufRead>(
    lines: &mut Lines<R>,
    mut broken: impl FnMut(Broken),
) -> io::Result<Option<Snapshot>> {
    let Some(Ok((_, header))) = csvlog::next_record(lines, |_| false)? else { return Ok(None) };
    let mut names = Vec::new();
    csvlog::split(&header, &mut names);
    let columns = Columns::new(&names);
    if columns.place(&["query"]).is_none() || columns.place(&["calls"]).is_none() {
        broken(Broken::new(1, "a header that names the columns query and calls", &header));
        return Ok(None);
    }
    let mut snapshot = Snapshot { columns: names.len(), ..Snapshot::default() };
    while let Some(record) = csvlog::next_record(lines, |_| false)? {
        let (line, record) = match record {
            Ok(record) => record,
            Err(error) => {
                broken(error);
                continue;
            }
        };
        if record.is_empty() {
            continue;
        }
        let mut fields = Vec::with_capacity(names.len());
        csvlog::split(&record, &mut fields);
        if fields.len() == names.len() {
            if let Err(expected) = snapshot.add(&columns, &fields) {
                broken(Broken::new(line, expected, &record));
            }
        } else {
            let expected = format!("{} columns as in the header instead of {}", names.len(), fields.len());
            broken(Broken::new(line, expected, &record));
        }
    }
    Ok(Some(snapshot))
}

/// The places of columns by name.
struct Columns<'a> {
    names: &'a [Option<String>],
}

impl<'a> Columns<'a> {
    fn new(names: &'a [Option<String>]) -> Self {
        Self { names }
    }

    fn place(&self, alternatives: &[&str]) -> Option<usize> {
        alternatives.iter().find_map(|wanted| {
            self.names.iter().position(|name| name.as_deref().is_some_and(|name| name.trim() == *wanted))
        })
    }

    fn text<'f>(&self, fields: &'f [Option<String>], alternatives: &[&str]) -> Option<&'f str> {
        fields.get(self.place(alternatives)?)?.as_deref()
    }

    fn number(&self, fields: &[Option<String>], alternatives: &[&str]) -> Result<Option<f64>, String> {
        let Some(text) = self.text(fields, alternatives) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
            _ => Err(format!("a number in column {} instead of '{text}'", alternatives[0])),
        }
    }
}

impl Snapshot {
    fn add(&mut self, columns: &Columns<'_>, fields: &[Option<String>]) -> Result<(), String> {
        let time =
            |names: &[&str]| columns.text(fields, names).and_then(instant::parse).map(|stamp| stamp.us);
        self.captured_us = time(&["captured_at", "now", "snapshot_at"]).or(self.captured_us);
        if columns.text(fields, &["toplevel"]).is_some_and(|value| matches!(value, "f" | "false")) {
            self.nested += 1;
            return Ok(());
        }
        let number = |names: &[&str]| columns.number(fields, names);
        let calls = number(&["calls"])?.unwrap_or(0.0);
        if calls < 1.0 {
            return Ok(());
        }
        let mean_ms = number(&["mean_exec_time", "mean_time"])?;
        let total_ms = match number(&["total_exec_time", "total_time"])? {
            Some(total) => total,
            None => {
                mean_ms.ok_or("a column total_exec_time, total_time, mean_exec_time or mean_time")? * calls
            }
        };
        let plan_ms = number(&["total_plan_time"])?.unwrap_or(0.0);
        let query = columns.text(fields, &["query"]).unwrap_or("").to_owned();
        let key =
            ["userid", "dbid", "queryid"].map(|name| columns.text(fields, &[name]).unwrap_or("").to_owned());
        let [user, database, id] = key;
        let since = [time(&["stats_since"]), time(&["stats_reset"])];
        let row = Row {
            calls,
            total_us: (total_ms + plan_ms) * 1e3,
            stddev_us: number(&["stddev_exec_time", "stddev_time"])?.unwrap_or(0.0) * 1e3,
            min_us: number(&["min_exec_time", "min_time"])?.unwrap_or(0.0) * 1e3,
            max_us: number(&["max_exec_time", "max_time"])?.unwrap_or(0.0) * 1e3,
            rows: number(&["rows"])?.map(|rows| rows / calls),
            since_us: since.into_iter().flatten().max(),
            query: query.clone(),
        };
        self.rows.insert([user, database, id, query], row);
        Ok(())
    }

    /// What happened between an earlier snapshot and this one.
    fn since(mut self, earlier: &Self) -> Self {
        let start_us = earlier.captured_us;
        for (key, row) in &mut self.rows {
            row.since_us = start_us;
            // Fewer calls than before: the statistics were reset in between, and count from then.
            let Some(before) = earlier.rows.get(key).filter(|before| before.calls <= row.calls) else {
                continue;
            };
            row.subtract(before);
        }
        self.rows.retain(|_, row| row.calls >= 1.0);
        self
    }
}

impl Row {
    /// Takes an earlier state of the same counters away; sums and sums of squares are what can be subtracted.
    fn subtract(&mut self, before: &Self) {
        let square = |row: &Self| {
            let mean = row.total_us / row.calls;
            row.calls * (row.stddev_us * row.stddev_us + mean * mean)
        };
        let squares = square(self) - square(before);
        let rows = self.rows.map(|rows| rows * self.calls - before.rows.unwrap_or(0.0) * before.calls);
        self.calls -= before.calls;
        self.total_us = (self.total_us - before.total_us).max(0.0);
        if self.calls >= 1.0 {
            let mean = self.total_us / self.calls;
            self.stddev_us = libm::sqrt((squares / self.calls - mean * mean).max(0.0));
            self.rows = rows.map(|rows| rows.max(0.0) / self.calls);
        }
    }

    fn rate(&self, span_s: f64) -> StatementRate {
        let (_, fingerprint) = sql::fingerprint(&self.query);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let calls = self.calls as u64;
        // No grain finer than a nanosecond or a millionth: the figures are read by people too.
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        StatementRate {
            fingerprint,
            text: Some(self.query.clone()).filter(|text| !text.is_empty() && !text.starts_with('<')),
            calls,
            rate_per_s: (self.calls / span_s * 1e6).round() / 1e6,
            mean_us: rounded(self.total_us / self.calls),
            stddev_us: rounded(self.stddev_us),
            min_us: rounded(self.min_us),
            max_us: rounded(self.max_us),
            rows: self.rows.map(rounded),
        }
    }
}

/// The rates that one or more snapshots give; nothing if they do not say what time they cover.
pub(crate) fn rates(mut snapshots: Vec<Snapshot>, span: Option<Nanos>) -> Option<Rates> {
    snapshots.sort_by_key(|snapshot| snapshot.captured_us);
    let latest = snapshots.pop()?;
    let mut notes = Vec::new();
    let latest = match snapshots.first() {
        Some(first) if first.captured_us.is_some() && first.captured_us < latest.captured_us => {
            notes.push("Rates are those between the first and the last snapshot.".to_owned());
            latest.since(first)
        }
        Some(_) => return None,
        None => latest,
    };
    let mut rates = Vec::new();
    let mut control = 0_u64;
    for row in latest.rows.values() {
        if sql::controls(&row.query).iter().any(|control| *control != sql::Control::Other) {
            control += 1;
            continue;
        }
        let own = latest
            .captured_us
            .zip(row.since_us)
            .map(|(to, from)| to.saturating_sub(from))
            .filter(|us| *us > 0);
        let span_s = match (span, own) {
            (Some(span), _) => span.as_secs_f64(),
            #[allow(clippy::cast_precision_loss)]
            (None, Some(us)) => us as f64 / 1e6,
            (None, None) => return None,
        };
        rates.push(row.rate(span_s.max(1e-6)));
    }
    rates.sort_by(|a, b| {
        b.rate_per_s.total_cmp(&a.rate_per_s).then_with(|| a.fingerprint.cmp(&b.fingerprint))
    });
    notes.push(
        "pg_stat_statements has no arrival times: arrivals are assumed Poisson at each statement's mean rate, service \
         times lognormal with its mean, deviation, least and greatest value, drawn from the seed; lock waits are in them."
            .to_owned(),
    );
    if control > 0 {
        notes.push(format!(
            "Which statements formed a transaction is not known: {control} BEGIN, COMMIT and ROLLBACK statements were \
             left out, and every other statement stands alone. Locks are held shorter than they were."
        ));
    }
    if latest.nested > 0 {
        notes.push(format!(
            "{} statements inside functions were left out; their callers' times contain them.",
            latest.nested
        ));
    }
    Some(Rates { rates, start_us: latest.captured_us.unwrap_or(0), notes })
}
