//! A simulated detector at a given rate: two receivers, frames that are lost when the writer does not keep up, a line of
//! statistics per second, and a complete file after Ctrl-C or SIGTERM.
//!
//!     cargo run --release -p etalon-daq --example daq_producer -- FILE SECONDS FRAMES_PER_SECOND [SPEC [STREAM]]

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use etalon_daq::{Settings, Statistics, WhenFull, Writer};
use etalon_measure::simulate::{self, Pixels};

static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let (Some(path), Some(seconds), Some(rate)) = (argument(0), argument(1), argument(2)) else {
        return Err("give FILE SECONDS FRAMES_PER_SECOND [SPEC [STREAM]]".into());
    };
    let (seconds, rate): (f64, f64) = (seconds.parse()?, rate.parse()?);
    let series = simulate::diffraction(7, 8);
    let Pixels::U32(values) = &series.pixels else {
        return Err("diffraction frames have 32 bits".into());
    };
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let frames: Vec<&[u8]> = bytes.chunks(bytes.len() / 8).collect();
    let spec = argument(3).unwrap_or("bitshuffle").parse()?;
    let mut settings = Settings::new(spec, "u4".parse()?, &series.shape[1..]);
    settings.stream = argument(4).map(str::parse).transpose()?;
    settings.when_full = WhenFull::Drop;
    let writer = Writer::create(Path::new(path), &settings)?;
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;

    let (start, next) = (Instant::now(), AtomicU64::new(0));
    let receive = || {
        while !STOP.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(number as f64 / rate);
            if due.as_secs_f64() >= seconds {
                break;
            }
            thread::sleep(due.saturating_sub(start.elapsed()));
            // A lost frame is counted and named by the writer, and its place in the file stays empty.
            if let Ok(mut slot) = writer.slot(number) {
                slot.bytes_mut()
                    .copy_from_slice(frames[number as usize % frames.len()]);
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let _ = slot.submit(now.as_nanos() as u64);
            }
        }
    };
    thread::scope(|scope| {
        let receivers = [scope.spawn(receive), scope.spawn(receive)];
        let mut printed = Instant::now();
        while receivers.iter().any(|receiver| !receiver.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            if printed.elapsed() >= Duration::from_secs(1) {
                printed = Instant::now();
                print(&writer.statistics());
            }
        }
    });
    print(&writer.close()?);
    Ok(())
}

fn print(it: &Statistics) {
    println!(
        "in {} written {} lost {} | {:.1} frames/s, {:.3} GB/s, ratio {:.2}, queue {}, worst error {}, p99 {:.1} ms",
        it.frames_in,
        it.frames_written,
        it.frames_lost,
        it.frames_per_second,
        it.gigabytes_per_second,
        it.ratio,
        it.queue_frames,
        it.worst_error,
        it.latency_p99 * 1e3
    );
}
