//! Bins of expected spread to contexts, by table: 64 at once where the CPU can look up 128 bytes in registers.

use super::levels::Level;
use super::predict::BINS;

/// Replaces bins by their contexts; those that are no bin, such as of special pixels, by `other`.
pub(crate) fn contexts(level: Level, of_bin: &[u8; BINS], other: u8, bins: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if level.instruction_set() == super::levels::InstructionSet::Avx512Gfni {
        // SAFETY: `level` exists, so the CPU has the instructions.
        #[allow(unsafe_code)]
        unsafe {
            avx512gfni(of_bin, other, bins);
        }
        return;
    }
    let _ = level;
    scalar(of_bin, other, bins);
}

fn scalar(of_bin: &[u8; BINS], other: u8, bins: &mut [u8]) {
    let mut contexts = [other; 256];
    contexts[..BINS].copy_from_slice(of_bin);
    for bin in bins {
        *bin = contexts[usize::from(*bin)];
    }
}

/// The top bit of a byte tells that it is no bin; the other seven are the place in two registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn avx512gfni(of_bin: &[u8; BINS], other: u8, bins: &mut [u8]) {
    use std::arch::x86_64::*;
    const LANES: usize = 64;
    let (blocks, rest) = bins.as_chunks_mut::<LANES>();
    // SAFETY: 128 bytes are two registers, and a block is one.
    #[allow(unsafe_code)]
    unsafe {
        let table = of_bin.as_ptr().cast::<__m512i>();
        let (low, high) = (_mm512_loadu_si512(table), _mm512_loadu_si512(table.add(1)));
        let other = _mm512_set1_epi8(other as i8);
        for block in blocks {
            let place = block.as_mut_ptr().cast::<__m512i>();
            let bins = _mm512_loadu_si512(place);
            let found = _mm512_permutex2var_epi8(low, bins, high);
            let found = _mm512_mask_mov_epi8(found, _mm512_movepi8_mask(bins), other);
            _mm512_storeu_si512(place, found);
        }
    }
    scalar(of_bin, other, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_looks_up_the_same() {
        let of_bin = std::array::from_fn(|bin| (bin * bin / 700) as u8);
        for len in [0usize, 1, 63, 64, 65, 128, 300] {
            let bins: Vec<u8> = (0..len).map(|i| (i * 37) as u8).collect();
            let expected: Vec<u8> = bins
                .iter()
                .map(|&bin| *of_bin.get(usize::from(bin)).unwrap_or(&24))
                .collect();
            for level in Level::available() {
                let mut found = bins.clone();
                contexts(level, &of_bin, 24, &mut found);
                assert_eq!(found, expected, "{level:?} {len}");
            }
        }
    }
}
