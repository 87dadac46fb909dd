//! The node: one message in, at most one reply out, state kept between.
//!
//! Each message is carried out against a copy of the world. The copy takes the world's place when
//! the message succeeds; after an error the world is what it was, but for the migrations that a
//! `migrate` had committed before one failed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use scenarios::{Loaded, World};
use serde_json::{Value, json};

use crate::envelope::{Envelopes, Incoming, Outgoing};
use crate::format::{object, to_line};
use crate::history::History;
use crate::input::Item;
use crate::reply::{Body, Code, Refusal};
use crate::request::Request;
use crate::stage::{EventSink, Stage};

/// How a node is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeOptions {
    /// Take no step for granted.
    pub strict: bool,
    /// When replies go in envelopes.
    pub envelopes: Envelopes,
}

/// A node and everything that it remembers.
pub struct Node {
    loaded: Loaded,
    world: Rc<World>,
    history: History,
    outgoing: Outgoing,
    events: Option<EventSink>,
}

impl Node {
    /// A fresh node over a scenario.
    ///
    /// # Errors
    /// When the scenario's own SQL fails.
    pub fn new(loaded: Loaded, options: NodeOptions) -> Result<Self, scenarios::ScenarioError> {
        let world = Rc::new(World::new(&loaded)?);
        let history = History { strict: options.strict, ..History::default() };
        let outgoing = Outgoing::new(options.envelopes);
        Ok(Self { loaded, world, history, outgoing, events: None })
    }

    /// Shows every event of every rehearsal from now on.
    pub fn observe(&mut self, events: EventSink) {
        self.events = Some(events);
    }

    /// Answers what was read: with one line, or with none where nobody could be answered.
    pub fn answer(&mut self, item: Item) -> Option<String> {
        let value = match item {
            Item::Value(value) => value,
            Item::Broken(reason) => return self.complain(Code::Malformed, &reason),
        };
        let incoming = match Incoming::unwrap(value) {
            Ok(incoming) => incoming,
            Err(reason) => return self.complain(Code::Malformed, reason),
        };
        let _span = tracing::info_span!("message", msg_id = %shown(&incoming.body, "msg_id"),
            r#type = %shown(&incoming.body, "type"))
        .entered();
        let in_reply_to = match incoming.body.get("msg_id") {
            Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Some(number.clone()),
            _ => None,
        };
        let outcome = if in_reply_to.is_some() {
            self.carry_out(&incoming.body)
        } else {
            Err(Refusal::new(Code::Malformed, "field \"msg_id\" must be a whole number"))
        };
        let body = outcome.unwrap_or_else(|refusal| {
            tracing::info!(?refusal, "refused");
            refusal.body()
        });
        // The type comes first and what it replies to second, in every reply.
        let mut reply = Body::new();
        let mut rest = body.into_iter();
        reply.extend(rest.next());
        reply.extend(in_reply_to.map(|id| ("in_reply_to".to_owned(), Value::Number(id))));
        reply.extend(rest);
        Some(to_line(&self.outgoing.wrap(reply, &incoming)))
    }

    /// An error about something that is no message: in Maelstrom's protocol it has no addressee.
    fn complain(&self, code: Code, reason: &str) -> Option<String> {
        tracing::warn!(reason, "unreadable input");
        (!self.outgoing.wraps()).then(|| to_line(&Value::Object(Refusal::new(code, reason).body())))
    }

    fn carry_out(&mut self, body: &Body) -> Result<Body, Refusal> {
        let request = Request::read(body)?;
        if let Request::Init { node_id } = request {
            self.outgoing.initialise(node_id);
            return Ok(object([("type", json!("init_ok"))]));
        }
        let mut stage = Stage {
            loaded: &self.loaded,
            world: Rc::clone(&self.world),
            history: self.history.clone(),
            events: self.events.as_ref(),
        };
        // A bug must cost its own message only: the world is still what it was.
        let outcome = catch_unwind(AssertUnwindSafe(|| stage.carry_out(request)))
            .unwrap_or_else(|panic| Err(Refusal::new(Code::Crash, said(&*panic))));
        if outcome.as_ref().err().is_none_or(|refusal| refusal.keeps_commits) {
            (self.world, self.history) = (stage.world, stage.history);
        }
        outcome
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    format!("a bug in the rehearsal, please report it: {text}")
}

fn shown(body: &Body, field: &str) -> String {
    body.get(field).map(Value::to_string).unwrap_or_default()
}
