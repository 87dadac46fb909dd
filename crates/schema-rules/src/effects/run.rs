//! Running one statement against a catalog.

use std::rc::Rc;

use lock_table::LockMode;
use sql_syntax::ast::{ObjectName, Statement};

use super::{Condition, DataFacts, NoFacts, ScanReason, Step, Wait, Work, WorkKind};
use crate::catalog::{
    Catalog, Change, Column, ColumnType, Name, NameError, ObjectAddress, ObjectClass, Relation, RelationId,
    RelationKind, Session, TypeId,
};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// What a statement does. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Effects {
    /// What happens, in order. When the statement fails, up to the failure.
    pub steps: Vec<Step>,
    /// Why the statement fails, if it does.
    pub error: Option<SqlError>,
    /// Whether it may stand in a transaction block.
    pub transaction: TransactionRule,
    /// What becomes of the catalog; for a statement in several transactions, what its last one does (the others'
    /// changes are in its [`Step::Publish`] steps).
    pub changes: Vec<Change>,
    /// NOTICE and WARNING messages.
    pub notices: Vec<Notice>,
    /// What the rules do not cover, and what was assumed instead.
    pub not_modelled: Vec<NotModelled>,
    /// Whether the transaction gets a transaction id; nothing when that is up to the data alone (COPY of no rows).
    pub assigns_xid: Option<bool>,
    /// Indexes that were made again and took their old file over: old and new id.
    pub reused_indexes: Vec<(RelationId, RelationId)>,
    /// The catalog as it was before, to name relations that are gone.
    pub before: Catalog,
    /// The catalog as it is after.
    pub after: Catalog,
}

impl Effects {
    /// The definition of a relation that the effects mention: as it was before, else as it is after.
    pub fn relation(&self, id: RelationId) -> Option<&Rc<Relation>> {
        self.before.relation(id).or_else(|| self.after.relation(id))
    }
}

/// Where a statement may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionRule {
    /// Anywhere.
    #[default]
    Anywhere,
    /// Not in a transaction block; the server calls it by this name.
    OutsideOnly(&'static str),
    /// Only in a transaction block.
    InsideOnly(&'static str),
}

/// A message that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The message.
    pub message: String,
    /// What it is about in detail, a line for each object.
    pub detail: Option<String>,
    /// How many of the statement's steps come before it.
    pub after: usize,
}

/// Something that the rules do not cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotModelled {
    /// What, by its SQL name.
    pub what: String,
    /// What was assumed.
    pub assumed: String,
}

/// Runs a statement and leaves the catalog and the session as they are afterwards. A statement that fails leaves
/// the catalog as it was, but for what it had already committed.
pub fn advance(
    catalog: &mut Catalog,
    session: &mut Session,
    statement: &Statement,
    version: PgVersion,
    facts: &dyn DataFacts,
) -> Effects {
    let before = catalog.clone();
    let mut run = Run::new(catalog, session, version, facts);
    let result = run.statement(statement);
    let error = result.err();
    let (steps, notices, not_modelled) = (run.steps, run.notices, run.not_modelled);
    let (transaction, committed, reused_indexes) = (run.transaction, run.committed, run.reused_indexes);
    let created = run.created;
    if error.is_some() {
        *catalog = committed.unwrap_or_else(|| before.clone());
    }
    let changes = catalog.take_changes();
    let assigns_xid = run_assigns_xid(&steps, &changes);
    remember(session, statement, &created, &steps);
    let after = catalog.clone();
    Effects {
        steps,
        error,
        transaction,
        changes,
        notices,
        not_modelled,
        assigns_xid,
        reused_indexes,
        before,
        after,
    }
}

