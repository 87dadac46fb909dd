//! What a file's name says.

use std::cmp::Ordering;

use super::{Naming, Runner};

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Forward.
    Up,
    /// Back.
    Down,
    /// Again whenever it changes (Flyway's `R__`): after all others.
    Repeatable,
}

/// A version, ordered as the tool orders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// Numbers, the first most significant.
    Numbers(Vec<u64>),
    /// Anything else, by its text.
    Text(String),
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Numbers(a), Self::Numbers(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Numbers(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Numbers(_)) => Ordering::Greater,
        }
    }
}

/// A migration file by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Its version.
    pub version: Version,
    /// What it is called.
    pub description: String,
    /// Which way it goes. A file with sections goes up here.
    pub direction: Direction,
}

/// What a tool makes of a file's name; nothing if it would not take it for a migration.
pub fn file_name(runner: &Runner, name: &str) -> Option<FileName> {
    let stem = name.strip_suffix(".sql")?;
    match runner.naming {
        Naming::NumberUnderscore => {
            let (stem, direction) = up_or_down(stem).unwrap_or((stem, Direction::Up));
            let (number, rest) = stem.split_once('_')?;
            number.parse::<u64>().ok()?;
            Some(numbered(number, rest, direction))
        }
        Naming::LeadingDigits => {
            let digits = stem.len() - stem.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            (digits > 0)
                .then(|| numbered(&stem[..digits], stem[digits..].trim_start_matches('_'), Direction::Up))
        }
        Naming::UpDownFiles => {
            let (stem, direction) = up_or_down(stem)?;
            let (number, rest) = stem.split_once('_')?;
            let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| numbered(number, rest, direction))
        }
        Naming::Prefixed | Naming::PrefixedForwardOnly => prefixed(runner.naming, stem),
        Naming::AnySql => {
            let (stem, direction) = up_or_down(stem).unwrap_or((stem, Direction::Up));
            let digits = stem.len() - stem.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let version = match stem[..digits].parse() {
                Ok(number) => Version::Numbers(vec![number]),
                Err(_) => Version::Text(stem.to_owned()),
            };
            Some(FileName {
                version,
                description: stem[digits..].trim_start_matches('_').to_owned(),
                direction,
            })
        }
    }
}

fn up_or_down(stem: &str) -> Option<(&str, Direction)> {
    let up = stem.strip_suffix(".up").map(|s| (s, Direction::Up));
    up.or_else(|| stem.strip_suffix(".down").map(|s| (s, Direction::Down)))
}

fn numbered(number: &str, description: &str, direction: Direction) -> FileName {
    // A number longer than 64 bits is compared by its digits.
    let version = match number.parse() {
        Ok(number) => Version::Numbers(vec![number]),
        Err(_) => Version::Text(number.to_owned()),
    };
    FileName { version, description: description.replace('_', " "), direction }
}

/// `V1.2__name`: the version's parts are separated by `.` or `_`.
fn prefixed(naming: Naming, stem: &str) -> Option<FileName> {
    let (prefix, description) = stem.split_once("__")?;
    let description = description.replace('_', " ");
    if prefix == "R" && naming == Naming::Prefixed {
        return Some(FileName {
            version: Version::Text(stem.to_owned()),
            description,
            direction: Direction::Repeatable,
        });
    }
    let direction = match prefix.as_bytes().first()? {
        b'V' => Direction::Up,
        b'U' if naming == Naming::Prefixed => Direction::Down,
        _ => return None,
    };
    let parts: Option<Vec<u64>> = prefix[1..].split(['.', '_']).map(|part| part.parse().ok()).collect();
    Some(FileName { version: Version::Numbers(parts?), description, direction })
}

#[cfg(test)]
mod tests {
    use super::super::runner;
    use super::*;

    fn read(tool: &str, name: &str) -> Option<(Version, Direction)> {
        file_name(runner(tool).expect("a known runner"), name).map(|f| (f.version, f.direction))
    }

    fn number(n: u64) -> Version {
        Version::Numbers(vec![n])
    }

    #[test]
    fn each_tool_reads_its_own_names() {
        assert_eq!(read("sqlx", "20240101_add_users.sql"), Some((number(20_240_101), Direction::Up)));
        assert_eq!(read("sqlx", "1_a.down.sql"), Some((number(1), Direction::Down)));
        assert_eq!(read("dbmate", "20240101120000_x.sql"), Some((number(20_240_101_120_000), Direction::Up)));
        assert_eq!(read("golang-migrate", "0001_x.up.sql"), Some((number(1), Direction::Up)));
        assert_eq!(read("golang-migrate", "0001_x.sql"), None);
        assert_eq!(read("flyway", "V1.2__x.sql"), Some((Version::Numbers(vec![1, 2]), Direction::Up)));
        assert_eq!(read("flyway", "U1_2__x.sql"), Some((Version::Numbers(vec![1, 2]), Direction::Down)));
        assert_eq!(read("flyway", "R__views.sql").map(|r| r.1), Some(Direction::Repeatable));
        assert_eq!(read("refinery", "V3__x.sql"), Some((number(3), Direction::Up)));
        assert_eq!(read("refinery", "R__x.sql"), None);
        assert_eq!(read("goose", "00001_init.sql"), Some((number(1), Direction::Up)));
        assert_eq!(read("sqlx", "README.md"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers_not_as_text() {
        assert!(number(9) < number(10));
        assert!(Version::Numbers(vec![1, 9]) < Version::Numbers(vec![1, 10]));
    }
}
