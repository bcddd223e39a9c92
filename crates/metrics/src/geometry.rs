//! Where the beam hits the detector, and which ring of equal radius or q a pixel belongs to.
//!
//! A pixel is its centre: no splitting over bins. The centre of the first pixel is at [0.5, 0.5], as pyFAI and the codec
//! `sigma-clip` count, so that poni = center · pixel size. With pixel size, distance and wavelength the coordinate of a ring is
//! q = 4π/λ · sin(½ · atan(r/distance)) in nm⁻¹, without them it is the radius in pixels. The detector stands upright on
//! the beam; tilts have no settings.

use serde::{Deserialize, Serialize};

use crate::{Error, Shape};

/// Where the beam hits the detector.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Where the beam hits, in pixels of the fast and of the slow axis; [0.5, 0.5] is the centre of the first pixel.
    pub center: Option<[f64; 2]>,
    /// Edge of a square pixel in metres.
    pub pixel_size_m: Option<f64>,
    /// From the sample to the detector in metres.
    pub distance_m: Option<f64>,
    /// Wavelength in metres.
    pub wavelength_m: Option<f64>,
    /// Number of rings of equal width; as many as the range has pixels where not given.
    pub bins: Option<usize>,
    /// First and last radius in pixels, or q in nm⁻¹; those of all pixels where not given.
    pub range: Option<[f64; 2]>,
}

/// Index in [`RadialBins::of_pixel`] of a pixel outside the range: one past the last ring.
pub(crate) type Bin = u32;

/// Which ring every pixel of a frame belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct RadialBins {
    /// What the coordinate is, with its unit.
    pub label: &'static str,
    /// Coordinate of the middle of every ring.
    pub centers: Vec<f64>,
    /// Ring by pixel, columns fastest; `centers.len()` is outside all rings.
    pub of_pixel: Vec<Bin>,
    /// Coordinate by pixel.
    pub coordinate: Vec<f64>,
}

impl RadialBins {
    /// The rings of a frame; `metric` names who asks in errors.
    pub fn new(
        geometry: &Geometry,
        rows: usize,
        columns: usize,
        metric: &'static str,
    ) -> Result<Self, Error> {
        let (label, coordinate) = coordinates(geometry, rows, columns, metric)?;
        let [first, last] = range(geometry, &coordinate, metric)?;
        let bins = bin_count(geometry, rows, columns, metric)?;
        let width = (last - first) / bins as f64;
        let of_pixel = coordinate
            .iter()
            .map(|&at| bin_of(at, first, last, width, bins))
            .collect();
        let centers = (0..bins)
            .map(|bin| first + (bin as f64 + 0.5) * width)
            .collect();
        Ok(Self {
            label,
            centers,
            of_pixel,
            coordinate,
        })
    }

    /// As [`new`](Self::new), of the frames of a dataset.
    pub(crate) fn of(
        geometry: &Geometry,
        shape: Shape,
        metric: &'static str,
    ) -> Result<Self, Error> {
        Self::new(geometry, shape.rows, shape.columns, metric)
    }
}

/// Distance of every pixel from the beam, in pixels.
pub fn radii(
    geometry: &Geometry,
    rows: usize,
    columns: usize,
    metric: &'static str,
) -> Result<Vec<f64>, Error> {
    let [x, y] = geometry.center.ok_or(Error::Missing {
        metric,
        what: "geometry.center = [x, y]: where the beam hits, in pixels of the fast and slow axis",
    })?;
    if !(x.is_finite() && y.is_finite()) {
        return unsuitable(metric, "geometry.center is not finite");
    }
    let pixels = (0..rows * columns).map(|at| (at / columns, at % columns));
    Ok(pixels
        .map(|(row, column)| (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y))
        .collect())
}

/// What the coordinate of rings is, and its value by pixel.
fn coordinates(
    geometry: &Geometry,
    rows: usize,
    columns: usize,
    metric: &'static str,
) -> Result<(&'static str, Vec<f64>), Error> {
    let mut radius = radii(geometry, rows, columns, metric)?;
    let given = [
        geometry.pixel_size_m,
        geometry.distance_m,
        geometry.wavelength_m,
    ];
    let [Some(pixel), Some(distance), Some(wavelength)] = given else {
        return Ok(("radius / px", radius));
    };
    if !given
        .iter()
        .all(|value| value.is_some_and(|value| value > 0.0))
    {
        return unsuitable(metric, "pixel size, distance and wavelength are above 0");
    }
    let scale = 4.0 * std::f64::consts::PI / (wavelength * 1e9);
    for value in &mut radius {
        *value = scale * (0.5 * (*value * pixel).atan2(distance)).sin();
    }
    Ok(("q / nm⁻¹", radius))
}

