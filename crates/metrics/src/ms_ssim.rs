//! S2: multi-scale SSIM over five scales, of every frame.
//!
//! Π structureᵢ^wᵢ · ssim₅^w₅ with w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333, from the means of maps whose scales are halved
//! by the mean of 2 × 2 pixels: Wang, Simoncelli & Bovik, Asilomar 2003. L as in [`ssim`](mod@crate::ssim). A pixel of a
//! coarser scale is valid where all four are; an odd last row or column is dropped. A negative mean counts as 0. `ms_ssim`
//! is the mean over frames.
//!
//! Reference: sewar `msssim`, which begins its pairs of pixels one before the border, and has complex powers of
//! negative means.

use std::any::Any;

use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::ssim::{has_damage, mean};
use crate::ssim_map::{EXTENT, ssim_map};
use crate::{Curve, Error, Frames, Outcome, Settings};

const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Extent below which the coarsest scale has no window.
const SMALLEST: usize = EXTENT << (WEIGHTS.len() - 1);

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "S2",
    name: "ms_ssim",
    about: "structural similarity over five scales, each half of the one before",
    values: &[("ms_ssim", "1")],
    curves: &["ms_ssim_by_frame"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "ms_ssim",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: true,
    splits: true,
    start,
};

/// MS-SSIM of two images of `columns` pixels in the fast direction.
pub fn ms_ssim(
    a: &[f64],
    b: &[f64],
    valid: Option<&[bool]>,
    columns: usize,
    data_range: f64,
) -> f64 {
    let mut scale = Scale {
        a: a.to_vec(),
        b: b.to_vec(),
        valid: valid.map(<[bool]>::to_vec),
        columns,
    };
    let mut product = 1.0;
    for (at, weight) in WEIGHTS.into_iter().enumerate() {
        let map = ssim_map(
            &scale.a,
            &scale.b,
            scale.valid.as_deref(),
            scale.columns,
            data_range,
        );
        let coarsest = at + 1 == WEIGHTS.len();
        let factors = if coarsest { map.ssim } else { map.structure };
        let factor = mean(factors.into_iter());
        // f64::max would make NaN 0.
        product *= if factor < 0.0 {
            0.0
        } else {
            factor.powf(weight)
        };
        if !coarsest {
            scale = scale.halved();
        }
    }
    product
}

/// Two images at a scale.
struct Scale {
    a: Vec<f64>,
    b: Vec<f64>,
    valid: Option<Vec<bool>>,
    columns: usize,
}

impl Scale {
    fn halved(&self) -> Self {
        let quads = |image: &[f64]| {
            let quad = |at: [usize; 4]| 0.25 * at.map(|at| image[at]).iter().sum::<f64>();
            self.quads(image.len()).map(quad).collect()
        };
        let valid = self.valid.as_ref().map(|valid| {
            let quads = self.quads(valid.len());
            quads.map(|quad| quad.iter().all(|&at| valid[at])).collect()
        });
        Self {
            a: quads(&self.a),
            b: quads(&self.b),
            valid,
            columns: self.columns / 2,
        }
    }

    /// The pixels of each 2 × 2 block of an image of `len` pixels.
    fn quads(&self, len: usize) -> impl Iterator<Item = [usize; 4]> + use<> {
        let columns = self.columns;
        let rows = len / columns.max(1);
        (0..rows / 2).flat_map(move |row| {
            (0..columns / 2).map(move |column| {
                let first = 2 * row * columns + 2 * column;
                [first, first + 1, first + columns, first + columns + 1]
            })
        })
    }
}

struct ByFrame {
    data_range: f64,
    /// Whether a valid pixel was decoded to NaN, which leaves nothing to say.
    damaged: bool,
    /// Index and MS-SSIM.
    frames: Vec<(usize, f64)>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    if shape.rows < SMALLEST || shape.columns < SMALLEST {
        return Err(Error::Unsuitable {
            metric: "ms_ssim",
            reason: format!(
                "five scales need frames of {SMALLEST} × {SMALLEST} pixels, and these have {} × {}",
                shape.rows, shape.columns
            ),
        });
    }
    Ok(Box::new(ByFrame {
        data_range: settings.data_range.unwrap_or(f64::NAN),
        damaged: false,
        frames: Vec::new(),
    }))
}

impl Accumulator for ByFrame {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        for frame in frames.iter() {
            self.damaged |= has_damage(&frame.decoded, frame.valid);
            let (a, b) = (&frame.original, &frame.decoded);
            let index = ms_ssim(a, b, frame.valid, frames.columns, self.data_range);
            self.frames.push((frame.index, index));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: ByFrame = same(other);
        self.damaged |= other.damaged;
        self.frames.extend(other.frames);
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        self.frames.sort_by_key(|(index, _)| *index);
        // Without a range nothing stabilises the ratios: what is left is rounding.
        let whole = if self.damaged || self.data_range == 0.0 {
            f64::NAN
        } else {
            1.0
        };
        let (indices, by_frame): (Vec<f64>, Vec<f64>) = self
            .frames
            .iter()
            .map(|(index, ms_ssim)| (*index as f64, ms_ssim))
            .unzip();
        outcome.value("ms_ssim", whole * mean(by_frame.iter().copied()));
        let curve = Curve::new("frame", "MS-SSIM", indices);
        outcome.curve("ms_ssim_by_frame", curve.with("ms_ssim", by_frame));
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
