//! CRC-32C (Castagnoli), the checksum of iSCSI (RFC 3720), over which a chunk passes twice.
//!
//! In plain words: the bytes are the coefficients of a polynomial over GF(2), and the checksum is its remainder.
//!
//! ```text
//! for each bit: crc = crc >> 1 ^ (POLYNOMIAL if the lowest bit of crc differs from it)
//! ```
//!
//! What was done to it, from the slowest to the fastest:
//!
//! * eight bytes a step, by tables of what each byte becomes when further ones pass;
//! * the instruction for eight bytes, where the CPU has one;
//! * carry-less multiplication: a register of bytes far from the end is replaced by a register of bytes nearer to the end
//!   that has the same remainder, as V. Gopal and others describe ("Fast CRC computation for generic polynomials using
//!   PCLMULQDQ", Intel 2009). What is left at the end goes through the steps above.
//!
//! A library for all checksums holds 700 kB of tables, which no plugin needs.

use super::levels::Level;

/// x³² + x²⁸ + … + 1, the highest power lowest, without x³².
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum of some bytes and then `bytes`, where `crc` is the checksum of the former; that of no bytes is 0.
pub(crate) fn crc32c(level: Level, crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(crc) = x86::crc32c(level, !crc, bytes) {
        return !crc;
    }
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    if let Some(crc) = aarch64::crc32c(level, !crc, bytes) {
        return !crc;
    }
    let _ = level;
    !by_tables(!crc, bytes)
}

/// What a byte becomes when none, one, … seven more have passed.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut table = 0;
        while table < 8 {
            let mut bit = 0;
            while bit < 8 {
                crc = times_x(crc);
                bit += 1;
            }
            tables[table][byte] = crc;
            table += 1;
        }
        byte += 1;
    }
    tables
}

const fn times_x(crc: u32) -> u32 {
    (crc >> 1) ^ (POLYNOMIAL * (crc & 1))
}

fn by_tables(mut crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks();
    for &word in words {
        let word = (u64::from_le_bytes(word) ^ u64::from(crc)).to_le_bytes();
        crc = (0..8).fold(0, |crc, at| crc ^ TABLES[7 - at][usize::from(word[at])]);
    }
    for &byte in rest {
        crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)];
    }
    crc
}

/// The two multipliers that move a register of 128 bits by `bits` towards the end: for its first half, which has the
/// higher powers, and for its second.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const fn multipliers(bits: u32) -> [u64; 2] {
    const fn power(exponent: u32) -> u64 {
        let mut crc = 1 << 31;
        let mut power = 0;
        while power < exponent {
            crc = times_x(crc);
            power += 1;
        }
        // A product has 127 bits, and its highest power stands in bit 0.
        (crc as u64) << 1
    }
    [power(bits + 32), power(bits - 32)]
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // Intrinsics: `Level` and the detection here prove that the CPU has them.
mod x86 {
    use std::arch::is_x86_feature_detected as has;
    use std::arch::x86_64::*;

    use super::super::levels::{InstructionSet, Level};
    use super::multipliers;

    /// Without the complements; `None` where the level has no instruction for it.
    pub(super) fn crc32c(level: Level, crc: u32, bytes: &[u8]) -> Option<u32> {
        match level.instruction_set() {
            InstructionSet::Scalar | InstructionSet::Baseline => None,
            InstructionSet::Avx512 | InstructionSet::Avx512Gfni if has!("vpclmulqdq") => {
                // SAFETY: the level has AVX-512F and SSE4.2, and VPCLMULQDQ was found.
                Some(unsafe { by_512_bits(crc, bytes) })
            }
            // SAFETY: the level has SSE4.2, and PCLMULQDQ was found.
            _ if has!("pclmulqdq") => Some(unsafe { by_128_bits(crc, bytes) }),
            // SAFETY: the level has SSE4.2, which AVX2 includes.
            _ => Some(unsafe { by_words(crc, bytes) }),
        }
    }

    #[target_feature(enable = "sse4.2")]
    fn by_words(crc: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks();
        let crc = words.iter().fold(u64::from(crc), |crc, &word| {
            _mm_crc32_u64(crc, u64::from_le_bytes(word))
        });
        rest.iter()
            .fold(crc as u32, |crc, &byte| _mm_crc32_u8(crc, byte))
    }

    #[target_feature(enable = "sse4.2,pclmulqdq")]
    fn by_128_bits(crc: u32, bytes: &[u8]) -> u32 {
        const REGISTERS: usize = 4;
        let (blocks, rest) = bytes.as_chunks::<{ 16 * REGISTERS }>();
        let Some((first, blocks)) = blocks.split_first() else {
            return by_words(crc, bytes);
        };
        // SAFETY: 16 bytes are there.
        let load = |block: &[u8; 64], at: usize| unsafe {
            _mm_loadu_si128(block[16 * at..][..16].as_ptr().cast())
        };
        let [near, far] = const { multipliers(128 * REGISTERS as u32) };
        let by = _mm_set_epi64x(far as i64, near as i64);
        let mut registers: [__m128i; REGISTERS] = std::array::from_fn(|at| load(first, at));
        registers[0] = _mm_xor_si128(registers[0], _mm_cvtsi32_si128(crc as i32));
        for block in blocks {
            for (at, register) in registers.iter_mut().enumerate() {
                let low = _mm_clmulepi64_si128::<0x00>(*register, by);
                let high = _mm_clmulepi64_si128::<0x11>(*register, by);
                *register = _mm_xor_si128(_mm_xor_si128(low, high), load(block, at));
            }
        }
        let mut left = [0; 16 * REGISTERS];
        for (to, register) in left.chunks_exact_mut(16).zip(registers) {
            // SAFETY: 16 bytes are there.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), register) };
        }
        by_words(by_words(0, &left), rest)
    }

