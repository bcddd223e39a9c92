//! A simulated detector that runs as fast as it is written, or at a given rate, for tests/daq_soak.py and the tests of
//! failures: every frame carries its number and a hash, so that whoever reads it knows whether it is the right one.
//!
//! The first 16 bytes of a frame are its number (8 bytes) and the CRC-32 of the rest (8 bytes); the rest is that of frame
//! `number % 8` of a simulated series. What happens is told in lines of JSON: `live` statistics, each `file` that is
//! closed, and the `end`.
//!
//! Exit code: 0, or 1 where a file is not as it should be.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use crc_fast::{CrcAlgorithm, checksum};
use etalon_daq::{
    Ending, FrameRecord, LiveFile, Settings, Sink, Slot, Statistics, WhenFull, Writer,
};
use etalon_measure::simulate::{self, Pixels};
use serde_json::{Value, json};

const HEADER_BYTES: usize = 16;
const TEMPLATES: usize = 8;

#[derive(Parser)]
struct Options {
    /// Files are NUMBER.h5 in this folder.
    folder: PathBuf,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// However long it takes, so many frames are begun.
    #[arg(long, default_value_t = 0)]
    least_frames: u64,
    /// Frames per second; 0 for as many as can be written.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    #[arg(long, default_value = "bitshuffle")]
    spec: String,
    #[arg(long, default_value = "u4", value_parser = ["u2", "u4"])]
    element: String,
    #[arg(long, default_value_t = 2124)]
    rows: usize,
    #[arg(long, default_value_t = 2056)]
    columns: usize,
    #[arg(long, default_value_t = 2)]
    producers: usize,
    #[arg(long, default_value_t = 2)]
    encoders: usize,
    #[arg(long, default_value_t = 12)]
    frame_buffers: usize,
    /// A new file is begun after so many frames.
    #[arg(long, default_value_t = 1000)]
    frames_per_file: u64,
    /// Frames are lost rather than waited for.
    #[arg(long)]
    drop: bool,
    /// The disk takes so long for every frame, in milliseconds.
    #[arg(long, default_value_t = 0)]
    disk_ms: u64,
    #[arg(long, default_value_t = 500)]
    flush_ms: u64,
    #[arg(long, default_value_t = 16 << 20)]
    spare_bytes: u64,
    /// No more bytes than these may wait in the folder for somebody to delete them.
    #[arg(long, default_value_t = u64::MAX)]
    most_bytes: u64,
}

static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;
    let run = Run {
        templates: templates(&options),
        settings: settings(&options)?,
        start: Instant::now(),
        next: AtomicU64::new(0),
        options,
    };
    let mut has_failed = false;
    while !run.is_over() && !has_failed {
        let waited = run.wait_for_space();
        let first = run.next.load(Ordering::Relaxed);
        has_failed = !run.write_file(first, waited)?;
    }
    let (seconds, rss) = (run.start.elapsed().as_secs_f64(), resident_bytes());
    say(&json!({"event": "end", "seconds": seconds, "rss_bytes": rss, "failed": has_failed}));
    std::process::exit(i32::from(has_failed))
}

struct Run {
    options: Options,
    settings: Settings,
    templates: Vec<Vec<u8>>,
    start: Instant,
    /// Number of the next frame.
    next: AtomicU64,
}

impl Run {
    fn is_over(&self) -> bool {
        let is_due = self.start.elapsed().as_secs_f64() >= self.options.seconds;
        let has_enough = self.next.load(Ordering::Relaxed) >= self.options.least_frames;
        STOP.load(Ordering::Relaxed) || (is_due && has_enough)
    }

    /// Fills one file; whether it is as it should be.
    fn write_file(&self, first: u64, waited: f64) -> Result<bool, Box<dyn std::error::Error>> {
        let path = self.options.folder.join(format!("{first}.h5"));
        let settings = Settings {
            first_number: first,
            most_frames: self.options.frames_per_file,
            ..self.settings.clone()
        };
        let file = LiveFile::create(&path, settings.file_format()?, settings.spare_bytes)?;
        let delay = Duration::from_millis(self.options.disk_ms);
        let writer = Writer::with_sink(&settings, Box::new(Disk { file, delay }))?;
        thread::scope(|scope| {
            let receive = || self.receive(&writer, first + self.options.frames_per_file);
            let producers: Vec<_> = (0..self.options.producers)
                .map(|_| scope.spawn(receive))
                .collect();
            while producers.iter().any(|producer| !producer.is_finished()) {
                say(&event("live", &writer.statistics(), &[]));
                thread::sleep(Duration::from_millis(50));
            }
        });
        let closed = writer.close();
        let (lost, _) = writer.lost();
        let more = [
            ("path", json!(path)),
            ("first", json!(first)),
            ("lost", json!(lost)),
            (
                "error",
                json!(closed.as_ref().err().map(ToString::to_string)),
            ),
            ("waited_for_space", json!(waited)),
            ("rss_bytes", json!(resident_bytes())),
        ];
        say(&event("file", &writer.statistics(), &more));
        Ok(closed.is_ok())
    }

