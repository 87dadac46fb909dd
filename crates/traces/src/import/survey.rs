//! What a log says about itself: whether it is complete, which settings wrote it, what was not understood.
//!
//! The settings that thin a log out (`log_min_duration_statement`, `log_min_duration_sample`,
//! `log_statement_sample_rate`, `log_transaction_sample_rate`, `log_statement`) are not in it. But each
//! backend numbers its transactions (`%v`), logged or not, so the gaps in those numbers tell which part is
//! missing.

use std::collections::BTreeMap;

use crate::logs::message::{Message, Phase, WaitState};
use crate::logs::{Entry, SEVERITIES, VirtualXid, excerpt};
use crate::record::{Bases, Basis, Sampling};

/// Fewer transactions than this say nothing about sampling.
const MIN_TRANSACTIONS: u64 = 20;

/// A log with so large a part of the transactions counts as complete: sessions start transactions of their
/// own (authentication, CONCURRENTLY commands) that are not logged.
const COMPLETE: f64 = 0.75;

/// Durations below this are never the effect of a threshold worth naming.
const LEAST_THRESHOLD_US: u64 = 1_000;

#[derive(Default)]
pub(crate) struct Survey {
    pub(crate) first_us: Option<i64>,
    pub(crate) last_us: Option<i64>,
    /// Entries that came later in the files but are earlier in time by more than a second.
    backward: u64,
    statements: u64,
    durations: u64,
    with_text: u64,
    least_with_text_us: Option<u64>,
    plans: u64,
    waits: u64,
    least_wait_us: Option<u64>,
    has_virtual_xids: bool,
    /// For each backend slot the last transaction number.
    slots: BTreeMap<u32, u32>,
    transactions_seen: u64,
    transactions_numbered: u64,
    /// How many of them follow directly on the one before in their slot.
    adjacent: u64,
    foreign_severities: u64,
    foreign_example: Option<String>,
    unknown: u64,
    unknown_example: Option<String>,
    unknown_zones: u64,
    client_entries: u64,
}

impl Survey {
    pub(crate) fn observe(&mut self, entry: &Entry, message: &Message) {
        self.first_us = Some(self.first_us.map_or(entry.at_us, |first| first.min(entry.at_us)));
        if self.last_us.is_some_and(|last| entry.at_us < last - 1_000_000) {
            self.backward += 1;
        }
        self.last_us = Some(self.last_us.map_or(entry.at_us, |last| last.max(entry.at_us)));
        self.unknown_zones += u64::from(!entry.zone_known);
        self.client_entries += u64::from(entry.user.is_some());
        if let Some(id) = entry.virtual_xid.filter(|id| id.local != 0) {
            self.number(id);
        }
        if !SEVERITIES.contains(&entry.severity.as_str()) {
            self.foreign_severities += 1;
            self.foreign_example
                .get_or_insert_with(|| excerpt(&format!("{}: {}", entry.severity, entry.message)));
        } else if entry.severity == "LOG" {
            self.message(entry, message);
        }
    }

    fn message(&mut self, entry: &Entry, message: &Message) {
        match message {
            Message::Statement { .. } => self.statements += 1,
            Message::Duration { of: None, .. } => self.durations += 1,
            Message::Duration { us, of: Some((Phase::Statement | Phase::Execute, _)) } => {
                self.with_text += 1;
                self.least_with_text_us = Some(self.least_with_text_us.map_or(*us, |least| least.min(*us)));
            }
            Message::Plan { .. } => self.plans += 1,
            Message::Wait(wait) => {
                self.waits += 1;
                if wait.state == WaitState::Waiting {
                    self.least_wait_us = Some(self.least_wait_us.map_or(wait.us, |least| least.min(wait.us)));
                }
            }
            Message::Unknown => {
                self.unknown += 1;
                self.unknown_example.get_or_insert_with(|| excerpt(&entry.message));
            }
            _ => {}
        }
    }

    /// Counts a transaction's number against its predecessor in the same backend slot.
    fn number(&mut self, id: VirtualXid) {
        self.has_virtual_xids = true;
        match self.slots.insert(id.backend, id.local) {
            Some(last) if id.local > last => {
                self.transactions_seen += 1;
                self.transactions_numbered += u64::from(id.local - last);
                self.adjacent += u64::from(id.local - last == 1);
            }
            // The same transaction, the first of its slot, or a restarted server.
            _ => {}
        }
    }

    /// Which part of the transactions is there, if there are enough to tell.
    #[allow(clippy::cast_precision_loss)]
    fn fraction(&self) -> Option<f64> {
        (self.transactions_numbered >= MIN_TRANSACTIONS)
            .then(|| self.transactions_seen as f64 / self.transactions_numbered as f64)
    }

