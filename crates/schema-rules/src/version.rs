//! The major versions of PostgreSQL that are modelled.

use std::fmt;

/// A major version of PostgreSQL, 12 to 18. Comparisons read as in the manual: `version >= PgVersion::V14`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgVersion(u8);

impl PgVersion {
    /// PostgreSQL 12.
    pub const V12: Self = Self(12);
    /// PostgreSQL 13.
    pub const V13: Self = Self(13);
    /// PostgreSQL 14.
    pub const V14: Self = Self(14);
    /// PostgreSQL 15.
    pub const V15: Self = Self(15);
    /// PostgreSQL 16.
    pub const V16: Self = Self(16);
    /// PostgreSQL 17.
    pub const V17: Self = Self(17);
    /// PostgreSQL 18.
    pub const V18: Self = Self(18);
    /// Every version that is modelled, oldest first.
    pub const ALL: [Self; 7] = [Self::V12, Self::V13, Self::V14, Self::V15, Self::V16, Self::V17, Self::V18];

    /// The version of this number, if it is modelled.
    pub fn new(major: u32) -> Option<Self> {
        (12..=18).contains(&major).then_some(Self(major as u8))
    }

    /// The version's number.
    pub fn major(self) -> u32 {
        self.0.into()
    }
}

impl Default for PgVersion {
    /// The newest version.
    fn default() -> Self {
        Self::V18
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
