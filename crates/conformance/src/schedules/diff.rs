//! Comparing what was recorded with what the replay made.

use std::fmt;

use super::format::{Entry, Schedule, Wait};
use super::races;
use super::replay::{Replay, replay};

/// The first (or a later) entry of a schedule in which the replay differs from the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The schedule.
    pub id: String,
    /// The place of the entry in the trace, from 1.
    pub entry: usize,
    /// What it is about: time, session, operation.
    pub what: String,
    /// Each field that differs: its name, as recorded, as replayed.
    pub fields: Vec<(&'static str, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, entry {}: {}", self.id, self.entry, self.what)?;
        for (name, recorded, replayed) in &self.fields {
            writeln!(f, "  {name:<6} recorded  {recorded}")?;
            writeln!(f, "  {:<6} replayed  {replayed}", "")?;
        }
        Ok(())
    }
}

/// How a schedule's replay compares with the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// In every field of every entry.
    Agrees,
    /// So, too, but only if races between woken sessions are decided otherwise than by the order of waking.
    AgreesByRace,
    /// These entries differ, the first one first.
    Differs(Vec<Difference>),
}

/// Replays a schedule and compares it with the recording, entry by entry.
///
/// Where one event woke several sessions (`mw`), a real server lets them race; the recording then agrees if it
/// is one of the outcomes that the model can have.
#[must_use]
pub fn compare(schedule: &Schedule) -> Agreement {
    let differences = differences(schedule);
    if differences.is_empty() {
        Agreement::Agrees
    } else if schedule.mw > 0 && races::any_way(schedule, |replay| agrees(schedule, replay)) {
        Agreement::AgreesByRace
    } else {
        Agreement::Differs(differences)
    }
}

/// Replays a schedule, races decided by the order of waking, and lists all differences.
#[must_use]
pub fn differences(schedule: &Schedule) -> Vec<Difference> {
    let replayed = replay(schedule);
    let entries = schedule.tr.len().max(replayed.len());
    let mut waits = [Vec::new(), Vec::new()];
    (0..entries)
        .filter_map(|at| difference(schedule, at, schedule.tr.get(at), replayed.get(at), &mut waits))
        .collect()
}

fn agrees(schedule: &Schedule, replay: &mut Replay<'_>) -> bool {
    let mut waits = [Vec::new(), Vec::new()];
    let mut recorded = schedule.tr.iter();
    loop {
        let at = schedule.tr.len() - recorded.len();
        match (recorded.next(), replay.next_entry()) {
            (None, None) => return true,
            (recorded, replayed) => {
                if difference(schedule, at, recorded, replayed.as_ref(), &mut waits).is_some() {
                    return false;
                }
            }
        }
    }
}

fn difference(
    schedule: &Schedule,
    at: usize,
    recorded: Option<&Entry>,
    replayed: Option<&Entry>,
    waits: &mut [Vec<Wait>; 2],
) -> Option<Difference> {
    // A list of waiters is given when it changes; what counts is how it stands.
    for (waits, entry) in waits.iter_mut().zip([recorded, replayed]) {
        if let Some(now) = entry.and_then(|entry| entry.w.clone()) {
            *waits = now;
        }
    }
    let sides = [(recorded, &waits[0]), (replayed, &waits[1])].map(|(entry, waits)| fields(entry, waits));
    let [recorded_fields, replayed_fields] = sides;
    let fields: Vec<_> = recorded_fields
        .into_iter()
        .zip(replayed_fields)
        .filter(|(recorded, replayed)| recorded != replayed)
        .map(|((name, recorded), (_, replayed))| (name, recorded, replayed))
        .collect();
    let what = describe(recorded.or(replayed)?);
    (!fields.is_empty()).then(|| Difference { id: schedule.id.clone(), entry: at + 1, what, fields })
}

/// The fields that are compared, as text; the measured time of timers is not among them.
fn fields(entry: Option<&Entry>, waits: &[Wait]) -> Vec<(&'static str, String)> {
    let Some(entry) = entry else {
        return ["event", "res", "skip", "done", "w", "st"]
            .map(|name| (name, "nothing happens".to_owned()))
            .into();
    };
    let event = match entry.tm {
        Some(_) => describe(entry).split(": ").nth(1).unwrap_or_default().to_owned(),
        None => describe(entry),
    };
    let done = entry.done.iter().map(|(session, result)| format!("{session}: {result}"));
    let waits = waits.iter().map(|(session, object, mode, blockers)| {
        let blockers: Vec<_> = blockers.iter().map(u32::to_string).collect();
        format!("{session} waits for {object} {mode} behind {}", blockers.join(" "))
    });
    vec![
        ("event", event),
        ("res", entry.res.clone().unwrap_or_default()),
        ("skip", if entry.skip == 1 { "skipped" } else { "sent" }.to_owned()),
        ("done", done.collect::<Vec<_>>().join(", ")),
        ("w", if entry.skip == 1 { String::new() } else { waits.collect::<Vec<_>>().join(", ") }),
        ("st", entry.st.clone().unwrap_or_default()),
    ]
}

/// An entry in words: `t 120: session 3: lock tb=1 m=AX`.
pub(crate) fn describe(entry: &Entry) -> String {
    if let Some((session, found)) = entry.tm {
        let found = match found {
            super::TimerFound::LockTimeout => "lock_timeout",
            super::TimerFound::Deadlock => "deadlock found, gives up",
            super::TimerFound::Rearranged => "deadlock avoided by rearranging the queue",
        };
        return format!("t {}: timer of session {session} {found}", entry.t);
    }
    let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
    let op = json(serde_json::to_value(entry.op)).as_str().unwrap_or_default().to_owned();
    let args = json(serde_json::to_value(&entry.args));
    let args: String =
        args.as_object().into_iter().flatten().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("t {}: session {}: {op}{args}", entry.t, entry.s.unwrap_or_default())
}
