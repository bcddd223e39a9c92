//! `include/etalon_daq.h` is that of this source. `BLESS=1 cargo test --release -p etalon-daq --test header` writes it anew.

use std::path::{Path, PathBuf};

const RULES: &str = "/* libetalon_daq: frames of a detector, encoded by several threads and written to an HDF5 file that others read meanwhile.
 *
 * Generated from crates/daq/src/ by cbindgen; include/etalon_daq.h is part of the source and compared in a test.
 *
 * Rules that all functions keep
 *
 * - A function that can fail returns a status: ETALON_DAQ_OK, or why it failed. etalon_daq_last_error() has a sentence
 *   about it. Outputs come last and are written only on success.
 * - The library brings its own HDF5, which is hidden: the program may have another one, or none.
 * - It installs no signal handler, prints nothing and never exits. To stop, call etalon_daq_close().
 * - All memory for frames is taken by etalon_daq_create(): encoding with bitshuffle and writing take none, except that
 *   HDF5 takes some for its index.
 * - Frame n is at index n - first_number of /entry/instrument/detector/data, whoever brings it and whenever.
 * - Structures begin with their size; pass sizeof of yours. Constants and functions are never renumbered or removed under
 *   the same ETALON_DAQ_ABI_VERSION, which is also the number in the SONAME.
 * - The threads do not live on after fork(): create writers in the process that uses them.
 *
 * docs/DAQ.md tells what happens when the disk is slow or full, and when a program is killed. examples/daq_writer.c is a
 * whole program.
 */";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let builder = cbindgen::Builder::new()
        .with_config(config)
        .with_header(RULES)
        .with_include_guard("ETALON_DAQ_H")
        .with_src(source.join("statistics.rs"))
        .with_src(source.join("capi.rs"));
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    without_safety(&String::from_utf8(text).unwrap())
}

/// Rustdoc's section on safety is for Rust; C has the rules above.
fn without_safety(text: &str) -> String {
    let mut lines = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        if line.trim() == "* # Safety" {
            skipping = true;
            if lines.last() == Some(&" *") {
                lines.pop();
            }
        }
        skipping &= line.trim() != "*/";
        if !skipping {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_committed_header_is_that_of_the_source() {
    let path = root().join("include/etalon_daq.h");
    let text = generated();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, text,
        "etalon_daq.h is not that of the source: BLESS=1 cargo test --release -p etalon-daq --test header"
    );
}
