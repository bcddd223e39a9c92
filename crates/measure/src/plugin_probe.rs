//! What a plugin file is, found out the way HDF5 does it: by loading it.
//!
//! Loading runs code of the file, and that code may crash or hang. So [`probe`] is only called in a child process of
//! the command (its hidden subcommand [`PROBE_COMMAND`]), and [`probe_in_child`] turns a crash or a time-out into a
//! sentence in the answer.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Hidden subcommand of `etalon` that loads one file and prints a [`Probe`] as JSON.
pub const PROBE_COMMAND: &str = "__probe-plugin";

/// What loading a file showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probe {
    /// The filter id, where the file is a filter plugin.
    pub id: Option<i32>,
    /// The name the plugin gives its filter.
    pub name: Option<String>,
    /// Whether the plugin can write (an HDF5 library refuses to create datasets otherwise).
    pub can_encode: bool,
    /// Whether the plugin can read.
    pub can_decode: bool,
    /// Why HDF5 gets no filter from this file; `None` if it does.
    pub error: Option<String>,
    /// Whether HDF5 gives up on the rest of the directory when it meets this file.
    pub stops_scan: bool,
}

impl Probe {
    fn failed(error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            ..Self::default()
        }
    }

    /// A file at which the program itself ends or hangs.
    fn deadly(error: impl Into<String>) -> Self {
        Self {
            stops_scan: true,
            ..Self::failed(error)
        }
    }
}

/// `H5Z_class2_t` as in H5Zdevelop.h, unchanged from HDF5 1.8.3 to 2.2.
#[repr(C)]
struct FilterClass {
    version: c_int,
    id: c_int,
    encoder_present: c_uint,
    decoder_present: c_uint,
    name: *const c_char,
    can_apply: *const c_void,
    set_local: *const c_void,
    filter: *const c_void,
}

/// `H5PL_TYPE_FILTER`.
const TYPE_FILTER: c_int = 0;

/// Loads `path` into this process, as `H5PL__open` does, and asks what it is. The file stays loaded.
pub fn probe(path: &Path) -> Probe {
    let Ok(file) = CString::new(path.as_os_str().as_bytes()) else {
        return Probe::failed("the file name contains a zero byte");
    };
    // SAFETY: `file` is a C string. Loading runs foreign code, which is why this happens in a process of its own.
    let handle = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Probe::failed(dl_error());
    }
    let (Some(get_type), Some(get_info)) = (
        symbol(handle, c"H5PLget_plugin_type"),
        symbol(handle, c"H5PLget_plugin_info"),
    ) else {
        return Probe::failed("loads, but is no HDF5 plugin (no H5PLget_plugin_info)");
    };
    // SAFETY: H5PLextern.h declares `H5PL_type_t H5PLget_plugin_type(void)`, an enum.
    let get_type: extern "C" fn() -> c_int = unsafe { std::mem::transmute(get_type) };
    if get_type() != TYPE_FILTER {
        return Probe::failed("an HDF5 plugin, but not a filter (a VOL connector or file driver)");
    }
    // SAFETY: H5PLextern.h declares `const void *H5PLget_plugin_info(void)`.
    let get_info: extern "C" fn() -> *const FilterClass = unsafe { std::mem::transmute(get_info) };
    describe(get_info())
}

fn describe(class: *const FilterClass) -> Probe {
    // SAFETY: a filter plugin returns NULL or a class that lives as long as the plugin is loaded.
    let Some(class) = (unsafe { class.as_ref() }) else {
        return Probe::deadly(
            "H5PLget_plugin_info returns NULL, which stops HDF5's search of this directory",
        );
    };
    if class.version != 1 {
        return Probe::failed(format!(
            "has filter class version {}; this program knows version 1",
            class.version
        ));
    }
    let name = if class.name.is_null() {
        String::new()
    } else {
        // SAFETY: the class names its filter with a C string or NULL.
        unsafe { CStr::from_ptr(class.name) }
            .to_string_lossy()
            .into_owned()
    };
    Probe {
        id: Some(class.id),
        name: Some(name),
        can_encode: class.encoder_present != 0,
        can_decode: class.decoder_present != 0,
        error: class
            .filter
            .is_null()
            .then(|| "its filter function is NULL".into()),
        stops_scan: false,
    }
}

