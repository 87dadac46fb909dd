//! What logs under various settings give: the forms that no sample has.

mod common;

use common::{Imported, import, import_all, stderr_log};
use traces::import::{ImportError, Options};
use traces::record::{Basis, End, Sampling};

fn stderr(lines: &[(u64, u32, &str)]) -> Imported {
    import("server.log", stderr_log(lines).as_bytes())
}

fn with_prefix(prefix: &str, log: &str) -> Imported {
    let options = Options { log_line_prefix: Some(prefix.to_owned()), ..Options::default() };
    import_all(options, &[("server.log", log.as_bytes())]).unwrap()
}

#[test]
fn a_block_is_one_transaction_with_its_think_times() {
    let imported = stderr(&[
        (0, 7, "LOG:  statement: BEGIN"),
        (1, 7, "LOG:  duration: 0.100 ms"),
        (21, 7, "LOG:  statement: UPDATE t SET a = 1"),
        (24, 7, "LOG:  duration: 3.000 ms"),
        (30, 9, "LOG:  statement: SELECT 1"),
        (31, 9, "LOG:  duration: 1.000 ms"),
        (5_024, 7, "LOG:  statement: COMMIT"),
        (5_025, 7, "LOG:  duration: 1.000 ms"),
    ]);
    let records = imported.records();
    assert_eq!((records[0].end, records[1].end), (End::Commit, End::Autocommit));
    let thinks: Vec<u64> = records[0].statements.iter().map(|statement| statement.think_us).collect();
    assert_eq!(thinks, [0, 20_900, 5_000_000]);
    assert_eq!(records[0].duration_us, Some(5_025_000));
}

#[test]
fn parse_and_bind_belong_to_the_execution() {
    // log_min_duration_statement = 0, extended protocol.
    let imported = stderr(&[
        (10, 7, "LOG:  duration: 1.000 ms  parse <unnamed>: select $1"),
        (12, 7, "LOG:  duration: 2.000 ms  bind <unnamed>: select $1"),
        (12, 7, "DETAIL:  parameters: $1 = '5'"),
        (20, 7, "LOG:  duration: 8.000 ms  execute <unnamed>: select $1"),
        (20, 7, "DETAIL:  parameters: $1 = '5'"),
    ]);
    let records = imported.records();
    assert_eq!(records.len(), 1);
    let statement = &records[0].statements[0];
    assert_eq!((statement.service_us, statement.params.clone()), (Some(11_000), vec![Some("5".to_owned())]));
    assert_eq!(records[0].at_us, 0);
    assert_eq!(imported.report.header.start, "2026-11-21T10:00:00.009000Z");
}

#[test]
fn durations_before_an_execution_without_text_are_its_parse_and_bind() {
    // log_statement = all and log_duration = on, extended protocol.
    let imported = stderr(&[
        (10, 7, "LOG:  duration: 1.000 ms"),
        (12, 7, "LOG:  duration: 2.000 ms"),
        (12, 7, "LOG:  execute S_1: select $1"),
        (20, 7, "LOG:  duration: 8.000 ms"),
        (30, 7, "LOG:  statement: select 2"),
        (31, 7, "LOG:  duration: 1.000 ms"),
    ]);
    let records = imported.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].statements[0].service_us, Some(11_000));
}

#[test]
fn statements_of_one_virtual_transaction_belong_together_without_begin() {
    let line = |ms: u64, id: &str, text: &str| {
        format!("2026-11-21 10:00:00.{ms:03} UTC 6b0.7 {id} LOG:  duration: 5.000 ms  statement: {text}\n")
    };
    let log = line(100, "3/8", "update t set a = 1")
        + &line(200, "3/8", "update u set a = 1")
        + &line(300, "3/0", "commit")
        + &line(400, "3/0", "select 1")
        + &line(500, "3/10", "update t set a = 2")
        + &line(600, "3/11", "update t set a = 3");
    let records = with_prefix("%m %c %v ", &log).records();
    let shape: Vec<(usize, End)> =
        records.iter().map(|record| (record.statements.len(), record.end)).collect();
    assert_eq!(shape, [(3, End::Commit), (1, End::Autocommit), (1, End::Unlogged), (1, End::Cut)]);
}

#[test]
fn a_failed_block_lasts_until_its_rollback_and_commit_rolls_it_back() {
    let imported = stderr(&[
        (0, 7, "LOG:  statement: begin"),
        (0, 7, "LOG:  duration: 0.100 ms"),
        (10, 7, "LOG:  statement: insert into t values (1)"),
        (12, 7, "ERROR:  duplicate key value violates unique constraint \"t_pkey\""),
        (12, 7, "DETAIL:  Key (id)=(1) already exists."),
        (12, 7, "STATEMENT:  insert into t values (1)"),
        (50, 7, "LOG:  statement: commit"),
        (50, 7, "LOG:  duration: 0.100 ms"),
    ]);
    let records = imported.records();
    assert_eq!((records.len(), records[0].end), (1, End::Rollback));
    // Both ends of a failed statement have times, so it has a duration.
    assert_eq!(records[0].statements[1].service_us, Some(2_000));
    assert!(records[0].statements[1].error.is_some());
}

