//! Regions of interest of a frame: which pixels a curve is made of.
//!
//! A region is a rectangle or a ring about a centre of its own, in pixels: a pixel of index i has its centre at i + 0.5,
//! as in pyFAI. Regions may overlap. Where none is given the whole frame is one.

use serde::{Deserialize, Serialize};

use crate::Shape;

/// A region of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Region {
    /// `[x0, y0, x1, y1]`: columns x0 to x1 and rows y0 to y1, ends excluded.
    Rectangle([usize; 4]),
    /// Pixels whose centre has a radius r from `center`, `radii[0]` ≤ r < `radii[1]`.
    Ring {
        /// `[x, y]` in pixels of the fast and the slow axis; the middle of the first pixel is 0.5, 0.5.
        center: [f64; 2],
        /// Inner and outer radius in pixels.
        radii: [f64; 2],
    },
}

impl Region {
    /// Whether the pixel belongs to it.
    pub fn contains(&self, row: usize, column: usize) -> bool {
        match *self {
            Region::Rectangle([x0, y0, x1, y1]) => {
                (x0..x1).contains(&column) && (y0..y1).contains(&row)
            }
            Region::Ring { center, radii } => {
                let x = column as f64 + 0.5 - center[0];
                let y = row as f64 + 0.5 - center[1];
                let radius = x.hypot(y);
                radii[0] <= radius && radius < radii[1]
            }
        }
    }
}

/// Pixels of regions, one region after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Selection {
    /// Indices into a frame.
    pub(crate) pixels: Vec<usize>,
    /// Where each region begins in `pixels`, and where the last one ends.
    pub(crate) bounds: Vec<usize>,
}

impl Selection {
    /// The pixels of `regions`, of the whole frame where there are none, that are `usable`.
    pub(crate) fn new(regions: &[Region], shape: Shape, usable: &[bool]) -> Self {
        let whole = [Region::Rectangle([0, 0, shape.columns, shape.rows])];
        let regions = if regions.is_empty() { &whole } else { regions };
        let mut selection = Self {
            pixels: Vec::new(),
            bounds: vec![0],
        };
        for region in regions {
            let inside = |pixel: &usize| {
                usable[*pixel] && region.contains(pixel / shape.columns, pixel % shape.columns)
            };
            selection.pixels.extend((0..usable.len()).filter(inside));
            selection.bounds.push(selection.pixels.len());
        }
        selection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        frames: 1,
        rows: 4,
        columns: 5,
    };

    #[test]
    fn no_region_is_the_whole_frame() {
        let selection = Selection::new(&[], SHAPE, &[true; 20]);
        assert_eq!(selection.pixels, (0..20).collect::<Vec<_>>());
        assert_eq!(selection.bounds, [0, 20]);
    }

    #[test]
    fn rectangles_and_rings_hold_their_pixels() {
        let rectangle = Region::Rectangle([1, 2, 3, 9]);
        let ring = Region::Ring {
            center: [0.5, 0.5],
            radii: [1.0, 1.5],
        };
        let selection = Selection::new(&[rectangle, ring], SHAPE, &[true; 20]);
        assert_eq!(selection.bounds, [0, 4, 7]);
        assert_eq!(selection.pixels[..4], [11, 12, 16, 17]);
        // At 1, 1 and √2 from the first pixel's middle.
        assert_eq!(selection.pixels[4..], [1, 5, 6]);
    }

    #[test]
    fn pixels_that_are_not_usable_are_left_out() {
        let mut usable = [true; 20];
        usable[11] = false;
        let selection = Selection::new(&[Region::Rectangle([1, 2, 3, 4])], SHAPE, &usable);
        assert_eq!(selection.pixels, [12, 16, 17]);
    }
}
