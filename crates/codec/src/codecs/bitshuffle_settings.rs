//! What the `cd_values` of filter 32008 say, and which they are for a SPEC.

use super::bitshuffle::HEADER_BYTES;
use super::bitshuffle_planes as planes;
use crate::entropy::{lz4, zstd};
use crate::{Context, Error, Layout, Spec};

/// Version of the format as bitshuffle's own filter writes it into `cd_values`.
pub(super) const VERSION: [u32; 2] = [0, 4];
/// Blocks hold a multiple of this many elements.
pub(super) const MULTIPLE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    None,
    Lz4,
    Zstd,
    /// Zstd for every reader; written by the encoder for bit planes.
    Planes,
}

/// What the stored `cd_values` say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) element_bytes: usize,
    pub(super) block_elements: usize,
    pub(super) compressor: Compressor,
    pub(super) level: i32,
}

impl Compressor {
    pub(super) fn from_id(id: u32) -> Result<Self, Error> {
        match id {
            0 => Ok(Self::None),
            2 => Ok(Self::Lz4),
            3 => Ok(Self::Zstd),
            _ => Err(Error::Settings(format!(
                "compressor {id} is unknown: 0 is none, 2 LZ4, 3 zstd"
            ))),
        }
    }

    pub(super) fn bound(self, len: usize) -> usize {
        match self {
            Self::None => len,
            Self::Lz4 => lz4::bound(len),
            Self::Zstd | Self::Planes => zstd::bound(len),
        }
    }

    pub(super) fn max_decoded_len(self, len: usize) -> usize {
        match self {
            Self::None => len,
            Self::Lz4 => lz4::max_decoded_len(len),
            Self::Zstd | Self::Planes => zstd::max_decoded_len(len),
        }
    }

    pub(super) fn compress(
        self,
        context: &mut Context,
        len: usize,
        level: i32,
        dst: &mut [u8],
    ) -> Result<usize, Error> {
        let src = context.block.bytes(len);
        match self {
            Self::None => Err(Error::Compressor("no compressor")),
            Self::Lz4 => context.lz4.compress(src, dst),
            Self::Zstd | Self::Planes => context.zstd.compress(src, dst, level),
        }
    }

    pub(super) fn decompress(self, context: &mut Context, src: &[u8], len: usize) -> bool {
        let dst = context.block.bytes(len);
        match self {
            Self::None => false,
            Self::Lz4 => lz4::decompress(src, dst),
            Self::Zstd | Self::Planes => context.zstd.decompress(src, dst),
        }
    }
}

impl Settings {
    /// Reads stored `cd_values`; more than six are accepted, the level may be missing, and so may compressor and block.
    pub(super) fn stored(cd_values: &[u32]) -> Result<Self, Error> {
        let &[_, _, element_bytes, ref options @ ..] = cd_values else {
            return Err(Error::Settings(
                "cd_values do not name the element size; pass the complete ones that `etalon args` prints".into(),
            ));
        };
        let option = |index: usize| options.get(index).copied();
        let settings = Self {
            element_bytes: element_bytes as usize,
            block_elements: option(0).unwrap_or(0) as usize,
            compressor: match Compressor::from_id(option(1).unwrap_or(0))? {
                Compressor::Zstd if planes::is_asked(cd_values) => Compressor::Planes,
                compressor => compressor,
            },
            level: option(2).unwrap_or(3) as i32,
        };
        if element_bytes == 0 {
            return Err(Error::Settings(
                "cd_values name an element size of 0".into(),
            ));
        }
        if !settings.block_elements.is_multiple_of(MULTIPLE) {
            return Err(Error::Settings(format!(
                "block={} is not a multiple of 8 elements",
                settings.block_elements
            )));
        }
        let block_bytes = settings.block_bytes();
        if block_bytes > lz4::MAX_INPUT {
            return Err(Error::Settings(format!(
                "a block of {block_bytes} bytes is larger than the format allows ({} bytes)",
                lz4::MAX_INPUT
            )));
        }
        Ok(settings)
    }

    /// The same for encoding, which takes nothing else: decoding believes what a file says, but chunks must not be
    /// written with options that are read as something else.
    pub(super) fn complete(cd_values: &[u32]) -> Result<Self, Error> {
        if !is_stored(cd_values) {
            return Err(no_element_size());
        }
        Self::stored(cd_values)
    }

    /// Bytes before the blocks.
    pub(super) fn header_bytes(&self) -> usize {
        match self.compressor {
            Compressor::None => 0,
            _ => HEADER_BYTES,
        }
    }

    /// Bytes in a whole block; 8192 bytes, but 128 elements at least, where none are asked for.
    pub(super) fn block_bytes(&self) -> usize {
        let elements = match self.block_elements {
            0 => (8192 / self.element_bytes / MULTIPLE * MULTIPLE).max(128),
            elements => elements,
        };
        elements.saturating_mul(self.element_bytes)
    }
}

