//! The model of a predicted payload: what is looked at, and with which weights.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | bits 0–1: nothing (0), rows above (1), rows above and pixels to the left (2) is looked at; bit 2: earlier frames too; bit 3: residuals have sides, with a shift of 4 or more and no low bits; bits 4–5: predictions have no bounds (0), those of neighbours in the frame (1) or in earlier frames too (3), see `predict_bounds.rs` |
//! | 1 | low bits of residuals that are stored as they are, 0–31 |
//! | 1 | shift of the weighted sums, 0–14 |
//! | 1 | zero |
//! | 4 | the number before the first one, i32 |
//! | 4 | largest distance of a remembered number from its prediction, i32 ≥ 0 |
//! | 2 each | weights of the neighbours, i16 |
//! | 4 | bias of the prediction, i32 |
//! | 2 each | weights of the spreads, i16 |
//! | 4 | bias of the spread, i32 |
//!
//! The last four fields come again for frames after the first, where earlier frames are looked at.

use super::predict_bounds::Bounds;
use super::predict_lines::Order;
use crate::Error;
use crate::frame::array;
use crate::kernels::predict::SIDE_BITS;

/// Where a neighbour is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The frame itself.
    Frame,
    /// The frame before it.
    Before,
    /// The running mean of frames.
    Mean,
}

/// A neighbour: so many rows above and columns to the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub(crate) source: Source,
    pub(crate) above: i8,
    pub(crate) left: i8,
}

pub(super) const fn tap(source: Source, above: i8, left: i8) -> Tap {
    Tap {
        source,
        above,
        left,
    }
}

use Source::{Before, Frame, Mean};

/// Neighbours in the rows above, then those in earlier frames.
const ROWS: [Tap; 16] = [
    tap(Frame, 1, 0),
    tap(Frame, 1, -1),
    tap(Frame, 1, 1),
    tap(Frame, 1, -2),
    tap(Frame, 1, 2),
    tap(Frame, 2, 0),
    tap(Frame, 2, -1),
    tap(Frame, 2, 1),
    tap(Before, 0, 0),
    tap(Before, 0, -1),
    tap(Before, 0, 1),
    tap(Before, 1, 0),
    tap(Before, -1, 0),
    tap(Mean, 0, 0),
    tap(Mean, 1, 0),
    tap(Mean, -1, 0),
];
const ROWS_OF_ONE_FRAME: usize = 8;

/// Neighbours to the left and in the rows above, then those in earlier frames.
const DIAGONALS: [Tap; 34] = [
    tap(Frame, 0, 1),
    tap(Frame, 0, 2),
    tap(Frame, 0, 3),
    tap(Frame, 1, -3),
    tap(Frame, 1, -2),
    tap(Frame, 1, -1),
    tap(Frame, 1, 0),
    tap(Frame, 1, 1),
    tap(Frame, 1, 2),
    tap(Frame, 1, 3),
    tap(Frame, 2, -2),
    tap(Frame, 2, -1),
    tap(Frame, 2, 0),
    tap(Frame, 2, 1),
    tap(Frame, 2, 2),
    tap(Frame, 3, -1),
    tap(Frame, 3, 0),
    tap(Frame, 3, 1),
    tap(Before, 0, 0),
    tap(Before, 0, -2),
    tap(Before, 0, -1),
    tap(Before, 0, 1),
    tap(Before, 0, 2),
    tap(Before, 1, -1),
    tap(Before, 1, 0),
    tap(Before, 1, 1),
    tap(Before, -1, -1),
    tap(Before, -1, 0),
    tap(Before, -1, 1),
    tap(Before, 2, 0),
    tap(Before, -2, 0),
    tap(Mean, 0, 0),
    tap(Mean, 1, 0),
    tap(Mean, -1, 0),
];
const DIAGONALS_OF_ONE_FRAME: usize = 18;
/// The most neighbours there are.
pub(super) const MAX_TAPS: usize = DIAGONALS.len();

/// Neighbours whose spreads are looked at, rows above and columns to the left. More follow: the average along lines,
/// the root of the prediction, in later frames the mean of earlier ones, with bounds how far these are from each other, and
/// with sides the distance of the prediction from the middle of its step.
const ROW_SPREADS: [(i8, i8); 3] = [(1, 0), (1, -1), (1, 1)];
const DIAGONAL_SPREADS: [(i8, i8); 5] = [(0, 1), (0, 2), (1, 1), (1, 0), (1, -1)];
const OTHER_SPREADS: usize = 2;
/// The most spreads there are.
pub(super) const MAX_SPREADS: usize = DIAGONAL_SPREADS.len() + OTHER_SPREADS + 3;

