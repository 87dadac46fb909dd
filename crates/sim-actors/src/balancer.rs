//! The load balancer: requests arrive as Poisson processes or as they were recorded, and go to the instances in
//! turn.

use sim_clock::{Actor, ActorId, Context, Nanos, Stream};

use crate::event::Event;
use crate::message::{Keys, Message};

/// How a key is chosen for a request.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Each of `first..=last` as likely as the others.
    Uniform {
        /// The least.
        first: i64,
        /// The greatest.
        last: i64,
        /// Its random stream.
        stream: Stream,
    },
    /// One after the other.
    Sequence {
        /// The next one.
        next: i64,
    },
}

impl KeySource {
    /// The next key.
    pub fn draw(&mut self) -> i64 {
        match self {
            Self::Uniform { first, last, stream } => {
                let span = last.abs_diff(*first).saturating_add(1);
                first.saturating_add_unsigned(stream.below(span))
            }
            Self::Sequence { next } => {
                let key = *next;
                *next = next.saturating_add(1);
                key
            }
        }
    }
}

/// A kind of request, as it arrives.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// The mean time between two of them.
    pub mean_gap: Nanos,
    /// Its random stream.
    pub stream: Stream,
    /// The keys it needs, by their place among the balancer's sources.
    pub keys: Vec<usize>,
}

/// One request as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// When it arrives.
    pub at: Nanos,
    /// Which kind.
    pub request: u32,
    /// Its keys.
    pub keys: Keys,
    /// How long it works, for statements that leave that to their request.
    pub service: Nanos,
}

/// Where requests come from.
pub enum Source {
    /// Poisson processes, one for each kind of request.
    Random(Vec<Arrivals>),
    /// What was recorded, in order of time: open loop, nobody waits for the one before.
    Replay(Box<dyn Iterator<Item = Recorded>>),
}

impl Source {
    /// A source that replays a list, sorted by time.
    #[must_use]
    pub fn replay(recorded: Vec<Recorded>) -> Self {
        Self::Replay(Box::new(recorded.into_iter()))
    }
}

/// Where requests come from, and who gets them.
pub struct Balancer {
    source: Source,
    /// The next of the recorded requests.
    upcoming: Option<Recorded>,
    keys: Vec<KeySource>,
    instances: Vec<(ActorId, bool)>,
    next: usize,
    ordinal: u64,
    turned_away: u64,
}

impl Balancer {
    /// A balancer in front of instances, all of which take requests if `deployed`. Its first timers,
    /// one for each kind of request, are the caller's to set: see [`Balancer::first_arrivals`].
    #[must_use]
    pub fn new(source: Source, keys: Vec<KeySource>, instances: Vec<ActorId>, deployed: bool) -> Self {
        let instances = instances.into_iter().map(|instance| (instance, deployed)).collect();
        Self { source, upcoming: None, keys, instances, next: 0, ordinal: 0, turned_away: 0 }
    }

    /// When each kind of request arrives first, with the key of its timer.
    pub fn first_arrivals(&mut self) -> Vec<(Nanos, u64)> {
        match &mut self.source {
            Source::Random(arrivals) => {
                let gap = |arrivals: &mut Arrivals| arrivals.stream.exponential(arrivals.mean_gap);
                arrivals.iter_mut().map(gap).zip(0..).collect()
            }
            Source::Replay(recorded) => {
                self.upcoming = recorded.next();
                self.upcoming.iter().map(|first| (first.at, 0)).collect()
            }
        }
    }

    /// Requests that found no instance to take them.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// The key sources as the run left them.
    #[must_use]
    pub fn into_sources(self) -> Vec<KeySource> {
        self.keys
    }

    /// The next instance, in turn, that takes requests.
    fn choose(&mut self) -> Option<ActorId> {
        let count = self.instances.len();
        let at = (0..count).map(|step| (self.next + step) % count).find(|at| self.instances[*at].1)?;
        self.next = at + 1;
        Some(self.instances[at].0)
    }

    fn pass_on(&mut self, arrived: Recorded, cx: &mut Context<'_, Message, Event>) {
        let Recorded { request, keys, service, .. } = arrived;
        let ordinal = self.ordinal;
        self.ordinal += 1;
        match self.choose() {
            Some(instance) => cx.send(instance, Message::Arrive { request, keys, service, ordinal }),
            None => {
                self.turned_away += 1;
                cx.log(Event::TurnedAway { request });
            }
        }
    }
}

impl Actor<Message, Event> for Balancer {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        let arrived = match &mut self.source {
            Source::Random(arrivals) => {
                let Some(arrivals) = usize::try_from(key).ok().and_then(|at| arrivals.get_mut(at)) else {
                    return;
                };
                let gap = arrivals.stream.exponential(arrivals.mean_gap);
                cx.set_timer(cx.now() + gap, key);
                let keys: Keys = arrivals.keys.iter().map(|at| self.keys[*at].draw()).collect();
                let request = u32::try_from(key).unwrap_or(u32::MAX);
                Recorded { at: cx.now(), request, keys, service: Nanos::ZERO }
            }
            Source::Replay(recorded) => {
                let Some(arrived) = self.upcoming.take() else { return };
                self.upcoming = recorded.next();
                if let Some(next) = &self.upcoming {
                    cx.set_timer(next.at.max(cx.now()), key);
                }
                arrived
            }
        };
        self.pass_on(arrived, cx);
    }

    fn on_message(&mut self, from: ActorId, message: Message, _: &mut Context<'_, Message, Event>) {
        if let Message::Rotation { takes_requests } = message
            && let Some(instance) = self.instances.iter_mut().find(|instance| instance.0 == from)
        {
            instance.1 = takes_requests;
        }
    }
}
