//! Correlation over time: definitions, missing frames and pixels, and order.

mod simulated;

use etalon_metrics::{Correlation, Error, Outcome, Region, Settings, Values};
use simulated::{Random, Stack};

const SHAPE: [usize; 3] = [37, 5, 7];

/// Counts whose brightness drifts, so that the normalisations differ.
fn drifting() -> Vec<f64> {
    let mut random = Random(1);
    let [frames, rows, columns] = SHAPE;
    (0..frames * rows * columns)
        .map(|at| random.poisson(2.0 + 3.0 * (at / (rows * columns)) as f64 / frames as f64))
        .collect()
}

fn settings(levels: usize, buffers: usize) -> Settings {
    Settings {
        correlation: Correlation {
            levels: Some(levels),
            buffers,
            ..Correlation::default()
        },
        ..Settings::default()
    }
}

fn curve<'a>(outcome: &'a Outcome, name: &str, which: &str) -> &'a [f64] {
    &outcome.curves[name].y[which]
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * b.abs(),
            "at {at}: {a} is not {b}"
        );
    }
}

/// Both definitions at one lag, written out.
fn plain(frames: &[Vec<f64>], lag: usize) -> (f64, f64) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let pairs = (frames.len() - lag) as f64;
    let (mut product, mut past, mut future, mut means) = (0.0, 0.0, 0.0, 0.0);
    for (a, b) in frames.iter().zip(&frames[lag..]) {
        let products: Vec<f64> = a.iter().zip(b).map(|(a, b)| a * b).collect();
        product += mean(&products);
        past += mean(a);
        future += mean(b);
        means += mean(a) * mean(b);
    }
    (product * pairs / (past * future), product / means)
}

fn frames_of(stack: &[f64]) -> Vec<Vec<f64>> {
    let len = SHAPE[1] * SHAPE[2];
    stack.chunks(len).map(<[f64]>::to_vec).collect()
}

#[test]
fn linear_lags_are_the_definitions() {
    let a = drifting();
    let outcome = Stack::new(&a, &a, SHAPE)
        .outcome(&["g2", "g2_by_frame"], &settings(1, 40))
        .unwrap();
    let frames = frames_of(&a);
    let expected: Vec<(f64, f64)> = (0..37).map(|lag| plain(&frames, lag)).collect();
    let (symmetric, by_frame): (Vec<f64>, Vec<f64>) = expected.into_iter().unzip();
    assert_close(
        curve(&outcome, "g2", "region 0 original"),
        &symmetric,
        1e-13,
    );
    assert_close(
        curve(&outcome, "g2_by_frame", "region 0 decoded"),
        &by_frame,
        1e-13,
    );
    assert_eq!(outcome.values["g2_max_change"], 0.0);
    assert_eq!(outcome.values["g2_by_frame_rms_change"], 0.0);
}

#[test]
fn levels_are_correlations_of_averaged_frames() {
    let a = drifting();
    let outcome = Stack::new(&a, &a, SHAPE)
        .outcome(&["g2"], &settings(3, 4))
        .unwrap();
    assert_eq!(
        outcome.curves["g2"].x,
        [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]
    );
    let average = |frames: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let pairs = frames.chunks_exact(2);
        pairs
            .map(|pair| {
                let sums = pair[0].iter().zip(&pair[1]);
                sums.map(|(a, b)| (a + b) / 2.0).collect()
            })
            .collect()
    };
    let level0 = frames_of(&a);
    let level1 = average(&level0);
    let level2 = average(&level1);
    let expected = [
        plain(&level0, 0).0,
        plain(&level0, 1).0,
        plain(&level0, 2).0,
        plain(&level0, 3).0,
        plain(&level1, 2).0,
        plain(&level1, 3).0,
        plain(&level2, 2).0,
        plain(&level2, 3).0,
    ];
    assert_close(curve(&outcome, "g2", "region 0 original"), &expected, 1e-13);
}

#[test]
fn frames_one_at_a_time_give_the_same_bits() {
    let a = drifting();
    let b: Vec<f64> = a.iter().map(|value| (value / 2.0).floor() * 2.0).collect();
    let mut stack = Stack::new(&a, &b, SHAPE);
    let whole = stack.outcome(&["g2", "g2_by_frame"], &settings(3, 4));
    stack.step = 1;
    let parts = stack.outcome(&["g2", "g2_by_frame"], &settings(3, 4));
    assert_eq!(whole, parts);
}

