//! T2: what a threshold makes of original and decoded: overlap, volume and number of components.
//!
//! Foreground is x > t, with t of the original: Otsu's, or the one given. With S the foreground voxels,
//! Dice = 2|S_A ∩ S_B|/(|S_A| + |S_B|), Jaccard = |S_A ∩ S_B|/|S_A ∪ S_B|. The decoded is segmented twice: with the
//! original's threshold, and with Otsu's of its own (names end in `_own_threshold`). Two empty sets have no Dice.
//! Components as in `components`: frames are slices of one volume, or pictures of their own. Reference: numpy and
//! scikit-image's `label`.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::components::Components;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started};
use crate::otsu::Histograms;
use crate::outcome::{Curve, Image};
use crate::{Error, Frames, Outcome, Settings};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "T2",
    name: "segmentation",
    about: "Dice, Jaccard, volume and components of what lies above Otsu's or a given threshold",
    values: &[
        ("dice", "1"),
        ("jaccard", "1"),
        ("volume_fraction", "1"),
        ("volume_change_percent", "%"),
        ("components", "1"),
        ("components_decoded", "1"),
        ("dice_own_threshold", "1"),
        ("jaccard_own_threshold", "1"),
        ("volume_change_percent_own_threshold", "%"),
        ("components_decoded_own_threshold", "1"),
    ],
    curves: &["dice_by_frame"],
    needs: &[],
    pass: &Pass {
        name: "segmentation",
        mergeable: false,
        per_chunk: false,
        sample: Part::Run,
        needs_range: false,
        splits: false,
        start,
    },
};

/// How foreground is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Segmentation {
    /// The original's threshold, in data units; Otsu's where not given.
    pub threshold: Option<f64>,
    /// Whether frames are slices of one volume; pictures of their own otherwise.
    pub volume: bool,
}

impl Default for Segmentation {
    fn default() -> Self {
        Self {
            threshold: None,
            volume: true,
        }
    }
}

/// Sizes of two sets of voxels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// |S_A|.
    pub original: u64,
    /// |S_B|.
    pub decoded: u64,
    /// |S_A ∩ S_B|.
    pub both: u64,
}

impl Overlap {
    /// Adds voxels.
    pub fn add(&mut self, original: &[bool], decoded: &[bool]) {
        for (a, b) in original.iter().zip(decoded) {
            self.original += u64::from(*a);
            self.decoded += u64::from(*b);
            self.both += u64::from(*a && *b);
        }
    }

    /// 2|S_A ∩ S_B|/(|S_A| + |S_B|).
    pub fn dice(&self) -> f64 {
        2.0 * self.both as f64 / (self.original + self.decoded) as f64
    }

    /// |S_A ∩ S_B|/|S_A ∪ S_B|.
    pub fn jaccard(&self) -> f64 {
        self.both as f64 / (self.original + self.decoded - self.both) as f64
    }

    /// 100 (|S_B| − |S_A|)/|S_A|.
    pub fn volume_change_percent(&self) -> f64 {
        100.0 * (self.decoded as f64 - self.original as f64) / self.original as f64
    }
}

/// The decoded data under one threshold.
#[derive(Debug)]
struct Segmented {
    overlap: Overlap,
    components: Components,
}

#[derive(Debug)]
struct Segmenting {
    settings: Segmentation,
    middle_frame: usize,
    histograms: Histograms,
    /// Thresholds of original and decoded, once found.
    thresholds: Option<[f64; 2]>,
    voxels: u64,
    original: Components,
    fixed: Segmented,
    own: Segmented,
    dice: Vec<f64>,
    overlay: Option<Image>,
}

fn start(settings: &Settings, shape: Shape) -> Started {
    let components = Components::new(shape.rows, shape.columns);
    let segmented = || Segmented {
        overlap: Overlap::default(),
        components: components.clone(),
    };
    Ok(Box::new(Segmenting {
        settings: settings.segmentation,
        middle_frame: shape.frames / 2,
        histograms: Histograms::new(),
        thresholds: None,
        voxels: 0,
        original: components.clone(),
        fixed: segmented(),
        own: segmented(),
        dice: Vec::new(),
        overlay: None,
    }))
}

