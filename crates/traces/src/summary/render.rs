//! The summary as text.

use std::fmt::{self, Display, Write};

use super::chart::chart;
use super::touched::touched;
use super::{Extreme, OfStatement, Summary};
use crate::record::Basis;

/// Statements that are listed.
const LISTED: usize = 20;

/// Columns that a statement's text may take.
const TEXT_COLUMNS: usize = 100;

/// A time in the unit that suits it.
struct Time(u64);

impl Display for Time {
    #[allow(clippy::cast_precision_loss)]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0 as f64;
        let text = match self.0 {
            0 => "0 ms".to_owned(),
            1..10_000 => format!("{:.2} ms", us / 1e3),
            10_000..100_000 => format!("{:.1} ms", us / 1e3),
            100_000..1_000_000 => format!("{:.0} ms", us / 1e3),
            1_000_000..100_000_000 => format!("{:.2} s", us / 1e6),
            100_000_000..600_000_000 => format!("{:.0} s", us / 1e6),
            600_000_000..36_000_000_000 => format!("{:.1} min", us / 6e7),
            _ => format!("{:.1} h", us / 3.6e9),
        };
        f.pad(&text)
    }
}

/// A count with a comma at each thousand.
struct Count(u64);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_rate(f)?;
        self.write_statements(f)?;
        self.write_tables(f)?;
        self.write_transactions(f)?;
        self.write_waits(f)?;
        self.write_failures(f)?;
        self.write_notes(f)
    }
}

