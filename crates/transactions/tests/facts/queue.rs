//! Facts about queues of table and row locks, measured on PostgreSQL 12 to 18; each test is named after the fact.

use crate::server::{RowDeed, RowWork, Server, T, T2, VERSIONS, lock};
use transactions::LockMode::{
    AccessExclusive, AccessShare, Exclusive, RowExclusive, RowShare, Share, ShareRowExclusive,
    ShareUpdateExclusive,
};
use transactions::{EventKind, Guc, LockMode, RowLockStrength, WaitPolicy};

/// Row = held, column = requested, in PostgreSQL's order of modes; `X` = conflicts.
const TABLE_MATRIX: [&str; 8] =
    [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"];

#[test]
fn table_matrix() {
    for version in VERSIONS {
        for (held, row) in LockMode::ALL.into_iter().zip(TABLE_MATRIX) {
            for (wanted, expected) in LockMode::ALL.into_iter().zip(row.chars()) {
                let mut server = Server::of_version(version);
                let (a, b) = (server.in_block(), server.in_block());
                server.lock(a, T, held);
                server.lock_nowait(b, T, wanted);
                let expected = if expected == 'X' { "55P03" } else { "ok" };
                assert_eq!(server.result(b), expected, "{wanted} while {held} is held, version {version}");
            }
        }
    }
}

fn row_works() -> [RowDeed; 8] {
    let lock = |strength| RowDeed::Lock(strength, WaitPolicy::NoWait);
    [
        lock(RowLockStrength::KeyShare),
        lock(RowLockStrength::Share),
        lock(RowLockStrength::NoKeyUpdate),
        lock(RowLockStrength::Update),
        RowDeed::Update { key: false },
        RowDeed::Update { key: true },
        RowDeed::Delete,
        // A child's insertion locks the parent's key.
        lock(RowLockStrength::KeyShare),
    ]
}

/// In the order of `row_works`, as `row_matrix.extended_held_x_requested` has it.
const ROW_MATRIX: [&str; 8] =
    ["...X.XX.", "..XXXXX.", ".XXXXXX.", "XXXXXXXX", ".XXXXXX.", "XXXXXXXX", "XXXXXXXX", "...X.XX."];

#[test]
fn row_matrix() {
    for (held, row) in row_works().into_iter().zip(ROW_MATRIX) {
        for (wanted, expected) in row_works().into_iter().zip(row.chars()) {
            let mut server = Server::new();
            let (a, b) = (server.in_block(), server.in_block());
            server.row(a, RowWork::new(1, held));
            assert_eq!(server.result(a), "ok");
            server.row(b, RowWork::new(1, wanted));
            let is_free = server.result(b) == "ok";
            assert_eq!(is_free, expected == '.', "row {row}, column {expected}");
        }
    }
}

#[test]
fn queue_a_reader_waits_behind_waiting_ae() {
    let mut server = Server::new();
    let (a, b, c) = (server.in_block(), server.in_block(), server.session());
    server.lock(a, T, AccessShare);
    server.lock(b, T, AccessExclusive);
    server.lock(c, T, AccessShare);
    assert_eq!(server.wait(b), Some(("relation", AccessExclusive, vec![a])));
    assert_eq!(server.wait(c), Some(("relation", AccessShare, vec![b])));
    server.commit(a);
    assert_eq!(server.result(b), "ok");
    assert_eq!(server.wait(c), Some(("relation", AccessShare, vec![b])));
    server.rollback(b);
    assert_eq!(server.result(c), "ok");
}

#[test]
fn queue_b_waiter_lock_timeout_frees_followers() {
    let mut server = Server::new();
    let (a, b, c) = (server.in_block(), server.in_block(), server.session());
    server.set(b, Guc::LockTimeout, 1_500);
    server.lock(a, T, AccessShare);
    server.lock(b, T, AccessExclusive);
    server.lock(c, T, AccessShare);
    server.pass(1_499);
    assert_eq!(server.wait(c), Some(("relation", AccessShare, vec![b])));
    server.pass(1);
    assert_eq!((server.result(b).as_str(), server.result(c).as_str()), ("55P03", "ok"));
    assert_eq!(server.ended_at_ms(c), 1_500);
}

#[test]
fn queue_c_fifo_as_ae_as_after_ae_release() {
    let mut server = Server::new();
    let (a, b1, b2, b3) = (server.in_block(), server.in_block(), server.in_block(), server.in_block());
    server.lock(a, T, AccessExclusive);
    server.lock(b1, T, AccessShare);
    server.lock(b2, T, AccessExclusive);
    server.lock(b3, T, AccessShare);
    server.commit(a);
    assert_eq!(server.result(b1), "ok");
    assert_eq!(server.wait(b2), Some(("relation", AccessExclusive, vec![b1])));
    assert_eq!(server.wait(b3), Some(("relation", AccessShare, vec![b2])));
    server.commit(b1);
    assert_eq!(server.wait(b3), Some(("relation", AccessShare, vec![b2])));
}

#[test]
fn queue_c2_adjacent_compatible_granted_together() {
    let mut server = Server::new();
    let a = server.in_block();
    server.lock(a, T, AccessExclusive);
    let waiters = [AccessShare, RowShare, RowExclusive].map(|mode| {
        let waiter = server.in_block();
        server.lock(waiter, T, mode);
        waiter
    });
    server.commit(a);
    assert_eq!(waiters.map(|waiter| server.result(waiter)), ["ok", "ok", "ok"]);
}

#[test]
fn queue_c3_new_request_vs_waiting_share_with_re_held() {
    let expected = ["ok", "ok", "55P03", "55P03", "55P03", "55P03", "55P03", "55P03"];
    for (mode, expected) in LockMode::ALL.into_iter().zip(expected) {
        let mut server = Server::new();
        let (a, b, c) = (server.in_block(), server.in_block(), server.in_block());
        server.lock(a, T, RowExclusive);
        server.lock(b, T, Share);
        server.lock_nowait(c, T, mode);
        assert_eq!(server.result(c), expected, "{mode}");
    }
}

#[test]
fn queue_c4_third_session_matrix_held_plus_waiting() {
    let rows = [
        (AccessExclusive, AccessShare, "XXXXXXXX"),
        (Exclusive, RowShare, ".XXXXXXX"),
        (Share, RowExclusive, "..XXXXXX"),
        (ShareUpdateExclusive, ShareUpdateExclusive, "...XXXXX"),
        (RowExclusive, Share, "..XXXXXX"),
        (RowExclusive, ShareRowExclusive, "..XXXXXX"),
        (RowShare, Exclusive, ".XXXXXXX"),
        (AccessShare, AccessExclusive, "XXXXXXXX"),
    ];
    for (held, waiting, row) in rows {
        for (mode, expected) in LockMode::ALL.into_iter().zip(row.chars()) {
            let mut server = Server::new();
            let (a, b, c) = (server.in_block(), server.in_block(), server.in_block());
            server.lock(a, T, held);
            server.lock(b, T, waiting);
            server.lock_nowait(c, T, mode);
            let expected = if expected == 'X' { "55P03" } else { "ok" };
            assert_eq!(server.result(c), expected, "{held} held, {waiting} waiting, {mode} asked for");
        }
    }
}

#[test]
fn queue_d_holder_of_as_gets_re_despite_waiting_ae() {
    for version in VERSIONS {
        let mut server = Server::of_version(version);
        let (a, b, c) = (server.in_block(), server.in_block(), server.session());
        server.lock(a, T, AccessShare);
        server.lock(b, T, AccessExclusive);
        server.lock(a, T, RowExclusive);
        assert_eq!(server.result(a), "ok");
        server.set(c, Guc::LockTimeout, 150);
        server.lock(c, T, RowExclusive);
        server.pass(200);
        assert_eq!(server.result(c), "55P03");
    }
}

#[test]
fn queue_d2_ae_holder_rerequests_weaker_while_queue_nonempty() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    server.lock(a, T, AccessExclusive);
    server.lock(b, T, AccessShare);
    for mode in [AccessShare, Share] {
        server.lock(a, T, mode);
        assert_eq!(server.result(a), "ok");
    }
}

