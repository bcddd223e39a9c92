//! Encoding and decoding twice, and floats to do that with.

use etalon_codec::{
    ByteOrder, Certificate, Context, Element, ElementClass, Error, Layout, Spec, frame,
};

use super::{Random, stored};

pub const LITTLE: ByteOrder = ByteOrder::Little;

pub fn layout(class: ElementClass, bytes: usize, elements: usize) -> Layout {
    let element = Element {
        class,
        bytes,
        order: LITTLE,
    };
    Layout::new(element, vec![elements])
}

pub fn f32_layout(elements: usize) -> Layout {
    layout(ElementClass::Float, 4, elements)
}

pub fn encode(spec: &str, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let spec: Spec = spec.parse()?;
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, layout)?;
    let mut chunk = vec![0xcc; (filter.bound)(&values, bytes.len())?];
    let len = (filter.encode)(&mut Context::refusing(), &values, bytes, &mut chunk)?;
    chunk.truncate(len);
    Ok(chunk)
}

pub fn decode(spec: &str, layout: &Layout, chunk: &[u8]) -> Vec<u8> {
    let (filter, values) = stored(&spec.parse().unwrap(), layout);
    let mut bytes = vec![0xcc; layout.chunk_bytes().unwrap()];
    (filter.decode)(&mut Context::new(), &values, chunk, &mut bytes).unwrap();
    bytes
}

pub struct Lossy {
    pub chunk: Vec<u8>,
    pub decoded: Vec<u8>,
    pub codec: &'static str,
    pub certificate: Certificate,
}

/// Encodes, decodes and encodes again: the second time changes nothing, and the third gives the bytes of the second.
pub fn lossy(spec: &str, layout: &Layout, bytes: &[u8]) -> Lossy {
    let chunk = encode(spec, layout, bytes).unwrap();
    let decoded = decode(spec, layout, &chunk);
    let second = encode(spec, layout, &decoded).unwrap();
    let again = decode(spec, layout, &second);
    assert!(again == decoded, "{spec}: the second time differs");
    assert!(
        encode(spec, layout, &again).unwrap() == second,
        "{spec}: bytes differ"
    );
    let info = frame::inspect(&chunk).unwrap();
    Lossy {
        chunk,
        decoded,
        codec: info.codec,
        certificate: info.certificate.unwrap(),
    }
}

pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub fn f32_values(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.chunks_exact(4);
    values
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

pub fn uniform(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}

pub fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0
}

pub fn normals(n: usize, mean: f64, sigma: f64, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..n)
        .map(|_| (mean + sigma * normal(&mut random)) as f32)
        .collect()
}

/// Every finite value within `allowed`, everything else bit for bit.
pub fn check_f32(spec: &str, before: &[f32], after: &[f32], allowed: impl Fn(f64) -> f64) {
    for (&before, &after) in before.iter().zip(after) {
        if before.is_finite() {
            let error = (f64::from(after) - f64::from(before)).abs();
            assert!(
                error <= allowed(f64::from(before)),
                "{spec}: {before:e} became {after:e}"
            );
        } else {
            assert_eq!(before.to_bits(), after.to_bits(), "{spec}");
        }
    }
}

/// Bit patterns of all kinds beside values of a common size, so that the chunk is worth quantising.
pub fn adversarial(n: usize, scale: f32, random: &mut Random) -> Vec<f32> {
    let near = |value: f32, draw: u64| match draw % 3 {
        0 => value,
        1 => value.next_up(),
        _ => value.next_down(),
    };
    (0..n)
        .map(|_| {
            let draw = random.next();
            match draw % 64 {
                0 => f32::from_bits((draw >> 20) as u32),
                1 => [
                    0.0,
                    -0.0,
                    f32::NAN,
                    f32::INFINITY,
                    -f32::INFINITY,
                    f32::MAX,
                    f32::MIN,
                    1e-45,
                ][draw as usize >> 8 & 7],
                2..20 => near(((draw >> 30) % 200) as f32 * scale * 0.5, draw >> 8), // ties and middles
                20..30 => near(((draw >> 30) % 2000) as f32 * 0.1, draw >> 8),
                _ => (normal(&mut Random(draw)) as f32) * scale * 30.0,
            }
        })
        .collect()
}
