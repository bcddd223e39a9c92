//! Copies a box of elements between two arrays in memory.

/// An array in memory, slowest dimension first, and where in the dataset its first element lies.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    /// Coordinates of the first element in the dataset.
    pub(crate) offset: &'a [u64],
    /// Extents of the array.
    pub(crate) extents: &'a [u64],
}

impl Placed<'_> {
    /// Byte position of the element at `at`, given in coordinates of the dataset.
    fn position(&self, at: &[u64], element_bytes: usize) -> usize {
        let steps = at.iter().zip(self.offset).zip(self.extents);
        let elements = steps.fold(0, |sum, ((at, offset), extent)| {
            sum * extent + (at - offset)
        });
        elements as usize * element_bytes
    }
}

/// Copies the elements that both arrays have, and that lie inside `limits`, from one to the other.
pub(crate) fn copy_common(
    from: (Placed<'_>, &[u8]),
    to: (Placed<'_>, &mut [u8]),
    limits: &[u64],
    element_bytes: usize,
) {
    let ((source, source_bytes), (target, target_bytes)) = (from, to);
    let dimensions = limits.len();
    let start: Vec<u64> = (0..dimensions)
        .map(|at| source.offset[at].max(target.offset[at]))
        .collect();
    let end: Vec<u64> = (0..dimensions)
        .map(|at| {
            let source_end = source.offset[at] + source.extents[at];
            source_end
                .min(target.offset[at] + target.extents[at])
                .min(limits[at])
        })
        .collect();
    if start.iter().zip(&end).any(|(start, end)| start >= end) {
        return;
    }
    let row_bytes = match dimensions {
        0 => element_bytes,
        _ => (end[dimensions - 1] - start[dimensions - 1]) as usize * element_bytes,
    };
    let mut at = start.clone();
    loop {
        let from = source.position(&at, element_bytes);
        let to = target.position(&at, element_bytes);
        target_bytes[to..to + row_bytes].copy_from_slice(&source_bytes[from..from + row_bytes]);
        if !advance(&mut at, &start, &end) {
            return;
        }
    }
}

/// The next row of the box: `false` after the last.
fn advance(at: &mut [u64], start: &[u64], end: &[u64]) -> bool {
    for dimension in (0..at.len().saturating_sub(1)).rev() {
        at[dimension] += 1;
        if at[dimension] < end[dimension] {
            return true;
        }
        at[dimension] = start[dimension];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_elements_are_copied_and_no_others() {
        let (shape, chunk) = ([5_u64, 7], [3_u64, 4]);
        // Every element holds its own number in the dataset.
        let number = |row: u64, column: u64| (row * 7 + column) as u8;
        let mut target = vec![99; 3 * 7];
        let placed = Placed {
            offset: &[1, 0],
            extents: &[3, 7],
        };
        for (row, column) in [(0, 0), (0, 4), (3, 0), (3, 4)] {
            let bytes: Vec<u8> = (0..12)
                .map(|at| number(row + at / 4, column + at % 4))
                .collect();
            let source = Placed {
                offset: &[row, column],
                extents: &chunk,
            };
            copy_common((source, &bytes), (placed, &mut target), &shape, 1);
        }
        let expected: Vec<u8> = (7..28).collect();
        assert_eq!(target, expected);
    }

    #[test]
    fn a_scalar_is_one_element() {
        let place = Placed {
            offset: &[],
            extents: &[],
        };
        let mut target = [0; 2];
        copy_common((place, &[1, 2]), (place, &mut target), &[], 2);
        assert_eq!(target, [1, 2]);
    }
}
