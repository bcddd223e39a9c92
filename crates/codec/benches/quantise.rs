//! Speed of `quantise` in raw GB/s, interleaved with memcpy and with bitshuffle + zstd-3; best of many runs.
//!
//! `cargo bench --bench quantise` runs on synthetic data; `ETALON_F32="file:elements:spec|spec" cargo bench …` on a file of
//! little-endian f32 in chunks of that many elements; several files are separated by spaces.

use std::hint::black_box;
use std::time::Instant;

use etalon_codec::kernels::levels::Level;
use etalon_codec::kernels::quantise::bytes;
use etalon_codec::{ByteOrder, Context, Element, ElementClass, Layout, Spec, frame};

/// Seconds of the fastest of `runs`, each of the works in turn.
fn best<const N: usize>(runs: usize, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut seconds = [f64::INFINITY; N];
    for _ in 0..runs {
        for (work, best) in works.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            work();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    seconds
}

fn kernel(name: &str, elements: usize, runs: usize) {
    let values: Vec<f32> = (0..elements)
        .map(|i| (i * 7919 % 10_007) as f32 * 0.01)
        .collect();
    let mut levels = vec![0u8; elements];
    let mut copy = vec![0f32; elements];
    let mut plain = vec![0u8; elements];
    let repeat = (1 << 22) / elements.min(1 << 22);
    let seconds = best(
        runs,
        [
            &mut || {
                for _ in 0..repeat {
                    bytes(Level::best(), black_box(&values), 0.0, 0.4, &mut levels);
                }
            },
            &mut || {
                for _ in 0..repeat {
                    bytes(Level::SCALAR, black_box(&values), 0.0, 0.4, &mut plain);
                }
            },
            &mut || {
                for _ in 0..repeat {
                    copy.copy_from_slice(black_box(&values));
                    black_box(&mut copy);
                }
            },
        ],
    );
    assert!(levels == plain);
    let speed = seconds.map(|seconds| (4 * elements * repeat) as f64 / seconds / 1e9);
    println!(
        "f32 to u8, {name}: {} {:.1} GB/s, scalar {:.1} GB/s, memcpy {:.1} GB/s",
        Level::best().name(),
        speed[0],
        speed[1],
        speed[2]
    );
}

/// One setting on all chunks of an array.
struct Run {
    spec: Spec,
    layout: Layout,
    chunks: Vec<Vec<u8>>,
    encode_seconds: f64,
    decode_seconds: f64,
}

fn codec(name: &str, data: &[u8], elements: usize, texts: &[&str], runs: usize) {
    let element = Element {
        class: ElementClass::Float,
        bytes: 4,
        order: ByteOrder::Little,
    };
    let mut context = Context::new();
    let mut all: Vec<Run> = texts
        .iter()
        .map(|text| Run {
            spec: text.parse().unwrap(),
            layout: Layout::new(element, vec![elements]),
            chunks: vec![Vec::new(); data.len() / (4 * elements)],
            encode_seconds: f64::INFINITY,
            decode_seconds: f64::INFINITY,
        })
        .collect();
    let mut back = vec![0; 4 * elements];
    for _ in 0..runs {
        for run in &mut all {
            let filter = run.spec.codec().filter;
            let values = (filter.cd_values)(&run.spec, &run.layout).unwrap();
            let mut room = vec![1; (filter.bound)(&values, 4 * elements).unwrap()];
            let (mut encode, mut decode) = (0.0, 0.0);
            for (src, chunk) in data.chunks_exact(4 * elements).zip(&mut run.chunks) {
                let start = Instant::now();
                let len = (filter.encode)(&mut context, &values, src, &mut room).unwrap();
                encode += start.elapsed().as_secs_f64();
                chunk.clear();
                chunk.extend_from_slice(&room[..len]);
                let start = Instant::now();
                (filter.decode)(&mut context, &values, chunk, &mut back).unwrap();
                decode += start.elapsed().as_secs_f64();
                assert!(!run.spec.codec().lossless || back == src);
            }
            run.encode_seconds = run.encode_seconds.min(encode);
            run.decode_seconds = run.decode_seconds.min(decode);
        }
    }
    println!("{name}: {} bytes in chunks of {elements} f32", data.len());
    let reference = (all[0].encode_seconds, all[0].decode_seconds);
    for run in &all {
        let stored: usize = run.chunks.iter().map(Vec::len).sum();
        let gigabytes = (run.chunks.len() * 4 * elements) as f64 / 1e9;
        let worst = run
            .chunks
            .iter()
            .filter_map(|chunk| frame::inspect(chunk).ok()?.certificate);
        let worst = worst
            .map(|certificate| certificate.loss.max_abs_error)
            .fold(0.0, f64::max);
        println!(
            "  {:34} ratio {:7.2}  encode {:.3} GB/s ({:.2}×)  decode {:.3} GB/s ({:.2}×)  max |e| {worst:.4e}",
            run.spec.to_string(),
            gigabytes * 1e9 / stored as f64,
            gigabytes / run.encode_seconds,
            reference.0 / run.encode_seconds,
            gigabytes / run.decode_seconds,
            reference.1 / run.decode_seconds,
        );
        for chunk in &run.chunks {
            if let Ok(Some(otsu)) = etalon_codec::codecs::quantise::otsu(chunk) {
                println!("    {otsu:?}");
            }
        }
    }
}

fn synthetic(elements: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    (0..elements)
        .flat_map(|_| ((0..12).map(|_| uniform()).sum::<f64>() as f32 - 6.0).to_le_bytes())
        .collect()
}

const REFERENCE: &str = "bitshuffle:compressor=zstd";

fn main() {
    let files = std::env::var("ETALON_F32").unwrap_or_default();
    if files.is_empty() {
        on_synthetic_data();
    }
    for file in files.split_whitespace() {
        let mut parts = file.splitn(3, ':');
        let (path, elements, texts) = (parts.next(), parts.next(), parts.next());
        let data = std::fs::read(path.unwrap()).unwrap();
        let texts: Vec<&str> = [REFERENCE]
            .into_iter()
            .chain(texts.unwrap_or("quantise:levels=256").split('|'))
            .collect();
        codec(
            path.unwrap(),
            &data,
            elements.unwrap().parse().unwrap(),
            &texts,
            10,
        );
    }
}

fn on_synthetic_data() {
    kernel("L2", 64 << 10, 30);
    kernel("RAM", 64 << 20, 8);
    let settings = [
        "quantise:abs=0.1",
        "quantise:levels=256",
        "quantise:pw=0.01",
        "quantise:bits=6",
    ];
    let texts = [&[REFERENCE], &settings[..]].concat();
    codec(
        "normal numbers, σ = 1",
        &synthetic(1 << 20),
        1 << 20,
        &texts,
        10,
    );
}
