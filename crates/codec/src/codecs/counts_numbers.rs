//! LEB128 numbers and byte fields of a `counts` payload.

use crate::Error;

/// Appends a number: seven bits a byte, lowest first, bit 7 set if another byte follows.
pub(crate) fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a payload from its front; every field that is cut off is an error.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { payload, at: 0 }
    }

    /// An error at the field that was read last.
    pub(crate) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged {
            what,
            offset: self.at.saturating_sub(1),
            len: self.payload.len(),
        }
    }

    /// Where the next field begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.bytes(1)?[0])
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let rest = self.rest();
        let field = rest.get(..len).ok_or(Error::Truncated {
            what: "the payload",
            offset: self.at,
            needed: len,
            len: self.payload.len(),
        })?;
        self.at += len;
        Ok(field)
    }

    /// A LEB128 number of up to 56 bits.
    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged("a number is too long"))
    }

    /// A number of bytes and then as many.
    pub(crate) fn section(&mut self) -> Result<Reader<'a>, Error> {
        let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        Ok(Reader::new(self.bytes(len)?))
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.payload[self.at..]
    }
}
