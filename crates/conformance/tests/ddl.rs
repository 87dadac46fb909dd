//! The recorded behaviour of DDL statements on PostgreSQL 12 to 18, all of it.

use conformance::ddl::{compare, parse};

const RECORDING: &[u8] = include_bytes!("../data/ddl/ddl_locks.json.gz");

#[test]
fn the_rules_agree_with_seven_servers_on_every_recorded_statement() {
    let recording = parse(RECORDING).expect("the recording is in the repository");
    let all = compare(&recording);
    assert!(all.len() >= 1736, "only {} statement-version results", all.len());
    let mut report = String::new();
    for comparison in all.iter().filter(|c| !c.agrees()) {
        report += &format!("{} on {}: {}\n", comparison.id, comparison.version, comparison.sql);
        for (field, difference) in &comparison.fields {
            if let Some(difference) = difference {
                report += &format!("    {field}: {difference}\n");
            }
        }
    }
    let agreeing = all.iter().filter(|c| c.agrees()).count();
    assert!(report.is_empty(), "{report}{agreeing} of {} agree", all.len());
}
