//! A spread as a page for the terminal.

use super::{Distribution, Proportion, Spread, is_whole};
use crate::Unit;
use crate::text::{Page, Table, Tone, mark, more, shorten};
use crate::units::{count, plural, share, whole};

/// Rows beyond these are left to the JSON.
const ROWS: usize = 48;

pub(super) fn page(spread: &Spread, color: bool) -> String {
    let mut page = Page::new(color);
    page.put(Tone::Strong, &shorten(&spread.scenario, 32));
    page.line(Tone::Faint, &format!("  PostgreSQL {} · {}", spread.postgres, seeds(spread)));
    if let Some(reason) = &spread.cut {
        page.paragraph(Tone::Bad, "", &format!("Cut short: {reason}"));
    }
    page.end_line();
    verdict(&mut page, spread);
    budget(&mut page, spread);
    figures(&mut page, spread);
    page.end_line();
    let note = "p50 and p95: values that a seed had. mean ±: 95 % confidence by Student's t over the seeds; of shares \
                by Wilson's score. ○ derived";
    page.paragraph(Tone::Faint, "", note);
    page.finish()
}

pub(super) fn seeds(spread: &Spread) -> String {
    let last = spread.last_seed();
    match spread.seeds {
        0 => "no seed".to_owned(),
        1 => format!("1 seed: {last}"),
        number => format!("{} seeds: {} to {last}", whole(number), spread.first_seed),
    }
}

/// `12 of 200 seeds (6 %; 3.5 % to 10 % with 95 % confidence)`.
pub(super) fn proportion(one: &Proportion) -> String {
    format!(
        "{} of {} ({}; {} to {} with 95 % confidence)",
        whole(one.count),
        plural(one.of, "seed", "seeds"),
        share(one.share),
        share(one.low),
        share(one.high)
    )
}

fn verdict(page: &mut Page, spread: &Spread) {
    let (tone, mark) = if spread.is_within_budget() { (Tone::Good, "PASS  ") } else { (Tone::Bad, "FAIL  ") };
    page.paragraph(tone, mark, &format!("{} within budget.", proportion(&spread.within_budget)));
    if let Some(migrated) = spread.migration_succeeded.filter(|migrated| !migrated.is_all()) {
        page.paragraph(
            Tone::Bad,
            "      ",
            &format!("The migration succeeded in {}.", proportion(&migrated)),
        );
    }
    if let Some(worst) = &spread.worst {
        page.paragraph(Tone::Plain, "      ", &format!("Worst, seed {}: {}", worst.seed, worst.headline));
        page.line(Tone::Faint, &format!("      {}", worst.command));
    }
}

fn budget(page: &mut Page, spread: &Spread) {
    if spread.budget.is_empty() {
        return;
    }
    page.heading("Budget");
    let heads = ["<", ">limit", ">median", ">p95", ">worst", ">kept in", ">of all seeds"];
    let mut table = Table::new(&heads);
    for line in &spread.budget {
        let words = |value: f64| (Tone::Plain, words(line.limit.unit, value));
        let tone = if line.kept.is_all() { Tone::Good } else { Tone::Bad };
        table.row(vec![
            (Tone::Plain, line.name.clone()),
            (Tone::Plain, format!("{} {}", line.limit.text(), mark(line.limit.basis))),
            words(line.actual.p50),
            words(line.actual.p95),
            words(line.actual.max),
            (tone, format!("{} of {}", whole(line.kept.count), whole(line.kept.of))),
            (Tone::Plain, format!("{} to {}", share(line.kept.low), share(line.kept.high))),
        ]);
    }
    table.write(page);
}

fn figures(page: &mut Page, spread: &Spread) {
    if spread.figures.is_empty() {
        return;
    }
    page.heading("Figures ○");
    let mut table = Table::new(&["<figure…", ">min", ">p50", ">p95", ">max", ">mean", ">±", ">seeds"]);
    let whole = spread.overall().map(|(_, one)| one);
    let classes = spread.figures.iter().filter(|one| !is_whole(&one.name));
    for one in whole.chain(classes).take(ROWS) {
        table.plain(row(one, spread.seeds));
    }
    table.write(page);
    more(page, spread.figures.len(), ROWS);
}

fn row(one: &Distribution, seeds: u64) -> Vec<String> {
    let words = |value: f64| words(one.unit, value);
    vec![
        one.name.clone(),
        words(one.min),
        words(one.p50),
        words(one.p95),
        words(one.max),
        words(one.mean),
        one.mean_half().map_or_else(|| "–".to_owned(), words),
        if one.seeds == seeds { String::new() } else { whole(one.seeds) },
    ]
}

/// In a column under the figure's own name the long unit would only be noise.
pub(super) fn words(unit: Unit, value: f64) -> String {
    match unit {
        Unit::RequestSeconds => count((value * 10.0).round() / 10.0),
        unit => unit.text(value),
    }
}
