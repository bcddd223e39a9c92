//! Lines: the sets of numbers that can be predicted at once.
//!
//! Where only rows above are looked at, a line is a row. Where pixels to the left are looked at too, a line is a
//! diagonal: the pixels (y, s − 4 y) for one s, at most a quarter of the columns. A neighbour no more than 3 columns
//! to the right for each row above lies on an earlier diagonal, so that all its pixels are independent, as those of a
//! row are.
//!
//! A *position* in a line is the column in a row, and the row in a diagonal; the neighbour at a given distance is the
//! same number of lines back and of positions along for the whole line.

/// Frames, rows and columns that numbers are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) frames: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Extent {
    pub(crate) fn frame(&self) -> usize {
        self.rows * self.columns
    }
}

/// What is looked at, in the numbers that payloads use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing; lines are rows.
    Flat = 0,
    /// Rows above.
    Rows = 1,
    /// Rows above and the pixels to the left.
    Diagonals = 2,
}

/// Columns between neighbours on a diagonal.
const SKEW: usize = 4;
/// A frame with fewer columns or rows has no diagonals: some of them would be empty.
pub(super) const FEWEST_COLUMNS: usize = 8;

/// The lines of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    order: Order,
    rows: usize,
    columns: usize,
}

impl Lines {
    /// `None` where the frame is too small for the order.
    pub(crate) fn new(order: Order, extent: &Extent) -> Option<Self> {
        let fits = order != Order::Diagonals || extent.columns >= FEWEST_COLUMNS;
        fits.then_some(Self {
            order,
            rows: extent.rows,
            columns: extent.columns,
        })
    }

    pub(crate) fn diagonal(&self) -> bool {
        self.order == Order::Diagonals
    }

    /// Lines of a frame.
    pub(crate) fn count(&self) -> usize {
        if self.diagonal() {
            self.columns + SKEW * (self.rows - 1)
        } else {
            self.rows
        }
    }

    /// Numbers of the longest line.
    pub(crate) fn longest(&self) -> usize {
        if self.diagonal() {
            self.rows.min(self.columns.div_ceil(SKEW))
        } else {
            self.columns
        }
    }

    /// Positions that there are.
    pub(crate) fn positions(&self) -> usize {
        if self.diagonal() {
            self.rows
        } else {
            self.columns
        }
    }

    /// The first position of a line.
    pub(crate) fn first(&self, line: usize) -> usize {
        if self.diagonal() {
            (line + 1).saturating_sub(self.columns).div_ceil(SKEW)
        } else {
            0
        }
    }

    /// The numbers of a line.
    pub(crate) fn len(&self, line: usize) -> usize {
        if self.diagonal() {
            (line / SKEW).min(self.rows - 1) + 1 - self.first(line)
        } else {
            self.columns
        }
    }

    /// How many lines back and positions along a neighbour is, so many rows above and columns to the left.
    pub(crate) fn neighbour(&self, above: isize, left: isize) -> (isize, isize) {
        if self.diagonal() {
            (SKEW as isize * above + left, -above)
        } else {
            (above, -left)
        }
    }

    /// The index of the first number of a line and the distance to the next, in a frame whose rows are `pitch` apart.
    pub(crate) fn walk(&self, line: usize, pitch: usize) -> (usize, usize) {
        if self.diagonal() {
            let row = self.first(line);
            (row * pitch + line - SKEW * row, pitch - SKEW)
        } else {
            (line * pitch, 1)
        }
    }

    /// Copies a line out of a frame whose rows are `pitch` apart.
    pub(crate) fn gather<T: Copy>(
        &self,
        line: usize,
        frame: &[T],
        pitch: usize,
        numbers: &mut [T],
    ) {
        let (start, step) = self.walk(line, pitch);
        if step == 1 {
            numbers.copy_from_slice(&frame[start..start + numbers.len()]);
        } else {
            let walk = frame[start..].iter().step_by(step);
            for (x, &stored) in numbers.iter_mut().zip(walk) {
                *x = stored;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_is_on_one_line_and_its_neighbours_on_earlier_ones() {
        for order in [Order::Rows, Order::Diagonals] {
            for (rows, columns) in [(1, 8), (2, 9), (7, 8), (40, 33), (5, 200)] {
                let extent = Extent {
                    frames: 1,
                    rows,
                    columns,
                };
                let lines = Lines::new(order, &extent).unwrap();
                let pixels: Vec<usize> = (0..rows * columns).collect();
                let mut line_of = vec![usize::MAX; pixels.len()];
                for line in 0..lines.count() {
                    let len = lines.len(line);
                    assert!(0 < len && len <= lines.longest());
                    let mut numbers = vec![0; len];
                    lines.gather(line, &pixels, columns, &mut numbers);
                    for &pixel in &numbers {
                        assert_eq!(line_of[pixel], usize::MAX);
                        line_of[pixel] = line;
                    }
                }
                let earlier = |y: usize, x: usize, right: usize| {
                    y == 0 || x + right >= columns || {
                        line_of[(y - 1) * columns + x + right] < line_of[y * columns + x]
                    }
                };
                for pixel in pixels {
                    let (y, x) = (pixel / columns, pixel % columns);
                    assert!(
                        line_of[pixel] < lines.count() && (0..4).all(|right| earlier(y, x, right))
                    );
                }
            }
        }
    }
}
