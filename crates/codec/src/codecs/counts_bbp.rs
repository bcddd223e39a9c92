//! Model 1 of `counts`, Bernoulli-byte planes: sparse counts, a mean of about one and below.
//!
//! A pixel x becomes v = min(x, 2^K − 1), or 0 where it is special (`counts_mask.rs`). A group is 8 pixels of a row, G =
//! ⌈columns/8⌉ to a row, with pixels of 0 beyond the last. Plane j of a row has a byte for each group: bit i is bit j of
//! v of its pixel i from the left. A row is planes 0 to K − 1 and then the residuals of its mask planes, where it has
//! them: one row of symbols of `entropy/rans.rs`, coded in levels (`entropy/bernoulli.rs`). What a level cannot code is
//! symbol 255, and the byte is the next of the *byte escapes*.
//!
//! The level of plane j of a group is that of the group's *bin*, which follows from rows before. All integer, `>>` rounds
//! down, a group beyond the first or last of a row is the first or last:
//!
//! ```text
//! E[g] = 0 at the first row of a frame
//! o[g] = (2 E[g] + E[g-1] + E[g+1]) >> 2
//! with the flag `temporal`, in frames after the first, R being the row's in the frame before:
//!     row 0:      o[g] = (2 R[g] + R[g-1] + R[g+1]) >> 2
//!     other rows: o[g] = (2 E[g] + E[g-1] + E[g+1] + 4 R[g]) >> 3
//! z = o[g] + 4;  e = floor(log2 z);  bin = min(61, 4 (e - 2) + ((z >> (e - 2)) & 3))
//! after the row, with a = min(255, the sum of v over the group):
//!     E[g] += (128 a - E[g] + (2^S >> 1)) >> S
//!     temporal, first frame:  R[g] = 64 a + (o[g] >> 1)
//!     temporal, frame t > 0:  R[g] += (128 a - R[g]) >> s;   s = 1 if t = 1, 2 if t < 5, else 3
//! ```
//!
//! A pixel with v = 2^K − 1 is that plus the next of the *value escapes*, LEB128 numbers, in order of pixels.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | flags: bit 0 temporal; others zero |
//! | 1 | 12, the bits of a frequency |
//! | 1 | lanes of rANS, 8, 32 or 64 |
//! | 1 | K, 1 to 15 (8 for words of 8 bits) |
//! | 1 | S, 0 to 7 |
//! | 2 | lowest and highest bin used; other bins have the levels of the nearest of these |
//! | ⌈6 n/8⌉ | n levels of 6 bits each from the lowest bit on: for each plane those of the bins used |
//! | | special values (`counts_mask.rs`) |
//! | | LEB128 length of the value escapes, and they |
//! | | LEB128 length of the byte escapes, and they |
//! | | rANS, to the end |

use super::counts_mask::Masks;
use super::counts_numbers::Reader;
use super::counts_pixels::Pixels;
use crate::Error;
use crate::entropy::bernoulli::{ESCAPE, LEVELS, TABLES};
use crate::entropy::rans::{Decoder, LANES};
use crate::entropy::rans_tables::PRECISION_BITS;
use crate::kernels::counts::{self as kernel, BINS, GROUP};
use crate::kernels::counts_fir::places_from;
use crate::kernels::counts_rows::{self as rows, Following};
use crate::kernels::levels::Level;
use crate::kernels::pixels::Word;

pub(super) const TEMPORAL: u8 = 1;
pub(super) const MAX_PLANES: usize = 15;
pub(super) const LEVEL_BITS: u32 = 6;
/// Planes and residuals of a row, at most.
const MAX_PARTS: usize = MAX_PLANES + super::counts_mask::MAX_SPECIALS;

