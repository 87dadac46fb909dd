//! Locks and times in plain words.

use lock_table::LockMode;

use crate::cost::Estimate;

/// What a lock keeps others from doing (manual, "Table-Level Locks").
pub fn blocks(mode: LockMode) -> &'static str {
    match mode {
        LockMode::AccessShare => "only DROP, TRUNCATE and most ALTER TABLE",
        LockMode::RowShare => "only commands that take the table for themselves",
        LockMode::RowExclusive => "CREATE INDEX and commands that keep writers out",
        LockMode::ShareUpdateExclusive => "other schema changes, VACUUM and ANALYZE; reads and writes go on",
        LockMode::Share | LockMode::ShareRowExclusive => {
            "INSERT, UPDATE, DELETE and schema changes; reads go on"
        }
        LockMode::Exclusive => "everything but plain reads",
        LockMode::AccessExclusive => "everything, plain reads too",
    }
}

/// Whether a lock keeps writers out, or everybody.
pub(super) fn blocks_traffic(mode: LockMode) -> bool {
    mode.conflicts_with(LockMode::RowExclusive)
}

/// A duration as people say it: three significant digits at most.
pub fn duration(ns: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "min"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "µs"),
    ];
    let Some((size, unit)) = UNITS.iter().find(|(size, _)| ns >= *size) else { return "no time".into() };
    let tenths = (u128::from(ns) * 10 + u128::from(*size) / 2) / u128::from(*size);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, _) if whole >= 10 => format!("{} {unit}", (tenths + 5) / 10),
        (whole, tenth) => format!("{whole}.{tenth} {unit}"),
    }
}

/// An estimate with its range and where it comes from.
pub(super) fn estimate(estimate: &Estimate) -> String {
    format!(
        "{} ({} to {}, {})",
        duration(estimate.likely_ns),
        duration(estimate.low_ns),
        duration(estimate.high_ns),
        estimate.basis.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_greatest_unit_that_fits() {
        assert_eq!(duration(0), "no time");
        assert_eq!(duration(300_000), "300 µs");
        assert_eq!(duration(1_234_000_000), "1.2 s");
        assert_eq!(duration(75_000_000_000), "1.3 min");
        assert_eq!(duration(45_600_000_000), "46 s");
    }
}
