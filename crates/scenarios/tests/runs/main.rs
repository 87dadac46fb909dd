//! What comes of whole scenarios: applications, deployments, runners.

mod applications;
mod batches;
mod checks;
mod deployments;
mod health;
mod startup;

use std::path::Path;

use reports::{Report, RequestClass};
use scenarios::Loaded;
use sim_actors::RunMode;

/// A shop with two instances of `web`, whose requests read one order.
const SHOP: &str = include_str!("shop.toml");

/// Runs a scenario made of parts, against these migration files.
fn run(parts: &[&str], files: &[(&str, &str)]) -> Report {
    let loaded = Loaded::from_texts(Path::new("shop.toml"), &parts.concat(), files);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    scenarios::run(&loaded, RunMode::Actors, None).unwrap_or_else(|error| panic!("{error}"))
}

fn class<'r>(report: &'r Report, name: &str) -> &'r RequestClass {
    report
        .classes
        .iter()
        .find(|class| class.name == name)
        .unwrap_or_else(|| panic!("there is no class {name}"))
}
