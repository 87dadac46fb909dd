//! A spread as a page: how often the budget was kept, and a histogram of every figure.

use std::fmt::Write;

use super::text::{proportion, seeds, words};
use super::{BudgetSpread, Distribution, Spread};
use crate::html::banner::{footer, head};
use crate::html::document;
use crate::html::markup::{Table, basis, escape, number, prose};
use crate::units::{as_f64, whole};
use crate::{Basis, Unit};

/// Width and height of a histogram, in the drawing's own measures.
const SIZE: (f64, f64) = (264.0, 72.0);

pub(super) fn page(spread: &Spread) -> String {
    let cut = spread.cut.as_deref();
    let meta = format!("<span>PostgreSQL {}</span><span>{}</span>", spread.postgres, seeds(spread));
    let parts = [
        head(&spread.scenario, &meta, &spread.description, cut),
        verdict(spread),
        budget(spread),
        histograms(spread),
        table(spread),
        footer(),
    ];
    document(&spread.scenario, &parts.concat(), &spread.json())
}

fn verdict(spread: &Spread) -> String {
    let (class, word) = if spread.is_within_budget() { ("pass", "Pass") } else { ("fail", "Fail") };
    let mut out = format!(
        "<section id=\"verdict\" class=\"{class}\"><p class=\"stamp\">{word}</p><h2>{} within budget.</h2>",
        escape(&proportion(&spread.within_budget))
    );
    if let Some(migrated) = spread.migration_succeeded.filter(|migrated| !migrated.is_all()) {
        let _ = write!(out, "<p>The migration succeeded in {}.</p>", escape(&proportion(&migrated)));
    }
    if let Some(worst) = &spread.worst {
        let _ = write!(
            out,
            "<div class=\"columns\"><div><h3>Worst seed: {}</h3><p>{}</p><p><code>{}</code></p></div></div>",
            worst.seed,
            prose(&worst.headline),
            escape(&worst.command)
        );
    }
    out.push_str("</section>");
    out
}

fn budget(spread: &Spread) -> String {
    if spread.budget.is_empty() {
        return String::new();
    }
    let tiles: String = spread.budget.iter().enumerate().map(|(place, line)| tile(place, line)).collect();
    format!("<section id=\"budget\" aria-label=\"Budget\"><div class=\"tiles\">{tiles}</div></section>")
}

/// A limit as a tile: in which part of the seeds it was kept.
fn tile(place: usize, line: &BudgetSpread) -> String {
    let (class, word) = if line.kept.is_all() { ("kept", "kept") } else { ("over", "over") };
    let path = |field: &str| format!("/budget/{place}/{field}");
    format!(
        "<div class=\"tile {class}\"><p class=\"name\">{}<span class=\"state\">{word}</span></p>\
         <p class=\"value\">{}</p><div class=\"meter\" aria-hidden=\"true\"><i style=\"width:{:.1}%\"></i></div>\
         <p class=\"limit\">of {} keep {} {}<br>all seeds: {} to {}<br>median {}, worst {}</p></div>",
        escape(&line.name),
        number(&path("kept/share"), Unit::Share, line.kept.share),
        line.kept.share * 100.0,
        if line.kept.of == 1 { "1 seed".to_owned() } else { format!("{} seeds", whole(line.kept.of)) },
        number(&path("limit/value"), line.limit.unit, line.limit.value),
        basis(line.limit.basis),
        number(&path("kept/low"), Unit::Share, line.kept.low),
        number(&path("kept/high"), Unit::Share, line.kept.high),
        number(&path("actual/p50"), line.actual.unit, line.actual.p50),
        number(&path("actual/max"), line.actual.unit, line.actual.max),
    )
}

fn histograms(spread: &Spread) -> String {
    let drawn: String = spread
        .overall()
        .filter(|(_, one)| !one.is_constant())
        .map(|(_, one)| histogram(one, limit(spread, one)))
        .collect();
    if drawn.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"spread\"><h2>How the seeds spread {}</h2><p class=\"hint\">Each bar counts seeds. The stroke is \
         the median, the dashed one the budget.</p><div class=\"spread\">{drawn}</div></section>",
        basis(Basis::Derived)
    )
}

/// The budget's limit of a figure, if it has one and that lies in the histogram's range.
fn limit(spread: &Spread, one: &Distribution) -> Option<f64> {
    let name = one.name.trim_start_matches("all requests: ");
    let of = |line: &&BudgetSpread| line.name == name && line.limit.unit == one.unit;
    let limit = spread.budget.iter().find(of)?.limit.value;
    (one.min..=one.max).contains(&limit).then_some(limit)
}

fn histogram(one: &Distribution, limit: Option<f64>) -> String {
    let (width, height) = SIZE;
    let most = one.histogram.iter().copied().max().unwrap_or(1).max(1);
    let each = width / as_f64(one.histogram.len() as u64);
    let x = |value: f64| (value - one.min) / (one.max - one.min) * width;
    let mut bars = String::new();
    let mut left = 0.0;
    for seeds in &one.histogram {
        // A single seed among thousands can still be seen.
        let tall = if *seeds == 0 { 0.0 } else { (as_f64(*seeds) / as_f64(most) * height).max(1.5) };
        let _ = write!(
            bars,
            "<rect class=\"swatch\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/>",
            left + 0.5,
            height - tall,
            each - 1.0
        );
        left += each;
    }
    let median = x(one.p50);
    let _ = write!(bars, "<path class=\"median\" d=\"M{median:.1} 0V{height}\"/>");
    if let Some(limit) = limit {
        let _ = write!(bars, "<path class=\"level\" d=\"M{:.1} 0V{height}\"/>", x(limit));
    }
    format!(
        "<figure><figcaption>{}</figcaption><svg role=\"img\" viewBox=\"0 0 {width} {height}\" \
         preserveAspectRatio=\"none\"><title>{}: from {} to {}, median {}</title>{bars}</svg>\
         <p><span>{}</span><b>{}</b><span>{}</span></p></figure>",
        escape(&one.name),
        escape(&one.name),
        one.unit.text(one.min),
        one.unit.text(one.max),
        one.unit.text(one.p50),
        words(one.unit, one.min),
        words(one.unit, one.p50),
        words(one.unit, one.max)
    )
}

fn table(spread: &Spread) -> String {
    let heads = ["figure", ">min", ">p50", ">p95", ">max", ">mean", ">from", ">to", ">seeds"];
    let mut table = Table::new(&heads);
    for (place, one) in spread.figures.iter().enumerate() {
        // Under the figure's own name the long unit would only be noise.
        let unit = if one.unit == Unit::RequestSeconds { Unit::Count } else { one.unit };
        let cell = |field: &str, value: f64| number(&format!("/figures/{place}/{field}"), unit, value);
        let end = |field: &str, value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| cell(field, v));
        table.row(
            "",
            vec![
                escape(&one.name),
                cell("min", one.min),
                cell("p50", one.p50),
                cell("p95", one.p95),
                cell("max", one.max),
                cell("mean", one.mean),
                end("mean_low", one.mean_low),
                end("mean_high", one.mean_high),
                number(&format!("/figures/{place}/seeds"), Unit::Count, as_f64(one.seeds)),
            ],
        );
    }
    format!(
        "<section id=\"figures\"><h2>Every figure {}</h2><p class=\"hint\">From and to: the mean over all seeds, with 95 % \
         confidence (Student's t). Of shares the interval is Wilson's.</p>{}</section>",
        basis(Basis::Derived),
        table.markup("Every figure over the seeds")
    )
}
