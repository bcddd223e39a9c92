//! Values in the place of indices of one byte, without a memory access for each: the palette lies in registers.
//!
//! Byte `j` of 64 elements is one look-up of 64 indices in the table of the bytes `j` of all values: `vpermb` for up to
//! 64 values, `vpermi2b` for up to 128, two of these and a choice for up to 256. Unpacking pairs of such vectors, then
//! pairs of pairs, makes elements. Unpacking works within 16 bytes, so the indices are first put where it takes them
//! from: the low bytes of the elements of one output register must lie in the same place of each 16 bytes.

#![allow(unsafe_code)] // Intrinsics on pointers; the lengths are checked here, the `Level` is asked for.

use std::arch::x86_64::*;

use super::levels::{InstructionSet, Level};

/// Indices handled at once.
const TILE: usize = 64;

/// The bytes of up to 256 values of 1, 2, 4 or 8 bytes, by significance.
pub(crate) struct ByteTables {
    /// For byte `j`: the bytes `j` of all values, in 4 registers.
    tables: [[[u8; TILE]; 4]; 8],
    registers: usize,
    element_bytes: usize,
}

impl ByteTables {
    /// `None` where the CPU lacks the instructions or the values do not fit.
    pub(crate) fn new(level: Level, values: &[u64], element_bytes: usize) -> Option<Self> {
        let able = level.instruction_set() >= InstructionSet::Avx512Gfni;
        if !able || values.len() > 256 || !matches!(element_bytes, 1 | 2 | 4 | 8) {
            return None;
        }
        let mut tables = [[[0; TILE]; 4]; 8];
        for (i, value) in values.iter().enumerate() {
            for (table, byte) in tables.iter_mut().zip(value.to_le_bytes()) {
                table[i / TILE][i % TILE] = byte;
            }
        }
        Some(Self {
            tables,
            registers: values.len().div_ceil(TILE),
            element_bytes,
        })
    }

    /// Writes the values of the first indices to `dst`; returns how many that were, a multiple of 64. Indices must be
    /// smaller than the number of values.
    pub(crate) fn expand(&self, indices: &[u8], dst: &mut [u8]) -> usize {
        let tiles = indices.len().min(dst.len() / self.element_bytes) / TILE;
        let function = match (self.registers, self.element_bytes) {
            (0..=1, 1) => expand::<1, 1>,
            (0..=1, 2) => expand::<1, 2>,
            (0..=1, 4) => expand::<1, 4>,
            (0..=1, _) => expand::<1, 8>,
            (2, 1) => expand::<2, 1>,
            (2, 2) => expand::<2, 2>,
            (2, 4) => expand::<2, 4>,
            (2, _) => expand::<2, 8>,
            (_, 1) => expand::<4, 1>,
            (_, 2) => expand::<4, 2>,
            (_, 4) => expand::<4, 4>,
            (_, _) => expand::<4, 8>,
        };
        // SAFETY: `new` was given a `Level` that has the instructions; `tiles` tiles lie within both slices.
        unsafe { function(&self.tables, indices.as_ptr(), tiles, dst.as_mut_ptr()) };
        tiles * TILE
    }
}

/// # Safety
/// `tiles` · 64 indices can be read and as many elements of `BYTES` bytes written.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
unsafe fn expand<const REGISTERS: usize, const BYTES: usize>(
    tables: &[[[u8; TILE]; 4]; 8],
    indices: *const u8,
    tiles: usize,
    dst: *mut u8,
) {
    let order = order_for(BYTES);
    for tile in 0..tiles {
        // SAFETY: the caller's promise; unaligned loads and stores.
        unsafe {
            let indices = _mm512_loadu_si512(indices.add(tile * TILE).cast());
            let indices = _mm512_permutexvar_epi8(order, indices);
            let mut bytes = [_mm512_setzero_si512(); BYTES];
            for (byte, table) in bytes.iter_mut().zip(tables) {
                *byte = look_up::<REGISTERS>(table, indices);
            }
            let elements = interleave(bytes);
            for (number, &register) in elements.iter().enumerate() {
                let at = tile * TILE * BYTES + number * TILE;
                _mm512_storeu_si512(dst.add(at).cast(), register);
            }
        }
    }
}

