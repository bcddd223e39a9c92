//! The profile `planes` of filter 32008: zstd frames by an encoder for bit planes, or of zstd where that finds more.
//!
//! A file says so in a seventh of the `cd_values`, `[major, minor, element bytes, block elements, 3, 1, profile]`. bitshuffle and
//! hdf5plugin read six: they decode the chunks, and write further ones with zstd at level 1 in blocks of the same length,
//! which we read as any others.

use super::bitshuffle_settings::{MULTIPLE, Settings, VERSION};
use crate::entropy::zstd_frame::{MAX_LEN, PlaneEncoder};
use crate::kernels::levels::Level;
use crate::{Context, Error, Layout, Spec};

/// The profile "PLN0": blocks are as long as [`settle_block`] says.
const DEFAULT_BLOCK: u32 = u32::from_be_bytes(*b"PLN0");
/// The profile "PLN1": the user chose the block.
pub(super) const CHOSEN_BLOCK: u32 = u32::from_be_bytes(*b"PLN1");
/// Place of the profile in stored `cd_values`.
const PROFILE: usize = 6;
/// Bytes of a block by default, at most: longer planes have codes that fit them less.
const BLOCK_BYTES: usize = 1 << 20;
/// Level of zstd, for blocks in which it finds more and for other programs.
pub(super) const LEVEL: i32 = 1;
/// Blocks a chunk has at least, where they are longer than [`LEAST_BYTES`]: trying both encoders on one of few would take
/// long. After as many a choice is made again.
const TRIAL: usize = 4;
const LEAST_BYTES: usize = 256 << 10;
/// Zstd has to be shorter by one part in this, so that noise does not choose.
const MARGIN: usize = 512;
/// Blocks are alike where their ratios differ by one part in this, at most.
const LIKENESS: u64 = 2;
/// The same for blocks that become shorter than one part in [`SPARSE`], of which few bytes decide.
const SPARSE_LIKENESS: u64 = 32;
const SPARSE: usize = 64;
/// Elements of a block where the type is not known; bitshuffle's own filter would take them as they are.
const USUAL_BLOCK: u32 = 1 << 17;

/// Whether stored `cd_values` ask for this profile.
pub(super) fn is_asked(cd_values: &[u32]) -> bool {
    matches!(
        cd_values.get(PROFILE),
        Some(&(DEFAULT_BLOCK | CHOSEN_BLOCK))
    )
}

/// Whether a block of the default length is meant.
pub(super) fn block_is_default(cd_values: &[u32]) -> bool {
    cd_values.get(PROFILE) == Some(&DEFAULT_BLOCK)
}

/// What a user passes: `(block, 3, 1, profile)`.
pub(super) fn user_values(spec: &Spec) -> Result<Vec<u32>, Error> {
    let other_compressor = spec.is_given("compressor") && spec.choice("compressor") != "zstd";
    if other_compressor || spec.is_given("level") {
        return Err(Error::Settings(
            "bitshuffle: planes chooses compressor and level; leave compressor= and level= out"
                .into(),
        ));
    }
    let (block, profile) = match spec.integer("block") as u32 {
        0 => (USUAL_BLOCK, DEFAULT_BLOCK),
        block => (block, CHOSEN_BLOCK),
    };
    let values = [block, 3, LEVEL as u32, profile];
    let stored = [&[VERSION[0], VERSION[1], 1][..], &values].concat();
    Settings::stored(&stored)?;
    check_block(&stored)?;
    Ok(values.to_vec())
}

/// Sets a block of the default length: the chunk in [`TRIAL`] equal parts, of [`LEAST_BYTES`] to [`BLOCK_BYTES`].
pub(super) fn settle_block(cd_values: &mut [u32], layout: &Layout) {
    if !block_is_default(cd_values) {
        return;
    }
    let (Some(elements), Some(bytes)) = (layout.elements(), layout.chunk_bytes()) else {
        return;
    };
    let parts = bytes.div_ceil(LEAST_BYTES).clamp(1, TRIAL);
    let parts = parts.max(bytes.div_ceil(BLOCK_BYTES));
    let part = elements.div_ceil(parts).div_ceil(MULTIPLE).max(1) * MULTIPLE;
    cd_values[3] = u32::try_from(part).unwrap_or(USUAL_BLOCK);
}

/// Refuses a block that the user chose and no frame holds.
pub(super) fn check_block(cd_values: &[u32]) -> Result<(), Error> {
    let block_bytes = Settings::stored(cd_values)?.block_bytes();
    if cd_values.get(PROFILE) == Some(&CHOSEN_BLOCK) && block_bytes > MAX_LEN {
        return Err(Error::Settings(format!(
            "bitshuffle: a block of {block_bytes} bytes is larger than planes takes ({MAX_LEN} bytes); lower block="
        )));
    }
    Ok(())
}

/// Which encoder the blocks of a chunk get: both are tried on a block, and others like it take what was shorter there.
#[derive(Default)]
pub(super) struct Choice {
    trial: Option<Trial>,
    since: usize,
}

/// What was chosen, and for which blocks.
#[derive(Clone, Copy)]
struct Trial {
    zstd: bool,
    /// Of the block, before and behind the encoder that was chosen.
    len: usize,
    compressed: usize,
}

impl Trial {
    /// Whether a block compresses as the one that was tried.
    fn holds_for(&self, len: usize, compressed: usize) -> bool {
        let here = compressed as u64 * self.len as u64;
        let there = self.compressed as u64 * len as u64;
        let likeness = match compressed < len / SPARSE {
            true => SPARSE_LIKENESS,
            false => LIKENESS,
        };
        here.abs_diff(there) <= there / likeness
    }
}