#[test]
fn all_element_types_agree() {
    let a = drifting();
    let expected = Stack::new(&a, &a, SHAPE).outcome(&["g2"], &settings(2, 4));
    macro_rules! check {
        ($($variant:ident $type:ty),*) => {$(
            let typed: Vec<$type> = a.iter().map(|value| *value as $type).collect();
            let mut stack = Stack::new(&a, &a, SHAPE);
            stack.original = Values::$variant(&typed);
            stack.decoded = Values::$variant(&typed);
            let outcome = stack.outcome(&["g2"], &settings(2, 4));
            assert_eq!(outcome, expected, stringify!($type));
        )*};
    }
    check!(I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32, I64 i64, U64 u64, F32 f32, F64 f64);
}

#[test]
fn a_pixel_that_is_invalid_once_is_left_out_of_all_frames() {
    let a = drifting();
    let without = |dead: usize, value: f64| -> Vec<f64> {
        let mut a = a.clone();
        let len = SHAPE[1] * SHAPE[2];
        a.iter_mut()
            .skip(dead)
            .step_by(len)
            .for_each(|a| *a = value);
        a
    };
    // The region without its first column's pixel in row 2 has the same pixels as a mask at 14 leaves.
    let garbage = without(14, f64::NAN);
    for first_invalid in [0, 20] {
        let len = SHAPE[1] * SHAPE[2];
        let mut stack = Stack::new(&garbage, &a, SHAPE);
        let mut valid = vec![true; a.len()];
        for frame in first_invalid..SHAPE[0] {
            valid[frame * len + 14] = false;
        }
        stack.valid = Some(valid.clone());
        stack.step = 3;
        let garbage = stack.outcome(&["g2"], &settings(2, 4)).unwrap();
        let mut stack = Stack::new(&a, &a, SHAPE);
        stack.valid = Some(valid);
        let clean = stack.outcome(&["g2"], &settings(2, 4)).unwrap();
        assert_eq!(garbage, clean, "invalid from {first_invalid}");
        let pixels: Vec<Vec<f64>> = frames_of(&a)
            .into_iter()
            .map(|mut frame| {
                frame.remove(14);
                frame
            })
            .collect();
        let value = curve(&clean, "g2", "region 0 original")[1];
        assert_close(&[value], &[plain(&pixels, 1).0], 1e-13);
    }
}

#[test]
fn a_missing_frame_takes_part_in_no_pair() {
    let a = drifting();
    let len = SHAPE[1] * SHAPE[2];
    for missing in [0, 9, 36] {
        let mut stack = Stack::new(&a, &a, SHAPE);
        stack.valid = Some((0..a.len()).map(|at| at / len != missing).collect());
        // A pixel that fails at last makes the frames come once more.
        stack.valid.as_mut().unwrap()[35 * len] = false;
        let outcome = stack.outcome(&["g2"], &settings(1, 4)).unwrap();
        let frames: Vec<Vec<f64>> = frames_of(&a).iter().map(|f| f[1..].to_vec()).collect();
        let pairs = (0..35).filter(|t| *t != missing && t + 2 != missing);
        let (mut product, mut past, mut future, mut count) = (0.0, 0.0, 0.0, 0.0);
        for t in pairs {
            let (a, b) = (&frames[t], &frames[t + 2]);
            product += a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            past += a.iter().sum::<f64>();
            future += b.iter().sum::<f64>();
            count += 1.0;
        }
        let expected = product * count * (len - 1) as f64 / (past * future);
        let value = curve(&outcome, "g2", "region 0 original")[2];
        assert_close(&[value], &[expected], 1e-13);
    }
}

