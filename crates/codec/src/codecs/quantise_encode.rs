//! Encoding of `quantise`: one pass over the chunk with given bins, and where a promise has to be verified, several.
//!
//! What a value becomes, Q(x), depends on the bins alone: the decoded value of its bin if that is within the bound, is no
//! masked value and leads back to the same bin; otherwise of the bin beside it on the same conditions; otherwise x
//! itself. Therefore Q(Q(x)) = Q(x). The *window* of bins that get an index of their own is chosen for size only: Q(x)
//! of other bins is stored as it is.

use super::quantise::{Header, Kind};
use super::quantise_bins::{
    Mode, Settings, Survey, absolute, element_steps, low_bits_dropped, octaves, survey,
};
use super::quantise_codes::{Codes, Narrow};
use super::quantise_otsu::Otsu;
use crate::entropy::indices::{self, Backend, Origin};
use crate::kernels::crc32c::crc32c;
use crate::kernels::levels::Level;
use crate::kernels::quantise::{Bins, Linear, Numbering, Octaves, Sample, loss, mark, quantise};
use crate::labels::{Values, refuse_labels};
use crate::numbers::{BLOCK, ExactValues, load, store};
use crate::padding::may_be_padded;
use crate::params::Speed;
use crate::{Certificate, Chunk, Context, Encoded, Error, Tally};

/// More bins than this are compared with narrower windows.
const WIDE: f64 = 65_000.0;
/// Elements looked at to choose a window.
const SAMPLE: usize = 4096;
/// A chunk with what is known about it.
pub(super) struct Source<'a, T> {
    pub chunk: &'a Chunk<'a>,
    pub exact: ExactValues<T>,
    pub survey: Option<Survey>,
}

/// Bins and the window of them that have an index.
pub(super) struct Window<B> {
    /// All bins.
    bins: B,
    /// The same, limited to the window.
    window: B,
    first: f64,
    count: u32,
    /// Whether steps are so small that the rounding of the type may lead to another bin.
    twice: bool,
}

/// What a value becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Becomes<T> {
    /// Itself, by rule: masked, fill value, NaN or infinite.
    Special(T),
    /// Itself, because no bin is within the bound.
    Exception(T),
    /// The decoded value of a bin.
    Value(T),
}

fn becomes<T: Sample, B: Bins>(bins: &B, exact: &ExactValues<T>, value: T) -> Becomes<T> {
    if exact.contains(value) {
        return Becomes::Special(value);
    }
    if value < T::LEAST || value > T::MOST {
        return Becomes::Exception(value);
    }
    let real = value.to_f64();
    let bin = bins.index(real);
    let aside = if T::from_real(bins.value(bin)).to_f64() < real {
        bin + 1.0
    } else {
        bin - 1.0
    };
    for bin in [bin, aside] {
        let near = T::from_real(bins.value(bin));
        let found = near.to_f64();
        if (found - real).abs() <= bins.allowed(real)
            && bins.index(found) == bin
            && !exact.contains(near)
        {
            return Becomes::Value(near);
        }
    }
    Becomes::Exception(value)
}

/// What else a pass over a chunk should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Nothing,
    /// Give up at the first element that would change.
    OnlyFixed,
    /// Keep all decoded values.
    KeepDecoded,
}

/// What one pass over a chunk gives, beside its indices.
pub(super) struct Pass<T> {
    kind: Kind,
    count: u32,
    first: f64,
    codes: Codes<T>,
    pub loss: Tally,
    decoded_crc: u32,
    /// Decoded values, where asked for.
    pub decoded: Vec<T>,
}