impl Segmented {
    fn add(&mut self, original: &[bool], decoded: &[bool]) -> Overlap {
        let mut frame = Overlap::default();
        frame.add(original, decoded);
        self.overlap.original += frame.original;
        self.overlap.decoded += frame.decoded;
        self.overlap.both += frame.both;
        self.components.add(decoded);
        frame
    }
}

impl Segmenting {
    fn segment(&mut self, frames: &Frames<'_>, [original, decoded]: [f64; 2]) {
        for frame in frames.iter() {
            let above = |values: &[f64], threshold: f64| -> Vec<bool> {
                let above = values.iter().map(|value| *value > threshold);
                match frame.valid {
                    Some(valid) => above.zip(valid).map(|(a, valid)| a && *valid).collect(),
                    None => above.collect(),
                }
            };
            let in_original = above(&frame.original, original);
            let in_fixed = above(&frame.decoded, original);
            let in_own = above(&frame.decoded, decoded);
            if !self.settings.volume {
                self.original.separate();
                self.fixed.components.separate();
                self.own.components.separate();
            }
            self.original.add(&in_original);
            self.dice
                .push(self.fixed.add(&in_original, &in_fixed).dice());
            self.own.add(&in_original, &in_own);
            self.voxels += match frame.valid {
                Some(valid) => valid.iter().filter(|valid| **valid).count() as u64,
                None => in_original.len() as u64,
            };
            if frame.index == self.middle_frame {
                self.overlay = Some(overlay(&in_original, &in_fixed, frames.columns));
            }
        }
    }
}

/// Where two segmentations differ: 0 neither, 1 both, 2 the first alone, 3 the second alone; of several pixels the largest.
fn overlay(original: &[bool], decoded: &[bool], columns: usize) -> Image {
    const SIDE: usize = 256;
    let rows = original.len() / columns.max(1);
    let step = rows.max(columns).div_ceil(SIDE).max(1);
    let mut image = Image {
        rows: rows.div_ceil(step),
        columns: columns.div_ceil(step),
        label: "0 neither, 1 both, 2 original alone, 3 decoded alone".to_owned(),
        values: Vec::new(),
    };
    image.values = vec![0.0; image.rows * image.columns];
    for (at, pair) in original.iter().zip(decoded).enumerate() {
        let code: f32 = match pair {
            (false, false) => 0.0,
            (true, true) => 1.0,
            (true, false) => 2.0,
            (false, true) => 3.0,
        };
        let pixel = at / columns / step * image.columns + at % columns / step;
        image.values[pixel] = image.values[pixel].max(code);
    }
    image
}

impl Accumulator for Segmenting {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        match self.thresholds {
            None => self.histograms.add_frames(frames),
            Some(thresholds) => self.segment(frames, thresholds),
        }
        Ok(())
    }

    fn merge(&mut self, _other: Box<dyn Accumulator>) -> Result<(), Error> {
        unreachable!("the pass is not mergeable")
    }

    fn again(&mut self) -> Result<bool, Error> {
        if self.thresholds.is_some() {
            return Ok(false);
        }
        if !self.histograms.need_again() {
            let original = self.histograms.original.threshold();
            let original = self.settings.threshold.unwrap_or(original);
            self.thresholds = Some([original, self.histograms.decoded.threshold()]);
        }
        Ok(true)
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let (fixed, own) = (&self.fixed, &self.own);
        let volume = fixed.overlap.original as f64;
        outcome.value("volume_fraction", volume / self.voxels as f64);
        outcome.value("components", self.original.count() as f64);
        for (segmented, end) in [(fixed, ""), (own, "_own_threshold")] {
            let mut value = |name: &str, value: f64| outcome.value(&format!("{name}{end}"), value);
            value("dice", segmented.overlap.dice());
            value("jaccard", segmented.overlap.jaccard());
            let change = segmented.overlap.volume_change_percent();
            value("volume_change_percent", change);
            let components = segmented.components.count() as f64;
            value("components_decoded", components);
        }
        let frames = (0..self.dice.len()).map(|frame| frame as f64).collect();
        let curve = Curve::new("frame", "Dice", frames).with("dice", self.dice.clone());
        outcome.curve("dice_by_frame", curve);
        if let Some(overlay) = self.overlay.take() {
            outcome.images.insert("segmentation".to_owned(), overlay);
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
