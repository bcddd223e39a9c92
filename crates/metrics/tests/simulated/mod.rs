//! What the tests feed: stacks of frames, random numbers, and the quantiser that the figures are known for.
#![allow(dead_code)]

use etalon_metrics::{
    Error, FrameSource, Frames, Outcome, Settings, Shape, Values, evaluate, metric_named,
};

/// A stack of frames in memory.
pub(crate) struct Stack<'a> {
    pub(crate) original: Values<'a>,
    pub(crate) decoded: Values<'a>,
    pub(crate) valid: Option<Vec<bool>>,
    pub(crate) shape: [usize; 3],
    /// Frames fed at once.
    pub(crate) step: usize,
}

impl<'a> Stack<'a> {
    pub(crate) fn new(original: &'a [f64], decoded: &'a [f64], shape: [usize; 3]) -> Self {
        Self {
            original: Values::F64(original),
            decoded: Values::F64(decoded),
            valid: None,
            shape,
            step: shape[0].max(1),
        }
    }

    pub(crate) fn outcome(
        &mut self,
        metrics: &[&str],
        settings: &Settings,
    ) -> Result<Outcome, Error> {
        let metrics: Result<Vec<_>, _> = metrics.iter().map(|name| metric_named(name)).collect();
        evaluate(&metrics?, settings, self)
    }
}

fn part<'a>(values: Values<'a>, range: std::ops::Range<usize>) -> Values<'a> {
    macro_rules! parts {
        ($($variant:ident)*) => {
            match values { $(Values::$variant(slice) => Values::$variant(&slice[range]),)* }
        };
    }
    parts!(I8 U8 I16 U16 I32 U32 I64 U64 F32 F64)
}

impl FrameSource for Stack<'_> {
    fn shape(&self) -> Shape {
        let [frames, rows, columns] = self.shape;
        Shape {
            frames,
            rows,
            columns,
        }
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let [count, rows, columns] = self.shape;
        for first in (0..count).step_by(self.step) {
            let last = (first + self.step).min(count);
            let range = first * rows * columns..last * rows * columns;
            take(&Frames {
                original: part(self.original, range.clone()),
                decoded: part(self.decoded, range.clone()),
                valid: self.valid.as_ref().map(|valid| &valid[range]),
                first,
                count: last - first,
                rows,
                columns,
            })?;
        }
        Ok(())
    }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Two standard normal numbers, by Box and Muller.
    pub(crate) fn normals(&mut self) -> [f64; 2] {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.uniform()).sin_cos();
        [radius * cosine, radius * sine]
    }

    /// Exact below a mean of 60, by inversion; a rounded normal number above, whose skewness is missing.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normals()[0]).round().max(0.0);
        }
        let mut left = self.uniform();
        let mut probability = (-mean).exp();
        let mut count = 0.0;
        while left > probability && probability > 0.0 {
            left -= probability;
            count += 1.0;
            probability *= mean / count;
        }
        count
    }
}

/// The odd-width table of levels: counts go to the middle of bins of the largest odd width ≤ max(1, eps·√(x+1)).
pub(crate) fn odd_levels(eps: f64, largest: usize) -> Vec<f64> {
    let mut table = Vec::with_capacity(largest + 1);
    while table.len() <= largest {
        let x = table.len() as f64;
        let widest = (eps * (x + 1.0).sqrt()).max(1.0) as usize;
        let width = widest - (widest + 1) % 2;
        table.resize(table.len() + width, x + ((width - 1) / 2) as f64);
    }
    table
}

/// Counts after the odd-width table.
pub(crate) fn quantised(counts: &[f64], eps: f64) -> Vec<f64> {
    let largest = counts.iter().fold(0.0f64, |a, b| a.max(*b));
    let table = odd_levels(eps, largest as usize);
    counts.iter().map(|count| table[*count as usize]).collect()
}
