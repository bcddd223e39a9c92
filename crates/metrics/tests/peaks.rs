//! Bragg peaks: the search by hand, matching, intensities, masks and order.

mod simulated;

use etalon_metrics::{
    Error, Frames, Geometry, Outcome, Peak, PeakFinder, PeakSettings, Settings, Values,
    match_peaks, metric_named,
};
use simulated::{Random, Stack};

const NAMES: [&str; 3] = ["peaks", "peak_matching", "peak_intensities"];
const SIDE: usize = 64;
const SHAPE: [usize; 3] = [6, SIDE, SIDE];

fn settings() -> Settings {
    Settings {
        geometry: Geometry {
            center: Some([31.3, 33.8]),
            ..Geometry::default()
        },
        peaks: PeakSettings {
            hit_peaks: 4,
            ..PeakSettings::default()
        },
        ..Settings::default()
    }
}

/// A board of 1 and 3 with peaks as (row, column, pixel values along the row).
fn board(peaks: &[(usize, usize, &[f64])]) -> Vec<f64> {
    let mut frame: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| {
            if (at / SIDE + at % SIDE).is_multiple_of(2) {
                1.0
            } else {
                3.0
            }
        })
        .collect();
    for (row, column, values) in peaks {
        let first = row * SIDE + column;
        frame[first..first + values.len()].copy_from_slice(values);
    }
    frame
}

fn find(frame: &[f64], valid: Option<&[bool]>) -> Vec<Peak> {
    let settings = settings();
    let finder = PeakFinder::new(&settings.peaks, &settings.geometry, SIDE, SIDE, "peaks");
    finder.unwrap().find(frame, valid)
}

/// Frames of Poisson counts with spots of seven pixels.
fn spots(seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    let mut stack = Vec::new();
    for _ in 0..SHAPE[0] {
        let mut rates = vec![6.0; SIDE * SIDE];
        for _ in 0..6 {
            let at = |random: &mut Random| 4 + (random.uniform() * (SIDE - 8) as f64) as usize;
            let (row, column) = (at(&mut random), at(&mut random));
            for (down, right, rate) in [(0, 0, 120.0), (0, 1, 60.0), (1, 0, 60.0), (1, 1, 40.0)] {
                rates[(row + down) * SIDE + column + right] += rate;
            }
        }
        stack.extend(rates.iter().map(|rate| random.poisson(*rate)));
    }
    stack
}

fn measured(a: &[f64], b: &[f64], step: usize) -> Outcome {
    let mut stack = Stack::new(a, b, SHAPE);
    stack.step = step;
    stack.outcome(&NAMES, &settings()).unwrap()
}

fn same(a: &Outcome, b: &Outcome) {
    for (name, value) in &a.values {
        let other = b.values[name];
        assert!(
            value.to_bits() == other.to_bits(),
            "{name}: {value}, {other}"
        );
    }
    assert_eq!(format!("{:?}", a.curves), format!("{:?}", b.curves));
}

#[test]
fn intensity_centre_and_snr_are_those_by_hand() {
    let peaks = find(&board(&[(20, 40, &[100.0, 300.0])]), None);
    let [peak] = peaks.as_slice() else {
        panic!("{peaks:?}");
    };
    assert_eq!(peak.pixels, 2);
    assert_eq!(peak.row, 20.0);
    assert!((peak.column - 40.75).abs() < 0.01, "{peak:?}");
    // (20, 41) is nearest to the centre; 113 pixels lie within 6 of it, and two of them are the peak.
    let (mut ones, mut threes) = (0.0, 0.0);
    for (row, column) in (14..27).flat_map(|row| (35..48).map(move |column| (row, column))) {
        let (down, right) = (row as f64 - 20.0, column as f64 - 41.0);
        let in_peak = row == 20 && (column == 40 || column == 41);
        if down * down + right * right <= 36.0 && !in_peak {
            *(if (row + column) % 2 == 0 {
                &mut ones
            } else {
                &mut threes
            }) += 1.0;
        }
    }
    assert_eq!(ones + threes, 111.0);
    let share: f64 = threes / (ones + threes);
    let (mean, deviation) = (1.0 + 2.0 * share, 2.0 * (share * (1.0 - share)).sqrt());
    assert!(
        (peak.intensity - (400.0 - 2.0 * mean)).abs() < 1e-10,
        "{peak:?}"
    );
    assert!(
        (peak.snr - peak.intensity / deviation).abs() < 1e-9,
        "{peak:?}"
    );
}

