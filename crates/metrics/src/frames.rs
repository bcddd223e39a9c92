//! What metrics are fed: a run of whole frames of a dataset, original and decoded.

use std::borrow::Cow;
use std::ops::Range;

/// Elements of one of the types that detectors and reconstructions have.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Values<'a> {
    I8(&'a [i8]),
    U8(&'a [u8]),
    I16(&'a [i16]),
    U16(&'a [u16]),
    I32(&'a [i32]),
    U32(&'a [u32]),
    I64(&'a [i64]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

/// Runs an expression on the slice inside [`Values`], whatever its type.
macro_rules! for_values {
    ($values:expr, |$slice:ident| $body:expr) => {
        match $values {
            $crate::Values::I8($slice) => $body,
            $crate::Values::U8($slice) => $body,
            $crate::Values::I16($slice) => $body,
            $crate::Values::U16($slice) => $body,
            $crate::Values::I32($slice) => $body,
            $crate::Values::U32($slice) => $body,
            $crate::Values::I64($slice) => $body,
            $crate::Values::U64($slice) => $body,
            $crate::Values::F32($slice) => $body,
            $crate::Values::F64($slice) => $body,
        }
    };
}
pub(crate) use for_values;

/// A number that an element can be.
pub(crate) trait Sample: Copy + PartialEq {
    /// The value, exact for all types up to 32 bits and f64; nearest otherwise.
    fn to_f64(self) -> f64;
}

macro_rules! sample {
    ($($type:ty)*) => {$(
        impl Sample for $type {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}
sample!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);

impl<'a> Values<'a> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        for_values!(self, |slice| slice.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of `range`.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        macro_rules! parts {
            ($($variant:ident)*) => {
                match self { $(Values::$variant(slice) => Values::$variant(&slice[range]),)* }
            };
        }
        parts!(I8 U8 I16 U16 I32 U32 I64 U64 F32 F64)
    }

    /// Whether the elements are integers.
    pub fn is_integer(&self) -> bool {
        !matches!(self, Values::F32(_) | Values::F64(_))
    }

    /// The elements of `range` as f64, borrowed where they are f64 already.
    pub fn to_f64(&self, range: Range<usize>) -> Cow<'a, [f64]> {
        match self {
            Values::F64(slice) => Cow::Borrowed(&slice[range]),
            other => Cow::Owned(for_values!(other, |slice| slice[range]
                .iter()
                .map(|value| value.to_f64())
                .collect())),
        }
    }
}

/// Whole frames that follow each other in a dataset.
#[derive(Debug, Clone, Copy)]
pub struct Frames<'a> {
    /// The original, `count * rows * columns` elements, columns fastest.
    pub original: Values<'a>,
    /// What was decoded; the original once more where a single dataset is measured.
    pub decoded: Values<'a>,
    /// Which elements count, for all of them; `None`: all.
    pub valid: Option<&'a [bool]>,
    /// Index of the first frame in the dataset.
    pub first: usize,
    /// Number of frames.
    pub count: usize,
    /// Extent of a frame in the slow direction, in pixels.
    pub rows: usize,
    /// Extent of a frame in the fast direction, in pixels.
    pub columns: usize,
}

/// One frame in f64.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Index in the dataset.
    pub index: usize,
    /// The original, rows · columns values.
    pub original: Cow<'a, [f64]>,
    /// What was decoded.
    pub decoded: Cow<'a, [f64]>,
    /// Which elements count; `None`: all.
    pub valid: Option<&'a [bool]>,
}

impl<'a> Frames<'a> {
    /// Elements of one frame.
    pub fn frame_len(&self) -> usize {
        self.rows * self.columns
    }

    /// Some of the frames, counted from the first of these.
    pub fn part(&self, frames: Range<usize>) -> Self {
        let elements = frames.start * self.frame_len()..frames.end * self.frame_len();
        Self {
            original: self.original.part(elements.clone()),
            decoded: self.decoded.part(elements.clone()),
            valid: self.valid.map(|valid| &valid[elements]),
            first: self.first + frames.start,
            count: frames.len(),
            ..*self
        }
    }

    /// The frames one by one, in f64.
    pub fn iter(&self) -> impl Iterator<Item = Frame<'a>> + use<'a> {
        let frames = *self;
        (0..frames.count).map(move |at| {
            let range = at * frames.frame_len()..(at + 1) * frames.frame_len();
            Frame {
                index: frames.first + at,
                original: frames.original.to_f64(range.clone()),
                decoded: frames.decoded.to_f64(range.clone()),
                valid: frames.valid.map(|valid| &valid[range]),
            }
        })
    }
}
