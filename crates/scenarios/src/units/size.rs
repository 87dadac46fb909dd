//! Sizes: `12 GB`, `800 kB`.

use serde::Deserialize;

/// A size in bytes, in PostgreSQL's units: each is 1,024 of the one before (manual, section 19.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 5] =
    [("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

impl Size {
    pub(super) fn parse(text: &str) -> Option<Self> {
        super::with_unit(text, &UNITS).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_postgresqls_units() {
        assert_eq!(Size::parse("12 GB"), Some(Size(12 << 30)));
        assert_eq!(Size::parse("1.5kB"), Some(Size(1_536)));
        for text in ["12", "12 gb", "12 GiB", "-1 GB", "0.3 B", "99999999 TB"] {
            assert_eq!(Size::parse(text), None, "{text:?}");
        }
    }
}