#[test]
fn sizes_and_corners_decide_what_a_peak_is() {
    // One pixel alone; pixels that share a corner; as many as allowed and one more.
    assert_eq!(find(&board(&[(20, 40, &[300.0])]), None), []);
    assert_eq!(
        find(&board(&[(20, 40, &[300.0]), (21, 41, &[300.0])]), None).len(),
        1
    );
    let mut settings = settings();
    settings.peaks.max_pixels = 3;
    let finder = PeakFinder::new(&settings.peaks, &settings.geometry, SIDE, SIDE, "peaks");
    let finder = finder.unwrap();
    assert_eq!(finder.find(&board(&[(20, 40, &[300.0; 3])]), None).len(), 1);
    assert_eq!(finder.find(&board(&[(20, 40, &[300.0; 4])]), None).len(), 0);
}

#[test]
fn a_peak_on_a_background_without_variation_is_rejected() {
    let mut frame = vec![2.0; SIDE * SIDE];
    frame[20 * SIDE + 40..][..3].fill(300.0);
    assert_eq!(find(&frame, None), []);
}

#[test]
fn pixels_of_a_constant_frame_are_not_hot_by_rounding() {
    let mut settings = settings();
    settings.peaks.min_pixels = 1;
    let finder = PeakFinder::new(&settings.peaks, &settings.geometry, SIDE, SIDE, "peaks");
    let mut frame = vec![0.1; SIDE * SIDE];
    frame[5] = 0.1 + 1e-3;
    assert_eq!(finder.unwrap().find(&frame, None), []);
}

#[test]
fn threshold_and_radii_exclude_peaks() {
    let frame = board(&[(20, 40, &[100.0, 300.0]), (34, 20, &[60.0, 50.0])]);
    let count = |change: fn(&mut PeakSettings)| {
        let mut settings = settings();
        change(&mut settings.peaks);
        let finder = PeakFinder::new(&settings.peaks, &settings.geometry, SIDE, SIDE, "peaks");
        finder.unwrap().find(&frame, None).len()
    };
    assert_eq!(count(|_| {}), 2);
    assert_eq!(count(|peaks| peaks.threshold = 60.0), 1);
    assert_eq!(count(|peaks| peaks.min_radius = 13.0), 1);
    assert_eq!(count(|peaks| peaks.max_radius = Some(13.0)), 1);
    assert_eq!(
        count(|peaks| (peaks.min_radius, peaks.max_radius) = (500.0, Some(501.0))),
        0
    );
}

#[test]
fn what_is_masked_or_not_finite_changes_nothing() {
    let mut random = Random(5);
    let frame = &spots(3)[..SIDE * SIDE];
    let valid: Vec<bool> = frame.iter().map(|_| random.uniform() > 0.1).collect();
    let expected = find(frame, Some(&valid));
    assert!(!expected.is_empty());
    for garbage in [1e9, -1e9, f64::NAN, f64::INFINITY] {
        let mut frame = frame.to_vec();
        let masked = (0..frame.len()).filter(|at| !valid[*at]);
        masked.for_each(|at| frame[at] = garbage);
        assert_eq!(find(&frame, Some(&valid)), expected);
        if !f64::is_finite(garbage) {
            assert_eq!(find(&frame, None), expected);
        }
    }
}

fn at(row: f64, column: f64) -> Peak {
    Peak {
        row,
        column,
        intensity: 1.0,
        snr: 10.0,
        pixels: 2,
    }
}

