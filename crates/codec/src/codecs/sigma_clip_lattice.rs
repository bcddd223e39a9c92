//! `sigma-clip` with `variant=lattice`: outliers exact, everything else to a fraction of its noise.
//!
//! All decisions are made on the quantised counts, which a decoded chunk has too: so it is clipped, and its pixels are
//! kept, in the same way.

use super::noise::{self, Mode, Settings};
use super::noise_encode::{Masks, Meter, encode_counts};
use super::sigma_clip::{Clipping, HEADER_BYTES, Header, counts_of, damaged};
use super::sigma_clip_background::{Background, Limits, MASKED, clip};
use super::sigma_clip_frame::dilated;
use super::sigma_clip_streams::{Reader, Writer, read_positions, write_positions};
use crate::kernels::noise::Count;
use crate::lattice::{Lattice, Model};
use crate::numbers::{BLOCK, load, store};
use crate::{BoundUnit, Certificate, Chunk, Context, Encoded, Error, Guarantee, Layout};

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
}

impl<T: Count> Levels<'_, T> {
    fn of(&mut self, value: T) -> Level<T> {
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
    masks: &Masks<T>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let (spec, layout) = (chunk.spec, chunk.layout);
    let step = spec.number("sigma").unwrap_or_default();
    let model = Model::counts(step);
    let mut levels = Levels {
        lattice: Lattice::new(model),
        masks,
    };
    let (rows, columns) = layout.frame_shape();
    let rings = spec.number("cx").is_some() && spec.number("cy").is_some();
    let geometry = header.geometry(layout, rings);
    let order = layout.element.order;
    let mut quantisable = chunk.bytes.to_vec();
    let mut kept = Vec::with_capacity(chunk.bytes.len() / T::BYTES);
    let mut kept_values = Writer::default();
    for bytes in quantisable.chunks_mut(rows * columns * T::BYTES) {
        let mut values = vec![T::default(); rows * columns];
        load(bytes, order, &mut values);
        let of_pixel: Vec<Level<T>> = values.iter().map(|&value| levels.of(value)).collect();
        let decoded: Vec<T> = of_pixel.iter().map(|level| level.decoded).collect();
        let counts = counts_of(&decoded, masks);
        let survivors = clip(
            &counts,
            &geometry.bin_of,
            geometry.bins,
            clipping.cutoff,
            clipping.cycles,
            true,
        );
        let limits = header.rule.limits(&geometry, &Background::new(&survivors));
        let outlier: Vec<bool> = (0..counts.len())
            .map(|pixel| counts[pixel] != MASKED && is_outlier(&of_pixel[pixel], limits[pixel]))
            .collect();
        // A neighbour's decoded value in place of a kept pixel costs next to nothing.
        let mut neighbour = None;
        for (pixel, near) in dilated(&outlier, columns, clipping.dilate)
            .into_iter()
            .enumerate()
        {
            let changes = decoded[pixel].to_bits() != values[pixel].to_bits();
            kept.push(near && changes);
            if near && changes {
                kept_values.number(values[pixel].to_bits());
                values[pixel] = neighbour.unwrap_or(decoded[pixel]);
            } else if counts[pixel] != MASKED {
                neighbour = Some(decoded[pixel]);
            }
        }
        store(&values, order, bytes);
    }
    let mut payload = header.to_bytes();
    let mut positions = Writer::default();
    write_positions(&mut positions, &kept);
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
    };
    let Some(inner) = encode_counts(context, settings, layout, &quantisable, masks, rest)? else {
        return Ok(None);
    };
    let len = payload.len() + inner.len;
    verified::<T>(context, chunk, &dst[..len], step, &kept)
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
    kept: &[bool],
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
    loss.exceptions = kept.iter().filter(|kept| **kept).count() as u64;
    if f64::from(loss.max_sigma_error.unwrap_or(0.0)) > step {
        return Ok(None);
    }
    Ok(Some(Encoded {
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
