//! Facts about the CONCURRENTLY commands: whom they wait for in which phase, and who waits for them.

use sim_clock::Nanos;
use transactions::LockMode::{
    AccessExclusive, AccessShare, RowExclusive, RowShare, Share, ShareUpdateExclusive,
};
use transactions::commands::{
    Steps, create_index_concurrently, detach_partition_concurrently, drop_index_concurrently,
    reindex_concurrently,
};
use transactions::{
    CommandTag, Guc, Isolation, LockMode, SessionId, Statement, Step, StepContext, StepOutcome, Stepper,
    WaitPolicy,
};

use crate::server::{INDEX, Server, T, T2, VERSIONS, division_by_zero, lock};

const BUILD: Nanos = Nanos::from_millis(100);

fn cic(is_plain: bool) -> Steps<u32> {
    create_index_concurrently(T, is_plain, BUILD, BUILD)
}

fn reindex() -> Steps<u32> {
    reindex_concurrently(T, INDEX, true, BUILD, BUILD)
}

fn drop_index() -> Steps<u32> {
    drop_index_concurrently(T, INDEX)
}

/// The kinds of sessions that a command may have to wait for.
const BLOCKERS: [&str; 12] = [
    "begin_only",
    "rc_idle_select_same_table",
    "rc_idle_select_other_table",
    "rc_idle_write_same_table",
    "rc_idle_write_other_table",
    "rc_idle_select_for_update_same_table",
    "rr_idle_select_other_table",
    "rr_idle_select_1",
    "rr_idle_select_same_table",
    "rc_active_query_other_table",
    "rc_active_query_same_table",
    "rc_idle_in_failed_tx_wrote_same_table",
];

fn blocker(server: &mut Server, kind: &str) -> SessionId {
    let session = if kind.starts_with("rr") { server.in_repeatable_read() } else { server.in_block() };
    let read = |table| vec![lock(table, AccessShare, WaitPolicy::Block), Step::TakeSnapshot];
    let read_long = |table| {
        let mut steps = read(table);
        steps.push(Step::Work(Nanos::from_secs(3_600)));
        steps
    };
    let write = |relation| {
        let insert = Step::Insert { relation, key: u64::from(relation.0) * 100, row: 0 };
        vec![lock(relation, RowExclusive, WaitPolicy::Block), insert]
    };
    match kind {
        "begin_only" => {}
        "rr_idle_select_1" => server.steps(session, vec![Step::TakeSnapshot]),
        "rc_idle_write_same_table" => server.steps(session, write(T)),
        "rc_idle_write_other_table" => server.steps(session, write(T2)),
        "rc_idle_select_for_update_same_table" => server.lock(session, T, RowShare),
        "rc_idle_in_failed_tx_wrote_same_table" => {
            server.steps(session, write(T));
            server.steps(session, vec![division_by_zero()]);
        }
        _ if kind.contains("active") && kind.ends_with("same_table") => server.steps(session, read_long(T)),
        _ if kind.contains("active") => server.steps(session, read_long(T2)),
        _ if kind.ends_with("same_table") => server.steps(session, read(T)),
        _ => server.steps(session, read(T2)),
    }
    session
}

/// Those of the blockers that the command waits for, by their virtual transaction ids.
fn waited_for(version: u8, command: impl Fn() -> Steps<u32>) -> Vec<&'static str> {
    let waits = |kind: &&str| {
        let mut server = Server::of_version(version);
        let other = blocker(&mut server, kind);
        let command_session = server.session();
        server.concurrently(command_session, command());
        server.pass(500);
        match server.wait(command_session) {
            Some((object, mode, blockers)) => {
                assert_eq!((object, mode, blockers), ("virtualxid", Share, vec![other]), "{kind}");
                true
            }
            None => {
                assert_eq!(server.result(command_session), "ok", "{kind}");
                false
            }
        }
    };
    BLOCKERS.into_iter().filter(waits).collect()
}

#[test]
fn waits_create_index_concurrently() {
    for version in VERSIONS {
        let expected = [
            "rc_idle_write_same_table",
            "rr_idle_select_other_table",
            "rr_idle_select_1",
            "rr_idle_select_same_table",
            "rc_active_query_other_table",
            "rc_active_query_same_table",
        ];
        assert_eq!(waited_for(version, || cic(true)), expected);
    }
}

#[test]
fn waits_drop_index_concurrently() {
    let expected = [
        "rc_idle_select_same_table",
        "rc_idle_write_same_table",
        "rc_idle_select_for_update_same_table",
        "rr_idle_select_same_table",
        "rc_active_query_same_table",
    ];
    assert_eq!(waited_for(15, drop_index), expected);
}

