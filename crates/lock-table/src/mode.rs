//! The eight lock modes and what conflicts with what.

use std::fmt;

/// A heavyweight lock mode.
///
/// There is deliberately no `Ord`: the modes are not a ladder (`Share` conflicts with itself not, but with
/// `RowExclusive`; `ShareUpdateExclusive` the other way round).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LockMode {
    /// `SELECT`.
    AccessShare,
    /// `SELECT FOR UPDATE` and its weaker forms, foreign-key checks.
    RowShare,
    /// `INSERT`, `UPDATE`, `DELETE`.
    RowExclusive,
    /// `VACUUM`, `ANALYZE`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// `CREATE INDEX`.
    Share,
    /// `ADD FOREIGN KEY`, `CREATE TRIGGER`.
    ShareRowExclusive,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`; also the mode in which a transaction holds its own ids.
    Exclusive,
    /// Most of `ALTER TABLE`, `DROP`, `TRUNCATE`, `VACUUM FULL`.
    AccessExclusive,
}

impl LockMode {
    /// How many modes there are.
    pub const COUNT: usize = 8;

    /// All modes in PostgreSQL's order (`LOCKMODE` 1 to 8 in `lockdefs.h`).
    pub const ALL: [Self; Self::COUNT] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The modes that may not be held by another session while this one is held.
    #[must_use]
    pub const fn conflicts(self) -> LockModes {
        CONFLICTS[self as usize]
    }

    /// Whether two sessions may not hold these modes on one object at the same time.
    #[must_use]
    pub const fn conflicts_with(self, other: Self) -> bool {
        self.conflicts().contains(other)
    }

    /// The name as `LOCK TABLE` spells it, without the word `MODE`: `ACCESS SHARE`.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        SQL_NAMES[self as usize]
    }

    /// The name as `pg_locks.mode` shows it: `AccessShareLock`.
    #[must_use]
    pub const fn pg_locks(self) -> &'static str {
        PG_LOCKS_NAMES[self as usize]
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pg_locks())
    }
}

const SQL_NAMES: [&str; LockMode::COUNT] = [
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
];

const PG_LOCKS_NAMES: [&str; LockMode::COUNT] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];

/// The table of manual section 13.3.1 (`LockConflicts` in `lock.c`): bit m of row n is set if the modes
/// n and m conflict. Read each row from the right: its last digit is `AccessShare`.
const CONFLICTS: [LockModes; LockMode::COUNT] = [
    LockModes(0b1000_0000), // AccessShare
    LockModes(0b1100_0000), // RowShare
    LockModes(0b1111_0000), // RowExclusive
    LockModes(0b1111_1000), // ShareUpdateExclusive
    LockModes(0b1110_1100), // Share
    LockModes(0b1111_1100), // ShareRowExclusive
    LockModes(0b1111_1110), // Exclusive
    LockModes(0b1111_1111), // AccessExclusive
];

/// A set of lock modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockModes(u8);

impl LockModes {
    /// No mode.
    pub const NONE: Self = Self(0);
    /// All modes.
    pub const ALL: Self = Self(0xff);
    /// The modes of reading and writing rows, which never conflict with each other.
    pub const WEAK: Self = Self(0b0000_0111);
    /// The modes that conflict with a weak one.
    pub const STRONG: Self = Self(0b1111_0000);

    /// The set of one mode.
    #[must_use]
    pub const fn only(mode: LockMode) -> Self {
        Self(1 << mode as u8)
    }

    /// Whether the mode is in the set.
    #[must_use]
    pub const fn contains(self, mode: LockMode) -> bool {
        self.0 & (1 << mode as u8) != 0
    }

    /// How many modes are in the set.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether no mode is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have a mode in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The modes in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The modes in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The modes of this set that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Puts the mode into the set.
    pub const fn insert(&mut self, mode: LockMode) {
        self.0 |= 1 << mode as u8;
    }

    /// Takes the mode out of the set.
    pub const fn remove(&mut self, mode: LockMode) {
        self.0 &= !(1 << mode as u8);
    }

    /// The modes of the set in PostgreSQL's order.
    pub fn iter(self) -> impl Iterator<Item = LockMode> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let mode = LockMode::ALL.get(left.trailing_zeros() as usize).copied()?;
            left &= left - 1;
            Some(mode)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_symmetric_for_all_64_pairs() {
        for a in LockMode::ALL {
            for b in LockMode::ALL {
                assert_eq!(a.conflicts_with(b), b.conflicts_with(a), "{a} and {b}");
            }
        }
    }

    #[test]
    fn strong_modes_are_those_that_conflict_with_a_weak_one() {
        for mode in LockMode::ALL {
            assert_eq!(
                LockModes::STRONG.contains(mode),
                mode.conflicts().intersects(LockModes::WEAK),
                "{mode}"
            );
        }
    }

    #[test]
    fn an_empty_set_has_no_modes() {
        assert_eq!(LockModes::NONE.iter().count(), 0);
        assert_eq!(LockModes(0xff).iter().collect::<Vec<_>>(), LockMode::ALL);
    }
}
