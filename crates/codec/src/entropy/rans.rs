//! Interleaved rANS: symbols of known frequencies in, 16-bit words out, 64 (or 32, or 8) at a time.
//!
//! The coder has `lanes` states x, one per lane, each in 2¹⁵ ≤ x < 2³¹. Symbols come in *rows* and a row in *steps* of
//! `lanes` symbols: symbol i of a row is coded by lane i mod `lanes`. The last step of a row may be short; the next
//! row begins at lane 0 again. Each symbol has a context, and each context a table (`rans_tables.rs`) that gives the
//! symbol a frequency f and a cumulative frequency c, in units of which M = 4096 are the whole.
//!
//! A stream is `lanes` states (u32, lane 0 first), then 16-bit words to its end, all little-endian. Decoding, the
//! states being those of the stream:
//!
//! ```text
//! for each row, for each step, for each lane of the step, ascending:
//!     slot = x mod M
//!     the symbol is the one of the context's table with c <= slot < c + f
//!     x = f * (x / M) + slot - c
//!     if x < 2^15: x = 65536 * x + the next word
//! ```
//!
//! After the last symbol every state is 2¹⁵ and every word has been read; both are checked. A symbol with f = M leaves
//! the state as it is and costs nothing, so what need not be coded can be given such a context.
//!
//! Encoding does the inverse of each line in the reverse order, from states of 2¹⁵: last row first, last step first,
//! highest lane first, and words from the end of the stream to its front:
//!
//! ```text
//! if x >= f * 2^19: put x mod 65536 in front of the words; x = x / 65536
//! x = M * (x / f) + x mod f + c
//! ```
//!
//! Example, one lane, frequencies 3000, 1000 and 96: the symbols 0 1 0 2 2 0 0 1 are state 54592 and the word 0xdb68.

use super::rans_tables::{DecodeTables, EncodeTables};
use crate::Error;
use crate::kernels::levels::Level;
use crate::kernels::rans::{self, MAX_LANES, SLACK_BYTES, START, States};

/// Numbers of lanes a stream may have.
pub(crate) const LANES: [usize; 3] = [8, 32, 64];
/// Streams shorter than these have 8 or 32 lanes. A lane takes about 3 bytes, 32 of them less than 0.1 % of a longer one.
const EIGHT_LANES_BELOW_BYTES: usize = 4096;
const HALF_THE_LANES_BELOW_BYTES: usize = 100 << 10;

/// Lanes for a stream that is expected to have so many bytes of words.
pub(crate) fn lanes_for(expected_bytes: usize) -> usize {
    if expected_bytes < EIGHT_LANES_BELOW_BYTES {
        LANES[0]
    } else if expected_bytes < HALF_THE_LANES_BELOW_BYTES {
        LANES[1]
    } else {
        LANES[2]
    }
}

/// Reads a stream, row by row.
pub(crate) struct Decoder<'a> {
    level: Level,
    lanes: usize,
    states: States,
    words: &'a [u8],
    at: usize,
    end: End,
}

/// The last words, which a step of all lanes would read past, in front of zeros.
struct End {
    bytes: [u8; 2 * SLACK_BYTES],
    /// Where they begin in the words, once they were copied.
    start: Option<usize>,
}

impl<'a> Decoder<'a> {
    /// Begins to read `stream`, all of it.
    pub(crate) fn new(stream: &'a [u8], lanes: usize) -> Result<Self, Error> {
        Self::at_level(Level::best(), stream, lanes)
    }