impl<'a, T: Sample> Source<'a, T> {
    fn blocks(&self) -> impl Iterator<Item = &'a [u8]> {
        self.chunk.bytes.chunks(BLOCK * T::BYTES)
    }

    /// What a sample of the quantised elements becomes, as numbers.
    fn sample(&self) -> Vec<f64> {
        let elements = self.chunk.bytes.len() / T::BYTES;
        let stride = (elements / SAMPLE).max(1);
        let order = self.chunk.layout.element.order;
        (0..elements)
            .step_by(stride)
            .map(|at| T::read(&self.chunk.bytes[at * T::BYTES..(at + 1) * T::BYTES], order))
            .filter(|&value| !self.exact.contains(value))
            .map(T::to_f64)
            .collect()
    }

    /// Chooses the window: all bins that occur, or if they are many those that cost least, by a sample.
    fn window<B: Bins>(&self, bins: B, window: B) -> Window<B> {
        let Some(Survey { low, high }) = self.survey else {
            return self.empty(bins);
        };
        let (mut first, mut last) = (window.index(low), window.index(high));
        if last - first >= WIDE {
            let mut sample: Vec<f64> = self.sample().iter().map(|&x| window.index(x)).collect();
            sample.sort_by(f64::total_cmp);
            (first, last) = cheapest(first, last, &sample, 8.0 * T::BYTES as f64);
        }
        let largest = window.value(first).abs().max(window.value(last).abs());
        let fine = |magnitude| window.step_at(magnitude) < 8.0 * T::rounding(magnitude);
        Window {
            bins,
            window: window.limited(first, last),
            first,
            count: (last - first) as u32 + 1,
            twice: fine(largest) || fine(window.least_magnitude()),
        }
    }

    /// A window without bins: every element has a code.
    fn empty<B: Bins>(&self, bins: B) -> Window<B> {
        Window {
            bins,
            window: bins.limited(0.0, 0.0),
            first: 0.0,
            count: 0,
            twice: true,
        }
    }

    pub(super) fn linear(&self, bins: Linear) -> Window<Linear> {
        self.window(bins, bins)
    }

    /// Counts octaves from the lowest one that is worth it.
    fn octaves(&self, bins: Octaves) -> Window<Octaves> {
        let mut exponents: Vec<u64> = self
            .sample()
            .iter()
            .filter(|x| **x != 0.0)
            .map(|x| (x.abs().to_bits() >> 52).max(1))
            .collect();
        exponents.sort_unstable();
        let lowest = exponents.first().copied().unwrap_or(1);
        let usual = exponents.get(exponents.len() / 200).copied().unwrap_or(1);
        let octaves = exponents.last().map_or(0, |&highest| highest - lowest);
        // The sample may have missed the lowest: half an octave's worth of bins costs nothing.
        let base = if octaves as f64 * bins.steps < WIDE / 2.0 {
            lowest.saturating_sub(1).max(1)
        } else {
            usual
        };
        let window = Octaves {
            base: base as f64,
            ..bins
        };
        self.window(bins, window)
    }

    /// Quantises the chunk; its indices go to `output`.
    pub(super) fn pass<B: Bins>(
        &self,
        window: &Window<B>,
        kind: fn(B) -> Kind,
        ask: Ask,
        output: &mut Output,
    ) -> Option<Pass<T>> {
        let order = self.chunk.layout.element.order;
        let level = Level::best();
        let mut pass = Pass {
            kind: kind(window.window),
            count: window.count,
            first: window.first,
            codes: Codes::new(),
            loss: Tally::default(),
            decoded_crc: 0,
            decoded: Vec::new(),
        };
        output
            .narrow
            .start(self.chunk.bytes.len() / T::BYTES, window.count);
        let numbering = Numbering {
            first: window.first,
            mark: window.count,
            twice: window.twice,
        };
        let (mut block, mut near) = ([T::default(); BLOCK], [T::default(); BLOCK]);
        let mut found = [0; BLOCK];
        let mut stored = [0; BLOCK * 8];
        for bytes in self.blocks() {
            let len = load(bytes, order, &mut block);
            let (values, near, found) = (&block[..len], &mut near[..len], &mut found[..len]);
            let count = window.count;
            let mut bad = quantise(level, values, window.window, numbering, found, near);
            for &bits in self.exact.bits() {
                bad |= mark(level, values, near, T::from_bits(bits), count, found);
            }
            if bad || count == 0 {
                self.look_again(window, values, near, found, &mut pass);
            }
            let block = loss(level, values, near);
            if ask == Ask::OnlyFixed && block.max > 0.0 {
                return None;
            }
            pass.loss.max_abs_error = pass.loss.max_abs_error.max(block.max);
            pass.loss.sum_error += block.sum;
            pass.loss.sum_squared_error += block.squares;
            let largest = (count + pass.codes.values.len() as u32).saturating_sub(1);
            output.narrow.push(found, largest);
            store(near, order, &mut stored[..bytes.len()]);
            pass.decoded_crc = crc32c(level, pass.decoded_crc, &stored[..bytes.len()]);
            if ask == Ask::KeepDecoded {
                pass.decoded.extend_from_slice(near);
            }
        }
        Some(pass)
    }

    /// Settles the marked elements of a block one by one.
    fn look_again<B: Bins>(
        &self,
        window: &Window<B>,
        values: &[T],
        near: &mut [T],
        found: &mut [u32],
        pass: &mut Pass<T>,
    ) {
        for ((&value, near), found) in values.iter().zip(near).zip(found) {
            if *found != window.count && window.count > 0 {
                continue;
            }
            let code = match becomes(&window.bins, &self.exact, value) {
                Becomes::Special(value) => {
                    *near = value;
                    pass.codes.special(value)
                }
                Becomes::Exception(value) => {
                    *near = value;
                    pass.loss.exceptions += 1;
                    pass.codes.outside(value)
                }
                Becomes::Value(value) => {
                    *near = value;
                    let bin = window.window.index(value.to_f64());
                    if T::from_real(window.window.value(bin)).to_bits() == value.to_bits()
                        && window.count > 0
                    {
                        *found = (bin - window.first) as u32;
                        continue;
                    }
                    pass.codes.outside(value)
                }
            };
            *found = window.count + code;
        }
    }

    /// Elements that count for a mean error: finite and not exact by rule.
    pub(super) fn measured(&self) -> u64 {
        let order = self.chunk.layout.element.order;
        let elements = self.chunk.bytes.chunks_exact(T::BYTES);
        elements
            .filter(|bytes| !self.exact.contains(T::read(bytes, order)))
            .count() as u64
    }
}

