//! Elements as `i32` for the predictor: integers of up to 32 bits, and floats that hold whole numbers.
//!
//! Unsigned integers of 32 bits wrap. Floats must be whole numbers of magnitude below 2³¹ and no −0.0, except for one bit
//! pattern, such as a NaN, which becomes the least `i32`.

use std::marker::PhantomData;

use crate::entropy::predict::Sink;
use crate::kernels::levels::{Level, levels};
use crate::numbers::Number;
use crate::{ByteOrder, Layout};

/// What the pattern of a float that is no whole number becomes.
pub(super) const ODD: i32 = i32::MIN;

/// A Rust number that the predictor takes.
pub(super) trait Predictable: Number {
    /// The number that stands for this one; for floats `None` where it is no whole number.
    fn to_number(self) -> Option<i32>;
    /// Appends the numbers that stand for stored ones, [`ODD`] where there is none.
    fn load(bytes: &[u8], order: ByteOrder, numbers: &mut Vec<i32>);
    /// Stores what numbers stand for that are so much above those given, in every `step`-th of the elements.
    fn store<N: Copy + Into<i32>>(
        numbers: &[N],
        center: i32,
        order: ByteOrder,
        step: usize,
        bytes: &mut [u8],
    );
}

macro_rules! predictable {
    ($type:ty, $to:expr) => {
        impl Predictable for $type {
            #[inline(always)]
            fn to_number(self) -> Option<i32> {
                let to: fn($type) -> Option<i32> = $to;
                to(self)
            }

            #[inline(always)]
            fn load(bytes: &[u8], order: ByteOrder, numbers: &mut Vec<i32>) {
                let stored = bytes.as_chunks().0.iter();
                let number = |x: $type| x.to_number().unwrap_or(ODD);
                match order {
                    ByteOrder::Little => {
                        numbers.extend(stored.map(|&x| number(<$type>::from_le_bytes(x))));
                    }
                    ByteOrder::Big => {
                        numbers.extend(stored.map(|&x| number(<$type>::from_be_bytes(x))));
                    }
                }
            }

            #[inline(always)]
            fn store<N: Copy + Into<i32>>(
                numbers: &[N],
                center: i32,
                order: ByteOrder,
                step: usize,
                bytes: &mut [u8],
            ) {
                let elements = bytes.as_chunks_mut().0;
                let stored = |number: N| {
                    let x = number.into().wrapping_add(center) as $type;
                    match order {
                        ByteOrder::Little => x.to_le_bytes(),
                        ByteOrder::Big => x.to_be_bytes(),
                    }
                };
                if step == 1 {
                    let pairs = elements.iter_mut().zip(numbers);
                    pairs.for_each(|(x, &number)| *x = stored(number));
                } else {
                    let pairs = elements.iter_mut().step_by(step).zip(numbers);
                    pairs.for_each(|(x, &number)| *x = stored(number));
                }
            }
        }
    };
    ($($type:ty),+) => { $(predictable!($type, |x| Some(x as i32));)+ };
    (float $($type:ty),+) => { $(
        predictable!($type, |x| {
            let number = x as i32;
            let same = (number as $type).to_bits() == x.to_bits();
            (same && number != ODD && number != i32::MAX).then_some(number)
        });
    )+ };
}
#[inline(always)]
fn load_kernel<T: Predictable>(
    _of: PhantomData<T>,
    bytes: &[u8],
    order: ByteOrder,
    numbers: &mut Vec<i32>,
) {
    T::load(bytes, order, numbers);
}
levels!(fn load<T: Predictable>(
    of: PhantomData<T>, bytes: &[u8], order: ByteOrder, numbers: &mut Vec<i32>
) = load_kernel);

#[inline(always)]
fn store_kernel<T: Predictable>(
    _of: PhantomData<T>,
    numbers: &[i32],
    order: ByteOrder,
    step: usize,
    bytes: &mut [u8],
) {
    T::store(numbers, 0, order, step, bytes);
}
levels!(fn store<T: Predictable>(
    of: PhantomData<T>, numbers: &[i32], order: ByteOrder, step: usize, bytes: &mut [u8]
) = store_kernel);

#[inline(always)]
fn store_cells_kernel<T: Predictable>(
    _of: PhantomData<T>,
    cells: &[i16],
    center: i32,
    order: ByteOrder,
    step: usize,
    bytes: &mut [u8],
) {
    T::store(cells, center, order, step, bytes);
}
levels!(fn store_cells<T: Predictable>(
    of: PhantomData<T>, cells: &[i16], center: i32, order: ByteOrder, step: usize, bytes: &mut [u8]
) = store_cells_kernel);

