//! Merging statistics of small tables, by hand and beside gemmi.

use etalon_metrics::{Merging, MergingSettings, Reflections, Weights, merging, merging_by_shell};

const HKL: [[i32; 3]; 12] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [0, 0, 1],
    [1, 0, 0],
    [1, 1, 1],
    [2, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
    [2, 0, 0],
    [0, 0, 1],
];
const INTENSITY: [f64; 12] = [
    10.0, 100.0, 51.0, 49.0, 12.0, 7.0, 30.0, 52.0, 90.0, 14.0, 34.0, 48.0,
];
const SIGMA: [f64; 12] = [1.0, 4.0, 3.0, 2.0, 2.0, 1.0, 2.0, 3.0, 5.0, 2.0, 4.0, 2.0];

/// Rmerge, Rmeas, Rpim, CC½ and CC* of gemmi 0.7.5, weights `U`.
const GEMMI_EQUAL: [f64; 5] = [
    0.04897959183673469,
    0.06454320936543917,
    0.04141332395894683,
    0.9876522830070321,
    0.9968890551043438,
];
/// Weights `X`.
const GEMMI_INVERSE_VARIANCE: [f64; 5] = [
    0.05102040816326531,
    0.06704268869480977,
    0.04285639902259284,
    0.9893976094084205,
    0.9973317162614085,
];

fn table() -> Reflections<'static> {
    Reflections {
        hkl: &HKL,
        intensity: &INTENSITY,
        sigma: Some(&SIGMA),
        spacing: None,
    }
}

fn weighted(weights: Weights) -> MergingSettings {
    MergingSettings { weights, seed: 0 }
}

