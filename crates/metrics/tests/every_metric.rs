//! What holds for every metric: parts are the whole, masked elements are of no matter, and nothing panics.

use etalon_metrics::{
    Accumulator, Error, FrameSource, Frames, Halves, METRICS, Outcome, Pass, Region, Settings,
    Shape, Task, Values, evaluate, evaluate_on, metric_named, passes,
};

mod simulated;
use simulated::Random;

const FRAMES: usize = 6;
const ROWS: usize = 24;
const COLUMNS: usize = 20;
/// The smallest frame that MS-SSIM takes.
const LARGE: [usize; 3] = [3, 176, 176];

/// A stack in f64, of which arrays of each type are made.
#[derive(Clone)]
struct Pair {
    original: Vec<f64>,
    decoded: Vec<f64>,
    valid: Option<Vec<bool>>,
    shape: Shape,
}

/// Counts with an edge, and what a lossy codec could make of them.
fn counts([frames, rows, columns]: [usize; 3], masked: bool) -> Pair {
    let mut random = Random(11);
    let elements = frames * rows * columns;
    let pixel = |at: usize| (at / columns % rows, at % columns);
    let mean = |at: usize| {
        let (row, column) = pixel(at);
        if 10 * column > 95 + row { 40.0 } else { 12.0 }
    };
    let original: Vec<f64> = (0..elements)
        .map(|at| random.poisson(mean(at)).min(90.0))
        .collect();
    let decoded = original
        .iter()
        .map(|count| (count + (random.uniform() * 5.0).floor() - 2.0).max(0.0))
        .collect();
    let valid = (0..elements).map(|at| pixel(at).0 % 9 != 4 && at % 31 != 7);
    Pair {
        original,
        decoded,
        valid: masked.then(|| valid.collect()),
        shape: Shape {
            frames,
            rows,
            columns,
        },
    }
}

/// Counts that a pass takes.
fn counts_for(pass: &Pass, masked: bool) -> Pair {
    let large = pass.name == "ms_ssim";
    counts(
        if large {
            LARGE
        } else {
            [FRAMES, ROWS, COLUMNS]
        },
        masked,
    )
}

/// Settings with which every metric can start.
fn settings(shape: Shape) -> Settings {
    let mut settings = Settings {
        // Of a source of frames, `evaluate` finds it.
        data_range: Some(60.0),
        ..Settings::default()
    };
    settings.geometry.center = Some([7.3, 9.6]);
    settings.edge.half_width = 8.0;
    if shape.rows > 1 {
        settings.tomography.angle_range_deg = Some([0.0, 180.0]);
        settings.tomography.edge.roi = Some([0, 0, shape.columns, shape.columns]);
    }
    settings.correlation.two_time_frames = 6;
    settings.stem.disks = vec![Region::Rectangle([0, 0, 5, 5])];
    let observations = (shape.frames * shape.rows * shape.columns) as i32;
    settings.merging.columns.hkl = (0..observations).map(|at| [at % 41, 1, 2]).collect();
    settings.merging.cell = Some([50.0, 60.0, 70.0, 90.0, 100.0, 90.0]);
    settings
}

/// One of the element types.
#[derive(Debug, Clone, Copy)]
enum Kind {
    U8,
    U16,
    I32,
    F32,
    F64,
}
const KINDS: [Kind; 5] = [Kind::U8, Kind::U16, Kind::I32, Kind::F32, Kind::F64];

/// Calls `take` with some of the frames as one of the types.
fn feed(
    pair: &Pair,
    kind: Kind,
    frames: std::ops::Range<usize>,
    pass: &mut dyn Accumulator,
) -> Result<(), Error> {
    let pixels = pair.shape.rows * pair.shape.columns;
    let range = frames.start * pixels..frames.end * pixels;
    macro_rules! fed {
        ($variant:ident $type:ty) => {{
            let typed = |values: &[f64]| {
                values[range.clone()]
                    .iter()
                    .map(|value| *value as $type)
                    .collect()
            };
            let (original, decoded): (Vec<$type>, Vec<$type>) =
                (typed(&pair.original), typed(&pair.decoded));
            pass.add(&Frames {
                original: Values::$variant(&original),
                decoded: Values::$variant(&decoded),
                valid: pair.valid.as_ref().map(|valid| &valid[range.clone()]),
                first: frames.start,
                count: frames.len(),
                rows: pair.shape.rows,
                columns: pair.shape.columns,
            })
        }};
    }
    match kind {
        Kind::U8 => fed!(U8 u8),
        Kind::U16 => fed!(U16 u16),
        Kind::I32 => fed!(I32 i32),
        Kind::F32 => fed!(F32 f32),
        Kind::F64 => fed!(F64 f64),
    }
}

/// How the frames come.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Whole,
    ByFrame,
    Merged,
}

fn outcome(pass: &Pass, pair: &Pair, kind: Kind, way: Way) -> Result<Outcome, Error> {
    outcome_with(&settings(pair.shape), pass, pair, kind, way)
}

