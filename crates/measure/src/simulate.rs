//! Detector frames made up from physics and a seed, for the demo and for tests.
//!
//! Three kinds that differ in what a codec meets: a crystal in rotation (Poisson background, Bragg peaks, module gaps
//! and bad pixels at the mask value, hot pixels), speckle of a colloid (nearly empty frames that are correlated in
//! time), and tomography (thousands of counts per pixel, so most bits are noise). They follow the project's Python
//! simulators in physics, not in their random numbers.

use crate::random::{Random, split_mix};

/// A stack of equal frames.
pub struct Series {
    /// Name of the dataset.
    pub name: &'static str,
    /// What it stands for, in a few words.
    pub about: &'static str,
    /// Frames, rows, columns.
    pub shape: [usize; 3],
    /// The values.
    pub pixels: Pixels,
    /// The value of pixels that measure nothing.
    pub masked: Option<u32>,
}

/// Values in the type a detector delivers.
pub enum Pixels {
    /// 16-bit counts.
    U16(Vec<u16>),
    /// 32-bit counts.
    U32(Vec<u32>),
}

impl Pixels {
    /// Size of all values in bytes.
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::U16(values) => values.len() * 2,
            Self::U32(values) => values.len() * 4,
        }
    }
}

/// One series of each kind; `frames` is the number of diffraction frames, and the others are of like size in bytes.
pub fn all_series(seed: u64, frames: usize) -> Vec<Series> {
    vec![
        diffraction(seed, frames),
        speckle(seed + 1, frames * 16),
        tomography(seed + 2, frames * 8),
    ]
}

/// Value of masked pixels of the diffraction detector, as DECTRIS writes it.
const MASKED: u32 = u32::MAX;

/// Rows and columns of two modules above one another, with the gap of an EIGER2 1M between them.
const DETECTOR: [usize; 2] = [1062, 1028];
const GAP_ROWS: std::ops::Range<usize> = 512..550;

/// Rotation series of a crystal on a photon-counting detector, 32 bits.
pub fn diffraction(seed: u64, frames: usize) -> Series {
    let [rows, columns] = DETECTOR;
    let mut random = Random::new(seed);
    let background = solvent_rings(rows, columns);
    let is_masked: Vec<bool> = (0..rows * columns)
        .map(|at| GAP_ROWS.contains(&(at / columns)) || random.uniform() < 5e-5)
        .collect();
    let hot: Vec<(usize, f64)> = (0..24)
        .map(|_| {
            let at = random.bits() as usize % (rows * columns);
            (at, random.between(200.0, 60_000.0))
        })
        .collect();
    let crystal = Crystal::new(seed);
    let mut pixels = Vec::with_capacity(frames * rows * columns);
    for frame in 0..frames {
        let mut rates = background.clone();
        crystal.add_peaks(&mut rates, rows, columns, 0.4 + frame as f64 * 0.02);
        for &(at, rate) in &hot {
            rates[at] = rate;
        }
        pixels.extend(rates.iter().zip(&is_masked).map(|(&rate, &masked)| {
            let count = random.poisson(rate);
            if masked { MASKED } else { count }
        }));
    }
    Series {
        name: "diffraction",
        about: "rotation series, Bragg peaks on solvent rings, gaps masked",
        shape: [frames, rows, columns],
        pixels: Pixels::U32(pixels),
        masked: Some(MASKED),
    }
}

/// Expected photons per pixel from air and solvent, with the shadow of the beam stop.
fn solvent_rings(rows: usize, columns: usize) -> Vec<f64> {
    let half = columns as f64 / 2.0;
    (0..rows * columns)
        .map(|at| {
            let y = (at / columns) as f64 - rows as f64 / 2.0;
            let x = (at % columns) as f64 - half;
            let radius = x.hypot(y) / half;
            if radius < 0.03 {
                return 0.02;
            }
            let air = 2.5 * (-(radius / 0.24).powi(2)).exp();
            let solvent = 1.2 * (-((radius - 0.6) / 0.09).powi(2)).exp();
            air + solvent + 0.15
        })
        .collect()
}

