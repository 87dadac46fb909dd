//! What PostgreSQL's executor does for the statements of schedules: which locks it takes in which order, which
//! rows it looks at, what it checks in the end.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope};
use transactions::{
    CommandTag, DirtyState, RowLockStrength, SqlError, SqlState, Step, StepContext, StepOutcome, Stepper,
    WaitPolicy,
};

use super::schema::{DropKey, ForeignKey, Row, Schema, UNIQUE, Undrop};

/// A statement that reads or writes rows of one table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dml {
    Count,
    LockRow { id: i64, strength: RowLockStrength, policy: WaitPolicy },
    Insert { id: i64 },
    InsertChild { parent: i64 },
    Update { id: i64, key: bool },
    Delete { id: i64 },
}

impl Dml {
    const fn table_mode(self) -> LockMode {
        match self {
            Self::Count => LockMode::AccessShare,
            Self::LockRow { .. } => LockMode::RowShare,
            _ => LockMode::RowExclusive,
        }
    }

    const fn tag(self) -> CommandTag {
        match self {
            Self::Count | Self::LockRow { .. } => CommandTag::SELECT,
            Self::Insert { .. } | Self::InsertChild { .. } => CommandTag::INSERT,
            Self::Update { .. } => CommandTag::UPDATE,
            Self::Delete { .. } => CommandTag::DELETE,
        }
    }
}

/// A statement that locks whole tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ddl {
    mode: LockMode,
    tag: &'static str,
    policy: WaitPolicy,
    effect: DdlEffect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DdlEffect {
    None,
    LockTable,
    Vacuum,
    Truncate,
    Drop,
    AddForeignKey,
}

impl Ddl {
    pub(crate) const fn of(mode: LockMode, tag: &'static str) -> Self {
        Self { mode, tag, policy: WaitPolicy::Block, effect: DdlEffect::None }
    }

    pub(crate) const fn lock_table(mode: LockMode, nowait: bool) -> Self {
        let policy = if nowait { WaitPolicy::NoWait } else { WaitPolicy::Block };
        Self { mode, tag: "LOCK TABLE", policy, effect: DdlEffect::LockTable }
    }

    pub(crate) const fn vacuum() -> Self {
        Self { effect: DdlEffect::Vacuum, ..Self::of(LockMode::ShareUpdateExclusive, "VACUUM") }
    }

    pub(crate) const fn truncate() -> Self {
        Self { effect: DdlEffect::Truncate, ..Self::of(LockMode::AccessExclusive, "TRUNCATE TABLE") }
    }

    pub(crate) const fn drop_table() -> Self {
        Self { effect: DdlEffect::Drop, ..Self::of(LockMode::AccessExclusive, "DROP TABLE") }
    }

    pub(crate) const fn add_foreign_key() -> Self {
        Self { effect: DdlEffect::AddForeignKey, ..Self::of(LockMode::ShareRowExclusive, "ALTER TABLE") }
    }
}

/// What a statement still has to do, the next thing last.
#[derive(Clone, Copy, Debug)]
enum Task {
    LockTable(RelationId, LockMode, WaitPolicy),
    CheckTable(RelationId),
    /// Look at data as of now.
    NewSnapshot,
    /// Find the rows and deal with each.
    FindRows,
    DealWith(RowKey),
    InsertRow,
    /// See that no other row has this row's value of a unique column, and enter it.
    CheckUnique {
        column: usize,
        row: Row,
        own: RowKey,
    },
    /// A child row's parent must be there, and stay.
    CheckParent {
        parent: RelationId,
        id: i64,
    },
    LockParent {
        parent: RelationId,
        key: RowKey,
    },
    /// A deleted parent row must have no children.
    CheckChildren {
        key: ForeignKey,
        id: i64,
    },
    LockChild {
        child: RelationId,
        key: RowKey,
    },
    Ddl(Ddl),
    TryAdvisory {
        tag: LockTag,
        mode: LockMode,
        policy: WaitPolicy,
    },
}

/// A statement of a schedule.
pub(crate) struct OpStepper {
    schema: Rc<Schema>,
    table: RelationId,
    second: Option<RelationId>,
    dml: Option<Dml>,
    ddl: Option<Ddl>,
    tag: CommandTag,
    rows: u64,
    /// The row that is being written, as it will be.
    current: Row,
    tasks: Vec<Task>,
    /// The task whose step is under way.
    under_way: Option<Task>,
}