/// Weights for one kind of frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    pub(crate) taps: [i32; MAX_TAPS],
    pub(crate) bias: i32,
    pub(crate) spreads: [i32; MAX_SPREADS],
    pub(crate) spread_bias: i32,
}

impl Weights {
    pub(super) const NONE: Self = Self {
        taps: [0; MAX_TAPS],
        bias: 0,
        spreads: [0; MAX_SPREADS],
        spread_bias: 0,
    };
}

/// How numbers are predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    pub(crate) order: Order,
    /// Whether earlier frames are looked at.
    pub(crate) temporal: bool,
    /// Whether the sign of residuals is turned where the prediction was rounded down.
    pub(crate) sides: bool,
    pub(crate) bounds: Bounds,
    pub(crate) low_bits: u32,
    pub(crate) shift: u32,
    pub(crate) start: i32,
    pub(crate) limit: i32,
    /// Of the first frame, and of those after it.
    pub(crate) weights: [Weights; 2],
}

const FIXED_BYTES: usize = 12;
const MOST_LOW_BITS: u8 = 31;
pub(super) const MOST_SHIFT: u32 = 14;

/// Neighbours that are looked at in frames after the first (`later`) or in others; the prediction is a correction to
/// the first neighbour of a single frame, or to that of earlier frames: see [`base`].
pub(super) fn taps(order: Order, later: bool) -> &'static [Tap] {
    match (order, later) {
        (Order::Flat, _) => &[],
        (Order::Rows, false) => &ROWS[..ROWS_OF_ONE_FRAME],
        (Order::Rows, true) => &ROWS,
        (Order::Diagonals, false) => &DIAGONALS[..DIAGONALS_OF_ONE_FRAME],
        (Order::Diagonals, true) => &DIAGONALS,
    }
}

/// Which of the neighbours the prediction is a correction to.
pub(super) fn base(order: Order, later: bool) -> usize {
    match (order, later) {
        (Order::Rows, true) => ROWS_OF_ONE_FRAME,
        _ => 0,
    }
}

/// Neighbours whose spreads are looked at.
pub(super) fn spread_taps(order: Order) -> &'static [(i8, i8)] {
    match order {
        Order::Flat | Order::Rows => &ROW_SPREADS,
        Order::Diagonals => &DIAGONAL_SPREADS,
    }
}

/// Number of spreads that are looked at with a set of weights.
pub(super) fn spreads(model: &Model, set: usize) -> usize {
    let of_bounds = usize::from(model.bounds != Bounds::None);
    spread_taps(model.order).len() + OTHER_SPREADS + set + of_bounds + usize::from(model.sides)
}

impl Model {
    /// Whether frame `frame` uses the second set of weights.
    pub(crate) fn later(&self, frame: usize) -> bool {
        self.temporal && frame > 0
    }

    fn sets(&self) -> usize {
        1 + usize::from(self.temporal)
    }

