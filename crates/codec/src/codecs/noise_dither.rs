//! `noise` with `mode=dither`: floats quantised with subtractive dither, so that the error neither depends on the value
//! nor shifts the mean.
//!
//! The step is sigma · σ at every value, so the quantiser is uniform in y, where dy/dx = 1/(sigma · σ(x)):
//!
//! ```text
//! y(x) = 2 √v(x) / (gain · sigma)                         v: variance of the value, see lattice.rs
//! y(x) = y(offset) − (offset − x) / (sigma · read)        below the offset, where there is read noise alone
//! k = ⌊y + u⌋                                             u: number of the element from the stream of `seed`
//! x̂ = the x of  y² = (k − u + ½)² − 1/12                  1/12: the mean of the square of the rounding error
//! x̂ = offset + (k − u + ½ − y(offset)) · sigma · read     below the offset
//! ```
//!
//! Exact, as in `det`: masked values and integers whose bin in the lattice holds one value. A value is a special value
//! if x̂, after rounding to the element type, is further away than sigma · σ, is masked, or would not come back as
//! itself when encoded again at its place: that is the test for idempotence, made on every element.

use std::collections::HashMap;

use super::noise::{Header, MAX_BINS, MAX_SPECIAL, Mode, Settings};
use super::noise_encode::{Masks, Meter, finish, middle};
use crate::entropy::indices::{self, Origin};
use crate::kernels::noise::Count;
use crate::lattice::{Lattice, Model};
use crate::numbers::{BLOCK, load, store};
use crate::random::Random;
use crate::{ByteOrder, Chunk, Context, Encoded, Error};

/// Steps beyond this are not a fraction of any noise.
const MAX_STEP: f64 = (1u64 << 31) as f64;

/// The uniform quantiser in y.
struct Dither {
    model: Model,
    random: Random,
    /// y at the offset.
    corner: f64,
}

impl Dither {
    fn new(model: Model, seed: u64) -> Self {
        let corner = 2.0 * (model.read * model.read + model.floor()).sqrt();
        Self {
            model,
            random: Random::new(seed),
            corner: corner / (model.gain * model.step),
        }
    }

    fn y(&self, x: f64) -> f64 {
        if x < self.model.offset && self.model.read > 0.0 {
            self.corner - (self.model.offset - x) / (self.model.step * self.model.read)
        } else {
            2.0 * self.model.variance(x).sqrt() / (self.model.gain * self.model.step)
        }
    }

    /// Step of element `at`.
    fn step(&self, x: f64, at: usize) -> i64 {
        let y = (self.y(x) + self.random.uniform(at as u64)).floor();
        y.clamp(-MAX_STEP, MAX_STEP) as i64
    }

    /// What a step of element `at` decodes to.
    fn value(&self, step: i64, at: usize) -> f64 {
        let z = step as f64 - self.random.uniform(at as u64) + 0.5;
        if z < self.corner && self.model.read > 0.0 {
            return self.model.offset + (z - self.corner) * (self.model.step * self.model.read);
        }
        let unit = self.model.gain * self.model.step / 2.0;
        let variance = unit * unit * (z * z - 1.0 / 12.0);
        let floor = self.model.read * self.model.read + self.model.floor();
        self.model.offset + (variance - floor) / self.model.gain
    }
}

/// What an element becomes.
enum Class<T> {
    Bin(i64, T),
    Step(i64, T),
    Special,
}

struct Encoder<'a, T> {
    dither: Dither,
    lattice: Lattice,
    masks: &'a Masks<T>,
}

impl<T: Count> Encoder<'_, T> {
    fn classify(&mut self, value: T, at: usize) -> Class<T> {
        let x = value.to_f64();
        if self.masks.contains(value) || !x.is_finite() {
            return Class::Special;
        }
        if let Some((bin, middle)) = self.masks.level(&mut self.lattice, value)
            && self.lattice.bin(bin).is_some_and(|bin| bin.width == 1)
        {
            return Class::Bin(bin, middle);
        }
        let step = self.dither.step(x, at);
        let decoded = T::from_f64(self.dither.value(step, at));
        let back = decoded.to_f64();
        let allowed = self.dither.model.step * self.dither.model.reported_variance(x).sqrt();
        let kept = (back - x).abs() <= allowed
            && !self.masks.contains(decoded)
            && self.dither.step(back, at) == step;
        match kept {
            true => Class::Step(step, decoded),
            false => Class::Special,
        }
    }
}

/// Smallest and largest of some numbers.
struct Span(i64, i64);

impl Span {
    const EMPTY: Self = Self(i64::MAX, i64::MIN);

    fn add(&mut self, number: i64) {
        *self = Self(self.0.min(number), self.1.max(number));
    }

