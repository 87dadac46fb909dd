//! Where in the file a part of the scenario stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::Fault;

/// A step on the way to a part of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a table.
    Key(String),
    /// Into a list.
    Entry(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(entry: usize) -> Self {
        Self::Entry(entry)
    }
}

/// What is wrong with a scenario whose shape is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The way to what is wrong; to what stands nearest above it where a default is.
    pub(crate) way: Vec<Step>,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Problem {
    pub(super) fn located(self, root: &DeTable<'_>) -> Fault {
        Fault { range: range(root, &self.way), what: self.what, remedy: self.remedy }
    }
}

fn range(root: &DeTable<'_>, way: &[Step]) -> Range<usize> {
    let Some((Step::Key(first), rest)) = way.split_first() else { return 0..0 };
    let Some(mut at) = root.get(first.as_str()) else { return 0..0 };
    for step in rest {
        let below: Option<&Spanned<DeValue<'_>>> = match (at.get_ref(), step) {
            (DeValue::Table(table), Step::Key(key)) => table.get(key.as_str()),
            (DeValue::Array(entries), Step::Entry(entry)) => entries.get(*entry),
            _ => None,
        };
        let Some(below) = below else { break };
        at = below;
    }
    at.span()
}
