//! What the server's sessions do, in words: for whoever draws them.

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_actors::{Sent, SessionStep, Witness};
use sim_clock::Nanos;
use sql_engine::StatementId;
use transactions::{SessionId, SqlState};

use super::waits::fold;

/// A step of a session.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// When.
    pub at: Nanos,
    /// Whose session, by `application_name`: an instance, a background session, `migration`.
    pub owner: &'a str,
    /// Which session.
    pub session: SessionId,
    /// What it does.
    pub does: Does<'a>,
}

/// What a session does.
#[derive(Clone, Copy, Debug)]
pub enum Does<'a> {
    /// It begins a statement.
    Begins {
        /// Its text, whitespace folded.
        sql: &'a str,
    },
    /// It ends it.
    Ends {
        /// With which SQLSTATE, if it failed.
        failed: Option<SqlState>,
        /// Whether it sits in a transaction now.
        in_transaction: bool,
    },
    /// It waits for a lock.
    Waits {
        /// For which: `AccessShareLock on users`.
        lock: &'a str,
        /// Behind whom.
        behind: &'a [SessionId],
    },
    /// It waits no longer, with the lock or without.
    GoesOn,
    /// Its transaction ended while it ran no statement.
    Leaves,
}

/// Sees what each session does.
pub type SessionObserver = dyn Fn(&Sight<'_>);

/// A witness who tells an observer, in words.
pub(super) fn witness(observer: Rc<SessionObserver>, texts: Rc<BTreeMap<StatementId, String>>) -> Witness {
    Box::new(move |at, database, session, step| {
        let owner = database.session_name(session);
        let see = |does: Does<'_>| observer(&Sight { at, owner, session, does });
        match step {
            SessionStep::Begins(Sent::Prepared(id)) => {
                see(Does::Begins { sql: texts.get(id).map_or("", String::as_str) });
            }
            SessionStep::Begins(Sent::Text(text)) => see(Does::Begins { sql: &fold(text) }),
            SessionStep::Ends { failed, in_transaction } => see(Does::Ends { failed, in_transaction }),
            SessionStep::Waits { mode, tag, behind } => {
                let lock = format!("{mode} on {}", sim_actors::object(database, tag));
                see(Does::Waits { lock: &lock, behind });
            }
            SessionStep::GoesOn => see(Does::GoesOn),
            SessionStep::Leaves => see(Does::Leaves),
        }
    })
}
