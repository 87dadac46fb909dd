//! Metrics as a run's report has them: latencies in a histogram for the whole and for each interval, waits by
//! session, counts. They are taken from the event log while the actors run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::{ClosedInstant, Nanos, Scheduler};
use transactions::EventKind;

use crate::engine::Logged;
use crate::kernel::Kind;

#[derive(Default)]
struct Histogram {
    counts: Vec<u32>,
}

impl Histogram {
    /// Where a span is counted: 64 places for each doubling.
    fn place(span: Nanos) -> usize {
        let micros = span.0 / 1_000;
        let doubling = (micros / 64).checked_ilog2().map_or(0, |log| log + 1);
        let within = if doubling == 0 { micros } else { (micros >> (doubling - 1)) - 64 };
        usize::try_from(u64::from(doubling) * 64 + within).unwrap()
    }

    fn count(&mut self, place: usize) {
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
    }
}

#[derive(Default)]
struct Metrics {
    whole: Histogram,
    intervals: Vec<(u64, Histogram)>,
    waiting: BTreeMap<SessionId, Nanos>,
    waited: Histogram,
    longest_queue: usize,
}

impl Metrics {
    fn take(&mut self, now: Nanos, event: &Logged) {
        match event {
            Logged::Request { latency } => {
                let place = Histogram::place(*latency);
                self.whole.count(place);
                let at = usize::try_from(now.0 / 1_000_000_000).unwrap();
                if self.intervals.len() <= at {
                    self.intervals.resize_with(at + 1, Default::default);
                }
                let interval = &mut self.intervals[at];
                interval.0 += 1;
                interval.1.count(place);
            }
            Logged::Server(event) => match event.kind {
                EventKind::Waits => self.waits(now, event.session),
                EventKind::Granted | EventKind::Released | EventKind::RowLocked => {}
                _ => self.ends(now, event.session),
            },
            Logged::Kernel(Kind::Waits, session, ..) => self.waits(now, *session),
            Logged::Kernel(Kind::RowLocked, ..) => {}
            Logged::Kernel(_, session, ..) => self.ends(now, *session),
        }
    }

    fn waits(&mut self, now: Nanos, session: SessionId) {
        self.waiting.insert(session, now);
        self.longest_queue = self.longest_queue.max(self.waiting.len());
    }

    fn ends(&mut self, now: Nanos, session: SessionId) {
        if !self.waiting.is_empty()
            && let Some(since) = self.waiting.remove(&session)
        {
            self.waited.count(Histogram::place(now - since));
        }
    }
}

/// From now on the run is measured.
pub(crate) fn observe(scheduler: &mut Scheduler<Logged>) {
    let metrics = Rc::new(RefCell::new(Metrics::default()));
    scheduler.log.observe(Box::new(move |now, instant: ClosedInstant<'_, Logged>| {
        let mut metrics = metrics.borrow_mut();
        instant.events().for_each(|(_, event)| metrics.take(now, event));
    }));
}
