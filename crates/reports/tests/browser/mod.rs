//! A page as a browser shows it: Debian's `chromium`, or what CHROMIUM names.

use std::path::PathBuf;
use std::process::Command;

use reports::Unit;
use serde_json::Value;

/// What the browser made of a page: the document after the script ran, and what went to the console.
pub(crate) struct Shown {
    pub(crate) document: String,
    pub(crate) console: Vec<String>,
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

/// Shows a page; `name` keeps the files of tests that run at once apart.
pub(crate) fn shown(name: &str, markup: &str) -> Shown {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let page = folder.join(format!("{name}.html"));
    std::fs::write(&page, markup).unwrap();
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
pub(crate) fn numbers(document: &str) -> Vec<(String, f64, Unit, String)> {
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

pub(crate) fn embedded(document: &str) -> Value {
    let (_, rest) = document.split_once("<script type=\"application/json\" id=\"report\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// Holds a page against the JSON of what it shows: no complaint, the script at its end, every number the JSON's own,
/// and at least so many numbers.
pub(crate) fn holds(name: &str, markup: &str, json: &str, least: usize) {
    let shown = shown(name, markup);
    assert_eq!(shown.console, Vec::<String>::new(), "{name}: the console is not empty");
    assert!(shown.document.contains("data-ready=\"true\""), "{name}: the script did not run to its end");
    let (embedded, own): (Value, Value) = (embedded(&shown.document), serde_json::from_str(json).unwrap());
    assert_eq!(embedded, own, "{name}: the page holds another report");
    let numbers = numbers(&shown.document);
    assert!(numbers.len() >= least, "{name} shows {} numbers only", numbers.len());
    for (path, value, unit, words) in numbers {
        assert_eq!(own.pointer(&path).and_then(Value::as_f64), Some(value), "{name}: {path}");
        assert_eq!(words, unit.text(value), "{name}: {path}");
    }
}
