//! The lock schedules recorded on PostgreSQL 15.18, all of them.

use std::io::Read;

use conformance::schedules::{Agreement, Schedule, compare, parse};

fn recorded() -> Vec<Schedule> {
    let packed = include_bytes!("../data/schedules/schedules.ndjson.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("the recordings unpack");
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
