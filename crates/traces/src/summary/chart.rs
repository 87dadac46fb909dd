//! A small chart of a rate over time, in characters.

/// Rows of the chart.
const ROWS: u64 = 5;

/// Blocks from an eighth to the whole of a character.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The columns as blocks under each other, the greatest one as high as the chart.
pub(crate) fn chart(columns: &[u64]) -> Vec<String> {
    let greatest = columns.iter().copied().max().unwrap_or(0).max(1);
    // Whatever is there at all shows as at least an eighth.
    let eighths: Vec<u64> = columns.iter().map(|count| (count * ROWS * 8).div_ceil(greatest)).collect();
    (0..ROWS)
        .rev()
        .map(|row| eighths.iter().map(|eighths| block(eighths.saturating_sub(row * 8))).collect())
        .collect()
}

fn block(eighths: u64) -> char {
    match usize::try_from(eighths.min(8)) {
        Ok(0) | Err(_) => ' ',
        Ok(eighths) => BLOCKS[eighths - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_column_fills_the_height_and_the_least_still_shows() {
        assert_eq!(chart(&[40, 1, 0, 20]), ["█   ", "█   ", "█  ▄", "█  █", "█▁ █"]);
    }
}
