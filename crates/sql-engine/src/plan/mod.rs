//! Plans: statements with every name resolved and every expression compiled.
//!
//! A plan is made against one state of the catalog and is good as long as that lasts. It lists the locks that
//! making and running it takes, in the server's order.

mod access;
mod from;
mod function;
mod partition;
mod select;
mod table;
mod write;

use std::rc::Rc;

use lock_table::{LockMode, RelationId};
use schema_rules::Catalog;
use schema_rules::catalog::{Name, Relation};
use sql_syntax::ast::{self, ObjectName};

pub(crate) use access::{Access, Bound, any_of, bounds};
pub(crate) use from::{JoinSource, Source, TableScan, column_map};
pub(crate) use select::{Grouping, QueryPlan, SelectPlan, SortKey, SortValue, Tail};
pub(crate) use table::{ForeignKey, KeyPart, Table, TableIndex, slots, table_item};
pub(crate) use write::{ConflictPlan, DeletePlan, InsertPlan, InsertSource, Part, UpdatePlan, WriteTarget};

use crate::error::{Result, SqlError, error, not_modelled};
use crate::expr::{Scope, ScopeItem, Typed};
use crate::value::Type;

/// A column of a result.
#[derive(Clone, Debug)]
pub struct ResultColumn {
    /// Its name.
    pub name: Rc<str>,
    /// Its type.
    pub ty: Type,
}

/// A query inside of an expression or of FROM.
#[derive(Debug)]
pub(crate) struct SubPlan {
    pub(crate) id: usize,
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) plan: QueryPlan,
    /// Whether it reads rows of a query around it.
    pub(crate) correlated: bool,
}

/// What has to be carried out before the statement proper: common table expressions that change or lock rows,
/// and subqueries that lock rows.
#[derive(Debug)]
pub(crate) struct Prerequisite {
    pub(crate) id: usize,
    pub(crate) plan: Rc<StatementPlan>,
}

/// A statement that reads or changes rows.
#[derive(Debug)]
pub(crate) enum StatementPlan {
    Query(QueryPlan),
    Insert(InsertPlan),
    Update(UpdatePlan),
    Delete(DeletePlan),
}

/// A statement's plan and what it needs.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) statement: Rc<StatementPlan>,
    pub(crate) columns: Vec<ResultColumn>,
    /// In the order in which they are taken.
    pub(crate) locks: Vec<(RelationId, LockMode)>,
    /// How many of them are taken before names are settled; the rest is the planner's.
    pub(crate) named_locks: usize,
    /// Tables that are read as parts of others: a root, and a part.
    pub(crate) parts: Vec<(RelationId, RelationId)>,
    pub(crate) prerequisites: Vec<Prerequisite>,
    /// Whether an expression in it calls a function that the statement has to stop for.
    pub(crate) stops: bool,
}

/// What a name introduced by WITH stands for.
#[derive(Clone, Debug)]
struct CommonTable {
    name: Rc<str>,
    id: usize,
    columns: Vec<ResultColumn>,
}

/// Makes plans.
pub(crate) struct Planner<'p> {
    pub(crate) catalog: &'p Catalog,
    pub(crate) session: &'p schema_rules::Session,
    locks: Vec<(RelationId, LockMode)>,
    parts_read: Vec<(RelationId, RelationId)>,
    /// Locks that are taken when the plan is made, after those of the analysis.
    planning_locks: Vec<(RelationId, LockMode)>,
    /// For each subquery that is being planned, whether it reads rows from outside.
    correlation: Vec<bool>,
    params: Vec<Type>,
    common: Vec<CommonTable>,
    prerequisites: Vec<Prerequisite>,
    next_id: usize,
    view_depth: usize,
    /// While a default is compiled: the sequences that it draws from. They are locked when it is used.
    drawn_from: Option<Vec<RelationId>>,
    /// The types of the arguments of the functions whose bodies are being bound, the innermost last.
    arguments: Vec<Vec<Type>>,
    /// Partitions whose detaching the transaction's snapshot does not show yet.
    still_attached: Rc<[RelationId]>,
    stops: bool,
}

/// Views in views in views: a cycle cannot be made, but a chain can be longer than the stack.
const VIEW_DEPTH: usize = 32;

impl<'p> Planner<'p> {
    pub(crate) fn new(catalog: &'p Catalog, session: &'p schema_rules::Session, params: &[Type]) -> Self {
        Self {
            catalog,
            session,
            locks: Vec::new(),
            parts_read: Vec::new(),
            planning_locks: Vec::new(),
            correlation: Vec::new(),
            params: params.to_vec(),
            common: Vec::new(),
            prerequisites: Vec::new(),
            next_id: 0,
            view_depth: 0,
            drawn_from: None,
            arguments: Vec::new(),
            still_attached: Rc::from([]),
            stops: false,
        }
    }

