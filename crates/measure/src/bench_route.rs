//! How `etalon bench` stores, checks and times chunks: by filters through h5py, or in memory.

use anyhow::{Context as _, Result, anyhow};
use etalon_codec::{ByteOrder, Element, ElementClass};

use crate::absolute_error::max_abs_error;
use crate::bench::Sampled;
use crate::bench_row::BenchRow;
use crate::candidate::Candidate;
use crate::h5py_worker::{Opened, RunTime, Worker};
use crate::method::is_refused;
use crate::speed::{measure_speeds, median, variation};

/// Where codecs run.
pub(crate) enum Route {
    /// In processes that have h5py.
    H5py(Box<Workers>),
    /// In this one.
    Memory,
}

/// The processes of the route through h5py.
pub(crate) struct Workers {
    pub(crate) own: Option<Worker>,
    pub(crate) peers: Worker,
}

impl Workers {
    /// Fills the rows of the candidates, which take turns in every run.
    pub(crate) fn measure(
        &mut self,
        rows: &mut [BenchRow],
        sampled: &Sampled,
        candidates: &[Candidate],
        runs: usize,
        mut progress: impl FnMut(),
    ) -> Result<()> {
        let mut raw = Vec::with_capacity(sampled.raw_bytes());
        for chunk in &sampled.chunks {
            raw.extend_from_slice(&chunk.bytes);
        }
        load(&mut self.peers, sampled, &raw)?;
        if let Some(own) = &mut self.own {
            load(own, sampled, &raw)?;
        }
        for at in 0..rows.len() {
            let (before, row) = rows.split_at_mut(at);
            if let Err(error) = self.check(&mut row[0], sampled, &candidates[at], &raw) {
                row[0].refused = Some(format!("{error:#}"));
                self.recover(before, sampled, candidates, at, &raw)?;
            }
        }
        let mut times = vec![Vec::with_capacity(runs); rows.len()];
        for _ in 0..runs {
            for ((row, candidate), times) in rows.iter().zip(candidates).zip(&mut times) {
                if row.refused.is_none() {
                    times.push(self.of(candidate)?.run(&row.codec)?);
                }
                progress();
            }
        }
        for (row, times) in rows.iter_mut().zip(&times) {
            take_times(row, times);
        }
        Ok(())
    }

    /// Replaces the process that candidate `at` has crashed, by one with the same datasets.
    fn recover(
        &mut self,
        before: &[BenchRow],
        sampled: &Sampled,
        candidates: &[Candidate],
        at: usize,
        raw: &[u8],
    ) -> Result<()> {
        let worker = self.of(&candidates[at])?;
        worker.restart()?;
        load(worker, sampled, raw)?;
        for (row, candidate) in before.iter().zip(candidates) {
            let is_lost =
                std::mem::discriminant(candidate) == std::mem::discriminant(&candidates[at]);
            if is_lost && row.refused.is_none() {
                let storage = candidate.storage(&sampled.subject.layout)?;
                let opened = worker.open(&row.codec, &storage)?;
                opened.map_err(|reason| anyhow!("{}: {reason}", row.codec))?;
            }
        }
        Ok(())
    }

    fn of(&mut self, candidate: &Candidate) -> Result<&mut Worker> {
        match candidate {
            Candidate::Own(_) => self.own.as_mut().context("no folder of plugins"),
            Candidate::Peer(_) => Ok(&mut self.peers),
        }
    }

    /// Stores the sample, reads it back and compares; what does not work is the row's reason.
    fn check(
        &mut self,
        row: &mut BenchRow,
        sampled: &Sampled,
        candidate: &Candidate,
        raw: &[u8],
    ) -> Result<()> {
        let layout = &sampled.subject.layout;
        if matches!(candidate, Candidate::Own(_)) && self.own.is_none() {
            row.refused = Some("Etalon's plugins are not found (make plugins)".into());
            return Ok(());
        }
        let storage = match candidate.storage(layout) {
            Ok(storage) => storage,
            Err(error) => {
                row.refused = Some(error.to_string());
                return Ok(());
            }
        };
        match self.of(candidate)?.open(&row.codec, &storage)? {
            Err(reason) => row.refused = Some(reason),
            Ok(Opened {
                stored_bytes,
                unfiltered_chunks,
                decoded,
            }) => {
                if let Some(reason) = refusal(candidate, sampled, unfiltered_chunks) {
                    row.refused = Some(reason);
                    return Ok(());
                }
                let error = max_abs_error(&layout.element, raw, &decoded);
                if let (None, Some(asked)) = (row.bound, candidate.absolute_bound(true))
                    && error > asked
                {
                    row.refused = Some(format!(
                        "keeps its bound for floats alone: the largest error is {error}"
                    ));
                    return Ok(());
                }
                row.stored_bytes = stored_bytes;
                row.unfiltered_chunks = unfiltered_chunks;
                row.max_abs_error = Some(error);
            }
        }
        Ok(())
    }
}

