//! The actors of a rehearsal as one type, so that they can stand in one list.

use sim_clock::{Actor, ActorId, Context};

use crate::background::Background;
use crate::balancer::Balancer;
use crate::event::Event;
use crate::instance::AppInstance;
use crate::lock_manager::LockManager;
use crate::message::Message;
use crate::migration::MigrationCoordinator;

/// One of the actors; `R` is what the coordinator's story comes to.
#[allow(clippy::large_enum_variant, reason = "there are a few of them, in one list, never moved")]
pub enum Player<R> {
    /// The simulated server: much bigger than the others, and there is one.
    Server(Box<LockManager>),
    /// Where requests come from.
    Balancer(Balancer),
    /// An instance of the application.
    Instance(AppInstance),
    /// A session beside it.
    Background(Background),
    /// The migration.
    Coordinator(MigrationCoordinator<R>),
}

impl<R> Actor<Message, Event> for Player<R> {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        match self {
            Self::Server(player) => player.on_timer(key, cx),
            Self::Balancer(player) => player.on_timer(key, cx),
            Self::Instance(player) => player.on_timer(key, cx),
            Self::Background(player) => player.on_timer(key, cx),
            Self::Coordinator(player) => player.on_timer(key, cx),
        }
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match self {
            Self::Server(player) => player.on_message(from, message, cx),
            Self::Balancer(player) => player.on_message(from, message, cx),
            Self::Instance(player) => player.on_message(from, message, cx),
            Self::Background(player) => player.on_message(from, message, cx),
            Self::Coordinator(player) => player.on_message(from, message, cx),
        }
    }
}
