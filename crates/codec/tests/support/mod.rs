//! What the codec tests share: reproducible data and one list of settings, element types and lengths.

#![allow(dead_code, unreachable_pub)]

pub mod allocations;
pub mod twice;

use etalon_codec::{
    ByteOrder, CODECS, Context, Element, ElementClass, Error, Filter, Layout, Spec,
};

/// SplitMix64: every test states its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Bytes of detector-like elements: small counts with rare large ones, so that compressors find something to do.
pub fn counts(elements: usize, element_bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(elements * element_bytes);
    for _ in 0..elements {
        let draw = random.next();
        let value = if draw.is_multiple_of(50) {
            draw >> 40
        } else {
            (draw >> 8) % 5
        };
        let value = value.to_le_bytes();
        bytes.extend((0..element_bytes).map(|i| value.get(i).copied().unwrap_or(0)));
    }
    bytes
}

/// Bytes of photon counts: one in `every` elements has one or two, but for a column of dead pixels, which have the largest
/// number of all.
pub fn sparse(columns: usize, elements: usize, element_bytes: usize, every: usize) -> Vec<u8> {
    let mut random = Random(9);
    let mut bytes = Vec::with_capacity(elements * element_bytes);
    for i in 0..elements {
        let count = match random.below(4 * every) {
            0 => 2,
            1..=3 => 1,
            _ => 0,
        };
        let value = if i % columns == 5 { u64::MAX } else { count };
        bytes.extend_from_slice(&value.to_le_bytes()[..element_bytes]);
    }
    bytes
}

/// Bytes of a grey disc with noise and a darker hole on black, in rows of so many columns.
pub fn disc(columns: usize, elements: usize, element_bytes: usize) -> Vec<u8> {
    let mut random = Random(4);
    let mut bytes = Vec::with_capacity(elements * element_bytes);
    let middle = columns as i64 / 2;
    for i in 0..elements {
        let (y, x) = ((i / columns) as i64 % columns as i64, (i % columns) as i64);
        let square = (y - middle).pow(2) + (x - middle).pow(2);
        let value = match 100 * square / (columns * columns) as i64 {
            0..4 => 60 + random.below(4),
            4..16 => 130 + random.below(4),
            _ => 0,
        };
        bytes.extend_from_slice(&(value as u64).to_le_bytes()[..element_bytes]);
    }
    bytes
}

/// Bytes no compressor can shorten.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.next() as u8).collect()
}

pub fn layout(element_bytes: usize, elements: usize) -> Layout {
    let element = Element {
        class: ElementClass::Unsigned,
        bytes: element_bytes,
        order: ByteOrder::Little,
    };
    Layout::new(element, vec![elements])
}

/// Settings of lossy codecs that have no defaults, or whose defaults leave something out. Types that a setting refuses
/// are left out by [`specs_for`].
pub const LOSSY: &[&str] = &[
    "quantise:abs=2.5,mask=3",
    "quantise:rel=0.01",
    "quantise:pw=0.02",
    "quantise:levels=256,range=p1;p99",
    "quantise:bits=7",
    "quantise:otsu=0.9",
    "noise:mask=3",
    "noise:sigma=2,gain=1.5,offset=2.25,read=1.25",
    "noise:sigma=0.25,mode=unbiased,seed=7",
    "noise:sigma=8,mode=dither",
    "sigma-clip:force,mask=3",
    "sigma-clip:variant=global,decode=normal,force",
    "sigma-clip:variant=lattice,force",
];

/// Every codec with its defaults and with each word of each of its choices.
pub fn specs() -> Vec<Spec> {
    let mut texts = Vec::new();
    for codec in CODECS {
        texts.push(codec.name.to_string());
        for param in codec.params {
            if let etalon_codec::Kind::Choice(words) = param.kind {
                texts.extend(
                    words
                        .iter()
                        .map(|word| format!("{}:{}={word}", codec.name, param.name)),
                );
            }
        }
    }
    texts.push("bitshuffle:compressor=zstd,level=1,block=64".into());
    texts.push("bitshuffle:block=1048576".into());
    texts.push("bitshuffle:planes".into());
    texts.push("bitshuffle:planes,block=2048".into());
    texts.extend(LOSSY.iter().map(|text| text.to_string()));
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Those of [`specs`] that accept elements and shape of `layout`.
pub fn specs_for(layout: &Layout) -> Vec<Spec> {
    let accepts = |spec: &Spec| (spec.codec().accepts)(spec, layout).is_ok();
    specs().into_iter().filter(accepts).collect()
}

/// The filter of a SPEC and its stored `cd_values`.
pub fn stored(spec: &Spec, layout: &Layout) -> (&'static Filter, Vec<u32>) {
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(spec, layout).unwrap();
    (filter, (filter.localise)(&values, Some(layout)).unwrap())
}

pub fn encode(spec: &Spec, layout: &Layout, src: &[u8]) -> Vec<u8> {
    try_encode(spec, layout, src).unwrap()
}

/// The chunk, or `None` where a lossy codec refuses to lose anything of these data.
pub fn encode_unless_refused(spec: &Spec, layout: &Layout, src: &[u8]) -> Option<Vec<u8>> {
    match try_encode(spec, layout, src) {
        Err(Error::Settings(_) | Error::Refused(_)) if !spec.codec().lossless => None,
        encoded => Some(encoded.unwrap()),
    }
}

fn try_encode(spec: &Spec, layout: &Layout, src: &[u8]) -> Result<Vec<u8>, Error> {
    let (filter, values) = stored(spec, layout);
    let mut dst = vec![0xcc; (filter.bound)(&values, src.len())?];
    let written = (filter.encode)(&mut Context::refusing(), &values, src, &mut dst)?;
    dst.truncate(written);
    Ok(dst)
}
