//! The way to write a statement of a migration so that others need not wait for its work.

use sql_syntax::ast::{
    AlterTable, AlterTableAction, ColumnChange, DetachMode, Statement, TableConstraintKind,
};

/// What to do instead of a statement whose work others waited for; none if nothing better is known.
///
/// The mechanisms are PostgreSQL's own: manual, CREATE INDEX ("Building Indexes Concurrently"), ALTER TABLE
/// (notes on NOT VALID and on rewrites), "Explicit Locking".
pub(super) fn way(sql: &str, postgres: u16) -> Option<String> {
    let statement = sql_syntax::parse(sql).statements.into_iter().next()?.value;
    match &statement {
        Statement::CreateIndex(index) if !index.concurrently => Some(format!(
            "Build the index with `CREATE INDEX CONCURRENTLY` outside a transaction: writers of {} go on meanwhile.",
            index.table.name
        )),
        Statement::Reindex(reindex) if !reindex.concurrently => Some(
            "Rebuild with `REINDEX … CONCURRENTLY` outside a transaction: reads and writes go on meanwhile."
                .into(),
        ),
        Statement::AlterTable(alter) => {
            alter.actions.iter().find_map(|action| alter_way(alter, &action.value, postgres))
        }
        Statement::Update(update) => Some(batches("UPDATE", &update.table.name.to_string())),
        Statement::Delete(delete) => Some(batches("DELETE", &delete.table.name.to_string())),
        Statement::Cluster(_) => {
            Some("Keep `CLUSTER` out of migrations: it keeps everybody out while it copies.".into())
        }
        Statement::RefreshMaterializedView(refresh) if !refresh.concurrently => Some(format!(
            "`REFRESH MATERIALIZED VIEW CONCURRENTLY {}` lets readers go on; it needs a unique index.",
            refresh.name
        )),
        _ => None,
    }
}

fn batches(verb: &str, table: &str) -> String {
    format!(
        "Cut the `{verb}` of {table} into batches by key, each in a transaction of its own with a pause after it: every \
         changed row stays locked until its transaction ends."
    )
}

fn alter_way(alter: &AlterTable, action: &AlterTableAction, postgres: u16) -> Option<String> {
    let table = &alter.name;
    match action {
        AlterTableAction::AlterColumn { column, change: ColumnChange::SetNotNull } if postgres >= 18 => {
            Some(format!(
                "Instead of `SET NOT NULL` at once: `ALTER TABLE {table} ADD CONSTRAINT … NOT NULL {column} NOT VALID`, then \
             `VALIDATE CONSTRAINT` in a transaction of its own, which reads the table while everybody works on."
            ))
        }
        AlterTableAction::AlterColumn { column, change: ColumnChange::SetNotNull } => Some(format!(
            "Instead of `SET NOT NULL` at once: `ALTER TABLE {table} ADD CONSTRAINT … CHECK ({column} IS NOT NULL) NOT \
             VALID`, `VALIDATE CONSTRAINT` in a transaction of its own, then `SET NOT NULL`, which the valid check spares \
             the scan, and drop the check."
        )),
        AlterTableAction::AlterColumn { column, change: ColumnChange::SetType { .. } } => Some(format!(
            "Instead of changing the type of {table}.{column} in place, which copies the table: add a column of the new \
             type, keep it equal by a trigger, fill it in batches, then let clients change over."
        )),
        AlterTableAction::AddColumn { column, .. } => Some(format!(
            "Add {table}.{} without a default that needs work, `SET DEFAULT` after it, and fill old rows in batches: the \
             table is copied under AccessExclusiveLock otherwise.",
            column.name
        )),
        AlterTableAction::AddConstraint(constraint) => constraint_way(alter, constraint),
        AlterTableAction::DetachPartition { mode: DetachMode::Plain, .. } => Some(format!(
            "`ALTER TABLE {table} DETACH PARTITION … CONCURRENTLY` lets requests on {table} go on."
        )),
        AlterTableAction::SetLogged(_)
        | AlterTableAction::SetTablespace(_)
        | AlterTableAction::SetAccessMethod(_) => Some(format!(
            "The statement copies {table} under AccessExclusiveLock, and no form of it does not: fill a new table in \
             batches and change over, or take a window without traffic."
        )),
        _ => None,
    }
}

