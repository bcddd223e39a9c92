//! Filter 59298: loss only. Encoding replaces values by what the codec would decode to, decoding changes nothing.
//!
//! It stands in front of a filter that everybody has, `[59298, 32008]` or `[59298, shuffle, deflate]`, so that any
//! writer stores a stated loss and readers need no plugin of ours. The values are by construction those that the frame
//! of 59297 with the same SPEC would give back: the chunk is encoded and decoded once. `cd_values` are those of 59297.

use crate::codec::Chunk;
use crate::codecs::sigma_clip;
use crate::etalon_filter::{self, Settings};
use crate::{Certificate, Context, Error, Filter, Layout, Spec, Stream, frame};

/// The filter that only rounds.
pub static FILTER: Filter = Filter {
    stream: &STREAM,
    cd_values,
    user_values,
    spec_of: etalon_filter::FILTER.spec_of,
};

/// Its chunks.
pub static STREAM: Stream = Stream {
    id: 59298,
    name: "etalon_round",
    class_name: c"etalon_round; pip install h5etalon",
    in_place: true,
    is_lossy: |_| true,
    localise,
    bound: |_, src_len| Ok(src_len),
    encode,
    decoded_len: |_, chunk| Ok(chunk.len()),
    announced_len: |_, _, chunk_len| Ok(chunk_len),
    decode,
};

/// Refuses what this filter has no use for: lossless codecs, and codecs that decode to a model instead of data.
fn check(spec: &Spec) -> Result<(), Error> {
    let codec = spec.codec();
    if codec.lossless {
        return Err(Error::Settings(format!(
            "etalon_round: {} is lossless, there is nothing to round; use its own filter",
            codec.name
        )));
    }
    if sigma_clip::draws_background(spec) && !spec.flag("force") {
        return Err(Error::Settings(format!(
            "etalon_round: {} draws background from a model, and readers of the plain file could not tell it from data; \
             use variant=lattice, or add force",
            codec.name
        )));
    }
    Ok(())
}

fn cd_values(spec: &Spec, layout: &Layout) -> Result<Vec<u32>, Error> {
    check(spec)?;
    (etalon_filter::FILTER.cd_values)(spec, layout)
}

fn user_values(spec: &Spec) -> Result<Vec<u32>, Error> {
    check(spec)?;
    etalon_filter::user_values(spec)
}

fn localise(values: &[u32], layout: Option<&Layout>) -> Result<Vec<u32>, Error> {
    check(&Settings::read(values)?.spec)?;
    (etalon_filter::STREAM.localise)(values, layout)
}

fn encode(
    context: &mut Context,
    values: &[u32],
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let settings = context.settings.settings(values)?;
    let chunk = Chunk {
        spec: &settings.spec,
        layout: settings.with_layout()?,
        bytes: src,
    };
    round(context, &chunk, dst)?;
    Ok(src.len())
}

/// Fills the front of `dst` with the values that `chunk` comes back with; returns the promise and the loss. Refuses what
/// the filter refuses.
pub fn round(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<Certificate, Error> {
    check(chunk.spec)?;
    let needed = frame::header_bytes(chunk.layout.shape.len(), true) + chunk.bytes.len();
    let mut stored = std::mem::take(&mut context.frame);
    if stored.len() < needed {
        stored = vec![0; needed];
    }
    let outcome = round_through(context, chunk, &mut stored, dst);
    context.frame = stored;
    outcome
}

/// Encodes `chunk` into `stored` and decodes it into `dst`.
fn round_through(
    context: &mut Context,
    chunk: &Chunk,
    stored: &mut [u8],
    dst: &mut [u8],
) -> Result<Certificate, Error> {
    let len = frame::encode(context, chunk, stored)?;
    let certificate = frame::inspect(&stored[..len])?
        .certificate
        .unwrap_or_default();
    let given = dst.len();
    let dst = dst.get_mut(..chunk.bytes.len()).ok_or(Error::OutputSize {
        given,
        needed: chunk.bytes.len(),
    })?;
    frame::decode(context, &stored[..len], dst)?;
    Ok(certificate)
}

fn decode(
    _context: &mut Context,
    _values: &[u32],
    chunk: &[u8],
    dst: &mut [u8],
) -> Result<(), Error> {
    if dst.len() != chunk.len() {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed: chunk.len(),
        });
    }
    dst.copy_from_slice(chunk);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Element, ElementClass};

    /// Rounds a frame of small counts.
    fn rounded(spec: &str) -> Result<Vec<u8>, Error> {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![128, 128]);
        let mut random = 1u32;
        let counts = (0..128 * 128).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // A sum of bits has the mean and, nearly, the dispersion of counts.
            (random >> 8).count_ones() as u16
        });
        let src: Vec<u8> = counts.flat_map(u16::to_le_bytes).collect();
        let values = cd_values(&spec.parse()?, &layout)?;
        let mut dst = vec![0; src.len()];
        encode(&mut Context::new(), &values, &src, &mut dst)?;
        Ok(dst)
    }

    #[test]
    fn a_background_from_a_model_is_refused_in_plain_files_unless_forced() {
        let error = rounded("sigma-clip:force=false,variant=block").unwrap_err();
        assert!(matches!(error, Error::Settings(_)), "{error}");
        assert!(rounded("sigma-clip:variant=block,force").is_ok());
        assert!(rounded("sigma-clip:variant=lattice,force").is_ok());
        assert!(rounded("noise:sigma=2").is_ok());
    }
}
