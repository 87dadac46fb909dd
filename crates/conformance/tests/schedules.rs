//! The lock schedules recorded on PostgreSQL 15.18, all of them.

use std::collections::BTreeMap;
use std::io::Read;

use conformance::schedules::{
    Agreement, Args, Entry, OpKind, Schedule, Wait, compare, last_outcomes, parse, replay,
};

fn recorded() -> Vec<Schedule> {
    let packed = include_bytes!("../data/schedules/schedules.ndjson.gz");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut text).expect("the recordings unpack");
    parse("schedules.ndjson", &text).expect("the recordings are well formed")
}

/// How many agree in the order of waking, how many by another outcome of a race, and what differs.
fn tally(schedules: impl Iterator<Item = Schedule>) -> (usize, usize, Vec<String>) {
    let mut tally = (0, 0, Vec::new());
    for schedule in schedules {
        match compare(&schedule) {
            Agreement::Agrees => tally.0 += 1,
            Agreement::AgreesByRace => tally.1 += 1,
            Agreement::Differs(differences) => tally.2.push(differences[0].to_string()),
        }
    }
    tally
}

#[test]
fn every_schedule_without_a_race_agrees() {
    let (agree, by_race, differ) = tally(recorded().into_iter().filter(|schedule| schedule.mw == 0));
    assert_eq!((agree, by_race), (1_295, 0), "{}", differ.concat());
}

#[test]
fn every_schedule_with_a_race_has_an_outcome_that_the_model_can_have() {
    let (agree, by_race, differ) = tally(recorded().into_iter().filter(|schedule| schedule.mw > 0));
    assert_eq!((agree, by_race), (735, 3), "{}", differ.concat());
}

/// A case of `racy.json`: steps, and what was seen after the last one, how often.
#[derive(serde::Deserialize)]
struct Racy {
    id: String,
    steps: String,
    after_release: Vec<Seen>,
}

#[derive(serde::Deserialize)]
struct Seen {
    done: Vec<(u32, String)>,
    w: Vec<Wait>,
}

/// `2 upd 1 3`: session 2 updates row 3 of table 1.
fn entry(at: usize, step: &str) -> Entry {
    let words: Vec<_> = step.split_whitespace().collect();
    let number = |place: usize| words.get(place).and_then(|word| word.parse().ok());
    let op = match words[1] {
        "b" => OpKind::Begin,
        "c" => OpKind::Commit,
        "r" => OpKind::Rollback,
        "upd" => OpKind::Update,
        "ins" => OpKind::Insert,
        "lock" => OpKind::Lock,
        "rl" => OpKind::Rowlock,
        other => panic!("unknown step {other}"),
    };
    let mode = words.last().filter(|word| word.parse::<i64>().is_err()).map(ToString::to_string);
    let args = Args { tb: number(2).map(|n: i64| n as u32), r: number(3), m: mode, ..Args::default() };
    Entry { t: 10 * (at as u64 + 1), s: words[0].parse().ok(), op: Some(op), args, ..Entry::default() }
}

#[test]
fn each_outcome_seen_of_a_race_is_one_that_the_model_can_have() {
    let cases: Vec<Racy> =
        serde_json::from_str(include_str!("../data/schedules/racy.json")).expect("the races are well formed");
    for case in cases {
        let steps = case.steps.split("; ").filter(|step| *step != "drain");
        let tr: Vec<_> = steps.enumerate().map(|(at, step)| entry(at, step)).collect();
        let n = tr.iter().filter_map(|entry| entry.s).max().unwrap_or(1);
        let id = case.id;
        let (dl, prof, desc) = (vec![60_000; n as usize], String::new(), None);
        let schedule = Schedule { id, desc, prof, n, tables: 1, fk: 0, dl, mw: 1, tr };
        let outcomes = last_outcomes(&schedule);
        for seen in case.after_release {
            let seen = (seen.done, seen.w);
            assert!(outcomes.contains(&seen), "{}: {seen:?} is not one of {outcomes:#?}", schedule.id);
        }
    }
}

/// `conflicts.json`: for each mode held, which modes are refused (1).
#[derive(serde::Deserialize)]
struct Conflicts {
    table: BTreeMap<String, BTreeMap<String, u8>>,
    row: BTreeMap<String, BTreeMap<String, u8>>,
}

/// One session does the first thing in a transaction, another one the second, without waiting: is it refused?
fn is_refused(first: Entry, second: Entry) -> bool {
    let begin = |session| Entry { t: 1, s: Some(session), op: Some(OpKind::Begin), ..Entry::default() };
    let first = Entry { t: 3, s: Some(1), ..first };
    let second = Entry { t: 4, s: Some(2), ..second };
    let tr = vec![begin(1), begin(2), first, second];
    let (dl, prof, id, desc) = (vec![1_000; 2], String::new(), String::new(), None);
    let replayed = replay(&Schedule { id, desc, prof, n: 2, tables: 1, fk: 0, dl, mw: 0, tr });
    let result = replayed[3].res.as_deref().unwrap_or_default();
    result == "!55P03n" || result == "W"
}

#[test]
fn the_measured_conflict_matrices_are_the_models() {
    let text = include_str!("../data/schedules/conflicts.json");
    let conflicts: Conflicts = serde_json::from_str(text).expect("the matrices are well formed");
    let table = |mode: &str| Entry {
        op: Some(OpKind::Lock),
        args: Args { tb: Some(1), m: Some(mode.to_owned()), nw: Some(1), ..Args::default() },
        ..Entry::default()
    };
    let row = |mode: &str| match mode {
        "update" | "update_key" | "delete" => Entry {
            op: Some(match mode {
                "update" => OpKind::Update,
                "update_key" => OpKind::UpdateKey,
                _ => OpKind::Delete,
            }),
            args: Args { tb: Some(1), r: Some(1), ..Args::default() },
            ..Entry::default()
        },
        _ => {
            let (m, wp) = (Some(mode.to_owned()), Some("nw".to_owned()));
            let args = Args { tb: Some(1), r: Some(1), m, wp, ..Args::default() };
            Entry { op: Some(OpKind::Rowlock), args, ..Entry::default() }
        }
    };
    let mut pairs = 0;
    for (held, wanted) in &conflicts.table {
        for (wanted, &refused) in wanted {
            assert_eq!(is_refused(table(held), table(wanted)), refused == 1, "{held} held, {wanted} wanted");
            pairs += 1;
        }
    }
    for (held, wanted) in &conflicts.row {
        for (wanted, &refused) in wanted {
            assert_eq!(is_refused(row(held), row(wanted)), refused == 1, "{held} held, {wanted} wanted");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 64 + 28);
}
