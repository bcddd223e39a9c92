//! Encoding of `quantise`: one pass over the chunk with given bins, and where a promise has to be verified, several.
//!
//! What a value becomes, Q(x), depends on the bins alone: the decoded value of its bin if that is within the bound, is no
//! masked value and leads back to the same bin; otherwise of the bin beside it on the same conditions; otherwise x
//! itself. Therefore Q(Q(x)) = Q(x). The *window* of bins that get an index of their own is chosen for size only: Q(x)
//! of other bins is stored as it is.

use super::quantise::{Header, Kind};
use super::quantise_bins::{
    Mode, Settings, Survey, absolute, element_steps, level_range, levels, levels_for_bound,
    low_bits_dropped, octaves, survey,
};
use super::quantise_codes::{Codes, Narrow};
use super::quantise_otsu::{Original, Otsu};
use crate::entropy::indices::{self, Backend};
use crate::kernels::levels::Level;
use crate::kernels::quantise::{Bins, Linear, Numbering, Octaves, Sample, loss, mark, quantise};
use crate::labels::refuse_labels;
use crate::numbers::{BLOCK, ExactValues, load, store};
use crate::{Certificate, Chunk, Context, Encoded, Error, Tally};

/// More bins than this are compared with narrower windows.
const WIDE: f64 = 65_000.0;
/// Elements looked at to choose a window.
const SAMPLE: usize = 4096;
/// Levels are tried one by one up to here, then in steps of an eighth.
const DENSE_LEVELS: u32 = 64;
const MOST_LEVELS: u32 = 1 << 16;
/// How often levels are made finer to keep a promise.
const TRIES: usize = 12;

/// A chunk with what is known about it.
pub(super) struct Source<'a, T> {
    chunk: &'a Chunk<'a>,
    exact: ExactValues<T>,
    survey: Option<Survey>,
}

/// Bins and the window of them that have an index.
struct Window<B> {
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

/// What one pass over a chunk gives.
struct Pass<T> {
    kind: Kind,
    count: u32,
    first: f64,
    codes: Codes<T>,
    narrow: Narrow,
    loss: Tally,
    decoded_crc: u32,
    /// All decoded values, where asked for.
    decoded: Vec<T>,
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

    fn linear(&self, bins: Linear) -> Window<Linear> {
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

    /// Quantises the chunk. With `only_fixed` gives up at the first element that would change.
    fn pass<B: Bins>(
        &self,
        window: &Window<B>,
        kind: fn(B) -> Kind,
        only_fixed: bool,
        keep_decoded: bool,
    ) -> Option<Pass<T>> {
        let order = self.chunk.layout.element.order;
        let level = Level::best();
        let mut pass = Pass {
            kind: kind(window.window),
            count: window.count,
            first: window.first,
            codes: Codes::new(),
            narrow: Narrow::default(),
            loss: Tally::default(),
            decoded_crc: 0,
            decoded: Vec::new(),
        };
        pass.narrow.bytes.reserve_exact(
            self.chunk.bytes.len() / T::BYTES * indices::width_for(window.count.saturating_sub(1)),
        );
        let numbering = Numbering {
            first: window.first,
            mark: window.count,
            twice: window.twice,
        };
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
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
            if only_fixed && block.max > 0.0 {
                return None;
            }
            pass.loss.max_abs_error = pass.loss.max_abs_error.max(block.max);
            pass.loss.sum_error += block.sum;
            pass.loss.sum_squared_error += block.squares;
            let largest = (count + pass.codes.values.len() as u32).saturating_sub(1);
            pass.narrow.push(found, largest);
            store(near, order, &mut stored[..bytes.len()]);
            digest.update(&stored[..bytes.len()]);
            if keep_decoded {
                pass.decoded.extend_from_slice(near);
            }
        }
        pass.decoded_crc = digest.finalize() as u32;
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
                    pass.codes.listed(value)
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
                    pass.codes.listed(value)
                }
            };
            *found = window.count + code;
        }
    }

    /// Elements that count for a mean error: finite and not exact by rule.
    fn measured(&self) -> u64 {
        let order = self.chunk.layout.element.order;
        let elements = self.chunk.bytes.chunks_exact(T::BYTES);
        elements
            .filter(|bytes| !self.exact.contains(T::read(bytes, order)))
            .count() as u64
    }
}

