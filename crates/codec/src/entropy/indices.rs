//! Indices of a palette or a quantiser, packed by whichever back end is smallest.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | back end: 0 bit-packing, 1 bitshuffle with zstd, 2 Huffman codes, 3 residuals of a prediction, 4 counts, 5 regions, 6 contours |
//! | 1 | 1 | bit-packing: bits per index, 0–32; others: bytes per index, 1, 2 or 4 |
//! | 2 | | bit planes (see `entropy/bits.rs`), a stream (see `codecs/bitshuffle.rs`), frames (see `entropy/literals.rs`), residuals (see `entropy/predict.rs`), counts (see `codecs/counts_indices.rs`), a frame (see `entropy/indices_regions.rs`), or contours (see `entropy/indices_contours.rs`) |
//!
//! Indices are held in as few bytes as their maximum needs (1, 2 or 4, little-endian): that is what the kernels read.
//! [`encode`] and [`decode`] serve callers that hold them as `u32`.
//!
//! `Auto` packs bits, whose length is known beforehand, and estimates the others from a sample: bitshuffle from what zstd
//! makes of packed planes, Huffman codes from frequencies. Bits stay unless bitshuffle is shorter by a seventh or
//! Huffman codes by more than a fifth: equally frequent indices whose number is no power of two gain less than that, and
//! unpack several times as fast from bits. Counts and residuals, which take several times as long as these, are chosen
//! where a model learnt on a sample says that they save enough: see `codecs/counts_indices.rs` and
//! `entropy/indices_predicted.rs`. Where most indices are like a neighbour, contours are tried on a sample; where nearly all
//! are, models are not asked: contours and bitshuffle are tried on all of them, and unless `speed=balanced` a frame of the
//! indices themselves.

use crate::codecs::{bitshuffle, counts_indices};
use crate::entropy::bits::{bits_for, pack, packed_len};
use crate::entropy::indices_choice::{Choice, Model, choose, choose_model};
use crate::entropy::indices_contours::worth_at;
use crate::entropy::indices_regions::Regions;
use crate::entropy::{indices_contours, indices_predicted, indices_regions, literals};
use crate::params::Speed;
use crate::{Context, Error, Layout};

pub(crate) use super::indices_decode::{decode, decode_narrow};

/// Which back end an encoder may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The smallest, with a preference for bits.
    Auto,
    /// Bit-packing.
    Bits,
    /// Bitshuffle with zstd.
    Bitshuffle,
    /// Photon counts.
    Counts,
    /// Residuals of a prediction.
    Predict,
    /// A frame of the indices themselves.
    Regions,
    /// Which neighbour each index is like.
    Contours,
}

/// What indices stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// Extent of the chunk, slowest dimension first.
    pub shape: &'a [usize],
    /// How much time shorter indices may take.
    pub speed: Speed,
    /// Number of the bin with index 0: signed bins tell more than indices, because noise grows with magnitude.
    pub first_bin: i64,
    /// Indices from here on say nothing about their neighbours: they are codes, not bins.
    pub first_code: u32,
}

/// Indices in `width` bytes each, little-endian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Indices<'a> {
    pub bytes: &'a [u8],
    pub width: usize,
    /// None is larger.
    pub max: u32,
    pub origin: Origin<'a>,
}

impl Indices<'_> {
    /// Number of indices.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// Indices as a chunk of unsigned integers.
    pub(crate) fn layout(&self) -> Layout {
        let (shape, count) = (self.origin.shape, self.len());
        let (rows, columns) = match *shape {
            [.., rows, columns] if shape.iter().product::<usize>() == count => (rows, columns),
            _ => (1, count),
        };
        counts_indices::words_layout(self.width, count, rows, columns)
    }
}

pub(super) const BITS: u8 = 0;
pub(super) const BITSHUFFLE: u8 = 1;
pub(super) const LITERALS: u8 = 2;
pub(super) const PREDICTED: u8 = 3;
pub(super) const COUNTS: u8 = 4;
pub(super) const REGIONS: u8 = 5;
pub(super) const CONTOURS: u8 = 6;
pub(super) const HEADER_BYTES: usize = 2;

