//! A zstd encoder for bit planes, whose frames every zstd decodes.
//!
//! A general compressor looks for any repetition and shares one Huffman code among 128 KiB. Bit planes of counts repeat
//! nothing but single bytes and whole planes, and each has a distribution of its own. So every plane, cut where it is longer
//! than 128 KiB, becomes a zstd block with its own codes, by the first of these that applies:
//!
//! 1. an RLE block of 4 bytes, where all bytes are equal — not for the first block of a frame, in which old decoders refuse it;
//! 2. a copy of about 10, where it equals the plane before it: one sequence with the length of a plane as its offset;
//! 3. runs: matches of offset 1, all other bytes literals with a Huffman code;
//! 4. a raw block, where that would not be shorter.
//!
//! The frame says its content's length and is a single segment (RFC 8878, 3.1.1.1), so that an offset may reach back over all
//! of it: `28 b5 2f fd`, a descriptor, the length, then the blocks. There is no checksum and no dictionary.
//!
//! * [`MAX_LEN`] keeps frames below the window that decoders have to support.

mod bits;
mod fse;
mod huffman;
mod literals;
mod offsets;
mod parse;
mod sequences;

use crate::kernels::levels::Level;
use offsets::Offsets;
use parse::Parse;
use sequences::{MIN_MATCH, Sequence};

/// Largest content of a frame. "It is recommended for decoders to support values of Window_Size up to 8 MB" (RFC 8878).
pub(crate) const MAX_LEN: usize = 2 << 20;
const MAGIC: [u8; 4] = 0xFD2F_B528u32.to_le_bytes();
/// "Block_Maximum_Size"
const MAX_BLOCK: usize = 128 << 10;
const BLOCK_HEADER: usize = 3;
const RAW: u32 = 0;
const REPEATED: u32 = 1;
const COMPRESSED: u32 = 2;

/// Memory for the parts of a block.
#[derive(Default)]
pub(crate) struct PlaneEncoder {
    parse: Parse,
    codes: Vec<[u8; 3]>,
}

impl PlaneEncoder {
    /// Writes the frame of `src`, which is planes of `plane_len` bytes, to the front of `dst`; `None` where it does not fit
    /// or `src` is longer than [`MAX_LEN`].
    pub(crate) fn compress(
        &mut self,
        level: Level,
        src: &[u8],
        plane_len: usize,
        dst: &mut [u8],
    ) -> Option<usize> {
        if src.is_empty() || src.len() > MAX_LEN || plane_len == 0 {
            return None;
        }
        let mut at = write_header(src.len(), dst)?;
        let mut offsets = Offsets::default();
        let segment_len = plane_len.div_ceil(plane_len.div_ceil(MAX_BLOCK));
        for plane in (0..src.len()).step_by(plane_len) {
            let plane_end = (plane + plane_len).min(src.len());
            for start in (plane..plane_end).step_by(segment_len) {
                let end = (start + segment_len).min(plane_end);
                let block = Block {
                    start,
                    end,
                    plane_len,
                    last: end == src.len(),
                };
                at += self.write_block(level, src, block, &mut offsets, dst.get_mut(at..)?)?;
            }
        }
        Some(at)
    }

    fn write_block(
        &mut self,
        level: Level,
        src: &[u8],
        block: Block,
        offsets: &mut Offsets,
        dst: &mut [u8],
    ) -> Option<usize> {
        let segment = &src[block.start..block.end];
        let (header, body) = dst.split_at_mut_checked(BLOCK_HEADER)?;
        if block.start > 0 && segment[1..] == segment[..segment.len() - 1] {
            *body.first_mut()? = segment[0];
            block.write_header(REPEATED, segment.len(), header);
            return Some(BLOCK_HEADER + 1);
        }
        let mut after = *offsets;
        let written = if block.is_copy(src) {
            self.write_copy(level, &mut after, block, body)
        } else {
            self.parse.find_runs(level, segment);
            self.write_runs(level, &mut after, body)
        };
        if let Some(written) = written.filter(|&written| written < segment.len()) {
            // Decoders keep the offsets of compressed blocks alone.
            *offsets = after;
            block.write_header(COMPRESSED, written, header);
            return Some(BLOCK_HEADER + written);
        }
        body.get_mut(..segment.len())?.copy_from_slice(segment);
        block.write_header(RAW, segment.len(), header);
        Some(BLOCK_HEADER + segment.len())
    }