/// Memory of a thread for this model.
#[derive(Default)]
pub(crate) struct Memory {
    pub(super) contexts: Contexts,
    pub(super) masks: Masks,
    /// Of a row: levels of its groups, plane after plane.
    pub(super) levels: Vec<u8>,
    /// Of a row: bytes of its groups, plane after plane.
    pub(super) symbols: Vec<u8>,
    /// Of a row: its words as bytes, or bits of its pixels.
    pub(super) bytes: Vec<u8>,
    /// Of a row: the pixels that all planes have.
    pub(super) common: Vec<u8>,
    /// Of a row: places of symbols.
    pub(super) places: Vec<u32>,
    pub(super) words8: Vec<u8>,
    pub(super) words16: Vec<u16>,
    pub(super) words32: Vec<u32>,
    pub(super) encoder: super::counts_bbp_encode::Memory,
}

/// What the groups of a row are expected to hold.
#[derive(Default)]
pub(crate) struct Contexts {
    groups: usize,
    shift: u32,
    is_temporal: bool,
    /// E, with its first and last group twice.
    averages: Vec<u16>,
    /// o of the row.
    expected: Vec<u16>,
    activity: Vec<u16>,
    /// R of all rows of a frame, each with its first and last group twice; empty unless temporal.
    history: Vec<u16>,
    /// Bins of the row.
    pub(super) bins: Vec<u8>,
}

impl Contexts {
    pub(super) fn begin(&mut self, groups: usize, rows: usize, shift: u32, is_temporal: bool) {
        self.groups = groups;
        self.shift = shift;
        self.is_temporal = is_temporal;
        self.expected.resize(groups, 0);
        self.activity.resize(groups, 0);
        self.bins.resize(groups, 0);
        self.history.clear();
        if is_temporal {
            self.history.resize(rows * (groups + 2), 0);
        }
    }

    /// Sets the bins of row `row` of frame `frame`.
    pub(super) fn expect(&mut self, level: Level, frame: usize, row: usize) {
        if row == 0 {
            self.averages.clear();
            self.averages.resize(self.groups + 2, 0);
        }
        let has_history = self.is_temporal && frame > 0;
        let history = self.history.get(row * (self.groups + 2)..);
        let history = history.filter(|_| has_history);
        let (padded, other) = match history.map(|history| &history[..self.groups + 2]) {
            Some(history) if row == 0 => (history, None),
            Some(history) => (&self.averages[..], Some(&history[1..=self.groups])),
            None => (&self.averages[..], None),
        };
        rows::expect(level, padded, other, &mut self.expected, &mut self.bins);
    }

    /// Learns from the planes of the row.
    pub(super) fn learn(&mut self, level: Level, (frame, row): (usize, usize), planes: &[u8]) {
        let groups = self.groups;
        let following = match frame {
            0 => Following::First,
            1 => Following::By(1),
            2..5 => Following::By(2),
            _ => Following::By(3),
        };
        let history = self.history.get_mut(row * (groups + 2)..);
        let over_frames = history
            .filter(|_| self.is_temporal)
            .map(|history| (following, &self.expected[..], &mut history[..groups + 2]));
        let averages = &mut self.averages;
        let activity = &mut self.activity;
        rows::learn(level, planes, self.shift, averages, over_frames, activity);
    }
}

/// What a payload says before its streams.
struct Header<'a> {
    planes: usize,
    lanes: usize,
    /// Levels of the bins, for each plane.
    levels: Vec<[u8; BINS]>,
    values: Reader<'a>,
    escapes: Reader<'a>,
}

/// Decodes what follows the model's number.
pub(super) fn decode(
    memory: &mut Memory,
    pixels: &Pixels,
    reader: &mut Reader,
    dst: &mut [u8],
) -> Result<(), Error> {
    let header = read_header(memory, pixels, reader)?;
    let start = reader.at();
    let decoder = Decoder::new(reader.rest(), header.lanes).map_err(|error| error.at(start))?;
    let decoded = match pixels.word_bytes {
        1 => {
            let mut words = std::mem::take(&mut memory.words8);
            let decoded = decode_rows(memory, pixels, header, decoder, &mut words, dst);
            memory.words8 = words;
            decoded
        }
        2 => {
            let mut words = std::mem::take(&mut memory.words16);
            let decoded = decode_rows(memory, pixels, header, decoder, &mut words, dst);
            memory.words16 = words;
            decoded
        }
        _ => {
            let mut words = std::mem::take(&mut memory.words32);
            let decoded = decode_rows(memory, pixels, header, decoder, &mut words, dst);
            memory.words32 = words;
            decoded
        }
    };
    decoded.map_err(|error| error.at(start))
}