impl Summary {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.header.sources {
            let detail = source.detail.as_ref().map_or(String::new(), |detail| format!(", {detail}"));
            writeln!(f, "{}: {}{detail}", source.file, source.format)?;
        }
        writeln!(f, "{} over {}", self.header.start, Time(self.header.duration_us))?;
        if self.span_us != self.header.duration_us {
            writeln!(f, "shown: {} after --window, --speed and --scale", Time(self.span_us))?;
        }
        let sessions = self.sessions.len() as u64 + self.sessions_beyond;
        writeln!(
            f,
            "{} transactions, {} statements, {} sessions, {} failures, {} lock waits",
            Count(self.transactions),
            Count(self.statements),
            Count(sessions),
            Count(self.failures.values().sum()),
            Count(self.waits.values().map(|wait| wait.us.count()).sum()),
        )?;
        let basis = &self.header.basis;
        let figures = [
            ("arrivals", basis.arrivals),
            ("service times", basis.service_times),
            ("think times", basis.think_times),
            ("lock waits", basis.lock_waits),
            ("rows", basis.rows),
            ("texts", basis.texts),
        ];
        let shown: Vec<String> =
            figures.iter().map(|(name, basis)| format!("{name} {}", basis_name(*basis))).collect();
        writeln!(f, "basis: {}", shown.join(", "))
    }

    #[allow(clippy::cast_precision_loss)]
    fn write_rate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column_s = self.span_us as f64 / 1e6 / self.arrivals.len() as f64;
        if column_s <= 0.0 {
            return Ok(());
        }
        let peak = self.arrivals.iter().copied().max().unwrap_or(0) as f64 / column_s;
        let mean = self.transactions as f64 / (self.span_us as f64 / 1e6);
        writeln!(f, "\nRate: mean {mean:.1}/s, peak {peak:.1}/s within {}", Time((column_s * 1e6) as u64))?;
        for row in chart(&self.arrivals) {
            writeln!(f, "  │{}", row.trim_end())?;
        }
        let end = Time(self.span_us).to_string();
        writeln!(f, "  └{}", "─".repeat(self.arrivals.len()))?;
        writeln!(f, "   0{end:>width$}", width = self.arrivals.len() - 1)
    }

    #[allow(clippy::cast_precision_loss)]
    fn write_statements(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statements: Vec<&OfStatement> = self.by_fingerprint.values().collect();
        // Total time first: what the server was busy with.
        statements.sort_by(|a, b| {
            (b.latency.sum(), b.count).cmp(&(a.latency.sum(), a.count)).then_with(|| a.shown.cmp(&b.shown))
        });
        writeln!(
            f,
            "\nStatements by total time ({} different, waits included)",
            Count(statements.len() as u64)
        )?;
        let mut header = "     count    rate/s       p50       p95       p99       max".to_owned();
        let rows = statements.iter().any(|of| of.with_rows > 0);
        if rows {
            header.push_str("   rows each");
        }
        writeln!(f, "{header}  statement")?;
        for of in statements.iter().take(LISTED) {
            let rate = of.count as f64 / (self.span_us.max(1) as f64 / 1e6);
            let decimals = if rate < 0.1 { 4 } else { 2 };
            write!(f, "{:>10}{rate:>10.decimals$}", Count(of.count))?;
            if of.latency.count() == 0 {
                write!(f, "{:>10}{:>10}{:>10}{:>10}", "-", "-", "-", "-")?;
            } else {
                let at = |permille| Time(of.latency.quantile(permille));
                write!(f, "{:>10}{:>10}{:>10}{:>10}", at(500), at(950), at(990), Time(of.latency.max()))?;
            }
            match of.with_rows {
                _ if !rows => {}
                0 => write!(f, "{:>12}", "-")?,
                with_rows => write!(f, "{:>12.1}", of.rows as f64 / with_rows as f64)?,
            }
            writeln!(f, "  {}", cut(&of.shown))?;
        }
        let left = statements.len().saturating_sub(LISTED);
        if left > 0 {
            let rest = statements.iter().skip(LISTED).map(|of| of.count).sum();
            writeln!(f, "  … and {} more, executed {} times", Count(left as u64), Count(rest))?;
        }
        if self.others > 0 {
            writeln!(
                f,
                "  … and {} executions of statements beyond the first {}",
                Count(self.others),
                super::MAX_STATEMENTS
            )?;
        }
        Ok(())
    }

    fn write_tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::collections::BTreeMap;
        let mut tables: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        let mut not_read: BTreeMap<String, (u64, String)> = BTreeMap::new();
        for of in self.by_fingerprint.values() {
            let Some(text) = &of.text else { continue };
            let read = touched(text);
            for table in read.tables {
                *tables.entry(table).or_default() += of.count;
            }
            if let Some(reason) = read.not_read {
                let entry = not_read.entry(reason).or_insert_with(|| (0, of.shown.clone()));
                entry.0 += of.count;
            }
        }
        if !tables.is_empty() {
            writeln!(f, "\nTables and lock modes, as the statements' texts say")?;
        }
        let width = tables.keys().map(|(table, _)| table.chars().count()).max().unwrap_or(0);
        for ((table, mode), count) in &tables {
            writeln!(f, "{:>10}  {table:width$}  {mode}", Count(*count))?;
        }
        for (reason, (count, example)) in &not_read {
            writeln!(f, "{:>10}  not read ({reason}), such as: {}", Count(*count), cut(example))?;
        }
        Ok(())
    }

    fn write_transactions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nTransactions")?;
        let ends: Vec<String> =
            self.ends.iter().map(|(end, count)| format!("{end} {}", Count(*count))).collect();
        writeln!(f, "  ended by: {}", ends.join(", "))?;
        for (name, histogram) in [
            ("length, all", &self.lengths),
            ("length, of several statements", &self.blocks),
            ("idle in transaction", &self.idle),
        ] {
            if histogram.count() > 0 {
                let at = |permille| Time(histogram.quantile(permille));
                let (p50, p95, p99, max) = (at(500), at(950), at(990), Time(histogram.max()));
                writeln!(
                    f,
                    "  {name}: p50 {p50}, p95 {p95}, p99 {p99}, max {max} ({})",
                    Count(histogram.count())
                )?;
            }
        }
        let extreme = |f: &mut fmt::Formatter<'_>, name: &str, extreme: &Option<Extreme>| match extreme {
            Some(Extreme { us, at_us, session, what }) => {
                writeln!(f, "  {name}: {} at {} in session {session}, {}", Time(*us), Time(*at_us), cut(what))
            }
            None => Ok(()),
        };
        extreme(f, "longest", &self.longest)?;
        extreme(f, "longest idle in transaction", &self.longest_idle)?;
        if self.most_open.0 > 0 {
            writeln!(f, "  most open at a time: {} at {}", self.most_open.0, Time(self.most_open.1))?;
        }
        if self.retries > 0 {
            writeln!(f, "  retries: {}", Count(self.retries))?;
        }
        if self.skipped_runs > 0 {
            writeln!(f, "  skipped for being late: {}", Count(self.skipped_runs))?;
        }
        if !self.applications.is_empty() {
            let mut applications: Vec<(&String, &u64)> = self.applications.iter().collect();
            applications.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
            let shown: Vec<String> = applications
                .iter()
                .take(10)
                .map(|(name, count)| format!("{name} {}", Count(**count)))
                .collect();
            writeln!(f, "  by application: {}", shown.join(", "))?;
        }
        Ok(())
    }

    fn write_waits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.waits.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nLock waits seen")?;
        for ((mode, object), lock) in &self.waits {
            let outcomes: Vec<String> =
                lock.outcomes.iter().map(|(outcome, count)| format!("{outcome} {}", Count(*count))).collect();
            let mut line = format!(
                "{:>10}  {mode} on {object}: longest {}, {}",
                Count(lock.us.count()),
                Time(lock.us.max()),
                outcomes.join(", ")
            );
            if lock.longest_queue > 1 {
                write!(line, ", up to {} in the queue", lock.longest_queue)?;
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }

    fn write_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nFailures")?;
        let mut failures: Vec<_> = self.failures.iter().collect();
        failures.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        for ((sqlstate, message), count) in failures.iter().take(LISTED) {
            let sqlstate = if sqlstate.is_empty() { "-----" } else { sqlstate };
            writeln!(f, "{:>10}  {sqlstate}  {message}", Count(**count))?;
        }
        Ok(())
    }

    fn write_notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.header.notes.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nTo know")?;
        self.header.notes.iter().try_for_each(|note| writeln!(f, "  - {note}"))
    }
}

fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "measured",
        Basis::Derived => "derived",
        Basis::Assumed => "assumed",
        Basis::Absent => "absent",
    }
}

fn cut(text: &str) -> String {
    let mut shown: String =
        text.chars().take(TEXT_COLUMNS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(TEXT_COLUMNS).is_some() {
        shown.push('…');
    }
    shown
}
