//! `sigma-clip`: its promises, checked from outside by a clipping of their own.

mod support;

use etalon_codec::{
    ByteOrder, Context, Element, ElementClass, Error, Guarantee, Layout, Spec, frame,
};
use support::{Random, stored};

const MASKED: u32 = u32::MAX;

fn layout(class: ElementClass, bytes: usize, shape: &[usize]) -> Layout {
    let element = Element {
        class,
        bytes,
        order: ByteOrder::Little,
    };
    Layout::new(element, shape.to_vec())
}

fn encode(spec: &str, layout: &Layout, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let spec: Spec = spec.parse().unwrap();
    let (filter, values) = stored(&spec, layout);
    let mut chunk = vec![0xcc; (filter.bound)(&values, bytes.len())?];
    let len = (filter.encode)(&mut Context::refusing(), &values, bytes, &mut chunk)?;
    chunk.truncate(len);
    Ok(chunk)
}

fn decode(layout: &Layout, chunk: &[u8]) -> Vec<u8> {
    let spec: Spec = "sigma-clip".parse().unwrap();
    let (filter, values) = stored(&spec, layout);
    let mut bytes = vec![0xcc; layout.chunk_bytes().unwrap()];
    (filter.decode)(&mut Context::new(), &values, chunk, &mut bytes).unwrap();
    bytes
}

/// Encodes, decodes, and encodes again: payload and values stay as they are.
fn lossy(spec: &str, layout: &Layout, bytes: &[u8]) -> (Vec<u8>, frame::Info, usize) {
    let chunk = encode(spec, layout, bytes).unwrap();
    let info = frame::inspect(&chunk).unwrap();
    let decoded = decode(layout, &chunk);
    let again = encode(spec, layout, &decoded).unwrap();
    assert!(
        decode(layout, &again) == decoded,
        "{spec} {:?}: the second time differs",
        layout.shape
    );
    if info.codec == "sigma-clip" && !spec.contains("lattice") {
        let header = frame::inspect(&chunk).unwrap().header_bytes;
        assert!(
            chunk[header..] == again[header..],
            "{spec}: the second payload differs"
        );
    }
    (decoded, info, chunk.len())
}

fn poisson(random: &mut Random, mean: f64) -> u32 {
    if mean > 500.0 {
        let normal: f64 = (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0;
        return (mean + mean.sqrt() * normal).round() as u32;
    }
    let drawn = uniform(random);
    let mut probability = (-mean).exp();
    let (mut sum, mut count) = (probability, 0);
    while drawn > sum && count < 2000 {
        count += 1;
        probability *= mean / f64::from(count);
        sum += probability;
    }
    count
}

fn uniform(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1u64 << 53) as f64
}

/// A frame of counts: a smooth background, peaks, dead pixels (0), hot pixels and masked ones.
fn scene(random: &mut Random, rows: usize, columns: usize, mean: f64) -> Vec<u32> {
    let (cx, cy) = (columns as f64 * 0.45, rows as f64 * 0.55);
    let mut rates: Vec<f64> = (0..rows * columns)
        .map(|i| {
            let (x, y) = ((i % columns) as f64 - cx, (i / columns) as f64 - cy);
            mean * (0.3 + 1.2 * (-(x * x + y * y) / (rows * columns) as f64).exp())
        })
        .collect();
    for _ in 0..rows * columns / 2000 {
        let (row, column) = (random.below(rows), random.below(columns));
        let height = 5.0 * mean.sqrt() + mean * 20.0 * uniform(random);
        for r in row.saturating_sub(2)..(row + 3).min(rows) {
            for c in column.saturating_sub(2)..(column + 3).min(columns) {
                let d = (r as f64 - row as f64).powi(2) + (c as f64 - column as f64).powi(2);
                rates[r * columns + c] += height * (-d / 2.0).exp();
            }
        }
    }
    let mut counts: Vec<u32> = rates.iter().map(|&rate| poisson(random, rate)).collect();
    for _ in 0..rows * columns / 3000 {
        counts[random.below(rows * columns)] = 0;
        counts[random.below(rows * columns)] = 50_000;
        counts[random.below(rows * columns)] = MASKED;
    }
    let gap = random.below(rows);
    counts[gap * columns..(gap + 1) * columns].fill(MASKED);
    counts
}

fn u16_bytes(counts: &[u32]) -> Vec<u8> {
    counts
        .iter()
        .flat_map(|&count| (count.min(65_535) as u16).to_le_bytes())
        .collect()
}

fn u16_values(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(2)
        .map(|bytes| u32::from(u16::from_le_bytes(bytes.try_into().unwrap())))
        .collect()
}

