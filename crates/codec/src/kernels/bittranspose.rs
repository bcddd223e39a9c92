//! Bits of equal significance side by side: the bit transposition of bitshuffle.
//!
//! A block of `n` elements (a multiple of 8) of `size` bytes becomes `8 * size` bit planes of `n / 8` bytes. Bit `b` of
//! byte `j` of element `e` goes to
//!
//! ```text
//! dst[(8 * j + b) * (n / 8) + e / 8], bit e % 8
//! ```
//!
//! In plain words: for every 8 elements and every byte of them, the 8 × 8 bits are transposed and the 8 rows go to 8
//! planes. `transpose_scalar` does just that and is the reference. What is done to it:
//!
//! * A `Kernel` handles a tile of 64 to 256 elements in registers, so that rows of 8 to 32 bytes reach a plane at
//!   once. `bittranspose_avx512.rs` has those for AVX-512 with GFNI, `bittranspose_lanes.rs` all others.
//! * Every level has kernels for elements of 1, 2, 4 and 8 bytes. Others are cut into columns of up to 8 bytes.
//!   `SCRATCH_ELEMENTS` elements at a time, a column is copied to the stack and transposed there as elements of its
//!   own size or the next one that has a kernel.
//! * What is left after the last tile is padded to a tile on the stack.
//!
//! GB/s to transpose / back, best of three runs of `cargo bench -p etalon-codec --bench bittranspose` on one core of an
//! AMD EPYC (Zen 4): 256 KiB in blocks of 8 KiB from and to page-aligned buffers, so both sides are in L2.
//!
//! | bytes | memcpy | `baseline` | `avx2` | `avx512` | `avx512gfni` |
//! |---|---|---|---|---|---|
//! | 1 | 56 | 13.2 / 14.6 | 23.6 / 24.8 | 26.6 / 27.6 | 52.9 / 54.9 |
//! | 2 | 57 | 12.7 / 12.4 | 19.9 / 19.6 | 22.2 / 21.6 | 50.3 / 48.3 |
//! | 4 | 57 | 9.9 / 9.9 | 20.6 / 20.0 | 23.2 / 21.5 | 37.2 / 37.5 |
//! | 8 | 57 | 11.5 / 11.2 | 18.1 / 16.7 | 19.2 / 17.3 | 26.4 / 29.5 |
//!
//! `scalar` does 0.9. The same loop between buffers of 64 MiB, `avx512gfni`, once: 6 to 9, memcpy 11. With one side of
//! it a block in L1, as a codec has it, 17 to 22: give it a scratch block, aligned to 64 bytes.

#![allow(unsafe_code)] // Kernels take pointers; `Kernel::transpose` and `Kernel::untranspose` check the lengths.

#[cfg(target_arch = "x86_64")]
use super::bittranspose_avx512;
use super::levels::Level;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::{bittranspose_lanes, levels::InstructionSet};

/// Elements of a column that are on the stack at a time; a multiple of every kernel's tile.
const SCRATCH_ELEMENTS: usize = 512;

/// Bytes of the widest kernel's elements.
const WIDEST: usize = 8;

const SCRATCH_BYTES: usize = SCRATCH_ELEMENTS * WIDEST;

/// Transposes the bits of one block: elements in `src`, planes to `dst`.
///
/// # Panics
/// If `src` is not a multiple of 8 elements, or `dst` has another length.
pub fn bit_transpose(level: Level, element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let block = Block::new(element_bytes, src, dst);
    if level == Level::SCALAR {
        return transpose_scalar(element_bytes, src, dst);
    }
    let mut done = 0;
    if let Some(kernel) = kernel(level, element_bytes) {
        done = kernel.whole_tiles(block.elements);
        kernel.transpose(done, src, dst, block.plane_bytes());
    }
    if done < block.elements {
        block.transpose_columns(level, done, src, dst);
    }
}