#[test]
fn waits_reindex_index_concurrently() {
    let expected = [
        "rc_idle_select_same_table",
        "rc_idle_write_same_table",
        "rc_idle_select_for_update_same_table",
        "rr_idle_select_other_table",
        "rr_idle_select_1",
        "rr_idle_select_same_table",
        "rc_active_query_other_table",
        "rc_active_query_same_table",
    ];
    assert_eq!(waited_for(15, reindex), expected);
}

/// Blockers of a generation: a reader and a writer of the table, and one with an old snapshot elsewhere.
fn open_generation(server: &mut Server, generation: usize, log: &mut Vec<(SessionId, String)>) {
    for (name, kind) in [
        ("reader", "rc_idle_select_same_table"),
        ("writer", "rc_idle_write_same_table"),
        ("rr_other", "rr_idle_select_1"),
    ] {
        // Writers must not meet at one row.
        let session = match name {
            "writer" => {
                let session = server.in_block();
                server.lock(session, T, RowExclusive);
                session
            }
            _ => blocker(server, kind),
        };
        log.push((session, format!("{name}_{generation}")));
    }
}

/// Runs a command against blockers; in each phase that it waits in, a new generation of them comes, and
/// whoever is waited for commits. Whom did it wait for, by phase?
fn staged(command: Steps<u32>) -> Vec<Vec<String>> {
    let mut server = Server::new();
    let mut names = Vec::new();
    open_generation(&mut server, 0, &mut names);
    let session = server.session();
    server.concurrently(session, command);
    let mut phases: Vec<Vec<String>> = Vec::new();
    let mut is_new_phase = true;
    for _ in 0..100 {
        if let Some((_, _, blockers)) = server.wait(session) {
            if is_new_phase {
                open_generation(&mut server, phases.len() + 1, &mut names);
                phases.push(Vec::new());
            }
            is_new_phase = false;
            let blocker = blockers[0];
            let name = names.iter().find(|(it, _)| *it == blocker).map(|(_, name)| name.clone());
            phases.last_mut().unwrap().extend(name);
            server.commit(blocker);
            if server.wait(session).is_none() {
                is_new_phase = true;
            }
        } else if server.result(session) == "ok" {
            break;
        } else {
            server.pass(100);
            is_new_phase = true;
        }
    }
    assert_eq!(server.result(session), "ok");
    phases.iter_mut().for_each(|phase| phase.sort());
    phases
}

#[test]
fn staged_create_index_concurrently() {
    let expected = [vec!["writer_0"], vec!["writer_1"], vec!["rr_other_0", "rr_other_1", "rr_other_2"]];
    assert_eq!(staged(cic(true)), expected);
}

#[test]
fn staged_drop_index_concurrently() {
    let expected = [vec!["reader_0", "writer_0"], vec!["reader_1", "writer_1"]];
    // Both waits follow each other without any work between: told apart by who is waited for.
    let mut seen = staged_by_reader(drop_index());
    seen.iter_mut().for_each(|phase| phase.sort());
    assert_eq!(seen, expected);
}

/// As `staged`, for commands whose phases follow each other at once: a phase is over when somebody is waited
/// for who came in it.
fn staged_by_reader(command: Steps<u32>) -> Vec<Vec<String>> {
    let mut server = Server::new();
    let mut names = Vec::new();
    open_generation(&mut server, 0, &mut names);
    let session = server.session();
    server.concurrently(session, command);
    let mut phases: Vec<Vec<String>> = Vec::new();
    while let Some((_, _, blockers)) = server.wait(session) {
        let name = names.iter().find(|(it, _)| *it == blockers[0]).map(|(_, name)| name.clone()).unwrap();
        let generation: usize = name.rsplit('_').next().unwrap().parse().unwrap();
        if generation >= phases.len() {
            open_generation(&mut server, phases.len() + 1, &mut names);
            phases.push(Vec::new());
        }
        phases.last_mut().unwrap().push(name);
        server.commit(blockers[0]);
    }
    assert_eq!(server.result(session), "ok");
    phases
}

#[test]
fn staged_detach_concurrently() {
    let mut server = Server::new();
    let parent_user = blocker(&mut server, "rc_idle_select_same_table");
    let partition_reader = blocker(&mut server, "rc_idle_select_other_table");
    blocker(&mut server, "rr_idle_select_1");
    let session = server.session();
    server.concurrently(session, detach_partition_concurrently(T, T2));
    assert_eq!(server.wait(session), Some(("virtualxid", Share, vec![parent_user])));
    blocker(&mut server, "rc_idle_select_same_table");
    server.commit(parent_user);
    assert_eq!(server.wait(session), Some(("relation", AccessExclusive, vec![partition_reader])));
    server.commit(partition_reader);
    assert_eq!(server.result(session), "ok");
}