    /// An expression calls a function that the statement has to stop for.
    pub(crate) fn note_stop(&mut self) {
        self.stops = true;
    }

    /// Partitions that are being detached, but not for a snapshot as old as this session's
    /// (`find_inheritance_children_extended` in pg_inherits.c).
    pub(crate) fn seeing(mut self, still_attached: Rc<[RelationId]>) -> Self {
        self.still_attached = still_attached;
        self
    }

    /// The plan of a statement.
    pub(crate) fn plan(mut self, statement: &ast::Statement) -> Result<Plan> {
        let statement = self.statement(statement)?;
        let columns = statement.columns().to_vec();
        let mut locks = std::mem::take(&mut self.locks);
        let named_locks = locks.len();
        locks.append(&mut self.planning_locks);
        let (prerequisites, stops) = (self.prerequisites, self.stops);
        let parts = self.parts_read;
        Ok(Plan { statement: Rc::new(statement), columns, locks, named_locks, parts, prerequisites, stops })
    }

    fn statement(&mut self, statement: &ast::Statement) -> Result<StatementPlan> {
        Ok(match statement {
            ast::Statement::Select(query) => StatementPlan::Query(self.query(query, &Scope::default())?),
            ast::Statement::Insert(insert) => StatementPlan::Insert(self.insert(insert)?),
            ast::Statement::Update(update) => StatementPlan::Update(self.update(update)?),
            ast::Statement::Delete(delete) => StatementPlan::Delete(self.delete(delete)?),
            ast::Statement::Merge(_) => return Err(not_modelled("MERGE")),
            _ => return Err(not_modelled("this statement")),
        })
    }

    /// Temporary tables of other sessions are nobody's business (`RELATION_IS_OTHER_TEMP`).
    fn is_others_temporary(&self, id: RelationId) -> bool {
        let schema = self.catalog.relation(id).map(|r| Rc::clone(&r.schema));
        schema.is_some_and(|schema| {
            schema.starts_with("pg_temp_") && !self.session.search_path.contains(&schema)
        })
    }

    fn new_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    /// The lock of a relation that is named.
    fn lock(&mut self, relation: RelationId, mode: LockMode) {
        push_lock(&mut self.locks, relation, mode);
    }

    /// The lock of an index, a partition: what the planner opens.
    fn lock_in_planning(&mut self, relation: RelationId, mode: LockMode) {
        push_lock(&mut self.planning_locks, relation, mode);
    }

    pub(crate) fn param_type(&mut self, at: usize) -> Type {
        self.params.get(at).cloned().unwrap_or(Type::Unknown)
    }

    pub(crate) fn note_outer(&mut self, levels: usize) {
        let depth = self.correlation.len();
        for flag in &mut self.correlation[depth.saturating_sub(levels)..] {
            *flag = true;
        }
    }

    /// `nextval` locks its sequence (`open_share_lock` in sequence.c), once in a transaction.
    pub(crate) fn note_sequence(&mut self, name: &str) {
        let Some(sequence) = self.find_by_text(name) else { return };
        match &mut self.drawn_from {
            Some(drawn_from) => drawn_from.push(sequence.id),
            None => self.lock_in_planning(sequence.id, LockMode::RowExclusive),
        }
    }

    /// The default of a column is going to be computed: what it draws from is locked.
    fn use_default(&mut self, column: &table::TableColumn) {
        for sequence in &column.draws_from {
            self.lock_in_planning(*sequence, LockMode::RowExclusive);
        }
    }

    fn find_by_text(&self, name: &str) -> Option<Rc<Relation>> {
        self.catalog.find(self.session, &name_of(name)).cloned()
    }

    pub(crate) fn data_type(&self, written: &ast::DataType) -> Result<Type> {
        let resolved = self.catalog.resolve_type(self.session, written);
        if matches!(resolved.id, schema_rules::catalog::TypeId::Unknown) {
            return Err(error("42704", format!("type \"{}\" does not exist", resolved.written)));
        }
        Ok(Type::of(self.catalog, &resolved))
    }

    /// A function that is not known here may well be known to a server: it is refused, not denied.
    pub(crate) fn unknown_function(name: &ObjectName) -> SqlError {
        not_modelled(format!("the function {}", name.name.text))
    }

    /// The relation that a name means.
    fn relation(&self, name: &ObjectName) -> Result<Rc<Relation>> {
        if let Some(relation) = self.catalog.find(self.session, name) {
            return Ok(Rc::clone(relation));
        }
        let system = matches!(name.schema(), Some("pg_catalog" | "information_schema"))
            || (name.schema().is_none() && name.name.text.starts_with("pg_"));
        if system {
            return Err(not_modelled(format!("the system catalog {}", name.name.text)));
        }
        if let Some(schema) = name.schema()
            && self.catalog.schema(schema).is_none()
        {
            // For a query the server says the same of a missing schema and of a missing table.
            return Err(error("42P01", format!("relation \"{}\" does not exist", written(name))));
        }
        Err(error("42P01", format!("relation \"{}\" does not exist", written(name))))
    }

