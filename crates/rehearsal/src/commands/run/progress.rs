//! How far a run is, on stderr; and Ctrl-C, which ends it early.
//!
//! The simulation stores where it is in an atomic number and reads another for whether to stop: it never sees a
//! clock. A thread of its own looks at the number and draws.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use reports::units::{count, duration};
use sim_clock::Nanos;

/// A run that is over sooner needs no progress.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// Ctrl-C as a flag. A second one ends the program at once, as if nobody had caught it.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) fn catch() -> anyhow::Result<Self> {
        let (flag, signal) = (Arc::new(AtomicBool::new(false)), signal_hook::consts::SIGINT);
        // In this order: the first asks whether the flag was set before, the second sets it.
        let status = i32::from(super::INTERRUPTED);
        signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .context("Ctrl-C cannot be caught")?;
        Ok(Self(flag))
    }

    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// What there is to do.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// Virtual time, in nanoseconds; its end, where it is known beforehand.
    Time(Option<Nanos>),
    /// So many seeds.
    Seeds(u64),
}

/// A line on stderr, if that is a terminal and the run takes a while.
pub(super) struct Progress {
    position: Arc<AtomicU64>,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(super) fn begin(extent: Extent) -> Self {
        Self::of(extent, Arc::default())
    }

    /// Progress of what somebody else counts.
    pub(super) fn of(extent: Extent, position: Arc<AtomicU64>) -> Self {
        let drawing = std::io::stderr().is_terminal().then(|| {
            let ((end, ended), position) = (channel(), Arc::clone(&position));
            (end, thread::spawn(move || draw(&bar(extent), &position, &ended)))
        });
        Self { position, drawing }
    }

    pub(super) fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// Takes the line away.
    pub(super) fn end(self) {
        if let Some((end, thread)) = self.drawing {
            drop(end);
            // A line that could not be drawn is no reason to lose the report.
            let _ = thread.join();
        }
    }
}

fn draw(bar: &ProgressBar, position: &AtomicU64, ended: &Receiver<()>) {
    let mut shown = Duration::ZERO;
    while ended.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(position.load(Ordering::Relaxed));
        shown += REDRAW;
        if shown == PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.tick();
    }
    bar.finish_and_clear();
}

fn bar(extent: Extent) -> ProgressBar {
    let (length, template) = match extent {
        Extent::Time(None) => (None, "{spinner} {virtual} rehearsed, {speed} × real time"),
        Extent::Time(Some(end)) => {
            (Some(end.0), "{bar:30} {virtual} of {whole} rehearsed, {speed} × real time, {left} left")
        }
        Extent::Seeds(seeds) => {
            (Some(seeds), "{bar:30} {pos} of {len} seeds, {per_second} a second, {left} left")
        }
    };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(keys(style)),
        Err(_) => bar,
    }
}

/// The words of the templates.
fn keys(style: ProgressStyle) -> ProgressStyle {
    fn put(out: &mut dyn Write, words: &str) {
        // What cannot be drawn is left out.
        let _ = out.write_str(words);
    }
    #[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
    let span = |nanos: u64| duration(nanos as f64 / 1e6);
    style
        .with_key("virtual", move |state: &ProgressState, out: &mut dyn Write| put(out, &span(state.pos())))
        .with_key("whole", move |state: &ProgressState, out: &mut dyn Write| {
            put(out, &span(state.len().unwrap_or_default()));
        })
        .with_key("speed", |state: &ProgressState, out: &mut dyn Write| {
            put(out, &count(state.per_sec() / 1e9))
        })
        .with_key("per_second", |state: &ProgressState, out: &mut dyn Write| {
            put(out, &count(state.per_sec()))
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            put(out, &duration(state.eta().as_secs_f64() * 1e3));
        })
}
