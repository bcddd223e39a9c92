//! Where a straight, slanted edge lies in an image, and its profile across: the edge-spread function.
//!
//! After ISO 12233. The edge is nearer to the columns or to the rows, whichever has the larger step across; in the
//! latter case the image is transposed. In every row the edge is the centroid of the derivative, at first over the
//! whole row, then over a Hamming window about the line that was fitted; a line through these is the edge. Pixels are sorted
//! by their distance from it into bins of a quarter of a pixel, floor(4 d), and averaged.

use crate::Error;

/// Bins per pixel.
pub(crate) const OVERSAMPLING: f64 = 4.0;
/// Fits of the line, with windows that shrink to the half-width of the profile.
const ROUNDS: usize = 6;

/// A profile across an edge.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeProfile {
    /// Angle between the edge and the columns (rows where transposed), in degrees.
    pub angle_degrees: f64,
    /// Centres of the bins, in px from the fitted line.
    pub distances: Vec<f64>,
    /// Mean of the pixels of each bin; NaN where there are none.
    pub values: Vec<f64>,
}

/// The profile of the edge in an image of `columns` pixels in the fast direction, NaN where not valid, over
/// `half_width` px on either side, or as far as the image allows.
pub fn edge_profile(image: &[f64], columns: usize, half_width: f64) -> Result<EdgeProfile, Error> {
    let rows = image.len() / columns.max(1);
    if rows < 4 || columns < 4 {
        return Err(unsuitable(
            "an edge needs a region of 4 × 4 pixels at least",
        ));
    }
    let image = Upright::new(image, rows, columns);
    let (offset, slope) = image.line(half_width)?;
    let angle = slope.atan();
    let reach = image.reach(offset, slope).min(half_width);
    let half = (reach * OVERSAMPLING).floor();
    if half < 8.0 {
        return Err(unsuitable(
            "the edge lies less than 2 px from the border of the region",
        ));
    }
    let mut sums = vec![(0.0, 0u32); 2 * half as usize];
    for (y, row) in image.values.chunks_exact(image.columns).enumerate() {
        for (x, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let distance = (x as f64 - offset - slope * y as f64) * angle.cos();
            let bin = (distance * OVERSAMPLING).floor() + half;
            if bin >= 0.0 && bin < 2.0 * half {
                sums[bin as usize].0 += value;
                sums[bin as usize].1 += 1;
            }
        }
    }
    let centre = |bin: usize| (bin as f64 + 0.5 - half) / OVERSAMPLING;
    Ok(EdgeProfile {
        angle_degrees: angle.to_degrees(),
        distances: (0..sums.len()).map(centre).collect(),
        values: sums
            .iter()
            .map(|(sum, count)| sum / f64::from(*count))
            .collect(),
    })
}

pub(crate) fn unsuitable(reason: &str) -> Error {
    Error::Unsuitable {
        metric: "edge",
        reason: format!("{reason}; edge.roi = [x0, y0, x1, y1] selects one edge"),
    }
}

/// The image with its edge nearer to the columns.
struct Upright {
    values: Vec<f64>,
    columns: usize,
}

impl Upright {
    fn new(image: &[f64], rows: usize, columns: usize) -> Self {
        let mean = |of: &dyn Fn(usize, usize) -> bool| {
            let kept = |at: &usize| of(at / columns, at % columns) && !image[*at].is_nan();
            crate::ssim::mean((0..image.len()).filter(kept).map(|at| image[at]))
        };
        let across = mean(&|_, x| x < columns / 2) - mean(&|_, x| x >= columns / 2);
        let along = mean(&|y, _| y < rows / 2) - mean(&|y, _| y >= rows / 2);
        if across.abs() >= along.abs() {
            return Self {
                values: image.to_vec(),
                columns,
            };
        }
        let turned = |at: usize| image[at % rows * columns + at / rows];
        Self {
            values: (0..image.len()).map(turned).collect(),
            columns: rows,
        }
    }

    /// Offset and slope of the edge x = offset + slope · y.
    fn line(&self, half_width: f64) -> Result<(f64, f64), Error> {
        let mut line = None;
        let mut half = self.columns as f64;
        for _ in 0..ROUNDS {
            line = Some(
                self.refined(line, half)
                    .ok_or_else(|| unsuitable("no edge was found"))?,
            );
            half = (half / 2.0).max(half_width.min(self.columns as f64 / 4.0));
        }
        line.ok_or_else(|| unsuitable("no edge was found"))
    }

    /// A line through the centroids of the derivative, within `half` px of the line before.
    fn refined(&self, line: Option<(f64, f64)>, half: f64) -> Option<(f64, f64)> {
        let mut points = Vec::new();
        for (y, row) in self.values.chunks_exact(self.columns).enumerate() {
            let middle = line.map_or(self.columns as f64 / 2.0, |(offset, slope)| {
                offset + slope * y as f64
            });
            let (mut weighted, mut total) = (0.0, 0.0);
            for (x, pair) in row.windows(2).enumerate() {
                let (x, step) = (x as f64 + 0.5, pair[1] - pair[0]);
                let away = (x - middle) / half;
                if step.is_nan() || away.abs() > 1.0 {
                    continue;
                }
                let window = match line {
                    Some(_) => 0.54 + 0.46 * (std::f64::consts::PI * away).cos(),
                    None => 1.0,
                };
                weighted += window * step * x;
                total += window * step;
            }
            let centroid = weighted / total;
            if centroid > 0.0 && centroid < self.columns as f64 {
                points.push((y as f64, centroid, total.abs()));
            }
        }
        regression(&points)
    }

    /// Distance from the edge within which every row has pixels.
    fn reach(&self, offset: f64, slope: f64) -> f64 {
        let rows = self.values.len() / self.columns;
        let ends = [offset, offset + slope * (rows - 1) as f64];
        let left = ends[0].min(ends[1]);
        let right = self.columns as f64 - 1.0 - ends[0].max(ends[1]);
        left.min(right) * slope.atan().cos()
    }
}

/// Offset and slope of a line through points (y, x, weight), of those whose weight is at least half of the median.
fn regression(points: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let mut weights: Vec<f64> = points.iter().map(|point| point.2).collect();
    weights.sort_by(f64::total_cmp);
    let least = 0.5 * weights.get(weights.len() / 2)?;
    let kept: Vec<_> = points.iter().filter(|point| point.2 >= least).collect();
    let count = kept.len() as f64;
    let (y, x) = kept.iter().fold((0.0, 0.0), |(y, x), point| {
        (y + point.0 / count, x + point.1 / count)
    });
    let spread: f64 = kept.iter().map(|point| (point.0 - y).powi(2)).sum();
    let product: f64 = kept.iter().map(|point| (point.0 - y) * (point.1 - x)).sum();
    let slope = product / spread;
    slope.is_finite().then_some((x - slope * y, slope))
}