    /// A block that repeats the plane before it.
    fn write_copy(
        &mut self,
        level: Level,
        offsets: &mut Offsets,
        block: Block,
        dst: &mut [u8],
    ) -> Option<usize> {
        let sequence = Sequence {
            literals: 0,
            matched: (block.end - block.start) as u32,
            offset_value: offsets.value_of(block.plane_len as u32, 0),
        };
        let at = literals::write(level, &[], dst)?;
        Some(at + sequences::write(&[sequence], &mut self.codes, dst.get_mut(at..)?)?)
    }

    /// A block of the runs that were found.
    fn write_runs(&mut self, level: Level, offsets: &mut Offsets, dst: &mut [u8]) -> Option<usize> {
        // Every run has a literal before it, so once offset 1 was used it is the first of those repeated.
        if let Some(first) = self.parse.sequences.first_mut() {
            first.offset_value = offsets.value_of(1, first.literals);
        }
        let at = literals::write(level, &self.parse.literals, dst)?;
        let sequences = &self.parse.sequences;
        Some(at + sequences::write(sequences, &mut self.codes, dst.get_mut(at..)?)?)
    }
}

/// Where a block of the frame lies in the content.
#[derive(Clone, Copy)]
struct Block {
    start: usize,
    end: usize,
    plane_len: usize,
    last: bool,
}

impl Block {
    fn is_copy(&self, src: &[u8]) -> bool {
        let (start, end) = (self.start, self.end);
        start >= self.plane_len
            && end - start >= MIN_MATCH as usize
            && src[start..end] == src[start - self.plane_len..end - self.plane_len]
    }

    /// Last_Block, Block_Type and Block_Size (RFC 8878, 3.1.1.2).
    fn write_header(&self, kind: u32, size: usize, header: &mut [u8]) {
        let fields = u32::from(self.last) | kind << 1 | (size as u32) << 3;
        header.copy_from_slice(&fields.to_le_bytes()[..BLOCK_HEADER]);
    }
}