predictable!(u8, u16, u32, i8, i16, i32);
predictable!(float f32, f64);

/// Runs `$body` with `$type` standing for the Rust number of a layout; `$otherwise` for elements that are not taken.
macro_rules! for_predictable {
    ($layout:expr, $type:ident => $body:expr, $otherwise:expr) => {{
        use $crate::ElementClass::{Float, Signed, Unsigned};
        match ($layout.element.class, $layout.element.bytes) {
            (Unsigned, 1) => {
                type $type = u8;
                $body
            }
            (Unsigned, 2) => {
                type $type = u16;
                $body
            }
            (Unsigned, 4) => {
                type $type = u32;
                $body
            }
            (Signed, 1) => {
                type $type = i8;
                $body
            }
            (Signed, 2) => {
                type $type = i16;
                $body
            }
            (Signed, 4) => {
                type $type = i32;
                $body
            }
            (Float, 4) => {
                type $type = f32;
                $body
            }
            (Float, 8) => {
                type $type = f64;
                $body
            }
            _ => $otherwise,
        }
    }};
}

/// Converts a chunk; returns the pattern that became [`ODD`], if one did. `None` where the elements are not taken.
pub(super) fn to_numbers(
    layout: &Layout,
    bytes: &[u8],
    numbers: &mut Vec<i32>,
) -> Option<Option<u64>> {
    for_predictable!(layout, T => typed_to_numbers::<T>(bytes, layout.element.order, numbers), None)
}

fn typed_to_numbers<T: Predictable>(
    bytes: &[u8],
    order: ByteOrder,
    numbers: &mut Vec<i32>,
) -> Option<Option<u64>> {
    numbers.clear();
    numbers.reserve_exact(bytes.len() / T::BYTES);
    load(Level::best(), PhantomData::<T>, bytes, order, numbers);
    let mut odd = None;
    if T::FLOAT && numbers.contains(&ODD) {
        let stored = bytes.chunks_exact(T::BYTES);
        let found = numbers
            .iter()
            .zip(stored)
            .filter(|(number, _)| **number == ODD);
        for (_, bytes) in found {
            let pattern = T::read(bytes, order).to_bits();
            if *odd.get_or_insert(pattern) != pattern {
                return None;
            }
        }
    }
    Some(odd)
}

/// Elements that decoded numbers become.
pub(super) struct Elements<'a> {
    layout: &'a Layout,
    /// What [`ODD`] stands for.
    odd: Option<u64>,
    bytes: &'a mut [u8],
}

impl<'a> Elements<'a> {
    /// `None` where the elements are not taken.
    pub(super) fn new(layout: &'a Layout, odd: Option<u64>, bytes: &'a mut [u8]) -> Option<Self> {
        let is_taken = for_predictable!(layout, T => T::BYTES > 0, false);
        is_taken.then_some(Self { layout, odd, bytes })
    }
}

impl Sink for Elements<'_> {
    fn put(&mut self, first: usize, step: usize, numbers: &[i32]) {
        let (layout, odd) = (self.layout, self.odd);
        let start = first * layout.element.bytes;
        let bytes = self.bytes.get_mut(start..).unwrap_or_default();
        for_predictable!(layout, T => put::<T>(numbers, odd, layout.element.order, step, bytes), ());
    }

    fn put_cells(&mut self, first: usize, step: usize, center: i32, cells: &[i16]) {
        // None of them is far enough from 0 to be the odd one.
        let order = self.layout.element.order;
        let start = first * self.layout.element.bytes;
        let bytes = self.bytes.get_mut(start..).unwrap_or_default();
        let level = Level::best();
        for_predictable!(self.layout, T => {
            store_cells(level, PhantomData::<T>, cells, center, order, step, bytes);
        }, ());
    }
}

fn put<T: Predictable>(
    numbers: &[i32],
    odd: Option<u64>,
    order: ByteOrder,
    step: usize,
    bytes: &mut [u8],
) {
    store(Level::best(), PhantomData::<T>, numbers, order, step, bytes);
    if let Some(pattern) = odd {
        let stored = bytes.chunks_exact_mut(T::BYTES).step_by(step);
        let found = numbers
            .iter()
            .zip(stored)
            .filter(|(number, _)| **number == ODD);
        found.for_each(|(_, bytes)| T::from_bits(pattern).write(bytes, order));
    }
}

/// The number of a value as stored, if it is taken.
pub(super) fn number_of(layout: &Layout, stored: &[u8]) -> Option<i32> {
    for_predictable!(layout, T => {
        (stored.len() == T::BYTES).then(|| T::read(stored, layout.element.order).to_number())?
    }, None)
}
