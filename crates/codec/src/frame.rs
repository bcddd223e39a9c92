//! The frame of filter 59297: a chunk that says everything about itself.
//!
//! All numbers little-endian. docs/FORMAT.md has this table with the version policy and the worked example that is
//! tested below.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `Etln` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | codec id; 0 = the payload is the chunk as it is |
//! | 6 | 1 | element: bits 0–1 class (0 unsigned, 1 signed, 2 float, 3 other), bit 2 big-endian; others zero |
//! | 7 | 1 | number of dimensions n, at most 32 |
//! | 8 | 4 | element size in bytes |
//! | 12 | 1 | 1 if a certificate follows the shape, 0 for a lossless chunk without one |
//! | 13 | 3 | zero |
//! | 16 | 4 n | shape, u32 each, slowest dimension first |
//! | … | 48 | certificate, where there is one |
//! | … | 4 | CRC-32C of the payload |
//! | … | 4 | CRC-32C of the decoded chunk |
//! | … | 4 | CRC-32C of the header up to here |
//! | … | | payload, to the end of the chunk |

use crate::codec::{Chunk, Encoded};
use crate::codecs::{auto, bitshuffle, bitshuffle_payload};
use crate::kernels::crc32c;
use crate::kernels::levels::Level;
use crate::{ByteOrder, CODECS, Certificate, Codec, Context, Element, ElementClass, Error, Layout};

const MAGIC: [u8; 4] = *b"Etln";
/// The version this library writes; it reads this and all before.
pub const VERSION: u8 = 1;
const RAW: u8 = 0;
const FIXED_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 12;
/// HDF5's limit.
const MAX_DIMENSIONS: usize = 32;

/// What the header of a frame says.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// Version of the frame.
    pub version: u8,
    /// Name of the codec, `raw` for a chunk that is stored as it is.
    pub codec: &'static str,
    /// Element type and shape of the chunk.
    pub layout: Layout,
    /// Promise and loss; `None` for a lossless chunk.
    pub certificate: Option<Certificate>,
    /// Bytes of header before the payload.
    pub header_bytes: usize,
}

/// A header that has been checked, with what decoding needs.
struct Header {
    info: Info,
    codec: Option<&'static Codec>,
    payload_crc: u32,
    chunk_crc: u32,
}

/// Bytes of header for a chunk of `dimensions` dimensions.
pub(crate) fn header_bytes(dimensions: usize, with_certificate: bool) -> usize {
    let certificate = if with_certificate {
        Certificate::BYTES
    } else {
        0
    };
    FIXED_BYTES + 4 * dimensions + certificate + CHECKSUM_BYTES
}

/// Encodes a chunk; `dst` holds `header_bytes` and the chunk at least.
pub(crate) fn encode(context: &mut Context, chunk: &Chunk, dst: &mut [u8]) -> Result<usize, Error> {
    let lossy = !chunk.spec.codec().lossless;
    let header_len = header_bytes(chunk.layout.shape.len(), lossy);
    let needed = header_len + chunk.bytes.len();
    if dst.len() < needed {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed,
        });
    }
    let (header, payload) = dst[..needed].split_at_mut(header_len);
    let (codec_id, encoded) = encode_payload(context, chunk, payload)?;
    let payload = &payload[..encoded.len];
    let chunk_crc = encoded.decoded_crc.unwrap_or_else(|| crc32c(chunk.bytes));
    let certificate = lossy.then_some(encoded.certificate);
    write_header(
        header,
        codec_id,
        chunk.layout,
        certificate,
        crc32c(payload),
        chunk_crc,
    );
    Ok(header_len + encoded.len)
}

