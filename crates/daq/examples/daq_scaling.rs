//! How much faster two encoders are than one: the writer without a disk, in turns, wall clock.
//!
//!     daq_scaling [SPEC [ROUNDS [ENCODERS…]]]
//!
//! The producer hands buffers over as they are, as a detector's receiver does whose network card has filled them; each
//! begins with a simulated frame of 4 Mpixel of 16 bits. Prints the median of all turns, and the load of the machine: with
//! other programs at work two threads do not have two processors.

use std::time::Instant;

use etalon_daq::{Ending, FrameRecord, Settings, Sink, Writer};
use etalon_measure::simulate::{self, Pixels};

const FRAMES: u64 = 60;
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
    for _ in 0..rounds {
        for (encoders, rates) in counts.iter().zip(&mut rates) {
            rates.push(rate(spec, *encoders, &frame)?);
        }
    }
    for (encoders, rates) in counts.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let gigabytes = rates[rounds / 2] * frame.len() as f64 / 1e9;
        println!(
            "{encoders} encoders: {:.1} frames/s, {gigabytes:.2} GB/s",
            rates[rounds / 2]
        );
    }
    println!(
        "last / first: {:.2}",
        rates[counts.len() - 1][rounds / 2] / rates[0][rounds / 2]
    );
    print!("load: {}", std::fs::read_to_string("/proc/loadavg")?);
    Ok(())
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
