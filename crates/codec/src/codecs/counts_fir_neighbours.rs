//! What pixels that models 2 and 3 of `counts` do not look at might save.

use super::counts_fir::{self as model, MAPPED_BINS};
use super::counts_pixels::Pixels;
use crate::kernels::counts_fir::BINS;

/// About how many bits might be saved, of a sample whose values were expected last, if the pixel to the left and the
/// same pixel of the frame before were looked at as well.
///
/// Of two sorts of pixels, small and large ones in the middle of what their context has, that bits are told apart by what
/// contexts leave open: the information that two sorts share is half the square of their correlation.
pub(super) fn gain_of_neighbours(memory: &mut model::Memory, pixels: &Pixels) -> f64 {
    let own = &mut memory.encoder;
    let len = pixels.len();
    let (bins, symbols) = (&own.bins[..len], &own.symbols[..len]);
    // Which sort a symbol is cannot be foreseen: tables, for want of branches.
    let mut first_large = [0; BINS];
    let mut of_sorts = [[0.0; 2]; BINS];
    let counts = own.counts[0].0[..own.counted].chunks_exact(own.width);
    for ((first_large, of_sorts), counts) in first_large
        .iter_mut()
        .zip(&mut of_sorts)
        .zip(counts)
        .take(MAPPED_BINS)
    {
        (*first_large, *of_sorts) = sorts(counts);
    }
    own.deviations.clear();
    own.deviations
        .extend(bins.iter().zip(symbols).map(|(&bin, &symbol)| {
            let is_large = symbol >= first_large[usize::from(bin)];
            of_sorts.as_flattened()[2 * usize::from(bin) + usize::from(is_large)]
        }));
    let deviations = &own.deviations;
    let information = |distance: usize| {
        let later = deviations.get(distance..).unwrap_or(&[]);
        let correlation = f64::from(sum_of_products(deviations, later)) / len as f64;
        0.5 * correlation * correlation * std::f64::consts::LOG2_E
    };
    let frame = pixels.rows * pixels.columns;
    len as f64 * (information(1) + information(frame))
}

/// Of the numbers at the same places, as far as there are both; in sixteen sums, none of which waits for another.
fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    let blocks = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
    for (a, b) in blocks {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// The first large symbol of a bin, and what small and large ones deviate by from the mean, in standard deviations.
fn sorts(counts: &[u32]) -> (u8, [f32; 2]) {
    let total: u32 = counts.iter().sum();
    let (mut small, mut first_large) = (counts[0], 1);
    while 2 * small < total {
        small += counts[first_large];
        first_large += 1;
    }
    let large = total - small;
    let deviations = match (small, large) {
        (0, _) | (_, 0) => [0.0; 2],
        _ => {
            let odds = large as f32 / small as f32;
            [-odds.sqrt(), odds.sqrt().recip()]
        }
    };
    (first_large as u8, deviations)
}
