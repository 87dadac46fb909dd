//! The names that the server chooses when none is given.
//!
//! Source: `makeObjectName`, `ChooseRelationName` and `ChooseIndexName` in `src/backend/commands/indexcmds.c`,
//! `ChooseConstraintName` in `src/backend/catalog/pg_constraint.c`.

use super::run::Run;
use crate::catalog::{IndexKey, IndexKeyValue, Name, Relation};

/// The longest name, in bytes (`NAMEDATALEN` - 1).
const NAME_MAX: usize = 63;

/// `first_second_label`, the two names shortened, the longer one first, until the whole fits.
pub(super) fn make_object_name(first: &str, second: &str, label: &str) -> String {
    let overhead = usize::from(!second.is_empty()) + if label.is_empty() { 0 } else { label.len() + 1 };
    let available = NAME_MAX - overhead;
    let (mut a, mut b) = (first.len(), second.len());
    while a + b > available {
        if a > b { a -= 1 } else { b -= 1 }
    }
    let mut name = clip(first, a).to_owned();
    for part in [clip(second, b), label] {
        if !part.is_empty() {
            name.push('_');
            name.push_str(part);
        }
    }
    name
}

/// At most `bytes` bytes, not splitting a character.
fn clip(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The columns' part of an index's name: `a_b`, with `expr`, `expr1`… for expressions.
pub(super) fn index_columns_name(table: &Relation, keys: &[IndexKey], included: &[u16]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let columns = keys
        .iter()
        .map(|key| match &key.value {
            IndexKeyValue::Column(number) => Some(*number),
            IndexKeyValue::Expression(_) => None,
        })
        .chain(included.iter().map(|number| Some(*number)));
    for column in columns {
        let base = match column.and_then(|number| table.column_at(number)) {
            Some(column) => column.name.to_string(),
            None => "expr".into(),
        };
        let mut name = base.clone();
        let mut suffix = 0;
        while parts.contains(&name) {
            suffix += 1;
            name = format!("{base}{suffix}");
        }
        parts.push(name);
    }
    let mut joined = parts.join("_");
    joined.truncate(clip(&joined, NAME_MAX).len());
    joined
}

impl Run<'_> {
    /// A name for a relation in `schema` that nothing there has yet.
    pub(super) fn choose_relation_name(&self, schema: &str, first: &str, second: &str, label: &str) -> Name {
        self.choose(first, second, label, |name| self.catalog.find_in(schema, name).is_some())
    }

    /// A name for a constraint of `table` that no constraint of the table has yet.
    pub(super) fn choose_constraint_name(&self, table: &Relation, second: &str, label: &str) -> Name {
        self.choose(&table.name, second, label, |name| table.constraint(name).is_some())
    }

    fn choose(&self, first: &str, second: &str, label: &str, taken: impl Fn(&str) -> bool) -> Name {
        let mut suffix = 0;
        let mut name = make_object_name(first, second, label);
        while taken(&name) {
            suffix += 1;
            name = make_object_name(first, second, &format!("{label}{suffix}"));
        }
        name.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_where_they_are_longest() {
        let name = make_object_name(&"t".repeat(60), "col", "idx");
        assert_eq!(name, format!("{}_col_idx", "t".repeat(55)));
        assert_eq!(name.len(), NAME_MAX);
    }
}