impl OpStepper {
    fn new(schema: Rc<Schema>, table: RelationId, tag: CommandTag) -> Self {
        Self {
            schema,
            table,
            second: None,
            dml: None,
            ddl: None,
            tag,
            rows: 0,
            current: Row::default(),
            tasks: Vec::new(),
            under_way: None,
        }
    }

    pub(crate) fn dml(schema: Rc<Schema>, table: RelationId, dml: Dml) -> Self {
        let last = match dml {
            Dml::Count => vec![],
            Dml::Insert { .. } | Dml::InsertChild { .. } => vec![Task::InsertRow],
            _ => vec![Task::FindRows],
        };
        let first = [Task::CheckTable(table), Task::LockTable(table, dml.table_mode(), WaitPolicy::Block)];
        let tasks = last.into_iter().chain(first).collect();
        Self { dml: Some(dml), tasks, ..Self::new(schema, table, dml.tag()) }
    }

    pub(crate) fn ddl(schema: Rc<Schema>, tables: Vec<RelationId>, ddl: Ddl) -> Self {
        let locks = tables.iter().rev();
        let locks = locks.flat_map(|&it| [Task::CheckTable(it), Task::LockTable(it, ddl.mode, ddl.policy)]);
        let tasks = [Task::Ddl(ddl)].into_iter().chain(locks).collect();
        let (table, second) = (tables[0], tables.get(1).copied());
        Self { ddl: Some(ddl), second, tasks, ..Self::new(schema, table, CommandTag(ddl.tag)) }
    }

    pub(crate) fn advisory(schema: Rc<Schema>, tag: LockTag, mode: LockMode, try_only: bool) -> Self {
        let policy = if try_only { WaitPolicy::Skip } else { WaitPolicy::Block };
        let tasks = vec![Task::TryAdvisory { tag, mode, policy }];
        Self { tasks, ..Self::new(schema, RelationId(0), CommandTag::SELECT) }
    }
}

impl Stepper<Row> for OpStepper {
    fn step(&mut self, cx: &mut StepContext<'_, Row>, last: StepOutcome<Row>) -> Step<Row> {
        if let Some(task) = self.under_way.take()
            && let Some(step) = self.after(cx, task, last)
        {
            return step;
        }
        while let Some(task) = self.tasks.pop() {
            if let Some(step) = self.begin(cx, task) {
                self.under_way = Some(task);
                return step;
            }
        }
        Step::Done { tag: self.tag, rows: self.rows }
    }

    fn takes_snapshot(&self) -> bool {
        !matches!(self.ddl, Some(Ddl { effect: DdlEffect::LockTable, .. }))
    }

    fn is_vacuum(&self) -> bool {
        matches!(self.ddl, Some(Ddl { effect: DdlEffect::Vacuum, .. }))
    }

    fn requires_transaction_block(&self) -> Option<SqlError> {
        let what = "LOCK TABLE can only be used in transaction blocks";
        matches!(self.ddl, Some(Ddl { effect: DdlEffect::LockTable, .. }))
            .then(|| SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, what))
    }

    fn refuses_transaction_block(&self) -> Option<SqlError> {
        let what = "this command cannot run inside a transaction block";
        self.is_vacuum().then(|| SqlError::new(SqlState::ACTIVE_SQL_TRANSACTION, what))
    }
}

