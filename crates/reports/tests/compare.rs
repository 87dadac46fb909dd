//! Two rehearsals side by side.

mod fixture;

use reports::compare;

#[test]
fn what_differs_between_an_outage_and_a_calm_run_is_listed() {
    insta::assert_snapshot!(compare(&fixture::outage(), &fixture::calm()).text(false));
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let comparison = compare(&fixture::outage(), &fixture::outage());
    assert!(comparison.figures.iter().all(reports::Compared::is_same));
    assert!(!comparison.text(false).contains("What differs"));
}

#[test]
fn what_only_one_side_has_is_a_gap_and_not_nought() {
    let mut second = fixture::outage();
    let gone = second.classes.pop().unwrap();
    second.migration.end_ms = None;
    let forth = compare(&fixture::outage(), &second);
    let back = compare(&second, &fixture::outage());
    for name in [format!("{}: served", gone.name), "migration time".to_owned()] {
        let of = |comparison: &reports::Comparison| {
            comparison.figures.iter().find(|one| one.name == name).unwrap().clone()
        };
        assert!(of(&forth).second.is_none() && of(&forth).difference.is_none(), "{name}");
        assert!(of(&back).first.is_none() && of(&back).ratio.is_none(), "{name}");
    }
    assert_eq!(forth.figures.len(), back.figures.len());
}

#[test]
fn a_ratio_to_nought_is_none() {
    let comparison = compare(&fixture::calm(), &fixture::outage());
    let failed = comparison.figures.iter().find(|one| one.name == "all requests: failed").unwrap();
    assert_eq!((failed.difference, failed.ratio), (Some(1_024.0), None));
}

#[test]
fn a_comparison_can_be_read_back_from_its_json() {
    let comparison = compare(&fixture::outage(), &fixture::calm());
    let back: reports::Comparison = serde_json::from_str(&comparison.json()).unwrap();
    assert_eq!(back.figures.len(), comparison.figures.len());
    assert_eq!(back.second, comparison.second);
}

#[test]
fn a_comparison_of_monsters_keeps_within_the_terminal() {
    for line in compare(&fixture::monster(), &fixture::outage()).text(false).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}
