//! Sums of products of features, for a least-squares fit.

use crate::kernels::levels::levels;

/// Numbers of a sample: features, a constant and the target, then zeros.
pub(crate) const WIDTH: usize = 40;
/// Products are summed in f32 over so many samples.
const BATCH: usize = 64;

#[inline(always)]
fn accumulate_kernel(
    rows: &[[f32; WIDTH]],
    scales: &[f32],
    used: usize,
    products: &mut [[f64; WIDTH]; WIDTH],
) {
    for (rows, scales) in rows.chunks(BATCH).zip(scales.chunks(BATCH)) {
        for (feature, sums) in products.iter_mut().enumerate().take(used) {
            let mut batch = [0.0f32; WIDTH];
            for (row, scale) in rows.iter().zip(scales) {
                let factor = row[feature] * scale;
                for (sum, x) in batch.iter_mut().zip(row) {
                    *sum += factor * x;
                }
            }
            for (sum, part) in sums.iter_mut().zip(batch) {
                *sum += f64::from(part);
            }
        }
    }
}
levels!(
    /// Adds `scale · rowᵀ row` of every sample, in the first `used` rows of `products`.
    pub(crate) fn accumulate(rows: &[[f32; WIDTH]], scales: &[f32], used: usize, products: &mut [[f64; WIDTH]; WIDTH])
        = accumulate_kernel
);
