//! Encoding of Bernoulli-byte planes: the number of planes, the special values and the levels.
//!
//! Rows are seen three times: some of them to choose special values and the number of planes; all of them in order, to
//! make planes and count ones by bin; and their planes in reverse order, because rANS encodes backwards.

use super::counts_bbp::{self as model, LEVEL_BITS, MAX_PLANES, TEMPORAL};
use super::counts_choice::Estimate;
use super::counts_mask::MAX_SPECIALS;
use super::counts_numbers::write_number;
use super::counts_pixels::Pixels;
use super::counts_sample::{Choice, Sample};
use crate::entropy::bernoulli::{ESCAPE, TABLES, level_for, probability};
use crate::entropy::rans::{Encoder, lanes_for};
use crate::entropy::rans_tables::PRECISION_BITS;
use crate::kernels::counts::{self as kernel, BINS, GROUP};
use crate::kernels::counts_rows as rows;
use crate::kernels::counts_seen as seen;
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;
use crate::kernels::rans::MAX_LANES;

/// Frames from which on a row is expected to be like that of the frame before: with fewer, there is little to learn.
const TEMPORAL_FRAMES: usize = 4;
/// Groups that suffice to learn levels from; one row in 4 is counted at least.
const COUNTED_GROUPS: usize = 1 << 15;

/// Streams from which on there are 64 lanes: they decode symbols that are nearly all 0 in 5 to 10 % less time than 32 and
/// take 0.3 % of such a stream.
const MOST_LANES_FROM_BYTES: usize = 32 << 10;

/// See `Counts`.
const UNSEEN_ONES: f64 = 0.2;

/// Memory of the encoder alone.
#[derive(Default)]
pub(crate) struct Memory {
    /// Planes of all rows.
    planes: Vec<u8>,
    /// Bins of all rows.
    bins: Vec<u8>,
    values: Vec<u8>,
    /// In reverse order.
    escapes: Vec<u8>,
    words: Vec<u16>,
    scratch: Vec<u8>,
    pub(super) sample: Sample,
}

/// Ones and groups counted, by bin.
struct Counts {
    /// Ones that a bin is taken to have besides: where not all rows are counted, a bin without ones may still meet one.
    unseen_ones: f64,
    groups: [u32; BINS],
    ones: [[u32; BINS]; MAX_PLANES],
    /// As [`seen::count_three`] counts, of `packed_groups`.
    packed: [[u64; BINS]; 2],
    packed_groups: usize,
}

/// Planes whose ones are counted together, and the most groups whose ones 16 bits hold.
const PACKED_PLANES: usize = 3;
const PACKED_GROUPS: usize = 8000;

/// Runs `$body` with `$words` the memory for a row of words as long as those of `$pixels`.
macro_rules! for_words {
    ($memory:ident, $pixels:ident, $words:ident => $body:expr) => {
        for_words!($memory, $pixels, $words => $body, 1 words8, 2 words16, 4 words32)
    };
    ($memory:ident, $pixels:ident, $words:ident => $body:expr, $($bytes:literal $field:ident),+) => {
        match $pixels.word_bytes {
            $($bytes => {
                let mut taken = std::mem::take(&mut $memory.$field);
                let $words = &mut taken;
                $words.resize($pixels.columns, Default::default());
                let result = $body;
                $memory.$field = taken;
                result
            })+
            _ => None,
        }
    };
}
/// Encodes the chunk into the front of `dst`; `None` where it has no words or does not fit.
pub(super) fn encode(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    dst: &mut [u8],
) -> Option<usize> {
    for_words!(memory, pixels, words => encode_words(memory, pixels, bytes, temporal, words, dst))
}

/// What the planes of a sample would take; `None` where it is not to be coded in planes.
pub(super) fn estimate(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    choice: &Choice,
) -> Option<Estimate> {
    let prepared = for_words!(
        memory, pixels, words => prepare(memory, pixels, bytes, temporal, choice, words)
    )?;
    let masks = memory.masks.residual_bits() / 8.0;
    let escapes = memory.encoder.values.len() + prepared.mask_bytes;
    Some(Estimate {
        fixed: prepared.head.len() - prepared.mask_bytes,
        growing: prepared.plane_bytes as f64 + masks + escapes as f64,
    })
}

/// What pixels say about others beyond the number of photons in a group, about, in bits.
pub(super) struct Structure {
    /// Pixels about the one below.
    pub(super) below: f64,
    /// Pixels about the one to the right, and about themselves in the next frame.
    pub(super) beside: f64,
    /// Part of the groups with pixels that are full of them: regions, not photons.
    pub(super) full: f64,
}

