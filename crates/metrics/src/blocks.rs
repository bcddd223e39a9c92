//! The valid elements of frames in f64, a block at a time that stays in the first-level cache.
//!
//! Sums are written once, for f64, and not for each pair of element types: turning a block into f64 costs less than a
//! tenth of what is then done with it. Masked elements are dropped here, so that sums need not know of masks.
//!
//! e is the difference of the f64 values, as in numpy, with two exceptions where that would not be the error: integers of
//! 64 bits are subtracted as integers (f64 does not hold all of them), and equal infinities differ by 0.

use multiversion::multiversion;

use crate::frames::{Frames, Sample, Values, for_values};

/// Elements of a block.
pub(crate) const BLOCK: usize = 512;

/// The same elements of A, B and e = B − A; at least one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) a: &'a [f64],
    pub(crate) b: &'a [f64],
    pub(crate) e: &'a [f64],
}

/// Calls `take` with all valid elements in order.
pub(crate) fn for_each_block(frames: &Frames<'_>, mut take: impl FnMut(Block<'_>)) {
    let (mut a, mut b, mut e) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
    let total = frames.original.len();
    for start in (0..total).step_by(BLOCK) {
        let range = start..(start + BLOCK).min(total);
        let mut len = range.len();
        for_values!(frames.original, |slice| convert(
            &slice[range.clone()],
            &mut a
        ));
        for_values!(frames.decoded, |slice| convert(
            &slice[range.clone()],
            &mut b
        ));
        subtract(&a[..len], &b[..len], &mut e);
        match (frames.original, frames.decoded) {
            (Values::I64(a), Values::I64(b)) => {
                subtract_i64(&a[range.clone()], &b[range.clone()], &mut e)
            }
            (Values::U64(a), Values::U64(b)) => {
                subtract_u64(&a[range.clone()], &b[range.clone()], &mut e)
            }
            _ => (),
        }
        if let Some(valid) = frames.valid {
            len = keep_valid(&valid[range], [&mut a, &mut b, &mut e]);
        }
        if len > 0 {
            take(Block {
                a: &a[..len],
                b: &b[..len],
                e: &e[..len],
            });
        }
    }
}

#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn convert<'a, T: Sample>(slice: &'a [T], into: &'a mut [f64; BLOCK]) {
    for (into, value) in into.iter_mut().zip(slice) {
        *into = value.to_f64();
    }
}

#[multiversion(targets(
    "x86_64+avx+avx2+fma+avx512f+avx512vl+avx512dq+avx512bw",
    "x86_64+avx+avx2+fma"
))]
fn subtract<'a>(a: &'a [f64], b: &'a [f64], e: &'a mut [f64; BLOCK]) {
    for ((e, a), b) in e.iter_mut().zip(a).zip(b) {
        *e = if a == b { 0.0 } else { b - a };
    }
}

fn subtract_i64(a: &[i64], b: &[i64], e: &mut [f64; BLOCK]) {
    for ((e, &a), &b) in e.iter_mut().zip(a).zip(b) {
        let distance = b.abs_diff(a) as f64;
        *e = if b < a { -distance } else { distance };
    }
}

fn subtract_u64(a: &[u64], b: &[u64], e: &mut [f64; BLOCK]) {
    for ((e, &a), &b) in e.iter_mut().zip(a).zip(b) {
        let distance = b.abs_diff(a) as f64;
        *e = if b < a { -distance } else { distance };
    }
}

/// Moves the valid elements to the front of each array; their number.
fn keep_valid(valid: &[bool], [a, b, e]: [&mut [f64; BLOCK]; 3]) -> usize {
    if valid.iter().all(|&valid| valid) {
        return valid.len();
    }
    let mut len = 0;
    for (at, &valid) in valid.iter().enumerate() {
        // Without a branch: what is written over is either not valid or this element.
        (a[len], b[len], e[len]) = (a[at], b[at], e[at]);
        len += usize::from(valid);
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(original: Values<'_>, decoded: Values<'_>, valid: Option<&[bool]>) -> Vec<f64> {
        let mut errors = Vec::new();
        let frames = Frames {
            original,
            decoded,
            valid,
            first: 0,
            count: 1,
            rows: 1,
            columns: original.len(),
        };
        for_each_block(&frames, |block| errors.extend_from_slice(block.e));
        errors
    }

    #[test]
    fn unsigned_types_do_not_wrap() {
        let found = errors(Values::U8(&[3, 255]), Values::U8(&[5, 0]), None);
        assert_eq!(found, [2.0, -255.0]);
    }

    #[test]
    fn wide_integers_differ_by_what_f64_does_not_hold() {
        let big = 1 << 60;
        let found = errors(
            Values::I64(&[big, -big]),
            Values::I64(&[big + 1, -big - 2]),
            None,
        );
        assert_eq!(found, [1.0, -2.0]);
        let found = errors(
            Values::U64(&[u64::MAX, 7]),
            Values::U64(&[u64::MAX - 1, 7]),
            None,
        );
        assert_eq!(found, [-1.0, 0.0]);
        let found = errors(Values::I64(&[i64::MIN]), Values::I64(&[i64::MAX]), None);
        assert_eq!(found, [u64::MAX as f64]);
    }

    #[test]
    fn equal_infinities_differ_by_nothing() {
        let values = [f32::INFINITY, f32::NEG_INFINITY];
        assert_eq!(
            errors(Values::F32(&values), Values::F32(&values), None),
            [0.0, 0.0]
        );
    }

    #[test]
    fn only_valid_elements_come_and_types_may_differ() {
        let a: Vec<u16> = (0..1500).map(|value| value % 70).collect();
        let b: Vec<f32> = a.iter().map(|&value| f32::from(value) + 0.5).collect();
        let valid: Vec<bool> = (0..1500).map(|at| at % 7 == 3).collect();
        let found = errors(Values::U16(&a), Values::F32(&b), Some(&valid));
        assert_eq!(found, vec![0.5; 214]);
        assert!(errors(Values::U16(&a), Values::F32(&b), Some(&[false; 1500])).is_empty());
    }
}
