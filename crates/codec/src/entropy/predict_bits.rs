//! The bits of large residuals: those below the first of a bucket's number, one after another, lowest first.

use super::predict::SPECIAL;
use crate::Error;
use crate::kernels::predict::DIRECT;

/// Symbols that are looked at together: most lines have few buckets.
const BLOCK: usize = 64;

/// Which of at most [`BLOCK`] symbols are buckets.
fn large_mask(symbols: &[u8]) -> u64 {
    // Two steps, which compile to vector code: is there one at all, and where.
    if symbols.iter().fold(0, |most, &symbol| symbol.max(most)) < DIRECT as u8 {
        return 0;
    }
    let large = |(i, &symbol): (usize, &u8)| u64::from(u32::from(symbol) >= DIRECT) << i;
    symbols.iter().enumerate().map(large).sum()
}

/// Bits, lowest first, to bytes.
pub(super) struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            bytes,
            held: 0,
            count: 0,
        }
    }

    fn push(&mut self, bits: u32, count: u32) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Makes buckets of the large zigzags of a line, and zeros of special pixels.
    pub(super) fn push_line(&mut self, symbols: &mut [u8], zigzags: &[u32], bins: &[u8]) {
        for (symbol, &bin) in symbols.iter_mut().zip(bins) {
            *symbol = if bin == SPECIAL { 0 } else { *symbol };
        }
        for (symbols, zigzags) in symbols.chunks_mut(BLOCK).zip(zigzags.chunks(BLOCK)) {
            let mut large = large_mask(symbols);
            while large != 0 {
                let place = large.trailing_zeros() as usize;
                large &= large - 1;
                let rest = zigzags[place] - (DIRECT - 1);
                let bucket = rest.ilog2();
                symbols[place] = (DIRECT + bucket) as u8;
                self.push(rest ^ 1 << bucket, bucket);
            }
        }
    }

    pub(super) fn finish(self) {
        if self.count > 0 {
            self.bytes.push(self.held as u8);
        }
    }
}

/// Bits, lowest first, from bytes.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
        }
    }

    fn take(&mut self, count: u32) -> Result<u32, Error> {
        while self.count < count {
            let byte = *self.bytes.get(self.at).ok_or(Error::Truncated {
                what: "the bits of large residuals",
                offset: 0,
                needed: self.at + 1,
                len: self.bytes.len(),
            })?;
            self.held |= u64::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let bits = self.held & ((1 << count) - 1);
        self.held >>= count;
        self.count -= count;
        Ok(bits as u32)
    }

    /// Replaces the numbers of a line whose symbols are buckets; of their low bits, those are kept.
    pub(super) fn read_line(
        &mut self,
        symbols: &[u8],
        predictions: &[i32],
        low_bits: u32,
        numbers: &mut [i32],
    ) -> Result<(), Error> {
        for (block, part) in symbols.chunks(BLOCK).enumerate() {
            let mut large = large_mask(part);
            while large != 0 {
                let place = large.trailing_zeros() as usize;
                large &= large - 1;
                let i = BLOCK * block + place;
                self.replace(symbols[i], low_bits, predictions[i], &mut numbers[i])?;
            }
        }
        Ok(())
    }

    fn replace(
        &mut self,
        symbol: u8,
        low_bits: u32,
        prediction: i32,
        number: &mut i32,
    ) -> Result<(), Error> {
        let bucket = u32::from(symbol) - DIRECT;
        let mask = (1u32 << low_bits) - 1;
        let zigzag = (1u32 << bucket | self.take(bucket)?).wrapping_add(DIRECT - 1);
        let low = number.wrapping_sub(prediction) as u32 & mask;
        let high = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        let residual = high << low_bits | low;
        *number = prediction.wrapping_add(residual as i32);
        Ok(())
    }

    /// Checks that no more than a byte's zeros are left.
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.at == self.bytes.len() && self.held == 0 {
            return Ok(());
        }
        Err(Error::Damaged {
            what: "bits of large residuals are left",
            offset: 0,
            len: self.bytes.len(),
        })
    }
}
