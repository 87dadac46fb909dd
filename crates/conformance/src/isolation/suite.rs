//! A spec against its recorded transcripts, and the count over many of them.

use super::diff::diff;
use super::error::SpecError;
use super::parse::parse;
use super::server::Server;
use super::tester::{End, run};

/// The version whose transcripts have no version in their files' names.
pub const REFERENCE_MAJOR: u32 = 15;

/// A spec and what servers printed for it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The spec's text.
    pub spec: String,
    /// The transcripts to compare with, by major version.
    pub expected: Vec<(u32, String)>,
}

/// How a spec fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All transcripts are the same to the byte.
    Agrees,
    /// One differs.
    Differs {
        /// The version that it differs from.
        major: u32,
        /// The difference, for people.
        diff: String,
    },
    /// The simulated server cannot run it.
    NotSupported {
        /// Where.
        place: String,
        /// What is not modelled.
        reason: String,
    },
    /// It is not a spec.
    Malformed(SpecError),
}

/// Runs a spec for each version and compares.
pub fn check<S: Server>(case: &Case, server: impl Fn(u32) -> S) -> Verdict {
    let spec = match parse(&case.spec) {
        Ok(spec) => spec,
        Err(error) => return Verdict::Malformed(error),
    };
    for (major, expected) in &case.expected {
        let run = run(&spec, *major, &mut server(*major), &mut ());
        if let End::NotSupported { place, reason } = run.end {
            return Verdict::NotSupported { place, reason };
        }
        if let Some(diff) = diff(expected, &run.transcript) {
            return Verdict::Differs { major: *major, diff };
        }
    }
    Verdict::Agrees
}

/// How many specs there were and how they fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Specs checked.
    pub total: usize,
    /// Those that agree.
    pub agree: usize,
    /// Those that the simulated server cannot run.
    pub not_supported: usize,
}

impl Tally {
    /// Counts a verdict.
    pub fn count(&mut self, verdict: &Verdict) {
        self.total += 1;
        self.agree += usize::from(*verdict == Verdict::Agrees);
        self.not_supported += usize::from(matches!(verdict, Verdict::NotSupported { .. }));
    }

    /// Does everything that can be run agree, and can everything be run (unless that is waived)?
    #[must_use]
    pub fn is_good(&self, allow_unsupported: bool) -> bool {
        self.agree + self.not_supported == self.total && (allow_unsupported || self.not_supported == 0)
    }
}

/// `70 of 72 specs agree, 1 not supported`
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} specs agree, {} not supported", self.agree, self.total, self.not_supported)
    }
}
