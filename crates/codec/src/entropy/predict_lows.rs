//! The low bits of residuals on their way out of the bit planes, a block at a time.
//!
//! Unpacked as they are wanted they stay in the L1 cache; those of a whole chunk do not.

use super::bits::{BLOCK, packed_len, unpack};
use super::predict::low_width;
use crate::entropy::indices::grow;

/// Gives the low bits in order.
pub(super) struct Lows<'a> {
    packed: &'a [u8],
    bits: u32,
    /// Numbers whose bits are not unpacked.
    left: usize,
    unpacked: &'a mut Vec<u8>,
    /// What is unpacked and not given away, in bytes of the above.
    start: usize,
    end: usize,
}

impl<'a> Lows<'a> {
    /// `packed` is as long as [`packed_len`] says of `count` numbers; lines are at most `longest` long.
    pub(super) fn new(
        packed: &'a [u8],
        bits: u32,
        count: usize,
        longest: usize,
        memory: &'a mut Vec<u8>,
    ) -> Self {
        grow(memory, (longest + BLOCK) * low_width(bits));
        Self {
            packed,
            bits,
            left: count,
            unpacked: memory,
            start: 0,
            end: 0,
        }
    }

    /// The next `count` numbers, [`low_width`] bytes each, of which there must be so many.
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let width = low_width(self.bits);
        let bytes = count * width;
        if self.end - self.start < bytes {
            self.unpacked.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < bytes {
                self.unpack_block(width);
            }
        }
        let at = self.start;
        self.start += bytes;
        &self.unpacked[at..at + bytes]
    }

    fn unpack_block(&mut self, width: usize) {
        let count = BLOCK.min(self.left);
        let len = packed_len(count, self.bits).unwrap_or(0);
        let (block, rest) = self.packed.split_at(len);
        let room = &mut self.unpacked[self.end..];
        unpack(width, block, self.bits, count, |numbers| {
            room[..numbers.len()].copy_from_slice(numbers);
            true
        });
        self.packed = rest;
        self.left -= count;
        self.end += count * width;
    }
}
