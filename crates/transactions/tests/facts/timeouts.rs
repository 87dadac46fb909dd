//! Facts about timeouts, cancels and failed transactions.

use sim_clock::Nanos;
use transactions::LockMode::{AccessExclusive, AccessShare};
use transactions::{
    Guc, RowLockStrength, SessionState, Statement, Step, StepContext, StepOutcome, Stepper, Xid,
};

use crate::server::{RowDeed, RowWork, Server, T, T2, VERSIONS, division_by_zero, lock};
use transactions::WaitPolicy;

/// A session that holds a table, and one with these timeouts (in ms) that waits for it.
fn waiting_with(timeouts: &[(Guc, u64)]) -> (Server, transactions::SessionId) {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.lock(a, T, AccessExclusive);
    for &(guc, ms) in timeouts {
        server.set(b, guc, ms);
    }
    server.lock(b, T, AccessShare);
    (server, b)
}

#[test]
fn timeouts_lock_timeout_table() {
    let (mut server, b) = waiting_with(&[(Guc::LockTimeout, 300)]);
    server.pass(299);
    assert_eq!(server.result(b), "waits");
    server.pass(1);
    assert_eq!(server.result(b), "55P03");
    assert_eq!(server.message(b), "canceling statement due to lock timeout");
}

#[test]
fn timeouts_statement_timeout_in_lock_wait() {
    let (mut server, b) = waiting_with(&[(Guc::StatementTimeout, 300)]);
    server.pass(300);
    assert_eq!(server.result(b), "57014");
    assert_eq!(server.message(b), "canceling statement due to statement timeout");
}

#[test]
fn timeouts_statement_timeout_running() {
    let mut server = Server::new();
    let a = server.session();
    server.set(a, Guc::StatementTimeout, 300);
    server.work(a, 1_000);
    server.pass(2_000);
    assert_eq!((server.result(a).as_str(), server.ended_at_ms(a)), ("57014", 300));
}

#[test]
fn timeouts_both_equal_300() {
    let (mut server, b) = waiting_with(&[(Guc::LockTimeout, 300), (Guc::StatementTimeout, 300)]);
    server.pass(300);
    assert_eq!(server.result(b), "57014");
}

#[test]
fn timeouts_lock_300_stmt_600() {
    let (mut server, b) = waiting_with(&[(Guc::LockTimeout, 300), (Guc::StatementTimeout, 600)]);
    server.pass(600);
    assert_eq!((server.result(b).as_str(), server.ended_at_ms(b)), ("55P03", 300));
}

#[test]
fn timeouts_lock_timeout_row() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.set(b, Guc::LockTimeout, 300);
    server.row(a, RowWork::update(1));
    server.row(b, RowWork::update(1));
    server.pass(300);
    assert_eq!(server.result(b), "55P03");
}

#[test]
fn timeouts_row_nowait() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.row(a, RowWork::update(1));
    server.row(b, RowWork::new(1, RowDeed::Lock(RowLockStrength::Update, WaitPolicy::NoWait)));
    assert_eq!((server.result(b).as_str(), server.ended_at_ms(b)), ("55P03", 0));
    assert_eq!(server.message(b), "could not obtain lock on row in relation");
}

#[test]
fn timeouts_skip_locked_rows() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.row(a, RowWork::lock(1, RowLockStrength::Update));
    let skips = |key| RowWork::new(key, RowDeed::Lock(RowLockStrength::Update, WaitPolicy::Skip));
    let rows = [1, 2, 3].map(|key| {
        server.row(b, skips(key));
        server.outcome(b)
    });
    assert_eq!(rows, ["SELECT 0", "SELECT 1", "SELECT 1"]);
}

/// Waits for a transaction, as an insertion does that finds its key.
struct WaitFor(Option<Xid>);

