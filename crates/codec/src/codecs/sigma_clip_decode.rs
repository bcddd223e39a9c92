//! A frame of `sigma-clip` put together again from what is stored. The format is that of `sigma_clip.rs`; inside, pixels
//! lie in the order of `sigma_clip_geometry.rs`.

use super::sigma_clip::Header;
use super::sigma_clip_background::{Background, Limits, LimitsOf, Rule, Survivors};
use super::sigma_clip_geometry::{Geometry, Memory};
use super::sigma_clip_streams::{Reader, read_positions};
use super::sigma_clip_synthesis::{Synthesis, Totals};
use super::sigma_clip_totals::BinReader;
use crate::ByteOrder;
use crate::kernels::levels::Level;
use crate::kernels::noise::Count;
use crate::kernels::sigma_clip::{EXACT, MASKED, MAX_COUNT, inside};
use crate::numbers::BLOCK;

/// A run of equal masked pixels.
struct MaskedRun {
    start: usize,
    end: usize,
    bits: u64,
}

/// Decodes frame after frame.
pub(super) struct Decoder<'a> {
    pub geometry: &'a Geometry,
    pub rule: Rule,
    pub synthesis: Synthesis,
    pub order: ByteOrder,
    limits: Vec<Limits>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new<T: Count>(header: &Header, geometry: &'a Geometry, order: ByteOrder) -> Self {
        Self {
            geometry,
            rule: header.rule.for_counts_up_to(T::MOST),
            synthesis: Synthesis::new(header.draw, header.seed),
            order,
            limits: Vec::new(),
        }
    }

    /// Decodes one frame; `None` where a stream is damaged.
    pub(super) fn frame<T: Count>(
        &mut self,
        memory: &mut Memory,
        streams: &mut [Reader; 6],
        dst: &mut [u8],
    ) -> Option<()> {
        let pixels = &mut memory.pixels;
        pixels.clear();
        pixels.resize(dst.len() / T::BYTES, 0);
        let [masked, positions, values, bins @ ..] = streams;
        let runs = read_masked(masked, pixels.len())?;
        for run in &runs {
            for pixel in run.start..run.end {
                pixels[self.geometry.place(pixel)] = MASKED;
            }
        }
        let in_use: Vec<bool> = (0..self.geometry.bins)
            .map(|bin| {
                let found = inside(Level::best(), &pixels[self.geometry.bin(bin)], 0, 0, 0);
                found.count > 0
            })
            .collect();
        for pixel in read_positions(positions, pixels.len())? {
            let count = u32::try_from(values.number()?).ok()?;
            let place = &mut pixels[self.geometry.place(pixel)];
            if *place != 0 || count > MAX_COUNT {
                return None;
            }
            *place = EXACT | count;
        }
        self.draw(pixels, &in_use, bins)?;
        self.put_together::<T>(pixels, dst);
        for run in runs {
            for bytes in dst[run.start * T::BYTES..run.end * T::BYTES].chunks_exact_mut(T::BYTES) {
                T::from_bits(run.bits).write(bytes, self.order);
            }
        }
        Some(())
    }

    fn draw(&mut self, pixels: &mut [u32], in_use: &[bool], streams: &mut [Reader]) -> Option<()> {
        let [sums, zeros, windows] = streams else {
            return None;
        };
        let mut reader = BinReader::default();
        let mut bins = vec![(Totals::default(), Survivors::default()); self.geometry.bins];
        for (bin, stored) in bins.iter_mut().enumerate().filter(|(bin, _)| in_use[*bin]) {
            let of_bin = &pixels[self.geometry.bin(bin)];
            let drawn = inside(Level::best(), of_bin, 0, 0, 0).count;
            *stored = reader.read(drawn, [sums, zeros, windows])?;
            stored.1.add_exact(of_bin);
        }
        let background = Background::new(bins.iter().map(|(_, survivors)| survivors));
        for (bin, (totals, survivors)) in bins.iter().enumerate().filter(|(bin, _)| in_use[*bin]) {
            let room = &mut self.limits;
            let window = survivors.window();
            let limits = self
                .rule
                .limits(self.geometry, &background, bin, window, room);
            let pixels = &mut pixels[self.geometry.bin(bin)];
            if !all_can_be_drawn(pixels, limits) || !self.synthesis.bin(bin, pixels, limits, totals)
            {
                return None;
            }
        }
        Some(())
    }

    /// Writes all pixels in the order of the frame; masked ones with some value.
    fn put_together<T: Count>(&self, pixels: &[u32], dst: &mut [u8]) {
        let columns = self.geometry.shape.columns;
        let mut row_counts = vec![0; columns];
        let mut values = [T::default(); BLOCK];
        for (row, dst) in dst.chunks_mut((columns * T::BYTES).max(1)).enumerate() {
            self.geometry.gather(row, pixels, &mut row_counts);
            for (counts, dst) in row_counts
                .chunks(BLOCK)
                .zip(dst.chunks_mut(BLOCK * T::BYTES))
            {
                for (value, &count) in values.iter_mut().zip(counts) {
                    *value = T::from_count(i64::from(count & !EXACT));
                }
                crate::numbers::store(&values[..counts.len()], self.order, dst);
            }
        }
    }
}

/// Whether every pixel that is to be drawn has a count inside its limits.
fn all_can_be_drawn(pixels: &[u32], limits: LimitsOf) -> bool {
    match limits {
        LimitsOf::All(limits) => !limits.is_empty() || pixels.iter().all(|&pixel| pixel >= EXACT),
        LimitsOf::Each(each) => std::iter::zip(pixels, each)
            .all(|(&pixel, limits)| pixel >= EXACT || !limits.is_empty()),
    }
}

fn read_masked(stream: &mut Reader, pixels: usize) -> Option<Vec<MaskedRun>> {
    let mut runs = Vec::new();
    let mut next = 0usize;
    for _ in 0..stream.number()? {
        let start = next.checked_add(usize::try_from(stream.number()?).ok()?)?;
        let end = start
            .checked_add(usize::try_from(stream.number()?).ok()?)?
            .checked_add(1)?;
        if end > pixels {
            return None;
        }
        let bits = stream.number()?;
        runs.push(MaskedRun { start, end, bits });
        next = end;
    }
    Some(runs)
}