#[test]
fn a_session_that_is_terminated_idle_in_transaction_says_how_long() {
    let imported = stderr(&[
        (0, 7, "LOG:  statement: begin"),
        (0, 7, "LOG:  duration: 0.000 ms"),
        (100, 7, "LOG:  statement: select 1 from t for update"),
        (101, 7, "LOG:  duration: 1.000 ms"),
        (10_101, 7, "FATAL:  terminating connection due to idle-in-transaction timeout"),
    ]);
    let record = &imported.records()[0];
    assert_eq!((record.end, record.idle_at_end_us), (End::Disconnect, 10_000_000));
    assert!(record.error.as_ref().unwrap().message.contains("idle-in-transaction timeout"));
}

#[test]
fn lock_waits_alone_still_show_their_statements() {
    // log_lock_waits = on and nothing else.
    let imported = stderr(&[
        (1_000, 7, "LOG:  process 7 still waiting for ShareLock on transaction 731 after 1000.100 ms"),
        (1_000, 7, "DETAIL:  Process holding the lock: 9. Wait queue: 7, 8."),
        (1_000, 7, "STATEMENT:  update t set a = 1"),
        (4_000, 7, "LOG:  process 7 acquired ShareLock on transaction 731 after 4000.000 ms"),
        (4_000, 7, "STATEMENT:  update t set a = 1"),
    ]);
    let records = imported.records();
    assert_eq!(records.len(), 1);
    let statement = &records[0].statements[0];
    assert_eq!(statement.text.as_deref(), Some("update t set a = 1"));
    assert_eq!((statement.waits[0].us, statement.waits[0].queue, statement.service_us), (4_000_000, 2, None));
    assert_eq!(statement.waits[0].holders, ["pid 9"]);
    assert_eq!(imported.report.header.deadlock_timeout_us, Some(1_000_000));
}

#[test]
fn statements_without_durations_have_unknown_service_times() {
    let imported = stderr(&[(0, 7, "LOG:  statement: select 1"), (500, 7, "LOG:  statement: select 2")]);
    assert_eq!(imported.report.header.basis.service_times, Basis::Absent);
    assert!(imported.records().iter().all(|record| record.statements[0].service_us.is_none()));
    assert!(imported.notes().contains("no durations"));
}

#[test]
fn a_process_id_that_is_used_again_is_another_session() {
    let imported = stderr(&[
        (0, 7, "LOG:  connection authorized: user=u database=d"),
        (1, 7, "LOG:  statement: begin"),
        (1, 7, "LOG:  duration: 0.100 ms"),
        (9, 7, "LOG:  disconnection: session time: 0:00:00.009 user=u database=d host=[local]"),
        (20, 7, "LOG:  connection authorized: user=u database=d"),
        (21, 7, "LOG:  statement: select 1"),
        (21, 7, "LOG:  duration: 0.100 ms"),
    ]);
    let records = imported.records();
    assert_eq!((records[0].end, records[1].end), (End::Disconnect, End::Autocommit));
    assert_ne!(records[0].session, records[1].session);
}

#[test]
fn a_threshold_is_inferred_and_said() {
    let line = |n: u64| {
        let stamp = format!("2026-11-21 10:{:02}:{:02}.000 UTC", n / 60, n % 60);
        format!(
            "{stamp} 6b0.7 3/{} LOG:  duration: {}.5 ms  statement: select {n}\n",
            n * 50,
            250 + n * 7 % 90
        )
    };
    let imported = with_prefix("%m %c %v ", &(1..200).map(line).collect::<String>());
    assert!(matches!(
        imported.report.header.sampling,
        Sampling::Threshold { min_duration_us: 250_500..=251_500 }
    ));
    assert!(imported.notes().contains("rates are lower bounds"), "{}", imported.notes());
}

#[test]
fn another_language_is_said_not_guessed() {
    let log = "2026-11-21 10:00:00.000 CET [7] LOG:  Anweisung: select 1\n\
               2026-11-21 10:00:00.001 CET [7] LOG:  Dauer: 0.5 ms\n\
               2026-11-21 10:00:00.001 CET [7] FEHLER:  Relation »t« existiert nicht\n";
    let error = import_all(Options::default(), &[("server.log", log.as_bytes())]).err().unwrap();
    assert!(
        matches!(&error, ImportError::Nothing { reason, .. } if reason.contains("lc_messages")),
        "{error}"
    );
}

