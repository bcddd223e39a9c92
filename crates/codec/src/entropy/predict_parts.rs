//! A few small parts of a chunk, over which a predictor walks as it will over the whole.

use super::predict_lines::{Extent, Order};
use super::predict_model::Model;
use super::predict_walk::{Histories, Predictor};

/// Frames, where earlier ones are looked at, and rows of a part.
const PART_FRAMES: usize = 3;
const PART_ROWS: usize = 40;
/// Columns of it, and where there are few numbers.
const PART_COLUMNS: usize = 512;
const FEWEST_PART_COLUMNS: usize = 64;
/// Numbers for each number of a row of a part.
const NUMBERS_PER_COLUMN: usize = 1024;
const MOST_PARTS: usize = 4;
/// Lines of a part whose neighbours are partly outside.
const LINES_SKIPPED: usize = 16;
const ROWS_SKIPPED: usize = 3;
/// One part for so many numbers.
const NUMBERS_PER_PART: usize = 1 << 18;

/// See the module.
pub(super) struct Parts<'a> {
    numbers: &'a [i32],
    whole: &'a Extent,
    pub(crate) count: usize,
    /// Of each part.
    pub(crate) extent: Extent,
}

/// Where a line of a part is.
pub(super) struct Place {
    pub(crate) line: usize,
    /// The frame of the part.
    pub(crate) frame: usize,
    /// The first pixel of that frame in the chunk, and its row there.
    pub(crate) start: usize,
    pub(crate) row: usize,
}

impl<'a> Parts<'a> {
    pub(crate) fn new((numbers, whole): (&'a [i32], &'a Extent), model: &Model) -> Self {
        let columns = numbers.len() / NUMBERS_PER_COLUMN;
        let columns = columns.clamp(FEWEST_PART_COLUMNS, PART_COLUMNS);
        let frames = if model.temporal { PART_FRAMES } else { 1 };
        Self {
            numbers,
            whole,
            count: (numbers.len() / NUMBERS_PER_PART).clamp(1, MOST_PARTS),
            extent: Extent {
                frames: whole.frames.min(frames),
                rows: whole.rows.min(PART_ROWS),
                columns: whole.columns.min(columns),
            },
        }
    }

    /// All of the chunk as one part.
    pub(crate) fn all((numbers, whole): (&'a [i32], &'a Extent)) -> Self {
        Self {
            numbers,
            whole,
            count: 1,
            extent: *whole,
        }
    }

    /// Walks over a part and shows lines that are predicted: their place and their numbers.
    pub(crate) fn walk(
        &self,
        model: &Model,
        part: usize,
        numbers: &mut Vec<i32>,
        histories: &mut Histories,
        show: &mut dyn FnMut(&Predictor, Place, &[i32]),
    ) {
        let Self {
            whole,
            extent,
            count,
            ..
        } = *self;
        let place = |len: usize, of: usize| (of - len) * (2 * part + 1) / (2 * count);
        let frame = place(extent.frames, whole.frames);
        let row = place(extent.rows, whole.rows);
        let column = place(extent.columns, whole.columns);
        let start = (frame * whole.rows + row) * whole.columns + column;
        let model = Model {
            start: self.numbers[start],
            ..*model
        };
        let Some(mut predictor) = Predictor::new(&model, &extent, true, histories) else {
            return;
        };
        let lines = predictor.lines;
        let skipped = match model.order {
            Order::Diagonals => LINES_SKIPPED,
            _ => ROWS_SKIPPED,
        };
        let skipped = skipped.min(lines.count() / 2);
        numbers.resize(lines.longest(), 0);
        for frame in 0..extent.frames {
            predictor.begin_frame(frame);
            let start = start + frame * whole.frame();
            for line in 0..lines.count() {
                let numbers = &mut numbers[..lines.len(line)];
                lines.gather(line, &self.numbers[start..], whole.columns, numbers);
                predictor.predict(line);
                if line >= skipped {
                    let place = Place {
                        line,
                        frame,
                        start,
                        row,
                    };
                    show(&predictor, place, numbers);
                }
                predictor.leave(line, numbers);
            }
        }
    }
}
