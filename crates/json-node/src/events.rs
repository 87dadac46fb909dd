//! The event log as text: one JSON object a line, virtual time first. `docs/event-log.md` has the columns.

use serde_json::{Value, json};
use sim_actors::{DeploymentPhase, Event, Failed, StatementStep};
use sim_clock::Nanos;
use transactions::{EventKind, LockTag};

use crate::format::{object, to_line};
use crate::reply::Body;

/// One event as a line, without the line's end.
#[must_use]
pub fn event_line(at: Nanos, actor: &str, event: &Event) -> String {
    let mut line = object([("t_ns", json!(at.0)), ("actor", json!(actor))]);
    line.extend(columns(event));
    to_line(&Value::Object(line))
}

fn columns(event: &Event) -> Body {
    match event {
        Event::Server(event) => object([
            ("event", json!(name_of(event.kind))),
            ("session", json!(event.session.0)),
            ("mode", json!(event.mode.to_string())),
            ("object", json!(object_of(event.tag))),
        ]),
        Event::Arrived { request } => object([("event", json!("arrived")), ("request", json!(request))]),
        Event::Queued { request } => object([("event", json!("queued")), ("request", json!(request))]),
        Event::Started { request, waited, .. } => {
            object([("event", json!("started")), ("request", json!(request)), ("waited_ns", json!(waited.0))])
        }
        Event::Freed { request } => object([("event", json!("freed")), ("request", json!(request))]),
        Event::GaveUp { request } => object([("event", json!("gave_up")), ("request", json!(request))]),
        Event::Rotation { takes_requests } => {
            object([("event", json!("rotation")), ("takes_requests", json!(takes_requests))])
        }
        Event::Blocked { waiter, blocker } => {
            object([("event", json!("blocked")), ("session", json!(waiter.0)), ("blocker", json!(blocker.0))])
        }
        Event::Connections { open, refused } => {
            object([("event", json!("connections")), ("open", json!(open)), ("refused", json!(refused))])
        }
        Event::Pauses { span } => object([("event", json!("pauses")), ("span_ns", json!(span.0))]),
        Event::Background { statement, step } => script_step("background", *statement, *step),
        Event::Request { request, latency, own, failed, .. } => object([
            ("event", json!("request")),
            ("request", json!(request)),
            ("latency_ns", json!(latency.0)),
            ("own_ns", json!(own.0)),
            ("failed", failed.map_or(Value::Null, |cause| json!(cause_of(cause)))),
        ]),
        Event::TurnedAway { request } => {
            object([("event", json!("turned_away")), ("request", json!(request))])
        }
        Event::Deployment { version, phase } => object([
            ("event", json!("deployment")),
            ("version", json!(version)),
            ("phase", json!(phase_of(*phase))),
        ]),
        Event::Migration { session, statement, step } => {
            let mut columns = script_step("migration", *statement, *step);
            columns.insert("session".to_owned(), json!(session.0));
            columns
        }
    }
}

fn script_step(event: &str, statement: u32, step: StatementStep) -> Body {
    let (outcome, sqlstate) = match step {
        StatementStep::Begins => ("begins", None),
        StatementStep::Succeeds => ("succeeds", None),
        StatementStep::Fails(state) => ("fails", Some(state.to_string())),
    };
    object([
        ("event", json!(event)),
        ("statement", json!(statement)),
        ("step", json!(outcome)),
        ("sqlstate", json!(sqlstate)),
    ])
}

fn cause_of(cause: Failed) -> String {
    match cause {
        Failed::Database(state) => state.to_string(),
        Failed::PoolTimeout => "pool timeout".to_owned(),
        Failed::NotServed => "not served".to_owned(),
    }
}

fn phase_of(phase: DeploymentPhase) -> &'static str {
    match phase {
        DeploymentPhase::Draining => "draining",
        DeploymentPhase::Starting => "starting",
        DeploymentPhase::Healthy => "healthy",
        DeploymentPhase::Unhealthy => "unhealthy",
        DeploymentPhase::Held => "held",
        DeploymentPhase::Stopped => "stopped",
    }
}

fn name_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Granted => "granted",
        EventKind::Waits => "waits",
        EventKind::Woken => "woken",
        EventKind::Released => "released",
        EventKind::RowLocked => "row_locked",
        EventKind::LockTimeout => "lock_timeout",
        EventKind::StatementTimeout => "statement_timeout",
        EventKind::Cancelled => "cancelled",
        EventKind::Terminated => "terminated",
        EventKind::DeadlockVictim => "deadlock_victim",
        EventKind::EarlyDeadlock => "early_deadlock",
        EventKind::Rearranged => "rearranged",
        EventKind::Committed => "committed",
        EventKind::RolledBack => "rolled_back",
    }
}

fn object_of(tag: LockTag) -> String {
    match tag {
        LockTag::Relation(relation) => format!("relation {}", relation.0),
        LockTag::Tuple { relation, key, .. } => format!("row {key} of relation {}", relation.0),
        LockTag::Transaction(xid) => format!("transaction of session {}", xid.session().0),
        LockTag::VirtualTransaction { session, .. } => {
            format!("virtual transaction of session {}", session.0)
        }
        LockTag::Object { class, object } => format!("object {object} of catalog {class}"),
        LockTag::Advisory(key) => format!("advisory {key}"),
    }
}