/// The inverse of [`bit_transpose`]: planes in `src`, elements to `dst`.
///
/// # Panics
/// If `src` is not a multiple of 8 elements, or `dst` has another length.
pub fn bit_untranspose(level: Level, element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let block = Block::new(element_bytes, src, dst);
    if level == Level::SCALAR {
        return untranspose_scalar(element_bytes, src, dst);
    }
    let mut done = 0;
    if let Some(kernel) = kernel(level, element_bytes) {
        done = kernel.whole_tiles(block.elements);
        kernel.untranspose(done, src, block.plane_bytes(), dst);
    }
    if done < block.elements {
        block.untranspose_columns(level, done, src, dst);
    }
}

/// Code for one element size and one instruction set that the CPU has: only [`kernel`] hands it out.
///
/// Both functions handle `elements` elements, a multiple of `tile_elements`, as one contiguous run of
/// `elements * element_bytes` bytes on one side and, on the other, `8 * element_bytes` rows of `elements / 8` bytes that
/// start `plane_bytes` apart. They are safe to call if all these bytes may be read or written, and do not overlap.
pub(super) struct Kernel {
    pub(super) element_bytes: usize,
    pub(super) tile_elements: usize,
    /// `(src, elements, planes, plane_bytes)`
    pub(super) transpose: unsafe fn(*const u8, usize, *mut u8, usize),
    /// `(planes, plane_bytes, dst, elements)`
    pub(super) untranspose: unsafe fn(*const u8, usize, *mut u8, usize),
}

impl Kernel {
    /// The most elements up to `elements` that the kernel can handle.
    fn whole_tiles(&self, elements: usize) -> usize {
        elements & !(self.tile_elements - 1)
    }

    /// The first `elements` of `src` to the rows in `planes`.
    fn transpose(&self, elements: usize, src: &[u8], planes: &mut [u8], plane_bytes: usize) {
        self.check(elements, src, planes, plane_bytes);
        // SAFETY: `kernel` gave this for a `Level`, so the CPU has its instructions; the lengths are checked.
        unsafe { (self.transpose)(src.as_ptr(), elements, planes.as_mut_ptr(), plane_bytes) }
    }

    /// The rows in `planes` to the first `elements` of `dst`.
    fn untranspose(&self, elements: usize, planes: &[u8], plane_bytes: usize, dst: &mut [u8]) {
        self.check(elements, dst, planes, plane_bytes);
        // SAFETY: `kernel` gave this for a `Level`, so the CPU has its instructions; the lengths are checked.
        unsafe { (self.untranspose)(planes.as_ptr(), plane_bytes, dst.as_mut_ptr(), elements) }
    }

    fn check(&self, elements: usize, packed: &[u8], planes: &[u8], plane_bytes: usize) {
        let last_row = (8 * self.element_bytes - 1) * plane_bytes;
        assert_eq!(elements, self.whole_tiles(elements));
        assert!(elements * self.element_bytes <= packed.len());
        assert!(elements == 0 || last_row + elements / 8 <= planes.len());
    }
}

/// The kernel of `level` for elements of `element_bytes` bytes: at least for 1, 2, 4 and 8 above the scalar level.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(
        unused_variables,
        reason = "other processors have the scalar level only"
    )
)]
fn kernel(level: Level, element_bytes: usize) -> Option<&'static Kernel> {
    match level.instruction_set() {
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512Gfni => bittranspose_avx512::kernel(element_bytes),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => bittranspose_lanes::avx512::kernel(element_bytes),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => bittranspose_lanes::avx2::kernel(element_bytes),
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Baseline => bittranspose_lanes::sse2::kernel(element_bytes),
        #[cfg(target_arch = "aarch64")]
        InstructionSet::Baseline => bittranspose_lanes::neon::kernel(element_bytes),
        _ => None,
    }
}

/// The shape of a block of a multiple of 8 elements.
struct Block {
    element_bytes: usize,
    elements: usize,
}

