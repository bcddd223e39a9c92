//! SSIM of two images at every pixel: windows of 11 × 11 with Gaussian weights of σ = 1.5 px.
//!
//! SSIM = (2 μₐμ_b + C₁)(2 σ_ab + C₂) / ((μₐ² + μ_b² + C₁)(σₐ² + σ_b² + C₂)), C₁ = (0.01 L)², C₂ = (0.03 L)², population
//! covariances: Wang, Bovik, Sheikh & Simoncelli, IEEE Trans. Image Process. 13 (2004) 600. Only windows inside the image
//! count, so the map is 10 smaller in both directions; windows that touch an invalid pixel are NaN.
//!
//! Four filtered images are needed: a, b, a² + b² and ab. Rows are filtered along themselves once, and eleven of them
//! are kept for the filter across.

use std::borrow::Cow;

use multiversion::multiversion;

/// Extent of a window.
pub(crate) const EXTENT: usize = 11;
const SIGMA: f64 = 1.5;
const HALF: usize = EXTENT / 2;
/// a, b, a² + b², ab.
const IMAGES: usize = 4;
/// Pixels that are filtered at once.
const GROUP: usize = 32;

/// What is said of each window.
#[derive(Debug, Clone, PartialEq)]
pub struct SsimMap {
    /// Extent of the map in the slow direction.
    pub rows: usize,
    /// Extent of the map in the fast direction.
    pub columns: usize,
    /// SSIM of the window at each pixel; NaN where it touches an invalid pixel.
    pub ssim: Vec<f64>,
    /// Its factor for contrast and structure, (2 σ_ab + C₂) / (σₐ² + σ_b² + C₂).
    pub structure: Vec<f64>,
}

/// The map of two images of rows · columns pixels; empty where they are smaller than a window.
pub fn ssim_map(
    a: &[f64],
    b: &[f64],
    valid: Option<&[bool]>,
    columns: usize,
    data_range: f64,
) -> SsimMap {
    let rows = a.len() / columns.max(1);
    let line = |row: usize| {
        let line = row * columns..(row + 1) * columns;
        [&a[line.clone()], &b[line]].map(Cow::Borrowed)
    };
    let mut structure = Vec::new();
    let mut map = ssim_by_line([rows, columns], line, data_range, |line| {
        structure.extend_from_slice(line);
    });
    map.structure = structure;
    if let Some(valid) = valid {
        map.leave_out(valid, columns);
    }
    map
}

/// The map of two images whose rows `line` yields, all valid, without `structure`: `take_structure` is given its rows.
pub(crate) fn ssim_by_line<'a>(
    [rows, columns]: [usize; 2],
    mut line: impl FnMut(usize) -> [Cow<'a, [f64]>; 2],
    data_range: f64,
    mut take_structure: impl FnMut(&[f64]),
) -> SsimMap {
    let mut map = SsimMap {
        rows: (rows + 1).saturating_sub(EXTENT),
        columns: (columns + 1).saturating_sub(EXTENT),
        ssim: Vec::new(),
        structure: Vec::new(),
    };
    if map.rows == 0 || map.columns == 0 {
        return map;
    }
    map.ssim = vec![0.0; map.rows * map.columns];
    let mut structure = vec![0.0; map.columns];
    let mut filter = Filter::new(columns);
    for row in 0..rows {
        let [a, b] = line(row);
        filter.push(row, &a, &b);
        if row + 1 >= EXTENT {
            let out = row + 1 - EXTENT;
            let ssim = &mut map.ssim[out * map.columns..(out + 1) * map.columns];
            combine(filter.across(row), data_range, ssim, &mut structure);
            take_structure(&structure);
        }
    }
    map
}

/// Weights from the centre outwards; their sum over the window is 1.
fn weights() -> [f64; HALF + 1] {
    let weight = |at: usize| (-0.5 * (at as f64 / SIGMA).powi(2)).exp();
    let sum: f64 = weight(0) + 2.0 * (1..=HALF).map(weight).sum::<f64>();
    std::array::from_fn(|at| weight(at) / sum)
}

/// The four images filtered along their rows, of the last eleven rows.
struct Filter {
    weights: [f64; HALF + 1],
    /// Length of a filtered row.
    columns: usize,
    /// Of a row: the four images before the filter.
    line: [Vec<f64>; IMAGES],
    /// By image, then by row modulo eleven.
    filtered: [Vec<Vec<f64>>; IMAGES],
    means: [Vec<f64>; IMAGES],
}

impl Filter {
    fn new(columns: usize) -> Self {
        let out = columns + 1 - EXTENT;
        Self {
            weights: weights(),
            columns: out,
            line: std::array::from_fn(|_| vec![0.0; columns]),
            filtered: std::array::from_fn(|_| vec![vec![0.0; out]; EXTENT]),
            means: std::array::from_fn(|_| vec![0.0; out]),
        }
    }

    /// Takes the next row.
    fn push(&mut self, row: usize, a: &[f64], b: &[f64]) {
        let [first, second, squares, products] = &mut self.line;
        first.copy_from_slice(a);
        second.copy_from_slice(b);
        multiply(a, b, squares, products);
        for (line, filtered) in self.line.iter().zip(&mut self.filtered) {
            let shifted: [&[f64]; EXTENT] = std::array::from_fn(|at| &line[at..at + self.columns]);
            weigh(&self.weights, shifted, &mut filtered[row % EXTENT]);
        }
    }

