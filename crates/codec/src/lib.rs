//! Etalon's codecs: bytes in, bytes out.
//!
//! This crate knows formats and nothing else: no files, no HDF5, no printing, and no threads unless a face asks for them
//! with [`Context::with_threads`]. A face (the HDF5 plugins, the command, the C and Python libraries) supplies memory and a
//! [`Context`] per thread and calls
//!
//! * [`Spec`] — what a user asked for, `name:key=value,…`, parsed against the [`CODECS`] table;
//! * [`Filter`] — what HDF5 stores: a filter id, and for each its [`Stream`], which is encoded and decoded from
//!   `cd_values` alone.

mod certificate;
mod codec;
pub mod codecs;
mod context;
mod element;
mod entropy;
mod error;
pub mod etalon_filter;
mod f16_rounding;
mod filter;
pub mod frame;
pub mod kernels;
mod labels;
mod lattice;
mod numbers;
mod padding;
mod params;
mod random;
pub mod round_filter;
mod threads;

pub use certificate::{BoundUnit, Certificate, Guarantee, Tally};
pub use codec::{Chunk, Codec, DecodePayload, EncodeChunk, Encoded};
pub use codecs::CODECS;
pub use context::Context;
pub use element::{ByteOrder, Element, ElementClass, Layout};
pub use error::Error;
pub use filter::{AnnouncedLen, Decode, Encode, FILTERS, Filter, Localise, Stream};
pub use params::{Kind, Param, Spec, Value, nearest};
pub use round_filter::round;