#[test]
fn the_nearest_match_and_each_once() {
    let a = [at(0.0, 0.0), at(0.0, 1.5), at(9.0, 9.0)];
    let b = [at(0.0, 1.0), at(30.0, 9.0), at(9.0, 11.0)];
    let pairs = match_peaks(&a, &b, 2.0);
    let places: Vec<_> = pairs
        .iter()
        .map(|p| (p.original, p.decoded, p.distance_px))
        .collect();
    // (0, 0) is within reach of (0, 1), which is nearer to another.
    assert_eq!(places, [(1, 0, 0.5), (2, 2, 2.0)]);
    assert_eq!(match_peaks(&a, &b, 1.9).len(), 1);
    assert_eq!(match_peaks(&[], &b, 2.0), []);
    assert_eq!(match_peaks(&a, &[], 2.0), []);
}

#[test]
fn the_nearest_match_even_where_more_pairs_were_possible() {
    // The assignment of most pairs would be (0, 0), (1, 1).
    let a = [at(0.0, 0.0), at(0.0, 1.5)];
    let b = [at(0.0, 1.2), at(0.0, 3.4)];
    let pairs = match_peaks(&a, &b, 2.0);
    assert_eq!(
        (pairs.len(), pairs[0].original, pairs[0].decoded),
        (1, 1, 0)
    );
}

#[test]
fn equal_data_have_equal_peaks() {
    let a = spots(1);
    let outcome = measured(&a, &a, 6);
    let values = &outcome.values;
    assert!(values["peaks_found"] >= 20.0, "{values:?}");
    for name in ["peak_recall", "peak_precision", "peak_f1"] {
        assert_eq!(values[name], 1.0, "{name}");
    }
    for name in [
        "peak_shift_mean",
        "false_peaks_per_frame",
        "hit_rate_change",
        "peak_r_intensity",
        "peak_i_over_sigma_change",
    ] {
        assert_eq!(values[name], 0.0, "{name}");
    }
    assert!((values["peak_intensity_slope"] - 1.0).abs() < 1e-12);
    assert!((values["peak_intensity_correlation"] - 1.0).abs() < 1e-12);
    assert!(
        outcome.curves["peak_bias"].y["bias"]
            .iter()
            .all(|bias| *bias == 0.0)
    );
}

#[test]
fn doubled_data_have_doubled_intensities() {
    let a = spots(1);
    let b: Vec<f64> = a.iter().map(|value| 2.0 * value).collect();
    let values = measured(&a, &b, 6).values;
    assert_eq!(values["peak_recall"], 1.0);
    assert!((values["peak_r_intensity"] - 1.0).abs() < 1e-12);
    assert!((values["peak_intensity_slope"] - 2.0).abs() < 1e-12);
    assert!(values["peak_i_over_sigma_change"].abs() < 1e-12);
}

#[test]
fn lost_and_false_peaks_are_counted() {
    let a = [
        board(&[(20, 40, &[100.0, 300.0]), (40, 10, &[90.0, 80.0])]),
        board(&[(20, 40, &[100.0, 300.0])]),
    ];
    let b = [
        board(&[(20, 40, &[100.0, 300.0]), (50, 50, &[90.0, 80.0])]),
        board(&[(9, 30, &[70.0, 80.0]), (50, 20, &[90.0, 80.0])]),
    ];
    let (a, b) = (a.concat(), b.concat());
    let mut settings = settings();
    settings.peaks.hit_peaks = 2;
    let mut stack = Stack::new(&a, &b, [2, SIDE, SIDE]);
    let values = stack.outcome(&NAMES, &settings).unwrap().values;
    let expected = [
        ("peaks_found", 3.0),
        ("peaks_found_decoded", 4.0),
        ("peaks_per_frame", 1.5),
        ("peak_recall", 1.0 / 3.0),
        ("peak_precision", 0.25),
        ("peak_f1", 2.0 / 7.0),
        ("false_peaks_per_frame", 1.5),
        ("hit_rate", 0.5),
        ("hit_rate_decoded", 1.0),
        ("hit_rate_change", 0.5),
    ];
    for (name, value) in expected {
        assert!(
            (values[name] - value).abs() < 1e-15,
            "{name}: {}",
            values[name]
        );
    }
}

