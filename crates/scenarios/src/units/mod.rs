//! Quantities as people write them: `"250 ms"`, `"12 GB"`, `"0.1 %"`, `"08:30"`.
//!
//! All are whole numbers inside: what is written is what is computed with, to the last digit.

mod share;
mod size;
mod span;
mod time_of_day;

use std::borrow::Cow;

use schemars::Schema;
use schemars::json_schema;

pub use share::Share;
pub use size::Size;
pub use span::Span;
pub use time_of_day::TimeOfDay;

/// A quantity that stands as a string in the file. The schema names it as a `format`.
pub(crate) struct Quantity {
    /// The name of the format.
    pub(crate) format: &'static str,
    /// What it is called in messages, and how it is written.
    pub(crate) remedy: &'static str,
    /// Whether a text is one.
    pub(crate) understands: fn(&str) -> bool,
    /// A regular expression of JSON Schema's kind, for editors.
    pattern: &'static str,
}

impl Quantity {
    /// What it is called in messages.
    pub(crate) fn format_name(&self) -> &'static str {
        self.remedy.split_once(':').map_or(self.format, |parts| parts.0)
    }
}

/// Every quantity.
pub(crate) const QUANTITIES: [Quantity; 4] = [
    Quantity {
        format: "span",
        understands: |text| Span::parse(text).is_some(),
        remedy: "a span of time: a number and a unit, such as \"250 ms\"; units are ns, us, ms, s, min and h",
        pattern: r"^\s*[0-9_]+(\.[0-9_]*)?\s*(ns|us|ms|s|min|h)\s*$",
    },
    Quantity {
        format: "size",
        understands: |text| Size::parse(text).is_some(),
        remedy: "a size: a number and a unit, such as \"12 GB\"; units are B, kB, MB, GB and TB, each 1,024 of the one before",
        pattern: r"^\s*[0-9_]+(\.[0-9_]*)?\s*(B|kB|MB|GB|TB)\s*$",
    },
    Quantity {
        format: "share",
        understands: |text| Share::parse(text).is_some(),
        remedy: "a share: a number of percent with at most four decimals, such as \"0.1 %\"",
        pattern: r"^\s*[0-9]+(\.[0-9]{0,4})?\s*%\s*$",
    },
    Quantity {
        format: "time of day",
        understands: |text| TimeOfDay::parse(text).is_some(),
        remedy: "a time of day: hours and minutes, such as \"08:30\"",
        pattern: r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
    },
];

/// A quantity by the name of its format.
pub(crate) fn quantity(format: &str) -> Option<&'static Quantity> {
    QUANTITIES.iter().find(|one| one.format == format)
}

fn schema_of(format: &'static str) -> Schema {
    let pattern = quantity(format).map_or("", |one| one.pattern);
    json_schema!({ "type": "string", "format": format, "pattern": pattern })
}

macro_rules! quantities {
    ($($kind:ty, $name:literal, $format:literal;)*) => {$(
        impl TryFrom<String> for $kind {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| {
                    let remedy = quantity($format).map_or("", |one| one.remedy);
                    format!("{text:?} is not {remedy}")
                })
            }
        }

        impl schemars::JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
                schema_of($format)
            }
        }
    )*};
}

quantities! {
    Span, "Span", "span";
    Size, "Size", "size";
    Share, "Share", "share";
    TimeOfDay, "TimeOfDay", "time of day";
}

/// A decimal number times a factor, without a detour over floating point: `None` if that is not whole.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = u32::try_from(fraction.len()).ok()?;
    let mantissa: u128 = format!("{whole}{fraction}").parse().ok()?;
    let product = mantissa.checked_mul(u128::from(factor))?;
    let unit = 10_u128.checked_pow(digits)?;
    if product.is_multiple_of(unit) { u64::try_from(product / unit).ok() } else { None }
}

/// A number and a unit: `12 GB` is 12 times what the table says of `GB`.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let (number, unit) = (&text[..split], text[split..].trim());
    scaled(number, units.iter().find(|entry| entry.0 == unit)?.1)
}
