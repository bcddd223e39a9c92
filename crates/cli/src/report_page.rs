//! The page of `etalon report`: what can be read without a script, and the places where the script draws.

use std::collections::BTreeMap;
use std::fmt::Write;

use etalon_metrics::metric_named;

use crate::failure::Failure;
use crate::html::{escape, script_json};
use crate::report_data::{Data, Section, units};
use crate::report_input::{Results, Row, Verdict};
use crate::table::{counted, extents, size};

/// Nothing may be fetched, whatever a name in the data contains.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
/// Counts errors of the page's own scripts, which tests ask for; it runs before them.
const WATCH: &str = "{const seen=document.documentElement.dataset;seen.errors=0;for(const kind of \
['error','unhandledrejection','securitypolicyviolation'])addEventListener(kind,()=>seen.errors++);\
const say=console.error;console.error=(...words)=>{seen.errors++;say(...words)}}";

/// The whole page.
pub(crate) fn page(
    results: &Results,
    sections: &[Section<'_>],
    data: &Data<'_>,
) -> Result<String, Failure> {
    let json = serde_json::to_string(data).map_err(|error| Failure::Output(error.into()))?;
    let mut page = String::with_capacity(json.len() + 200_000);
    head(&mut page, sections);
    summary(&mut page, sections);
    for (at, section) in sections.iter().enumerate() {
        dataset(&mut page, at, section, sections.len() > 1);
    }
    footer(&mut page, results);
    // Writing into a String does not fail; the same holds below.
    let _ = writeln!(
        page,
        "</main>\n<script type=\"application/json\" id=data>{}</script>",
        script_json(&json)
    );
    let _ = writeln!(
        page,
        "<script>/* uPlot, {} */\n{}</script>",
        include_str!("report/uPlot.LICENSE").trim(),
        include_str!("report/uPlot.iife.min.js")
    );
    for script in [
        include_str!("report/scales.js"),
        include_str!("report/marks.js"),
        include_str!("report/svg.js"),
        include_str!("report/plot.js"),
        include_str!("report/maps.js"),
        include_str!("report/report.js"),
    ] {
        let _ = writeln!(page, "<script>\n{script}</script>");
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

fn head(page: &mut String, sections: &[Section<'_>]) {
    let codecs: usize = sections.iter().map(|section| section.rows.len()).sum();
    let title = match sections {
        [section] => section.name.clone(),
        _ => format!(
            "{}, {}",
            counted(sections.len(), "dataset"),
            counted(codecs, "result")
        ),
    };
    let _ = writeln!(
        page,
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n\
         <meta http-equiv=Content-Security-Policy content=\"{POLICY}\">\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n<title>Etalon report: {title}</title>\n\
         <style>{}\n{}</style>\n<script>{WATCH}</script>\n</head>\n<body>\n<header><p class=brand>Etalon report</p>\
         <h1>{title}</h1>",
        include_str!("report/uPlot.min.css").trim(),
        include_str!("report/report.css"),
        title = escape(&title),
    );
}

/// How many limits hold, and the way to each dataset.
fn summary(page: &mut String, sections: &[Section<'_>]) {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let limits = rows().flat_map(|row| &row.verdicts);
    let failed = limits.clone().filter(|verdict| !verdict.holds).count();
    let broken = rows().filter(|row| row.breaks_promise()).count();
    let (class, text) = match (limits.count(), failed, broken) {
        (_, _, 1..) => (
            "fails",
            format!(
                "{} that is lossless changed a value",
                counted(broken, "codec")
            ),
        ),
        (0, ..) => ("none", "No limits were stated".to_owned()),
        (1, 0, _) => ("holds", "The limit holds".to_owned()),
        (all, 0, _) => ("holds", format!("All {all} limits hold")),
        (all, failed, _) => ("fails", format!("{failed} of {all} limits are not kept")),
    };
    let _ = writeln!(page, "<p class=\"verdict {class}\">{text}</p>");
    if sections.len() > 1 {
        page.push_str("<nav>");
        for (at, section) in sections.iter().enumerate() {
            let _ = write!(page, "<a href=\"#d{at}\">{}</a> ", escape(&section.name));
        }
        page.push_str("</nav>");
    }
    page.push_str("</header>\n<main>\n<noscript><p class=note>Plots and pictures are drawn by a script; all numbers are in the tables.</p></noscript>\n");
}

/// All of one dataset. Where there is no other, its name is the page's title already.
fn dataset(page: &mut String, at: usize, section: &Section<'_>, is_titled: bool) {
    let _ = writeln!(page, "<section class=dataset id=d{at}>");
    if is_titled {
        let _ = writeln!(page, "<h2>{}</h2>", escape(&section.name));
    }
    let _ = writeln!(page, "<p class=about>{}</p>", escape(&about(section)));
    verdicts(page, section);
    codec_table(page, section);
    let _ = writeln!(page, "<div class=figures data-dataset={at}></div>");
    metric_table(page, section);
    notes(page, section);
    page.push_str("</section>\n");
}

fn about(section: &Section<'_>) -> String {
    let Some(row) = section.rows.iter().find(|row| row.refused.is_none()) else {
        return "no codec takes this dataset".into();
    };
    let mut words = Vec::new();
    if !row.shape.is_empty() {
        words.push(format!("{} {}", row.dtype, extents(&row.shape)));
    }
    if let Some(bytes) = row.raw_bytes {
        words.push(format!("{} measured", size(bytes)));
    }
    if let (Some(measured), Some(total)) = (row.measured_chunks, row.total_chunks)
        && measured > 0
        && measured < total
    {
        words.push(format!("sample of {measured} of {total} chunks"));
    }
    words.join(", ")
}

/// Limits beside what was measured, those that are not kept first.
fn verdicts(page: &mut String, section: &Section<'_>) {
    let mut lines: Vec<(&Row, Option<&Verdict>)> = Vec::new();
    for row in &section.rows {
        if row.breaks_promise() {
            lines.push((row, None));
        }
        lines.extend(row.verdicts.iter().map(|verdict| (*row, Some(verdict))));
    }
    if lines.is_empty() {
        return;
    }
    lines.sort_by_key(|(_, verdict)| verdict.is_some_and(|verdict| verdict.holds));
    page.push_str(
        "<div class=scroll><table class=verdicts>\n<tr><th>codec<th>limit<th>measured<th>verdict</tr>\n",
    );
    for (row, verdict) in lines {
        let (limit, measured, holds) = match verdict {
            Some(verdict) => (
                format!(
                    "{} {} {}",
                    verdict.value,
                    if verdict.at_least { "≥" } else { "≤" },
                    verdict.limit
                ),
                measured_in(verdict),
                verdict.holds,
            ),
            None => ("lossless".to_owned(), known(row.max_abs_error), false),
        };
        let _ = writeln!(
            page,
            "<tr><td class=code>{}<td class=code>{}<td>{}<td class={}>{}</tr>",
            escape(&row.codec),
            escape(&limit),
            measured,
            if holds { "holds" } else { "fails" },
            if holds { "holds" } else { "does not hold" },
        );
    }
    page.push_str("</table></div>\n");
}

/// JSON has no infinities; but a limit is kept by a number only, so that a number that is absent and keeps it is one.
fn measured_in(verdict: &Verdict) -> String {
    match (verdict.measured, verdict.holds, verdict.at_least) {
        (None, true, true) => "∞".into(),
        (None, true, false) => "−∞".into(),
        (measured, ..) => number(measured),
    }
}

fn codec_table(page: &mut String, section: &Section<'_>) {
    page.push_str(
        "<div class=scroll><table class=codecs>\n<tr><th>codec<th>ratio<th>stored<th>encode GB/s<th>decode GB/s<th>CV<th>max \
         error</tr>\n",
    );
    for row in &section.rows {
        let _ = write!(
            page,
            "<tr><td class=code data-codec=\"{codec}\">{codec}",
            codec = escape(&row.codec)
        );
        if let Some(reason) = &row.refused {
            let _ = writeln!(
                page,
                "<td colspan=6 class=refused>refused: {}</tr>",
                escape(reason)
            );
            continue;
        }
        let stored = row.stored_bytes.map_or("–".into(), size);
        let cv = row
            .cv
            .map_or("–".into(), |cv| format!("{:.1} %", 100.0 * cv));
        let _ = writeln!(
            page,
            "<td>{}<td>{stored}<td>{}<td>{}<td>{cv}<td>{}</tr>",
            known(row.ratio),
            known(row.encode_gbps),
            known(row.decode_gbps),
            known(row.max_abs_error),
        );
    }
    page.push_str("</table></div>\n");
}

/// A line for each number, a column for each codec.
fn metric_table(page: &mut String, section: &Section<'_>) {
    let rows: Vec<&&Row> = section
        .rows
        .iter()
        .filter(|row| row.refused.is_none())
        .collect();
    let mut names: Vec<&str> = rows
        .iter()
        .flat_map(|row| row.metrics.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return;
    }
    let units: BTreeMap<&str, &str> = units();
    page.push_str(
        "<h3>All numbers</h3>\n<div class=scroll><table class=metrics>\n<tr><th>number<th>unit",
    );
    for row in &rows {
        let _ = write!(page, "<th class=code>{}", breakable(&row.codec));
    }
    page.push_str("</tr>\n");
    for name in names {
        let about = metric_named(name).map_or("", |metric| metric.about);
        let _ = write!(
            page,
            "<tr data-metric=\"{0}\"><td title=\"{1}\">{0}<td>{2}",
            escape(name),
            escape(about),
            escape(units.get(name).copied().unwrap_or(""))
        );
        for row in &rows {
            let _ = match row.metrics.get(name) {
                Some(value) => write!(page, "<td>{}", number(*value)),
                None => write!(page, "<td>–"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// A codec as a table's head, which may break between settings.
fn breakable(codec: &str) -> String {
    let text = escape(codec);
    text.replace(':', ":<wbr>").replace(',', ",<wbr>")
}

fn notes(page: &mut String, section: &Section<'_>) {
    let mut notes: Vec<&str> = Vec::new();
    for note in section.rows.iter().flat_map(|row| &row.notes) {
        if !notes.contains(&note.as_str()) {
            notes.push(note);
        }
    }
    for note in notes {
        let _ = writeln!(page, "<p class=note>{}</p>", escape(note));
    }
}

fn footer(page: &mut String, results: &Results) {
    page.push_str("<footer>");
    for line in &results.made_by {
        let _ = writeln!(page, "<p>{}</p>", escape(line));
    }
    let _ = writeln!(
        page,
        "<p>GB is 10⁹ bytes of raw data; speeds are of one thread, the median of the runs, and CV is their variation. The \
         error is decoded − original. Made by etalon {}; plots by uPlot.</p></footer>",
        env!("CARGO_PKG_VERSION")
    );
}

/// A number as a person reads it, with all its digits for programs.
fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "not finite".into();
    };
    format!("<data value=\"{value}\">{}</data>", digits(value))
}

/// A number that may not have been measured.
fn known(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| number(Some(value)))
}

/// Four digits, a true minus sign, and powers of ten as such.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    let text = if value == value.trunc() && magnitude < 1e7 {
        format!("{value}")
    } else if (1e-3..1e6).contains(&magnitude) {
        let decimals = 3 - magnitude.log10().floor() as i32;
        format!("{value:.*}", decimals.max(0) as usize)
    } else {
        let text = format!("{value:.3e}");
        match text.split_once('e') {
            Some((digits, power)) => {
                format!("{digits}·10<sup>{}</sup>", power.replace('-', "−"))
            }
            None => text,
        }
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_and_keep_the_others() {
        for (value, text) in [
            (0.0, "0"),
            (-3.0, "−3"),
            (12.345678, "12.35"),
            (0.001_234_567, "0.001235"),
            (-1.234_567_8e-7, "−1.235·10<sup>−7</sup>"),
            (1e9, "1.000·10<sup>9</sup>"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(number(Some(0.1)), "<data value=\"0.1\">0.1000</data>");
        assert_eq!(number(None), "not finite");
    }
}
