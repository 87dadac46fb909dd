//! A row that goes into another partition: locks on the way there, the row, its index entries.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RowKey, Scope};
use transactions::{Step, StepContext, StepOutcome, WaitPolicy};

use super::machine::{Flow, Machine, Task};
use super::unique::UniqueTask;
use super::{rows, serializable};
use crate::error::Result;
use crate::plan::Table;
use crate::state::Tuple;
use crate::value::Value;

enum Phase {
    Lock(usize),
    Insert(RowKey),
    Enter(RowKey),
    Done,
}

/// Where a row is to go.
#[derive(Clone)]
pub(super) struct Place {
    /// The table.
    pub(super) table: Rc<Table>,
    /// The row in its columns.
    pub(super) values: Rc<[Value]>,
    /// The partitions that lead there, itself the last.
    pub(super) way: Vec<Rc<Table>>,
}

/// Puts the row there.
pub(super) struct PlaceTask {
    place: Place,
    phase: Phase,
}

impl PlaceTask {
    pub(super) fn new(place: Place) -> Self {
        Self { place, phase: Phase::Lock(0) }
    }
}

impl Task for PlaceTask {
    fn run(
        &mut self,
        m: &mut Machine,
        cx: &mut StepContext<'_, Tuple>,
        _last: StepOutcome<Tuple>,
    ) -> Result<Flow> {
        let Place { table, values, way } = &self.place;
        loop {
            match self.phase {
                Phase::Lock(n) => {
                    if let Some(part) = way.get(n) {
                        self.phase = Phase::Lock(n + 1);
                        return Ok(Flow::Yield(Step::Lock {
                            tag: LockTag::Relation(part.id),
                            mode: LockMode::RowExclusive,
                            scope: Scope::Transaction,
                            policy: WaitPolicy::Block,
                        }));
                    }
                    let mut state = m.shared.edit();
                    let data = state.table(table.id);
                    data.next_row += 1;
                    self.phase = Phase::Insert(data.next_row);
                }
                Phase::Insert(key) => {
                    let version = m.exec(cx, |ex| {
                        rows::check(ex, table, values)?;
                        serializable::inserts(ex, table.id)?;
                        Ok(rows::version(ex, table, Rc::clone(values)))
                    })?;
                    self.phase = Phase::Enter(key);
                    return Ok(Flow::Yield(Step::Insert { relation: table.id, key, row: version }));
                }
                Phase::Enter(key) => {
                    self.phase = Phase::Done;
                    let task = UniqueTask::new(Rc::clone(table), key, Rc::clone(values), None);
                    return Ok(Flow::First(Box::new(task)));
                }
                Phase::Done => return Ok(Flow::Done),
            }
        }
    }
}