/// Byte `i` of the result is entry `indices[i]` of the table.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn look_up<const REGISTERS: usize>(table: &[[u8; TILE]; 4], indices: __m512i) -> __m512i {
    // SAFETY: each load reads the 64 bytes of one array.
    let register = |i: usize| unsafe { _mm512_loadu_si512(table[i].as_ptr().cast()) };
    if REGISTERS == 1 {
        return _mm512_permutexvar_epi8(indices, register(0));
    }
    let low = _mm512_permutex2var_epi8(register(0), indices, register(1));
    if REGISTERS == 2 {
        return low;
    }
    let high = _mm512_permutex2var_epi8(register(2), indices, register(3));
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(indices), low, high)
}

/// Where unpacking `BYTES` registers wants the indices: in lane L (16 bytes), n = 16 / BYTES of them for each output
/// register m, and those are the elements n (4 m + L) and following.
#[inline]
#[target_feature(enable = "avx512f")]
fn order_for(element_bytes: usize) -> __m512i {
    let mut order = [0u8; TILE];
    let run = 16 / element_bytes;
    for (at, index) in order.iter_mut().enumerate() {
        let (lane, output, rest) = (at / 16, at % 16 / run, at % run);
        *index = (run * (4 * output + lane) + rest) as u8;
    }
    // SAFETY: reads the 64 bytes of the array.
    unsafe { _mm512_loadu_si512(order.as_ptr().cast()) }
}

/// Register `j` holds byte `j` of elements; makes registers of whole elements, in the order of `order_for`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn interleave<const BYTES: usize>(bytes: [__m512i; BYTES]) -> [__m512i; BYTES] {
    let mut from = bytes;
    let mut to = bytes;
    if BYTES == 1 {
        return from;
    }
    // Unpacking registers 2 i and 2 i + 1, of which the latter holds the more significant part, gives two registers of
    // parts twice as long: first of the elements in the low half of each lane, then of those in the high half.
    let mut parts = BYTES; // parts an element is in
    let mut blocks = 1; // groups of elements, each in `parts` registers
    while parts > 1 {
        for block in 0..blocks {
            for pair in 0..parts / 2 {
                let a = from[block * parts + 2 * pair];
                let b = from[block * parts + 2 * pair + 1];
                let (low, high) = match BYTES / parts {
                    1 => (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)),
                    2 => (_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)),
                    _ => (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)),
                };
                to[2 * block * (parts / 2) + pair] = low;
                to[(2 * block + 1) * (parts / 2) + pair] = high;
            }
        }
        from = to;
        parts /= 2;
        blocks *= 2;
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_in_registers_give_the_values() {
        let tables_at = |level: Level| level.instruction_set() >= InstructionSet::Avx512Gfni;
        for level in Level::available().filter(|&level| tables_at(level)) {
            eprintln!("byte tables ran at {}", level.name());
            for element_bytes in [1, 2, 4, 8] {
                for count in [1, 2, 63, 64, 65, 128, 129, 256] {
                    let mask = u64::MAX >> (64 - 8 * element_bytes);
                    let values: Vec<u64> = (1..=count as u64)
                        .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) & mask)
                        .collect();
                    let tables = ByteTables::new(level, &values, element_bytes).unwrap();
                    for len in 0..=200usize {
                        let indices: Vec<u8> =
                            (0..=len).map(|i| ((i * i + 7 * i) % count) as u8).collect();
                        let mut dst = vec![0xcc; len * element_bytes + 2];
                        let written =
                            tables.expand(&indices[1..], &mut dst[1..=len * element_bytes]);
                        assert_eq!(written, len / 64 * 64);
                        let expected = indices[1..=written].iter().flat_map(|&index| {
                            values[usize::from(index)]
                                .to_le_bytes()
                                .into_iter()
                                .take(element_bytes)
                        });
                        let (got, rest) = dst[1..].split_at(written * element_bytes);
                        assert!(
                            expected.eq(got.iter().copied()),
                            "{count} of {element_bytes}, {len}"
                        );
                        assert!(dst[0] == 0xcc && rest.iter().all(|&byte| byte == 0xcc));
                    }
                }
            }
        }
    }
}