/// The clipping of METRICS.md, pixel by pixel: mean and std of each tile.
fn tiles(counts: &[u32], columns: usize, tile: usize) -> Vec<(f64, f64)> {
    let across = columns.div_ceil(tile);
    let tile_of = |i: usize| i / columns / tile * across + i % columns / tile;
    let mut pixels = vec![Vec::new(); tile_of(counts.len() - 1) + across];
    for (i, &count) in counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count != 65_535)
    {
        pixels[tile_of(i)].push(f64::from(count));
    }
    let mut backgrounds = Vec::new();
    for pixels in &mut pixels {
        let stats = |pixels: &[f64]| {
            let n = pixels.len() as f64;
            let variance = pixels.iter().map(|s| s.max(1.0)).sum::<f64>() / n;
            (pixels.iter().sum::<f64>() / n, variance.sqrt())
        };
        let cutoff = |n: usize| {
            let n = n.max(3) as f64;
            (2.0 * (n / (2.0 * std::f64::consts::PI).sqrt()).ln()).sqrt()
        };
        loop {
            let (mean, std) = stats(pixels);
            let greatest = pixels.iter().copied().fold(0.0, f64::max);
            let others = pixels.len() as f64 - 1.0;
            if others <= cutoff(pixels.len()) || greatest - mean <= std * others {
                break;
            }
            pixels.retain(|s| *s < greatest);
        }
        for _ in 0..5 {
            let (mean, std) = stats(pixels);
            let cut = cutoff(pixels.len()) * std;
            pixels.retain(|s| (s - mean).abs() <= cut);
        }
        backgrounds.push(stats(pixels));
    }
    (0..counts.len()).map(|i| backgrounds[tile_of(i)]).collect()
}

#[test]
fn every_pixel_keeps_the_promise() {
    let mut random = Random(1);
    let (rows, columns) = (200, 260);
    for mean in [0.4, 3.0, 30.0, 1000.0] {
        let counts = scene(&mut random, rows, columns, mean);
        let original = u16_values(&u16_bytes(&counts));
        let layout = layout(ElementClass::Unsigned, 2, &[rows, columns]);
        for decode in ["poisson", "normal", "mean"] {
            for (kappa, noise, sides) in [
                (3.0, 1.0, "positive"),
                (4.5, 0.0, "both"),
                (3.0, 10.0, "both"),
            ] {
                let spec = format!(
                    "sigma-clip:kappa={kappa},noise={noise},sides={sides},decode={decode},force"
                );
                let (bytes, info, len) = lossy(&spec, &layout, &u16_bytes(&counts));
                assert_eq!(info.codec, "sigma-clip", "{spec} {mean}");
                let decoded = u16_values(&bytes);
                let backgrounds = tiles(&original, columns, 64);
                let (mut outliers, mut worst) = (0, 0.0f64);
                for i in 0..original.len() {
                    let (i_o, i_d) = (original[i], decoded[i]);
                    let (mean, std) = backgrounds[i];
                    let far = f64::max(noise, kappa * std.hypot(noise));
                    let outlier = f64::from(i_o) - mean > far
                        || sides == "both" && mean - f64::from(i_o) > far;
                    // Of a tile that clipping discards as a whole, all pixels are exact.
                    if i_o == 65_535 || outlier || mean.is_nan() {
                        assert_eq!(i_o, i_d, "{spec}: pixel {i}");
                        outliers += u32::from(i_o != 65_535);
                    } else {
                        assert!(f64::from(i_d) <= (mean + far).floor(), "{spec}: pixel {i}");
                        assert!(
                            sides != "both" || f64::from(i_d) >= (mean - far).ceil(),
                            "{spec}: pixel {i}"
                        );
                    }
                    worst = worst.max((f64::from(i_o) - f64::from(i_d)).abs());
                }
                let certificate = info.certificate.unwrap();
                assert!(certificate.synthetic_background);
                assert_eq!(certificate.guarantee, Guarantee::Verified);
                assert_eq!(certificate.loss.max_abs_error, worst);
                assert!(certificate.loss.exceptions >= u64::from(outliers));
                assert_eq!(certificate.loss.sum_error, 0.0, "{spec}: totals are kept");
                println!(
                    "{spec} λ {mean}: ratio {:.1}",
                    bytes.len() as f64 / len as f64
                );
            }
        }
    }
}

