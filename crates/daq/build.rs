//! Link arguments of the shared library.

fn main() {
    // The number is `etalon_daq_abi_version`: it changes when a program built against an older header would break.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libetalon_daq.so.0");
    // HDF5 may hold the filter classes when a program closes the library.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
