//! What the encoder of `quantise` collects: codes of values that are no bins, and indices in as few bytes as they need.

use super::quantise::MAX_CODES;
use crate::entropy::indices;
use crate::kernels::quantise::Sample;

/// Listed values among which a further one is looked for.
const LATELY: usize = 4;

/// Indices behind those of the bins: special values, and one for elements whose value is listed.
pub(super) struct Codes<T> {
    /// Value of every code; of the listing one it means nothing.
    pub values: Vec<T>,
    pub listing: Option<u8>,
    pub listed: Vec<T>,
}

impl<T: Sample> Codes<T> {
    pub(super) fn new() -> Self {
        Self {
            values: Vec::new(),
            listing: None,
            listed: Vec::new(),
        }
    }

    pub(super) fn special(&mut self, value: T) -> u32 {
        let found = (0..self.values.len()).find(|&code| {
            self.listing != Some(code as u8) && self.values[code].to_bits() == value.to_bits()
        });
        match found {
            Some(code) => code as u32,
            None if self.values.len() < MAX_CODES => {
                self.values.push(value);
                self.values.len() as u32 - 1
            }
            None => self.listed(value),
        }
    }

    /// The code of a value that is neither special nor in a bin: its own where it was listed lately, as marks of pixels
    /// are, which their makers did not name.
    pub(super) fn outside(&mut self, value: T) -> u32 {
        let is_value = |other: &T| other.to_bits() == value.to_bits();
        let own = (0..self.values.len())
            .find(|&code| self.listing != Some(code as u8) && is_value(&self.values[code]));
        let lately = &self.listed[self.listed.len().saturating_sub(LATELY)..];
        if own.is_some() || lately.iter().any(is_value) {
            self.special(value)
        } else {
            self.listed(value)
        }
    }

    /// The code of an element whose value is listed. One place among the codes is kept free for it.
    pub(super) fn listed(&mut self, value: T) -> u32 {
        self.listed.push(value);
        let next = self.values.len();
        let code = *self.listing.get_or_insert(next as u8);
        if usize::from(code) == next {
            self.values.push(T::default());
        }
        u32::from(code)
    }
}

/// Indices in as few bytes as the largest so far needs.
pub(super) struct Narrow {
    width: usize,
    pub bytes: Vec<u8>,
}

impl Narrow {
    /// Uses the memory of `bytes`.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { width: 0, bytes }
    }

    /// Forgets all indices and makes room for `elements` of them, most of them below `count`.
    pub(super) fn start(&mut self, elements: usize, count: u32) {
        self.width = 0;
        self.bytes.clear();
        let len = elements * indices::width_for(count.saturating_sub(1));
        self.bytes.reserve_exact(len);
    }

    /// Adds indices up to `largest`.
    pub(super) fn push(&mut self, indices: &[u32], largest: u32) {
        let width = indices::width_for(largest);
        if width > self.width {
            self.widen(width);
        }
        match self.width {
            1 => self.bytes.extend(indices.iter().map(|&index| index as u8)),
            2 => {
                let at = self.bytes.len();
                self.bytes.resize(at + 2 * indices.len(), 0);
                for (bytes, &index) in self.bytes[at..].chunks_exact_mut(2).zip(indices) {
                    bytes.copy_from_slice(&(index as u16).to_le_bytes());
                }
            }
            _ => {
                let at = self.bytes.len();
                self.bytes.resize(at + 4 * indices.len(), 0);
                for (bytes, &index) in self.bytes[at..].chunks_exact_mut(4).zip(indices) {
                    bytes.copy_from_slice(&index.to_le_bytes());
                }
            }
        }
    }

    fn widen(&mut self, width: usize) {
        let mut wide = Vec::with_capacity(self.bytes.len() / self.width.max(1) * width);
        for index in self.bytes.chunks_exact(self.width.max(1)) {
            wide.extend_from_slice(index);
            wide.resize(wide.len() + width - index.len(), 0);
        }
        (self.width, self.bytes) = (width, wide);
    }
}