#[test]
fn random_frames_are_fixed_points_after_one_round() {
    for seed in 0..120 {
        let mut random = Random(1000 + seed);
        let (frames, rows, columns) = (
            random.below(3) + 1,
            random.below(150) + 10,
            random.below(150) + 10,
        );
        let mean = 0.15 * 4f64.powi(random.below(8) as i32) * (0.5 + uniform(&mut random));
        let counts: Vec<u32> = (0..frames)
            .flat_map(|_| scene(&mut random, rows, columns, mean))
            .collect();
        let mut pick = |choices: &[&str]| choices[random.below(choices.len())].to_string();
        let variant = pick(&[
            "block,tile=16",
            "block",
            "azimuthal,cx=50,cy=61.5,bins=40",
            "azimuthal,cx=-20,cy=33.3",
            "global",
        ]);
        let (decode, sides) = (
            pick(&["poisson", "normal", "mean"]),
            pick(&["positive", "both"]),
        );
        let (kappa, clip) = (pick(&["1", "2.5", "3", "6"]), pick(&["0", "0", "2", "4"]));
        let (noise, cycles) = (pick(&["0", "1", "7"]), pick(&["1", "5", "20"]));
        let (dilate, mask) = (
            pick(&["0", "0", "1", "3"]),
            pick(&["", ",mask=2;0", ",mask=5"]),
        );
        let spec = format!(
            "sigma-clip:variant={variant},kappa={kappa},clip={clip},cycles={cycles},noise={noise},sides={sides},\
             dilate={dilate},decode={decode},seed={seed},force{mask}"
        );
        let shape = [frames, rows, columns];
        lossy(
            &spec,
            &layout(ElementClass::Unsigned, 2, &shape),
            &u16_bytes(&counts),
        );
        let bytes: Vec<u8> = counts
            .iter()
            .flat_map(|count| count.to_le_bytes())
            .collect();
        lossy(&spec, &layout(ElementClass::Unsigned, 4, &shape), &bytes);
        let bytes: Vec<u8> = counts.iter().map(|&count| count.min(255) as u8).collect();
        lossy(&spec, &layout(ElementClass::Unsigned, 1, &shape), &bytes);
        let signed = |count: u32| {
            if count == MASKED {
                -1 - (seed as i32 & 1)
            } else {
                count as i32
            }
        };
        let bytes: Vec<u8> = counts
            .iter()
            .flat_map(|&count| signed(count).to_le_bytes())
            .collect();
        lossy(&spec, &layout(ElementClass::Signed, 4, &shape), &bytes);
        let float = |count: u32| {
            if count == MASKED {
                f32::NAN
            } else {
                count as f32
            }
        };
        let bytes: Vec<u8> = counts
            .iter()
            .flat_map(|&count| float(count).to_le_bytes())
            .collect();
        lossy(&spec, &layout(ElementClass::Float, 4, &shape), &bytes);
    }
}

#[test]
fn lattice_keeps_outliers_and_bounds_the_rest() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let (rows, columns) = (random.below(150) + 30, random.below(150) + 30);
        let mean = 3.0 * 4f64.powi(random.below(6) as i32);
        let counts = scene(&mut random, rows, columns, mean);
        let original = u16_values(&u16_bytes(&counts));
        let layout = layout(ElementClass::Unsigned, 2, &[rows, columns]);
        let sigma = [0.5, 1.0, 2.0][random.below(3)];
        let more = [
            "",
            ",sides=both",
            ",dilate=2",
            ",cx=40,cy=44,bins=60",
            ",mask=9",
        ][random.below(5)];
        let spec = format!("sigma-clip:variant=lattice,sigma={sigma},kappa=4{more}");
        let (bytes, info, _) = lossy(&spec, &layout, &u16_bytes(&counts));
        assert_eq!(info.codec, "sigma-clip", "{spec}");
        let certificate = info.certificate.unwrap();
        assert!(!certificate.synthetic_background);
        assert!(
            certificate.loss.exceptions > 0 || certificate.loss.max_abs_error == 0.0,
            "{spec} λ {mean}"
        );
        for (&from, &to) in original.iter().zip(&u16_values(&bytes)) {
            let error = (f64::from(to) - f64::from(from)).abs();
            assert!(
                error <= sigma * f64::from(from).max(1.0).sqrt() / 2.0,
                "{spec}: {from} became {to}"
            );
            assert!(
                from < 50_000 || from == to,
                "{spec}: outlier {from} became {to}"
            );
        }
    }
}

#[test]
fn frames_that_are_not_overwritten_stay_as_they_are() {
    let mut random = Random(77);
    let layout = layout(ElementClass::Unsigned, 2, &[2, 128, 128]);
    let counts: Vec<u32> = (0..2)
        .flat_map(|_| scene(&mut random, 128, 128, 20.0))
        .collect();
    let (decoded, _, _) = lossy("sigma-clip:force", &layout, &u16_bytes(&counts));
    let half = decoded.len() / 2;
    let mixed = [
        &decoded[..half],
        &u16_bytes(&scene(&mut random, 128, 128, 9.0)),
    ]
    .concat();
    let (again, _, _) = lossy("sigma-clip:force", &layout, &mixed);
    assert!(again[..half] == decoded[..half]);
}

