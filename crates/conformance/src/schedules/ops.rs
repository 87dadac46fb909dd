//! The operations of schedules: which arguments they need, and what statement each one is.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId};
use sim_clock::Nanos;
use transactions::commands::{Sequence, create_index_concurrently};
use transactions::{CommandTag, Guc, Isolation, RowLockStrength, Statement, WaitPolicy};

use super::format::{Args, Entry, OpKind, Schedule};
use super::schema::{Row, Schema};
use super::steppers::{Ddl, Dml, OpStepper};

/// The child table `c`; tables `t1`, `t2`, ... have the numbers 1, 2, ...
pub(crate) const CHILD: RelationId = RelationId(1_000);

/// The modes by their short names, weakest first.
const MODES: [(&str, LockMode); 8] = [
    ("AS", LockMode::AccessShare),
    ("RS", LockMode::RowShare),
    ("RX", LockMode::RowExclusive),
    ("SUX", LockMode::ShareUpdateExclusive),
    ("S", LockMode::Share),
    ("SRX", LockMode::ShareRowExclusive),
    ("X", LockMode::Exclusive),
    ("AX", LockMode::AccessExclusive),
];

const STRENGTHS: [(&str, RowLockStrength); 4] = [
    ("KS", RowLockStrength::KeyShare),
    ("S", RowLockStrength::Share),
    ("NKU", RowLockStrength::NoKeyUpdate),
    ("U", RowLockStrength::Update),
];

/// The short name of a mode.
pub(crate) fn mode_name(mode: LockMode) -> &'static str {
    MODES[mode as usize].0
}

/// The name of a relation.
pub(crate) fn relation_name(relation: RelationId) -> String {
    if relation == CHILD { "c".to_owned() } else { format!("t{}", relation.0) }
}

/// Whether the schedule can be replayed: all sessions, tables and arguments that it names are there.
pub(crate) fn check(schedule: &Schedule) -> Result<(), String> {
    if schedule.dl.len() != schedule.n as usize {
        return Err(format!(
            "{} sessions need as many values in `dl`, found {}",
            schedule.n,
            schedule.dl.len()
        ));
    }
    for (index, entry) in schedule.tr.iter().enumerate() {
        check_entry(schedule, entry).map_err(|problem| format!("entry {} of `tr`: {problem}", index + 1))?;
    }
    Ok(())
}

fn check_entry(schedule: &Schedule, entry: &Entry) -> Result<(), String> {
    let session = match (entry.s, entry.tm) {
        (Some(session), None) => session,
        (None, Some((session, _))) => session,
        _ => return Err("expected either a statement (`s`, `op`) or a timer (`tm`)".to_owned()),
    };
    if !(1..=schedule.n).contains(&session) {
        return Err(format!("session {session} is not one of 1 to {}", schedule.n));
    }
    if entry.tm.is_some() {
        return Ok(());
    }
    let Some(op) = entry.op else { return Err("expected an operation (`op`)".to_owned()) };
    let args = &entry.args;
    for table in [args.tb, args.tb2].into_iter().flatten() {
        if !(1..=schedule.tables).contains(&table) {
            return Err(format!("table {table} is not one of 1 to {}", schedule.tables));
        }
    }
    statement(op, args, &Rc::new(Schema::default())).map(|_: Statement<Row>| ())
}

fn need<T>(argument: Option<T>, name: &str) -> Result<T, String> {
    argument.ok_or_else(|| format!("the operation needs the argument `{name}`"))
}

fn find<T: Copy>(names: &[(&str, T)], name: &str) -> Result<T, String> {
    let expected = || names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = names.iter().find(|(it, _)| *it == name);
    found.map(|(_, it)| *it).ok_or_else(|| format!("`{name}` is none of {}", expected()))
}

