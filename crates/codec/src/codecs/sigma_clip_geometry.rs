//! Which pixels of a frame belong together, and the order in which `sigma-clip` keeps them.
//!
//! A frame is cut into bins: square tiles, or rings around the beam centre. Inside the codec a frame lies bin by bin, so
//! that every loop runs over neighbouring memory and one table of random counts serves a whole bin. A pixel's index in
//! that order is its *place*. In a tile, places go row by row. A ring is two half rings, the inner one first, and in each
//! half the pixels go as in the frame: on one half the background is interpolated between the same two rings.
//!
//! Radii cost a square root per pixel and the order a sort, so a thread keeps the last geometry.

/// What a geometry is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub rows: usize,
    pub columns: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Tiles of `side` × `side` pixels, row by row.
    Tiles { side: usize },
    /// Rings of equal width around (cx, cy), from 0 to the centre of the farthest pixel. The first pixel spans 0 to 1 in
    /// both directions, its centre is at 0.5.
    Rings { cx: f64, cy: f64, bins: usize },
}

/// Bins of a frame, and places of its pixels.
pub(crate) struct Geometry {
    pub(super) shape: Shape,
    pub(super) bins: usize,
    /// First place of every bin (tiles) or half ring (rings); the number of pixels behind the last.
    starts: Vec<u32>,
    /// Rings: place of every pixel.
    places: Vec<u32>,
    /// Rings: radius at every place, in units of the width of a ring.
    radii: Vec<f32>,
}

impl Geometry {
    pub(super) fn new(shape: Shape) -> Self {
        match shape.kind {
            Kind::Tiles { side } => Self::tiles(shape, side),
            Kind::Rings { cx, cy, bins } => Self::rings(shape, [cx, cy], bins),
        }
    }

    fn tiles(shape: Shape, side: usize) -> Self {
        let Shape { rows, columns, .. } = shape;
        let mut starts = vec![0];
        let mut next = 0;
        for row in (0..rows).step_by(side) {
            for column in (0..columns).step_by(side) {
                next += side.min(rows - row) * side.min(columns - column);
                starts.push(next as u32);
            }
        }
        Self {
            shape,
            bins: starts.len() - 1,
            starts,
            places: Vec::new(),
            radii: Vec::new(),
        }
    }

    fn rings(shape: Shape, centre: [f64; 2], bins: usize) -> Self {
        let Shape { rows, columns, .. } = shape;
        let (last_row, last_column) = (rows.saturating_sub(1), columns.saturating_sub(1));
        let corners = [
            (0, 0),
            (0, last_column),
            (last_row, 0),
            (last_row, last_column),
        ];
        let farthest = corners
            .into_iter()
            .map(|(row, column)| distance(centre, row, column))
            .fold(0.0, f64::max);
        let width = (farthest / bins as f64).max(f64::MIN_POSITIVE);
        let mut radii_of_pixels = Vec::with_capacity(rows * columns);
        let mut places = Vec::with_capacity(rows * columns);
        let mut starts = vec![0u32; 2 * bins + 1];
        for row in 0..rows {
            for column in 0..columns {
                let radius = distance(centre, row, column) / width;
                let half = ((radius * 2.0) as u32).min(2 * bins as u32 - 1);
                radii_of_pixels.push(radius as f32);
                places.push(half);
                starts[half as usize + 1] += 1;
            }
        }
        for half in 1..starts.len() {
            starts[half] += starts[half - 1];
        }
        let mut next = starts.clone();
        let mut radii = vec![0.0; rows * columns];
        for (place, radius) in places.iter_mut().zip(radii_of_pixels) {
            let next = &mut next[*place as usize];
            *place = *next;
            radii[*next as usize] = radius;
            *next += 1;
        }
        Self {
            shape,
            bins,
            starts,
            places,
            radii,
        }
    }

    pub(super) fn is_rings(&self) -> bool {
        matches!(self.shape.kind, Kind::Rings { .. })
    }

    fn halves(&self) -> usize {
        1 + usize::from(self.is_rings())
    }

    /// The places of a bin.
    pub(super) fn bin(&self, bin: usize) -> std::ops::Range<usize> {
        let halves = self.halves();
        self.starts[bin * halves] as usize..self.starts[(bin + 1) * halves] as usize
    }

    /// Rings: radii at the places of the inner half of a ring, and of the outer.
    pub(super) fn radii(&self, bin: usize) -> [&[f32]; 2] {
        let half =
            |half: usize| &self.radii[self.starts[half] as usize..self.starts[half + 1] as usize];
        [half(2 * bin), half(2 * bin + 1)]
    }

