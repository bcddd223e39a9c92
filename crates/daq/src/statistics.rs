//! How a writer is doing.

use std::fmt;

/// How a writer is doing, since it was made. Every frame that a producer asked a buffer for is counted in `frames_in`, and
/// is on its way, in `frames_written`, or in `frames_lost`.
///
/// Later versions add fields at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Statistics {
    /// Bytes of this structure that the library knows; fields beyond were not written.
    pub struct_bytes: usize,
    /// Frames that producers offered.
    pub frames_in: u64,
    /// Frames in the file.
    pub frames_written: u64,
    /// Frames that readers can see, and that would outlive this process.
    pub frames_flushed: u64,
    /// Frames lost, for one of the four reasons that follow.
    pub frames_lost: u64,
    /// No buffer was free.
    pub lost_without_buffer: u64,
    /// The codec failed.
    pub lost_refused: u64,
    /// The file could not be written.
    pub lost_by_file: u64,
    /// The producer gave its buffer back without a frame, or after the end.
    pub lost_abandoned: u64,
    /// Frame buffers with producers, in the queue, or being encoded.
    pub buffers_in_use: u64,
    /// Frames that wait for an encoder.
    pub queue_frames: u64,
    /// Encoded frames that wait for the file, with those being encoded.
    pub chunks_in_use: u64,
    /// Bytes of the frames in the file, as they came.
    pub bytes_in: u64,
    /// Bytes of the same frames in the file.
    pub bytes_stored: u64,
    /// From the first frame to the last one written, in seconds.
    pub seconds: f64,
    /// Frames written per second.
    pub frames_per_second: f64,
    /// Bytes of frames written per second, in units of 10⁹.
    pub gigabytes_per_second: f64,
    /// `bytes_in` / `bytes_stored`.
    pub ratio: f64,
    /// Largest absolute error of an element of any frame in the file.
    pub worst_error: f64,
    /// Half of the frames took no longer from submission to the file, in seconds.
    pub latency_p50: f64,
    /// 99 of 100 frames took no longer.
    pub latency_p99: f64,
    /// No frame took longer.
    pub latency_max: f64,
}

/// One line for people.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in {} written {} lost {} | {:.1} frames/s, {:.3} GB/s, ratio {:.2}, queue {}, worst error {}, p99 {:.1} ms",
            self.frames_in,
            self.frames_written,
            self.frames_lost,
            self.frames_per_second,
            self.gigabytes_per_second,
            self.ratio,
            self.queue_frames,
            self.worst_error,
            self.latency_p99 * 1e3
        )
    }
}
