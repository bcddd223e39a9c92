//! The sequences section of a zstd block: literal lengths, offsets and match lengths by FSE.

use std::sync::LazyLock;

use super::bits::BitWriter;
use super::fse::{Distribution, MAX_SYMBOLS, Table};

/// Bytes that stand for themselves, then a repetition of earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) literals: u32,
    pub(super) matched: u32,
    /// "Offset_Value" of RFC 8878: 1 to 3 are repeated offsets, others are an offset and 3.
    pub(super) offset_value: u32,
}

/// Shortest match.
pub(super) const MIN_MATCH: u32 = 3;
/// Up to here all ways to code are tried; more sequences are worth a table of their own.
const FEW: usize = 64;

/// Code of a number of literals and the bits beside it, which are the lowest of the number (RFC 8878, 3.1.1.3.2.1.1).
#[inline(always)]
fn literals_code(literals: u32) -> (u8, u32) {
    let (code, bits) = match literals {
        0..16 => (literals, 0),
        16..24 => (16 + (literals - 16) / 2, 1),
        24..32 => (20 + (literals - 24) / 4, 2),
        32..48 => (22 + (literals - 32) / 8, 3),
        48..64 => (24, 4),
        _ => (literals.ilog2() + 19, literals.ilog2()),
    };
    (code as u8, bits)
}

/// The same for the length of a match less [`MIN_MATCH`].
#[inline(always)]
fn match_code(matched: u32) -> (u8, u32) {
    let (code, bits) = match matched {
        0..32 => (matched, 0),
        32..40 => (32 + (matched - 32) / 2, 1),
        40..48 => (36 + (matched - 40) / 4, 2),
        48..64 => (38 + (matched - 48) / 8, 3),
        64..96 => (40 + (matched - 64) / 16, 4),
        96..128 => (42, 5),
        _ => (matched.ilog2() + 36, matched.ilog2()),
    };
    (code as u8, bits)
}

/// The codes of a sequence: literal length, offset, match length.
type Coded = [u8; 3];

impl Sequence {
    fn coded(&self) -> Coded {
        [
            literals_code(self.literals).0,
            self.offset_value.ilog2() as u8,
            match_code(self.matched - MIN_MATCH).0,
        ]
    }
}

/// How the codes of one kind are coded.
struct Coding {
    /// "Compression mode" of RFC 8878: 0 predefined, 1 always the same, 2 a table of its own.
    mode: u8,
    table: Table,
}

/// Largest accuracies of literal lengths, offsets and match lengths.
const MAX_LOGS: [u32; 3] = [9, 8, 9];

/// The predefined tables of RFC 8878, 3.1.1.3.2.2.
static PREDEFINED: LazyLock<[Table; 3]> = LazyLock::new(|| {
    let literals = [
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1,
        1, 1, -1, -1, -1, -1,
    ];
    let offsets = [
        1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
    ];
    let matches = [
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ];
    [(6, &literals[..]), (5, &offsets), (6, &matches)]
        .map(|(log, frequencies)| Table::new(&Distribution::predefined(log, frequencies)))
});

/// Writes the section; returns its length, or `None` where `dst` is too short.
pub(super) fn write(
    sequences: &[Sequence],
    codes: &mut Vec<Coded>,
    dst: &mut [u8],
) -> Option<usize> {
    let mut at = write_count(sequences.len(), dst)?;
    if sequences.is_empty() {
        return Some(at);
    }
    codes.clear();
    codes.extend(sequences.iter().map(Sequence::coded));
    let modes = at;
    at += 1;
    let mut codings = [None, None, None];
    for (kind, coding) in codings.iter_mut().enumerate() {
        let (chosen, described) = choose(kind, codes, dst.get_mut(at..)?)?;
        at += described;
        *coding = Some(chosen);
    }
    let [Some(literals), Some(offsets), Some(matches)] = codings else {
        return None;
    };
    *dst.get_mut(modes)? = literals.mode << 6 | offsets.mode << 4 | matches.mode << 2;
    let tables = [&literals, &offsets, &matches].map(|coding| &coding.table);
    Some(at + encode(sequences, codes, tables, dst.get_mut(at..)?)?)
}

/// "Number_of_Sequences" (RFC 8878, 3.1.1.3.2.1).
fn write_count(count: usize, dst: &mut [u8]) -> Option<usize> {
    let bytes: [u8; 3];
    let header = match count {
        0..128 => &[count as u8][..],
        128..0x7f00 => &[(count >> 8) as u8 + 128, count as u8],
        _ => {
            let [low, high] = u16::try_from(count - 0x7f00).ok()?.to_le_bytes();
            bytes = [255, low, high];
            &bytes
        }
    };
    dst.get_mut(..header.len())?.copy_from_slice(header);
    Some(header.len())
}

