//! The recorded isolation specs on the simulated server: the transcripts and who blocks whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use conformance::isolation::{
    Case, REFERENCE_MAJOR, Simulated, Tally, Verdict, check, diff, parse, replay_blockers,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/isolation");

/// Specs for what those have none for, with the transcripts of 15 and 18.
const MORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/isolation-more");

/// The majors whose servers the transcripts come from.
const MAJORS: [u32; 5] = [14, 15, 16, 17, 18];

fn specs(data: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(Path::new(data).join("specs"))
        .expect("specs")
        .map(|entry| entry.expect("a file").path());
    let read = |path: &Path| fs::read_to_string(path).expect("a spec");
    entries
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), read(&path)))
        .collect()
}

/// The transcript of a version: its own if it has one.
fn expected(data: &str, name: &str, major: u32) -> String {
    let file = |name: String| fs::read_to_string(Path::new(data).join("expected").join(name));
    file(format!("{name}.pg{major}.out")).or_else(|_| file(format!("{name}.out"))).expect("a transcript")
}

fn compare(data: &str, majors: &[u32]) {
    let mut tally = Tally::default();
    let mut report = String::new();
    for (name, spec) in specs(data) {
        let expected = majors.iter().map(|major| (*major, expected(data, &name, *major))).collect();
        let verdict = check(&Case { spec, expected }, Simulated::new);
        tally.count(&verdict);
        match verdict {
            Verdict::Agrees => {}
            Verdict::Differs { major, diff } => report += &format!("{name} differs from {major}:\n{diff}\n"),
            Verdict::NotSupported { place, reason } => report += &format!("{name}: {place}: {reason}\n"),
            Verdict::Malformed(error) => report += &error.excerpt(&name),
        }
    }
    assert!(tally.is_good(false), "{report}{tally}");
}

#[test]
fn every_transcript_of_every_version_is_reproduced_to_the_byte() {
    compare(DATA, &MAJORS);
}

#[test]
fn what_the_given_specs_leave_out_is_reproduced_to_the_byte_too() {
    compare(MORE, &[15, 18]);
}

#[test]
fn at_every_blocked_step_the_blockers_are_those_of_the_server() {
    let mut report = String::new();
    for (name, spec) in specs(DATA) {
        let expected =
            fs::read_to_string(Path::new(DATA).join(format!("blockers/{name}.txt"))).expect("blockers");
        let spec = parse(&spec).expect("a spec");
        match replay_blockers(&spec, &mut Simulated::new(REFERENCE_MAJOR)) {
            Ok(actual) => {
                report += &diff(&expected, &actual).map_or(String::new(), |diff| format!("{name}:\n{diff}\n"))
            }
            Err(error) => report += &format!("{name}: {error}\n"),
        }
    }
    assert!(report.is_empty(), "{report}");
}
