//! `quantise`: numbers to bins of a stated width, with a bound that holds for every element.
//!
//! Modes, of which a SPEC names exactly one:
//!
//! * `abs=a` — |e| ≤ a. Bins of 2a around the multiples of 2a, whatever the chunk; on integers of 2⌊a⌋ + 1.
//! * `rel=r` — |e| ≤ r · range.
//! * `pw=p` — |e| ≤ p · |x|. Bins of equal width within an octave, their number the least that keeps p (on integers a
//!   power of two). Zero stays zero.
//! * `psnr=d` — 10 log₁₀(range² / mean e²) ≥ d over the finite elements that are not masked; verified by decoding.
//! * `levels=n` — n values from the least to the greatest of the range. |e| is at most half their distance and half a
//!   step of the element type.
//! * `bits=b` — floats keep b stored bits of mantissa (rounded, ties to even: b + 1 significant binary digits);
//!   integers of w bits become multiples of 2^(w − b), so that their b high bits count: |e| ≤ 2^(w − b − 1).
//! * `otsu=D` alone — the fewest levels (2–64 one by one, then in steps of an eighth to 65536) for which masks by Otsu's
//!   threshold have a Dice of D or more, at the original's threshold and at the one of the decoded values. With `levels=`
//!   it is those levels, or finer ones until D is reached; `otsu=0` only records. Thresholds and Dice are in the payload:
//!   [`otsu`] reads them.
//!
//! `range` is that of the chunk (`auto`), given as `lo;hi`, or the values at two percentiles as in `p0.1;p99.9`. Values
//! further outside than the bound stay exact. A chunk that HDF5 rewrites in parts has the same bins again only with `abs`,
//! `pw`, `bits` and given ranges: prefer these where chunks grow.
//!
//! Every element is decoded while encoding as the decoder will do it, rounded to the stored type and compared. What
//! exceeds the bound stays exact. NaN, infinities, masked and fill values are exact, and no other value becomes a masked
//! or fill value (a fill value of zero excepted in `abs`, `pw` and `bits`). −0.0 may come back as 0.0. Integers beyond
//! ±2⁵¹ are exact. Encoding twice changes nothing, see `quantise_encode.rs`.
//!
//! Payload, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | bins: 0 linear, 1 octaves |
//! | 1 | 1 | number c of codes, at most 40 |
//! | 2 | 1 | the code that stands for listed values, 255 for none |
//! | 3 | 1 | bit 0: an Otsu record follows; others zero |
//! | 4 | 4 | number n of bins, below 2³¹ |
//! | 8 | 4 | number l of listed values |
//! | 12 | 4 | zero |
//! | 16 | 8 | number of the first bin f, i64, below 2⁴¹ in magnitude |
//! | 24 | 8 | f64: linear: step; octaves: bins in an octave |
//! | 32 | 8 | f64: linear: origin; octaves: exponent of the first octave, biased by 1023 |
//! | 40 | 16 | f64 each: linear: least and greatest value; octaves: zero |
//! | 56 | 32 | with an Otsu record: threshold before, after, Dice at the first, at either, f64 each |
//! | … | | values of the codes, then listed values, in the size and byte order of the elements |
//! | … | | indices of the elements, see `entropy/indices.rs` |
//!
//! Index i < n is bin k = f + i; n ≤ i < n + c is code i − n: its value, or the next listed value. A linear bin decodes
//! to min(max(origin + k · step, least), greatest). A bin of octaves decodes to 0 for k = 0, otherwise with q and j the
//! quotient and remainder of (|k| − 1) / steps to ± (steps + j) / steps · 2^(exponent + q − 1023). All of this in f64 with one
//! rounding per operation, then rounded to the element type, ties to even; for f16 to f32 first.
//!
//! The example in the tests: f32 values 0, 0.5, 1, 1.26, NaN, 1, 1, … with `abs=0.25`: bins 0 to 3 of width 0.5, and a code for NaN.

