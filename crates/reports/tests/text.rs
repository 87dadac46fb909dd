//! The terminal's page, as people see it.

mod fixture;

#[test]
fn an_outage_tells_the_story_before_the_numbers() {
    insta::assert_snapshot!(reports::text::page(&fixture::outage(), false));
}

#[test]
fn a_calm_run_says_that_nobody_noticed() {
    insta::assert_snapshot!(reports::text::page(&fixture::calm(), false));
}

#[test]
fn an_empty_run_has_a_page_too() {
    insta::assert_snapshot!(reports::text::page(&fixture::empty(), false));
}

#[test]
fn more_than_fits_is_shortened_and_said_so() {
    let page = reports::text::page(&fixture::monster(), false);
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let (plain, colored) = (fixture::outage(), fixture::outage());
    let colored = reports::text::page(&colored, true);
    assert!(colored.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut parts = colored.split('\u{1b}');
    stripped.push_str(parts.next().unwrap());
    for part in parts {
        stripped.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(stripped, reports::text::page(&plain, false));
}

#[test]
fn equal_reports_give_equal_bytes() {
    let json = reports::json::to_string(&fixture::monster());
    assert_eq!(json, reports::json::to_string(&fixture::monster()));
}

#[test]
fn a_report_can_be_read_back_from_its_json() {
    let json = reports::json::to_string(&fixture::outage());
    let back: reports::Report = serde_json::from_str(&json).unwrap();
    let report = fixture::outage();
    assert_eq!(back.verdict, report.verdict);
    assert_eq!(back.classes, report.classes);
    assert_eq!(back.gantt, report.gantt);
    assert_eq!(back.series.served, report.series.served);
}