pub(super) fn cd_values(spec: &Spec, layout: &Layout) -> Result<Vec<u32>, Error> {
    let element_bytes = layout.element.bytes as u32;
    let mut values = vec![VERSION[0], VERSION[1], element_bytes];
    values.extend(user_values(spec)?);
    planes::settle_block(&mut values, layout);
    Settings::stored(&values)?;
    planes::check_block(&values)?;
    Ok(values)
}

/// `(block, compressor[, level[, profile]])`
pub(super) fn user_values(spec: &Spec) -> Result<Vec<u32>, Error> {
    if spec.flag("planes") {
        return planes::user_values(spec);
    }
    let compressor = match spec.choice("compressor") {
        "none" => 0,
        "lz4" => 2,
        _ => 3,
    };
    if spec.is_given("level") && compressor != 3 {
        return Err(Error::Settings(
            "bitshuffle: level= is for compressor=zstd; leave it out or add that".into(),
        ));
    }
    let mut values = vec![spec.integer("block") as u32, compressor];
    if compressor == 3 {
        values.push(spec.integer("level") as u32);
    }
    // What is wrong with elements of one byte is wrong with any.
    Settings::stored(&[&[VERSION[0], VERSION[1], 1], values.as_slice()].concat())?;
    Ok(values)
}

/// The shortest SPEC that means the same.
pub(super) fn spec_of(values: &[u32]) -> Option<Spec> {
    let settings = Settings::stored(values).ok()?;
    let mut text = String::from("bitshuffle:");
    match settings.compressor {
        Compressor::None => text += "compressor=none,",
        Compressor::Lz4 => {}
        Compressor::Zstd => text += "compressor=zstd,",
        Compressor::Planes => text += "planes,",
    }
    if settings.compressor == Compressor::Zstd && settings.level != 3 {
        text += &format!("level={},", settings.level);
    }
    if settings.block_elements != 0 && !planes::block_is_default(values) {
        text += &format!("block={}", settings.block_elements);
    }
    text.trim_end_matches([',', ':']).parse().ok()
}

/// Whether these are stored values rather than a user's `(block, compressor[, level])`.
///
/// A block of 0 elements and the major version 0 look alike, so the second value decides between `(0, compressor, …)`
/// and `[0, minor, element bytes, …]`: five values or more are stored ones, fewer are if the second is no compressor.
fn is_stored(cd_values: &[u32]) -> bool {
    match *cd_values {
        [0, 1..=9, _, _, _, ..] => true,
        [0, minor @ 1..=9, _] | [0, minor @ 1..=9, _, _] => !matches!(minor, 2 | 3),
        _ => false,
    }
}

fn no_element_size() -> Error {
    Error::Settings(
        "this program hides its HDF5 library, so the element size cannot be asked for; pass the complete cd_values that \
         `etalon args` prints"
            .into(),
    )
}

pub(super) fn localise(cd_values: &[u32], layout: Option<&Layout>) -> Result<Vec<u32>, Error> {
    let mut values = if is_stored(cd_values) {
        cd_values.to_vec()
    } else if layout.is_some() {
        [VERSION[0], VERSION[1], 0]
            .iter()
            .chain(cd_values)
            .copied()
            .collect()
    } else {
        return Err(no_element_size());
    };
    if let Some(layout) = layout {
        values[2] = layout.element.bytes as u32;
        planes::settle_block(&mut values, layout);
    }
    Settings::stored(&values)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    fn layout(bytes: usize) -> Layout {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes,
            order: ByteOrder::Little,
        };
        Layout::new(element, vec![100])
    }

    #[test]
    fn stored_values_are_told_from_a_users() {
        let user: [&[u32]; 6] = [&[], &[0], &[0, 2], &[0, 3, 5], &[4096, 3, 1], &[0, 2, 0, 0]];
        for values in user {
            let stored = localise(values, Some(&layout(4))).unwrap();
            assert_eq!(stored, [&[0, 4, 4], values].concat(), "{values:?}");
            assert_eq!(
                localise(&stored, Some(&layout(4))).unwrap(),
                stored,
                "{values:?}"
            );
            assert!(
                values.len() >= 5 || localise(values, None).is_err(),
                "{values:?}"
            );
        }
    }

    #[test]
    fn unusable_settings_are_refused() {
        for values in [&[0, 7][..], &[12, 2], &[0, 1], &[1 << 30, 2]] {
            assert!(localise(values, Some(&layout(4))).is_err(), "{values:?}");
        }
        let spec: Spec = "bitshuffle:level=5".parse().unwrap();
        let error = cd_values(&spec, &layout(2)).unwrap_err();
        assert!(error.to_string().contains("compressor=zstd"));
        let error = user_values(&"bitshuffle:block=12".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("multiple of 8"));
    }

    #[test]
    fn the_default_block_is_8192_bytes_but_128_elements_at_least() {
        for (element_bytes, bytes) in [
            (1, 8192),
            (2, 8192),
            (3, 8184),
            (64, 8192),
            (65, 8320),
            (1000, 128_000),
        ] {
            let settings = Settings::stored(&[0, 4, element_bytes]).unwrap();
            assert_eq!(settings.block_bytes(), bytes, "{element_bytes}");
        }
    }
}
