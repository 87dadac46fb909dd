//! The recorded behaviour of statements on PostgreSQL 12 to 18, all of it.

use conformance::ddl::{Comparison, compare, parse};

/// The statements that the rules were made for.
const RECORDING: &[u8] = include_bytes!("../data/ddl/ddl_locks.json.gz");

/// Four times as many, recorded when the rules stood, to see whether they hold.
const MORE: &[u8] = include_bytes!("../data/ddl/more.json.gz");

/// What is known to differ of [`MORE`], and why: statement and version.
const DIFFERS: &[(&str, u32)] = &[
    // The parser does not know this action of ALTER MATERIALIZED VIEW.
    ("add_column_matview_fails", 15),
    ("add_column_matview_fails", 17),
    ("add_column_matview_fails", 18),
    // Which way CLUSTER reads a table is up to the planner.
    ("cluster_partitioned", 15),
    ("cluster_partitioned", 17),
    ("cluster_matview", 18),
    // Objects that are no relations are known by name only.
    ("create_event_trigger_fails", 15),
    ("create_event_trigger_fails", 17),
    ("create_event_trigger_fails", 18),
    ("create_foreign_table_fails", 15),
    ("create_foreign_table_fails", 17),
    ("create_foreign_table_fails", 18),
    ("create_operator_fails", 15),
    ("create_operator_fails", 17),
    ("create_operator_fails", 18),
    ("create_tablespace_fails", 15),
    ("create_tablespace_fails", 17),
    ("create_tablespace_fails", 18),
    // One build of PostgreSQL 15 alone locks the column's sequence.
    ("type_serial_to_bigint", 15),
];

#[test]
fn the_rules_agree_with_seven_servers_on_every_recorded_statement() {
    let all = results(RECORDING);
    assert!(all.len() >= 1736, "only {} statement-version results", all.len());
    let (report, agreeing) = told(&all, &[]);
    assert!(report.is_empty(), "{report}{agreeing} of {} agree", all.len());
}

#[test]
fn the_rules_agree_on_a_thousand_further_statements_but_for_those_named() {
    let all = results(MORE);
    let (report, agreeing) = told(&all, DIFFERS);
    assert!(report.is_empty(), "{report}{agreeing} of {} agree", all.len());
    assert_eq!(agreeing + DIFFERS.len(), all.len(), "some of what is said to differ agrees by now");
}

fn results(recording: &[u8]) -> Vec<Comparison> {
    compare(&parse(recording).expect("the recording is in the repository"))
}

/// The differences, without those that are known, and how many results agree.
fn told(all: &[Comparison], known: &[(&str, u32)]) -> (String, usize) {
    let mut report = String::new();
    for comparison in all.iter().filter(|c| !c.agrees()) {
        if known.contains(&(comparison.id.as_str(), comparison.version)) {
            continue;
        }
        report += &format!("{} on {}: {}\n", comparison.id, comparison.version, comparison.sql);
        for (field, difference) in &comparison.fields {
            if let Some(difference) = difference {
                report += &format!("    {field}: {difference}\n");
            }
        }
    }
    (report, all.iter().filter(|c| c.agrees()).count())
}
