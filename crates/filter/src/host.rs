//! Finds the copy of HDF5 that is calling us, and functions in it.
//!
//! Walk the stack to the first return address outside our own image, ask the loader which image that is, and look the
//! function up in that image:
//!
//! ```text
//! _Unwind_Backtrace → dladdr → dlopen(RTLD_NOLOAD) → dlsym → dladdr: does it lie in that image?
//! ```
//!
//! Q: Why not link to libhdf5, or ask `dlsym(RTLD_DEFAULT)`?
//! A: Python wheels load their copy with RTLD_LOCAL under a mangled name. A linked symbol stays undefined (the plugin
//!    does not load, or kills the process when called), RTLD_DEFAULT finds nothing or somebody else's copy.
//!
//! Q: Why not try every copy until one accepts the identifiers?
//! A: `hid_t` is a type and a counter, so identifiers of different copies collide by construction: the wrong copy
//!    answers, and `H5Pmodify_filter` would edit somebody else's property list.
//!
//! Q: Why functions only?
//! A: `dlsym` on a variable such as `H5E_ERR_CLS_g` finds the original, which a copy relocation in the program has
//!    replaced: it reads −1 while the program sees the true identifier.
//!
//! A program with a static libhdf5.a that exports nothing has no host in this sense; callers then do without.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::ptr;

/// The loaded image whose HDF5 is calling.
pub(crate) struct Host {
    handle: *mut c_void,
    base: *mut c_void,
}

/// `hid_t` has 64 bits from here on.
const OLDEST: (c_uint, c_uint) = (1, 10);

impl Host {
    /// The copy of HDF5 that called the function we are in, or `None` where it does not show its functions.
    pub(crate) fn of_caller() -> Option<Self> {
        let caller = image_of(caller_outside_our_image()?)?;
        // SAFETY: `dli_fname` is a string that the loader owns and keeps while the image is loaded, and the image is
        // loaded while one of its functions is on our stack. RTLD_NOLOAD loads nothing: it runs no foreign code.
        let mut handle =
            unsafe { libc::dlopen(caller.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if handle.is_null() {
            // The main program has no name the loader knows it by. Should the caller be another image after all, then
            // no symbol found this way lies in it, and `symbol` says so.
            // SAFETY: a null name means the main program, which is always loaded.
            handle = unsafe { libc::dlopen(ptr::null(), libc::RTLD_LAZY) };
        }
        let host = Self {
            handle,
            base: caller.dli_fbase,
        };
        (!handle.is_null() && host.version()? >= OLDEST).then_some(host)
    }

    /// Address of a function of this image.
    ///
    /// `dlsym` also searches what the image depends on, and a static HDF5 exports just the members that were linked:
    /// every symbol is checked by itself.
    pub(crate) fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: `handle` came from dlopen and is not closed before drop; `name` ends with NUL.
        let address = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        let image = image_of(address)?;
        (image.dli_fbase == self.base).then_some(address)
    }

    fn version(&self) -> Option<(c_uint, c_uint)> {
        let Version { get } = Version::of(self)?;
        let (mut major, mut minor, mut release) = (0, 0, 0);
        // SAFETY: the function writes three numbers.
        let status = unsafe { get(&mut major, &mut minor, &mut release) };
        (status >= 0).then_some((major, minor))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: gives back the reference that dlopen took. The image stays: its caller is still running.
        unsafe { libc::dlclose(self.handle) };
    }
}

/// `functions!(struct Name { field: H5function as fn(…) -> … })` writes a table of functions with
/// `Name::of(&Host) -> Option<Name>`, which is `None` unless the host has them all.
macro_rules! functions {
    (
        $(#[$attribute:meta])*
        struct $name:ident {
            $($field:ident: $symbol:ident as fn($($argument:tt)*) -> $result:ty,)+
        }
    ) => {
        $(#[$attribute])*
        pub(crate) struct $name {
            $(pub(crate) $field: unsafe extern "C" fn($($argument)*) -> $result,)+
        }

        impl $name {
            pub(crate) fn of(host: &$crate::host::Host) -> Option<Self> {
                Some(Self {
                    $($field: {
                        let name = concat!(stringify!($symbol), "\0");
                        let name = ::std::ffi::CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
                        let address = host.symbol(name)?;
                        // SAFETY: the address is that of the function of this name in a copy of HDF5 of version 1.10
                        // or later, in which it has had this signature throughout.
                        unsafe {
                            ::std::mem::transmute::<
                                *mut ::std::ffi::c_void,
                                unsafe extern "C" fn($($argument)*) -> $result,
                            >(address)
                        }
                    },)+
                })
            }
        }
    };
}
pub(crate) use functions;

functions!(
    struct Version {
        get: H5get_libversion as fn(*mut c_uint, *mut c_uint, *mut c_uint) -> c_int,
    }
);

/// The image that `address` lies in.
fn image_of(address: *mut c_void) -> Option<libc::Dl_info> {
    let mut image = libc::Dl_info {
        dli_fname: ptr::null(),
        dli_fbase: ptr::null_mut(),
        dli_sname: ptr::null(),
        dli_saddr: ptr::null_mut(),
    };
    // SAFETY: `dladdr` only compares the address with the loaded images and fills in `image`.
    let found = unsafe { libc::dladdr(address, &mut image) };
    (found != 0).then_some(image)
}

/// What the walk up the stack is looking for, and what it found.
struct Walk {
    our_base: *mut c_void,
    outside: *mut c_void,
}

/// The innermost return address on the stack that is not in our own image.
///
/// Rust has no intrinsic for a return address, and with fat LTO it is not known how many of our own frames there are.
fn caller_outside_our_image() -> Option<*mut c_void> {
    let own_function: fn() -> Option<*mut c_void> = caller_outside_our_image;
    let mut walk = Walk {
        our_base: image_of(own_function as *mut c_void)?.dli_fbase,
        outside: ptr::null_mut(),
    };
    // SAFETY: `step` gets back the pointer to `walk`, which outlives the call.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    (!walk.outside.is_null()).then_some(walk.outside)
}

/// Called for each frame, innermost first.
extern "C" fn step(frame: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: `walk` is what `caller_outside_our_image` passed, and nothing else refers to it during the walk.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: `frame` is valid during this call, says _Unwind_Backtrace.
    let address = unsafe { _Unwind_GetIP(frame) } as *mut c_void;
    if image_of(address).is_some_and(|image| image.dli_fbase == walk.our_base) {
        return CONTINUE;
    }
    walk.outside = address;
    STOP
}

/// `_URC_NO_REASON`
const CONTINUE: c_int = 0;
/// `_URC_NORMAL_STOP`
const STOP: c_int = 4;

// The unwinder that Rust's standard library is linked to anyway.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(frame: *mut c_void) -> usize;
}
