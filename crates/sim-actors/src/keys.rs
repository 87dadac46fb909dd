//! How the key of a request is chosen.

use sim_clock::Stream;

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Each of `first..=last` as likely as the others.
    Uniform {
        /// The least.
        first: i64,
        /// The greatest.
        last: i64,
        /// Its random stream.
        stream: Stream,
    },
    /// `first` most often, then ever more seldom.
    Zipf {
        /// The most frequent key.
        first: i64,
        /// The law.
        law: Zipf,
        /// Its random stream.
        stream: Stream,
    },
    /// One after the other.
    Sequence {
        /// The next one.
        next: i64,
    },
}

impl KeySource {
    /// The next key.
    pub fn draw(&mut self) -> i64 {
        match self {
            Self::Uniform { first, last, stream } => {
                let span = last.abs_diff(*first).saturating_add(1);
                first.saturating_add_unsigned(stream.below(span))
            }
            Self::Zipf { first, law, stream } => first.saturating_add_unsigned(law.draw(stream) - 1),
            Self::Sequence { next } => {
                let key = *next;
                *next = next.saturating_add(1);
                key
            }
        }
    }
}

/// Zipf's law over 1..=n: the k-th key comes with a frequency of k to the power of -exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    count: f64,
    exponent: f64,
    upper: f64,
    lower: f64,
}

impl Zipf {
    /// The law over `count` keys; an exponent of 0 makes all of them alike.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a table has far fewer than 2^53 rows")]
    pub fn new(count: u64, exponent: f64) -> Self {
        let mut law = Self { count: count.max(1) as f64, exponent, upper: 0.0, lower: 0.0 };
        law.upper = law.area(law.count + 0.5);
        law.lower = law.area(1.5) - 1.0;
        law
    }

    /// The integral of x^-exponent, up to a constant.
    fn area(&self, x: f64) -> f64 {
        let power = 1.0 - self.exponent;
        if power.abs() < 1e-9 { libm::log(x) } else { libm::pow(x, power) / power }
    }

    fn inverse(&self, area: f64) -> f64 {
        let power = 1.0 - self.exponent;
        if power.abs() < 1e-9 { libm::exp(area) } else { libm::pow(area * power, 1.0 / power) }
    }

    /// A number in 1..=n by rejection from the continuous law (Hörmann and Derflinger, 1996): a
    /// few draws whatever n is.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1..=count")]
    pub fn draw(&self, stream: &mut Stream) -> u64 {
        loop {
            let area = self.lower + stream.unit() * (self.upper - self.lower);
            let key = libm::round(self.inverse(area)).clamp(1.0, self.count);
            if area >= self.area(key + 0.5) - libm::pow(key, -self.exponent) {
                return key as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sim_clock::Seed;

    use super::*;

    #[test]
    fn the_second_key_of_zipfs_law_comes_half_as_often_as_the_first() {
        let (law, mut stream) = (Zipf::new(1_000, 1.0), Seed(1).stream("zipf"));
        let mut seen = [0_u32; 1_001];
        for _ in 0..100_000 {
            seen[usize::try_from(law.draw(&mut stream)).unwrap()] += 1;
        }
        // The harmonic number of 1,000 is 7.485.
        assert!((13_000..13_720).contains(&seen[1]), "{}", seen[1]);
        assert!((6_400..6_960).contains(&seen[2]), "{}", seen[2]);
        assert!(seen[1_000] < 40, "{}", seen[1_000]);
    }
}
