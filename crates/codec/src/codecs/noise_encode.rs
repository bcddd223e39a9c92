//! Encoding of `noise`: bins and special values of a chunk, look-up by value, and the loss that was caused.
//!
//! A chunk is read twice: once for the range of its counts, which decides how long the table of bins by value is, and
//! once block by block through that table. What the table does not know — special values and counts beyond
//! [`MAX_TABLE`] entries — is looked at one by one.

use std::collections::HashMap;

use super::noise::{Header, MAX_BINS, MAX_SPECIAL, Mode, Settings};
use super::quantise_codes::Narrow;
use crate::entropy::indices::{self, Backend, Origin};
use crate::kernels::crc32c::crc32c;
use crate::kernels::levels::Level;
use crate::kernels::noise::{
    Count, Entry, draw, look_up, loss, offsets, range, round_up_or_down, values_of,
};
use crate::lattice::{Lattice, Model};
use crate::numbers::{BLOCK, ExactValues, load, store};
use crate::random::Random;
use crate::{BoundUnit, Certificate, Context, Encoded, Error, Guarantee, Layout, Tally};

/// Entries of the table that is indexed by value; larger values are looked up by bisection.
const MAX_TABLE: i64 = 1 << 17;
/// Index of a value that has to be looked at on its own.
const NONE: u32 = u32::MAX;

impl<T: Count> Default for Entry<T> {
    fn default() -> Self {
        Self {
            index: NONE,
            value: T::default(),
        }
    }
}

/// Values that are exact although they are counts: masks, the fill value, and by [`Count::MOST`] the largest unsigned.
pub(super) struct Masks<T> {
    bits: Vec<u64>,
    of: std::marker::PhantomData<T>,
}

impl<T: Count> Masks<T> {
    pub(super) fn new(exact: &ExactValues<T>) -> Self {
        Self {
            bits: exact.bits().to_vec(),
            of: std::marker::PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn contains(&self, value: T) -> bool {
        self.bits.contains(&value.to_bits())
    }

    fn values(&self) -> impl Iterator<Item = T> {
        self.bits.iter().map(|&bits| T::from_bits(bits))
    }

    /// The bin of a value and what it decodes to; `None` for a special value.
    pub(super) fn level(&self, lattice: &mut Lattice, value: T) -> Option<(i64, T)> {
        let index = lattice.index_of(value.count()?)?;
        let middle = middle(lattice, index)?;
        (!self.contains(value) && !self.contains(middle)).then_some((index, middle))
    }
}

/// What a bin decodes to: its middle, clamped to the counts of the type (which is nearer to all its values).
pub(super) fn middle<T: Count>(lattice: &mut Lattice, index: i64) -> Option<T> {
    let middle = lattice.bin(index)?.middle();
    Some(T::from_count(middle.clamp(T::LEAST, T::MOST)))
}

/// Range of the counts in a chunk; values that are no counts may widen it.
fn survey<T: Count>(layout: &Layout, bytes: &[u8], masks: &Masks<T>) -> Option<(i64, i64)> {
    let order = layout.element.order;
    let (top, bottom) = (T::from_count(T::MOST), T::from_count(T::LEAST));
    let (mut low, mut high) = (top, bottom);
    // The first value is skipped where there are no masks, but for its part in the range.
    let first = T::read(bytes.get(..T::BYTES)?, order);
    let mut skipped = [masks.values().next().unwrap_or(first); 4];
    if masks.bits.is_empty() && bottom <= first && first <= top {
        (low, high) = (first, first);
    }
    for (skip, mask) in skipped.iter_mut().zip(masks.values()) {
        *skip = mask;
    }
    let mut block = [T::default(); BLOCK];
    for bytes in bytes.chunks(BLOCK * T::BYTES) {
        let len = load(bytes, order, &mut block);
        (low, high) = range(Level::best(), &block[..len], &skipped, low, high);
    }
    let low = low.to_f64().floor() as i64;
    let high = high.to_f64().ceil() as i64;
    (low <= high).then_some((low, high))
}

/// The bins and special values of a chunk being encoded, and tables that make look-ups cheap.
struct Palette<'a, T> {
    masks: &'a Masks<T>,
    lattice: Lattice,
    /// First bin.
    first: i64,
    /// Number of bins.
    bins: u32,
    /// Value of the table's first entry.
    low: i64,
    /// Index and decoded value of every value from `low` on; the index is [`NONE`] for those that need a look, and for
    /// one entry behind the last.
    table: Vec<Entry<T>>,
    /// For `unbiased`: 2³² times the probability that a value of the table moves to the neighbouring bin.
    thresholds: Vec<u32>,
    /// Decoded value of every index.
    values: Vec<T>,
    /// Index of every special value met.
    specials: HashMap<u64, u32>,
}

impl<'a, T: Count> Palette<'a, T> {
    /// Bins for the counts of `range`; `None` where there are too many of them.
    fn new(settings: &Settings, range: Option<(i64, i64)>, masks: &'a Masks<T>) -> Option<Self> {
        let mut palette = Self {
            masks,
            lattice: Lattice::new(settings.model),
            first: 0,
            bins: 0,
            low: 0,
            table: vec![Entry::default()],
            thresholds: Vec::new(),
            values: Vec::new(),
            specials: HashMap::new(),
        };
        let Some((low, high)) = range else {
            return Some(palette);
        };
        let around = i64::from(settings.mode == Mode::Unbiased);
        let first = palette.lattice.index_of(low)? - around;
        let last = palette.lattice.index_of(high)? + around;
        let bins = last - first + 1;
        if bins > MAX_BINS {
            return None;
        }
        (palette.first, palette.low, palette.bins) = (first, low, bins as u32);
        for index in first..=last {
            palette.values.push(middle(&mut palette.lattice, index)?);
        }
        palette.fill_table(high);
        Some(palette)
    }

