//! What happens where a file grows beyond `ulimit -f`.

#![allow(unsafe_code)] // signal has no counterpart in std.

/// Makes such a write fail, as on a full disk. Otherwise the system kills the process, which cannot tidy up then.
pub fn fail_instead_of_dying() {
    // SAFETY: ignoring a signal runs no code of ours, and nothing else here has a handler for this one.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