/// A statement that is at work in the build of a CONCURRENTLY command when a second command comes for another
/// table: whether that one gets through while the first works.
fn second_gets_through(
    version: u8,
    first: impl FnOnce(&mut Server, SessionId),
    second_is_plain: bool,
) -> bool {
    let mut server = Server::of_version(version);
    let (a, b) = (server.session(), server.session());
    first(&mut server, a);
    server.pass(10);
    let quick = Nanos::from_millis(1);
    server.concurrently(b, create_index_concurrently(T2, second_is_plain, quick, quick));
    server.pass(10);
    match server.wait(b) {
        None => server.result(b) == "ok",
        Some(wait) => {
            assert_eq!(wait, ("virtualxid", Share, vec![a]));
            false
        }
    }
}

#[test]
fn two_cic_plain() {
    for version in VERSIONS {
        let first = |server: &mut Server, session| server.concurrently(session, cic(true));
        assert_eq!(second_gets_through(version, first, true), version >= 14, "version {version}");
    }
}

#[test]
fn two_cic_first_is_expression() {
    for version in VERSIONS {
        let first = |server: &mut Server, session| server.concurrently(session, cic(false));
        assert!(!second_gets_through(version, first, true), "version {version}");
    }
}

#[test]
fn two_cic_second_is_expression() {
    for version in VERSIONS {
        let first = |server: &mut Server, session| server.concurrently(session, cic(true));
        assert_eq!(second_gets_through(version, first, false), version >= 14, "version {version}");
    }
}

#[test]
fn two_cic_first_plain_create_index_in_build() {
    let build = vec![lock(T, Share, WaitPolicy::Block), Step::TakeSnapshot, Step::Work(BUILD)];
    assert!(!second_gets_through(15, |server, session| server.steps(session, build), true));
}

#[test]
fn two_cic_first_vacuum() {
    let vacuum = vec![lock(T, ShareUpdateExclusive, WaitPolicy::Block), Step::Work(BUILD)];
    assert!(second_gets_through(15, |server, session| server.vacuum(session, vacuum), true));
}

#[test]
fn two_cic_first_analyze() {
    let analyze =
        vec![lock(T, ShareUpdateExclusive, WaitPolicy::Block), Step::TakeSnapshot, Step::Work(BUILD)];
    assert!(!second_gets_through(15, |server, session| server.steps(session, analyze), true));
}

#[test]
fn two_cic_same_table() {
    let mut server = Server::new();
    let (a, b) = (server.session(), server.session());
    server.concurrently(a, cic(true));
    server.pass(10);
    server.concurrently(b, cic(true));
    assert_eq!(server.wait(b), Some(("relation", ShareUpdateExclusive, vec![a])));
    server.pass(1_100);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("ok", "40P01"));
    assert_eq!(server.ended_at_ms(b), 1_010);
}

#[test]
fn two_cic_cic_vs_tx_that_then_alters() {
    let mut server = Server::new();
    let (a, writer) = (server.session(), server.in_block());
    server.lock(writer, T, RowExclusive);
    server.concurrently(a, cic(true));
    assert_eq!(server.wait(a), Some(("virtualxid", Share, vec![writer])));
    server.pass(40);
    server.lock(writer, T, AccessExclusive);
    server.pass(960);
    assert_eq!((server.result(a).as_str(), server.result(writer).as_str()), ("40P01", "ok"));
    assert_eq!(server.ended_at_ms(a), 1_000);
}

/// LOCK TABLE looks at no data, but at the catalogs.
struct LockTable(LockMode, bool);

impl Stepper<u32> for LockTable {
    fn step(&mut self, _: &mut StepContext<'_, u32>, _: StepOutcome<u32>) -> Step<u32> {
        if std::mem::replace(&mut self.1, true) {
            return Step::Done { tag: CommandTag::LOCK_TABLE, rows: 0 };
        }
        lock(T, self.0, WaitPolicy::Block)
    }

    fn takes_snapshot(&self) -> bool {
        false
    }
}

