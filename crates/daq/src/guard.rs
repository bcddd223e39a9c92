//! The frame around every function of the C interface: pointers are checked, failures and panics become a status.

#![allow(unsafe_code)] // Pointers of C become references here.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};

use crate::capi::{
    ETALON_DAQ_CLOSED, ETALON_DAQ_DROPPED, ETALON_DAQ_FILE, ETALON_DAQ_INDEX, ETALON_DAQ_INTERNAL,
    ETALON_DAQ_NULL, ETALON_DAQ_NUMBER, ETALON_DAQ_OK, ETALON_DAQ_SETTINGS, ETALON_DAQ_SIZE,
};
use crate::error::Error;

/// Why a function fails.
pub(crate) enum Failure {
    /// The named argument is NULL.
    Null(&'static str),
    /// There is no item with this index, or no buffer at this address.
    Index,
    /// The writer says why.
    Writer(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Writer(error)
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Runs the body of a function. Nothing unwinds into C.
pub(crate) fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> c_int {
    let (status, text) = match etalon_filter::catch(body) {
        Ok(Ok(())) => return ETALON_DAQ_OK,
        Ok(Err(Failure::Null(what))) => (ETALON_DAQ_NULL, format!("{what} is NULL")),
        Ok(Err(Failure::Index)) => (ETALON_DAQ_INDEX, "there is no such item".to_owned()),
        Ok(Err(Failure::Writer(error))) => (status_of(&error), error.to_string()),
        Err(panic) => (
            ETALON_DAQ_INTERNAL,
            format!("internal error: {panic}; please report it"),
        ),
    };
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    LAST.with_borrow_mut(|last| *last = text);
    status
}

fn status_of(error: &Error) -> c_int {
    match error {
        Error::Settings(_) => ETALON_DAQ_SETTINGS,
        Error::Size { .. } => ETALON_DAQ_SIZE,
        Error::Number(_) => ETALON_DAQ_NUMBER,
        Error::Dropped(_) => ETALON_DAQ_DROPPED,
        Error::Closed => ETALON_DAQ_CLOSED,
        Error::File(_) => ETALON_DAQ_FILE,
    }
}

/// The sentence about the last failure in this thread; it stays until the next one.
pub(crate) fn last_error() -> *const c_char {
    LAST.with_borrow(|last| last.as_ptr())
}

/// What a pointer points to.
///
/// # Safety
/// It is NULL, or points to a `T` that lives as long as the reference and is not changed meanwhile.
pub(crate) unsafe fn reference<'a, T>(
    what: &'static str,
    pointer: *const T,
) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or(Failure::Null(what))
}

/// A place for an output, checked before anything is done.
///
/// # Safety
/// It is NULL, or a `T` can be written there for as long as the reference lives.
pub(crate) unsafe fn place<'a, T>(
    what: &'static str,
    pointer: *mut T,
) -> Result<&'a mut std::mem::MaybeUninit<T>, Failure> {
    // SAFETY: the caller's promise; nothing is assumed about what is there.
    unsafe { pointer.cast::<std::mem::MaybeUninit<T>>().as_mut() }.ok_or(Failure::Null(what))
}

/// A text of C.
///
/// # Safety
/// It is NULL, or ends with 0 and is not changed meanwhile.
pub(crate) unsafe fn text<'a>(
    what: &'static str,
    pointer: *const c_char,
) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::Null(what));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str()
        .map_err(|_| Error::settings("a text is not UTF-8").into())
}
