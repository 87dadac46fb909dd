//! An ordered map whose clones share everything that neither of them has changed since.
//!
//! The catalog, for one, is copied whenever a transaction starts to change it, and most copies are thrown away (the statement
//! failed, the transaction rolled back). With path copying a clone costs one reference count, and a change copies
//! the nodes between the root and one leaf: the history of a catalog with 30,000 relations stays linear in the
//! number of changes.
//!
//! Two levels are enough: a directory of leaves, each leaf a sorted run of at most `LEAF` entries. Invariants:
//! no leaf is empty, and the keys of a leaf are all less than those of the next.

use std::borrow::Borrow;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;

/// Entries of a leaf before it splits.
const LEAF: usize = 64;
/// Leaves of a branch before it splits.
const BRANCH: usize = 64;

type Leaf<K, V> = Rc<Vec<(K, V)>>;
type Branch<K, V> = Rc<Vec<Leaf<K, V>>>;

/// An ordered map with cheap clones. See the module's documentation.
#[derive(Clone, Debug)]
pub struct PersistentMap<K, V> {
    branches: Rc<Vec<Branch<K, V>>>,
    len: usize,
}

impl<K, V> Default for PersistentMap<K, V> {
    fn default() -> Self {
        Self { branches: Rc::new(Vec::new()), len: 0 }
    }
}

/// Where a key is, or where it would be put.
struct Place {
    branch: usize,
    leaf: usize,
    slot: Result<usize, usize>,
}

impl<K: Ord + Clone, V: Clone> PersistentMap<K, V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the map holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key)?;
        let slot = place.slot.ok()?;
        Some(&self.branches[place.branch][place.leaf][slot].1)
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts `value` at `key` and gives back what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(place) = self.find(&key) else {
            self.branches = Rc::new(vec![Rc::new(vec![Rc::new(vec![(key, value)])])]);
            self.len = 1;
            return None;
        };
        let branches = Rc::make_mut(&mut self.branches);
        let branch = Rc::make_mut(&mut branches[place.branch]);
        let leaf = Rc::make_mut(&mut branch[place.leaf]);
        match place.slot {
            Ok(slot) => return Some(std::mem::replace(&mut leaf[slot].1, value)),
            Err(slot) => leaf.insert(slot, (key, value)),
        }
        self.len += 1;
        if leaf.len() > LEAF {
            // Keys mostly arrive in ascending order: a split that leaves the left half full keeps leaves dense.
            let at = if place.slot == Err(LEAF) { LEAF } else { LEAF / 2 };
            let right = leaf.split_off(at);
            branch.insert(place.leaf + 1, Rc::new(right));
            if branch.len() > BRANCH {
                let at = if place.leaf + 2 == branch.len() { BRANCH } else { BRANCH / 2 };
                let right = branch.split_off(at);
                branches.insert(place.branch + 1, Rc::new(right));
            }
        }
        None
    }

    /// Takes `key` out and gives back what was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key)?;
        let slot = place.slot.ok()?;
        let branches = Rc::make_mut(&mut self.branches);
        let branch = Rc::make_mut(&mut branches[place.branch]);
        let leaf = Rc::make_mut(&mut branch[place.leaf]);
        let (_, value) = leaf.remove(slot);
        self.len -= 1;
        if leaf.is_empty() {
            branch.remove(place.leaf);
            if branch.is_empty() {
                branches.remove(place.branch);
            }
        }
        Some(value)
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.branches
            .iter()
            .flat_map(|branch| branch.iter())
            .flat_map(|leaf| leaf.iter())
            .map(|(k, v)| (k, v))
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries from `start` on, in the order of their keys.
    pub fn range_from<'a, Q: Ord + ?Sized>(&'a self, start: &Q) -> Range<'a, K, V>
    where
        K: Borrow<Q>,
    {
        self.range::<Q>((Bound::Included(start), Bound::Unbounded))
    }

    /// The entries between two bounds, in the order of their keys or, from the back, against it.
    pub fn range<'a, Q: Ord + ?Sized>(&'a self, bounds: impl RangeBounds<Q>) -> Range<'a, K, V>
    where
        K: Borrow<Q>,
    {
        let end = (self.branches.len(), 0, 0);
        let from = match bounds.start_bound() {
            Bound::Unbounded => (0, 0, 0),
            Bound::Included(key) => self.position(key, false),
            Bound::Excluded(key) => self.position(key, true),
        };
        let to = match bounds.end_bound() {
            Bound::Unbounded => end,
            Bound::Included(key) => self.position(key, true),
            Bound::Excluded(key) => self.position(key, false),
        };
        Range { branches: &self.branches, from, to }
    }

    /// The place of the first entry that is not before `key` (or, on demand, not `key` either).
    fn position<Q: Ord + ?Sized>(&self, key: &Q, after: bool) -> Position
    where
        K: Borrow<Q>,
    {
        let Some(place) = self.find(key) else { return (0, 0, 0) };
        let slot = match place.slot {
            Ok(slot) if after => slot + 1,
            Ok(slot) | Err(slot) => slot,
        };
        normal(&self.branches, (place.branch, place.leaf, slot))
    }

    /// The value of `key`, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.find(key)?;
        let slot = place.slot.ok()?;
        let branches = Rc::make_mut(&mut self.branches);
        let branch = Rc::make_mut(&mut branches[place.branch]);
        Some(&mut Rc::make_mut(&mut branch[place.leaf])[slot].1)
    }

    /// `None` only when the map is empty.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Place>
    where
        K: Borrow<Q>,
    {
        // The last branch (and in it the last leaf) whose first key is not greater than `key`.
        let branch = self.branches.partition_point(|branch| branch[0][0].0.borrow() <= key).saturating_sub(1);
        let leaves = self.branches.get(branch)?;
        let leaf = leaves.partition_point(|leaf| leaf[0].0.borrow() <= key).saturating_sub(1);
        let slot = leaves[leaf].binary_search_by(|(k, _)| k.borrow().cmp(key));
        Some(Place { branch, leaf, slot })
    }
}