#[test]
fn queue_e_holder_upgrade_inserted_before_waiter_it_blocks() {
    let mut server = Server::new();
    let (a, b, d) = (server.in_block(), server.in_block(), server.in_block());
    server.lock(a, T, AccessShare);
    server.lock(d, T, RowExclusive);
    server.lock(b, T, AccessExclusive);
    assert_eq!(server.blocked_by(b), [a, d]);
    server.lock(a, T, Share);
    assert_eq!(server.wait(a), Some(("relation", Share, vec![d])));
    server.commit(d);
    assert_eq!(server.result(a), "ok");
    assert_eq!(server.blocked_by(b), [a]);
}

#[test]
fn queue_e2_no_jump_when_front_waiter_does_not_conflict_with_our_held_lock() {
    let mut server = Server::new();
    let (a, b, d) = (server.in_block(), server.in_block(), server.in_block());
    server.lock(a, T, AccessShare);
    server.lock(d, T, RowExclusive);
    server.lock(b, T, Share);
    server.lock(a, T, RowExclusive);
    assert_eq!(server.wait(a), Some(("relation", RowExclusive, vec![b])));
}

#[test]
fn queue_f_upgrade_upgrade_deadlock_is_immediate() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.in_block());
    server.lock(a, T, Share);
    server.lock(b, T, Share);
    server.lock(a, T, RowExclusive);
    assert_eq!(server.result(a), "waits");
    server.lock(b, T, RowExclusive);
    assert_eq!((server.result(b).as_str(), server.result(a).as_str()), ("40P01", "ok"));
    assert_eq!(server.ended_at_ms(b), 0);
}