/// The statement that an operation is.
pub(crate) fn statement(op: OpKind, args: &Args, schema: &Rc<Schema>) -> Result<Statement<Row>, String> {
    let table = || need(args.tb, "tb").map(RelationId);
    let row = || need(args.r, "r");
    let name = || need(args.k, "k").and_then(|k| u32::try_from(k).map_err(|_| format!("`k` is {k}")));
    let mode = || find(&MODES, need(args.m.as_deref(), "m")?);
    let dynamic = |op: OpStepper| Ok(Statement::Dynamic(Box::new(op)));
    let dml = |table: RelationId, dml: Dml| dynamic(OpStepper::dml(Rc::clone(schema), table, dml));
    let ddl = |tables: Vec<RelationId>, ddl: Ddl| dynamic(OpStepper::ddl(Rc::clone(schema), tables, ddl));
    match op {
        OpKind::Begin => Ok(Statement::Begin { isolation: Isolation::ReadCommitted }),
        OpKind::Commit => Ok(Statement::Commit),
        OpKind::Rollback => Ok(Statement::Rollback),
        OpKind::Savepoint => name().map(Statement::Savepoint),
        OpKind::RollbackTo => name().map(Statement::RollbackTo),
        OpKind::Release => name().map(Statement::Release),
        OpKind::SetLt => Ok(Statement::Set {
            local: args.local == Some(1),
            guc: Guc::LockTimeout,
            value: Nanos::from_millis(need(args.ms, "ms")?),
        }),
        OpKind::Lock => {
            let tables = [Some(table()?), args.tb2.map(RelationId)].into_iter().flatten().collect();
            ddl(tables, Ddl::lock_table(mode()?, args.nw == Some(1)))
        }
        OpKind::Select => dml(table()?, Dml::Count),
        OpKind::Rowlock => {
            let strength = find(&STRENGTHS, need(args.m.as_deref(), "m")?)?;
            let policy = match args.wp.as_deref() {
                None => WaitPolicy::Block,
                Some("nw") => WaitPolicy::NoWait,
                Some("sl") => WaitPolicy::Skip,
                Some(other) => return Err(format!("`wp` is `{other}`, expected nw or sl")),
            };
            dml(table()?, Dml::LockRow { id: row()?, strength, policy })
        }
        OpKind::Insert => dml(table()?, Dml::Insert { id: row()? }),
        OpKind::Update => dml(table()?, Dml::Update { id: row()?, key: false }),
        OpKind::UpdateKey => dml(table()?, Dml::Update { id: row()?, key: true }),
        OpKind::Delete => dml(table()?, Dml::Delete { id: row()? }),
        OpKind::InsertChild => dml(CHILD, Dml::InsertChild { parent: row()? }),
        OpKind::AddColumn => ddl(vec![table()?], Ddl::of(LockMode::AccessExclusive, "ALTER TABLE")),
        OpKind::CreateIndex => ddl(vec![table()?], Ddl::of(LockMode::Share, "CREATE INDEX")),
        OpKind::Validate => ddl(vec![table()?], Ddl::of(LockMode::ShareUpdateExclusive, "ALTER TABLE")),
        OpKind::Analyze => ddl(vec![table()?], Ddl::of(LockMode::ShareUpdateExclusive, "ANALYZE")),
        OpKind::Vacuum => ddl(vec![table()?], Ddl::vacuum()),
        OpKind::Truncate => ddl(vec![table()?], Ddl::truncate()),
        OpKind::Drop => ddl(vec![table()?], Ddl::drop_table()),
        OpKind::AddFk => {
            let parent = RelationId(need(args.tb2, "tb2")?);
            ddl(vec![table()?, parent], Ddl::add_foreign_key())
        }
        OpKind::Cic => {
            let steps = create_index_concurrently(table()?, true, Nanos::ZERO, Nanos::ZERO);
            Ok(Statement::Dynamic(Box::new(Sequence::concurrent(steps, CommandTag("CREATE INDEX")))))
        }
        OpKind::Advisory | OpKind::TryAdvisory => {
            let mode = match need(args.m.as_deref(), "m")? {
                "X" => LockMode::Exclusive,
                "S" => LockMode::Share,
                other => return Err(format!("`m` is `{other}`, expected X or S")),
            };
            let tag = LockTag::Advisory(need(args.k, "k")?);
            dynamic(OpStepper::advisory(Rc::clone(schema), tag, mode, op == OpKind::TryAdvisory))
        }
    }
}

