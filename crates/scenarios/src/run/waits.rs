//! Who waited for whom, in words: blame, the chain at the worst moment, the waits-for graph.

use std::collections::BTreeMap;

use reports::{Blame, ChainLink, LockWaits, MigrationStatement, WaitEdge, WaitNode, WaitsFor};
use sim_actors::{Root, Sent, WaitWatch, Waiting};
use sim_clock::Nanos;
use sql_engine::Database;
use transactions::{LockMode, LockTag, SessionId};

use super::Stage;
use super::collect::{Collector, Waits, kind_of, ms};

/// What is told of the waits.
pub(super) struct Told {
    pub(super) blame: Vec<Blame>,
    pub(super) chain: Vec<ChainLink>,
    pub(super) worst: Option<WaitsFor>,
}

/// Waits by object and mode, the longest sum first.
pub(super) fn lock_waits(database: &Database, waits: &[(LockTag, LockMode, Waits)]) -> Vec<LockWaits> {
    let mut list: Vec<LockWaits> = waits
        .iter()
        .map(|(tag, mode, waits)| LockWaits {
            object: sim_actors::object(database, *tag),
            kind: kind_of(*tag).0.to_owned(),
            mode: mode.to_string(),
            count: waits.count,
            total_ms: ms(waits.total),
            longest_ms: ms(waits.longest),
        })
        .collect();
    list.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms));
    list
}

pub(super) fn fold(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Gives the migration's statements their texts, as the log has them only by number.
pub(super) fn name_statements(statements: &mut [MigrationStatement], sent: &[Box<str>]) {
    for (statement, text) in statements.iter_mut().zip(sent) {
        statement.sql = fold(text);
    }
}

impl Stage<'_> {
    fn name(&self, session: SessionId) -> &str {
        self.sessions.get(session.0 as usize).map_or("a connection", |one| one.0.as_str())
    }

    fn is_request(&self, session: SessionId) -> bool {
        self.sessions.get(session.0 as usize).is_some_and(|one| self.application_of(one.1).is_some())
    }

    fn text(&self, sent: Option<&Sent>) -> String {
        match sent {
            None => "nothing yet".to_owned(),
            Some(Sent::Prepared(id)) => self.texts.get(id).cloned().unwrap_or_default(),
            Some(Sent::Text(text)) => fold(text),
        }
    }

    fn doing(&self, root: &Root) -> String {
        let text = self.text(root.sent.as_ref());
        if root.idle { format!("idle in transaction after {text}") } else { text }
    }

    /// The class of requests that a statement belongs to.
    fn label(&self, session: SessionId, text: &str) -> (String, &'static str) {
        let of = |session: SessionId| self.sessions.get(session.0 as usize).map(|one| one.1);
        if of(session).is_some() && of(session) == of(self.migration) {
            return ("migration".to_owned(), "migration");
        }
        if !self.is_request(session) {
            return (self.name(session).to_owned(), "background");
        }
        let actor = self.sessions.get(session.0 as usize).map(|one| one.1);
        let application =
            actor.and_then(|actor| self.application_of(actor)).unwrap_or(&self.scenario.application);
        let requests = application.versions.iter().flat_map(|version| &version.requests);
        let mut of =
            requests.filter(|one| one.statements.iter().any(|statement| fold(&statement.sql) == text));
        let request = of.next().map_or("requests", |request| request.name.as_str());
        (format!("{}/{request}", application.name), "request")
    }
}

/// Tells what the watch has seen.
pub(super) fn tell(stage: &Stage<'_>, collector: &Collector, watch: &WaitWatch) -> Told {
    let worst = (!watch.worst.waiting.is_empty()).then(|| graph(stage, watch));
    Told { blame: blame(stage, collector, watch), chain: chain(stage, watch), worst }
}

