//! Versioned schema migrations: migrate, rollback, status.

use std::rc::Rc;

use scenarios::World;
use serde_json::{Value, json};
use sim_actors::coordinator::migrations::{self, Applied, Migration};

use super::Stage;
use crate::format::object;
use crate::reply::{Body, Code, Refusal};

impl Stage<'_> {
    pub(super) fn migrate(&mut self) -> Result<Body, Refusal> {
        self.history.schema_steps = true;
        let applied = self.apply_pending()?;
        let shown: Vec<Value> = applied
            .iter()
            .map(|at| &self.loaded.migrations[*at])
            .map(|one| json!({"version": one.version, "name": one.name, "status": "applied"}))
            .collect();
        Ok(object([
            ("type", json!("migrations_applied")),
            ("count", json!(shown.len())),
            ("migrations", Value::Array(shown)),
        ]))
    }

    pub(super) fn roll_back(&mut self) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let (known, policy) = (self.loaded.migrations.clone(), self.policy(None));
        let story = |mut db| async move { migrations::roll_back_last(&mut db, &known, policy).await };
        let undone = &self.loaded.migrations[self.rehearse(story)?.value];
        self.history.schema_steps = true;
        Ok(object([
            ("type", json!("migration_rolled_back")),
            ("version", json!(undone.version)),
            ("name", json!(undone.name)),
        ]))
    }

    pub(super) fn status(&mut self) -> Result<Body, Refusal> {
        let applied = self.world.applied_versions();
        let shown = |one: &Migration| {
            let applied = applied.contains(&one.version);
            json!({"version": one.version, "name": one.name, "applied": applied})
        };
        let shown: Vec<Value> = self.loaded.migrations.iter().map(shown).collect();
        Ok(object([("type", json!("migration_status")), ("migrations", Value::Array(shown))]))
    }

    /// The migrations of the past, unless the session has taken schema steps of its own.
    pub(super) fn take_schema_for_granted(&mut self) -> Result<(), Refusal> {
        if self.history.presupposes_schema() {
            self.apply_pending()?;
            self.history.schema_steps = true;
        }
        Ok(())
    }

    /// Applies what is pending; a table that this creates then holds its production data.
    fn apply_pending(&mut self) -> Result<Vec<usize>, Refusal> {
        let (known, policy) = (self.loaded.migrations.clone(), self.policy(None));
        let story = |mut db| async move { migrations::apply_pending(&mut db, &known, policy).await };
        let applied: Applied = self.rehearse(story)?.value;
        let mut world = World::clone(&self.world);
        world
            .fill_tables(self.loaded)
            .map_err(|error| Refusal::new(Code::PreconditionFailed, error.to_string()))?;
        self.world = Rc::new(world);
        match applied.failure {
            None => Ok(applied.migrations),
            Some(failure) => Err(Refusal::from(failure).keeping_what_was_committed()),
        }
    }
}
