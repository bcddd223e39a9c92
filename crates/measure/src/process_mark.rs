//! Which process of which running kernel made a file, as a part of the file's name.
//!
//! Folders are shared between machines and containers, where the same process number means another process. So the mark
//! has the kernel's boot and the namespace of process numbers in it, and only what carries one's own is judged.

#![allow(unsafe_code)] // kill has no counterpart in std.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::sha256::sha256;

/// `KERNEL-PROCESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessMark {
    kernel: String,
    process: libc::pid_t,
}

/// Where it is not known what kernel this is, nothing is ever judged.
const UNKNOWN: &str = "0";
const KERNEL_DIGITS: usize = 16;

static OWN_KERNEL: LazyLock<String> = LazyLock::new(|| {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => {
            let parts = [&boot[..], namespace.as_os_str().as_encoded_bytes()];
            sha256(parts)[..KERNEL_DIGITS].to_owned()
        }
        _ => UNKNOWN.into(),
    }
});

impl ProcessMark {
    /// That of this process.
    pub(crate) fn own() -> Self {
        Self {
            kernel: OWN_KERNEL.clone(),
            process: std::process::id() as libc::pid_t,
        }
    }

    /// Whether the process is known to have ended.
    pub(crate) fn is_gone(&self) -> bool {
        if self.kernel == UNKNOWN || self.kernel != *OWN_KERNEL || self.process <= 0 {
            return false;
        }
        // SAFETY: signal 0 is not sent; the call only looks whether it could be.
        let found = unsafe { libc::kill(self.process, 0) } == 0;
        // A process of another user may not be signalled, and is alive all the same.
        !found && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
    }
}

impl fmt::Display for ProcessMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kernel, self.process)
    }
}

impl FromStr for ProcessMark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kernel, process) = text.split_once('-').ok_or(())?;
        Ok(Self {
            kernel: kernel.into(),
            process: process.parse().map_err(drop)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_kernel_that_ended_is_gone() {
        let own = ProcessMark::own();
        assert_eq!(own.to_string().parse(), Ok(own.clone()));
        assert!(!own.is_gone());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = ProcessMark {
            process: child.id() as libc::pid_t,
            ..own
        };
        child.wait().unwrap();
        assert_eq!(ended.is_gone(), ended.kernel != UNKNOWN);
        let elsewhere = ProcessMark {
            kernel: "0123456789abcdef".into(),
            ..ended
        };
        assert!(!elsewhere.is_gone());
    }
}
