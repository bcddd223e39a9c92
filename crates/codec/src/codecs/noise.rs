//! `noise`: counts to a fraction of their own noise.
//!
//! A value becomes the middle of its bin, see `lattice.rs`; bins are as wide as `sigma` times the noise at that value.
//! Modes:
//!
//! * `det` — the middle of the value's own bin: |e| ≤ sigma · σ/2.
//! * `unbiased` — one of the two middles around the value, with the probabilities that make the mean right:
//!   |e| ≤ sigma · σ. Middles stay. Where the upper bin is too wide for that bound, the value's own middle is taken.
//! * `dither` — for floats, see `noise_dither.rs`: |e| ≤ sigma · σ.
//!
//! The promise in the certificate is |e| ≤ sigma · σ, where σ² = gain · max(x − offset, 0) + read², at least one count².
//!
//! Exact are: NaN, infinities, −0.0, fractions, masked and fill values, the largest value of an unsigned type, counts
//! beyond ±2³² or beyond the integers a float holds, and values whose bin would decode to a masked value. Each
//! different one of them is a *special* value with an index of its own; at most 4096 fit, otherwise the chunk is stored
//! losslessly. Whether a value changes, and to what, depends on the settings alone (and on the position where random
//! numbers are used), never on its neighbours: encoding twice changes nothing.
//!
//! Payload, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | mode: 0 `det`, 1 `unbiased`, 2 `dither` |
//! | 1 | 1 | zero |
//! | 2 | 2 | number s of special values |
//! | 4 | 4 | number n of bins |
//! | 8 | 8 | index of the first bin, i64 |
//! | 16 | 32 | sigma, gain, offset, read, f64 each |
//! | 48 | 16 | only with `dither`: seed u64, first dithered step i64 |
//! | … | | special values, in the size and byte order of the elements |
//! | … | | indices of the elements, see `entropy/indices.rs` |
//!
//! Index i < n is the middle of bin first + i, clamped to the counts of the element type; n ≤ i < n + s the special
//! value i − n; n + s ≤ i the dithered step first + i − n − s. Decoding `det` and `unbiased` is the same.
//!
//! The example in the tests: u16 values 0, 7, 8, 9, 10, 65535, 9, 9, … with `sigma=1`. Bins 0–7 hold one value, bin 8 is [8, 9]
//! and decodes to 8, bin 9 is [10, 12] and decodes to 11; so n = 10, s = 1 (65535), indices 0 7 8 8 9 10.

use super::noise_encode::{Masks, encode_counts, middle};
use super::{auto, noise_dither};
use crate::entropy::indices;
use crate::entropy::palette::expander;
use crate::frame::array;
use crate::kernels::levels::Level;
use crate::kernels::noise::{Count, values_of};
use crate::labels::{Values, refuse_labels};
use crate::lattice::{Lattice, Model};
use crate::numbers::{BLOCK, ExactValues, for_number, store};
use crate::params::{MASK, SPEED, Speed};
use crate::{
    ByteOrder, Chunk, Codec, Context, ElementClass, Encoded, Error, Kind, Layout, Param, Spec,
};

pub(crate) static CODEC: Codec = Codec {
    id: 4,
    name: "noise",
    about: "counts to a fraction of their own noise, integers stay integers",
    lossless: false,
    params: &[
        Param {
            name: "sigma",
            kind: Kind::Number {
                min: 0.001,
                max: 8.0,
            },
            default: "0.5",
            about: "step in units of the noise σ",
        },
        Param {
            name: "gain",
            kind: Kind::Number {
                min: 1e-6,
                max: 1e6,
            },
            default: "1",
            about: "detector units per photon",
        },
        Param {
            name: "offset",
            kind: Kind::Number {
                min: -1e9,
                max: 1e9,
            },
            default: "0",
            about: "detector units without light",
        },
        Param {
            name: "read",
            kind: Kind::Number { min: 0.0, max: 1e6 },
            default: "0",
            about: "read noise σ in detector units",
        },
        Param {
            name: "mode",
            kind: Kind::Choice(&["det", "dither", "unbiased"]),
            default: "det",
            about: "middle of the bin, subtractive dither (floats), or stochastic rounding",
        },
        Param {
            name: "seed",
            kind: Kind::Integer {
                min: 0,
                max: i64::MAX,
            },
            default: "0",
            about: "seed of dither and unbiased",
        },
        SPEED,
        MASK,
    ],
    filter: &crate::etalon_filter::FILTER,
    accepts,
    encode,
    decode,
};

const HEADER_BYTES: usize = 48;
const DITHER_BYTES: usize = 16;
/// More special values than this are no palette.
pub(super) const MAX_SPECIAL: usize = 4096;
/// More bins than this are no palette.
pub(super) const MAX_BINS: i64 = 1 << 19;
/// Values that an index of two bytes tells apart.
const MAX_EXPANDED: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Det = 0,
    Unbiased = 1,
    Dither = 2,
}

/// What a SPEC asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub model: Model,
    pub mode: Mode,
    pub seed: u64,
    pub speed: Speed,
}