    fn fill_table(&mut self, high: i64) {
        let end = high.min(self.low + MAX_TABLE - 1);
        self.table.clear();
        let mut index = self.lattice.index_of(self.low).unwrap_or(self.first);
        while let Some(bin) = self.lattice.bin(index).filter(|bin| bin.first <= end) {
            let values = bin.last().min(end) - bin.first.max(self.low) + 1;
            let filled = self.table.len() + values as usize;
            let index_of_bin = (index - self.first) as u32;
            let entry = Entry {
                index: index_of_bin,
                value: self.values[index_of_bin as usize],
            };
            self.table.resize(filled, entry);
            index += 1;
        }
        for mask in self.masks.values() {
            self.exclude(mask);
        }
        self.table.push(Entry::default());
    }

    /// Takes a masked value out of the table, and its whole bin where that decodes to it.
    fn exclude(&mut self, mask: T) {
        let Some(count) = mask.count() else { return };
        let index = self.lattice.index_of(count);
        let Some(bin) = index.and_then(|index| self.lattice.bin(index)) else {
            return;
        };
        let decoded = bin.middle().clamp(T::LEAST, T::MOST);
        let excluded = if decoded == count {
            bin.first..=bin.last()
        } else {
            count..=count
        };
        for value in excluded {
            if let Some(entry) = usize::try_from(value - self.low)
                .ok()
                .and_then(|at| self.table.get_mut(at))
            {
                *entry = Entry::default();
            }
        }
    }

    fn largest(&self) -> u32 {
        (self.values.len() as u32).saturating_sub(1)
    }

    /// The index of a value that the table does not know; `None` where there are too many special values.
    fn index_of(&mut self, value: T) -> Option<u32> {
        if let Some((bin, _)) = self.masks.level(&mut self.lattice, value) {
            return u32::try_from(bin - self.first).ok();
        }
        let next = self.bins + self.specials.len() as u32;
        let index = *self.specials.entry(value.to_bits()).or_insert(next);
        if index == next {
            self.values.push(value);
        }
        (self.specials.len() <= MAX_SPECIAL).then_some(index)
    }

    /// Indices and decoded values of a block, `det`; false where there are too many special values. `found` gets the
    /// place of each value in the table.
    fn quantise(
        &mut self,
        values: &[T],
        found: &mut [u32],
        indices: &mut [u32],
        decoded: &mut [T],
    ) -> bool {
        let len = self.table.len() as u32 - 1;
        offsets(Level::best(), values, self.low, len, found);
        indices.copy_from_slice(found);
        if look_up(Level::best(), &self.table, indices, decoded) < NONE {
            return true;
        }
        for ((index, &value), decoded) in indices.iter_mut().zip(values).zip(decoded) {
            if *index == NONE {
                match self.index_of(value) {
                    Some(known) => *index = known,
                    None => return false,
                }
                *decoded = self.values[*index as usize];
            }
        }
        true
    }

