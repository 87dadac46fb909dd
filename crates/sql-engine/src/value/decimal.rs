//! `numeric`, up to the 38 digits that fit a 128-bit integer.

use std::cmp::Ordering;
use std::fmt;

/// A decimal number: `digits / 10^scale`. The scale is what is shown after the point.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

/// The fewest significant digits of a quotient (`NUMERIC_MIN_SIG_DIGITS` in numeric.c).
const MIN_SIGNIFICANT_DIGITS: i32 = 16;

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { digits: 0, scale: 0 };

    /// From text: digits, an optional sign, point and exponent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(digit)?;
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let value = if negative { -digits } else { digits };
        if scale >= 0 {
            return (scale <= 1000).then_some(Self { digits: value, scale: scale as u32 });
        }
        Some(Self { digits: value.checked_mul(power(scale.unsigned_abs())?)?, scale: 0 })
    }

    /// The nearest decimal with 15 significant digits, as a cast from a double gives.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self::parse(&format!("{value:.15e}")).map(Self::trimmed))?
    }

    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    /// As a double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// How many digits are shown after the point.
    #[must_use]
    pub const fn scale(self) -> u32 {
        self.scale
    }

    /// Rounded half away from zero to so many digits after the point.
    #[must_use]
    pub fn round(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            let digits = self.digits.checked_mul(power(scale - self.scale)?)?;
            return Some(Self { digits, scale });
        }
        let unit = power(self.scale - scale)?;
        let (quotient, rest) = (self.digits / unit, self.digits % unit);
        let away = if rest.abs() * 2 >= unit { self.digits.signum() } else { 0 };
        Some(Self { digits: quotient + away, scale })
    }

    /// Cut off to so many digits after the point.
    #[must_use]
    pub fn truncate(self, scale: u32) -> Option<Self> {
        if scale >= self.scale {
            return self.round(scale);
        }
        Some(Self { digits: self.digits / power(self.scale - scale)?, scale })
    }

    /// The nearest integer, if it fits.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.round(0)?.digits).ok()
    }

    /// How many digits stand before the point.
    #[must_use]
    pub fn whole_digits(self) -> u32 {
        match power(self.scale).map(|unit| (self.digits / unit).unsigned_abs()) {
            None | Some(0) => 0,
            Some(whole) => whole.ilog10() + 1,
        }
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Its sign: -1, 0, 1.
    #[must_use]
    pub const fn signum(self) -> i64 {
        self.digits.signum() as i64
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.round(scale)?.digits, other.round(scale)?.digits, scale))
    }

    /// Sum.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self { digits: a.checked_add(b)?, scale })
    }

    /// Difference.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(other.negated())
    }

    /// The same with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { digits: -self.digits, scale: self.scale }
    }

    /// Product.
    #[must_use]
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale })
    }

    /// Quotient, with as many digits as PostgreSQL shows (`select_div_scale` in numeric.c); nothing if it
    /// does not fit. The divisor must not be zero.
    #[must_use]
    pub fn checked_div(self, other: Self) -> Option<Self> {
        let (weight, first) = self.leading();
        let (other_weight, other_first) = other.leading();
        let mut quotient_weight = weight - other_weight;
        if first <= other_first {
            quotient_weight -= 1;
        }
        let scale = (MIN_SIGNIFICANT_DIGITS - quotient_weight * 4)
            .max(self.scale as i32)
            .max(other.scale as i32)
            .max(0) as u32;
        let shift = scale + 1 + other.scale;
        let numerator = self.digits.checked_mul(power(shift.checked_sub(self.scale)?)?)?;
        Self { digits: numerator.checked_div(other.digits)?, scale: scale + 1 }.round(scale)
    }

    /// Remainder with the sign of the dividend.
    #[must_use]
    pub fn checked_rem(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self { digits: a.checked_rem(b)?, scale })
    }

    /// Weight and value of the first digit in base 10,000, PostgreSQL's own digits.
    fn leading(self) -> (i32, i128) {
        if self.digits == 0 {
            return (0, 0);
        }
        let digits = self.digits.unsigned_abs();
        // The exponent of ten of the leading decimal digit, floored to a multiple of four.
        let exponent = digits.ilog10() as i32 - self.scale as i32;
        let weight = exponent.div_euclid(4);
        let shift = weight * 4 + self.scale as i32;
        let first = if shift >= 0 {
            power(shift as u32).map_or(0, |unit| digits as i128 / unit)
        } else {
            power(shift.unsigned_abs()).and_then(|unit| (digits as i128).checked_mul(unit)).unwrap_or(0)
        };
        (weight, first)
    }

    /// The order by value.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().partial_cmp(&other.to_f64()).unwrap_or(Ordering::Equal),
        }
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl From<i64> for Decimal {
    fn from(n: i64) -> Self {
        Self { digits: n.into(), scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    #[test]
    fn quotients_have_the_digits_that_postgresql_shows() {
        for (a, b, quotient) in [
            ("3", "2", "1.5000000000000000"),
            ("1", "3", "0.33333333333333333333"),
            ("10", "4", "2.5000000000000000"),
            ("100000", "3", "33333.333333333333"),
            ("2", "3", "0.66666666666666666667"),
            ("5", "1", "5.0000000000000000"),
            ("0", "3", "0.00000000000000000000"),
        ] {
            assert_eq!(
                number(a).checked_div(number(b)).map(|q| q.to_string()).as_deref(),
                Some(quotient),
                "{a}/{b}"
            );
        }
    }

    #[test]
    fn sums_and_products_keep_their_scale() {
        assert_eq!(number("1.10").checked_add(number("2.2")).map(|n| n.to_string()).as_deref(), Some("3.30"));
        assert_eq!(
            number("1.10").checked_mul(number("-2.2")).map(|n| n.to_string()).as_deref(),
            Some("-2.420")
        );
        assert_eq!(number("-0.5").round(0).map(|n| n.to_string()).as_deref(), Some("-1"));
        assert_eq!(number("1e3").to_string(), "1000");
        assert_eq!(number("1.5e-2").to_string(), "0.015");
    }
}
