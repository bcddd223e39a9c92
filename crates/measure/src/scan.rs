//! Working points: the smallest way to store a dataset that keeps a requirement, found on a sample and verified on another.
//!
//! 1. Part of the dataset is chosen ([`bands`]) and read ([`sample`]).
//! 2. What lossless storage yields is the base: its ratio is to be beaten, and a limit that the original itself does not
//!    keep is none that a codec could.
//! 3. For each codec the open setting is searched ([`search`], [`candidate`]), from a closed form where there is one.
//! 4. In the order of their ratios, the best setting of each codec is verified on data that no setting was looked for on.
//!    One that does not hold there is made finer, on both parts of the data, and verified on others.
//! 5. The smallest that holds is chosen where it is smaller than lossless storage; else that is, and the reason said.
//!
//! Of some limits a sample says too little: of slices that are reconstructed from a part of the projections, and of means
//! over frames in units of their own uncertainty ([`growth`]). What is chosen is tried on all data then, where those are few.
//!
//! The choice depends on the seed and the data alone, not on threads or times. What is promised of the rest of the dataset
//! is said for each limit ([`Class`]).

mod answer;
mod bands;
mod candidate;
mod growth;
mod guarantee;
mod kept;
mod noise_model;
mod point;
mod rows;
mod sample;
mod search;
mod slices;
mod verification;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use etalon_codec::ElementClass;
use etalon_metrics::{Metric, Noise, Outcome, Part, Settings, with_data_range};

use crate::chunk_source::ChunkSource;
use crate::dataset::Dataset;
use crate::fault::Fault;
use crate::merging_columns::with_merging_columns;
use crate::method::Method;
use crate::requirement::{Demand, Requirement};
use crate::scan::bands::Bands;
use crate::scan::candidate::{Candidate, Data, spec_of};
use crate::scan::growth::{Growth, grows};
use crate::scan::kept::Kept;
use crate::scan::noise_model::Estimate;
use crate::scan::sample::{Sample, Trial};
use crate::scan::search::{Scale, Search};

pub use answer::{Chosen, Looked, Scan, Verified};
pub use guarantee::Class;
pub use point::Point;

/// Trials of a search, and of another one after its answer was refuted.
const MOST_TRIALS: usize = 8;
const MOST_TRIALS_AGAIN: usize = 5;
/// What is chosen where no loss is allowed or worth it.
const LOSSLESS: &str = "auto";
/// The share of a limit that a search may use up, where only a sample says whether it is kept: on other data it is a little
/// more or less.
const USED: f64 = 0.95;

/// How a scan is done.
pub struct Options<'a> {
    /// SPECs, one setting of which may be open; those that suit the requirement where there are none.
    pub codecs: &'a [String],
    /// Threads.
    pub jobs: usize,
    /// Set when the work is to stop.
    pub stop: &'a AtomicBool,
    /// Called before each trial with what is tried.
    pub progress: &'a mut dyn FnMut(&str),
}

/// Looks for the working point of a dataset.
pub fn scan<'a>(
    dataset: &'a Dataset,
    requirement: &Requirement,
    options: Options<'a>,
) -> Result<Scan, Fault> {
    if dataset.raw_bytes() == 0 {
        return Err(Fault::Arguments(anyhow!("{}: it is empty", dataset.path)));
    }
    let mut task = Task::new(dataset, requirement, options)?;
    let lossless = task.lossless()?;
    let candidates = task.candidates()?;
    let mut best = Vec::new();
    for candidate in candidates {
        if let Some(found) = task.search(candidate)? {
            best.push(found);
        }
    }
    best.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    task.choose(best, lossless)
}

/// A scan under way.
struct Task<'a> {
    dataset: &'a Dataset,
    source: ChunkSource<'a>,
    requirement: Requirement,
    metrics: Vec<&'static Metric>,
    bands: Bands,
    /// The data that settings must hold on: those of the search, and those that refuted one.
    sets: Vec<Rc<Set>>,
    kept: Kept,
    noise_is_estimated: bool,
    data: Data,
    /// What the metrics say of the original beside itself.
    base: Outcome,
    notes: Vec<String>,
    points: Vec<Point>,
    options: Options<'a>,
}

