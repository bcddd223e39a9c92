//! The frame around every callback: nothing unwinds into HDF5, and every failure becomes a sentence for the user.

use std::any::Any;
use std::cell::Cell;
use std::ffi::CStr;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use etalon_codec::{Error, Stream};

use crate::errors;

/// Why a callback fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The codec refuses settings or data.
    Codec(Error),
    /// No memory for this many bytes.
    Memory(usize),
    /// The HDF5 library refuses something or passes something impossible.
    Host(&'static str),
}

/// Runs the body of a callback; a failure is reported and answered with `refusal`.
pub(crate) fn guarded<T>(
    stream: &Stream,
    doing: &CStr,
    refusal: T,
    body: impl FnOnce() -> Result<T, Failure>,
) -> T {
    let message = match catch(body) {
        Ok(Ok(answer)) => return answer,
        Ok(Err(failure)) => failure.to_string(),
        Err(panic) => format!("internal error: {panic}; please report it"),
    };
    // Should reporting fail as well, then the caller still gets its refusal.
    let _ = catch(|| errors::report(stream, doing, &message));
    refusal
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// `catch_unwind` with the panic's text instead of the usual print on stderr.
///
/// A plugin has a panic hook of its own, but linked into a program it shares the program's: panics of other threads and
/// outside callbacks go to the hook that was there. The first call allocates the hook.
pub fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                print(info);
            }
        }));
    });
    let before = INSIDE.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(before);
    outcome.map_err(|payload| text_of(&*payload).to_owned())
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref().copied().unwrap_or("unknown"),
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
            Self::Codec(error @ (Error::Truncated { .. } | Error::Damaged { .. })) => {
                write!(f, "{error}; the other chunks can still be read")
            }
            Self::Codec(error) => write!(f, "{error}"),
            Self::Memory(bytes) => write!(f, "no memory for {bytes} bytes"),
            Self::Host(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        let fail = |text: &str| -> u8 { panic!("{text} failed") };
        assert_eq!(catch(|| fail("this")), Err("this failed".to_owned()));
        assert_eq!(catch(|| 7), Ok(7));
        assert!(!INSIDE.get());
    }

    #[test]
    fn a_damaged_chunk_comes_with_advice() {
        let error = Error::Damaged {
            what: "zstd block does not decode",
            offset: 1234,
            len: 5678,
        };
        assert_eq!(
            Failure::from(error).to_string(),
            "chunk is damaged: zstd block does not decode at offset 1234 of 5678 bytes; the other chunks can still be read"
        );
    }
}
