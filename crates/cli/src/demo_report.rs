//! The demo's report: one HTML file with pictures, bars and the table, readable without a network.

use std::fmt::Write;

use crate::demo::{DemoDataset, DemoResult, DemoRow};
use crate::html::escape;
use crate::table::{extents, size};

/// The whole page.
pub(crate) fn html(result: &DemoResult) -> String {
    let mut page = String::with_capacity(300_000);
    page.push_str(HEAD);
    // Writing into a String does not fail; the same holds below.
    let _ = writeln!(
        page,
        "<header><p class=brand>Etalon</p><h1>{}</h1><p class=lead>{}</p></header>\n<main>",
        escape(&headline(result)),
        escape(&lead(result))
    );
    for dataset in &result.datasets {
        section(&mut page, dataset);
    }
    footer(&mut page, result);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn headline(result: &DemoResult) -> String {
    let (raw, smallest) = result
        .datasets
        .iter()
        .fold((0, 0), |(raw, smallest), dataset| {
            let lossless = dataset.own_rows().filter(|row| !row.lossy);
            let best = lossless.map(|row| row.stored_bytes).min();
            (
                raw + dataset.raw_bytes,
                smallest + best.unwrap_or(dataset.raw_bytes),
            )
        });
    let verdict = if is_proven(result) {
        "nothing lost"
    } else {
        "NOT proven"
    };
    format!(
        "{} of detector data in {}, {verdict}",
        size(raw),
        size(smallest)
    )
}

fn is_proven(result: &DemoResult) -> bool {
    result
        .datasets
        .iter()
        .flat_map(DemoDataset::own_rows)
        .all(DemoRow::is_proven)
}

fn lead(result: &DemoResult) -> String {
    let proof = if is_proven(result) {
        format!(
            "Every value was read back with {} and is equal to the original, or, where a codec may lose, no further from \
             it than the file's own certificates say.",
            result.reader
        )
    } else {
        format!(
            "Reading back with {} did NOT return every value as promised: see the table.",
            result.reader
        )
    };
    format!(
        "{} {proof} Speeds are of one thread in memory, the median of {} runs.",
        result.source_about, result.runs
    )
}

fn section(page: &mut String, dataset: &DemoDataset) {
    let _ = writeln!(
        page,
        "<section>\n<h2>{}</h2>\n<p class=about>{}{} · {} · {}</p>\n<div class=columns>",
        escape(&dataset.name),
        if dataset.about.is_empty() {
            String::new()
        } else {
            escape(&dataset.about) + " · "
        },
        escape(&dataset.dtype),
        extents(&dataset.shape),
        size(dataset.raw_bytes)
    );
    if let Some(picture) = &dataset.picture {
        let _ = writeln!(
            page,
            "<figure><img src=\"{picture}\" alt=\"a frame of {}\"><figcaption>one frame, square-root scale, masked \
             pixels grey</figcaption></figure>",
            escape(&dataset.name)
        );
    }
    page.push_str("<div class=charts>\n");
    ratio_chart(page, dataset);
    speed_chart(page, dataset);
    page.push_str("</div>\n</div>\n");
    table(page, dataset);
    page.push_str("</section>\n");
}

/// Geometry of a bar chart, in SVG units, which are CSS pixels at full width.
const LABEL_WIDTH: f64 = 236.0;
const BAR_WIDTH: f64 = 250.0;
const CHART_WIDTH: f64 = LABEL_WIDTH + BAR_WIDTH + 74.0;

fn ratio_chart(page: &mut String, dataset: &DemoDataset) {
    let longest = dataset.rows.iter().map(|row| row.ratio).fold(1.0, f64::max);
    let height = dataset.rows.len() as f64 * 26.0;
    open_chart(page, "How many times smaller", height);
    for (at, row) in dataset.rows.iter().enumerate() {
        let top = at as f64 * 26.0;
        label(page, row, top + 17.0);
        let kind = if row.peer { "peer" } else { "own" };
        bar(
            page,
            kind,
            top + 5.0,
            16.0,
            row.ratio / longest,
            &format!("{:.2}×", row.ratio),
        );
    }
    page.push_str("</svg></div>\n");
}

fn speed_chart(page: &mut String, dataset: &DemoDataset) {
    let speeds = dataset
        .rows
        .iter()
        .flat_map(|row| [row.encode_gbps, row.decode_gbps]);
    let longest = speeds.fold(0.0, f64::max);
    let height = dataset.rows.len() as f64 * 38.0;
    open_chart(page, "Speed: upper bar encode, lower bar decode", height);
    for (at, row) in dataset.rows.iter().enumerate() {
        let top = at as f64 * 38.0;
        label(page, row, top + 22.0);
        let (encode, decode) = if row.peer {
            ("peer", "peer pale")
        } else {
            ("own", "own pale")
        };
        let text = |speed: f64| format!("{} GB/s", three_digits(speed));
        bar(
            page,
            encode,
            top + 4.0,
            13.0,
            row.encode_gbps / longest,
            &text(row.encode_gbps),
        );
        bar(
            page,
            decode,
            top + 19.0,
            13.0,
            row.decode_gbps / longest,
            &text(row.decode_gbps),
        );
    }
    page.push_str("</svg></div>\n");
}

fn open_chart(page: &mut String, title: &str, height: f64) {
    let _ = writeln!(
        page,
        "<div class=chart><h3>{title}</h3><svg viewBox=\"0 0 {CHART_WIDTH} {height}\" role=img aria-label=\"{title}\">"
    );
}

fn label(page: &mut String, row: &DemoRow, baseline: f64) {
    let x = LABEL_WIDTH - 10.0;
    let _ = writeln!(
        page,
        "<text class=label x={x} y={baseline} text-anchor=end>{}</text>",
        escape(short(&row.codec).as_ref())
    );
}

/// The codec as it fits beside a bar.
fn short(codec: &str) -> String {
    codec
        .replace("compressor=", "")
        .replace("level=", "level ")
        .replace("block=", "block ")
        .replace(':', " ")
        .replace(',', ", ")
}

fn bar(page: &mut String, class: &str, top: f64, height: f64, share: f64, text: &str) {
    let width = (share * BAR_WIDTH).max(1.0);
    let end = LABEL_WIDTH + width + 6.0;
    let middle = top + height / 2.0 + 4.0;
    let _ = writeln!(
        page,
        "<rect class=\"{class}\" x={LABEL_WIDTH} y={top} width={width:.1} height={height} rx=2 /><text class=value \
         x={end:.1} y={middle}>{text}</text>"
    );
}

fn table(page: &mut String, dataset: &DemoDataset) {
    page.push_str(
        "<div class=scroll><table>\n<tr><th>codec<th>stored<th>ratio<th>encode GB/s<th>decode GB/s<th>h5py \
         GB/s<th>max error<th>read back</tr>\n",
    );
    for row in &dataset.rows {
        let _ = writeln!(
            page,
            "<tr><td class=code>{}<td>{}<td>{:.2}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escape(&row.codec),
            size(row.stored_bytes),
            row.ratio,
            three_digits(row.encode_gbps),
            three_digits(row.decode_gbps),
            row.reader_gbps.map_or("–".into(), three_digits),
            row.max_abs_error,
            escape(row.read_back.as_deref().unwrap_or("–"))
        );
    }
    page.push_str("</table></div>\n");
}

fn footer(page: &mut String, result: &DemoResult) {
    let _ = writeln!(
        page,
        "<footer><p>Machine: {}. {}. GB is 10⁹ bytes of raw data. gzip stands for HDF5's own filters, measured the same \
         way. Made by <code>{}</code>.</p></footer>",
        escape(&result.machine),
        escape(&result.versions),
        escape(&result.command)
    );
}

/// A number with three significant digits.
pub(crate) fn three_digits(value: f64) -> String {
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

const HEAD: &str = r#"<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<title>Etalon demo</title>
<style>
:root { color-scheme: light dark; --page: #fafaf8; --card: #fff; --ink: #1d2126; --soft: #5c646e; --line: #e2e2dd;
  --own: #0d7a6f; --peer: #a2a8b0; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --card: #1d2126; --ink: #e9eaec; --soft: #9aa3ad;
  --line: #31373e; --own: #35b5a5; --peer: #69717b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
header, main { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 44px; }
.brand { margin: 0; font-weight: 600; letter-spacing: .14em; text-transform: uppercase; font-size: 13px; color: var(--own); }
h1 { margin: 6px 0 10px; font-size: 32px; line-height: 1.2; font-weight: 650; }
.lead { max-width: 46em; margin: 0 0 28px; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 22px 26px; margin: 0 0 22px; }
h2 { margin: 0; font-size: 20px; }
h3 { margin: 0 0 6px; font-size: 13px; font-weight: 600; color: var(--soft); }
.about { margin: 2px 0 18px; color: var(--soft); font-size: 14px; }
.columns { display: flex; gap: 32px; align-items: flex-start; flex-wrap: wrap; }
figure { margin: 0; flex: 0 0 300px; }
figure img { width: 100%; border-radius: 6px; display: block; image-rendering: pixelated; }
figcaption { font-size: 12px; color: var(--soft); margin-top: 6px; }
.charts { flex: 1 1 480px; min-width: 0; }
.chart + .chart { margin-top: 18px; }
svg { width: 100%; max-width: 620px; display: block; }
svg text { fill: var(--ink); font: 12px system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
svg .value { fill: var(--soft); font-variant-numeric: tabular-nums; }
.own { fill: var(--own); } .peer { fill: var(--peer); } .pale { opacity: .55; }
.scroll { overflow-x: auto; margin-top: 20px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 0 6px 14px; border-top: 1px solid var(--line); white-space: nowrap; }
tr:first-child th { border-top: 0; font-weight: 600; color: var(--soft); font-size: 12px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.code, code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; font-size: 13px; }
footer { color: var(--soft); font-size: 13px; padding: 4px 0 40px; }
@media print { section { break-inside: avoid; } }
</style>
</head>
<body>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [0.0123, 0.9996, 9.994, 42.0, 123.4].map(three_digits),
            ["0.012", "1.00", "9.99", "42.0", "123"]
        );
    }
}
