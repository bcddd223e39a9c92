//! Resolution of slices: halves of projections that correlate, and the width of an edge.

mod simulated;

use etalon_metrics::{Outcome, Settings, Tomography};
use simulated::{Random, Stack};

const COLUMNS: usize = 128;
const ANGLES: usize = 400;
/// Half the side of a square, and how far it is turned, so that its edges lie at a slant.
const HALF_SIDE: f64 = 28.0;
const TURNED_DEG: f64 = 5.0;

/// The chord of a line t from the axis, at an angle to the square's sides, through the square.
fn chord(t: f64, radians: f64) -> f64 {
    let (sine, cosine) = radians.sin_cos();
    let along = |offset: f64, direction: f64| {
        if direction.abs() < 1e-9 {
            let reach = if offset.abs() < HALF_SIDE { 1e9 } else { -1e9 };
            return [-reach, reach];
        }
        let ends = [-HALF_SIDE, HALF_SIDE].map(|side| (side - offset) / direction);
        [ends[0].min(ends[1]), ends[0].max(ends[1])]
    };
    let (x, y) = (along(t * cosine, -sine), along(t * sine, cosine));
    (x[1].min(y[1]) - x[0].max(y[0])).max(0.0)
}

/// Line integrals through the square, as a Gaussian of so many pixels blurs them.
fn square(sigma: f64) -> Vec<f64> {
    const PARTS: usize = 8;
    let reach = (5.0 * sigma * PARTS as f64).ceil() as isize;
    let weight = |part: isize| (-0.5 * (part as f64 / PARTS as f64 / sigma).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    let mut lines = Vec::new();
    for angle in 0..ANGLES {
        let radians = (angle as f64 * 180.0 / ANGLES as f64 + TURNED_DEG).to_radians();
        for column in 0..COLUMNS {
            let t = column as f64 - (COLUMNS / 2) as f64;
            let blurred = (-reach..=reach)
                .map(|part| weight(part) * chord(t + part as f64 / PARTS as f64, radians));
            lines.push(blurred.sum::<f64>() / total);
        }
    }
    lines
}

fn settings() -> Settings {
    let mut tomography = Tomography {
        angle_range_deg: Some([0.0, 180.0]),
        ..Tomography::default()
    };
    // The right side of the square, 28 px from the axis.
    tomography.edge.roi = Some([76, 48, 108, 80]);
    Settings {
        tomography,
        ..Settings::default()
    }
}

fn outcome(metric: &str, a: &[f64], b: &[f64]) -> Outcome {
    Stack::new(a, b, [ANGLES, 1, COLUMNS])
        .outcome(&[metric], &settings())
        .unwrap()
}

/// Line integrals with noise of one standard deviation.
fn noisy(lines: &[f64], sigma: f64, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    let noisy = lines.iter().map(|line| line + sigma * random.normals()[0]);
    noisy.collect()
}

/// To blur projections is to blur the slice: variances add.
#[test]
fn the_width_of_an_edge_grows_by_the_blur_of_the_projections() {
    let sharp = square(1.0);
    for added in [0.5, 1.0, 2.0] {
        let values = outcome("tomography_edge", &sharp, &square(f64::hypot(1.0, added))).values;
        let [before, after, shift] = ["original", "decoded", "shift"]
            .map(|kind| values[&format!("reconstruction_edge_sigma_{kind}")]);
        let expected = f64::hypot(before, added);
        assert!((after / expected - 1.0).abs() < 0.01, "{after} {expected}");
        assert!((shift - 100.0 * (after / before - 1.0)).abs() < 1e-9);
        // A pixel and linear interpolation are in it too.
        assert!((before / 1.0 - 1.0).abs() < 0.15, "{before}");
    }
    let same = outcome("tomography_edge", &sharp, &sharp);
    assert_eq!(same.values["reconstruction_edge_sigma_shift"], 0.0);
    assert!(same.notes.is_empty() && same.curves.contains_key("reconstruction_edge_spread"));
}

#[test]
fn an_edge_that_is_lost_keeps_no_limit() {
    let flat = vec![0.0; ANGLES * COLUMNS];
    let lost = outcome("tomography_edge", &square(1.0), &flat);
    assert!(lost.values["reconstruction_edge_sigma_original"] > 0.5);
    assert!(lost.values["reconstruction_edge_sigma_shift"].is_nan());
    assert!(
        lost.notes[0].contains("what was decoded"),
        "{:?}",
        lost.notes
    );
}

/// An error with the power E beside noise of the power N in each half: AA' · √(P/(P+E)), E/P = (1 − AA') · E/N.
#[test]
fn independent_errors_lower_the_correlation_across_by_the_closed_form() {
    let sigma = 2.0;
    let a = noisy(&square(1.0), sigma, 1);
    for share in [0.3, 0.6, 1.0] {
        let found = outcome("tomography_frc", &a, &noisy(&a, share * sigma, 2));
        let curves = &found.curves["reconstruction_frc"].y;
        let pairs = curves["original"].iter().zip(&curves["cross"]);
        let error = |(own, cross): (&f64, &f64)| {
            let expected = own * (1.0 + (1.0 - own) * share * share).sqrt().recip();
            cross - expected
        };
        let squares: Vec<f64> = pairs.map(|pair| error(pair).powi(2)).collect();
        let rms = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        assert!(rms < 0.045, "{share}: {rms}");
        let shift = found.values["reconstruction_frc_half_bit_cross_shift"];
        assert!(shift > 0.0, "{share}: {shift}");
    }
}

#[test]
fn equal_scans_have_one_resolution() {
    let a = noisy(&square(1.0), 2.0, 3);
    let found = outcome("tomography_frc", &a, &a);
    let curves = &found.curves["reconstruction_frc"].y;
    for kind in ["decoded", "cross"] {
        let pairs = curves["original"].iter().zip(&curves[kind]);
        assert!(
            pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-9),
            "{kind}"
        );
    }
    let value = |name: &str| found.values[&format!("reconstruction_frc_half_bit_{name}")];
    assert!(value("shift").abs() < 1e-6 && value("cross_shift").abs() < 1e-6);
    assert!(
        (2.0..64.0).contains(&value("original")),
        "{}",
        value("original")
    );
}

/// Without noise the halves agree to the last ring, and a blur is seen all the same once there is noise in what was decoded.
#[test]
fn a_resolution_beyond_the_last_ring_can_be_lost() {
    let sharp = square(1.0);
    let same = outcome("tomography_frc", &sharp, &sharp).values;
    assert!(same["reconstruction_frc_half_bit_cross_shift"].abs() < 1e-6);
    let spoiled = outcome("tomography_frc", &sharp, &noisy(&sharp, 5.0, 4)).values;
    assert!(spoiled["reconstruction_frc_half_bit_shift"] > 1.0);
}

#[test]
fn regions_that_are_no_regions_are_refused() {
    let a = square(1.0);
    for roi in [None, Some([5, 5, 5, 9]), Some([0, 0, 129, 20])] {
        let mut settings = settings();
        settings.tomography.edge.roi = roi;
        let mut stack = Stack::new(&a, &a, [ANGLES, 1, COLUMNS]);
        let refused = stack.outcome(&["tomography_edge"], &settings).unwrap_err();
        let words = refused.to_string();
        assert!(words.contains("tomography.edge.roi"), "{words}");
    }
}
