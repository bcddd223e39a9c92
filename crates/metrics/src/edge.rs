//! R4 and R5: sharpness of an edge in the original and in what was decoded.
//!
//! The edge is in `edge.roi` of the mean of all frames (the whole frame where not given), each array with the line fitted
//! to itself. R4, knife edge: low + (high − low) · (1 + erf((d − d₀)/√2σ))/2 fitted to the profile; σ includes the pixel
//! (for a small slant, σ² = σ_optics² + 1/12 px²), the width of the bins (1/4 px) is taken out. FWHM 2.3548 σ, 10–90 %
//! 2.5631 σ. R5, slanted edge (ISO 12233): the derivative of the profile under a Hamming window about d₀, |transform|
//! relative to frequency 0, divided by sinc²(f/4) for the bins and the difference; f50 and f10 are the first frequencies where it
//! falls below 1/2 and 1/10. The window broadens the line: `edge.half_width` should be 10 σ or more.
//!
//! A slope of exactly 1/12, whose pixels lie at a few places of a bin only, was measured to shift σ by 3 %.
//!
//! Reference: the closed forms for a Gaussian, erf and exp(−2π²σ²f²) · sinc f. Pixels that are valid in no frame are left out.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::edge_fit::{EdgeProfile, OVERSAMPLING, edge_profile, unsuitable};
use crate::fit::fit;
use crate::mean_frame::MeanFrame;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::ring_threshold::first_down_crossing;
use crate::{Curve, Error, Frames, Outcome, Settings};

/// Full width at half maximum of a Gaussian, in σ.
const FWHM: f64 = 2.354_820_045_030_949;
/// Distance from 10 % to 90 % of an edge, in σ.
const TEN_TO_NINETY: f64 = 2.563_103_131_089_201;
/// Frequencies of the MTF, in steps of 1/200 px⁻¹ up to 1 px⁻¹.
const MTF_STEPS: usize = 200;

/// Which edge, and how far from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeSettings {
    /// [x0, y0, x1, y1] in pixels, x along the fast axis, x1 and y1 excluded; the whole frame where not given.
    pub roi: Option<[usize; 4]>,
    /// Pixels on either side that take part, where the region has them.
    pub half_width: f64,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            roi: None,
            half_width: 30.0,
        }
    }
}

/// The row of the knife edge.
pub(crate) static KNIFE_EDGE: Metric = Metric {
    id: "R4",
    name: "knife_edge",
    about: "σ, FWHM and 10–90 % width of an edge, by an error function fitted to its profile",
    values: &[
        ("edge_sigma_original", "px"),
        ("edge_sigma_decoded", "px"),
        ("edge_sigma_shift", "%"),
        ("edge_fwhm_original", "px"),
        ("edge_fwhm_decoded", "px"),
        ("edge_10_90_original", "px"),
        ("edge_10_90_decoded", "px"),
        ("edge_angle_original", "°"),
        ("edge_angle_decoded", "°"),
    ],
    curves: &["edge_spread"],
    needs: &[],
    pass: &PASS,
};

/// The row of the slanted edge.
pub(crate) static MTF: Metric = Metric {
    id: "R5",
    name: "mtf",
    about: "modulation transfer of a slanted edge, and the frequencies where it is 50 % and 10 %",
    values: &[
        ("mtf_f50_original", "1/px"),
        ("mtf_f50_decoded", "1/px"),
        ("mtf_f50_shift", "%"),
        ("mtf_f10_original", "1/px"),
        ("mtf_f10_decoded", "1/px"),
        ("mtf_f10_shift", "%"),
    ],
    curves: &["mtf"],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "edge",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

/// An edge in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Its profile.
    pub profile: EdgeProfile,
    /// σ in px; NaN where no error function could be fitted.
    pub sigma: f64,
    /// Frequencies in 1/px.
    pub frequencies: Vec<f64>,
    /// Modulation transfer at each frequency.
    pub mtf: Vec<f64>,
}

/// The edge in an image of `columns` pixels in the fast direction, NaN where not valid.
pub fn edge(image: &[f64], columns: usize, half_width: f64) -> Result<Edge, Error> {
    let profile = edge_profile(image, columns, half_width)?;
    let (sigma, centre) = knife_edge(&profile);
    let frequencies: Vec<f64> = (0..=MTF_STEPS)
        .map(|at| at as f64 / MTF_STEPS as f64)
        .collect();
    let mtf = transfer(&profile, centre, &frequencies);
    Ok(Edge {
        profile,
        sigma,
        frequencies,
        mtf,
    })
}

impl Edge {
    /// What is known where no edge was found.
    fn none() -> Self {
        Self {
            profile: EdgeProfile {
                angle_degrees: f64::NAN,
                distances: Vec::new(),
                values: Vec::new(),
            },
            sigma: f64::NAN,
            frequencies: Vec::new(),
            mtf: Vec::new(),
        }
    }

