//! X2: whether the peaks of the original are found again in what was decoded, and where.
//!
//! A peak of the original and one of the decoded match where their centres are at most `match_px` apart; a peak matches one
//! other at most. Pairs are taken from the nearest on (greedy), those as near in the order of the lists. Where no peak
//! has two others within `match_px`, this is the assignment of the least total distance (scipy's `linear_sum_assignment`);
//! otherwise that may give a peak to a farther one so that more are matched.
//!
//! Over all frames, with M matched, A peaks of the original and B of the decoded: recall M/A, precision M/B, F1 2M/(A + B),
//! mean |Δs| over the matched, false peaks per frame (B − M)/frames. A frame is a hit from `hit_peaks` peaks on; the change
//! of the hit rate is that of hits/frames. Numbers over nothing are NaN. Reference: numpy and scipy.

use std::collections::BTreeMap;

use crate::outcome::Curve;
use crate::peak_finder::Peak;
use crate::peaks::{self, FramePeaks};
use crate::{Metric, Outcome};

/// The row of the table.
pub(crate) static METRIC: Metric = Metric {
    id: "X2",
    name: "peak_matching",
    about: "peaks found again within match_px: recall, precision, shift, false peaks, change of the hit rate",
    values: &[
        ("peak_recall", "1"),
        ("peak_precision", "1"),
        ("peak_f1", "1"),
        ("peak_shift_mean", "px"),
        ("false_peaks_per_frame", "peaks"),
        ("hit_rate", "1"),
        ("hit_rate_decoded", "1"),
        ("hit_rate_change", "1"),
    ],
    curves: &["peak_matching_by_frame"],
    needs: &["geometry.center"],
    pass: &peaks::PASS,
};

/// Two peaks that are the same one, by their places in the lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeakPair {
    /// Place in the list of the original.
    pub original: usize,
    /// Place in the list of the decoded.
    pub decoded: usize,
    /// Distance of the centres in pixels.
    pub distance_px: f64,
}

/// Pairs of peaks at most `match_px` apart, in the order of the original's list.
pub fn match_peaks(original: &[Peak], decoded: &[Peak], match_px: f64) -> Vec<PeakPair> {
    let mut near = near_pairs(original, decoded, match_px);
    near.sort_by(|a, b| {
        let places = (a.original, a.decoded).cmp(&(b.original, b.decoded));
        a.distance_px.total_cmp(&b.distance_px).then(places)
    });
    let mut free = (vec![true; original.len()], vec![true; decoded.len()]);
    near.retain(|pair| {
        let (a, b) = (&mut free.0[pair.original], &mut free.1[pair.decoded]);
        let taken = *a && *b;
        if taken {
            (*a, *b) = (false, false);
        }
        taken
    });
    near.sort_by_key(|pair| pair.original);
    near
}

/// All pairs at most `match_px` apart.
fn near_pairs(original: &[Peak], decoded: &[Peak], match_px: f64) -> Vec<PeakPair> {
    // By row, so that not all are compared with all.
    let mut by_row: Vec<usize> = (0..decoded.len()).collect();
    by_row.sort_by(|a, b| decoded[*a].row.total_cmp(&decoded[*b].row));
    let mut pairs = Vec::new();
    for (place, peak) in original.iter().enumerate() {
        let first = by_row.partition_point(|at| decoded[*at].row < peak.row - match_px);
        let rows = by_row[first..].iter().copied();
        for other in rows.take_while(|at| decoded[*at].row <= peak.row + match_px) {
            let (rows, columns) = (
                decoded[other].row - peak.row,
                decoded[other].column - peak.column,
            );
            let distance_px = rows.hypot(columns);
            if distance_px <= match_px {
                pairs.push(PeakPair {
                    original: place,
                    decoded: other,
                    distance_px,
                });
            }
        }
    }
    pairs
}

/// Adds the numbers and the curve of X2.
pub(crate) fn describe(
    frames: &BTreeMap<usize, FramePeaks>,
    hit_peaks: usize,
    outcome: &mut Outcome,
) {
    let sum = |of: fn(&FramePeaks) -> usize| frames.values().map(of).sum::<usize>() as f64;
    let (original, decoded) = (sum(|f| f.original), sum(|f| f.decoded));
    let (matched, number) = (sum(|f| f.matched.len()), frames.len() as f64);
    let shifts = frames.values().flat_map(|frame| &frame.matched);
    let shift: f64 = shifts.map(|peak| peak.shift_px).sum();
    outcome.value("peak_recall", matched / original);
    outcome.value("peak_precision", matched / decoded);
    outcome.value("peak_f1", 2.0 * matched / (original + decoded));
    outcome.value("peak_shift_mean", shift / matched);
    outcome.value("false_peaks_per_frame", (decoded - matched) / number);
    let hits = |of: fn(&FramePeaks) -> usize| {
        let hits = frames.values().filter(|frame| of(frame) >= hit_peaks);
        hits.count() as f64
    };
    let (hits, hits_decoded) = (hits(|f| f.original), hits(|f| f.decoded));
    outcome.value("hit_rate", hits / number);
    outcome.value("hit_rate_decoded", hits_decoded / number);
    outcome.value("hit_rate_change", (hits_decoded - hits) / number);
    outcome.curve("peak_matching_by_frame", curve(frames));
}

fn curve(frames: &BTreeMap<usize, FramePeaks>) -> Curve {
    let by_frame = |of: fn(&FramePeaks) -> f64| frames.values().map(of).collect::<Vec<_>>();
    let x = frames.keys().map(|frame| *frame as f64).collect();
    Curve::new("frame", "part of the peaks", x)
        .with(
            "recall",
            by_frame(|f| f.matched.len() as f64 / f.original as f64),
        )
        .with(
            "precision",
            by_frame(|f| f.matched.len() as f64 / f.decoded as f64),
        )
}