fn read_header<'a>(
    memory: &mut Memory,
    pixels: &Pixels,
    reader: &mut Reader<'a>,
) -> Result<Header<'a>, Error> {
    let (flags, precision) = (reader.byte()?, reader.byte()?);
    if flags & !TEMPORAL != 0 || u32::from(precision) != PRECISION_BITS {
        return Err(reader.damaged("unknown flags of Bernoulli-byte planes"));
    }
    let (lanes, planes) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
    if !LANES.contains(&lanes) || planes == 0 || planes > MAX_PLANES.min(8 * pixels.word_bytes) {
        return Err(reader.damaged("impossible number of planes or lanes"));
    }
    let shift = u32::from(reader.byte()?);
    let (low, high) = (usize::from(reader.byte()?), usize::from(reader.byte()?));
    if shift > 7 || low > high || high >= BINS {
        return Err(reader.damaged("impossible bins"));
    }
    let levels = read_levels(reader, planes, low, high)?;
    let size = (pixels.frames, pixels.rows, pixels.columns);
    memory.masks.read(reader, pixels.word_bytes, size)?;
    let (values, escapes) = (reader.section()?, reader.section()?);
    let groups = pixels.columns.div_ceil(GROUP);
    let is_temporal = flags & TEMPORAL != 0;
    memory
        .contexts
        .begin(groups, pixels.rows, shift, is_temporal);
    Ok(Header {
        planes,
        lanes,
        levels,
        values,
        escapes,
    })
}

fn read_levels(
    reader: &mut Reader,
    planes: usize,
    low: usize,
    high: usize,
) -> Result<Vec<[u8; BINS]>, Error> {
    let bins = high - low + 1;
    let packed = reader.bytes((planes * bins * LEVEL_BITS as usize).div_ceil(8))?;
    let (mut bits, mut held, mut next) = (0u32, 0, packed.iter());
    let mut tables = vec![[0; BINS]; planes];
    for table in &mut tables {
        for level in &mut table[low..=high] {
            if held < LEVEL_BITS {
                bits |= u32::from(*next.next().unwrap_or(&0)) << held;
                held += 8;
            }
            *level = (bits & 0x3f) as u8;
            if usize::from(*level) >= LEVELS {
                return Err(reader.damaged("level out of range"));
            }
            bits >>= LEVEL_BITS;
            held -= LEVEL_BITS;
        }
        let (lowest, highest) = (table[low], table[high]);
        table[..low].fill(lowest);
        table[high..].fill(highest);
    }
    Ok(tables)
}

