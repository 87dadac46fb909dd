//! What the application's requests feel of a schema change, the careless way and the careful one.

mod support;

use scenarios::{DEFAULT, Loaded, Observed, RunOptions, rehearse};
use sim_actors::Failed;
use sim_actors::coordinator::Failure;
use sim_actors::coordinator::attempt::{Policy, in_transaction};
use sim_actors::coordinator::batches::{BatchPlan, run_batches};
use sim_actors::coordinator::changes::{ContractPlan, add_column, contract};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::Database;
use sim_actors::coordinator::rollout::roll_out;
use sim_clock::Nanos;
use support::settled;

fn observe<F>(story: impl FnOnce(Port) -> F) -> (Result<(), Failure>, Observed)
where
    F: Future<Output = Result<(), Failure>> + 'static,
{
    observe_at("20.0", story)
}

/// The same with that many requests of the frequent kinds a second.
fn observe_at<F>(rate: &str, story: impl FnOnce(Port) -> F) -> (Result<(), Failure>, Observed)
where
    F: Future<Output = Result<(), Failure>> + 'static,
{
    let text = DEFAULT.replace("rate = 20.0", &format!("rate = {rate}"));
    let loaded = Loaded::embedded_text(&text).unwrap();
    let world = settled(&loaded);
    let done = rehearse(&loaded, &world, &RunOptions::default(), story);
    (done.outcome.expect("the story ends"), done.observed)
}

#[test]
fn a_rename_in_one_step_fails_requests() {
    let (outcome, observed) = observe(|mut db| async move {
        let rename = ["ALTER TABLE users RENAME COLUMN name TO full_name"];
        in_transaction(&mut db, &rename, Policy::default()).await.map_err(|(_, failure)| failure)?;
        db.sleep(Nanos::from_secs(2)).await;
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    let undefined_column = observed
        .failed
        .iter()
        .find(|(cause, _)| matches!(cause, Failed::Database(state) if state.as_str() == "42703"));
    assert!(undefined_column.is_some_and(|(_, count)| *count > 5), "{observed:?}");
}

#[test]
fn expand_and_contract_fail_no_request() {
    let (outcome, observed) = observe(|mut db| async move {
        let policy = Policy::default();
        add_column(&mut db, "users", "full_name", "text", policy).await?;
        roll_out(&mut db, "v2").await?;
        let copy = BatchPlan {
            table: "users".into(),
            key: "id".into(),
            assignments: "full_name = name".into(),
            needed: Some("full_name IS NULL AND name IS NOT NULL".into()),
            batch_size: 500,
            total_rows: None,
            pause: Nanos::from_millis(100),
            policy,
        };
        run_batches(&mut db, &copy).await?;
        let plan = ContractPlan {
            table: "users".into(),
            column: "name".into(),
            successor: Some("full_name".into()),
            version: "v3".into(),
        };
        contract(&mut db, &plan, policy).await?;
        db.sleep(Nanos::from_secs(2)).await;
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(observed.failed.is_empty() && observed.turned_away == 0, "{observed:?}");
    assert!(observed.served > 200, "{observed:?}");
}

#[test]
fn dropping_the_column_before_the_deployment_fails_requests() {
    let (outcome, observed) = observe(|mut db| async move {
        let drop = ["ALTER TABLE users DROP COLUMN name"];
        in_transaction(&mut db, &drop, Policy::default()).await.map_err(|(_, failure)| failure)?;
        db.sleep(Nanos::from_secs(2)).await;
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    assert!(observed.schema_failure().is_some(), "{observed:?}");
}

#[test]
fn requests_queue_behind_a_waiting_alter_for_as_long_as_the_reader_reads() {
    let (outcome, observed) = observe_at("400.0", |mut db| async move {
        add_column(&mut db, "users", "note", "text", Policy::default()).await?;
        // Those who waited behind it finish.
        db.sleep(Nanos::from_secs(1)).await;
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
    // The statistics read for 100 ms; requests of a few milliseconds waited that long.
    let expected = Nanos::from_millis(80)..Nanos::from_millis(160);
    assert!(expected.contains(&observed.latency_max), "{observed:?}");
}