impl Stepper<u32> for WaitFor {
    fn step(&mut self, cx: &mut StepContext<'_, u32>, _: StepOutcome<u32>) -> Step<u32> {
        let busy = match cx.dirty_state(T, 7) {
            transactions::DirtyState::Busy(xid) => Some(xid),
            _ => None,
        };
        match self.0.or(busy) {
            Some(xid) if busy.is_some() => Step::WaitForTransaction(xid),
            _ => Step::Done { tag: transactions::CommandTag::INSERT, rows: 1 },
        }
    }
}

#[test]
fn timeouts_lock_timeout_unique_insert_wait() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.set(b, Guc::LockTimeout, 300);
    server.steps(a, vec![Step::Insert { relation: T, key: 7, row: 0 }]);
    server.send(b, Statement::Dynamic(Box::new(WaitFor(None))));
    assert_eq!(server.wait(b).map(|(kind, ..)| kind), Some("transactionid"));
    server.pass(300);
    assert_eq!(server.result(b), "55P03");
}

/// A statement that waits 0.9 s for each of two tables.
fn two_waits(timeout: Guc) -> (String, u64) {
    let mut server = Server::new();
    let (a, b, c) = (server.in_block(), server.in_block(), server.session());
    server.lock(a, T, AccessExclusive);
    server.lock(b, T2, AccessExclusive);
    server.set(c, timeout, 1_500);
    let wait = WaitPolicy::Block;
    server.steps(c, vec![lock(T, AccessShare, wait), lock(T2, AccessShare, wait)]);
    server.pass(900);
    server.commit(a);
    server.pass(900);
    server.commit(b);
    (server.result(c), server.ended_at_ms(c))
}

#[test]
fn timeouts_lock_timeout_is_per_lock_wait() {
    assert_eq!(two_waits(Guc::LockTimeout), ("ok".to_owned(), 1_800));
}

#[test]
fn timeouts_statement_timeout_is_total() {
    assert_eq!(two_waits(Guc::StatementTimeout), ("57014".to_owned(), 1_500));
}

#[test]
fn timeouts_idle_in_transaction() {
    let mut server = Server::new();
    let (a, b) = (server.session(), server.session());
    server.set(a, Guc::IdleInTransactionSessionTimeout, 400);
    server.begin(a);
    server.lock(a, T, AccessExclusive);
    server.lock(b, T, AccessShare);
    server.pass(400);
    assert_eq!(server.backends.state(a), SessionState::Gone);
    assert_eq!((server.result(b).as_str(), server.ended_at_ms(b)), ("ok", 400));
    server.commit(a);
    assert_eq!(server.result(a), "25P03", "the client hears of it at its next statement");
}

#[test]
fn timeouts_idle_in_transaction_aborted() {
    let mut server = Server::new();
    let a = server.session();
    server.set(a, Guc::IdleInTransactionSessionTimeout, 400);
    server.begin(a);
    server.steps(a, vec![division_by_zero()]);
    assert_eq!(server.backends.state(a), SessionState::IdleInFailedTransaction);
    server.pass(400);
    assert_eq!(server.backends.state(a), SessionState::Gone);
}

#[test]
fn an_idle_timeout_counts_from_the_last_statement() {
    let mut server = Server::new();
    let a = server.session();
    server.set(a, Guc::IdleInTransactionSessionTimeout, 400);
    server.begin(a);
    server.pass(300);
    server.work(a, 500);
    server.pass(800);
    assert_eq!(server.backends.state(a), SessionState::IdleInTransaction);
    server.pass(100);
    assert_eq!(server.backends.state(a), SessionState::Gone);
}

#[test]
fn timeouts_transaction_timeout() {
    for version in VERSIONS {
        let mut server = Server::of_version(version);
        let a = server.session();
        server.set(a, Guc::TransactionTimeout, 500);
        server.begin(a);
        server.lock(a, T, AccessExclusive);
        server.pass(500);
        let expected = if version >= 17 { SessionState::Gone } else { SessionState::IdleInTransaction };
        assert_eq!(server.backends.state(a), expected, "version {version}");
        server.commit(a);
        assert_eq!(server.result(a), if version >= 17 { "25P04" } else { "ok" });
    }
}