    /// The place of a pixel.
    pub(super) fn place(&self, pixel: usize) -> usize {
        let Kind::Tiles { side } = self.shape.kind else {
            return self.places[pixel] as usize;
        };
        let columns = self.shape.columns;
        let (row, column) = (pixel / columns, pixel % columns);
        let (tile, in_tile) = (column / side, column % side);
        let width = side.min(columns - tile * side);
        let bin = row / side * columns.div_ceil(side) + tile;
        self.starts[bin] as usize + row % side * width + in_tile
    }

    /// Tiles: columns of a row that lie side by side, and the place of the first.
    #[inline(always)]
    fn for_each_run(&self, row: usize, mut run: impl FnMut(std::ops::Range<usize>, usize)) {
        let Kind::Tiles { side } = self.shape.kind else {
            return;
        };
        let columns = self.shape.columns;
        let first_bin = row / side * columns.div_ceil(side);
        for (tile, column) in (0..columns).step_by(side).enumerate() {
            let end = (column + side).min(columns);
            let first = self.starts[first_bin + tile] as usize + row % side * (end - column);
            run(column..end, first);
        }
    }

    /// Puts the pixels of a row at their places.
    pub(super) fn scatter<T: Copy>(&self, row: usize, pixels: &[T], places: &mut [T]) {
        if self.is_rings() {
            let columns = self.shape.columns;
            for (&place, &pixel) in self.places[row * columns..].iter().zip(pixels) {
                places[place as usize] = pixel;
            }
            return;
        }
        self.for_each_run(row, |run, first| {
            places[first..first + run.len()].copy_from_slice(&pixels[run]);
        });
    }

    /// Takes the pixels of a row from their places.
    pub(super) fn gather<T: Copy>(&self, row: usize, places: &[T], pixels: &mut [T]) {
        if self.is_rings() {
            let columns = self.shape.columns;
            for (&place, pixel) in self.places[row * columns..].iter().zip(pixels) {
                *pixel = places[place as usize];
            }
            return;
        }
        self.for_each_run(row, |run, first| {
            let len = run.len();
            pixels[run].copy_from_slice(&places[first..first + len]);
        });
    }
}

fn distance([cx, cy]: [f64; 2], row: usize, column: usize) -> f64 {
    let (x, y) = (column as f64 + 0.5 - cx, row as f64 + 0.5 - cy);
    (x * x + y * y).sqrt()
}

/// What a thread keeps between frames.
#[derive(Default)]
pub(crate) struct Memory {
    geometry: Option<Geometry>,
    /// Pixels of a frame by place.
    pub(super) pixels: Vec<u32>,
    /// Background of a frame by place.
    pub(super) means: Vec<f32>,
    /// Pixels of a frame that the witness is to keep away from.
    pub(super) strong: Vec<u8>,
}

impl Memory {
    /// The geometry of a shape; [`Memory::keep`] gives it back.
    pub(super) fn geometry(&mut self, shape: Shape) -> Geometry {
        let kept = self.geometry.take().filter(|kept| kept.shape == shape);
        kept.unwrap_or_else(|| Geometry::new(shape))
    }

    pub(super) fn keep(&mut self, geometry: Geometry) {
        self.geometry = Some(geometry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_a_permutation_in_order_of_bins() {
        let kinds = [
            Kind::Tiles { side: 16 },
            Kind::Tiles { side: 1000 },
            Kind::Rings {
                cx: 20.3,
                cy: -4.0,
                bins: 37,
            },
            Kind::Rings {
                cx: 30.0,
                cy: 25.0,
                bins: 1,
            },
        ];
        for kind in kinds {
            let (rows, columns) = (50, 70);
            let geometry = Geometry::new(Shape {
                rows,
                columns,
                kind,
            });
            let mut pixels: Vec<usize> = vec![usize::MAX; rows * columns];
            for row in 0..rows {
                let numbers: Vec<usize> = (row * columns..(row + 1) * columns).collect();
                geometry.scatter(row, &numbers, &mut pixels);
                let mut back = vec![0; columns];
                geometry.gather(row, &pixels, &mut back);
                assert_eq!(back, numbers);
            }
            for (place, &pixel) in pixels.iter().enumerate() {
                assert_eq!(geometry.place(pixel), place);
                let (row, column) = (pixel / columns, pixel % columns);
                let bin = match kind {
                    Kind::Tiles { side } => row / side * columns.div_ceil(side) + column / side,
                    Kind::Rings { cx, cy, bins } => {
                        let farthest = [(0, 0), (0, 69), (49, 0), (49, 69)]
                            .map(|(row, column)| distance([cx, cy], row, column))
                            .into_iter()
                            .fold(0.0, f64::max);
                        let ring = distance([cx, cy], row, column) * bins as f64 / farthest;
                        (ring as usize).min(bins - 1)
                    }
                };
                assert!(geometry.bin(bin).contains(&place), "{kind:?}");
            }
        }
    }
}