impl OpStepper {
    /// Begins a task; `None` if it needs no step.
    fn begin(&mut self, cx: &mut StepContext<'_, Row>, task: Task) -> Option<Step<Row>> {
        match task {
            Task::LockTable(table, mode, policy) => {
                let tag = LockTag::Relation(table);
                Some(Step::Lock { tag, mode, scope: Scope::Transaction, policy })
            }
            Task::CheckTable(table) => {
                let is_dropped = self.schema.dropped.borrow().contains(&table);
                is_dropped.then(|| fail("42P01", "relation does not exist"))
            }
            Task::NewSnapshot => Some(Step::TakeSnapshot),
            Task::FindRows => {
                let id = self.wanted_id();
                let found = cx.scan(self.table).into_iter().rev().filter(|(_, row)| row.id == id);
                self.tasks.extend(found.map(|(key, _)| Task::DealWith(key)));
                None
            }
            Task::DealWith(key) => {
                let row = cx.row(self.table, key)?;
                Some(self.deal_with(key, row))
            }
            Task::InsertRow => Some(self.insert()),
            Task::CheckUnique { column, row, own } => self.enter_unique(cx, column, row, own),
            Task::CheckParent { parent, id } => {
                let found = cx.scan(parent).into_iter().find(|(_, row)| row.id == id);
                match found {
                    Some((key, _)) => self.tasks.push(Task::LockParent { parent, key }),
                    None => return Some(no_parent()),
                }
                None
            }
            Task::LockParent { parent, key } => Some(lock_key(parent, key)),
            Task::CheckChildren { key, id } => {
                let found = cx.scan(key.child).into_iter().filter(|(_, row)| (key.column)(row) == id);
                self.tasks.extend(found.map(|(row, _)| Task::LockChild { child: key.child, key: row }));
                None
            }
            Task::LockChild { child, key } => Some(lock_key(child, key)),
            Task::Ddl(ddl) => self.carry_out(cx, ddl),
            Task::TryAdvisory { tag, mode, policy } => {
                Some(Step::Lock { tag, mode, scope: Scope::Transaction, policy })
            }
        }
    }

    /// Goes on after a task's step; a step again if the task is not done.
    fn after(
        &mut self,
        cx: &mut StepContext<'_, Row>,
        task: Task,
        last: StepOutcome<Row>,
    ) -> Option<Step<Row>> {
        match (task, last) {
            (Task::DealWith(key), StepOutcome::Recheck(row)) => {
                if row.id != self.wanted_id() {
                    return None;
                }
                self.under_way = Some(task);
                Some(self.deal_with(key, row))
            }
            (Task::DealWith(_), StepOutcome::Locked { row, .. }) => {
                self.rows += u64::from(row.id == self.wanted_id());
                None
            }
            (Task::DealWith(key), StepOutcome::Done) => {
                self.rows += 1;
                self.after_write(key);
                None
            }
            (Task::InsertRow, _) => {
                self.rows += 1;
                let own = self.schema.last_key.get();
                self.after_write(own);
                None
            }
            // After the wait for another's end: look again.
            (Task::CheckUnique { column, row, own }, _) => {
                self.under_way = Some(task);
                let again = self.enter_unique(cx, column, row, own);
                if again.is_none() {
                    self.under_way = None;
                }
                again
            }
            (Task::LockParent { .. }, StepOutcome::Gone) => Some(no_parent()),
            (Task::LockChild { .. }, StepOutcome::Locked { .. }) => {
                Some(fail("23503", "update or delete violates foreign key constraint"))
            }
            (Task::TryAdvisory { .. }, StepOutcome::Done) => {
                self.rows = 1;
                None
            }
            _ => None,
        }
    }

    fn wanted_id(&self) -> i64 {
        match self.dml {
            Some(Dml::LockRow { id, .. } | Dml::Update { id, .. } | Dml::Delete { id }) => id,
            _ => 0,
        }
    }

    fn deal_with(&mut self, key: RowKey, row: Row) -> Step<Row> {
        let relation = self.table;
        self.current = row;
        match self.dml {
            Some(Dml::LockRow { strength, policy, .. }) => Step::LockRow { relation, key, strength, policy },
            Some(Dml::Update { key: key_columns_changed, .. }) => {
                let new = if key_columns_changed {
                    Row { k: row.k + 1000, ..row }
                } else {
                    Row { v: row.v + 1, ..row }
                };
                self.current = new;
                Step::Update { relation, key, new, key_columns_changed }
            }
            _ => Step::Delete { relation, key },
        }
    }

    fn insert(&mut self) -> Step<Row> {
        let key = self.schema.next_key();
        self.current = match self.dml {
            Some(Dml::Insert { id }) => Row { id, k: id, v: 0 },
            Some(Dml::InsertChild { parent }) => Row { id: i64::try_from(key).unwrap_or(0), k: parent, v: 0 },
            _ => Row::default(),
        };
        Step::Insert { relation: self.table, key, row: self.current }
    }

