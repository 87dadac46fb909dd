//! SERIALIZABLE: who has read what others have written, and whom that makes fail.
//!
//! A serializable transaction is a repeatable-read one that leaves a mark on everything that it reads. A write to
//! what another has marked, and a read of what another has written in the meantime, is an edge of a graph: the
//! reader comes before the writer. Two edges in a row, `R -> P -> W`, of transactions that ran at the same time
//! may close a cycle if W committed first; then one of them fails with 40001, P if possible.
//!
//! ```text
//!   reads:   mark(targets)          ┐
//!            saw_older_than(writer) ├─► edge(reader, writer) ──► dangerous? ──► doom or fail
//!   writes:  writes(targets)        ┘
//!   COMMIT:  prepare ──► doomed? dangerous? ──► committed, or 40001
//! ```
//!
//! Source: `src/backend/storage/lmgr/predicate.c` (`OnConflict_CheckForSerializationFailure`,
//! `PreCommit_CheckForSerializationFailure`, `ReleasePredicateLocks`) and `README-SSI`; the paper is Cahill,
//! Röhm, Fekete, *Serializable Isolation for Snapshot Databases* (2008).
//!
//! Absent on purpose: summaries of old transactions when memory runs out, DEFERRABLE, marks on several pages of a
//! table or an index (both are taken to be one page; [`MOST_ROWS`] is where that ends).

use std::collections::{BTreeMap, BTreeSet};

use lock_table::{RelationId, SessionId};
use transactions::{TransactionEnd, Writer};

use crate::error::{Result, SqlError, error};

/// So many versions of rows certainly fit on one page of a table, and their keys on one of an index.
pub(crate) const MOST_ROWS: u64 = 150;

/// More marks than this on rows of one page become a mark on the page (`max_pred_locks_per_page`).
const MARKS_PER_PAGE: usize = 2;

/// What a mark is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A whole table.
    Relation(RelationId),
    /// All rows of a table's page.
    Page(RelationId),
    /// A version of a row, by its place.
    Row(RelationId, u64),
    /// A page of an index.
    Index(RelationId),
}

/// A transaction's number here: younger ones are greater.
pub(crate) type Number = u64;

/// What is known of all serializable transactions that still matter.
#[derive(Debug, Default)]
pub(crate) struct Serial {
    transactions: BTreeMap<Number, Transaction>,
    marks: BTreeMap<Target, BTreeSet<Number>>,
    next: Number,
    /// Counts commits, and what goes before them.
    sequence: u64,
}

#[derive(Debug)]
struct Transaction {
    session: SessionId,
    /// The last commit that its snapshot shows.
    snapshot: u64,
    /// The oldest transaction id that still ran then.
    oldest_running: u64,
    /// Where the count of serializable commits stood then.
    began: u64,
    read_only: bool,
    wrote: bool,
    doomed: bool,
    /// Where the count stood when it was found fit to commit, and when it had committed.
    prepared: Option<u64>,
    committed: Option<u64>,
    end: Option<TransactionEnd>,
    /// Those that read what it has written; those that have written what it read.
    readers: BTreeSet<Number>,
    writers: BTreeSet<Number>,
    /// When the first of its writers had committed that committed before it.
    earliest_out: Option<u64>,
}

fn failure() -> SqlError {
    error("40001", "could not serialize access due to read/write dependencies among transactions")
}

impl Serial {
    /// A transaction has taken its snapshot. Nothing if it needs no watching: one that is to write nothing, and
    /// runs beside nobody who writes.
    pub(crate) fn begin(
        &mut self,
        session: SessionId,
        snapshot: u64,
        oldest_running: u64,
        read_only: bool,
    ) -> Option<Number> {
        if read_only && !self.transactions.values().any(|t| t.end.is_none() && !t.read_only) {
            return None;
        }
        self.next += 1;
        let transaction = Transaction {
            session,
            snapshot,
            oldest_running,
            began: self.sequence,
            read_only,
            wrote: false,
            doomed: false,
            prepared: None,
            committed: None,
            end: None,
            readers: BTreeSet::new(),
            writers: BTreeSet::new(),
            earliest_out: None,
        };
        self.transactions.insert(self.next, transaction);
        Some(self.next)
    }

    fn get(&self, number: Number) -> Option<&Transaction> {
        self.transactions.get(&number)
    }

