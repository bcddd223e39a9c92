//! The chunk buffer that HDF5 lends to a filter, and memory to replace it with.
//!
//! HDF5 allocates and frees these buffers with the C library's malloc and free, and there is one C library in a
//! process, so a filter does too.

use std::ffi::{c_uint, c_void};
use std::slice;

use crate::entry::Failure;

/// The buffer during one callback.
pub(crate) struct ChunkBuffer<'a> {
    data: &'a mut *mut c_void,
    capacity: &'a mut usize,
    filled: usize,
}

impl<'a> ChunkBuffer<'a> {
    /// The buffer as HDF5 passes it.
    ///
    /// # Safety
    /// `data` and `capacity` are null or valid for `'a`; `*data` points to memory from malloc of which `filled` bytes
    /// are initialised, and `*capacity` bytes are there.
    pub(crate) unsafe fn new(
        data: *mut *mut c_void,
        capacity: *mut usize,
        filled: usize,
    ) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        match unsafe { (data.as_mut(), capacity.as_mut()) } {
            (Some(data), Some(capacity)) if !data.is_null() && filled > 0 => Ok(Self {
                data,
                capacity,
                filled,
            }),
            _ => Err(Failure::Host("HDF5 passes no chunk")),
        }
    }

    /// The chunk. `capacity` may be more than it fills.
    pub(crate) fn chunk(&self) -> &[u8] {
        // SAFETY: `new` was promised `filled` initialised bytes, and only `replace` and `write` change the buffer.
        unsafe { slice::from_raw_parts(self.data.cast::<u8>(), self.filled) }
    }

    /// Whether `len` bytes can be written without new memory.
    pub(crate) fn holds(&self, len: usize) -> bool {
        len <= *self.capacity
    }

    /// Makes `bytes` the chunk, in place where they fit: new memory for big chunks costs two page faults a page.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<usize, Failure> {
        if !self.holds(bytes.len()) {
            let mut memory = HostMemory::new(bytes.len())?;
            memory.bytes().copy_from_slice(bytes);
            return Ok(self.replace(memory));
        }
        // SAFETY: `new` was promised `capacity` bytes at `data`; `bytes` does not borrow from this buffer, because `self`
        // is held by value.
        unsafe {
            self.data
                .cast::<u8>()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Ok(bytes.len())
    }

    /// Makes `memory` the chunk and frees the old one.
    pub(crate) fn replace(self, memory: HostMemory) -> usize {
        // SAFETY: `data` is from malloc, promised to `new`, and nobody else frees it: from here on HDF5 sees `memory`.
        unsafe { libc::free(*self.data) };
        let len = memory.len;
        *self.data = memory.into_raw();
        *self.capacity = len;
        len
    }
}

/// Memory from malloc that HDF5 may free.
pub(crate) struct HostMemory {
    data: *mut c_void,
    len: usize,
}

impl HostMemory {
    /// Memory for `len` bytes.
    pub(crate) fn new(len: usize) -> Result<Self, Failure> {
        // SAFETY: malloc takes any length.
        let data = unsafe { libc::malloc(len) };
        if data.is_null() || len == 0 {
            // SAFETY: free takes null and what malloc gave.
            unsafe { libc::free(data) };
            return Err(Failure::Memory(len));
        }
        // Code the compiler cannot look into might have filled the memory, so it may not treat the bytes as
        // uninitialised: they have some value, and nothing is spent on setting one.
        // SAFETY: the code is empty.
        unsafe { std::arch::asm!("/* {0} */", in(reg) data, options(nostack, preserves_flags)) };
        Ok(Self { data, len })
    }

    /// All of it, with arbitrary content at first.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes from malloc, owned by `self`, initialised as far as the compiler can know (see `new`).
        unsafe { slice::from_raw_parts_mut(self.data.cast(), self.len) }
    }

    fn into_raw(self) -> *mut c_void {
        let data = self.data;
        std::mem::forget(self);
        data
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: from malloc and not handed on, because `into_raw` forgets `self`.
        unsafe { libc::free(self.data) };
    }
}

/// The `cd_values` of a callback.
///
/// # Safety
/// `values` is null, or valid for `count` numbers for as long as the result is used.
pub(crate) unsafe fn cd_values<'a>(values: *const c_uint, count: usize) -> &'a [u32] {
    if values.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(values, count) }
}
