//! The noise of a detector, estimated from what it measured: σ² = gain · max(x − offset, 0) + read².
//!
//! In blocks of 8 × 8 pixels the noise is what a pixel differs from the mean of its four neighbours; its variance is 5/4 of
//! the pixel's. The same is done with the difference of two frames that follow each other, whose variance is twice that of
//! either: a pattern that is fixed to the detector cancels there, one that is sharp in space may not in the first. The
//! smaller of the two counts. Blocks are sorted by their mean into classes of equal number, the median variance of each class is taken,
//! since structure makes single blocks larger, and a line is fitted through the classes. Noise that is correlated between
//! neighbours is underestimated, which makes a codec that follows it lose less.

use etalon_metrics::{Frames, Noise};

use super::search::three_digits;

/// Edge of a block in pixels.
const BLOCK: usize = 8;
/// Classes by mean.
const CLASSES: usize = 24;
/// Blocks that are looked at, at most.
const MOST_BLOCKS: usize = 1 << 16;
/// Below so many counts a quantity of integers is taken for photons.
const PHOTONS: f64 = 30.0;
/// Means that differ by less than this factor say nothing about a slope.
const NARROW: f64 = 1.3;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The model.
    pub(crate) noise: Noise,
    /// The median over classes of the standard deviation, in units of the data.
    pub(crate) sigma: f64,
}

/// Mean and variance of a class of blocks.
type Class = (f64, f64);

/// What is seen in a block.
#[derive(Debug, Clone, Copy)]
struct Block {
    mean: f64,
    /// Variance by the neighbours in the frame.
    variance: f64,
    /// Variance by the next frame, where there is one.
    to_next: Option<f64>,
}

/// The noise in `frames`, which hold counts; `None` where there are too few pixels to say.
pub(crate) fn estimate(frames: &Frames<'_>) -> Option<Estimate> {
    let mut blocks = blocks(frames);
    if blocks.len() < CLASSES {
        return None;
    }
    blocks.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let classes: Vec<Class> = blocks
        .chunks(blocks.len().div_ceil(CLASSES))
        .map(class)
        .collect();
    let sigma = median(classes.iter().map(|class| class.1)).sqrt();
    let typical = classes[classes.len() / 2].0;
    if typical.abs() < PHOTONS {
        let noise = Noise::default();
        let sigma = typical.max(1.0).sqrt();
        return Some(Estimate { noise, sigma });
    }
    Some(Estimate {
        noise: line(&classes),
        sigma,
    })
}

/// The median mean of blocks, and the smaller of the two median variances.
fn class(blocks: &[Block]) -> Class {
    let variance = median(blocks.iter().map(|block| block.variance));
    let to_next: Vec<f64> = blocks.iter().filter_map(|block| block.to_next).collect();
    let smaller = match to_next.len() == blocks.len() {
        true => median(to_next.into_iter()).min(variance),
        false => variance,
    };
    (median(blocks.iter().map(|block| block.mean)), smaller)
}