    /// Fails if somebody else has decided that the transaction has to.
    pub(crate) fn check(&self, me: Number) -> Result<()> {
        if self.get(me).is_some_and(|t| t.doomed) { Err(failure()) } else { Ok(()) }
    }

    /// Marks what is read.
    pub(crate) fn mark(&mut self, me: Number, target: Target) {
        let covered_by = match target {
            Target::Row(relation, _) => [Some(Target::Page(relation)), Some(Target::Relation(relation))],
            Target::Page(relation) => [Some(Target::Relation(relation)), None],
            Target::Relation(_) | Target::Index(_) => [None, None],
        };
        let has = |target: &Target| self.marks.get(target).is_some_and(|marks| marks.contains(&me));
        if covered_by.iter().flatten().any(has) {
            return;
        }
        self.marks.entry(target).or_default().insert(me);
        let Target::Row(relation, _) = target else { return };
        let on_page = Target::Row(relation, 0)..=Target::Row(relation, u64::MAX);
        if self.marks.range(on_page.clone()).filter(|(_, marks)| marks.contains(&me)).count() > MARKS_PER_PAGE
        {
            for (_, marks) in self.marks.range_mut(on_page) {
                marks.remove(&me);
            }
            self.marks.entry(Target::Page(relation)).or_default().insert(me);
        }
    }

    /// A row was met that somebody has written since the snapshot (`CheckForSerializableConflictOut`).
    pub(crate) fn saw_older_than(&mut self, me: Number, writer: &Writer) -> Result<()> {
        let is_it = |t: &Transaction| match writer {
            Writer::Running(session) => t.session == *session && t.end.is_none(),
            Writer::Committed(number) => t.end.is_some_and(|end| end.commit == Some(*number)),
        };
        let found = self.transactions.iter().find(|(number, t)| **number != me && is_it(t));
        let Some((writer, theirs)) = found.map(|(number, t)| (*number, t)) else { return Ok(()) };
        let Some(mine) = self.get(me) else { return Ok(()) };
        // Who only reads can be put before everybody whose own writers had not committed by then.
        let harmless = mine.read_only
            && theirs.committed.is_some()
            && theirs.earliest_out.is_none_or(|out| mine.began < out);
        if harmless || mine.writers.contains(&writer) {
            return Ok(());
        }
        self.edge(me, writer, me)
    }

    /// The transaction writes what others may have marked (`CheckForSerializableConflictIn`).
    pub(crate) fn writes(&mut self, me: Number, targets: &[Target]) -> Result<()> {
        self.check(me)?;
        let Some(mine) = self.transactions.get_mut(&me) else { return Ok(()) };
        mine.wrote = true;
        let since = mine.oldest_running;
        for target in targets {
            let readers: Vec<Number> = self.marks.get(target).into_iter().flatten().copied().collect();
            for reader in readers {
                let Some(theirs) = self.get(reader) else { continue };
                let matters = theirs.end.is_none_or(|end| since < end.next_xid);
                if reader != me && matters && !theirs.writers.contains(&me) {
                    self.edge(reader, me, me)?;
                }
            }
        }
        Ok(())
    }

    /// The reader comes before the writer, as one of them has just found out.
    fn edge(&mut self, reader: Number, writer: Number, me: Number) -> Result<()> {
        if self.is_dangerous(reader, writer) {
            let is_fixed = self.get(writer).is_some_and(|t| t.prepared.is_some());
            if writer == me || is_fixed {
                return Err(failure());
            }
            if let Some(writer) = self.transactions.get_mut(&writer) {
                writer.doomed = true;
            }
        }
        if let Some(reader) = self.transactions.get_mut(&reader) {
            reader.writers.insert(writer);
        }
        if let Some(writer) = self.transactions.get_mut(&writer) {
            writer.readers.insert(reader);
        }
        Ok(())
    }

    /// Whether the edge makes a structure of which a cycle may come
    /// (`OnConflict_CheckForSerializationFailure`).
    fn is_dangerous(&self, reader: Number, writer: Number) -> bool {
        let (Some(r), Some(w)) = (self.get(reader), self.get(writer)) else { return false };
        // The writer is a pivot whose writer committed first.
        if w.committed.is_some() && w.earliest_out.is_some() {
            return true;
        }
        let out = w.writers.iter().filter_map(|n| self.get(*n)).any(|last| {
            last.prepared.is_some_and(|at| {
                r.committed.is_none_or(|committed| at <= committed)
                    && w.committed.is_none_or(|committed| at <= committed)
                    && (!r.read_only || at <= r.began)
            })
        });
        // The reader is a pivot, and the writer is the one who committed first.
        out || w.prepared.is_some_and(|at| {
            !r.read_only
                && r.readers.iter().filter_map(|n| self.get(*n)).any(|first| {
                    !first.doomed
                        && first.committed.is_none_or(|committed| committed >= at)
                        && (!first.read_only || first.began >= at)
                })
        })
    }