    /// Transactions that are missing in a few long stretches: sampling thins out evenly, cutting does not.
    #[allow(clippy::cast_precision_loss)]
    fn holes(&self) -> Option<(u64, u64)> {
        let even = self.adjacent as f64 >= COMPLETE * self.transactions_seen.max(1) as f64;
        let missing = self.transactions_numbered - self.transactions_seen;
        (even && self.fraction()? < COMPLETE).then_some((self.transactions_seen - self.adjacent, missing))
    }

    /// Whether the log is complete, as far as it tells.
    pub(crate) fn sampling(&self) -> Sampling {
        let threshold = self
            .least_with_text_us
            .filter(|least| *least >= LEAST_THRESHOLD_US && self.with_text >= MIN_TRANSACTIONS);
        match (self.fraction(), threshold) {
            (Some(fraction), _) if fraction >= COMPLETE || self.holes().is_some() => Sampling::Complete,
            (_, Some(min_duration_us)) if self.statements == 0 => Sampling::Threshold { min_duration_us },
            (Some(fraction), _) => Sampling::Sampled { fraction: (fraction * 1e4).round() / 1e4 },
            (None, _) => Sampling::Unknown,
        }
    }

    /// The server's `deadlock_timeout`, which is when it first reports a wait.
    pub(crate) fn deadlock_timeout_us(&self) -> Option<u64> {
        // The report comes a little after the timeout; its whole hundreds of milliseconds are the setting.
        self.least_wait_us.map(|us| if us >= 100_000 { us / 100_000 * 100_000 } else { us / 1_000 * 1_000 })
    }

    pub(crate) fn bases(&self) -> Bases {
        let timed = self.durations + self.with_text + self.plans > 0;
        Bases {
            arrivals: if self.with_text > 0 && self.statements == 0 {
                Basis::Derived
            } else {
                Basis::Measured
            },
            service_times: match (timed, self.waits) {
                (false, _) => Basis::Absent,
                (true, 0) => Basis::Measured,
                (true, _) => Basis::Derived,
            },
            think_times: Basis::Derived,
            lock_waits: if self.waits > 0 { Basis::Measured } else { Basis::Absent },
            rows: Basis::Absent,
            texts: if self.statements + self.with_text + self.plans > 0 {
                Basis::Measured
            } else {
                Basis::Absent
            },
        }
    }

    /// What a reader of the trace must know, one sentence each.
    pub(crate) fn notes(&self, missing_entries: u64) -> Vec<String> {
        let mut notes = Vec::new();
        self.sampling_notes(&mut notes);
        self.wait_notes(&mut notes);
        self.language_notes(&mut notes);
        if self.statements > 0 && self.durations + self.with_text + self.plans == 0 {
            notes.push(
                "The log has statements but no durations (log_duration and log_min_duration_statement are off): \
                 service times are unknown, and think times include the service time before them."
                    .to_owned(),
            );
        }
        if self.durations > 0 && self.statements + self.with_text + self.plans == 0 {
            notes.push(
                "The log has durations but no statements (log_duration without log_statement): texts are unknown."
                    .to_owned(),
            );
        }
        if missing_entries > 0 {
            notes.push(format!(
                "{missing_entries} entries are missing between others of their sessions: the log was cut or filtered."
            ));
        }
        if self.backward > 0 {
            notes.push(format!(
                "{} entries are more than a second older than one before them: files out of order, or the clock was set.",
                self.backward
            ));
        }
        if self.unknown_zones > 0 {
            notes.push(format!(
                "{} times have a time zone abbreviation that is not known and were read as UTC; \
                 distances between times are right unless the zone changed.",
                self.unknown_zones
            ));
        }
        if self.plans > 0 {
            notes.push(format!(
                "The log has {} plans of auto_explain: their texts and times were used where the statement has no entry \
                 of its own; nested statements, if logged, count as statements too.",
                self.plans
            ));
        }
        notes
    }

