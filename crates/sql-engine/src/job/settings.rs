//! BEGIN and its modes, SET, RESET and SHOW.

use std::rc::Rc;

use schema_rules::PgVersion;
use sql_syntax::ast::{self, Statement};
use transactions::{Isolation, Statement as Sent};

use super::tasks::{AtOnce, sent_without_snapshot};
use super::{Dispatch, Job};
use crate::command::{duration, guc, show_duration, tag};
use crate::error::{Result, error, not_modelled};
use crate::plan::ResultColumn;
use crate::state::{QueryResult, Tuple};
use crate::value::{Type, Value};

/// The isolation level of the layer below; nothing if none is named.
pub(super) fn isolation(modes: &ast::TransactionModes) -> Option<Isolation> {
    modes.isolation.map(|level| match level {
        ast::IsolationLevel::ReadCommitted | ast::IsolationLevel::ReadUncommitted => Isolation::ReadCommitted,
        ast::IsolationLevel::RepeatableRead | ast::IsolationLevel::Serializable => Isolation::RepeatableRead,
    })
}

impl Dispatch<'_> {
    pub(crate) fn begin(&self, statement: &Statement, modes: &ast::TransactionModes) -> Result<Sent<Tuple>> {
        if self.in_block {
            self.warn("there is already a transaction in progress");
        }
        let state = self.shared.get();
        let session = state.session(self.session);
        if session.in_transaction
            && let Some(level) = isolation(modes)
        {
            // In a block BEGIN sets its characteristics as SET TRANSACTION does.
            let is_repeatable = session.repeatable.is_some();
            if is_repeatable == (level == Isolation::RepeatableRead) {
                return Ok(Sent::Begin { isolation: level });
            }
            if session.has_queried {
                let message = "SET TRANSACTION ISOLATION LEVEL must be called before any query";
                return Err(error("25001", message));
            }
            drop(state);
            return Err(not_modelled(format!(
                "{} with another isolation level in a block",
                tag(statement).0
            )));
        }
        drop(state);
        let default = self.shared.get().session(self.session).default_isolation.unwrap_or_default();
        let isolation = isolation(modes).unwrap_or(default);
        let repeatable = (isolation == Isolation::RepeatableRead).then_some(None);
        let mut state = self.shared.edit();
        let session = state.session_mut(self.session);
        if !session.in_transaction {
            session.repeatable = repeatable;
            let is_serializable = match modes.isolation {
                Some(level) => level == ast::IsolationLevel::Serializable,
                None => session.default_serializable,
            };
            session.serializable = is_serializable.then(|| modes.read_only.unwrap_or(false));
        }
        drop(state);
        Ok(Sent::Begin { isolation })
    }

    pub(super) fn set(
        &mut self,
        job: &Job,
        statement: &Statement,
        set: &ast::SetVariable,
    ) -> Result<Sent<Tuple>> {
        if set.local && !self.in_block {
            self.warn("SET LOCAL can only be used in transaction blocks");
            return Ok(self.noop(job, statement));
        }
        let text = set.values.as_ref().map(|v| v.join(", "));
        if let Some(guc) = guc(&set.name) {
            let value = match &text {
                Some(text) => duration(&set.name, text)?,
                None => self.initial.get(guc),
            };
            return Ok(Sent::Set { local: set.local, guc, value });
        }
        if matches!(set.name.as_str(), "default_transaction_isolation" | "transaction_isolation") {
            let level = match text.as_deref() {
                Some("repeatable read" | "serializable") => Isolation::RepeatableRead,
                _ => Isolation::ReadCommitted,
            };
            if set.name == "transaction_isolation" && level != Isolation::ReadCommitted {
                return Err(not_modelled("SET transaction_isolation"));
            }
            let mut state = self.shared.edit();
            let session = state.session_mut(self.session);
            session.default_isolation = Some(level);
            session.default_serializable = text.as_deref() == Some("serializable");
            drop(state);
            return Ok(self.noop(job, statement));
        }
        let mut state = self.shared.edit();
        let version = state.version;
        let session = state.session_mut(self.session);
        look_up_by(Rc::make_mut(&mut session.lookup), statement, version);
        match text {
            Some(text) => session.own_mut().settings.insert(set.name.clone(), text),
            None => session.own_mut().settings.remove(&set.name),
        };
        drop(state);
        Ok(self.noop(job, statement))
    }

    pub(super) fn reset(
        &mut self,
        job: &Job,
        statement: &Statement,
        name: Option<&str>,
    ) -> Result<Sent<Tuple>> {
        if let Some(guc) = name.and_then(guc) {
            return Ok(Sent::Set { local: false, guc, value: self.initial.get(guc) });
        }
        let mut state = self.shared.edit();
        let version = state.version;
        let session = state.session_mut(self.session);
        look_up_by(Rc::make_mut(&mut session.lookup), statement, version);
        match name {
            Some(name) => {
                session.own_mut().settings.remove(name);
            }
            None => session.own_mut().settings.clear(),
        }
        drop(state);
        Ok(self.noop(job, statement))
    }

    pub(super) fn set_transaction(
        &mut self,
        job: &Job,
        statement: &Statement,
        session: bool,
        modes: &ast::TransactionModes,
    ) -> Result<Sent<Tuple>> {
        if modes.snapshot.is_some() {
            return Err(not_modelled("SET TRANSACTION SNAPSHOT"));
        }
        match isolation(modes) {
            Some(level) if session => {
                let mut state = self.shared.edit();
                let session = state.session_mut(self.session);
                session.default_isolation = Some(level);
                session.default_serializable = modes.isolation == Some(ast::IsolationLevel::Serializable);
            }
            Some(Isolation::RepeatableRead) if self.in_block => {
                return Err(not_modelled("SET TRANSACTION ISOLATION LEVEL"));
            }
            _ if !self.in_block && !session => {
                self.warn("SET TRANSACTION can only be used in transaction blocks");
            }
            _ => {}
        }
        Ok(self.noop(job, statement))
    }

    pub(super) fn show(&self, job: &Job, statement: &Statement, name: Option<&str>) -> Result<Sent<Tuple>> {
        let Some(name) = name else { return Err(not_modelled("SHOW ALL")) };
        let text = match guc(name) {
            Some(guc) => show_duration(self.settings.get(guc)),
            None => {
                let state = self.shared.get();
                let session = state.session(self.session);
                let kept = session.own().settings.get(name).cloned();
                match (kept, name) {
                    (Some(kept), _) => kept,
                    (None, "search_path") => session.lookup.search_path.join(", "),
                    (None, "transaction_isolation") => session.isolation_level().to_owned(),
                    (None, "default_transaction_isolation") => session.default_level().to_owned(),
                    (None, "timezone") => "UTC".to_owned(),
                    (None, "server_version_num") => format!("{}0000", state.version.major()),
                    _ => return Err(not_modelled(format!("the value of the setting {name}"))),
                }
            }
        };
        let columns = vec![ResultColumn { name: name.into(), ty: Type::Text }];
        let row: Rc<[Value]> = [Value::text(text)].into();
        let mut machine = self.machine(&job.params, tag(statement), job.work);
        machine.result = Some(QueryResult { columns, rows: vec![row] });
        Ok(sent_without_snapshot(machine, AtOnce(None)))
    }
}

/// Lets a SET or RESET act on how a session looks names up: the rules know which settings change what names mean.
fn look_up_by(lookup: &mut schema_rules::Session, statement: &Statement, version: PgVersion) {
    let (mut scratch, no_facts) = (schema_rules::Catalog::new(), schema_rules::effects::NoFacts);
    schema_rules::effects::advance(&mut scratch, lookup, statement, version, &no_facts);
}