    /// Fills `thresholds`, unless that takes longer than asking for the probability of each of `elements`.
    fn prepare_rounding(&mut self, elements: usize) {
        if self.table.len() > elements {
            return;
        }
        for at in 0..self.table.len() {
            let entry = self.table[at];
            let count = self.low + at as i64;
            let threshold = match entry.index {
                NONE => 0,
                _ => self.threshold(T::from_count(count), entry.index),
            };
            self.thresholds.push(threshold);
        }
    }

    /// 2³² times the probability that a value moves to the neighbouring bin, from its own one.
    fn threshold(&mut self, value: T, own: u32) -> u32 {
        let middle = self.values[own as usize];
        if own >= self.bins || middle == value {
            return 0;
        }
        let neighbour = if value > middle {
            own + 1
        } else {
            own.wrapping_sub(1)
        };
        let probability = self.probability(value, own, neighbour);
        probability.map_or(0, |probability| probability as u32)
    }

    /// Moves indices to the neighbouring bin with the probability that makes the mean right.
    fn round_stochastically(
        &mut self,
        values: &[T],
        found: &[u32],
        indices: &mut [u32],
        decoded: &mut [T],
        draws: &[u32],
    ) {
        if !self.thresholds.is_empty() {
            let level = Level::best();
            round_up_or_down(
                level,
                values,
                decoded,
                &self.thresholds,
                found,
                draws,
                indices,
            );
        }
        let in_table = self.thresholds.len().saturating_sub(1) as u32;
        let elements = values.iter().zip(found).zip(draws);
        for (((&value, &found), &draw), index) in elements.zip(indices.iter_mut()) {
            if found >= in_table && draw < self.threshold(value, *index) {
                let up = value > self.values[*index as usize];
                *index = if up { *index + 1 } else { *index - 1 };
            }
        }
        values_of(Level::best(), &self.values, indices, decoded);
    }