/// Packs `context.indices`, all of them ≤ `max`, into the front of `dst`; `None` where they do not fit.
pub(crate) fn encode(
    context: &mut Context,
    max: u32,
    origin: Origin,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let mut narrow = std::mem::take(&mut context.narrow);
    narrow.clear();
    narrow.reserve_exact(context.indices.len() * width_for(max));
    match width_for(max) {
        1 => narrow.extend(context.indices.iter().map(|&index| index as u8)),
        2 => narrow.extend(
            context
                .indices
                .iter()
                .flat_map(|&index| (index as u16).to_le_bytes()),
        ),
        _ => narrow.extend(
            context
                .indices
                .iter()
                .flat_map(|&index| index.to_le_bytes()),
        ),
    }
    let written = encode_narrow(context, Backend::Auto, max, origin, &narrow, dst);
    context.narrow = narrow;
    written
}

/// Bytes in which [`encode_narrow`] takes indices up to `max`, and [`decode_narrow`] gives them back.
pub(crate) fn width_for(max: u32) -> usize {
    match bits_for(max) {
        0..=8 => 1,
        9..=16 => 2,
        _ => 4,
    }
}

/// Packs indices of `width_for(max)` bytes, little-endian and all of them ≤ `max`, into the front of `dst`; `None`
/// where they do not fit.
pub(crate) fn encode_narrow(
    context: &mut Context,
    backend: Backend,
    max: u32,
    origin: Origin,
    indices: &[u8],
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let width = width_for(max);
    let bits = bits_for(max);
    let all = Indices {
        bytes: indices,
        width,
        max,
        origin,
    };
    match backend {
        Backend::Auto => encode_shortest(context, bits, &all, dst),
        Backend::Bits => Ok(encode_bits(width, bits, indices, dst)),
        Backend::Bitshuffle => encode_bitshuffle(context, width, indices, usize::MAX, dst),
        Backend::Counts => Ok(counts_indices::plan(context, &all)
            .and_then(|(plan, _)| encode_counts(context, plan, &all, dst))),
        Backend::Predict => encode_predicted(context, &all, dst),
        Backend::Regions => Ok(encode_frame(context, &all, dst)),
        Backend::Contours => Ok(encode_contours(context, &all, dst)),
    }
}

/// Packs with the back end that is worth most.
fn encode_shortest(
    context: &mut Context,
    bits: u32,
    indices: &Indices,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let &Indices { width, bytes, .. } = indices;
    let regions = indices_regions::regions_of(indices);
    if regions == Regions::Certain {
        return encode_regions(context, bits, indices, dst);
    }
    let Some(len) = encode_bits(width, bits, bytes, dst) else {
        return encode_bitshuffle(context, width, bytes, usize::MAX, dst);
    };
    let packed = &dst[HEADER_BYTES..len];
    let (choice, bits_plain) = choose(context, width, bits, bytes, packed)?;
    let model = choose_model(context, indices, bits_plain)?;
    let least = model.map_or(bits_plain, |(_, bits)| bits);
    let mut is_packed = true;
    if regions.may_be_worth(least, indices.origin.speed)
        && indices_contours::is_worth(context, indices, least)
    {
        is_packed = false;
        let written = encode_contours(context, indices, dst);
        if written.is_some() {
            return Ok(written);
        }
    }
    match model {
        Some((model, _)) => {
            let written = encode_model(context, model, indices, (choice, bits_plain), dst)?;
            if written.is_some() {
                return Ok(written);
            }
        }
        None if choice == Choice::Bits && is_packed => return Ok(Some(len)),
        None => {}
    }
    let shorter = match choice {
        Choice::Bits => None,
        Choice::Bitshuffle(limit) => encode_bitshuffle(context, width, bytes, limit, dst)?,
        Choice::Literals(limit) => encode_literals(context, width, bytes, limit, dst),
    };
    Ok(shorter.or_else(|| encode_bits(width, bits, bytes, dst)))
}

/// Packs regions with contours or, where these are not enough shorter, with a back end that decodes faster.
fn encode_regions(
    context: &mut Context,
    bits: u32,
    indices: &Indices,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let &Indices { width, bytes, .. } = indices;
    let speed = indices.origin.speed;
    let packed = packed_len(indices.len(), bits).map_or(usize::MAX, |len| HEADER_BYTES + len);
    let contours = encode_contours(context, indices, dst).filter(|&len| len < packed);
    let mut limit = contours.map_or(packed, |len| (len as f64 / worth_at(speed)) as usize);
    limit = limit.saturating_sub(HEADER_BYTES + 1);
    let mut best = encode_bitshuffle(context, width, bytes, limit, dst)?;
    if speed != Speed::Balanced {
        limit = best.map_or(limit, |len| len - HEADER_BYTES - 1);
        let framed = frame_of(context, indices, limit, dst);
        best = framed.or(best);
    }
    if best.is_some() {
        return Ok(best);
    }
    Ok(contours.or_else(|| encode_bits(width, bits, bytes, dst)))
}