#[test]
fn broken_lines_are_named_and_the_rest_is_read() {
    let mut log = stderr_log(&[(0, 7, "LOG:  statement: select 1")]);
    log.push_str("%%% torn line\n");
    log.push_str(&stderr_log(&[(1, 7, "LOG:  duration: 0.100 ms")]));
    let imported = import("server.log", log.as_bytes());
    assert_eq!(imported.report.header.counts.skipped, 1);
    assert_eq!(
        imported.report.problems[0].to_string(),
        "server.log:2: expected a line that starts with log_line_prefix '%m [%p] ', found '%%% torn line'"
    );
    assert_eq!(imported.records()[0].statements[0].service_us, Some(100));
}

#[test]
fn missing_entries_do_not_join_what_does_not_belong_together() {
    let line = |ms: u64, number: u64, text: &str| {
        format!("2026-11-21 10:00:00.{ms:03} UTC 6b0.7 {number} LOG:  {text}\n")
    };
    let log = line(1, 1, "statement: begin")
        + &line(2, 2, "duration: 0.1 ms")
        + &line(3, 3, "statement: select 1")
        + &line(900, 40, "duration: 0.1 ms")
        + &line(910, 41, "statement: select 2")
        + &line(911, 42, "duration: 0.2 ms");
    let imported = with_prefix("%m %c %l ", &log);
    let records = imported.records();
    assert_eq!(records[0].end, End::Unlogged);
    assert_eq!(records[0].statements[1].service_us, None);
    assert_eq!(records.last().unwrap().statements[0].service_us, Some(200));
    assert!(imported.notes().contains("36 entries are missing"), "{}", imported.notes());
}

#[test]
fn a_plan_stands_in_for_a_statement_without_entry_and_only_then() {
    let plan = "LOG:  duration: 5.000 ms  plan:\n\tQuery Text: select * from t\n\tSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)";
    let imported = stderr(&[
        (10, 7, plan),
        (11, 7, "LOG:  duration: 6.000 ms  statement: select * from t"),
        (30, 7, plan),
        (50, 7, plan),
    ]);
    let services: Vec<_> =
        imported.records().iter().map(|record| record.statements[0].service_us.unwrap()).collect();
    assert_eq!(services, [6_000, 5_000, 5_000]);
    assert!(
        imported
            .records()
            .iter()
            .all(|record| record.statements[0].text.as_deref() == Some("select * from t"))
    );
}

#[test]
fn a_rotated_log_goes_on_in_the_next_file() {
    let first = stderr_log(&[(0, 7, "LOG:  statement: begin"), (0, 7, "LOG:  duration: 0.100 ms")]);
    let second = stderr_log(&[(9, 7, "LOG:  statement: commit"), (9, 7, "LOG:  duration: 0.100 ms")]);
    let options = Options::default();
    let imported = import_all(options, &[("1.log", first.as_bytes()), ("2.log", second.as_bytes())]).unwrap();
    assert_eq!((imported.records().len(), imported.records()[0].end), (1, End::Commit));
}

#[test]
fn pgreplay_lines_give_arrivals_without_durations() {
    let log = r#"{"type":"Connect","item":{"timestamp":"2026-11-21T10:00:00Z","session_id":"a","user":"u","database":"d"}}
{"type":"Statement","item":{"timestamp":"2026-11-21T10:00:01.5Z","session_id":"a","user":"u","database":"d","query":"begin"}}
{"type":"BoundExecute","item":{"timestamp":"2026-11-21T10:00:02Z","session_id":"a","query":"update t set a = $1","parameters":["5",null]}}
{"type":"Statement","item":{"timestamp":"2026-11-21T10:00:04Z","session_id":"a","query":"commit"}}
{"type":"Nonsense","item":{"timestamp":"2026-11-21T10:00:04Z","session_id":"a"}}
{"type":"Disconnect","item":{"timestamp":"2026-11-21T10:00:05Z","session_id":"a"}}
"#;
    let imported = import("replay.jsonl", log.as_bytes());
    let records = imported.records();
    assert_eq!((records.len(), records[0].end, imported.report.header.counts.skipped), (1, End::Commit, 1));
    assert_eq!(records[0].statements[1].params, [Some("5".to_owned()), None]);
    assert_eq!(records[0].statements[1].think_us, 500_000);
    assert_eq!(imported.report.header.basis.service_times, Basis::Absent);
}

#[test]
fn files_of_no_known_format_are_refused_with_a_remedy() {
    let refused = |bytes: &[u8]| {
        import_all(Options::default(), &[("x", bytes)]).err().map(|error| error.to_string()).unwrap()
    };
    assert!(refused(b"hello\nworld\n").contains("--log-line-prefix"));
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"{\"rehearsal_trace\":1}\n").contains("trace already"));
}
