//! `sigma-clip` with `variant=lattice`: outliers exact, everything else to a fraction of its noise.
//!
//! All decisions are made on the quantised counts, which a decoded chunk has too: so it is clipped, and its pixels are
//! kept, in the same way.

use super::noise::{self, Mode, Settings};
use super::noise_encode::{Masks, Meter, encode_counts};
use super::sigma_clip::{Clipping, HEADER_BYTES, Header, damaged};
use super::sigma_clip_background::{Background, Limits, Survivors, clip};
use super::sigma_clip_frame::{Counts, dilated};
use super::sigma_clip_geometry::Geometry;
use super::sigma_clip_streams::{Positions, Reader, Writer, read_positions};
use crate::kernels::noise::Count;
use crate::kernels::sigma_clip::MASKED;
use crate::lattice::{Lattice, Model};
use crate::numbers::{BLOCK, ExactValues, load, store};
use crate::params::Speed;
use crate::{BoundUnit, Certificate, Chunk, Context, Encoded, Error, Guarantee, Layout};

/// Levels of counts below this are looked up.
const MAX_TABLE: usize = 1 << 12;

/// What a value becomes, and the ends of its bin.
#[derive(Clone, Copy)]
struct Level<T> {
    decoded: T,
    first: i64,
    last: i64,
}

struct Levels<'a, T> {
    lattice: Lattice,
    masks: &'a Masks<T>,
    /// Levels of counts, as far as they were asked for.
    known: Vec<Option<Level<T>>>,
}

impl<T: Count> Levels<'_, T> {
    #[inline(always)]
    fn of(&mut self, value: T) -> Level<T> {
        let at = value.offset(0, MAX_TABLE as u32) as usize;
        if let Some(&Some(level)) = self.known.get(at) {
            return level;
        }
        let level = self.found(value);
        if let Some(known) = self.known.get_mut(at) {
            *known = Some(level);
        }
        level
    }

    fn found(&mut self, value: T) -> Level<T> {
        let bin = self.masks.level(&mut self.lattice, value);
        let bin = bin.and_then(|(index, decoded)| Some((self.lattice.bin(index)?, decoded)));
        let count = value.count().unwrap_or(0);
        match bin {
            Some((bin, decoded)) => Level {
                decoded,
                first: bin.first,
                last: bin.last(),
            },
            None => Level {
                decoded: value,
                first: count,
                last: count,
            },
        }
    }
}

pub(super) fn encode<T: Count>(
    context: &mut Context,
    chunk: &Chunk,
    header: &Header,
    clipping: &Clipping,
    exact: &ExactValues<T>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let (spec, layout) = (chunk.spec, chunk.layout);
    let step = spec.number("sigma").unwrap_or_default();
    let model = Model::counts(step);
    let masks = Masks::<T>::new(exact);
    let levels = Levels {
        lattice: Lattice::new(model),
        masks: &masks,
        known: vec![None; MAX_TABLE],
    };
    let (rows, columns) = layout.frame_shape();
    let rings = spec.number("cx").is_some() && spec.number("cy").is_some();
    let mut memory = std::mem::take(&mut context.clip);
    let geometry = memory.geometry(header.shape(layout, rings));
    let mut frames = Frames {
        levels,
        header,
        clipping,
        geometry: &geometry,
        counts: Counts::new(exact),
        kept: Positions::new(chunk.bytes.len() / T::BYTES),
        kept_values: Writer::default(),
        pixels: std::mem::take(&mut memory.pixels),
    };
    let mut quantisable = chunk.bytes.to_vec();
    let mut values = vec![T::default(); rows * columns];
    for (frame, bytes) in quantisable
        .chunks_mut(rows * columns * T::BYTES)
        .enumerate()
    {
        load(bytes, layout.element.order, &mut values);
        frames.take_out_kept(frame * rows * columns, &mut values);
        store(&values, layout.element.order, bytes);
    }
    let (kept, kept_values) = (frames.kept, frames.kept_values);
    memory.pixels = frames.pixels;
    memory.keep(geometry);
    context.clip = memory;
    let mut payload = header.to_bytes();
    let mut positions = Writer::default();
    kept.write(&mut positions);
    positions.pack(context, &mut payload)?;
    kept_values.pack(context, &mut payload)?;
    let Some((head, rest)) = dst.split_at_mut_checked(payload.len()) else {
        return Ok(None);
    };
    head.copy_from_slice(&payload);
    let settings = Settings {
        model,
        mode: Mode::Det,
        seed: 0,
        speed: Speed::of(chunk.spec),
    };
    let Some(inner) = encode_counts(context, settings, layout, &quantisable, &masks, rest)? else {
        return Ok(None);
    };
    let len = payload.len() + inner.len;
    verified::<T>(context, chunk, &dst[..len], step, kept.len())
}

/// Frames being taken apart.
struct Frames<'a, T> {
    levels: Levels<'a, T>,
    header: &'a Header,
    clipping: &'a Clipping,
    geometry: &'a Geometry,
    counts: Counts,
    kept: Positions,
    kept_values: Writer,
    pixels: Vec<u32>,
}

