//! pgbench's logs (manual, pgbench, "Per-Transaction Logging" and "Aggregated Logging").
//!
//! Per transaction: `client transaction time script epoch micros [schedule_lag] [retries]`, where the time
//! stamp is that of completion, and `time` counts from the scheduled start. Aggregated: `interval_start
//! transactions sum_latency sum_latency_2 min_latency max_latency …`, from which arrivals and latencies have
//! to be drawn. Neither says which statements a script ran.

use std::io::{self, BufRead};

use sim_clock::{Nanos, Seed, Stream};

use super::synthetic::Lognormal;
use super::transaction::Finished;
use crate::lines::{Line, Lines};
use crate::logs::Broken;
use crate::record::{End, Failure, Record, Statement};

/// Columns are interpreted after having seen so many lines.
const LOOK_AHEAD: usize = 1_000;

/// A seventh column that never passes this counts retries; schedule lags are microseconds and do.
const MAX_RETRIES: u64 = 100;

const EXPECTED: &str = "6 to 8 columns of a per-transaction log (client transaction time script epoch micros \
                        [lag] [retries]) or 6 to 16 numbers of an aggregated one";

/// What the log turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One line per transaction, with what stands in the seventh column.
    PerTransaction { seventh: Seventh },
    /// One line per interval.
    Aggregated,
}

/// What the seventh column of a log that has no eighth means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seventh {
    Lag,
    Retries,
}

/// Whether a line may come from one of pgbench's logs.
pub(crate) fn is_log_line(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    parse_transaction(&fields, Seventh::Lag).is_some() || parse_interval(&fields).is_some()
}

/// Reads a whole log.
pub(crate) fn read<R: BufRead>(
    lines: &mut Lines<R>,
    seed: Seed,
    mut take: impl FnMut(Result<Finished, Broken>) -> io::Result<()>,
) -> io::Result<Kind> {
    let ahead = look_ahead(lines)?;
    let aggregated = ahead
        .iter()
        .filter(|text| parse_interval(&text.split_whitespace().collect::<Vec<_>>()).is_some())
        .count();
    if aggregated * 2 > ahead.len() {
        read_aggregated(lines, seed, take)?;
        return Ok(Kind::Aggregated);
    }
    let seventh = seventh(&ahead);
    while let Some((number, line)) = lines.next()? {
        let Line::Text(text) = line else {
            take(Err(Broken::new(number, EXPECTED, "")))?;
            continue;
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        if !fields.is_empty() {
            take(parse_transaction(&fields, seventh).ok_or_else(|| Broken::new(number, EXPECTED, &text)))?;
        }
    }
    Ok(Kind::PerTransaction { seventh })
}

fn look_ahead<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Vec<String>> {
    let mut taken = Vec::new();
    while taken.len() < LOOK_AHEAD {
        let Some(line) = lines.next()? else { break };
        taken.push(line);
    }
    let text = |line: &Line| if let Line::Text(text) = line { Some(text.clone()) } else { None };
    let texts =
        taken.iter().filter_map(|(_, line)| text(line)).filter(|text| !text.trim().is_empty()).collect();
    for (number, line) in taken.into_iter().rev() {
        lines.put_back(number, line);
    }
    Ok(texts)
}

fn seventh(lines: &[String]) -> Seventh {
    let greatest = lines.iter().filter_map(|line| line.split_whitespace().nth(6)?.parse::<u64>().ok()).max();
    if greatest.is_some_and(|greatest| greatest > MAX_RETRIES) { Seventh::Lag } else { Seventh::Retries }
}

fn parse_transaction(fields: &[&str], seventh: Seventh) -> Option<Finished> {
    if !(6..=8).contains(&fields.len()) {
        return None;
    }
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let (client, _, script) = (number(0)?, number(1)?, number(3)?);
    let (seconds, micros) = (number(4)?, number(5)?);
    if !(100_000_000..100_000_000_000).contains(&seconds) || micros >= 1_000_000 {
        return None;
    }
    let (lag, retries) = match (fields.len(), seventh) {
        (8, _) => (number(6)?, number(7)?),
        (7, Seventh::Lag) => (number(6)?, 0),
        (7, Seventh::Retries) => (0, number(6)?),
        _ => (0, 0),
    };
    let completed_us = i64::try_from(seconds * 1_000_000 + micros).ok()?;
    let session = format!("pgbench-{client}");
    let label = format!("pgbench script {script}");
    let failure = |sqlstate: Option<&str>, message: &str| {
        Some(Failure { sqlstate: sqlstate.map(str::to_owned), message: message.to_owned() })
    };
    let (time_us, end, error) = match fields[2] {
        "skipped" => (None, End::Skipped, None),
        "failed" => (None, End::Rollback, failure(None, "failed")),
        "serialization" => (None, End::Rollback, failure(Some("40001"), "serialization failure")),
        "deadlock" => (None, End::Rollback, failure(Some("40P01"), "deadlock detected")),
        time => (Some(time.parse::<u64>().ok().filter(|time| *time < 1 << 50)?), End::Unlogged, None),
    };
    let mut record =
        Record::single(&session, end, Statement::named(&label, time_us.map(|us| us.saturating_sub(lag))));
    if end == End::Skipped {
        record.statements.clear();
    } else {
        record.statements[0].error = error;
    }
    record.duration_us = time_us;
    record.retries = retries;
    let at_us = completed_us.saturating_sub_unsigned(time_us.unwrap_or(0));
    Some(Finished { at_us, record })
}

/// One line of an aggregated log.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    start_s: u64,
    transactions: u64,
    latency: Lognormal,
    lag_mean_us: f64,
    skipped: u64,
    serialization_failures: u64,
    deadlock_failures: u64,
}