    #[target_feature(enable = "sse4.2,avx512f,vpclmulqdq")]
    fn by_512_bits(crc: u32, bytes: &[u8]) -> u32 {
        const REGISTERS: usize = 4;
        let (blocks, rest) = bytes.as_chunks::<{ 64 * REGISTERS }>();
        let Some((first, blocks)) = blocks.split_first() else {
            return by_words(crc, bytes);
        };
        // SAFETY: 64 bytes are there.
        let load = |block: &[u8; 256], at: usize| unsafe {
            _mm512_loadu_si512(block[64 * at..][..64].as_ptr().cast())
        };
        let [near, far] = const { multipliers(512 * REGISTERS as u32) };
        let by = _mm512_broadcast_i32x4(_mm_set_epi64x(far as i64, near as i64));
        let start = _mm512_zextsi128_si512(_mm_cvtsi32_si128(crc as i32));
        let mut registers: [__m512i; REGISTERS] = std::array::from_fn(|at| load(first, at));
        registers[0] = _mm512_xor_si512(registers[0], start);
        for block in blocks {
            for (at, register) in registers.iter_mut().enumerate() {
                let low = _mm512_clmulepi64_epi128::<0x00>(*register, by);
                let high = _mm512_clmulepi64_epi128::<0x11>(*register, by);
                // 0x96 is the exclusive or of three.
                *register = _mm512_ternarylogic_epi64::<0x96>(low, high, load(block, at));
            }
        }
        let mut left = [0; 64 * REGISTERS];
        for (to, register) in left.chunks_exact_mut(64).zip(registers) {
            // SAFETY: 64 bytes are there.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), register) };
        }
        by_words(by_words(0, &left), rest)
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
#[allow(unsafe_code)] // Intrinsics: the detection here proves that the CPU has them.
mod aarch64 {
    use std::arch::aarch64::*;
    use std::arch::is_aarch64_feature_detected as has;

    use super::super::levels::Level;
    use super::multipliers;

    /// Without the complements; `None` where the CPU has no instruction for it.
    pub(super) fn crc32c(level: Level, crc: u32, bytes: &[u8]) -> Option<u32> {
        if level == Level::SCALAR || !has!("crc") {
            return None;
        }
        if has!("aes") {
            // SAFETY: both features were found.
            return Some(unsafe { by_128_bits(crc, bytes) });
        }
        // SAFETY: the feature was found.
        Some(unsafe { by_words(crc, bytes) })
    }

    #[target_feature(enable = "crc")]
    fn by_words(crc: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks();
        let crc = words
            .iter()
            .fold(crc, |crc, &word| __crc32cd(crc, u64::from_le_bytes(word)));
        rest.iter().fold(crc, |crc, &byte| __crc32cb(crc, byte))
    }

    #[target_feature(enable = "crc,neon,aes")]
    fn by_128_bits(crc: u32, bytes: &[u8]) -> u32 {
        const REGISTERS: usize = 4;
        let (blocks, rest) = bytes.as_chunks::<{ 16 * REGISTERS }>();
        let Some((first, blocks)) = blocks.split_first() else {
            return by_words(crc, bytes);
        };
        let load = |block: &[u8; 64], at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&block[16 * at..][..16]);
            u128::from_le_bytes(bytes)
        };
        let [near, far] = const { multipliers(128 * REGISTERS as u32) };
        let mut registers: [u128; REGISTERS] = std::array::from_fn(|at| load(first, at));
        registers[0] ^= u128::from(crc);
        for block in blocks {
            for (at, register) in registers.iter_mut().enumerate() {
                let low = vmull_p64(*register as u64, near);
                let high = vmull_p64((*register >> 64) as u64, far);
                *register = low ^ high ^ load(block, at);
            }
        }
        let mut left = [0; 16 * REGISTERS];
        for (to, register) in left.chunks_exact_mut(16).zip(registers) {
            to.copy_from_slice(&register.to_le_bytes());
        }
        by_words(by_words(0, &left), rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        let mut state = 7u32;
        let byte = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(byte).collect()
    }

    #[test]
    fn the_checksums_of_rfc_3720_come_out_at_every_level() {
        let ascending: Vec<u8> = (0..32).collect();
        for level in Level::available() {
            assert_eq!(crc32c(level, 0, &[]), 0);
            assert_eq!(crc32c(level, 0, &[0; 32]), 0x8a91_36aa, "{level:?}");
            assert_eq!(crc32c(level, 0, &[0xff; 32]), 0x62a8_ab43, "{level:?}");
            assert_eq!(crc32c(level, 0, &ascending), 0x46dd_794e, "{level:?}");
            assert_eq!(crc32c(level, 0, b"123456789"), 0xe306_9283, "{level:?}");
        }
    }

    #[test]
    fn every_level_agrees_with_another_implementation_at_every_length() {
        let data = bytes(2100);
        for level in Level::available() {
            eprintln!("crc32c ran at {}", level.name());
            for len in (0..=1100).chain([2047, 2048, 2049, 2099]) {
                let data = &data[1..1 + len];
                let expected = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, data) as u32;
                assert_eq!(crc32c(level, 0, data), expected, "{level:?} {len}");
            }
        }
    }

    #[test]
    fn parts_one_after_the_other_have_the_checksum_of_the_whole() {
        let data = bytes(3000);
        for level in Level::available() {
            let whole = crc32c(level, 0, &data);
            for cut in (0..3000).step_by(61) {
                let (first, second) = data.split_at(cut);
                let crc = crc32c(level, crc32c(level, 0, first), second);
                assert_eq!(crc, whole, "{level:?} {cut}");
            }
        }
    }
}
