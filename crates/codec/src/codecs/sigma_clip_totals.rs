//! Totals and windows of the bins of `sigma-clip`, written less what the bin before suggests.

use super::sigma_clip_background::Survivors;
use super::sigma_clip_streams::{Reader, Writer};
use super::sigma_clip_synthesis::Totals;
use crate::kernels::sigma_clip::MAX_COUNT;

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

/// The bins of one frame being written.
#[derive(Default)]
pub(super) struct BinWriter {
    predictor: Predictor,
}

impl BinWriter {
    pub(super) fn write(
        &mut self,
        totals: &Totals,
        survivors: &Survivors,
        [sums, zeros, windows]: [&mut Writer; 3],
    ) {
        let (expected_sum, expected_zeros) = self.predictor.expected(totals.pixels);
        sums.signed(totals.sum as i64 - expected_sum);
        zeros.signed(totals.zeros as i64 - expected_zeros);
        windows.signed(i64::from(survivors.low) - self.predictor.low);
        windows.signed(i64::from(survivors.high) - self.predictor.high);
        self.predictor.learn(totals, survivors.low, survivors.high);
    }
}

/// The bins of one frame being read.
#[derive(Default)]
pub(super) struct BinReader {
    predictor: Predictor,
}

impl BinReader {
    /// Totals of a bin of which `pixels` are drawn, and these as what survives; `None` where they are damaged.
    pub(super) fn read(
        &mut self,
        pixels: u64,
        [sums, zeros, windows]: [&mut Reader; 3],
    ) -> Option<(Totals, Survivors)> {
        let (expected_sum, expected_zeros) = self.predictor.expected(pixels);
        let largest = pixels.checked_mul(u64::from(MAX_COUNT))?;
        let total = |stream: &mut Reader, expected: i64, most: u64| {
            let total = u64::try_from(stream.signed()?.checked_add(expected)?).ok()?;
            (total <= most).then_some(total)
        };
        let totals = Totals {
            pixels,
            sum: total(sums, expected_sum, largest)?,
            zeros: total(zeros, expected_zeros, pixels)?,
        };
        let window = |stream: &mut Reader, before: i64| {
            let count = u32::try_from(stream.signed()?.checked_add(before)?).ok()?;
            (count <= MAX_COUNT).then_some(count)
        };
        let survivors = Survivors {
            count: pixels,
            sum: totals.sum,
            zeros: totals.zeros,
            low: window(windows, self.predictor.low)?,
            high: window(windows, self.predictor.high)?,
        };
        self.predictor.learn(&totals, survivors.low, survivors.high);
        Some((totals, survivors))
    }
}
