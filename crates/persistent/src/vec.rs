//! A vector in pages.

use std::ops::{Index, IndexMut};
use std::rc::Rc;

/// Elements of a page, as a power of two.
const SHIFT: u32 = 5;
const PAGE: usize = 1 << SHIFT;
const WITHIN: usize = PAGE - 1;

/// A vector that grows at its end, with cheap clones: a change copies one page of elements, and the list of
/// pages.
#[derive(Clone, Debug)]
pub struct PersistentVec<T> {
    pages: Rc<Vec<Rc<Vec<T>>>>,
    len: usize,
}

impl<T> Default for PersistentVec<T> {
    fn default() -> Self {
        Self { pages: Rc::new(Vec::new()), len: 0 }
    }
}

impl<T> PersistentVec<T> {
    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T: Clone> PersistentVec<T> {
    /// Adds an element at the end.
    pub fn push(&mut self, element: T) {
        let pages = Rc::make_mut(&mut self.pages);
        match pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => {
                let page = Rc::make_mut(page);
                // A copied page has no room to spare.
                page.reserve_exact(PAGE - page.len());
                page.push(element);
            }
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(element);
                pages.push(Rc::new(page));
            }
        }
        self.len += 1;
    }
}

impl<T> Index<usize> for PersistentVec<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: usize) -> &T {
        &self.pages[at >> SHIFT][at & WITHIN]
    }
}

impl<T: Clone> IndexMut<usize> for PersistentVec<T> {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut T {
        let pages = Rc::make_mut(&mut self.pages);
        &mut Rc::make_mut(&mut pages[at >> SHIFT])[at & WITHIN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut vec = PersistentVec::default();
        for n in 0..1_000 {
            vec.push(n);
        }
        let before = vec.clone();
        vec[500] = 7;
        vec.push(1_000);
        assert_eq!((before.len(), before[500], before[999]), (1_000, 500, 999));
        assert_eq!((vec.len(), vec[500], vec[1_000]), (1_001, 7, 1_000));
    }

    #[test]
    fn both_clones_may_grow() {
        let mut one = PersistentVec::default();
        one.push('a');
        let mut other = one.clone();
        one.push('b');
        other.push('c');
        assert_eq!((one[1], other[1]), ('b', 'c'));
        assert!(!one.is_empty());
    }
}