/// Requests waited in lock queues, and for connections that were stuck there: what a pool's queue
/// waited is shared out as the waits of its connections are.
fn blame(stage: &Stage<'_>, collector: &Collector, watch: &WaitWatch) -> Vec<Blame> {
    let mut waited: BTreeMap<(String, String), f64> = BTreeMap::new();
    for (actor, pool) in collector.pools.iter() {
        let own =
            |session: SessionId| stage.sessions.get(session.0 as usize).is_some_and(|one| one.1 == actor);
        let of_pool: Vec<(&Root, Nanos)> =
            watch.blame.iter().filter(|entry| own(entry.0.1)).map(|entry| (&entry.0.0, *entry.1)).collect();
        let in_locks: f64 = of_pool.iter().map(|entry| entry.1.as_secs_f64()).sum();
        let in_queue = pool.waited.as_secs_f64();
        for (root, span) in of_pool {
            let share = span.as_secs_f64() / in_locks;
            let key = (stage.name(root.session).to_owned(), stage.doing(root));
            *waited.entry(key).or_default() += span.as_secs_f64() + in_queue * share;
        }
        if in_locks == 0.0 && in_queue > 0.0 {
            let name = stage.names.get(actor.0 as usize).cloned().unwrap_or_default();
            *waited.entry((name, "its own load: more work than connections".to_owned())).or_default() +=
                in_queue;
        }
    }
    let sum: f64 = waited.values().sum();
    let mut list: Vec<Blame> = waited
        .into_iter()
        .map(|((session, doing), request_seconds)| Blame {
            session,
            doing,
            request_seconds,
            share: request_seconds / sum,
        })
        .collect();
    list.sort_by(|a, b| b.request_seconds.total_cmp(&a.request_seconds));
    list
}

/// From the request that had waited longest to whoever waits for nobody.
fn chain(stage: &Stage<'_>, watch: &WaitWatch) -> Vec<ChainLink> {
    let waiting = &watch.worst.waiting;
    let requests = waiting.iter().filter(|one| stage.is_request(one.session));
    let mut links = Vec::new();
    // Of those who waited equally long the first: `max_by_key` would take the last.
    let mut at = requests.rev_max(|one| one.waited);
    let mut told: Vec<SessionId> = Vec::new();
    while let Some(link) = at {
        // A deadlock that nobody has found yet is a chain without an end.
        if told.contains(&link.session) {
            break;
        }
        told.push(link.session);
        let next = link.blockers.first().copied();
        links.push(ChainLink {
            session: stage.name(link.session).to_owned(),
            doing: stage.text(link.sent.as_ref()),
            waits_for: Some(wanted(link)),
            waited_ms: ms(link.waited),
        });
        at = next.and_then(|next| waiting.iter().find(|one| one.session == next));
        if at.is_none()
            && let Some(root) = watch.worst.roots.iter().find(|root| Some(root.session) == next)
        {
            let (session, doing) = (stage.name(root.session).to_owned(), stage.doing(root));
            links.push(ChainLink { session, doing, waits_for: None, waited_ms: 0.0 });
        }
    }
    links
}

trait FirstLongest<'a>: Iterator<Item = &'a Waiting> + Sized {
    fn rev_max(self, key: impl Fn(&Waiting) -> Nanos) -> Option<&'a Waiting> {
        self.fold(None, |best: Option<&Waiting>, one| match best {
            Some(best) if key(best) >= key(one) => Some(best),
            _ => Some(one),
        })
    }
}

impl<'a, I: Iterator<Item = &'a Waiting>> FirstLongest<'a> for I {}

fn wanted(waiting: &Waiting) -> String {
    format!("{} on {}", waiting.mode, waiting.object)
}

/// The graph of the worst moment, sessions that do and wait for the same as one.
fn graph(stage: &Stage<'_>, watch: &WaitWatch) -> WaitsFor {
    let mut nodes: Vec<WaitNode> = Vec::new();
    let mut place: BTreeMap<SessionId, usize> = BTreeMap::new();
    let mut add = |session: SessionId, doing: String, waits_for: Option<String>, text: &str| {
        let (label, kind) = stage.label(session, text);
        let alike =
            nodes.iter().position(|n| n.label == label && n.doing == doing && n.waits_for == waits_for);
        let at = alike.unwrap_or_else(|| {
            nodes.push(WaitNode { label, kind: kind.to_owned(), doing, waits_for, count: 0 });
            nodes.len() - 1
        });
        nodes[at].count += 1;
        place.insert(session, at);
    };
    for root in &watch.worst.roots {
        add(root.session, stage.doing(root), None, &stage.text(root.sent.as_ref()));
    }
    for one in &watch.worst.waiting {
        let text = stage.text(one.sent.as_ref());
        add(one.session, text.clone(), Some(wanted(one)), &text);
    }
    let mut edges: Vec<WaitEdge> = Vec::new();
    for one in &watch.worst.waiting {
        for blocker in &one.blockers {
            let (Some(from), Some(to)) = (place.get(&one.session), place.get(blocker)) else { continue };
            let hard = nodes[*to].waits_for.is_none();
            if from != to && !edges.iter().any(|edge| edge.from == *from && edge.to == *to) {
                edges.push(WaitEdge { from: *from, to: *to, hard });
            }
        }
    }
    WaitsFor { at_ms: ms(watch.worst.at), nodes, edges }
}
