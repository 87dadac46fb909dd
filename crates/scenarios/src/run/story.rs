//! The story of `rehearsal run`: the migration's files as their runner
//! runs them, deployments around it, and a while to cool down.

use std::cell::RefCell;
use std::rc::Rc;

use sim_actors::coordinator::Failure;
use sim_actors::coordinator::attempt::{Backoff, Policy, in_transaction};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::{Database, DatabaseError, Timeouts};
use sim_actors::coordinator::rollout::roll_out;
use sim_clock::Nanos;

use crate::load::{MigrationFile, MigrationPart};
use crate::model::{DeploymentStart, RetryPlan, Scenario};
use crate::units::Span;

/// What the migration came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// What ended it early.
    pub(super) failure: Option<String>,
    /// When it began and ended.
    pub(super) span: (Nanos, Nanos),
    /// Attempts of all its steps, and those that failed.
    pub(super) attempts: u32,
    pub(super) failed: u32,
}

/// Statements that stand or fall together.
struct Step<'a> {
    file: &'a str,
    statements: Vec<&'a str>,
    transaction: bool,
}

fn steps<'a>(file: &'a MigrationFile, part: &'a MigrationPart) -> Vec<Step<'a>> {
    let texts = part.statements.iter().map(|statement| statement.sql.as_str());
    if part.transaction {
        return vec![Step { file: &file.name, statements: texts.collect(), transaction: true }];
    }
    texts.map(|sql| Step { file: &file.name, statements: vec![sql], transaction: false }).collect()
}

/// What the migration came to, once it has ended: a run may be cut short while it cools down.
pub(super) type Ended = Rc<RefCell<Option<Outcome>>>;

/// Runs the files, then the deployments that come after them.
pub(super) async fn tell(
    mut port: Port,
    files: Vec<MigrationFile>,
    scenario: Scenario,
    ended: Ended,
) -> Result<Outcome, Failure> {
    deploy(&mut port, &scenario, &DeploymentStart::Before).await?;
    let mut outcome = Outcome { span: (port.now(), port.now()), ..Outcome::default() };
    'files: for file in &files {
        for step in file.parts.iter().flat_map(|part| steps(file, part)) {
            if let Err(error) = attempt(&mut port, &step, &scenario, &mut outcome).await {
                outcome.failure = Some(format!("{}: {error}", step.file));
                break 'files;
            }
        }
    }
    outcome.span.1 = port.now();
    *ended.borrow_mut() = Some(outcome.clone());
    if outcome.failure.is_none() {
        deploy(&mut port, &scenario, &DeploymentStart::After).await?;
    }
    let rest = scenario.run.until.map_or(scenario.run.cool_down.0, |until| until.0 - port.now());
    port.sleep(rest).await;
    Ok(outcome)
}

async fn deploy(port: &mut Port, scenario: &Scenario, when: &DeploymentStart) -> Result<(), Failure> {
    for deployment in scenario.deployments.iter().filter(|one| one.start == *when) {
        roll_out(port, &deployment.to).await?;
    }
    Ok(())
}

/// One step, again and again as its policy allows.
async fn attempt(
    port: &mut Port,
    step: &Step<'_>,
    scenario: &Scenario,
    outcome: &mut Outcome,
) -> Result<(), DatabaseError> {
    let (spec, began) = (&scenario.migration, port.now());
    let own = spec.step(step.file, &step.statements.join(";\n"));
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
        outcome.attempts += 1;
        let Err(error) = once(port, step, timeouts).await else { break };
        outcome.failed += 1;
        let again = plan
            .as_ref()
            .is_some_and(|plan| plan.on.contains(&error.sqlstate) && plan.attempt(number + 1).is_some());
        let late = spec.give_up_after.is_some_and(|limit| port.now() - began >= limit.0);
        let Some(planned) = planned.filter(|_| again && !late) else { return Err(error) };
        let (least, most) = planned.pause;
        let drawn = Nanos(least.0.0 + scaled(most.0.0.saturating_sub(least.0.0), port.chance()));
        port.sleep(drawn).await;
    }
    port.sleep(own.map_or(Nanos::ZERO, |own| own.pause_after.0)).await;
    Ok(())
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scaled(span: u64, part: f64) -> u64 {
    (span as f64 * part) as u64
}

async fn once(port: &mut Port, step: &Step<'_>, timeouts: Timeouts) -> Result<(), DatabaseError> {
    if step.transaction {
        let policy = Policy { timeouts, attempts: 1, backoff: Backoff::Fixed(Nanos::ZERO) };
        let done = in_transaction(port, &step.statements, policy).await;
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