/// A primitive cubic crystal; lengths in ångström, 1 Å radiation.
struct Crystal {
    seed: u64,
}

impl Crystal {
    const CELL: f64 = 58.0;
    const RESOLUTION: f64 = 2.2;

    fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Adds every reflection that is near the Ewald sphere at this rotation angle (in radians).
    fn add_peaks(&self, rates: &mut [f64], rows: usize, columns: usize, angle: f64) {
        let distance = columns as f64 / 2.0 / (2.0 * (0.5 / Self::RESOLUTION).asin()).tan();
        let limit = (Self::CELL / Self::RESOLUTION) as i32;
        let (sin, cos) = angle.sin_cos();
        for h in -limit..=limit {
            for k in -limit..=limit {
                for l in -limit..=limit {
                    let index = [h, k, l].map(f64::from);
                    let [a, b, c] = index.map(|component| component / Self::CELL);
                    let length = (a * a + b * b + c * c).sqrt();
                    if !(0.025..1.0 / Self::RESOLUTION).contains(&length) {
                        continue;
                    }
                    // A fixed tilt about x, so that no axis is along the beam, then the rotation about y.
                    let (y, z) = (b * 0.92 - c * 0.39, b * 0.39 + c * 0.92);
                    let (x, z) = (a * cos + z * sin, z * cos - a * sin);
                    let along = z + 1.0;
                    let excitation = (x * x + y * y + along * along).sqrt() - 1.0;
                    let part = (-0.5 * (excitation / (0.0008 + 0.001 * length)).powi(2)).exp();
                    if part < 0.03 || along <= 0.0 {
                        continue;
                    }
                    let center_x = x / along * distance + columns as f64 / 2.0;
                    let center_y = y / along * distance + rows as f64 / 2.0;
                    let photons = part * self.intensity(h, k, l, length);
                    add_spot(rates, rows, columns, center_x, center_y, photons);
                }
            }
        }
    }

    /// Wilson statistics with a temperature factor; symmetry mates are equal.
    fn intensity(&self, h: i32, k: i32, l: i32, length: f64) -> f64 {
        let [h, k, l] = [h, k, l].map(|component| u64::from(component.unsigned_abs()));
        let mut random = Random::new(split_mix(self.seed ^ (h + 1000 * k + 1_000_000 * l)));
        let wilson = -(1.0 - random.uniform()).ln();
        900.0 * wilson * (-9.0 * length * length).exp()
    }
}

/// Spreads `photons` over a Gaussian spot of 1.1 pixels.
fn add_spot(rates: &mut [f64], rows: usize, columns: usize, x: f64, y: f64, photons: f64) {
    const REACH: isize = 5;
    const WIDTH: f64 = 1.1;
    let (center_row, center_column) = (y.round() as isize, x.round() as isize);
    for row in center_row - REACH..=center_row + REACH {
        for column in center_column - REACH..=center_column + REACH {
            let inside =
                (0..rows as isize).contains(&row) && (0..columns as isize).contains(&column);
            if inside {
                let square = (row as f64 - y).powi(2) + (column as f64 - x).powi(2);
                let density = (-square / (2.0 * WIDTH * WIDTH)).exp()
                    / (2.0 * std::f64::consts::PI * WIDTH * WIDTH);
                rates[row as usize * columns + column as usize] += photons * density;
            }
        }
    }
}

