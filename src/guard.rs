//! The frame around every exported function: pointers become slices, failures and panics become a status.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;
use std::ptr::NonNull;

use crate::status::{ETALON_OK, Failure, report};

/// Runs the body of a function. Nothing unwinds into C.
pub(crate) fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> c_int {
    match etalon_filter::catch(body) {
        Ok(Ok(())) => ETALON_OK,
        Ok(Err(failure)) => report(&failure),
        Err(panic) => report(&Failure::Panic(panic)),
    }
}

/// The bytes at `pointer`, which may be NULL where there are none.
///
/// # Safety
/// `len` bytes can be read there for as long as the slice lives, and nobody writes to them.
pub(crate) unsafe fn bytes<'a>(
    what: &'static str,
    pointer: *const c_void,
    len: usize,
) -> Result<&'a [u8], Failure> {
    check_len(what, len)?;
    if len == 0 {
        return Ok(&[]);
    }
    let pointer = NonNull::new(pointer.cast_mut()).ok_or(Failure::Null(what))?;
    // SAFETY: not NULL and no longer than Rust allows, as checked; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast().as_ptr(), len) })
}

/// The same for writing.
///
/// # Safety
/// `len` bytes can be written there for as long as the slice lives, and nobody else touches them.
pub(crate) unsafe fn bytes_mut<'a>(
    what: &'static str,
    pointer: *mut c_void,
    len: usize,
) -> Result<&'a mut [u8], Failure> {
    check_len(what, len)?;
    if len == 0 {
        return Ok(&mut []);
    }
    let pointer = NonNull::new(pointer).ok_or(Failure::Null(what))?;
    // SAFETY: not NULL and no longer than Rust allows, as checked; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer.cast().as_ptr(), len) })
}

/// Whether chunks of this size can be worked on: one as it is beside one as it is stored.
pub(crate) fn is_chunk_size(chunk_bytes: usize) -> bool {
    chunk_bytes > 0
        && (chunk_bytes.checked_mul(2))
            .is_some_and(|both| Vec::<u8>::new().try_reserve_exact(both).is_ok())
}

fn check_len(what: &'static str, given: usize) -> Result<(), Failure> {
    let needed = isize::MAX as usize;
    if given > needed {
        return Err(Failure::Size {
            what,
            given,
            needed,
        });
    }
    Ok(())
}

/// Refuses input and output that share memory, before slices of both exist.
pub(crate) fn check_disjoint(
    src: *const c_void,
    src_len: usize,
    dst: *const c_void,
    dst_len: usize,
) -> Result<(), Failure> {
    let range = |pointer: *const c_void, len: usize| -> Range<usize> {
        pointer as usize..(pointer as usize).saturating_add(len)
    };
    let (src, dst) = (range(src, src_len), range(dst, dst_len));
    if !src.is_empty() && !dst.is_empty() && src.start < dst.end && dst.start < src.end {
        return Err(Failure::Overlap);
    }
    Ok(())
}

/// A text of C.
///
/// # Safety
/// `pointer` is NULL or a text that ends with 0 and lives as long as the answer.
pub(crate) unsafe fn text<'a>(
    what: &'static str,
    pointer: *const c_char,
) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::Null(what));
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }
        .to_str()
        .map_err(|_| Failure::Settings("a text is not UTF-8"))
}

/// What a pointer of C points to.
///
/// # Safety
/// `pointer` is NULL or comes from the function of this library that makes a `T`, and nobody writes to it.
pub(crate) unsafe fn reference<'a, T>(
    what: &'static str,
    pointer: *const T,
) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or(Failure::Null(what))
}

/// The same for writing.
///
/// # Safety
/// As for [`reference`], and nobody else uses it.
pub(crate) unsafe fn reference_mut<'a, T>(
    what: &'static str,
    pointer: *mut T,
) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or(Failure::Null(what))
}

/// A place for a result.
pub(crate) struct Place<T>(NonNull<T>);

impl<T> Place<T> {
    /// Refuses NULL, before any work is done.
    ///
    /// # Safety
    /// `pointer` is NULL or a `T` can be written there.
    pub(crate) unsafe fn new(what: &'static str, pointer: *mut T) -> Result<Self, Failure> {
        NonNull::new(pointer).map(Self).ok_or(Failure::Null(what))
    }

    /// Writes the result.
    pub(crate) fn write(self, value: T) {
        // SAFETY: promised to `new`; unaligned, because C may pack its structures.
        unsafe { self.0.write_unaligned(value) }
    }

    /// Writes as much of the result as a caller with an older, shorter structure has room for.
    pub(crate) fn write_front(self, value: &T, room: usize) {
        let len = room.min(size_of::<T>());
        // SAFETY: the caller said that there is as much room, and `value` has as many bytes.
        unsafe {
            let bytes: *const u8 = std::ptr::from_ref(value).cast();
            self.0
                .cast::<u8>()
                .as_ptr()
                .copy_from_nonoverlapping(bytes, len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ETALON_INTERNAL, ETALON_OVERLAP};

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(guarded(|| panic!("on purpose")), ETALON_INTERNAL);
        assert_eq!(guarded(|| Err(Failure::Overlap)), ETALON_OVERLAP);
        assert_eq!(guarded(|| Ok(())), ETALON_OK);
    }

    #[test]
    fn memory_that_touches_is_disjoint_and_memory_that_is_shared_is_not() {
        let at = |address: usize| address as *const c_void;
        for (src, src_len, dst, dst_len, disjoint) in [
            (100, 10, 110, 10, true),
            (110, 10, 100, 10, true),
            (100, 10, 109, 10, false),
            (109, 10, 100, 10, false),
            (100, 50, 110, 10, false),
            (100, 0, 90, 50, true),
        ] {
            let found = check_disjoint(at(src), src_len, at(dst), dst_len);
            assert_eq!(found.is_ok(), disjoint, "{src}+{src_len}, {dst}+{dst_len}");
        }
    }
}
