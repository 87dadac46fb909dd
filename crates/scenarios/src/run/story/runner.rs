//! A runner at work: its lock, its table, the files that are pending, its records. All of it is SQL that the server runs,
//! so that whoever waits, waits there.

use std::future::Future;
use std::pin::Pin;

use schema_rules::migrations::{ADVISORY, POLLED_ADVISORY, Protocol, RunnerLock, TABLE, protocol};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::{Branching, Connecting, Database, DatabaseError, Timeouts};
use sim_clock::Nanos;

use super::attempt::carry_out;
use super::steps::File;
use super::{Play, deploy};
use crate::load::MigrationPlan;
use crate::model::{DeploymentStart, MigrationSpec, RunnerLockKind};

const NO_LIMITS: Timeouts = Timeouts { lock_timeout: None, statement_timeout: None };

/// How a runner goes about it: its profile, and what the scenario says otherwise.
pub(super) struct Runner {
    protocol: &'static Protocol,
    lock: Option<RunnerLock>,
    table: &'static str,
    create_table: &'static str,
}

impl Runner {
    pub(super) fn of(plan: &MigrationPlan, spec: &MigrationSpec) -> Self {
        let protocol = protocol(plan.runner.name);
        let lock = match spec.runner_lock {
            None => protocol.lock,
            Some(RunnerLockKind::None) => None,
            Some(RunnerLockKind::Advisory) => Some(ADVISORY),
            Some(RunnerLockKind::PolledAdvisory) => Some(POLLED_ADVISORY),
            Some(RunnerLockKind::Table) => Some(TABLE),
        };
        Self { protocol, lock, table: plan.runner.bookkeeping, create_table: plan.runner.bookkeeping_ddl }
    }

    fn keeps_records(&self) -> bool {
        !self.protocol.applied.is_empty()
    }
}

/// A runner that has its lock: the connection that holds it, if it is not the one that migrates.
struct Held {
    lock: RunnerLock,
    holder: Option<Port>,
}

/// Runs everything that is pending. `deploys`: the deployments that wait for steps begin when those have succeeded.
pub(super) async fn migrate(port: &mut Port, play: &Play, deploys: bool) -> Result<(), String> {
    let runner = &play.runner;
    let said = |what: &'static str| move |error: DatabaseError| format!("{what}: {error}");
    // A lock on the runner's table needs the table.
    if runner.keeps_records() {
        port.execute(runner.create_table, NO_LIMITS).await.map_err(said("the runner's table"))?;
    }
    let held = match runner.lock {
        Some(lock) => Some(take(port, lock, runner.table).await?),
        None => None,
    };
    let done = run_pending(port, play, deploys).await;
    if let Some(held) = held {
        give(port, held).await;
    }
    done
}

async fn take(port: &mut Port, lock: RunnerLock, table: &str) -> Result<Held, String> {
    let said = |error: DatabaseError| format!("the runner's lock: {error}");
    let mut holder = None;
    if lock.own_connection {
        holder = Some(port.connect("the migration's lock").await.map_err(said)?);
    }
    let connection = holder.as_mut().unwrap_or(port);
    if !lock.begin.is_empty() {
        connection.execute(lock.begin, NO_LIMITS).await.map_err(said)?;
    }
    let text = lock.take.replace("{table}", table);
    let mut tries = 1;
    loop {
        let outcome = connection.execute(&text, NO_LIMITS).await;
        let had = match (&outcome, lock.polls) {
            (Err(_), _) | (Ok(_), None) => true,
            (Ok(done), Some(_)) => done.rows.first().and_then(|row| row.first()?.as_deref()) == Some("t"),
        };
        if had {
            if let Err(error) = outcome {
                if let Some(holder) = holder {
                    holder.close().await;
                }
                return Err(said(error));
            }
            return Ok(Held { lock, holder });
        }
        let Some((pause, most)) = lock.polls else { return Ok(Held { lock, holder }) };
        if most.is_some_and(|most| tries >= most) {
            if let Some(holder) = holder {
                holder.close().await;
            }
            return Err(format!("the runner's lock: not had in {tries} tries; another runner has it"));
        }
        tries += 1;
        connection.sleep(Nanos::from_millis(pause)).await;
    }
}