fn constraint_way(alter: &AlterTable, constraint: &sql_syntax::ast::TableConstraint) -> Option<String> {
    let table = &alter.name;
    match &constraint.kind {
        _ if constraint.attributes.not_valid => None,
        TableConstraintKind::Check(_)
        | TableConstraintKind::ForeignKey { .. }
        | TableConstraintKind::NotNull(_) => Some(format!(
            "Add the constraint to {table} as `NOT VALID`, then `VALIDATE CONSTRAINT` in a transaction of its own, which \
                 reads the table while reads and writes go on."
        )),
        TableConstraintKind::PrimaryKey { columns, .. } | TableConstraintKind::Unique { columns, .. }
            if !columns.is_empty() =>
        {
            Some(format!(
                "Build the key's index first with `CREATE UNIQUE INDEX CONCURRENTLY` on {table}, then `ADD CONSTRAINT … USING \
                 INDEX`, which reads nothing."
            ))
        }
        _ => None,
    }
}

/// Whether a statement only reads and writes rows, so that its table locks let others read and write too.
pub(super) fn is_dml(sql: &str) -> bool {
    let statements = sql_syntax::parse(sql).statements;
    matches!(
        statements.first().map(|statement| &statement.value),
        Some(
            Statement::Select(_)
                | Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
                | Statement::Merge(_)
                | Statement::Copy(_)
        )
    )
}

/// Whether a statement names a table; one that does not has not locked it.
pub(super) fn names(sql: &str, table: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = sql.as_bytes();
    sql.match_indices(table).any(|(at, found)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + found.len());
        !before.is_some_and(|byte| is_word(*byte)) && !after.is_some_and(|byte| is_word(*byte))
    })
}

/// Whether it builds an index under `SHARE`, which keeps writers out, but no readers.
pub(super) fn is_index_build(sql: &str) -> bool {
    let statements = sql_syntax::parse(sql).statements;
    let first = statements.first().map(|statement| &statement.value);
    matches!(first, Some(Statement::CreateIndex(index)) if !index.concurrently)
}

/// Whether it is a statement of the concurrent kind, which waits for transactions that were there before it.
pub(super) fn is_concurrent(sql: &str) -> bool {
    match sql_syntax::parse(sql).statements.first().map(|statement| &statement.value) {
        Some(Statement::CreateIndex(index)) => index.concurrently,
        Some(Statement::Reindex(reindex)) => reindex.concurrently,
        Some(Statement::Drop(_)) => sql.to_ascii_uppercase().contains("CONCURRENTLY"),
        Some(Statement::AlterTable(alter)) => alter.actions.iter().any(|action| {
            matches!(&action.value, AlterTableAction::DetachPartition { mode: DetachMode::Concurrently, .. })
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_whose_work_others_wait_for_has_a_safe_way() {
        let cases = [
            ("CREATE INDEX i ON orders (user_id)", "CREATE INDEX CONCURRENTLY"),
            ("REINDEX TABLE orders", "REINDEX"),
            ("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", "CHECK (note IS NOT NULL) NOT VALID"),
            ("ALTER TABLE orders ALTER id TYPE bigint", "new type"),
            ("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()", "SET DEFAULT"),
            ("ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users", "NOT VALID"),
            ("ALTER TABLE orders ADD CHECK (total > 0)", "NOT VALID"),
            ("ALTER TABLE orders ADD PRIMARY KEY (id)", "USING INDEX"),
            ("ALTER TABLE orders DETACH PARTITION orders_2020", "CONCURRENTLY"),
            ("ALTER TABLE orders SET LOGGED", "copies orders"),
            ("UPDATE orders SET note = ''", "batches"),
            ("DELETE FROM orders WHERE note IS NULL", "batches"),
        ];
        for (sql, part) in cases {
            let way = way(sql, 15).unwrap_or_else(|| panic!("nothing better than {sql}"));
            assert!(way.contains(part), "{sql}: {way}");
        }
    }

    #[test]
    fn a_table_is_named_by_whole_words() {
        assert!(names("ALTER TABLE \"users\" ADD x int", "users"));
        assert!(!names("ALTER TABLE old_users ADD users_id int", "users"));
    }

    #[test]
    fn what_is_safe_already_is_left_alone() {
        for sql in [
            "CREATE INDEX CONCURRENTLY i ON orders (user_id)",
            "ALTER TABLE orders ADD CHECK (total > 0) NOT VALID",
            "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i",
            "ALTER TABLE orders VALIDATE CONSTRAINT c",
            "SELECT 1",
            "not SQL",
        ] {
            assert_eq!(way(sql, 15), None, "{sql}");
        }
    }

    #[test]
    fn set_not_null_has_a_shorter_safe_way_from_version_18_on() {
        let way = way("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", 18).unwrap();
        assert!(way.contains("NOT NULL note NOT VALID"), "{way}");
    }
}