#[test]
fn queue_j_soft_deadlock_rearranged() {
    let mut server = Server::new();
    let (a, b, c) = (server.in_block(), server.in_block(), server.in_block());
    server.lock(a, T, AccessShare);
    server.lock(c, T2, AccessExclusive);
    server.lock(b, T, AccessExclusive);
    server.pass(20);
    server.lock(c, T, AccessShare);
    assert_eq!(server.blocked_by(c), [b]);
    server.pass(20);
    server.lock(a, T2, AccessShare);
    assert_eq!(server.blocked_by(a), [c]);
    server.pass(980);
    assert_eq!(server.result(c), "ok");
    assert_eq!(server.ended_at_ms(c), 1_000, "when the first of the three looks, who is B");
    assert_eq!(server.blocked_by(b), [a, c]);
    assert!(server.events.iter().any(|&(_, session, kind)| (session, kind) == (b, EventKind::Rearranged)));
}

#[test]
fn queue_r1_row_share_overtakes_waiting_row_update() {
    let mut server = Server::new();
    let (a, b, c, d) = (server.in_block(), server.in_block(), server.in_block(), server.in_block());
    server.row(a, RowWork::lock(1, RowLockStrength::Share));
    server.row(b, RowWork::lock(1, RowLockStrength::Update));
    assert_eq!(server.wait(b), Some(("transactionid", Share, vec![a])));
    server.row(c, RowWork::lock(1, RowLockStrength::Share));
    server.row(d, RowWork::lock(1, RowLockStrength::KeyShare));
    assert_eq!((server.result(c).as_str(), server.result(d).as_str()), ("ok", "ok"));
}

#[test]
fn queue_r2_row_queue_waits() {
    let mut server = Server::new();
    let (a, b, c, d) = (server.in_block(), server.in_block(), server.in_block(), server.in_block());
    for session in [a, b, c, d] {
        server.row(session, RowWork::update(1));
    }
    assert_eq!(server.wait(b), Some(("transactionid", Share, vec![a])));
    assert_eq!(server.wait(c), Some(("tuple", Exclusive, vec![b])));
    assert_eq!(server.wait(d), Some(("tuple", Exclusive, vec![b, c])));
}

/// Three updates queue behind a holder; in which order do they finish, races decided by the order of waking?
fn finishing_order(first: RowWork, commits: bool) -> String {
    let mut server = Server::new();
    let (a, b, c, d) = (server.in_block(), server.session(), server.session(), server.session());
    server.row(a, first);
    for session in [b, c, d] {
        server.row(session, RowWork::update(1));
    }
    if commits {
        server.commit(a)
    } else {
        server.rollback(a)
    }
    let names = [(b, 'B'), (c, 'C'), (d, 'D')];
    let ended = server.events.iter().filter(|(_, _, kind)| *kind == EventKind::Committed);
    let name = |session| names.iter().find(|(it, _)| *it == session).map(|(_, name)| *name);
    ended.filter_map(|&(_, session, _)| name(session)).collect()
}

#[test]
fn queue_r3_order_of_3_queued_updates_holder_updated_and_committed() {
    let order = finishing_order(RowWork::update(1), true);
    assert!(["BDC", "BCD", "CDB", "CBD"].contains(&order.as_str()), "{order} was never seen");
}

#[test]
fn queue_r3_order_of_3_queued_updates_holder_updated_and_rolled_back() {
    let order = finishing_order(RowWork::update(1), false);
    assert!(["BCD", "BDC"].contains(&order.as_str()), "{order} was never seen");
}

#[test]
fn queue_r3_order_of_3_queued_updates_holder_for_update_and_committed() {
    let order = finishing_order(RowWork::lock(1, RowLockStrength::Update), true);
    assert!(["BCD", "BDC"].contains(&order.as_str()), "{order} was never seen");
}

#[test]
fn queue_n_nowait_and_skip_locked_do_not_cover_table_lock() {
    for policy in [WaitPolicy::NoWait, WaitPolicy::Skip] {
        let mut server = Server::new();
        let (a, b) = (server.in_block(), server.session());
        server.lock(a, T, AccessExclusive);
        server.set(b, Guc::LockTimeout, 200);
        server.row(b, RowWork::new(1, RowDeed::Lock(RowLockStrength::Update, policy)));
        assert_eq!(server.wait(b), Some(("relation", RowShare, vec![a])));
        server.pass(200);
        assert_eq!(server.result(b), "55P03");
    }
}

#[test]
fn a_nowait_request_of_a_holder_may_jump_from_17_on_only() {
    for (version, expected) in [(16, "55P03"), (17, "ok")] {
        let mut server = Server::of_version(version);
        let (a, b) = (server.in_block(), server.in_block());
        server.lock(a, T, AccessShare);
        server.lock(b, T, AccessExclusive);
        server.steps(a, vec![lock(T, RowExclusive, WaitPolicy::NoWait)]);
        assert_eq!(server.result(a), expected, "version {version}");
    }
}
