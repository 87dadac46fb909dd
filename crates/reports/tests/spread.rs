//! Many seeds of one scenario, put together.

mod fixture;

use reports::{Basis, Distribution, Figure, Report, Sample, Spread, Unit};

/// Seeds of one scenario: every fourth one is the outage, the others are calm.
fn reports(count: u64) -> Vec<Report> {
    let one = |seed: u64| {
        let mut report = if seed % 4 == 3 { fixture::outage() } else { fixture::calm() };
        report.seed = seed;
        report.scenario = "orders".to_owned();
        report.overall.max_ms += (seed % 7) as f64;
        report
    };
    (11..11 + count).map(one).collect()
}

fn spread(reports: &[Report]) -> Spread {
    Spread::of(reports.iter().map(Sample::of).collect(), "rehearsal run orders.toml", None)
}

fn figure<'a>(spread: &'a Spread, name: &str) -> &'a Distribution {
    spread.figures.iter().find(|one| one.name == name).unwrap()
}

#[test]
fn the_page_tells_how_often_the_budget_is_kept_and_how_far_each_figure_spreads() {
    insta::assert_snapshot!(spread(&reports(20)).text(false));
}

#[test]
fn the_order_in_which_seeds_ended_changes_nothing() {
    let mut reports = reports(20);
    let in_order = spread(&reports);
    reports.reverse();
    reports.swap(3, 11);
    let shuffled = spread(&reports);
    assert_eq!(in_order.json(), shuffled.json());
    assert_eq!(in_order.html(), shuffled.html());
}

#[test]
fn the_worst_seed_is_the_first_of_the_outages_with_the_command_that_shows_it() {
    let worst = spread(&reports(20)).worst.unwrap();
    assert_eq!((worst.seed, worst.command.as_str()), (11, "rehearsal run orders.toml --seed 11"));
}

#[test]
fn a_failed_migration_is_worse_than_a_long_stall() {
    let mut reports = reports(8);
    reports[2].verdict.within_budget = false;
    reports[2].migration.succeeded = Some(false);
    let spread = spread(&reports);
    assert_eq!(spread.worst.unwrap().seed, 13);
    assert_eq!(spread.migration_succeeded.unwrap().count, 7);
}

#[test]
fn the_time_of_a_migration_that_did_not_end_is_a_gap_and_not_nought() {
    let mut reports = reports(8);
    let calm = figure(&spread(&reports), "migration time").clone();
    reports[1].migration.end_ms = None;
    let spread = spread(&reports);
    let time = figure(&spread, "migration time");
    assert_eq!((calm.seeds, time.seeds), (8, 7));
    assert!(time.min > 0.0);
}

#[test]
fn no_seed_at_all_keeps_no_budget() {
    let none = Spread::of(Vec::new(), "rehearsal run", Some("interrupted after 0 of 9 seeds.".to_owned()));
    assert!(!none.is_within_budget());
    assert!(none.text(false).contains("Cut short"), "{}", none.text(false));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut reports = reports(4);
    for report in &mut reports {
        report.classes[0].name = "an application/with a request of a very long name indeed".to_owned();
        report.overall.max_ms = 12_345_678.9;
    }
    for line in spread(&reports).text(false).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_limit_that_a_seed_breaks_is_counted_with_its_interval() {
    let spread = spread(&reports(20));
    let stall = spread.budget.iter().find(|line| line.name == "longest stall").unwrap();
    assert_eq!((stall.kept.count, stall.kept.of), (15, 20));
    assert!((stall.kept.low - 0.531).abs() < 2e-3, "{:?}", stall.kept);
    assert!((stall.kept.high - 0.888).abs() < 2e-3, "{:?}", stall.kept);
    assert_eq!(stall.limit, Figure { value: 1_000.0, unit: Unit::Milliseconds, basis: Basis::Measured });
}
