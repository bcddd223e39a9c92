//! Otsu's threshold and what it makes of two volumes.

mod simulated;

use etalon_metrics::{
    Frames, Overlap, Segmentation, Settings, Shape, Values, metric_named, otsu_threshold,
};
use simulated::{Random, Stack};

const METRICS: [&str; 2] = ["otsu", "segmentation"];
const SHAPE: [usize; 3] = [3, 16, 20];

/// Two classes with noise.
fn volume(seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    (0..SHAPE.iter().product())
        .map(|at| random.poisson(if at / 5 % 3 == 0 { 40.0 } else { 12.0 }))
        .collect()
}

#[test]
fn the_threshold_maximises_the_variance_between_classes() {
    let bins: Vec<(f64, u64)> = (0..40)
        .map(|x| (f64::from(x), (x * 7 % 11 + 1) as u64))
        .collect();
    let spread = |threshold: f64| {
        let class = |above: bool| {
            let class = bins.iter().filter(move |(x, _)| (*x > threshold) == above);
            class.fold((0.0, 0.0), |(n, sum), (x, count)| {
                (n + *count as f64, sum + x * *count as f64)
            })
        };
        let ((n1, sum1), (n2, sum2)) = (class(false), class(true));
        n1 * n2 * (sum1 / n1 - sum2 / n2).powi(2)
    };
    let best = (0..39)
        .map(f64::from)
        .max_by(|a, b| spread(*a).total_cmp(&spread(*b)));
    assert_eq!(Some(otsu_threshold(&bins)), best);
}

#[test]
fn the_first_of_several_maxima_is_taken() {
    assert_eq!(
        otsu_threshold(&[(0.0, 5), (1.0, 0), (2.0, 0), (9.0, 5)]),
        0.0
    );
    assert_eq!(otsu_threshold(&[(4.0, 3)]), 4.0);
    assert!(otsu_threshold(&[]).is_nan());
}

#[test]
fn overlaps_are_the_definitions() {
    let mut overlap = Overlap::default();
    overlap.add(
        &[true, true, true, false, false],
        &[true, true, false, true, false],
    );
    assert_eq!(overlap.dice(), 2.0 / 3.0);
    assert_eq!(overlap.jaccard(), 0.5);
    assert_eq!(overlap.volume_change_percent(), 0.0);
    assert!(Overlap::default().dice().is_nan());
}

#[test]
fn a_volume_segmented_with_both_thresholds() {
    let a = volume(1);
    // Scaled data: the original's threshold cuts them elsewhere, their own in the same place.
    let b: Vec<f64> = a.iter().map(|value| value * 2.0).collect();
    let outcome = Stack::new(&a, &b, SHAPE)
        .outcome(&METRICS, &Settings::default())
        .unwrap();
    let value = |name: &str| outcome.values[name];
    let threshold = value("otsu_threshold");
    assert!((20.0..30.0).contains(&threshold), "{threshold}");
    assert_eq!(value("otsu_threshold_decoded"), 2.0 * threshold);
    assert_eq!(value("otsu_threshold_change"), threshold);
    assert_eq!(value("dice_own_threshold"), 1.0);
    assert_eq!(value("jaccard_own_threshold"), 1.0);
    assert_eq!(value("volume_change_percent_own_threshold"), 0.0);
    assert_eq!(
        value("components_decoded_own_threshold"),
        value("components")
    );
    let mut overlap = Overlap::default();
    let above = |values: &[f64]| -> Vec<bool> { values.iter().map(|v| *v > threshold).collect() };
    overlap.add(&above(&a), &above(&b));
    assert_eq!(value("dice"), overlap.dice());
    assert_eq!(value("jaccard"), overlap.jaccard());
    assert_eq!(
        value("volume_change_percent"),
        overlap.volume_change_percent()
    );
    assert_eq!(
        value("volume_fraction"),
        overlap.original as f64 / a.len() as f64
    );
    assert_eq!(outcome.curves["dice_by_frame"].y["dice"].len(), 3);
}

#[test]
fn a_threshold_can_be_given() {
    let a = volume(1);
    let settings = Settings {
        segmentation: Segmentation {
            threshold: Some(45.0),
            ..Segmentation::default()
        },
        ..Settings::default()
    };
    let outcome = Stack::new(&a, &a, SHAPE)
        .outcome(&["segmentation"], &settings)
        .unwrap();
    let above = a.iter().filter(|value| **value > 45.0).count();
    assert_eq!(
        outcome.values["volume_fraction"],
        above as f64 / a.len() as f64
    );
    assert_eq!(outcome.values["dice"], 1.0);
    assert!(outcome.values["dice_own_threshold"] < 1.0);
}

#[test]
fn frames_one_at_a_time_and_masked_garbage_change_nothing() {
    let a = volume(2);
    let b = volume(3);
    let mut valid = vec![true; a.len()];
    (0..a.len()).step_by(7).for_each(|at| valid[at] = false);
    let garbage = |values: &[f64], value: f64| -> Vec<f64> {
        let pairs = values.iter().zip(&valid);
        pairs
            .map(|(v, valid)| if *valid { *v } else { value })
            .collect()
    };
    let mut clean = Stack::new(&a, &b, SHAPE);
    clean.valid = Some(valid.clone());
    let expected = clean.outcome(&METRICS, &Settings::default()).unwrap();
    let (bad_a, bad_b) = (garbage(&a, f64::NAN), garbage(&b, 1e30));
    let mut masked = Stack::new(&bad_a, &bad_b, SHAPE);
    masked.valid = Some(valid.clone());
    masked.step = 1;
    assert_eq!(
        masked.outcome(&METRICS, &Settings::default()).unwrap(),
        expected
    );
}