    /// The index entries are made after the row, and the foreign keys' triggers come last.
    fn after_write(&mut self, own: RowKey) {
        let row = self.current;
        match self.dml {
            Some(Dml::Delete { id }) => {
                for key in self.schema.of_parent(self.table).into_iter().rev() {
                    let lock = Task::LockTable(key.child, LockMode::RowShare, WaitPolicy::Block);
                    self.tasks.extend([Task::CheckChildren { key, id }, Task::NewSnapshot, lock]);
                }
            }
            Some(Dml::Insert { .. } | Dml::InsertChild { .. } | Dml::Update { .. }) => {
                let is_update = matches!(self.dml, Some(Dml::Update { .. }));
                let changes_key = matches!(self.dml, Some(Dml::Update { key: true, .. }));
                // Of an update, only a foreign key whose column has changed is looked at.
                let checked = |_: &ForeignKey| !(is_update && changes_key);
                for key in self.schema.of_child(self.table).into_iter().rev().filter(checked) {
                    let (parent, id) = (key.parent, (key.column)(&row));
                    let lock = Task::LockTable(parent, LockMode::RowShare, WaitPolicy::Block);
                    self.tasks.extend([Task::CheckParent { parent, id }, Task::NewSnapshot, lock]);
                }
                if self.table != super::ops::CHILD && (!is_update || changes_key) {
                    let checks = (0..UNIQUE.len()).rev();
                    self.tasks.extend(checks.map(|column| Task::CheckUnique { column, row, own }));
                }
            }
            _ => {}
        }
    }

    /// Looks for another row with the same value, waits for whoever is about to write or remove one, and
    /// makes the entry if there is none (`_bt_doinsert`, `_bt_check_unique` in `nbtinsert.c`).
    fn enter_unique(
        &self,
        cx: &StepContext<'_, Row>,
        column: usize,
        row: Row,
        own: RowKey,
    ) -> Option<Step<Row>> {
        let wanted = UNIQUE[column](&row);
        let mut entries = self.schema.entries.borrow_mut();
        let is_entered = |key, it: &Row| {
            key != own && UNIQUE[column](it) == wanted && entries.contains(&(self.table, column, wanted, key))
        };
        match cx.dirty_state_where(self.table, is_entered) {
            DirtyState::Busy(xid) => Some(Step::WaitForTransaction(xid)),
            DirtyState::Live => {
                let what = "duplicate key value violates unique constraint";
                Some(Step::Fail(SqlError::new(SqlState::UNIQUE_VIOLATION, what)))
            }
            DirtyState::Dead => {
                entries.insert((self.table, column, wanted, own));
                None
            }
        }
    }

    fn carry_out(&self, cx: &mut StepContext<'_, Row>, ddl: Ddl) -> Option<Step<Row>> {
        let is_referenced = self.schema.of_parent(self.table).iter().any(|key| key.child != self.table);
        match ddl.effect {
            DdlEffect::None | DdlEffect::LockTable | DdlEffect::Vacuum => None,
            DdlEffect::Truncate if is_referenced => {
                Some(fail("0A000", "cannot truncate a table referenced in a foreign key constraint"))
            }
            DdlEffect::Truncate => {
                cx.truncate(self.table);
                // The indexes of the empty table are built anew, for which it is locked once more
                // (`reindex_relation` in `index.c`).
                let (tag, scope) = (LockTag::Relation(self.table), Scope::Transaction);
                Some(Step::Lock { tag, mode: LockMode::Share, scope, policy: WaitPolicy::Block })
            }
            DdlEffect::Drop if is_referenced => {
                Some(fail("2BP01", "cannot drop table because other objects depend on it"))
            }
            DdlEffect::Drop => {
                cx.at_end(Box::new(Undrop { schema: Rc::clone(&self.schema), table: self.table }));
                self.schema.dropped.borrow_mut().push(self.table);
                None
            }
            DdlEffect::AddForeignKey => {
                let parent = self.second.unwrap_or(self.table);
                let key = ForeignKey { child: self.table, column: |row| row.v, parent };
                cx.at_end(Box::new(DropKey { schema: Rc::clone(&self.schema), child: self.table, parent }));
                self.schema.foreign_keys.borrow_mut().push(key);
                None
            }
        }
    }
}

fn lock_key(relation: RelationId, key: RowKey) -> Step<Row> {
    Step::LockRow { relation, key, strength: RowLockStrength::KeyShare, policy: WaitPolicy::Block }
}

fn no_parent() -> Step<Row> {
    fail("23503", "insert or update violates foreign key constraint")
}

fn fail(sqlstate: &str, message: &'static str) -> Step<Row> {
    Step::Fail(SqlError::new(SqlState::new(sqlstate), message))
}
