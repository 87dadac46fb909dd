//! Any text is either a spec or a mistake with a place: no panic, no hang.
//!
//! `cargo +nightly fuzz run isolation_spec crates/conformance/data/isolation/specs`

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| match conformance::isolation::parse(text) {
    // There can be more interleavings than anybody could wait for.
    Ok(spec) => spec.all_permutations().take(100).for_each(drop),
    Err(error) => drop(error.excerpt("fuzzed.spec")),
});
