//! The page, as a browser shows it: Debian's `chromium`, or what CHROMIUM names.

mod browser;
mod fixture;

#[test]
fn a_browser_shows_the_numbers_of_the_json_and_complains_of_nothing() {
    let reports = [
        ("outage", fixture::outage(), 60),
        ("calm", fixture::calm(), 40),
        ("empty", fixture::empty(), 5),
        ("monster", fixture::monster(), 500),
    ];
    for (name, report, least) in reports {
        browser::holds(name, &reports::html::page(&report), &reports::json::to_string(&report), least);
    }
}

#[test]
fn the_page_of_many_seeds_shows_the_numbers_of_its_json_too() {
    let of = |seed: u64| {
        let mut report = if seed.is_multiple_of(3) { fixture::outage() } else { fixture::calm() };
        report.seed = seed;
        report.overall.failed.insert("57014".to_owned(), seed);
        reports::Sample::of(&report)
    };
    let spread = reports::Spread::of((1..=30).map(of).collect(), "rehearsal run '<it>.toml'", None);
    browser::holds("seeds", &spread.html(), &spread.json(), 200);
}

#[test]
fn a_name_cannot_become_an_element() {
    let page = reports::html::page(&fixture::monster());
    assert!(!page.contains("<img"), "a scenario's name became an image");
    assert_eq!(page.matches("</script>").count(), 2, "a scenario's name ended the script that holds it");
}

#[test]
fn a_page_asks_the_network_for_nothing() {
    for report in [fixture::outage(), fixture::empty()] {
        let page = reports::html::page(&report);
        for reference in ["http:", "https:", "<link rel=\"stylesheet", "src=", "@import"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}

#[test]
fn equal_reports_give_equal_pages() {
    assert_eq!(reports::html::page(&fixture::monster()), reports::html::page(&fixture::monster()));
}