    /// Brings frames until the file is full, the time is over, or the file cannot be written.
    fn receive(&self, writer: &Writer, end: u64) {
        while !self.is_over() {
            let next = self
                .next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                    (next < end).then_some(next + 1)
                });
            let Ok(number) = next else { return };
            if self.options.rate > 0.0 {
                let due = Duration::from_secs_f64(number as f64 / self.options.rate);
                thread::sleep(due.saturating_sub(self.start.elapsed()));
            }
            match writer.slot(number) {
                Ok(slot) => self.submit(slot, number),
                Err(etalon_daq::Error::Dropped(_)) => {}
                // The numbers that would have followed were never sent.
                Err(_) => return,
            }
        }
    }

    fn submit(&self, mut slot: Slot, number: u64) {
        let bytes = slot.bytes_mut();
        bytes.copy_from_slice(&self.templates[number as usize % TEMPLATES]);
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        // Whether it is written is in the statistics.
        let _ = slot.submit(now.as_nanos() as u64);
    }

    /// Waits until the reader has deleted what it has read; returns the seconds.
    fn wait_for_space(&self) -> f64 {
        let start = Instant::now();
        let used = || -> u64 {
            let files = std::fs::read_dir(&self.options.folder)
                .into_iter()
                .flatten();
            files
                .flatten()
                .filter_map(|file| file.metadata().ok())
                .map(|it| it.len())
                .sum()
        };
        while used() > self.options.most_bytes && !self.is_over() {
            thread::sleep(Duration::from_millis(20));
        }
        start.elapsed().as_secs_f64()
    }
}

/// A file on a disk that may be slow.
struct Disk {
    file: LiveFile,
    delay: Duration,
}

impl Sink for Disk {
    fn write(&mut self, frame: &FrameRecord, stored: &[u8]) -> Result<(), String> {
        thread::sleep(self.delay);
        self.file.write(frame, stored)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.file.flush()
    }

    fn finish(self: Box<Self>, ending: &Ending) -> Result<(), String> {
        self.file.finish(ending)
    }
}

fn settings(options: &Options) -> Result<Settings, etalon_codec::Error> {
    let shape = [options.rows, options.columns];
    let mut settings = Settings::new(options.spec.parse()?, options.element.parse()?, &shape);
    settings.encoders = options.encoders;
    settings.frame_buffers = options.frame_buffers;
    settings.flush_after = Duration::from_millis(options.flush_ms);
    settings.spare_bytes = options.spare_bytes;
    if options.drop {
        settings.when_full = WhenFull::Drop;
    }
    Ok(settings)
}

/// Frames of a crystal in rotation, repeated to the size asked for, with room for number and hash.
fn templates(options: &Options) -> Vec<Vec<u8>> {
    let series = simulate::diffraction(7, TEMPLATES);
    let [_, rows, columns] = series.shape;
    let values: Vec<u32> = match series.pixels {
        Pixels::U16(values) => values.into_iter().map(u32::from).collect(),
        Pixels::U32(values) => values,
    };
    let is_short = options.element == "u2";
    let frame = |frame: &[u32]| -> Vec<u8> {
        let mut bytes = Vec::new();
        for row in 0..options.rows {
            for column in 0..options.columns {
                let value = frame[row % rows * columns + column % columns];
                let of_short = u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes();
                match is_short {
                    true => bytes.extend(of_short),
                    false => bytes.extend(value.to_le_bytes()),
                }
            }
        }
        let hash = checksum(CrcAlgorithm::Crc32IsoHdlc, &bytes[HEADER_BYTES..]);
        bytes[8..HEADER_BYTES].copy_from_slice(&hash.to_le_bytes());
        bytes
    };
    values.chunks(rows * columns).map(frame).collect()
}

fn event(name: &str, it: &Statistics, more: &[(&str, Value)]) -> Value {
    let mut event = json!({
        "event": name,
        "frames_in": it.frames_in,
        "frames_written": it.frames_written,
        "frames_flushed": it.frames_flushed,
        "frames_lost": it.frames_lost,
        "bytes_in": it.bytes_in,
        "bytes_stored": it.bytes_stored,
        "seconds": it.seconds,
        "frames_per_second": it.frames_per_second,
        "queue_frames": it.queue_frames,
        "latency_p50": it.latency_p50,
        "latency_p99": it.latency_p99,
        "latency_max": it.latency_max,
    });
    for (key, value) in more {
        event[*key] = value.clone();
    }
    event
}

fn say(event: &Value) {
    let mut out = std::io::stdout().lock();
    // Whoever listened may have gone.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

/// Memory of this process that is not swapped out.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|text| text.parse().ok());
    resident.unwrap_or(0_u64) * 4096
}
