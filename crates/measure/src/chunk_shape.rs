//! Chunk shapes: which to give a dataset that has none, and how a dataset falls into chunks.

/// Chunks are at most so large by default: HDF5's own pipeline slows down above 1 MiB (shared HDF5.md, section 6).
const TARGET_BYTES: u64 = 1 << 20;
/// One frame of a stack stays one chunk up to this size, since detectors are read frame by frame.
const LARGEST_FRAME_BYTES: u64 = 32 << 20;

/// The chunk shape for a dataset without one: whole rows up to 1 MiB; of a stack, one frame, or several small ones.
pub fn default_chunk(shape: &[u64], element_bytes: usize) -> Vec<u64> {
    let frame_bytes = shape
        .iter()
        .rev()
        .take(2)
        .fold(element_bytes as u64, |bytes, &extent| {
            bytes.saturating_mul(extent)
        });
    let is_stack = shape.len() >= 3 && frame_bytes <= LARGEST_FRAME_BYTES;
    let mut room =
        TARGET_BYTES.max(if is_stack { frame_bytes } else { 0 }) / element_bytes.max(1) as u64;
    let mut chunk = vec![1; shape.len()];
    for (extent, chunk) in shape.iter().zip(&mut chunk).rev() {
        *chunk = (*extent).min(room).max(1);
        room /= *chunk;
    }
    chunk
}

/// Bytes of a chunk, where they can be counted.
pub(crate) fn bytes_of(chunk: &[u64], element_bytes: usize) -> Option<usize> {
    let elements = chunk
        .iter()
        .try_fold(1_u64, |product, &extent| product.checked_mul(extent))?;
    usize::try_from(elements).ok()?.checked_mul(element_bytes)
}

/// A dataset's extents cut into chunks, numbered with the last dimension running fastest.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    shape: Vec<u64>,
    chunk: Vec<u64>,
    /// Chunks along each dimension.
    cells: Vec<u64>,
}

impl Grid {
    /// The grid of `chunk`s, whose extents are not 0, over `shape`.
    pub(crate) fn new(shape: &[u64], chunk: &[u64]) -> Self {
        let cells = shape
            .iter()
            .zip(chunk)
            .map(|(extent, chunk)| extent.div_ceil(*chunk))
            .collect();
        Self {
            shape: shape.to_vec(),
            chunk: chunk.to_vec(),
            cells,
        }
    }

    /// Number of chunks.
    pub(crate) fn len(&self) -> u64 {
        self.cells.iter().product()
    }

    /// Coordinates of the first element of chunk `number`.
    pub(crate) fn offset(&self, number: u64) -> Vec<u64> {
        let mut rest = number;
        let mut offset = vec![0; self.cells.len()];
        for ((offset, cells), chunk) in offset.iter_mut().zip(&self.cells).zip(&self.chunk).rev() {
            *offset = rest % cells * chunk;
            rest /= cells;
        }
        offset
    }

    /// The number of the chunk whose first element is at `offset`.
    pub(crate) fn number(&self, offset: &[u64]) -> u64 {
        let cells = offset
            .iter()
            .zip(&self.chunk)
            .map(|(start, chunk)| start / chunk);
        cells
            .zip(&self.cells)
            .fold(0, |number, (cell, cells)| number * cells + cell)
    }

    /// Extents of the part of the chunk at `offset` that lies inside.
    pub(crate) fn inside(&self, offset: &[u64]) -> Vec<u64> {
        let ends = offset.iter().zip(&self.shape).zip(&self.chunk);
        ends.map(|((start, extent), chunk)| extent.saturating_sub(*start).min(*chunk))
            .collect()
    }

    /// Whether the chunk at `offset` reaches over the edge.
    pub(crate) fn is_cut(&self, offset: &[u64]) -> bool {
        self.inside(offset) != self.chunk
    }

    /// Numbers of the chunks that share elements with the box at `offset` of `extents`, clipped to the dataset.
    pub(crate) fn touching(&self, offset: &[u64], extents: &[u64]) -> Vec<u64> {
        let mut numbers = vec![0];
        for dimension in 0..self.cells.len() {
            let end = (offset[dimension] + extents[dimension]).min(self.shape[dimension]);
            let range =
                offset[dimension] / self.chunk[dimension]..end.div_ceil(self.chunk[dimension]);
            numbers = numbers
                .iter()
                .flat_map(|number| {
                    range
                        .clone()
                        .map(move |cell| number * self.cells[dimension] + cell)
                })
                .collect();
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_chunks_are_frames_or_a_mebibyte() {
        for (shape, element_bytes, expected) in [
            (&[100, 512, 1024][..], 2, &[1, 512, 1024][..]),
            (&[100, 2527, 2463], 4, &[1, 2527, 2463]),
            (&[1000, 64, 64], 2, &[128, 64, 64]),
            (&[10, 20, 10_000, 10_000], 2, &[1, 1, 52, 10_000]),
            (&[10_000, 1000], 4, &[262, 1000]),
            (&[10_000_000], 8, &[131_072]),
            (&[7], 8, &[7]),
            (&[3, 0], 8, &[3, 1]),
            (&[], 8, &[]),
        ] {
            assert_eq!(default_chunk(shape, element_bytes), expected, "{shape:?}");
        }
    }

    #[test]
    fn a_grid_knows_its_chunks() {
        let grid = Grid::new(&[5, 7], &[2, 4]);
        assert_eq!(grid.len(), 6);
        let offsets: Vec<_> = (0..6).map(|number| grid.offset(number)).collect();
        assert!((0..6).all(|number| grid.number(&grid.offset(number)) == number));
        assert_eq!(offsets, [[0, 0], [0, 4], [2, 0], [2, 4], [4, 0], [4, 4]]);
        assert_eq!(grid.inside(&[4, 4]), [1, 3]);
        assert!(grid.is_cut(&[0, 4]) && !grid.is_cut(&[0, 0]));
        assert_eq!(grid.touching(&[1, 1], &[2, 2]), [0, 2]);
        assert_eq!(grid.touching(&[4, 3], &[2, 9]), [4, 5]);
    }

    #[test]
    fn a_scalar_is_one_chunk_and_no_extent_is_none() {
        assert_eq!(
            (Grid::new(&[], &[]).len(), Grid::new(&[3, 0], &[3, 1]).len()),
            (1, 0)
        );
        assert_eq!(Grid::new(&[], &[]).offset(0), [0_u64; 0]);
    }
}
