//! Chunks to work on before the first real one, so that a context has the memory it will need.

use etalon_codec::codecs::bitshuffle;
use etalon_codec::{ByteOrder, ElementClass, Error, Filter, Layout};

/// What stores chunks, or their indices, where a codec leaves that to others.
const OTHERS: [&str; 8] = [
    "auto",
    "counts:model=bbp",
    "counts:model=fir",
    "counts:model=variance",
    "predict:model=up",
    "predict:model=full",
    "dictionary:backend=regions",
    "dictionary:backend=contours",
];

/// Complete cd_values of what else may store chunks of a filter; none for bitshuffle, which has no others.
pub(crate) fn others(filter: &Filter, layout: &Layout) -> Result<Vec<Vec<u32>>, Error> {
    let others = OTHERS.iter().filter(|_| filter.id != bitshuffle::FILTER.id);
    others
        .map(|text| (filter.cd_values)(&text.parse()?, layout))
        .collect()
}

/// Calls `work` with one chunk of counts and one of regions.
pub(crate) fn for_each_short_sample(
    layout: &Layout,
    chunk_bytes: usize,
    mut work: impl FnMut(&[u8]),
) {
    let mut chunk = vec![0; chunk_bytes];
    let mut state = 3;
    for sample in [peak, region] {
        let elements = chunk.chunks_exact_mut(layout.element.bytes);
        for (index, element) in elements.enumerate() {
            write_count(layout, sample(&mut state, index), element);
        }
        work(&chunk);
    }
}

/// Calls `work` with chunks of the layout: zeros, few and many counts, peaks, slopes with noise, regions, and bytes without
/// any pattern.
///
/// Their streams are as short, about as long and as long as those of data are.
pub(crate) fn for_each_sample(layout: &Layout, chunk_bytes: usize, mut work: impl FnMut(&[u8])) {
    let mut chunk = vec![0; chunk_bytes];
    work(&chunk);
    // Codecs keep memory from chunk to chunk, so that a second chunk of a kind may ask for other blocks than the first.
    for round in 1..=2 {
        let mut state = round;
        for sample in [sparse_count, few, count, peak, slope, region] {
            let elements = chunk.chunks_exact_mut(layout.element.bytes);
            for (index, element) in elements.enumerate() {
                write_count(layout, sample(&mut state, index), element);
            }
            work(&chunk);
        }
        for byte in &mut chunk {
            *byte = next(&mut state) as u8;
        }
        work(&chunk);
    }
}

/// A number from 0 to 32 of mean 16 and, nearly, the dispersion of counts.
fn count(state: &mut u64, _: usize) -> u16 {
    (next(state) as u32).count_ones() as u16
}

/// 0, and one time in 32 such a number.
fn sparse_count(state: &mut u64, index: usize) -> u16 {
    if next(state).is_multiple_of(32) {
        count(state, index)
    } else {
        0
    }
}

/// A number of mean 2.
fn few(state: &mut u64, index: usize) -> u16 {
    count(state, index) >> 3
}

/// Any numbers in long runs.
fn region(_: &mut u64, index: usize) -> u16 {
    ((index >> 9) as u16).wrapping_mul(9973)
}

/// Mostly 0 and 1, and one time in 256 any number.
fn peak(state: &mut u64, _: usize) -> u16 {
    match next(state) {
        peak if peak.is_multiple_of(256) => (peak >> 8) as u16,
        background => u16::from(background.is_multiple_of(8)),
    }
}

/// A number that rises from element to element, with some noise: neighbours tell about each other.
fn slope(state: &mut u64, index: usize) -> u16 {
    (index / 16 % 1024) as u16 + (count(state, index) >> 2)
}

/// Knuth's multiplier of 64 bits; the upper half is well mixed.
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 32
}

fn write_count(layout: &Layout, count: u16, element: &mut [u8]) {
    element.fill(0);
    let float = layout.element.class == ElementClass::Float;
    match element.len() {
        4 if float => element.copy_from_slice(&f32::from(count).to_le_bytes()),
        8 if float => element.copy_from_slice(&f64::from(count).to_le_bytes()),
        // Half floats and types that are no numbers: some value.
        len => element
            .iter_mut()
            .zip(count.to_le_bytes())
            .take(if float { 1 } else { len })
            .for_each(|(byte, of_count)| *byte = of_count),
    }
    if layout.element.order == ByteOrder::Big {
        element.reverse();
    }
}
