//! The nearest f16 of an f64, ties to even: the same on every machine.
//!
//! `half::f16::from_f64` is not: with F16C it goes through f32 and so rounds twice, with FP16 it rounds once, and in
//! software it drops the low 32 bits before it looks for ties; which of them runs depends on the features that some
//! crate of the program asked `half` for. A decoder that draws values must give the encoder's, so it rounds here.

use half::f16;

/// Bits of an f64's significand after the leading one, and of an f16's.
const WIDE_BITS: i32 = 52;
const HALF_BITS: i32 = 10;
/// Exponent of the least normal f16.
const LEAST_EXPONENT: i32 = -14;
const INFINITY: u16 = 0x7c00;
const QUIET: u16 = 0x0200;

/// Rounds to the nearest f16, ties to even; a NaN keeps its sign and the upper bits of its payload.
#[inline]
pub(crate) fn f16_from_f64(value: f64) -> f16 {
    let bits = value.to_bits();
    let sign = (bits >> 48) as u16 & 0x8000;
    if value.is_nan() {
        let payload = (bits >> (WIDE_BITS - HALF_BITS)) as u16 & 0x03ff;
        return f16::from_bits(sign | INFINITY | QUIET | payload);
    }
    f16::from_bits(sign | magnitude(bits & !(1 << 63)))
}

/// The same for the bits of a value that is not negative and no NaN.
#[inline]
fn magnitude(bits: u64) -> u16 {
    let exponent = (bits >> WIDE_BITS) as i32 - 1023;
    if exponent > 15 {
        return INFINITY;
    }
    // Below half of the least subnormal f16, which is 2⁻²⁴; also the zero and the subnormals of f64.
    if exponent < LEAST_EXPONENT - HALF_BITS - 1 {
        return 0;
    }
    let significand = bits & ((1 << WIDE_BITS) - 1) | 1 << WIDE_BITS;
    let dropped = WIDE_BITS - HALF_BITS + (LEAST_EXPONENT - exponent).max(0);
    let kept = significand >> dropped;
    let rest = significand & ((1 << dropped) - 1);
    let tie = 1 << (dropped - 1);
    let up = rest > tie || (rest == tie && kept & 1 == 1);
    // The leading one of a normal number adds one to the exponent field, and so does a carry out of the fraction: up
    // to infinity.
    let field = (exponent - LEAST_EXPONENT).max(0) as u64;
    ((field << HALF_BITS) + kept + u64::from(up)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finite f16 values that are not negative, and 2¹⁶, which stands for infinity when rounding.
    fn ladder() -> Vec<f64> {
        let mut values: Vec<f64> = (0..INFINITY)
            .map(|bits| {
                let (exponent, fraction) = (i32::from(bits >> HALF_BITS), f64::from(bits & 0x03ff));
                match exponent {
                    0 => fraction * (-24_f64).exp2(),
                    _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
                }
            })
            .collect();
        values.push(65536.0);
        values
    }

    fn assert_rounds(value: f64, bits: u16) {
        assert_eq!(f16_from_f64(value).to_bits(), bits, "{value:e}");
        assert_eq!(f16_from_f64(-value).to_bits(), bits | 0x8000, "-{value:e}");
    }

    #[test]
    fn every_f16_comes_back() {
        for bits in 0..=u16::MAX {
            let wide = f16::from_bits(bits).to_f64_const();
            let back = f16_from_f64(wide).to_bits();
            let expected = if wide.is_nan() { bits | QUIET } else { bits };
            assert_eq!(back, expected, "{bits:04x}");
        }
    }

    #[test]
    fn midpoints_go_to_even_and_their_neighbours_to_the_nearest() {
        for (bits, pair) in (0..INFINITY).zip(ladder().windows(2)) {
            let (low, high) = (pair[0], pair[1]);
            let middle = (low + high) / 2.0;
            assert_rounds(middle, bits + (bits & 1));
            // From the next f64, which f32 cannot tell from the midpoint, to a quarter of the gap.
            for away in [
                middle * f64::EPSILON,
                middle * 1e-12,
                middle * 1e-9,
                (high - low) / 4.0,
            ] {
                assert_rounds(middle - away, bits);
                assert_rounds(middle + away, bits + 1);
            }
            assert_rounds(middle.next_down(), bits);
            assert_rounds(middle.next_up(), bits + 1);
            assert_rounds(low.next_up(), bits);
            assert_rounds(high.next_down(), bits + 1);
        }
    }

    #[test]
    fn of_an_f32_half_gives_the_same_in_hardware_and_software() {
        // The kernels round f32 with `half`, which rounds once on every machine.
        let midpoints = ladder()
            .windows(2)
            .map(|pair| ((pair[0] + pair[1]) / 2.0) as f32)
            .collect::<Vec<_>>();
        let near = midpoints
            .iter()
            .flat_map(|value| [value.next_down(), *value, value.next_up()]);
        let spread = (0..=u32::MAX)
            .step_by(40_009)
            .map(f32::from_bits)
            .filter(|value| !value.is_nan());
        for value in near.chain(spread) {
            assert_eq!(
                f16::from_f32(value),
                f16::from_f32_const(value),
                "{value:e}"
            );
            assert_eq!(
                f16::from_f32(value),
                f16_from_f64(f64::from(value)),
                "{value:e}"
            );
        }
    }

    #[test]
    fn the_ends_of_f64_are_zero_and_infinity() {
        for value in [0.0, f64::from_bits(1), f64::MIN_POSITIVE, (-25_f64).exp2()] {
            assert_rounds(value, 0);
        }
        for value in [65520.0, 65536.0, 1e300, f64::MAX, f64::INFINITY] {
            assert_rounds(value, INFINITY);
        }
        assert_rounds(65520_f64.next_down(), 0x7bff);
        assert_eq!(f16_from_f64(f64::NAN).to_bits() & 0x7fff, 0x7e00);
    }
}
