//! What an application does for a request: the statements, and how long each works.

use std::rc::Rc;

use sim_clock::{Nanos, Stream};
use sql_engine::StatementId;
use transactions::SessionId;

use crate::message::Message;

/// How long a statement works, lock waits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// As long as the cost model has it.
    Modelled,
    /// Always as long.
    Fixed(Nanos),
    /// Exponential, with that mean.
    Exponential(Nanos),
    /// As long as its request says when it arrives, and that much more.
    OfRequest {
        /// What comes on top: the statement's own cost.
        more: Nanos,
    },
}

/// One statement of a request.
#[derive(Clone, Debug)]
pub struct Step {
    /// The prepared statement.
    pub statement: StatementId,
    /// Its parameters, by their place among the request's keys.
    pub params: Vec<usize>,
    /// How long it works.
    pub service: Service,
    /// How long the client waits after it.
    pub think: Nanos,
}

impl Step {
    /// The message that has it executed.
    #[must_use]
    pub fn execute(&self, session: SessionId, keys: &[i64], work: Option<Nanos>) -> Message {
        let params = self.params.iter().filter_map(|at| keys.get(*at).copied()).collect();
        Message::Execute { session, statement: self.statement, params, work }
    }

    /// How long it works this time, for a request that says `of_request`.
    pub fn draw_work(&self, of_request: Nanos, stream: &mut Stream) -> Option<Nanos> {
        match self.service {
            Service::Exponential(mean) => Some(stream.exponential(mean)),
            Service::OfRequest { more } => Some(of_request + more),
            _ => self.fixed_work(),
        }
    }

    /// How long it works when nothing varies.
    #[must_use]
    pub fn fixed_work(&self) -> Option<Nanos> {
        match self.service {
            Service::Modelled => None,
            Service::Fixed(span) | Service::Exponential(span) | Service::OfRequest { more: span } => {
                Some(span)
            }
        }
    }
}

/// What one version does for one kind of request.
#[derive(Clone, Debug)]
pub struct RequestScript {
    /// Its statements; a transaction's BEGIN and COMMIT are among them.
    pub steps: Vec<Step>,
}

/// A version of the application.
#[derive(Clone, Debug)]
pub struct AppVersion {
    /// Its name.
    pub name: String,
    /// By kind of request; `None` where this version does not serve it.
    pub requests: Vec<Option<RequestScript>>,
    /// Every statement that it runs: what it prepares when it starts.
    pub statements: Rc<[StatementId]>,
}
