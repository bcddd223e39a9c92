//! Simulated chunks, and the settings that are measured on them.

use etalon_codec::{ByteOrder, Element, ElementClass, Layout};

/// Chunks of one kind.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) layout: Layout,
    /// Whole chunks, one after the other.
    pub(crate) bytes: Vec<u8>,
}

/// Sets that the same settings are measured on.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) specs: &'static [&'static str],
    pub(crate) sets: fn() -> Vec<Set>,
}

/// Lossless codecs and their models.
pub(crate) const LOSSLESS: &[&str] = &[
    "bitshuffle:planes",
    "dictionary",
    "counts:model=bbp",
    "counts:model=fir",
    "counts:model=variance",
    "counts",
    "predict:model=none",
    "predict:model=up",
    "predict:model=full",
    "predict",
    "auto",
];

pub(crate) const GROUPS: &[Group] = &[
    Group {
        name: "counts",
        specs: LOSSLESS,
        sets: flat_fields,
    },
    Group {
        name: "images",
        specs: LOSSLESS,
        sets: images,
    },
    Group {
        name: "dictionary",
        specs: &[
            "dictionary",
            "dictionary:backend=bits",
            "dictionary:backend=bitshuffle",
        ],
        sets: few_values,
    },
    Group {
        name: "noise",
        specs: &["noise", "noise:sigma=1", "noise:mode=unbiased"],
        sets: noisy_counts,
    },
    Group {
        name: "quantise",
        specs: &[
            "quantise:abs=0.1",
            "quantise:levels=256",
            "quantise:pw=0.01",
            "quantise:bits=6",
        ],
        sets: normal_numbers,
    },
    Group {
        name: "sigma-clip",
        specs: &[
            "sigma-clip:variant=block",
            "sigma-clip:variant=azimuthal,cx=512,cy=512",
            "sigma-clip:variant=global",
            "sigma-clip:variant=azimuthal,cx=512,cy=512,decode=normal",
            "sigma-clip:variant=azimuthal,cx=512,cy=512,decode=mean",
            "sigma-clip:variant=block,decode=normal",
            "sigma-clip:variant=lattice",
        ],
        sets: diffraction_frames,
    },
];

const SIDE: usize = 1024;

impl Set {
    /// The whole chunks of a file of raw little-endian elements.
    pub(crate) fn of_file(path: &str, kind: &str, shape: &str) -> Self {
        let shape: Vec<usize> = shape.split('x').map(|n| n.parse().unwrap()).collect();
        let bytes = std::fs::read(path).unwrap();
        let name = path.rsplit('/').next().unwrap();
        Self::new(name.to_owned(), kind, &shape, bytes)
    }

    fn new(name: String, kind: &str, shape: &[usize], bytes: Vec<u8>) -> Self {
        let element = Element {
            class: match &kind[..1] {
                "u" => ElementClass::Unsigned,
                "i" => ElementClass::Signed,
                _ => ElementClass::Float,
            },
            bytes: kind[1..].parse().unwrap(),
            order: ByteOrder::Little,
        };
        Self {
            name,
            layout: Layout::new(element, shape.to_vec()),
            bytes,
        }
    }

    /// A chunk of these numbers.
    fn of_numbers(name: String, kind: &str, shape: &[usize], number: impl Fn(u64) -> f64) -> Self {
        let mut bytes = Vec::new();
        for at in 0..shape.iter().product::<usize>() as u64 {
            let number = number(at);
            match kind {
                "f4" => bytes.extend((number as f32).to_le_bytes()),
                "f8" => bytes.extend(number.to_le_bytes()),
                _ => {
                    let width = kind[1..].parse().unwrap();
                    bytes.extend(&(number as i64).to_le_bytes()[..width]);
                }
            }
        }
        Self::new(name, kind, shape, bytes)
    }
}

/// Counts of a flat field.
fn flat_fields() -> Vec<Set> {
    let set = |mean: f64| {
        let name = format!("u2, flat field of mean {mean}");
        Set::of_numbers(name, "u2", &[SIDE, SIDE], |at| poisson(at, mean))
    };
    [0.01, 0.05, 0.3, 1.0, 5.0, 20.0].map(set).into()
}

/// Hills that hardly move, and normal noise.
fn images() -> Vec<Set> {
    let set = |(sigma, frames): (f64, usize)| {
        let name = format!("u2, hills with noise of {sigma}, {frames} frames to a chunk");
        Set::of_numbers(name, "u2", &[frames, 512, 512], |at| {
            let (t, y, x) = (at >> 18, at >> 9 & 511, at & 511);
            let hills = (y as f64 * 0.02).sin() * ((x + t) as f64 * 0.015).cos();
            (20_000.0 + 8000.0 * hills + sigma * normal(at)).round()
        })
    };
    [(4.0, 1), (4.0, 8), (100.0, 1), (100.0, 8)].map(set).into()
}