/// The structure of a sample whose planes were made last, as far as its lowest plane has it. Where photons are rare, two
/// at neighbouring places are what structure is, and their number beyond that of chance is the information.
pub(super) fn structure(memory: &model::Memory, pixels: &Pixels, planes: usize) -> Structure {
    let level = Level::best();
    let groups = pixels.columns.div_ceil(GROUP);
    let row = |row: usize| &memory.encoder.planes[row * planes * groups..][..groups];
    let (mut below, mut right, mut later, mut full) = ([0; 2], [0; 2], [0; 2], [0; 2]);
    let add = |sums: &mut [u64; 2], more: [u32; 2]| {
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += u64::from(more);
        }
    };
    for at in 0..pixels.frames * pixels.rows {
        let this = row(at);
        add(&mut right, seen::adjacent_bits(level, this));
        add(&mut full, seen::full_bytes(level, this));
        if at % pixels.rows > 0 {
            add(&mut below, seen::common_bits(level, row(at - 1), this));
        }
        if at >= pixels.rows {
            add(
                &mut later,
                seen::common_bits(level, row(at - pixels.rows), this),
            );
        }
    }
    Structure {
        below: information(below),
        beside: information(right) + information(later),
        full: full[0] as f64 / full[1].max(1) as f64,
    }
}

/// Bits that coincidences are worth which are more than those expected, eight times which is given; with a standard
/// deviation more, so that few of them are no proof that there is nothing.
fn information([common, expected]: [u64; 2]) -> f64 {
    let expected = (expected as f64 / 8.0).max(1.0);
    let common = common as f64 + (common as f64).sqrt();
    if common <= expected {
        return 0.0;
    }
    common * (common / expected).log2() - (common - expected) * std::f64::consts::LOG2_E
}

/// Everything about a chunk that is known before its planes are coded.
struct Prepared {
    tables: Vec<[u8; BINS]>,
    head: Vec<u8>,
    /// Those of the head that grow with the chunk.
    mask_bytes: usize,
    lanes: usize,
    /// About what the planes will take.
    plane_bytes: usize,
}

/// Makes planes, bins, special values and levels.
fn prepare<W: Word>(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    choice: &Choice,
    words: &mut [W],
) -> Option<Prepared> {
    if choice.bits >= 8.0 * W::BYTES as f64 {
        return None;
    }
    let specials = &choice.specials[..choice.special_count.min(MAX_SPECIALS)];
    memory
        .masks
        .begin_encoding(specials, pixels.rows, pixels.columns);
    let planes = choice.planes;
    let is_temporal = match temporal {
        Some(is_asked) => is_asked && pixels.frames > 1,
        None => pixels.frames >= TEMPORAL_FRAMES,
    };
    let shift = if is_temporal { 3 } else { 2 };
    let groups = pixels.columns.div_ceil(GROUP);
    memory
        .contexts
        .begin(groups, pixels.rows, shift, is_temporal);
    let counts = make_planes(memory, pixels, bytes, planes, words)?;
    let (low, high) = counts.bins_used();
    let tables = counts.levels(planes, low, high);
    let plane_bytes = counts.bytes(&tables, groups * pixels.frames * pixels.rows);
    let lanes = match plane_bytes {
        MOST_LANES_FROM_BYTES.. => MAX_LANES,
        _ => lanes_for(plane_bytes),
    };
    let mut head = vec![
        if is_temporal { TEMPORAL } else { 0 },
        PRECISION_BITS as u8,
        lanes as u8,
        planes as u8,
        shift as u8,
        low as u8,
        high as u8,
    ];
    write_levels(&tables, low, high, &mut head);
    let before_masks = head.len();
    memory.masks.write(pixels.word_bytes, &mut head);
    Some(Prepared {
        tables,
        mask_bytes: head.len() - before_masks,
        head,
        lanes,
        plane_bytes,
    })
}

fn encode_words<W: Word>(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    temporal: Option<bool>,
    words: &mut [W],
    dst: &mut [u8],
) -> Option<usize> {
    let choice = memory.encoder.sample.choose(pixels, bytes, words)?;
    let mut prepared = prepare(memory, pixels, bytes, temporal, &choice, words)?;
    let encoder_words = &mut std::mem::take(&mut memory.encoder.words);
    let mut encoder = Encoder::new(prepared.lanes, encoder_words);
    encode_planes(memory, pixels, &prepared.tables, &mut encoder);
    let written = write(memory, &mut prepared.head, encoder, dst);
    memory.encoder.words = std::mem::take(encoder_words);
    written
}

