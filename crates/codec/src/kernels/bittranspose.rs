//! Bits of equal significance side by side: the transposition in bitshuffle.

use super::levels::Level;

/// Bit transposition.
pub fn bit_transpose(level: Level, element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    check_lengths(element_bytes, src, dst);
    let _ = level;
    transpose_scalar(element_bytes, 0, src, dst);
}

/// Inverse.
pub fn bit_untranspose(level: Level, element_bytes: usize, src: &[u8], dst: &mut [u8]) {
    check_lengths(element_bytes, src, dst);
    let _ = level;
    untranspose_scalar(element_bytes, 0, src, dst);
}

fn check_lengths(element_bytes: usize, src: &[u8], dst: &[u8]) {
    assert!(
        element_bytes > 0 && src.len().is_multiple_of(8 * element_bytes),
        "a block is a multiple of 8 elements of {element_bytes} bytes, not {} bytes",
        src.len()
    );
    assert_eq!(
        src.len(),
        dst.len(),
        "source and destination differ in length"
    );
}

/// Elements from `first` on, 8 at a time.
fn transpose_scalar(element_bytes: usize, first: usize, src: &[u8], dst: &mut [u8]) {
    let plane_bytes = src.len() / (8 * element_bytes);
    for group in first / 8..plane_bytes {
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

/// Elements from `first` on, 8 at a time.
fn untranspose_scalar(element_bytes: usize, first: usize, src: &[u8], dst: &mut [u8]) {
    let plane_bytes = src.len() / (8 * element_bytes);
    for group in first / 8..plane_bytes {
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