/// A sample, and the settings of the metrics for it.
struct Set {
    sample: Sample,
    settings: Settings,
}

/// The best setting of a codec.
struct Found {
    candidate: Candidate,
    scale: Option<Scale>,
    search: Search,
    position: f64,
    ratio: f64,
}

impl<'a> Task<'a> {
    fn new(
        dataset: &'a Dataset,
        requirement: &Requirement,
        options: Options<'a>,
    ) -> Result<Self, Fault> {
        let mut requirement = requirement.clone();
        let metrics = requirement.metrics();
        let parts = metrics.iter().map(|metric| metric.pass.sample);
        let mut part = parts.max().unwrap_or(Part::Elements);
        if part == Part::Slices && requirement.settings.tomography.sinograms {
            part = Part::Frames;
        }
        requirement.settings = with_merging_columns(dataset, &requirement.settings)?;
        let source = ChunkSource::new(dataset, None)?;
        let bands = Bands::choose(dataset, &source, part, &requirement.sample)?;
        let mask = &requirement.settings.mask;
        let sample = Sample::load(dataset, &source, bands.axis, &bands.search, mask)?;
        let mut notes = requirement.left_out.clone();
        let mut noise_is_estimated = false;
        let estimate = noise_model::estimate(&sample.pair(None).0);
        let found = estimate.filter(|found| !requirement.states_noise && are_noisy(&sample, found));
        if let Some(found) = found {
            requirement.settings.noise = found.noise;
            noise_is_estimated = true;
            let Noise { gain, offset, read } = found.noise;
            notes.push(format!(
                "the noise was estimated: gain {gain}, offset {offset}, read noise {read}; state settings.noise where it is known"
            ));
        }
        if bands.held_out.is_empty() {
            notes.push(
                "all of the dataset was searched: nothing could be kept back to verify".into(),
            );
        }
        let data = Data {
            element: sample.element,
            range: range(&sample),
            sigma: estimate.map_or(1.0, |estimate| estimate.sigma),
        };
        if bands.are_sparse && !bands.are_few {
            notes.push(
                "slices were reconstructed from a part of the projections: artefacts of the others count as noise, which makes \
                 reconstruction_error_over_noise smaller than it is of all; verify the copy"
                    .into(),
            );
        }
        let kept = Kept::new(requirement.sample.kept_bytes);
        let mut task = Self {
            dataset,
            source,
            requirement,
            metrics,
            bands,
            sets: Vec::new(),
            kept,
            noise_is_estimated,
            data,
            base: Outcome::default(),
            notes,
            points: Vec::new(),
            options,
        };
        let mut set = task.set(sample);
        let mut pair = set.sample.pair(None);
        let ranged = with_data_range(&task.metrics, &set.settings, &mut pair)
            .map_err(|error| Fault::Arguments(error.into()))?;
        // All parts of the data are judged by one range.
        task.requirement.settings.data_range = ranged.data_range;
        set.settings = ranged;
        task.sets.push(Rc::new(set));
        Ok(task)
    }

    fn set(&self, sample: Sample) -> Set {
        let shape = &self.dataset.shape;
        let leading = shape.len().saturating_sub(2);
        let frames = shape[..leading].iter().product::<u64>() as usize;
        let settings = slices::settings_of(
            &self.requirement.settings,
            &sample,
            self.bands.axis,
            shape.len(),
            frames,
        );
        Set { sample, settings }
    }

    /// What lossless storage yields. Optional limits on what is not defined for these data are dropped.
    fn lossless(&mut self) -> Result<Point, Fault> {
        let (sets, jobs) = (&self.sets, self.options.jobs);
        self.base = sets[0]
            .sample
            .evaluate(None, &self.metrics, &sets[0].settings, jobs)?;
        let value = |demand: &Demand| self.base.values.get(&demand.limit.value).copied();
        let is_undefined =
            |demand: &Demand| demand.optional && value(demand).is_none_or(f64::is_nan);
        for demand in &self.requirement.limits {
            if is_undefined(demand) {
                self.notes
                    .push(format!("{}: not defined for these data", demand.limit));
            }
        }
        let mut limits = std::mem::take(&mut self.requirement.limits);
        limits.retain(|demand| !is_undefined(demand));
        self.requirement.limits = limits;
        self.notes.extend(self.note_of_growth());
        let measured = self.metrics.len();
        self.metrics = self.requirement.metrics();
        let method: Method = LOSSLESS
            .parse()
            .map_err(|error: etalon_codec::Error| Fault::Arguments(error.into()))?;
        let trial = self.encode(&method, 0)?;
        let point = self.point(&method, LOSSLESS, &trial, self.base.clone(), &self.sets[0]);
        if measured == self.metrics.len() {
            self.kept.keep_trial(&point, trial, self.base.clone());
        }
        self.points.push(point.clone());
        Ok(point)
    }