#[test]
fn regions_have_curves_of_their_own() {
    let a = drifting();
    let mut asked = settings(1, 4);
    asked.regions = vec![
        Region::Rectangle([0, 0, 7, 2]),
        Region::Ring {
            center: [3.5, 2.5],
            radii: [50.0, 60.0],
        },
    ];
    let outcome = Stack::new(&a, &a, SHAPE).outcome(&["g2"], &asked).unwrap();
    let frames: Vec<Vec<f64>> = frames_of(&a).iter().map(|f| f[..14].to_vec()).collect();
    let value = curve(&outcome, "g2", "region 0 original")[3];
    assert_close(&[value], &[plain(&frames, 3).0], 1e-13);
    let empty = curve(&outcome, "g2", "region 1 original");
    assert!(empty.iter().all(|value| value.is_nan()));
}

#[test]
fn lags_end_where_asked() {
    let a = drifting();
    let mut asked = settings(3, 4);
    asked.correlation.max_lag_frames = Some(6);
    asked.correlation.frame_time_s = Some(0.5);
    let outcome = Stack::new(&a, &a, SHAPE).outcome(&["g2"], &asked).unwrap();
    let curve = &outcome.curves["g2"];
    assert_eq!(curve.x, [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]);
    assert_eq!(curve.x_label, "lag / s");
    assert_eq!(curve.y["region 0 decoded"].len(), 6);
}

#[test]
fn what_cannot_be_correlated_is_refused() {
    let a = drifting();
    let refused = |asked: &Settings, shape| {
        let outcome = Stack::new(&a, &a, shape).outcome(&["g2"], asked);
        matches!(outcome, Err(Error::Unsuitable { metric: "g2", .. }))
    };
    assert!(refused(&settings(1, 5), SHAPE));
    assert!(refused(&settings(0, 4), SHAPE));
    assert!(refused(&settings(1, 4), [1, 5, 7]));
    let mut small = settings(2, 4);
    small.memory_bytes = Some(100);
    assert!(refused(&small, SHAPE));
    let mut still = settings(2, 4);
    still.correlation.frame_time_s = Some(f64::NAN);
    assert!(refused(&still, SHAPE));
}

#[test]
fn constant_and_dark_data_give_one_and_nan() {
    let shape = [8, 1, 1];
    let outcome = |value: f64| {
        let a = [value; 8];
        let outcome = Stack::new(&a, &a, shape)
            .outcome(&["g2"], &settings(1, 4))
            .unwrap();
        outcome.curves["g2"].y["region 0 original"].clone()
    };
    assert_eq!(outcome(3.0), [1.0; 4]);
    assert!(outcome(0.0).iter().all(|value| value.is_nan()));
}

/// Counts of independent pixels whose fields are AR(1): g₂ = 1 + exp(−2 rate τ)/modes.
fn speckle(shape: [usize; 3], mean: f64, rate: f64, modes: usize) -> Vec<f64> {
    let mut random = Random(7);
    let pixels = shape[1] * shape[2];
    let mut counts = Vec::with_capacity(shape[0] * pixels);
    let mut fields: Vec<[f64; 2]> = (0..pixels * modes).map(|_| random.normals()).collect();
    let (kept, renewed) = ((-rate).exp(), (1.0 - (-2.0 * rate).exp()).sqrt());
    for _ in 0..shape[0] {
        for modes_of_pixel in fields.chunks_mut(modes) {
            let square = |field: &[f64; 2]| field[0] * field[0] + field[1] * field[1];
            let intensity: f64 = modes_of_pixel.iter().map(square).sum();
            counts.push(random.poisson(mean * intensity / (2 * modes) as f64));
            for field in modes_of_pixel {
                let step = random.normals();
                *field = [0, 1].map(|part| kept * field[part] + renewed * step[part]);
            }
        }
    }
    counts
}

/// The figures of 400 frames of 96 · 96 pixels, 3 modes and a rate of 0.02 are 0.332 and 0.0199 at a mean of 0.5.
#[test]
fn speckle_relaxes_as_simulated_and_survives_odd_levels() {
    let shape = [400, 64, 64];
    for mean in [0.5, 5.0] {
        let a = speckle(shape, mean, 0.02, 3);
        let b = simulated::quantised(&a, 0.5);
        let outcome = Stack::new(&a, &b, shape)
            .outcome(&["relaxation"], &settings(3, 16))
            .unwrap();
        let value = |name: &str| outcome.values[name];
        let (contrast, rate) = (value("contrast"), value("relaxation_rate"));
        assert!((contrast - 1.0 / 3.0).abs() < 0.01, "{mean}: {contrast}");
        assert!((rate - 0.02).abs() < 0.0015, "{mean}: {rate}");
        assert!((value("baseline") - 1.0).abs() < 0.01);
        // METRICS: |Δβ| ≤ 0.023 %.
        let change = value("contrast_change_percent");
        assert!(change.abs() < 0.03, "{mean}: {change} %");
        assert!(value("contrast_change_sigma").abs() < 1.0);
        assert!(value("relaxation_rate_change_sigma").abs() < 1.0);
    }
}

