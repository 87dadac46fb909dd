//! Who waited for which kinds of locks, and for how long.

use std::collections::BTreeMap;

use sim_clock::Nanos;
use transactions::{Event, LockMode, LockTag, SessionId};

/// Waits for one kind of lock.
#[derive(Clone, Copy, Default)]
pub(crate) struct Waits {
    pub(crate) count: u64,
    pub(crate) total: Nanos,
    pub(crate) longest: Nanos,
}

/// The waits so far, those that have not ended apart.
#[derive(Default)]
pub(crate) struct LockWaiting {
    waiting: BTreeMap<SessionId, (Nanos, LockTag, LockMode)>,
    pub(crate) waits: Vec<(LockTag, LockMode, Waits)>,
    /// What the sessions that run migrations have waited since their statements began.
    migrations: BTreeMap<SessionId, Nanos>,
}

impl LockWaiting {
    /// How many sessions wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn begins(&mut self, now: Nanos, event: &Event) {
        self.waiting.insert(event.session, (now, event.tag, event.mode));
    }

    /// A session goes on, if it waited.
    pub(super) fn ends(&mut self, now: Nanos, session: SessionId) {
        if self.waiting.is_empty() {
            return;
        }
        let Some((since, tag, mode)) = self.waiting.remove(&session) else { return };
        let span = now - since;
        if let Some(waits) = self.migrations.get_mut(&session) {
            *waits += span;
        }
        let kind = kind_of(tag);
        let known = self.waits.iter().position(|one| one.1 == mode && kind_of(one.0) == kind);
        let at = known.unwrap_or_else(|| {
            self.waits.push((tag, mode, Waits::default()));
            self.waits.len() - 1
        });
        let waits = &mut self.waits[at].2;
        waits.count += 1;
        waits.total += span;
        waits.longest = waits.longest.max(span);
    }

    /// A statement of a migration begins.
    pub(super) fn migration_begins(&mut self, session: SessionId) {
        self.migrations.insert(session, Nanos::ZERO);
    }

    /// A statement of a migration has ended; how long it waited.
    pub(super) fn migration_ends(&mut self, session: SessionId) -> Nanos {
        self.migrations.remove(&session).unwrap_or_default()
    }

    /// The run is over, and with it what still waits.
    pub(super) fn finish(&mut self, end: Nanos) {
        let waiting: Vec<SessionId> = self.waiting.keys().copied().collect();
        for session in waiting {
            self.ends(end, session);
        }
    }
}

/// What waits are put together by: the relation where there is one.
pub(crate) fn kind_of(tag: LockTag) -> (&'static str, u64) {
    match tag {
        LockTag::Relation(relation) => ("table", u64::from(relation.0)),
        LockTag::Tuple { relation, .. } => ("row", u64::from(relation.0)),
        LockTag::Transaction(_) => ("transaction", 0),
        LockTag::VirtualTransaction { .. } => ("virtual transaction", 0),
        LockTag::Object { class, .. } => ("object", u64::from(class)),
        LockTag::Advisory(key) => ("advisory", key.cast_unsigned()),
    }
}