    fn sampling_notes(&self, notes: &mut Vec<String>) {
        if let Some((holes, missing)) = self.holes() {
            notes.push(format!(
                "About {missing} transactions are missing in {holes} places, judged from the virtual transaction ids: \
                 the log was cut, or files are missing. In between it is complete."
            ));
        }
        match self.sampling() {
            Sampling::Complete => {}
            Sampling::Threshold { min_duration_us } => notes.push(format!(
                "Only statements of at least {} ms are in the log (log_min_duration_statement, inferred from the \
                 shortest): rates are lower bounds, and a lone statement may have been part of a transaction.",
                shown_ms(min_duration_us)
            )),
            Sampling::Sampled { fraction } => notes.push(format!(
                "About {:.1} % of the transactions are in the log, judged from gaps in the virtual transaction ids \
                 (log_transaction_sample_rate, log_statement_sample_rate or a log_statement other than all): \
                 divide rates by that.",
                fraction * 100.0
            )),
            Sampling::Unknown if self.has_virtual_xids => {
                notes.push("There are too few transactions to tell whether the log is sampled.".to_owned());
            }
            Sampling::Unknown => notes.push(
                "The log has no virtual transaction ids (%v), so whether it is sampled cannot be told.".to_owned(),
            ),
        }
    }

    fn wait_notes(&self, notes: &mut Vec<String>) {
        match self.deadlock_timeout_us() {
            Some(us) => notes.push(format!(
                "Lock waits of {} ms and more (deadlock_timeout, inferred) are shown apart and subtracted from the \
                 service times; shorter ones are still in them.",
                shown_ms(us)
            )),
            None if self.statements + self.with_text + self.durations > 0 => notes.push(
                "The log shows no lock waits (log_lock_waits is off, or there were none): service times include any."
                    .to_owned(),
            ),
            None => {}
        }
    }

    /// Why a log yields nothing.
    pub(crate) fn why_nothing(&self) -> String {
        let mut notes = Vec::new();
        self.language_notes(&mut notes);
        if notes.is_empty() {
            notes.push(
                "There are no statements and no durations: log_statement, log_duration and \
                 log_min_duration_statement were off."
                    .to_owned(),
            );
        }
        notes.join(" ")
    }

    fn language_notes(&self, notes: &mut Vec<String>) {
        let understood = self.statements + self.durations + self.with_text + self.plans;
        if self.foreign_severities > 0 {
            let example = self.foreign_example.as_deref().unwrap_or_default();
            notes.push(format!(
                "{} entries have a severity that is not English and were not understood (lc_messages), such as '{example}': \
                 set lc_messages to C and log again.",
                self.foreign_severities
            ));
        } else if understood == 0 && self.unknown > 0 {
            let example = self.unknown_example.as_deref().unwrap_or_default();
            notes.push(format!(
                "No statement and no duration was found, and {} messages were not understood, such as '{example}': \
                 if lc_messages is not C or English, set it so and log again.",
                self.unknown
            ));
        } else if self.unknown > 0 {
            let example = self.unknown_example.as_deref().unwrap_or_default();
            notes.push(format!(
                "{} messages of other kinds were left out, such as '{example}'.",
                self.unknown
            ));
        }
    }
}

/// Milliseconds without decimals that say nothing.
fn shown_ms(us: u64) -> String {
    if us.is_multiple_of(1_000) {
        (us / 1_000).to_string()
    } else {
        format!("{}.{:03}", us / 1_000, us % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::message::parse;

    fn survey(ids: impl Iterator<Item = u32>, message: &str) -> Survey {
        let mut survey = Survey::default();
        for local in ids {
            let virtual_xid = Some(VirtualXid { backend: 3, local });
            let entry =
                Entry { virtual_xid, severity: "LOG".to_owned(), zone_known: true, ..Entry::default() };
            survey.observe(&entry, &parse(message));
        }
        survey
    }

    #[test]
    fn gaps_in_transaction_numbers_give_the_sampling_rate() {
        let Sampling::Sampled { fraction } = survey((1..2_000).step_by(10), "statement: select 1").sampling()
        else {
            panic!("not sampled")
        };
        assert!((fraction - 0.1).abs() < 1e-3);
    }

    #[test]
    fn a_hole_is_not_sampling() {
        let survey = survey((1..60).chain(5_000..5_060), "duration: 0.2 ms");
        assert_eq!(survey.sampling(), Sampling::Complete);
        assert!(survey.notes(0)[0].starts_with("About 4940 transactions are missing in 1 places"));
    }

    #[test]
    fn a_log_without_gaps_is_complete() {
        assert_eq!(survey(1..100, "duration: 250.0 ms  statement: select 1").sampling(), Sampling::Complete);
    }

    #[test]
    fn long_statements_with_gaps_are_a_threshold() {
        let survey = survey((1..3_000).step_by(100), "duration: 250.012 ms  statement: select 1");
        assert_eq!(survey.sampling(), Sampling::Threshold { min_duration_us: 250_012 });
        assert!(survey.notes(0)[0].contains("at least 250.012 ms"));
    }
}
