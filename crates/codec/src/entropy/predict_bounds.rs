//! Bounds of predictions: the smallest and the largest of a few neighbours.
//!
//! Behind an edge, weights of neighbours far off take a prediction beyond all that are near. Where bounds help, a prediction
//! is the nearest number that is within them; where the numbers it is made of have fraction bits, so do bounds, half a step
//! above the fraction of zero. Contexts tell where all of those neighbours are alike, see `kernels/predict_bounds.rs`.

use super::predict_learn::Drawn;
use super::predict_lines::Order;
use super::predict_measure::bits_of;
use super::predict_model::{self, Source, Tap, base, tap};
use crate::kernels::predict_bounds::MOST_BOUNDS;

use Source::{Before, Frame};

/// Which neighbours predictions are between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    None = 0,
    /// Those in the frame.
    Frame = 1,
    /// In frames after the first, those in the frame before as well.
    Frames = 3,
}

/// The neighbours: the first one on diagonals alone, and those in the frame before last.
const NEAR: [Tap; MOST_BOUNDS] = [
    tap(Frame, 0, 1),
    tap(Frame, 1, 0),
    tap(Frame, 1, 1),
    tap(Frame, 1, -1),
    tap(Before, 0, 0),
    tap(Before, 0, 1),
    tap(Before, 0, -1),
    tap(Before, 1, 0),
    tap(Before, -1, 0),
];
const NEAR_IN_FRAME: usize = 4;

/// The neighbours that bound the predictions of a frame; none where nothing is looked at.
pub(super) fn taps(order: Order, bounds: Bounds, later: bool) -> &'static [Tap] {
    let first = match order {
        Order::Flat => return &[],
        Order::Rows => 1,
        Order::Diagonals => 0,
    };
    match bounds {
        Bounds::None => &[],
        Bounds::Frames if later => &NEAR[first..],
        _ => &NEAR[first..NEAR_IN_FRAME],
    }
}

impl Bounds {
    /// What two bits say, where it suits a model.
    pub(super) fn read(bits: u8, order: Order, temporal: bool) -> Option<Self> {
        match (bits, order) {
            (0, _) => Some(Self::None),
            (_, Order::Flat) => None,
            (1, _) => Some(Self::Frame),
            (3, _) if temporal => Some(Self::Frames),
            _ => None,
        }
    }
}

/// Bounds that save less than this fraction of the bits of what was drawn are not tried.
const WORTH: f64 = 0.01;

/// Pixels that were drawn, each with its neighbours.
pub(super) struct Pixels<'a> {
    pub(crate) pixels: &'a [Drawn],
    /// Which neighbours.
    pub(crate) taps: &'a [Tap],
    /// Whether the pixels are in frames after the first.
    pub(crate) later: bool,
}

impl Pixels<'_> {
    /// The bounds that may save enough, and residuals within them. Targets are differences from the base of the order.
    pub(crate) fn bound(
        &self,
        order: Order,
        targets: impl Iterator<Item = f32> + Clone,
        residuals: &[f32],
        bounded: &mut Vec<f32>,
    ) -> Bounds {
        let base = base(order, self.later);
        let Some(base) = predict_model::taps(order, self.later).get(base) else {
            return Bounds::None;
        };
        let base = self.place(base);
        // Where most residuals are below 1, those that are only nearer to zero are none.
        let bits = |residuals: &[f32]| bits_of(residuals.iter().map(|residual| residual.round()));
        let mut best = (Bounds::None, (1.0 - WORTH) * bits(residuals));
        let mut places = [0; MOST_BOUNDS];
        let mut put = |bounds: Bounds, bounded: &mut Vec<f32>| {
            let near = taps(order, bounds, self.later);
            for (place, tap) in places.iter_mut().zip(near) {
                *place = self.place(tap);
            }
            let places = &places[..near.len()];
            let parts = self.pixels.iter().zip(targets.clone());
            bounded.clear();
            bounded.extend(
                parts
                    .zip(residuals.iter())
                    .map(|((pixel, target), residual)| {
                        target - within(pixel, places, base, target - residual)
                    }),
            );
        };
        for kind in [Bounds::Frame, Bounds::Frames] {
            if kind == Bounds::Frame || self.later {
                put(kind, bounded);
                let bits = bits(bounded);
                best = if bits < best.1 { (kind, bits) } else { best };
            }
        }
        if best.0 != Bounds::None {
            put(best.0, bounded);
        }
        best.0
    }

    fn place(&self, tap: &Tap) -> usize {
        self.taps.iter().position(|other| other == tap).unwrap_or(0)
    }
}

/// A prediction between the neighbours at some places; all are differences from the base.
fn within(pixel: &Drawn, places: &[usize], base: usize, prediction: f32) -> f32 {
    let near = places.iter().map(|&place| pixel.near[place]);
    let (low, high) = near.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    let base = pixel.near[base];
    prediction.max(low - base).min(high - base)
}

#[cfg(test)]
mod tests {
    use super::super::bands::Bands;
    use super::super::predict_choice::{Choice, Orders};
    use super::super::predict_learn::{Memory, learn};
    use super::super::predict_lines::Extent;
    use super::super::predict_walk::Histories;
    use super::*;

    fn bounds_of(frames: usize, number: impl Fn(i32, i32, i32) -> i32) -> Bounds {
        let extent = Extent {
            frames,
            rows: 96,
            columns: 96,
        };
        let mut state = 1u64;
        let numbers = (0..frames * 96 * 96).map(|i| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let (y, x) = (i / 96 % 96, i % 96);
            number(y as i32 - 48, x as i32 - 48, (state >> 61) as i32)
        });
        let numbers: Vec<i32> = numbers.collect();
        let choice = Choice {
            orders: Orders::Smallest,
            temporal: Some(frames > 1),
        };
        let (mut memory, mut histories) = (Memory::default(), Histories::default());
        let learnt = learn(
            (&numbers, None),
            &extent,
            (choice, Bands::NONE),
            &mut memory,
            &mut histories,
        );
        learnt.bounds
    }

    #[test]
    fn hard_edges_have_bounds_and_noisy_hills_have_none() {
        let disc = |y: i32, x: i32, noise: i32| if y * y + x * x < 900 { 150 + noise } else { 0 };
        let hill = |y: i32, x: i32, noise: i32| (y * y + x * x) / 40 + 10 * noise;
        assert_ne!(bounds_of(1, disc), Bounds::None);
        assert_ne!(bounds_of(4, disc), Bounds::None);
        assert_eq!(bounds_of(1, hill), Bounds::None);
    }

    #[test]
    fn bounds_need_a_model_that_looks_at_neighbours() {
        let read = Bounds::read;
        assert_eq!(read(0, Order::Flat, true), Some(Bounds::None));
        assert_eq!(read(1, Order::Flat, true), None);
        assert_eq!(read(1, Order::Rows, false), Some(Bounds::Frame));
        assert_eq!(read(2, Order::Rows, true), None);
        assert_eq!(read(3, Order::Diagonals, false), None);
        assert_eq!(read(3, Order::Diagonals, true), Some(Bounds::Frames));
        assert_eq!(taps(Order::Rows, Bounds::Frame, true).len(), 3);
        assert_eq!(taps(Order::Diagonals, Bounds::Frames, true).len(), 9);
        assert_eq!(taps(Order::Diagonals, Bounds::Frames, false).len(), 4);
    }
}