use super::quantise_bins::Settings;
pub use super::quantise_otsu::Otsu;
use super::{auto, quantise_encode};
use crate::entropy::indices;
use crate::frame::{self, array};
use crate::kernels::levels::Level;
use crate::kernels::quantise::{Linear, Octaves, Sample, values};
use crate::numbers::{BLOCK, ExactValues, for_number, store};
use crate::params::{self, MASK, SPEED};
use crate::{Chunk, Codec, Context, Encoded, Error, Layout, Param, Spec};

pub(crate) static CODEC: Codec = Codec {
    id: 3,
    name: "quantise",
    about: "numbers to bins of a stated width, the bound kept by every element",
    lossless: false,
    params: &[
        number("abs", 1e-300, 1e300, "largest error, in units of the data"),
        number(
            "rel",
            1e-15,
            0.5,
            "largest error as a fraction of the range",
        ),
        number(
            "pw",
            1e-15,
            0.5,
            "largest error as a fraction of each value",
        ),
        number(
            "psnr",
            1.0,
            300.0,
            "least PSNR in dB of the range; with range=p0.1;p99.9 of that of `etalon measure`",
        ),
        integer(
            "levels",
            2,
            1 << 24,
            "number of values over the range; 256 is one byte",
        ),
        integer(
            "bits",
            0,
            63,
            "bits of mantissa kept in floats, high bits in integers",
        ),
        Param {
            name: "range",
            kind: params::Kind::Text,
            default: "auto",
            about: "range of rel, psnr and levels: auto (of the chunk), lo;hi, or percentiles p0.1;p99.9",
        },
        number("otsu", 0.0, 1.0, "least Dice of masks by Otsu's threshold"),
        SPEED,
        MASK,
    ],
    filter: &crate::etalon_filter::FILTER,
    accepts,
    encode,
    decode,
};

const fn number(name: &'static str, min: f64, max: f64, about: &'static str) -> Param {
    Param {
        name,
        kind: params::Kind::Number { min, max },
        default: "",
        about,
    }
}

const fn integer(name: &'static str, min: i64, max: i64, about: &'static str) -> Param {
    Param {
        name,
        kind: params::Kind::Integer { min, max },
        default: "",
        about,
    }
}

const HEADER_BYTES: usize = 56;
const OTSU_BYTES: usize = 32;
/// Codes for special values; one more may stand for listed values.
pub(super) const MAX_CODES: usize = 39;
const NO_CODE: u8 = 255;

fn accepts(spec: &Spec, layout: &Layout) -> Result<(), Error> {
    let settings = Settings::new(spec)?;
    for_number!(&layout.element, T => {
        settings.check_type::<T>()?;
        ExactValues::<T>::new(spec, layout).map(|_| ())
    })
}

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    let encoded =
        for_number!(&chunk.layout.element, T => quantise_encode::encode::<T>(context, chunk, dst))?;
    auto::or_lossless(context, chunk, encoded, dst)
}

/// Bins of either kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Linear(Linear),
    Octaves(Octaves),
}

/// The fixed part of a payload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Number of the first bin.
    pub first: f64,
    /// Number of bins.
    pub count: u32,
    pub codes: u8,
    pub listing: Option<u8>,
    pub listed: u32,
    pub otsu: Option<Otsu>,
}

