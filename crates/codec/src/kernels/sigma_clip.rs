//! Loops of the `sigma-clip` codec over the pixels of one bin.
//!
//! A pixel is a u32: a count below [`EXACT`]; with that bit set, a count that is stored exactly; or [`MASKED`]. All
//! arithmetic is on integers, or one IEEE operation at a time, so every level gives the same bits.

use crate::kernels::levels::levels;

/// Marks a pixel that is stored exactly.
pub(crate) const EXACT: u32 = 1 << 31;
/// A pixel that is no count or is masked.
pub(crate) const MASKED: u32 = u32::MAX;
/// Greatest count; counts beyond are treated as masked.
pub(crate) const MAX_COUNT: u32 = MASKED - EXACT - 1;

/// Pixels of a bin inside a window of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inside {
    pub count: u64,
    pub sum: u64,
    pub zeros: u64,
    pub greatest: u32,
}

/// Adds up the pixels with a count in `low..=high`, after `bits` were taken off them.
#[inline(always)]
fn inside_kernel(pixels: &[u32], bits: u32, low: u32, high: u32) -> Inside {
    let mut inside = Inside::default();
    if low > high {
        return inside;
    }
    // 32-bit accumulators of so few pixels cannot overflow, but for the sum.
    for pixels in pixels.chunks(1 << 12) {
        let (mut count, mut zeros, mut sum) = (0u32, 0u32, 0u64);
        let width = high - low;
        for &pixel in pixels {
            let pixel = pixel ^ bits;
            let is_inside = pixel.wrapping_sub(low) <= width;
            let value = if is_inside { pixel } else { 0 };
            count += u32::from(is_inside);
            zeros += u32::from(is_inside & (pixel == 0));
            sum += u64::from(value);
            inside.greatest = inside.greatest.max(value);
        }
        inside.count += u64::from(count);
        inside.zeros += u64::from(zeros);
        inside.sum += sum;
    }
    inside
}
levels!(pub(crate) fn inside(pixels: &[u32], bits: u32, low: u32, high: u32) -> Inside = inside_kernel);

/// Marks counts outside `low..=high`.
#[inline(always)]
fn mark_kernel(pixels: &mut [u32], low: u32, high: u32) {
    if low > high {
        pixels.iter_mut().for_each(|pixel| *pixel |= EXACT);
        return;
    }
    let width = high - low;
    for pixel in pixels {
        let mark = if pixel.wrapping_sub(low) <= width {
            0
        } else {
            EXACT
        };
        *pixel |= mark;
    }
}
levels!(pub(crate) fn mark(pixels: &mut [u32], low: u32, high: u32) = mark_kernel);

/// Replaces every offset that is `len`, and every count that is `mask`, by [`MASKED`]; returns whether any is.
#[inline(always)]
fn masked_kernel(counts: &mut [u32], len: u32, masks: &[u32]) -> bool {
    let mut any = false;
    for count in counts.iter_mut() {
        *count = if *count >= len { MASKED } else { *count };
        any |= *count == MASKED;
    }
    for &mask in masks {
        for count in counts.iter_mut() {
            *count = if *count == mask { MASKED } else { *count };
            any |= *count == MASKED;
        }
    }
    any
}
levels!(pub(crate) fn masked(counts: &mut [u32], len: u32, masks: &[u32]) -> bool = masked_kernel);

/// 32 random bits by counter: two rounds of the mixer of Wellons's hash-prospector (`21f0aaad`, `d35a2d97`,
/// <https://github.com/skeeto/hash-prospector>), each with half of the key. In 32 bits, because 64-bit products are
/// slow in vectors.
#[inline(always)]
pub(crate) fn random32(key: u64, counter: u32) -> u32 {
    let mut x = counter.wrapping_mul(0x9E37_79B9).wrapping_add(key as u32);
    x = (x ^ (x >> 16)).wrapping_mul(0x21F0_AAAD);
    x ^= x >> 15;
    x = x.wrapping_add((key >> 32) as u32);
    x = (x ^ (x >> 16)).wrapping_mul(0xD35A_2D97);
    x ^ (x >> 15)
}

/// Draws every pixel that is not marked from an alias table: the upper half of (random · cells) is the cell, the lower
/// half decides between the cell's own count `first + cell` and the other, which stands above the cell's threshold.
#[inline(always)]
fn draw_kernel(cells: &[u64], first: u32, key: u64, pixels: &mut [u32]) {
    let Some(last) = cells.len().checked_sub(1) else {
        return;
    };
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let drawn = first + alias(cells, last, random32(key, i as u32));
        *pixel = if *pixel >= EXACT { *pixel } else { drawn };
    }
}
levels!(pub(crate) fn draw(cells: &[u64], first: u32, key: u64, pixels: &mut [u32]) = draw_kernel);

/// The cell that a random number hits, or the one it gives way to.
#[inline(always)]
pub(crate) fn alias(cells: &[u64], last: usize, random: u32) -> u32 {
    let product = u64::from(random) * (last as u64 + 1);
    let number = (product >> 32) as usize;
    let cell = cells[number.min(last)];
    let own = (product as u32) < cell as u32;
    if own {
        number as u32
    } else {
        (cell >> 32) as u32
    }
}

