//! The profile `planes` of filter 32008: zstd frames by an encoder for bit planes, or of zstd where that finds more.
//!
//! A file says so in a seventh of the `cd_values`, `[major, minor, element bytes, block elements, 3, 1, profile]`. bitshuffle and
//! hdf5plugin read six: they decode the chunks, and write further ones with zstd at level 1 in blocks of the same length,
//! which we read as any others.

use super::bitshuffle_settings::{MULTIPLE, Settings, VERSION};
use crate::entropy::zstd_frame::MAX_LEN;
use crate::kernels::levels::Level;
use crate::{Context, Error, Layout, Spec};

/// The profile "PLN0": blocks are as long as [`settle_block`] says.
const DEFAULT_BLOCK: u32 = u32::from_be_bytes(*b"PLN0");
/// The profile "PLN1": the user chose the block.
const CHOSEN_BLOCK: u32 = u32::from_be_bytes(*b"PLN1");
/// Place of the profile in stored `cd_values`.
const PROFILE: usize = 6;
/// Bytes of a block by default, at most: longer planes have codes that fit them less.
const BLOCK_BYTES: usize = 1 << 20;
/// Level of zstd, for blocks in which it finds more and for other programs.
pub(super) const LEVEL: i32 = 1;
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

/// Sets a block of the default length: the chunk in equal parts of [`BLOCK_BYTES`] or less.
pub(super) fn settle_block(cd_values: &mut [u32], layout: &Layout) {
    if !block_is_default(cd_values) {
        return;
    }
    let (Some(elements), Some(bytes)) = (layout.elements(), layout.chunk_bytes()) else {
        return;
    };
    let parts = bytes.div_ceil(BLOCK_BYTES).max(1);
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

/// Compresses the transposed block of `len` bytes in the scratch.
pub(super) fn compress(
    context: &mut Context,
    settings: &Settings,
    len: usize,
    dst: &mut [u8],
) -> Result<usize, Error> {
    let src = context.block.bytes(len);
    let plane_len = len / (8 * settings.element_bytes);
    let planes = context.planes.compress(Level::best(), src, plane_len, dst);
    match planes {
        Some(len) => Ok(len),
        None => context.zstd.compress(src, dst, LEVEL),
    }
}
