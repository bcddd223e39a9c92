//! Link arguments of the plugin.

fn main() {
    // HDF5 keeps pointers into the plugin when it closes it, and threads may be inside: the image has to stay.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