fn outcome_with(
    settings: &Settings,
    pass: &Pass,
    pair: &Pair,
    kind: Kind,
    way: Way,
) -> Result<Outcome, Error> {
    let count = pair.shape.frames;
    let mut first = (pass.start)(settings, pair.shape)?;
    if way == Way::Merged {
        let mut second = (pass.start)(settings, pair.shape)?;
        feed(pair, kind, count / 3..count, &mut *second)?;
        feed(pair, kind, 0..count / 3, &mut *first)?;
        first.merge(second)?;
        if !first.again()? {
            return first.finish();
        }
    }
    loop {
        if way == Way::ByFrame {
            for at in 0..count {
                feed(pair, kind, at..at + 1, &mut *first)?;
            }
        } else {
            feed(pair, kind, 0..count, &mut *first)?;
        }
        if !first.again()? {
            return first.finish();
        }
    }
}

/// Numbers, curves and pictures by name.
fn numbers(outcome: &Outcome) -> Vec<(String, f64)> {
    let mut numbers: Vec<(String, f64)> = outcome.values.clone().into_iter().collect();
    for (name, curve) in &outcome.curves {
        numbers.extend(curve.x.iter().map(|x| (format!("{name} x"), *x)));
        for (line, y) in &curve.y {
            numbers.extend(y.iter().map(|y| (format!("{name} {line}"), *y)));
        }
    }
    for (name, image) in &outcome.images {
        let values = image.values.iter();
        numbers.extend(values.map(|value| (name.clone(), f64::from(*value))));
    }
    numbers
}

/// Where two outcomes differ by more than 1e-12 of the number, or of what rounding of sums around 1 leaves.
fn differences(
    what: &str,
    left: &Result<Outcome, Error>,
    right: &Result<Outcome, Error>,
) -> Vec<String> {
    let (left, right) = match (left, right) {
        (Ok(left), Ok(right)) => (numbers(left), numbers(right)),
        (Err(left), Err(right)) if left == right => return Vec::new(),
        (left, right) => return vec![format!("{what}: {left:?} {right:?}")],
    };
    if left.len() != right.len() {
        return vec![format!(
            "{what}: {} and {} numbers",
            left.len(),
            right.len()
        )];
    }
    let pairs = left.iter().zip(&right);
    let differing = pairs.filter(|((_, left), (_, right))| {
        let close = (left - right).abs() <= 1e-12 * left.abs().max(1.0);
        !(close || left == right || (left.is_nan() && right.is_nan()))
    });
    differing
        .map(|((name, left), (_, right))| format!("{what} {name}: {left} {right}"))
        .collect()
}

fn all_passes() -> Vec<&'static Pass> {
    passes(METRICS)
}

