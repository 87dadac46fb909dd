//! No bytes make the importer or the reader panic, and what they yield is in order.

mod common;

use common::{import_all, sample, stderr_log};
use proptest::collection::vec;
use proptest::prelude::*;
use sim_clock::Nanos;
use traces::Reader;
use traces::import::{Format, Options};
use traces::summary::Summary;

const FORMATS: [Option<Format>; 7] = [
    None,
    Some(Format::Csvlog),
    Some(Format::Jsonlog),
    Some(Format::Stderr),
    Some(Format::Pgbench),
    Some(Format::Pgreplay),
    Some(Format::PgStatStatements),
];

/// Imports whatever it is, and walks through what comes out.
fn survives(bytes: &[u8], format: Option<Format>) {
    let options = Options {
        format,
        log_line_prefix: Some("%m [%p] %q%u@%d ".to_owned()),
        stats_span: Some(Nanos::from_secs(60)),
        draw: Nanos::from_millis(10),
        ..Options::default()
    };
    let Ok(imported) = import_all(options, &[("bytes", bytes)]) else { return };
    let reader = Reader::open(&imported.trace[..]).unwrap();
    let mut summary = Summary::new(reader.header(), reader.header().duration_us);
    for record in reader {
        summary.add(&record.unwrap());
    }
    assert!(!summary.to_string().is_empty());
}

/// Pieces that the parsers look for, so that random texts get past their first checks.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "2026-11-21 10:00:00.000 UTC ",
        "[7] ",
        "u@d ",
        "LOG:  ",
        "ERROR:  ",
        "STATEMENT:  ",
        "DETAIL:  ",
        "statement: ",
        "duration: 1.5 ms",
        "  execute <unnamed>: ",
        "process 7 still waiting for ShareLock on transaction 5 after 1.0 ms",
        "process 7 acquired ShareLock on transaction 5 after 9.0 ms",
        "begin",
        "commit;",
        "select 'a",
        "$$",
        "/*",
        "\"",
        ",",
        "\n",
        "\n\t",
        "\t",
        "in (1, 2)",
        "values (1),(2)",
        "parameters: $1 = 'x",
        "{\"timestamp\":\"",
        "1795247371 ",
        "-",
        ".",
        "é",
        "\u{0}",
        "9",
        "3/8",
    ];
    prop_oneof![4 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        for format in FORMATS {
            survives(&bytes, format);
        }
        if let Ok(reader) = Reader::open(&bytes[..]) {
            reader.for_each(drop);
        }
    }

    #[test]
    fn no_mixture_of_known_pieces_panics(pieces in vec(piece(), 0..60)) {
        let text = pieces.concat();
        for format in FORMATS {
            survives(text.as_bytes(), format);
        }
        let lines: Vec<(u64, u32, &str)> = text.lines().map(|line| (1, 7, line)).collect();
        survives(stderr_log(&lines).as_bytes(), Some(Format::Stderr));
    }

    #[test]
    fn a_damaged_log_is_read_around_the_damage(
        cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        name in prop::sample::select(vec!["csvlog-pg12.csv", "jsonlog-pg18.json", "pgbench-maxtries.log"]),
    ) {
        let mut bytes = sample(name);
        let whole = common::import(name, &bytes).report.header.counts.transactions;
        for (place, byte) in &cuts {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        survives(&bytes, None);
        if let Ok(imported) = import_all(Options::default(), &[(name, &bytes)]) {
            let left = imported.report.header.counts.transactions;
            prop_assert!(left + 2 * cuts.len() as u64 >= whole.min(200), "{left} of {whole} are left");
            prop_assert!(imported.records().is_sorted_by_key(|record| record.at_us));
        }
    }

    #[test]
    fn a_damaged_trace_is_read_around_the_damage(cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut trace = common::import("a", &sample("csvlog-pg18.csv")).trace;
        let header = trace.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for (place, byte) in &cuts {
            let place = header + place.index(trace.len() - header);
            trace[place] = *byte;
        }
        let read = Reader::open(&trace[..]).unwrap().filter(Result::is_ok).count();
        // A damaged time may put the records behind it out of order, so only survival is certain.
        prop_assert!(read <= 26 + cuts.len());
    }
}