/// Notes what later statements of the transaction depend on; a statement outside a block is a transaction by itself.
fn remember(session: &mut Session, statement: &Statement, created: &[RelationId], steps: &[Step]) {
    if !session.in_transaction {
        session.end_transaction();
        return;
    }
    let truncated = steps.iter().filter_map(|step| match step {
        Step::Work(work) if work.kind == WorkKind::Truncate => Some(work.relation),
        _ => None,
    });
    session.transaction.fresh_relations.extend(created.iter().copied().chain(truncated));
    let control = matches!(
        statement,
        Statement::Begin(_)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Set(_)
            | Statement::Reset(_)
            | Statement::Show(_)
            | Statement::SetTransaction { .. }
            | Statement::SetConstraints { .. }
            | Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::Release(_)
            | Statement::LockTable(_)
    );
    session.transaction.has_queried |= !control;
}

/// As [`advance`], on a copy.
pub fn effects(catalog: &Catalog, session: &Session, statement: &Statement, version: PgVersion) -> Effects {
    advance(&mut catalog.clone(), &mut session.clone(), statement, version, &NoFacts)
}

/// A transaction gets an id when it first writes; taking ACCESS EXCLUSIVE counts, since standbys must be told of the
/// lock (`LogAccessExclusiveLockPrepare` in `lock.c`).
fn run_assigns_xid(steps: &[Step], changes: &[Change]) -> Option<bool> {
    let writes = |step: &Step| match step {
        Step::Lock { mode, .. } => *mode == LockMode::AccessExclusive,
        Step::Publish(_) | Step::Commit { .. } => true,
        Step::Work(work) => matches!(
            work.kind,
            WorkKind::Rows { written: true, .. }
                | WorkKind::Update { .. }
                | WorkKind::Catalog
                | WorkKind::Analyze
        ),
        _ => false,
    };
    let loads = |step: &Step| matches!(step, Step::Work(work) if work.kind == WorkKind::Load);
    if !changes.is_empty() || steps.iter().any(writes) {
        return Some(true);
    }
    (!steps.iter().any(loads)).then_some(false)
}

pub(super) type Outcome<T = ()> = Result<T, SqlError>;

/// The state of one statement's run.
pub(super) struct Run<'a> {
    pub(super) catalog: &'a mut Catalog,
    pub(super) session: &'a mut Session,
    pub(super) version: PgVersion,
    pub(super) facts: &'a dyn DataFacts,
    pub(super) steps: Vec<Step>,
    pub(super) notices: Vec<Notice>,
    pub(super) not_modelled: Vec<NotModelled>,
    pub(super) transaction: TransactionRule,
    /// The catalog at the last commit inside the statement.
    pub(super) committed: Option<Catalog>,
    /// How deep inside subqueries the analysis is.
    pub(super) nesting: u32,
    /// How deep inside code that calls code.
    pub(super) code_depth: u32,
    /// Names of common table expressions that a statement inside WITH can see.
    pub(super) outer_ctes: Vec<Vec<String>>,
    /// Indexes that were made again over their old file: old and new id.
    pub(super) reused_indexes: Vec<(RelationId, RelationId)>,
    /// Columns that this statement has added and that are NULL in every row.
    pub(super) added_null: Vec<(RelationId, crate::catalog::ColumnNumber)>,
    /// Relations that this statement has created: their locks concern nobody yet, they have no rows.
    pub(super) created: Vec<RelationId>,
}

impl<'a> Run<'a> {
    fn new(
        catalog: &'a mut Catalog,
        session: &'a mut Session,
        version: PgVersion,
        facts: &'a dyn DataFacts,
    ) -> Self {
        catalog.take_changes();
        Self {
            catalog,
            session,
            version,
            facts,
            steps: Vec::new(),
            notices: Vec::new(),
            not_modelled: Vec::new(),
            transaction: TransactionRule::default(),
            committed: None,
            nesting: 0,
            code_depth: 0,
            outer_ctes: Vec::new(),
            reused_indexes: Vec::new(),
            added_null: Vec::new(),
            created: Vec::new(),
        }
    }

    // ---- steps ----

    pub(super) fn lock(&mut self, relation: RelationId, mode: LockMode) {
        self.steps.push(Step::Lock { relation, mode, wait: Wait::Block });
    }

