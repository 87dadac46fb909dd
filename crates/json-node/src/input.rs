//! From bytes to JSON values, whatever the bytes are.
//!
//! Values may share a line or span several. A value that turns out to be broken costs the line on
//! which it began, and reading goes on with the line after it: a message that lacks its closing
//! brace does not swallow the messages that follow. The scanner looks at each byte once to find
//! where values end; `serde_json` then reads them.

use serde_json::Value;

use crate::scanner::{Scanner, Step};

/// A broken line longer than this is quoted in part.
const QUOTED_BYTES: usize = 60;

/// What was read: a value, or what stood there instead of one.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// A complete JSON value.
    Value(Value),
    /// Text that is not JSON: what is wrong with it, and how it begins.
    Broken(String),
}

/// Takes bytes as they come, gives items as they are complete.
#[derive(Debug, Default)]
pub struct Input {
    /// Bytes not yet given out; a value starts at its beginning, or white space.
    pending: Vec<u8>,
    /// How many of them the scanner has seen.
    scanned: usize,
    /// How many of them are known to hold no end of a broken line.
    searched: usize,
    scanner: Scanner,
}

impl Input {
    /// Adds bytes and takes out every item that they complete.
    pub fn push(&mut self, bytes: &[u8], items: &mut Vec<Item>) {
        self.pending.extend_from_slice(bytes);
        self.scan(items);
    }

    /// The input has ended: what is left is complete, or broken.
    pub fn finish(&mut self, items: &mut Vec<Item>) {
        // A newline ends a number or a word; it changes nothing for other values.
        self.push(b"\n", items);
        while self.scanner.is_inside_value() {
            self.drop_first_line("the input ends within this value", items);
            self.scan(items);
        }
    }

    fn scan(&mut self, items: &mut Vec<Item>) {
        let mut start = 0;
        while let Some(&byte) = self.pending.get(self.scanned) {
            match self.scanner.step(byte) {
                Step::More => self.scanned += 1,
                Step::Between => {
                    self.scanned += 1;
                    start = self.scanned;
                }
                Step::Ends { inclusive } => {
                    self.scanned += usize::from(inclusive);
                    items.push(read(&self.pending[start..self.scanned]));
                    start = self.scanned;
                    self.scanner = Scanner::default();
                }
                Step::Broken(reason) => {
                    // The broken line may not have ended yet: wait for its end.
                    let from = self.searched.max(start);
                    let Some(length) = line_length(&self.pending[from..]) else {
                        self.searched = self.pending.len();
                        self.scanned = self.pending.len();
                        self.scanner.stay_broken(reason);
                        break;
                    };
                    let length = from - start + length;
                    items.push(broken(reason, &self.pending[start..start + length]));
                    start += length;
                    self.scanned = start;
                    self.scanner = Scanner::default();
                }
            }
        }
        self.pending.drain(..start);
        self.scanned -= start;
        self.searched = self.searched.saturating_sub(start);
    }

    fn drop_first_line(&mut self, reason: &'static str, items: &mut Vec<Item>) {
        let length = line_length(&self.pending).unwrap_or(self.pending.len());
        items.push(broken(reason, &self.pending[..length]));
        self.pending.drain(..length);
        (self.scanned, self.searched) = (0, 0);
        self.scanner = Scanner::default();
    }
}

fn line_length(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
}

fn read(bytes: &[u8]) -> Item {
    match serde_json::from_slice(bytes) {
        Ok(value) => Item::Value(value),
        Err(error) => Item::Broken(format!("not JSON: {error}; it begins {}", quoted(bytes))),
    }
}

fn broken(reason: &str, line: &[u8]) -> Item {
    Item::Broken(format!("not JSON: {reason}; the line begins {}", quoted(line)))
}

fn quoted(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(QUOTED_BYTES)];
    let dots = if head.len() < bytes.len() { "…" } else { "" };
    let text = String::from_utf8_lossy(head);
    format!("{:?}{dots}", text.trim_end_matches(['\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Feeds the bytes in pieces of that size; `!` stands for each broken item.
    fn read_all(bytes: &[u8], piece: usize) -> Vec<Value> {
        let (mut input, mut items) = (Input::default(), Vec::new());
        for chunk in bytes.chunks(piece) {
            input.push(chunk, &mut items);
        }
        input.finish(&mut items);
        let shown = |item| match item {
            Item::Value(value) => value,
            Item::Broken(_) => json!("!"),
        };
        items.into_iter().map(shown).collect()
    }

    #[track_caller]
    fn claim(bytes: impl AsRef<[u8]>, expected: &[Value]) {
        for piece in [1, 2, 7, 4096] {
            assert_eq!(read_all(bytes.as_ref(), piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn values_may_share_a_line_or_span_several() {
        claim(
            "{\"a\": 1}{\"b\": 2} 3\r\n\r\n{\n\"c\":\n[1,\n2]\n}\n",
            &[json!({"a": 1}), json!({"b": 2}), json!(3), json!({"c": [1, 2]})],
        );
    }

    #[test]
    fn a_missing_brace_costs_its_own_line_only() {
        claim("{\"a\": 1\n{\"b\": 2}\n{\"c\": 3}\n", &[json!("!"), json!({"b": 2}), json!({"c": 3})]);
        claim("{\"a\": \n{\"b\": 2}\n{\"c\": 3}\n", &[json!("!"), json!({"b": 2}), json!({"c": 3})]);
    }

    #[test]
    fn a_value_cut_off_by_the_end_of_input_is_broken() {
        claim("[1, 2]\n{\"a\": [\n", &[json!([1, 2]), json!("!")]);
        claim("{\"a\": \n{\"b\": 2}", &[json!("!"), json!({"b": 2})]);
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        claim("{\"a\": 1}", &[json!({"a": 1})]);
        claim("12", &[json!(12)]);
    }

    #[test]
    fn what_is_not_json_is_one_broken_item_a_line() {
        claim("hello, world\n{\"a\": 1}\n", &[json!("!"), json!({"a": 1})]);
        claim("{a: 1}\n[1}\n\"x\ny\"\n", &[json!("!"), json!("!"), json!("!"), json!("!")]);
        claim(b"\xff\xfe\x00\n{\"a\": \"\xff\"}\n1\n", &[json!("!"), json!("!"), json!(1)]);
    }

    #[test]
    fn nesting_deeper_than_can_be_read_is_broken_and_not_a_crash() {
        let mut text = "[".repeat(100_000);
        text.push_str("\n{\"a\": 1}\n");
        assert_eq!(read_all(text.as_bytes(), 4096), [json!("!"), json!({"a": 1})]);
    }

    #[test]
    fn a_line_of_many_megabytes_is_read_in_linear_time() {
        let text = format!("{{\"a\": \"{}\"}}\n{{\"b\": 2}}\n", "x".repeat(8 << 20));
        let values = read_all(text.as_bytes(), 64 << 10);
        assert_eq!(values.len(), 2);
        assert_eq!(values[1], json!({"b": 2}));
    }

    proptest! {
        #[test]
        fn no_bytes_lose_the_message_on_a_line_after_them(junk: Vec<u8>, piece in 1_usize..50) {
            let mut bytes = junk;
            // Two newlines: the first ends whatever the junk was, broken or not.
            bytes.extend_from_slice(b"\n}]\"\n{\"type\": \"status\"}\n");
            let values = read_all(&bytes, piece);
            prop_assert_eq!(values.last(), Some(&json!({"type": "status"})));
        }
    }
}
