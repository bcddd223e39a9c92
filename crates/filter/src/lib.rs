//! The HDF5 side of Etalon's plugins: everything between `H5PLget_plugin_info` and a codec, for any filter of
//! `etalon-codec`.
//!
//! A plugin knows nothing about HDF5 at link time. One process may hold several copies of the library (the wheels of
//! h5py, netCDF4 and PyTables each bring one) and all of them share one image of the plugin, so each callback finds the
//! copy that called it (host.rs), asks it what it needs through plain function pointers, and keeps nothing of it.
//!
//! * A plugin is a cdylib crate with one line, [`export_plugin!`].
//! * A program that brings its own HDF5 registers [`plugin_classes`] with `H5Zregister` instead.
//!
//! Why each step is the way it is was found by experiment; the comments name the HDF5 versions.

#![allow(unsafe_code)] // C calls us through pointers and we call C through pointers: that is this crate's whole job.

mod buffer;
mod creation;
mod entry;
mod errors;
mod filter;
mod h5abi;
mod host;
mod work;

pub use entry::catch;
pub use filter::{Plugin, plugin_class, plugin_classes};
pub use h5abi::FilterClass;

#[doc(hidden)] // For `export_plugin!` only, so that a plugin has one dependency.
pub use etalon_codec as codec;

/// Writes the two functions that HDF5 looks for in a plugin, for one filter of `etalon_codec`.
///
/// ```
/// etalon_filter::export_plugin!(codecs::bitshuffle::STREAM);
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($stream:ident)::+) => {
        struct Exported;

        impl $crate::Plugin for Exported {
            const STREAM: &'static $crate::codec::Stream = &$crate::codec::$($stream)::+;
        }

        /// Tells HDF5 that this library holds a filter: `H5PL_TYPE_FILTER`.
        #[unsafe(no_mangle)]
        pub extern "C" fn H5PLget_plugin_type() -> ::std::ffi::c_int {
            0
        }

        /// Tells HDF5 which one.
        #[unsafe(no_mangle)]
        pub extern "C" fn H5PLget_plugin_info() -> *const ::std::ffi::c_void {
            ::std::ptr::from_ref($crate::plugin_class::<Exported>()).cast()
        }
    };
}