/// The codec asked for, or else lossless storage: bitshuffle with zstd, or the chunk as it is.
fn encode_payload(
    context: &mut Context,
    chunk: &Chunk,
    payload: &mut [u8],
) -> Result<(u8, Encoded), Error> {
    let codec = chunk.spec.codec();
    context.take_refusal();
    let encoded = (codec.encode)(context, chunk, payload);
    if let Some(encoded) = context.judge(encoded)? {
        return Ok((encoded.by.unwrap_or(codec.id), encoded));
    }
    if !codec.lossless
        && let Some(encoded) = auto::encode(context, chunk, payload)?
        && let Some(by) = encoded.by
    {
        return Ok((by, fallback(encoded.len)));
    }
    if let Some(len) = bitshuffle_payload::encode_fallback(context, chunk, payload)? {
        return Ok((bitshuffle::CODEC.id, fallback(len)));
    }
    payload[..chunk.bytes.len()].copy_from_slice(chunk.bytes);
    Ok((RAW, fallback(chunk.bytes.len())))
}

/// What a lossless codec wrote in place of a lossy one.
fn fallback(len: usize) -> Encoded {
    Encoded {
        certificate: Certificate {
            fell_back: true,
            ..Certificate::default()
        },
        ..Encoded::lossless(len)
    }
}

fn write_header(
    header: &mut [u8],
    codec_id: u8,
    layout: &Layout,
    certificate: Option<Certificate>,
    payload_crc: u32,
    chunk_crc: u32,
) {
    let checked_len = header.len() - 4;
    let mut rest = &mut header[..checked_len];
    let mut put = |bytes: &[u8]| {
        let (field, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        field.copy_from_slice(bytes);
        rest = after;
    };
    put(&MAGIC);
    put(&[
        VERSION,
        codec_id,
        element_code(&layout.element),
        layout.shape.len() as u8,
    ]);
    put(&(layout.element.bytes as u32).to_le_bytes());
    put(&[u8::from(certificate.is_some()), 0, 0, 0]);
    for &extent in &layout.shape {
        put(&(extent as u32).to_le_bytes());
    }
    if let Some(certificate) = certificate {
        put(&certificate.to_bytes());
    }
    put(&payload_crc.to_le_bytes());
    put(&chunk_crc.to_le_bytes());
    let header_crc = crc32c(&header[..checked_len]);
    header[checked_len..].copy_from_slice(&header_crc.to_le_bytes());
}

/// Reads and checks the header of a chunk, and nothing else: the achieved loss of a dataset at header speed.
pub fn inspect(chunk: &[u8]) -> Result<Info, Error> {
    inspect_front(chunk, chunk.len())
}

/// The same for a chunk of `len` bytes of which only the beginning is at hand.
pub fn inspect_front(front: &[u8], len: usize) -> Result<Info, Error> {
    let header = read_header(front, len)?;
    let info = header.info;
    let decoded_len = info.layout.chunk_bytes().unwrap_or(usize::MAX);
    let payload_len = len.saturating_sub(info.header_bytes);
    let is_possible = match header.codec {
        None => payload_len == decoded_len,
        Some(_) => payload_len <= decoded_len,
    };
    if !is_possible {
        return Err(Error::Damaged {
            what: "payload of a length that the chunk cannot have",
            offset: info.header_bytes,
            len,
        });
    }
    Ok(info)
}

/// Checks the payload against its checksum, without decoding it.
pub fn verify_payload(chunk: &[u8]) -> Result<Info, Error> {
    let header = read_header(chunk, chunk.len())?;
    check_payload(&header, chunk)?;
    Ok(header.info)
}

/// Decodes a chunk into `dst`, which has the length that its layout announces.
pub(crate) fn decode(context: &mut Context, chunk: &[u8], dst: &mut [u8]) -> Result<(), Error> {
    let header = read_header(chunk, chunk.len())?;
    let needed = header.info.layout.chunk_bytes().unwrap_or(usize::MAX);
    if dst.len() != needed {
        return Err(Error::OutputSize {
            given: dst.len(),
            needed,
        });
    }
    let payload = check_payload(&header, chunk)?;
    let at = header.info.header_bytes;
    match header.codec {
        None if payload.len() == dst.len() => dst.copy_from_slice(payload),
        None => {
            return Err(Error::Damaged {
                what: "raw chunk of another length",
                offset: at,
                len: chunk.len(),
            });
        }
        Some(codec) => (codec.decode)(context, &header.info.layout, payload, dst)
            .map_err(|error| error.at(at))?,
    }
    if crc32c(dst) != header.chunk_crc {
        return Err(Error::Damaged {
            what: "checksum of the decoded chunk differs",
            offset: at,
            len: chunk.len(),
        });
    }
    Ok(())
}

fn check_payload<'a>(header: &Header, chunk: &'a [u8]) -> Result<&'a [u8], Error> {
    let at = header.info.header_bytes;
    let payload = &chunk[at..];
    if crc32c(payload) != header.payload_crc {
        return Err(Error::Damaged {
            what: "checksum of the payload differs",
            offset: at,
            len: chunk.len(),
        });
    }
    Ok(payload)
}

