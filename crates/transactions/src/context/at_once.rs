//! Steps that come to an end within the call that decides on them: nobody has to be waited for, and nothing is
//! known of the row but that it is there.
//!
//! Each of these does what the step of the same name does, or nothing at all; then the step is to be taken.

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope};

use super::StepContext;
use crate::RowLockStrength;
use crate::backends::Asked;
use crate::heap::Deed;
use crate::steps::update_strength;

impl<P: Clone + Default> StepContext<'_, P> {
    /// [`Step::Lock`](crate::Step::Lock) until the end of the transaction, if the lock is free.
    pub fn lock_at_once(&mut self, tag: LockTag, mode: LockMode) -> bool {
        let (session, scope) = (self.session, Scope::Transaction);
        match self.backends.ask(self.now, session, tag, mode, scope, false, self.fx) {
            Asked::Have(hold) => {
                self.backends.note_acquired(session, hold, mode);
                true
            }
            Asked::Already(_) => true,
            Asked::Wait(_) | Asked::Unavailable | Asked::Deadlock => false,
        }
    }

    /// [`Step::LockRow`](crate::Step::LockRow) of a virtual row that nobody else deals with.
    pub fn lock_row_at_once(&mut self, relation: RelationId, key: RowKey, strength: RowLockStrength) -> bool {
        self.deal_at_once(relation, key, Deed::Locked(strength), strength)
    }

    /// [`Step::Update`](crate::Step::Update) of such a row.
    pub fn update_at_once(&mut self, relation: RelationId, key: RowKey, key_columns_changed: bool) -> bool {
        let strength = update_strength(key_columns_changed);
        self.deal_at_once(relation, key, Deed::Updated(strength), strength)
    }

    /// [`Step::Delete`](crate::Step::Delete) of such a row.
    pub fn delete_at_once(&mut self, relation: RelationId, key: RowKey) -> bool {
        self.deal_at_once(relation, key, Deed::Deleted, RowLockStrength::Update)
    }

    /// [`Step::Insert`](crate::Step::Insert) of such a row.
    pub fn insert_at_once(&mut self, relation: RelationId, key: RowKey) -> bool {
        self.deal_at_once(relation, key, Deed::Inserted, RowLockStrength::Update)
    }

    fn deal_at_once(
        &mut self,
        relation: RelationId,
        key: RowKey,
        deed: Deed,
        strength: RowLockStrength,
    ) -> bool {
        self.backends.deal_simply(self.session, relation, key, deed, strength, self.fx)
    }
}
