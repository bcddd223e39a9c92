//! The integers that a noise-limited value may become: bins as wide as a fraction of the noise allows.
//!
//! A value x has the noise variance v(x) = gain · max(x − offset, 0) + read², and v(x) = max(x, 0) + 1 for pure counts
//! (gain 1, offset 0, read 0). Starting from x₀ = ⌊offset⌋, bin after bin:
//!
//! ```text
//! w(x) = the largest odd integer ≤ max(1, step · √v(x))
//! u(x) = w(x) − 1 if w(x) is larger than the width of the bin before, that width is odd, and step ≤ 1;  else w(x)
//! x = x₀;  loop { bin [x, x + u(x) − 1] decodes to x + ⌊(u(x) − 1) / 2⌋;  x += u(x) }
//! ```
//!
//! Q: Why a bin of even width where bins become wider? A: Where the width goes from w to w + 2, the bin above pulls down
//! less than the bin below pulls up: together they shift the mean by (w + 1)/3 times the probability of the count there.
//! A bin of w + 1 values between them decodes to the lower of its two middles and shifts it by −(w + 1)/2. So the bias
//! halves: the test in tests/noise_poisson.rs finds at most 0.0039 σ at step ½. Steps beyond 1 widen every other bin and
//! would pay up to a sixth more bits for it.
//!
//! Below x₀ there is read noise alone: bins of the constant width w = the largest odd integer ≤ max(1, step · read).
//!
//! * |e| ≤ (w − 1)/2 ≤ step · σ/2 in bins of odd and of even width, and a reader can compute that bound from the decoded
//!   value alone, which is not below the first of its bin, where w is taken.
//! * A middle is in its own bin: quantising twice changes nothing.
//! * Pure counts below (3/step)² − 1 have bins of one value: they are exact.
//! * The bins follow from four f64 by +, −, ×, √ and comparisons, which IEEE 754 defines to the bit: no libm, and the
//!   same bins on every machine.
//!
//! Bin i ≥ 0 is the i-th from x₀ upwards, bin −1 the first below. Bins of one value are counted, not stored; of the
//! wider ones above x₀ at most [`MAX_WIDE`] exist and values beyond them have no bin.

/// Most bins wider than one value above x₀.
pub(crate) const MAX_WIDE: usize = (1 << 19) - 1;
/// No value of interest is larger.
const MAX_COUNT: i64 = 1 << 34;
/// No bin is wider, so that indices and widths from a damaged payload cannot overflow.
const MAX_WIDTH: f64 = (1u32 << 24) as f64;

/// Steps up to this have a bin of even width where bins become wider.
const MAX_HALVED_STEP: f64 = 1.0;

/// Noise of a detector, and the step in units of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Model {
    /// Step in units of σ.
    pub step: f64,
    /// Detector units per photon.
    pub gain: f64,
    /// Detector units without light.
    pub offset: f64,
    /// Read noise σ, detector units.
    pub read: f64,
}

impl Model {
    /// Pure counts.
    pub(crate) fn counts(step: f64) -> Self {
        Self {
            step,
            gain: 1.0,
            offset: 0.0,
            read: 0.0,
        }
    }

    /// What is added to the variance: one count² for pure counts, so that the step is defined at zero counts.
    pub(crate) fn floor(&self) -> f64 {
        let pure = self.gain == 1.0 && self.offset == 0.0 && self.read == 0.0;
        f64::from(u8::from(pure))
    }

    fn photon_variance(&self, x: f64) -> f64 {
        self.gain * (x - self.offset).max(0.0)
    }

    /// Variance that the step is a fraction of.
    pub(crate) fn variance(&self, x: f64) -> f64 {
        self.photon_variance(x) + self.read * self.read + self.floor()
    }

    /// Variance that an error is reported in: at least one count².
    #[inline(always)]
    pub(crate) fn reported_variance(&self, x: f64) -> f64 {
        (self.gain * (x - self.offset).max(0.0) + self.read * self.read).max(1.0)
    }

    fn width(&self, x: i64) -> i64 {
        largest_odd(self.step * self.variance(x as f64).sqrt())
    }
}

fn largest_odd(limit: f64) -> i64 {
    let whole = limit.clamp(1.0, MAX_WIDTH) as i64;
    whole - i64::from(whole % 2 == 0)
}

/// The bins of a [`Model`], built as far as they are needed.
pub(crate) struct Lattice {
    model: Model,
    /// x₀.
    zero: i64,
    /// Width of the bins below x₀.
    width_below: i64,
    /// Number of bins of one value from x₀ on.
    single: i64,
    /// Where the wider bins begin, and the end of the last.
    starts: Vec<i64>,
}

/// One bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bin {
    pub first: i64,
    pub width: i64,
}

impl Bin {
    pub(crate) fn middle(self) -> i64 {
        self.first + (self.width - 1) / 2
    }

    pub(crate) fn last(self) -> i64 {
        self.first + self.width - 1
    }
}

