//! Everything over time: charts one under the other on one time axis, and the Gantt chart.

use std::fmt::Write;

use super::chart::{Band, Chart, Key, LEFT, RIGHT, Scale, Time, axis_labels, open, place_f64};
use super::markup::escape;
use crate::text::shorten;
use crate::units::{as_f64, count, duration, whole};
use crate::{Bar, Report, Track};

/// Bars of a migration beyond these are marked as one span: a hundred stripes would hide the curves.
const BANDS: usize = 60;
/// A peak beyond so many times the most that arrive is cut off, and the key says so.
const PEAK: f64 = 4.0;
/// The states of a bar, as words and as classes of the style sheet.
const STATES: [(&str, &str); 8] = [
    ("works", "works"),
    ("waits", "waits for a lock"),
    ("failed", "failed"),
    ("idle", "idle in transaction"),
    ("sleeps", "sleeps"),
    ("serving", "serves"),
    ("draining", "drains"),
    ("starting", "starts"),
];

pub(super) fn section(report: &Report) -> String {
    let series = &report.series;
    let time = Time::new(report.span_ms);
    let bands = bands(report);
    let mut charts = String::new();
    if !series.arrived.is_empty() && series.interval_ms > 0.0 {
        charts.push_str(&throughput(report, time, &bands));
        charts.push_str(&latency(report, time, &bands));
        charts.push_str(&steps(
            report,
            time,
            &bands,
            Steps {
                title: "Waiting for a lock",
                class: "lock",
                key: "sessions, at most",
                values: &series.lock_queue,
                limit: None,
            },
        ));
        let size: u32 = report.pools.iter().map(|pool| pool.size).sum();
        charts.push_str(&steps(
            report,
            time,
            &bands,
            Steps {
                title: "Connections in use",
                class: "served",
                key: "of all pools",
                values: &series.pool_in_use,
                limit: (size > 0).then_some(size),
            },
        ));
        charts.push_str(&steps(
            report,
            time,
            &bands,
            Steps {
                title: "Waiting for a connection",
                class: "queue",
                key: "requests, at most",
                values: &series.pool_queue,
                limit: None,
            },
        ));
    }
    if !report.gantt.is_empty() {
        charts.push_str(&gantt(report, time));
    }
    if charts.is_empty() {
        return "<section><h2>Over time</h2><p class=\"none\">Nothing ran, so there is nothing to draw.</p></section>".to_owned();
    }
    let shaded = if bands.is_empty() { "" } else { "Shaded: the migration. " };
    format!(
        "<section id=\"time\"><h2>Over time</h2><p class=\"hint\">{shaded}Point at the charts to read them at one moment.</p>\
         <p class=\"states\">{}</p><div class=\"timeline scroll\" tabindex=\"0\" role=\"group\" \
         aria-label=\"Charts over virtual time; arrow keys move the cursor\" data-span=\"{}\">{charts}</div></section>",
        states(report),
        report.span_ms
    )
}

/// What the colours of the bars mean, of those that there are.
fn states(report: &Report) -> String {
    let is_there =
        |state: &str| report.gantt.iter().flat_map(|track| &track.bars).any(|bar| bar.state == state);
    STATES
        .iter()
        .filter(|(state, _)| is_there(state))
        .map(|(state, words)| format!("<span class=\"chip {state}\">{words}</span> "))
        .collect()
}

fn bands(report: &Report) -> Vec<Band> {
    let bars = || report.gantt.iter().filter(|track| track.kind == "migration").flat_map(|track| &track.bars);
    if bars().count() > BANDS {
        let from_ms = bars().map(|bar| bar.from_ms).fold(f64::INFINITY, f64::min);
        let to_ms = bars().map(|bar| bar.to_ms).fold(0.0, f64::max);
        return vec![Band { from_ms, to_ms, state: "works".to_owned() }];
    }
    bars()
        .filter(|bar| bar.state != "sleeps")
        .map(|bar| Band { from_ms: bar.from_ms, to_ms: bar.to_ms, state: class_of(&bar.state).to_owned() })
        .collect()
}

/// A state as a class of the style sheet.
fn class_of(state: &str) -> &'static str {
    STATES.iter().map(|(known, _)| *known).find(|known| *known == state).unwrap_or("other")
}

fn key(class: &'static str, name: impl Into<String>) -> Key {
    Key { class, name: name.into() }
}

fn throughput(report: &Report, time: Time, bands: &[Band]) -> String {
    let series = &report.series;
    let per_second = |counts: &[u64]| -> Vec<f64> {
        counts.iter().map(|count| as_f64(*count) * 1_000.0 / series.interval_ms).collect()
    };
    let (arrived, served, failed) =
        (per_second(&series.arrived), per_second(&series.served), per_second(&series.failed));
    let both: Vec<f64> = served
        .iter()
        .enumerate()
        .map(|(place, one)| one + failed.get(place).copied().unwrap_or(0.0))
        .collect();
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (usual, greatest) = (most(&arrived), most(&arrived).max(most(&both)));
    // What a lock held back is served in one instant: that peak would flatten everything else.
    let cut = usual > 0.0 && greatest > PEAK * usual;
    let scale = Scale::counts(if cut { 2.0 * usual } else { greatest });
    let mut chart = Chart::new("Requests a second", time, scale, series.interval_ms, bands);
    chart.area("served", &[], &served);
    chart.area("failed", &served, &both);
    chart.line("arrived", &arrived.iter().map(|value| Some(*value)).collect::<Vec<_>>());
    let all = &report.overall;
    let summary = format!(
        "{} arrived, {} served, {} failed",
        whole(all.arrived),
        whole(all.served),
        whole(all.failures())
    );
    let mut keys = vec![key("served", "served"), key("failed", "failed"), key("arrived", "arrived")];
    if cut {
        keys.push(key("beyond", format!("peak off the scale: {}", count(greatest.round()))));
    }
    chart.markup(&keys, &summary, true)
}

