//! The low bits of residuals on their way out of the bit planes, a block at a time.
//!
//! Unpacked as they are wanted they stay in the L1 cache; those of a whole chunk do not.

use super::bits::{BLOCK, Unpacker};
use super::predict::low_width;
use crate::entropy::indices::grow;

/// Gives the low bits in order.
pub(super) struct Lows<'a> {
    width: usize,
    packed: Unpacker<'a>,
    unpacked: &'a mut Vec<u8>,
    /// What is unpacked and not given away, in bytes of the above.
    start: usize,
    end: usize,
}

impl<'a> Lows<'a> {
    /// `packed` is as long as `packed_len` says of `count` numbers; lines are at most `longest` long.
    pub(super) fn new(
        packed: &'a [u8],
        bits: u32,
        count: usize,
        longest: usize,
        memory: &'a mut Vec<u8>,
    ) -> Self {
        let width = low_width(bits);
        // A block is unpacked behind what is left of the one before.
        grow(memory, (longest + BLOCK) * width);
        Self {
            width,
            packed: Unpacker::new(width, packed, bits, count),
            unpacked: memory,
            start: 0,
            end: 0,
        }
    }

    /// The next `count` numbers, [`low_width`] bytes each, of which there must be so many.
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let bytes = count * self.width;
        if self.end - self.start < bytes {
            self.unpacked.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < bytes {
                self.end += self.packed.next(&mut self.unpacked[self.end..]);
            }
        }
        let at = self.start;
        self.start += bytes;
        &self.unpacked[at..at + bytes]
    }
}