#[allow(clippy::cast_precision_loss)]
fn parse_interval(fields: &[&str]) -> Option<Interval> {
    if !(6..=16).contains(&fields.len()) {
        return None;
    }
    let numbers: Vec<u64> = fields.iter().map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0);
    // The first column of a per-transaction log is a small client number.
    if !(100_000_000..100_000_000_000).contains(&at(0)) || at(1) > 1 << 40 || at(4) > at(5) {
        return None;
    }
    let count = at(1).max(1) as f64;
    let mean = at(2) as f64 / count;
    let variance = (at(3) as f64 / count - mean * mean).max(0.0);
    // Older versions end with `skipped` behind four columns of lags, or have no lags at all.
    Some(Interval {
        start_s: at(0),
        transactions: at(1),
        latency: Lognormal { mean, stddev: libm::sqrt(variance), min: at(4) as f64, max: at(5) as f64 },
        lag_mean_us: if numbers.len() >= 10 { at(6) as f64 / count } else { 0.0 },
        skipped: at(10),
        serialization_failures: at(13),
        deadlock_failures: at(14),
    })
}

fn read_aggregated<R: BufRead>(
    lines: &mut Lines<R>,
    seed: Seed,
    mut take: impl FnMut(Result<Finished, Broken>) -> io::Result<()>,
) -> io::Result<()> {
    let mut stream = seed.stream("pgbench intervals");
    let mut pending: Option<Interval> = None;
    let mut length_s = 1;
    while let Some((number, line)) = lines.next()? {
        let Line::Text(text) = line else {
            take(Err(Broken::new(number, EXPECTED, "")))?;
            continue;
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.is_empty() {
            continue;
        }
        let Some(interval) = parse_interval(&fields) else {
            take(Err(Broken::new(number, EXPECTED, &text)))?;
            continue;
        };
        if let Some(before) = pending.replace(interval) {
            length_s = interval.start_s.saturating_sub(before.start_s).max(1);
            draw(&before, length_s, &mut stream, &mut take)?;
        }
    }
    pending.map_or(Ok(()), |last| draw(&last, length_s, &mut stream, &mut take))
}

/// Transactions that would give such a line: arrivals spread evenly at random, latencies lognormal.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn draw(
    interval: &Interval,
    length_s: u64,
    stream: &mut Stream,
    take: &mut impl FnMut(Result<Finished, Broken>) -> io::Result<()>,
) -> io::Result<()> {
    let start_us = i64::try_from(interval.start_s * 1_000_000).unwrap_or(i64::MAX);
    let span_us = length_s.saturating_mul(1_000_000);
    let label = "pgbench script";
    let lag = Nanos::from_micros(interval.lag_mean_us as u64);
    let mut emit = |end: End, service_us: Option<u64>, error: Option<Failure>, stream: &mut Stream| {
        let mut record = Record::single("drawn", end, Statement::named(label, service_us));
        record.statements[0].error = error;
        if end == End::Skipped {
            record.statements.clear();
        }
        take(Ok(Finished { at_us: start_us.saturating_add_unsigned(stream.below(span_us)), record }))
    };
    for _ in 0..interval.transactions {
        let latency_us = interval.latency.draw_us(stream);
        emit(End::Unlogged, Some(latency_us.saturating_sub(lag.0 / 1_000)), None, stream)?;
    }
    for _ in 0..interval.skipped.min(1 << 32) {
        emit(End::Skipped, None, None, stream)?;
    }
    let failures = [
        ("40001", "serialization failure", interval.serialization_failures),
        ("40P01", "deadlock detected", interval.deadlock_failures),
    ];
    for (sqlstate, message, count) in failures {
        for _ in 0..count.min(1 << 32) {
            let failure = Failure { sqlstate: Some(sqlstate.to_owned()), message: message.to_owned() };
            emit(End::Rollback, None, Some(failure), stream)?;
        }
    }
    Ok(())
}