/// Speckle movie for photon correlation spectroscopy, 16 bits: 0.05 photons per pixel, two coherent modes, each a
/// complex field that forgets its past the faster the larger the scattering vector.
pub fn speckle(seed: u64, frames: usize) -> Series {
    const SIDE: usize = 256;
    const MEAN: f64 = 0.05;
    const FIELDS: usize = 4;
    let mut random = Random::new(seed);
    let memory: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| (-3e-6 * scattering_vector(at, SIDE).powi(2)).exp())
        .collect();
    let form: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| 1.6 / (1.0 + (scattering_vector(at, SIDE) / 130.0).powi(2)))
        .collect();
    let mut fields: Vec<Vec<f64>> = (0..FIELDS)
        .map(|_| correlated_noise(&mut random, SIDE))
        .collect();
    let mut pixels = Vec::with_capacity(frames * SIDE * SIDE);
    for _ in 0..frames {
        for at in 0..SIDE * SIDE {
            let power: f64 = fields.iter().map(|field| field[at] * field[at]).sum();
            pixels.push(random.poisson(MEAN * form[at] * power / FIELDS as f64) as u16);
        }
        for field in &mut fields {
            let noise = correlated_noise(&mut random, SIDE);
            for (at, value) in field.iter_mut().enumerate() {
                let keep = memory[at];
                *value = keep * *value + (1.0 - keep * keep).sqrt() * noise[at];
            }
        }
    }
    Series {
        name: "speckle",
        about: "XPCS movie, 0.05 photons per pixel, correlated in time",
        shape: [frames, SIDE, SIDE],
        pixels: Pixels::U16(pixels),
        masked: None,
    }
}

/// Distance from the beam, which is outside the left edge.
fn scattering_vector(at: usize, side: usize) -> f64 {
    ((at % side) as f64 + 20.0).hypot((at / side) as f64 - side as f64 / 2.0)
}

/// White noise smoothed over about two pixels, of unit variance; edges wrap around.
fn correlated_noise(random: &mut Random, side: usize) -> Vec<f64> {
    // A binomial window (1 4 6 4 1)/16 along both axes; its squares sum to 70/256 along each.
    const WINDOW: [f64; 5] = [1.0, 4.0, 6.0, 4.0, 1.0];
    let white: Vec<f64> = (0..side * side).map(|_| random.normal()).collect();
    let smooth = |source: &[f64], stride: usize, across: usize| -> Vec<f64> {
        let mut smoothed = vec![0.0; source.len()];
        for (at, value) in smoothed.iter_mut().enumerate() {
            let position = at / stride % side;
            let base = at - position * stride;
            *value = (0..5)
                .map(|tap| {
                    WINDOW[tap] * source[base + (position + side + tap - across) % side * stride]
                })
                .sum::<f64>()
                / 70.0_f64.sqrt();
        }
        smoothed
    };
    smooth(&smooth(&white, 1, 2), side, 2)
}

/// One ellipsoid of the phantom: centre, half axes (field of view = −1…1) and attenuation.
struct Ellipsoid {
    center: [f64; 3],
    axes: [f64; 3],
    attenuation: f64,
}

impl Ellipsoid {
    /// Length of the ray at (u, v) through the ellipsoid at rotation angle (sin, cos), times attenuation. Exact: a
    /// parallel projection of an ellipsoid is an ellipse.
    fn line_integral(&self, u: f64, v: f64, sin: f64, cos: f64) -> f64 {
        let [a, b, c] = self.axes;
        let height = (v - self.center[2]) / c;
        let squeezed = 1.0 - height * height;
        if squeezed <= 0.0 {
            return 0.0;
        }
        let offset = u - self.center[0] * cos - self.center[1] * sin;
        let width_square = (a * cos).powi(2) + (b * sin).powi(2);
        let under_root = squeezed * width_square - offset * offset;
        if under_root <= 0.0 {
            return 0.0;
        }
        2.0 * self.attenuation * a * b * under_root.sqrt() / width_square
    }
}

