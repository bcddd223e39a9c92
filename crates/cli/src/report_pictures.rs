//! Pictures of a report: values as 8 bits of a scale, in a grey PNG that the page colours.
//!
//! Pictures whose names differ only by `original`, `decoded` and `error` belong together: original and decoded share a
//! scale, over all codecs of a dataset, so that what differs is the data. The scale is from the 0.2nd to the 99.8th
//! percentile, linear, or a square root where the values are counts of a few bright pixels on a dark ground. A picture of
//! differences has a scale of its own, symmetric about zero.
//!
//! Byte 0 is a pixel without a value; 1 to 255 are the scale from `low` to `high`. Where a page gets too large, fewer of
//! these are used: noise takes less space then, and a picture with fewer steps shows more than one with fewer pixels.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::picture::{Colours, base64, png};
use crate::report_data::{Detail, shortened};
use crate::report_input::{Image, Row};

/// Steps from one end of a scale to the other.
const STEPS: f64 = 254.0;

/// A picture of at most so many values is a map of codes, of which none may be cut off.
const MOST_CODES: usize = 16;

/// What the bytes of a picture mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    /// Whether values beyond the ends are shown as the ends.
    clipped: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Linear,
    Sqrt,
    Diverging,
}

/// Which pictures belong together, and what this one is among them: `("g2 map", 2)` is its error.
pub(crate) fn role(name: &str, label: &str) -> (String, u8) {
    const ROLES: [(&str, u8); 6] = [
        ("original", 0),
        ("decoded", 1),
        ("error", 2),
        ("change", 2),
        ("difference", 2),
        ("residual", 2),
    ];
    for (word, role) in ROLES {
        if let Some(stem) = name.strip_suffix(word) {
            return (stem.trim_end_matches(['_', ' ', '-']).to_owned(), role);
        }
    }
    (name.to_owned(), if label.contains('−') { 2 } else { 0 })
}

/// The scales of a dataset's pictures that are no differences, by what belongs together.
pub(crate) fn shared_scales(rows: &[&Row]) -> BTreeMap<String, Scale> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, image) in rows.iter().flat_map(|row| &row.images) {
        let (stem, role) = role(name, &image.label);
        if role < 2 {
            values.entry(stem).or_default().extend(finite(image));
        }
    }
    values
        .into_iter()
        .map(|(stem, values)| (stem, Scale::of_values(values)))
        .collect()
}

fn finite(image: &Image) -> impl Iterator<Item = f64> {
    let values = image.values.iter().flatten().map(|&value| f64::from(value));
    values.filter(|value| value.is_finite())
}

impl Scale {
    fn of_values(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let Some((&least, &most)) = values.first().zip(values.last()) else {
            return Self::new(Kind::Linear, 0.0, 1.0);
        };
        if values.chunk_by(|a, b| a == b).take(MOST_CODES + 1).count() <= MOST_CODES {
            return Self::new(Kind::Linear, least, most);
        }
        let at = |part: f64| values[(part * (values.len() - 1) as f64) as usize];
        let (mut low, mut high) = (at(0.002), at(0.998));
        // Nearly all values are equal: the few others are what there is to see.
        if high <= low {
            (low, high) = (least, most);
        }
        let skewed = least >= 0.0 && high > 8.0 * at(0.5);
        let kind = if skewed { Kind::Sqrt } else { Kind::Linear };
        if skewed {
            low = least;
        }
        Self {
            clipped: [least < low, most > high],
            ..Self::new(kind, low, high)
        }
    }

    /// A scale of differences, symmetric about zero.
    pub(crate) fn of_differences(image: &Image) -> Self {
        let mut sizes: Vec<f64> = finite(image).map(f64::abs).collect();
        sizes.sort_by(f64::total_cmp);
        let most = sizes.last().copied().unwrap_or(0.0);
        let at = sizes.get((0.998 * sizes.len() as f64) as usize);
        let end = match at.copied().unwrap_or(0.0) {
            0.0 => most,
            end => end,
        };
        Self {
            clipped: [most > end; 2],
            ..Self::new(Kind::Diverging, -end, end)
        }
    }

    fn new(kind: Kind, low: f64, high: f64) -> Self {
        Self {
            kind,
            low,
            high,
            clipped: [false; 2],
        }
    }