    fn at_level(level: Level, stream: &'a [u8], lanes: usize) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged {
            what,
            offset: 0,
            len: stream.len(),
        };
        if lanes == 0 || lanes > MAX_LANES {
            return Err(damaged("impossible number of rANS lanes"));
        }
        let (start, words) = stream.split_at_checked(4 * lanes).ok_or(Error::Truncated {
            what: "the states of rANS",
            offset: 0,
            needed: 4 * lanes,
            len: stream.len(),
        })?;
        let mut states = States::default();
        for (state, bytes) in states.0.iter_mut().zip(start.as_chunks().0) {
            *state = u32::from_le_bytes(*bytes);
        }
        // The decoder keeps states in their range; one outside would make instruction sets differ.
        if !states.0.iter().all(|x| (START..1 << 31).contains(x)) || words.len() % 2 != 0 {
            return Err(damaged("rANS state out of range"));
        }
        Ok(Self {
            level,
            lanes,
            states,
            words,
            at: 0,
            end: End {
                bytes: [0; 2 * SLACK_BYTES],
                start: None,
            },
        })
    }

    /// Decodes a row: one symbol for each context.
    pub(crate) fn decode(
        &mut self,
        tables: &DecodeTables,
        contexts: &[u8],
        symbols: &mut [u8],
    ) -> Result<(), Error> {
        assert_eq!(contexts.len(), symbols.len());
        let mut done = 0;
        if self.end.start.is_none() {
            done = rans::decode(
                self.level,
                self.lanes,
                &mut self.states,
                tables.entries(),
                (self.words, &mut self.at),
                contexts,
                symbols,
            );
            if done == contexts.len() {
                return Ok(());
            }
            let last = &self.words[self.at..];
            self.end.bytes[..last.len()].copy_from_slice(last);
            self.end.start = Some(self.at);
            self.at = 0;
        }
        done += rans::decode(
            self.level,
            self.lanes,
            &mut self.states,
            tables.entries(),
            (&self.end.bytes, &mut self.at),
            &contexts[done..],
            &mut symbols[done..],
        );
        let used = self.end.start.unwrap_or(0) + self.at;
        if done < contexts.len() || used > self.words.len() {
            return Err(Error::Truncated {
                what: "the words of rANS",
                offset: 4 * self.lanes,
                needed: self.words.len() + 2,
                len: 4 * self.lanes + self.words.len(),
            });
        }
        Ok(())
    }

    /// Checks that the stream ends here.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let used = self.end.start.unwrap_or(0) + self.at;
        let is_start = self.states.0.iter().all(|&x| x == START);
        if is_start && used == self.words.len() {
            return Ok(());
        }
        Err(Error::Damaged {
            what: "rANS does not end in its first state",
            offset: 4 * self.lanes + used.min(self.words.len()),
            len: 4 * self.lanes + self.words.len(),
        })
    }
}

/// Makes a stream, from its last row to its first.
pub(crate) struct Encoder<'a> {
    level: Level,
    lanes: usize,
    states: States,
    /// Filled from the end.
    words: &'a mut Vec<u16>,
    /// The first word that is filled.
    at: usize,
}

impl<'a> Encoder<'a> {
    /// Begins a stream; `memory` is where its words are collected, and its content is lost.
    pub(crate) fn new(lanes: usize, memory: &'a mut Vec<u16>) -> Self {
        Self::at_level(Level::best(), lanes, memory)
    }

    fn at_level(level: Level, lanes: usize, memory: &'a mut Vec<u16>) -> Self {
        assert!(lanes > 0 && lanes <= MAX_LANES);
        let at = memory.len();
        Self {
            level,
            lanes,
            states: States::default(),
            words: memory,
            at,
        }
    }

    /// Encodes the row before the one encoded last. Every symbol has a frequency above 0 in the table of its context.
    pub(crate) fn encode(&mut self, tables: &EncodeTables, contexts: &[u8], symbols: &[u8]) {
        assert_eq!(contexts.len(), symbols.len());
        if self.at < contexts.len() {
            self.grow(contexts.len());
        }
        self.at = rans::encode(
            self.level,
            self.lanes,
            &mut self.states,
            tables.entries(),
            (self.words, self.at),
            contexts,
            symbols,
        );
    }

    /// Makes room for `more` words in front.
    #[cold]
    fn grow(&mut self, more: usize) {
        let (old, filled) = (self.words.len(), self.words.len() - self.at);
        let new = (2 * old).max(filled + more);
        self.words.resize(new, 0);
        self.words.copy_within(self.at..old, new - filled);
        self.at = new - filled;
    }

    /// Bytes of the stream so far.
    pub(crate) fn len(&self) -> usize {
        4 * self.lanes + 2 * (self.words.len() - self.at)
    }

