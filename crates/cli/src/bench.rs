//! `etalon bench`: codecs beside everybody else's, through one route, on several data sets.

use std::collections::BTreeMap;

use etalon_measure::bench::{Bench, Sampled};
use etalon_measure::bench_cache::{Cache, Circumstances};
use etalon_measure::bench_row::BenchRow;
use etalon_measure::candidate::Candidate;
use etalon_measure::machine::Machine;
use etalon_measure::power_law::{PowerLaw, fit};
use serde::Serialize;

use crate::bench_options::Arguments;
use crate::bench_table::{dataset_lines, page, summary_lines};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::progress::{self, STEPS};

/// What `--json` prints.
#[derive(Serialize)]
pub(crate) struct Document {
    pub(crate) machine: Machine,
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) route: String,
    pub(crate) clock: String,
    pub(crate) runs: usize,
    pub(crate) datasets: Vec<BenchRow>,
    pub(crate) fits: Vec<Fit>,
}

/// The law of one codec over some data sets.
#[derive(Serialize)]
pub(crate) struct Fit {
    /// `all`, or the file whose data sets were fitted.
    pub(crate) group: String,
    /// The codec as a SPEC.
    pub(crate) codec: String,
    #[serde(flatten)]
    pub(crate) law: PowerLaw,
}

/// Measures every codec on every data set, unless it is known already.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    arguments.check()?;
    // Wrong SPECs are found before anything is read.
    arguments.candidates(true)?;
    let sources = arguments.sources(output)?;
    let python = arguments.python(output)?;
    let mut bench = Bench::start(python.as_ref(), arguments.clock.clock(), arguments.runs)
        .map_err(Failure::Input)?;
    let candidates = arguments.candidates(bench.versions.contains_key("hdf5plugin"))?;
    let mut cache = match &arguments.out {
        Some(path) => Some(Cache::open(path).map_err(Failure::Input)?),
        None => None,
    };
    if let Some(unreadable) = cache
        .as_ref()
        .map(|cache| cache.unreadable)
        .filter(|count| *count > 0)
    {
        output.note(&format!(
            "--out: {unreadable} lines are no rows of this version and are passed over"
        ));
    }
    let mut rows = Vec::new();
    for source in sources {
        let sampled = arguments.sampled(source)?;
        let measured = rows_of(&mut bench, &sampled, &candidates, cache.as_mut(), output)?;
        remark(&measured, output);
        if !output.json && !arguments.markdown {
            let lines = dataset_lines(&measured, rows.is_empty());
            lines.iter().try_for_each(|line| output.line(line))?;
        }
        rows.extend(measured);
    }
    let holds = rows.iter().all(BenchRow::holds);
    let document = Document {
        machine: bench.machine.clone(),
        versions: bench.versions.clone(),
        route: bench.route().into(),
        clock: bench.clock().name().into(),
        runs: bench.runs(),
        fits: fits(&rows),
        datasets: rows,
    };
    if output.json {
        output.document(&document)?;
    } else {
        let lines = match arguments.markdown {
            true => page(&document),
            false => summary_lines(&document),
        };
        lines.iter().try_for_each(|line| output.line(line))?;
    }
    Ok(Outcome::of_check(holds))
}

/// The rows of one data set, in the order of the candidates, from the cache as far as it has them.
fn rows_of(
    bench: &mut Bench,
    sampled: &Sampled,
    candidates: &[Candidate],
    mut cache: Option<&mut Cache>,
    output: Output,
) -> Result<Vec<BenchRow>, Failure> {
    let circumstances = Circumstances::of(bench, sampled);
    let known = |candidate: &Candidate| {
        let cache = cache.as_deref()?;
        cache.row(&circumstances, &candidate.to_string(), sampled)
    };
    let mut rows: Vec<Option<BenchRow>> = candidates.iter().map(known).collect();
    let missing = rows.iter().zip(candidates).filter(|(row, _)| row.is_none());
    let missing: Vec<Candidate> = missing.map(|(_, candidate)| candidate.clone()).collect();
    let name = format!("{} {}", sampled.file, sampled.subject.dataset);
    output.detail(&format!(
        "{name}: {} measured, {} known",
        missing.len(),
        rows.len() - missing.len()
    ));
    if !missing.is_empty() {
        let bar = progress::bar(output, (missing.len() * bench.runs()) as u64, STEPS);
        bar.set_message(name);
        let measured = bench
            .rows(sampled, &missing, || bar.inc(1))
            .map_err(Failure::Input)?;
        bar.finish_and_clear();
        if let Some(cache) = &mut cache {
            for row in &measured {
                cache.append(&circumstances, row).map_err(Failure::Output)?;
            }
        }
        let mut measured = measured.into_iter();
        for row in rows.iter_mut().filter(|row| row.is_none()) {
            *row = measured.next();
        }
    }
    Ok(rows.into_iter().flatten().collect())
}

/// Names the codecs that broke their promise.
fn remark(rows: &[BenchRow], output: Output) {
    for row in rows.iter().filter(|row| !row.holds()) {
        let error = row.max_abs_error.unwrap_or(f64::INFINITY);
        output.note(&format!(
            "{} {}: {} changed values by up to {error}",
            row.file, row.dataset, row.codec
        ));
    }
}

/// Laws over all data sets, and over those of each file that has enough of them.
fn fits(rows: &[BenchRow]) -> Vec<Fit> {
    let mut groups: Vec<(&str, Vec<&BenchRow>)> = vec![("all", rows.iter().collect())];
    for row in rows {
        match groups[1..].iter_mut().find(|(file, _)| *file == row.file) {
            Some((_, members)) => members.push(row),
            None => groups.push((&row.file, vec![row])),
        }
    }
    if groups.len() == 2 {
        // One file is all there is.
        groups.pop();
    }
    let mut fits = Vec::new();
    for (group, members) in groups {
        let mut codecs: Vec<&str> = members.iter().map(|row| row.codec.as_str()).collect();
        let mut seen = std::collections::HashSet::new();
        codecs.retain(|codec| seen.insert(*codec));
        for codec in codecs {
            let points = members
                .iter()
                .filter(|row| row.codec == codec && row.refused.is_none());
            let points = points.filter_map(|row| Some((row.bounds?.sparsity, row.ratio)));
            fits.extend(fit(points).map(|law| Fit {
                group: group.into(),
                codec: codec.into(),
                law,
            }));
        }
    }
    fits
}
