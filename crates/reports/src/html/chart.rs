//! What all charts share: the time axis, value scales, frames, areas and lines. All measures are of the drawing's own.

use std::fmt::Write;

use super::markup::escape;
use crate::units::{count, duration};

/// The whole width of a drawing.
pub(super) const WIDTH: f64 = 1_120.0;
/// Left of it stand titles and names.
pub(super) const LEFT: f64 = 240.0;
/// Right end of the plots.
pub(super) const RIGHT: f64 = 1_108.0;
/// The height of a chart's plot.
const HEIGHT: f64 = 118.0;
const TOP: f64 = 12.0;

/// Virtual time to places. One for all charts.
#[derive(Clone, Copy)]
pub(super) struct Time {
    span_ms: f64,
}

impl Time {
    pub(super) fn new(span_ms: f64) -> Self {
        Self { span_ms: if span_ms.is_finite() && span_ms > 0.0 { span_ms } else { 1.0 } }
    }

    pub(super) fn x(self, ms: f64) -> f64 {
        LEFT + (ms / self.span_ms).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    /// Round instants, at most a dozen.
    pub(super) fn ticks(self) -> Vec<f64> {
        const STEPS: [f64; 26] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 10e3, 15e3,
            30e3, 60e3, 120e3, 300e3, 600e3, 1_800e3, 3_600e3, 7_200e3, 21_600e3,
        ];
        let fits = |step: &&f64| self.span_ms / **step <= 11.0;
        let step = STEPS.iter().find(fits).copied().unwrap_or_else(|| (self.span_ms / 10.0).ceil());
        multiples(step, self.span_ms)
    }
}

fn multiples(step: f64, end: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= end * (1.0 + 1e-9) && ticks.len() < 64 {
        ticks.push(at);
        at += step;
    }
    ticks
}

/// Values to heights.
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From nought to a round number above the greatest.
    pub(super) fn counts(greatest: f64) -> Self {
        let greatest = if greatest.is_finite() && greatest > 0.0 { greatest } else { 1.0 };
        let rough = greatest / 3.0;
        let magnitude = libm_pow10(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .iter()
            .map(|one| one * magnitude)
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        // Counts are whole: no tick stands between them.
        let step = if greatest >= 1.0 { step.max(1.0) } else { step };
        let high = (greatest / step).ceil() * step;
        let ticks = multiples(step, high).into_iter().map(|value| (value, count(value))).collect();
        Self { low: 0.0, high, logarithmic: false, ticks }
    }

    /// Whole decades around the values.
    pub(super) fn decades(least_ms: f64, greatest_ms: f64) -> Self {
        let low = least_ms.max(0.01).log10().floor();
        let high = greatest_ms.max(0.1).log10().ceil().max(low + 1.0);
        let mut ticks = Vec::new();
        let mut at = low;
        while at <= high {
            let value = libm_pow10(at);
            ticks.push((value, duration(value)));
            at += 1.0;
        }
        Self { low, high, logarithmic: true, ticks }
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(1e-9).log10() } else { value };
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        TOP + HEIGHT - part * HEIGHT
    }
}

/// A power of ten of a whole exponent, exactly the same on every machine.
fn libm_pow10(exponent: f64) -> f64 {
    let mut value = 1.0;
    let mut left = exponent.abs();
    while left >= 1.0 {
        value *= 10.0;
        left -= 1.0;
    }
    if exponent < 0.0 { 1.0 / value } else { value }
}

/// A span of time to mark behind the curves.
pub(super) struct Band {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    pub(super) state: String,
}

/// One entry of a chart's key.
pub(super) struct Key {
    pub(super) class: &'static str,
    pub(super) name: String,
}

/// A chart as it is drawn.
pub(super) struct Chart<'a> {
    time: Time,
    scale: Scale,
    interval_ms: f64,
    title: &'a str,
    body: String,
}

