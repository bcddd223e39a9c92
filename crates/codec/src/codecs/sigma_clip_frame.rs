//! A frame of `sigma-clip` taken apart into what is stored exactly and what is drawn, written to streams and read back.
//! The format is that of `sigma_clip.rs`.

use super::sigma_clip::{Clipping, Header};
use super::sigma_clip_background::{
    Background, Geometry, Limits, MASKED, MAX_COUNT, Rule, Survivors, clip,
};
use super::sigma_clip_streams::{Reader, Writer, read_positions, write_positions};
use super::sigma_clip_synthesis::{Totals, synthesise};
use crate::kernels::noise::Count;
use crate::{Context, Error};

/// A frame taken apart.
pub(super) struct Frame {
    pub survivors: Vec<Survivors>,
    pub background: Background,
    /// Pixels stored exactly, masked ones left out.
    pub kept: Vec<bool>,
    /// Limits of every pixel that is to be drawn.
    pub limits: Vec<Limits>,
    /// Totals of the pixels that are to be drawn.
    pub totals: Vec<Totals>,
    /// Pixels beyond their limits.
    pub outlier: Vec<bool>,
}

impl Frame {
    pub(super) fn new(
        counts: &[u32],
        geometry: &Geometry,
        rule: &Rule,
        clipping: &Clipping,
    ) -> Self {
        let survivors = clip(
            counts,
            &geometry.bin_of,
            geometry.bins,
            clipping.cutoff,
            clipping.cycles,
            true,
        );
        let background = Background::new(&survivors);
        let mut limits = rule.limits(geometry, &background);
        let outlier: Vec<bool> = counts
            .iter()
            .zip(&limits)
            .map(|(&count, limits)| count != MASKED && !limits.contains(count))
            .collect();
        let mut kept = dilated(&outlier, geometry.columns, clipping.dilate);
        let mut totals = vec![Totals::default(); geometry.bins];
        for (pixel, &count) in counts.iter().enumerate() {
            let bin = geometry.bin_of[pixel] as usize;
            let window = within(limits[pixel], &survivors[bin]);
            kept[pixel] = count != MASKED && (kept[pixel] || !window.contains(count));
            limits[pixel] = window;
            if kept[pixel] || count == MASKED {
                limits[pixel] = Limits::EXACT;
            } else {
                totals[bin].pixels += 1;
                totals[bin].sum += u64::from(count);
                totals[bin].zeros += u64::from(count == 0);
            }
        }
        Self {
            survivors,
            background,
            kept,
            limits,
            totals,
            outlier,
        }
    }
}

