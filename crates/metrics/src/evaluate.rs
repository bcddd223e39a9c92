//! Runs the passes that a list of metrics needs over a source of frames.

use crate::robust_range::robust_range;
use crate::{Accumulator, Error, Frames, Metric, Outcome, Pass, Settings, Shape, Started};

/// Pixels of a run of frames that are worth a thread.
const LEAST_RUN: usize = 1 << 18;
/// Runs that frames which come at once are cut into at most.
const MOST_RUNS: usize = 16;

/// Work that does not depend on other work.
pub type Task<'a> = Box<dyn FnOnce() -> Result<(), Error> + Send + 'a>;
/// Does all tasks, in any order and on any threads, and returns the first error.
pub type Workers<'a> = dyn FnMut(Vec<Task<'_>>) -> Result<(), Error> + 'a;

/// A pass that is under way.
struct Open {
    pass: &'static Pass,
    total: Box<dyn Accumulator>,
}

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
    let one_after_another =
        &mut |tasks: Vec<Task<'_>>| tasks.into_iter().try_for_each(|task| task());
    evaluate_on(metrics, settings, source, one_after_another)
}

/// The same with the work on frames done by `workers`; the numbers are the same to the last bit.
pub fn evaluate_on(
    metrics: &[&'static Metric],
    settings: &Settings,
    source: &mut dyn FrameSource,
    workers: &mut Workers<'_>,
) -> Result<Outcome, Error> {
    let settings = with_data_range(metrics, settings, source)?;
    let shape = source.shape();
    let mut open = Vec::new();
    for pass in passes(metrics) {
        let total = (pass.start)(&settings, shape)?;
        open.push(Open { pass, total });
    }
    let mut outcome = Outcome::default();
    while !open.is_empty() {
        let begin = |pass: &Pass| (pass.start)(&settings, shape);
        source.for_each(&mut |frames| add(&mut open, frames, &begin, workers))?;
        let mut unfinished = Vec::new();
        for mut round in open {
            if round.total.again()? {
                unfinished.push(round);
            } else {
                outcome.extend(round.total.finish()?);
            }
        }
        open = unfinished;
    }
    keep_asked(&mut outcome, metrics);
    Ok(outcome)
}

/// Adds frames to all passes: those that split are given runs of frames, which depend on the frames alone, so that sums
/// are added in one order whoever the workers are.
fn add(
    open: &mut [Open],
    frames: &Frames<'_>,
    begin: &dyn Fn(&Pass) -> Started,
    workers: &mut Workers<'_>,
) -> Result<(), Error> {
    let mut parts: Vec<Vec<Box<dyn Accumulator>>> = Vec::new();
    for round in open.iter() {
        let count = if round.pass.splits {
            runs(frames).count()
        } else {
            0
        };
        let started: Result<_, _> = (0..count).map(|_| begin(round.pass)).collect();
        parts.push(started?);
    }
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (round, parts) in open.iter_mut().zip(&mut parts) {
        for (part, run) in parts.iter_mut().zip(runs(frames)) {
            tasks.push(Box::new(move || part.add(&run)));
        }
        if !round.pass.splits {
            let total = &mut round.total;
            tasks.push(Box::new(move || total.add(frames)));
        }
    }
    workers(tasks)?;
    for (round, parts) in open.iter_mut().zip(parts) {
        parts
            .into_iter()
            .try_for_each(|part| round.total.merge(part))?;
    }
    Ok(())
}

/// Runs of frames, each worth a thread, and not so many that merging counts.
fn runs<'a>(frames: &Frames<'a>) -> impl Iterator<Item = Frames<'a>> + use<'a> {
    let worth = LEAST_RUN.div_ceil(frames.frame_len().max(1));
    let step = frames.count.div_ceil(MOST_RUNS).max(worth);
    let frames = *frames;
    let firsts = (0..frames.count).step_by(step);
    firsts.map(move |first| frames.part(first..(first + step).min(frames.count)))
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
        for pass in passes(metrics) {
            (pass.start)(&settings, source.shape())?;
        }
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
