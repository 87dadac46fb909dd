//! As much of SQL as text that may be cut, wrong or of another dialect allows: tokens, fingerprints and
//! which statements begin and end transactions. Tables and locks come from the real parser.

mod control;
mod normalise;
mod params;
mod scan;

pub use control::{Control, controls};
pub(crate) use normalise::fingerprint_of_name;
pub use normalise::normalise;
pub use params::{ParamUse, param_uses};

/// The text with constants replaced by `?` and case, spacing and comments evened out, and its fingerprint.
pub(crate) fn fingerprint(text: &str) -> (String, String) {
    let normalised = normalise(text);
    let fingerprint = fingerprint_of_name(&normalised);
    (normalised, fingerprint)
}