    /// The transaction is about to commit (`PreCommit_CheckForSerializationFailure`).
    pub(crate) fn prepare(&mut self, me: Number) -> Result<()> {
        self.check(me)?;
        let Some(mine) = self.get(me) else { return Ok(()) };
        let mut pivots = Vec::new();
        for near in mine.readers.iter().copied() {
            let Some(pivot) = self.get(near).filter(|t| t.committed.is_none() && !t.doomed) else { continue };
            let closes = |far: &Number| {
                let is_open = |t: &Transaction| t.committed.is_none() && !t.read_only && !t.doomed;
                *far == me || self.get(*far).is_some_and(is_open)
            };
            if pivot.readers.iter().any(closes) {
                if pivot.prepared.is_some() {
                    return Err(failure());
                }
                pivots.push(near);
            }
        }
        for pivot in pivots {
            if let Some(pivot) = self.transactions.get_mut(&pivot) {
                pivot.doomed = true;
            }
        }
        self.sequence += 1;
        let now = self.sequence;
        if let Some(mine) = self.transactions.get_mut(&me) {
            mine.prepared = Some(now);
        }
        Ok(())
    }

    /// The transaction has ended (`ReleasePredicateLocks`).
    pub(crate) fn end(&mut self, me: Number, end: TransactionEnd) {
        let is_commit = end.commit.is_some();
        if is_commit {
            self.sequence += 1;
        }
        let now = self.sequence;
        let Some(mine) = self.transactions.get_mut(&me) else { return };
        mine.end = Some(end);
        let (readers, writers) = (std::mem::take(&mut mine.readers), std::mem::take(&mut mine.writers));
        if is_commit {
            mine.committed = Some(now);
            mine.read_only |= !mine.wrote;
        }
        let read_only = mine.read_only;
        let mut kept = [BTreeSet::new(), BTreeSet::new()];
        let mut earliest_out = None;
        for writer in writers {
            let Some(theirs) = self.get(writer) else { continue };
            if is_commit && !read_only && theirs.committed.is_some() {
                earliest_out = earliest_out.into_iter().chain(theirs.prepared).min();
            }
            if is_commit && theirs.committed.is_none() {
                kept[1].insert(writer);
            } else if let Some(theirs) = self.transactions.get_mut(&writer) {
                theirs.readers.remove(&me);
            }
        }
        for reader in readers {
            let Some(theirs) = self.get(reader) else { continue };
            if is_commit && theirs.committed.is_none() && !theirs.read_only {
                kept[0].insert(reader);
            } else if let Some(theirs) = self.transactions.get_mut(&reader) {
                theirs.writers.remove(&me);
            }
        }
        if let Some(mine) = self.transactions.get_mut(&me) {
            [mine.readers, mine.writers] = kept;
            mine.earliest_out = earliest_out;
        }
        if !is_commit {
            self.forget(me);
        }
        self.clear();
    }

    /// Forgets committed transactions beside which nobody runs any more.
    fn clear(&mut self) {
        let running = || self.transactions.values().filter(|t| t.end.is_none());
        let oldest = running().map(|t| (t.snapshot, t.oldest_running)).min();
        let is_over = |t: &Transaction| {
            let Some(end) = t.end else { return false };
            let Some((snapshot, xid)) = oldest else { return true };
            end.commit.is_none_or(|commit| commit <= snapshot) && end.next_xid <= xid
        };
        let over: Vec<Number> =
            self.transactions.iter().filter(|(_, t)| is_over(t)).map(|(number, _)| *number).collect();
        over.into_iter().for_each(|number| self.forget(number));
    }

    fn forget(&mut self, number: Number) {
        self.transactions.remove(&number);
        for other in self.transactions.values_mut() {
            other.readers.remove(&number);
            other.writers.remove(&number);
        }
        self.marks.retain(|_, marks| {
            marks.remove(&number);
            !marks.is_empty()
        });
    }
}
