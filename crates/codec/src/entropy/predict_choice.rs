//! Which kinds of models a prediction may have, and what the time is worth that they take.

use super::predict_lines::{Extent, Order};
use crate::kernels::predict::DIRECT;

/// What may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) orders: Orders,
    /// Whether to look at earlier frames; `None` for where they help.
    pub(crate) temporal: Option<bool>,
}

impl Choice {
    /// The bits per number below which a model of an order has to be, to be better than a simpler one of `least`. What
    /// takes longer has to save a part of the bits that there are: of masks, nearly all may go to a few edges.
    pub(super) fn least_bits(&self, order: Order, least: f64) -> f64 {
        let worth = match (order, self.orders) {
            (Order::Diagonals, Orders::Any) => WORTH_OF_TIME,
            _ => WORTH,
        };
        least - WORTH - worth * least
    }

    /// Which part of all bits contexts have to save, where numbers have so many: a decoder that needs none takes half the
    /// time. That time is the same whatever the bits of a number, so that it counts for more where those are many.
    pub(super) fn worth_of_contexts(&self, bits_per_number: f64) -> f64 {
        match self.orders {
            Orders::Smallest => 0.0,
            Orders::Quick => QUICK_WORTH_OF_CONTEXTS,
            _ => {
                let worth = WORTH_PER_BIT * bits_per_number;
                worth.clamp(LEAST_WORTH_OF_CONTEXTS, MOST_WORTH_OF_CONTEXTS)
            }
        }
    }

    /// Which part of all bits bounds of predictions have to save, beside a model without that has several contexts or one.
    pub(super) fn worth_of_bounds(&self, has_contexts: bool) -> f64 {
        match (self.orders, has_contexts) {
            (Orders::Smallest, _) => 0.0,
            (Orders::Quick, _) => QUICK_WORTH_OF_CONTEXTS,
            (_, true) => WORTH_OF_BOUNDS,
            (_, false) => WORTH_OF_BOUNDS + WORTH_OF_ONE_PASS,
        }
    }

    pub(super) fn is_smallest(&self) -> bool {
        self.orders == Orders::Smallest
    }

    /// By which fraction the squares of residuals of so many bits may grow for neighbours that are not looked at.
    pub(super) fn growth_for_fewer(&self, bits: f64) -> f64 {
        let worth = match self.orders {
            Orders::Smallest => 0.0,
            Orders::Quick => QUICK_WORTH_OF_NEIGHBOURS,
            _ => WORTH_OF_NEIGHBOURS,
        };
        // A bit more for each number is a factor of two in their magnitude.
        4f64.powf(worth * bits) - 1.0
    }

    /// The low bits that are stored as they are, of residuals of so large a median and so large a far one.
    ///
    /// A symbol stands for a tenth of the median or more; where many residuals are too large for symbols of their own, which
    /// takes time, for more.
    pub(super) fn low_bits(&self, typical: f32, far: f32) -> u32 {
        let steps = |step: f32, part: f32| (step / part).max(1.0).log2().ceil() as u32;
        let fewest = steps(typical, TYPICAL_SYMBOL);
        let low_bits = match self.orders {
            Orders::Smallest => fewest,
            _ => {
                let most = steps(typical, LEAST_TYPICAL_SYMBOL);
                steps(far, DIRECT as f32 / 2.0).clamp(fewest, most)
            }
        };
        low_bits.min(MOST_LOW_BITS)
    }

    /// The bits per number of a model, and what the time is worth that it takes.
    pub(super) fn priced(
        &self,
        (bits, fine_bits): (f64, f64),
        order: Order,
        temporal: bool,
    ) -> f64 {
        match (self.orders, order, temporal) {
            (Orders::Timely, Order::Diagonals, true) => fine_bits * (1.0 + PRICE_OF_BOTH) - 1.0,
            (Orders::Timely, ..) => fine_bits - 1.0,
            _ => bits,
        }
    }

    pub(super) fn allows(&self, order: Order, extent: &Extent) -> bool {
        match self.orders {
            Orders::Only(only) => only == order,
            // Nothing is predicted by nothing, earlier frames least of all.
            _ if order == Order::Flat => self.temporal != Some(true) || extent.frames == 1,
            Orders::Quick => order != Order::Diagonals,
            Orders::Any | Orders::Timely | Orders::Smallest => true,
        }
    }
}

/// Which pixels of the same frame may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    /// Whatever is smallest, but for little gain none that takes longer.
    Any,
    /// Whatever is small for its time.
    Timely,
    /// Whatever is smallest.
    Smallest,
    /// The same without pixels to the left, which take longer.
    Quick,
    /// Those of one order.
    Only(Order),
}

/// Bits per number by which a model has to be better than a simpler one, as a fraction.
const WORTH: f64 = 0.008;
/// The same where the better one takes twice as long.
const WORTH_OF_TIME: f64 = 0.025;
/// The same, beside [`WORTH`], where pixels to the left and earlier frames are looked at, which takes four times as long as
/// without either.
const PRICE_OF_BOTH: f64 = 0.03;
/// Neighbours that save less than this fraction of all bits together are not looked at.
const WORTH_OF_NEIGHBOURS: f64 = 0.002;
const QUICK_WORTH_OF_NEIGHBOURS: f64 = 0.003;
/// Fractions of all bits, and how they grow with the bits of a number.
const LEAST_WORTH_OF_CONTEXTS: f64 = 0.01;
const MOST_WORTH_OF_CONTEXTS: f64 = 0.02;
const WORTH_PER_BIT: f64 = 0.0018;
const QUICK_WORTH_OF_CONTEXTS: f64 = 0.08;
/// Bounds take as much longer as contexts do, or twice as long as one pass over a line without either.
const WORTH_OF_BOUNDS: f64 = 0.02;
const WORTH_OF_ONE_PASS: f64 = 0.01;
/// A symbol stands for so much that the typical residual is below the first, and for no more than that it is below the second:
/// there, low bits that are stored as they are cost a five hundredth of all bits.
const TYPICAL_SYMBOL: f32 = 10.0;
const LEAST_TYPICAL_SYMBOL: f32 = 5.0;
const MOST_LOW_BITS: u32 = 31;
