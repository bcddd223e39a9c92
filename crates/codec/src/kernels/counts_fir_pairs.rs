//! Weights of estimates in pairs of 16 bits, as instructions take them that multiply neighbours and add the products.

use super::counts_fir::Weights;

/// Two weights, or factors, in a lane.
#[inline(always)]
pub(super) fn pair(first: i32, second: i32) -> i32 {
    (first & 0xffff) | (second << 16)
}

/// Pairs of weights as the taps of a row need them, each in all lanes of a register; all rows begin with the pixel three to
/// the left, or what is there.
pub(super) struct Pairs<V> {
    pub(super) first: [V; 4],
    pub(super) second: [V; 3],
    pub(super) third: [V; 2],
    /// Of the average around an even pixel, and around an odd one.
    pub(super) around: [V; 2],
    pub(super) bias: V,
}

impl<V> Pairs<V> {
    /// `splat` fills a register.
    #[inline(always)]
    pub(super) fn new(weights: &Weights, splat: impl Fn(i32) -> V) -> Self {
        let pair = |first, second| splat(pair(first, second));
        let w = &weights.of;
        Self {
            first: [
                pair(w[0], w[1]),
                pair(w[2], w[3]),
                pair(w[4], w[5]),
                pair(w[6], 0),
            ],
            second: [pair(w[7], w[8]), pair(w[9], w[10]), pair(w[11], 0)],
            third: [pair(w[12], w[13]), pair(w[14], 0)],
            around: [pair(w[15], 0), pair(0, w[15])],
            bias: splat(weights.bias),
        }
    }
}
