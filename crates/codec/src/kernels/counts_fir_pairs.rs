//! Weights of estimates in pairs of 16 bits, as instructions take them that multiply neighbours and add the products.

use super::counts_fir::Weights;

/// Two weights, or factors, in a lane.
#[inline(always)]
pub(super) fn pair(first: i32, second: i32) -> i32 {
    (first & 0xffff) | (second << 16)
}

/// Pairs of weights as the taps of rows need them, each in all lanes of a register.
pub(super) struct Pairs<V> {
    pub(super) even: Taps<V>,
    pub(super) odd: Taps<V>,
    /// Of the average around an even pixel, and around an odd one.
    pub(super) around: [V; 2],
    pub(super) bias: V,
}

/// Of the row above, which begins three to the left of an even pixel, of the one above that, which begins two to the left,
/// and of the one above that, one to the left. An odd pixel has the same pairs of numbers with weights moved by one.
pub(super) struct Taps<V> {
    pub(super) first: [V; 4],
    pub(super) second: [V; 3],
    pub(super) third: [V; 2],
}

impl<V> Pairs<V> {
    /// `splat` fills a register.
    #[inline(always)]
    pub(super) fn new(weights: &Weights, splat: impl Fn(i32) -> V) -> Self {
        let pair = |first, second| splat(pair(first, second));
        let w = &weights.of;
        Self {
            even: Taps {
                first: [
                    pair(w[0], w[1]),
                    pair(w[2], w[3]),
                    pair(w[4], w[5]),
                    pair(w[6], 0),
                ],
                second: [pair(w[7], w[8]), pair(w[9], w[10]), pair(w[11], 0)],
                third: [pair(w[12], w[13]), pair(w[14], 0)],
            },
            odd: Taps {
                first: [
                    pair(0, w[0]),
                    pair(w[1], w[2]),
                    pair(w[3], w[4]),
                    pair(w[5], w[6]),
                ],
                second: [pair(0, w[7]), pair(w[8], w[9]), pair(w[10], w[11])],
                third: [pair(0, w[12]), pair(w[13], w[14])],
            },
            around: [pair(w[15], 0), pair(0, w[15])],
            bias: splat(weights.bias),
        }
    }
}
