//! Who waited for whom at the worst moment: victims left, roots right.

use std::fmt::Write;

use super::chart::place_f64;
use super::markup::{Table, escape, long};
use crate::text::shorten;
use crate::units::{duration, plural, whole};
use crate::{Report, WaitsFor};

/// Groups beyond these are left to the table.
const SHOWN: usize = 18;
/// Columns: a longer chain folds into the leftmost.
const LAYERS: usize = 5;
const BOX: (f64, f64) = (250.0, 66.0);
const GAP: (f64, f64) = (90.0, 16.0);

pub(super) fn section(report: &Report) -> String {
    let Some(moment) = &report.worst_moment else {
        return "<section><h2>Who waited for whom</h2><p class=\"none\">Nobody waited for a lock.</p></section>".to_owned();
    };
    let shown = shown(moment);
    let rest = moment.nodes.len() - shown.len();
    let rest = if rest == 0 {
        String::new()
    } else {
        format!(" {} only in the table.", plural(rest as u64, "group is", "groups are"))
    };
    let mut table = Table::new(&["session", ">sessions", "doing", "waits for"]);
    for node in &moment.nodes {
        table.row(
            "",
            vec![
                escape(&node.label),
                whole(u64::from(node.count)),
                long(&node.doing, 60),
                node.waits_for.as_deref().map_or("–".to_owned(), escape),
            ],
        );
    }
    format!(
        "<section id=\"graph\"><h2>Who waited for whom</h2><p class=\"hint\">The worst moment, {} into the run. Solid: the \
         blocker holds the lock. Dashed: it stands before the waiter in the queue.{rest}</p><div class=\"scroll\" tabindex=\"0\" \
         role=\"group\" aria-label=\"Waits-for graph\">{}</div><details><summary>As a table</summary>{}</details></section>",
        duration(moment.at_ms),
        drawing(moment, &shown),
        table.markup("Sessions at the worst moment")
    )
}

/// The groups to draw, by index: whoever is no mere request first, then the largest; in their own order.
fn shown(moment: &WaitsFor) -> Vec<usize> {
    let mut order: Vec<usize> = (0..moment.nodes.len()).collect();
    let weight = |place: &usize| {
        let node = &moment.nodes[*place];
        let blocks = moment.edges.iter().filter(|edge| edge.to == *place).count();
        (node.kind == "request" && blocks == 0, std::cmp::Reverse(node.count), *place)
    };
    order.sort_by_key(weight);
    order.truncate(SHOWN);
    order.sort_unstable();
    order
}

/// How far each node is from the end of its chain, in a bounded number of rounds, since waits may go in a circle.
fn layers(moment: &WaitsFor) -> Vec<usize> {
    let mut layers = vec![0; moment.nodes.len()];
    for _ in 0..LAYERS {
        for edge in &moment.edges {
            if edge.from < layers.len() && edge.to < layers.len() && edge.from != edge.to {
                layers[edge.from] = layers[edge.from].max(layers[edge.to] + 1).min(LAYERS - 1);
            }
        }
    }
    layers
}

fn drawing(moment: &WaitsFor, shown: &[usize]) -> String {
    let layers = layers(moment);
    let deepest = shown.iter().map(|place| layers[*place]).max().unwrap_or(0);
    let column = |layer: usize| shown.iter().copied().filter(|place| layers[*place] == layer).count();
    let tallest = (0..=deepest).map(column).max().unwrap_or(1);
    let (width, height) = (
        place_f64(deepest + 1) * (BOX.0 + GAP.0) - GAP.0 + 4.0,
        place_f64(tallest) * (BOX.1 + GAP.1) - GAP.1 + 4.0,
    );
    let mut used = vec![0_usize; deepest + 1];
    let mut places: Vec<Option<(f64, f64)>> = vec![None; moment.nodes.len()];
    for place in shown {
        let layer = layers[*place];
        let own = place_f64(column(layer)) * (BOX.1 + GAP.1) - GAP.1;
        let x = 2.0 + place_f64(deepest - layer) * (BOX.0 + GAP.0);
        let y = 2.0 + (height - 4.0 - own) / 2.0 + place_f64(used[layer]) * (BOX.1 + GAP.1);
        used[layer] += 1;
        places[*place] = Some((x, y));
    }
    let mut out = format!(
        "<svg class=\"graph\" role=\"img\" viewBox=\"0 0 {width:.0} {height:.0}\" style=\"width:{width:.0}px\"><title>Waits-for graph</title>\
         <desc>{}</desc><defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\"/></marker></defs>",
        escape(&plural(moment.nodes.len() as u64, "group of sessions", "groups of sessions"))
    );
    for edge in &moment.edges {
        let at = |place: usize| places.get(place).copied().flatten();
        if let (Some(from), Some(to)) = (at(edge.from), at(edge.to)) {
            out.push_str(&arrow(from, to, edge.hard));
        }
    }
    for place in shown {
        if let Some((x, y)) = places[*place] {
            out.push_str(&card(moment, *place, x, y));
        }
    }
    out.push_str("</svg>");
    out
}

fn arrow(from: (f64, f64), to: (f64, f64), hard: bool) -> String {
    let class = if hard { "edge" } else { "edge soft" };
    let middle = BOX.1 / 2.0;
    let (y1, y2) = (from.1 + middle, to.1 + middle);
    if to.0 > from.0 {
        let (x1, x2) = (from.0 + BOX.0, to.0 - 2.0);
        let bend = (x2 - x1).min(160.0) / 2.0;
        format!(
            "<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\" marker-end=\"url(#arrow)\"/>",
            x1 + bend,
            x2 - bend
        )
    } else {
        // Backwards or within a column: around the outside, as in a deadlock.
        let (x1, x2) = (from.0 + BOX.0, to.0 + BOX.0 + 2.0);
        let out = x1.max(x2) + GAP.0 / 2.0;
        format!(
            "<path class=\"{class}\" d=\"M{x1:.1} {y1:.1}C{out:.1} {y1:.1} {out:.1} {y2:.1} {x2:.1} {y2:.1}\" marker-end=\"url(#arrow)\"/>"
        )
    }
}

fn card(moment: &WaitsFor, place: usize, x: f64, y: f64) -> String {
    let node = &moment.nodes[place];
    let class = match node.kind.as_str() {
        "migration" => "migration",
        "background" => "background",
        _ => "request",
    };
    let times = if node.count == 1 { String::new() } else { format!(" × {}", whole(u64::from(node.count))) };
    let room = 27_usize.saturating_sub(times.chars().count()).max(8);
    let waits =
        node.waits_for.as_deref().map_or("waits for nobody".to_owned(), |lock| format!("waits: {lock}"));
    let mut out = format!(
        "<g class=\"card {class}\"><title>{}{times}: {}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
        escape(&node.label),
        escape(&node.doing),
        BOX.0,
        BOX.1
    );
    let lines = [
        ("name", format!("{}{times}", shorten(&node.label, room))),
        ("doing", shorten(&node.doing, 36)),
        ("lock", shorten(&waits, 38)),
    ];
    for (row, (class, text)) in lines.iter().enumerate() {
        let _ = write!(
            out,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 12.0,
            y + 21.0 + 18.0 * place_f64(row),
            escape(text)
        );
    }
    out.push_str("</g>");
    out
}