fn write(
    memory: &mut model::Memory,
    head: &mut Vec<u8>,
    encoder: Encoder,
    dst: &mut [u8],
) -> Option<usize> {
    let values = &memory.encoder.values;
    write_number(values.len() as u64, head);
    head.extend(values);
    let escapes = &memory.encoder.escapes;
    write_number(escapes.len() as u64, head);
    head.extend(escapes.iter().rev());
    dst.get_mut(..head.len())?.copy_from_slice(head);
    Some(head.len() + encoder.finish(&mut dst[head.len()..])?)
}

/// Makes the planes and bins of all rows, the value escapes and the modes and residuals of the masks.
fn make_planes<W: Word>(
    memory: &mut model::Memory,
    pixels: &Pixels,
    bytes: &[u8],
    planes: usize,
    words: &mut [W],
) -> Option<Box<Counts>> {
    let level = Level::best();
    let groups = pixels.columns.div_ceil(GROUP);
    let rows = pixels.frames * pixels.rows;
    let limit = W::new((1 << planes) - 1);
    let every = (rows * groups / COUNTED_GROUPS).clamp(1, 4);
    let mut counts = Box::new(Counts {
        unseen_ones: if every > 1 { UNSEEN_ONES } else { 0.0 },
        groups: [0; BINS],
        ones: [[0; BINS]; MAX_PLANES],
        packed: [[0; BINS]; 2],
        packed_groups: 0,
    });
    let encoder = &mut memory.encoder;
    encoder.values.clear();
    encoder.planes.resize(rows * planes * groups, 0);
    encoder.bins.resize(rows * groups, 0);
    memory.bytes.resize(GROUP * groups, 0);
    memory.common.resize(groups, 0);
    for row in 0..rows {
        if !pixels.load(bytes, row * pixels.columns, words) {
            return None;
        }
        memory.masks.take(row, words, &mut encoder.scratch);
        let made = &mut encoder.planes[row * planes * groups..][..planes * groups];
        let reaches_limit = rows::planes_of_words(level, words, planes, made, &mut memory.bytes);
        if reaches_limit && kernel::common(level, made, &mut memory.common) {
            add_values(&memory.common, words, limit, &mut encoder.values);
        }
        let (frame, y) = (row / pixels.rows, row % pixels.rows);
        memory.contexts.expect(level, frame, y);
        memory.contexts.learn(level, (frame, y), made);
        let bins = &memory.contexts.bins;
        encoder.bins[row * groups..][..groups].copy_from_slice(bins);
        if row % every == 0 && pixels.bands.has_row(y) {
            counts.add(bins, made);
        }
    }
    counts.unpack();
    Some(counts)
}

/// Appends what the clamped pixels are beyond the limit.
fn add_values<W: Word>(common: &[u8], words: &[W], limit: W, values: &mut Vec<u8>) {
    for (&common, words) in common.iter().zip(words.chunks(GROUP)) {
        let mut bits = common;
        while bits != 0 {
            let word = words[bits.trailing_zeros() as usize];
            write_number(u64::from(word.value() - limit.value()), values);
            bits &= bits - 1;
        }
    }
}

impl Counts {
    fn add(&mut self, bins: &[u8], planes: &[u8]) {
        let groups = bins.len();
        for (number, bins) in bins.chunks(PACKED_GROUPS).enumerate() {
            if self.packed_groups + bins.len() > PACKED_GROUPS {
                self.unpack();
            }
            self.packed_groups += bins.len();
            let plane = |plane: usize| &planes[plane * groups + number * PACKED_GROUPS..];
            let (level, packed) = (Level::best(), &mut self.packed);
            match planes.len() / groups {
                1 => seen::count_one(level, bins, [plane(0)], packed),
                2 => seen::count_two(level, bins, [plane(0), plane(1)], packed),
                _ => seen::count_three(level, bins, [plane(0), plane(1), plane(2)], packed),
            }
        }
        let others = planes.chunks_exact(groups).zip(&mut self.ones);
        for (plane, ones) in others.skip(PACKED_PLANES) {
            for (&byte, &bin) in plane.iter().zip(bins) {
                if byte != 0 {
                    ones[usize::from(bin) % BINS] += byte.count_ones();
                }
            }
        }
    }

