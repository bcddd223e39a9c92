//! A part of a chunk on which codecs are tried.
//!
//! Bands of whole rows at the same places of a few frames in succession, so that a pixel keeps most of its neighbours in
//! space and in time. The bands are spread over the frame, and the frames lie in the middle of the chunk.

use crate::{Chunk, Layout};

/// A chunk of up to so many bytes is its own sample; a larger one has a sample of at least that.
const LEAST_BYTES: usize = 64 << 10;
/// A sample has at most so many bytes.
const MOST_BYTES: usize = 512 << 10;
/// Part of a large chunk.
const PART: usize = 16;
/// Frames at most.
const FRAMES: usize = 4;
/// Bands of rows in a frame.
const BANDS: usize = 4;
/// Rows of a band at least: its first ones have no neighbours above.
const BAND_ROWS: usize = 8;

/// Rows of a chunk. Its memory is used again.
#[derive(Default)]
pub(crate) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Extents of the sample.
    pub(super) shape: Vec<usize>,
    /// Extents of the half of it.
    pub(super) half_shape: Vec<usize>,
    /// How many times as large the chunk is.
    pub(super) part: f64,
    half: Vec<u8>,
}

impl Sample {
    /// Takes a sample of `chunk`.
    pub(super) fn take(&mut self, chunk: &Chunk) {
        self.bytes.clear();
        self.half.clear();
        let (frames, rows, row_bytes, columns) = extents(chunk.layout);
        let wanted = (chunk.bytes.len() / PART).clamp(LEAST_BYTES, MOST_BYTES);
        let taken = frames.min(FRAMES);
        let band = wanted / (taken * BANDS * row_bytes).max(1);
        let band = band.max(BAND_ROWS) / 2 * 2;
        if chunk.bytes.len() <= LEAST_BYTES || rows < 2 * BANDS * band {
            return self.take_all(chunk, [frames, rows, columns]);
        }
        let first = (frames - taken) / 2;
        for frame in first..first + taken {
            for at in 0..BANDS {
                let row = frame * rows + (rows - band) * at / (BANDS - 1);
                let bytes = &chunk.bytes[row * row_bytes..(row + band) * row_bytes];
                self.bytes.extend_from_slice(bytes);
                self.half.extend_from_slice(&bytes[..band / 2 * row_bytes]);
            }
        }
        self.set_shape([taken, BANDS * band, columns], chunk.bytes.len());
    }

    /// Half of the rows.
    pub(super) fn half(&self) -> &[u8] {
        &self.half
    }

    /// A chunk with few rows: whole frames of it, or all.
    fn take_all(&mut self, chunk: &Chunk, [frames, rows, columns]: [usize; 3]) {
        let frame_bytes = (chunk.bytes.len() / frames.max(1)).max(1);
        let taken = (MOST_BYTES / PART * 4 / frame_bytes).max(2) / 2 * 2;
        if chunk.bytes.len() <= LEAST_BYTES || taken >= frames {
            self.bytes.extend_from_slice(chunk.bytes);
            self.shape.clone_from(&chunk.layout.shape);
            self.part = 1.0;
            return;
        }
        let first = (frames - taken) / 2;
        let bytes = &chunk.bytes[first * frame_bytes..][..taken * frame_bytes];
        self.bytes.extend_from_slice(bytes);
        self.half.extend_from_slice(&bytes[..bytes.len() / 2]);
        self.shape = vec![taken, rows, columns];
        self.half_shape = vec![taken / 2, rows, columns];
        self.part = chunk.bytes.len() as f64 / self.bytes.len() as f64;
    }

    fn set_shape(&mut self, [frames, rows, columns]: [usize; 3], chunk_bytes: usize) {
        self.shape = vec![frames, rows, columns];
        self.half_shape = vec![frames, rows / 2, columns];
        self.part = chunk_bytes as f64 / self.bytes.len() as f64;
    }
}

/// Columns of a row of a chunk of one dimension, which has none.
const FOLDED_COLUMNS: usize = 1024;

/// Frames, rows, bytes of a row and columns; a chunk of one dimension is cut into rows, without what is left over.
fn extents(layout: &Layout) -> (usize, usize, usize, usize) {
    let elements = layout.elements().unwrap_or(0);
    let (rows, columns) = match layout.frame_shape() {
        (1, columns) if layout.shape.len() < 2 && columns > FOLDED_COLUMNS => {
            (columns / FOLDED_COLUMNS, FOLDED_COLUMNS)
        }
        shape => shape,
    };
    let frames = elements / (rows * columns).max(1);
    (frames, rows, columns * layout.element.bytes, columns)
}
