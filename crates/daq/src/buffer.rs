//! Memory for one frame, taken once and used again and again.

/// Pages: what kernels move, and what a receiver that writes past the processor's cache asks for.
const ALIGNMENT: usize = 4096;

/// Bytes that begin at a page.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Zeros. All pages are touched, so that none has to be found while frames come in.
    pub(crate) fn new(len: usize) -> Self {
        let mut memory = vec![0; len + ALIGNMENT];
        for page in memory.chunks_mut(ALIGNMENT) {
            page[0] = std::hint::black_box(0);
        }
        // What lies before the first page of the vector; it never grows, so it never moves.
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Self {
            memory,
            start: if start < ALIGNMENT { start } else { 0 },
            len,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_at_a_page_and_have_the_length_asked_for() {
        for len in [1, 4095, 4096, 4097, 1 << 20] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.bytes().as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(buffer.bytes_mut().len(), len);
        }
    }
}