impl<'a> Chart<'a> {
    pub(super) fn new(title: &'a str, time: Time, scale: Scale, interval_ms: f64, bands: &[Band]) -> Self {
        let mut chart = Self { time, scale, interval_ms, title, body: String::new() };
        for band in bands {
            let (from, to) = (time.x(band.from_ms), time.x(band.to_ms));
            let _ = write!(
                chart.body,
                "<rect class=\"band {}{}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{HEIGHT}\"/>",
                escape(&band.state),
                // Too short to be seen as a shade: a stroke.
                if to - from < 2.0 { " thin" } else { "" },
                (to - from).max(1.5)
            );
        }
        let bottom = TOP + HEIGHT;
        for tick in time.ticks() {
            let x = time.x(tick);
            let _ = write!(chart.body, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
        }
        for (value, label) in &chart.scale.ticks {
            let y = chart.scale.y(*value);
            let _ = write!(
                chart.body,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escape(label)
            );
        }
        chart
    }

    fn edges(&self, place: usize) -> (f64, f64) {
        let from = place_f64(place) * self.interval_ms;
        (self.time.x(from), self.time.x(from + self.interval_ms))
    }

    /// A filled shape between two curves of steps.
    pub(super) fn area(&mut self, class: &str, low: &[f64], high: &[f64]) {
        if high.is_empty() {
            return;
        }
        let mut path = String::new();
        let mut last = f64::NAN;
        for (place, value) in high.iter().enumerate() {
            let ((from, to), y) = (self.edges(place), self.scale.y(*value));
            if place == 0 {
                let _ = write!(path, "M{from:.1} {y:.1}");
            } else if (y - last).abs() > 1e-9 {
                let _ = write!(path, "V{y:.1}");
            }
            let _ = write!(path, "H{to:.1}");
            last = y;
        }
        for place in (0..high.len()).rev() {
            let ((from, _), y) = (self.edges(place), self.scale.y(low.get(place).copied().unwrap_or(0.0)));
            let _ = write!(path, "V{y:.1}H{from:.1}");
        }
        let _ = write!(self.body, "<path class=\"area {class}\" d=\"{path}Z\"/>");
    }

    /// A curve with gaps where there is nothing to show; a lone value is a dot.
    pub(super) fn line(&mut self, class: &str, values: &[Option<f64>]) {
        let mut path = String::new();
        let mut drawing = false;
        for (place, value) in values.iter().enumerate() {
            let Some(value) = value else {
                drawing = false;
                continue;
            };
            let (from, to) = self.edges(place);
            let (x, y) = (f64::midpoint(from, to), self.scale.y(*value));
            let lone = !drawing && values.get(place + 1).copied().flatten().is_none();
            let _ = write!(path, "{}{x:.1} {y:.1}", if drawing { "L" } else { "M" });
            if lone {
                path.push_str("h0.1");
            }
            drawing = true;
        }
        if !path.is_empty() {
            let _ = write!(self.body, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
    }

    /// A limit across the whole chart.
    pub(super) fn level(&mut self, class: &str, value: f64) {
        let y = self.scale.y(value);
        let _ = write!(self.body, "<path class=\"level {class}\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
    }

    /// The drawing with its title and key in the left margin; the last of a stack has the axis' labels below.
    pub(super) fn markup(self, keys: &[Key], summary: &str, axis: bool) -> String {
        let height = TOP + HEIGHT + if axis { 26.0 } else { 8.0 };
        let mut out = open(self.title, summary, height);
        let _ = write!(out, "<text class=\"title\" x=\"0\" y=\"24\">{}</text>", escape(self.title));
        for (place, key) in keys.iter().enumerate() {
            let y = 46.0 + 19.0 * place_f64(place);
            let _ = write!(
                out,
                "<rect class=\"swatch {}\" x=\"0\" y=\"{:.0}\" width=\"12\" height=\"4\" rx=\"2\"/><text class=\"key\" x=\"18\" y=\"{y:.0}\">{}</text>",
                key.class,
                y - 6.0,
                escape(&key.name)
            );
        }
        out.push_str(&self.body);
        if axis {
            out.push_str(&axis_labels(self.time, TOP + HEIGHT + 18.0));
        }
        out.push_str("</svg>");
        out
    }
}

/// The beginning of a drawing on the shared time axis.
pub(super) fn open(title: &str, summary: &str, height: f64) -> String {
    format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {WIDTH} {height:.0}\" data-left=\"{LEFT}\" data-right=\"{RIGHT}\"><title>{}</title><desc>{}</desc>",
        escape(title),
        escape(summary)
    )
}

pub(super) fn axis_labels(time: Time, y: f64) -> String {
    let mut out = String::new();
    for tick in time.ticks() {
        let x = time.x(tick);
        let anchor = if x > RIGHT - 20.0 { "end" } else { "middle" };
        let _ = write!(
            out,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{}</text>",
            escape(&if tick == 0.0 { "0".to_owned() } else { duration(tick) })
        );
    }
    out
}

#[allow(clippy::cast_precision_loss, reason = "no list of a report has 2^53 entries")]
pub(super) fn place_f64(place: usize) -> f64 {
    place as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_above_the_greatest() {
        for (greatest, high) in
            [(0.0, 1.0), (1.0, 1.0), (7.0, 9.0), (40.0, 40.0), (184.0, 200.0), (1_342.0, 1_500.0)]
        {
            let scale = Scale::counts(greatest);
            assert!(scale.high >= greatest, "{greatest}");
            assert!(
                (scale.high - high).abs() < 1e-9 || scale.high <= greatest * 2.0,
                "{greatest}: {}",
                scale.high
            );
            assert!(scale.ticks.len() <= 5, "{greatest}: {:?}", scale.ticks);
        }
    }

    #[test]
    fn a_span_of_any_length_has_a_handful_of_ticks() {
        for span in [0.0, 0.5, 30.0, 30_000.0, 5_400_000.0, 86_400_000.0, 1e12] {
            let ticks = Time::new(span).ticks();
            assert!((2..=13).contains(&ticks.len()), "{span}: {ticks:?}");
        }
    }
}
