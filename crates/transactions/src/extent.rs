//! The keys that a virtual relation has, as a few spans: a table of 10⁹ rows takes a few words.

use std::collections::BTreeMap;

use lock_table::RowKey;

/// The keys of the rows that are committed.
///
/// Rows that are inserted one after the other lengthen a span, and a deleted stretch splits one. Invariant: spans
/// neither overlap nor touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    /// First key of a span to its last one.
    spans: BTreeMap<RowKey, RowKey>,
    count: u64,
    /// The greatest key that was ever there or handed out.
    greatest: RowKey,
}

impl Extent {
    /// The keys from `first` to `last`; none if there are none between.
    pub(crate) fn of(first: RowKey, last: RowKey) -> Self {
        let mut extent = Self { greatest: last, ..Self::default() };
        if first <= last {
            extent.spans.insert(first, last);
            extent.count = last - first + 1;
        }
        extent
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    fn span_at(&self, key: RowKey) -> Option<(RowKey, RowKey)> {
        let (&first, &last) = self.spans.range(..=key).next_back()?;
        (key <= last).then_some((first, last))
    }

    #[inline]
    pub(crate) fn contains(&self, key: RowKey) -> bool {
        self.span_at(key).is_some()
    }

    /// A key that was never there, greater than all others.
    pub(crate) fn fresh(&mut self) -> RowKey {
        self.greatest = self.greatest.saturating_add(1);
        self.greatest
    }

    /// The next stretch of keys within these bounds.
    pub(crate) fn next_span(&self, first: RowKey, last: RowKey) -> Option<(RowKey, RowKey)> {
        let (from, to) = match self.span_at(first) {
            Some((_, to)) => (first, to),
            None => self.spans.range(first..).next().map(|(&from, &to)| (from, to))?,
        };
        (from <= last).then_some((from, to.min(last)))
    }

    /// The least and the greatest key.
    pub(crate) fn bounds(&self) -> Option<(RowKey, RowKey)> {
        Some((*self.spans.first_key_value()?.0, *self.spans.last_key_value()?.1))
    }

    /// How many keys lie within these bounds.
    pub(crate) fn count_within(&self, first: RowKey, last: RowKey) -> u64 {
        let (mut count, mut from) = (0, first);
        while let Some((a, b)) = self.next_span(from, last) {
            count += b - a + 1;
            match b.checked_add(1) {
                Some(next) if next <= last => from = next,
                _ => break,
            }
        }
        count
    }

    pub(crate) fn add(&mut self, key: RowKey) {
        if self.contains(key) {
            return;
        }
        self.greatest = self.greatest.max(key);
        self.count += 1;
        let last = match self.spans.remove(&key.saturating_add(1)) {
            Some(last) => last,
            None => key,
        };
        let before = key.checked_sub(1).and_then(|before| self.span_at(before));
        self.spans.insert(before.map_or(key, |(first, _)| first), last);
    }

    pub(crate) fn remove(&mut self, first: RowKey, last: RowKey) {
        while let Some((a, b)) = self.next_span(first, last) {
            let Some((from, to)) = self.span_at(a) else { return };
            self.spans.remove(&from);
            if from < a {
                self.spans.insert(from, a - 1);
            }
            if b < to {
                self.spans.insert(b + 1, to);
            }
            self.count -= b - a + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_inserts_lengthen_one_span() {
        let mut extent = Extent::of(1, 10);
        for _ in 0..1000 {
            let key = extent.fresh();
            extent.add(key);
        }
        assert_eq!((extent.count(), extent.bounds()), (1010, Some((1, 1010))));
        assert_eq!(extent.next_span(1, u64::MAX), Some((1, 1010)));
    }

    #[test]
    fn a_deleted_stretch_splits_a_span_and_closes_again() {
        let mut extent = Extent::of(1, 100);
        extent.remove(20, 29);
        extent.remove(25, 40);
        assert_eq!(extent.count(), 79);
        assert_eq!(extent.next_span(15, 60), Some((15, 19)));
        assert_eq!(extent.next_span(20, 60), Some((41, 60)));
        assert_eq!(extent.count_within(15, 60), 25);
        for key in (20..=40).rev() {
            assert!(!extent.contains(key));
            extent.add(key);
        }
        assert_eq!(extent.next_span(1, 200), Some((1, 100)));
    }
}
