//! Whether HDF5 programs started from here can read a dataset, and what to install where they cannot.
//!
//! A dataset is readable if every filter of its pipeline is built into HDF5 or comes from a plugin on the search
//! path. Etalon's own programs have some filters linked in; where that makes a difference, both answers are given.

use serde::Serialize;

use crate::hdf5::registration::is_built_in_here;
use crate::known_filters::{filter_name, install_hint, is_built_in};
use crate::plugins::{Scan, SearchPath};

/// A filter of a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct FilterReport {
    /// The filter id.
    pub id: i32,
    /// What people call it.
    pub name: String,
    /// Whether HDF5 programs started from here have it.
    pub available: bool,
    /// "HDF5" or the plugin file it comes from; `None` where it is missing.
    pub provider: Option<String>,
}

/// A dataset and its filters.
#[derive(Debug, Clone, Serialize)]
pub struct DatasetReport {
    /// The file.
    pub file: String,
    /// The dataset's path in the file.
    pub path: String,
    /// Its filters, in the order in which they were applied.
    pub filters: Vec<FilterReport>,
    /// Whether HDF5 programs started from here can read it.
    pub readable: bool,
    /// Whether `etalon` can.
    pub readable_by_etalon: bool,
    /// What to do, where it is not readable.
    pub hint: Option<String>,
}

/// Says for a pipeline of (id, name in the file) whether it can be read.
pub fn examine(
    file: &str,
    path: &str,
    pipeline: &[(i32, String)],
    search: &SearchPath,
    scan: &Scan,
) -> DatasetReport {
    let filters: Vec<FilterReport> = pipeline
        .iter()
        .map(|(id, name)| {
            let provider = provider(*id, search, scan);
            FilterReport {
                id: *id,
                name: filter_name(*id, name),
                available: provider.is_some(),
                provider,
            }
        })
        .collect();
    let missing = pipeline
        .iter()
        .zip(&filters)
        .filter(|(_, report)| !report.available);
    let hints: Vec<String> = missing
        .map(|((id, name), report)| {
            format!(
                "{} ({id}) is missing: {}",
                report.name,
                hint(*id, name, search, scan)
            )
        })
        .collect();
    DatasetReport {
        file: file.into(),
        path: path.into(),
        readable: hints.is_empty(),
        readable_by_etalon: filters.iter().all(etalon_has),
        hint: (!hints.is_empty()).then(|| hints.join("; ")),
        filters,
    }
}

fn provider(id: i32, search: &SearchPath, scan: &Scan) -> Option<String> {
    if is_built_in(id) {
        return Some("HDF5".into());
    }
    if search.forbidden {
        return None;
    }
    scan.winner(id)
        .map(|plugin| plugin.path.display().to_string())
}

/// Whether `etalon` decodes this filter without a plugin.
fn is_linked_in(id: i32) -> bool {
    u32::try_from(id).is_ok_and(|id| etalon_codec::Filter::by_id(id).is_some())
}

/// Whether the HDF5 in this program has the filter, or finds it where others do.
fn etalon_has(filter: &FilterReport) -> bool {
    match is_built_in(filter.id) {
        true => is_built_in_here(filter.id),
        false => filter.available || is_linked_in(filter.id),
    }
}

/// What to say of a filter that other programs have and this one has not.
pub fn hint_for_etalon(report: &DatasetReport) -> Option<String> {
    let missing = report.filters.iter().find(|filter| !etalon_has(filter))?;
    let hint = install_hint(missing.id, "");
    Some(format!("etalon itself has no {}; {hint}", missing.name))
}

fn hint(id: i32, name_in_file: &str, search: &SearchPath, scan: &Scan) -> String {
    if search.forbidden {
        return "HDF5_PLUGIN_PRELOAD=:: forbids all plugins; unset it".into();
    }
    let hidden = scan
        .plugins
        .iter()
        .find(|plugin| plugin.loads && plugin.id == Some(id));
    if let Some((plugin, by)) =
        hidden.and_then(|plugin| Some((plugin, plugin.shadowed_by.as_ref()?)))
    {
        return format!(
            "{} has it, but HDF5's search ends before it at {}; remove that",
            plugin.path.display(),
            by.display()
        );
    }
    if is_linked_in(id) && search.from_environment {
        return format!(
            "{}, and put its plugin folder into HDF5_PLUGIN_PATH",
            install_hint(id, name_in_file)
        );
    }
    if is_linked_in(id) {
        return format!(
            "{}, and set HDF5_PLUGIN_PATH to its plugin folder",
            install_hint(id, name_in_file)
        );
    }
    install_hint(id, name_in_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::Plugin;

    fn search(forbidden: bool) -> SearchPath {
        SearchPath {
            directories: Vec::new(),
            from_environment: true,
            forbidden,
        }
    }

    fn scan(id: i32, shadowed_by: Option<&str>) -> Scan {
        Scan {
            directories: Vec::new(),
            plugins: vec![Plugin {
                path: "/p/lib.so".into(),
                id: Some(id),
                name: None,
                loads: true,
                error: None,
                shadowed_by: shadowed_by.map(Into::into),
                etalon: false,
                can_encode: true,
            }],
        }
    }

    fn pipeline(ids: &[i32]) -> Vec<(i32, String)> {
        ids.iter().map(|id| (*id, String::new())).collect()
    }

    #[test]
    fn built_in_filters_need_nothing() {
        let report = examine(
            "f",
            "/d",
            &pipeline(&[2, 1]),
            &search(true),
            &Scan::default(),
        );
        assert!(report.readable && report.readable_by_etalon && report.hint.is_none());
    }

    #[test]
    fn szip_is_read_by_others_only() {
        let (search, scan) = (search(false), Scan::default());
        let report = examine("f", "/d", &pipeline(&[4]), &search, &scan);
        assert_eq!(report.readable_by_etalon, is_built_in_here(4));
        assert!(report.readable);
        let hint = hint_for_etalon(&report);
        assert_eq!(hint.is_none(), report.readable_by_etalon, "{hint:?}");
    }

    #[test]
    fn a_missing_filter_names_its_package() {
        let report = examine(
            "f",
            "/d",
            &pipeline(&[2, 32001]),
            &search(false),
            &Scan::default(),
        );
        assert!(!report.readable && !report.readable_by_etalon);
        assert!(report.hint.unwrap().contains("pip install hdf5plugin"));
    }

    #[test]
    fn what_is_linked_into_etalon_is_not_readable_for_others() {
        let report = examine(
            "f",
            "/d",
            &pipeline(&[32008]),
            &search(false),
            &Scan::default(),
        );
        assert!(!report.readable && report.readable_by_etalon);
        let report = examine(
            "f",
            "/d",
            &pipeline(&[32008]),
            &search(false),
            &scan(32008, None),
        );
        assert!(report.readable);
        assert_eq!(report.filters[0].provider.as_deref(), Some("/p/lib.so"));
    }

    #[test]
    fn a_plugin_behind_a_dangling_link_is_missing_with_the_reason() {
        let hidden = scan(32001, Some("/p/libgone.so"));
        let report = examine("f", "/d", &pipeline(&[32001]), &search(false), &hidden);
        assert!(
            report
                .hint
                .unwrap()
                .contains("ends before it at /p/libgone.so")
        );
        let report = examine(
            "f",
            "/d",
            &pipeline(&[32001]),
            &search(true),
            &scan(32001, None),
        );
        assert!(report.hint.unwrap().contains("HDF5_PLUGIN_PRELOAD"));
    }
}
