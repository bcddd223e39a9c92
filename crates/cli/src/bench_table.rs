//! The rows of `etalon bench` as text, and as a page of Markdown.

use etalon_measure::bench_row::BenchRow;

use crate::bench::{Document, Fit};
use crate::table::{Table, extents, size};

const TITLES: [&str; 8] = [
    "codec",
    ">ratio",
    ">of bound",
    ">encode GB/s",
    ">CV",
    ">decode GB/s",
    ">CV",
    ">max error",
];
/// What other codecs' speeds and ratios are compared with.
const REFERENCE: &str = "gzip:level=9";

/// The table of one data set; `first`: nothing was printed before.
pub(crate) fn dataset_lines(rows: &[BenchRow], first: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(any) = rows.first() else {
        return lines;
    };
    if !first {
        lines.push(String::new());
    }
    lines.push(format!(
        "{} {}  {}",
        file_name(&any.file),
        any.dataset,
        data_line(any)
    ));
    lines.extend(bounds_line(any));
    let mut table = Table::new(&TITLES);
    for row in rows {
        table.row(cells(row));
    }
    lines.extend(table.lines());
    lines.extend(rows.iter().filter_map(remark));
    lines
}

/// What a reader of the row has to know.
fn remark(row: &BenchRow) -> Option<String> {
    if let Some(reason) = &row.refused {
        return Some(format!("{}: {reason}", row.codec));
    }
    let is_filter = row.codec != "none" && row.unfiltered_chunks > 0;
    is_filter.then(|| {
        format!(
            "{}: {} of {} chunks are stored as they were",
            row.codec, row.unfiltered_chunks, row.measured_chunks
        )
    })
}

/// Type, extents, sample and bounds.
fn data_line(row: &BenchRow) -> String {
    let mut text = format!(
        "{} {} in chunks of {}, {} measured",
        row.dtype,
        extents(&row.shape),
        extents(&row.chunk),
        size(row.raw_bytes)
    );
    if row.measured_chunks < row.total_chunks {
        text += &format!(" ({} of {} chunks)", row.measured_chunks, row.total_chunks);
    }
    text
}

/// What the data allow.
fn bounds_line(row: &BenchRow) -> Option<String> {
    let bounds = row.bounds?;
    let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |r| format!(" (ratio {r:.2})"));
    let mut text = format!(
        "{:.1} % zeros; entropy {:.3} bits{}",
        100.0 * bounds.sparsity,
        bounds.entropy_bits,
        ratio(bounds.ratio_bound)
    );
    if let Some(bits) = bounds.poisson_bits {
        text += &format!(
            "; Poisson entropy {bits:.3} bits{}",
            ratio(bounds.poisson_ratio_bound)
        );
    }
    Some(text)
}

/// A number to three digits.
fn three_digits(value: f64) -> String {
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{value:.digits$}")
}

fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn cells(row: &BenchRow) -> Vec<String> {
    let mut cells = vec![row.codec.clone()];
    if let Some(reason) = &row.refused {
        cells.push(
            if reason.contains("not installed") || reason.contains("not found") {
                "missing".into()
            } else {
                "refused".into()
            },
        );
        cells.resize_with(TITLES.len(), String::new);
        return cells;
    }
    let absent = || "–".to_owned();
    let speed = |gbps: Option<f64>| gbps.map_or_else(absent, three_digits);
    let percent =
        |share: Option<f64>| share.map_or_else(absent, |share| format!("{:.1} %", 100.0 * share));
    let error = match row.max_abs_error {
        None => "∞".into(),
        Some(error) if error.fract() == 0.0 => format!("{error}"),
        Some(error) if error < 1e-3 => format!("{error:.2e}"),
        Some(error) => three_digits(error),
    };
    cells.extend([
        format!("{:.2}", row.ratio),
        percent(row.fraction_of_bound),
        speed(row.encode_gbps),
        percent(row.encode_cv),
        speed(row.decode_gbps),
        percent(row.decode_cv),
        error,
    ]);
    cells
}

/// Figures over all data sets: each codec beside gzip, and the fits.
pub(crate) fn summary_lines(document: &Document) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, table) in summary(document) {
        lines.push(String::new());
        lines.push(title);
        lines.extend(table.lines());
    }
    lines.push(String::new());
    lines.push(environment(document));
    lines
}