    /// Appends the model to `bytes`.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        let looks = self.order as u8 | u8::from(self.temporal) << 2;
        let kind = looks | u8::from(self.sides) << 3 | (self.bounds as u8) << 4;
        bytes.extend([kind, self.low_bits as u8, self.shift as u8, 0]);
        bytes.extend(self.start.to_le_bytes());
        bytes.extend(self.limit.to_le_bytes());
        for (set, weights) in self.weights[..self.sets()].iter().enumerate() {
            let mut put = |numbers: &[i32], bias: i32| {
                for &number in numbers {
                    bytes.extend((number as i16).to_le_bytes());
                }
                bytes.extend(bias.to_le_bytes());
            };
            let taps = taps(self.order, set > 0).len();
            put(&weights.taps[..taps], weights.bias);
            put(&weights.spreads[..spreads(self, set)], weights.spread_bias);
        }
    }

    /// Reads a model from the front of `payload`; returns it and its length.
    pub(crate) fn read(payload: &[u8]) -> Result<(Self, usize), Error> {
        let damaged = |offset| Error::Damaged {
            what: "model of a prediction is not valid",
            offset,
            len: payload.len(),
        };
        let mut reader = Reader {
            bytes: payload,
            at: 0,
        };
        let fixed: [u8; FIXED_BYTES] = reader.take()?;
        let order = match fixed[0] & 3 {
            0 => Order::Flat,
            1 => Order::Rows,
            2 => Order::Diagonals,
            _ => return Err(damaged(0)),
        };
        let (temporal, sides) = (fixed[0] & 4 != 0, fixed[0] & 8 != 0);
        let bounds = Bounds::read(fixed[0] >> 4, order, temporal).ok_or(damaged(0))?;
        if fixed[0] > 63
            || (sides && (fixed[1] > 0 || u32::from(fixed[2]) < SIDE_BITS))
            || fixed[1] > MOST_LOW_BITS
            || u32::from(fixed[2]) > MOST_SHIFT
            || fixed[3] != 0
        {
            return Err(damaged(0));
        }
        let mut model = Self {
            order,
            temporal,
            sides,
            bounds,
            low_bits: u32::from(fixed[1]),
            shift: u32::from(fixed[2]),
            start: i32::from_le_bytes(array(&fixed[4..8])),
            limit: i32::from_le_bytes(array(&fixed[8..12])),
            weights: [Weights::NONE; 2],
        };
        if model.limit < 0 {
            return Err(damaged(8));
        }
        for set in 0..model.sets() {
            let spreads = spreads(&model, set);
            let weights = &mut model.weights[set];
            for weight in &mut weights.taps[..taps(order, set > 0).len()] {
                *weight = reader.i16()?;
            }
            weights.bias = i32::from_le_bytes(reader.take()?);
            for weight in &mut weights.spreads[..spreads] {
                *weight = reader.i16()?;
            }
            weights.spread_bias = i32::from_le_bytes(reader.take()?);
        }
        Ok((model, reader.at))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let field = self.bytes[self.at..]
            .first_chunk()
            .ok_or(Error::Truncated {
                what: "the model of a prediction",
                offset: self.at,
                needed: N,
                len: self.bytes.len(),
            })?;
        self.at += N;
        Ok(*field)
    }

    fn i16(&mut self) -> Result<i32, Error> {
        Ok(i32::from(i16::from_le_bytes(self.take()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_come_back_and_truncated_ones_are_errors() {
        for (order, temporal) in [
            (Order::Flat, false),
            (Order::Rows, true),
            (Order::Diagonals, true),
        ] {
            let mut model = Model {
                order,
                temporal,
                sides: temporal,
                bounds: if temporal {
                    Bounds::Frames
                } else {
                    Bounds::None
                },
                low_bits: if temporal { 0 } else { 3 },
                shift: 14,
                start: -5,
                limit: i32::MAX,
                weights: [Weights::NONE; 2],
            };
            for set in 0..=usize::from(temporal) {
                for i in 0..taps(order, set > 0).len() {
                    model.weights[set].taps[i] = i as i32 * 77 - 300;
                }
                model.weights[set].spreads[1] = -1000;
                model.weights[set].bias = 1 << 30;
            }
            let mut bytes = Vec::new();
            model.write(&mut bytes);
            assert_eq!(Model::read(&bytes), Ok((model, bytes.len())));
            for len in 0..bytes.len() {
                assert!(Model::read(&bytes[..len]).is_err());
            }
        }
    }

    #[test]
    fn impossible_models_are_refused() {
        let model = Model {
            order: Order::Rows,
            temporal: false,
            sides: true,
            bounds: Bounds::Frame,
            low_bits: 0,
            shift: 4,
            start: 0,
            limit: 9,
            weights: [Weights::NONE; 2],
        };
        let mut bytes = Vec::new();
        model.write(&mut bytes);
        assert_eq!(bytes[..4], [1 | 8 | 16, 0, 4, 0]);
        assert!(Model::read(&bytes).is_ok());
        for (at, value) in [
            (0, 3),
            (0, 16),
            (0, 32 | 1),
            (0, 48 | 1),
            (0, 64 | 1),
            (1, 1),
            (1, 32),
            (2, 3),
            (2, 15),
            (3, 1),
            (11, 0x80),
        ] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(Model::read(&damaged).is_err(), "byte {at} is {value}");
        }
    }
}
