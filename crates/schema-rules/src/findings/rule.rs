//! The rules: names, severities, pages.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// May hurt.
    Warning,
    /// Hurts, or does not work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// How bad its findings are at most; one that hardly takes time is a note.
    pub severity: Severity,
    /// In one line.
    pub summary: &'static str,
    /// Its documentation.
    pub page: &'static str,
    /// The rules of squawk and eugene that say the same: comments that switch those off count here.
    pub aliases: &'static [&'static str],
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

macro_rules! rules {
    ($($name:literal, $severity:ident, $summary:literal, [$($alias:literal),*];)*) => {
        /// Every rule, by name.
        pub static RULES: &[Rule] = &[$(Rule {
            name: $name,
            severity: Severity::$severity,
            summary: $summary,
            page: include_str!(concat!("pages/", $name, ".md")),
            aliases: &[$($alias),*],
        },)*];
    };
}

rules! {
    "column-type-rewrites", Error, "a change of type has every row of the table written anew", ["changing-column-type", "E5"];
    "concurrently-in-transaction", Error, "a CONCURRENTLY command cannot run inside a transaction", ["ban-concurrent-index-creation-in-transaction"];
    "constraint-builds-index", Error, "a key or exclusion constraint builds its index while nobody can use the table", ["disallowed-unique-constraint", "adding-serial-primary-key-field", "E7", "E8"];
    "constraint-scans", Warning, "a constraint is verified while the table is locked", ["constraint-missing-not-valid", "E1"];
    "default-rewrites", Error, "a new column has every row of the table written anew", ["adding-field-with-default", "E11"];
    "detach-blocks", Warning, "DETACH PARTITION takes the partitioned table for itself", ["require-concurrent-partition-detach"];
    "domain-constraint-scans", Warning, "a domain's constraint is verified in every table that uses it", ["ban-alter-domain-with-add-constraint"];
    "drop-index-blocks", Warning, "DROP INDEX takes the whole table for itself", ["require-concurrent-index-deletion"];
    "drops-column", Warning, "running clients may still use the column", ["ban-drop-column"];
    "drops-table", Warning, "running clients may still use the table", ["ban-drop-table"];
    "fails", Error, "the server refuses the statement", [];
    "foreign-key-scans", Error, "a foreign key is verified while neither table can be written to", ["adding-foreign-key-constraint", "E1"];
    "foreign-key-without-index", Note, "deleting a referenced row reads the whole referencing table", ["E15"];
    "if-not-exists-hides-invalid-index", Warning, "IF NOT EXISTS takes an invalid index for a good one", [];
    "index-blocks-writes", Error, "the table cannot be written to while the index is built", ["require-concurrent-index-creation", "E6"];
    "integer-key", Note, "a 32-bit key runs out after two thousand million rows", ["prefer-bigint-over-int", "prefer-bigint-over-smallint"];
    "json-column", Note, "json has no equality: DISTINCT and UNION over the row fail", ["E3"];
    "locks-another-table", Warning, "the statement locks a table that it does not name", [];
    "no-lock-timeout", Warning, "while the statement waits for its lock, everybody else waits behind it", ["require-lock-timeout", "require-timeout-settings", "E9"];
    "not-modelled", Note, "the statement is not followed", [];
    "partition-scans", Warning, "a partition's rows are verified while it is locked", [];
    "refresh-blocks-reads", Warning, "the materialised view cannot be read while it is refreshed", [];
    "reindex-blocks", Error, "the table cannot be written to while its index is rebuilt", ["require-concurrent-reindex"];
    "renames-column", Warning, "running clients use the old name", ["renaming-column"];
    "renames-table", Warning, "running clients use the old name", ["renaming-table"];
    "required-column", Warning, "running clients insert rows without the new column", ["adding-required-field"];
    "rewrites-table", Error, "every row of the table is written anew while nobody can use it", ["prefer-repack", "E10"];
    "runner-lock-deadlocks", Warning, "a second runner waits in a way that a CONCURRENTLY command waits for", [];
    "set-not-null-scans", Warning, "SET NOT NULL reads the whole table while nobody can use it", ["adding-not-nullable-field", "E2"];
    "syntax-error", Error, "the statement cannot be read", [];
    "truncate-cascades", Warning, "TRUNCATE CASCADE empties tables that it does not name", ["ban-truncate-cascade"];
    "unused-allow", Note, "a comment allows a finding that there is not", ["unused-ignore"];
    "whole-table-update", Warning, "one statement changes every row and holds their locks to its end", [];
    "work-under-lock", Warning, "a strong lock is held while later statements of the transaction work", ["E4"];
}

/// The rule of this name, or of this name with another tool.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_alphabetical_order_with_a_page_that_starts_with_their_name() {
        assert!(RULES.is_sorted_by_key(|r| r.name));
        for rule in RULES {
            assert!(rule.page.starts_with(&format!("# {}\n", rule.name)), "{}", rule.name);
            assert!(rule.page.len() > 300, "{} says too little", rule.name);
        }
    }
}