/// The shortest coding of one kind of codes, with its description at the front of `dst`, of which the length is returned.
fn choose(kind: usize, codes: &[Coded], dst: &mut [u8]) -> Option<(Coding, usize)> {
    let mut counts = [0; MAX_SYMBOLS];
    for code in codes {
        counts[usize::from(code[kind])] += 1;
    }
    let first = codes[0][kind];
    let predefined = &PREDEFINED[kind];
    let predefined_bits = || cost(predefined, kind, codes);
    let few = codes.len() <= FEW;
    if counts[usize::from(first)] as usize == codes.len() {
        if few && predefined_bits() <= 8 {
            return Some((Coding::predefined(kind), 0));
        }
        *dst.first_mut()? = first;
        let table = Table::new(&Distribution::only(first));
        return Some((Coding { mode: 1, table }, 1));
    }
    let distribution = Distribution::of(&counts, MAX_LOGS[kind]);
    let described = distribution.describe(dst)?;
    let table = Table::new(&distribution);
    if few && predefined_bits() <= cost(&table, kind, codes) + 8 * described as u32 {
        return Some((Coding::predefined(kind), 0));
    }
    Some((Coding { mode: 2, table }, described))
}

impl Coding {
    fn predefined(kind: usize) -> Self {
        Self {
            mode: 0,
            table: PREDEFINED[kind].clone(),
        }
    }
}

/// Bits that the codes take with a table.
fn cost(table: &Table, kind: usize, codes: &[Coded]) -> u32 {
    let Some((last, rest)) = codes.split_last() else {
        return 0;
    };
    let mut state = table.begin(last[kind]);
    let mut total = table.finish(state).1;
    for code in rest.iter().rev() {
        let (_, bits, next) = table.code(state, code[kind]);
        total += bits;
        state = next;
    }
    total
}

/// The stream of all sequences, from the last to the first.
fn encode(
    sequences: &[Sequence],
    codes: &[Coded],
    [literals, offsets, matches]: [&Table; 3],
    dst: &mut [u8],
) -> Option<usize> {
    let mut writer = BitWriter::new(dst);
    let mut backwards = sequences.iter().zip(codes).rev();
    let (sequence, codes) = backwards.next()?;
    let mut states = [
        literals.begin(codes[0]),
        offsets.begin(codes[1]),
        matches.begin(codes[2]),
    ];
    put_extra(&mut writer, sequence)?;
    for (sequence, codes) in backwards {
        // The order in which a decoder updates its states, reversed: literal length, match length, offset.
        let (value, bits, next) = offsets.code(states[1], codes[1]);
        writer.put(value, bits);
        states[1] = next;
        let (value, bits, next) = matches.code(states[2], codes[2]);
        writer.put(value, bits);
        states[2] = next;
        let (value, bits, next) = literals.code(states[0], codes[0]);
        writer.put(value, bits);
        states[0] = next;
        put_extra(&mut writer, sequence)?;
    }
    for (table, state) in [
        (matches, states[2]),
        (offsets, states[1]),
        (literals, states[0]),
    ] {
        let (value, bits) = table.finish(state);
        writer.put(value, bits);
    }
    writer.close()
}

/// Bits beside the codes. With three states before them they are at most 26 + 16, then 16 + 21 bits.
#[inline(always)]
fn put_extra(writer: &mut BitWriter, sequence: &Sequence) -> Option<()> {
    let low = |value: u32, bits: u32| u64::from(value) & ((1 << bits) - 1);
    let bits = literals_code(sequence.literals).1;
    writer.put(low(sequence.literals, bits), bits);
    writer.flush()?;
    let matched = sequence.matched - MIN_MATCH;
    let bits = match_code(matched).1;
    writer.put(low(matched, bits), bits);
    let bits = sequence.offset_value.ilog2();
    writer.put(low(sequence.offset_value, bits), bits);
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code, least value and bits beside it, from the tables of RFC 8878, 3.1.1.3.2.1.1.
    #[test]
    fn codes_are_those_of_the_specification() {
        for (value, code, bits) in [
            (0, 0, 0),
            (15, 15, 0),
            (17, 16, 1),
            (22, 19, 1),
            (24, 20, 2),
            (47, 23, 3),
            (48, 24, 4),
            (64, 25, 6),
            (131_071, 35, 16),
        ] {
            assert_eq!(literals_code(value), (code, bits), "{value}");
        }
        for (value, code, bits) in [
            (3, 0, 0),
            (34, 31, 0),
            (36, 32, 1),
            (43, 36, 2),
            (59, 39, 3),
            (67, 40, 4),
            (83, 41, 4),
            (99, 42, 5),
            (131, 43, 7),
            (65_539, 52, 16),
        ] {
            assert_eq!(match_code(value - MIN_MATCH), (code, bits), "{value}");
        }
    }

    #[test]
    fn counts_of_sequences_take_one_two_or_three_bytes() {
        let mut dst = [0; 3];
        for (count, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[128, 128]),
            (0x7eff, &[254, 255]),
            (0x7f00, &[255, 0, 0]),
            (0x8000, &[255, 0, 1]),
        ] {
            assert_eq!(write_count(count, &mut dst), Some(bytes.len()));
            assert_eq!(&dst[..bytes.len()], bytes, "{count}");
        }
    }
}
