//! Facts about deadlocks.

use transactions::LockMode::{AccessExclusive, AccessShare, RowExclusive, RowShare, Share};
use transactions::{Guc, RowLockStrength, SessionId};

use crate::server::{RowWork, Server, T, T2};

/// Two sessions lock two tables crosswise; the second begins to wait so much later. Who gives up, and when?
fn crossing(later_ms: u64) -> (Server, [SessionId; 2]) {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    server.lock(a, T, AccessExclusive);
    server.lock(b, T2, AccessExclusive);
    server.lock(a, T2, AccessExclusive);
    server.pass(later_ms);
    server.lock(b, T, AccessExclusive);
    (server, [a, b])
}

#[test]
fn deadlocks_second_waiter_starts_0_2s_after_first() {
    let (mut server, [a, b]) = crossing(200);
    server.pass(2_000);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("40P01", "ok"));
    assert_eq!(server.ended_at_ms(a), 1_000);
    let cycle = server.backends.last_deadlock();
    assert_eq!(cycle.iter().map(|edge| (edge.waiter, edge.blocker)).collect::<Vec<_>>(), [(a, b), (b, a)]);
}

#[test]
fn deadlocks_second_waiter_starts_1_6s_after_first() {
    let (mut server, [a, b]) = crossing(1_600);
    server.pass(2_000);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("ok", "40P01"));
    assert_eq!(server.ended_at_ms(b), 2_600);
}

#[test]
fn deadlocks_row_deadlock() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    server.row(a, RowWork::update(1));
    server.row(b, RowWork::update(2));
    server.row(a, RowWork::update(2));
    server.row(b, RowWork::update(1));
    server.pass(1_000);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("40P01", "ok"));
}

#[test]
fn deadlocks_lock_timeout_shorter_than_deadlock_timeout() {
    let mut server = Server::new();
    let (a, b) = (server.session(), server.session());
    for session in [a, b] {
        server.set(session, Guc::LockTimeout, 500);
        server.begin(session);
    }
    server.lock(a, T, AccessExclusive);
    server.lock(b, T2, AccessExclusive);
    server.lock(a, T2, AccessExclusive);
    server.pass(20);
    server.lock(b, T, AccessExclusive);
    server.pass(600);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("55P03", "ok"));
}

#[test]
fn deadlocks_select_then_alter_in_both() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    server.lock(a, T, AccessShare);
    server.lock(b, T, AccessShare);
    server.lock(a, T, AccessExclusive);
    server.lock(b, T, AccessExclusive);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("ok", "40P01"));
}

#[test]
fn deadlocks_fk_insert_then_update_parent_nonkey() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    for session in [a, b] {
        server.row(session, RowWork::lock(1, RowLockStrength::KeyShare));
    }
    server.row(a, RowWork::update(1));
    assert_eq!(server.result(a), "ok");
    server.row(b, RowWork::update(1));
    assert_eq!(server.wait(b), Some(("transactionid", Share, vec![a])));
}

#[test]
fn a_deadlock_is_looked_for_once_per_wait() {
    let mut server = Server::new();
    let (a, b, c) = (server.in_block(), server.in_block(), server.in_block());
    server.lock(c, T2, AccessExclusive);
    server.lock(a, T, RowShare);
    server.lock(a, T2, AccessShare);
    server.pass(1_500);
    // The cycle closes after the only check of the one and is found by the other.
    server.set(b, Guc::DeadlockTimeout, 1);
    server.set(c, Guc::DeadlockTimeout, 5_000);
    server.lock(c, T, AccessExclusive);
    server.lock(b, T, RowExclusive);
    server.pass(4_999);
    assert_eq!((server.result(a).as_str(), server.result(c).as_str()), ("waits", "waits"));
    server.pass(1);
    assert_eq!((server.result(a).as_str(), server.result(c).as_str()), ("ok", "40P01"));
}