fn load(worker: &mut Worker, sampled: &Sampled, raw: &[u8]) -> Result<()> {
    let layout = &sampled.subject.layout;
    let chunk: Vec<u64> = layout.shape.iter().map(|&extent| extent as u64).collect();
    worker.load(&numpy_type(&layout.element), &chunk, raw)
}

/// What an own codec says of chunks that it refuses, where those are half of all: the filter stores them losslessly.
fn refusal(candidate: &Candidate, sampled: &Sampled, unfiltered_chunks: usize) -> Option<String> {
    let method = matches!(candidate, Candidate::Own(_))
        .then(|| candidate.method())
        .flatten()?;
    if unfiltered_chunks > 0 {
        return Some("the plugin's filter fails".into());
    }
    if method.is_lossless() {
        return None;
    }
    let refusals = method.coder(&sampled.subject.layout).and_then(|mut coder| {
        let mut refusals = Vec::new();
        for chunk in &sampled.chunks {
            let mut stored = vec![0; coder.bound(chunk.bytes.len())?];
            coder.encode(&chunk.bytes, &mut stored)?;
            refusals.extend(coder.take_refusal());
        }
        Ok(refusals)
    });
    match refusals {
        Err(error) => Some(error.to_string()),
        Ok(refusals) if is_refused(refusals.len(), sampled.chunks.len()) => {
            refusals.into_iter().next()
        }
        Ok(_) => None,
    }
}

fn take_times(row: &mut BenchRow, times: &[RunTime]) {
    if times.is_empty() {
        return;
    }
    let nanoseconds = |seconds: f64| (seconds * 1e9).max(1.0);
    let encode: Vec<f64> = times.iter().map(|run| nanoseconds(run.encode_s)).collect();
    let decode: Vec<f64> = times.iter().map(|run| nanoseconds(run.decode_s)).collect();
    let gbps = |runs: &[f64]| Some(row.raw_bytes as f64 / median(runs));
    (row.encode_gbps, row.decode_gbps) = (gbps(&encode), gbps(&decode));
    let (encode_cv, decode_cv) = (variation(&encode), variation(&decode));
    (row.encode_cv, row.decode_cv) = (Some(encode_cv), Some(decode_cv));
    row.cv = Some(encode_cv.max(decode_cv));
}

/// Fills the rows of what runs in this process.
pub(crate) fn rows_in_memory(
    rows: &mut [BenchRow],
    sampled: &Sampled,
    candidates: &[Candidate],
    runs: usize,
    progress: impl FnMut(),
) {
    let methods: Vec<_> = candidates
        .iter()
        .filter_map(|candidate| candidate.method())
        .collect();
    let layout = &sampled.subject.layout;
    let mut measured =
        measure_speeds(&methods, layout, &sampled.chunks, runs, progress).into_iter();
    for (row, candidate) in rows.iter_mut().zip(candidates) {
        let outcome = candidate.method().and_then(|_| measured.next());
        match outcome {
            None => row.refused = Some("needs a Python with h5py and hdf5plugin".into()),
            Some(Err(error)) => row.refused = Some(error.to_string()),
            Some(Ok(measured)) => {
                let speed = measured.total;
                row.stored_bytes = speed.stored_bytes;
                row.max_abs_error = Some(speed.max_abs_error);
                (row.encode_gbps, row.decode_gbps) =
                    (Some(speed.encode_gbps), Some(speed.decode_gbps));
                (row.encode_cv, row.decode_cv) = (Some(speed.encode_cv), Some(speed.decode_cv));
                row.cv = Some(speed.encode_cv.max(speed.decode_cv));
            }
        }
    }
}

/// An element type as numpy writes it; what is no number is opaque.
fn numpy_type(element: &Element) -> String {
    let order = match element.order {
        ByteOrder::Little => '<',
        ByteOrder::Big => '>',
    };
    let class = match element.class {
        ElementClass::Unsigned => 'u',
        ElementClass::Signed => 'i',
        ElementClass::Float => 'f',
        ElementClass::Other => return format!("V{}", element.bytes),
    };
    format!("{order}{class}{}", element.bytes)
}
