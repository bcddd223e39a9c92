//! `sigma-clip`: outliers exact, the background between them by a model (or, `lattice`, to a fraction of its noise).
//!
//! Every frame (the last two dimensions) on its own. Its background is found by sigma clipping, see
//! `sigma_clip_background.rs`. Stored exactly are
//!
//! * masked pixels: masked and fill values, the largest value of an unsigned type, negative counts, counts above
//!   2³¹ − 1, and everything in a float chunk that is no count;
//! * kept pixels: those with I − background > max(noise, kappa · hypot(std, noise)), with `sides=both` also those as far
//!   below, all within `dilate` pixels of them in either direction, and those that clipping discarded.
//!
//! A chunk is stored losslessly where a drawn pixel would look like a masked one (masked values other than 0 amid the
//! background), where the totals below cannot be met, or where nothing is gained.
//!
//! All others are drawn again at decoding, within the limits that decide whether a pixel is kept and with the totals of
//! their bin, see `sigma_clip_synthesis.rs`. So a decoded frame has the same pixels clipped and kept, the same
//! background, and encodes to the same payload: encoding twice changes nothing, by construction. The decoder computes
//! mean, std and limits from what is stored, with the encoder's own code.
//!
//! `variant=lattice` draws nothing: kept pixels are exact and all others coded as `noise:sigma=…` does. Clipping then
//! looks at the quantised counts, which a decoded frame has too, and a pixel counts with that end of its bin which is
//! farther from the background.
//!
//! Payload, little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | background: 0 tiles, 1 rings; 2 `lattice` |
//! | 1 | 1 | drawn from: 0 `poisson`, 1 `normal`, 2 `mean` |
//! | 2 | 1 | 1 for `sides=both` |
//! | 3 | 1 | zero |
//! | 4 | 4 | side of a tile, or number of rings |
//! | 8 | 16 | cx, cy, f64 |
//! | 24 | 16 | kappa, noise, f64 |
//! | 40 | 8 | seed, u64 |
//! | 48 | | streams (see `sigma_clip_streams.rs`): masked, positions, values, sums, zeros, windows |
//!
//! For every frame, *masked* holds a number of runs and for each run the gap to the one before, length − 1 and the bit
//! pattern of the value; *positions* the kept pixels and *values* their counts. For every bin with pixels to draw,
//! *sums* holds their sum less that predicted by the mean of the bin before (signed), *zeros* how many are zero
//! (signed, predicted alike), *windows* the least and the greatest count that clipping leaves, less those of the bin
//! before (signed). With `lattice` only *positions* and *values* (bit patterns) follow, for the chunk as a whole, and
//! then the payload of `noise`.
//!
//! Decode a frame: fill in masked and kept pixels; count the pixels of each bin that are left; add to the totals of a
//! bin the kept pixels inside its window, which gives mean and std; compute the limits of every pixel; draw.
//!
//! The worked example is in the tests.

use super::sigma_clip_background::Rule;
use super::sigma_clip_checks::refuse_fractions;
use super::sigma_clip_decode::Decoder;
use super::sigma_clip_frame::Encoder;
use super::sigma_clip_geometry::{Kind, Shape};
use super::sigma_clip_lattice as lattice;
use super::sigma_clip_streams::Reader;
use super::sigma_clip_synthesis::Draw;
use crate::frame::array;
use crate::kernels::noise::Count;
use crate::kernels::sigma_clip::MAX_COUNT;
use crate::numbers::{ExactValues, for_number};
use crate::params::{self, MASK};
use crate::{Certificate, Chunk, Codec, Context, Encoded, Error, Guarantee, Layout, Param, Spec};

pub use super::sigma_clip_background::clipped_mask;