/// Draws every pixel that is not marked from a normal distribution: an alias table of cells of `width` std around 0 and a
/// second random number for the position inside the cell; half a count is added and the fraction cut off.
#[inline(always)]
fn draw_normal_kernel(cells: &[u64], width: f64, spread: [f64; 2], key: u64, pixels: &mut [u32]) {
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let drawn = normal(cells, width, spread, key, i as u32);
        *pixel = if *pixel >= EXACT { *pixel } else { drawn };
    }
}
levels!(pub(crate) fn draw_normal(cells: &[u64], width: f64, spread: [f64; 2], key: u64, pixels: &mut [u32])
    = draw_normal_kernel);

/// A count of mean and std `spread`.
#[inline(always)]
pub(crate) fn normal(
    cells: &[u64],
    width: f64,
    [mean, std]: [f64; 2],
    key: u64,
    counter: u32,
) -> u32 {
    let Some(last) = cells.len().checked_sub(1) else {
        return 0;
    };
    let cell = alias(cells, last, random32(key, counter));
    let inside = f64::from(random32(key.rotate_left(32), counter)) / 4_294_967_296.0;
    let from_middle = f64::from(cell) + inside - cells.len() as f64 * 0.5;
    let value = mean + 0.5 + std * (from_middle * width);
    value.clamp(0.0, f64::from(MAX_COUNT)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::levels::Level;

    fn pixels(len: usize) -> Vec<u32> {
        (0..len as u32)
            .map(|i| match random32(3, i) % 11 {
                0 => MASKED,
                1 => EXACT | (i % 50),
                2 => 0,
                _ => random32(5, i) % 40,
            })
            .collect()
    }

    #[test]
    fn levels_agree_with_the_plain_loop() {
        for level in Level::available() {
            eprintln!("ran at {}", level.name());
            for len in (0..=130).chain([5000]) {
                let pixels = &pixels(len + 1)[1..];
                let found = inside(level, pixels, 0, 3, 30);
                let window = || pixels.iter().filter(|p| (3..=30).contains(*p));
                assert_eq!(found.count, window().count() as u64);
                assert_eq!(found.sum, window().map(|&p| u64::from(p)).sum::<u64>());
                assert_eq!(found.greatest, window().copied().max().unwrap_or(0));
                let zeros = pixels.iter().filter(|p| **p == 0).count() as u64;
                assert_eq!(inside(level, pixels, 0, 0, 30).zeros, zeros);
                let (mut marked, mut hidden) = (pixels.to_vec(), pixels.to_vec());
                mark(level, &mut marked, 3, 30);
                let expected = |p: &u32| if (3..=30).contains(p) { *p } else { p | EXACT };
                assert!(marked.iter().copied().eq(pixels.iter().map(expected)));
                let any = masked(level, &mut hidden, 30, &[4]);
                let is_masked = |p: &u32| *p >= 30 || *p == 4;
                assert_eq!(any, pixels.iter().any(is_masked));
                for (hidden, pixel) in hidden.iter().zip(pixels) {
                    assert_eq!(*hidden == MASKED, is_masked(pixel));
                }
                let cells = [1u64 << 31, 0x8000_0000, 7 << 32 | 9];
                let mut drawn = pixels.to_vec();
                draw(level, &cells, 10, 77, &mut drawn);
                for (i, (&drawn, &pixel)) in drawn.iter().zip(pixels).enumerate() {
                    let cell = alias(&cells, 2, random32(77, i as u32));
                    assert_eq!(drawn, if pixel >= EXACT { pixel } else { 10 + cell });
                }
            }
        }
    }

    #[test]
    fn random_numbers_are_balanced_and_neighbours_are_unrelated() {
        let n = 1 << 20;
        for key in [0, 1, 1 << 32, 0x1234_5678_9ABC_DEF0] {
            let uniform = |i: u32| f64::from(random32(key, i)) / 4_294_967_296.0 - 0.5;
            let (mut sum, mut squares) = (0.0, 0.0);
            let mut products = [0.0; 4];
            for i in 0..n {
                let u = uniform(i);
                sum += u;
                squares += u * u;
                for (product, lag) in products.iter_mut().zip([1, 2, 64, 1024]) {
                    *product += u * uniform(i + lag);
                }
            }
            let n = f64::from(n);
            assert!((sum / n).abs() < 5.0 * (1.0 / 12.0 / n).sqrt(), "{key}");
            assert!((squares / n - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / n).sqrt());
            for product in products {
                assert!(
                    (product / n).abs() < 5.0 / 12.0 / n.sqrt(),
                    "{key} {product}"
                );
            }
        }
        let flips = |bit: u32| {
            let differ = |i: u32| (random32(9, i) ^ random32(9, i ^ 1 << bit)).count_ones();
            (0..4096).map(differ).sum::<u32>() as f64 / 4096.0
        };
        for bit in 0..20 {
            assert!((flips(bit) - 16.0).abs() < 0.5, "{bit} {}", flips(bit));
        }
    }
}
