//! `rehearsal trace`: recorded traffic.

mod import;
mod show;

use std::process::ExitCode;

use sim_clock::Nanos;
use traces::transform::Window;

/// What to do with traces.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a trace of logs and statistics.
    Import(import::Arguments),
    /// Summarise a trace.
    Show(show::Arguments),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Import(arguments) => arguments.run(),
            Self::Show(arguments) => arguments.run(),
        }
    }
}

/// `90`, `90s`, `1.5m`, `2h`, `250ms`: seconds where no unit is given.
fn parse_span(text: &str) -> Result<Nanos, String> {
    let text = text.trim();
    let units = [("ms", 1e6), ("us", 1e3), ("µs", 1e3), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];
    let unit = units.iter().find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1e9));
    match number.trim().parse::<f64>() {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Nanos((number * factor) as u64)),
        _ => Err(format!("'{text}' is no span of time such as 90, 90s, 1.5m, 2h or 250ms")),
    }
}

/// `10m..20m`, `..1h`, `5m..`: a part of a trace, counted from its start.
pub(super) fn parse_window(text: &str) -> Result<Window, String> {
    let (from, to) =
        text.split_once("..").ok_or_else(|| format!("'{text}' is no window such as 10m..20m"))?;
    let us = |text: &str| parse_span(text).map(|span| span.0 / 1_000);
    let from_us = if from.is_empty() { 0 } else { us(from)? };
    let to_us = if to.is_empty() { None } else { Some(us(to)?) };
    if to_us.is_some_and(|to| to <= from_us) {
        return Err(format!("the window {text} ends before it starts"));
    }
    Ok(Window { from_us, to_us })
}

pub(super) fn parse_factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 && factor <= 1e6 => Ok(factor),
        _ => Err(format!("'{text}' is no factor such as 2 or 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_default_to_seconds() {
        for (text, ms) in [("90", 90_000), ("1.5m", 90_000), ("250ms", 250), ("2h", 7_200_000)] {
            assert_eq!(parse_span(text), Ok(Nanos::from_millis(ms)), "{text}");
        }
        assert!(parse_span("soon").is_err() && parse_span("-1s").is_err());
    }
}