    pub(super) fn lock_object(&mut self, address: ObjectAddress, mode: LockMode) {
        let oid = crate::catalog::Oid(address.oid);
        self.steps.push(Step::LockObject { class: address.class, oid, mode });
    }

    pub(super) fn work(&mut self, relation: RelationId, kind: WorkKind) {
        self.steps.push(Step::Work(Work { kind, relation }));
    }

    pub(super) fn scan(&mut self, relation: RelationId, reason: ScanReason) {
        self.work(relation, WorkKind::Scan(reason));
    }

    /// Notes a demand on the data; fails if it is known not to be met.
    pub(super) fn check(&mut self, condition: Condition, otherwise: SqlError) -> Outcome {
        let holds = self.facts.holds(self.catalog, &condition);
        self.steps.push(Step::Check { condition, otherwise: otherwise.clone() });
        match holds {
            Some(false) => Err(otherwise),
            _ => Ok(()),
        }
    }

    /// Commits what was changed so far and goes on in a new transaction.
    pub(super) fn commit(&mut self, safe_index_build: bool) {
        let changes = self.catalog.take_changes();
        if !changes.is_empty() {
            self.steps.push(Step::Publish(changes));
        }
        self.steps.push(Step::Commit { safe_index_build });
        self.committed = Some(self.catalog.clone());
    }

    pub(super) fn notice(&mut self, text: impl Into<String>) {
        self.notices.push(Notice { message: text.into(), detail: None, after: self.steps.len() });
    }

    pub(super) fn not_modelled(&mut self, what: impl Into<String>, assumed: impl Into<String>) {
        self.not_modelled.push(NotModelled { what: what.into(), assumed: assumed.into() });
    }

    /// The statement must not stand in a transaction block (`PreventInTransactionBlock` in `xact.c`).
    pub(super) fn outside_transaction(&mut self, name: &'static str) -> Outcome {
        self.transaction = TransactionRule::OutsideOnly(name);
        if self.session.in_transaction { Err(SqlError::in_transaction_block(name)) } else { Ok(()) }
    }

    // ---- names ----

    /// The relation of this name, not locked.
    pub(super) fn find(&mut self, name: &ObjectName) -> Outcome<Rc<Relation>> {
        if let Some(relation) = self.catalog.find(self.session, name) {
            return Ok(relation.clone());
        }
        if self.session.assume_unknown && !is_system(name) {
            return Ok(self.assume_table(name));
        }
        if let Some(schema) = name.schema()
            && self.catalog.schema(schema).is_none()
            && !is_system(name)
        {
            return Err(SqlError::new(
                sqlstate::INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            ));
        }
        Err(SqlError::no_such_relation(plain(name)))
    }

    /// Looks a relation up and locks it, as `RangeVarGetRelid` does.
    pub(super) fn open(&mut self, name: &ObjectName, mode: LockMode) -> Outcome<Rc<Relation>> {
        let relation = self.find(name)?;
        self.lock(relation.id, mode);
        Ok(relation)
    }

    /// The relation of this id, as it is now.
    pub(super) fn relation(&self, id: RelationId) -> Rc<Relation> {
        self.catalog.relation(id).cloned().unwrap_or_else(|| {
            unreachable!("relation {} was looked up by this statement and not dropped since", id.0)
        })
    }

    /// The column of this name.
    pub(super) fn column(&mut self, relation: RelationId, name: &str) -> Outcome<Column> {
        let current = self.relation(relation);
        if let Some(column) = current.column(name) {
            return Ok(column.clone());
        }
        if current.assumed {
            return Ok(self.assume_column(relation, name));
        }
        Err(SqlError::no_such_column(name, &current.name))
    }

    /// Puts a table into the catalog of which only the name is known.
    fn assume_table(&mut self, name: &ObjectName) -> Rc<Relation> {
        let schema = match name.schema() {
            Some(schema) => Name::from(schema),
            None => self.session.search_path.first().cloned().unwrap_or_else(|| "public".into()),
        };
        let id = self.catalog.new_relation_id();
        let mut relation = Relation::new(id, schema, name.name.as_str().into(), RelationKind::Table);
        relation.assumed = true;
        self.catalog.put_relation(relation);
        self.relation(id)
    }

