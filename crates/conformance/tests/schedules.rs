//! The lock schedules recorded on PostgreSQL 15.18, all of them.

use std::io::Read;

use conformance::schedules::{Agreement, Args, Entry, OpKind, Schedule, Wait, compare, last_outcomes, parse};

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
