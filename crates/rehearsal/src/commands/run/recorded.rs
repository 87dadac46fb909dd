//! `--trace`: recorded traffic in place of the scenario's own.

use std::path::PathBuf;

use scenarios::{Loaded, Span, TraceSpec, TraceWindow};
use sim_clock::Nanos;
use traces::transform::Window;

use crate::commands::trace::{parse_factor, parse_window};

/// A trace and how it is replayed; the same keys as in a scenario's `[traffic_trace]`.
#[derive(Debug, clap::Args)]
pub(super) struct Recorded {
    /// Replay this trace (`rehearsal trace import` makes one) in place of the scenario's traffic.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Only the trace's transactions that arrive within this part: `10m..20m`, `..1h`, `5m..`.
    #[arg(long, value_name = "FROM..TO", value_parser = parse_window, requires = "trace")]
    window: Option<Window>,
    /// The trace's arrivals that many times as fast.
    #[arg(long, value_name = "FACTOR", value_parser = parse_factor, requires = "trace")]
    speed: Option<f64>,
    /// That many times the trace's traffic, in shifted copies.
    #[arg(long, value_name = "FACTOR", value_parser = parse_factor, requires = "trace")]
    scale: Option<f64>,
}

impl Recorded {
    /// The scenario with the trace as its traffic, if there is one.
    pub(super) fn apply(&self, loaded: Loaded) -> anyhow::Result<Loaded> {
        let Some(file) = &self.trace else { return Ok(loaded) };
        let span = |us: u64| Span(Nanos::from_micros(us));
        let window = self.window.map_or_else(TraceWindow::default, |window| TraceWindow {
            from: span(window.from_us),
            to: window.to_us.map(span),
        });
        let (speed, scale) = (self.speed.unwrap_or(1.0), self.scale.unwrap_or(1.0));
        let file = file.display().to_string();
        Ok(loaded.replaying(TraceSpec { file, application: None, window, speed, scale })?)
    }
}