    fn assume_column(&mut self, relation: RelationId, name: &str) -> Column {
        let data_type = ColumnType { id: TypeId::Unknown, ..ColumnType::builtin("text") };
        let mut added = None;
        self.catalog.change_relation(relation, |r| {
            let column = Column::new(r.next_column_number(), name.into(), data_type);
            added = Some(column.clone());
            r.columns.push(column);
        });
        added.unwrap_or_else(|| unreachable!("the relation exists"))
    }

    /// The schema that a new object goes to, with the lock that keeps it from being dropped meanwhile
    /// (`RangeVarGetAndCheckCreationNamespace`).
    pub(super) fn creation_schema(&mut self, name: &ObjectName) -> Outcome<Name> {
        let schema = match self.catalog.creation_schema(self.session, name) {
            Ok(schema) => schema,
            Err(NameError::NoSuchSchema(schema)) if self.session.assume_unknown => {
                self.add_schema(&schema);
                schema.as_str().into()
            }
            Err(NameError::NoSuchSchema(schema)) => {
                return Err(SqlError::new(
                    sqlstate::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                ));
            }
            Err(NameError::NoSchemaSelected | NameError::NoSuchObject(_)) => {
                return Err(SqlError::new(
                    sqlstate::INVALID_SCHEMA_NAME,
                    "no schema has been selected to create in",
                ));
            }
        };
        if let Some(found) = self.catalog.schema(&schema) {
            let address = ObjectAddress::new(ObjectClass::Schema, found.oid);
            self.lock_object(address, LockMode::AccessShare);
        }
        Ok(schema)
    }

    pub(super) fn add_schema(&mut self, name: &str) {
        let schema = crate::catalog::Schema { oid: self.catalog.new_oid(), name: name.into() };
        self.catalog.record(Change::Schema(schema.name.clone(), Some(Rc::new(schema))));
    }

    /// What a type's name means; a name that leads nowhere is an error unless unknown names are assumed.
    pub(super) fn resolve_type(&mut self, written: &sql_syntax::ast::DataType) -> Outcome<ColumnType> {
        let resolved = self.catalog.resolve_type(self.session, written);
        if resolved.id == TypeId::Unknown || matches!(resolved.id, TypeId::Unknown) {
            if self.session.assume_unknown {
                return Ok(resolved);
            }
            return Err(SqlError::new(
                sqlstate::UNDEFINED_OBJECT,
                format!("type \"{}\" does not exist", resolved.written),
            ));
        }
        Ok(resolved)
    }

    /// Registers a relation that this statement creates, with the lock that its creator holds.
    pub(super) fn create_relation(&mut self, relation: Relation) -> RelationId {
        let id = relation.id;
        let schema = relation.schema.clone();
        let index = relation.as_index().is_some();
        self.catalog.put_relation(relation);
        self.created.push(id);
        self.lock(id, LockMode::AccessExclusive);
        if !index && let Some(schema) = self.catalog.schema(&schema) {
            let address = ObjectAddress::new(ObjectClass::Schema, schema.oid);
            self.catalog.add_dependency(
                ObjectAddress::relation(id),
                address,
                crate::catalog::DependencyKind::Normal,
            );
        }
        id
    }

    /// Whether this statement has created the relation: it has no rows then, and nobody else sees it.
    pub(super) fn is_new(&self, id: RelationId) -> bool {
        self.created.contains(&id)
    }
}

/// The name as the server writes it in messages: `app.orders`, without quotes.
pub(super) fn plain(name: &ObjectName) -> String {
    match name.schema() {
        Some(schema) => format!("{schema}.{}", name.name.text),
        None => name.name.text.clone(),
    }
}

/// Whether a name means a system catalog: their locks are not followed.
pub(super) fn is_system(name: &ObjectName) -> bool {
    match name.schema() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
        None => name.name.text.starts_with("pg_"),
    }
}
