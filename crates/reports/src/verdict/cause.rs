//! Why a request or a statement failed, in words.

/// SQLSTATEs (manual, appendix A) that rehearsals meet, and what they say to a person.
const CAUSES: [(&str, &str); 17] = [
    ("23502", "null in a NOT NULL column"),
    ("23503", "foreign key violated"),
    ("23505", "duplicate key"),
    ("23514", "check constraint violated"),
    ("25P02", "transaction already failed"),
    ("25P03", "idle_in_transaction_session_timeout"),
    ("25P04", "transaction_timeout"),
    ("40001", "serialization failure"),
    ("40P01", "deadlock"),
    ("42501", "permission denied"),
    ("42703", "column does not exist"),
    ("42P01", "table does not exist"),
    ("42P07", "table exists already"),
    ("53300", "too many connections"),
    ("55P03", "lock not had in time"),
    ("57014", "statement cancelled"),
    ("57P01", "connection terminated"),
];

/// A SQLSTATE with what it says, or the cause as it stands: `55P03 (lock not had in time)`, `pool timeout`.
#[must_use]
pub fn cause(code: &str) -> String {
    match CAUSES.iter().find(|(known, _)| *known == code) {
        Some((_, words)) => format!("{code} ({words})"),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_sqlstate_is_said_in_words_and_any_other_cause_stands_as_it_is() {
        assert_eq!(cause("40P01"), "40P01 (deadlock)");
        assert_eq!(cause("pool timeout"), "pool timeout");
        assert_eq!(cause("XX000"), "XX000");
    }
}