impl Header {
    /// The largest index there can be.
    pub(super) fn largest(&self) -> u32 {
        (self.count + u32::from(self.codes)).saturating_sub(1)
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let numbers = match self.kind {
            Kind::Linear(bins) => [bins.step, bins.origin, bins.range[0], bins.range[1]],
            Kind::Octaves(bins) => [bins.steps, bins.base, 0.0, 0.0],
        };
        let mut bytes = vec![
            u8::from(matches!(self.kind, Kind::Octaves(_))),
            self.codes,
            self.listing.unwrap_or(NO_CODE),
            u8::from(self.otsu.is_some()),
        ];
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.listed.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend((self.first as i64).to_le_bytes());
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        if let Some(otsu) = self.otsu {
            let numbers = [
                otsu.threshold_before,
                otsu.threshold_after,
                otsu.dice_frozen,
                otsu.dice_derived,
            ];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes
    }

    /// The header and how long it is.
    fn read(payload: &[u8]) -> Result<(Self, usize), Error> {
        let len = payload.len();
        let damaged = |what, offset| Error::Damaged { what, offset, len };
        let truncated = |needed| Error::Truncated {
            what: "header of quantise",
            offset: 0,
            needed,
            len,
        };
        let fixed = payload.get(..HEADER_BYTES).ok_or(truncated(HEADER_BYTES))?;
        let f64_at = |bytes: &[u8], at: usize| f64::from_le_bytes(array(&bytes[at..at + 8]));
        let u32_at = |at: usize| u32::from_le_bytes(array(&fixed[at..at + 4]));
        let first = i64::from_le_bytes(array(&fixed[16..24]));
        let [step, origin, low, high] = [24, 32, 40, 48].map(|at| f64_at(fixed, at));
        let kind = match fixed[0] {
            0 => Kind::Linear(Linear::to_decode(step, origin, [low, high])),
            1 if step >= 1.0 => Kind::Octaves(Octaves::to_decode(step, origin)),
            _ => return Err(damaged("unknown kind of bins", 0)),
        };
        let mut header = Self {
            kind,
            first: first as f64,
            count: u32_at(4),
            codes: fixed[1],
            listing: Some(fixed[2]).filter(|code| *code != NO_CODE),
            listed: u32_at(8),
            otsu: None,
        };
        if usize::from(header.codes) > MAX_CODES + 1
            || header.count > u32::MAX >> 1
            || first.unsigned_abs() >= 1 << 41
        {
            return Err(damaged("more bins or codes than there are", 1));
        }
        if fixed[3] & 1 == 0 {
            return Ok((header, HEADER_BYTES));
        }
        let end = HEADER_BYTES + OTSU_BYTES;
        let record = payload.get(HEADER_BYTES..end).ok_or(truncated(end))?;
        header.otsu = Some(Otsu {
            threshold_before: f64_at(record, 0),
            threshold_after: f64_at(record, 8),
            dice_frozen: f64_at(record, 16),
            dice_derived: f64_at(record, 24),
        });
        Ok((header, end))
    }
}

/// Thresholds and Dice of a stored chunk, where `otsu=` asked for them. Checks header and payload, decodes nothing.
pub fn otsu(chunk: &[u8]) -> Result<Option<Otsu>, Error> {
    let info = frame::verify_payload(chunk)?;
    if info.codec != CODEC.name {
        return Ok(None);
    }
    let (header, _) = Header::read(&chunk[info.header_bytes..])?;
    Ok(header.otsu)
}

fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    for_number!(&layout.element, T => decode_typed::<T>(context, layout, payload, dst))
}

fn decode_typed<T: Sample>(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let order = layout.element.order;
    let (header, start) = Header::read(payload)?;
    let values_len = (u64::from(header.codes) + u64::from(header.listed)) * T::BYTES as u64;
    let end = start.saturating_add(usize::try_from(values_len).unwrap_or(usize::MAX));
    let stored = payload.get(start..end).ok_or(Error::Truncated {
        what: "values of quantise",
        offset: start,
        needed: end - start,
        len: payload.len(),
    })?;
    let (codes, listed) = stored.split_at(usize::from(header.codes) * T::BYTES);
    let mut exact = Exact {
        first: header.count,
        listing: header.listing,
        codes: codes
            .chunks_exact(T::BYTES)
            .map(|bytes| T::read(bytes, order))
            .collect(),
        listed: listed
            .chunks_exact(T::BYTES)
            .map(|bytes| T::read(bytes, order)),
    };
    let width = indices::width_for(header.largest());
    let elements = dst.len() / T::BYTES;
    let mut dst = dst.chunks_mut(BLOCK * T::BYTES);
    let (mut block, mut found) = ([T::default(); BLOCK], [0; BLOCK]);
    let consume = |narrow: &[u8]| {
        narrow.chunks(BLOCK * width).all(|narrow| {
            let len = widen(narrow, width, &mut found);
            let (block, found) = (&mut block[..len], &found[..len]);
            let level = Level::best();
            let largest = match header.kind {
                Kind::Linear(bins) => values(level, found, bins, header.first, block),
                Kind::Octaves(bins) => values(level, found, bins, header.first, block),
            };
            let known = largest < header.count || exact.replace(found, block);
            if let Some(dst) = dst.next() {
                store(block, order, dst);
            }
            known
        })
    };
    let known = indices::decode_narrow(context, width, elements, &payload[end..], consume)
        .map_err(|error| error.at(end))?;
    if !known || exact.listed.next().is_some() {
        return Err(Error::Damaged {
            what: "an index without value, or a value without index",
            offset: end,
            len: payload.len(),
        });
    }
    Ok(())
}