/// Branch, leaf and slot; behind the last entry it is (number of branches, 0, 0).
type Position = (usize, usize, usize);

/// A place behind the end of a leaf is the beginning of the next.
fn normal<K, V>(branches: &[Branch<K, V>], (branch, leaf, slot): Position) -> Position {
    match branches.get(branch) {
        Some(leaves) if slot < leaves[leaf].len() => (branch, leaf, slot),
        Some(leaves) if leaf + 1 < leaves.len() => (branch, leaf + 1, 0),
        _ => (branch + 1, 0, 0),
    }
}

/// Entries between two keys.
#[derive(Debug)]
pub struct Range<'a, K, V> {
    branches: &'a [Branch<K, V>],
    from: Position,
    to: Position,
}

impl<'a, K, V> Iterator for Range<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.from >= self.to {
            return None;
        }
        let (branch, leaf, slot) = self.from;
        let (key, value) = &self.branches[branch][leaf][slot];
        self.from = normal(self.branches, (branch, leaf, slot + 1));
        Some((key, value))
    }
}

impl<K, V> DoubleEndedIterator for Range<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.from >= self.to {
            return None;
        }
        let (branch, leaf, slot) = self.to;
        let last = |branch: usize, leaf: usize| (branch, leaf, self.branches[branch][leaf].len() - 1);
        self.to = match (branch, leaf, slot) {
            (branch, leaf, slot) if slot > 0 => (branch, leaf, slot - 1),
            (branch, leaf, _) if leaf > 0 => last(branch, leaf - 1),
            (branch, ..) => last(branch - 1, self.branches[branch - 1].len() - 1),
        };
        let (branch, leaf, slot) = self.to;
        let (key, value) = &self.branches[branch][leaf][slot];
        Some((key, value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A small linear congruential sequence: enough disorder for a map.
    fn scattered(n: u32) -> impl Iterator<Item = u32> {
        (0..n).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(7) % 20_011)
    }

    #[test]
    fn agrees_with_the_standard_map_through_inserts_and_removals() {
        let (mut ours, mut theirs) = (PersistentMap::default(), BTreeMap::new());
        for (i, key) in scattered(30_000).enumerate() {
            if i % 3 == 2 {
                assert_eq!(ours.remove(&key), theirs.remove(&key));
            } else {
                assert_eq!(ours.insert(key, i), theirs.insert(key, i));
            }
        }
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().eq(theirs.iter()));
        for start in [0, 17, 5_000, 20_010, 30_000] {
            assert!(ours.range_from(&start).eq(theirs.range(start..)));
        }
    }

    #[test]
    fn ranges_agree_with_the_standard_map_from_both_ends() {
        let (mut ours, mut theirs) = (PersistentMap::default(), BTreeMap::new());
        for key in scattered(9_000) {
            ours.insert(key, ());
            theirs.insert(key, ());
        }
        let bounds = [Bound::Included(40), Bound::Excluded(40), Bound::Included(9_001), Bound::Unbounded];
        let ends =
            [Bound::Included(10_000), Bound::Excluded(19_999), Bound::Excluded(30_000), Bound::Unbounded];
        for start in bounds {
            for end in ends {
                assert!(ours.range((start, end)).eq(theirs.range((start, end))));
                assert!(ours.range((start, end)).rev().eq(theirs.range((start, end)).rev()));
            }
        }
    }

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut map: PersistentMap<u32, u32> = PersistentMap::default();
        for key in 0..10_000 {
            map.insert(key, key);
        }
        let before = map.clone();
        map.remove(&5_000);
        map.insert(7, 8);
        assert_eq!(before.get(&5_000), Some(&5_000));
        assert_eq!(before.get(&7), Some(&7));
        assert_eq!((map.get(&5_000), map.get(&7)), (None, Some(&8)));
    }

    #[test]
    fn an_empty_map_has_no_entries_from_anywhere() {
        let map: PersistentMap<u32, u32> = PersistentMap::default();
        assert_eq!(map.range_from(&0).count(), 0);
        assert!(map.is_empty());
    }
}
