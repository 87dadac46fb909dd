//! Replies as text: `", "` and `": "` between the parts, whole numbers without a decimal point.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Number, Value};
use sim_clock::Nanos;

/// One reply on one line, without the line's end.
#[must_use]
pub(crate) fn to_line(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    // Writing to memory cannot fail, and every `Value` can be written.
    value.serialize(&mut serializer).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// A span in seconds, as precise as a rehearsal can claim to be: to a tenth of a second, and below
/// one second to two significant digits.
#[must_use]
pub(crate) fn seconds(span: Nanos) -> Value {
    let grain = match span.0 {
        0..10 => 1,
        ns @ 10..1_000_000_000 => 10_u64.pow(ns.ilog10() - 1),
        _ => 100_000_000,
    };
    let rounded = span.0.saturating_add(grain / 2) / grain * grain;
    if rounded.is_multiple_of(1_000_000_000) {
        return Value::from(rounded / 1_000_000_000);
    }
    Number::from_f64(Nanos(rounded).as_secs_f64()).map_or(Value::Null, Value::Number)
}

/// An object from its entries, in that order.
#[must_use]
pub(crate) fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replies_have_spaces_after_commas_and_colons_and_keep_their_order() {
        let value = json!({"b": [1, {"x": null}], "a": "t, u: v", "c": []});
        assert_eq!(to_line(&value), r#"{"b": [1, {"x": null}], "a": "t, u: v", "c": []}"#);
    }

    #[test]
    fn seconds_are_as_precise_as_a_rehearsal_can_claim() {
        let shown = |ms: u64| to_line(&seconds(Nanos::from_millis(ms)));
        assert_eq!(shown(120_000), "120");
        assert_eq!(shown(120_003), "120");
        assert_eq!(shown(59_960), "60");
        assert_eq!(shown(60_060), "60.1");
        assert_eq!(shown(101), "0.1");
        assert_eq!(shown(999), "1");
        assert_eq!(shown(3), "0.003");
        assert_eq!(to_line(&seconds(Nanos(123_456))), "0.00012");
        assert_eq!(shown(0), "0");
    }
}