#[test]
fn parts_in_any_way_are_the_whole() {
    let mut found = Vec::new();
    for masked in [false, true] {
        for pass in all_passes() {
            let pair = counts_for(pass, masked);
            for kind in KINDS {
                let whole = outcome(pass, &pair, kind, Way::Whole);
                assert!(whole.is_ok(), "{} {whole:?}", pass.name);
                let mut ways = vec![Way::ByFrame];
                ways.extend(pass.mergeable.then_some(Way::Merged));
                for way in ways {
                    let parts = outcome(pass, &pair, kind, way);
                    let what = format!("{} {kind:?} {way:?} masked {masked}", pass.name);
                    found.extend(differences(&what, &whole, &parts));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn metrics_yield_the_numbers_that_they_name() {
    for pass in all_passes() {
        let pair = counts_for(pass, false);
        let mut found = Outcome::default();
        for halves in [Halves::OddEven, Halves::Pair] {
            let mut settings = settings(pair.shape);
            settings.frc.halves = halves;
            found.extend(outcome_with(&settings, pass, &pair, Kind::U16, Way::Whole).unwrap());
        }
        let of_pass = METRICS
            .iter()
            .filter(|metric| metric.pass.name == pass.name);
        for metric in of_pass {
            for (name, _) in metric.values {
                assert!(found.values.contains_key(*name), "{name}");
            }
            for name in metric.curves {
                assert!(found.curves.contains_key(*name), "{name}");
            }
        }
    }
}

#[test]
fn what_is_masked_is_of_no_matter() {
    let mut found = Vec::new();
    // The mask's own metric looks at nothing else.
    for pass in all_passes().iter().filter(|pass| pass.name != "mask") {
        let pair = counts_for(pass, true);
        for kind in KINDS {
            let garbage = with_garbage(&pair, matches!(kind, Kind::F32 | Kind::F64));
            let clean = outcome(pass, &pair, kind, Way::Whole);
            let spoiled = outcome(pass, &garbage, kind, Way::Whole);
            found.extend(differences(
                &format!("{} {kind:?}", pass.name),
                &clean,
                &spoiled,
            ));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Other values where the mask is.
fn with_garbage(pair: &Pair, is_float: bool) -> Pair {
    let mut pair = pair.clone();
    let valid = pair.valid.clone().unwrap_or_default();
    for at in (0..valid.len()).filter(|at| !valid[*at]) {
        pair.original[at] = if is_float && at % 2 == 0 {
            f64::NAN
        } else {
            255.0
        };
        pair.decoded[at] = if is_float && at % 3 == 0 {
            f64::INFINITY
        } else {
            254.0
        };
    }
    pair
}

/// Runs every pass; a panic is the failure.
fn survives(pair: &Pair) {
    for pass in all_passes() {
        for kind in KINDS {
            for way in [Way::Whole, Way::ByFrame] {
                let _ = outcome(pass, pair, kind, way);
            }
        }
        if pass.mergeable {
            let _ = outcome(pass, pair, Kind::F32, Way::Merged);
        }
    }
}

fn filled(frames: usize, rows: usize, columns: usize, value: f64) -> Pair {
    let values = vec![value; frames * rows * columns];
    Pair {
        original: values.clone(),
        decoded: values,
        valid: None,
        shape: Shape {
            frames,
            rows,
            columns,
        },
    }
}

#[test]
fn constant_frames_are_survived() {
    for value in [0.0, 7.0, 255.0, -3.0] {
        survives(&filled(FRAMES, ROWS, COLUMNS, value));
    }
}

#[test]
fn frames_without_a_valid_pixel_are_survived() {
    let mut pair = counts([FRAMES, ROWS, COLUMNS], false);
    pair.valid = Some(vec![false; pair.original.len()]);
    survives(&pair);
    pair.original.fill(f64::NAN);
    survives(&pair);
}

#[test]
fn frames_of_few_pixels_are_survived() {
    for [frames, rows, columns] in [
        [1, 1, 1],
        [3, 1, 1],
        [1, 1, 40],
        [1, 40, 1],
        [2, 2, 2],
        [1, 24, 20],
    ] {
        survives(&filled(frames, rows, columns, 5.0));
        let mut pair = filled(frames, rows, columns, 5.0);
        let numbered = pair.original.iter_mut().enumerate();
        numbered.for_each(|(at, value)| *value = (at % 90) as f64);
        survives(&pair);
        pair.valid = Some(vec![false; frames * rows * columns]);
        survives(&pair);
    }
}

#[test]
fn no_number_anywhere_is_survived() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1e308] {
        survives(&filled(FRAMES, ROWS, COLUMNS, value));
        let mut pair = counts([FRAMES, ROWS, COLUMNS], false);
        pair.decoded.fill(value);
        survives(&pair);
        std::mem::swap(&mut pair.decoded, &mut pair.original);
        survives(&pair);
    }
}

#[test]
fn no_frames_and_no_pixels_are_survived() {
    for [frames, rows, columns] in [
        [0, ROWS, COLUMNS],
        [0, 0, 0],
        [3, 0, 5],
        [3, 5, 0],
        [0, 1, 1],
    ] {
        survives(&filled(frames, rows, columns, 0.0));
    }
}

/// All frames at once, from memory.
struct Source<'a>(&'a Pair);

impl FrameSource for Source<'_> {
    fn shape(&self) -> Shape {
        self.0.shape
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        take(&Frames {
            original: Values::F64(&self.0.original),
            decoded: Values::F64(&self.0.decoded),
            valid: self.0.valid.as_deref(),
            first: 0,
            count: self.0.shape.frames,
            rows: self.0.shape.rows,
            columns: self.0.shape.columns,
        })
    }
}

#[test]
fn frames_that_are_given_to_workers_in_any_order_are_the_whole() {
    // Every frame is worth a thread.
    let pair = counts([3, 512, 512], false);
    let settings = settings(pair.shape);
    let names = ["abs", "mask", "psnr", "ssim", "ms_ssim", "otsu"];
    let metrics = names.map(|name| metric_named(name).unwrap());
    let mut most = 0;
    let backwards = &mut |tasks: Vec<Task<'_>>| {
        most = most.max(tasks.len());
        tasks.into_iter().rev().try_for_each(|task| task())
    };
    let found = evaluate_on(&metrics, &settings, &mut Source(&pair), backwards).unwrap();
    let forwards = evaluate(&metrics, &settings, &mut Source(&pair)).unwrap();
    assert!(most > 3, "{most} tasks");
    assert_eq!(numbers(&found), numbers(&forwards));
    for pass in passes(&metrics) {
        let whole = outcome_with(&settings, pass, &pair, Kind::F64, Way::Whole).unwrap();
        for (name, value) in &whole.values {
            if let Some(found) = found.values.get(name) {
                assert!((found - value).abs() <= 1e-12 * value.abs(), "{name}");
            }
        }
        for (name, curve) in &whole.curves {
            assert_eq!(Some(&curve.x), found.curves.get(name).map(|found| &found.x));
        }
    }
}

#[test]
fn a_given_data_range_is_not_sought() {
    let pair = counts([2, ROWS, COLUMNS], false);
    let metrics = [metric_named("psnr").unwrap()];
    let range = |data_range: Option<f64>| {
        let settings = Settings {
            data_range,
            ..Settings::default()
        };
        evaluate(&metrics, &settings, &mut Source(&pair))
            .unwrap()
            .values["data_range"]
    };
    assert_eq!(range(Some(1234.5)), 1234.5);
    assert!((10.0..80.0).contains(&range(None)));
}