fn symbol(handle: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `handle` comes from dlopen and is never closed; `name` is a C string.
    let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

fn dl_error() -> String {
    // SAFETY: dlerror returns NULL or a C string that is valid until the next dl call of this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "does not load".into();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Probes `path` in a child process: `program` [`PROBE_COMMAND`] `path`, which prints a [`Probe`].
pub fn probe_in_child(program: &Path, path: &Path, timeout: Duration) -> Probe {
    let child = Command::new(program)
        .arg(PROBE_COMMAND)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Probe::failed(format!("cannot be tried: {error}")),
    };
    let Some(status) = wait(&mut child, timeout) else {
        // Already gone, or killed here: either way there is nothing left to wait for.
        let _ = child.kill();
        let _ = child.wait();
        return Probe::deadly(format!(
            "hangs while loading (given up after {} s)",
            timeout.as_secs_f32()
        ));
    };
    answer(&mut child, status)
}

fn wait(child: &mut std::process::Child, timeout: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < timeout {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// The answer is shorter than a pipe holds, so it is read after the child has ended.
fn answer(child: &mut std::process::Child, status: ExitStatus) -> Probe {
    if let Some(signal) = status.signal() {
        return Probe::deadly(format!(
            "crashes while loading ({}): any program that meets it crashes too",
            signal_name(signal)
        ));
    }
    let mut text = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        // What cannot be read does not parse below.
        let _ = std::io::Read::read_to_end(stdout, &mut text);
    }
    // A plugin may print while it loads: the answer is the last line.
    let line = text
        .split(|&byte| byte == b'\n')
        .rfind(|line| !line.is_empty());
    line.and_then(|line| serde_json::from_slice(line).ok())
        .unwrap_or_else(|| Probe::deadly(format!("ends the program that loads it ({status})")))
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGABRT => "SIGABRT".into(),
        libc::SIGBUS => "SIGBUS".into(),
        libc::SIGILL => "SIGILL".into(),
        libc::SIGFPE => "SIGFPE".into(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`probe_in_child`] makes of a program that does what `script` says instead of probing.
    fn with_child(script: &str, timeout_ms: u64) -> Probe {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        // Written by another process: a child that another test starts meanwhile would hold this one's open file, and
        // what is open for writing cannot be run.
        let written = Command::new("/bin/sh")
            .args([
                "-c",
                r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#,
            ])
            .arg(&program)
            .arg(script)
            .status();
        assert!(written.unwrap().success());
        probe_in_child(
            &program,
            Path::new("/lib.so"),
            Duration::from_millis(timeout_ms),
        )
    }

    #[test]
    fn the_last_line_of_the_child_is_the_answer() {
        let found = Probe {
            id: Some(300),
            can_decode: true,
            ..Probe::default()
        };
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(
            with_child(&format!("echo hello\necho '{json}'"), 5000),
            found
        );
    }

    #[test]
    fn a_child_that_crashes_hangs_or_leaves_is_an_error() {
        for (script, timeout_ms, word) in [
            ("kill -SEGV $$", 5000, "SIGSEGV"),
            ("exec sleep 60", 100, "hangs"),
            ("exit 0", 5000, "ends the program"),
        ] {
            let probe = with_child(script, timeout_ms);
            assert!(
                probe.stops_scan && probe.error.as_ref().unwrap().contains(word),
                "{probe:?}"
            );
        }
        let error = probe_in_child(
            Path::new("/nonexistent"),
            Path::new("/lib.so"),
            Duration::ZERO,
        )
        .error;
        assert!(error.unwrap().contains("cannot be tried"));
    }

    #[test]
    fn a_file_that_is_no_library_does_not_load() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(probe(file.path()).error.unwrap().contains("too short"));
    }
}