#[test]
fn what_is_no_background_of_counts_is_refused() {
    let mut random = Random(5);
    let n = 192;
    let layout = layout(ElementClass::Unsigned, 2, &[n, n]);
    let speckle: Vec<u32> = (0..n * n)
        .map(|_| {
            let intensity: f64 = (0..3)
                .map(|_| -(1.0 - uniform(&mut random)).ln())
                .sum::<f64>()
                / 3.0;
            poisson(&mut random, 5.0 * intensity)
        })
        .collect();
    let image: Vec<u32> = (0..n * n)
        .map(|i| {
            let inside = (i % n / 20 + i / n / 20) % 2 == 0;
            poisson(&mut random, if inside { 5000.0 } else { 7000.0 })
        })
        .collect();
    for (name, counts) in [("speckle", &speckle), ("image", &image)] {
        for variant in ["block", "global", "azimuthal,cx=90,cy=90,bins=60"] {
            let spec = format!("sigma-clip:variant={variant}");
            let error = encode(&spec, &layout, &u16_bytes(counts))
                .unwrap_err()
                .to_string();
            assert!(error.contains("force"), "{name} {variant}: {error}");
            encode(&format!("{spec},force"), &layout, &u16_bytes(counts)).unwrap();
        }
    }
    for mean in [0.03, 0.3] {
        let faint: Vec<u32> = (0..n * n).map(|_| poisson(&mut random, mean)).collect();
        let chunk = encode("sigma-clip", &layout, &u16_bytes(&faint)).unwrap();
        let certificate = frame::inspect(&chunk).unwrap().certificate.unwrap();
        assert!(
            certificate.fell_back,
            "{mean}: speckle would not be noticed"
        );
    }
    for mean in [0.7, 2.0, 40.0, 900.0] {
        let flat: Vec<u32> = (0..n * n).map(|_| poisson(&mut random, mean)).collect();
        for decode in ["poisson", "normal", "mean"] {
            let spec = format!("sigma-clip:decode={decode}");
            let (_, info, _) = lossy(&spec, &layout, &u16_bytes(&flat));
            assert_eq!(info.codec, "sigma-clip", "{mean}");
        }
    }
}

#[test]
fn settings_and_types_that_do_not_fit_are_refused_with_the_reason() {
    let refusal = |spec: &str, class, bytes| {
        let spec: Spec = spec.parse().unwrap();
        let layout = layout(class, bytes, &[100, 100]);
        (spec.codec().filter.cd_values)(&spec, &layout)
            .unwrap_err()
            .to_string()
    };
    assert!(
        refusal(
            "sigma-clip:variant=azimuthal,cx=4",
            ElementClass::Unsigned,
            2
        )
        .contains("cy=")
    );
    assert!(refusal("sigma-clip", ElementClass::Other, 16).contains("not numbers"));
    let fractions: Vec<u8> = (0..10_000)
        .flat_map(|i| (i as f32 / 7.0).to_le_bytes())
        .collect();
    let floats = layout(ElementClass::Float, 4, &[100, 100]);
    let error = encode("sigma-clip:force", &floats, &fractions)
        .unwrap_err()
        .to_string();
    assert!(error.contains("fractions"), "{error}");
}

#[test]
fn damaged_payloads_are_errors_or_frames_but_never_panics() {
    let mut random = Random(8);
    let counts = scene(&mut random, 40, 50, 6.0);
    let layout = layout(ElementClass::Unsigned, 2, &[40, 50]);
    for spec in [
        "sigma-clip:force,tile=16",
        "sigma-clip:force,variant=azimuthal,cx=20,cy=20,bins=30,decode=normal",
        "sigma-clip:force,decode=mean",
        "sigma-clip:variant=lattice,sigma=2",
        "noise:sigma=2",
        "noise:sigma=2,mode=unbiased",
    ] {
        let codec = spec.parse::<Spec>().unwrap().codec();
        let chunk = encode(spec, &layout, &u16_bytes(&counts)).unwrap();
        let info = frame::inspect(&chunk).unwrap();
        assert_eq!(info.codec, codec.name);
        let mut payload = chunk[info.header_bytes..].to_vec();
        let mut context = Context::new();
        let mut dst = vec![0; 4000];
        for bit in 0..payload.len() * 8 {
            payload[bit / 8] ^= 1 << (bit % 8);
            let _ = (codec.decode)(&mut context, &layout, &payload, &mut dst);
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..payload.len() {
            assert!(
                (codec.decode)(&mut context, &layout, &payload[..len], &mut dst).is_err(),
                "{spec} {len}"
            );
        }
        (codec.decode)(&mut context, &layout, &payload, &mut dst).unwrap();
        assert!(dst == decode(&layout, &chunk));
    }
}
