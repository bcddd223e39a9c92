//! Frames of a detector, encoded by several threads and written to an HDF5 file that others read meanwhile.
//!
//! ```text
//! producers ──► frame buffers ──► encoders ──► chunk buffers ──► one thread with the file
//!  any thread     fixed number     N threads     fixed number      in the order of submission
//! ```
//!
//! [`Writer`] is the whole interface; docs/DAQ.md tells what happens in which failure. The same for C is
//! `include/etalon_daq.h`, generated from [`capi`].
//!
//! Q: Why a library beside libetalon?
//! A: libetalon is for programs that have an HDF5 of their own, or none, and must not get a second one. This one brings
//!    HDF5 with it, hidden: it exports `etalon_daq_*` and nothing else. It is shared only, since two static copies of
//!    HDF5 in one program would be merged.
//!
//! Q: Why not the ordered threads of `etalon-measure`?
//! A: Those pull items from a source and finish when it ends. A detector pushes, pauses without warning, and what is
//!    encoded must reach the file while nothing comes in.

mod buffer;
pub mod capi;
mod disk;
mod encoder;
pub mod error;
mod guard;
mod latency;
mod lost;
pub mod settings;
mod state;
pub mod statistics;
mod writer;

pub use disk::Sink;
pub use error::Error;
pub use etalon_measure::live_file::{Ending, FrameRecord, LiveFile};
pub use settings::{Settings, WhenFull};
pub use statistics::Statistics;
pub use writer::{Slot, Writer};