/// A line through variance against mean, each class weighted by the inverse square of its variance.
fn line(classes: &[Class]) -> Noise {
    let (least, most) = (classes[0].0, classes[classes.len() - 1].0);
    let (mut w, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (mean, variance) in classes {
        let weight = 1.0 / variance.max(f64::MIN_POSITIVE).powi(2);
        w += weight;
        x += weight * mean;
        y += weight * variance;
        xx += weight * mean * mean;
        xy += weight * mean * variance;
    }
    let (mean, variance) = (x / w, y / w);
    let slope = (xy / w - mean * variance) / (xx / w - mean * mean);
    let is_narrow = least <= 0.0 || most < NARROW * least;
    if is_narrow && mean > 0.0 {
        return Noise {
            gain: rounded(variance / mean),
            ..Noise::default()
        };
    }
    if !slope.is_finite() || slope <= 0.0 {
        return Noise {
            gain: 1e-6,
            offset: 0.0,
            read: rounded(variance.sqrt()),
        };
    }
    let at_zero = variance - slope * mean;
    Noise {
        gain: rounded(slope),
        offset: rounded((-at_zero / slope).max(0.0)),
        read: rounded(at_zero.max(0.0).sqrt()),
    }
}

/// Three digits: more are not known.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    three_digits(value)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Blocks of valid pixels, spread over the frames.
fn blocks(frames: &Frames<'_>) -> Vec<Block> {
    let (down, across) = (frames.rows / BLOCK, frames.columns / BLOCK);
    // The last of several frames has none to be compared with.
    let all = frames.count.saturating_sub(1).max(frames.count.min(1)) * down * across;
    let step = all.div_ceil(MOST_BLOCKS).max(1);
    let mut found = Vec::new();
    let mut loaded = None;
    for at in (0..all).step_by(step) {
        let (frame, place) = (at / (down * across), at % (down * across));
        let len = frames.rows * frames.columns;
        if loaded.as_ref().is_none_or(|(index, _)| *index != frame) {
            let values = frames.original.to_f64(frame * len..(frame + 1) * len);
            loaded = Some((frame, values));
        }
        let Some((_, values)) = &loaded else { continue };
        let valid = frames
            .valid
            .map(|valid| &valid[frame * len..(frame + 1) * len]);
        let corner = (place / across * BLOCK, place % across * BLOCK);
        let Some((mean, variance)) = block(values, valid, frames.columns, corner) else {
            continue;
        };
        let has_next = frame + 1 < frames.count;
        let to_next = has_next
            .then(|| difference(frames, frame, corner))
            .flatten();
        found.push(Block {
            mean,
            variance,
            to_next: to_next.map(|variance| variance / 2.0),
        });
    }
    found
}

/// The variance in a block of the difference of a frame and the next.
fn difference(frames: &Frames<'_>, frame: usize, (row, column): (usize, usize)) -> Option<f64> {
    let len = frames.rows * frames.columns;
    let mut differences = [0.0; BLOCK * BLOCK];
    for (at, line) in differences.chunks_exact_mut(BLOCK).enumerate() {
        let start = frame * len + (row + at) * frames.columns + column;
        let next = frames.original.to_f64(start + len..start + len + BLOCK);
        let own = frames.original.to_f64(start..start + BLOCK);
        for ((difference, own), next) in line.iter_mut().zip(own.iter()).zip(next.iter()) {
            *difference = own - next;
        }
        let valid = |start: usize| {
            let valid = frames.valid?.get(start..start + BLOCK)?;
            valid.contains(&false).then_some(())
        };
        if valid(start).or(valid(start + len)).is_some() {
            return None;
        }
    }
    block(&differences, None, BLOCK, (0, 0)).map(|(_, variance)| variance)
}

/// Mean and variance of a block without its border, which has no neighbours in it; `None` where a pixel is not valid.
fn block(
    values: &[f64],
    valid: Option<&[bool]>,
    columns: usize,
    (row, column): (usize, usize),
) -> Option<(f64, f64)> {
    let rows = || (row..row + BLOCK).map(|row| row * columns + column);
    let is_valid = |at: usize| valid.is_none_or(|valid| valid[at..at + BLOCK].iter().all(|&v| v));
    if !rows().all(is_valid) {
        return None;
    }
    let (mut sum, mut squares) = (0.0, 0.0);
    for at in rows().skip(1).take(BLOCK - 2) {
        for pixel in at + 1..at + BLOCK - 1 {
            let around = values[pixel - 1] + values[pixel + 1];
            let around = around + values[pixel - columns] + values[pixel + columns];
            let residual = values[pixel] - around / 4.0;
            sum += values[pixel];
            squares += residual * residual;
        }
    }
    let count = ((BLOCK - 2) * (BLOCK - 2)) as f64;
    Some((sum / count, squares / count / 1.25))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use etalon_metrics::Values;

    const SIDE: usize = 256;

    fn frames(values: &[f64]) -> Frames<'_> {
        Frames {
            original: Values::F64(values),
            decoded: Values::F64(values),
            valid: None,
            first: 0,
            count: values.len() / (SIDE * SIDE),
            rows: SIDE,
            columns: SIDE,
        }
    }

    /// A ramp of light from `least` to `most` data units above the offset, with normal noise of the model.
    fn ramp(noise: Noise, least: f64, most: f64) -> Vec<f64> {
        let mut random = Random::new(7);
        let pixel = |at: usize| {
            let light = least + (most - least) * (at % SIDE) as f64 / SIDE as f64;
            let variance = noise.gain * light + noise.read * noise.read;
            noise.offset + light + variance.sqrt() * random.normal()
        };
        (0..2 * SIDE * SIDE).map(pixel).collect()
    }

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!(
            (value / expected - 1.0).abs() < tolerance,
            "{value} {expected}"
        );
    }

    #[test]
    fn gain_and_offset_are_found() {
        let truth = Noise {
            gain: 2.5,
            offset: 100.0,
            read: 0.0,
        };
        let found = estimate(&frames(&ramp(truth, 200.0, 20_000.0))).unwrap();
        close(found.noise.gain, 2.5, 0.12);
        close(found.sigma, (2.5_f64 * 10_100.0).sqrt(), 0.08);
    }

    #[test]
    fn read_noise_is_found() {
        let truth = Noise {
            gain: 0.5,
            offset: 0.0,
            read: 30.0,
        };
        let found = estimate(&frames(&ramp(truth, 100.0, 4000.0))).unwrap();
        close(found.noise.gain, 0.5, 0.12);
        close(found.noise.read, 30.0, 0.1);
    }

    #[test]
    fn a_flat_field_is_counting_noise_of_its_level() {
        let truth = Noise {
            gain: 3.0,
            offset: 0.0,
            read: 0.0,
        };
        let found = estimate(&frames(&ramp(truth, 1000.0, 1010.0))).unwrap();
        close(found.noise.gain, 3.0, 0.12);
        assert_eq!(found.noise.read, 0.0);
    }

    #[test]
    fn a_fixed_pattern_is_no_noise() {
        let truth = Noise {
            gain: 1.0,
            offset: 0.0,
            read: 0.0,
        };
        let mut random = Random::new(3);
        let pattern: Vec<f64> = (0..SIDE * SIDE).map(|_| random.between(0.9, 1.1)).collect();
        let values = ramp(truth, 1000.0, 20_000.0);
        let fixed = values.iter().enumerate();
        let fixed: Vec<f64> = fixed
            .map(|(at, value)| value * pattern[at % pattern.len()])
            .collect();
        let found = estimate(&frames(&fixed)).unwrap();
        close(found.noise.gain, 1.0, 0.25);
    }

    #[test]
    fn too_few_pixels_say_nothing() {
        assert_eq!(
            estimate(&Frames {
                count: 0,
                ..frames(&[])
            }),
            None
        );
    }
}
