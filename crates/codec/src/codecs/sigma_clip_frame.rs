//! A frame of `sigma-clip` taken apart into what is stored exactly and what is drawn. The format is that of
//! `sigma_clip.rs`; inside, pixels lie in the order of `sigma_clip_geometry.rs`.

use super::noise_encode::Meter;
use super::sigma_clip::{Clipping, Header};
use super::sigma_clip_background::{Background, Limits, LimitsOf, Rule, Survivors, clip};
use super::sigma_clip_checks::Witness;
use super::sigma_clip_geometry::{Geometry, Memory};
use super::sigma_clip_streams::{MaskedRuns, Positions, Writer};
use super::sigma_clip_synthesis::{Synthesis, Totals};
use super::sigma_clip_totals::BinWriter;
use crate::kernels::levels::Level;
use crate::kernels::noise::{Count, offsets};
use crate::kernels::sigma_clip::{EXACT, MASKED, MAX_COUNT, mark, masked};
use crate::lattice::Model;
use crate::numbers::{BLOCK, ExactValues, load};
use crate::{ByteOrder, Context, Error, Tally};

/// Which values of an element type are counts.
pub(super) struct Counts {
    /// One more than the greatest count.
    end: u32,
    /// Counts that are masked.
    masks: Vec<u32>,
}

impl Counts {
    pub(super) fn new<T: Count>(exact: &ExactValues<T>) -> Self {
        let count = |&bits: &u64| u32::try_from(T::from_bits(bits).count()?).ok();
        Self {
            end: T::MOST.min(i64::from(MAX_COUNT)) as u32 + 1,
            masks: exact.bits().iter().filter_map(count).collect(),
        }
    }

    /// Counts of values, [`MASKED`] where a value is none; whether there is such.
    pub(super) fn of<T: Count>(&self, values: &[T], counts: &mut [u32]) -> bool {
        offsets(Level::best(), values, 0, self.end, counts);
        masked(Level::best(), counts, self.end, &self.masks)
    }
}

/// The streams of a payload.
#[derive(Default)]
struct Streams {
    masked: Writer,
    positions: Writer,
    values: Writer,
    sums: Writer,
    zeros: Writer,
    windows: Writer,
}

