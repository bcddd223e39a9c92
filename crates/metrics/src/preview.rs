//! P0: the middle frame as pictures: original, decoded, error.
//!
//! A frame with more than [`LONGEST`] pixels along a side is reduced by whole factors: original and decoded by the mean of
//! the valid pixels of a block, the error by that with the largest |e|, so that no single bad pixel vanishes.

use std::any::Any;

use crate::frames::Frame;
use crate::metric::{Accumulator, Metric, Part, Pass, Shape, Started, same};
use crate::{Error, Frames, Image, Outcome, Settings};

/// Longest side of a picture, in pixels.
const LONGEST: usize = 256;

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "P0",
    name: "preview",
    about: "pictures of the middle frame: original, decoded, error",
    values: &[("preview_frame", "1")],
    curves: &[],
    needs: &[],
    pass: &PASS,
};

static PASS: Pass = Pass {
    name: "preview",
    mergeable: true,
    per_chunk: false,
    sample: Part::Frames,
    needs_range: false,
    splits: false,
    start,
};

struct Preview {
    frame: usize,
    shape: Shape,
    images: Option<[Image; 3]>,
}

fn start(_settings: &Settings, shape: Shape) -> Started {
    Ok(Box::new(Preview {
        frame: shape.frames / 2,
        shape,
        images: None,
    }))
}

impl Accumulator for Preview {
    fn add(&mut self, frames: &Frames<'_>) -> Result<(), Error> {
        if (frames.first..frames.first + frames.count).contains(&self.frame)
            && let Some(frame) = frames.iter().nth(self.frame - frames.first)
        {
            self.images = Some(pictures(&frame, self.shape));
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulator>) -> Result<(), Error> {
        let other: Preview = same(other);
        self.images = self.images.take().or(other.images);
        Ok(())
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        outcome.value("preview_frame", self.frame as f64);
        if let Some(images) = self.images.take() {
            let names = ["original", "decoded", "error"].map(String::from);
            outcome.images.extend(names.into_iter().zip(images));
        }
        Ok(outcome)
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

fn pictures(frame: &Frame<'_>, shape: Shape) -> [Image; 3] {
    let error: Vec<f64> = frame
        .decoded
        .iter()
        .zip(frame.original.iter())
        .map(|(decoded, original)| decoded - original)
        .collect();
    let reduce = |label: &str, values: &[f64], fold: Fold| {
        let mut image = reduced(values, frame.valid, shape, fold);
        image.label = label.to_owned();
        image
    };
    [
        reduce("original", &frame.original, Fold::Mean),
        reduce("decoded", &frame.decoded, Fold::Mean),
        reduce("decoded − original", &error, Fold::Largest),
    ]
}

#[derive(Clone, Copy)]
enum Fold {
    Mean,
    Largest,
}

fn reduced(values: &[f64], valid: Option<&[bool]>, shape: Shape, fold: Fold) -> Image {
    let factor = shape.rows.max(shape.columns).div_ceil(LONGEST).max(1);
    let (rows, columns) = (shape.rows.div_ceil(factor), shape.columns.div_ceil(factor));
    let mut sums = vec![(0.0, 0_u32); rows * columns];
    for (at, &value) in values.iter().enumerate() {
        if valid.is_some_and(|valid| !valid[at]) || value.is_nan() {
            continue;
        }
        let (row, column) = (at / shape.columns / factor, at % shape.columns / factor);
        let (sum, count) = &mut sums[row * columns + column];
        *count += 1;
        match fold {
            Fold::Mean => *sum += value,
            Fold::Largest if value.abs() > f64::abs(*sum) => *sum = value,
            Fold::Largest => {}
        }
    }
    let value = |&(sum, count): &(f64, u32)| match (fold, count) {
        (_, 0) => f32::NAN,
        (Fold::Mean, count) => (sum / f64::from(count)) as f32,
        (Fold::Largest, _) => sum as f32,
    };
    Image {
        rows,
        columns,
        label: String::new(),
        values: sums.iter().map(value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Values;

    #[test]
    fn a_large_frame_is_reduced_and_its_worst_error_stays() {
        let (rows, columns) = (3, 600);
        let original = vec![1_u16; 2 * rows * columns];
        let mut decoded = original.clone();
        decoded[rows * columns + 4] = 0;
        let mut valid = vec![true; original.len()];
        valid[rows * columns..rows * columns + 3].fill(false);
        let shape = Shape {
            frames: 2,
            rows,
            columns,
        };
        let mut pass = start(&Settings::default(), shape).unwrap();
        pass.add(&Frames {
            original: Values::U16(&original),
            decoded: Values::U16(&decoded),
            valid: Some(&valid),
            first: 0,
            count: 2,
            rows,
            columns,
        })
        .unwrap();
        let outcome = pass.finish().unwrap();
        let error = &outcome.images["error"];
        assert_eq!((error.rows, error.columns), (1, 200));
        assert_eq!(
            (error.values[0], error.values[1], error.values[2]),
            (0.0, -1.0, 0.0)
        );
        assert_eq!(outcome.images["original"].values[7], 1.0);
        assert_eq!(outcome.values["preview_frame"], 1.0);
    }
}
