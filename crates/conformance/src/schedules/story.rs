//! A schedule as a story for people, and its waits-for graph for Graphviz.

use std::fmt::Write as _;

use lock_table::{Blocker, EdgeKind, LockTag, SessionId};

use super::diff::{Agreement, compare};
use super::format::{Entry, Schedule, TimerFound};
use super::ops;
use super::replay::Replay;

/// The story: a line for each entry; when the waits have changed, the queues after it, the graph of who waits
/// for whom, and why.
///
/// Solid edges (`─►`) are hard: the other one holds the lock. Dashed ones (`┄►`) are soft: it waits ahead.
#[must_use]
pub fn story(schedule: &Schedule) -> String {
    let mut text = format!("{}: {}\n", schedule.id, title(schedule));
    let mut replay = Replay::new(schedule);
    while let Some(entry) = replay.next_entry() {
        line(&mut text, &entry);
        if entry.w.is_some() {
            queues(&mut text, &replay);
            graph(&mut text, &replay);
        }
    }
    text.push_str(match compare(schedule) {
        Agreement::Agrees => "The recording agrees.\n",
        Agreement::AgreesByRace => "The recording agrees if the woken sessions' race goes otherwise.\n",
        Agreement::Differs(_) => "The recording DIFFERS:\n",
    });
    if let Agreement::Differs(differences) = compare(schedule) {
        text.push_str(&differences[0].to_string());
    }
    text
}

fn title(schedule: &Schedule) -> String {
    let timeouts: Vec<_> = schedule.dl.iter().map(u64::to_string).collect();
    let what =
        schedule.desc.clone().unwrap_or_else(|| format!("a schedule of the profile {}", schedule.prof));
    format!("{what}\n{} sessions with a deadlock_timeout of {} ms", schedule.n, timeouts.join(", "))
}

fn line(text: &mut String, entry: &Entry) {
    let who = entry.s.or(entry.tm.map(|(session, _)| session)).unwrap_or_default();
    let what = match (entry.tm, entry.op) {
        (Some((_, TimerFound::LockTimeout)), _) => "(lock_timeout)".to_owned(),
        (Some((_, TimerFound::Deadlock)), _) => "(deadlock_timeout: a deadlock, gives up)".to_owned(),
        (Some((_, TimerFound::Rearranged)), _) => {
            "(deadlock_timeout: puts queues into another order)".to_owned()
        }
        (None, Some(op)) => ops::sql(op, &entry.args),
        (None, None) => String::new(),
    };
    let own = match &entry.res {
        _ if entry.skip == 1 => " → not sent, the session waits".to_owned(),
        Some(result) => format!(" → {}", result_in_words(result)),
        None => String::new(),
    };
    let others: String = entry
        .done
        .iter()
        .map(|(session, result)| format!("; session {session} → {}", result_in_words(result)))
        .collect();
    let _ = writeln!(text, "{:>6} ms  session {who}  {what}{own}{others}", entry.t);
}

fn result_in_words(result: &str) -> String {
    match result {
        "W" => "waits".to_owned(),
        "!55P03n" => "ERROR 55P03, not to be had without waiting".to_owned(),
        "!55P03t" => "ERROR 55P03, lock_timeout".to_owned(),
        "!40P01" => "ERROR 40P01, deadlock".to_owned(),
        _ => result.strip_prefix('!').map_or_else(|| result.to_owned(), |code| format!("ERROR {code}")),
    }
}

const INDENT: &str = "             ";

/// `t1: held by 1 AS, 3 RX; waiting 2 AX, 4 AS`
fn queues(text: &mut String, replay: &Replay<'_>) {
    let mut tags: Vec<LockTag> = replay.backends.waiters().iter().map(|waiter| waiter.tag).collect();
    tags.sort();
    tags.dedup();
    let table = replay.backends.lock_table();
    for tag in tags {
        let holders = table.holders(tag).map(|(session, modes)| {
            let modes: Vec<_> = modes.iter().map(ops::mode_name).collect();
            format!("{} {}", number(session), modes.join("+"))
        });
        let queue =
            table.queue(tag).map(|(session, mode)| format!("{} {}", number(session), ops::mode_name(mode)));
        let (holders, queue): (Vec<_>, Vec<_>) = (holders.collect(), queue.collect());
        let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
        let name = replay.object(tag);
        let _ = writeln!(text, "{INDENT}{name}: held by {holders}; waiting {}", queue.join(", "));
    }
}

fn graph(text: &mut String, replay: &Replay<'_>) {
    for waiter in replay.backends.waiters() {
        let mode = ops::mode_name(waiter.mode);
        for blocker in replay.backends.blockers(waiter.session) {
            let (arrow, why) = match blocker.kind {
                EdgeKind::Hard => ("─►", "holds"),
                EdgeKind::Soft => ("┄►", "waits ahead for"),
            };
            let _ = writeln!(
                text,
                "{INDENT}{} {arrow} {}  wants {} {mode}; {} {why} {}",
                number(waiter.session),
                number(blocker.session),
                replay.object(waiter.tag),
                number(blocker.session),
                ops::mode_name(blocker.mode),
            );
        }
    }
}

fn number(session: SessionId) -> u32 {
    session.0 + 1
}

/// The waits-for graph after an entry (counted from 1), in Graphviz's language; without a number, after the
/// first entry at which most sessions wait.
#[must_use]
pub fn dot(schedule: &Schedule, entry: Option<usize>) -> Option<String> {
    let mut replay = Replay::new(schedule);
    let mut best: Option<(usize, String)> = None;
    let mut at = 0;
    while let Some(happened) = replay.next_entry() {
        at += 1;
        let waiting = replay.backends.waiters().len();
        let is_wanted = match entry {
            Some(wanted) => wanted == at,
            None => best.as_ref().is_none_or(|(most, _)| waiting > *most),
        };
        if is_wanted {
            best = Some((waiting, dot_now(schedule, &replay, at, &happened)));
        }
    }
    best.map(|(_, text)| text)
}

fn dot_now(schedule: &Schedule, replay: &Replay<'_>, at: usize, happened: &Entry) -> String {
    let label = super::diff::describe(happened).replace('"', "'");
    let mut text = format!("digraph waits {{\n  label = \"{} after entry {at}: {label}\";\n", schedule.id);
    let waiters = replay.backends.waiters();
    for session in (0..schedule.n).map(SessionId) {
        let shape = if waiters.iter().any(|it| it.session == session) { "ellipse" } else { "box" };
        let _ = writeln!(text, "  s{0} [label=\"session {0}\", shape={shape}];", number(session));
    }
    for waiter in waiters {
        for Blocker { session, kind, mode } in replay.backends.blockers(waiter.session) {
            let style = if kind == EdgeKind::Hard { "solid" } else { "dashed" };
            let wanted = format!("{} {}", replay.object(waiter.tag), ops::mode_name(waiter.mode));
            let _ = writeln!(
                text,
                "  s{} -> s{} [label=\"{wanted} / {}\", style={style}];",
                number(waiter.session),
                number(session),
                ops::mode_name(mode),
            );
        }
    }
    text.push_str("}\n");
    text
}
