//! What functions return, and the sentence that goes with a failure.
//!
//! The sentence is kept per thread in memory of fixed size, so that failing needs no memory of its own.

use std::cell::RefCell;
use std::ffi::{c_char, c_int};
use std::fmt::{self, Write};

use etalon_codec::Error;

/// Done: outputs are written.
pub const ETALON_OK: c_int = 0;
/// A pointer that must not be NULL is.
pub const ETALON_NULL: c_int = 1;
/// A length is not the one needed: a chunk of another size than the context is for, or a buffer that is too small.
pub const ETALON_SIZE: c_int = 2;
/// Input and output share memory.
pub const ETALON_OVERLAP: c_int = 3;
/// Settings contradict each other, are unknown, or do not fit the data.
pub const ETALON_SETTINGS: c_int = 4;
/// The chunk is truncated or damaged.
pub const ETALON_DAMAGED: c_int = 5;
/// An index is not below the number of items.
pub const ETALON_INDEX: c_int = 6;
/// A compressor refused data it should accept, or the library is at fault: please report it.
pub const ETALON_INTERNAL: c_int = 7;

/// Why a function fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The named argument is NULL.
    Null(&'static str),
    /// The named argument has a length where another is needed.
    Size {
        what: &'static str,
        given: usize,
        needed: usize,
    },
    /// Input and output share memory.
    Overlap,
    /// An index without item.
    Index,
    /// An argument says what cannot be meant.
    Settings(&'static str),
    /// The codec refuses.
    Codec(Error),
    /// Code of ours panicked with this text.
    Panic(String),
}

impl Failure {
    fn status(&self) -> c_int {
        match self {
            Self::Null(_) => ETALON_NULL,
            Self::Size { .. } | Self::Codec(Error::OutputSize { .. }) => ETALON_SIZE,
            Self::Overlap => ETALON_OVERLAP,
            Self::Index => ETALON_INDEX,
            Self::Settings(_) | Self::Codec(Error::Settings(_) | Error::Refused(_)) => {
                ETALON_SETTINGS
            }
            Self::Codec(Error::Truncated { .. } | Error::Damaged { .. }) => ETALON_DAMAGED,
            Self::Codec(Error::Compressor(_)) | Self::Panic(_) => ETALON_INTERNAL,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Codec(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(what) => write!(f, "{what} is NULL"),
            Self::Size {
                what,
                given,
                needed,
            } => write!(f, "{what} is {given} where {needed} are needed"),
            Self::Overlap => f.write_str("input and output share memory"),
            Self::Index => f.write_str("there is no item with this index"),
            Self::Settings(what) => f.write_str(what),
            Self::Codec(error) => write!(f, "{error}"),
            Self::Panic(text) => write!(f, "internal error: {text}; please report it"),
        }
    }
}

const TEXT_BYTES: usize = 512;

/// A sentence that ends with 0; what does not fit is cut off.
struct Text {
    bytes: [u8; TEXT_BYTES],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_BYTES - 1 - self.len;
        let fitting = text.floor_char_boundary(room);
        self.bytes[self.len..self.len + fitting].copy_from_slice(&text.as_bytes()[..fitting]);
        self.len += fitting;
        // What follows a text that was cut would read as its end.
        if fitting == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

thread_local! {
    static LAST: RefCell<Text> = const {
        RefCell::new(Text {
            bytes: [0; TEXT_BYTES],
            len: 0,
        })
    };
}

/// Keeps the sentence for [`etalon_last_error`] and returns the status.
pub(crate) fn report(failure: &Failure) -> c_int {
    LAST.with_borrow_mut(|text| {
        text.len = 0;
        // An error says that the sentence is full.
        let _ = write!(text, "{failure}");
        text.bytes[text.len] = 0;
    });
    failure.status()
}

/// A sentence about the last failure in the calling thread, in UTF-8; "" where there was none. Success does not change
/// it.
///
/// Thread-safe; never fails. The text lasts until the next failure in the same thread.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_last_error() -> *const c_char {
    LAST.with_borrow(|text| text.bytes.as_ptr().cast())
}

/// What a status means in general, as in "a pointer is NULL".
///
/// Thread-safe; never fails. The text lasts as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn etalon_status_text(status: c_int) -> *const c_char {
    let text = match status {
        ETALON_OK => c"done",
        ETALON_NULL => c"a pointer is NULL",
        ETALON_SIZE => c"a length is not the one needed",
        ETALON_OVERLAP => c"input and output share memory",
        ETALON_SETTINGS => c"settings are wrong or do not fit the data",
        ETALON_DAMAGED => c"the chunk is truncated or damaged",
        ETALON_INDEX => c"there is no item with this index",
        ETALON_INTERNAL => c"internal error",
        _ => c"unknown status",
    };
    text.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn a_long_sentence_is_cut_between_characters() {
        let status = report(&Failure::Panic("é".repeat(400)));
        // SAFETY: the text ends with 0.
        let text = unsafe { CStr::from_ptr(etalon_last_error()) }
            .to_str()
            .unwrap();
        assert_eq!(status, ETALON_INTERNAL);
        assert!(
            text.len() >= TEXT_BYTES - 3 && text.ends_with('é'),
            "{text}"
        );
        report(&Failure::Overlap);
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(etalon_last_error()) };
        assert_eq!(text.to_str(), Ok("input and output share memory"));
    }
}
