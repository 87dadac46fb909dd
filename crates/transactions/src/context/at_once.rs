//! Steps that come to an end within the call that decides on them: nobody has to be waited for, and nothing is
//! known of the row but that it is there.
//!
//! Each of these does what the step of the same name does, or nothing at all; then the step is to be taken.

use lock_table::{LockMode, LockTag, RelationId, Request, RowKey, Scope};

use super::StepContext;
use crate::heap::Deed;
use crate::steps::update_strength;
use crate::{EventKind, RowLockStrength};

/// What came of a step that was to be done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// It is done.
    Done,
    /// There is no such row. The step would come to [`StepOutcome::Gone`](crate::StepOutcome::Gone).
    Missing,
    /// The step has to be taken; nothing has happened.
    TakeStep,
}

impl<P: Clone + Default> StepContext<'_, P> {
    /// [`Step::Lock`](crate::Step::Lock) until the end of the transaction, if the lock is free.
    pub fn lock_at_once(&mut self, tag: LockTag, mode: LockMode) -> bool {
        let session = self.session;
        match self.backends.table.request(session, tag, mode, Scope::Transaction, false) {
            Request::Granted(hold) => {
                self.fx.push(session, EventKind::Granted, mode, tag);
                self.backends.note_acquired(session, hold, mode);
                true
            }
            Request::AlreadyHeld(_) => true,
            Request::Queued(_) | Request::Unavailable | Request::Deadlock => false,
        }
    }

    /// [`Step::LockRow`](crate::Step::LockRow) of a virtual row that nobody else deals with.
    pub fn lock_row_at_once(
        &mut self,
        relation: RelationId,
        key: RowKey,
        strength: RowLockStrength,
    ) -> AtOnce {
        self.deal_at_once(relation, key, Deed::Locked(strength), strength)
    }

    /// [`Step::Update`](crate::Step::Update) of such a row.
    pub fn update_at_once(&mut self, relation: RelationId, key: RowKey, key_columns_changed: bool) -> AtOnce {
        let strength = update_strength(key_columns_changed);
        self.deal_at_once(relation, key, Deed::Updated(strength), strength)
    }

    /// [`Step::Delete`](crate::Step::Delete) of such a row.
    pub fn delete_at_once(&mut self, relation: RelationId, key: RowKey) -> AtOnce {
        self.deal_at_once(relation, key, Deed::Deleted, RowLockStrength::Update)
    }

    /// [`Step::Insert`](crate::Step::Insert) of such a row.
    pub fn insert_at_once(&mut self, relation: RelationId, key: RowKey) -> AtOnce {
        self.deal_at_once(relation, key, Deed::Inserted, RowLockStrength::Update)
    }

    fn deal_at_once(
        &mut self,
        relation: RelationId,
        key: RowKey,
        deed: Deed,
        strength: RowLockStrength,
    ) -> AtOnce {
        self.backends.deal_simply(self.session, relation, key, deed, strength, self.fx)
    }
}
