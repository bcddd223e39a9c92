//! Which part of a chunk a selection takes, and copying it between the chunk and the array of the selection.
//!
//! A selection is `start`, `step` and `count` along each dimension; the array holds `count` elements along each. A
//! chunk's part of it is a box in the array, and elements `step` apart in the chunk.

/// Elements `start`, `start + step`, … of a dataset along one dimension.
#[derive(Clone, Copy)]
pub(crate) struct Picked {
    pub(crate) start: usize,
    pub(crate) step: usize,
    pub(crate) count: usize,
}

/// One dimension of a chunk's part of a selection.
#[derive(Clone, Copy)]
struct Side {
    /// Where it begins in the array.
    array_start: usize,
    /// Where it begins in the chunk.
    chunk_start: usize,
    step: usize,
    count: usize,
    array_extent: usize,
    chunk_extent: usize,
}

/// A chunk's part of a selection.
pub(crate) struct Part {
    sides: Vec<Side>,
    element_bytes: usize,
    /// Dimensions from this one on lie in one piece in the array.
    pieces_from: usize,
}

/// A place in the array that a part fills without gaps, in bytes.
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Part {
    /// The part that `picked` takes of the chunk whose first element is at `origin`; `None` where it takes nothing.
    pub(crate) fn of(
        picked: &[Picked],
        origin: &[usize],
        chunk_shape: &[usize],
        element_bytes: usize,
    ) -> Option<Self> {
        let mut sides = Vec::with_capacity(picked.len());
        for ((picked, &origin), &extent) in picked.iter().zip(origin).zip(chunk_shape) {
            let reach = |element: usize| {
                let distance = element.saturating_sub(picked.start);
                distance.div_ceil(picked.step).min(picked.count)
            };
            let (first, end) = (reach(origin), reach(origin + extent));
            if first >= end {
                return None;
            }
            sides.push(Side {
                array_start: first,
                chunk_start: picked.start + first * picked.step - origin,
                step: picked.step,
                count: end - first,
                array_extent: picked.count,
                chunk_extent: extent,
            });
        }
        let full = |side: &&Side| side.count == side.array_extent;
        let full_sides = sides.iter().rev().take_while(full).count();
        Some(Self {
            pieces_from: sides.len().saturating_sub(full_sides + 1),
            sides,
            element_bytes,
        })
    }

    /// Number of elements.
    pub(crate) fn elements(&self) -> usize {
        self.sides.iter().map(|side| side.count).product()
    }

    /// Whether it is the whole chunk, in the chunk's order.
    pub(crate) fn is_whole_chunk(&self) -> bool {
        let whole = |side: &Side| side.count == side.chunk_extent && side.step == 1;
        self.sides.iter().all(whole)
    }

    /// The places of the array that it fills, ascending.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let (outer, inner) = self.sides.split_at(self.pieces_from);
        let extent_of_inner: usize = inner.iter().map(|side| side.array_extent).product();
        let elements: usize = inner.iter().map(|side| side.count).product();
        let first = inner.first().map_or(0, |side| {
            side.array_start * (extent_of_inner / side.array_extent)
        });
        let element_bytes = self.element_bytes;
        places(outer, |side, at| (side.array_start + at, side.array_extent)).map(move |place| {
            Piece {
                start: (place * extent_of_inner + first) * element_bytes,
                len: elements * element_bytes,
            }
        })
    }

    /// The rows of the part, in order: where each begins in the chunk and in the array, in elements.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let (outer, row) = self.sides.split_at(self.sides.len().saturating_sub(1));
        let (chunk_row, chunk_start) = row
            .first()
            .map_or((1, 0), |s| (s.chunk_extent, s.chunk_start));
        let (array_row, array_start) = row
            .first()
            .map_or((1, 0), |s| (s.array_extent, s.array_start));
        let in_chunk = places(outer, |side, at| {
            (side.chunk_start + at * side.step, side.chunk_extent)
        });
        let in_array = places(outer, |side, at| (side.array_start + at, side.array_extent));
        in_chunk.zip(in_array).map(move |(chunk, array)| {
            (
                chunk * chunk_row + chunk_start,
                array * array_row + array_start,
            )
        })
    }

    fn row(&self) -> (usize, usize) {
        self.sides
            .last()
            .map_or((1, 1), |side| (side.count, side.step))
    }

    /// Copies the part out of `chunk` into its pieces of the array.
    pub(crate) fn copy_to_pieces(&self, chunk: &[u8], pieces: &mut [&mut [u8]]) {
        let (count, step) = self.row();
        let row_bytes = count * self.element_bytes;
        let targets = pieces
            .iter_mut()
            .flat_map(|piece| piece.chunks_exact_mut(row_bytes));
        for ((start, _), target) in self.rows().zip(targets) {
            let source = &chunk[start * self.element_bytes..];
            if step == 1 {
                target.copy_from_slice(&source[..row_bytes]);
                continue;
            }
            let elements = source.chunks(step * self.element_bytes);
            for (target, source) in target.chunks_exact_mut(self.element_bytes).zip(elements) {
                target.copy_from_slice(&source[..self.element_bytes]);
            }
        }
    }

    /// Copies the part from the array into `chunk`; only for steps of 1.
    pub(crate) fn copy_to_chunk(&self, array: &[u8], chunk: &mut [u8]) {
        let row_bytes = self.row().0 * self.element_bytes;
        for (in_chunk, in_array) in self.rows() {
            let (target, source) = (in_chunk * self.element_bytes, in_array * self.element_bytes);
            chunk[target..target + row_bytes].copy_from_slice(&array[source..source + row_bytes]);
        }
    }

    /// Every element of the part: its number in the chunk and in the array.
    pub(crate) fn elements_in_chunk_and_array(&self) -> impl Iterator<Item = (usize, usize)> {
        let (count, step) = self.row();
        self.rows().flat_map(move |(chunk, array)| {
            (0..count).map(move |at| (chunk + at * step, array + at))
        })
    }
}

/// The C-order numbers of all places of a box; `coordinate` gives the coordinate of a side's element and the extent it
/// counts in.
fn places(
    sides: &[Side],
    coordinate: impl Fn(&Side, usize) -> (usize, usize),
) -> impl Iterator<Item = usize> {
    let count: usize = sides.iter().map(|side| side.count).product();
    (0..count).map(move |number| {
        let (mut rest, mut place, mut stride) = (number, 0, 1);
        for side in sides.iter().rev() {
            let (at, extent) = coordinate(side, rest % side.count);
            place += at * stride;
            stride *= extent;
            rest /= side.count;
        }
        place
    })
}
