//! Ways to store a chunk that can be measured: Etalon's codecs, and the peers that HDF5 has built in.
//!
//! A [`Method`] is what the user wrote; a [`Coder`] is that method made ready for one element type on one thread, with
//! its compressor states kept between chunks. The peers run on zlib, because that is what HDF5 itself runs on.

use std::fmt;
use std::str::FromStr;

use etalon_codec::{CODECS, Context, Error, Filter, Layout, Spec, frame, nearest};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::byte_shuffle::{shuffle, unshuffle};

/// A codec or a peer, with its settings.
#[derive(Debug, Clone)]
pub enum Method {
    /// One of Etalon's codecs.
    Codec(Spec),
    /// HDF5's deflate filter, with or without its shuffle filter before it.
    Gzip {
        /// zlib's level, 0 to 9.
        level: u32,
        /// Whether bytes of equal significance are brought together first.
        shuffle: bool,
    },
}

/// Whether a codec that refused so many of all chunks is not for these data; fewer are stored losslessly beside others.
pub(crate) fn is_refused(refused: usize, all: usize) -> bool {
    refused > 0 && 2 * refused >= all
}

/// Names of the peers.
const PEERS: [&str; 2] = ["gzip", "shuffle+gzip"];
/// What h5py uses where no level is given.
const GZIP_LEVEL: u32 = 4;

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        if PEERS.contains(&name) {
            return Ok(Self::Gzip {
                level: gzip_level(name, settings)?,
                shuffle: name != "gzip",
            });
        }
        let known = CODECS.iter().map(|codec| codec.name);
        match nearest(name, known.clone().chain(PEERS)) {
            Some(peer) if PEERS.contains(&peer) && !known.clone().any(|codec| codec == name) => {
                Err(Error::Settings(format!(
                    "unknown codec '{name}'; did you mean '{peer}'?"
                )))
            }
            _ => text.parse().map(Self::Codec),
        }
    }
}

fn gzip_level(name: &str, settings: &str) -> Result<u32, Error> {
    if settings.is_empty() {
        return Ok(GZIP_LEVEL);
    }
    let Some((key, value)) = settings.split_once('=').filter(|(key, _)| *key == "level") else {
        return Err(Error::Settings(format!(
            "{name}: the only key is 'level', as in {name}:level=4"
        )));
    };
    value
        .parse()
        .ok()
        .filter(|level| *level <= 9)
        .ok_or_else(|| {
            Error::Settings(format!(
                "{name}: {key}={value} is not a whole number from 0 to 9"
            ))
        })
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(spec) => spec.fmt(f),
            Self::Gzip { level, shuffle } => {
                write!(f, "{}:level={level}", PEERS[usize::from(*shuffle)])
            }
        }
    }
}

impl Method {
    /// Whether every value comes back bit for bit.
    pub fn is_lossless(&self) -> bool {
        match self {
            Self::Codec(spec) => spec.codec().lossless,
            Self::Gzip { .. } => true,
        }
    }

    /// The method for chunks of this layout, ready to run.
    pub fn coder(&self, layout: &Layout) -> Result<Coder, Error> {
        match self {
            Self::Codec(spec) => Ok(Coder::Filter {
                filter: spec.codec().filter,
                cd_values: (spec.codec().filter.cd_values)(spec, layout)?,
                context: Box::default(),
            }),
            Self::Gzip { level, shuffle } => Ok(Coder::Gzip {
                element_bytes: if *shuffle { layout.element.bytes } else { 1 },
                deflate: Compress::new(Compression::new(*level), true),
                inflate: Decompress::new(true),
                scratch: Vec::new(),
            }),
        }
    }
}

/// A [`Method`] with everything it needs to run on one thread.
pub enum Coder {
    /// A filter of this library.
    Filter {
        /// The filter.
        filter: &'static Filter,
        /// Its stored values.
        cd_values: Vec<u32>,
        /// Its compressor states.
        context: Box<Context>,
    },
    /// HDF5's shuffle and deflate.
    Gzip {
        /// Bytes in an element, or 1 without shuffle.
        element_bytes: usize,
        /// zlib's state to compress.
        deflate: Compress,
        /// zlib's state to decompress.
        inflate: Decompress,
        /// The shuffled chunk.
        scratch: Vec<u8>,
    },
}

impl Coder {
    /// Size of the buffer that [`Coder::encode`] needs for a chunk of `src_len` bytes.
    pub fn bound(&self, src_len: usize) -> Result<usize, Error> {
        match self {
            Self::Filter {
                filter, cd_values, ..
            } => (filter.bound)(cd_values, src_len),
            // zlib's compressBound, rounded up.
            Self::Gzip { .. } => Ok(src_len + src_len / 1000 + 64),
        }
    }

