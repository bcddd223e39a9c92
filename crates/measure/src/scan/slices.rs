//! Settings that name frames or rows of a dataset, for a sample of it.

use etalon_metrics::{Settings, Shape};

use super::sample::Sample;

/// Slices that are reconstructed, where there are more.
const MOST_SLICES: usize = 6;

/// The settings for a sample whose bands lie along `axis` of a dataset of `dimensions` with `frames` frames.
pub(crate) fn settings_of(
    settings: &Settings,
    sample: &Sample,
    axis: usize,
    dimensions: usize,
    frames: usize,
) -> Settings {
    let mut settings = settings.clone();
    if sample.shape.frames < frames {
        // There is no picture of places that were not looked at.
        settings.stem.scan = None;
    }
    let scan = &mut settings.tomography;
    let Shape {
        rows,
        columns,
        frames: sampled,
    } = sample.shape;
    if scan.sinograms {
        let is_along = axis == 0;
        scan.rows = asked(&scan.rows, is_along, &sample.places, sampled);
        return settings;
    }
    let is_along = dimensions >= 3 && axis == dimensions - 2;
    if is_along {
        for pixels in [&mut scan.flat, &mut scan.dark] {
            if pixels.len() > 1 {
                *pixels = rows_of(pixels, columns, &sample.places);
            }
        }
    } else if dimensions == 3 && sampled < frames {
        take_frames(scan, &sample.places, frames);
    }
    scan.rows = asked(&scan.rows, is_along, &sample.places, rows);
    settings
}

/// Where the slices that were asked for are in a sample that has only those of `places` where its bands lie along slices;
/// a few others where it has none of them.
fn asked(slices: &[usize], is_along: bool, places: &[u64], count: usize) -> Vec<usize> {
    let place = |slice: &usize| match is_along {
        true => places.iter().position(|place| *place == *slice as u64),
        false => Some(*slice),
    };
    let found: Vec<usize> = slices.iter().filter_map(place).collect();
    match found.is_empty() {
        true => spread(count),
        false => found,
    }
}

/// Angles and kinds of the frames that were taken.
fn take_frames(scan: &mut etalon_metrics::Tomography, taken: &[u64], frames: usize) {
    let all = scan.projections.unwrap_or([0, frames]);
    let count = (all[1].min(frames) - all[0].min(frames)).max(1);
    let angle = |frame: usize| {
        let at = frame - all[0];
        let [first, end] = scan.angle_range_deg.unwrap_or([0.0, 180.0]);
        let even = first + at as f64 * (end - first) / count as f64;
        scan.angles_deg.get(at).copied().unwrap_or(even)
    };
    let taken = || taken.iter().map(|frame| *frame as usize);
    let angles: Vec<f64> = taken()
        .filter(|frame| (all[0]..all[1]).contains(frame))
        .map(angle)
        .collect();
    let part = |range: [usize; 2]| {
        let before = taken().filter(|frame| *frame < range[0]).count();
        let within = taken().filter(|frame| (range[0]..range[1]).contains(frame));
        [before, before + within.count()]
    };
    if scan.angle_range_deg.is_some() || !scan.angles_deg.is_empty() {
        scan.angles_deg = angles;
    }
    for range in [&mut scan.projections, &mut scan.flats, &mut scan.darks] {
        *range = range.map(part);
    }
}

/// A few of so many slices.
fn spread(count: usize) -> Vec<usize> {
    let taken = count.min(MOST_SLICES);
    (0..taken)
        .map(|at| (2 * at + 1) * count / (2 * taken))
        .collect()
}

/// Some rows of an image.
fn rows_of(pixels: &[f64], columns: usize, rows: &[u64]) -> Vec<f64> {
    let row = |row: &u64| &pixels[*row as usize * columns..(*row as usize + 1) * columns];
    rows.iter().flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_metrics::Tomography;

    #[test]
    fn angles_and_flats_of_the_frames_taken_are_kept() {
        let mut scan = Tomography {
            angle_range_deg: Some([0.0, 180.0]),
            flats: Some([0, 4]),
            projections: Some([4, 12]),
            ..Tomography::default()
        };
        take_frames(&mut scan, &[0, 2, 4, 6, 8, 10], 12);
        assert_eq!(scan.angles_deg, [0.0, 45.0, 90.0, 135.0]);
        assert_eq!(scan.flats, Some([0, 2]));
        assert_eq!(scan.projections, Some([2, 6]));
    }

    #[test]
    fn slices_that_are_asked_for_are_found_in_a_sample() {
        assert_eq!(asked(&[7, 2, 5], true, &[1, 2, 7], 3), [2, 1]);
        assert_eq!(asked(&[7, 2], false, &[1, 2], 9), [7, 2]);
        assert_eq!(asked(&[5], true, &[1, 2, 7], 1), [0]);
    }

    #[test]
    fn slices_are_spread() {
        assert_eq!(spread(1), [0]);
        assert_eq!(spread(12), [1, 3, 5, 7, 9, 11]);
        assert_eq!(
            rows_of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, &[0, 2]),
            [1.0, 2.0, 5.0, 6.0]
        );
    }
}
