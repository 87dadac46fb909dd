//! Lines of any bytes, numbered, with a bound on their length: a file without line ends must not fill the
//! memory. Compressed (`.gz`) input is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// No log line that carries a statement is longer; what is, is skipped and reported.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its text without the line end; bytes that are not UTF-8 became replacement characters.
    Text(String),
    /// It was longer than [`MAX_LINE_BYTES`] and has been skipped.
    TooLong,
}

/// Reads lines and counts them.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    buffer: Vec<u8>,
    /// Lines that were given back, last one first.
    returned: Vec<(u64, Line)>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, number: 0, buffer: Vec::new(), returned: Vec::new() }
    }

    /// How many lines have been read from the input.
    pub(crate) fn count(&self) -> u64 {
        self.number
    }

    /// The next line and its number, counted from 1.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        if let Some(line) = self.returned.pop() {
            return Ok(Some(line));
        }
        self.buffer.clear();
        let mut limited = (&mut self.input).take(MAX_LINE_BYTES as u64 + 1);
        if limited.read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.buffer.last() != Some(&b'\n') && self.buffer.len() > MAX_LINE_BYTES {
            self.skip_to_line_end()?;
            return Ok(Some((self.number, Line::TooLong)));
        }
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        let bytes = self.buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.buffer);
        Ok(Some((self.number, Line::Text(String::from_utf8_lossy(bytes).into_owned()))))
    }

    /// Gives a line back: it will be the next one.
    pub(crate) fn put_back(&mut self, number: u64, line: Line) {
        self.returned.push((number, line));
    }

    fn skip_to_line_end(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(bytes.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// The input itself, or what it holds if it is compressed with gzip.
pub fn decompressed<'a>(input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input))));
    }
    Ok(Box::new(input))
}

/// What a JSON parser says about one line: its own line number is always 1 and would mislead.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (what, place) = text.rsplit_once(" at line 1 column ").unwrap_or((&text, ""));
    if place.is_empty() { what.to_owned() } else { format!("{what}, column {place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_whatever_ends_them() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfa\r\nb\n\nc\xff"[..]);
        let mut texts = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            texts.push((number, line));
        }
        let text = |text: &str| Line::Text(text.to_owned());
        assert_eq!(texts, [(1, text("a")), (2, text("b")), (3, text("")), (4, text("c\u{fffd}"))]);
    }

    #[test]
    fn a_line_without_end_is_skipped_not_kept() {
        let endless = io::repeat(b'x').take(MAX_LINE_BYTES as u64 * 2).chain(&b"\nshort\n"[..]);
        let mut lines = Lines::new(BufReader::new(endless));
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLong)));
        assert_eq!(lines.next().unwrap(), Some((2, Line::Text("short".to_owned()))));
    }
}