fn port_of<'p>(holder: &'p mut Option<Port>, port: &'p mut Port) -> &'p mut Port {
    holder.as_mut().unwrap_or(port)
}

async fn give(port: &mut Port, mut held: Held) {
    // Should the connection be gone, the server has given it back.
    let _ = port_of(&mut held.holder, port).execute(held.lock.give, NO_LIMITS).await;
    if let Some(holder) = held.holder {
        holder.close().await;
    }
}

async fn run_pending(port: &mut Port, play: &Play, deploys: bool) -> Result<(), String> {
    let applied = applied(port, play).await?;
    for (rank, file) in (1..).zip(&play.files) {
        if is_applied(&applied, file, play.runner.protocol.keeps_last_only) {
            continue;
        }
        run_file(port, play, file, rank, deploys).await?;
    }
    Ok(())
}

async fn applied(port: &mut Port, play: &Play) -> Result<Vec<String>, String> {
    if !play.runner.keeps_records() {
        return Ok(Vec::new());
    }
    let done = port.execute(play.runner.protocol.applied, NO_LIMITS).await;
    let done = done.map_err(|error| format!("the runner's table: {error}"))?;
    Ok(done.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
}

fn is_applied(applied: &[String], file: &File, last_only: bool) -> bool {
    if !last_only {
        return applied.contains(&file.version);
    }
    let number = |version: &str| version.parse::<u64>().ok();
    applied.iter().any(|last| match (number(last), number(&file.version)) {
        (Some(last), Some(own)) => own <= last,
        _ => *last == file.version,
    })
}

async fn run_file(
    port: &mut Port,
    play: &Play,
    file: &File,
    rank: usize,
    deploys: bool,
) -> Result<(), String> {
    let protocol = play.runner.protocol;
    let fill = |texts: &[&str]| -> Vec<String> {
        let name = file.name.replace('\'', "''");
        let fill = |text: &&str| {
            text.replace("{version}", &file.version)
                .replace("{name}", &name)
                .replace("{rank}", &rank.to_string())
        };
        texts.iter().map(fill).collect()
    };
    let record = fill(protocol.record);
    in_one_transaction(port, &fill(protocol.before)).await?;
    let last = file.steps.len().saturating_sub(1);
    let mut recorded = record.is_empty();
    for (at, step) in file.steps.iter().enumerate() {
        let mut step = step.clone();
        if at == last && step.transaction {
            step.statements.extend(record.iter().cloned());
            recorded = true;
        }
        carry_out(port, &step, play).await.map_err(|error| format!("{}: {error}", step.file))?;
        if deploys {
            for (at, deployment) in play.scenario.deployments.iter().enumerate() {
                if let DeploymentStart::AfterStep(name) = &deployment.start
                    && step.ends.contains(name)
                {
                    let line: Pin<Box<dyn Future<Output = _> + '_>> =
                        Box::pin(deploy(port.branch(), play, at));
                    line.await?;
                }
            }
        }
    }
    if !recorded {
        in_one_transaction(port, &record).await?;
    }
    in_one_transaction(port, &fill(protocol.after)).await
}

/// What the runner writes down, in a transaction of its own.
async fn in_one_transaction(port: &mut Port, texts: &[String]) -> Result<(), String> {
    let said = |error: DatabaseError| format!("the runner's record: {error}");
    if let [only] = texts {
        return port.execute(only, NO_LIMITS).await.map(|_| ()).map_err(said);
    }
    if texts.is_empty() {
        return Ok(());
    }
    port.execute("BEGIN", NO_LIMITS).await.map_err(said)?;
    for text in texts {
        if let Err(error) = port.execute(text, NO_LIMITS).await {
            let _ = port.execute("ROLLBACK", NO_LIMITS).await;
            return Err(said(error));
        }
    }
    port.execute("COMMIT", NO_LIMITS).await.map(|_| ()).map_err(said)
}
