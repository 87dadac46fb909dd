//! What becomes of the requests of one class, and of all of them.

use std::collections::BTreeMap;

use reports::RequestClass;
use sim_actors::Failed;
use sim_clock::Nanos;

use super::histogram::{Histogram, Place};
use super::ms;

/// What a request may take on top of its own work before it counts as delayed.
const DELAY: Nanos = Nanos::from_millis(100);

/// Why a request was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It found no instance to take it.
    NoInstance,
    /// An instance took it in vain.
    Failed(Failed),
}

impl Cause {
    fn text(self) -> String {
        match self {
            Self::NoInstance => "no instance".to_owned(),
            Self::Failed(Failed::Database(state)) => state.to_string(),
            Self::Failed(Failed::PoolTimeout) => "pool timeout".to_owned(),
            Self::Failed(Failed::NotServed) => "not served".to_owned(),
        }
    }
}

/// The end of a request.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// When.
    pub(super) at: Nanos,
    /// Its latency, as histograms keep it.
    pub(super) latency: Place,
    /// How much of that was not its own work.
    pub(super) delay: Nanos,
    /// Why it failed, if it did.
    pub(super) failed: Option<Cause>,
}

/// The longest time in which requests were under way and none succeeded.
#[derive(Clone, Copy, Default)]
struct Stall {
    in_flight: u64,
    since: Option<Nanos>,
    longest: (Nanos, Nanos),
}

impl Stall {
    fn arrives(&mut self, now: Nanos) {
        self.in_flight += 1;
        self.since.get_or_insert(now);
    }

    fn ends(&mut self, now: Nanos, served: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if served {
            self.close(now);
            self.since = (self.in_flight > 0).then_some(now);
        }
    }

    /// It ends with a success, or with the run.
    fn close(&mut self, now: Nanos) {
        if let Some(since) = self.since
            && now - since > self.longest.0
        {
            self.longest = (now - since, since);
        }
    }
}

/// A class of requests so far.
#[derive(Default)]
struct Class {
    arrived: u64,
    served: u64,
    delayed: u64,
    failed: BTreeMap<Cause, u64>,
    latency: Histogram,
    stall: Stall,
}

impl Class {
    fn ends(&mut self, end: End) {
        self.latency.record(end.latency);
        self.delayed += u64::from(end.delay > DELAY);
        match end.failed {
            Some(cause) => *self.failed.entry(cause).or_default() += 1,
            None => self.served += 1,
        }
        self.stall.ends(end.at, end.failed.is_none());
    }

    fn absorb(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.served += other.served;
        self.delayed += other.delayed;
        for (cause, count) in &other.failed {
            *self.failed.entry(*cause).or_default() += count;
        }
        self.latency.absorb(&other.latency);
    }

    fn report(mut self, name: String, end: Nanos) -> RequestClass {
        self.stall.close(end);
        RequestClass {
            name,
            arrived: self.arrived,
            served: self.served,
            failed: self.failed.into_iter().map(|(cause, count)| (cause.text(), count)).collect(),
            delayed: self.delayed,
            p50_ms: ms(self.latency.quantile(50, 100)),
            p95_ms: ms(self.latency.quantile(95, 100)),
            p99_ms: ms(self.latency.quantile(99, 100)),
            max_ms: ms(self.latency.max()),
            longest_stall_ms: ms(self.stall.longest.0),
            stall_from_ms: ms(self.stall.longest.1),
        }
    }
}

/// All classes so far. Of all requests together only what is no sum over the classes is kept besides: their stall.
#[derive(Default)]
pub(super) struct Classes {
    classes: Vec<Class>,
    overall: Stall,
}

impl Classes {
    pub(super) fn new(count: usize) -> Self {
        let classes = (0..count).map(|_| Class::default()).collect();
        Self { classes, overall: Stall::default() }
    }

    pub(super) fn arrives(&mut self, now: Nanos, request: u32) {
        self.overall.arrives(now);
        if let Some(class) = self.class(request) {
            class.arrived += 1;
            class.stall.arrives(now);
        }
    }

    pub(super) fn ends(&mut self, request: u32, end: End) {
        self.overall.ends(end.at, end.failed.is_none());
        if let Some(class) = self.class(request) {
            class.ends(end);
        }
    }

    fn class(&mut self, request: u32) -> Option<&mut Class> {
        let last = self.classes.len().saturating_sub(1);
        self.classes.get_mut((request as usize).min(last))
    }

    /// Each class under its name, and all requests.
    pub(super) fn report(self, names: &[String], end: Nanos) -> (Vec<RequestClass>, RequestClass) {
        let mut overall = Class { stall: self.overall, ..Class::default() };
        self.classes.iter().for_each(|class| overall.absorb(class));
        let named = self.classes.into_iter().zip(names);
        let classes = named.map(|(class, name)| class.report(name.clone(), end)).collect();
        (classes, overall.report("all requests".to_owned(), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(at: u64, latency: u64, failed: Option<Cause>) -> End {
        let latency = Nanos::from_millis(latency);
        End { at: Nanos::from_millis(at), latency: Place::of(latency), delay: latency, failed }
    }

    #[test]
    fn all_requests_are_the_sum_of_the_classes_but_for_their_stall() {
        let mut classes = Classes::new(2);
        for (at, request) in [(0, 0), (10, 1), (20, 0)] {
            classes.arrives(Nanos::from_millis(at), request);
        }
        classes.ends(1, end(30, 20, None));
        classes.ends(0, end(300, 300, None));
        classes.ends(0, end(310, 290, Some(Cause::Failed(Failed::PoolTimeout))));
        let names = ["first".to_owned(), "second".to_owned()];
        let (each, overall) = classes.report(&names, Nanos::from_millis(400));
        let counts = |class: &RequestClass| (class.arrived, class.served, class.delayed, class.failed.len());
        assert_eq!(each.iter().map(counts).collect::<Vec<_>>(), [(2, 1, 2, 1), (1, 1, 0, 0)]);
        assert_eq!(counts(&overall), (3, 2, 2, 1));
        assert_eq!((each[0].longest_stall_ms, overall.longest_stall_ms), (300.0, 270.0));
        assert_eq!((overall.max_ms, overall.p50_ms), (300.0, each[0].p50_ms));
    }
}
