//! The byte streams of `sigma-clip`: variable-length numbers, packed by zstd.
//!
//! A number is written seven bits to a byte, lowest first, with the top bit set in all bytes but the last (LEB128, ten
//! bytes at most); a signed one as 2n, or −2n − 1 if negative.
//!
//! A stream in a payload:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the stream u, u32 |
//! | 4 | length as stored s, u32; s = u means as it is |
//! | s | the stream, or a zstd frame of it |

use crate::entropy::zstd;
use crate::frame::array;
use crate::kernels::noise::Count;
use crate::kernels::sigma_clip::MASKED;
use crate::{Context, Error};

const LEVEL: i32 = 3;
const LENGTHS: usize = 8;

/// A stream being written.
#[derive(Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> 63) as u64);
    }

    /// Appends the stream to a payload.
    pub(super) fn pack(&self, context: &mut Context, payload: &mut Vec<u8>) -> Result<(), Error> {
        let mut packed = vec![0; zstd::bound(self.bytes.len())];
        let len = context.zstd.compress(&self.bytes, &mut packed, LEVEL)?;
        let stored = if len < self.bytes.len() {
            &packed[..len]
        } else {
            &self.bytes[..]
        };
        payload.extend((self.bytes.len() as u32).to_le_bytes());
        payload.extend((stored.len() as u32).to_le_bytes());
        payload.extend(stored);
        Ok(())
    }
}

/// A stream being read.
pub(super) struct Reader {
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Takes a stream off the front of `payload[*at..]`.
    pub(super) fn unpack(
        context: &mut Context,
        payload: &[u8],
        at: &mut usize,
    ) -> Result<Self, Error> {
        let truncated = |offset, needed| Error::Truncated {
            what: "stream of sigma-clip",
            offset,
            needed,
            len: payload.len(),
        };
        let lengths = payload
            .get(*at..*at + LENGTHS)
            .ok_or(truncated(*at, LENGTHS))?;
        let len = u32::from_le_bytes(array(&lengths[..4])) as usize;
        let stored_len = u32::from_le_bytes(array(&lengths[4..])) as usize;
        let start = *at + LENGTHS;
        let stored = payload
            .get(start..)
            .and_then(|rest| rest.get(..stored_len))
            .ok_or(truncated(start, stored_len))?;
        *at = start + stored_len;
        if stored_len == len {
            return Ok(Self {
                bytes: stored.to_vec(),
                at: 0,
            });
        }
        let damaged = Error::Damaged {
            what: "stream of sigma-clip",
            offset: start,
            len: payload.len(),
        };
        if len > zstd::max_decoded_len(stored_len) {
            return Err(damaged);
        }
        let mut bytes = vec![0; len];
        match context.zstd.decompress(stored, &mut bytes) {
            true => Ok(Self { bytes, at: 0 }),
            false => Err(damaged),
        }
    }

    /// The next number; `None` at the end of the stream.
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&[u8]> {
        let bytes = self.bytes.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(bytes)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// Positions of kept pixels, ascending.
pub(super) struct Positions {
    places: usize,
    positions: Vec<u32>,
}

impl Positions {
    /// None yet, of so many places.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            positions: Vec::new(),
        }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, position: usize) {
        self.positions.push(position as u32);
    }

    pub(super) fn len(&self) -> u64 {
        self.positions.len() as u64
    }

    /// Writes the shorter of the gaps between (number 0 first) and a bitmap (1 first).
    pub(super) fn write(&self, writer: &mut Writer) {
        // Two bytes per gap is what sparse positions need; zstd shortens both.
        if self.positions.len() * 16 > self.places {
            writer.number(1);
            let start = writer.bytes.len();
            writer.bytes.resize(start + self.places.div_ceil(8), 0);
            for &position in &self.positions {
                writer.bytes[start + position as usize / 8] |= 1 << (position % 8);
            }
            return;
        }
        writer.number(0);
        writer.number(self.positions.len() as u64);
        let mut next = 0;
        for &position in &self.positions {
            writer.number(u64::from(position - next));
            next = position + 1;
        }
    }
}

/// Runs of equal masked pixels of a frame.
#[derive(Default)]
pub(super) struct MaskedRuns {
    /// Start, length and bit pattern.
    runs: Vec<(usize, usize, u64)>,
}

impl MaskedRuns {
    /// Adds those of a row, whose first pixel is `start`.
    pub(super) fn add<T: Count>(&mut self, start: usize, values: &[T], counts: &[u32]) {
        let masked = |at: &usize| counts[*at] == MASKED;
        for at in (0..counts.len()).filter(masked) {
            let bits = values[at].to_bits();
            match self.runs.last_mut() {
                Some((first, run, same)) if *first + *run == start + at && *same == bits => {
                    *run += 1
                }
                _ => self.runs.push((start + at, 1, bits)),
            }
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.number(self.runs.len() as u64);
        let mut next = 0;
        for &(start, run, bits) in &self.runs {
            writer.number((start - next) as u64);
            writer.number(run as u64 - 1);
            writer.number(bits);
            next = start + run;
        }
    }
}

/// Reads what [`Positions::write`] wrote, for `len` places; `None` where it is damaged.
pub(super) fn read_positions(reader: &mut Reader, len: usize) -> Option<Vec<usize>> {
    if reader.number()? == 1 {
        let bitmap = reader.bytes(len.div_ceil(8))?;
        let is_set = |&position: &usize| bitmap[position / 8] >> (position % 8) & 1 == 1;
        return Some((0..len).filter(is_set).collect());
    }
    let mut positions = Vec::new();
    let mut next = 0usize;
    for _ in 0..reader.number()? {
        let position = next.checked_add(usize::try_from(reader.number()?).ok()?)?;
        if position >= len {
            return None;
        }
        positions.push(position);
        next = position + 1;
    }
    Some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_positions_come_back() {
        let mut writer = Writer::default();
        let numbers = [0, 1, -1, 63, -64, 1 << 20, i64::MAX, i64::MIN];
        numbers.iter().for_each(|&number| writer.signed(number));
        writer.number(u64::MAX);
        let sets: Vec<Vec<bool>> = [1usize, 7, 200]
            .iter()
            .map(|step| (0..1003).map(|i| i % step == 0).collect())
            .collect();
        for set in &sets {
            let mut positions = Positions::new(set.len());
            (0..set.len())
                .filter(|&i| set[i])
                .for_each(|i| positions.add(i));
            positions.write(&mut writer);
        }
        let mut payload = vec![9; 3];
        let mut context = Context::new();
        writer.pack(&mut context, &mut payload).unwrap();
        let mut at = 3;
        let mut reader = Reader::unpack(&mut context, &payload, &mut at).unwrap();
        assert_eq!(at, payload.len());
        for number in numbers {
            assert_eq!(reader.signed(), Some(number));
        }
        assert_eq!(reader.number(), Some(u64::MAX));
        for set in &sets {
            let expected: Vec<usize> = (0..1003).filter(|&i| set[i]).collect();
            assert_eq!(read_positions(&mut reader, 1003), Some(expected));
        }
        assert!(reader.is_finished());
        assert_eq!(reader.number(), None);
    }
}
