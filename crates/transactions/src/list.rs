//! A list that most sessions never put anything into.

use std::ops::{Deref, DerefMut};

/// A vector that takes no more than a word until something is put into it: a server has many sessions, and few of them
/// have savepoints, hooks or advisory locks.
#[allow(clippy::box_collection, reason = "the box is what makes an empty list one word")]
pub(crate) struct List<T>(Option<Box<Vec<T>>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().map_or(&mut [], Vec::as_mut_slice)
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self((!items.is_empty()).then(|| Box::new(items)))
    }
}

impl<T> List<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_default().push(item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.0.as_mut()?.pop()
    }

    pub(crate) fn remove(&mut self, at: usize) {
        if let Some(items) = &mut self.0 {
            items.remove(at);
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(items) = &mut self.0 {
            items.retain(keep);
        }
    }

    pub(crate) fn clear(&mut self) {
        if let Some(items) = &mut self.0 {
            items.clear();
        }
    }

    /// Takes what stands at a place and behind it.
    pub(crate) fn split_off(&mut self, at: usize) -> Vec<T> {
        self.0.as_mut().map_or_else(Vec::new, |items| items.split_off(at))
    }

    /// Takes everything.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.take().map_or_else(Vec::new, |items| *items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_takes_a_word_and_behaves_as_a_vector() {
        assert_eq!(size_of::<List<[u64; 9]>>(), size_of::<usize>());
        let mut list = List::default();
        assert_eq!((list.pop(), list.split_off(0), list.take(), list.len()), (None, vec![], vec![], 0));
        (0..5).for_each(|item| list.push(item));
        list.remove(0);
        list.retain(|item| *item != 3);
        assert_eq!((&*list, list.last()), (&[1, 2, 4][..], Some(&4)));
        assert_eq!((list.split_off(1), list.pop(), list.is_empty()), (vec![2, 4], Some(1), true));
        assert_eq!(List::from(vec![7]).take(), [7]);
    }
}
