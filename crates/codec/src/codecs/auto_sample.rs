//! A part of a chunk on which codecs are tried.
//!
//! Bands of whole rows at the same places of a few frames in succession, so that a pixel keeps most of its neighbours in
//! space and in time. The bands are spread over the frame, and the frames lie in the middle of the chunk.

use crate::entropy::bands::Bands;
use crate::{ByteOrder, ElementClass, Layout};

/// How large a sample is.
pub(crate) struct Size {
    /// It has at least so many elements, or is all of the chunk.
    least: usize,
    /// It has about so many elements at most, but for the least number of rows.
    most: usize,
    /// Part of a large chunk.
    part: usize,
    /// Rows of a band: its first ones have no neighbours above.
    band_rows: usize,
}

/// Enough where most elements are alike, so that little time is spent on them.
pub(super) const SMALL: Size = Size {
    least: 24 << 10,
    most: 128 << 10,
    part: 32,
    band_rows: 8,
};
/// Enough to choose between models of which a chunk is coded with one: what each takes matters less than which takes less.
pub(crate) const MEDIUM: Size = Size {
    least: 32 << 10,
    most: 128 << 10,
    part: 32,
    band_rows: 24,
};
/// For all others.
pub(crate) const LARGE: Size = Size {
    least: 64 << 10,
    most: 256 << 10,
    part: 16,
    band_rows: 24,
};
/// Frames, where there are so many: at least, and where they are small.
const FRAMES: std::ops::RangeInclusive<usize> = 3..=8;
/// Rows of a frame for which another frame is left out.
const FRAME_ROWS: usize = 16;
/// Bands of rows in a frame, at most.
const BANDS: usize = 4;
/// Rows of each of two bands, at least, where there is room for only one of as many rows as are wanted: one alone, in the
/// middle of the frame, may be like nothing else in it.
const SHORT_BAND_ROWS: usize = 12;
/// Elements that are looked at to see whether values are far apart, about; those of so many of them are frequent.
const STEPS_TRIED: usize = 8192;
const STEPS_SEEN: usize = 2048;
const FREQUENT: usize = 4;
const FEWEST_FREQUENT: usize = 4;
/// Bands matter where one element in so many equals neither the one to the left nor the one above.
const LIKE_NEIGHBOURS: usize = 10;

/// Rows of a chunk. Its memory is used again.
#[derive(Default)]
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// Extents of the sample.
    shape: Vec<usize>,
    /// How many times as large the chunk is.
    pub(crate) part: f64,
    /// Rows of the bands that it has, where they are of several places.
    band_rows: Option<usize>,
    /// Whether the chunk has frames before those of the sample.
    follows: bool,
}

impl Sample {
    /// Takes a sample of a chunk.
    pub(crate) fn take(&mut self, layout: &Layout, chunk: &[u8], size: &Size) {
        self.bytes.clear();
        self.band_rows = None;
        self.follows = false;
        let Rows {
            frames,
            rows,
            columns,
            row_bytes,
        } = Rows::of(layout);
        let wanted = (frames * rows * columns / size.part).clamp(size.least, size.most);
        let taken = wanted / (FRAME_ROWS * columns).max(1);
        let taken = frames.min(taken.clamp(*FRAMES.start(), *FRAMES.end()));
        let of_frame = wanted / (taken * columns).max(1);
        let bands = match (of_frame / size.band_rows).clamp(1, BANDS) {
            1 if of_frame >= 2 * SHORT_BAND_ROWS => 2,
            bands => bands,
        };
        let band = match bands {
            1 => of_frame.max(size.band_rows),
            _ => of_frame / bands,
        };
        if 2 * bands * band > rows {
            return self.take_frames((layout, chunk), [frames, rows, columns], wanted);
        }
        let first = (frames - taken) / 2;
        for frame in first..first + taken {
            for at in 0..bands {
                let row = frame * rows + first_row(rows, band, (at, bands));
                let bytes = &chunk[row * row_bytes..(row + band) * row_bytes];
                self.bytes.extend_from_slice(bytes);
            }
        }
        self.band_rows = (bands > 1).then_some(band);
        self.follows = taken < frames;
        self.shape = vec![taken, bands * band, columns];
        self.part = chunk.len() as f64 / self.bytes.len() as f64;
    }

    /// A chunk with few rows: whole frames of it, or all.
    fn take_frames(
        &mut self,
        (layout, chunk): (&Layout, &[u8]),
        [frames, rows, columns]: [usize; 3],
        wanted: usize,
    ) {
        let frame_bytes = (chunk.len() / frames.max(1)).max(1);
        let taken = (wanted / (rows * columns).max(1)).max(2);
        if 2 * taken > frames {
            self.bytes.extend_from_slice(chunk);
            self.shape.clone_from(&layout.shape);
            self.part = 1.0;
            return;
        }
        let first = (frames - taken) / 2;
        let bytes = &chunk[first * frame_bytes..][..taken * frame_bytes];
        self.bytes.extend_from_slice(bytes);
        self.follows = taken < frames;
        self.shape = vec![taken, rows, columns];
        self.part = chunk.len() as f64 / self.bytes.len() as f64;
    }