/// A quantiser whose bias depends on the counts takes contrast away, and so does a background in place of the data.
#[test]
fn biased_levels_and_backgrounds_change_the_contrast() {
    let shape = [400, 48, 48];
    let a = speckle(shape, 5.0, 0.02, 3);
    let change = |b: &[f64]| {
        let outcome = Stack::new(&a, b, shape).outcome(&["relaxation"], &settings(3, 16));
        outcome.unwrap().values["contrast_change_percent"]
    };
    let anscombe: Vec<f64> = a
        .iter()
        .map(|x| {
            let level = (2.0 * (x + 0.375).sqrt()).round();
            ((level / 2.0).powi(2) - 0.375).round().max(0.0)
        })
        .collect();
    let mean = a.iter().sum::<f64>() / a.len() as f64;
    let deviation = a.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / a.len() as f64;
    let threshold = mean + 3.0 * deviation.sqrt();
    let clipped: Vec<f64> = a
        .iter()
        .map(|x| if *x > threshold { *x } else { mean.round() })
        .collect();
    let (anscombe, clipped) = (change(&anscombe), change(&clipped));
    assert!(anscombe < -4.0, "{anscombe} %");
    assert!(clipped < -50.0, "{clipped} %");
}

#[test]
fn two_time_maps_are_the_definition() {
    let a = drifting();
    let b: Vec<f64> = a.iter().map(|value| (value / 2.0).floor() * 2.0).collect();
    for side in [256, 10] {
        let mut asked = settings(1, 4);
        asked.correlation.two_time_frames = side;
        let mut stack = Stack::new(&a, &b, SHAPE);
        let outcome = stack.outcome(&["two_time"], &asked).unwrap();
        stack.step = 1;
        assert_eq!(stack.outcome(&["two_time"], &asked).unwrap(), outcome);
        let step = if side == 10 { 4 } else { 1 };
        let map = |stack: &[f64]| -> Vec<f64> {
            let frames: Vec<Vec<f64>> = frames_of(stack).into_iter().step_by(step).collect();
            let mean = |a: &[f64]| a.iter().sum::<f64>() / a.len() as f64;
            let mut map = Vec::new();
            for a in &frames {
                for b in &frames {
                    let products: Vec<f64> = a.iter().zip(b).map(|(a, b)| a * b).collect();
                    map.push(mean(&products) / (mean(a) * mean(b)));
                }
            }
            map
        };
        let (of_a, of_b) = (map(&a), map(&b));
        let count = 37usize.div_ceil(step);
        assert_eq!(outcome.images["two_time"].rows, count);
        let shown = &outcome.images["two_time"].values;
        let same = shown.iter().zip(&of_a);
        assert!(
            same.clone()
                .all(|(shown, a)| (f64::from(*shown) - a).abs() < 1e-6)
        );
        let off_diagonal = (0..count * count).filter(|at| at / count != at % count);
        let squares: f64 = off_diagonal.map(|at| (of_b[at] - of_a[at]).powi(2)).sum();
        let rms = (squares / (count * (count - 1)) as f64).sqrt();
        assert_close(&[outcome.values["two_time_rms_change"]], &[rms], 1e-12);
    }
}

#[test]
fn a_two_time_map_needs_a_side() {
    let a = drifting();
    for side in [0, 1, 257] {
        let mut asked = settings(1, 4);
        asked.correlation.two_time_frames = side;
        let outcome = Stack::new(&a, &a, SHAPE).outcome(&["two_time"], &asked);
        assert!(matches!(
            outcome,
            Err(Error::Unsuitable {
                metric: "two_time",
                ..
            })
        ));
    }
}