    /// Writes the stream to the front of `dst`; returns its bytes, `None` where they do not fit.
    pub(crate) fn finish(self, dst: &mut [u8]) -> Option<usize> {
        let dst = dst.get_mut(..self.len())?;
        let (states, words) = dst.split_at_mut(4 * self.lanes);
        for (bytes, state) in states.as_chunks_mut().0.iter_mut().zip(self.states.0) {
            *bytes = state.to_le_bytes();
        }
        let filled = &self.words[self.at..];
        for (bytes, word) in words.as_chunks_mut().0.iter_mut().zip(filled) {
            *bytes = word.to_le_bytes();
        }
        Some(dst.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rans_tables::normalise;
    use super::*;

    /// Contexts and symbols.
    type Row = (Vec<u8>, Vec<u8>);

    fn tables(frequencies: &[Vec<u16>]) -> (EncodeTables, DecodeTables) {
        let (mut encode, mut decode) = (EncodeTables::default(), DecodeTables::default());
        for table in frequencies {
            encode.push(table);
            decode.push(table).unwrap();
        }
        (encode, decode)
    }

    fn encoded(level: Level, lanes: usize, tables: &EncodeTables, rows: &[Row]) -> Vec<u8> {
        let mut memory = vec![0xcccc; 3];
        let mut encoder = Encoder::at_level(level, lanes, &mut memory);
        for (contexts, symbols) in rows.iter().rev() {
            encoder.encode(tables, contexts, symbols);
        }
        let mut dst = vec![0xcc; encoder.len() + 1];
        let len = encoder.finish(&mut dst).unwrap();
        dst.truncate(len);
        dst
    }

    fn decode_all(
        level: Level,
        lanes: usize,
        tables: &DecodeTables,
        rows: &[Row],
        stream: &[u8],
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut decoder = Decoder::at_level(level, stream, lanes)?;
        let mut back = Vec::new();
        for (contexts, _) in rows {
            let mut symbols = vec![0xcc; contexts.len()];
            decoder.decode(tables, contexts, &mut symbols)?;
            back.push(symbols);
        }
        decoder.finish()?;
        Ok(back)
    }

    #[test]
    fn the_worked_example_of_the_format() {
        let (encode, decode) = tables(&[vec![3000, 1000, 96]]);
        let symbols = [0u8, 1, 0, 2, 2, 0, 0, 1];
        let rows: Vec<_> = symbols.iter().map(|&s| (vec![0], vec![s])).collect();
        for level in Level::available() {
            let stream = encoded(level, 1, &encode, &rows);
            assert_eq!(stream, [0x40, 0xd5, 0, 0, 0x68, 0xdb], "{level:?}");
            let back = decode_all(level, 1, &decode, &rows, &stream).unwrap();
            assert_eq!(back.concat(), symbols);
        }
    }

    #[test]
    fn a_thousand_symbols_in_32_and_64_lanes_have_the_known_streams() {
        let (encode, decode) = tables(&[vec![3000, 1000, 96]]);
        let symbol = |i| match i {
            i if i % 7 == 3 => 2,
            i if i % 3 == 0 => 1,
            _ => 0,
        };
        let rows = [(vec![0u8; 1000], (0..1000).map(symbol).collect::<Vec<u8>>())];
        for level in Level::available() {
            eprintln!("rANS ran at {}", level.name());
            for (lanes, words, expected) in [(32, 94, 0x8891_c2d7), (64, 64, 0x8ec6_7576)] {
                let stream = encoded(level, lanes, &encode, &rows);
                assert_eq!(stream.len(), 4 * lanes + 2 * words);
                let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &stream);
                assert_eq!(crc, expected, "{level:?}, {lanes} lanes");
                let back = decode_all(level, lanes, &decode, &rows, &stream).unwrap();
                assert_eq!(back[0], rows[0].1);
            }
        }
    }

    /// Tables of all kinds, and rows of all lengths up to 130 and a long one.
    fn assorted(seed: u32) -> (Vec<Vec<u16>>, Vec<Row>) {
        let mut state = seed;
        let mut draw = move |end: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % end
        };
        let mut frequencies = Vec::new();
        for context in 0..7usize {
            let symbols = [1, 2, 3, 16, 121, 200, 256][context];
            let spread = [1, 5, 30][draw(3)];
            let histogram: Vec<u32> = (0..symbols)
                .map(|i| (1000 / (1 + i / spread)) as u32 * u32::from(draw(4) > 0))
                .collect();
            frequencies.push(normalise(&histogram));
        }
        let mut row = |len: usize| {
            let contexts: Vec<u8> = (0..len).map(|_| draw(7) as u8).collect();
            let symbols = contexts
                .iter()
                .map(|&context| {
                    let slot = draw(4096) as u32;
                    let mut sum = 0;
                    let table = &frequencies[usize::from(context)];
                    let owner = table.iter().position(|&f| {
                        sum += u32::from(f);
                        sum > slot
                    });
                    owner.unwrap() as u8
                })
                .collect();
            (contexts, symbols)
        };
        let rows = (0..=130).chain([5000]).map(&mut row).collect();
        (frequencies, rows)
    }