/// Values that are no bins.
struct Exact<T, I> {
    /// Index of the first code.
    first: u32,
    listing: Option<u8>,
    codes: Vec<T>,
    listed: I,
}

impl<T: Copy, I: Iterator<Item = T>> Exact<T, I> {
    /// Puts them in place of what the kernel made of their indices; false where one has no value.
    fn replace(&mut self, found: &[u32], block: &mut [T]) -> bool {
        for (value, &index) in block.iter_mut().zip(found) {
            let Some(code) = index.checked_sub(self.first) else {
                continue;
            };
            let exact = if self
                .listing
                .is_some_and(|listing| u32::from(listing) == code)
            {
                self.listed.next()
            } else {
                self.codes.get(code as usize).copied()
            };
            match exact {
                Some(exact) => *value = exact,
                None => return false,
            }
        }
        true
    }
}

/// Little-endian indices of `width` bytes as u32; returns how many.
fn widen(narrow: &[u8], width: usize, found: &mut [u32]) -> usize {
    match width {
        1 => {
            for (index, &byte) in found.iter_mut().zip(narrow) {
                *index = u32::from(byte);
            }
        }
        2 => {
            for (index, bytes) in found.iter_mut().zip(narrow.chunks_exact(2)) {
                *index = u32::from(u16::from_le_bytes(array(bytes)));
            }
        }
        _ => {
            for (index, bytes) in found.iter_mut().zip(narrow.chunks_exact(4)) {
                *index = u32::from_le_bytes(array(bytes));
            }
        }
    }
    narrow.len() / width
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    #[test]
    fn the_worked_example_of_the_format() {
        let element = Element {
            class: ElementClass::Float,
            bytes: 4,
            order: ByteOrder::Little,
        };
        let mut values = [1f32; 64];
        values[..5].copy_from_slice(&[0.0, 0.5, 1.0, 1.26, f32::NAN]);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let layout = Layout::new(element, vec![64]);
        let chunk = Chunk {
            spec: &"quantise:abs=0.25".parse().unwrap(),
            layout: &layout,
            bytes: &bytes,
        };
        let mut payload = [0xcc; 256];
        let mut context = Context::new();
        let encoded = encode(&mut context, &chunk, &mut payload).unwrap().unwrap();
        let header = [
            &[0, 1, 255, 0][..],       // linear, one code, no listed values, no Otsu record
            &[4, 0, 0, 0, 0, 0, 0, 0], // four bins, nothing listed
            &[0; 4],                   // zero
            &[0; 8],                   // from bin 0
            &0.5f64.to_le_bytes(),     // step
            &0.0f64.to_le_bytes(),     // origin
            &f64::NEG_INFINITY.to_le_bytes(),
            &f64::INFINITY.to_le_bytes(),
            &[0, 0, 0xc0, 0x7f],                 // NaN
            &[0, 3],                             // indices: bit-packing, three bits
            &[0b0000_1010, 0, 0, 0, 0, 0, 0, 0], // bit 0 of 0 1 2 3 4 2 2 …
            &[0b1110_1100, 255, 255, 255, 255, 255, 255, 255],
            &[0b0001_0000, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(payload[..encoded.len], header);
        let mut decoded = [0xcc; 256];
        decode(&mut context, &layout, &payload[..encoded.len], &mut decoded).unwrap();
        values[3] = 1.5;
        let expected: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(decoded[..], expected);
        let loss = encoded.certificate.loss;
        assert_eq!(loss.max_abs_error, f64::from(1.5f32 - 1.26));
        assert_eq!(encoded.decoded_crc, Some(crate::frame::crc32c(&decoded)));
    }
}
