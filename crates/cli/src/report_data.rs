//! What the page's script draws: the results as one JSON value, without repetition.
//!
//! The original is the same for every codec, so curves and pictures are kept once, in pools, and named by their place.
//! Numbers have six digits here; the tables of the page have all of them.

use std::collections::{BTreeMap, HashMap};

use etalon_metrics::METRICS;
use serde::Serialize;

use crate::report_grid::{Grid, grid};
use crate::report_input::{Curve, Row};
use crate::report_pictures::{Scale, encoded, role, shared_scales};

/// How much is drawn of curves and pictures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detail {
    /// Most points of a curve.
    pub(crate) points: usize,
    /// Longest side of a picture in pixels.
    pub(crate) side: usize,
    /// Steps of a picture's scale.
    pub(crate) steps: f64,
}

/// All that is drawn.
#[derive(Debug, Serialize)]
pub(crate) struct Data<'a> {
    /// In the order in which colours are given.
    codecs: Vec<&'a str>,
    /// By name of a number.
    units: BTreeMap<&'a str, &'a str>,
    arrays: Vec<Vec<Option<f64>>>,
    pictures: Vec<Picture>,
    datasets: Vec<DatasetData<'a>>,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Serialize)]
struct Picture {
    rows: usize,
    columns: usize,
    png: String,
}

#[derive(Debug, Serialize)]
struct DatasetData<'a> {
    name: &'a str,
    rows: Vec<RowData<'a>>,
}

#[derive(Debug, Serialize)]
struct RowData<'a> {
    codec: usize,
    ratio: Option<f64>,
    encode_gbps: Option<f64>,
    decode_gbps: Option<f64>,
    numbers: BTreeMap<&'a str, f64>,
    curves: BTreeMap<&'a str, CurveData<'a>>,
    images: Vec<ImageData<'a>>,
    grid: Option<Grid>,
}

#[derive(Debug, Serialize)]
struct CurveData<'a> {
    x_label: &'a str,
    y_label: &'a str,
    /// Every how many points one is kept.
    every: usize,
    x: usize,
    y: BTreeMap<&'a str, usize>,
}

#[derive(Debug, Serialize)]
struct ImageData<'a> {
    name: &'a str,
    /// Of pictures that belong together.
    stem: String,
    /// 0 original, 1 decoded, 2 their difference.
    role: u8,
    label: &'a str,
    picture: usize,
    scale: Scale,
}

/// One dataset of the report: its name and its rows.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// The path, and the file where there are several.
    pub(crate) name: String,
    /// One for each codec.
    pub(crate) rows: Vec<&'a Row>,
}

/// Rows by dataset, in the order of the results.
pub(crate) fn sections(rows: &[Row]) -> Vec<Section<'_>> {
    let has_one_file = rows.iter().all(|row| row.file == rows[0].file);
    let mut places = HashMap::new();
    let mut sections: Vec<Section<'_>> = Vec::new();
    for row in rows {
        let place = *places.entry((&row.file, &row.dataset)).or_insert_with(|| {
            let name = match has_one_file || row.file.is_empty() {
                true => row.dataset.clone(),
                false => format!("{}::{}", row.file, row.dataset),
            };
            sections.push(Section {
                name,
                rows: Vec::new(),
            });
            sections.len() - 1
        });
        sections[place].rows.push(row);
    }
    sections
}

impl<'a> Data<'a> {
    /// What is drawn of the datasets.
    pub(crate) fn new(sections: &'a [Section<'a>], detail: Detail) -> Self {
        let mut pools = Pools::default();
        let mut codecs: Vec<&str> = Vec::new();
        let mut datasets = Vec::new();
        for section in sections {
            let scales = shared_scales(&section.rows);
            let rows = section.rows.iter().filter(|row| row.refused.is_none());
            let rows = rows.map(|row| RowData {
                codec: place(&mut codecs, &row.codec),
                ratio: row.ratio.map(shortened),
                encode_gbps: row.encode_gbps.map(shortened),
                decode_gbps: row.decode_gbps.map(shortened),
                numbers: row
                    .numbers()
                    .into_iter()
                    .map(|(name, value)| (name, shortened(value)))
                    .collect(),
                curves: row
                    .curves
                    .iter()
                    .map(|(name, curve)| (name.as_str(), pools.curve(curve, detail.points)))
                    .collect(),
                images: pools.images(row, &scales, detail),
                grid: grid(&row.chunks),
            });
            datasets.push(DatasetData {
                name: &section.name,
                rows: rows.collect(),
            });
        }
        Self {
            codecs,
            units: units(),
            arrays: pools.arrays,
            pictures: pools.pictures,
            datasets,
        }
    }
}

fn place<'a>(codecs: &mut Vec<&'a str>, codec: &'a str) -> usize {
    let known = codecs.iter().position(|known| *known == codec);
    known.unwrap_or_else(|| {
        codecs.push(codec);
        codecs.len() - 1
    })
}

