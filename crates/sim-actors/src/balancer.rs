//! The load balancer: requests arrive and go to the instances of their application in turn.

use std::fmt;
use std::iter::Peekable;

use sim_clock::{Actor, ActorId, Context, Nanos};

use crate::arrivals::{Arrivals, Recorded, Replayed};
use crate::event::Event;
use crate::keys::KeySource;
use crate::message::{Keys, Message};

/// A recording, in order of arrival.
type Recording = Peekable<Box<dyn Iterator<Item = Replayed>>>;

/// The timer of the recording; the other timers are the places of arrival processes.
const REPLAY: u64 = u64::MAX;

/// The instances of one application.
#[derive(Debug, Default)]
struct Fleet {
    /// Each with whether it takes requests.
    instances: Vec<(ActorId, bool)>,
    next: usize,
}

impl Fleet {
    /// The next instance, in turn, that takes requests.
    fn choose(&mut self) -> Option<ActorId> {
        for _ in 0..self.instances.len() {
            if self.next >= self.instances.len() {
                self.next = 0;
            }
            let (instance, takes_requests) = self.instances[self.next];
            self.next += 1;
            if takes_requests {
                return Some(instance);
            }
        }
        None
    }
}

/// Where requests come from, and who gets them.
pub struct Balancer {
    arrivals: Vec<Arrivals>,
    recording: Option<Recording>,
    sources: Vec<KeySource>,
    fleets: Vec<Fleet>,
    /// Which fleet serves each kind of request; those without an entry go to the first.
    served_by: Vec<usize>,
    /// How many have arrived.
    arrived: u64,
    turned_away: u64,
    /// Nothing arrives after that.
    until: Nanos,
}

impl fmt::Debug for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer").field("fleets", &self.fleets).finish_non_exhaustive()
    }
}

impl Balancer {
    /// A balancer in front of instances, each with whether it takes requests. Its first timers are
    /// the caller's to set: see [`Balancer::first_arrivals`].
    #[must_use]
    pub fn new(arrivals: Vec<Arrivals>, sources: Vec<KeySource>, instances: Vec<(ActorId, bool)>) -> Self {
        let until = Nanos(u64::MAX);
        let (fleets, served_by) = (vec![Fleet { instances, next: 0 }], Vec::new());
        Self { arrivals, recording: None, sources, fleets, served_by, arrived: 0, turned_away: 0, until }
    }

    /// Serves another application, too: `served_by` has, for each kind of request, the place of its application.
    #[must_use]
    pub fn with_applications(
        mut self,
        others: impl IntoIterator<Item = Vec<(ActorId, bool)>>,
        served_by: Vec<usize>,
    ) -> Self {
        self.fleets.extend(others.into_iter().map(|instances| Fleet { instances, next: 0 }));
        self.served_by = served_by;
        self
    }

    /// Replays a recording, too: its arrival times are honoured, however slow the answers are.
    #[must_use]
    pub fn replaying(mut self, recording: Box<dyn Iterator<Item = Replayed>>) -> Self {
        self.recording = Some(recording.peekable());
        self
    }

    /// Nothing arrives after that.
    #[must_use]
    pub fn until(mut self, until: Nanos) -> Self {
        self.until = until;
        self
    }

    /// When each kind of request arrives first, with the key of its timer.
    pub fn first_arrivals(&mut self) -> Vec<(Nanos, u64)> {
        let first = |arrivals: &mut Arrivals| arrivals.next(Nanos::ZERO);
        let mut timers: Vec<_> = self.arrivals.iter_mut().map(first).zip(0..).collect();
        let replayed = self.next_recorded();
        timers.extend(replayed.map(|at| (at, REPLAY)));
        timers.retain(|timer| timer.0 <= self.until);
        timers
    }

    /// Requests that found no instance to take them.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// The key sources as the run left them.
    #[must_use]
    pub fn into_sources(self) -> Vec<KeySource> {
        self.sources
    }

    /// The instance that serves a request of that kind.
    fn choose(&mut self, request: u32) -> Option<ActorId> {
        let fleet = self.served_by.get(request as usize).copied().unwrap_or(0);
        self.fleets.get_mut(fleet)?.choose()
    }

    fn send(
        &mut self,
        request: u32,
        keys: Keys,
        recorded: Option<Recorded>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        cx.log(Event::Arrived { request });
        let ordinal = self.arrived;
        self.arrived += 1;
        match self.choose(request) {
            Some(instance) => cx.send(instance, Message::Arrive { request, keys, recorded, ordinal }),
            None => {
                self.turned_away += 1;
                cx.log(Event::TurnedAway { request });
            }
        }
    }

    fn replay(&mut self, cx: &mut Context<'_, Message, Event>) {
        let now = cx.now();
        let due = |next: &Replayed| next.at <= now;
        while let Some(replayed) = self.recording.as_mut().and_then(|recording| recording.next_if(due)) {
            self.send(replayed.request, replayed.keys, replayed.recorded, cx);
        }
        if let Some(at) = self.next_recorded() {
            self.wake(at, REPLAY, cx);
        }
    }

    /// When the recording goes on.
    fn next_recorded(&mut self) -> Option<Nanos> {
        Some(self.recording.as_mut()?.peek()?.at)
    }

    fn wake(&self, at: Nanos, key: u64, cx: &mut Context<'_, Message, Event>) {
        if at <= self.until {
            cx.set_timer(at, key);
        }
    }
}

impl Actor<Message, Event> for Balancer {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        if key == REPLAY {
            return self.replay(cx);
        }
        let Some(arrivals) = usize::try_from(key).ok().and_then(|at| self.arrivals.get_mut(at)) else {
            return;
        };
        let (request, at) = (arrivals.request, arrivals.next(cx.now()));
        let mut keys = Keys::new();
        for source in &arrivals.keys {
            keys.push(self.sources[*source].draw());
        }
        self.wake(at, key, cx);
        self.send(request, keys, None, cx);
    }

    fn on_message(&mut self, from: ActorId, message: Message, _: &mut Context<'_, Message, Event>) {
        if let Message::Rotation { takes_requests } = message
            && let Some(instance) =
                self.fleets.iter_mut().flat_map(|fleet| &mut fleet.instances).find(|one| one.0 == from)
        {
            instance.1 = takes_requests;
        }
    }
}
