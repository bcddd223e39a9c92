//! Sums of products of features, for a least-squares fit and its residuals.

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
    // Numbers of a sample that are looked at: the fewest for which there is code.
    match used {
        0..=16 => accumulate_part::<16>(rows, scales, used, products),
        17..=24 => accumulate_part::<24>(rows, scales, used, products),
        _ => accumulate_part::<WIDTH>(rows, scales, used, products),
    }
}

#[inline(always)]
fn accumulate_part<const N: usize>(
    rows: &[[f32; WIDTH]],
    scales: &[f32],
    used: usize,
    products: &mut [[f64; WIDTH]; WIDTH],
) {
    for (rows, scales) in rows.chunks(BATCH).zip(scales.chunks(BATCH)) {
        for (feature, sums) in products.iter_mut().enumerate().take(used) {
            let mut batch = [0.0f32; N];
            for (row, scale) in rows.iter().zip(scales) {
                let factor = row[feature] * scale;
                for (sum, x) in batch.iter_mut().zip(&row[..N]) {
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
    /// Adds `scale · rowᵀ row` of every sample, in the first `used` rows and columns of `products`; others are zero.
    pub(crate) fn accumulate(rows: &[[f32; WIDTH]], scales: &[f32], used: usize, products: &mut [[f64; WIDTH]; WIDTH])
        = accumulate_kernel
);

/// Sums that are formed side by side.
const LANES: usize = 8;

#[inline(always)]
fn products_kernel(rows: &[[f32; WIDTH]], used: usize, factors: &[f32; WIDTH], sums: &mut [f32]) {
    let blocks_used = used.div_ceil(LANES);
    for (row, sum) in rows.iter().zip(sums) {
        let mut lanes = [0.0; LANES];
        let blocks = row.as_chunks::<LANES>().0.iter();
        for (row, factors) in blocks.zip(factors.as_chunks::<LANES>().0).take(blocks_used) {
            for i in 0..LANES {
                lanes[i] += row[i] * factors[i];
            }
        }
        *sum = lanes.iter().sum();
    }
}
levels!(
    /// The scalar product of each row with `factors`, of which the first `used` are not zero, summed in the same order at
    /// every level.
    pub(crate) fn products(rows: &[[f32; WIDTH]], used: usize, factors: &[f32; WIDTH], sums: &mut [f32]) = products_kernel
);