#[test]
fn timeouts_transaction_timeout_single_stmt() {
    for version in [17, 18] {
        let mut server = Server::of_version(version);
        let a = server.session();
        server.set(a, Guc::TransactionTimeout, 500);
        server.work(a, 1_000);
        server.pass(1_000);
        assert_eq!((server.result(a).as_str(), server.ended_at_ms(a)), ("25P04", 500));
    }
}

#[test]
fn timeouts_failed_tx() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.lock(a, T, AccessExclusive);
    server.lock(b, T, AccessShare);
    server.steps(a, vec![division_by_zero()]);
    assert_eq!(server.result(b), "ok", "the failed transaction's locks are free before its ROLLBACK");
    server.work(a, 1);
    assert_eq!(server.result(a), "25P02");
    server.commit(a);
    assert_eq!(server.outcome(a), "ROLLBACK");
}

#[test]
fn timeouts_savepoint_rollback_releases_lock() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.send(a, Statement::Savepoint(1));
    server.lock(a, T, AccessExclusive);
    server.lock(b, T, AccessShare);
    server.send(a, Statement::RollbackTo(1));
    assert_eq!(server.result(b), "ok");
}

#[test]
fn timeouts_lock_timeout_inside_savepoint_recoverable() {
    let mut server = Server::new();
    let (a, b) = (server.in_block(), server.session());
    server.lock(a, T, AccessExclusive);
    server.set(b, Guc::LockTimeout, 200);
    server.begin(b);
    server.lock(b, T2, AccessExclusive);
    server.send(b, Statement::Savepoint(1));
    server.lock(b, T, AccessShare);
    server.pass(200);
    assert_eq!(server.result(b), "55P03");
    server.send(b, Statement::RollbackTo(1));
    server.work(b, 0);
    assert_eq!(server.result(b), "ok");
    let c = server.session();
    server.lock(c, T2, AccessShare);
    assert_eq!(server.result(c), "waits", "what was locked before the savepoint is locked still");
}

#[test]
fn timeouts_pg_cancel_backend() {
    let (mut server, b) = waiting_with(&[]);
    server.cancel(b);
    assert_eq!(server.result(b), "57014");
    assert_eq!(server.message(b), "canceling statement due to user request");
    assert_eq!(server.backends.state(b), SessionState::Idle);
}

#[test]
fn timeouts_pg_terminate_backend() {
    let (mut server, b) = waiting_with(&[]);
    server.terminate(b);
    assert_eq!(server.result(b), "57P01");
    assert_eq!(server.backends.state(b), SessionState::Gone);
}

#[test]
fn a_setting_comes_back_with_its_transaction_or_savepoint() {
    let mut server = Server::new();
    let a = server.session();
    let timeout = |server: &Server| server.backends.settings(a).lock_timeout.as_millis();
    server.set(a, Guc::LockTimeout, 1);
    server.begin(a);
    server.set(a, Guc::LockTimeout, 2);
    server.send(a, Statement::Savepoint(1));
    let value = Nanos::from_millis(3);
    server.send(a, Statement::Set { local: true, guc: Guc::LockTimeout, value });
    assert_eq!(timeout(&server), 3);
    server.send(a, Statement::RollbackTo(1));
    assert_eq!(timeout(&server), 2);
    server.send(a, Statement::Set { local: true, guc: Guc::LockTimeout, value });
    server.commit(a);
    assert_eq!(timeout(&server), 2, "SET lasts, SET LOCAL does not");
    server.begin(a);
    server.set(a, Guc::LockTimeout, 4);
    server.rollback(a);
    assert_eq!(timeout(&server), 2);
}

#[test]
fn work_of_a_cancelled_statement_does_not_end_the_next_one() {
    let mut server = Server::new();
    let a = server.session();
    server.work(a, 100);
    server.pass(50);
    server.cancel(a);
    server.work(a, 100);
    server.pass(50);
    assert_eq!(server.result(a), "works");
    server.pass(50);
    assert_eq!((server.result(a).as_str(), server.ended_at_ms(a)), ("ok", 150));
}