    /// The byte of a value, of `steps` that are used. An even number: a scale about zero has a step for zero.
    fn byte(&self, value: f64, steps: f64) -> u8 {
        if value.is_nan() {
            return 0;
        }
        let share = match self.high > self.low {
            true => ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0),
            // One value only is zero of a difference, or the low end.
            false if self.kind == Kind::Diverging => 0.5,
            false => 0.0,
        };
        let share = match self.kind {
            Kind::Sqrt => share.sqrt(),
            _ => share,
        };
        ((share * steps).round() / steps * STEPS).round() as u8 + 1
    }

    /// The scale with numbers as short as a person reads them.
    pub(crate) fn rounded(self) -> Self {
        Self {
            low: shortened(self.low),
            high: shortened(self.high),
            ..self
        }
    }
}

/// A picture as a grey PNG in base64, with its extents.
pub(crate) fn encoded(
    image: &Image,
    scale: &Scale,
    is_error: bool,
    detail: Detail,
) -> (usize, usize, String) {
    let factor = image.rows.max(image.columns).div_ceil(detail.side).max(1);
    let (rows, columns) = (image.rows.div_ceil(factor), image.columns.div_ceil(factor));
    let mut bytes = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let block = block(image, row * factor, column * factor, factor);
            bytes.push(scale.byte(folded(block, is_error), detail.steps));
        }
    }
    let file = png(columns, rows, &bytes, Colours::Grey);
    (rows, columns, base64(&file))
}

fn block(image: &Image, top: usize, left: usize, side: usize) -> impl Iterator<Item = f64> {
    let rows = top..(top + side).min(image.rows);
    let columns = left..(left + side).min(image.columns);
    rows.flat_map(move |row| {
        let columns = columns.clone();
        columns.filter_map(move |column| image.values[row * image.columns + column])
    })
    .map(f64::from)
}

/// The value of the largest magnitude of differences, so that no bad pixel vanishes; the mean of others.
fn folded(block: impl Iterator<Item = f64>, is_error: bool) -> f64 {
    let (mut sum, mut count, mut worst) = (0.0, 0.0, 0.0_f64);
    for value in block.filter(|value| !value.is_nan()) {
        sum += value;
        count += 1.0;
        if value.abs() > worst.abs() {
            worst = value;
        }
    }
    match is_error && count > 0.0 {
        true => worst,
        // 0/0 where nothing is valid, which is no value again.
        false => sum / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(values: &[f32]) -> Image {
        Image {
            rows: 1,
            columns: values.len(),
            label: String::new(),
            values: values.iter().map(|&value| Some(value)).collect(),
        }
    }

    #[test]
    fn names_say_what_belongs_together() {
        assert_eq!(role("original", ""), (String::new(), 0));
        assert_eq!(role("decoded", ""), (String::new(), 1));
        assert_eq!(role("two_time_change", ""), ("two_time".to_owned(), 2));
        assert_eq!(role("map", "decoded − original"), ("map".to_owned(), 2));
    }

    #[test]
    fn zero_is_the_middle_of_differences() {
        let scale = Scale::of_differences(&image(&[-3.0, 0.0, 1.0]));
        assert_eq!((scale.low, scale.high), (-3.0, 3.0));
        let bytes = [-3.0, 0.0, 3.0, 9.0, f64::NAN].map(|value| scale.byte(value, 30.0));
        assert_eq!(bytes, [1, 128, 255, 255, 0]);
        assert_eq!(Scale::of_differences(&image(&[0.0])).byte(0.0, 254.0), 128);
    }

    #[test]
    fn counts_have_a_scale_of_square_roots_and_densities_a_linear_one() {
        let counts: Vec<f64> = (0..1000)
            .map(|n| f64::from(n % 20) + if n < 900 { 1.0 } else { 400.0 })
            .collect();
        assert_eq!(Scale::of_values(counts).kind, Kind::Sqrt);
        let codes: Vec<f64> = (0..5000).map(|n| f64::from(n % 2 + n / 4999)).collect();
        let scale = Scale::of_values(codes);
        assert_eq!(
            (scale.kind, scale.low, scale.high),
            (Kind::Linear, 0.0, 2.0)
        );
        let densities = (0..1000).map(|n| 100.0 + f64::from(n)).collect();
        let scale = Scale::of_values(densities);
        assert_eq!(
            (scale.kind, scale.low, scale.high),
            (Kind::Linear, 101.0, 1097.0)
        );
        assert_eq!(scale.clipped, [true, true]);
    }
}