/// Magic number, descriptor and length of the content (RFC 8878, 3.1.1.1).
fn write_header(len: usize, dst: &mut [u8]) -> Option<usize> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let (flag, field, bytes) = match len {
        0..256 => (0, len, 1),
        256..65792 => (1, len - 256, 2),
        _ => (2, len, 4),
    };
    let header = dst.get_mut(..MAGIC.len() + 1 + bytes)?;
    header[..4].copy_from_slice(&MAGIC);
    header[4] = flag << 6 | SINGLE_SEGMENT;
    header[5..].copy_from_slice(&(field as u32).to_le_bytes()[..bytes]);
    Some(header.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that come as often as `share` of 256 from a few values, else from many.
    fn plane(len: usize, share: u32, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u32
        };
        (0..len)
            .map(|_| {
                if draw() % 256 < share {
                    0
                } else {
                    (draw() & draw() & 255) as u8
                }
            })
            .collect()
    }

    fn round_trip(src: &[u8], plane_len: usize) -> usize {
        let mut dst = vec![0xcc; src.len() + src.len() / 16 + 8192];
        let mut encoder = PlaneEncoder::default();
        let frame = |level, encoder: &mut PlaneEncoder, dst: &mut [u8]| {
            encoder.compress(level, src, plane_len, dst).unwrap()
        };
        let len = frame(Level::best(), &mut encoder, &mut dst);
        let mut back = vec![0x55; src.len()];
        let decoded = zstd_safe::decompress(&mut back[..], &dst[..len]);
        assert_eq!(decoded, Ok(src.len()), "{} of {plane_len}", src.len());
        assert!(back == src, "{} of {plane_len}", src.len());
        let mut again = vec![0; dst.len()];
        assert_eq!(frame(Level::SCALAR, &mut encoder, &mut again), len);
        assert!(again[..len] == dst[..len]);
        len
    }

    #[test]
    fn a_frame_says_its_length_and_is_one_segment() {
        let mut dst = [0; 64];
        for (len, header) in [
            (255, &[0x20, 255][..]),
            (256, &[0x60, 0, 0]),
            (65791, &[0x60, 255, 255]),
            (65792, &[0xa0, 0, 1, 1, 0]),
            (1 << 20, &[0xa0, 0, 0, 16, 0]),
        ] {
            assert_eq!(write_header(len, &mut dst), Some(4 + header.len()));
            assert_eq!(dst[..4], [0x28, 0xb5, 0x2f, 0xfd]);
            assert_eq!(&dst[4..4 + header.len()], header, "{len}");
        }
    }

    #[test]
    fn every_density_of_plane_decodes() {
        for share in [0, 1, 64, 128, 192, 230, 250, 254, 255, 256] {
            for len in [1, 2, 3, 7, 31, 64, 1000, 1023, 1024, 5000, 20_000, 131_072] {
                let src: Vec<u8> = (0..3)
                    .flat_map(|i| plane(len, share, u64::from(share) + i))
                    .collect();
                round_trip(&src, len);
            }
        }
    }

    #[test]
    fn the_first_block_is_never_a_repeated_byte() {
        let src = vec![0; 4096];
        let mut dst = [0; 256];
        let mut encoder = PlaneEncoder::default();
        let len = encoder
            .compress(Level::best(), &src, 2048, &mut dst)
            .unwrap();
        let first_block = u32::from_le_bytes([dst[7], dst[8], dst[9], 0]);
        assert_eq!(first_block >> 1 & 3, COMPRESSED);
        assert!(len < 40);
        round_trip(&src, 2048);
    }

    #[test]
    fn a_plane_beyond_128_kib_is_copied_from_a_plane_before() {
        for plane_len in [131_073, 150_000, 262_144, 524_288] {
            let first = plane(plane_len, 100, 1);
            let other = plane(plane_len, 250, 2);
            let once = round_trip(&[&first[..], &other].concat(), plane_len);
            let again = [&first[..], &first, &other, &other].concat();
            let twice = round_trip(&again, plane_len);
            assert!(twice < once + 128, "{plane_len}: {once} {twice}");
        }
    }

    #[test]
    fn runs_and_copies_in_turn_keep_the_offsets() {
        let plane_len = 4000;
        let sparse = [plane(plane_len, 250, 3), plane(plane_len, 253, 4)];
        let noise = plane(plane_len, 0, 5);
        let zeros = vec![0; plane_len];
        let all = [&sparse[0], &sparse[1], &noise, &zeros];
        for order in 0..4usize.pow(6) {
            let src: Vec<u8> = (0..6)
                .flat_map(|i| all[order / 4usize.pow(i) % 4].clone())
                .collect();
            let mut dst = vec![0; 2 * src.len()];
            let mut encoder = PlaneEncoder::default();
            let len = encoder
                .compress(Level::best(), &src, plane_len, &mut dst)
                .unwrap();
            let mut back = vec![0; src.len()];
            let decoded = zstd_safe::decompress(&mut back[..], &dst[..len]);
            assert_eq!(decoded, Ok(src.len()), "{order}");
            assert!(back == src, "{order}");
        }
    }

    #[test]
    fn any_room_that_is_too_short_is_none() {
        let src: Vec<u8> = (0..4).flat_map(|i| plane(3000, 60 * i, 9)).collect();
        let mut encoder = PlaneEncoder::default();
        let mut dst = vec![0; 20_000];
        let full = encoder.compress(Level::best(), &src, 3000, &mut dst);
        for room in 0..full.unwrap() {
            // Blocks that do not fit compressed may fit raw; what is returned decodes.
            if let Some(len) = encoder.compress(Level::best(), &src, 3000, &mut dst[..room]) {
                let mut back = vec![0; src.len()];
                let decoded = zstd_safe::decompress(&mut back[..], &dst[..len]);
                assert_eq!(decoded, Ok(src.len()), "{room}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_planes_decode(
            planes in prop::collection::vec((0u32..=256, 0u64..4), 1..20),
            plane_len in prop_oneof![1usize..300, 300usize..9000, 60_000usize..70_000],
            cut in 0usize..200,
        ) {
            let mut src: Vec<u8> = planes.iter().flat_map(|&(share, seed)| plane(plane_len, share, seed)).collect();
            src.truncate(src.len().saturating_sub(cut).max(1));
            round_trip(&src[..src.len().min(MAX_LEN)], plane_len);
        }
    }
}