/// The window of bins with the least cost in bits: the width of an index, and whole values outside.
fn cheapest(first: f64, last: f64, sample: &[f64], value_bits: f64) -> (f64, f64) {
    let middle = sample.get(sample.len() / 2).copied().unwrap_or(first);
    let mut best = (f64::INFINITY, first, last);
    for bits in [8.0f64, 12.0, 16.0, 20.0, 24.0, 30.0] {
        let width = bits.exp2() - 64.0; // room for codes
        let low = first.max(middle - (width / 2.0).floor());
        let high = last.min(low + width);
        let low = first.max(high - width);
        let inside =
            sample.partition_point(|&bin| bin <= high) - sample.partition_point(|&bin| bin < low);
        let outside = 1.0 - inside as f64 / sample.len().max(1) as f64;
        let cost = bits.min((high - low + 2.0).log2()) + outside * value_bits;
        if cost < best.0 {
            best = (cost, low, high);
        }
    }
    (best.1, best.2)
}

/// Encodes a chunk of numbers.
pub(super) fn encode<T: Sample>(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let settings = Settings::new(chunk.spec)?;
    let exact = exact_values::<T>(&settings, chunk)?;
    let survey = survey(chunk.layout, chunk.bytes, &exact);
    let source = Source {
        chunk,
        exact,
        survey,
    };
    match settings.mode {
        Mode::OfElement(part) => {
            let Some(steps) = element_steps::<T>(part) else {
                return Ok(None);
            };
            source.encode_octaves(context, &settings, octaves(steps, part), dst)
        }
        Mode::Bits(bits) if T::FLOAT => {
            let steps = (1u64 << bits) as f64;
            source.encode_octaves(context, &settings, octaves(steps, 0.5 / steps), dst)
        }
        Mode::Bits(bits) => {
            source.encode_linear(context, &settings, low_bits_dropped::<T>(bits), dst)
        }
        Mode::Absolute(bound) => {
            source.encode_linear(context, &settings, absolute::<T>(bound), dst)
        }
        _ => source.encode_levels(context, &settings, dst),
    }
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

impl<T: Sample> Source<'_, T> {
    fn encode_linear(
        &self,
        context: &mut Context,
        settings: &Settings,
        bins: Linear,
        dst: &mut [u8],
    ) -> Result<Option<Encoded>, Error> {
        self.refuse_labels(&bins)?;
        let pass = self.pass(&self.linear(bins), Kind::Linear, false, false);
        self.finish(context, settings, pass, None, (bins.bound, 0.0), dst)
    }

    fn encode_octaves(
        &self,
        context: &mut Context,
        settings: &Settings,
        bins: Octaves,
        dst: &mut [u8],
    ) -> Result<Option<Encoded>, Error> {
        self.refuse_labels(&bins)?;
        let pass = self.pass(&self.octaves(bins), Kind::Octaves, false, false);
        self.finish(context, settings, pass, None, (bins.bound, 0.0), dst)
    }

    fn refuse_labels<B: Bins>(&self, bins: &B) -> Result<(), Error> {
        if T::FLOAT {
            return Ok(());
        }
        let order = self.chunk.layout.element.order;
        refuse_labels(
            "quantise",
            self.chunk.bytes,
            order,
            |value: T| match becomes(bins, &self.exact, value) {
                Becomes::Special(_) => None,
                Becomes::Exception(value) | Becomes::Value(value) => Some(value),
            },
        )
    }

    /// Modes that spread levels over a range.
    fn encode_levels(
        &self,
        context: &mut Context,
        settings: &Settings,
        dst: &mut [u8],
    ) -> Result<Option<Encoded>, Error> {
        let Some(survey) = self.survey else {
            let bins = absolute::<T>(1.0);
            let pass = self.pass(&self.empty(bins), Kind::Linear, false, false);
            return self.finish(context, settings, pass, None, (0.0, 0.0), dst);
        };
        let (layout, bytes) = (self.chunk.layout, self.chunk.bytes);
        let (low, high) = level_range(settings, layout, bytes, &self.exact, survey);
        let span = high - low;
        let (candidates, bound) = match settings.mode {
            Mode::OfRange(part) => {
                let bound = part * span;
                let Some(count) = levels_for_bound::<T>(low, high, bound) else {
                    return Ok(None);
                };
                (vec![count], Some(bound))
            }
            Mode::Decibel(decibel) => {
                let steps = (10f64.powf(decibel / 20.0) / 12f64.sqrt()).ceil();
                (finer(steps + 1.0), None)
            }
            Mode::Levels(count) if settings.dice.is_none() => (vec![f64::from(count)], None),
            Mode::Levels(count) => (finer(f64::from(count)), None),
            _ => (few_levels(), None),
        };
        let mut candidates: Vec<Linear> = candidates
            .iter()
            .filter_map(|&count| levels::<T>(low, high, count, bound))
            .collect();
        if let Some(bins) = candidates.first() {
            self.refuse_labels(bins)?;
        }
        // Once quantised, always the same: levels that change nothing come before those that are fewer.
        if candidates.len() > 1 {
            let fixed = |bins: &&Linear| {
                self.pass(&self.linear(**bins), Kind::Linear, true, false)
                    .is_some()
            };
            if let Some(&bins) = candidates.iter().find(fixed) {
                candidates = vec![bins];
            }
        }
        let original = settings
            .dice
            .map(|_| Original::new(layout, bytes, &self.exact));
        for (attempt, &bins) in candidates.iter().enumerate() {
            let pass = self.pass(&self.linear(bins), Kind::Linear, false, original.is_some());
            let Some(pass) = pass else { continue };
            let otsu = original
                .as_ref()
                .map(|original| original.compare(&pass.decoded, &self.exact));
            if !self.keeps(settings, &pass, otsu.as_ref(), span) {
                continue;
            }
            let finer = attempt > 0 && settings.mode != Mode::Dice;
            let encoded =
                self.finish(context, settings, Some(pass), otsu, (bins.bound, span), dst)?;
            return Ok(encoded.map(|mut encoded| {
                encoded.certificate.fell_back |= finer;
                encoded
            }));
        }
        Ok(None)
    }

    /// Whether a promise that is verified by decoding holds.
    fn keeps(&self, settings: &Settings, pass: &Pass<T>, otsu: Option<&Otsu>, span: f64) -> bool {
        if let (Some(limit), Some(otsu)) = (settings.dice, otsu) {
            return otsu.dice_frozen.min(otsu.dice_derived) >= limit;
        }
        if let Mode::Decibel(decibel) = settings.mode {
            let mean = pass.loss.sum_squared_error / self.measured().max(1) as f64;
            return mean == 0.0 || 10.0 * (span * span / mean).log10() >= decibel;
        }
        true
    }

    /// Writes the payload and the certificate; `bound` is that of the bins and the range they are spread over.
    fn finish(
        &self,
        context: &mut Context,
        settings: &Settings,
        pass: Option<Pass<T>>,
        otsu: Option<Otsu>,
        (bound, span): (f64, f64),
        dst: &mut [u8],
    ) -> Result<Option<Encoded>, Error> {
        let Some(pass) = pass else { return Ok(None) };
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
        let Some((start, rest)) = dst.split_at_mut_checked(head.len()) else {
            return Ok(None);
        };
        start.copy_from_slice(&head);
        let largest = header.largest();
        let narrow = &pass.narrow.bytes;
        let Some(len) = indices::encode_narrow(context, Backend::Auto, largest, narrow, rest)?
        else {
            return Ok(None);
        };
        let (guarantee, bound_unit, bound_asked) = settings.promise(self.chunk.layout, bound, span);
        Ok(Some(Encoded {
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

/// A number of levels and finer ones.
fn finer(count: f64) -> Vec<f64> {
    (0..TRIES as i32)
        .map(|attempt| ((count - 1.0) * 1.25f64.powi(attempt)).ceil() + 1.0)
        .collect()
}

/// Numbers of levels to look for the fewest in.
fn few_levels() -> Vec<f64> {
    let mut all: Vec<u32> = (2..=DENSE_LEVELS).collect();
    while let Some(&last) = all.last().filter(|last| **last < MOST_LEVELS) {
        all.push(last + last / 8);
    }
    all.into_iter().map(f64::from).collect()
}