    /// Encodes `src` into the front of `dst`; returns the number of bytes written.
    pub fn encode(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Filter {
                filter,
                cd_values,
                context,
            } => (filter.encode)(context, cd_values, src, dst),
            Self::Gzip {
                element_bytes,
                deflate,
                scratch,
                ..
            } => {
                let shuffled = if *element_bytes > 1 {
                    scratch.resize(src.len(), 0);
                    shuffle(*element_bytes, src, scratch);
                    scratch.as_slice()
                } else {
                    src
                };
                deflate_whole(deflate, shuffled, dst)
            }
        }
    }

    /// Why the chunk that was encoded last is stored losslessly, where a lossy codec has refused its values.
    pub fn take_refusal(&mut self) -> Option<String> {
        match self {
            Self::Filter { context, .. } => context.take_refusal(),
            Self::Gzip { .. } => None,
        }
    }

    /// Whether the certificate of an encoded chunk says that its codec fell back to a finer setting or to a lossless one.
    pub fn fell_back(&self, chunk: &[u8]) -> bool {
        let Self::Filter { filter, .. } = self else {
            return false;
        };
        let info = (filter.name == "etalon").then(|| frame::inspect(chunk));
        let certificate = info.and_then(Result::ok).and_then(|info| info.certificate);
        certificate.is_some_and(|certificate| certificate.fell_back)
    }

    /// Decodes `chunk` into `dst`, which has the size of the raw chunk.
    pub fn decode(&mut self, chunk: &[u8], dst: &mut [u8]) -> Result<(), Error> {
        match self {
            Self::Filter {
                filter,
                cd_values,
                context,
            } => (filter.decode)(context, cd_values, chunk, dst),
            Self::Gzip {
                element_bytes,
                inflate,
                scratch,
                ..
            } => {
                if *element_bytes == 1 {
                    return inflate_whole(inflate, chunk, dst);
                }
                scratch.resize(dst.len(), 0);
                inflate_whole(inflate, chunk, scratch)?;
                unshuffle(*element_bytes, scratch, dst);
                Ok(())
            }
        }
    }
}

fn deflate_whole(state: &mut Compress, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    state.reset();
    match state.compress(src, dst, FlushCompress::Finish) {
        Ok(Status::StreamEnd) => Ok(state.total_out() as usize),
        _ => Err(Error::Compressor("zlib")),
    }
}

fn inflate_whole(state: &mut Decompress, chunk: &[u8], dst: &mut [u8]) -> Result<(), Error> {
    state.reset(true);
    match state.decompress(chunk, dst, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if state.total_out() as usize == dst.len() => Ok(()),
        _ => Err(Error::Damaged {
            what: "zlib stream does not decode",
            offset: state.total_in() as usize,
            len: chunk.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, Element, ElementClass};

    fn layout(bytes: usize, elements: usize) -> Layout {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes,
            order: ByteOrder::Little,
        };
        Layout::new(element, vec![elements])
    }

    #[test]
    fn every_method_returns_what_it_was_given() {
        for text in ["gzip", "gzip:level=0", "shuffle+gzip:level=1", "bitshuffle"] {
            let method: Method = text.parse().unwrap();
            for element_bytes in [1, 2, 3, 4, 8] {
                for elements in [0, 1, 7, 8, 1000, 5003] {
                    let raw: Vec<u8> = (0..elements * element_bytes)
                        .map(|at| (at % 251 * (at % 7)) as u8)
                        .collect();
                    let mut coder = method.coder(&layout(element_bytes, elements)).unwrap();
                    let mut stored = vec![0xcc; coder.bound(raw.len()).unwrap()];
                    let len = coder.encode(&raw, &mut stored).unwrap();
                    let mut decoded = vec![0xcc; raw.len()];
                    coder.decode(&stored[..len], &mut decoded).unwrap();
                    assert_eq!(decoded, raw, "{text} {element_bytes} × {elements}");
                }
            }
        }
    }

    #[test]
    fn peers_are_known_by_name_and_mistakes_name_what_was_meant() {
        let error = |text: &str| text.parse::<Method>().unwrap_err().to_string();
        assert_eq!(
            "gzip".parse::<Method>().unwrap().to_string(),
            "gzip:level=4"
        );
        assert!(error("gzp").contains("did you mean 'gzip'"));
        assert!(error("bitshufle").contains("did you mean 'bitshuffle'"));
        assert!(error("gzip:level=10").contains("from 0 to 9"));
        assert!(error("gzip:effort=3").contains("level"));
    }

    #[test]
    fn a_damaged_zlib_stream_is_an_error() {
        let mut coder = "gzip"
            .parse::<Method>()
            .unwrap()
            .coder(&layout(1, 1000))
            .unwrap();
        assert!(coder.decode(&[1, 2, 3], &mut [0; 16]).is_err());
    }
}
