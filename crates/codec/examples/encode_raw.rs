//! Encodes and decodes a file of raw elements with a SPEC and prints ratio, speed and certificate.
//!
//! `encode_raw SPEC TYPE EXTENT,EXTENT,… FILE [DECODED]`: TYPE is u1, u2, u4, i2, i4, f4 or f8, little-endian; every
//! slice of the first extent is a chunk.

use std::error::Error;
use std::time::Instant;

use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec, Tally, frame};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [text, kind, shape, path, out @ ..] = arguments.as_slice() else {
        return Err("usage: encode_raw SPEC TYPE SHAPE FILE [DECODED]".into());
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
    let mut shape: Vec<usize> = shape.split(',').map(str::parse).collect::<Result<_, _>>()?;
    shape[0] = 1;
    let layout = Layout::new(element, shape);
    let spec: Spec = text.parse()?;
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, &layout)?;
    let values = (filter.localise)(&values, Some(&layout))?;
    let raw = std::fs::read(path)?;
    let chunk_bytes = layout.chunk_bytes().ok_or("too large")?;
    let mut context = Context::new();
    let mut chunk = vec![0; (filter.bound)(&values, chunk_bytes)?];
    let mut decoded = vec![0; raw.len()];
    let (mut stored, mut encoding, mut decoding) = (0, 0.0, 0.0);
    let (mut loss, mut codecs) = (Tally::default(), Vec::new());
    for (src, dst) in raw
        .chunks_exact(chunk_bytes)
        .zip(decoded.chunks_exact_mut(chunk_bytes))
    {
        let start = Instant::now();
        let len = (filter.encode)(&mut context, &values, src, &mut chunk)?;
        encoding += start.elapsed().as_secs_f64();
        let start = Instant::now();
        (filter.decode)(&mut context, &values, &chunk[..len], dst)?;
        decoding += start.elapsed().as_secs_f64();
        stored += len;
        if let Ok(info) = frame::inspect(&chunk[..len]) {
            codecs.push(info.codec);
            loss.merge(
                &info
                    .certificate
                    .map(|certificate| certificate.loss)
                    .unwrap_or_default(),
            );
        }
    }
    codecs.dedup();
    let megabytes = raw.len() as f64 / 1e6;
    println!(
        "{text}: ratio {:.2}, encode {:.0} MB/s, decode {:.0} MB/s, {codecs:?}, max |e| {}, max |e|/σ {:.3}, Σe {}, kept {}",
        raw.len() as f64 / stored as f64,
        megabytes / encoding,
        megabytes / decoding,
        loss.max_abs_error,
        loss.max_sigma_error.unwrap_or(0.0),
        loss.sum_error,
        loss.exceptions
    );
    if let Some(out) = out.first() {
        std::fs::write(out, decoded)?;
    }
    Ok(())
}