impl Block {
    fn new(element_bytes: usize, src: &[u8], dst: &[u8]) -> Block {
        let (bytes, group_bytes) = (src.len(), element_bytes.saturating_mul(8));
        assert!(
            element_bytes > 0 && bytes.is_multiple_of(group_bytes),
            "a block is a multiple of 8 elements of {element_bytes} bytes, not {bytes} bytes",
        );
        assert_eq!(bytes, dst.len(), "source and destination differ in length");
        Block {
            element_bytes,
            elements: bytes / group_bytes * 8,
        }
    }

    fn plane_bytes(&self) -> usize {
        self.elements / 8
    }

    /// Transposes the elements from `first` on by way of the stack.
    #[inline(never)] // 8 KiB of stack that whole tiles do not need
    fn transpose_columns(&self, level: Level, first: usize, src: &[u8], dst: &mut [u8]) {
        let plane_bytes = self.plane_bytes();
        let mut packed = [0; SCRATCH_BYTES];
        let mut rows = [0; SCRATCH_BYTES];
        for part in self.parts(level, first) {
            let (kernel, padded) = (part.kernel, part.padded());
            let packed = &mut packed[..padded * kernel.element_bytes];
            let elements = &src[part.first * self.element_bytes + part.offset..];
            let planes = &mut dst[8 * part.offset * plane_bytes + part.first / 8..];
            part.copy(elements, self.element_bytes, packed, kernel.element_bytes);
            if part.fills_tiles() {
                kernel.transpose(padded, packed, planes, plane_bytes);
                continue;
            }
            kernel.transpose(padded, packed, &mut rows, padded / 8);
            let rows = rows.chunks_exact(padded / 8).take(8 * part.width);
            for (plane, row) in planes.chunks_mut(plane_bytes).zip(rows) {
                plane[..part.count / 8].copy_from_slice(&row[..part.count / 8]);
            }
        }
    }

    /// The inverse of [`Block::transpose_columns`].
    #[inline(never)] // as above
    fn untranspose_columns(&self, level: Level, first: usize, src: &[u8], dst: &mut [u8]) {
        let plane_bytes = self.plane_bytes();
        let mut packed = [0; SCRATCH_BYTES];
        let mut rows = [0; SCRATCH_BYTES];
        for part in self.parts(level, first) {
            let (kernel, padded) = (part.kernel, part.padded());
            let packed = &mut packed[..padded * kernel.element_bytes];
            let elements = &mut dst[part.first * self.element_bytes + part.offset..];
            let planes = &src[8 * part.offset * plane_bytes + part.first / 8..];
            if part.fills_tiles() {
                kernel.untranspose(padded, planes, plane_bytes, packed);
            } else {
                let rows_of_part = rows.chunks_exact_mut(padded / 8).take(8 * part.width);
                for (row, plane) in rows_of_part.zip(planes.chunks(plane_bytes)) {
                    row[..part.count / 8].copy_from_slice(&plane[..part.count / 8]);
                }
                kernel.untranspose(padded, &rows, padded / 8, packed);
            }
            part.copy(packed, kernel.element_bytes, elements, self.element_bytes);
        }
    }

    /// Cuts the elements from `first` on into columns of at most [`WIDEST`] bytes and [`SCRATCH_ELEMENTS`].
    fn parts(&self, level: Level, first: usize) -> impl Iterator<Item = Part> {
        let offsets = (0..self.element_bytes).step_by(WIDEST);
        let columns = offsets.filter_map(move |offset| {
            let width = WIDEST.min(self.element_bytes - offset);
            let kernel = (width..=WIDEST).find_map(|bytes| kernel(level, bytes))?;
            Some((offset, width, kernel))
        });
        columns.flat_map(move |(offset, width, kernel)| {
            let firsts = (first..self.elements).step_by(SCRATCH_ELEMENTS);
            firsts.map(move |first| Part {
                offset,
                width,
                kernel,
                first,
                count: SCRATCH_ELEMENTS.min(self.elements - first),
            })
        })
    }
}

