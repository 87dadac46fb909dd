//! Where a request is rehearsed: presupposed steps first, then the request, then its reply.

mod changes;
mod columns;
mod data;
mod schema;

use std::rc::Rc;

use scenarios::{EventObserver, Loaded, RunOptions, World};
use sim_actors::coordinator::Failure;
use sim_actors::coordinator::attempt::{Backoff, Policy};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::Timeouts;
use sim_clock::Nanos;

use crate::history::History;
use crate::reply::{Body, Code, Refusal};
use crate::request::Request;

/// Receives the events of every rehearsal.
pub type EventSink = Rc<EventObserver>;

/// One request on its way, with what it changes.
pub(crate) struct Stage<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) world: Rc<World>,
    pub(crate) history: History,
    pub(crate) events: Option<&'a EventSink>,
}

impl Stage<'_> {
    pub(crate) fn carry_out(&mut self, request: Request) -> Result<Body, Refusal> {
        match request {
            // The handshake concerns the envelopes alone, and has been answered there.
            Request::Init { .. } => Ok(Body::new()),
            Request::Status => self.status(),
            Request::Migrate => self.migrate(),
            Request::Rollback => self.roll_back(),
            Request::Expand { table, column } => self.expand(&table, &column),
            Request::CopyColumn { table, from, to } => self.copy_column(table.as_deref(), &from, &to),
            Request::Contract { table, column } => self.contract(&table, &column),
            Request::Idempotent { table, runs } => self.run_idempotent(&table, runs),
            Request::CreateIndex { table, column, concurrently, max_lock_ms } => {
                self.create_index(&table, &column, concurrently, max_lock_ms)
            }
            Request::AddColumn { table, column, default, nullable, data_type, max_lock_ms } => self
                .add_column(
                    &table,
                    &column,
                    &changes::definition(default, nullable, data_type)?,
                    max_lock_ms,
                ),
            Request::MigrateData(batched) => self.migrate_data(batched),
            Request::Backfill { column, batched } => self.backfill(&column, batched),
            Request::Validate { table, checks } => self.validate(&table, &checks),
        }
    }

    /// Rehearses a story against the scenario's traffic; the world moves on when it succeeds.
    fn rehearse<R, F>(&mut self, story: impl FnOnce(Port) -> F) -> Result<Rehearsal<R>, Refusal>
    where
        R: 'static,
        F: Future<Output = Result<R, Failure>> + 'static,
    {
        self.rehearse_with(true, story)
    }

    /// The same with or without the scenario's traffic.
    fn rehearse_with<R, F>(
        &mut self,
        traffic: bool,
        story: impl FnOnce(Port) -> F,
    ) -> Result<Rehearsal<R>, Refusal>
    where
        R: 'static,
        F: Future<Output = Result<R, Failure>> + 'static,
    {
        let options = RunOptions { traffic, observer: self.events.cloned(), ..RunOptions::default() };
        let rehearsed = scenarios::rehearse(self.loaded, &self.world, &options, story);
        match rehearsed.outcome {
            Some(Ok(value)) => {
                self.world = Rc::new(rehearsed.world);
                Ok(Rehearsal { value, observed: rehearsed.observed })
            }
            Some(Err(failure)) => Err(failure.into()),
            None => Err(Refusal::new(
                Code::Abort,
                "it was still waiting when the rehearsal's time was up; set max_lock_duration_ms",
            )),
        }
    }

    /// The scenario's policy, with the request's limit on lock waits.
    fn policy(&self, max_lock_ms: Option<u64>) -> Policy {
        let spec = &self.loaded.scenario.migration;
        let limit = max_lock_ms.map(Nanos::from_millis).or(spec.lock_timeout.map(|span| span.0));
        let timeouts =
            Timeouts { lock_timeout: limit, statement_timeout: spec.statement_timeout.map(|span| span.0) };
        Policy { timeouts, attempts: 1, backoff: Backoff::Fixed(Nanos::ZERO) }
    }
}

/// A rehearsal that succeeded.
struct Rehearsal<R> {
    value: R,
    observed: scenarios::Observed,
}