fn decode_rows<W: Word>(
    memory: &mut Memory,
    pixels: &Pixels,
    header: Header,
    mut decoder: Decoder,
    words: &mut Vec<W>,
    dst: &mut [u8],
) -> Result<(), Error> {
    let level = Level::best();
    let groups = pixels.columns.div_ceil(GROUP);
    let Header {
        planes,
        levels: tables,
        mut values,
        mut escapes,
        ..
    } = header;
    memory.levels.resize(MAX_PARTS * groups, 0);
    memory.symbols.resize(MAX_PARTS * groups, 0);
    memory.places.resize(MAX_PARTS * groups, 0);
    words.resize(pixels.columns, W::default());
    for row in 0..pixels.frames * pixels.rows {
        let (frame, y) = (row / pixels.rows, row % pixels.rows);
        let first = row * pixels.columns;
        pixels.prefetch(first, pixels.columns, dst);
        memory.contexts.expect(level, frame, y);
        let coded = planes * groups;
        kernel::look_up(
            level,
            &tables,
            &memory.contexts.bins,
            &mut memory.levels[..coded],
        );
        let mut parts = planes;
        for plane in 0..memory.masks.len() {
            if memory.masks.has_residual(plane, row) {
                memory.levels[parts * groups..][..groups].fill(memory.masks.level(plane));
                parts += 1;
            }
        }
        let levels = &memory.levels[..parts * groups];
        let symbols = &mut memory.symbols[..parts * groups];
        decoder.decode(&TABLES.decode, levels, symbols)?;
        put_escapes(levels, symbols, &mut memory.places, &mut escapes)?;
        let mut part = planes;
        for plane in 0..memory.masks.len() {
            let has_residual = memory.masks.has_residual(plane, row);
            let residual = &memory.symbols[part * groups..][..groups];
            memory.masks.put_row(plane, row, residual);
            part += usize::from(has_residual);
        }
        let symbols = &memory.symbols[..coded];
        memory.contexts.learn(level, (frame, y), symbols);
        match pixels.words_in(first, pixels.columns, dst) {
            Some(bytes) => put_words::<W>(memory, planes, row, &mut values, bytes)?,
            None => {
                let mut bytes = std::mem::take(&mut memory.bytes);
                bytes.resize(pixels.columns * W::BYTES, 0);
                put_words::<W>(memory, planes, row, &mut values, &mut bytes)?;
                pixels.store_bytes(&bytes, words, first, dst);
                memory.bytes = bytes;
            }
        }
    }
    if !values.rest().is_empty() || !escapes.rest().is_empty() {
        return Err(escapes.damaged("escapes that no pixel uses"));
    }
    decoder.finish()
}

/// Replaces the symbols that stand for other bytes.
fn put_escapes(
    levels: &[u8],
    symbols: &mut [u8],
    places: &mut [u32],
    escapes: &mut Reader,
) -> Result<(), Error> {
    let count = places_from(Level::best(), symbols, ESCAPE, places);
    for &place in &places[..count] {
        let place = place as usize;
        if TABLES.most_ones[usize::from(levels[place])] < 8 {
            symbols[place] = escapes.byte()?;
        }
    }
    Ok(())
}

/// Turns the planes of a row into its words, little-endian, with the values that escaped and the special ones.
fn put_words<W: Word>(
    memory: &mut Memory,
    planes: usize,
    row: usize,
    values: &mut Reader,
    words: &mut [u8],
) -> Result<(), Error> {
    let level = Level::best();
    let groups = (words.len() / W::BYTES).div_ceil(GROUP);
    let coded = &memory.symbols[..planes * groups];
    if rows::words_of_planes::<W>(level, coded, planes, words) {
        memory.common.resize(groups, 0);
        kernel::common(level, coded, &mut memory.common);
        put_values::<W>(&memory.common, (1 << planes) - 1, values, words)?;
    }
    memory.masks.apply_to_bytes::<W>(row, words);
    Ok(())
}

/// Puts the values that escaped where pixels, flagged in `common`, have the limit.
fn put_values<W: Word>(
    common: &[u8],
    limit: u64,
    values: &mut Reader,
    words: &mut [u8],
) -> Result<(), Error> {
    let largest = u64::MAX >> (64 - 8 * W::BYTES);
    for (&common, words) in common.iter().zip(words.chunks_mut(GROUP * W::BYTES)) {
        let mut bits = common;
        while bits != 0 {
            let at = bits.trailing_zeros() as usize * W::BYTES;
            bits &= bits - 1;
            // Bits of the last group may be beyond the last pixel.
            let Some(word) = words.get_mut(at..at + W::BYTES) else {
                break;
            };
            let value = values.number()?;
            match value.checked_add(limit) {
                Some(value) if value <= largest => W::new(value as u32).to_le(word),
                _ => return Err(values.damaged("value larger than its type")),
            }
        }
    }
    Ok(())
}
