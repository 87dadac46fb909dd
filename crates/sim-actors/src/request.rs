//! What an application does for a request: the statements, and how long each works.

use std::rc::Rc;

use sim_clock::{Nanos, Stream};
use sql_engine::StatementId;
use transactions::SessionId;

use crate::message::{Keys, Message};

/// How long a statement works, lock waits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// As long as the cost model has it.
    Modelled,
    /// Always as long.
    Fixed(Nanos),
    /// Exponential, with that mean.
    Exponential(Nanos),
    /// Lognormal: most near the median, a long tail.
    Lognormal {
        /// The median.
        median: Nanos,
        /// The deviation of the logarithm, in millionths: so that it can be compared.
        sigma_millionths: u32,
    },
}

/// The 99th percentile of a standard normal number.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

impl Service {
    /// The lognormal time with that median and 99th percentile.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn lognormal(median: Nanos, p99: Nanos) -> Self {
        let ratio = p99.0.max(median.0) as f64 / median.0.max(1) as f64;
        let sigma = libm::log(ratio) / NORMAL_P99;
        Self::Lognormal { median, sigma_millionths: (sigma * 1e6) as u32 }
    }

    /// How long it takes this time; `None` leaves that to the cost model.
    pub fn draw(self, stream: &mut Stream) -> Option<Nanos> {
        match self {
            Self::Modelled => None,
            Self::Fixed(span) => Some(span),
            Self::Exponential(mean) => Some(stream.exponential(mean)),
            Self::Lognormal { median, sigma_millionths } => {
                Some(stream.lognormal(median, f64::from(sigma_millionths) / 1e6))
            }
        }
    }
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
        let mut params = Keys::new();
        for key in self.params.iter().filter_map(|at| keys.get(*at)) {
            params.push(*key);
        }
        Message::Execute { session, statement: self.statement, params, work }
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