/// Units of the numbers that this program knows; those of others are not known.
pub(crate) fn units() -> BTreeMap<&'static str, &'static str> {
    let values = METRICS.iter().flat_map(|metric| metric.values);
    values
        .filter(|(_, unit)| *unit != "1")
        .map(|&(name, unit)| (name, unit))
        .collect()
}

#[derive(Default)]
struct Pools {
    arrays: Vec<Vec<Option<f64>>>,
    array_places: HashMap<Vec<Option<u64>>, usize>,
    pictures: Vec<Picture>,
    picture_places: HashMap<Picture, usize>,
}

impl Pools {
    fn array(&mut self, values: impl Iterator<Item = Option<f64>>) -> usize {
        let values: Vec<Option<f64>> = values.map(|value| value.map(shortened)).collect();
        let key = values.iter().map(|value| value.map(f64::to_bits)).collect();
        *self.array_places.entry(key).or_insert_with(|| {
            self.arrays.push(values);
            self.arrays.len() - 1
        })
    }

    fn curve<'a>(&mut self, curve: &'a Curve, points: usize) -> CurveData<'a> {
        let first = first_drawn(curve);
        let every = (curve.x.len() - first).div_ceil(points).max(1);
        CurveData {
            x_label: &curve.x_label,
            y_label: &curve.y_label,
            every,
            x: self.array(curve.x.iter().copied().skip(first).step_by(every)),
            y: curve
                .y
                .iter()
                .map(|(name, y)| {
                    let drawn = y.iter().copied().skip(first).step_by(every);
                    (name.as_str(), self.array(drawn))
                })
                .collect(),
        }
    }

    fn images<'a>(
        &mut self,
        row: &'a Row,
        scales: &BTreeMap<String, Scale>,
        detail: Detail,
    ) -> Vec<ImageData<'a>> {
        let mut images: Vec<ImageData<'_>> = Vec::new();
        for (name, image) in &row.images {
            let (stem, role) = role(name, &image.label);
            let scale = match scales.get(&stem) {
                Some(scale) if role < 2 => *scale,
                _ => Scale::of_differences(image),
            };
            let (rows, columns, png) = encoded(image, &scale, role == 2, detail);
            let picture = Picture { rows, columns, png };
            let known = self.picture_places.get(&picture).copied();
            let picture = known.unwrap_or_else(|| {
                self.picture_places
                    .insert(picture.clone(), self.pictures.len());
                self.pictures.push(picture);
                self.pictures.len() - 1
            });
            images.push(ImageData {
                name,
                stem,
                role,
                label: &image.label,
                picture,
                scale: scale.rounded(),
            });
        }
        images.sort_by(|a, b| (&a.stem, a.role).cmp(&(&b.stem, b.role)));
        images
    }
}

/// The first point that is drawn. Lag 0 of a correlation holds the counting noise, or is 1, and would set the axis alone.
fn first_drawn(curve: &Curve) -> usize {
    let begins_at_lag_0 = curve.x_label.starts_with("lag ") && curve.x.first() == Some(&Some(0.0));
    usize::from(begins_at_lag_0 && curve.x.len() > 1)
}

/// A number with six digits.
pub(crate) fn shortened(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(codec: &str, y: &[f64]) -> Row {
        let curve = Curve {
            x: (0..y.len()).map(|x| Some(x as f64)).collect(),
            y: BTreeMap::from([
                ("original".to_owned(), vec![Some(1.0); y.len()]),
                ("decoded".to_owned(), y.iter().copied().map(Some).collect()),
            ]),
            ..Curve::default()
        };
        Row {
            dataset: "/a".into(),
            codec: codec.into(),
            curves: BTreeMap::from([("c".to_owned(), curve)]),
            ..Row::default()
        }
    }

    #[test]
    fn what_is_equal_is_kept_once() {
        let rows = [row("a", &[1.5; 4]), row("b", &[2.5; 4])];
        let sections = sections(&rows);
        let detail = Detail {
            points: 2,
            side: 16,
            steps: 254.0,
        };
        let data = Data::new(&sections, detail);
        assert_eq!((data.datasets.len(), data.codecs.len()), (1, 2));
        // One axis, one original, two that were decoded, all of every second point.
        assert_eq!(data.arrays.len(), 4);
        assert!(data.arrays.iter().all(|array| array.len() == 2));
    }

    #[test]
    fn correlations_are_drawn_from_lag_1() {
        let mut with_lags = row("a", &[9.0, 1.2, 1.1]);
        let curve = with_lags.curves.get_mut("c").unwrap();
        assert_eq!(first_drawn(curve), 0);
        curve.x_label = "lag / s".into();
        assert_eq!(first_drawn(curve), 1);
        let rows = [with_lags];
        let sections = sections(&rows);
        let detail = Detail {
            points: 100,
            side: 16,
            steps: 254.0,
        };
        let data = Data::new(&sections, detail);
        assert!(data.arrays.contains(&vec![Some(1.2), Some(1.1)]));
    }

    #[test]
    fn numbers_have_six_digits() {
        assert_eq!(shortened(1.234_567_89), 1.23457);
        assert_eq!(shortened(-4e-300), -4e-300);
        assert_eq!(shortened(65535.0), 65535.0);
    }
}