pub(crate) static CODEC: Codec = Codec {
    id: 5,
    name: "sigma-clip",
    about: "outliers exact, background by a model: for Bragg peaks",
    lossless: false,
    params: &[
        choice(
            "variant",
            &["block", "azimuthal", "global", "lattice"],
            "background in tiles, rings or one per frame; lattice: not drawn but to a fraction of its noise",
        ),
        number(
            "kappa",
            1.0,
            1000.0,
            "3",
            "σ above the background from which pixels are kept exactly",
        ),
        number(
            "clip",
            0.0,
            1000.0,
            "0",
            "least σ that clipping discards at; 0 leaves it to Chauvenet's criterion",
        ),
        integer("cycles", 1, 100, "5", "most cycles of clipping"),
        number(
            "noise",
            0.0,
            1e6,
            "1",
            "noise beside that of counting, counts",
        ),
        choice("sides", &["positive", "both"], "which outliers are kept"),
        integer("dilate", 0, 100, "0", "pixels kept around every outlier"),
        integer(
            "tile",
            8,
            65_536,
            "64",
            "side of a tile in pixels (block, lattice)",
        ),
        number(
            "cx",
            -1e6,
            1e6,
            "",
            "beam centre, column; the first pixel spans 0 to 1 (azimuthal, lattice)",
        ),
        number("cy", -1e6, 1e6, "", "beam centre, row (azimuthal, lattice)"),
        integer(
            "bins",
            1,
            65_536,
            "800",
            "number of rings (azimuthal, lattice)",
        ),
        choice(
            "decode",
            &["poisson", "normal", "mean"],
            "what the background is drawn from",
        ),
        number(
            "sigma",
            0.001,
            8.0,
            "1",
            "step in units of the noise σ (lattice)",
        ),
        integer("seed", 0, i64::MAX, "0", "seed of the background drawn"),
        Param {
            name: "force",
            kind: params::Kind::Flag,
            default: "false",
            about: "encode although the background does not look like counts",
        },
        MASK,
    ],
    filter: &crate::etalon_filter::FILTER,
    accepts,
    encode,
    decode,
};

const fn choice(name: &'static str, words: &'static [&'static str], about: &'static str) -> Param {
    Param {
        name,
        kind: params::Kind::Choice(words),
        default: words[0],
        about,
    }
}

const fn number(
    name: &'static str,
    min: f64,
    max: f64,
    default: &'static str,
    about: &'static str,
) -> Param {
    Param {
        name,
        kind: params::Kind::Number { min, max },
        default,
        about,
    }
}

const fn integer(
    name: &'static str,
    min: i64,
    max: i64,
    default: &'static str,
    about: &'static str,
) -> Param {
    Param {
        name,
        kind: params::Kind::Integer { min, max },
        default,
        about,
    }
}

pub(super) const HEADER_BYTES: usize = 48;
const TILES: u8 = 0;
const RINGS: u8 = 1;
pub(super) const LATTICE: u8 = 2;
const MAX_RINGS: u32 = 1 << 16;

/// What decoding needs to know about the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    pub kind: u8,
    pub draw: Draw,
    pub rule: Rule,
    /// Side of a tile, or number of rings.
    size: u32,
    centre: [f64; 2],
    pub seed: u64,
}

/// What encoding needs beside.
pub(super) struct Clipping {
    pub cutoff: f64,
    pub cycles: usize,
    pub dilate: usize,
}