/// Reads the header of a chunk of `len` bytes, at least as much of which is at hand as a header takes.
fn read_header(front: &[u8], len: usize) -> Result<Header, Error> {
    let damaged = |what, offset| Error::Damaged { what, offset, len };
    let truncated = |needed| Error::Truncated {
        what: "the frame header",
        offset: 0,
        needed,
        len,
    };
    let fixed = front.get(..FIXED_BYTES).ok_or(truncated(FIXED_BYTES))?;
    if fixed[..4] != MAGIC {
        return Err(damaged("no Etalon frame begins here (magic differs)", 0));
    }
    let version = fixed[4];
    if version == 0 || version > VERSION {
        return Err(Error::Settings(format!(
            "the chunk is a frame of version {version}; this library reads up to {VERSION}: install a newer h5etalon"
        )));
    }
    let dimensions = usize::from(fixed[7]);
    if dimensions > MAX_DIMENSIONS || fixed[12] > 1 {
        return Err(damaged("frame header is not valid", 7));
    }
    let header_len = header_bytes(dimensions, fixed[12] == 1);
    let header = front.get(..header_len).ok_or(truncated(header_len))?;
    let u32_at = |at: usize| u32::from_le_bytes(array(&header[at..at + 4]));
    if crc32c(&header[..header_len - 4]) != u32_at(header_len - 4) {
        return Err(damaged(
            "checksum of the frame header differs",
            header_len - 4,
        ));
    }
    let element =
        element_from(fixed[6], u32_at(8) as usize).ok_or(damaged("unknown element type", 6))?;
    let shape = (0..dimensions)
        .map(|i| u32_at(FIXED_BYTES + 4 * i) as usize)
        .collect();
    let layout = Layout::new(element, shape);
    layout
        .chunk_bytes()
        .ok_or(damaged("chunk larger than memory", FIXED_BYTES))?;
    let codec = codec_by_id(fixed[5])?;
    let at = FIXED_BYTES + 4 * dimensions;
    let certificate = match fixed[12] {
        0 => None,
        _ => Some(Certificate::from_bytes(
            &array(&header[at..at + Certificate::BYTES]),
            at,
            len,
        )?),
    };
    Ok(Header {
        info: Info {
            version,
            codec: codec.map_or("raw", |codec| codec.name),
            layout,
            certificate,
            header_bytes: header_len,
        },
        codec,
        payload_crc: u32_at(header_len - 12),
        chunk_crc: u32_at(header_len - 8),
    })
}

fn codec_by_id(id: u8) -> Result<Option<&'static Codec>, Error> {
    if id == RAW {
        return Ok(None);
    }
    let codec = CODECS.iter().find(|codec| codec.id == id);
    codec.map(|codec| Some(*codec)).ok_or_else(|| {
        Error::Settings(format!(
            "the chunk was written by codec {id}, unknown here: install a newer h5etalon"
        ))
    })
}