/// Encodes frame after frame.
pub(super) struct Encoder<'a> {
    geometry: &'a Geometry,
    rule: Rule,
    clipping: &'a Clipping,
    counts: Counts,
    order: ByteOrder,
    synthesis: Synthesis,
    streams: Streams,
    meter: Meter,
    pub witness: Witness,
    kept: u64,
    /// Those of them that are kept only for an outlier nearby.
    nearby: u64,
    room: Vec<Limits>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new<T: Count>(
        header: &Header,
        clipping: &'a Clipping,
        geometry: &'a Geometry,
        exact: &ExactValues<T>,
        order: ByteOrder,
    ) -> Self {
        let rule = header.rule.for_counts_up_to(T::MOST);
        Self {
            geometry,
            rule,
            clipping,
            counts: Counts::new(exact),
            order,
            synthesis: Synthesis::new(header.draw, header.seed),
            streams: Streams::default(),
            meter: Meter::new(Model::counts(1.0)),
            witness: Witness::new(rule),
            kept: 0,
            nearby: 0,
            room: Vec::new(),
        }
    }

    /// Encodes a frame; `None` where it cannot be drawn again.
    pub(super) fn frame<T: Count>(&mut self, memory: &mut Memory, bytes: &[u8]) -> Option<()> {
        let geometry = self.geometry;
        memory.pixels.resize(bytes.len() / T::BYTES, 0);
        self.load::<T>(&mut memory.pixels, bytes);
        let (pixels, means) = (&mut memory.pixels[..], &mut memory.means);
        let survivors: Vec<Survivors> = (0..geometry.bins)
            .map(|bin| {
                let (cutoff, cycles) = (self.clipping.cutoff, self.clipping.cycles);
                clip(&pixels[geometry.bin(bin)], cutoff, cycles, true)
            })
            .collect();
        let background = Background::new(survivors.iter());
        means.resize(pixels.len(), 0.0);
        for bin in 0..geometry.bins {
            background.means(geometry, bin, &mut means[geometry.bin(bin)]);
        }
        if self.clipping.dilate > 0 {
            self.mark_around_outliers(pixels, &background);
        }
        self.draw(pixels, &survivors, &background)?;
        self.put_together::<T>(memory, bytes)?;
        let (counts, order) = (&self.counts, self.order);
        self.witness.look(geometry, memory, |row, room| {
            counts.row::<T>(bytes, order, row, room)
        });
        Some(())
    }

    /// Brings the counts of a frame to their places and writes the runs of masked ones.
    fn load<T: Count>(&mut self, pixels: &mut [u32], bytes: &[u8]) {
        let columns = self.geometry.shape.columns;
        let mut runs = MaskedRuns::default();
        let (mut values, mut counts) = (vec![T::default(); columns], vec![0; columns]);
        for (row, bytes) in bytes.chunks((columns * T::BYTES).max(1)).enumerate() {
            load(bytes, self.order, &mut values);
            if self.counts.of(&values, &mut counts) {
                runs.add(row * columns, &values, &counts);
            }
            self.geometry.scatter(row, &counts, pixels);
        }
        runs.write(&mut self.streams.masked);
    }

    /// Marks outliers and the pixels near them, where more than outliers are to be kept.
    fn mark_around_outliers(&mut self, pixels: &mut [u32], background: &Background) {
        let (geometry, columns) = (self.geometry, self.geometry.shape.columns);
        let mut outliers = vec![false; pixels.len()];
        for bin in 0..geometry.bins {
            let limits = self
                .rule
                .limits(geometry, background, bin, Limits::ALL, &mut self.room);
            let of_bin = geometry.bin(bin);
            let found = std::iter::zip(&pixels[of_bin.clone()], &mut outliers[of_bin]);
            for (at, (&count, outlier)) in found.enumerate() {
                *outlier = count != MASKED && !limits.at(at).contains(count);
            }
        }
        let mut in_frame = vec![false; pixels.len()];
        for (row, outlier) in in_frame.chunks_mut(columns).enumerate() {
            geometry.gather(row, &outliers, outlier);
        }
        let near = dilated(&in_frame, columns, self.clipping.dilate);
        let set = |set: &[bool]| set.iter().filter(|set| **set).count() as u64;
        self.nearby += set(&near) - set(&in_frame);
        for (row, near) in near.chunks(columns).enumerate() {
            geometry.scatter(row, near, &mut outliers);
        }
        for (pixel, near) in pixels.iter_mut().zip(outliers) {
            *pixel |= if near { EXACT } else { 0 };
        }
    }

    /// Marks what is stored exactly, writes the bins and draws the rest.
    fn draw(
        &mut self,
        pixels: &mut [u32],
        survivors: &[Survivors],
        background: &Background,
    ) -> Option<()> {
        let mut writer = BinWriter::default();
        for (bin, survivors) in survivors.iter().enumerate() {
            let pixels = &mut pixels[self.geometry.bin(bin)];
            if survivors.count == 0 && pixels.iter().all(|&pixel| pixel == MASKED) {
                continue;
            }
            let window = survivors.window();
            let room = &mut self.room;
            let limits = self
                .rule
                .limits(self.geometry, background, bin, window, room);
            match limits {
                LimitsOf::All(limits) => mark(Level::best(), pixels, limits.low, limits.high),
                LimitsOf::Each(each) => {
                    for (pixel, limits) in pixels.iter_mut().zip(each) {
                        *pixel |= if limits.contains(*pixel) { 0 } else { EXACT };
                    }
                }
            }
            let totals = Totals::of(pixels);
            let Streams {
                sums,
                zeros,
                windows,
                ..
            } = &mut self.streams;
            writer.write(&totals, survivors, [sums, zeros, windows]);
            self.witness.expect(&totals, limits);
            if !self.synthesis.bin(bin, pixels, limits, &totals) {
                return None;
            }
        }
        Some(())
    }

    /// Compares the frame with what it decodes to, and writes the pixels that are kept; `None` where a drawn pixel would
    /// be a masked one.
    fn put_together<T: Count>(&mut self, memory: &mut Memory, bytes: &[u8]) -> Option<()> {
        let columns = self.geometry.shape.columns;
        let mut positions = Positions::new(memory.pixels.len());
        memory.strong.clear();
        memory.strong.resize(memory.pixels.len(), 0);
        let mut row_pixels = vec![0; columns];
        let (mut original, mut decoded) = ([T::default(); BLOCK], [T::default(); BLOCK]);
        for (row, bytes) in bytes.chunks((columns * T::BYTES).max(1)).enumerate() {
            self.geometry.gather(row, &memory.pixels, &mut row_pixels);
            let blocks = row_pixels.chunks(BLOCK).zip(bytes.chunks(BLOCK * T::BYTES));
            for (pixels, bytes) in blocks {
                let len = load(bytes, self.order, &mut original);
                for ((decoded, &original), &pixel) in decoded.iter_mut().zip(&original).zip(pixels)
                {
                    let drawn = T::from_count(i64::from(pixel & !EXACT));
                    *decoded = if pixel == MASKED { original } else { drawn };
                }
                let is_mask = |pixel: &u32| self.counts.masks.contains(pixel);
                if !self.counts.masks.is_empty() && pixels.iter().any(is_mask) {
                    return None;
                }
                self.meter
                    .add(&original[..len], &decoded[..len], self.order);
            }
            for (column, &pixel) in row_pixels.iter().enumerate() {
                if pixel >= EXACT && pixel != MASKED {
                    let (position, count) = (row * columns + column, pixel & !EXACT);
                    positions.add(position);
                    self.streams.values.number(u64::from(count));
                    let mean = memory.means[self.geometry.place(position)];
                    memory.strong[position] = u8::from(self.witness.is_strong(count, mean));
                }
            }
        }
        self.kept += positions.len();
        positions.write(&mut self.streams.positions);
        Some(())
    }

    /// An error where the background is none of counts.
    pub(super) fn refuse(&self) -> Result<(), Error> {
        self.witness.refuse(self.kept.saturating_sub(self.nearby))
    }

    /// The payload behind its header, the loss and the checksum of what it decodes to.
    pub(super) fn finish(
        self,
        context: &mut Context,
        mut payload: Vec<u8>,
    ) -> Result<(Vec<u8>, Tally, u32), Error> {
        let Streams {
            masked,
            positions,
            values,
            sums,
            zeros,
            windows,
        } = &self.streams;
        for stream in [masked, positions, values, sums, zeros, windows] {
            stream.pack(context, &mut payload)?;
        }
        let (mut loss, decoded_crc) = self.meter.finish();
        loss.exceptions = self.kept;
        Ok((payload, loss, decoded_crc))
    }
}

impl Counts {
    /// Counts of a row of a frame.
    fn row<T: Count>(&self, bytes: &[u8], order: ByteOrder, row: usize, counts: &mut [u32]) {
        let mut values = [T::default(); BLOCK];
        let start = row * counts.len();
        for (block, counts) in counts.chunks_mut(BLOCK).enumerate() {
            let start = (start + block * BLOCK) * T::BYTES;
            let bytes = &bytes[start..start + counts.len() * T::BYTES];
            let len = load(bytes, order, &mut values);
            self.of(&values[..len], counts);
        }
    }
}

/// All pixels within `reach` rows and columns of a set one.
pub(super) fn dilated(set: &[bool], columns: usize, reach: usize) -> Vec<bool> {
    let mut result = set.to_vec();
    if reach == 0 || columns == 0 {
        return result;
    }
    let rows = set.len() / columns;
    for position in (0..set.len()).filter(|&position| set[position]) {
        let (row, column) = (position / columns, position % columns);
        for row in row.saturating_sub(reach)..(row + reach + 1).min(rows) {
            let first = row * columns + column.saturating_sub(reach);
            let last = row * columns + (column + reach).min(columns - 1);
            result[first..=last].fill(true);
        }
    }
    result
}
