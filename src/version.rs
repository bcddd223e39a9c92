//! Which library a program runs with.

use std::ffi::c_char;

/// Version of the binary interface that this header describes; that of a library is `etalon_abi_version()`.
pub const ETALON_ABI_VERSION: u32 = 0;

/// The version of the binary interface of the library that is loaded. A program built against another
/// `ETALON_ABI_VERSION` must not go on.
///
/// Thread-safe; never fails.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_abi_version() -> u32 {
    ETALON_ABI_VERSION
}

/// The version of the library that is loaded, as in "0.1.0".
///
/// Thread-safe; never fails. The text lasts as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
