//! Random scenarios give the same log whether run bare, as actors, or as tasks of tokio's runtime.

mod support;

use proptest::prelude::*;
use scenarios::{DEFAULT, Loaded, RunOptions, rehearse};
use sim_actors::RunMode;
use sim_actors::coordinator::Failure;
use sim_actors::coordinator::attempt::{Backoff, Policy, in_transaction};
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::database::{Database, Timeouts};
use sim_actors::coordinator::rollout::roll_out;
use sim_clock::Nanos;
use support::settled;

/// What varies from one random scenario to the next.
#[derive(Clone, Debug)]
struct Shape {
    seed: u64,
    instances: u32,
    pool: u32,
    rate: f64,
    lock_timeout_ms: u64,
    report_ms: u64,
    /// Requests choose among so few rows that they meet.
    active: i64,
}

fn shape() -> impl Strategy<Value = Shape> {
    (any::<u32>(), 1_u32..6, 1_u32..4, 50.0..400.0, 1_u64..300, 0_u64..900, 1_i64..8).prop_map(
        |(seed, instances, pool, rate, lock_timeout_ms, report_ms, active)| Shape {
            seed: u64::from(seed),
            instances,
            pool,
            rate,
            lock_timeout_ms,
            report_ms,
            active,
        },
    )
}

fn loaded(shape: &Shape) -> Loaded {
    let edits = [
        ("seed = 42", format!("seed = {}", shape.seed)),
        ("instances = 3", format!("instances = {}", shape.instances)),
        ("pool_size = 10", format!("pool_size = {}", shape.pool)),
        ("acquire_timeout = \"5 s\"", "acquire_timeout = \"150 ms\"".to_owned()),
        ("rate = 20.0", format!("rate = {:.1}", shape.rate)),
        ("rows = 10_000", "rows = 300".to_owned()),
        ("rows = 2_000", "rows = 30".to_owned()),
        ("last = 10_000", format!("last = {}", 9_500 + shape.active)),
        ("first = 9_501", "first = 9_501".to_owned()),
        ("takes = \"100 ms\"", format!("takes = \"{} ms\"", shape.report_ms)),
        ("takes = \"2 ms\"", "takes = \"9 ms\", varies = \"exponential\"".to_owned()),
        ("start = \"1 s\"", "start = \"100 ms\"".to_owned()),
        (
            "FROM generate_series(1, $1) AS i\n\"\"\"\n\n[[tables]]\nname = \"posts\"",
            "FROM generate_series(9501, 9500 + $1) AS i\n\"\"\"\n\n[[tables]]\nname = \"posts\"".to_owned(),
        ),
        ("1 + i % 10, 'Post '", "9501 + i % 10, 'Post '".to_owned()),
        ("first = 10_001", "first = 20_001".to_owned()),
    ];
    let mut text = DEFAULT.to_owned();
    for (old, new) in edits {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, &new);
    }
    Loaded::embedded_text(&text).unwrap()
}

/// Locks, waits, gives up, deploys: everything that moves actors.
async fn busy_migration(mut db: Port, shape: Shape) -> Result<(), Failure> {
    let lock_timeout = Some(Nanos::from_millis(shape.lock_timeout_ms));
    let policy = Policy {
        timeouts: Timeouts { lock_timeout, statement_timeout: None },
        attempts: 5,
        backoff: Backoff::doubling(Nanos::from_millis(40), Nanos::from_millis(200)),
    };
    let add = ["ALTER TABLE users ADD COLUMN full_name text", "UPDATE users SET country = upper(country)"];
    let _ = in_transaction(&mut db, &add, policy).await;
    let _ = roll_out(&mut db, "v2").await;
    let _ = db.execute("CREATE INDEX CONCURRENTLY by_country ON users (country)", policy.timeouts).await;
    let _ = in_transaction(&mut db, &["LOCK TABLE users IN ACCESS EXCLUSIVE MODE"], policy).await;
    db.sleep(Nanos::from_millis(500)).await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 30, ..ProptestConfig::default() })]
    #[test]
    fn every_run_mode_gives_the_log_of_the_bare_loop(shape in shape()) {
        let loaded = loaded(&shape);
        let world = settled(&loaded);
        let observe = |mode| {
            let options = RunOptions { mode, ..RunOptions::default() };
            let story = shape.clone();
            rehearse(&loaded, &world, &options, |db| busy_migration(db, story)).observed
        };
        let bare = observe(RunMode::Bare);
        prop_assert!(bare.events > 100, "{:?}", bare);
        prop_assert_eq!(&observe(RunMode::Actors), &bare);
        prop_assert_eq!(&observe(RunMode::Tokio), &bare);
    }
}

#[test]
fn twenty_runs_of_one_seed_are_one_run() {
    let loaded = Loaded::embedded().unwrap();
    let world = settled(&loaded);
    let run = || {
        let story = |mut db: Port| async move {
            let _ = roll_out(&mut db, "v1").await;
            db.sleep(Nanos::from_secs(5)).await;
            Ok::<_, Failure>(())
        };
        rehearse(&loaded, &world, &RunOptions::default(), story).observed
    };
    let first = run();
    assert!(first.served > 100, "{first:?}");
    for _ in 1..20 {
        assert_eq!(run(), first);
    }
}

#[test]
fn another_seed_is_another_run() {
    let loaded = Loaded::embedded().unwrap();
    let world = settled(&loaded);
    let run = |seed| {
        let mut loaded = loaded.clone();
        loaded.scenario.seed = seed;
        let story = |mut db: Port| async move {
            db.sleep(Nanos::from_secs(5)).await;
            Ok::<_, Failure>(())
        };
        rehearse(&loaded, &world, &RunOptions::default(), story).observed.hash
    };
    assert_ne!(run(1), run(2));
}
