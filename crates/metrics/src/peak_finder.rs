//! Search for Bragg peaks in a frame after the published description of peakfinder8 (A. Barty et al., J. Appl. Cryst. 47
//! (2014) 1118, "Cheetah").
//!
//! 1. A pixel belongs to the ring rint(r), r its distance from the beam in pixels, halves to even.
//! 2. Mean and population standard deviation of every ring, five times, each over the pixels from mean − snr·std to
//!    mean + snr·std of the time before, all at first.
//! 3. Hot pixels: I > max(mean + snr·std, threshold). Hot pixels that share an edge or a corner are a group.
//! 4. A group of `min_pixels` to `max_pixels` has its centre at the mean of its pixels weighted by I − mean of the ring.
//! 5. Background: pixels that are not hot and at most 2 · `background_radius` from the pixel nearest to the centre (of two
//!    as near, the one before). Intensity: Σ(I − mean of the background). SNR: intensity/std of the background; without a
//!    background, or where std < 10⁻¹⁰, there is no peak.
//! 6. A peak has SNR ≥ snr and a pixel above all of its background.
//!
//! Pixels that are not valid, not finite, or outside `min_radius` to `max_radius` take part in nothing. The original takes
//! panels of a detector apart, this the whole frame; a gap has to be masked. Reference: the numpy port beside the tests.

use multiversion::multiversion;

use crate::{Error, Geometry, PeakSettings, radii};

/// Times that rings are clipped.
const CYCLES: usize = 5;
/// Standard deviation of the background below which it is none.
const LEAST_DEVIATION: f64 = 1e-10;
/// Part of a pixel that does not decide which of two pixels is the nearer one.
const TIE: f64 = 1e-9;

/// A peak.
#[derive(Debug, Clone, PartialEq)]
pub struct Peak {
    /// Centre in the slow direction; 0 is the middle of the first row.
    pub row: f64,
    /// Centre in the fast direction; 0 is the middle of the first column.
    pub column: f64,
    /// Sum over its pixels above the background, in data units.
    pub intensity: f64,
    /// Intensity relative to the standard deviation of the background.
    pub snr: f64,
    /// Number of its pixels.
    pub pixels: usize,
}

/// Finds peaks in frames of one detector.
#[derive(Debug, Clone)]
pub struct PeakFinder {
    settings: PeakSettings,
    rows: usize,
    columns: usize,
    /// Pixels by ring; only those between the least and the greatest radius.
    pixels: Vec<u32>,
    /// Where the pixels of a ring begin, and the end of the last.
    starts: Vec<usize>,
    /// Ring of every pixel, 0 where it belongs to none.
    ring: Vec<u32>,
}

/// What a pixel is to the search.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Unusable,
    Background,
    Hot,
    /// Hot, and of a group that was visited.
    Grouped,
}

/// A frame during the search.
struct Search<'a> {
    finder: &'a PeakFinder,
    frame: &'a [f64],
    states: Vec<State>,
    /// Mean by ring.
    means: Vec<f64>,
}

/// Mean, standard deviation and greatest value around a peak.
struct Background {
    mean: f64,
    deviation: f64,
    greatest: f64,
}

impl PeakFinder {
    /// Prepares the rings of frames of rows · columns pixels; `metric` names who asks in errors.
    pub fn new(
        settings: &PeakSettings,
        geometry: &Geometry,
        rows: usize,
        columns: usize,
        metric: &'static str,
    ) -> Result<Self, Error> {
        settings.check(metric)?;
        let radius = radii(geometry, rows, columns, metric)?;
        if u32::try_from(radius.len()).is_err() {
            return Err(Error::Unsuitable {
                metric,
                reason: "frames have less than 2³² pixels".to_owned(),
            });
        }
        let range = settings.min_radius..=settings.max_radius.unwrap_or(f64::INFINITY);
        let inside: Vec<u32> = (0..radius.len() as u32)
            .filter(|pixel| range.contains(&radius[*pixel as usize]))
            .collect();
        // Rings count from the first that has pixels: the beam may be far outside the frame.
        let rounded = |pixel: &u32| radius[*pixel as usize].round_ties_even();
        let first = inside.iter().map(rounded).fold(f64::INFINITY, f64::min);
        let mut ring = vec![0; radius.len()];
        for pixel in &inside {
            ring[*pixel as usize] = (rounded(pixel) - first) as u32;
        }
        let (pixels, starts) = by_ring(&inside, &ring);
        Ok(Self {
            settings: *settings,
            rows,
            columns,
            pixels,
            starts,
            ring,
        })
    }

