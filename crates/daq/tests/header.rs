//! `include/etalon_daq.h` is that of this source. `BLESS=1 cargo test --release -p etalon-daq --test header` writes it anew.

#[path = "../../../tests/support/c_header.rs"]
mod c_header;

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

#[test]
fn the_committed_header_is_that_of_the_source() {
    c_header::check("etalon_daq.h", &["statistics", "capi"], RULES);
}