impl Settings {
    fn new(spec: &Spec) -> Self {
        let number = |key| spec.number(key).unwrap_or_default();
        Self {
            model: Model {
                step: number("sigma"),
                gain: number("gain"),
                offset: number("offset"),
                read: number("read"),
            },
            mode: match spec.choice("mode") {
                "unbiased" => Mode::Unbiased,
                "dither" => Mode::Dither,
                _ => Mode::Det,
            },
            seed: spec.integer("seed") as u64,
            speed: Speed::of(spec),
        }
    }

    /// Largest |e| in units of σ that the mode promises.
    pub(super) fn bound(&self) -> f64 {
        match self.mode {
            Mode::Det => self.model.step / 2.0,
            Mode::Unbiased | Mode::Dither => self.model.step,
        }
    }
}

fn accepts(spec: &Spec, layout: &Layout) -> Result<(), Error> {
    if spec.choice("mode") == "dither" && layout.element.class != ElementClass::Float {
        return Err(Error::Settings(
            "noise: mode=dither gives fractions, which integers cannot hold; use mode=unbiased, or store floats".into(),
        ));
    }
    for_number!(&layout.element, T => ExactValues::<T>::new(spec, layout).map(|_| ()))
}

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    let encoded = for_number!(&chunk.layout.element, T => encode_typed::<T>(context, chunk, dst))?;
    auto::or_lossless(context, chunk, encoded, dst)
}

fn encode_typed<T: Count>(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let settings = Settings::new(chunk.spec);
    let masks = Masks::<T>::new(&ExactValues::new(chunk.spec, chunk.layout)?);
    if settings.mode == Mode::Dither {
        return noise_dither::encode(context, settings, chunk, &masks, dst);
    }
    if !T::FLOAT {
        let mut lattice = Lattice::new(settings.model);
        let values = refuse_labels(chunk, |value: T| {
            let becomes = masks.level(&mut lattice, value);
            (!masks.contains(value)).then(|| becomes.map_or(value, |(_, middle)| middle))
        })?;
        if values == Values::Constant {
            return Ok(None);
        }
    }
    encode_counts(context, settings, chunk.layout, chunk.bytes, &masks, dst)
}

/// The fixed part of a payload.
pub(super) struct Header {
    pub mode: Mode,
    pub bins: u32,
    pub first: i64,
    pub model: Model,
    pub seed: u64,
    pub first_step: i64,
}

