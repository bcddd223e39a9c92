//! Prints which pixels `sigma-clip` discards, for comparison with other programs (tests/test_sigma_clip_pyfai.py).
//!
//! `sigma_clip_sets COUNTS BINS CUTOFF CYCLES HOT OUT`: COUNTS and BINS hold u32, little-endian; a count of 2³² − 1 is
//! masked. OUT receives a byte per pixel, 1 where it is discarded. HOT is
//! `true` for what the codec does, `false` for clipping alone.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [counts, bins, cutoff, cycles, hot, out] = arguments.as_slice() else {
        return Err("usage: sigma_clip_sets COUNTS BINS CUTOFF CYCLES HOT OUT".into());
    };
    let read = |path: &String| -> Result<Vec<u32>, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let words = bytes
            .chunks_exact(4)
            .map(|word| word.try_into().map(u32::from_le_bytes));
        Ok(words.collect::<Result<_, _>>()?)
    };
    let discarded = etalon_codec::codecs::sigma_clip::clipped_mask(
        &read(counts)?,
        &read(bins)?,
        cutoff.parse()?,
        cycles.parse()?,
        hot.parse()?,
    );
    let bytes: Vec<u8> = discarded.into_iter().map(u8::from).collect();
    std::fs::write(out, bytes)?;
    Ok(())
}