/// A column of neighbouring bytes of `count` elements, and a kernel for elements at least as wide.
struct Part {
    offset: usize,
    width: usize,
    kernel: &'static Kernel,
    first: usize,
    count: usize,
}

impl Part {
    fn padded(&self) -> usize {
        self.count.next_multiple_of(self.kernel.tile_elements)
    }

    /// Whether the kernel makes exactly the planes and bytes that the column has.
    fn fills_tiles(&self) -> bool {
        self.padded() == self.count && self.width == self.kernel.element_bytes
    }

    /// Copies `count` pieces of `width` bytes that start `src_stride` and `dst_stride` apart.
    fn copy(&self, src: &[u8], src_stride: usize, dst: &mut [u8], dst_stride: usize) {
        let (width, count) = (self.width, self.count);
        assert!((count - 1) * src_stride + width <= src.len());
        assert!((count - 1) * dst_stride + width <= dst.len());
        let copy = [
            copy_pieces::<1>,
            copy_pieces::<2>,
            copy_pieces::<3>,
            copy_pieces::<4>,
            copy_pieces::<5>,
            copy_pieces::<6>,
            copy_pieces::<7>,
            copy_pieces::<WIDEST>,
        ][width - 1];
        let (from, to) = (src.as_ptr(), dst.as_mut_ptr());
        // SAFETY: the last piece ends within both slices, and a shared and a unique borrow do not overlap.
        unsafe { copy(count, from, src_stride, to, dst_stride) }
    }
}

/// [`Part::copy`] for one width, so that a piece is one or two moves.
///
/// # Safety
/// All pieces may be read from `src` and written to `dst`.
unsafe fn copy_pieces<const WIDTH: usize>(
    count: usize,
    src: *const u8,
    src_stride: usize,
    dst: *mut u8,
    dst_stride: usize,
) {
    for piece in 0..count {
        // SAFETY: the caller's promise; an array of bytes has no alignment.
        unsafe {
            let from = src.add(piece * src_stride).cast::<[u8; WIDTH]>();
            let to = dst.add(piece * dst_stride).cast::<[u8; WIDTH]>();
            to.write(from.read());
        }
    }
}

/// The reference: 8 elements at a time.
fn transpose_scalar(element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let plane_bytes = src.len() / (8 * element_bytes);
    for group in 0..plane_bytes {
        let elements = &src[group * 8 * element_bytes..][..8 * element_bytes];
        for byte in 0..element_bytes {
            let column = std::array::from_fn(|e| elements[e * element_bytes + byte]);
            let bits = transpose_8x8(u64::from_le_bytes(column)).to_le_bytes();
            for (bit, &row) in bits.iter().enumerate() {
                dst[(byte * 8 + bit) * plane_bytes + group] = row;
            }
        }
    }
}

/// The inverse of [`transpose_scalar`].
fn untranspose_scalar(element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    let plane_bytes = src.len() / (8 * element_bytes);
    for group in 0..plane_bytes {
        let elements = &mut dst[group * 8 * element_bytes..][..8 * element_bytes];
        for byte in 0..element_bytes {
            let rows = std::array::from_fn(|bit| src[(byte * 8 + bit) * plane_bytes + group]);
            let column = transpose_8x8(u64::from_le_bytes(rows)).to_le_bytes();
            for (e, &value) in column.iter().enumerate() {
                elements[e * element_bytes + byte] = value;
            }
        }
    }
}

