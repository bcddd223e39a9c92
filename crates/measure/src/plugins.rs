//! Which plugin files HDF5 would find, in the order in which it looks.
//!
//! For a filter that is not built in, HDF5 goes through the directories of `HDF5_PLUGIN_PATH` (which replaces the
//! library's default directory) and through each directory in the order of the file system, loads every file named
//! `lib*.so*`, and takes the first that has the wanted id. A file that cannot be loaded is passed over in silence, but
//! one that cannot be looked at — a symbolic link to nothing — ends the search of its directory (`H5PLpath.c`,
//! `H5PL__find_plugin_in_path`), so plugins behind it are not found.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::plugin_probe::Probe;

/// Default directories of HDF5 builds people have: one built from source, the h5py wheel, Debian's.
const DEFAULT_DIRECTORIES: [&str; 4] = [
    "/usr/local/hdf5/lib/plugin",
    "/usr/local/lib/plugin",
    "/usr/lib/x86_64-linux-gnu/hdf5/serial/plugins",
    "/usr/lib/aarch64-linux-gnu/hdf5/serial/plugins",
];

/// Where HDF5 programs look for plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath {
    /// The directories, in order.
    pub directories: Vec<PathBuf>,
    /// Whether they come from `HDF5_PLUGIN_PATH`; else they are the defaults of common builds, and each program has
    /// only one of them.
    pub from_environment: bool,
    /// Whether `HDF5_PLUGIN_PRELOAD=::` forbids all plugins.
    pub forbidden: bool,
}

impl SearchPath {
    /// The search path that programs started from here get.
    pub fn from_environment() -> Self {
        let forbidden = std::env::var_os("HDF5_PLUGIN_PRELOAD").is_some_and(|value| value == "::");
        let variable = std::env::var_os("HDF5_PLUGIN_PATH");
        let directories = match &variable {
            // HDF5 cuts the variable with strtok, which drops empty parts.
            Some(path) => path
                .as_bytes()
                .split(|&byte| byte == b':')
                .filter(|part| !part.is_empty())
                .map(|part| PathBuf::from(std::ffi::OsStr::from_bytes(part)))
                .collect(),
            None => DEFAULT_DIRECTORIES
                .iter()
                .map(PathBuf::from)
                .filter(|directory| directory.is_dir())
                .collect(),
        };
        Self {
            directories,
            from_environment: variable.is_some(),
            forbidden,
        }
    }
}

/// A directory of the search path.
#[derive(Debug, Clone, Serialize)]
pub struct Directory {
    /// The directory.
    pub path: PathBuf,
    /// Whether it comes from `HDF5_PLUGIN_PATH` or is a library's default.
    pub from_environment: bool,
    /// Why it cannot be searched, or where the search ends before its end.
    pub error: Option<String>,
}

/// A file that HDF5 looks at.
#[derive(Debug, Clone, Serialize)]
pub struct Plugin {
    /// The file.
    pub path: PathBuf,
    /// The filter id, where it is a filter plugin.
    pub id: Option<i32>,
    /// The name it gives its filter.
    pub name: Option<String>,
    /// Whether HDF5 gets a filter from it.
    pub loads: bool,
    /// Why not.
    pub error: Option<String>,
    /// The file that HDF5 takes instead, or that keeps HDF5 from getting here.
    pub shadowed_by: Option<PathBuf>,
    /// Whether it is one of Etalon's plugins.
    pub etalon: bool,
    /// Whether datasets can be written with it.
    pub can_encode: bool,
}

/// What was found on the search path.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Scan {
    /// The directories, in search order.
    pub directories: Vec<Directory>,
    /// The files HDF5 looks at, in search order.
    pub plugins: Vec<Plugin>,
}

impl Scan {
    /// The plugin that HDF5 uses for this filter.
    pub fn winner(&self, id: i32) -> Option<&Plugin> {
        self.plugins
            .iter()
            .find(|plugin| plugin.loads && plugin.id == Some(id) && plugin.shadowed_by.is_none())
    }
}

/// Looks at every directory of `search` in HDF5's order; `probe` says what a file is.
pub fn scan(search: &SearchPath, probe: impl Fn(&Path) -> Probe) -> Scan {
    let mut scan = Scan::default();
    for path in &search.directories {
        let error = match candidates(path) {
            Ok(files) => scan_directory(&mut scan.plugins, &files, &probe),
            Err(error) => Some(format!("cannot be searched: {error}")),
        };
        scan.directories.push(Directory {
            path: path.clone(),
            from_environment: search.from_environment,
            error,
        });
    }
    scan
}