#[test]
fn integer_types_agree() {
    let a = volume(4);
    let b = volume(5);
    let mut expected = None;
    macro_rules! check {
        ($($variant:ident $type:ty),*) => {$(
            let typed = |values: &[f64]| -> Vec<$type> { values.iter().map(|v| *v as $type).collect() };
            let (ta, tb) = (typed(&a), typed(&b));
            let mut stack = Stack::new(&a, &b, SHAPE);
            stack.original = Values::$variant(&ta);
            stack.decoded = Values::$variant(&tb);
            let outcome = stack.outcome(&METRICS, &Settings::default()).unwrap();
            assert_eq!(*expected.get_or_insert(outcome.clone()), outcome, stringify!($type));
        )*};
    }
    check!(I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32, I64 i64, U64 u64);
}

#[test]
fn wide_integers_are_counted_exactly() {
    let values = [i64::MIN, 0, 5, i64::MAX, i64::MAX];
    let mut stack = Stack::new(&[], &[], [1, 1, 5]);
    stack.original = Values::I64(&values);
    stack.decoded = Values::I64(&values);
    let outcome = stack.outcome(&METRICS, &Settings::default()).unwrap();
    assert_eq!(outcome.values["otsu_threshold"], 5.0);
    assert_eq!(outcome.values["volume_fraction"], 0.4);
}

#[test]
fn degenerate_data_have_no_overlap_and_do_not_panic() {
    for (values, threshold) in [
        (vec![3.0; 4], 3.0),
        (vec![f64::NAN; 4], f64::NAN),
        (vec![f64::INFINITY, 1.0, 1.0, 1.0], 1.0),
        (vec![f64::MAX, f64::MIN, 0.0, 0.0], f64::NAN),
    ] {
        let mut stack = Stack::new(&values, &values, [1, 2, 2]);
        let outcome = stack.outcome(&METRICS, &Settings::default()).unwrap();
        let found = outcome.values["otsu_threshold"];
        assert!(
            found == threshold || threshold.is_nan(),
            "{values:?}: {found}"
        );
    }
    let outcome = Stack::new(&[], &[], [0, 2, 2])
        .outcome(&METRICS, &Settings::default())
        .unwrap();
    assert!(outcome.values["dice"].is_nan());
    let mut stack = Stack::new(&[1.0, 2.0], &[1.0, 2.0], [1, 1, 2]);
    stack.valid = Some(vec![false; 2]);
    let outcome = stack.outcome(&METRICS, &Settings::default()).unwrap();
    assert!(outcome.values["volume_fraction"].is_nan());
}

#[test]
fn pictures_of_their_own_have_components_of_their_own() {
    let a = [9.0, 1.0, 9.0, 9.0, 1.0, 9.0];
    let components = |volume| {
        let settings = Settings {
            segmentation: Segmentation {
                volume,
                ..Segmentation::default()
            },
            ..Settings::default()
        };
        let outcome = Stack::new(&a, &a, [2, 1, 3]).outcome(&["segmentation"], &settings);
        outcome.unwrap().values["components"]
    };
    assert_eq!([components(true), components(false)], [2.0, 4.0]);
}

#[test]
fn histograms_of_parts_merge_to_that_of_the_whole() {
    let a = volume(6);
    let floats: Vec<f64> = a.iter().map(|value| value * 0.37).collect();
    let integers: Vec<u16> = a.iter().map(|value| *value as u16).collect();
    let frames = |values, first: usize| Frames {
        original: values,
        decoded: values,
        valid: None,
        first,
        count: 1,
        rows: SHAPE[1],
        columns: SHAPE[2],
    };
    let len = SHAPE[1] * SHAPE[2];
    let of_frame = |integer: bool, at: usize| match integer {
        true => Values::U16(&integers[at * len..(at + 1) * len]),
        false => Values::F64(&floats[at * len..(at + 1) * len]),
    };
    for integer in [true, false] {
        let start = || {
            let shape = Shape {
                frames: SHAPE[0],
                rows: SHAPE[1],
                columns: SHAPE[2],
            };
            (metric_named("otsu").unwrap().pass.start)(&Settings::default(), shape).unwrap()
        };
        let mut merged = start();
        for at in [2, 0, 1] {
            let mut part = start();
            part.add(&frames(of_frame(integer, at), at)).unwrap();
            merged.merge(part).unwrap();
        }
        while merged.again().unwrap() {
            for at in 0..3 {
                merged.add(&frames(of_frame(integer, at), at)).unwrap();
            }
        }
        let mut stack = Stack::new(&floats, &floats, SHAPE);
        if integer {
            stack.original = Values::U16(&integers);
            stack.decoded = Values::U16(&integers);
        }
        let whole = stack.outcome(&["otsu"], &Settings::default()).unwrap();
        assert_eq!(merged.finish().unwrap(), whole, "integer {integer}");
    }
}