    /// Peaks of a frame, in the order of their first pixels. `valid`: which pixels count.
    ///
    /// # Panics
    /// Where the frame has another number of pixels.
    pub fn find(&self, frame: &[f64], valid: Option<&[bool]>) -> Vec<Peak> {
        assert_eq!(frame.len(), self.rows * self.columns);
        let mut search = Search {
            finder: self,
            frame,
            states: vec![State::Unusable; frame.len()],
            means: Vec::with_capacity(self.starts.len()),
        };
        let hot = search.hot_pixels(valid);
        let groups = hot.into_iter().filter_map(|pixel| search.group(pixel));
        let groups: Vec<Vec<usize>> = groups.collect();
        groups.iter().filter_map(|g| search.peak(g)).collect()
    }
}

/// Pixels sorted by ring, those of a ring in order, and where rings start.
fn by_ring(inside: &[u32], ring: &[u32]) -> (Vec<u32>, Vec<usize>) {
    let rings = inside
        .iter()
        .map(|pixel| ring[*pixel as usize] as usize + 1);
    let rings = rings.max().unwrap_or(0);
    let mut starts = vec![0; rings + 1];
    for pixel in inside {
        starts[ring[*pixel as usize] as usize + 1] += 1;
    }
    for at in 0..rings {
        starts[at + 1] += starts[at];
    }
    let mut next = starts.clone();
    let mut pixels = vec![0; inside.len()];
    for pixel in inside {
        let next = &mut next[ring[*pixel as usize] as usize];
        pixels[*next] = *pixel;
        *next += 1;
    }
    (pixels, starts)
}

