//! `dictionary`, lossless: the sorted unique values of the chunk, and for each element the index of its value.
//!
//! For elements of 1 to 8 bytes of any class with up to 65536 values (128 of 1 byte, 32768 of 2). Values are bit
//! patterns, so NaN payloads and signed zeros come back. They are sorted as numbers, so that neighbouring indices are
//! neighbouring values. For sorting, an element becomes an unsigned *ordinal* of as many bytes: unsigned integers and
//! other classes as they are; signed integers with the sign bit flipped; floats with the sign bit set if it was clear,
//! and with all bits flipped if it was set.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | number of values k, little-endian, 1 to 65536 |
//! | 4 | | k numbers: the least ordinal; then, for each further one, its distance to the one before minus 1 |
//! | … | | indices up to k − 1 (see `entropy/indices.rs`), to the end |
//!
//! Numbers are LEB128: seven bits a byte, lowest first, bit 7 set if another byte follows; no more bytes than needed.
//!
//! Example, the ten i16 values −2 7 7 −2 7 300 7 7 7 7: 3 values; ordinals 0x7ffe, 0x8007, 0x812c; back end 0 with
//! 2 bits an index; the plane of the low bit 1101 0110 11 and that of the high bit 0000 1000 00, index 0 at the right:
//! `03 00 00 00  fe ff 01 08 a4 02  00 02  d6 03 20 00`.

use crate::entropy::indices::{self, Backend, Origin, width_for};
use crate::entropy::palette::{expander, find};
use crate::params::{MASK, SPEED, Speed};
use crate::{
    ByteOrder, Chunk, Codec, Context, Element, ElementClass, Encoded, Error, Kind, Layout, Param,
    etalon_filter,
};

pub(super) static CODEC: Codec = Codec {
    id: 2,
    name: "dictionary",
    about: "lossless for chunks with few unique values: masks, labels, quantised images",
    lossless: true,
    params: &[
        Param {
            name: "backend",
            kind: Kind::Choice(&[
                "auto",
                "bits",
                "bitshuffle",
                "counts",
                "predict",
                "regions",
                "contours",
            ]),
            default: "auto",
            about: "what packs the indices",
        },
        SPEED,
        MASK,
    ],
    filter: &etalon_filter::FILTER,
    accepts: |_, _| Ok(()),
    encode,
    decode,
};

const COUNT_BYTES: usize = 4;
const MAX_VALUES: usize = 1 << 16;
/// LEB128 bytes of a 64-bit number.
const MAX_NUMBER_BYTES: usize = 10;

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    let backend = match chunk.spec.choice("backend") {
        "bits" => Backend::Bits,
        "bitshuffle" => Backend::Bitshuffle,
        "counts" => Backend::Counts,
        "predict" => Backend::Predict,
        "regions" => Backend::Regions,
        "contours" => Backend::Contours,
        _ => Backend::Auto,
    };
    let mut narrow = std::mem::take(&mut context.narrow);
    let written = encode_with(context, chunk, backend, &mut narrow, dst);
    context.narrow = narrow;
    Ok(written?.map(Encoded::lossless))
}

fn encode_with(
    context: &mut Context,
    chunk: &Chunk,
    backend: Backend,
    narrow: &mut Vec<u8>,
    dst: &mut [u8],
) -> Result<Option<usize>, Error> {
    let Some(order) = Ordinals::of(&chunk.layout.element) else {
        return Ok(None);
    };
    let elements = chunk.bytes.len() / order.bytes;
    let limit = MAX_VALUES.min(elements / 2);
    let rank = |pattern| order.ordinal(pattern);
    let Some(values) = find(order.bytes, chunk.bytes, limit, rank, narrow) else {
        return Ok(None);
    };
    let Some(max) = (values.len() as u32).checked_sub(1) else {
        return Ok(None);
    };
    let Some(at) = write_values(&values, order, dst) else {
        return Ok(None);
    };
    let indices = &narrow[..elements * width_for(max)];
    let origin = Origin {
        speed: Speed::of(chunk.spec),
        shape: &chunk.layout.shape,
        first_bin: -(order.negative(&values) as i64),
        first_code: u32::MAX,
    };
    let written = indices::encode_narrow(context, backend, max, origin, indices, &mut dst[at..])?;
    Ok(written.map(|len| at + len))
}

