//! Which kinds of models a prediction may have, and what the time is worth that they take.

use super::predict_lines::{Extent, Order};

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

    /// Which part of all bits contexts have to save: a decoder that needs none is a third faster.
    pub(super) fn worth_of_contexts(&self) -> f64 {
        match self.orders {
            Orders::Smallest => 0.0,
            _ => WORTH_OF_CONTEXTS,
        }
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
/// A fraction of all bits.
const WORTH_OF_CONTEXTS: f64 = 0.01;