/// The window of bins with the least cost in bits: an index, and whole values outside. An index takes what a back end
/// without model takes, or what one with a model of pixels takes at most: as much as the bins of the sample spread.
fn cheapest(first: f64, last: f64, sample: &[f64], value_bits: f64) -> (f64, f64) {
    let middle = sample.get(sample.len() / 2).copied().unwrap_or(first);
    let mut best = (f64::INFINITY, first, last);
    for bits in [8.0f64, 12.0, 16.0, 20.0, 24.0, 30.0] {
        let width = bits.exp2() - 64.0; // room for codes
        let low = first.max(middle - (width / 2.0).floor());
        let high = last.min(low + width);
        let low = first.max(high - width);
        let start = sample.partition_point(|&bin| bin < low);
        let inside = &sample[start..sample.partition_point(|&bin| bin <= high)];
        let outside = 1.0 - inside.len() as f64 / sample.len().max(1) as f64;
        let index_bits = bits.min((high - low + 2.0).log2()).min(spread_bits(inside));
        let cost = index_bits + outside * value_bits;
        if cost < best.0 {
            best = (cost, low, high);
        }
    }
    (best.1, best.2)
}

/// Bits of a bin whose frequency is that in a sample, sorted: by the distances of bins that are so many apart in it
/// (Vasicek 1976), since a sample is too small to have most bins.
fn spread_bits(sample: &[f64]) -> f64 {
    let apart = sample.len().isqrt().max(1);
    let pairs = sample.iter().zip(sample.get(apart..).unwrap_or(&[]));
    let share = apart as f64 / sample.len().max(1) as f64;
    let (mut sum, mut count) = (0.0, 0.0f64);
    for (low, high) in pairs {
        sum += ((high - low) / share).max(1.0).log2();
        count += 1.0;
    }
    sum / count.max(1.0)
}

/// Where an encoded chunk goes, and what is needed on the way.
pub(super) struct Output<'a> {
    pub context: &'a mut Context,
    pub settings: Settings,
    pub narrow: Narrow,
    pub dst: &'a mut [u8],
}

/// Encodes a chunk of numbers.
pub(super) fn encode<T: Sample>(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let settings = Settings::new(chunk.spec)?;
    let mut source = Source::<T>::new(chunk, exact_values(&settings, chunk)?);
    let narrow = Narrow::new(std::mem::take(&mut context.narrow));
    let mut output = Output {
        context,
        settings,
        narrow,
        dst,
    };
    if chunk.layout.fill.is_none()
        && settings.spreads()
        && may_be_padded(chunk.layout, chunk.bytes)
        && !source.is_fixed(&mut output)
    {
        source = Source::new(chunk, exact_with_zero(chunk)?);
    }
    let encoded = source.encode(&mut output);
    output.context.narrow = output.narrow.bytes;
    encoded
}

/// Masked values and the fill value; not a fill value of zero where zero decodes to itself anyway, because then other
/// values may become it.
fn exact_values<T: Sample>(settings: &Settings, chunk: &Chunk) -> Result<ExactValues<T>, Error> {
    let zero = chunk
        .layout
        .fill
        .as_ref()
        .is_some_and(|fill| fill.iter().all(|&byte| byte == 0));
    if !(zero && settings.keeps_zero()) {
        return ExactValues::new(chunk.spec, chunk.layout);
    }
    let mut layout = chunk.layout.clone();
    layout.fill = None;
    ExactValues::new(chunk.spec, &layout)
}

