//! Bits as FSE and Huffman streams of zstd have them: written from the front, read from the back.
//!
//! RFC 8878, 4.1: the first bit written is the lowest of the first byte; a bit of value one after the last, and zeros to the
//! end of its byte, tell the reader where to begin.

/// Bytes of a store; a writer needs that many behind its last byte.
pub(super) const WORD_BYTES: usize = 8;

/// Writes bits to the front of a slice. Up to 56 bits may be put between two flushes.
pub(super) struct BitWriter<'a> {
    dst: &'a mut [u8],
    at: usize,
    word: u64,
    bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(dst: &'a mut [u8]) -> Self {
        Self {
            dst,
            at: 0,
            word: 0,
            bits: 0,
        }
    }

    /// Appends the low `bits` bits of `value`, which has no others.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        self.word |= value << self.bits;
        self.bits += bits;
    }

    /// Stores whole bytes; `None` where they might not fit.
    #[inline(always)]
    pub(super) fn flush(&mut self) -> Option<()> {
        let end = self.at.checked_add(WORD_BYTES)?;
        self.dst
            .get_mut(self.at..end)?
            .copy_from_slice(&self.word.to_le_bytes());
        let bytes = self.bits / 8;
        self.at += bytes as usize;
        self.word >>= bytes * 8;
        self.bits %= 8;
        Some(())
    }

    /// Marks the end; returns the number of bytes.
    pub(super) fn close(mut self) -> Option<usize> {
        self.put(1, 1);
        self.flush()?;
        Some(self.at + usize::from(self.bits > 0))
    }

    /// Ends without a mark, for fields that are read from the front.
    pub(super) fn close_unmarked(mut self) -> Option<usize> {
        self.flush()?;
        Some(self.at + usize::from(self.bits > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_lowest_and_end_in_a_one() {
        let mut dst = [0xcc; 16];
        let mut writer = BitWriter::new(&mut dst);
        writer.put(0b101, 3);
        writer.put(0b1_1111, 5);
        writer.flush().unwrap();
        writer.put(0b10, 2);
        assert_eq!(writer.close(), Some(2));
        assert_eq!(dst[..2], [0b1111_1101, 0b110]);
    }

    #[test]
    fn a_slice_that_is_too_short_is_none() {
        let mut dst = [0; 7];
        let mut writer = BitWriter::new(&mut dst);
        writer.put(1, 1);
        assert_eq!(writer.flush(), None);
    }
}