/// A statement queues behind a CONCURRENTLY command so many ms before that waits for old snapshots; who fails?
fn follower(command: Steps<u32>, mode: LockMode, waited_ms: u64) -> (String, String) {
    let mut server = Server::new();
    let old = blocker(&mut server, "rr_idle_select_1");
    let writer = server.in_block();
    server.lock(writer, T, RowExclusive);
    let (a, b) = (server.session(), server.session());
    server.concurrently(a, command);
    server.send(b, Statement::Dynamic(Box::new(LockTable(mode, false))));
    server.pass(waited_ms);
    server.commit(old);
    server.commit(writer);
    server.pass(1_500);
    (server.result(a), server.result(b))
}

#[test]
fn cic_followers_create_concurrently() {
    for mode in [AccessExclusive, ShareUpdateExclusive, Share, LockMode::ShareRowExclusive] {
        let result = |waited| follower(cic(true), mode, waited);
        assert_eq!(result(200), ("ok".to_owned(), "40P01".to_owned()), "{mode}");
        assert_eq!(result(1_500), ("40P01".to_owned(), "ok".to_owned()), "{mode}");
    }
}

#[test]
fn cic_followers_reindex_concurrently() {
    let result = |waited| follower(reindex(), AccessExclusive, waited);
    assert_eq!(result(200), ("ok".to_owned(), "40P01".to_owned()));
    assert_eq!(result(1_500), ("40P01".to_owned(), "ok".to_owned()));
}

#[test]
fn cic_followers_vacuum_is_immune() {
    let mut server = Server::new();
    let (a, b) = (server.session(), server.session());
    server.concurrently(a, cic(true));
    server.vacuum(b, vec![lock(T, ShareUpdateExclusive, WaitPolicy::Block)]);
    assert_eq!(server.wait(b), Some(("relation", ShareUpdateExclusive, vec![a])));
    server.pass(200);
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("ok", "ok"));
}

#[test]
fn invalid_cic_lock_timeout_writers_before_build() {
    let mut server = Server::new();
    let writer = server.in_block();
    server.lock(writer, T, RowExclusive);
    let a = server.session();
    server.set(a, Guc::LockTimeout, 300);
    server.concurrently(a, cic(true));
    server.pass(300);
    assert_eq!(server.result(a), "55P03");
    let b = server.session();
    server.lock(b, T, ShareUpdateExclusive);
    assert_eq!(server.result(b), "ok", "the failed command keeps no lock of the table");
}

#[test]
fn a_build_waits_for_a_session_that_waits_for_an_advisory_lock_of_the_builder() {
    let mut server = Server::new();
    let (a, b) = (server.session(), server.session());
    let lock_key = |scope| {
        let tag = transactions::LockTag::Advisory(1);
        vec![Step::Lock { tag, mode: LockMode::Exclusive, scope, policy: WaitPolicy::Block }]
    };
    server.steps(a, lock_key(transactions::Scope::Session));
    server.steps(b, lock_key(transactions::Scope::Session));
    assert_eq!(server.wait(b).map(|(kind, ..)| kind), Some("advisory"));
    server.concurrently(a, cic(true));
    server.pass(200);
    assert_eq!(server.wait(a), Some(("virtualxid", Share, vec![b])));
    server.pass(1_000);
    // The one who has waited longer has its check first.
    assert_eq!((server.result(a).as_str(), server.result(b).as_str()), ("ok", "40P01"));
}

#[test]
fn a_concurrent_build_is_refused_inside_a_transaction_block() {
    let mut server = Server::new();
    let a = server.in_block();
    server.concurrently(a, cic(true));
    assert_eq!(server.result(a), "25001");
    let b = server.session();
    server.send(b, Statement::Begin { isolation: Isolation::ReadCommitted });
    server.concurrently(b, drop_index());
    assert_eq!(server.result(b), "25001");
}

#[test]
fn vacuum_truncate_reader_open() {
    // VACUUM asks for ACCESS EXCLUSIVE without waiting, again and again, and blocks nobody meanwhile.
    let mut server = Server::new();
    let reader = server.in_block();
    server.lock(reader, T, AccessShare);
    let (a, b) = (server.session(), server.session());
    let attempt = || [lock(T, AccessExclusive, WaitPolicy::Skip), Step::Work(Nanos::from_millis(50))];
    let steps = [lock(T, ShareUpdateExclusive, WaitPolicy::Block)]
        .into_iter()
        .chain((0..100).flat_map(|_| attempt()));
    server.vacuum(a, steps.collect());
    server.pass(1_000);
    server.lock(b, T, RowExclusive);
    assert_eq!(server.result(b), "ok");
    server.pass(4_000);
    assert_eq!((server.result(a).as_str(), server.ended_at_ms(a)), ("ok", 5_000));
}