    /// The first half of the frames or rows of a sample that is not all of the chunk, with its layout.
    pub(super) fn half(&self, of_chunk: &Layout) -> Option<(Layout, &[u8])> {
        let &[frames, rows, columns] = &self.shape[..] else {
            return None;
        };
        if self.part == 1.0 || frames * rows < 2 {
            return None;
        }
        let mut layout = self.layout(of_chunk);
        layout.shape = match frames {
            1 => vec![1, rows / 2, columns],
            _ => vec![frames / 2, rows, columns],
        };
        let bytes = &self.bytes[..layout.chunk_bytes()?];
        Some((layout, bytes))
    }

    /// Its bands, where they matter: of regions of equal elements, what is at their borders says most.
    pub(crate) fn bands(&self, element_bytes: usize) -> Bands {
        let bands = Bands::of(self.band_rows, self.follows);
        let matter = bands != Bands::NONE && {
            let novel = self.novel_elements(element_bytes);
            LIKE_NEIGHBOURS * novel * element_bytes > self.bytes.len()
        };
        if matter { bands } else { Bands::NONE }
    }

    /// How many elements of so many bytes equal neither the one to the left nor the one above. Regions of equal elements
    /// have few.
    pub(super) fn novel_elements(&self, element_bytes: usize) -> usize {
        let columns = self.shape.last().copied().unwrap_or(0).max(1);
        match element_bytes {
            1 => novel(self.bytes.as_chunks::<1>().0, columns),
            2 => novel(self.bytes.as_chunks::<2>().0, columns),
            4 => novel(self.bytes.as_chunks::<4>().0, columns),
            8 => novel(self.bytes.as_chunks::<8>().0, columns),
            _ => self.bytes.len(),
        }
    }

    /// Whether frequent values are far apart: multiples of a gain, or the values of a palette.
    pub(super) fn is_stepped(&self, layout: &Layout) -> bool {
        let element = layout.element;
        let number = |bytes: &[u8]| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            if element.order == ByteOrder::Big {
                number[..bytes.len()].reverse();
            }
            u64::from_le_bytes(number)
        };
        if element.bytes > 8 || element.class == ElementClass::Float {
            return false;
        }
        let step = (self.bytes.len() / element.bytes / STEPS_TRIED).max(1) | 1;
        let elements = self.bytes.chunks_exact(element.bytes).step_by(step);
        // Where most elements are 0, the others tell.
        let numbers = elements.map(number).filter(|&number| number > 0);
        let mut numbers: Vec<u64> = numbers.take(STEPS_SEEN).collect();
        numbers.sort_unstable();
        let frequent = numbers.chunk_by(|a, b| a == b);
        let frequent = frequent.filter(|equal| equal.len() >= FREQUENT);
        let frequent: Vec<u64> = frequent.map(|equal| equal[0]).collect();
        let gaps = frequent.windows(2).filter(|pair| pair[1] - pair[0] > 1);
        frequent.len() >= FEWEST_FREQUENT && gaps.count() * 4 > 3 * (frequent.len() - 1)
    }

    /// The layout of the sample of a chunk with this layout.
    pub(crate) fn layout(&self, of_chunk: &Layout) -> Layout {
        Layout {
            element: of_chunk.element,
            shape: self.shape.clone(),
            fill: of_chunk.fill.clone(),
        }
    }
}

fn novel<const N: usize>(elements: &[[u8; N]], columns: usize) -> usize {
    let mut novel = 0;
    for rows in elements.windows(2 * columns).step_by(columns) {
        let (above, row) = rows.split_at(columns);
        let lefts = row.iter().zip(&row[1..]);
        for ((left, element), above) in lefts.zip(&above[1..]) {
            novel += usize::from((element != left) & (element != above));
        }
    }
    novel
}

/// Where a band begins. Distances from the middle of the frame are as far apart as can be, on both sides in turn:
/// many images are alike on both.
fn first_row(rows: usize, band: usize, (at, bands): (usize, usize)) -> usize {
    let distance = rows * (2 * at + 1) / (4 * bands);
    let middle = if at % 2 == 0 {
        rows / 2 - distance
    } else {
        rows / 2 + distance
    };
    middle.saturating_sub(band / 2).min(rows - band)
}

/// Columns of a row of a chunk of one dimension, which has none.
const FOLDED_COLUMNS: usize = 1024;

/// How the elements of a chunk are rows.
struct Rows {
    frames: usize,
    rows: usize,
    columns: usize,
    row_bytes: usize,
}

impl Rows {
    /// A chunk of one dimension is cut into rows, without what is left over.
    fn of(layout: &Layout) -> Self {
        let elements = layout.elements().unwrap_or(0);
        let (rows, columns) = match layout.frame_shape() {
            (1, columns) if layout.shape.len() < 2 && columns > FOLDED_COLUMNS => {
                (columns / FOLDED_COLUMNS, FOLDED_COLUMNS)
            }
            shape => shape,
        };
        Self {
            frames: elements / (rows * columns).max(1),
            rows,
            columns,
            row_bytes: columns * layout.element.bytes,
        }
    }
}
