//! The command line of Rehearsal: one file per command under `commands`.

fn main() {}