    /// First frequency in 1/px at which the modulation transfer falls below `level`.
    pub fn frequency_at(&self, level: f64) -> f64 {
        let above: Vec<f64> = self.mtf.iter().map(|value| value - level).collect();
        first_down_crossing(&self.frequencies, &above)
    }
}

/// σ and the centre of an error function fitted to the profile.
fn knife_edge(profile: &EdgeProfile) -> (f64, f64) {
    let model = |parameters: &[f64], distance: f64| {
        let [low, high, centre, sigma] = parameters else {
            return f64::NAN;
        };
        let scaled = (distance - centre) / (sigma * std::f64::consts::SQRT_2);
        low + (high - low) * 0.5 * (1.0 + libm::erf(scaled))
    };
    let quarter = profile.values.len() / 4;
    let (low, high) = (
        crate::ssim::mean(profile.values[..quarter].iter().copied()),
        crate::ssim::mean(profile.values[3 * quarter..].iter().copied()),
    );
    match fit(
        model,
        &profile.distances,
        &profile.values,
        None,
        &[low, high, 0.1, 1.0],
    ) {
        Some(found) => {
            let bin = OVERSAMPLING.powi(-2) / 12.0;
            (
                (found.parameters[3].powi(2) - bin).sqrt(),
                found.parameters[2],
            )
        }
        None => (f64::NAN, 0.0),
    }
}

/// Modulation transfer at `frequencies`.
fn transfer(profile: &EdgeProfile, centre: f64, frequencies: &[f64]) -> Vec<f64> {
    let half = profile.distances.len() as f64 / OVERSAMPLING / 2.0;
    let pairs = profile.distances.windows(2).zip(profile.values.windows(2));
    let spread: Vec<(f64, f64)> = pairs
        .map(|(distances, values)| {
            let distance = 0.5 * (distances[0] + distances[1]) - centre;
            let window =
                0.54 + 0.46 * (std::f64::consts::PI * (distance / half).clamp(-1.0, 1.0)).cos();
            (distance, window * (values[1] - values[0]))
        })
        .filter(|(_, step)| !step.is_nan())
        .collect();
    let modulus = |frequency: f64| {
        let (re, im) = spread
            .iter()
            .fold((0.0, 0.0), |(re, im), (distance, step)| {
                let (sin, cos) = (std::f64::consts::TAU * frequency * distance).sin_cos();
                (re + step * cos, im + step * sin)
            });
        f64::hypot(re, im)
    };
    let total = modulus(0.0);
    frequencies
        .iter()
        .map(|&frequency| modulus(frequency) / total / sinc(frequency / OVERSAMPLING).powi(2))
        .collect()
}

fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if angle == 0.0 {
        1.0
    } else {
        angle.sin() / angle
    }
}

struct Progress {
    settings: EdgeSettings,
    /// x0, y0, x1, y1.
    roi: [usize; 4],
    original: MeanFrame,
    decoded: MeanFrame,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let [x0, y0, x1, y1] = settings
        .edge
        .roi
        .unwrap_or([0, 0, shape.columns, shape.rows]);
    if x0 >= x1 || y0 >= y1 || x1 > shape.columns || y1 > shape.rows {
        return Err(unsuitable(
            "the region is empty or reaches beyond the frame",
        ));
    }
    let pixels = (x1 - x0) * (y1 - y0);
    Ok(Box::new(Progress {
        settings: settings.edge,
        roi: [x0, y0, x1, y1],
        original: MeanFrame::new(pixels),
        decoded: MeanFrame::new(pixels),
    }))
}

