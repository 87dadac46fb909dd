//! What tests of rehearsals begin with.

use scenarios::{Loaded, RunOptions, World, rehearse};
use sim_actors::coordinator::attempt::Policy;
use sim_actors::coordinator::coroutine::Port;
use sim_actors::coordinator::migrations;

/// The world after the schema migrations, with its data.
pub(crate) fn settled(loaded: &Loaded) -> World {
    let known = loaded.migrations.clone();
    let story =
        |mut db: Port| async move { migrations::apply_pending(&mut db, &known, Policy::default()).await };
    let options = RunOptions { traffic: false, ..RunOptions::default() };
    let migrated = rehearse(loaded, &World::new(loaded).unwrap(), &options, story);
    assert_eq!(migrated.outcome.unwrap().unwrap().migrations.len(), loaded.migrations.len());
    let mut world = migrated.world;
    world.fill_tables(loaded).unwrap();
    world
}
