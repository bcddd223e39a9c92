//! A setting that was tried, and what came out.

use std::collections::BTreeMap;

use etalon_metrics::{Curve, Limit, Outcome, Verdict};
use serde::Serialize;

use super::candidate::spec_of;
use super::growth::Growth;
use super::sample::Trial;
use crate::dataset::Dataset;
use crate::measure::Row;
use crate::method::Method;
use crate::requirement::Requirement;

/// A working point.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// As a SPEC.
    pub spec: String,
    /// The codec's name.
    pub codec: String,
    /// Raw over stored bytes.
    pub ratio: f64,
    /// 10⁹ bytes of raw data a second, on one thread, of a single pass.
    pub encode_gbps: f64,
    /// The same for decoding.
    pub decode_gbps: f64,
    /// Whether every limit is kept.
    pub holds: bool,
    /// Whether a limit was broken on data kept back.
    pub refuted: bool,
    /// The limits, and what is measured or expected of all frames.
    pub verdicts: Vec<Verdict>,
    /// The largest share of a limit that is used up: 0 is no loss, 1 the limit.
    pub limit_used: f64,
    /// Whether it keeps the limits, and no other point that does is better in ratio, limit used and both speeds.
    pub on_front: bool,
    /// What the metrics say.
    pub metrics: BTreeMap<String, f64>,
    /// Chunks in which the codec fell back to a finer setting or to a lossless one.
    pub fallbacks: usize,
    /// Why the codec does not take these data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    #[serde(skip)]
    raw_bytes: u64,
    #[serde(skip)]
    stored_bytes: u64,
    #[serde(skip)]
    lossless: bool,
}

impl Point {
    pub(crate) fn new(
        method: &Method,
        codec: &str,
        trial: &Trial,
        outcome: Outcome,
        growth: Growth,
        requirement: &Requirement,
        base: &Outcome,
    ) -> Self {
        let of_all = growth.applied(&outcome, spec_of(method));
        let verdicts: Vec<Verdict> = requirement
            .limits()
            .map(|limit| limit.judge(&of_all))
            .collect();
        let used = verdicts.iter().map(|verdict| used(verdict, base));
        Self {
            spec: method.to_string(),
            codec: codec.to_owned(),
            ratio: trial.raw_bytes as f64 / trial.stored_bytes as f64,
            encode_gbps: trial.encode_gbps,
            decode_gbps: trial.decode_gbps,
            holds: verdicts.iter().all(|verdict| verdict.holds),
            refuted: false,
            limit_used: used.fold(0.0, f64::max),
            verdicts,
            on_front: false,
            metrics: outcome.values,
            fallbacks: trial.fallbacks,
            refused: None,
            raw_bytes: trial.raw_bytes,
            stored_bytes: trial.stored_bytes,
            lossless: method.is_lossless(),
        }
    }

    pub(crate) fn refused(spec: &str, codec: &str, error: &anyhow::Error) -> Self {
        Self {
            spec: spec.to_owned(),
            codec: codec.to_owned(),
            ratio: 0.0,
            encode_gbps: 0.0,
            decode_gbps: 0.0,
            holds: false,
            refuted: false,
            verdicts: Vec::new(),
            limit_used: f64::NAN,
            on_front: false,
            metrics: BTreeMap::new(),
            fallbacks: 0,
            refused: Some(format!("{error:#}")),
            raw_bytes: 0,
            stored_bytes: 0,
            lossless: false,
        }
    }

    /// Notes that it does not hold on data kept back.
    pub(crate) fn refute(&mut self) {
        self.holds = false;
        self.refuted = true;
    }