pub(crate) fn element_code(element: &Element) -> u8 {
    let class = match element.class {
        ElementClass::Unsigned => 0,
        ElementClass::Signed => 1,
        ElementClass::Float => 2,
        ElementClass::Other => 3,
    };
    class | u8::from(element.order == ByteOrder::Big) << 2
}

pub(crate) fn element_from(code: u8, bytes: usize) -> Option<Element> {
    let class = match code & 3 {
        0 => ElementClass::Unsigned,
        1 => ElementClass::Signed,
        2 => ElementClass::Float,
        _ => ElementClass::Other,
    };
    let order = if code & 4 == 0 {
        ByteOrder::Little
    } else {
        ByteOrder::Big
    };
    (code < 8 && bytes > 0).then_some(Element {
        class,
        bytes,
        order,
    })
}

/// CRC-32C (Castagnoli), as in iSCSI (RFC 3720).
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(Level::best(), 0, bytes)
}

/// The first `N` bytes of a slice that has as many.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(spec: &str, layout: &Layout, bytes: &[u8]) -> Vec<u8> {
        let spec = spec.parse().unwrap();
        let mut dst = vec![0xcc; header_bytes(layout.shape.len(), true) + bytes.len()];
        let chunk = Chunk {
            spec: &spec,
            layout,
            bytes,
        };
        let len = encode(&mut Context::new(), &chunk, &mut dst).unwrap();
        dst.truncate(len);
        dst
    }

    fn u16_layout(shape: Vec<usize>) -> Layout {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        Layout::new(element, shape)
    }

    #[test]
    fn the_worked_example_of_the_format() {
        let layout = u16_layout(vec![1, 3]);
        let chunk = encoded("bitshuffle", &layout, &[1, 0, 2, 0, 0xff, 0xff]);
        let expected = [
            &b"Etln"[..],
            &[1, 0, 0, 2], // version, raw chunk, unsigned little-endian, two dimensions
            &[2, 0, 0, 0, 0, 0, 0, 0], // two bytes to an element; no certificate
            &[1, 0, 0, 0, 3, 0, 0, 0], // shape
            &[0xc0, 0x43, 0xe3, 0x09], // CRC-32C of the payload
            &[0xc0, 0x43, 0xe3, 0x09], // CRC-32C of the decoded chunk: the same bytes
            &[0x6c, 0xe0, 0x54, 0x6a], // CRC-32C of the 32 bytes above
            &[1, 0, 2, 0, 0xff, 0xff],
        ]
        .concat();
        assert_eq!(chunk, expected);
        assert_eq!(
            crc32c(b"123456789"),
            0xe306_9283,
            "CRC-32C is the one of RFC 3720"
        );
    }

    #[test]
    fn every_single_bit_flip_is_caught() {
        let layout = u16_layout(vec![40, 50]);
        let src: Vec<u8> = (0..4000u32).map(|i| ((i * i) >> 7) as u8 & 3).collect();
        let mut chunk = encoded("bitshuffle", &layout, &src);
        assert!(chunk.len() < src.len());
        let mut back = vec![0; src.len()];
        for bit in 0..chunk.len() * 8 {
            chunk[bit / 8] ^= 1 << (bit % 8);
            assert!(
                decode(&mut Context::new(), &chunk, &mut back).is_err(),
                "bit {bit}"
            );
            chunk[bit / 8] ^= 1 << (bit % 8);
        }
        decode(&mut Context::new(), &chunk, &mut back).unwrap();
        assert_eq!(back, src);
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut chunk = encoded("bitshuffle", &u16_layout(vec![2]), &[0; 4]);
        chunk[4] = 9;
        let error = inspect(&chunk).unwrap_err().to_string();
        assert!(
            error.contains("version 9") && error.contains("install a newer"),
            "{error}"
        );
    }
}