    /// What is said of limits that bias breaks in many frames before it does in few.
    fn note_of_growth(&self) -> Option<String> {
        let factor = self.growth(&self.sets[0]).factor();
        let mut names: Vec<&str> = (self.requirement.limits())
            .filter(|limit| factor > 1.0 && grows(&limit.value))
            .map(|limit| limit.value.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| {
            format!(
                "{}: a bias weighs {factor:.2} times as much in all frames as in those of the sample, and was judged by that, \
                 except of codecs that have none",
                names.join(", ")
            )
        })
    }

    fn candidates(&self) -> Result<Vec<Candidate>, Fault> {
        let asked = self.options.codecs;
        if !asked.is_empty() {
            let parsed = asked.iter().map(|text| Candidate::parse(text));
            let parsed: Result<Vec<_>, _> = parsed.collect();
            return parsed.map_err(|error| Fault::Arguments(error.into()));
        }
        let noise = &self.requirement.settings.noise;
        let growth = self.growth(&self.sets[0]);
        let mut usual = Candidate::usual(&self.requirement, &self.data.element, noise, growth);
        if !self.requirement.states_noise && !self.noise_is_estimated {
            usual.retain(|candidate| candidate.codec() != "noise");
        }
        Ok(usual)
    }

    /// The best setting of a codec on the data of the search.
    fn search(&mut self, candidate: Candidate) -> Result<Option<Found>, Fault> {
        let Some((scale, start)) = candidate.search(&self.requirement, &self.data) else {
            let method = self.method(&candidate, 0.0)?;
            let holds = self.holds(&method, candidate.codec())?;
            return Ok(holds.then(|| Found {
                ratio: self.ratio_of(&method),
                scale: None,
                search: Search::default(),
                position: 0.0,
                candidate,
            }));
        };
        if !scale.is_searchable() || start.is_nan() {
            let reason =
                anyhow!("the data have one value, or no range that a bound can be a part of");
            let point = Point::refused(candidate.settings(), candidate.codec(), &reason);
            self.points.push(point);
            return Ok(None);
        }
        let mut search = Search::default();
        let best = search.run(&scale, start, MOST_TRIALS, |position| {
            let method = self.method(&candidate, position)?;
            self.holds(&method, candidate.codec())
        })?;
        if best.is_none() {
            return Ok(None);
        }
        let (position, ratio) = self.smallest(&candidate, &search)?;
        Ok(Some(Found {
            candidate,
            scale: Some(scale),
            search,
            position,
            ratio,
        }))
    }

    /// Of the settings that held the one with the largest ratio, which need not be that with the largest loss.
    fn smallest(&self, candidate: &Candidate, search: &Search) -> Result<(f64, f64), Fault> {
        let mut smallest = (0.0, 0.0);
        for position in search.held() {
            let ratio = self.ratio_of(&self.method(candidate, position)?);
            if ratio > smallest.1 {
                smallest = (position, ratio);
            }
        }
        Ok(smallest)
    }

    fn method(&self, candidate: &Candidate, position: f64) -> Result<Method, Fault> {
        let method = candidate.method(position);
        method.map_err(|error| Fault::Arguments(error.into()))
    }

    fn ratio_of(&self, method: &Method) -> f64 {
        let spec = method.to_string();
        let point = self.points.iter().rev().find(|point| point.spec == spec);
        point.map_or(0.0, |point| point.ratio)
    }

