//! Which bins `quantise` uses: from the settings alone, or from settings and the range of the chunk.
//!
//! Bins that depend on the chunk are chosen so that what they decode to has the same range again, bit for bit: the first
//! bin decodes to the least value and the last to the greatest, and both occur. So encoding twice finds the same bins.
//! With percentiles the same holds for the values at the two ranks.

use crate::kernels::levels::Level;
use crate::kernels::quantise::{Linear, Octaves, Sample, range};
use crate::numbers::{BLOCK, ExactValues, load};
use crate::{BoundUnit, ElementClass, Error, Guarantee, Layout, Spec};

/// Bins beyond this index are not used: one step is then far below the rounding of any type.
const MOST_BINS: f64 = (1u64 << 40) as f64;
/// 1 − 2⁻⁵¹: makes room for the rounding of a product, so that bounds are never exceeded by its last bit.
const JUST_BELOW_ONE: f64 = 1.0 - f64::EPSILON * 2.0;

/// The one mode that a SPEC names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Absolute(f64),
    OfRange(f64),
    OfElement(f64),
    Decibel(f64),
    Levels(u32),
    Bits(u32),
    /// As few levels as the Dice limit allows.
    Dice,
}

/// The range that levels are spread over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Range {
    Auto,
    Given(f64, f64),
    Percentiles(f64, f64),
}

/// What a SPEC asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub mode: Mode,
    pub range: Range,
    /// Dice that masks by Otsu's threshold must reach.
    pub dice: Option<f64>,
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Settings(format!("quantise: {}", text.into())))
}

