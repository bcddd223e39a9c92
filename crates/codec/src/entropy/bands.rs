//! Bands of rows in a sample: above the first rows of each are rows of another place, from which nothing can be predicted.
//! They are not learnt from, and not counted where the sample is to say what a chunk takes.

use std::ops::Range;

use super::predict_lines::Lines;

/// Rows above a number that predictions look at.
const TOP: usize = 3;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bands {
    rows: usize,
    top: usize,
    /// Frames of which the ones before are missing.
    pub(super) first_frames: usize,
}

impl Bands {
    /// All rows are of one place.
    pub(crate) const NONE: Self = Self {
        rows: usize::MAX,
        top: 0,
        first_frames: 0,
    };

    /// Bands of so many rows; of few, or where there is none, all count. `follows` says whether earlier frames are missing.
    pub(crate) fn of(rows: Option<usize>, follows: bool) -> Self {
        let (rows, top) = match rows {
            Some(rows) if rows > 2 * TOP => (rows, TOP),
            _ => (usize::MAX, 0),
        };
        Self {
            rows,
            top,
            first_frames: usize::from(follows),
        }
    }

    /// The row itself, or one below in its band whose rows above are of its place.
    pub(super) fn within(&self, row: usize) -> usize {
        match row % self.rows < self.top {
            true => row + self.top,
            false => row,
        }
    }

    /// Whether a row of a frame counts.
    pub(crate) fn has_row(&self, row: usize) -> bool {
        self.within(row) == row
    }

    /// How many times as many rows a frame of so many has as those that count.
    pub(crate) fn rows_per_counted(&self, rows: usize) -> f64 {
        let counted = (0..rows).filter(|&row| self.has_row(row)).count();
        rows as f64 / counted.max(1) as f64
    }

    /// The numbers of a line that count.
    pub(super) fn counted(&self, lines: &Lines, line: usize) -> impl Iterator<Item = Range<usize>> {
        let len = lines.len(line);
        let is_diagonal = lines.diagonal();
        let rows = match is_diagonal {
            true => lines.first(line)..lines.first(line) + len,
            false => line..line + 1,
        };
        let Self {
            rows: band_rows,
            top,
            ..
        } = *self;
        let bands = rows.start / band_rows..=(rows.end - 1) / band_rows;
        bands.filter_map(move |band| {
            let first = (band * band_rows + top).max(rows.start);
            let end = (band + 1).saturating_mul(band_rows).min(rows.end);
            match is_diagonal {
                _ if first >= end => None,
                true => Some(first - rows.start..end - rows.start),
                false => Some(0..len),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::predict_lines::{Extent, Order};
    use super::*;

    #[test]
    fn rows_at_the_top_of_a_band_do_not_count() {
        let extent = Extent {
            frames: 1,
            rows: 24,
            columns: 50,
        };
        for order in [Order::Flat, Order::Rows, Order::Diagonals] {
            let lines = Lines::new(order, &extent).unwrap();
            for (bands, tops) in [(Bands::NONE, 0), (Bands::of(Some(8), true), 3 * TOP)] {
                let mut rows = [0; 24];
                for line in 0..lines.count() {
                    let (start, step) = lines.walk(line, extent.columns);
                    for counted in bands.counted(&lines, line) {
                        counted.for_each(|i| rows[(start + i * step) / extent.columns] += 1);
                    }
                }
                for (row, count) in rows.into_iter().enumerate() {
                    let is_within = bands.within(row) == row;
                    assert_eq!(count, if is_within { 50 } else { 0 }, "{order:?} {row}");
                }
                let outside = (0..24).filter(|&row| bands.within(row) != row).count();
                assert_eq!(outside, tops);
                assert_eq!(bands.rows_per_counted(24), 24.0 / (24 - tops) as f64);
            }
        }
    }
}
