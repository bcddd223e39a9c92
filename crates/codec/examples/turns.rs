//! Encodes and decodes a file of raw elements once for every SPEC read from standard input: the part of a benchmark in which
//! codecs take turns.
//!
//! `turns TYPE EXTENT,EXTENT,… FILE`: TYPE is u1, u2, u4, i2, i4, f4 or f8, little-endian; the extents are those of a chunk.
//! The answer to a SPEC is a line, `STORED ENCODE DECODE` (bytes, then seconds), or `refused` and why. What was decoded is
//! compared with the file bit for bit, outside of the times, which are the processor's where the system tells them.

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
            Ok((stored, encode, decode)) => writeln!(output, "{stored} {encode:.9} {decode:.9}")?,
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

/// Bytes stored and the seconds of both directions.
fn turn(
    text: &str,
    layout: &Layout,
    raw: &[u8],
    memory: &mut Memory,
) -> Result<(usize, f64, f64), Box<dyn Error>> {
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
    let (mut stored, mut encode, mut decode) = (0, 0.0, 0.0);
    for src in raw.chunks_exact(chunk_bytes) {
        let start = seconds();
        let len = (filter.encode)(context, &values, src, &mut chunk[..bound])?;
        let between = seconds();
        (filter.decode)(context, &values, &chunk[..len], back)?;
        decode += seconds() - between;
        encode += between - start;
        if back[..] != *src {
            return Err("does not come back".into());
        }
        stored += len;
    }
    Ok((stored, encode, decode))
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