/// Writes count and values to the front of `dst`; returns the bytes written, `None` where they do not fit.
fn write_values(values: &[u64], order: Ordinals, dst: &mut [u8]) -> Option<usize> {
    let mut bytes = Vec::with_capacity(COUNT_BYTES + values.len() * MAX_NUMBER_BYTES);
    bytes.extend((values.len() as u32).to_le_bytes());
    let mut next = 0;
    for &value in values {
        let ordinal = order.ordinal(value);
        let mut number = ordinal - next;
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        next = ordinal.wrapping_add(1);
    }
    dst.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(bytes.len())
}

fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let damaged = |what, offset| Error::Damaged {
        what,
        offset,
        len: payload.len(),
    };
    let order = Ordinals::of(&layout.element).ok_or(damaged("element larger than 8 bytes", 0))?;
    let elements = dst.len() / order.bytes;
    let (values, at) = read_values(payload, order, elements)?;
    let width = width_for(values.len() as u32 - 1);
    let values = expander(&values, order.bytes).ok_or(damaged("element larger than 8 bytes", 0))?;
    let mut dst = dst;
    let known = indices::decode_narrow(context, width, elements, &payload[at..], |indices| {
        let Some(written) = values.expand(indices, dst) else {
            return false;
        };
        dst = &mut std::mem::take(&mut dst)[written..];
        true
    });
    if known.map_err(|error| error.at(at))? {
        Ok(())
    } else {
        Err(damaged("index beyond the last value", at))
    }
}

/// Reads count and values of a chunk of `elements`; returns the values and where the indices begin.
fn read_values(
    payload: &[u8],
    order: Ordinals,
    elements: usize,
) -> Result<(Vec<u64>, usize), Error> {
    let damaged = |what, offset| Error::Damaged {
        what,
        offset,
        len: payload.len(),
    };
    let truncated = |offset, needed| Error::Truncated {
        what: "the values of the dictionary",
        offset,
        needed,
        len: payload.len(),
    };
    let (&count, _) = payload
        .split_first_chunk::<COUNT_BYTES>()
        .ok_or(truncated(0, COUNT_BYTES))?;
    let count = u32::from_le_bytes(count) as usize;
    if count == 0 || count > MAX_VALUES.min(elements) {
        return Err(damaged("number of values is not possible", 0));
    }
    if count > payload.len() - COUNT_BYTES {
        return Err(truncated(COUNT_BYTES, count));
    }
    let mut values = Vec::with_capacity(count);
    let mut at = COUNT_BYTES;
    let mut next = Some(0u64);
    for _ in 0..count {
        let (number, len) = read_number(&payload[at..]).ok_or(truncated(at, 1))?;
        let ordinal = next
            .and_then(|next| next.checked_add(number))
            .filter(|&ordinal| ordinal <= order.largest())
            .ok_or(damaged("value larger than its type", at))?;
        values.push(order.pattern(ordinal));
        next = ordinal.checked_add(1);
        at += len;
    }
    Ok((values, at))
}

/// A number at the front of `bytes` and the bytes it takes; `None` where it is cut off or too long.
fn read_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0;
    for (i, &byte) in bytes.iter().take(MAX_NUMBER_BYTES).enumerate() {
        let shift = 7 * i as u32;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let lost = u64::from(byte) << shift >> shift != u64::from(byte);
            return (!lost).then_some((number, i + 1));
        }
    }
    None
}

/// How bit patterns of an element type, read little-endian, are sorted.
#[derive(Clone, Copy)]
struct Ordinals {
    bytes: usize,
    class: ElementClass,
    order: ByteOrder,
}

impl Ordinals {
    fn of(element: &Element) -> Option<Self> {
        (1..=8).contains(&element.bytes).then_some(Self {
            bytes: element.bytes,
            class: element.class,
            order: element.order,
        })
    }