impl Header {
    fn new(spec: &Spec, layout: &Layout) -> Self {
        let number = |key| spec.number(key).unwrap_or_default();
        let (rows, columns) = layout.frame_shape();
        let centred = spec.number("cx").is_some() && spec.number("cy").is_some();
        let (kind, size) = match spec.choice("variant") {
            "azimuthal" => (RINGS, spec.integer("bins") as u32),
            "global" => (TILES, rows.max(columns).clamp(1, u32::MAX as usize) as u32),
            "lattice" if centred => (LATTICE, spec.integer("bins") as u32),
            "lattice" => (LATTICE, spec.integer("tile") as u32),
            _ => (TILES, spec.integer("tile") as u32),
        };
        Self {
            kind,
            draw: match spec.choice("decode") {
                "normal" => Draw::Normal,
                "mean" => Draw::Mean,
                _ => Draw::Poisson,
            },
            rule: Rule {
                kappa: number("kappa"),
                noise: number("noise"),
                both_sides: spec.choice("sides") == "both",
                most: MAX_COUNT,
            },
            size,
            centre: [number("cx"), number("cy")],
            seed: spec.integer("seed") as u64,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![
            self.kind,
            self.draw as u8,
            u8::from(self.rule.both_sides),
            0,
        ];
        bytes.extend(self.size.to_le_bytes());
        for number in [
            self.centre[0],
            self.centre[1],
            self.rule.kappa,
            self.rule.noise,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.seed.to_le_bytes());
        bytes
    }

    fn read(payload: &[u8]) -> Result<Self, Error> {
        let bytes = payload.get(..HEADER_BYTES).ok_or(Error::Truncated {
            what: "header of sigma-clip",
            offset: 0,
            needed: HEADER_BYTES,
            len: payload.len(),
        })?;
        let f64_at = |at: usize| f64::from_le_bytes(array(&bytes[at..at + 8]));
        let header = Self {
            kind: bytes[0],
            draw: match bytes[1] {
                0 => Draw::Poisson,
                1 => Draw::Normal,
                _ => Draw::Mean,
            },
            rule: Rule {
                kappa: f64_at(24),
                noise: f64_at(32),
                both_sides: bytes[2] == 1,
                most: MAX_COUNT,
            },
            size: u32::from_le_bytes(array(&bytes[4..8])),
            centre: [f64_at(8), f64_at(16)],
            seed: u64::from_le_bytes(array(&bytes[40..48])),
        };
        let rings_fit = header.kind != RINGS || header.size <= MAX_RINGS;
        if header.size == 0 || header.kind > LATTICE || bytes[1] > 2 || !rings_fit {
            return Err(damaged("settings of sigma-clip", payload));
        }
        Ok(header)
    }

    pub(super) fn shape(&self, layout: &Layout, rings: bool) -> Shape {
        let (rows, columns) = layout.frame_shape();
        let size = self.size as usize;
        let [cx, cy] = self.centre;
        Shape {
            rows,
            columns,
            kind: match rings {
                true => Kind::Rings { cx, cy, bins: size },
                false => Kind::Tiles { side: size },
            },
        }
    }
}

pub(super) fn damaged(what: &'static str, payload: &[u8]) -> Error {
    Error::Damaged {
        what,
        offset: 0,
        len: payload.len(),
    }
}

/// Whether settings ask for a background that is drawn.
pub(crate) fn draws_background(spec: &Spec) -> bool {
    spec.codec().id == CODEC.id && spec.choice("variant") != "lattice"
}

fn accepts(spec: &Spec, layout: &Layout) -> Result<(), Error> {
    let centred = [spec.number("cx"), spec.number("cy")].map(|centre| centre.is_some());
    if spec.choice("variant") == "azimuthal" && centred != [true, true] {
        return Err(Error::Settings(
            "sigma-clip: variant=azimuthal needs the beam centre, cx= and cy= in pixels; without it use variant=block"
                .into(),
        ));
    }
    for_number!(&layout.element, T => ExactValues::<T>::new(spec, layout).map(|_| ()))
}

fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Option<Encoded>, Error> {
    for_number!(&chunk.layout.element, T => encode_typed::<T>(context, chunk, dst))
}

fn encode_typed<T: Count>(
    context: &mut Context,
    chunk: &Chunk,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let (spec, layout) = (chunk.spec, chunk.layout);
    let header = Header::new(spec, layout);
    let exact = ExactValues::<T>::new(spec, layout)?;
    let (rows, columns) = layout.frame_shape();
    if chunk.bytes.is_empty() {
        return Ok(None);
    }
    refuse_fractions::<T>(chunk)?;
    let clipping = Clipping {
        cutoff: spec.number("clip").unwrap_or_default(),
        cycles: spec.integer("cycles") as usize,
        dilate: spec.integer("dilate") as usize,
    };
    if header.kind == LATTICE {
        return lattice::encode::<T>(context, chunk, &header, &clipping, &exact, dst);
    }
    let mut memory = std::mem::take(&mut context.clip);
    let geometry = memory.geometry(header.shape(layout, header.kind == RINGS));
    let mut encoder = Encoder::new(&header, &clipping, &geometry, &exact, layout.element.order);
    let drawn = chunk
        .bytes
        .chunks(rows * columns * T::BYTES)
        .all(|bytes| encoder.frame::<T>(&mut memory, bytes).is_some());
    let force = spec.flag("force");
    let refused = if force { Ok(()) } else { encoder.refuse() };
    let trusted = force || encoder.witness.allows_drawing();
    let finished = encoder.finish(context, header.to_bytes());
    memory.keep(geometry);
    context.clip = memory;
    refused?;
    let (payload, loss, decoded_crc) = finished?;
    let room = dst.get_mut(..payload.len()).filter(|_| drawn && trusted);
    let Some(room) = room else {
        return Ok(None);
    };
    room.copy_from_slice(&payload);
    Ok(Some(Encoded {
        by: None,
        len: payload.len(),
        certificate: Certificate {
            guarantee: Guarantee::Verified,
            synthetic_background: true,
            loss,
            ..Certificate::default()
        },
        decoded_crc: Some(decoded_crc),
    }))
}

fn decode(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let header = Header::read(payload)?;
    for_number!(&layout.element, T => match header.kind {
        LATTICE => lattice::decode::<T>(context, layout, payload, dst),
        _ => decode_typed::<T>(context, layout, &header, payload, dst),
    })
}

fn decode_typed<T: Count>(
    context: &mut Context,
    layout: &Layout,
    header: &Header,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let mut at = HEADER_BYTES;
    let mut unpack = || Reader::unpack(context, payload, &mut at);
    let mut streams = [
        unpack()?,
        unpack()?,
        unpack()?,
        unpack()?,
        unpack()?,
        unpack()?,
    ];
    let (rows, columns) = layout.frame_shape();
    let mut memory = std::mem::take(&mut context.clip);
    let geometry = memory.geometry(header.shape(layout, header.kind == RINGS));
    let mut decoder = Decoder::new::<T>(header, &geometry, layout.element.order);
    let decoded = dst
        .chunks_mut((rows * columns * T::BYTES).max(1))
        .all(|dst| decoder.frame::<T>(&mut memory, &mut streams, dst).is_some());
    memory.keep(geometry);
    context.clip = memory;
    if !decoded {
        return Err(damaged("a frame of sigma-clip", payload));
    }
    if at != payload.len() || !streams.iter().all(Reader::is_finished) {
        return Err(damaged("bytes behind the last frame", payload));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    /// 16 × 16 counts of 2, with a peak of 60 at pixel 20 and a masked pixel at 40.
    #[test]
    fn the_worked_example_of_the_format() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![16, 16]);
        let mut counts = [2u16; 256];
        (counts[20], counts[40]) = (60, 65_535);
        let bytes: Vec<u8> = counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        let chunk = Chunk {
            spec: &"sigma-clip:decode=mean,force".parse().unwrap(),
            layout: &layout,
            bytes: &bytes,
        };
        let mut payload = [0xcc; 512];
        let mut context = Context::new();
        let encoded = encode(&mut context, &chunk, &mut payload).unwrap().unwrap();
        let expected = [
            &[TILES, 2, 0, 0, 64, 0, 0, 0][..], // tiles of 64, drawn from the mean, outliers above only
            &[0; 16],                           // no centre
            &3f64.to_le_bytes(),                // kappa
            &1f64.to_le_bytes(),                // noise
            &[0; 8],                            // seed
            &[6, 0, 0, 0, 6, 0, 0, 0],          // masked, six bytes as they are:
            &[1, 40, 0, 0xff, 0xff, 3], // one run after 40 pixels, of one pixel, of the value 65535
            &[3, 0, 0, 0, 3, 0, 0, 0],  // positions:
            &[0, 1, 20],                // as gaps, one pixel, after 20 others
            &[1, 0, 0, 0, 1, 0, 0, 0],  // values:
            &[60],
            &[2, 0, 0, 0, 2, 0, 0, 0], // sums:
            &[0xf8, 7],                // 254 × 2 = 508 more than predicted
            &[1, 0, 0, 0, 1, 0, 0, 0], // zeros:
            &[0],
            &[2, 0, 0, 0, 2, 0, 0, 0], // windows:
            &[0, 12],                  // counts from 0 to 6 survive clipping
        ]
        .concat();
        assert_eq!(payload[..encoded.len], expected);
        let mut decoded = [0xcc; 512];
        decode(&mut context, &layout, &payload[..encoded.len], &mut decoded).unwrap();
        assert_eq!(decoded[..], bytes, "the mean of equal counts is that count");
        assert_eq!(encoded.certificate.loss.exceptions, 1);
        assert_eq!(encoded.decoded_crc, Some(crate::frame::crc32c(&decoded)));
    }
}
