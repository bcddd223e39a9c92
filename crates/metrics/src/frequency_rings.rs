//! Rings of equal spatial frequency in a discrete Fourier transform; shells where there are three axes.
//!
//! Ring = floor(n · |f|), f in cycles per pixel and n the smallest extent that is not 1, so that for squares it is
//! floor(radius) in pixels of the transform. Ring 0, the mean, and rings beyond n/2, which the corners cut, are left out:
//! rings are 1 to n/2 − 1. The frequency of a ring is ring/n, its inner edge.

/// The rings of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrequencyRings {
    shape: [usize; 3],
    /// n.
    extent: usize,
}

impl FrequencyRings {
    /// The rings for an array of these extents, the slowest first.
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        let axes = shape.into_iter().filter(|&extent| extent > 1);
        Self {
            shape,
            extent: axes.min().unwrap_or(1),
        }
    }

    /// Number of rings.
    pub(crate) fn count(&self) -> usize {
        (self.extent / 2).saturating_sub(1)
    }

    /// Frequencies of the rings in 1/px.
    pub(crate) fn frequencies(&self) -> Vec<f64> {
        (1..=self.count())
            .map(|ring| ring as f64 / self.extent as f64)
            .collect()
    }

    /// Calls `take` with the index of every element in a ring, that of the negative frequency, and the ring from 0.
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, usize, usize)) {
        let [planes, rows, columns] = self.shape;
        let [squares_z, squares_y, squares_x] = self.shape.map(|extent| self.squares(extent));
        for (z, square_z) in squares_z.iter().enumerate() {
            let opposite_z = (planes - z) % planes;
            for (y, square_y) in squares_y.iter().enumerate() {
                let line = (z * rows + y) * columns;
                let opposite = (opposite_z * rows + (rows - y) % rows) * columns;
                for (x, square_x) in squares_x.iter().enumerate() {
                    let ring = (square_z + square_y + square_x).sqrt() as usize;
                    if ring >= 1 && ring <= self.count() {
                        take(line + x, opposite + (columns - x) % columns, ring - 1);
                    }
                }
            }
        }
    }

    /// (n · f)² along an axis, exact for the shortest one.
    fn squares(&self, extent: usize) -> Vec<f64> {
        let scale = self.extent as f64 / extent as f64;
        (0..extent)
            .map(|at| at.min(extent - at) as f64 * scale)
            .map(|distance| distance * distance)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_of_a_square_hold_the_pixels_between_two_radii() {
        // Radii 1 and √2; 2, √5 and 2√2; 3, √10 and √13.
        let rings = FrequencyRings::new([1, 8, 8]);
        let mut counts = vec![0; rings.count()];
        rings.for_each(|_, _, ring| counts[ring] += 1);
        assert_eq!(counts, [8, 16, 20]);
        assert_eq!(rings.frequencies(), [0.125, 0.25, 0.375]);
    }

    #[test]
    fn the_opposite_of_the_opposite_is_the_element() {
        let rings = FrequencyRings::new([4, 6, 5]);
        let mut opposites = std::collections::BTreeMap::new();
        rings.for_each(|at, opposite, ring| {
            opposites.insert(at, (opposite, ring));
        });
        for (at, (opposite, ring)) in &opposites {
            assert_eq!(opposites[opposite], (*at, *ring));
        }
    }

    #[test]
    fn a_pixel_has_no_rings() {
        assert_eq!(FrequencyRings::new([1, 1, 1]).count(), 0);
        FrequencyRings::new([1, 1, 1]).for_each(|_, _, _| panic!("a ring"));
    }
}
