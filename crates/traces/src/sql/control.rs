//! Which statements of a text begin and end transactions.

use super::scan::{Token, Tokens};

/// What a statement does to the transaction block it runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END; with CHAIN the next block is open at once.
    Commit {
        /// Whether it is AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// Whether it is AND CHAIN.
        chain: bool,
    },
    /// PREPARE TRANSACTION: the session is rid of it.
    Prepare,
    /// ROLLBACK TO SAVEPOINT: a failed block works again.
    RollbackTo,
    /// Anything else.
    Other,
}

/// The statements of a text (one message may hold several) as far as transactions are concerned.
#[must_use]
pub fn controls(text: &str) -> Vec<Control> {
    let mut controls = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut anything = false;
    for token in Tokens::new(text) {
        match token {
            Token::Symbol(";") => {
                if anything {
                    controls.push(control(&words));
                }
                words.clear();
                anything = false;
                continue;
            }
            Token::Word(word) if words.len() < 5 => words.push(word.to_ascii_lowercase()),
            _ => {}
        }
        anything = true;
    }
    if anything {
        controls.push(control(&words));
    }
    controls
}

fn control(words: &[String]) -> Control {
    let has = |word: &str| words.iter().skip(1).any(|other| other == word);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let chain = has("chain") && !has("no");
    match word(0) {
        "begin" => Control::Begin,
        "start" if word(1) == "transaction" => Control::Begin,
        "commit" | "rollback" if has("prepared") => Control::Other,
        "commit" | "end" => Control::Commit { chain },
        "rollback" if has("to") => Control::RollbackTo,
        "rollback" | "abort" => Control::Rollback { chain },
        "prepare" if word(1) == "transaction" => Control::Prepare,
        _ => Control::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_of_a_message_counts() {
        use Control::{Begin, Commit, Other};
        assert_eq!(controls("begin; select ';'; commit;"), [Begin, Other, Commit { chain: false }]);
        assert_eq!(controls(" ; "), []);
    }

    #[test]
    fn only_what_ends_a_transaction_ends_it() {
        for text in ["rollback to savepoint a", "rollback transaction to a"] {
            assert_eq!(controls(text), [Control::RollbackTo], "{text}");
        }
        assert_eq!(controls("rollback prepared 'x'"), [Control::Other]);
        assert_eq!(controls("prepare transaction 'x'"), [Control::Prepare]);
        assert_eq!(controls("prepare q as select 1"), [Control::Other]);
        assert_eq!(controls("commit and chain"), [Control::Commit { chain: true }]);
        assert_eq!(controls("end work and no chain"), [Control::Commit { chain: false }]);
    }
}