fn close(found: &Merging, expected: [f64; 5]) {
    let found = [
        found.r_merge,
        found.r_meas,
        found.r_pim,
        found.cc_half,
        found.cc_star,
    ];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn equal_weights_are_the_definitions() {
    let found = merging(&table(), weighted(Weights::Equal)).unwrap();
    assert_eq!(
        (found.observations, found.unique, found.repeated),
        (12, 5, 4)
    );
    assert_eq!(found.multiplicity, 2.4);
    // Sums of deviations 4, 10, 6 and 4 of 3, 2, 4 and 2 observations, of a sum of 490.
    let root = f64::sqrt;
    let r_meas = (4.0 * root(1.5) + 14.0 * root(2.0) + 6.0 * root(4.0 / 3.0)) / 490.0;
    let r_pim = (4.0 * root(0.5) + 14.0 + 6.0 * root(1.0 / 3.0)) / 490.0;
    // Means 12, 95, 50 and 32; variances 4, 50, 10/3 and 8, over n/2.
    let mean = 189.0 / 4.0;
    let signal = [12.0, 95.0, 50.0, 32.0].map(|one: f64| (one - mean).powi(2));
    let signal = signal.iter().sum::<f64>() / 3.0;
    let error = (4.0 / 1.5 + 50.0 + 10.0 / 3.0 / 2.0 + 8.0) / 4.0;
    let cc_half = (signal - error / 2.0) / (signal + error / 2.0);
    let cc_star = root(2.0 * cc_half / (1.0 + cc_half));
    close(&found, [24.0 / 490.0, r_meas, r_pim, cc_half, cc_star]);
}

#[test]
fn golden_numbers_of_gemmi() {
    let equal = merging(&table(), weighted(Weights::Equal)).unwrap();
    close(&equal, GEMMI_EQUAL);
    let inverse = merging(&table(), weighted(Weights::InverseVariance)).unwrap();
    close(&inverse, GEMMI_INVERSE_VARIANCE);
}

#[test]
fn shells_part_the_table() {
    let spacing: Vec<f64> = HKL
        .iter()
        .map(|hkl| 6.0 / f64::from(hkl.iter().map(|index| index * index).sum::<i32>()).sqrt())
        .collect();
    let table = Reflections {
        spacing: Some(&spacing),
        ..table()
    };
    let settings = MergingSettings::default();
    let whole = merging(&table, settings).unwrap();
    let one = merging_by_shell(&table, settings, 1).unwrap();
    assert_eq!(one[0].merging, whole);
    let shells = merging_by_shell(&table, settings, 3).unwrap();
    assert!((shells[0].d_max - 6.0).abs() < 1e-12);
    assert!((shells[2].d_min - 3.0).abs() < 1e-12);
    let edges = [shells[0].d_min, shells[1].d_max].map(|d| d.powi(-3));
    let third = (3f64.powi(-3) - 6f64.powi(-3)) / 3.0;
    assert!((edges[0] - 6f64.powi(-3) - third).abs() < 1e-15);
    assert_eq!(edges[0], edges[1]);
    let counts: Vec<usize> = shells.iter().map(|shell| shell.merging.unique).collect();
    assert_eq!(counts, [3, 1, 1]);
    // d = 6 Å of all: one shell has everything.
    let same = Reflections {
        spacing: Some(&[6.0; 12]),
        ..table
    };
    let shells = merging_by_shell(&same, settings, 2).unwrap();
    assert_eq!((shells[0].merging.unique, shells[1].merging.unique), (5, 0));
    assert!(shells[1].merging.r_merge.is_nan());
}

#[test]
fn halves_depend_on_the_seed_only() {
    let with_seed = |seed| {
        let settings = MergingSettings {
            seed,
            ..MergingSettings::default()
        };
        merging(&table(), settings).unwrap().r_split
    };
    assert_eq!(with_seed(3), with_seed(3));
    assert!((0..20).any(|seed| with_seed(seed) != with_seed(3)));
}

#[test]
fn what_is_no_measurement_is_left_out_and_counted() {
    let (mut intensity, mut sigma) = (INTENSITY, SIGMA);
    intensity[5] = f64::NAN;
    sigma[0] = 0.0;
    let spoiled = Reflections {
        intensity: &intensity,
        sigma: Some(&sigma),
        ..table()
    };
    let found = merging(&spoiled, weighted(Weights::InverseVariance)).unwrap();
    assert_eq!(
        (found.observations, found.left_out, found.unique),
        (10, 2, 4)
    );
    assert!(found.r_merge.is_finite());
    let found = merging(&spoiled, weighted(Weights::Equal)).unwrap();
    assert_eq!(found.left_out, 1);
}

#[test]
fn tables_without_repetition_have_no_statistics() {
    let found = merging(&Reflections::default(), MergingSettings::default()).unwrap();
    assert!(found.multiplicity.is_nan() && found.r_merge.is_nan() && found.cc_half.is_nan());
    let single = Reflections {
        hkl: &HKL[5..7],
        intensity: &INTENSITY[5..7],
        ..Reflections::default()
    };
    let found = merging(&single, MergingSettings::default()).unwrap();
    assert_eq!((found.unique, found.repeated), (2, 0));
    assert!(found.r_pim.is_nan() && found.r_split.is_nan() && found.cc_half_random.is_nan());
}

#[test]
fn what_is_missing_is_said() {
    let told = |found: Result<Merging, etalon_metrics::Error>| found.unwrap_err().to_string();
    let no_sigma = Reflections {
        sigma: None,
        ..table()
    };
    let error = told(merging(&no_sigma, weighted(Weights::InverseVariance)));
    assert_eq!(error, "merging needs sigma, or equal weights");
    let short = Reflections {
        intensity: &INTENSITY[1..],
        ..table()
    };
    assert!(told(merging(&short, MergingSettings::default())).contains("12 hkl and 11 values"));
    let error = merging_by_shell(&table(), MergingSettings::default(), 4).unwrap_err();
    assert!(error.to_string().contains("spacings"));
    assert!(merging_by_shell(&table(), MergingSettings::default(), 0).is_err());
}