    #[test]
    fn every_level_writes_the_same_stream_and_reads_it_back() {
        for seed in 1..6 {
            let (frequencies, rows) = assorted(seed);
            let (encode, decode) = tables(&frequencies);
            for lanes in [1, 3, 8, 31, 32, 33, 40, 48, 63, 64] {
                let expected = encoded(Level::SCALAR, lanes, &encode, &rows);
                for level in Level::available() {
                    let stream = encoded(level, lanes, &encode, &rows);
                    assert!(stream == expected, "{level:?}, {lanes} lanes, seed {seed}");
                    let back = decode_all(level, lanes, &decode, &rows, &stream).unwrap();
                    assert!(back.iter().eq(rows.iter().map(|(_, symbols)| symbols)));
                }
            }
        }
    }

    #[test]
    fn symbols_that_are_all_but_certain_are_read_back_at_every_level() {
        // With so many contexts, entries of symbol 0 are not read at all.
        for likely in [1, 40] {
            let mut frequencies = vec![vec![3000, 1000, 96]];
            frequencies.resize(1 + likely, vec![4050, 40, 6]);
            let (encode, decode) = tables(&frequencies);
            let row = |len: usize| {
                let contexts = (0..len).map(|i| (i / 90 % (1 + likely)) as u8).collect();
                let symbols = (0..len).map(|i| u8::from(i % 37 == 5) + u8::from(i % 111 == 5));
                (contexts, symbols.collect())
            };
            let rows: Vec<Row> = (0..=130).chain([5000]).map(row).collect();
            for lanes in LANES {
                let expected = encoded(Level::SCALAR, lanes, &encode, &rows);
                for level in Level::available() {
                    let stream = encoded(level, lanes, &encode, &rows);
                    assert!(stream == expected, "{level:?}, {lanes} lanes");
                    let back = decode_all(level, lanes, &decode, &rows, &stream).unwrap();
                    assert!(back.iter().eq(rows.iter().map(|(_, symbols)| symbols)));
                }
            }
        }
    }

    #[test]
    fn truncated_and_extended_streams_are_errors() {
        let (frequencies, rows) = assorted(9);
        let (encode, decode) = tables(&frequencies);
        for level in Level::available() {
            for lanes in LANES {
                let mut stream = encoded(level, lanes, &encode, &rows[..70]);
                for len in 0..stream.len() {
                    let result = decode_all(level, lanes, &decode, &rows[..70], &stream[..len]);
                    assert!(result.is_err(), "{level:?} {len} of {}", stream.len());
                }
                stream.extend([0, 0]);
                assert!(decode_all(level, lanes, &decode, &rows[..70], &stream).is_err());
            }
        }
    }

    #[test]
    fn damaged_words_decode_to_the_same_at_every_level() {
        let (frequencies, rows) = assorted(10);
        let (encode, decode) = tables(&frequencies);
        for lanes in [32, 64] {
            let stream = encoded(Level::SCALAR, lanes, &encode, &rows);
            for bit in (0..stream.len() * 8).step_by(97) {
                let mut damaged = stream.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let expected = decode_all(Level::SCALAR, lanes, &decode, &rows, &damaged);
                for level in Level::available() {
                    let result = decode_all(level, lanes, &decode, &rows, &damaged);
                    assert_eq!(result, expected, "{level:?} {lanes} lanes, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_context_beyond_the_tables_is_the_last_one() {
        let (encode, decode) = tables(&[vec![4096], vec![0, 4096]]);
        for level in Level::available() {
            let rows = [(vec![1, 2, 255], vec![1, 1, 1])];
            let stream = encoded(level, 8, &encode, &rows);
            let back = decode_all(level, 8, &decode, &rows, &stream).unwrap();
            assert_eq!(back[0], [1, 1, 1]);
        }
    }
}
