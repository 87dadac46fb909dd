//! A histogram of times with a relative error below 1/64, in the few hundred buckets that are in use.

use std::collections::BTreeMap;

/// Each power of two is cut into 2^5 buckets.
const SUB_BITS: u32 = 5;

/// Counts by magnitude.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: BTreeMap<u32, u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        *self.buckets.entry(bucket(value)).or_default() += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// The value that `permille` of a thousand do not pass, within the buckets' error.
    pub(crate) fn quantile(&self, permille: u64) -> u64 {
        let wanted = (self.count * permille).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen == self.count {
                break;
            }
            if seen >= wanted {
                return middle(*bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> u32 {
    let bits = u64::BITS - value.leading_zeros();
    if bits <= SUB_BITS {
        return u32::try_from(value).unwrap_or(0);
    }
    let shift = bits - SUB_BITS - 1;
    let within = u32::try_from(value >> shift).unwrap_or(0);
    (shift << SUB_BITS) + within
}

fn middle(bucket: u32) -> u64 {
    let size = 1 << SUB_BITS;
    if bucket < 2 * size {
        return u64::from(bucket);
    }
    let shift = bucket / size - 1;
    let within = u64::from(bucket % size + size);
    (within << shift) + (1 << shift >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_shown_within_its_error() {
        for value in (0..70).chain([1_000, 4_095, 4_096, 123_456_789, u64::MAX]) {
            let shown = middle(bucket(value));
            assert!(shown.abs_diff(value) <= value / 60, "{value} is shown as {shown}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|value| histogram.add(value));
        assert!(histogram.quantile(500).abs_diff(500) <= 8);
        assert!(histogram.quantile(990).abs_diff(990) <= 16);
        assert_eq!(histogram.quantile(1_000), 1_000);
    }
}
