//! Two rehearsals side by side: the verdict of each, and every figure that differs.
//!
//! Figures are matched by name. One that only one side has (a class of requests that the other lacks, a
//! migration that did not end) is listed with a gap, never taken for nought.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::{Page, Table, Tone, more, shorten};
use crate::units::{count, plural};
use crate::{Figure, Report, Unit, Verdict, json};

/// Rows beyond these are left to the JSON.
const ROWS: usize = 40;

/// Two rehearsals, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The one that is compared with.
    pub first: Side,
    /// The one that is compared.
    pub second: Side,
    /// Every figure of either, in the order of the first, then what only the second has.
    pub figures: Vec<Compared>,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The scenario's name.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// Its verdict.
    pub verdict: Verdict,
}

/// A figure of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Its name, as in [`Report::figures`].
    pub name: String,
    /// What the first came to; `None` if it has no such figure.
    pub first: Option<Figure>,
    /// What the second came to.
    pub second: Option<Figure>,
    /// The second less the first.
    pub difference: Option<f64>,
    /// The second by the first; `None` also where the first is nought.
    pub ratio: Option<f64>,
}

/// Compares two rehearsals.
#[must_use]
pub fn compare(first: &Report, second: &Report) -> Comparison {
    let of = |report: &Report| report.figures().into_iter().collect::<BTreeMap<String, Figure>>();
    let (left, right) = (of(first), of(second));
    let mut figures: Vec<Compared> = Vec::new();
    for (name, figure) in first.figures() {
        figures.push(Compared::new(name.clone(), Some(figure), right.get(&name).copied()));
    }
    for (name, figure) in second.figures() {
        if !left.contains_key(&name) {
            figures.push(Compared::new(name, None, Some(figure)));
        }
    }
    Comparison { first: Side::new(first), second: Side::new(second), figures }
}

impl Side {
    fn new(report: &Report) -> Self {
        Self { scenario: report.scenario.clone(), seed: report.seed, verdict: report.verdict.clone() }
    }
}

impl Compared {
    fn new(name: String, first: Option<Figure>, second: Option<Figure>) -> Self {
        let both = first.zip(second).map(|(first, second)| (first.value, second.value));
        Self {
            name,
            first,
            second,
            difference: both.map(|(first, second)| second - first),
            ratio: both.filter(|(first, _)| *first != 0.0).map(|(first, second)| second / first),
        }
    }

    /// Whether both sides have the figure and it came to the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.difference == Some(0.0)
    }
}

impl Comparison {
    /// The comparison for programs: every figure, the equal ones too. Equal inputs give equal bytes.
    #[must_use]
    pub fn json(&self) -> String {
        json::document(self)
    }

    /// The comparison as a page for the terminal, 100 columns: what differs.
    #[must_use]
    pub fn text(&self, color: bool) -> String {
        let mut page = Page::new(color);
        side(&mut page, "first ", &self.first);
        side(&mut page, "second", &self.second);
        if self.first.seed == self.second.seed {
            let same = "Same seed: requests of the same name and rate arrive at the same instants in both.";
            page.end_line();
            page.paragraph(Tone::Faint, "", same);
        }
        let differing: Vec<&Compared> = self.figures.iter().filter(|one| !one.is_same()).collect();
        if !differing.is_empty() {
            page.heading("What differs");
            let mut table = Table::new(&["<figure…", ">first", ">second", ">difference", ">ratio"]);
            for one in differing.iter().take(ROWS) {
                table.plain(row(one));
            }
            table.write(&mut page);
            more(&mut page, differing.len(), ROWS);
        }
        page.end_line();
        let same = self.figures.len() - differing.len();
        page.line(
            Tone::Faint,
            &format!("{} the same in both", plural(same as u64, "figure is", "figures are")),
        );
        page.finish()
    }
}

fn side(page: &mut Page, name: &str, side: &Side) {
    let (tone, word) = if side.verdict.within_budget { (Tone::Good, "PASS") } else { (Tone::Bad, "FAIL") };
    page.put(tone, word);
    page.put(Tone::Strong, &format!("  {name}  "));
    page.line(Tone::Plain, &format!("{}, seed {}", shorten(&side.scenario, 60), side.seed));
    page.paragraph(Tone::Plain, "      ", &side.verdict.headline);
}

fn row(one: &Compared) -> Vec<String> {
    let value = |figure: Option<Figure>| figure.map_or_else(gap, |figure| words(figure.unit, figure.value));
    let unit = one.first.or(one.second).map_or(Unit::Count, |figure| figure.unit);
    vec![
        one.name.clone(),
        value(one.first),
        value(one.second),
        one.difference.map_or_else(gap, |difference| signed(unit, difference)),
        one.ratio.map_or_else(gap, |ratio| format!("× {}", times(ratio))),
    ]
}

/// In a column under the figure's own name the long unit would only be noise.
fn words(unit: Unit, value: f64) -> String {
    match unit {
        Unit::RequestSeconds => count((value * 10.0).round() / 10.0),
        unit => unit.text(value),
    }
}

fn signed(unit: Unit, difference: f64) -> String {
    let sign = if difference < 0.0 { "−" } else { "+" };
    format!("{sign}{}", words(unit, difference.abs()))
}

/// A ratio with as many digits as it needs to differ from one and from nought.
fn times(ratio: f64) -> String {
    match ratio {
        _ if ratio <= 0.0 => "0".to_owned(),
        _ if ratio < 0.001 => "<0.001".to_owned(),
        _ if ratio < 0.1 => format!("{ratio:.3}"),
        _ if ratio < 9.95 => format!("{ratio:.2}"),
        _ => count(ratio.round()),
    }
}

fn gap() -> String {
    "–".to_owned()
}