/// Files named `lib*.so*` that are not directories, in the order of the file system.
fn candidates(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_bytes();
        let named = name.starts_with(b"lib") && name.windows(3).any(|part| part == b".so");
        if named && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Adds the files of one directory; says where the search of it ends early.
fn scan_directory(
    plugins: &mut Vec<Plugin>,
    files: &[PathBuf],
    probe: &impl Fn(&Path) -> Probe,
) -> Option<String> {
    let mut stopped_by: Option<PathBuf> = None;
    for path in files {
        let mut found = look(path, probe);
        let stops = found.stops_scan;
        let mut plugin = plugin(path, &mut found);
        plugin.shadowed_by = stopped_by.clone().or_else(|| earlier(plugins, &plugin));
        plugins.push(plugin);
        if stops && stopped_by.is_none() {
            stopped_by = Some(path.clone());
        }
    }
    let behind = files.last() != stopped_by.as_ref();
    stopped_by.filter(|_| behind).map(|file| {
        format!(
            "HDF5's search ends at {}: plugins behind it are not found; remove it",
            file.display()
        )
    })
}

fn look(path: &Path, probe: &impl Fn(&Path) -> Probe) -> Probe {
    match std::fs::metadata(path) {
        Ok(_) => probe(path),
        Err(error) => Probe {
            error: Some(match std::fs::read_link(path) {
                Ok(target) => format!(
                    "a symbolic link to {}, which is not there",
                    target.display()
                ),
                Err(_) => error.to_string(),
            }),
            stops_scan: true,
            ..Probe::default()
        },
    }
}

fn plugin(path: &Path, found: &mut Probe) -> Plugin {
    let name = found.name.take();
    Plugin {
        path: path.to_owned(),
        id: found.id,
        loads: found.id.is_some() && found.error.is_none(),
        error: found.error.take(),
        shadowed_by: None,
        etalon: name.as_deref().is_some_and(is_etalon_name),
        name,
        can_encode: found.can_encode,
    }
}

fn earlier(plugins: &[Plugin], plugin: &Plugin) -> Option<PathBuf> {
    let id = plugin.id?;
    plugins
        .iter()
        .find(|other| other.loads && other.id == Some(id) && other.shadowed_by.is_none())
        .map(|other| other.path.clone())
}

/// Whether a filter gives itself the class name of one of ours.
fn is_etalon_name(name: &str) -> bool {
    etalon_codec::FILTERS
        .iter()
        .any(|filter| filter.class_name.to_bytes() == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(directories: &[&Path]) -> SearchPath {
        SearchPath {
            directories: directories.iter().map(|path| path.to_path_buf()).collect(),
            from_environment: true,
            forbidden: false,
        }
    }

    /// Files named `lib<id>*.so` are plugins with that id; the rest does not load.
    fn by_name(path: &Path) -> Probe {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(id) => Probe {
                id: Some(id),
                name: Some(name.into()),
                can_encode: true,
                can_decode: true,
                ..Probe::default()
            },
            Err(_) => Probe {
                error: Some("not a plugin".into()),
                ..Probe::default()
            },
        }
    }

    #[test]
    fn the_first_directory_wins_and_the_second_is_shadowed() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for directory in [&first, &second] {
            std::fs::write(directory.path().join("lib300.so"), "").unwrap();
        }
        std::fs::write(second.path().join("README.txt"), "").unwrap();
        let scan = scan(&search(&[first.path(), second.path()]), by_name);
        assert_eq!(scan.plugins.len(), 2);
        assert_eq!(
            scan.winner(300).unwrap().path,
            first.path().join("lib300.so")
        );
        assert_eq!(
            scan.plugins[1].shadowed_by,
            Some(first.path().join("lib300.so"))
        );
    }

    #[test]
    fn nothing_behind_a_dangling_link_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("libgone.so");
        std::os::unix::fs::symlink("/nonexistent/libgone.so", &link).unwrap();
        for id in 300..310 {
            std::fs::write(directory.path().join(format!("lib{id}.so")), "").unwrap();
        }
        let scan = scan(&search(&[directory.path()]), by_name);
        let at = scan
            .plugins
            .iter()
            .position(|plugin| plugin.path == link)
            .unwrap();
        assert!(
            scan.plugins[at]
                .error
                .as_ref()
                .unwrap()
                .contains("is not there")
        );
        assert!(
            scan.plugins[..at]
                .iter()
                .all(|plugin| plugin.shadowed_by.is_none())
        );
        for plugin in &scan.plugins[at + 1..] {
            assert_eq!(plugin.shadowed_by.as_ref(), Some(&link));
            assert!(scan.winner(plugin.id.unwrap()).is_none());
        }
        assert_eq!(
            scan.directories[0].error.is_some(),
            at + 1 < scan.plugins.len()
        );
    }

    #[test]
    fn a_missing_directory_is_reported_and_the_next_one_searched() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lib300.so.1"), "").unwrap();
        let scan = scan(
            &search(&[Path::new("/nonexistent"), directory.path()]),
            by_name,
        );
        assert!(scan.directories[0].error.is_some() && scan.directories[1].error.is_none());
        assert_eq!(scan.plugins.len(), 1);
    }
}