#[test]
fn steps_and_merges_change_nothing() {
    let a = spots(1);
    let b: Vec<f64> = a.iter().map(|value| (value / 4.0).round() * 4.0).collect();
    let whole = measured(&a, &b, 6);
    same(&whole, &measured(&a, &b, 1));
    let pass = metric_named("peaks").unwrap().pass;
    let part = |first: usize, count: usize| {
        let shape = etalon_metrics::Shape {
            frames: SHAPE[0],
            rows: SIDE,
            columns: SIDE,
        };
        let range = first * SIDE * SIDE..(first + count) * SIDE * SIDE;
        let mut part = (pass.start)(&settings(), shape).unwrap();
        let frames = Frames {
            original: Values::F64(&a[range.clone()]),
            decoded: Values::F64(&b[range]),
            valid: None,
            first,
            count,
            rows: SIDE,
            columns: SIDE,
        };
        part.add(&frames).unwrap();
        part
    };
    let mut merged = part(4, 2);
    merged.merge(part(0, 4)).unwrap();
    same(&whole, &merged.finish().unwrap());
}

#[test]
fn every_type_yields_the_same() {
    let a = spots(1);
    let expected = measured(&a, &a, 6);
    macro_rules! check {
        ($($variant:ident $type:ty),*) => {$({
            let typed: Vec<$type> = a.iter().map(|value| *value as $type).collect();
            let values = Values::$variant(&typed);
            let mut stack = Stack { original: values, decoded: values, valid: None, shape: SHAPE, step: 6 };
            same(&expected, &stack.outcome(&NAMES, &settings()).unwrap());
        })*};
    }
    check!(U8 u8, I16 i16, U16 u16, I32 i32, U32 u32, I64 i64, U64 u64, F32 f32);
}

#[test]
fn nothing_to_find_has_no_recall() {
    let masked = Some(vec![false; SIDE * SIDE]);
    let cases = [
        (vec![], None, [0, SIDE, SIDE]),
        (vec![], None, [2, 0, 0]),
        (vec![7.0], None, [1, 1, 1]),
        (vec![f64::NAN; SIDE * SIDE], None, [1, SIDE, SIDE]),
        (vec![7.0; SIDE * SIDE], None, [1, SIDE, SIDE]),
        (spots(1)[..SIDE * SIDE].to_vec(), masked, [1, SIDE, SIDE]),
    ];
    for (frames, valid, shape) in cases {
        let mut stack = Stack::new(&frames, &frames, shape);
        stack.valid = valid;
        let outcome = stack.outcome(&NAMES, &settings()).unwrap();
        assert_eq!(outcome.values["peaks_found"], 0.0);
        for name in ["peak_recall", "peak_r_intensity", "peak_intensity_slope"] {
            assert!(outcome.values[name].is_nan(), "{name} of {shape:?}");
        }
        assert!(outcome.curves["peak_bias"].x.is_empty());
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let a = spots(1);
    let refused = |settings: &Settings| Stack::new(&a, &a, SHAPE).outcome(&NAMES, settings);
    let missing = refused(&Settings::default()).unwrap_err();
    assert!(missing.to_string().contains("geometry.center"), "{missing}");
    let changes: [fn(&mut PeakSettings); 7] = [
        |peaks| peaks.snr = 0.0,
        |peaks| peaks.threshold = f64::NAN,
        |peaks| peaks.min_pixels = 0,
        |peaks| peaks.max_pixels = 1,
        |peaks| peaks.background_radius = f64::NAN,
        |peaks| peaks.max_radius = Some(-1.0),
        |peaks| peaks.match_px = f64::INFINITY,
    ];
    for change in changes {
        let mut settings = settings();
        change(&mut settings.peaks);
        let error = refused(&settings).unwrap_err();
        assert!(matches!(error, Error::Unsuitable { .. }), "{error}");
    }
    let mut settings = settings();
    settings.memory_bytes = Some(10);
    let error = refused(&settings).unwrap_err().to_string();
    assert!(error.contains("memory_bytes"), "{error}");
}