    /// Whether a setting keeps every limit on all data it must hold on. A codec that refuses the data keeps none.
    fn holds(&mut self, method: &Method, codec: &str) -> Result<bool, Fault> {
        let spec = method.to_string();
        let known = self.points.iter().find(|point| point.spec == spec);
        let is_known = known.is_some();
        if known.is_some_and(|point| !(point.holds && self.leaves_room(point, method))) {
            return Ok(false);
        }
        for at in usize::from(is_known)..self.sets.len() {
            let trial = match self.encode(method, at) {
                Ok(trial) => trial,
                Err(Fault::Arguments(error)) => {
                    self.points.push(Point::refused(&spec, codec, &error));
                    return Ok(false);
                }
                Err(fault) => return Err(fault),
            };
            let outcome = self.measured(&trial, at)?;
            let point = self.point(method, codec, &trial, outcome.clone(), &self.sets[at]);
            let holds = point.holds && self.leaves_room(&point, method);
            let is_broken = !point.holds;
            if at == 0 {
                self.kept.keep_trial(&point, trial, outcome);
                self.points.push(point);
            }
            if !holds {
                if at > 0 && is_broken {
                    self.refute(&spec);
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the metrics say of a trial on one of the sets.
    fn measured(&self, trial: &Trial, set: usize) -> Result<Outcome, Fault> {
        let (set, jobs) = (&self.sets[set], self.options.jobs);
        set.sample
            .evaluate(Some(trial), &self.metrics, &set.settings, jobs)
    }

    /// Whether limits that only a sample speaks for are kept with something to spare.
    fn leaves_room(&self, point: &Point, method: &Method) -> bool {
        let settings = &self.requirement.settings;
        point.verdicts.iter().all(|verdict| {
            let class =
                spec_of(method).map(|spec| guarantee::class(&verdict.limit, spec, settings));
            class.is_some_and(|class| class != Class::C) || point::used(verdict, &self.base) <= USED
        })
    }

    fn encode(&mut self, method: &Method, set: usize) -> Result<Trial, Fault> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(Fault::Interrupted);
        }
        (self.options.progress)(&method.to_string());
        self.sets[set].sample.encode(method, self.options.jobs)
    }

    fn point(
        &self,
        method: &Method,
        codec: &str,
        trial: &Trial,
        outcome: Outcome,
        set: &Set,
    ) -> Point {
        let (growth, requirement) = (self.growth(set), &self.requirement);
        Point::new(
            method,
            codec,
            trial,
            outcome,
            growth,
            requirement,
            &self.base,
        )
    }

    /// Whether all data are to be looked at together in the end: a part of them says less, and they are not too many.
    fn want_all(&self) -> bool {
        let mut limits = self.requirement.limits();
        self.bands.are_few && (self.bands.are_sparse || limits.any(|limit| grows(&limit.value)))
    }

    /// How much more a bias weighs in all frames than in those of a set, where all are not looked at.
    fn growth(&self, set: &Set) -> Growth {
        let shape = &self.dataset.shape;
        let leading = shape.len().saturating_sub(2);
        let frames = shape[..leading].iter().product::<u64>() as usize;
        match self.want_all() {
            true => Growth::of(frames, frames),
            false => Growth::of(set.sample.shape.frames, frames),
        }
    }

    /// Verifies the best settings, the smallest first, and takes the first that holds.
    fn choose(mut self, best: Vec<Found>, lossless: Point) -> Result<Scan, Fault> {
        let broken = self.broken_by_the_original();
        let mut reason = match (&broken, best.is_empty()) {
            (Some(limit), _) => format!("the original itself does not keep {limit}"),
            (None, true) => "no codec keeps the requirement with any loss".to_owned(),
            (None, false) => String::new(),
        };
        let candidates = if broken.is_some() { Vec::new() } else { best };
        let mut answer: Option<(Method, Verified)> = None;
        for found in candidates {
            let smallest = answer.as_ref().map(|(method, _)| self.ratio_of(method));
            // One that was made finer may be larger than the next.
            let least = smallest.unwrap_or(lossless.ratio);
            if found.ratio <= least {
                let codec = found.candidate.codec();
                reason = format!(
                    "{codec} within the requirement is not smaller ({:.3}) than lossless storage ({:.3})",
                    found.ratio, lossless.ratio
                );
                continue;
            }
            let spec = self.method(&found.candidate, found.position)?.to_string();
            match self.verified(found)? {
                Some((method, verified)) if self.ratio_of(&method) > least => {
                    answer = Some((method, verified));
                }
                _ => reason = format!("{spec} does not keep the requirement on data kept back"),
            }
        }
        if let Some((method, verified)) = answer {
            self.notes.extend(self.note_of_no_bound(&method));
            return self.finish(&method, verified, None);
        }
        let method = LOSSLESS
            .parse::<Method>()
            .map_err(|error| Fault::Arguments(error.into()))?;
        let verified = Verified {
            chunks: 0,
            holds: broken.is_none(),
            metrics: lossless.metrics,
        };
        self.finish(&method, verified, Some(reason))
    }

    /// What is said of a loss that nothing bounds.
    fn note_of_no_bound(&self, method: &Method) -> Option<String> {
        let point = self
            .points
            .iter()
            .find(|point| point.spec == method.to_string())?;
        let failed = self
            .points
            .iter()
            .any(|other| other.codec == point.codec && !other.holds && other.refused.is_none());
        (!failed && point.limit_used <= 0.0).then(|| {
            format!(
                "{method} uses up nothing of any limit, and no larger loss of its codec broke one: none of them bounds the loss; is \
                 one meant the other way?"
            )
        })
    }

    /// A limit that data without any loss do not keep.
    fn broken_by_the_original(&self) -> Option<String> {
        let verdicts = self
            .requirement
            .limits()
            .map(|limit| limit.judge(&self.base));
        let mut broken = verdicts.filter(|verdict| !verdict.holds);
        broken
            .next()
            .map(|verdict| format!("{}: it is {}", verdict.limit, verdict.measured))
    }

    fn metrics_of(&self, method: &Method) -> BTreeMap<String, f64> {
        let spec = method.to_string();
        let point = self.points.iter().find(|point| point.spec == spec);
        point.map(|point| point.metrics.clone()).unwrap_or_default()
    }

    fn finish(
        mut self,
        method: &Method,
        verified: Verified,
        reason: Option<String>,
    ) -> Result<Scan, Fault> {
        point::mark_front(&mut self.points);
        let noise = self.requirement.settings.noise;
        let spec = spec_of(method);
        let classes = self.requirement.limits().filter_map(|limit| {
            let class = guarantee::class(limit, spec?, &self.requirement.settings);
            Some((limit.to_string(), class))
        });
        let chosen = Chosen {
            spec: method.to_string(),
            ratio: self.ratio_of(method),
            metrics: self.metrics_of(method),
            classes: classes.collect(),
            reason: reason.filter(|reason| !reason.is_empty()),
        };
        let datasets = self.rows(&chosen, &verified)?;
        let sample = &self.sets[0].sample;
        Ok(Scan {
            dataset: self.dataset.path.clone(),
            dtype: self.dataset.dtype.clone(),
            shape: self.dataset.shape.clone(),
            noise,
            noise_is_estimated: self.noise_is_estimated,
            sample: Looked {
                total_chunks: self.source.len(),
                searched_chunks: sample.chunk_count(),
                searched_bytes: sample.raw_bytes(),
                held_out_chunks: self.held_out_chunks(),
            },
            requirement: self.requirement,
            notes: self.notes,
            points: self.points,
            chosen,
            verified,
            datasets,
        })
    }

    fn held_out_chunks(&self) -> usize {
        let searched = self.bands.search.len().max(1);
        let in_band = self.sets[0].sample.chunk_count() / searched;
        self.bands.held_out.iter().map(Vec::len).sum::<usize>() * in_band
    }
}

/// Whether noise is what keeps the numbers apart: those of counts, or of floats on the scale of counts, below which the
/// model of the noise has its floor.
fn are_noisy(sample: &Sample, estimate: &Estimate) -> bool {
    sample.element.class != ElementClass::Float || estimate.sigma > 2.0
}

/// max − min of the numbers that are data.
fn range(sample: &Sample) -> f64 {
    let pair = sample.pair(None);
    let values = sample.values();
    let values = values.to_f64(0..values.len());
    let is_valid = |at: usize| pair.0.valid.is_none_or(|valid| valid[at]);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for (at, value) in values.iter().enumerate() {
        if is_valid(at) && value.is_finite() {
            least = least.min(*value);
            most = most.max(*value);
        }
    }
    (most - least).max(f64::MIN_POSITIVE)
}