/// What a reader of the trace must know about it.
pub(crate) fn notes(kind: Kind) -> Vec<String> {
    let mut notes = vec![
        "pgbench logs runs of scripts: each record is one run, whose statements and think times are not known."
            .to_owned(),
    ];
    match kind {
        Kind::Aggregated => notes.push(
            "The pgbench log is aggregated: arrivals are assumed even within each interval, latencies lognormal with \
             the interval's mean, deviation, least and greatest value, drawn from the seed."
                .to_owned(),
        ),
        Kind::PerTransaction { seventh: Seventh::Lag } => notes.push(
            "The seventh column is taken for the schedule lag (--rate): arrivals are the scheduled times, and the lag \
             is subtracted from the service times."
                .to_owned(),
        ),
        Kind::PerTransaction { seventh: Seventh::Retries } => {}
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Kind, Vec<Finished>) {
        let mut out = Vec::new();
        let kind = read(&mut Lines::new(text.as_bytes()), Seed(1), |finished| {
            out.extend(finished.ok());
            Ok(())
        })
        .unwrap();
        (kind, out)
    }

    #[test]
    fn arrival_is_completion_less_latency_and_lag_is_no_service() {
        let (kind, out) = all("0 1 5642 0 1795247367 730861 598\n");
        assert_eq!(kind, Kind::PerTransaction { seventh: Seventh::Lag });
        assert_eq!(out[0].at_us, 1_795_247_367_730_861 - 5_642);
        assert_eq!(out[0].record.statements[0].service_us, Some(5_642 - 598));
    }

    #[test]
    fn failures_and_skipped_runs_are_kept() {
        let (_, out) = all("0 1 deadlock 0 1795247367 1 2\n0 2 skipped 0 1795247367 2 0\n");
        assert_eq!(out[0].record.statements[0].error.as_ref().unwrap().sqlstate.as_deref(), Some("40P01"));
        assert_eq!((out[0].record.retries, out[1].record.end), (2, End::Skipped));
    }

    #[test]
    fn intervals_are_drawn_with_their_counts_and_extremes() {
        let (kind, out) = all("1795247371 200 481980 1989173000 695 7417 0 0 0 0 3 0 0 1 0\n");
        assert_eq!(kind, Kind::Aggregated);
        assert_eq!(out.len(), 204);
        let services = out.iter().filter_map(|one| one.record.statements.first()?.service_us);
        assert!(services.clone().count() == 200 && services.clone().all(|us| (695..=7_417).contains(&us)));
    }
}
