//! Numbers of any few bits one after another, from the lowest bit of each byte on: what symbols leave out.

use crate::Error;

/// Appends numbers of up to 32 bits.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Forgets all bits and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.held, self.count) = (0, 0);
    }

    /// Appends the low `bits` bits of a number that has no others.
    #[inline]
    pub(crate) fn put(&mut self, number: u32, bits: u32) {
        self.held |= u64::from(number) << self.count;
        self.count += bits;
        if self.count >= 32 {
            self.bytes
                .extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    /// All bits, filled up with zeros.
    pub(crate) fn finish(&mut self) -> &[u8] {
        let rest = self.held.to_le_bytes();
        self.bytes
            .extend_from_slice(&rest[..self.count.div_ceil(8) as usize]);
        (self.held, self.count) = (0, 0);
        &self.bytes
    }
}

/// Takes numbers from the front.
#[derive(Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
    /// What the bits are, for errors.
    what: &'static str,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self {
            bytes,
            at: 0,
            held: 0,
            count: 0,
            what,
        }
    }

    /// The next number, of up to 31 bits.
    #[inline]
    pub(crate) fn take(&mut self, bits: u32) -> Result<u32, Error> {
        if self.count < bits {
            self.fill();
            if self.count < bits {
                return Err(Error::Truncated {
                    what: self.what,
                    offset: self.at,
                    needed: self.bytes.len() + 1,
                    len: self.bytes.len(),
                });
            }
        }
        let number = self.held & ((1 << bits) - 1);
        self.held >>= bits;
        self.count -= bits;
        Ok(number as u32)
    }

    fn fill(&mut self) {
        if let Some(&bytes) = self.bytes[self.at..].first_chunk() {
            self.held |= u64::from(u32::from_le_bytes(bytes)) << self.count;
            self.at += 4;
            self.count += 32;
            return;
        }
        for &byte in &self.bytes[self.at..] {
            self.held |= u64::from(byte) << self.count;
            self.count += 8;
        }
        self.at = self.bytes.len();
    }

    /// Whether nothing but the zeros of the last byte is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len() && self.count < 8 && self.held == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_lengths_come_back_and_a_missing_byte_is_an_error() {
        let number = |i: u32| {
            (
                i.wrapping_mul(2_654_435_761) & ((1 << (i % 32)) - 1),
                i % 32,
            )
        };
        for count in 0..200 {
            let mut writer = BitWriter::default();
            for (value, bits) in (0..count).map(number) {
                writer.put(value, bits);
            }
            let bytes = writer.finish().to_vec();
            let mut reader = BitReader::new(&bytes, "bits");
            for (value, bits) in (0..count).map(number) {
                assert_eq!(reader.take(bits).unwrap(), value);
            }
            assert!(reader.is_at_end());
            if let Some((_, cut)) = bytes.split_last() {
                let mut reader = BitReader::new(cut, "bits");
                assert!((0..count).any(|i| reader.take(number(i).1).is_err()));
            }
        }
    }
}