impl Search<'_> {
    /// Hot pixels in order; sets states and means.
    fn hot_pixels(&mut self, valid: Option<&[bool]>) -> Vec<usize> {
        let settings = &self.finder.settings;
        let (mut hot, mut values, mut usable) = (Vec::new(), Vec::new(), Vec::new());
        for edge in self.finder.starts.windows(2) {
            values.clear();
            usable.clear();
            for &pixel in &self.finder.pixels[edge[0]..edge[1]] {
                let value = self.frame[pixel as usize];
                if valid.is_none_or(|valid| valid[pixel as usize]) && value.is_finite() {
                    values.push(value);
                    usable.push(pixel);
                }
            }
            let (mean, deviation) = clipped(&values, settings.snr);
            self.means.push(mean);
            let limit = (mean + settings.snr * deviation).max(settings.threshold);
            for (value, &pixel) in values.iter().zip(&usable) {
                self.states[pixel as usize] = State::Background;
                if *value > limit {
                    self.states[pixel as usize] = State::Hot;
                    hot.push(pixel as usize);
                }
            }
        }
        hot.sort_unstable();
        hot
    }

    /// The hot pixels that hang together with this one, unless it was visited, if their number is allowed.
    fn group(&mut self, first: usize) -> Option<Vec<usize>> {
        if self.states[first] != State::Hot {
            return None;
        }
        let (rows, columns) = (self.finder.rows, self.finder.columns);
        self.states[first] = State::Grouped;
        let mut group = vec![first];
        let mut visited = 0;
        while let Some(&pixel) = group.get(visited) {
            visited += 1;
            let (row, column) = (pixel / columns, pixel % columns);
            for near_row in row.saturating_sub(1)..(row + 2).min(rows) {
                for near_column in column.saturating_sub(1)..(column + 2).min(columns) {
                    let near = near_row * columns + near_column;
                    if self.states[near] == State::Hot {
                        self.states[near] = State::Grouped;
                        group.push(near);
                    }
                }
            }
        }
        let settings = &self.finder.settings;
        (settings.min_pixels..=settings.max_pixels)
            .contains(&group.len())
            .then_some(group)
    }

    /// The peak that a group is, if it is one.
    fn peak(&self, group: &[usize]) -> Option<Peak> {
        let columns = self.finder.columns;
        let (mut row, mut column, mut weight) = (0.0, 0.0, 0.0);
        for &pixel in group {
            let above = self.frame[pixel] - self.means[self.finder.ring[pixel] as usize];
            row += above * (pixel / columns) as f64;
            column += above * (pixel % columns) as f64;
            weight += above;
        }
        let (row, column) = (row / weight, column / weight);
        let background = self.background(nearest(row), nearest(column))?;
        let values = group.iter().map(|pixel| self.frame[*pixel]);
        let greatest = values.clone().fold(f64::NEG_INFINITY, f64::max);
        let intensity: f64 = values.map(|value| value - background.mean).sum();
        let snr = intensity / background.deviation;
        (snr >= self.finder.settings.snr && greatest > background.greatest).then_some(Peak {
            row,
            column,
            intensity,
            snr,
            pixels: group.len(),
        })
    }

    /// The background about a pixel, if it varies.
    fn background(&self, row: usize, column: usize) -> Option<Background> {
        let finder = self.finder;
        let radius = 2.0 * finder.settings.background_radius;
        let reach = radius as usize;
        let mut values = Vec::new();
        for near_row in row.saturating_sub(reach)..(row + reach + 1).min(finder.rows) {
            for near in column.saturating_sub(reach)..(column + reach + 1).min(finder.columns) {
                let pixel = near_row * finder.columns + near;
                let distance = (near_row.abs_diff(row) as f64).hypot(near.abs_diff(column) as f64);
                if self.states[pixel] == State::Background && distance <= radius {
                    values.push(self.frame[pixel]);
                }
            }
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / values.len() as f64).sqrt();
        // NaN where there are no values.
        (deviation >= LEAST_DEVIATION).then(|| Background {
            mean,
            deviation,
            greatest: values.into_iter().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// The pixel nearest to a coordinate that is not negative; of two, the first.
fn nearest(coordinate: f64) -> usize {
    (coordinate - 0.5 - TIE).ceil().max(0.0) as usize
}

/// Mean and standard deviation after clipping; zeros of nothing.
fn clipped(values: &[f64], snr: f64) -> (f64, f64) {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut mean, mut deviation) = (0.0, 0.0);
    // About a value of the ring: no value of a constant ring is above its mean by rounding.
    let origin = values.first().copied().unwrap_or(0.0);
    for _ in 0..CYCLES {
        let [count, sum, squares] = sums_between(values, origin, low, high);
        let about = sum / count.max(1.0);
        mean = origin + about;
        deviation = (squares / count.max(1.0) - about * about).max(0.0).sqrt();
        let limits = (mean - snr * deviation, mean + snr * deviation);
        if limits == (low, high) {
            break;
        }
        (low, high) = limits;
    }
    (mean, deviation)
}

/// Number of the values between two limits, their sum and that of their squares, about an origin.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn sums_between(values: &[f64], origin: f64, low: f64, high: f64) -> [f64; 3] {
    const LANES: usize = 8;
    // A sum waits for the one before it: every lane has sums of its own.
    let mut lanes = [[0.0; LANES]; 3];
    let mut add = |lane: usize, value: f64| {
        let inside = (value >= low) & (value <= high);
        let about = if inside { value - origin } else { 0.0 };
        lanes[0][lane] += if inside { 1.0 } else { 0.0 };
        lanes[1][lane] += about;
        lanes[2][lane] += about * about;
    };
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in chunk.iter().enumerate() {
            add(lane, *value);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        add(lane, *value);
    }
    lanes.map(|lane| lane.iter().sum())
}