impl Settings {
    pub(super) fn new(spec: &Spec) -> Result<Self, Error> {
        let number = |key, mode: fn(f64) -> Mode| spec.number(key).map(mode);
        let integer =
            |key, mode: fn(u32) -> Mode| spec.is_given(key).then(|| mode(spec.integer(key) as u32));
        let dice = spec.number("otsu");
        let modes = [
            number("abs", Mode::Absolute),
            number("rel", Mode::OfRange),
            number("pw", Mode::OfElement),
            number("psnr", Mode::Decibel),
            integer("levels", Mode::Levels),
            integer("bits", Mode::Bits),
        ];
        let mut given = modes.into_iter().flatten();
        let mode = match (given.next(), given.next()) {
            (Some(mode), None) => mode,
            (None, None) if dice.is_some() => Mode::Dice,
            _ => {
                return refuse(
                    "give exactly one of abs=, rel=, pw=, psnr=, levels=, bits= (or otsu= alone), for example \
                     quantise:abs=0.01",
                );
            }
        };
        let settings = Self {
            mode,
            range: read_range(spec.text("range"))?,
            dice,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Refuses keys that have no meaning beside the mode.
    fn check(&self) -> Result<(), Error> {
        let fixed = matches!(
            self.mode,
            Mode::Absolute(_) | Mode::OfElement(_) | Mode::Bits(_)
        );
        if fixed && self.range != Range::Auto {
            return refuse("range= goes with rel=, psnr=, levels= and otsu= only");
        }
        if self.dice.is_some() && !matches!(self.mode, Mode::Levels(_) | Mode::Dice) {
            return refuse("otsu= goes with levels= or stands alone");
        }
        Ok(())
    }

    /// Refuses settings that cannot lose anything on the element type.
    pub(super) fn check_type<T: Sample>(&self) -> Result<(), Error> {
        let lossless = "store the data with bitshuffle or dictionary instead";
        match self.mode {
            Mode::Absolute(bound) if !T::FLOAT && bound < 1.0 => {
                refuse(format!("abs < 1 on integers is lossless; {lossless}"))
            }
            Mode::Absolute(bound) if T::FLOAT && bound < T::from_bits(1).to_f64() / 2.0 => {
                refuse(format!(
                    "abs={bound:e} is smaller than the rounding of the element type; {lossless}"
                ))
            }
            Mode::OfElement(bound) if T::FLOAT && element_steps::<T>(bound).is_none() => {
                refuse(format!(
                    "pw={bound:e} is smaller than the rounding of the element type; {lossless}"
                ))
            }
            Mode::Bits(bits) if T::FLOAT && bits >= T::MANTISSA_BITS => refuse(format!(
                "bits={bits} keeps the whole mantissa of {} bits; {lossless}",
                T::MANTISSA_BITS
            )),
            Mode::Bits(bits) if !T::FLOAT && !(1..8 * T::BYTES as u32).contains(&bits) => {
                refuse(format!(
                    "bits={bits} on integers of {} bits; give 1 to {}",
                    8 * T::BYTES,
                    8 * T::BYTES - 1
                ))
            }
            _ => Ok(()),
        }
    }

    /// What the certificate promises. `bound` is the bound of the bins used, `span` the range it is a fraction of.
    pub(super) fn promise(
        &self,
        layout: &Layout,
        bound: f64,
        span: f64,
    ) -> (Guarantee, BoundUnit, f64) {
        let float = layout.element.class == ElementClass::Float;
        let of_range = if span > 0.0 { bound / span } else { 0.0 };
        match (self.mode, self.dice) {
            (_, Some(dice)) if dice > 0.0 => (Guarantee::Verified, BoundUnit::Dice, dice),
            (Mode::Decibel(decibel), _) => (Guarantee::Verified, BoundUnit::Decibel, decibel),
            (Mode::Absolute(bound), _) => (Guarantee::ByConstruction, BoundUnit::Absolute, bound),
            (Mode::OfRange(part), _) => (Guarantee::ByConstruction, BoundUnit::Range, part),
            (Mode::OfElement(part), _) => (Guarantee::ByConstruction, BoundUnit::Element, part),
            (Mode::Levels(_) | Mode::Dice, _) => {
                (Guarantee::ByConstruction, BoundUnit::Range, of_range)
            }
            (Mode::Bits(bits), _) if float => (
                Guarantee::ByConstruction,
                BoundUnit::Element,
                0.5 / (1u64 << bits) as f64,
            ),
            (Mode::Bits(_), _) => (Guarantee::ByConstruction, BoundUnit::Absolute, bound),
        }
    }

    /// Whether levels are spread over the range that the chunk has.
    pub(super) fn spreads(&self) -> bool {
        let is_spread = matches!(
            self.mode,
            Mode::OfRange(_) | Mode::Decibel(_) | Mode::Levels(_) | Mode::Dice
        );
        is_spread && !matches!(self.range, Range::Given(..))
    }

    /// Whether bins pass through zero, so that a fill value of zero is exact without further care.
    pub(super) fn keeps_zero(&self) -> bool {
        matches!(
            self.mode,
            Mode::Absolute(_) | Mode::OfElement(_) | Mode::Bits(_)
        )
    }
}

fn read_range(text: &str) -> Result<Range, Error> {
    let invalid = || {
        Error::Settings(format!(
            "quantise: range={text} is not auto, two numbers lo;hi with lo < hi, or two percentiles as in p0.1;p99.9"
        ))
    };
    if text == "auto" {
        return Ok(Range::Auto);
    }
    let (low, high) = text.split_once(';').ok_or_else(invalid)?;
    let percentiles = low.strip_prefix('p').zip(high.strip_prefix('p'));
    let (low, high) = percentiles.unwrap_or((low, high));
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (low, high) = number(low).zip(number(high)).ok_or_else(invalid)?;
    match percentiles {
        _ if low >= high => Err(invalid()),
        None => Ok(Range::Given(low, high)),
        Some(_) if low >= 0.0 && high <= 100.0 => Ok(Range::Percentiles(low, high)),
        Some(_) => Err(invalid()),
    }
}

/// Least and greatest value of a chunk that are finite and not exact by rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Survey {
    pub low: f64,
    pub high: f64,
}

/// Looks at every element; `None` where there is nothing to quantise.
pub(super) fn survey<T: Sample>(
    layout: &Layout,
    bytes: &[u8],
    exact: &ExactValues<T>,
) -> Option<Survey> {
    let (mut low, mut high) = (T::MOST, T::LEAST);
    for_kept(layout, bytes, exact, |values| {
        (low, high) = range(Level::best(), values, low, high);
    });
    (low <= high).then(|| Survey {
        low: low.to_f64() + 0.0, // no −0.0
        high: high.to_f64() + 0.0,
    })
}

/// Calls `work` with blocks of the elements that are not exact by mask or fill value; NaN may be among them.
fn for_kept<T: Sample>(
    layout: &Layout,
    bytes: &[u8],
    exact: &ExactValues<T>,
    mut work: impl FnMut(&[T]),
) {
    let mut block = [T::default(); BLOCK];
    for bytes in bytes.chunks(BLOCK * T::BYTES) {
        let mut len = load(bytes, layout.element.order, &mut block);
        if !exact.bits().is_empty() {
            let mut kept = 0;
            for at in 0..len {
                block[kept] = block[at];
                kept += usize::from(!exact.bits().contains(&block[at].to_bits()));
            }
            len = kept;
        }
        work(&block[..len]);
    }
}

/// The range that levels are spread over: of the chunk, as given, or the values at the ranks of two percentiles.
pub(super) fn level_range<T: Sample>(
    settings: &Settings,
    layout: &Layout,
    bytes: &[u8],
    exact: &ExactValues<T>,
    survey: Survey,
) -> (f64, f64) {
    match settings.range {
        Range::Auto => (survey.low, survey.high),
        Range::Given(low, high) => (low, high),
        Range::Percentiles(low, high) => {
            let mut values: Vec<T> = Vec::new();
            for_kept(layout, bytes, exact, |block| {
                values.extend(block.iter().filter(|value| value.to_f64().is_finite()));
            });
            let last = (values.len().max(1) - 1) as f64;
            let mut at = |rank: f64| {
                let order = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
                let (_, value, _) = values.select_nth_unstable_by(rank as usize, order);
                value.to_f64() + 0.0
            };
            (
                at((low / 100.0 * last).floor()),
                at((high / 100.0 * last).ceil()),
            )
        }
    }
}

/// `count` levels from `low` to `high`, both exact; `None` where numbers of f64 cannot hold them.
pub(super) fn levels<T: Sample>(
    low: f64,
    high: f64,
    count: f64,
    bound: Option<f64>,
) -> Option<Linear> {
    let span = high - low;
    if !span.is_finite() || span < 0.0 || count > f64::from(u32::MAX >> 1) {
        return None;
    }
    if span == 0.0 {
        return Linear {
            range: [low, low],
            ..linear(1.0, 0.0)
        }
        .at(low, 0.0);
    }
    let mut steps = (count - 1.0).max(1.0);
    let mut step = span / steps;
    if !T::FLOAT && step <= 1.0 {
        (step, steps) = (1.0, span.ceil());
    }
    while low + steps * step < high {
        step = step.next_up();
    }
    let whole = !T::FLOAT && step.fract() == 0.0 && low.fract() == 0.0;
    let rounding = if whole {
        0.0
    } else {
        T::rounding(low.abs().max(high.abs()))
    };
    Linear {
        range: [low, high],
        ..linear(step, bound.unwrap_or(step / 2.0 + rounding))
    }
    .at(low, steps)
}

/// How many levels keep every error below `bound`; `None` where rounding alone exceeds it.
pub(super) fn levels_for_bound<T: Sample>(low: f64, high: f64, bound: f64) -> Option<f64> {
    let bound = if T::FLOAT { bound } else { bound.floor() + 0.5 };
    let half_step = bound - T::rounding(low.abs().max(high.abs()));
    match half_step {
        half_step if half_step > 0.0 => Some(((high - low) / (2.0 * half_step)).ceil() + 1.0),
        _ if !T::FLOAT => Some((high - low).ceil() + 1.0),
        _ => None,
    }
}

fn linear(step: f64, bound: f64) -> Linear {
    Linear {
        limits: [-MOST_BINS, MOST_BINS],
        bound,
        ..Linear::to_decode(step, 0.0, [f64::NEG_INFINITY, f64::INFINITY])
    }
}

impl Linear {
    /// Moves the first bin to `origin`; the last is `last`.
    fn at(self, origin: f64, last: f64) -> Option<Self> {
        (self.inverse.is_finite() && self.step.is_finite()).then_some(Self {
            origin,
            limits: [0.0, last],
            ..self
        })
    }
}

/// Bins of `abs=`, and of `bits=` on integers: multiples of the step, whatever the chunk.
pub(super) fn absolute<T: Sample>(bound: f64) -> Linear {
    if T::FLOAT {
        linear(2.0 * bound, bound)
    } else {
        linear(2.0 * bound.floor() + 1.0, bound.floor())
    }
}

/// Bins of `bits=` on integers: multiples of a power of two.
pub(super) fn low_bits_dropped<T: Sample>(kept: u32) -> Linear {
    let step = (1u64 << (8 * T::BYTES as u32 - kept)) as f64;
    linear(step, step / 2.0)
}

/// Bins of `pw=`, and of `bits=` on floats.
pub(super) fn octaves(steps: f64, bound: f64) -> Octaves {
    Octaves {
        limits: [-MOST_BINS, MOST_BINS],
        bound: bound * JUST_BELOW_ONE,
        ..Octaves::to_decode(steps, 1.0)
    }
}

/// Bins in an octave that keep |e| ≤ `bound` · |x|; `None` where the type's own rounding exceeds it. On integers it is
/// a power of two, because its bins have integers in their middles.
pub(super) fn element_steps<T: Sample>(bound: f64) -> Option<f64> {
    if !T::FLOAT {
        let steps = (0.5 / bound).ceil().max(1.0);
        return Some((steps as u64).next_power_of_two() as f64);
    }
    let rounding = T::rounding(1.0);
    let steps = (0.5 / (bound - rounding)).ceil();
    (bound > rounding && steps < (1u64 << T::MANTISSA_BITS) as f64).then_some(steps)
}