/// The back end of regions, where its frame is no longer than `limit`.
fn frame_of(
    context: &mut Context,
    indices: &Indices,
    limit: usize,
    dst: &mut [u8],
) -> Option<usize> {
    let mut memory = std::mem::take(&mut context.stream);
    grow(&mut memory, dst.len());
    let room = dst.len().min(limit.saturating_add(HEADER_BYTES));
    let len = encode_frame(context, indices, &mut memory[..room]);
    if let Some(len) = len {
        dst[..len].copy_from_slice(&memory[..len]);
    }
    context.stream = memory;
    len
}

/// The back end of regions, where the frame fits.
fn encode_frame(context: &mut Context, indices: &Indices, dst: &mut [u8]) -> Option<usize> {
    let (header, room) = dst.split_first_chunk_mut::<HEADER_BYTES>()?;
    let len = indices_regions::encode(context, indices, room)?;
    *header = [REGIONS, indices.width as u8];
    Some(HEADER_BYTES + len)
}

/// The back end of contours, where they fit.
fn encode_contours(context: &mut Context, indices: &Indices, dst: &mut [u8]) -> Option<usize> {
    let (header, room) = dst.split_first_chunk_mut::<HEADER_BYTES>()?;
    let len = indices_contours::encode(context, indices, room)?;
    *header = [CONTOURS, indices.width as u8];
    Some(HEADER_BYTES + len)
}

/// The back end of bits, where they fit.
fn encode_bits(width: usize, bits: u32, indices: &[u8], dst: &mut [u8]) -> Option<usize> {
    let len = packed_len(indices.len() / width, bits)?;
    let (header, room) = dst.split_first_chunk_mut::<HEADER_BYTES>()?;
    let planes = room.get_mut(..len)?;
    *header = [BITS, bits as u8];
    pack(width, indices, bits, planes);
    Some(HEADER_BYTES + len)
}

/// Where a model of pixels takes less than this part of what a sample says of bitshuffle, that is not tried.
const FAR_BETTER: f64 = 0.7;

/// Packs with a model of pixels, unless that turns out longer than the other choice was to be. A sample says too little
/// about long runs: where bitshuffle was the other choice, and not far behind, it is tried as well.
fn encode_model(
    context: &mut Context,
    model: Model,
    indices: &Indices,
    (plain, bits): (Choice, f64),
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let written = match model {
        Model::Counts(plan) => encode_counts(context, plan, indices, dst),
        Model::Predicted => encode_predicted(context, indices, dst)?,
    };
    let expected = bits * indices.len() as f64 / 8.0;
    let Some(len) = written.filter(|&len| len as f64 <= expected) else {
        return Ok(None);
    };
    if matches!(plain, Choice::Bitshuffle(_)) && len as f64 > FAR_BETTER * expected {
        let &Indices { width, bytes, .. } = indices;
        let worth = counts_indices::worth_at(indices.origin.speed).0;
        let limit = (len as f64 / worth) as usize - HEADER_BYTES;
        let shorter = encode_bitshuffle(context, width, bytes, limit, dst)?;
        return Ok(shorter.or(written));
    }
    Ok(written)
}

/// The back end of Huffman codes, where they are no longer than `limit` and fit.
fn encode_literals(
    context: &mut Context,
    width: usize,
    indices: &[u8],
    limit: usize,
    dst: &mut [u8],
) -> Option<usize> {
    let (header, room) = dst.split_first_chunk_mut::<HEADER_BYTES>()?;
    let len = literals::encode(&mut context.zstd, width, indices, room)?;
    *header = [LITERALS, width as u8];
    (len <= limit).then_some(HEADER_BYTES + len)
}

/// The back end of counts, where they fit.
fn encode_counts(
    context: &mut Context,
    plan: counts_indices::Plan,
    indices: &Indices,
    dst: &mut [u8],
) -> Option<usize> {
    let (header, room) = dst.split_first_chunk_mut::<HEADER_BYTES>()?;
    let len = counts_indices::encode(context, plan, indices, room)?;
    *header = [COUNTS, indices.width as u8];
    Some(HEADER_BYTES + len)
}

