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
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

/// Frames from which on a row is expected to be like that of the frame before: with fewer, there is little to learn.
const TEMPORAL_FRAMES: usize = 4;
/// Groups that suffice to learn levels from; one row in 4 is counted at least.
const COUNTED_GROUPS: usize = 1 << 15;

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
    most_ones: Vec<u8>,
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
}

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
    let lanes = lanes_for(plane_bytes);
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
    });
    let encoder = &mut memory.encoder;
    encoder.values.clear();
    encoder.planes.resize(rows * planes * groups, 0);
    encoder.bins.resize(rows * groups, 0);
    memory.bytes.resize(2 * GROUP * groups, 0);
    memory.common.resize(groups, 0);
    for row in 0..rows {
        if !pixels.load(bytes, row * pixels.columns, words) {
            return None;
        }
        memory.masks.take(row, words, &mut encoder.scratch);
        let made = &mut encoder.planes[row * planes * groups..][..planes * groups];
        let buffer = &mut memory.bytes[..GROUP * groups];
        kernel::clamped(level, words, limit, buffer);
        let low = planes.min(8);
        kernel::planes_of_bytes(level, buffer, low, &mut made[..low * groups]);
        if planes > 8 {
            kernel::clamped_high(level, words, limit, buffer);
            kernel::planes_of_bytes(level, buffer, planes - 8, &mut made[8 * groups..]);
        }
        let reaches_limit =
            planes > 8 || kernel::any_equal(level, buffer, ((1u32 << planes) - 1) as u8);
        if reaches_limit && kernel::common(level, made, &mut memory.common) {
            add_values(&memory.common, words, limit, &mut encoder.values);
        }
        let (frame, y) = (row / pixels.rows, row % pixels.rows);
        memory.contexts.expect(level, frame, y);
        memory.contexts.learn(level, (frame, y), made, buffer);
        let bins = &memory.contexts.bins;
        encoder.bins[row * groups..][..groups].copy_from_slice(bins);
        if row % every == 0 && pixels.bands.has_row(y) {
            counts.add(bins, made);
        }
    }
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
        for &bin in bins {
            self.groups[usize::from(bin) % BINS] += 1;
        }
        for (ones, plane) in self.ones.iter_mut().zip(planes.chunks_exact(bins.len())) {
            for (&byte, &bin) in plane.iter().zip(bins) {
                if byte != 0 {
                    ones[usize::from(bin) % BINS] += byte.count_ones();
                }
            }
        }
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
    let most_of = |level: u8| TABLES.most_ones[usize::from(level)];
    let most_tables: Vec<[u8; BINS]> = tables.iter().map(|table| table.map(most_of)).collect();
    let parts = planes + memory.masks.len();
    let own = &mut memory.encoder;
    own.escapes.clear();
    own.most_ones.resize(parts * groups, 0);
    memory.levels.resize(parts * groups, 0);
    memory.symbols.resize(parts * groups, 0);
    for row in (0..pixels.frames * pixels.rows).rev() {
        let bins = &own.bins[row * groups..][..groups];
        let coded = planes * groups;
        kernel::look_up(level, tables, bins, &mut memory.levels[..coded]);
        kernel::look_up(level, &most_tables, bins, &mut own.most_ones[..coded]);
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
                own.most_ones[end..end + groups].fill(most_of(mask_level));
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
        let most_ones = &own.most_ones[..end];
        if kernel::any_beyond(level, symbols, most_ones) {
            for (symbol, &most) in symbols.iter_mut().zip(most_ones).rev() {
                if symbol.count_ones() > u32::from(most) {
                    own.escapes.push(std::mem::replace(symbol, ESCAPE));
                }
            }
        }
        encoder.encode(&TABLES.encode, &memory.levels[..end], symbols);
    }
}
