//! Broken sources and traces, with what is said about each: a table, as one snapshot.

mod common;

use std::fmt::Write;

use common::import_all;
use traces::Reader;
use traces::import::{Format, Options};

/// Format, `log_line_prefix`, the source.
type Case = (&'static str, Option<Format>, Option<&'static str>, &'static str);

const GOOD_CSV: &str = "2026-11-21 07:48:24.139 UTC,\"u\",\"d\",7,\"[local]\",6b014cc8.7,1,\"idle\",2026-11-21 07:48:24 UTC,3/2,0,LOG,00000,\"statement: select 1\",,,,,,,,,\"psql\"\n";
const GOOD_JSON: &str = "{\"timestamp\":\"2026-11-21 07:48:24.139 UTC\",\"pid\":7,\"session_id\":\"6b0.7\",\"error_severity\":\"LOG\",\"message\":\"statement: select 1\"}\n";

const SOURCES: &[Case] = &[
    ("empty", None, None, ""),
    ("blank lines", None, None, "\n\n\n"),
    ("prose", None, None, "hello\nworld\n"),
    ("binary", None, None, "\u{0}\u{1}\u{2}\u{fffd}\n"),
    ("a trace", None, None, "{\"rehearsal_trace\":1,\"sources\":[]}\n"),
    ("some JSON", None, None, "{\"a\": 1}\n"),
    ("some CSV", None, None, "a,b,c\n1,2,3\n"),
    ("csvlog with a column too many", Some(Format::Csvlog), None, "GOOD_CSV,,\nGOOD_CSV"),
    ("csvlog of three columns", Some(Format::Csvlog), None, "1,2,3\nGOOD_CSV"),
    ("csvlog without a time", Some(Format::Csvlog), None, "soonCUT_CSVGOOD_CSV"),
    ("csvlog with an open quote", Some(Format::Csvlog), None, "2026-11-21 07:48:24.139 UTC,\"u\nGOOD_CSV"),
    (
        "csvlog that ends in a message",
        Some(Format::Csvlog),
        None,
        "GOOD_CSV2026-11-21 07:48:24.139 UTC,\"u\n",
    ),
    ("jsonlog that is cut", Some(Format::Jsonlog), None, "GOOD_JSON{\"timestamp\":\"2026-\n"),
    ("jsonlog without a time", Some(Format::Jsonlog), None, "{\"pid\":7}\nGOOD_JSON"),
    (
        "jsonlog with a time of its own",
        Some(Format::Jsonlog),
        None,
        "{\"timestamp\":\"noon\",\"message\":\"\"}\nGOOD_JSON",
    ),
    (
        "jsonlog without a severity",
        Some(Format::Jsonlog),
        None,
        "{\"timestamp\":\"2026-11-21 07:48:24 UTC\"}\nGOOD_JSON",
    ),
    ("jsonlog with a list", Some(Format::Jsonlog), None, "[1]\nGOOD_JSON"),
    ("prefix without a time", Some(Format::Stderr), Some("[%p] "), "[7] LOG:  statement: select 1\n"),
    ("prefix without a session", Some(Format::Stderr), Some("%m "), "x\n"),
    ("prefix with an unknown escape", Some(Format::Stderr), Some("%m [%p] %z"), "x\n"),
    (
        "prefix of another server",
        Some(Format::Stderr),
        Some("%t|%c| "),
        "2026-11-21 07:48:24.139 UTC [7] LOG:  statement: select 1\n",
    ),
    ("prefix that cannot be guessed", Some(Format::Stderr), None, "7 LOG:  statement: select 1\n"),
    (
        "stderr that starts in a message",
        None,
        None,
        "\tfrom t\n2026-11-21 07:48:24.139 UTC [7] LOG:  statement: select 1\n",
    ),
    (
        "log without any statement",
        None,
        None,
        "2026-11-21 07:48:24.139 UTC [7] LOG:  checkpoint starting: time\n",
    ),
    ("log in German", None, None, "2026-11-21 07:48:24.139 UTC [7] LOG:  Anweisung: select 1\n"),
    (
        "pgbench with words",
        Some(Format::Pgbench),
        None,
        "0 1 1500 0 1795247367 730861\n0 1 fast 0 1795247367 730861\n",
    ),
    (
        "pgbench with five columns",
        Some(Format::Pgbench),
        None,
        "0 1 1500 0 1795247367 730861\n0 1 1500 0 1795247367\n",
    ),
    ("pgbench without an epoch", Some(Format::Pgbench), None, "0 1 1500 0 12 730861\n"),
    (
        "pgreplay with a type of its own",
        Some(Format::Pgreplay),
        None,
        "{\"type\":\"Copy\",\"item\":{\"timestamp\":\"2026-11-21T10:00:00Z\",\"session_id\":\"a\"}}\n",
    ),
    (
        "pgreplay without a session",
        Some(Format::Pgreplay),
        None,
        "{\"type\":\"Statement\",\"item\":{\"timestamp\":\"2026-11-21T10:00:00Z\",\"query\":\"x\"}}\n",
    ),
    ("statistics without a header", Some(Format::PgStatStatements), None, "10,5,-42,select 1,6\n"),
    ("statistics without a span", None, None, "query,calls,mean_time\nselect 1,6,2\n"),
    (
        "statistics with words",
        None,
        None,
        "query,calls,mean_time,stats_reset,captured_at\nselect 1,six,2,2026-11-21 10:00:00+00,2026-11-21 10:00:06+00\nselect 2,6,2,2026-11-21 10:00:00+00,2026-11-21 10:00:06+00\n",
    ),
    ("statistics without times of execution", None, None, "query,calls\nselect 1,6\n"),
    ("statistics with a column too few", None, None, "query,calls,mean_time\nselect 1,6\n"),
];

const TRACES: &[(&str, &str)] = &[
    ("empty", ""),
    ("prose", "hello\n"),
    ("a log", "{\"timestamp\":\"2026-11-21 07:48:24.139 UTC\"}\n"),
    ("a newer format", "{\"rehearsal_trace\":9,\"everything\":\"else\"}\n"),
    ("a header without its sources", "{\"rehearsal_trace\":1}\n"),
    ("a record that is cut", "HEADER{\"at_us\":0,\"session\":\"a\",\"end\":\"com"),
    ("a record without a time", "HEADER{\"session\":\"a\",\"end\":\"commit\",\"statements\":[]}\n"),
    (
        "a record with a negative time",
        "HEADER{\"at_us\":-1,\"session\":\"a\",\"end\":\"commit\",\"statements\":[]}\n",
    ),
    (
        "a record with another end",
        "HEADER{\"at_us\":0,\"session\":\"a\",\"end\":\"bang\",\"statements\":[]}\n",
    ),
    (
        "a statement without fingerprint",
        "HEADER{\"at_us\":0,\"session\":\"a\",\"end\":\"commit\",\"statements\":[{\"text\":\"select 1\"}]}\n",
    ),
    (
        "records out of order",
        "HEADER{\"at_us\":5,\"session\":\"a\",\"end\":\"commit\",\"statements\":[]}\n{\"at_us\":4,\"session\":\"a\",\"end\":\"commit\",\"statements\":[]}\n",
    ),
];

#[test]
fn every_broken_source_says_what_was_expected_where() {
    let mut out = String::new();
    for (name, format, prefix, text) in SOURCES {
        let cut = GOOD_CSV.split_once(" UTC").map_or("", |(_, rest)| rest);
        let text =
            text.replace("GOOD_CSV,", &format!("{},", GOOD_CSV.trim_end())).replace("GOOD_CSV", GOOD_CSV);
        let text = text.replace("CUT_CSV", cut).replace("GOOD_JSON", GOOD_JSON);
        let options =
            Options { format: *format, log_line_prefix: prefix.map(str::to_owned), ..Options::default() };
        writeln!(out, "{name}").unwrap();
        match import_all(options, &[("FILE", text.as_bytes())]) {
            Err(error) => writeln!(out, "  error: {error}").unwrap(),
            Ok(imported) => {
                for problem in &imported.report.problems {
                    writeln!(out, "  {problem}").unwrap();
                }
                writeln!(out, "  {} transactions", imported.report.header.counts.transactions).unwrap();
            }
        }
    }
    insta::assert_snapshot!("broken sources", out);
}

#[test]
fn every_broken_trace_says_what_was_expected_where() {
    let good = import_all(Options::default(), &[("FILE", GOOD_CSV.as_bytes())]).unwrap().trace;
    let header = String::from_utf8(good).unwrap().lines().next().unwrap().to_owned() + "\n";
    let mut out = String::new();
    for (name, text) in TRACES {
        writeln!(out, "{name}").unwrap();
        match Reader::open(text.replace("HEADER", &header).as_bytes()) {
            Err(error) => writeln!(out, "  {error}").unwrap(),
            Ok(reader) => {
                reader.filter_map(Result::err).for_each(|error| writeln!(out, "  {error}").unwrap());
            }
        }
    }
    insta::assert_snapshot!("broken traces", out);
}