/// The back end of residuals, where they fit.
fn encode_predicted(
    context: &mut Context,
    indices: &Indices,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Some((header, room)) = dst.split_first_chunk_mut::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let written = indices_predicted::encode(context, indices, room)?;
    *header = [PREDICTED, indices.width as u8];
    Ok(written.map(|len| HEADER_BYTES + len))
}

/// The back end bitshuffle, where its stream is no longer than `limit` and fits.
fn encode_bitshuffle(
    context: &mut Context,
    width: usize,
    indices: &[u8],
    limit: usize,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let values = bitshuffle_values(width);
    let bound = (bitshuffle::FILTER.bound)(&values, indices.len())?;
    let mut stream = std::mem::take(&mut context.stream);
    grow(&mut stream, bound);
    let written = (bitshuffle::FILTER.encode)(context, &values, indices, &mut stream);
    let fits = written.map(|len| {
        let fits = len <= limit && HEADER_BYTES + len <= dst.len();
        if fits {
            dst[..HEADER_BYTES].copy_from_slice(&[BITSHUFFLE, width as u8]);
            dst[HEADER_BYTES..HEADER_BYTES + len].copy_from_slice(&stream[..len]);
        }
        fits.then_some(HEADER_BYTES + len)
    });
    context.stream = stream;
    fits
}

/// Settings of the stream: zstd at level 1 in blocks of 128 KiB.
pub(super) fn bitshuffle_values(width: usize) -> [u32; 6] {
    [0, 4, width as u32, ((128 << 10) / width) as u32, 3, 1]
}

/// Makes room; exactly, since a doubled vector would hold memory that no chunk has earned.
pub(crate) fn grow<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        *buffer = vec![T::default(); len];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(indices: &[u32], max: u32) -> Vec<u8> {
        let mut context = Context::new();
        context.indices = indices.to_vec();
        let mut dst = vec![0xcc; 64 + 4 * indices.len()];
        let origin = Origin {
            speed: Speed::Balanced,
            shape: &[indices.len()],
            first_bin: 0,
            first_code: u32::MAX,
        };
        let written = encode(&mut context, max, origin, &mut dst)
            .unwrap()
            .unwrap();
        decode(&mut context, indices.len(), &dst[..written]).unwrap();
        assert!(context.indices == indices, "{} up to {max}", indices.len());
        for len in 0..written.min(100) {
            assert!(decode(&mut context, indices.len(), &dst[..len]).is_err());
        }
        dst.truncate(written);
        dst
    }

    #[test]
    fn indices_of_every_width_come_back() {
        for max in [0, 1, 2, 15, 255, 256, 4095, 65535, 65536, u32::MAX] {
            for elements in [0, 1, 7, 8, 9, 4095, 4096, 4097, 20_011] {
                let spread =
                    |i: u32| (u64::from(i.wrapping_mul(0x9E37_79B1)) * (u64::from(max) + 1)) >> 32;
                let indices: Vec<u32> = (0..elements).map(|i| spread(i) as u32).collect();
                round_trip(&indices, max);
            }
        }
    }

    #[test]
    fn long_runs_go_to_contours_and_even_ones_to_bits() {
        let runs: Vec<u32> = (0..200_000).map(|i| i / 20_000 % 2).collect();
        let packed = round_trip(&runs, 1);
        assert!(
            packed[0] == CONTOURS && packed.len() < 100,
            "{}",
            packed.len()
        );
        let mut state = 1u64;
        let mut even = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (state >> 62) as u32
        };
        let even: Vec<u32> = (0..200_000).map(|_| even()).collect();
        assert_eq!(round_trip(&even, 3)[..2], [BITS, 2]);
    }

    #[test]
    fn bell_shaped_frequencies_go_to_huffman_codes() {
        for (spread, width) in [(2, 1), (1700, 2)] {
            let mut state = 1u64;
            let mut draw = || {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                (0..12).map(|i| state >> (4 * i + 8) & 3).sum::<u64>() as u32 * spread
            };
            for elements in [5000, 200_000] {
                let mut indices: Vec<u32> = (0..elements).map(|_| draw()).collect();
                indices[elements / 2] = 38 * spread;
                let packed = round_trip(&indices, 38 * spread);
                assert_eq!(packed[..2], [LITERALS, width], "{elements} · {spread}");
            }
        }
    }
}