    /// A query that is part of another.
    pub(crate) fn subquery(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<Rc<SubPlan>> {
        if !self.arguments.is_empty() {
            return Err(not_modelled("queries in functions"));
        }
        let id = self.new_id();
        self.correlation.push(false);
        let plan = self.query(query, scope);
        let correlated = self.correlation.pop().unwrap_or(false);
        let plan = plan?;
        let columns = plan.columns().to_vec();
        if plan.locks_rows() {
            if correlated {
                return Err(not_modelled("row locks in a correlated subquery"));
            }
            let statement = Rc::new(StatementPlan::Query(plan));
            self.prerequisites.push(Prerequisite { id, plan: statement });
            let plan = QueryPlan::Stored { id, columns: columns.clone() };
            return Ok(Rc::new(SubPlan { id, columns, plan, correlated: false }));
        }
        Ok(Rc::new(SubPlan { id, columns, plan, correlated }))
    }

    /// The names of WITH, in force until the statement that has it is planned.
    fn with(&mut self, with: Option<&ast::With>) -> Result<usize> {
        let before = self.common.len();
        let Some(with) = with else { return Ok(before) };
        if with.recursive && with.tables.iter().any(refers_to_itself) {
            return Err(not_modelled("WITH RECURSIVE"));
        }
        for table in &with.tables {
            let plan = self.statement(&table.statement)?;
            let mut columns = plan.columns().to_vec();
            for (column, name) in columns.iter_mut().zip(&table.columns) {
                column.name = name.text.as_str().into();
            }
            let id = self.new_id();
            self.prerequisites.push(Prerequisite { id, plan: Rc::new(plan) });
            self.common.push(CommonTable { name: table.name.text.as_str().into(), id, columns });
        }
        Ok(before)
    }

    fn forget_with(&mut self, before: usize) {
        self.common.truncate(before);
    }

    fn common_table(&self, name: &ObjectName) -> Option<CommonTable> {
        if name.schema.is_some() {
            return None;
        }
        self.common.iter().rev().find(|c| *c.name == *name.name.text).cloned()
    }
}

impl StatementPlan {
    pub(crate) fn columns(&self) -> &[ResultColumn] {
        match self {
            Self::Query(query) => query.columns(),
            Self::Insert(insert) => &insert.target.columns,
            Self::Update(update) => &update.target.columns,
            Self::Delete(delete) => &delete.target.columns,
        }
    }
}

fn refers_to_itself(table: &ast::CommonTable) -> bool {
    let mut found = false;
    if let ast::Statement::Select(query) = &*table.statement {
        let mut see = |name: &ast::TableName| {
            found |= name.name.schema.is_none() && name.name.name == table.name;
        };
        schema_rules::expression::walk_query_tables(query, &mut see, &mut |_| {});
    }
    found
}

fn push_lock(locks: &mut Vec<(RelationId, LockMode)>, relation: RelationId, mode: LockMode) {
    if !locks.contains(&(relation, mode)) {
        locks.push((relation, mode));
    }
}

/// A name as messages have it: without quotes.
pub(crate) fn written(name: &ObjectName) -> String {
    match name.schema() {
        Some(schema) => format!("{schema}.{}", name.name.text),
        None => name.name.text.clone(),
    }
}

/// A name given as a string: `'app.seq'`, `'"Seq"'`.
pub(crate) fn name_of(text: &str) -> ObjectName {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (part, after) = match rest.strip_prefix('"').and_then(|r| r.split_once('"')) {
            Some((quoted, after)) => (quoted.to_owned(), after),
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            }
        };
        parts.push(part);
        rest = after.strip_prefix('.').unwrap_or("");
    }
    let name = parts.pop().unwrap_or_default();
    match parts.pop() {
        Some(schema) => ObjectName::qualified(schema, name),
        None => ObjectName::new(name),
    }
}

/// The columns of a scope item as a result.
fn item_columns(item: &ScopeItem) -> impl Iterator<Item = (ResultColumn, Typed)> {
    item.columns.iter().filter(|c| !c.hidden).map(|c| {
        let column = ResultColumn { name: c.name.clone(), ty: c.ty.clone() };
        (column, Typed::new(crate::expr::Node::Column(c.slot), c.ty.clone()))
    })
}

fn name_rc(name: &Name) -> Rc<str> {
    Rc::clone(name)
}