    fn largest(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes)
    }

    fn sign(self) -> u64 {
        1 << (8 * self.bytes - 1)
    }

    fn in_order(self, pattern: u64) -> u64 {
        match self.order {
            ByteOrder::Little => pattern,
            ByteOrder::Big => pattern.swap_bytes() >> (64 - 8 * self.bytes),
        }
    }

    fn ordinal(self, pattern: u64) -> u64 {
        let number = self.in_order(pattern);
        match self.class {
            ElementClass::Signed => number ^ self.sign(),
            ElementClass::Float if number & self.sign() == 0 => number | self.sign(),
            ElementClass::Float => !number & self.largest(),
            _ => number,
        }
    }

    /// How many of the values, in order, are below zero.
    fn negative(self, values: &[u64]) -> usize {
        match self.class {
            ElementClass::Signed | ElementClass::Float => {
                values.partition_point(|&value| self.ordinal(value) < self.sign())
            }
            _ => 0,
        }
    }

    fn pattern(self, ordinal: u64) -> u64 {
        self.in_order(match self.class {
            ElementClass::Signed => ordinal ^ self.sign(),
            ElementClass::Float if ordinal & self.sign() != 0 => ordinal & !self.sign(),
            ElementClass::Float => !ordinal & self.largest(),
            _ => ordinal,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(spec: &str, layout: &Layout, bytes: &[u8]) -> Option<Vec<u8>> {
        let spec = spec.parse().unwrap();
        let mut dst = vec![0xcc; bytes.len()];
        let chunk = Chunk {
            spec: &spec,
            layout,
            bytes,
        };
        let encoded = encode(&mut Context::new(), &chunk, &mut dst).unwrap()?;
        dst.truncate(encoded.len);
        Some(dst)
    }

    fn layout(class: ElementClass, bytes: usize, order: ByteOrder, elements: usize) -> Layout {
        let element = Element {
            class,
            bytes,
            order,
        };
        Layout::new(element, vec![elements])
    }

    #[test]
    fn the_worked_example_of_the_format() {
        let values = [-2i16, 7, 7, -2, 7, 300, 7, 7, 7, 7];
        let src: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let layout = layout(ElementClass::Signed, 2, ByteOrder::Little, 10);
        let payload = payload("dictionary:backend=bits", &layout, &src).unwrap();
        let values = [0xfe, 0xff, 0x01, 0x08, 0xa4, 0x02];
        let expected = [&[3, 0, 0, 0], &values[..], &[0, 2, 0xd6, 3, 0x20, 0]].concat();
        assert_eq!(payload, expected);
        let mut back = vec![0xcc; 20];
        decode(&mut Context::new(), &layout, &payload, &mut back).unwrap();
        assert_eq!(back, src);
    }

    #[test]
    fn ordinals_follow_the_numbers_in_both_byte_orders() {
        let floats = [
            f32::NEG_INFINITY,
            -1.5,
            -0.0,
            0.0,
            1e-40,
            2.0,
            f32::INFINITY,
            f32::NAN,
        ];
        let integers = [i64::MIN, -1, 0, 1, i64::MAX];
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let stored = |pattern: u64, bytes| match order {
                ByteOrder::Little => pattern,
                ByteOrder::Big => pattern.swap_bytes() >> (64 - 8 * bytes),
            };
            let check = |class, bytes, patterns: &[u64]| {
                let element = Element {
                    class,
                    bytes,
                    order,
                };
                let ordinals = Ordinals::of(&element).unwrap();
                let stored: Vec<u64> = patterns.iter().map(|&p| stored(p, bytes)).collect();
                let numbers: Vec<u64> = stored.iter().map(|&p| ordinals.ordinal(p)).collect();
                assert!(numbers.is_sorted_by(|a, b| a < b), "{element:?}");
                let back: Vec<u64> = numbers.iter().map(|&n| ordinals.pattern(n)).collect();
                assert_eq!(back, stored, "{element:?}");
            };
            let floats: Vec<u64> = floats.iter().map(|x| u64::from(x.to_bits())).collect();
            check(ElementClass::Float, 4, &floats);
            let integers: Vec<u64> = integers.iter().map(|&x| x as u64).collect();
            check(ElementClass::Signed, 8, &integers);
            check(ElementClass::Other, 3, &[0, 1, 0xff_ffff]);
            check(ElementClass::Signed, 1, &[0x80, 0xff, 0, 0x7f]);
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(read_number(&[0xa4, 2, 9]), Some((0x124, 2)));
        assert_eq!(read_number(&[0xff]), None);
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read_number(&largest), Some((u64::MAX, 10)));
        let mut larger = largest;
        larger[9] = 2;
        assert_eq!(read_number(&larger), None);
        larger[9] = 0x80;
        assert_eq!(read_number(&larger), None);
    }

    #[test]
    fn two_level_masks_go_to_bitshuffle_and_noise_falls_back() {
        let mask: Vec<u8> = (0..1 << 20)
            .map(|i| u8::from(i % 1024 > 700 && i >> 10 > 300))
            .collect();
        let mask_layout = layout(ElementClass::Unsigned, 1, ByteOrder::Little, 1 << 20);
        let len = payload("dictionary", &mask_layout, &mask).unwrap().len();
        assert!(len * 115 < mask.len(), "{len}");
        let noise = layout(ElementClass::Unsigned, 1, ByteOrder::Little, 1000);
        let bytes: Vec<u8> = (0..1000).map(|i| i as u8).collect();
        assert!(payload("dictionary", &noise, &bytes).is_none());
    }
}