/// Limits inside the window of clipping.
fn within(limits: Limits, survivors: &Survivors) -> Limits {
    Limits {
        low: limits.low.max(survivors.low),
        high: limits.high.min(survivors.high),
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

/// The streams of a payload.
#[derive(Default)]
pub(super) struct Streams {
    masked: Writer,
    positions: Writer,
    values: Writer,
    sums: Writer,
    zeros: Writer,
    windows: Writer,
}

impl Streams {
    pub(super) fn write<T: Count>(
        &mut self,
        values: &[T],
        counts: &[u32],
        geometry: &Geometry,
        frame: &Frame,
    ) {
        self.write_masked(values, counts);
        write_positions(&mut self.positions, &frame.kept);
        for (&count, _) in counts.iter().zip(&frame.kept).filter(|(_, kept)| **kept) {
            self.values.number(u64::from(count));
        }
        let in_use = bins_in_use(geometry, counts.iter().map(|&count| count != MASKED));
        let mut predictor = Predictor::default();
        for ((totals, survivors), _) in frame
            .totals
            .iter()
            .zip(&frame.survivors)
            .zip(in_use)
            .filter(|(_, in_use)| *in_use)
        {
            let (sum, zeros) = predictor.expected(totals.pixels);
            self.sums.signed(totals.sum as i64 - sum);
            self.zeros.signed(totals.zeros as i64 - zeros);
            self.windows
                .signed(i64::from(survivors.low) - predictor.low);
            self.windows
                .signed(i64::from(survivors.high) - predictor.high);
            predictor.learn(totals, survivors.low, survivors.high);
        }
    }

    fn write_masked<T: Count>(&mut self, values: &[T], counts: &[u32]) {
        let mut runs = Vec::new();
        let mut pixel = 0;
        while pixel < counts.len() {
            let bits = values[pixel].to_bits();
            let run = if counts[pixel] == MASKED {
                let same = |&at: &usize| counts[at] == MASKED && values[at].to_bits() == bits;
                (pixel..counts.len()).take_while(same).count()
            } else {
                0
            };
            if run > 0 {
                runs.push((pixel, run, bits));
            }
            pixel += run.max(1);
        }
        self.masked.number(runs.len() as u64);
        let mut next = 0;
        for (start, run, bits) in runs {
            self.masked.number((start - next) as u64);
            self.masked.number(run as u64 - 1);
            self.masked.number(bits);
            next = start + run;
        }
    }

    pub(super) fn payload(&self, context: &mut Context, header: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut payload = header;
        let Self {
            masked,
            positions,
            values,
            sums,
            zeros,
            windows,
        } = self;
        for stream in [masked, positions, values, sums, zeros, windows] {
            stream.pack(context, &mut payload)?;
        }
        Ok(payload)
    }
}

/// Bins with a pixel that is not masked.
fn bins_in_use(geometry: &Geometry, counts: impl Iterator<Item = bool>) -> Vec<bool> {
    let mut in_use = vec![false; geometry.bins];
    for (&bin, _) in geometry
        .bin_of
        .iter()
        .zip(counts)
        .filter(|(_, counts)| *counts)
    {
        in_use[bin as usize] = true;
    }
    in_use
}

/// Totals of a bin as those of the bin before suggest.
#[derive(Default)]
struct Predictor {
    totals: Totals,
    low: i64,
    high: i64,
}

impl Predictor {
    fn expected(&self, pixels: u64) -> (i64, i64) {
        let scaled = |total: u64| {
            let scaled = u128::from(total) * u128::from(pixels);
            (scaled / u128::from(self.totals.pixels.max(1))) as i64
        };
        (scaled(self.totals.sum), scaled(self.totals.zeros))
    }

    fn learn(&mut self, totals: &Totals, low: u32, high: u32) {
        (self.totals, self.low, self.high) = (*totals, i64::from(low), i64::from(high));
    }
}

/// Decodes one frame; `None` where a stream is damaged.
pub(super) fn read_frame<T: Count>(
    streams: &mut [Reader],
    header: &Header,
    geometry: &Geometry,
    values: &mut [T],
) -> Option<()> {
    let [masked, positions, kept_values, sums, zeros, windows] = streams else {
        return None;
    };
    let mut exact = vec![false; values.len()];
    read_masked(masked, values, &mut exact)?;
    let in_use = bins_in_use(geometry, exact.iter().map(|masked| !masked));
    let mut kept = Vec::new();
    for pixel in read_positions(positions, values.len())? {
        let count = u32::try_from(kept_values.number()?).ok()?;
        if std::mem::replace(&mut exact[pixel], true) {
            return None;
        }
        values[pixel] = T::from_count(i64::from(count));
        kept.push((geometry.bin_of[pixel] as usize, count));
    }
    let mut totals = vec![Totals::default(); geometry.bins];
    for (&bin, _) in geometry
        .bin_of
        .iter()
        .zip(&exact)
        .filter(|(_, exact)| !**exact)
    {
        totals[bin as usize].pixels += 1;
    }
    let mut survivors = vec![Survivors::default(); geometry.bins];
    let mut predictor = Predictor::default();
    for (bin, _) in in_use.iter().enumerate().filter(|(_, in_use)| **in_use) {
        let (totals, survivors) = (&mut totals[bin], &mut survivors[bin]);
        read_bin(totals, survivors, &predictor, sums, zeros, windows)?;
        predictor.learn(totals, survivors.low, survivors.high);
    }
    for (bin, count) in kept {
        let survivors = &mut survivors[bin];
        if (survivors.low..=survivors.high).contains(&count) {
            survivors.add(count);
        }
    }
    let rule = header.rule.for_counts_up_to(T::MOST);
    let mut limits = rule.limits(geometry, &Background::new(&survivors));
    for (pixel, limits) in limits.iter_mut().enumerate() {
        let bin = geometry.bin_of[pixel] as usize;
        *limits = if exact[pixel] {
            Limits::EXACT
        } else {
            within(*limits, &survivors[bin])
        };
        if !exact[pixel] && limits.is_exact() {
            return None;
        }
    }
    let mut counts = vec![0; values.len()];
    synthesise(
        &mut counts,
        &limits,
        geometry,
        &totals,
        header.draw,
        header.seed,
    )
    .then_some(())?;
    for (pixel, value) in values
        .iter_mut()
        .enumerate()
        .filter(|(pixel, _)| !exact[*pixel])
    {
        *value = T::from_count(i64::from(counts[pixel]));
    }
    Some(())
}

fn read_masked<T: Count>(stream: &mut Reader, values: &mut [T], exact: &mut [bool]) -> Option<()> {
    let mut next = 0usize;
    for _ in 0..stream.number()? {
        let start = next.checked_add(usize::try_from(stream.number()?).ok()?)?;
        let end = start
            .checked_add(usize::try_from(stream.number()?).ok()?)?
            .checked_add(1)?;
        values
            .get_mut(start..end)?
            .fill(T::from_bits(stream.number()?));
        exact[start..end].fill(true);
        next = end;
    }
    Some(())
}

fn read_bin(
    totals: &mut Totals,
    survivors: &mut Survivors,
    predictor: &Predictor,
    sums: &mut Reader,
    zeros: &mut Reader,
    windows: &mut Reader,
) -> Option<()> {
    let (sum, expected_zeros) = predictor.expected(totals.pixels);
    let largest = totals.pixels.checked_mul(u64::from(MAX_COUNT))?;
    let total = |stream: &mut Reader, expected: i64, most: u64| {
        let total = u64::try_from(stream.signed()?.checked_add(expected)?).ok()?;
        (total <= most).then_some(total)
    };
    totals.sum = total(sums, sum, largest)?;
    totals.zeros = total(zeros, expected_zeros, totals.pixels)?;
    let window = |stream: &mut Reader, before: i64| {
        u32::try_from(stream.signed()?.checked_add(before)?).ok()
    };
    *survivors = Survivors {
        count: totals.pixels,
        sum: totals.sum,
        zeros: totals.zeros,
        low: window(windows, predictor.low)?,
        high: window(windows, predictor.high)?,
    };
    Some(())
}
