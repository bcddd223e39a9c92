//! How many bits residuals take, about, and how large they are: what the encoder compares models by.

/// About the bits of residuals: the sum of the logarithms of twice their magnitudes and 1.
///
/// Magnitudes are multiplied, and a logarithm is taken before the product is too large for an f64.
pub(super) struct Bits {
    product: f64,
    sum: f64,
}

impl Default for Bits {
    fn default() -> Self {
        Self {
            product: 1.0,
            sum: 0.0,
        }
    }
}

impl Bits {
    pub(crate) fn add(&mut self, residual: f32) {
        self.product *= f64::from(1.0 + 2.0 * residual.abs());
        // An f32 is below 2^128.
        if self.product > f64::MAX / f64::from(f32::MAX) {
            self.sum += self.product.log2();
            self.product = 1.0;
        }
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sum + self.product.log2()
    }
}

/// About the bits of all residuals.
pub(super) fn bits_of(residuals: impl Iterator<Item = f32>) -> f64 {
    let mut bits = Bits::default();
    residuals.for_each(|residual| bits.add(residual));
    bits.sum()
}

/// The median of values, of which there are some.
pub(super) fn median(values: impl Iterator<Item = f32>, memory: &mut Vec<f32>) -> f32 {
    memory.clear();
    memory.extend(values);
    let middle = memory.len() / 2;
    *memory.select_nth_unstable_by(middle, f32::total_cmp).1
}