    /// Adds what is packed to the others.
    fn unpack(&mut self) {
        for packed in &mut self.packed {
            for (bin, packed) in packed.iter_mut().enumerate() {
                self.groups[bin] += (*packed & 0xffff) as u32;
                for (plane, ones) in self.ones[..PACKED_PLANES].iter_mut().enumerate() {
                    ones[bin] += (*packed >> (16 * (plane + 1)) & 0xffff) as u32;
                }
                *packed = 0;
            }
        }
        self.packed_groups = 0;
    }

    /// Lowest and highest bin that a group counted was in.
    fn bins_used(&self) -> (usize, usize) {
        let used = |&count: &u32| count > 0;
        let low = self.groups.iter().position(used).unwrap_or(0);
        (low, self.groups.iter().rposition(used).unwrap_or(0))
    }

    /// Levels of the bins of each plane; a bin that no group was in has that of the bin below.
    fn levels(&self, planes: usize, low: usize, high: usize) -> Vec<[u8; BINS]> {
        let mut tables = vec![[0; BINS]; planes];
        for (table, ones) in tables.iter_mut().zip(&self.ones) {
            let mut level = 0;
            for bin in low..=high {
                if self.groups[bin] > 0 {
                    let ones = f64::from(ones[bin]) + self.unseen_ones;
                    level = level_for(ones, 8.0 * f64::from(self.groups[bin]));
                }
                table[bin] = level;
            }
            let lowest = table[low];
            table[..low].fill(lowest);
            table[high..].fill(level);
        }
        tables
    }

    /// About how many bytes the planes of `groups` groups will take.
    fn bytes(&self, tables: &[[u8; BINS]], groups: usize) -> usize {
        let mut bits = 0.0;
        for (table, ones) in tables.iter().zip(&self.ones) {
            for (bin, &level) in table.iter().enumerate() {
                let p = probability(level);
                let ones = f64::from(ones[bin]);
                let zeros = 8.0 * f64::from(self.groups[bin]) - ones;
                bits -= ones * p.log2() + zeros * (1.0 - p).log2();
            }
        }
        let counted: u32 = self.groups.iter().sum();
        (bits / 8.0 * groups as f64 / f64::from(counted.max(1))) as usize
    }
}

fn write_levels(tables: &[[u8; BINS]], low: usize, high: usize, bytes: &mut Vec<u8>) {
    let (mut bits, mut held) = (0u32, 0);
    for &level in tables.iter().flat_map(|table| &table[low..=high]) {
        bits |= u32::from(level) << held;
        held += LEVEL_BITS;
        while held >= 8 {
            bytes.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        bytes.push(bits as u8);
    }
}

/// Encodes all rows, the last first, and notes the byte escapes.
fn encode_planes(
    memory: &mut model::Memory,
    pixels: &Pixels,
    tables: &[[u8; BINS]],
    encoder: &mut Encoder,
) {
    let level = Level::best();
    let groups = pixels.columns.div_ceil(GROUP);
    let planes = tables.len();
    let parts = planes + memory.masks.len();
    let own = &mut memory.encoder;
    own.escapes.clear();
    memory.places.resize(parts * groups, 0);
    memory.levels.resize(parts * groups, 0);
    memory.symbols.resize(parts * groups, 0);
    for row in (0..pixels.frames * pixels.rows).rev() {
        let bins = &own.bins[row * groups..][..groups];
        let coded = planes * groups;
        kernel::look_up(level, tables, bins, &mut memory.levels[..coded]);
        let made = &mut own.planes[row * coded..][..coded];
        let has_residual = |plane| memory.masks.has_residual(plane, row);
        let is_plain = !(0..memory.masks.len()).any(has_residual);
        if !is_plain {
            memory.symbols[..coded].copy_from_slice(made);
        }
        let mut end = coded;
        for plane in 0..memory.masks.len() {
            if memory.masks.has_residual(plane, row) {
                let mask_level = memory.masks.level(plane);
                memory.levels[end..end + groups].fill(mask_level);
                let residual = &mut memory.symbols[end..end + groups];
                memory.masks.pop_residual(plane, residual);
                end += groups;
            }
        }
        let symbols = if is_plain {
            made
        } else {
            &mut memory.symbols[..end]
        };
        let levels = &memory.levels[..end];
        let places = &mut memory.places[..end];
        let count = rows::places_beyond(level, symbols, levels, &TABLES.most_ones, places);
        for &place in places[..count].iter().rev() {
            let symbol = &mut symbols[place as usize];
            own.escapes.push(std::mem::replace(symbol, ESCAPE));
        }
        encoder.encode(&TABLES.encode, levels, symbols);
    }
}