fn summary(document: &Document) -> Vec<(String, Table)> {
    let mut tables = Vec::new();
    let mut codecs: Vec<&str> = Vec::new();
    for row in &document.datasets {
        if !codecs.contains(&row.codec.as_str()) {
            codecs.push(&row.codec);
        }
    }
    let mut sets: Vec<(&str, &str)> = Vec::new();
    for row in &document.datasets {
        if !sets.contains(&(&row.file, &row.dataset)) {
            sets.push((&row.file, &row.dataset));
        }
    }
    if sets.len() > 1 && codecs.contains(&REFERENCE) {
        tables.push((
            format!(
                "Over {} data sets, speeds as geometric means of the factor to {REFERENCE}",
                sets.len()
            ),
            overview(document, &codecs),
        ));
    }
    if !document.fits.is_empty() {
        tables.push((
            "ratio = prefactor · (1 − sparsity)^exponent".into(),
            fit_table(&document.fits),
        ));
    }
    tables
}

fn overview(document: &Document, codecs: &[&str]) -> Table {
    let mut table = Table::new(&[
        "codec",
        ">data sets",
        ">mean ratio",
        ">× ratio",
        ">× encode",
        ">× decode",
    ]);
    for codec in codecs {
        let mut pairs = Vec::new();
        for row in document.datasets.iter().filter(|row| row.codec == *codec) {
            let same = |other: &&BenchRow| {
                other.codec == REFERENCE
                    && (&other.file, &other.dataset) == (&row.file, &row.dataset)
            };
            if let (None, Some(reference)) = (&row.refused, document.datasets.iter().find(same)) {
                pairs.push((row, reference));
            }
        }
        if pairs.is_empty() {
            continue;
        }
        let count = pairs.len() as f64;
        let mean = pairs.iter().map(|(row, _)| row.ratio).sum::<f64>() / count;
        let factor = |figure: fn(&BenchRow) -> Option<f64>| {
            let logs = pairs
                .iter()
                .filter_map(|(row, reference)| Some((figure(row)? / figure(reference)?).ln()));
            three_digits((logs.sum::<f64>() / count).exp())
        };
        table.row([
            (*codec).to_owned(),
            pairs.len().to_string(),
            format!("{mean:.2}"),
            factor(|row| Some(row.ratio)),
            factor(|row| row.encode_gbps),
            factor(|row| row.decode_gbps),
        ]);
    }
    table
}

fn fit_table(fits: &[Fit]) -> Table {
    let mut table = Table::new(&["data sets", "codec", ">exponent", ">prefactor", ">R²"]);
    for fit in fits {
        table.row([
            format!("{} ({})", file_name(&fit.group), fit.law.points),
            fit.codec.clone(),
            format!("{:.3}", fit.law.exponent),
            format!("{:.3}", fit.law.prefactor),
            format!("{:.4}", fit.law.r_squared),
        ]);
    }
    table
}

fn environment(document: &Document) -> String {
    let machine = &document.machine;
    let versions: Vec<String> = document
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "{}, {} processors, {}, {}; route {}, {} clock, {} runs; {}",
        machine.cpu,
        machine.processors,
        machine.simd,
        machine.system,
        document.route,
        document.clock,
        document.runs,
        versions.join(", ")
    )
}

/// A page for people, without the title.
pub(crate) fn page(document: &Document) -> Vec<String> {
    let mut lines = vec![environment(document), String::new()];
    for (title, table) in summary(document) {
        lines.push(format!("## {title}\n"));
        lines.extend(table.markdown());
        lines.push(String::new());
    }
    let rows = &document.datasets;
    for set in rows.chunk_by(|a, b| (&a.file, &a.dataset) == (&b.file, &b.dataset)) {
        let Some(any) = set.first() else { continue };
        lines.push(format!(
            "## {} {}\n\n`{}`{}. {}\n",
            file_name(&any.file),
            any.dataset,
            any.dtype,
            data_line(any).trim_start_matches(&any.dtype),
            bounds_line(any).map_or_else(String::new, |line| line + ".")
        ));
        let mut table = Table::new(&TITLES);
        for row in set {
            table.row(cells(row));
        }
        lines.extend(table.markdown());
        let remarks = set.iter().filter_map(remark);
        lines.extend(remarks.map(|remark| {
            format!(
                "
{remark}"
            )
        }));
        lines.push(String::new());
    }
    lines.pop();
    lines
}
