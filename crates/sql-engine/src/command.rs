//! What a statement is called in its command tag, and the settings that statements change.

use lock_table::SessionId;
use sim_clock::Nanos;
use sql_syntax::ast::{ObjectKind, RelationKeyword, Statement};
use transactions::{CommandTag, Guc};

use crate::error::{Result, error};

/// The command tag, without a count.
pub(crate) fn tag(statement: &Statement) -> CommandTag {
    CommandTag(match statement {
        Statement::Select(_) | Statement::CreateTableAs(_) => "SELECT",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::AlterTable(alter) => match alter.keyword {
            RelationKeyword::Table => "ALTER TABLE",
            RelationKeyword::Index => "ALTER INDEX",
            RelationKeyword::View => "ALTER VIEW",
            RelationKeyword::MaterializedView => "ALTER MATERIALIZED VIEW",
            RelationKeyword::Sequence => "ALTER SEQUENCE",
            RelationKeyword::ForeignTable => "ALTER FOREIGN TABLE",
        },
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::Reindex(_) => "REINDEX",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::CreateMaterializedView(_) => "CREATE MATERIALIZED VIEW",
        Statement::RefreshMaterializedView(_) => "REFRESH MATERIALIZED VIEW",
        Statement::CreateSequence(_) => "CREATE SEQUENCE",
        Statement::AlterSequence(_) => "ALTER SEQUENCE",
        Statement::CreateType(_) => "CREATE TYPE",
        Statement::AlterType(_) => "ALTER TYPE",
        Statement::CreateDomain(_) => "CREATE DOMAIN",
        Statement::AlterDomain(_) => "ALTER DOMAIN",
        Statement::CreateSchema(_) => "CREATE SCHEMA",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::LockTable(_) => "LOCK TABLE",
        Statement::Vacuum(_) => "VACUUM",
        Statement::Analyze(_) => "ANALYZE",
        Statement::Cluster(_) => "CLUSTER",
        Statement::Set(_) | Statement::SetTransaction { .. } => "SET",
        Statement::SetConstraints { .. } => "SET CONSTRAINTS",
        Statement::Reset(_) => "RESET",
        Statement::Show(_) => "SHOW",
        Statement::Prepare { .. } => "PREPARE",
        Statement::Deallocate(None) => "DEALLOCATE ALL",
        Statement::Deallocate(_) => "DEALLOCATE",
        Statement::DeclareCursor { .. } => "DECLARE CURSOR",
        Statement::Fetch { is_move: true, .. } => "MOVE",
        Statement::Fetch { .. } => "FETCH",
        Statement::CloseCursor(_) => "CLOSE CURSOR",
        Statement::Comment(_) => "COMMENT",
        Statement::Checkpoint => "CHECKPOINT",
        Statement::Drop(drop) => match drop.kind {
            ObjectKind::Table => "DROP TABLE",
            ObjectKind::Index => "DROP INDEX",
            ObjectKind::View => "DROP VIEW",
            ObjectKind::Sequence => "DROP SEQUENCE",
            ObjectKind::Schema => "DROP SCHEMA",
            ObjectKind::MaterializedView => "DROP MATERIALIZED VIEW",
            ObjectKind::Trigger => "DROP TRIGGER",
            ObjectKind::Function => "DROP FUNCTION",
            ObjectKind::Type => "DROP TYPE",
            _ => "DROP",
        },
        Statement::Grant(grant) => {
            if grant.revoke {
                "REVOKE"
            } else {
                "GRANT"
            }
        }
        _ => "OK",
    })
}

/// The settings that a backend's waits depend on.
pub(crate) fn guc(name: &str) -> Option<Guc> {
    Some(match name {
        "lock_timeout" => Guc::LockTimeout,
        "deadlock_timeout" => Guc::DeadlockTimeout,
        "statement_timeout" => Guc::StatementTimeout,
        "transaction_timeout" => Guc::TransactionTimeout,
        "idle_in_transaction_session_timeout" => Guc::IdleInTransactionSessionTimeout,
        _ => return None,
    })
}

/// A duration as a setting has it: milliseconds, or with a unit.
pub(crate) fn duration(name: &str, text: &str) -> Result<Nanos> {
    let invalid = || error("22023", format!("invalid value for parameter \"{name}\": \"{text}\""));
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let millis = match unit.trim() {
        "" | "ms" => number,
        "us" => number / 1e3,
        "s" => number * 1e3,
        "min" => number * 6e4,
        "h" => number * 3.6e6,
        "d" => number * 8.64e7,
        _ => return Err(invalid()),
    };
    Ok(Nanos::from_micros((millis * 1e3).round() as u64))
}

/// A duration as SHOW gives it: in the greatest unit that leaves a whole number.
pub(crate) fn show_duration(span: Nanos) -> String {
    let millis = span.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if millis > 0 && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    if millis == 0 { "0".to_owned() } else { format!("{millis}ms") }
}

/// The process id that stands for a session.
pub(crate) fn backend_pid(session: SessionId) -> i64 {
    i64::from(session.0) + FIRST_PID
}

/// The session that a process id stands for.
pub(crate) fn session_of(pid: i64) -> Option<SessionId> {
    u32::try_from(pid - FIRST_PID).ok().map(SessionId)
}

/// Process ids look like those of a real server; the first few belong to its own processes.
const FIRST_PID: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, millis) in [("0", 0), ("250", 250), ("2s", 2_000), ("1min", 60_000), ("1.5s", 1_500)] {
            assert_eq!(duration("lock_timeout", text).expect("a duration"), Nanos::from_millis(millis));
        }
        assert!(duration("lock_timeout", "soon").is_err());
        assert_eq!(show_duration(Nanos::from_millis(2_000)), "2s");
        assert_eq!(show_duration(Nanos::from_millis(1_500)), "1500ms");
    }
}
