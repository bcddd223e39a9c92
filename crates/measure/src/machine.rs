//! What measured figures depend on: the machine and the versions.

use etalon_codec::kernels::levels::Level;
use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor model as the system names it.
    pub cpu: String,
    /// Processors this process may use.
    pub processors: usize,
    /// Instruction set level that Etalon's kernels run at.
    pub simd: String,
    /// Operating system and architecture.
    pub system: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        Self {
            cpu: cpu_model().unwrap_or_else(|| "unknown processor".into()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            simd: Level::best().name().into(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Versions of what figures depend on.
#[derive(Debug, Clone, Serialize)]
pub struct Versions {
    /// This program.
    pub etalon: &'static str,
    /// The HDF5 library linked into it.
    pub hdf5: String,
}

impl Versions {
    /// Those of this program.
    pub fn this() -> Self {
        let (major, minor, release) = hdf5_metno::library_version();
        Self {
            etalon: env!("CARGO_PKG_VERSION"),
            hdf5: format!("{major}.{minor}.{release}"),
        }
    }
}