    /// 2³² times the probability of the bin `other` for a value of the bin `own`; `None` where `other` is no choice.
    fn probability(&mut self, value: T, own: u32, other: u32) -> Option<u64> {
        let bin = self.lattice.bin(self.first + i64::from(other))?;
        let target = bin.middle();
        let usable = other < self.bins
            && (T::LEAST..=T::MOST).contains(&target)
            && !self.masks.contains(T::from_count(target));
        let from = self.values[own as usize].count()?;
        let value = value.count()?;
        let error = (target - value) as f64;
        let model = self.lattice.model();
        let allowed = model.step * model.reported_variance(value as f64).sqrt();
        (usable && error.abs() <= allowed)
            .then(|| ((value - from).unsigned_abs() << 32) / (target - from).unsigned_abs())
    }
}

/// Encodes with `det` or `unbiased`.
pub(super) fn encode_counts<T: Count>(
    context: &mut Context,
    settings: Settings,
    layout: &Layout,
    bytes: &[u8],
    masks: &Masks<T>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let range = survey(layout, bytes, masks);
    let Some(mut palette) = Palette::new(&settings, range, masks) else {
        return Ok(None);
    };
    let order = layout.element.order;
    let random = (settings.mode == Mode::Unbiased)
        .then(|| Random::new(settings.seed).part(u64::from(crate::frame::crc32c(bytes))));
    let elements = bytes.len() / T::BYTES;
    if random.is_some() {
        palette.prepare_rounding(elements);
    }
    let mut narrow = Narrow::new(std::mem::take(&mut context.narrow));
    narrow.start(elements, palette.bins);
    let mut meter = Meter::new(settings.model);
    let (mut block, mut decoded) = ([T::default(); BLOCK], [T::default(); BLOCK]);
    let (mut found, mut indices, mut draws) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
    for (number, bytes) in bytes.chunks(BLOCK * T::BYTES).enumerate() {
        let len = load(bytes, order, &mut block);
        let (block, decoded) = (&block[..len], &mut decoded[..len]);
        let (found, indices) = (&mut found[..len], &mut indices[..len]);
        if !palette.quantise(block, found, indices, decoded) {
            return Ok(None);
        }
        if let Some(random) = random {
            draw(
                Level::best(),
                random,
                (number * BLOCK) as u64,
                &mut draws[..len],
            );
            palette.round_stochastically(block, found, indices, decoded, &draws[..len]);
        }
        narrow.push(indices, palette.largest());
        meter.add(block, decoded, order);
    }
    let header = Header {
        mode: settings.mode,
        bins: palette.bins,
        first: palette.first,
        model: settings.model,
        seed: 0,
        first_step: 0,
    };
    let specials = &palette.values[palette.bins as usize..];
    let pack = |context: &mut Context, dst: &mut [u8]| {
        let largest = palette.largest();
        let origin = Origin {
            speed: settings.speed,
            shape: &layout.shape,
            first_bin: header.first,
            first_code: palette.bins,
        };
        indices::encode_narrow(context, Backend::Auto, largest, origin, &narrow.bytes, dst)
    };
    let written = finish(
        context, &settings, &header, specials, meter, layout, pack, dst,
    );
    context.narrow = narrow.bytes;
    written
}

/// Writes the payload, of which `pack` writes the indices, and the certificate.
#[allow(clippy::too_many_arguments)]
pub(super) fn finish<T: Count>(
    context: &mut Context,
    settings: &Settings,
    header: &Header,
    specials: &[T],
    meter: Meter,
    layout: &Layout,
    pack: impl FnOnce(&mut Context, &mut [u8]) -> Result<Option<usize>, Error>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let (loss, decoded_crc) = meter.finish();
    let sigma = f64::from(loss.max_sigma_error.unwrap_or(0.0));
    if sigma > settings.bound() * (1.0 + 1e-6) {
        return Ok(None);
    }
    let mut head = header.to_bytes(specials.len());
    for value in specials {
        let at = head.len();
        head.resize(at + T::BYTES, 0);
        value.write(&mut head[at..], layout.element.order);
    }
    let Some((start, rest)) = dst.split_at_mut_checked(head.len()) else {
        return Ok(None);
    };
    start.copy_from_slice(&head);
    let Some(len) = pack(context, rest)? else {
        return Ok(None);
    };
    Ok(Some(Encoded {
        by: None,
        len: head.len() + len,
        certificate: Certificate {
            guarantee: Guarantee::ByConstruction,
            bound_unit: BoundUnit::Sigma,
            bound_asked: settings.model.step,
            loss,
            ..Certificate::default()
        },
        decoded_crc: Some(decoded_crc),
    }))
}

/// Adds up loss and checksum of what a chunk decodes to.
pub(super) struct Meter {
    model: Model,
    tally: Tally,
    /// Largest error² / variance.
    ratio: f64,
    decoded_crc: u32,
    bytes: Vec<u8>,
}

impl Meter {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            tally: Tally::default(),
            ratio: 0.0,
            decoded_crc: 0,
            bytes: Vec::new(),
        }
    }

    /// Adds a block of at most [`BLOCK`] elements.
    pub(super) fn add<T: Count>(&mut self, original: &[T], decoded: &[T], order: crate::ByteOrder) {
        let Model {
            gain, offset, read, ..
        } = self.model;
        let noise = [gain, offset, read * read];
        let block = loss(Level::best(), original, decoded, noise, self.ratio);
        self.tally.max_abs_error = self.tally.max_abs_error.max(block.max);
        self.tally.sum_error += block.sum;
        self.tally.sum_squared_error += block.squares;
        if block.above {
            for (original, decoded) in original.iter().zip(decoded) {
                let error = decoded.to_f64() - original.to_f64();
                let variance = self.model.reported_variance(original.to_f64());
                self.ratio = self.ratio.max(error * error / variance);
            }
        }
        self.bytes.resize(decoded.len() * T::BYTES, 0);
        store(decoded, order, &mut self.bytes);
        self.decoded_crc = crc32c(Level::best(), self.decoded_crc, &self.bytes);
    }

    /// The loss, σ error rounded up, and the checksum.
    pub(super) fn finish(mut self) -> (Tally, u32) {
        let sigma = self.ratio.sqrt();
        let nearest = sigma as f32;
        let up = if f64::from(nearest) < sigma {
            nearest.next_up()
        } else {
            nearest
        };
        self.tally.max_sigma_error = Some(up);
        (self.tally, self.decoded_crc)
    }
}