/// Byte `r` bit `c` of `x` becomes byte `c` bit `r`: swaps blocks of 1, 2 and 4 bits across the diagonal.
#[inline(always)]
fn transpose_8x8(x: u64) -> u64 {
    let swap = |x: u64, shift: u32, mask: u64| {
        let t = (x ^ (x >> shift)) & mask;
        x ^ t ^ (t << shift)
    };
    let x = swap(x, 7, 0x00aa_00aa_00aa_00aa);
    let x = swap(x, 14, 0x0000_cccc_0000_cccc);
    swap(x, 28, 0x0000_0000_f0f0_f0f0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [usize; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24, 64];

    fn element_counts(size: usize) -> impl Iterator<Item = usize> {
        let blocks = [1024, 4096, 8192 / size / 8 * 8];
        (8..=520).step_by(8).chain(blocks)
    }

    /// The bit number in the planes, by the formula at the top, of bit number `bit` of the elements.
    fn bit_in_planes(size: usize, elements: usize, bit: usize) -> usize {
        let (e, j, b) = (bit / (8 * size), bit / 8 % size, bit % 8);
        8 * ((8 * j + b) * (elements / 8) + e / 8) + e % 8
    }

    fn planes_by_formula(size: usize, src: &[u8]) -> Vec<u8> {
        let mut planes = vec![0; src.len()];
        for bit in 0..8 * src.len() {
            let to = bit_in_planes(size, src.len() / size, bit);
            planes[to / 8] |= (src[bit / 8] >> (bit % 8) & 1) << (to % 8);
        }
        planes
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    type Function = fn(Level, usize, &[u8], &mut [u8]);

    /// Runs `function` from one misaligned buffer to another; nothing around the output may change.
    fn misaligned(function: Function, level: Level, size: usize, src: &[u8]) -> Vec<u8> {
        let from = [&[0xcc], src].concat();
        let mut to = vec![0xcc; src.len() + 2];
        function(level, size, &from[1..], &mut to[1..=src.len()]);
        assert_eq!((to[0], to[src.len() + 1]), (0xcc, 0xcc), "{level:?} {size}");
        to[1..=src.len()].to_vec()
    }

    #[test]
    fn every_level_follows_the_formula_and_its_inverse() {
        for size in SIZES {
            for elements in element_counts(size) {
                let src = noise(elements * size);
                let planes = planes_by_formula(size, &src);
                for level in Level::available() {
                    let case = format!("{level:?}, {elements} elements of {size}");
                    assert!(
                        misaligned(bit_transpose, level, size, &src) == planes,
                        "{case}"
                    );
                    assert!(
                        misaligned(bit_untranspose, level, size, &planes) == src,
                        "{case}"
                    );
                }
            }
        }
        let ran: Vec<_> = Level::available().map(Level::name).collect();
        eprintln!("bit transposition ran at {}", ran.join(", "));
    }

    #[test]
    fn one_bit_among_others_goes_where_the_formula_says() {
        let cases = [1, 2, 3, 4, 8].map(|size| (size, 264));
        for (size, elements) in SIZES.map(|size| (size, 8)).into_iter().chain(cases) {
            for level in Level::available() {
                for bit in 0..8 * size * elements {
                    let to = bit_in_planes(size, elements, bit);
                    for background in [0x00, 0xff] {
                        let mut src = vec![background; size * elements];
                        let mut planes = src.clone();
                        src[bit / 8] ^= 1 << (bit % 8);
                        planes[to / 8] ^= 1 << (to % 8);
                        let mut out = vec![0xcc; src.len()];
                        bit_transpose(level, size, &src, &mut out);
                        assert!(out == planes, "{level:?} {size} {elements} {bit}");
                        bit_untranspose(level, size, &planes, &mut out);
                        assert!(out == src, "{level:?} {size} {elements} {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_block_is_left_alone() {
        for level in Level::available() {
            for size in SIZES {
                bit_transpose(level, size, &[], &mut []);
                bit_untranspose(level, size, &[], &mut []);
            }
        }
    }

    #[test]
    #[should_panic(expected = "multiple of 8 elements")]
    fn nine_elements_are_refused() {
        bit_transpose(Level::SCALAR, 1, &[0; 9], &mut [0; 9]);
    }

    #[test]
    #[should_panic(expected = "differ in length")]
    fn lengths_that_differ_are_refused() {
        bit_untranspose(Level::SCALAR, 2, &[0; 16], &mut [0; 32]);
    }
}
