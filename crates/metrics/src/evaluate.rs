//! Runs the passes that a list of metrics needs over a source of frames.

use crate::robust_range::robust_range;
use crate::{Accumulator, Error, Frames, Metric, Outcome, Pass, Settings, Shape};

/// What yields the frames of a dataset, from the first, as often as they are needed.
pub trait FrameSource {
    /// Extents of the data.
    fn shape(&self) -> Shape;

    /// Calls `take` with all frames in order, and stops at its first error.
    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The same for what looks at nothing but the original: `decoded` may be the original too, where that saves time.
    fn for_each_original(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.for_each(take)
    }
}

/// The numbers of `metrics` over all frames of `source`. Every pass that is needed runs once.
pub fn evaluate(
    metrics: &[&'static Metric],
    settings: &Settings,
    source: &mut dyn FrameSource,
) -> Result<Outcome, Error> {
    let settings = with_data_range(metrics, settings, source)?;
    let mut open = started(metrics, &settings, source.shape())?;
    let mut outcome = Outcome::default();
    while !open.is_empty() {
        source.for_each(&mut |frames| open.iter_mut().try_for_each(|pass| pass.add(frames)))?;
        let mut unfinished: Vec<Box<dyn Accumulator>> = Vec::new();
        for mut accumulator in open {
            if accumulator.again()? {
                unfinished.push(accumulator);
            } else {
                outcome.extend(accumulator.finish()?);
            }
        }
        open = unfinished;
    }
    keep_asked(&mut outcome, metrics);
    Ok(outcome)
}

/// The settings with the data range of all of `source`, if one of `metrics` needs it and none is given. What is then
/// evaluated with them, such as a single chunk, is judged by the range of the whole.
pub fn with_data_range(
    metrics: &[&'static Metric],
    settings: &Settings,
    source: &mut dyn FrameSource,
) -> Result<Settings, Error> {
    let mut settings = settings.clone();
    let is_needed = metrics.iter().any(|metric| metric.pass.needs_range);
    if is_needed && settings.data_range.is_none() {
        // What is wrong with the settings is said before the data are read.
        started(metrics, &settings, source.shape())?;
        settings.data_range = Some(robust_range(source)?);
    }
    Ok(settings)
}

/// The passes of `metrics`, each once.
pub fn passes(metrics: &[&'static Metric]) -> Vec<&'static Pass> {
    let mut passes: Vec<&'static Pass> = Vec::new();
    for metric in metrics {
        if !passes.iter().any(|pass| pass.name == metric.pass.name) {
            passes.push(metric.pass);
        }
    }
    passes
}

fn started(
    metrics: &[&'static Metric],
    settings: &Settings,
    shape: Shape,
) -> Result<Vec<Box<dyn Accumulator>>, Error> {
    let passes = passes(metrics).into_iter();
    passes.map(|pass| (pass.start)(settings, shape)).collect()
}

/// Drops numbers and curves of metrics that share a pass with those asked for.
fn keep_asked(outcome: &mut Outcome, metrics: &[&'static Metric]) {
    outcome.values.retain(|name, _| {
        metrics
            .iter()
            .any(|metric| metric.values.iter().any(|(value, _)| value == name))
    });
    outcome.curves.retain(|name, _| {
        metrics
            .iter()
            .any(|metric| metric.curves.contains(&name.as_str()))
    });
}
