//! `pg_stat_statements` of PostgreSQL 12 to 18: other columns, the same figures.

mod common;

use common::{Imported, import_all};
use sim_clock::{Nanos, Seed};
use traces::import::{ImportError, Options};
use traces::record::Basis;

const V12: &str = "userid,dbid,queryid,query,calls,total_time,min_time,max_time,mean_time,stddev_time,rows\n\
    10,5,-42,select * from t where id = $1,6000,12000,0.5,20,2,1,6000\n\
    10,5,43,\"update t\n set a = $1\",600,6000,1,100,10,5,1200\n\
    10,5,44,BEGIN,600,6,0.01,0.01,0.01,0,0\n";

const V17: &str = "captured_at,userid,dbid,toplevel,queryid,query,plans,total_plan_time,calls,total_exec_time,\
    min_exec_time,max_exec_time,mean_exec_time,stddev_exec_time,rows,stats_since\n\
    2026-11-21 10:10:00+00,10,5,t,-42,select * from t where id = $1,0,0,6000,12000,0.5,20,2,1,6000,2026-11-21 10:00:00.5+00\n\
    2026-11-21 10:10:00+00,10,5,f,42,select nested,0,0,6000,12000,0.5,20,2,1,6000,2026-11-21 10:00:00.5+00\n";

fn import(options: Options, snapshots: &[&str]) -> Result<Imported, ImportError> {
    let sources: Vec<(&str, &[u8])> = snapshots.iter().map(|text| ("pgss.csv", text.as_bytes())).collect();
    import_all(options, &sources)
}

fn span(seconds: u64) -> Options {
    Options { stats_span: Some(Nanos::from_secs(seconds)), ..Options::default() }
}

#[test]
fn columns_are_found_by_name_in_every_version() {
    let twelve = import(span(600), &[V12]).unwrap();
    let rates = &twelve.report.header.rates;
    assert_eq!(rates.len(), 2);
    assert!((rates[0].rate_per_s - 10.0).abs() < 1e-9 && (rates[0].mean_us - 2_000.0).abs() < 1e-9);
    assert_eq!(rates[1].text.as_deref(), Some("update t\n set a = $1"));
    assert_eq!(rates[1].rows, Some(2.0));
    let seventeen = import(Options::default(), &[V17]).unwrap();
    let rate = &seventeen.report.header.rates[0];
    assert!((rate.rate_per_s - 6_000.0 / 599.5).abs() < 1e-5, "{rate:?}");
    assert_eq!(rate.fingerprint, rates[0].fingerprint);
    assert!(seventeen.notes().contains("1 statements inside functions"));
}

#[test]
fn arrivals_are_assumed_and_said_so() {
    let options = Options { draw: Nanos::from_secs(600), ..span(600) };
    let imported = import(options, &[V12]).unwrap();
    assert_eq!(imported.report.header.basis.arrivals, Basis::Assumed);
    assert!(imported.notes().contains("assumed Poisson"));
    assert!(imported.notes().contains("BEGIN, COMMIT and ROLLBACK"));
    let count = imported.records().len();
    // 6,600 expected; a Poisson count strays by 81.
    assert!((6_300..6_900).contains(&count), "{count}");
}

#[test]
fn another_statement_does_not_change_the_draws_of_the_first() {
    let first_only: String = V12.lines().take(2).map(|line| format!("{line}\n")).collect();
    let of_first = |text: &str| -> Vec<u64> {
        let records = import(span(600), &[text]).unwrap().records();
        let selects = records.iter().filter(|record| record.statements[0].rows == Some(1));
        selects.map(|record| record.statements[0].service_us.unwrap()).collect()
    };
    assert_eq!(of_first(V12), of_first(&first_only));
}

#[test]
fn two_snapshots_give_what_happened_in_between() {
    let later = V17.replace("10:10:00+00", "10:20:00+00").replace(",6000,12000,", ",7200,24000,");
    let imported = import(Options::default(), &[V17, &later]).unwrap();
    let rate = &imported.report.header.rates[0];
    assert_eq!(rate.calls, 1_200);
    assert!((rate.rate_per_s - 2.0).abs() < 1e-9 && (rate.mean_us - 10_000.0).abs() < 1e-9, "{rate:?}");
}

#[test]
fn a_snapshot_without_times_needs_its_span() {
    let error = import(Options::default(), &[V12]).err().unwrap().to_string();
    assert!(error.contains("--stats-span") && error.contains("captured_at"), "{error}");
}

#[test]
fn broken_rows_are_named_and_the_others_read() {
    let broken = V12.replace(",600,6000,", ",many,6000,");
    let imported = import(Options { seed: Seed(2), ..span(600) }, &[&broken]).unwrap();
    assert_eq!(imported.report.header.rates.len(), 1);
    assert!(
        imported.report.problems[0].to_string().contains("pgss.csv:3: expected a number in column calls")
    );
}
