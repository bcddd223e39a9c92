//! `etalon doctor`: what HDF5 programs find on the plugin search path, and whether they can read a file.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use etalon_measure::doctor::{DatasetReport, examine, hint_for_etalon};
use etalon_measure::plugin_probe::{probe as probe_here, probe_in_child};
use etalon_measure::plugins::{Directory, Plugin, Scan, SearchPath, scan};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::target::Target;

/// Arguments of `etalon doctor`.
#[derive(Args)]
#[command(after_help = "\
Every plugin file is loaded in a process of its own, so one that crashes is reported and does no \
harm.

Examples:
  etalon doctor
  etalon doctor run42.h5 \"run43.h5::/entry/*\"
  HDF5_PLUGIN_PATH=/opt/etalon/h5plugins etalon doctor run42.h5

Exit code 1: a dataset cannot be read, or the search for plugins ends early.")]
pub(crate) struct Arguments {
    /// Files whose datasets are to be read
    #[arg(value_name = "FILE")]
    files: Vec<Target>,
}

/// A plugin that takes longer than this to load hangs.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    /// Whether the directories come from `HDF5_PLUGIN_PATH`.
    from_environment: bool,
    /// Whether `HDF5_PLUGIN_PRELOAD=::` forbids plugins.
    forbidden: bool,
    directories: &'a [Directory],
    plugins: &'a [Plugin],
    datasets: &'a [DatasetReport],
}

/// Reports plugins and datasets.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let program = std::env::current_exe()
        .context("cannot find this program's own file")
        .map_err(Failure::Input)?;
    let search = SearchPath::from_environment();
    let scan = scan(&search, |path| {
        probe_in_child(&program, path, PROBE_TIMEOUT)
    });
    let mut datasets = Vec::new();
    for target in &arguments.files {
        let file = target.file.display().to_string();
        for dataset in target.datasets(&[])? {
            let pipeline: Vec<(i32, String)> = dataset
                .filters
                .into_iter()
                .map(|filter| (filter.id, filter.name))
                .collect();
            datasets.push(examine(&file, &dataset.path, &pipeline, &search, &scan));
        }
    }
    let complete = scan
        .directories
        .iter()
        .all(|directory| directory.error.is_none());
    let readable = datasets.iter().all(|dataset| dataset.readable);
    if output.json {
        output.document(&Document {
            from_environment: search.from_environment,
            forbidden: search.forbidden,
            directories: &scan.directories,
            plugins: &scan.plugins,
            datasets: &datasets,
        })?;
    } else {
        for line in search_lines(&search, &scan)
            .into_iter()
            .chain(dataset_lines(&datasets))
        {
            output.line(&line)?;
        }
    }
    Ok(Outcome::of_check(
        readable && (complete || !search.from_environment),
    ))
}

/// Loads one file and prints what it is, for [`probe_in_child`].
pub(crate) fn probe(path: &Path) -> Result<Outcome, Failure> {
    Output::default().json_line(&probe_here(path))?;
    Ok(Outcome::Done)
}

fn search_lines(search: &SearchPath, scan: &Scan) -> Vec<String> {
    let mut lines = Vec::new();
    if search.forbidden {
        lines.push(
            "HDF5_PLUGIN_PRELOAD=:: forbids plugins: HDF5 programs started from here load none."
                .into(),
        );
    }
    lines.push(match (search.from_environment, search.directories.is_empty()) {
        (true, true) => "HDF5_PLUGIN_PATH is empty: HDF5 programs find no plugins.".into(),
        (true, false) => "HDF5_PLUGIN_PATH is searched in this order:".into(),
        (false, true) => "HDF5_PLUGIN_PATH is not set, and no default plugin folder exists.".into(),
        (false, false) => {
            "HDF5_PLUGIN_PATH is not set; a program searches the default folder of its own HDF5 library, common ones:".into()
        }
    });
    for directory in &scan.directories {
        lines.push(format!("  {}", directory.path.display()));
        if let Some(error) = &directory.error {
            lines.push(format!("    PROBLEM: {error}"));
        }
        let inside = scan
            .plugins
            .iter()
            .filter(|plugin| plugin.path.parent() == Some(&directory.path));
        lines.extend(inside.map(plugin_line));
    }
    lines
}

fn plugin_line(plugin: &Plugin) -> String {
    let file = plugin
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let what = match (plugin.id, &plugin.name) {
        (Some(id), Some(name)) if !name.is_empty() => format!("{id} {}", first_part(name)),
        (Some(id), _) => id.to_string(),
        (None, _) => String::new(),
    };
    let maker = if plugin.etalon { " [Etalon]" } else { "" };
    match (&plugin.error, &plugin.shadowed_by) {
        (Some(error), _) => format!("    no      {file}: {error}"),
        (None, Some(by)) => format!(
            "    unused  {file}: {what}{maker}; {} comes first",
            by.display()
        ),
        (None, None) if !plugin.can_encode => {
            format!("    reads   {file}: {what}{maker}; cannot write")
        }
        (None, None) => format!("    ok      {file}: {what}{maker}"),
    }
}

/// Many filters put an address behind their name.
fn first_part(name: &str) -> &str {
    name.split(';').next().unwrap_or(name)
}

fn dataset_lines(datasets: &[DatasetReport]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut file = "";
    for dataset in datasets {
        if dataset.file != file {
            file = &dataset.file;
            lines.push(String::new());
            lines.push(file.to_owned());
        }
        let verdict = match (dataset.readable, dataset.readable_by_etalon) {
            (true, true) => "ok     ",
            (true, false) => "others ",
            (false, true) => "etalon ",
            (false, false) => "MISSING",
        };
        let filters: Vec<&str> = dataset
            .filters
            .iter()
            .map(|filter| filter.name.as_str())
            .collect();
        let filters = if filters.is_empty() {
            "no filters".into()
        } else {
            filters.join(" + ")
        };
        lines.push(format!("  {verdict} {}: {filters}", dataset.path));
        if let Some(hint) = &dataset.hint {
            lines.push(format!("          {hint}"));
        }
        if dataset.readable
            && let Some(hint) = hint_for_etalon(dataset)
        {
            lines.push(format!("          ({hint})"));
        }
        if !dataset.readable && dataset.readable_by_etalon {
            lines.push("          (etalon itself reads it: it has this filter built in)".into());
        }
    }
    lines
}
