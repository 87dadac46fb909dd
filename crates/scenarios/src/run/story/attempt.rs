//! One step of a migration: its attempts under the policy's timeouts, and its batches.

use sim_actors::coordinator::attempt::{Backoff, Policy, in_transaction};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::{Database, DatabaseError, Timeouts};
use sim_clock::Nanos;

use super::Play;
use super::batches::step_of;
use super::steps::{Step, batch_size};
use crate::model::RetryPlan;
use crate::units::Span;

/// One step: at once, or in batches with a rest between them.
pub(super) async fn carry_out(port: &mut Port, step: &Step, play: &Play) -> Result<(), DatabaseError> {
    let spec = &play.scenario.migration;
    let sql = step.statements.join(";\n");
    let Some(cut) = play.cuts.get(&sql).filter(|_| step.batched) else {
        return attempt(port, step, play).await;
    };
    let rows = batch_size(spec, &step.file, &sql).unwrap_or(u32::MAX);
    let own = spec.step(&step.file, &sql).and_then(|own| own.batch_pause);
    let Some(newest) = cut.newest(port).await? else { return Ok(()) };
    let mut after: Option<String> = None;
    while let Some((last, batch)) = cut.next(port, after.as_deref(), &newest, rows).await? {
        if after.is_some() {
            port.sleep(own.unwrap_or(spec.batch_pause).0).await;
        }
        attempt(port, &step_of(batch, step), play).await?;
        after = Some(last);
    }
    Ok(())
}

/// One step, again and again as its policy allows.
async fn attempt(port: &mut Port, step: &Step, play: &Play) -> Result<(), DatabaseError> {
    let spec = &play.scenario.migration;
    let began = *play.began.borrow_mut().get_or_insert(port.now());
    let own = spec.step(&step.file, &step.statements.join(";\n"));
    let retry = own.and_then(|own| own.retry.as_ref()).or(spec.retry.as_ref());
    let plan: Option<RetryPlan> = retry.map(crate::model::RetrySpec::plan);
    let nanos = |span: Option<Span>| span.map(|span| span.0);
    for number in 1.. {
        let planned = plan.as_ref().and_then(|plan| plan.attempt(number));
        let timeouts = Timeouts {
            lock_timeout: nanos(own.and_then(|own| own.lock_timeout).or(spec.lock_timeout))
                .or_else(|| nanos(planned.and_then(|planned| planned.lock_timeout))),
            statement_timeout: nanos(own.and_then(|own| own.statement_timeout).or(spec.statement_timeout))
                .or_else(|| nanos(plan.as_ref().and_then(|plan| plan.statement_timeout))),
        };
        play.outcome.borrow_mut().attempts += 1;
        let Err(error) = once(port, step, timeouts).await else { break };
        play.outcome.borrow_mut().failed += 1;
        let again = plan
            .as_ref()
            .is_some_and(|plan| plan.on.contains(&error.sqlstate) && plan.attempt(number + 1).is_some());
        let Some(planned) = planned.filter(|_| again) else { return Err(error) };
        let (least, most) = planned.pause;
        let drawn = Nanos(least.0.0 + scaled(most.0.0.saturating_sub(least.0.0), port.chance()));
        if spec.give_up_after.is_some_and(|limit| port.now() + drawn - began >= limit.0) {
            return Err(error);
        }
        port.sleep(drawn).await;
    }
    port.sleep(own.map_or(Nanos::ZERO, |own| own.pause_after.0)).await;
    Ok(())
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scaled(span: u64, part: f64) -> u64 {
    (span as f64 * part) as u64
}

async fn once(port: &mut Port, step: &Step, timeouts: Timeouts) -> Result<(), DatabaseError> {
    if step.transaction {
        let policy = Policy { timeouts, attempts: 1, backoff: Backoff::Fixed(Nanos::ZERO) };
        let statements: Vec<&str> = step.statements.iter().map(String::as_str).collect();
        let done = in_transaction(port, &statements, policy).await;
        return match done {
            Ok(_) => Ok(()),
            Err((_, failure)) => Err(failure.database.unwrap_or_else(|| DatabaseError {
                sqlstate: String::new(),
                message: failure.text,
                lock: None,
            })),
        };
    }
    for sql in &step.statements {
        port.execute(sql, timeouts).await?;
    }
    Ok(())
}
