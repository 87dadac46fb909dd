//! Records by time, in bounded memory: runs are sorted and spilled, then merged.
//!
//! A transaction is known when it ends but belongs where it began, and one that idles for an hour ends after
//! millions that began later. Holding those back would take memory without bound; so finished records go
//! into runs of a fixed size, each sorted and written behind the other into one spill file, and the runs are
//! merged when the header is known.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Where runs are spilled to: a file that nobody else sees.
pub trait Spill: Read + Write + Seek {}

impl<T: Read + Write + Seek> Spill for T {}

/// A run is written out when its records take so much.
const RUN_BYTES: usize = 32 << 20;

/// What is read of a run at a time while merging.
const CHUNK_BYTES: usize = 64 << 10;

/// Time, place in the order of arrival here, and the record's line.
type Item = (i64, u64, Vec<u8>);

pub(crate) struct Sorter {
    spill: Option<Box<dyn Spill>>,
    open_spill: Box<dyn FnMut() -> io::Result<Box<dyn Spill>>>,
    run: Vec<Item>,
    run_bytes: usize,
    limit: usize,
    runs: Vec<Extent>,
    sequence: u64,
    earliest_us: Option<i64>,
}

/// A run's place in the spill file, and what has been read of it.
struct Extent {
    from: u64,
    to: u64,
}

impl Sorter {
    pub(crate) fn new(open_spill: Box<dyn FnMut() -> io::Result<Box<dyn Spill>>>) -> Self {
        Self {
            spill: None,
            open_spill,
            run: Vec::new(),
            run_bytes: 0,
            limit: RUN_BYTES,
            runs: Vec::new(),
            sequence: 0,
            earliest_us: None,
        }
    }

    /// The time of the earliest record so far.
    pub(crate) fn earliest_us(&self) -> Option<i64> {
        self.earliest_us
    }

    pub(crate) fn push(&mut self, at_us: i64, line: Vec<u8>) -> io::Result<()> {
        self.earliest_us = Some(self.earliest_us.map_or(at_us, |earliest| earliest.min(at_us)));
        self.run_bytes += line.len() + size_of::<Item>();
        self.run.push((at_us, self.sequence, line));
        self.sequence += 1;
        if self.run_bytes >= self.limit { self.spill_run() } else { Ok(()) }
    }

    fn spill_run(&mut self) -> io::Result<()> {
        self.run.sort_unstable_by_key(|item| (item.0, item.1));
        if self.spill.is_none() {
            self.spill = Some((self.open_spill)()?);
        }
        let Some(spill) = &mut self.spill else { return Ok(()) };
        let from = spill.seek(SeekFrom::End(0))?;
        let mut to = from;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        for (at_us, sequence, line) in self.run.drain(..) {
            let length = u32::try_from(line.len()).map_err(io::Error::other)?;
            chunk.extend_from_slice(&at_us.to_be_bytes());
            chunk.extend_from_slice(&sequence.to_be_bytes());
            chunk.extend_from_slice(&length.to_be_bytes());
            chunk.extend_from_slice(&line);
            if chunk.len() >= CHUNK_BYTES {
                spill.write_all(&chunk)?;
                to += chunk.len() as u64;
                chunk.clear();
            }
        }
        spill.write_all(&chunk)?;
        to += chunk.len() as u64;
        self.runs.push(Extent { from, to });
        self.run_bytes = 0;
        Ok(())
    }

    /// Hands out every record in order of time.
    pub(crate) fn drain(mut self, mut take: impl FnMut(i64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        self.run.sort_unstable_by_key(|item| (item.0, item.1));
        let Some(spill) = self.spill.as_mut().filter(|_| !self.runs.is_empty()) else {
            return self.run.iter().try_for_each(|(at_us, _, line)| take(*at_us, line));
        };
        let mut cursors: Vec<Cursor> = self.runs.into_iter().map(Cursor::new).collect();
        let mut last = self.run.into_iter();
        let in_memory = cursors.len();
        let mut heads = BinaryHeap::new();
        for (place, cursor) in cursors.iter_mut().enumerate() {
            heads.extend(cursor.next(spill.as_mut())?.map(|item| Reverse((item, place))));
        }
        heads.extend(last.next().map(|item| Reverse((item, in_memory))));
        while let Some(Reverse(((at_us, _, line), place))) = heads.pop() {
            take(at_us, &line)?;
            let next = match cursors.get_mut(place) {
                Some(cursor) => cursor.next(spill.as_mut())?,
                None => last.next(),
            };
            heads.extend(next.map(|item| Reverse((item, place))));
        }
        Ok(())
    }
}

/// Reads one run.
struct Cursor {
    extent: Extent,
    buffer: Vec<u8>,
    used: usize,
}

impl Cursor {
    fn new(extent: Extent) -> Self {
        Self { extent, buffer: Vec::new(), used: 0 }
    }

    fn next(&mut self, spill: &mut dyn Spill) -> io::Result<Option<Item>> {
        const HEAD: usize = 20;
        if self.used == self.buffer.len() && self.extent.from == self.extent.to {
            return Ok(None);
        }
        self.fill(spill, HEAD)?;
        let head: [u8; HEAD] =
            self.buffer[self.used..self.used + HEAD].try_into().map_err(io::Error::other)?;
        let at_us = i64::from_be_bytes(head[..8].try_into().map_err(io::Error::other)?);
        let sequence = u64::from_be_bytes(head[8..16].try_into().map_err(io::Error::other)?);
        let length = u32::from_be_bytes(head[16..].try_into().map_err(io::Error::other)?) as usize;
        self.used += HEAD;
        self.fill(spill, length)?;
        let line = self.buffer[self.used..self.used + length].to_vec();
        self.used += length;
        Ok(Some((at_us, sequence, line)))
    }

    /// Makes at least `wanted` bytes available.
    fn fill(&mut self, spill: &mut dyn Spill, wanted: usize) -> io::Result<()> {
        if self.buffer.len() - self.used >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        let left = self.extent.to - self.extent.from;
        let missing = (wanted - self.buffer.len()).max(CHUNK_BYTES) as u64;
        let more = usize::try_from(missing.min(left)).map_err(io::Error::other)?;
        let old = self.buffer.len();
        self.buffer.resize(old + more, 0);
        spill.seek(SeekFrom::Start(self.extent.from))?;
        spill.read_exact(&mut self.buffer[old..])?;
        self.extent.from += more as u64;
        if self.buffer.len() < wanted {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the spill file was cut"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(limit: usize, times: &[i64]) -> Vec<(i64, Vec<u8>)> {
        let mut sorter = Sorter::new(Box::new(|| Ok(Box::new(io::Cursor::new(Vec::new())))));
        sorter.limit = limit;
        for (place, time) in times.iter().enumerate() {
            sorter.push(*time, format!("{place}").into_bytes()).unwrap();
        }
        let mut out = Vec::new();
        sorter
            .drain(|at, line| {
                out.push((at, line.to_vec()));
                Ok(())
            })
            .unwrap();
        out
    }

    #[test]
    fn spilling_changes_nothing() {
        let times: Vec<i64> = (0..5_000).map(|i| (i * 7_919) % 1_000).collect();
        let whole = sorted(usize::MAX, &times);
        assert!(whole.is_sorted_by_key(|item| item.0));
        assert_eq!(whole, sorted(3_000, &times));
        assert_eq!(whole, sorted(1, &times[..]));
    }

    #[test]
    fn equal_times_keep_their_order() {
        assert_eq!(sorted(1, &[5, 5, 5]).iter().map(|item| item.1[0]).collect::<Vec<_>>(), b"012");
    }
}
