//! A Python with h5py, and the folder of plugins that it gets: what commands that ask h5py need.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The plugin that every build has.
pub(crate) const PLUGIN: &str = "libh5etalon_bitshuffle.so";

/// The folder of Etalon's plugins: in `HDF5_PLUGIN_PATH`, or where `make plugins` puts them.
pub(crate) fn plugin_folder() -> Option<PathBuf> {
    let path = std::env::var_os("HDF5_PLUGIN_PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("h5plugins".into());
    if let Ok(program) = std::env::current_exe() {
        // Beside the program, or target/<profile>/etalon in a source tree.
        folders.extend(
            program
                .ancestors()
                .skip(1)
                .take(3)
                .map(|folder| folder.join("h5plugins")),
        );
    }
    let folder = folders
        .into_iter()
        .find(|folder| folder.join(PLUGIN).is_file())?;
    folder.canonicalize().ok()
}

/// Where a Python is looked for.
pub(crate) fn interpreters() -> Vec<PathBuf> {
    let given = std::env::var_os("PYTHON").map(PathBuf::from);
    given
        .into_iter()
        .chain([".venv/bin/python".into(), "python3".into()])
        .collect()
}

/// Versions of h5py and its HDF5, where an interpreter has them.
pub(crate) fn h5py_version(python: &Path) -> Option<String> {
    let done = Command::new(python)
        .args([
            "-c",
            "import h5py; print(h5py.__version__, 'with HDF5', h5py.version.hdf5_version)",
        ])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| text.trim().to_owned())
}