/// The SQL text that was sent.
pub(crate) fn sql(op: OpKind, args: &Args) -> String {
    let table = |number: Option<u32>| format!("t{}", number.unwrap_or_default());
    let (t, t2) = (table(args.tb), table(args.tb2));
    let (r, k) = (args.r.unwrap_or_default(), args.k.unwrap_or_default());
    let shared = if args.m.as_deref() == Some("S") { "_shared" } else { "" };
    let mode = args.m.as_deref().unwrap_or_default();
    match op {
        OpKind::Begin => "BEGIN".to_owned(),
        OpKind::Commit => "COMMIT".to_owned(),
        OpKind::Rollback => "ROLLBACK".to_owned(),
        OpKind::Savepoint => format!("SAVEPOINT sp{k}"),
        OpKind::RollbackTo => format!("ROLLBACK TO SAVEPOINT sp{k}"),
        OpKind::Release => format!("RELEASE SAVEPOINT sp{k}"),
        OpKind::Lock => {
            let mode = find(&MODES, mode).map_or("?", LockMode::sql);
            let tables = if args.tb2.is_some() { format!("{t}, {t2}") } else { t };
            let nowait = if args.nw == Some(1) { " NOWAIT" } else { "" };
            format!("LOCK TABLE {tables} IN {mode} MODE{nowait}")
        }
        OpKind::Select => format!("SELECT count(*) FROM {t}"),
        OpKind::Rowlock => {
            let strength = match mode {
                "KS" => "KEY SHARE",
                "S" => "SHARE",
                "NKU" => "NO KEY UPDATE",
                _ => "UPDATE",
            };
            let policy = match args.wp.as_deref() {
                Some("nw") => " NOWAIT",
                Some("sl") => " SKIP LOCKED",
                _ => "",
            };
            format!("SELECT id FROM {t} WHERE id = {r} FOR {strength}{policy}")
        }
        OpKind::Insert => format!("INSERT INTO {t} (id, k, v) VALUES ({r}, {r}, 0)"),
        OpKind::Update => format!("UPDATE {t} SET v = v + 1 WHERE id = {r}"),
        OpKind::UpdateKey => format!("UPDATE {t} SET k = k + 1000 WHERE id = {r}"),
        OpKind::Delete => format!("DELETE FROM {t} WHERE id = {r}"),
        OpKind::InsertChild => format!("INSERT INTO c (pid) VALUES ({r})"),
        OpKind::AddColumn => format!("ALTER TABLE {t} ADD COLUMN x{k} int"),
        OpKind::CreateIndex => format!("CREATE INDEX ix{k} ON {t} (v)"),
        OpKind::Cic => format!("CREATE INDEX CONCURRENTLY ix{k} ON {t} (v)"),
        OpKind::Validate => format!("ALTER TABLE {t} VALIDATE CONSTRAINT {t}_chk"),
        OpKind::Truncate => format!("TRUNCATE {t}"),
        OpKind::AddFk => {
            format!("ALTER TABLE {t} ADD CONSTRAINT fk{k} FOREIGN KEY (v) REFERENCES {t2} (id) NOT VALID")
        }
        OpKind::Analyze => format!("ANALYZE {t}"),
        OpKind::Vacuum => format!("VACUUM {t}"),
        OpKind::Drop => format!("DROP TABLE {t}"),
        OpKind::Advisory => format!("SELECT pg_advisory_xact_lock{shared}({k})"),
        OpKind::TryAdvisory => format!("SELECT pg_try_advisory_xact_lock{shared}({k})"),
        OpKind::SetLt => {
            let local = if args.local == Some(1) { "LOCAL " } else { "" };
            format!("SET {local}lock_timeout = {}", args.ms.unwrap_or_default())
        }
    }
}

/// What a result looks like in the recordings.
pub(crate) fn result_name(op: OpKind, tag: CommandTag, rows: u64) -> String {
    match op {
        OpKind::Select | OpKind::Advisory => "OK".to_owned(),
        OpKind::TryAdvisory => if rows > 0 { "TRY t" } else { "TRY f" }.to_owned(),
        _ => transactions::Outcome { tag, rows }.to_string(),
    }
}
