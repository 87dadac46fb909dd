//! Who waits for whom, looked at in regular intervals while anybody waits: what blame is made of.

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_clock::Nanos;
use sql_engine::{Database, StatementId};
use transactions::{EventKind, LockMode, LockTag, SessionId, SessionState, Waiter};

/// How often it is looked: blame is that exact.
pub(crate) const INTERVAL: Nanos = Nanos::from_millis(20);

/// Of a longer queue not everybody who stands in the way of everybody is noted.
const LONG: usize = 1_000;

/// What a session sent last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// A prepared statement.
    Prepared(StatementId),
    /// A text.
    Text(Rc<str>),
}

/// The head of a chain: what stands in everybody's way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root {
    /// The session.
    pub session: SessionId,
    /// What it sent last.
    pub sent: Option<Sent>,
    /// Whether it has done that and sits in its transaction.
    pub idle: bool,
}

/// A session that waited at one moment.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The session.
    pub session: SessionId,
    /// What it waited for.
    pub object: String,
    /// In which mode.
    pub mode: LockMode,
    /// For how long already.
    pub waited: Nanos,
    /// Behind whom.
    pub blockers: Vec<SessionId>,
    /// Its statement.
    pub sent: Option<Sent>,
}

/// The moment at which the most sessions waited.
#[derive(Clone, Debug, Default)]
pub struct WorstMoment {
    /// When.
    pub at: Nanos,
    /// Who waited, by session.
    pub waiting: Vec<Waiting>,
    /// Those who did not wait and were in the way.
    pub roots: Vec<Root>,
}

/// What the looking came to.
#[derive(Clone, Debug, Default)]
pub struct WaitWatch {
    /// Time waited behind each root, by the session that waited.
    pub blame: BTreeMap<(Root, SessionId), Nanos>,
    /// The worst moment.
    pub worst: WorstMoment,
    sent: Vec<Option<Sent>>,
    since: BTreeMap<SessionId, Nanos>,
    ticking: bool,
    /// Whether the server has done anything since the last look that counted.
    changed: bool,
    /// Who waited behind whom at that look, and for how long it has been so.
    standing: (Vec<(Root, SessionId)>, Nanos),
}

impl WaitWatch {
    /// Notes what a session sends.
    pub(crate) fn sends(&mut self, session: SessionId, sent: Sent) {
        let at = session.0 as usize;
        if self.sent.len() <= at {
            self.sent.resize(at + 1, None);
        }
        self.sent[at] = Some(sent);
    }

    /// Whether anybody waits, as far as it has been told.
    pub(crate) fn sees_waiting(&self) -> bool {
        !self.since.is_empty()
    }

    /// Notes a transition; whether the looking has to begin.
    pub(crate) fn notice(&mut self, kind: EventKind, session: SessionId, now: Nanos) -> bool {
        match kind {
            EventKind::Waits => {
                self.since.insert(session, now);
                !std::mem::replace(&mut self.ticking, true)
            }
            EventKind::Released | EventKind::RowLocked | EventKind::Granted | EventKind::Rearranged => false,
            _ => {
                if !self.since.is_empty() {
                    self.since.remove(&session);
                }
                false
            }
        }
    }

    fn root(&self, database: &Database, session: SessionId) -> Root {
        let sent = self.sent.get(session.0 as usize).cloned().flatten();
        let idle = matches!(
            database.state(session),
            SessionState::IdleInTransaction | SessionState::IdleInFailedTransaction
        );
        Root { session, sent, idle }
    }

    /// Notes that the server does something: who waits for whom may not be what it was.
    pub(crate) fn stirs(&mut self) {
        self.changed = true;
    }

    /// What has been so since the last look that counted goes to the blame.
    pub(crate) fn settle(&mut self) {
        let (standing, span) = std::mem::take(&mut self.standing);
        for behind in standing {
            *self.blame.entry(behind).or_default() += span;
        }
    }

    /// Looks; whether it has to look again. While everybody is stuck nothing changes, so that a long outage costs
    /// no more than a short one.
    pub(crate) fn look(&mut self, database: &Database, now: Nanos) -> bool {
        if !std::mem::take(&mut self.changed) {
            self.standing.1 += INTERVAL;
            return self.ticking;
        }
        self.settle();
        self.standing.1 = INTERVAL;
        let first: BTreeMap<SessionId, SessionId> = database.backends().first_blockers().collect();
        self.ticking = !first.is_empty();
        for waiter in first.keys() {
            let mut head = *waiter;
            // A chain in which a deadlock has not been found yet has no head.
            for _ in 0..first.len() {
                match first.get(&head) {
                    Some(next) => head = *next,
                    None => break,
                }
            }
            let root = self.root(database, head);
            self.standing.0.push((root, *waiter));
        }
        let most = self.worst.waiting.len();
        // Of a long queue that grows not every length is looked at: that would take the square of it.
        if first.len() > most + if most > LONG { most / 16 } else { 0 } {
            let waiters = if first.len() > LONG { behind_one(database, &first) } else { database.waiters() };
            self.worst.at = now;
            let blocking = waiters.iter().flat_map(|waiter| &waiter.blockers).copied();
            let mut roots: Vec<SessionId> = blocking.filter(|one| !first.contains_key(one)).collect();
            roots.sort_unstable();
            roots.dedup();
            self.worst.roots = roots.into_iter().map(|root| self.root(database, root)).collect();
            self.worst.waiting = waiters
                .into_iter()
                .map(|waiter| Waiting {
                    object: object(database, waiter.tag),
                    mode: waiter.mode,
                    waited: self.since.get(&waiter.session).map_or(Nanos::ZERO, |since| now - *since),
                    blockers: waiter.blockers,
                    sent: self.sent.get(waiter.session.0 as usize).cloned().flatten(),
                    session: waiter.session,
                })
                .collect();
        }
        self.ticking
    }
}

/// Those who wait, each behind the first session in its way only.
fn behind_one(database: &Database, first: &BTreeMap<SessionId, SessionId>) -> Vec<Waiter> {
    let waiter = |(session, blocker): (&SessionId, &SessionId)| {
        let (tag, mode) = database.waits_for(*session)?;
        Some(Waiter { session: *session, tag, mode, blockers: vec![*blocker] })
    };
    first.iter().filter_map(waiter).collect()
}

/// A lock's object in words: the relation's name, where it has one.
#[must_use]
pub fn object(database: &Database, tag: LockTag) -> String {
    let name = |relation| database.relation_name(relation).unwrap_or_else(|| "a new relation".to_owned());
    match tag {
        LockTag::Relation(relation) => name(relation),
        LockTag::Tuple { relation, .. } => format!("a row of {}", name(relation)),
        LockTag::Transaction(_) => "another transaction's row".to_owned(),
        LockTag::VirtualTransaction { .. } => "the end of another transaction".to_owned(),
        LockTag::Object { .. } => "a catalog object".to_owned(),
        LockTag::Advisory(key) => format!("advisory lock {key}"),
    }
}
