//! Finds where a JSON value ends, one byte at a time.
//!
//! A pushdown automaton over the grammar of RFC 8259 as far as structure goes: it knows what may
//! follow what, so that it notices a broken value at the byte where it breaks. Numbers and words are
//! delimited here and judged by `serde_json`.

/// As deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// What a byte meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// White space between values.
    Between,
    /// Part of a value that goes on.
    More,
    /// The value ends, with this byte or before it.
    Ends {
        /// Whether the byte belongs to the value.
        inclusive: bool,
    },
    /// No JSON value begins like this.
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// A value must come.
    Value,
    /// A value or the end of the array.
    ValueOrEnd,
    /// A key or the end of the object.
    KeyOrEnd,
    Key,
    Colon,
    /// A value has ended: a comma or the end of what holds it.
    CommaOrEnd,
    Text {
        escaped: bool,
        key: bool,
    },
    /// A number, `true`, `false` or `null`.
    Word,
    Broken(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Array,
    Object,
}

/// The state of scanning one value.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    holders: Vec<Holder>,
}

impl Scanner {
    pub(crate) fn is_inside_value(&self) -> bool {
        self.state != State::Between
    }

    /// The line is known to be broken; it is over at its newline.
    pub(crate) fn stay_broken(&mut self, reason: &'static str) {
        self.state = State::Broken(reason);
    }

    pub(crate) fn step(&mut self, byte: u8) -> Step {
        let space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match self.state {
            State::Broken(reason) => Step::Broken(reason),
            State::Text { escaped, key } => self.text(byte, escaped, key),
            State::Word => self.word(byte),
            State::Between if space => Step::Between,
            _ if space => Step::More,
            State::Between | State::Value => self.value(byte),
            State::ValueOrEnd if byte == b']' => self.close(Holder::Array),
            State::ValueOrEnd => self.value(byte),
            State::KeyOrEnd if byte == b'}' => self.close(Holder::Object),
            State::KeyOrEnd | State::Key => match byte {
                b'"' => self.enter(State::Text { escaped: false, key: true }),
                _ => Step::Broken("a key in double quotes was expected"),
            },
            State::Colon if byte == b':' => self.enter(State::Value),
            State::Colon => Step::Broken("a colon was expected after a key"),
            State::CommaOrEnd => self.after_value(byte),
        }
    }

    fn enter(&mut self, state: State) -> Step {
        self.state = state;
        Step::More
    }

    fn value(&mut self, byte: u8) -> Step {
        match byte {
            b'{' => self.open(Holder::Object, State::KeyOrEnd),
            b'[' => self.open(Holder::Array, State::ValueOrEnd),
            b'"' => self.enter(State::Text { escaped: false, key: false }),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => self.enter(State::Word),
            _ => Step::Broken("a value was expected"),
        }
    }

    fn open(&mut self, holder: Holder, state: State) -> Step {
        if self.holders.len() == MAX_DEPTH {
            return Step::Broken("it is nested more than 127 levels deep");
        }
        self.holders.push(holder);
        self.enter(state)
    }

    fn close(&mut self, holder: Holder) -> Step {
        if self.holders.pop() != Some(holder) {
            return Step::Broken("a bracket closes what another kind of bracket opened");
        }
        self.ended(true)
    }

    /// A value has ended, with the present byte or before it.
    fn ended(&mut self, inclusive: bool) -> Step {
        if self.holders.is_empty() {
            return Step::Ends { inclusive };
        }
        self.enter(State::CommaOrEnd)
    }

    fn after_value(&mut self, byte: u8) -> Step {
        match (byte, self.holders.last()) {
            (b',', Some(Holder::Array)) => self.enter(State::Value),
            (b',', Some(Holder::Object)) => self.enter(State::Key),
            (b']', _) => self.close(Holder::Array),
            (b'}', _) => self.close(Holder::Object),
            _ => Step::Broken("a comma or a closing bracket was expected"),
        }
    }

    fn text(&mut self, byte: u8, escaped: bool, key: bool) -> Step {
        match byte {
            _ if escaped => self.enter(State::Text { escaped: false, key }),
            b'\\' => self.enter(State::Text { escaped: true, key }),
            b'"' if key => self.enter(State::Colon),
            b'"' => self.ended(true),
            b'\n' => Step::Broken("a line ends within a string"),
            _ => Step::More,
        }
    }

    fn word(&mut self, byte: u8) -> Step {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' => Step::More,
            b' ' | b'\t' | b'\r' | b'\n' => self.ended(false),
            _ if self.holders.is_empty() => Step::Broken("a word is not followed by white space"),
            _ => self.after_value(byte),
        }
    }
}
