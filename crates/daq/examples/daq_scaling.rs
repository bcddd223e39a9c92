//! How much faster two encoders are than one: the writer without a disk, in turns, wall clock.
//!
//!     daq_scaling [SPEC [ROUNDS [ENCODERS…]]]
//!
//! The producer hands buffers over as they are, as a detector's receiver does whose network card has filled them; each
//! begins with a simulated frame of 4 Mpixel of 16 bits. Prints the median of all turns, the processor time of a frame, and
//! the load of the machine: with other programs at work two threads do not have two processors, and only the processor
//! time says whether they stand in each other's way.

use std::time::Instant;

use etalon_daq::{Ending, FrameRecord, Settings, Sink, Writer};
use etalon_measure::simulate::{self, Pixels};

const FRAMES: u64 = 150;
const BUFFERS: usize = 8;
const SHAPE: [usize; 2] = [2124, 2056];

struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &FrameRecord, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Ending) -> Result<(), String> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let spec = arguments.first().map_or("bitshuffle", String::as_str);
    let rounds = arguments.get(1).map_or(Ok(9), |text| text.parse())?;
    let counts = arguments.iter().skip(2).map(|text| text.parse());
    let mut counts = counts.collect::<Result<Vec<usize>, _>>()?;
    if counts.is_empty() {
        counts = vec![1, 2];
    }
    let frame = frame();
    let mut rates = vec![Vec::new(); counts.len()];
    let mut busy = vec![0.0; counts.len()];
    for _ in 0..rounds {
        for (at, encoders) in counts.iter().enumerate() {
            let before = processor_seconds()?;
            rates[at].push(rate(spec, *encoders, &frame)?);
            busy[at] += processor_seconds()? - before;
        }
    }
    for (at, encoders) in counts.iter().enumerate() {
        rates[at].sort_by(f64::total_cmp);
        let median = rates[at][rounds / 2];
        println!(
            "{encoders} encoders: {median:.1} frames/s, {:.2} GB/s, {:.2} ms of processors for a frame",
            median * frame.len() as f64 / 1e9,
            busy[at] * 1e3 / (rounds as f64 * FRAMES as f64)
        );
    }
    println!(
        "last / first: {:.2}",
        rates[counts.len() - 1][rounds / 2] / rates[0][rounds / 2]
    );
    print!("load: {}", std::fs::read_to_string("/proc/loadavg")?);
    Ok(())
}

/// Processor time of this process so far.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name: the 12th and 13th numbers are user and system time in hundredths of a second.
    let numbers = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: Result<Vec<u64>, _> = numbers.skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / 100.0)
}

/// Frames per second once every buffer holds a frame.
fn rate(spec: &str, encoders: usize, frame: &[u8]) -> Result<f64, Box<dyn std::error::Error>> {
    let mut settings = Settings::new(spec.parse()?, "u2".parse()?, &SHAPE);
    (settings.encoders, settings.frame_buffers) = (encoders, BUFFERS);
    let writer = Writer::with_sink(&settings, Box::new(Nowhere))?;
    let mut slots = Vec::new();
    for number in 0..BUFFERS as u64 {
        let mut slot = writer.slot(number)?;
        slot.bytes_mut().copy_from_slice(frame);
        slots.push(slot);
    }
    let start = Instant::now();
    slots.into_iter().try_for_each(|slot| slot.submit(0))?;
    for number in BUFFERS as u64..FRAMES {
        writer.slot(number)?.submit(0)?;
    }
    writer.close()?;
    Ok(FRAMES as f64 / start.elapsed().as_secs_f64())
}

/// A simulated frame, repeated to the size.
fn frame() -> Vec<u8> {
    let series = simulate::diffraction(7, 1);
    let [_, rows, columns] = series.shape;
    let values: Vec<u32> = match series.pixels {
        Pixels::U16(values) => values.into_iter().map(u32::from).collect(),
        Pixels::U32(values) => values,
    };
    let places = (0..SHAPE[0]).flat_map(|row| (0..SHAPE[1]).map(move |column| (row, column)));
    let value = |(row, column)| values[row % rows * columns + column % columns];
    let shorts = places
        .map(value)
        .map(|value| u16::try_from(value).unwrap_or(u16::MAX));
    shorts.flat_map(u16::to_le_bytes).collect()
}