/// First and last coordinate of the rings.
fn range(geometry: &Geometry, coordinate: &[f64], metric: &'static str) -> Result<[f64; 2], Error> {
    let all = || {
        let first = coordinate.iter().copied().fold(f64::INFINITY, f64::min);
        [first, coordinate.iter().copied().fold(first, f64::max)]
    };
    let [first, last] = geometry.range.unwrap_or_else(all);
    if coordinate.is_empty() || last == first && geometry.range.is_none() {
        // One pixel, or none: a ring of any width holds what there is.
        let first = if first.is_finite() { first } else { 0.0 };
        return Ok([first, first + 1.0]);
    }
    if !(first < last && last.is_finite()) {
        return unsuitable(metric, "geometry.range is [first, last] with first < last");
    }
    Ok([first, last])
}

/// Number of rings.
fn bin_count(
    geometry: &Geometry,
    rows: usize,
    columns: usize,
    metric: &'static str,
) -> Result<usize, Error> {
    let bins = match geometry.bins {
        Some(bins) => bins,
        None => {
            let radius = radii(geometry, rows, columns, metric)?;
            let first = radius.iter().copied().fold(f64::INFINITY, f64::min);
            let last = radius.iter().copied().fold(0.0, f64::max);
            ((last - first) as usize).clamp(1, 1 << 20)
        }
    };
    if bins == 0 || bins > 1 << 24 {
        return unsuitable(metric, "geometry.bins is at least 1 and at most 2²⁴");
    }
    Ok(bins)
}

/// Ring of a coordinate; the last coordinate belongs to the last ring.
fn bin_of(at: f64, first: f64, last: f64, width: f64, bins: usize) -> Bin {
    if !(first..=last).contains(&at) {
        return bins as Bin;
    }
    (((at - first) / width) as usize).min(bins - 1) as Bin
}

/// A setting that contradicts itself.
fn unsuitable<T>(metric: &'static str, reason: &str) -> Result<T, Error> {
    Err(Error::Unsuitable {
        metric,
        reason: reason.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(center: [f64; 2]) -> Geometry {
        Geometry {
            center: Some(center),
            ..Geometry::default()
        }
    }

    #[test]
    fn the_last_coordinate_belongs_to_the_last_ring() {
        let mut geometry = geometry([0.5, 0.5]);
        geometry.bins = Some(3);
        let bins = RadialBins::new(&geometry, 1, 4, "iq").unwrap();
        assert_eq!(bins.of_pixel, [0, 1, 2, 2]);
        assert_eq!(bins.centers, [0.5, 1.5, 2.5]);
    }

    #[test]
    fn pixels_outside_the_range_belong_to_no_ring() {
        let mut geometry = geometry([0.5, 0.5]);
        geometry.bins = Some(2);
        geometry.range = Some([1.0, 2.0]);
        let bins = RadialBins::new(&geometry, 1, 4, "iq").unwrap();
        assert_eq!(bins.of_pixel, [2, 0, 1, 2]);
    }

    #[test]
    fn q_follows_bragg() {
        let mut geometry = geometry([0.5, 0.5]);
        geometry.pixel_size_m = Some(1e-3);
        geometry.distance_m = Some(1e-3);
        geometry.wavelength_m = Some(1e-10);
        let bins = RadialBins::new(&geometry, 1, 2, "iq").unwrap();
        // One pixel aside at the same distance is 2θ = 45°.
        let q = 4.0 * std::f64::consts::PI / 0.1 * (std::f64::consts::PI / 8.0).sin();
        assert!((bins.coordinate[1] - q).abs() < 1e-12 * q);
        assert_eq!(bins.label, "q / nm⁻¹");
    }

    #[test]
    fn contradictory_settings_are_errors() {
        let missing = RadialBins::new(&Geometry::default(), 1, 4, "iq").unwrap_err();
        assert!(missing.to_string().contains("geometry.center"), "{missing}");
        for (bins, range) in [(Some(0), None), (None, Some([2.0, 1.0]))] {
            let mut geometry = geometry([0.5, 0.5]);
            geometry.bins = bins;
            geometry.range = range;
            assert!(RadialBins::new(&geometry, 1, 4, "iq").is_err());
        }
    }

    #[test]
    fn empty_and_single_pixel_frames_have_rings() {
        for (rows, columns) in [(0, 0), (1, 1)] {
            let bins = RadialBins::new(&geometry([0.5, 0.5]), rows, columns, "iq").unwrap();
            assert_eq!(bins.of_pixel, vec![0; rows * columns]);
        }
    }
}