    fn len(&self) -> i64 {
        (self.1.saturating_sub(self.0)).saturating_add(1).max(0)
    }

    fn first(&self) -> i64 {
        if self.len() == 0 { 0 } else { self.0 }
    }
}

pub(super) fn encode<T: Count>(
    context: &mut Context,
    settings: Settings,
    chunk: &Chunk,
    masks: &Masks<T>,
    dst: &mut [u8],
) -> Result<Option<Encoded>, Error> {
    let order = chunk.layout.element.order;
    let mut encoder = Encoder {
        dither: Dither::new(settings.model, settings.seed),
        lattice: Lattice::new(settings.model),
        masks,
    };
    let mut block = [T::default(); BLOCK];
    let (mut bins, mut steps) = (Span::EMPTY, Span::EMPTY);
    let mut specials = Specials::default();
    for (number, bytes) in chunk.bytes.chunks(BLOCK * T::BYTES).enumerate() {
        let len = load(bytes, order, &mut block);
        for (at, &value) in block[..len].iter().enumerate() {
            match encoder.classify(value, number * BLOCK + at) {
                Class::Bin(bin, _) => bins.add(bin),
                Class::Step(step, _) => steps.add(step),
                Class::Special => specials.add(value),
            }
        }
        if specials.values.len() > MAX_SPECIAL {
            return Ok(None);
        }
    }
    if bins.len() > MAX_BINS || steps.len() > i64::from(u32::MAX) / 2 {
        return Ok(None);
    }
    let header = Header {
        mode: Mode::Dither,
        bins: bins.len() as u32,
        first: bins.first(),
        model: settings.model,
        seed: settings.seed,
        first_step: steps.first(),
    };
    let first_dithered = header.bins + specials.values.len() as u32;
    context.indices.clear();
    let mut meter = Meter::new(settings.model);
    let mut decoded = [T::default(); BLOCK];
    for (number, bytes) in chunk.bytes.chunks(BLOCK * T::BYTES).enumerate() {
        let len = load(bytes, order, &mut block);
        for (at, &value) in block[..len].iter().enumerate() {
            let (index, becomes) = match encoder.classify(value, number * BLOCK + at) {
                Class::Bin(bin, middle) => ((bin - header.first) as u32, middle),
                Class::Step(step, becomes) => {
                    (first_dithered + (step - header.first_step) as u32, becomes)
                }
                Class::Special => (header.bins + specials.index_of(value), value),
            };
            context.indices.push(index);
            decoded[at] = becomes;
        }
        meter.add(&block[..len], &decoded[..len], order);
    }
    let largest = (first_dithered + steps.len() as u32).saturating_sub(1);
    let (layout, values) = (chunk.layout, specials.values);
    finish(
        context,
        &settings,
        &header,
        &values,
        meter,
        layout,
        |context, dst| {
            let origin = Origin {
                speed: settings.speed,
                shape: &layout.shape,
                first_bin: 0,
                first_code: u32::MAX,
            };
            indices::encode(context, largest, origin, dst)
        },
        dst,
    )
}

/// Special values in the order they were met.
struct Specials<T> {
    index: HashMap<u64, u32>,
    values: Vec<T>,
}

impl<T> Default for Specials<T> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            values: Vec::new(),
        }
    }
}

impl<T: Count> Specials<T> {
    fn add(&mut self, value: T) {
        let next = self.values.len() as u32;
        if *self.index.entry(value.to_bits()).or_insert(next) == next {
            self.values.push(value);
        }
    }

    fn index_of(&self, value: T) -> u32 {
        self.index.get(&value.to_bits()).copied().unwrap_or(0)
    }
}

/// Decodes blocks of bytes and indices; `None` for an index of no value.
pub(super) fn decode<'a, T: Count>(
    header: &Header,
    lattice: &mut Lattice,
    specials: &[T],
    blocks: impl Iterator<Item = (&'a mut [u8], &'a [u32])>,
    order: ByteOrder,
) -> Option<()> {
    let dither = Dither::new(header.model, header.seed);
    let mut block = [T::default(); BLOCK];
    for (number, (dst, indices)) in blocks.enumerate() {
        for (at, &index) in indices.iter().enumerate() {
            block[at] = match index.checked_sub(header.bins) {
                None => middle(lattice, header.first + i64::from(index))?,
                Some(special) => match (special as usize).checked_sub(specials.len()) {
                    None => specials[special as usize],
                    Some(step) => {
                        let step = header.first_step.checked_add(step as i64)?;
                        T::from_f64(dither.value(step, number * BLOCK + at))
                    }
                },
            };
        }
        store(&block[..indices.len()], order, dst);
    }
    Some(())
}
