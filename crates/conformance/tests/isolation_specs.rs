//! The recorded isolation specs on the simulated server: the transcripts and who blocks whom.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use conformance::isolation::{
    Case, REFERENCE_MAJOR, Simulated, Tally, Verdict, check, diff, parse, replay_blockers,
};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/isolation");

/// The majors whose servers the transcripts come from.
const MAJORS: std::ops::RangeInclusive<u32> = 14..=18;

fn specs() -> BTreeMap<String, String> {
    let entries = fs::read_dir(Path::new(DATA).join("specs"))
        .expect("specs")
        .map(|entry| entry.expect("a file").path());
    let read = |path: &Path| fs::read_to_string(path).expect("a spec");
    entries
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), read(&path)))
        .collect()
}

/// The transcript of a version: its own if it has one.
fn expected(name: &str, major: u32) -> String {
    let file = |name: String| fs::read_to_string(Path::new(DATA).join("expected").join(name));
    file(format!("{name}.pg{major}.out")).or_else(|_| file(format!("{name}.out"))).expect("a transcript")
}

#[test]
fn every_transcript_of_every_version_is_reproduced_to_the_byte() {
    let mut tally = Tally::default();
    let mut report = String::new();
    for (name, spec) in specs() {
        let expected = MAJORS.map(|major| (major, expected(&name, major))).collect();
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
fn at_every_blocked_step_the_blockers_are_those_of_the_server() {
    let mut report = String::new();
    for (name, spec) in specs() {
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
