//! How the cost of the lock table's operations grows with the length of a queue: each operation per waiter for
//! queues of 100 to 100,000. What is linear as a whole stays the same per waiter.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lock_table::{HoldId, LockMode, LockTable, LockTag, RelationId, Request, Scope, SessionId};

const TABLE: LockTag = LockTag::Relation(RelationId(1));

fn hold(table: &mut LockTable, session: SessionId, mode: LockMode) -> HoldId {
    match table.request(session, TABLE, mode, Scope::Transaction, true) {
        Request::Granted(hold) | Request::AlreadyHeld(hold) | Request::Queued(hold) => hold,
        Request::Unavailable | Request::Deadlock => HoldId::NONE,
    }
}

/// A queue behind one holder; each waiter's mode is the next one of the cycle.
fn queue(waiters: u32, held: LockMode, modes: &[LockMode]) -> (LockTable, HoldId) {
    let mut table = LockTable::new(false);
    table.add_session(SessionId(waiters));
    let first = hold(&mut table, SessionId(0), held);
    for (waiter, &mode) in (1..=waiters).zip(modes.iter().cycle()) {
        hold(&mut table, SessionId(waiter), mode);
    }
    (table, first)
}

const MIXED: [LockMode; 4] = [
    LockMode::AccessShare,
    LockMode::RowExclusive,
    LockMode::ShareUpdateExclusive,
    LockMode::ShareRowExclusive,
];

const LENGTHS: [u32; 4] = [100, 1_000, 10_000, 100_000];

fn enqueue(c: &mut Criterion) {
    let mut group = c.benchmark_group("enqueue, per waiter");
    for waiters in LENGTHS {
        group.sample_size(10).throughput(Throughput::Elements(u64::from(waiters)));
        group.bench_with_input(BenchmarkId::from_parameter(waiters), &waiters, |b, &waiters| {
            b.iter(|| queue(waiters, LockMode::AccessExclusive, &MIXED));
        });
    }
}

fn cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("cancel in a mixed order, per waiter");
    for waiters in LENGTHS {
        group.sample_size(10).throughput(Throughput::Elements(u64::from(waiters)));
        group.bench_with_input(BenchmarkId::from_parameter(waiters), &waiters, |b, &waiters| {
            let setup = || queue(waiters, LockMode::AccessExclusive, &MIXED).0;
            let cancel_all = |mut table: LockTable| {
                let mut woken = Vec::new();
                // 7,919 is prime and no divisor of the lengths: every waiter comes once.
                for n in 0..waiters {
                    let waiter = u64::from(n) * 7_919 % u64::from(waiters);
                    table.cancel_wait(SessionId(waiter as u32 + 1), &mut woken);
                }
                table
            };
            b.iter_batched(setup, cancel_all, BatchSize::LargeInput);
        });
    }
}

fn drain(c: &mut Criterion) {
    let mut group = c.benchmark_group("drain a mixed queue, per waiter");
    for waiters in LENGTHS {
        group.sample_size(10).throughput(Throughput::Elements(u64::from(waiters)));
        group.bench_with_input(BenchmarkId::from_parameter(waiters), &waiters, |b, &waiters| {
            let setup = || queue(waiters, LockMode::AccessExclusive, &MIXED).0;
            let drain = |mut table: LockTable| {
                let mut woken = vec![SessionId(0)];
                let mut next = 0;
                while let Some(&session) = woken.get(next) {
                    next += 1;
                    table.release_transaction(session, &mut woken);
                }
                assert_eq!(woken.len(), waiters as usize + 1);
                table
            };
            b.iter_batched(setup, drain, BatchSize::LargeInput);
        });
    }
}

/// One deadlock check of the last, of a middle and of the first waiter, in queues of modes that conflict with
/// themselves and with each other.
fn deadlock_check(c: &mut Criterion) {
    let mut group = c.benchmark_group("deadlock check");
    let modes = [LockMode::RowExclusive, LockMode::ShareRowExclusive];
    for waiters in LENGTHS {
        let (mut table, _) = queue(waiters, LockMode::AccessExclusive, &modes);
        for (who, session) in [("first", 1), ("middle", waiters / 2), ("last but one", waiters - 1)] {
            group.bench_function(BenchmarkId::new(who, waiters), |b| {
                b.iter(|| table.check_deadlock(SessionId(session), &mut Vec::new()));
            });
        }
        let behind_alter = [LockMode::AccessShare, LockMode::RowExclusive];
        let mut table = LockTable::new(false);
        table.add_session(SessionId(waiters + 1));
        hold(&mut table, SessionId(0), LockMode::AccessShare);
        hold(&mut table, SessionId(waiters + 1), LockMode::AccessExclusive);
        for (waiter, &mode) in (1..=waiters).zip(behind_alter.iter().cycle()) {
            hold(&mut table, SessionId(waiter), mode);
        }
        group.bench_function(BenchmarkId::new("reader in the middle, behind one ALTER", waiters), |b| {
            b.iter(|| table.check_deadlock(SessionId(waiters / 2), &mut Vec::new()));
        });
    }
}

criterion_group!(benches, enqueue, cancel, drain, deadlock_check);
criterion_main!(benches);