/// Projections of a phantom over half a turn, 16 bits, up to 9000 photons per pixel, flat field and offset included.
pub fn tomography(seed: u64, frames: usize) -> Series {
    const ROWS: usize = 300;
    const COLUMNS: usize = 800;
    let mut random = Random::new(seed);
    let phantom = phantom(&mut random);
    let flat: Vec<f64> = (0..ROWS * COLUMNS)
        .map(|at| {
            let u = (at % COLUMNS) as f64 / COLUMNS as f64 - 0.5;
            9000.0 * (1.0 - 0.5 * u * u) * (1.0 + 0.02 * random.normal())
        })
        .collect();
    let dark: Vec<f64> = (0..ROWS * COLUMNS)
        .map(|_| 100.0 + 3.0 * random.normal())
        .collect();
    let mut pixels = Vec::with_capacity(frames * ROWS * COLUMNS);
    for frame in 0..frames {
        let angle = std::f64::consts::PI * frame as f64 / frames as f64;
        let (sin, cos) = angle.sin_cos();
        for at in 0..ROWS * COLUMNS {
            let u = ((at % COLUMNS) as f64 + 0.5) / COLUMNS as f64 * 2.0 - 1.0;
            let v = ((at / COLUMNS) as f64 + 0.5) / ROWS as f64 * 2.0 - 1.0;
            let depth: f64 = phantom
                .iter()
                .map(|part| part.line_integral(u, v, sin, cos))
                .sum();
            let photons = f64::from(random.poisson(flat[at] * (-depth).exp()));
            let counts = photons + dark[at] + 2.2 * random.normal();
            pixels.push(counts.round().clamp(0.0, 65_535.0) as u16);
        }
    }
    Series {
        name: "tomography",
        about: "projections of a phantom, thousands of photons per pixel",
        shape: [frames, ROWS, COLUMNS],
        pixels: Pixels::U16(pixels),
        masked: None,
    }
}

fn phantom(random: &mut Random) -> Vec<Ellipsoid> {
    let mut parts = vec![Ellipsoid {
        center: [0.0, 0.0, 0.0],
        axes: [0.72, 0.6, 1.6],
        attenuation: 0.6,
    }];
    for inclusion in 0..10 {
        let radius = random.between(0.05, 0.17);
        parts.push(Ellipsoid {
            center: [
                random.between(-0.4, 0.4),
                random.between(-0.35, 0.35),
                random.between(-0.8, 0.8),
            ],
            axes: [radius, radius * random.between(0.7, 1.3), radius * 1.5],
            attenuation: [-0.5, 0.4, 0.8, 1.6][inclusion % 4],
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_frames_again() {
        for make in [speckle, tomography] {
            let (Pixels::U16(a), Pixels::U16(b)) = (make(3, 2).pixels, make(3, 2).pixels) else {
                panic!("16 bits");
            };
            assert_eq!(a, b);
        }
    }

    #[test]
    fn diffraction_has_gaps_peaks_and_hot_pixels() {
        let series = diffraction(7, 1);
        let Pixels::U32(pixels) = series.pixels else {
            panic!("32 bits");
        };
        let gap = GAP_ROWS.start * DETECTOR[1]..GAP_ROWS.end * DETECTOR[1];
        assert!(pixels[gap].iter().all(|&value| value == MASKED));
        let counted: Vec<u32> = pixels
            .into_iter()
            .filter(|&value| value != MASKED)
            .collect();
        let mean = counted
            .iter()
            .map(|&value| f64::from(value.min(100)))
            .sum::<f64>()
            / counted.len() as f64;
        assert!((0.2..2.0).contains(&mean), "mean {mean}");
        let peaks = counted
            .iter()
            .filter(|&&value| (20..200).contains(&value))
            .count();
        assert!(peaks > 200, "{peaks} bright pixels");
        assert!(counted.iter().any(|&value| value > 1000));
    }

    #[test]
    fn speckle_is_sparse_and_of_the_rate_asked() {
        let Pixels::U16(pixels) = speckle(7, 8).pixels else {
            panic!("16 bits");
        };
        let mean = pixels.iter().map(|&value| f64::from(value)).sum::<f64>() / pixels.len() as f64;
        assert!((0.02..0.08).contains(&mean), "mean {mean}");
    }

    #[test]
    fn a_ray_through_a_ball_has_the_length_of_the_chord() {
        let ball = Ellipsoid {
            center: [0.1, 0.2, 0.0],
            axes: [0.5; 3],
            attenuation: 2.0,
        };
        let chord = ball.line_integral(0.1 + 0.3, 0.0, 0.0, 1.0);
        assert!((chord - 2.0 * 2.0 * 0.4).abs() < 1e-12, "{chord}");
    }
}
