//! Containers whose clones share everything that neither of them has changed since.
//!
//! A rehearsal works on a copy of the world, and most of the world is as before when it is over. So a copy costs
//! a few reference counts, and a change copies a page: the first one only, for then the page is one's own.

mod map;
mod vec;

pub use map::PersistentMap;
pub use vec::PersistentVec;