impl Accumulator for Progress {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        let [x0, y0, x1, y1] = self.roi;
        for frame in frames.iter() {
            let lines = (y0..y1).map(|y| y * frames.columns + x0..y * frames.columns + x1);
            let cut = |values: &[f64]| -> Vec<f64> {
                lines
                    .clone()
                    .flat_map(|line| values[line].iter().copied())
                    .collect()
            };
            let valid: Option<Vec<bool>> = frame.valid.map(|valid| {
                lines
                    .clone()
                    .flat_map(|line| valid[line].iter().copied())
                    .collect()
            });
            self.original.add(&cut(&frame.original), valid.as_deref());
            self.decoded.add(&cut(&frame.decoded), valid.as_deref());
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Self = same(other);
        self.original += other.original;
        self.decoded += other.decoded;
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let columns = self.roi[2] - self.roi[0];
        let [before, after] = [&self.original, &self.decoded]
            .map(|mean| edge(&mean.mean(), columns, self.settings.half_width));
        let before = before?;
        // An edge that a loss has taken is no mistake of the user: its numbers are NaN, and keep no limit.
        let after = after.unwrap_or_else(|_| Edge::none());
        let mut outcome = Outcome::default();
        for (kind, edge) in [("original", &before), ("decoded", &after)] {
            describe(kind, edge, &mut outcome);
        }
        let shift = |before: f64, after: f64| 100.0 * (after / before - 1.0);
        outcome.value("edge_sigma_shift", shift(before.sigma, after.sigma));
        outcome.value(
            "mtf_f50_shift",
            shift(before.frequency_at(0.5), after.frequency_at(0.5)),
        );
        outcome.value(
            "mtf_f10_shift",
            shift(before.frequency_at(0.1), after.frequency_at(0.1)),
        );
        outcome.curve("edge_spread", spread_curve(&before, &after));
        let curve = Curve::new(
            "frequency / px⁻¹",
            "modulation transfer",
            before.frequencies,
        );
        outcome.curve(
            "mtf",
            match after.mtf.len() == before.mtf.len() {
                true => curve.with("decoded", after.mtf),
                false => curve,
            }
            .with("original", before.mtf),
        );
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Adds the numbers of one array.
fn describe(kind: &str, edge: &Edge, outcome: &mut Outcome) {
    outcome.value(&format!("edge_sigma_{kind}"), edge.sigma);
    outcome.value(&format!("edge_fwhm_{kind}"), FWHM * edge.sigma);
    outcome.value(&format!("edge_10_90_{kind}"), TEN_TO_NINETY * edge.sigma);
    outcome.value(&format!("edge_angle_{kind}"), edge.profile.angle_degrees);
    outcome.value(&format!("mtf_f50_{kind}"), edge.frequency_at(0.5));
    outcome.value(&format!("mtf_f10_{kind}"), edge.frequency_at(0.1));
}

/// Both profiles over the distances of the shorter one: their lines differ by fractions of a pixel.
pub(crate) fn spread_curve(before: &Edge, after: &Edge) -> Curve {
    let count = before.profile.values.len().min(after.profile.values.len());
    let middle = |values: &[f64]| {
        let skip = (values.len() - count) / 2;
        values[skip..skip + count].to_vec()
    };
    Curve::new("distance / px", "value", middle(&before.profile.distances))
        .with("original", middle(&before.profile.values))
        .with("decoded", middle(&after.profile.values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    /// An edge x = 20 + y/11.3 under a Gaussian of σ = 1.5 px, at the centres of pixels.
    fn image() -> Vec<f64> {
        let slant = (1.0f64 / 11.3).atan().cos();
        let pixels = (0..48).flat_map(|y| (0..40).map(move |x| (f64::from(x), f64::from(y))));
        pixels
            .map(|(x, y)| {
                100.0 * libm::erf((x - 20.0 - y / 11.3) * slant / 1.5 / std::f64::consts::SQRT_2)
            })
            .collect()
    }

    fn outcome(parts: &[&[f64]], merge: bool) -> Outcome {
        let shape = Shape {
            frames: parts.len(),
            rows: 48,
            columns: 40,
        };
        let begin = || start(&Settings::default(), shape).unwrap();
        let mut whole = begin();
        for (first, part) in parts.iter().enumerate() {
            let valid: Vec<bool> = part.iter().map(|value| *value != 9e9).collect();
            let frames = Frames {
                original: Values::F64(part),
                decoded: Values::F64(part),
                valid: Some(&valid),
                first,
                count: 1,
                rows: 48,
                columns: 40,
            };
            if merge {
                let mut other = begin();
                other.add(&frames).unwrap();
                whole.merge(other).unwrap();
            } else {
                whole.add(&frames).unwrap();
            }
        }
        whole.finish().unwrap()
    }

    #[test]
    fn sigma_is_found_and_parts_merge_to_the_whole() {
        let image = image();
        let whole = outcome(&[&image, &image], false);
        let sigma = whole.values["edge_sigma_original"];
        assert!((sigma / 1.5 - 1.0).abs() < 5e-3, "{sigma}");
        assert_eq!(outcome(&[&image, &image], true), whole);
    }

    #[test]
    fn masked_garbage_changes_nothing() {
        let mut masked = image();
        masked[500] = 9e9;
        let clean = image();
        assert_eq!(
            outcome(&[&clean, &masked], false),
            outcome(&[&clean, &clean], false)
        );
    }

    #[test]
    fn an_edge_that_is_lost_keeps_no_limit() {
        let shape = Shape {
            frames: 1,
            rows: 48,
            columns: 40,
        };
        let (image, flat) = (image(), vec![7.0; 48 * 40]);
        let mut pass = start(&Settings::default(), shape).unwrap();
        let frames = Frames {
            original: Values::F64(&image),
            decoded: Values::F64(&flat),
            valid: None,
            first: 0,
            count: 1,
            rows: 48,
            columns: 40,
        };
        pass.add(&frames).unwrap();
        let found = pass.finish().unwrap();
        assert!(found.values["edge_sigma_original"] > 1.0);
        assert!(found.values["edge_sigma_shift"].is_nan());
        assert!(found.values["mtf_f50_shift"].is_nan());
    }

    #[test]
    fn images_without_an_edge_are_refused() {
        assert!(edge(&[1.0; 400], 20, 10.0).is_err());
        assert!(edge(&[f64::NAN; 400], 20, 10.0).is_err());
        assert!(edge(&[1.0], 1, 10.0).is_err());
        assert!(edge(&[], 0, 10.0).is_err());
    }
}
