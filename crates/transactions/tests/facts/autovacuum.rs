//! Facts about autovacuum workers, who yield, and those against wraparound, who do not.

use sim_clock::Nanos;
use transactions::LockMode::{AccessExclusive, RowExclusive, ShareUpdateExclusive};
use transactions::commands::create_index_concurrently;
use transactions::{BackendRole, Guc, LockMode, SessionId, SessionSettings, Step, WaitPolicy};

use crate::server::{Server, T, lock};

/// A worker that is at work on the table for an hour.
fn worker(server: &mut Server, role: BackendRole) -> SessionId {
    let worker = server.session_with(SessionSettings { role, ..SessionSettings::default() });
    let work = Step::Work(Nanos::from_secs(3_600));
    server.vacuum(worker, vec![lock(T, ShareUpdateExclusive, WaitPolicy::Block), work]);
    worker
}

/// Another session wants the table: what comes of it, when, and is the worker still at work?
fn wanted_in(mode: LockMode, guc: Option<(Guc, u64)>, role: BackendRole) -> (String, u64, bool) {
    let mut server = Server::new();
    let worker = worker(&mut server, role);
    let session = server.session();
    if let Some((guc, ms)) = guc {
        server.set(session, guc, ms);
    }
    server.lock(session, T, mode);
    if server.result(session) == "waits" {
        assert_eq!(server.wait(session), Some(("relation", mode, vec![worker])));
    }
    server.pass(4_000);
    (server.result(session), server.ended_at_ms(session), server.result(worker) == "works")
}

#[test]
fn autovac_alter_add_column() {
    let seen = wanted_in(AccessExclusive, None, BackendRole::Autovacuum);
    assert_eq!(seen, ("ok".to_owned(), 1_000, false));
}

#[test]
fn autovac_alter_lock_timeout_500ms() {
    let seen = wanted_in(AccessExclusive, Some((Guc::LockTimeout, 500)), BackendRole::Autovacuum);
    assert_eq!(seen, ("55P03".to_owned(), 500, true));
}

#[test]
fn autovac_alter_superuser_deadlock_timeout_100ms() {
    let seen = wanted_in(AccessExclusive, Some((Guc::DeadlockTimeout, 100)), BackendRole::Autovacuum);
    assert_eq!(seen, ("ok".to_owned(), 100, false));
}

#[test]
fn autovac_manual_vacuum_analyze_and_validate() {
    let seen = wanted_in(ShareUpdateExclusive, None, BackendRole::Autovacuum);
    assert_eq!(seen, ("ok".to_owned(), 1_000, false));
}

#[test]
fn autovac_insert_no_conflict() {
    let seen = wanted_in(RowExclusive, None, BackendRole::Autovacuum);
    assert_eq!(seen, ("ok".to_owned(), 0, true));
}

#[test]
fn autovac_antiwraparound() {
    let role = BackendRole::AntiWraparoundAutovacuum;
    let seen = wanted_in(AccessExclusive, Some((Guc::LockTimeout, 4_000)), role);
    assert_eq!(seen, ("55P03".to_owned(), 4_000, true));
}

#[test]
fn autovac_cic() {
    let mut server = Server::new();
    let worker = worker(&mut server, BackendRole::Autovacuum);
    let session = server.session();
    server.concurrently(session, create_index_concurrently(T, true, Nanos(1), Nanos(1)));
    server.pass(1_001);
    assert_eq!((server.result(session).as_str(), server.result(worker).as_str()), ("ok", "57014"));
    assert_eq!(server.message(worker), "canceling autovacuum task");
}

#[test]
fn autovac_lock_nowait() {
    let mut server = Server::new();
    let worker = worker(&mut server, BackendRole::Autovacuum);
    let session = server.in_block();
    server.lock_nowait(session, T, AccessExclusive);
    assert_eq!((server.result(session).as_str(), server.result(worker).as_str()), ("55P03", "works"));
}
