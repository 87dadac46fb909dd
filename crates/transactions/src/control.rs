//! Transaction commands and settings: BEGIN to ROLLBACK, savepoints, SET.

use lock_table::SessionId;
use sim_clock::Nanos;

use crate::backends::Backends;
use crate::run::in_failed_transaction;
use crate::session::Block;
use crate::{CommandTag, Effects, Outcome, SqlError, SqlState, Statement};

impl<P: Clone + Default> Backends<P> {
    /// Transaction commands and settings: they neither wait nor work.
    pub(crate) fn control(
        &mut self,
        now: Nanos,
        session: SessionId,
        statement: Statement<P>,
        fx: &mut Effects,
    ) {
        let block = self.session(session).block;
        let no_block =
            || SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
        let result = match (statement, block) {
            (Statement::Begin { isolation }, Block::None) => {
                self.begin_transaction(now, session, isolation, fx);
                self.session_mut(session).block = Block::Open;
                Ok(CommandTag::BEGIN)
            }
            (Statement::Begin { .. }, Block::Open) => Ok(CommandTag::BEGIN),
            (Statement::Commit, Block::Failed) | (Statement::Rollback, _) => {
                self.session_mut(session).block = Block::None;
                self.abort_transaction(now, session, fx);
                Ok(CommandTag::ROLLBACK)
            }
            (Statement::Commit, _) => {
                self.session_mut(session).block = Block::None;
                self.commit_transaction(session, fx);
                Ok(CommandTag::COMMIT)
            }
            (Statement::RollbackTo(name), Block::Open | Block::Failed) => {
                self.rollback_to_savepoint(session, name, fx).map(|()| CommandTag::ROLLBACK)
            }
            (_, Block::Failed) => Err(in_failed_transaction()),
            (Statement::Savepoint(name), Block::Open) => {
                self.savepoint(session, name);
                Ok(CommandTag::SAVEPOINT)
            }
            (Statement::Release(name), Block::Open) => {
                self.release_savepoint(session, name, fx).map(|()| CommandTag::RELEASE)
            }
            (Statement::Set { local, guc, value }, block) => {
                self.set(session, local, guc, value);
                if block == Block::None {
                    let this = self.session_mut(session);
                    this.keep_settings();
                    this.settings_before.clear();
                }
                Ok(CommandTag::SET)
            }
            _ => Err(no_block()),
        };
        match result {
            Ok(tag) => {
                self.become_idle(now, session, fx);
                fx.complete(session, Ok(Outcome { tag, rows: 0 }));
            }
            Err(error) => self.fail(now, session, error, fx),
        }
    }
}