impl Lattice {
    pub(crate) fn new(model: Model) -> Self {
        let zero = model.offset.clamp(-(MAX_COUNT as f64), MAX_COUNT as f64);
        let zero = zero.floor() as i64;
        let single = first_wide(&model, zero);
        Self {
            model,
            zero,
            width_below: largest_odd(model.step * model.read),
            single,
            starts: vec![zero + single],
        }
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The bin that holds `x`; `None` above the last.
    pub(crate) fn index_of(&mut self, x: i64) -> Option<i64> {
        if x < self.zero {
            return Some((x - self.zero).div_euclid(self.width_below));
        }
        if x - self.zero < self.single {
            return Some(x - self.zero);
        }
        while self.end() <= x && self.extend() {}
        let wide = self.starts.partition_point(|&start| start <= x);
        (wide < self.starts.len()).then(|| self.single + wide as i64 - 1)
    }

    /// The bin of an index; `None` above the last.
    pub(crate) fn bin(&mut self, index: i64) -> Option<Bin> {
        if index < 0 {
            return Some(Bin {
                first: self.zero + index * self.width_below,
                width: self.width_below,
            });
        }
        let Ok(wide) = usize::try_from(index - self.single) else {
            return Some(Bin {
                first: self.zero + index,
                width: 1,
            });
        };
        while self.starts.len() < wide + 2 && self.extend() {}
        let bounds = self.starts.get(wide..wide + 2)?;
        Some(Bin {
            first: bounds[0],
            width: bounds[1] - bounds[0],
        })
    }

    fn end(&self) -> i64 {
        self.starts[self.starts.len() - 1]
    }

    /// Adds a bin; false where there are as many as there may be.
    fn extend(&mut self) -> bool {
        let end = self.end();
        if self.starts.len() > MAX_WIDE || end > MAX_COUNT {
            return false;
        }
        self.starts.push(end + self.next_width());
        true
    }

    /// u(x) of the bin behind the last.
    fn next_width(&self) -> i64 {
        let width = self.model.width(self.end());
        let before = match self.starts[..] {
            [.., first, end] => Some(end - first),
            _ if self.single > 0 => Some(1),
            _ => None,
        };
        let widens = before.is_some_and(|before| before % 2 == 1 && width > before);
        width - i64::from(widens && self.model.step <= MAX_HALVED_STEP)
    }
}

/// Number of bins of one value from `zero` on: widths grow with x, so bisection finds it.
fn first_wide(model: &Model, zero: i64) -> i64 {
    let (mut low, mut high) = (0, MAX_COUNT);
    while low < high {
        let middle = low + (high - low) / 2;
        if model.width(zero + middle) > 1 {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_those_of_the_plain_loop() {
        for model in [
            Model::counts(0.5),
            Model::counts(2.0),
            Model {
                step: 1.0,
                gain: 2.5,
                offset: 100.25,
                read: 3.1,
            },
        ] {
            let mut lattice = Lattice::new(model);
            let mut x = model.offset.floor() as i64;
            let mut before = model.width(x);
            for index in 0..5000 {
                let widens = model.step <= 1.0 && before % 2 == 1 && model.width(x) > before;
                let width = model.width(x) - i64::from(widens);
                before = width;
                let bin = lattice.bin(index).unwrap();
                assert_eq!((bin.first, bin.width), (x, width), "{model:?} bin {index}");
                assert_eq!(lattice.index_of(x), Some(index));
                assert_eq!(lattice.index_of(bin.middle()), Some(index));
                assert_eq!(lattice.index_of(bin.last()), Some(index));
                x += width;
            }
        }
    }

    #[test]
    fn bins_below_the_offset_have_the_width_of_the_read_noise() {
        let mut lattice = Lattice::new(Model {
            step: 1.0,
            gain: 1.0,
            offset: 10.0,
            read: 5.5,
        });
        let bin = Bin { first: 5, width: 5 };
        assert_eq!(lattice.bin(-1), Some(bin));
        for x in -1000..10 {
            let index = lattice.index_of(x).unwrap();
            let bin = lattice.bin(index).unwrap();
            assert!((bin.first..=bin.last()).contains(&x) && bin.width == 5);
        }
        let mut counts = Lattice::new(Model::counts(8.0));
        assert_eq!(counts.index_of(-2), Some(-2));
    }

    #[test]
    fn counts_below_three_over_step_squared_are_exact() {
        for (step, first_lossy) in [(0.25, 143), (0.5, 35), (1.0, 8)] {
            let lattice = Lattice::new(Model::counts(step));
            assert_eq!(lattice.single, first_lossy, "step {step}");
        }
    }

    #[test]
    fn bins_end_where_their_number_does() {
        let mut lattice = Lattice::new(Model::counts(0.001));
        let last = lattice.single + MAX_WIDE as i64 - 1;
        let end = lattice.bin(last).unwrap().last();
        assert_eq!(lattice.index_of(end), Some(last));
        assert_eq!(lattice.index_of(end + 1), None);
        assert_eq!(lattice.bin(last + 1), None);
    }
}