fn latency(report: &Report, time: Time, bands: &[Band]) -> String {
    let series = &report.series;
    let all = || [&series.p50_ms, &series.p99_ms, &series.max_ms].into_iter().flatten().flatten().copied();
    let (least, greatest) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let scale = Scale::decades(if least.is_finite() { least } else { 1.0 }, greatest);
    let mut chart = Chart::new("Latency", time, scale, series.interval_ms, bands);
    chart.line("max", &series.max_ms);
    chart.line("p99", &series.p99_ms);
    chart.line("p50", &series.p50_ms);
    let overall = &report.overall;
    let summary = format!(
        "median {}, 99th percentile {}, longest {}",
        duration(overall.p50_ms),
        duration(overall.p99_ms),
        duration(overall.max_ms)
    );
    chart.markup(&[key("max", "longest"), key("p99", "p99"), key("p50", "median")], &summary, true)
}

struct Steps<'a> {
    title: &'a str,
    class: &'static str,
    key: &'a str,
    values: &'a [u32],
    limit: Option<u32>,
}

fn steps(report: &Report, time: Time, bands: &[Band], what: Steps) -> String {
    let values: Vec<f64> = what.values.iter().map(|value| f64::from(*value)).collect();
    let peak = values.iter().copied().fold(0.0, f64::max);
    let limit = what.limit.map(f64::from);
    let scale = Scale::counts(peak.max(limit.unwrap_or(0.0)));
    let mut chart = Chart::new(what.title, time, scale, report.series.interval_ms, bands);
    chart.area(what.class, &[], &values);
    let mut keys = vec![key(what.class, what.key)];
    if let Some(limit) = limit {
        chart.level("limit", limit);
        keys.push(key("limit", format!("there are {}", count(limit))));
    }
    chart.markup(&keys, &format!("at most {}", count(peak)), true)
}

const ROW: f64 = 30.0;

fn gantt(report: &Report, time: Time) -> String {
    let bottom = 34.0 + ROW * place_f64(report.gantt.len());
    let summary = format!("{} rows: migration, deployments, long transactions", report.gantt.len());
    let mut out = open("What was under way", &summary, bottom + 26.0);
    out.push_str("<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"3\" height=\"6\"/></pattern></defs>");
    out.push_str("<text class=\"title\" x=\"0\" y=\"20\">What was under way</text>");
    for tick in time.ticks() {
        let _ = write!(out, "<path class=\"grid\" d=\"M{:.1} 28V{bottom}\"/>", time.x(tick));
    }
    for (place, track) in report.gantt.iter().enumerate() {
        out.push_str(&gantt_row(track, 34.0 + ROW * place_f64(place), time));
    }
    out.push_str(&axis_labels(time, bottom + 18.0));
    out.push_str("</svg>");
    out
}

fn gantt_row(track: &Track, y: f64, time: Time) -> String {
    let mut out = format!(
        "<g><text class=\"key\" x=\"0\" y=\"{:.0}\">{}<title>{}</title></text><path class=\"grid\" d=\"M{LEFT} {:.0}H{RIGHT}\"/>",
        y + 16.0,
        escape(&shorten(&track.name, 32)),
        escape(&track.name),
        y + ROW - 3.0
    );
    // A failure may be a mere stroke: nothing covers it.
    let (failed, others): (Vec<&Bar>, Vec<&Bar>) = track.bars.iter().partition(|bar| bar.state == "failed");
    for bar in others.into_iter().chain(failed) {
        let (from, to) = (time.x(bar.from_ms), time.x(bar.to_ms));
        let width = (to - from).max(2.0);
        let (state, label) = (class_of(&bar.state), shorten(&bar.label, 200));
        let _ = write!(
            out,
            "<g class=\"bar {state}\"><title>{}: {} from {} for {}</title><rect x=\"{from:.1}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"20\" rx=\"3\"/>",
            escape(&label),
            escape(&bar.state),
            duration(bar.from_ms),
            duration(bar.to_ms - bar.from_ms),
            y + 2.0,
        );
        if state == "waits" {
            let _ = write!(
                out,
                "<rect class=\"over\" x=\"{from:.1}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"20\" rx=\"3\" fill=\"url(#hatch)\"/>",
                y + 2.0
            );
        }
        // A letter takes some 6.4 of the drawing's units.
        let letters = ((width - 12.0) / 6.6).floor();
        if letters >= 4.0 {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 4 and the width of the drawing"
            )]
            let room = letters as usize;
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
                from + 6.0,
                y + 16.0,
                escape(&shorten(&bar.label, room))
            );
        }
        out.push_str("</g>");
    }
    out.push_str("</g>");
    out
}
