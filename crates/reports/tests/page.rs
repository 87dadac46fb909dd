//! The page, as a browser shows it: Debian's `chromium`, or what CHROMIUM names.

mod fixture;

use std::path::PathBuf;
use std::process::Command;

use reports::{Report, Unit};
use serde_json::Value;

/// What the browser made of a page: the document after the script ran, and what went to the console.
struct Shown {
    document: String,
    console: Vec<String>,
}

fn browser() -> String {
    let named = std::env::var("CHROMIUM").ok();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let runs =
        |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|one| one.status.success());
    let found = || known.iter().find(|name| runs(name)).map(|name| (*name).to_owned());
    named.or_else(found).unwrap_or_else(|| {
        panic!(
            "no browser: none of {known:?} runs and CHROMIUM names none; \
             `apt-get install -y --no-install-recommends chromium` installs one"
        )
    })
}

fn shown(name: &str, report: &Report) -> Shown {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let page = folder.join(format!("{name}.html"));
    std::fs::write(&page, reports::html::page(report)).unwrap();
    let output = Command::new(browser())
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join(format!("{name}.profile")).display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the browser failed on {name}: {errors}");
    Shown {
        document: String::from_utf8(output.stdout).unwrap(),
        console: errors.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
    }
}

/// The value of an attribute in the text of an element's begin.
fn attribute(element: &str, name: &str) -> String {
    let (_, rest) = element.split_once(&format!("{name}=\"")).unwrap();
    let value = rest.split_once('"').unwrap().0;
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The numbers that a document shows: the JSON pointer of each, its value, its unit and its words.
fn numbers(document: &str) -> Vec<(String, f64, Unit, String)> {
    let mut numbers = Vec::new();
    for part in document.split("<span data-path=").skip(1) {
        let element = format!("data-path={part}");
        let (begin, rest) = element.split_once('>').unwrap();
        let words = rest.split_once('<').unwrap().0.replace("&lt;", "<").replace("&gt;", ">");
        let unit = serde_json::from_value(Value::String(attribute(begin, "data-unit"))).unwrap();
        numbers.push((
            attribute(begin, "data-path"),
            // By the parser that also reads the JSON: they may differ in a last digit.
            serde_json::from_str(&attribute(begin, "data-value")).unwrap(),
            unit,
            words,
        ));
    }
    numbers
}

fn embedded(document: &str) -> Value {
    let (_, rest) = document.split_once("<script type=\"application/json\" id=\"report\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_browser_shows_the_numbers_of_the_json_and_complains_of_nothing() {
    let reports = [
        ("outage", fixture::outage(), 60),
        ("calm", fixture::calm(), 40),
        ("empty", fixture::empty(), 5),
        ("monster", fixture::monster(), 500),
    ];
    for (name, report, least) in reports {
        let shown = shown(name, &report);
        assert_eq!(shown.console, Vec::<String>::new(), "{name}: the console is not empty");
        assert!(shown.document.contains("data-ready=\"true\""), "{name}: the script did not run to its end");
        let json = embedded(&shown.document);
        let own: Value = serde_json::from_str(&reports::json::to_string(&report)).unwrap();
        assert_eq!(json, own, "{name}: the page holds another report");
        let numbers = numbers(&shown.document);
        assert!(numbers.len() >= least, "{name} shows {} numbers only", numbers.len());
        for (path, value, unit, words) in numbers {
            assert_eq!(json.pointer(&path).and_then(Value::as_f64), Some(value), "{name}: {path}");
            assert_eq!(words, unit.text(value), "{name}: {path}");
        }
    }
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