/// Masked values, and zero as if it were the fill value: where levels are spread over the range of the chunk, that of its
/// data is not to be stretched by zeros that pad it.
fn exact_with_zero<T: Sample>(chunk: &Chunk) -> Result<ExactValues<T>, Error> {
    let mut layout = chunk.layout.clone();
    layout.fill = Some(vec![0; T::BYTES]);
    ExactValues::new(chunk.spec, &layout)
}

impl<'a, T: Sample> Source<'a, T> {
    fn new(chunk: &'a Chunk<'a>, exact: ExactValues<T>) -> Self {
        let survey = survey(chunk.layout, chunk.bytes, &exact);
        Self {
            chunk,
            exact,
            survey,
        }
    }
}

impl<T: Sample> Source<'_, T> {
    fn encode(&self, output: &mut Output) -> Result<Option<Encoded>, Error> {
        match output.settings.mode {
            Mode::OfElement(part) => match element_steps::<T>(part) {
                Some(steps) => self.encode_octaves(output, octaves(steps, part)),
                None => Ok(None),
            },
            Mode::Bits(bits) if T::FLOAT => {
                let steps = (1u64 << bits) as f64;
                self.encode_octaves(output, octaves(steps, 0.5 / steps))
            }
            Mode::Bits(bits) => self.encode_linear(output, low_bits_dropped::<T>(bits)),
            Mode::Absolute(bound) => self.encode_linear(output, absolute::<T>(bound)),
            _ => match self.survey {
                Some(survey) => self.encode_levels(output, survey),
                None => self.encode_linear(output, absolute::<T>(1.0)),
            },
        }
    }

    fn encode_linear(&self, output: &mut Output, bins: Linear) -> Result<Option<Encoded>, Error> {
        if self.refuse_labels(&bins)? == Values::Constant {
            return Ok(None);
        }
        let pass = self.pass(&self.linear(bins), Kind::Linear, Ask::Nothing, output);
        pass.map_or(Ok(None), |pass| {
            self.finish(output, pass, None, (bins.bound, 0.0))
        })
    }

    fn encode_octaves(&self, output: &mut Output, bins: Octaves) -> Result<Option<Encoded>, Error> {
        if self.refuse_labels(&bins)? == Values::Constant {
            return Ok(None);
        }
        let pass = self.pass(&self.octaves(bins), Kind::Octaves, Ask::Nothing, output);
        pass.map_or(Ok(None), |pass| {
            self.finish(output, pass, None, (bins.bound, 0.0))
        })
    }

    pub(super) fn refuse_labels<B: Bins>(&self, bins: &B) -> Result<Values, Error> {
        if T::FLOAT {
            return Ok(Values::Measured);
        }
        let decoded = |value: T| match becomes(bins, &self.exact, value) {
            Becomes::Special(_) => None,
            Becomes::Exception(value) | Becomes::Value(value) => Some(value),
        };
        refuse_labels(self.chunk, decoded)
    }

    /// Writes the payload and the certificate; `bound` is that of the bins and the range they are spread over.
    pub(super) fn finish(
        &self,
        output: &mut Output,
        pass: Pass<T>,
        otsu: Option<Otsu>,
        (bound, span): (f64, f64),
    ) -> Result<Option<Encoded>, Error> {
        let codes = &pass.codes;
        let header = Header {
            kind: pass.kind,
            first: pass.first,
            count: pass.count,
            codes: codes.values.len() as u8,
            listing: codes.listing,
            listed: codes.listed.len() as u32,
            otsu,
        };
        let mut head = header.to_bytes();
        for value in codes.values.iter().chain(&codes.listed) {
            let at = head.len();
            head.resize(at + T::BYTES, 0);
            value.write(&mut head[at..], self.chunk.layout.element.order);
        }
        let Some((start, rest)) = output.dst.split_at_mut_checked(head.len()) else {
            return Ok(None);
        };
        start.copy_from_slice(&head);
        let origin = Origin {
            speed: Speed::of(self.chunk.spec),
            shape: &self.chunk.layout.shape,
            first_bin: header.first as i64,
            first_code: header.count,
        };
        let Some(len) = indices::encode_narrow(
            output.context,
            Backend::Auto,
            header.largest(),
            origin,
            &output.narrow.bytes,
            rest,
        )?
        else {
            return Ok(None);
        };
        let layout = self.chunk.layout;
        let (guarantee, bound_unit, bound_asked) = output.settings.promise(layout, bound, span);
        Ok(Some(Encoded {
            by: None,
            len: head.len() + len,
            certificate: Certificate {
                guarantee,
                bound_unit,
                bound_asked,
                loss: pass.loss,
                ..Certificate::default()
            },
            decoded_crc: Some(pass.decoded_crc),
        }))
    }
}