/// Equally frequent values of random bits, or 0, 3, 6, … where elements are short; and normal numbers in as many steps.
fn few_values() -> Vec<Set> {
    const MOST: [(&str, u64); 4] = [("u1", 128), ("u2", 4096), ("u4", 1 << 16), ("u8", 1 << 16)];
    let mut sets = Vec::new();
    for (kind, most) in MOST {
        let width: usize = kind[1..].parse().unwrap();
        let shape = [(4 << 20) / width];
        let all = [2, 3, 16, 100, 256, 4096];
        for values in all.into_iter().filter(|&values| values <= most) {
            let even = |at| {
                let value = random(at) % values;
                if width <= 2 {
                    3 * value
                } else {
                    random(!value)
                }
            };
            let bytes = (0..shape[0] as u64)
                .flat_map(|at| even(at).to_le_bytes().into_iter().take(width))
                .collect();
            let name = format!("{kind}, {values} values equally frequent");
            sets.push(Set::new(name, kind, &shape, bytes));
            let name = format!("{kind}, {values} values of a normal distribution");
            let values = values as f64;
            let steps = |at| (normal(at) * values / 6.0 + values / 2.0).clamp(0.0, values - 1.0);
            sets.push(Set::of_numbers(name, kind, &shape, |at| steps(at).floor()));
        }
    }
    sets
}

/// Counts whose noise can be scaled.
fn noisy_counts() -> Vec<Set> {
    let mut sets = Vec::new();
    for (kind, means) in [
        ("u2", &[1.0, 10.0, 100.0, 1e3, 1e4][..]),
        ("i4", &[10.0, 1e3]),
        ("f4", &[10.0, 1e3]),
    ] {
        for &mean in means {
            let name = format!("{kind}, flat field of mean {mean}");
            sets.push(Set::of_numbers(name, kind, &[SIDE, SIDE], |at| {
                poisson(at, mean)
            }));
        }
    }
    sets
}

/// Normal numbers.
fn normal_numbers() -> Vec<Set> {
    let name = "f4, normal numbers, σ = 1".to_owned();
    vec![Set::of_numbers(name, "f4", &[SIDE * SIDE], normal)]
}

/// A beam, a ring and peaks on counts of about 8, and gaps between modules that hold the largest number.
fn diffraction_frames() -> Vec<Set> {
    let middle = SIDE as f64 / 2.0;
    let mut rates: Vec<f64> = (0..SIDE * SIDE)
        .map(|at| {
            let (x, y) = ((at % SIDE) as f64 - middle, (at / SIDE) as f64 - middle);
            let r = (x * x + y * y).sqrt();
            4.0 + 20.0 * (-r * r / 20_000.0).exp()
                + 8.0 * (-(r - 300.0) * (r - 300.0) / 3000.0).exp()
        })
        .collect();
    for peak in 0..80 {
        let place = |draw| uniform(3 * peak + draw) * (SIDE - 12) as f64;
        let (row, column) = (place(0), place(1));
        let height = 30.0 + 300.0 * uniform(3 * peak + 2);
        for at in 0..144 {
            let (y, x) = (row as usize + at / 12, column as usize + at % 12);
            let d = (y as f64 - row - 6.0).powi(2) + (x as f64 - column - 6.0).powi(2);
            rates[y * SIDE + x] += height * (-d / 2.4).exp();
        }
    }
    let set = |kind: &str| {
        let name = format!("{kind}, diffraction frame");
        let largest = (256f64).powi(kind[1..].parse().unwrap()) - 1.0;
        Set::of_numbers(name, kind, &[SIDE, SIDE], |at| {
            let at = at as usize;
            let is_gap = at % SIDE % 265 >= 256 || at / SIDE % 134 >= 128;
            if is_gap {
                largest
            } else {
                poisson(at as u64, rates[at])
            }
        })
    };
    ["u2", "u4"].map(set).into()
}

/// SplitMix64.
fn random(i: u64) -> u64 {
    let z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// From 0 to 1.
fn uniform(i: u64) -> f64 {
    (random(i) >> 11) as f64 / (1u64 << 53) as f64
}

/// A sum of twelve uniform numbers less six.
fn normal(at: u64) -> f64 {
    (0..12).map(|draw| uniform(12 * at + draw)).sum::<f64>() - 6.0
}

/// Poisson counts by inversion; beyond a mean of 100, rounded normal numbers of the same spread.
fn poisson(at: u64, mean: f64) -> f64 {
    if mean > 100.0 {
        return (mean + mean.sqrt() * normal(at)).round().max(0.0);
    }
    let drawn = uniform(at);
    let mut probability = (-mean).exp();
    let (mut sum, mut count) = (probability, 0.0);
    while drawn > sum && count < 1e4 {
        count += 1.0;
        probability *= mean / count;
        sum += probability;
    }
    count
}
