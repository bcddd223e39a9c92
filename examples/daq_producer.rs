//! A simulated detector at a given rate: two receivers, frames that are lost when the writer does not keep up, a line of
//! statistics per second, and a complete file after Ctrl-C or SIGTERM.
//!
//!     cargo run --release -p etalon-daq --example daq_producer -- FILE SECONDS FRAMES_PER_SECOND [SPEC [STREAM]]

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use etalon_daq::{Settings, WhenFull, Writer};
use etalon_measure::simulate::{self, Pixels};

static STOP: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, seconds, rate, ..] = &arguments[..] else {
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
    let spec = arguments
        .get(3)
        .map_or("bitshuffle", String::as_str)
        .parse()?;
    let mut settings = Settings::new(spec, "u4".parse()?, &series.shape[1..]);
    settings.stream = arguments.get(4).map(|text| text.parse()).transpose()?;
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
                println!("{}", writer.statistics());
            }
        }
    });
    println!("{}", writer.close()?);
    Ok(())
}