impl Header {
    pub(super) fn to_bytes(&self, specials: usize) -> Vec<u8> {
        let mut bytes = vec![self.mode as u8, 0];
        bytes.extend((specials as u16).to_le_bytes());
        bytes.extend(self.bins.to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        for number in [
            self.model.step,
            self.model.gain,
            self.model.offset,
            self.model.read,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        if self.mode == Mode::Dither {
            bytes.extend(self.seed.to_le_bytes());
            bytes.extend(self.first_step.to_le_bytes());
        }
        bytes
    }

    /// The header, the number of special values, and the bytes before those.
    fn read(payload: &[u8]) -> Result<(Self, usize, usize), Error> {
        let truncated = |needed| Error::Truncated {
            what: "header of noise",
            offset: 0,
            needed,
            len: payload.len(),
        };
        let damaged = |what, offset| Error::Damaged {
            what,
            offset,
            len: payload.len(),
        };
        let fixed = payload.get(..HEADER_BYTES).ok_or(truncated(HEADER_BYTES))?;
        let f64_at = |at: usize| f64::from_le_bytes(array(&fixed[at..at + 8]));
        let mut header = Self {
            mode: match fixed[0] {
                0 => Mode::Det,
                1 => Mode::Unbiased,
                2 => Mode::Dither,
                _ => return Err(damaged("unknown mode", 0)),
            },
            bins: u32::from_le_bytes(array(&fixed[4..8])),
            first: i64::from_le_bytes(array(&fixed[8..16])),
            model: Model {
                step: f64_at(16),
                gain: f64_at(24),
                offset: f64_at(32),
                read: f64_at(40),
            },
            seed: 0,
            first_step: 0,
        };
        let mut len = HEADER_BYTES;
        if header.mode == Mode::Dither {
            len += DITHER_BYTES;
            let more = payload.get(HEADER_BYTES..len).ok_or(truncated(len))?;
            header.seed = u64::from_le_bytes(array(&more[..8]));
            header.first_step = i64::from_le_bytes(array(&more[8..]));
        }
        if i64::from(header.bins) > MAX_BINS || header.first.unsigned_abs() > 1 << 34 {
            return Err(damaged("more bins than there are", 4));
        }
        Ok((
            header,
            usize::from(u16::from_le_bytes(array(&fixed[2..4]))),
            len,
        ))
    }
}

fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    for_number!(&layout.element, T => decode_typed::<T>(context, layout, payload, dst))
}

pub(super) fn decode_typed<T: Count>(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let order = layout.element.order;
    let (header, specials, start) = Header::read(payload)?;
    let end = start + specials * T::BYTES;
    let specials = payload.get(start..end).ok_or(Error::Truncated {
        what: "special values",
        offset: start,
        needed: end - start,
        len: payload.len(),
    })?;
    let specials: Vec<T> = specials
        .chunks_exact(T::BYTES)
        .map(|bytes| T::read(bytes, order))
        .collect();
    let count = header.bins as usize + specials.len();
    let elements = dst.len() / T::BYTES;
    if header.mode != Mode::Dither && (1..=MAX_EXPANDED.min(elements)).contains(&count) {
        let stored = &payload[end..];
        let decoded = decode_expanded(context, &header, &specials, stored, order, dst);
        return decoded.map_err(|error| error.at(end));
    }
    indices::decode(context, dst.len() / T::BYTES, &payload[end..])
        .map_err(|error| error.at(end))?;
    let mut lattice = Lattice::new(header.model);
    let damaged = Error::Damaged {
        what: "an index beyond the last value",
        offset: end,
        len: payload.len(),
    };
    let blocks = dst
        .chunks_mut(BLOCK * T::BYTES)
        .zip(context.indices.chunks(BLOCK));
    if header.mode == Mode::Dither {
        return noise_dither::decode(&header, &mut lattice, &specials, blocks, order)
            .ok_or(damaged);
    }
    let Some(largest) = context.indices.iter().copied().max() else {
        return Ok(());
    };
    let values = all_values(&header, &mut lattice, &specials, largest).ok_or(damaged)?;
    let mut block = [T::default(); BLOCK];
    for (dst, indices) in blocks {
        let block = &mut block[..indices.len()];
        values_of(Level::best(), &values, indices, block);
        store(block, order, dst);
    }
    Ok(())
}

/// Decodes as `dictionary` does, from the value of every index there is.
fn decode_expanded<T: Count>(
    context: &mut Context,
    header: &Header,
    specials: &[T],
    stored: &[u8],
    order: ByteOrder,
    dst: &mut [u8],
) -> Result<(), Error> {
    let damaged = Error::Damaged {
        what: "an index beyond the last value",
        offset: 0,
        len: stored.len(),
    };
    let largest = header.bins + specials.len() as u32 - 1;
    let mut lattice = Lattice::new(header.model);
    let values = all_values(header, &mut lattice, specials, largest).ok_or(damaged.clone())?;
    let patterns = values.iter().map(|value| {
        let mut bytes = [0; 8];
        value.write(&mut bytes[..T::BYTES], order);
        u64::from_le_bytes(bytes)
    });
    let patterns: Vec<u64> = patterns.collect();
    let expander = expander(&patterns, T::BYTES).ok_or(damaged.clone())?;
    let (width, elements) = (indices::width_for(largest), dst.len() / T::BYTES);
    let mut dst = dst;
    let known = indices::decode_narrow(context, width, elements, stored, |indices| {
        let Some(written) = expander.expand(indices, dst) else {
            return false;
        };
        dst = &mut std::mem::take(&mut dst)[written..];
        true
    });
    match known? {
        true => Ok(()),
        false => Err(damaged),
    }
}

/// Decoded values of the indices up to `largest`; `None` where that is beyond the last.
pub(super) fn all_values<T: Count>(
    header: &Header,
    lattice: &mut Lattice,
    specials: &[T],
    largest: u32,
) -> Option<Vec<T>> {
    let bins = header.bins.min(largest.saturating_add(1));
    let mut values = Vec::new();
    for index in 0..bins {
        values.push(middle(lattice, header.first + i64::from(index))?);
    }
    values.extend(specials);
    ((largest as usize) < values.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    #[test]
    fn the_worked_example_of_the_format() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let mut values = [9u16; 60];
        values[..6].copy_from_slice(&[0, 7, 8, 9, 10, 65535]);
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let layout = Layout::new(element, vec![60]);
        let chunk = Chunk {
            spec: &"noise:sigma=1".parse().unwrap(),
            layout: &layout,
            bytes: &bytes,
        };
        let mut payload = [0xcc; 120];
        let mut context = Context::new();
        let encoded = encode(&mut context, &chunk, &mut payload).unwrap().unwrap();
        let header = [
            &[0, 0, 1, 0][..],   // det, one special value
            &[10, 0, 0, 0],      // ten bins
            &[0; 8],             // from bin 0
            &1f64.to_le_bytes(), // sigma
            &1f64.to_le_bytes(), // gain
            &[0; 16],            // offset, read
            &[0xff, 0xff],       // 65535
        ]
        .concat();
        assert_eq!(payload[..50], header);
        let rest = &payload[50..encoded.len];
        indices::decode(&mut context, 60, rest).unwrap();
        assert_eq!(context.indices[..6], [0, 7, 8, 8, 9, 10]);
        let mut decoded = [0xcc; 120];
        decode(&mut context, &layout, &payload[..encoded.len], &mut decoded).unwrap();
        assert_eq!(decoded[..12], [0, 0, 7, 0, 8, 0, 8, 0, 11, 0, 0xff, 0xff]);
        assert_eq!(encoded.certificate.loss.max_abs_error, 1.0);
        assert_eq!(encoded.decoded_crc, Some(crate::frame::crc32c(&decoded)));
    }
}
