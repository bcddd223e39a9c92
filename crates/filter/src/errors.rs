//! Puts a sentence on the error stack of the caller's HDF5, where h5py, h5dump and hdf5-metno find it.
//!
//! Pushing on the default stack is lost in 1.14.6 and 2.0, which pause it around filter callbacks. Replacing the
//! current stack by a private one works in every version from 1.10.8 to 2.2. netCDF and PyTables show texts of their
//! own only, and a static HDF5 cannot be reached; `ETALON_STDERR=1` prints the sentence for their users.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::io::Write;

use etalon_codec::Stream;

use crate::h5abi::{Herr, Hid, MESSAGE_MAJOR, MESSAGE_MINOR};
use crate::host::{Host, functions};

functions!(
    struct ErrorStack {
        register_class: H5Eregister_class as fn(*const c_char, *const c_char, *const c_char) -> Hid,
        unregister_class: H5Eunregister_class as fn(Hid) -> Herr,
        create_message: H5Ecreate_msg as fn(Hid, c_int, *const c_char) -> Hid,
        close_message: H5Eclose_msg as fn(Hid) -> Herr,
        create_stack: H5Ecreate_stack as fn() -> Hid,
        push: H5Epush2 as fn(
            Hid,
            *const c_char,
            *const c_char,
            c_uint,
            Hid,
            Hid,
            Hid,
            *const c_char,
            ...
        ) -> Herr,
        set_current: H5Eset_current_stack as fn(Hid) -> Herr,
    }
);

/// Tells the user that the filter failed while `doing` something.
pub(crate) fn report(stream: &Stream, doing: &CStr, message: &str) {
    let sentence = format!("{} ({}): {message}", stream.name, stream.id);
    say(&sentence);
    let Ok(sentence) = CString::new(sentence) else {
        return;
    };
    if let Some(stack) = Host::of_caller().as_ref().and_then(ErrorStack::of) {
        stack.replace(stream, doing, &sentence);
    }
}

/// Prints a sentence for users who asked for that.
pub(crate) fn say(sentence: &str) {
    if std::env::var_os("ETALON_STDERR").is_some_and(|value| value == "1") {
        // A closed stderr is no reason to fail differently.
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }
}

impl ErrorStack {
    /// Makes a stack with one entry the current one. Every call but the last clears the current stack.
    fn replace(&self, stream: &Stream, doing: &CStr, sentence: &CStr) {
        let version = concat!(env!("CARGO_PKG_VERSION"), "\0");
        // SAFETY: all functions come from one copy of HDF5, the one that is calling us, and are called in its thread;
        // all strings end with NUL and outlive the calls, which copy them. A failed call gives −1, which the others
        // refuse. `set_current` closes the stack it is given, and the stack's entry keeps its own references to class
        // and messages.
        unsafe {
            let class = (self.register_class)(
                c"etalon".as_ptr(),
                c"etalon".as_ptr(),
                version.as_ptr().cast(),
            );
            let major = (self.create_message)(class, MESSAGE_MAJOR, stream.class_name.as_ptr());
            let minor = (self.create_message)(class, MESSAGE_MINOR, doing.as_ptr());
            let stack = (self.create_stack)();
            (self.push)(
                stack,
                c"etalon".as_ptr(),
                doing.as_ptr(),
                0,
                class,
                major,
                minor,
                c"%s".as_ptr(),
                sentence.as_ptr(),
            );
            (self.close_message)(minor);
            (self.close_message)(major);
            (self.unregister_class)(class);
            (self.set_current)(stack);
        }
    }
}