    /// As a row of `etalon measure`.
    pub(crate) fn row(&self, dataset: &Dataset) -> Row {
        let refused = self.refused.clone();
        let is_measured = refused.is_none();
        Row {
            dataset: dataset.path.clone(),
            dtype: dataset.dtype.clone(),
            shape: dataset.shape.clone(),
            codec: self.spec.clone(),
            lossless: self.lossless,
            ratio: self.ratio,
            raw_bytes: self.raw_bytes,
            stored_bytes: self.stored_bytes,
            encode_gbps: is_measured.then_some(self.encode_gbps),
            decode_gbps: is_measured.then_some(self.decode_gbps),
            refused,
            runs: 1,
            metrics: self.metrics.clone(),
            verdicts: self.verdicts.clone(),
            ..Row::default()
        }
    }
}

/// What each limited number is at the ratios that a codec was tried at, beside the limit.
pub(crate) fn by_ratio(
    points: &[Point],
    codec: &str,
    limits: &[&Limit],
) -> BTreeMap<String, Curve> {
    let mut own: Vec<&Point> = points
        .iter()
        .filter(|point| point.codec == codec && point.refused.is_none())
        .collect();
    own.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let x: Vec<f64> = own.iter().map(|point| point.ratio).collect();
    let curve = |limit: &&Limit| {
        let measured = own.iter().map(|point| {
            let number = point.metrics.get(&limit.value);
            number.copied().unwrap_or(f64::NAN)
        });
        let curve = Curve::new("ratio, raw / stored", &limit.value, x.clone())
            .with("measured", measured.collect())
            .with("limit", vec![limit.limit; own.len()]);
        (format!("{} by ratio", limit.value), curve)
    };
    match own.len() {
        0 | 1 => BTreeMap::new(),
        _ => limits.iter().map(curve).collect(),
    }
}

/// The share of a limit that is used up, from what the original has to the limit.
pub(crate) fn used(verdict: &Verdict, base: &Outcome) -> f64 {
    let Limit { value, limit, .. } = &verdict.limit;
    let base = base.values.get(value).copied().unwrap_or(f64::NAN);
    let share = (verdict.measured - base) / (limit - base);
    match (verdict.holds, share.is_finite()) {
        (_, true) => share,
        (true, false) => 0.0,
        (false, false) => f64::INFINITY,
    }
}

/// Marks the points that no other one dominates.
pub(crate) fn mark_front(points: &mut [Point]) {
    let scores: Vec<[f64; 4]> = points
        .iter()
        .map(|point| {
            [
                point.ratio,
                -point.limit_used,
                point.encode_gbps,
                point.decode_gbps,
            ]
        })
        .collect();
    let holds: Vec<bool> = points.iter().map(|point| point.holds).collect();
    let dominates = |a: &[f64; 4], b: &[f64; 4]| {
        a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
    };
    for (at, point) in points.iter_mut().enumerate() {
        let mut others = scores.iter().zip(&holds).filter(|(_, holds)| **holds);
        point.on_front = point.holds && !others.any(|(other, _)| dominates(other, &scores[at]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(ratio: f64, limit_used: f64, encode_gbps: f64, holds: bool) -> Point {
        Point {
            ratio,
            limit_used,
            encode_gbps,
            holds,
            ..Point::refused("", "", &anyhow::anyhow!("no"))
        }
    }

    #[test]
    fn the_front_has_what_nothing_beats() {
        let mut points = [
            point(2.0, 0.0, 1.0, true),
            point(8.0, 0.9, 0.5, true),
            point(7.0, 0.95, 0.4, true),
            point(20.0, 2.0, 0.5, false),
        ];
        mark_front(&mut points);
        let front: Vec<bool> = points.iter().map(|point| point.on_front).collect();
        assert_eq!(front, [true, true, false, false]);
    }

    #[test]
    fn the_share_of_a_limit_counts_from_the_original() {
        let mut base = Outcome::default();
        base.value("ssim", 1.0);
        let mut outcome = Outcome::default();
        outcome.value("ssim", 0.995);
        let limit: Limit = "ssim>=0.99".parse().unwrap();
        assert!((used(&limit.judge(&outcome), &base) - 0.5).abs() < 1e-9);
        assert_eq!(used(&limit.judge(&base), &base), 0.0);
    }
}
