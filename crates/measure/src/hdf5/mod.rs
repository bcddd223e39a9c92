//! The calls into the HDF5 library that the rest of this crate needs, as safe functions.
//!
//! `hdf5-metno`'s own types hide what recompression is about: raw chunks, filter masks, creation properties, references
//! and links. This module wraps exactly those, over `hdf5-metno-sys`, and all `unsafe` of the crate's file work is in
//! this folder.
//!
//! * [`Id`] owns an identifier; every function takes `&Id`s, so an identifier outlives the calls that use it.
//! * The library is not thread-safe. Every call runs under `hdf5-metno`'s lock ([`checked`]), which is reentrant.
//! * Buffers are slices, and their size is checked against what HDF5 will read or write before the call.

#![allow(unsafe_code)] // This folder is the C boundary; see the rules above.

use std::ffi::CString;
use std::fmt;

use hdf5_metno::sync::sync;
use hdf5_metno_sys::h5i::{H5Idec_ref, H5Iinc_ref, hid_t};

use crate::fault::{Blame, Fault};

/// Calls a function of HDF5 under the lock; a negative result becomes an [`H5Error`] with HDF5's own words.
macro_rules! h5 {
    ($function:ident($($argument:expr),* $(,)?)) => {
        $crate::hdf5::checked(stringify!($function), || {
            // SAFETY: identifiers come from live `Id`s or are HDF5's constants, strings from `CString`s that outlive
            // the call, and each call site passes buffers of the size that the call reads or writes.
            unsafe { $function($($argument),*) }
        })
    };
}

pub(crate) mod attribute;
pub(crate) mod chunk;
pub(crate) mod dataset;
pub(crate) mod dataspace;
pub(crate) mod datatype;
pub(crate) mod equality;
pub(crate) mod file;
pub(crate) mod growing;
pub(crate) mod link;
pub(crate) mod object;
pub(crate) mod plist;
#[cfg(test)]
mod rare_files;
pub(crate) mod reference;
pub(crate) mod registration;
pub(crate) mod scalar;
pub(crate) mod values;

/// HDF5's default property list.
pub(crate) const DEFAULT: hid_t = hdf5_metno_sys::h5p::H5P_DEFAULT;

/// What HDF5 said when a call failed.
#[derive(Debug, Clone)]
pub(crate) struct H5Error {
    text: String,
    /// Whether the call was to change a file.
    is_write: bool,
}

pub(crate) type Result<T> = std::result::Result<T, H5Error>;

impl fmt::Display for H5Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for H5Error {}

impl H5Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_write: false,
        }
    }

    /// The error with the name of what was worked on in front.
    pub(crate) fn of(self, what: &str) -> Self {
        Self {
            text: format!("{what}: {}", self.text),
            ..self
        }
    }

    /// The error stack that the last failed call left behind.
    fn of_last_call(function: &str) -> Self {
        let mut text = match hdf5_metno::Error::query() {
            Ok(error) => {
                // The innermost message is the one that a filter or the operating system wrote.
                let cause = error
                    .stack()
                    .and_then(|stack| Some(stack.iter().last()?.desc().to_owned()));
                (error.to_string(), cause)
            }
            Err(_) => (format!("{function} failed without a reason"), None),
        };
        if let Some(cause) = text.1.filter(|cause| !text.0.contains(cause.as_str())) {
            text.0 = format!("{}: {cause}", text.0);
        }
        Self {
            text: text.0,
            is_write: is_write(function),
        }
    }
}

/// Whether a function changes a file, by its name.
fn is_write(function: &str) -> bool {
    [
        "create",
        "write",
        "commit",
        "link",
        "flush",
        "Fclose",
        "Ocopy",
        "rename",
        "set_comment",
    ]
    .iter()
    .any(|word| function.contains(word))
}

/// Blames the side on which a call failed, where both files are at work.
pub(crate) trait BySide<T> {
    fn by_side(self, doing: impl FnOnce() -> String) -> std::result::Result<T, Fault>;
}

impl<T> BySide<T> for Result<T> {
    fn by_side(self, doing: impl FnOnce() -> String) -> std::result::Result<T, Fault> {
        match &self {
            Err(error) if error.is_write => self.output(doing),
            _ => self.input(doing),
        }
    }
}

/// A result of HDF5, negative on failure.
pub(crate) trait Status: Copy {
    fn is_failure(self) -> bool;
}

macro_rules! status {
    ($($type:ty),*) => {
        $(impl Status for $type {
            fn is_failure(self) -> bool {
                self < 0
            }
        })*
    };
}
status!(i32, i64, isize);

/// Runs `call` under the lock.
pub(crate) fn checked<T: Status>(function: &str, call: impl FnOnce() -> T) -> Result<T> {
    sync(|| {
        let result = call();
        if result.is_failure() {
            Err(H5Error::of_last_call(function))
        } else {
            Ok(result)
        }
    })
}

/// An identifier of HDF5 that is released when dropped.
#[derive(Debug)]
pub(crate) struct Id(hid_t);

impl Id {
    /// Takes over an identifier that a call returned.
    fn own(id: hid_t) -> Self {
        Self(id)
    }

    fn raw(&self) -> hid_t {
        self.0
    }
}

impl Clone for Id {
    fn clone(&self) -> Self {
        // A failure leaves the count as it is; the two drops then release twice, which HDF5 refuses without harm.
        let _ = h5!(H5Iinc_ref(self.0));
        Self(self.0)
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        // Nobody can be told: whoever needs to know closes explicitly.
        let _ = h5!(H5Idec_ref(self.0));
    }
}

/// A name for HDF5.
fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| H5Error::new(format!("the name {text:?} holds a zero byte")))
}

/// Calls `fill` with a null buffer for the length of a text, then with a buffer for the text.
fn text(fill: impl FnMut(*mut std::ffi::c_char, usize) -> Result<isize>) -> Result<String> {
    String::from_utf8(text_bytes(fill)?).map_err(|error| {
        H5Error::new(format!(
            "the name {:?} is not UTF-8",
            String::from_utf8_lossy(error.as_bytes())
        ))
    })
}

/// The same of a file, whose name may be in any encoding; what is not UTF-8 is replaced.
fn file_name(fill: impl FnMut(*mut std::ffi::c_char, usize) -> Result<isize>) -> Result<String> {
    Ok(String::from_utf8_lossy(&text_bytes(fill)?).into_owned())
}

fn text_bytes(
    mut fill: impl FnMut(*mut std::ffi::c_char, usize) -> Result<isize>,
) -> Result<Vec<u8>> {
    let len = fill(std::ptr::null_mut(), 0)? as usize;
    let mut bytes = vec![0_u8; len + 1];
    fill(bytes.as_mut_ptr().cast(), bytes.len())?;
    bytes.truncate(len);
    Ok(bytes)
}