    /// The filtered images of the window rows that end with `row`.
    fn across(&mut self, row: usize) -> &[Vec<f64>; IMAGES] {
        for (filtered, means) in self.filtered.iter().zip(&mut self.means) {
            let rows: [&[f64]; EXTENT] =
                std::array::from_fn(|at| &filtered[(row + 1 + at) % EXTENT][..]);
            weigh(&self.weights, rows, means);
        }
        &self.means
    }
}

/// a² + b² and ab.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn multiply(a: &[f64], b: &[f64], squares: &mut [f64], products: &mut [f64]) {
    for ((square, product), (a, b)) in squares.iter_mut().zip(products).zip(a.iter().zip(b)) {
        *square = a * a + b * b;
        *product = a * b;
    }
}

/// The weighted sum of eleven rows, which may be one row at eleven places.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn weigh(weights: &[f64; HALF + 1], rows: [&[f64]; EXTENT], sum: &mut [f64]) {
    // Arrays of a fixed length are what the compiler turns into whole vectors; eleven slices at once are not.
    let (groups, rest) = sum.as_chunks_mut::<GROUP>();
    let done = groups.len() * GROUP;
    for (at, group) in groups.iter_mut().enumerate() {
        let mut total = [0.0; GROUP];
        let centre = &rows[HALF].as_chunks::<GROUP>().0[at];
        for lane in 0..GROUP {
            total[lane] = weights[0] * centre[lane];
        }
        for away in 1..=HALF {
            let before = &rows[HALF - away].as_chunks::<GROUP>().0[at];
            let after = &rows[HALF + away].as_chunks::<GROUP>().0[at];
            for lane in 0..GROUP {
                total[lane] += weights[away] * (before[lane] + after[lane]);
            }
        }
        *group = total;
    }
    for (at, sum) in (done..).zip(rest) {
        *sum = weights[0] * rows[HALF][at];
        for away in 1..=HALF {
            *sum += weights[away] * (rows[HALF - away][at] + rows[HALF + away][at]);
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn combine(means: &[Vec<f64>; IMAGES], data_range: f64, ssim: &mut [f64], structure: &mut [f64]) {
    let (c1, c2) = ((0.01 * data_range).powi(2), (0.03 * data_range).powi(2));
    let [a, b, squares, products] = means.each_ref().map(|mean| &mean[..ssim.len()]);
    for at in 0..ssim.len() {
        let (product, square) = (a[at] * b[at], a[at] * a[at] + b[at] * b[at]);
        let contrast = (2.0 * (products[at] - product) + c2) / (squares[at] - square + c2);
        structure[at] = contrast;
        ssim[at] = (2.0 * product + c1) / (square + c1) * contrast;
    }
}

impl SsimMap {
    /// Sets windows that touch an invalid pixel to NaN.
    pub(crate) fn leave_out(&mut self, valid: &[bool], columns: usize) {
        // Row of the last invalid pixel in the columns of a window, counted from 1.
        let mut last = vec![0; self.columns];
        for (row, line) in valid.chunks_exact(columns).enumerate() {
            for (x, _) in line.iter().enumerate().filter(|(_, valid)| !**valid) {
                let first = (x + 1).saturating_sub(EXTENT);
                last[first..(x + 1).min(self.columns)].fill(row + 1);
            }
            if row + 1 < EXTENT {
                continue;
            }
            let out = (row + 1 - EXTENT) * self.columns;
            for (x, _) in (last.iter().enumerate()).filter(|(_, last)| **last + EXTENT > row + 1) {
                self.ssim[out + x] = f64::NAN;
                if let Some(structure) = self.structure.get_mut(out + x) {
                    *structure = f64::NAN;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one() {
        let weights = weights();
        let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-15);
        assert!(
            (weights[0] - 0.266_011_724_861_794_4).abs() < 1e-12,
            "{}",
            weights[0]
        );
    }

    #[test]
    fn constant_images_differ_in_luminance_only() {
        // (2ab + C1)/(a² + b² + C1) for a = 1, b = 2, L = 10: C1 = 0.01.
        let map = ssim_map(&[1.0; 12 * 13], &[2.0; 12 * 13], None, 13, 10.0);
        assert_eq!((map.rows, map.columns), (2, 3));
        for (ssim, structure) in map.ssim.iter().zip(&map.structure) {
            assert!((ssim - 4.01 / 5.01).abs() < 1e-12, "{ssim}");
            assert!((structure - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn windows_on_an_invalid_pixel_are_left_out_and_no_others() {
        let mut a: Vec<f64> = (0..30 * 24).map(|at| f64::from(at * 7 % 31)).collect();
        let clean = ssim_map(&a, &a, None, 24, 30.0);
        let mut valid = vec![true; a.len()];
        (a[14 * 24 + 3], valid[14 * 24 + 3]) = (f64::NAN, false);
        let map = ssim_map(&a, &a, Some(&valid), 24, 30.0);
        for row in 0..map.rows {
            for column in 0..map.columns {
                let touches = (row..row + 11).contains(&14) && (column..column + 11).contains(&3);
                let at = row * map.columns + column;
                assert_eq!(map.ssim[at].is_nan(), touches, "{row} {column}");
                assert!(touches || map.ssim[at] == clean.ssim[at]);
            }
        }
    }

    #[test]
    fn images_smaller_than_a_window_have_an_empty_map() {
        assert!(
            ssim_map(&[1.0; 100], &[1.0; 100], None, 10, 1.0)
                .ssim
                .is_empty()
        );
        assert!(ssim_map(&[], &[], None, 0, 1.0).ssim.is_empty());
    }
}