impl<T: Count> Frames<'_, T> {
    /// Takes the pixels that are kept out of a frame, whose first pixel has the position `start`.
    fn take_out_kept(&mut self, start: usize, values: &mut [T]) {
        let (geometry, columns) = (self.geometry, self.geometry.shape.columns);
        let of_pixel: Vec<Level<T>> = values.iter().map(|&value| self.levels.of(value)).collect();
        let decoded: Vec<T> = of_pixel.iter().map(|level| level.decoded).collect();
        let mut counts = vec![0; values.len()];
        self.counts.of(&decoded, &mut counts);
        self.pixels.resize(values.len(), 0);
        for (row, counts) in counts.chunks(columns).enumerate() {
            geometry.scatter(row, counts, &mut self.pixels);
        }
        let limits = self.limits();
        let mut of_row = vec![Limits::ALL; columns];
        let mut outlier = Vec::with_capacity(values.len());
        for (row, counts) in counts.chunks(columns).enumerate() {
            geometry.gather(row, &limits, &mut of_row);
            let levels = &of_pixel[row * columns..];
            let pixels = counts.iter().zip(levels).zip(&of_row);
            outlier
                .extend(pixels.map(|((&count, level), &limits)| {
                    count != MASKED && is_outlier(level, limits)
                }));
        }
        // A neighbour's decoded value in place of a kept pixel costs next to nothing.
        let mut neighbour = None;
        let near = dilated(&outlier, columns, self.clipping.dilate);
        for (pixel, near) in near.into_iter().enumerate() {
            let changes = decoded[pixel].to_bits() != values[pixel].to_bits();
            if near && changes {
                self.kept.add(start + pixel);
                self.kept_values.number(values[pixel].to_bits());
                values[pixel] = neighbour.unwrap_or(decoded[pixel]);
            } else if counts[pixel] != MASKED {
                neighbour = Some(decoded[pixel]);
            }
        }
    }

    /// The limits at every place.
    fn limits(&self) -> Vec<Limits> {
        let geometry = self.geometry;
        let survivors: Vec<Survivors> = (0..geometry.bins)
            .map(|bin| {
                let pixels = &self.pixels[geometry.bin(bin)];
                clip(pixels, self.clipping.cutoff, self.clipping.cycles, true)
            })
            .collect();
        let background = Background::new(survivors.iter());
        let (rule, mut room) = (&self.header.rule, Vec::new());
        let mut at_places = vec![Limits::ALL; self.pixels.len()];
        for bin in 0..geometry.bins {
            let limits = rule.limits(geometry, &background, bin, Limits::ALL, &mut room);
            for (at, place) in at_places[geometry.bin(bin)].iter_mut().enumerate() {
                *place = limits.at(at);
            }
        }
        at_places
    }
}

/// Whether an end of the bin is beyond the limits; without limit below, only the upper one can be.
fn is_outlier<T>(level: &Level<T>, limits: Limits) -> bool {
    let low = i64::from(limits.low);
    level.last > i64::from(limits.high) || (low > 0 && level.first < low)
}

/// Decodes the payload and adds up the loss; `None` where the promise would not hold.
fn verified<T: Count>(
    context: &mut Context,
    chunk: &Chunk,
    payload: &[u8],
    step: f64,
    kept: u64,
) -> Result<Option<Encoded>, Error> {
    let order = chunk.layout.element.order;
    let mut bytes = vec![0; chunk.bytes.len()];
    decode::<T>(context, chunk.layout, payload, &mut bytes)?;
    let mut meter = Meter::new(Model::counts(step));
    let (mut original, mut decoded) = ([T::default(); BLOCK], [T::default(); BLOCK]);
    for (from, to) in chunk
        .bytes
        .chunks(BLOCK * T::BYTES)
        .zip(bytes.chunks(BLOCK * T::BYTES))
    {
        let len = load(from, order, &mut original);
        load(to, order, &mut decoded);
        meter.add(&original[..len], &decoded[..len], order);
    }
    let (mut loss, decoded_crc) = meter.finish();
    loss.exceptions = kept;
    if f64::from(loss.max_sigma_error.unwrap_or(0.0)) > step {
        return Ok(None);
    }
    Ok(Some(Encoded {
        by: None,
        len: payload.len(),
        certificate: Certificate {
            guarantee: Guarantee::ByConstruction,
            bound_unit: BoundUnit::Sigma,
            bound_asked: step,
            loss,
            ..Certificate::default()
        },
        decoded_crc: Some(decoded_crc),
    }))
}

pub(super) fn decode<T: Count>(
    context: &mut Context,
    layout: &Layout,
    payload: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    let mut at = HEADER_BYTES;
    let mut positions = Reader::unpack(context, payload, &mut at)?;
    let mut values = Reader::unpack(context, payload, &mut at)?;
    noise::decode_typed::<T>(context, layout, &payload[at..], dst).map_err(|error| error.at(at))?;
    let elements = dst.len() / T::BYTES;
    let missing = || damaged("kept pixels of sigma-clip", payload);
    for position in read_positions(&mut positions, elements).ok_or_else(missing)? {
        let value = T::from_bits(values.number().ok_or_else(missing)?);
        value.write(
            &mut dst[position * T::BYTES..(position + 1) * T::BYTES],
            layout.element.order,
        );
    }
    match positions.is_finished() && values.is_finished() {
        true => Ok(()),
        false => Err(missing()),
    }
}
