//! Encodes and decodes a file of raw elements once for every SPEC read from standard input: the part of a benchmark in which
//! codecs take turns.
//!
//! `turns TYPE EXTENT,EXTENT,… FILE`: TYPE is u1, u2, u4, i2, i4, f4 or f8, little-endian; the extents are those of a chunk.
//! The answer to a SPEC is a line, `STORED ENCODE DECODE ERROR` (bytes, seconds, seconds, the largest error), or `refused` and
//! why. What was decoded is compared with the file outside of the times, which are the processor's where the system tells
//! them: bit for bit, but with a codec that may lose, number by number.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::LazyLock;
use std::time::Instant;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, extents, path] = arguments.as_slice() else {
        return Err("usage: turns TYPE EXTENTS FILE".into());
    };
    let element = Element {
        class: match &kind[..1] {
            "u" => ElementClass::Unsigned,
            "i" => ElementClass::Signed,
            _ => ElementClass::Float,
        },
        bytes: kind[1..].parse()?,
        order: ByteOrder::Little,
    };
    let extents = extents.split(',').map(str::parse);
    let layout = Layout::new(element, extents.collect::<Result<_, _>>()?);
    let raw = std::fs::read(path)?;
    let mut memory = Memory::default();
    let mut output = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        match turn(&line?, &layout, &raw, &mut memory) {
            Ok(Turn {
                stored,
                encode,
                decode,
                error,
            }) => writeln!(output, "{stored} {encode:.9} {decode:.9} {error:e}")?,
            Err(why) => writeln!(output, "refused {}", why.to_string().replace('\n', " "))?,
        }
        output.flush()?;
    }
    Ok(())
}

/// What is kept from turn to turn, so that no codec pays for memory that is touched for the first time.
#[derive(Default)]
struct Memory {
    context: Context,
    chunk: Vec<u8>,
    back: Vec<u8>,
}

/// Bytes stored, the seconds of both directions, and the largest error.
#[derive(Default)]
struct Turn {
    stored: usize,
    encode: f64,
    decode: f64,
    error: f64,
}

/// Encodes and decodes all chunks.
fn turn(
    text: &str,
    layout: &Layout,
    raw: &[u8],
    memory: &mut Memory,
) -> Result<Turn, Box<dyn Error>> {
    let spec: Spec = text.parse()?;
    (spec.codec().accepts)(&spec, layout)?;
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, layout)?;
    let values = (filter.localise)(&values, Some(layout))?;
    let chunk_bytes = layout.chunk_bytes().ok_or("too large")?;
    let Memory {
        context,
        chunk,
        back,
    } = memory;
    let bound = (filter.bound)(&values, chunk_bytes)?;
    chunk.resize(bound.max(chunk.len()), 0xcc);
    back.resize(chunk_bytes, 0xcc);
    let mut sum = Turn::default();
    for src in raw.chunks_exact(chunk_bytes) {
        let start = seconds();
        let len = (filter.encode)(context, &values, src, &mut chunk[..bound])?;
        let between = seconds();
        (filter.decode)(context, &values, &chunk[..len], back)?;
        sum.decode += seconds() - between;
        sum.encode += between - start;
        sum.stored += len;
        if back[..] != *src {
            let error = largest_error(&layout.element, src, back);
            match error.filter(|_| !spec.codec().lossless) {
                Some(error) => sum.error = sum.error.max(error),
                None => return Err("does not come back".into()),
            }
        }
    }
    Ok(sum)
}

/// The largest error of floats, little-endian; `None` for other types, and where NaN or an infinity does not come back.
fn largest_error(element: &Element, before: &[u8], after: &[u8]) -> Option<f64> {
    let number: fn(&[u8]) -> f64 = match (element.class, element.bytes) {
        (ElementClass::Float, 4) => {
            |bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))
        }
        (ElementClass::Float, 8) => |bytes| f64::from_le_bytes(bytes.try_into().unwrap()),
        _ => return None,
    };
    let pairs = before
        .chunks_exact(element.bytes)
        .zip(after.chunks_exact(element.bytes));
    let mut largest = 0.0f64;
    for (before, after) in pairs.filter(|(before, after)| before != after) {
        let error = (number(before) - number(after)).abs();
        if !error.is_finite() {
            return None;
        }
        largest = largest.max(error);
    }
    Some(largest)
}

/// Time that this thread has had of a processor. Linux counts it when the thread hands the processor over; other systems
/// give the time of day.
fn seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = text.split(' ').next().and_then(|word| word.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |n| n / 1e9)
}