impl Choice {
    /// Compresses the transposed block of `len` bytes in the scratch.
    pub(super) fn compress(
        &mut self,
        context: &mut Context,
        settings: &Settings,
        len: usize,
        dst: &mut [u8],
    ) -> Result<usize, Error> {
        let src = context.block.bytes(len);
        if let Some(trial) = self.trial.filter(|_| self.since < TRIAL) {
            let compressed = if trial.zstd {
                context.zstd.compress(src, dst, LEVEL).ok()
            } else {
                compress_planes(&mut context.planes, settings, src, dst)
            };
            if let Some(compressed) = compressed
                && trial.holds_for(len, compressed)
            {
                self.since += 1;
                return Ok(compressed);
            }
        }
        let trial = try_both(context, settings, len, dst)?;
        (self.trial, self.since) = (Some(trial), 1);
        Ok(trial.compressed)
    }
}

fn compress_planes(
    encoder: &mut PlaneEncoder,
    settings: &Settings,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let plane_len = src.len() / (8 * settings.element_bytes);
    encoder.compress(Level::best(), src, plane_len, dst)
}

/// Compresses the block in the scratch with both encoders and leaves the shorter stream in `dst`.
fn try_both(
    context: &mut Context,
    settings: &Settings,
    len: usize,
    dst: &mut [u8],
) -> Result<Trial, Error> {
    let src = context.block.bytes(len);
    let chosen = |zstd, compressed| Trial {
        zstd,
        len,
        compressed,
    };
    let Some(planes) = compress_planes(&mut context.planes, settings, src, dst) else {
        return Ok(chosen(true, context.zstd.compress(src, dst, LEVEL)?));
    };
    // Where zstd would be longer it runs out of room.
    let room = planes - planes / MARGIN - 1;
    if context.stream.len() < room {
        context.stream.resize(room, 0);
    }
    let stream = &mut context.stream[..room];
    Ok(match context.zstd.compress(src, stream, LEVEL) {
        Ok(shorter) => {
            dst[..shorter].copy_from_slice(&stream[..shorter]);
            chosen(true, shorter)
        }
        Err(_) => chosen(false, planes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codecs::bitshuffle::{bound, decode, encode};
    use crate::{ByteOrder, Element, ElementClass};

    fn layout(bytes: usize, shape: &[usize]) -> Layout {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes,
            order: ByteOrder::Little,
        };
        Layout::new(element, shape.to_vec())
    }

    fn values(text: &str, layout: &Layout) -> Result<Vec<u32>, Error> {
        super::super::bitshuffle_settings::cd_values(&text.parse()?, layout)
    }

    fn encoded(values: &[u32], src: &[u8]) -> Vec<u8> {
        let mut chunk = vec![0; bound(values, src.len()).unwrap()];
        let len = encode(&mut Context::new(), values, src, &mut chunk).unwrap();
        chunk.truncate(len);
        chunk
    }

    #[test]
    fn the_default_block_cuts_a_chunk_in_equal_parts() {
        for (bytes, shape, block) in [
            (2, &[1, 1024, 1024][..], 262_144),
            (4, &[2527, 2463], 259_336),
            (2, &[100], 104),
            (1, &[300_000], 150_000),
            (8, &[0], 8),
        ] {
            let values = values("bitshuffle:planes", &layout(bytes, shape)).unwrap();
            assert_eq!(values, [0, 4, bytes as u32, block, 3, 1, DEFAULT_BLOCK]);
        }
    }

    #[test]
    fn settings_that_contradict_the_profile_are_refused() {
        let layout = layout(2, &[1000]);
        for text in [
            "bitshuffle:planes,compressor=lz4",
            "bitshuffle:planes,level=3",
            "bitshuffle:planes,block=1048584",
        ] {
            assert!(values(text, &layout).is_err(), "{text}");
        }
        let chosen = values("bitshuffle:planes,block=1048576", &layout).unwrap();
        assert_eq!(chosen[6], CHOSEN_BLOCK);
    }

    #[test]
    fn six_values_read_what_seven_have_written() {
        let src: Vec<u8> = (0..400_000u32)
            .map(|i| (i.wrapping_mul(i) % 251 / 249) as u8)
            .collect();
        let values = values("bitshuffle:planes", &layout(2, &[200_000])).unwrap();
        let chunk = encoded(&values, &src);
        for others in [&values[..6], &values[..5], &[0, 4, 2, 0, 3]] {
            let mut back = vec![0; src.len()];
            decode(&mut Context::new(), others, &chunk, &mut back).unwrap();
            assert!(back == src);
        }
    }

    /// Noise, then bytes that repeat at a distance, which only zstd finds.
    #[test]
    fn a_block_unlike_the_one_tried_is_tried_itself() {
        let noise = |i: u64| {
            let z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            ((z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8
        };
        let counts = (0..1u64 << 18).map(|i| noise(i) & noise(!i) & noise(i ^ 0xff_ffff) & 1);
        let repeats = (0..3u64 << 18).map(|i| noise(i % 5003) & 0x3f);
        let src: Vec<u8> = counts.chain(repeats).collect();
        let values = values("bitshuffle:planes", &layout(1, &[1 << 20])).unwrap();
        let zstd = [&values[..4], &[3, 1]].concat();
        let (ours, theirs) = (encoded(&values, &src).len(), encoded(&zstd, &src).len());
        assert!(100 * ours <= 101 * theirs, "{ours} {theirs}");
    }
}
