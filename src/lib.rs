//! libetalon: the codecs for C and C++, made for programs that compress in their own threads into their own buffers.
//!
//! The header `include/etalon.h` is generated from this crate (`tests/header.rs` compares) and is the documentation; its
//! first comment states the rules that all functions keep. Each exported function checks its pointers and lengths, runs
//! its body behind [`guard::guarded`], which turns a failure or a panic into a status, and writes its outputs last.
//!
//! * Codecs allocate where they need to; [`pool`] keeps what they freed, so that a context that is warm takes nothing
//!   from `malloc`.
//! * Nothing is decided here that another face decides too: SPECs, element names, formats and filters are those of
//!   `etalon-codec`.

#![allow(unsafe_code)] // C calls us with pointers: checking them is this crate's whole job.
#![allow(non_snake_case)] // bitshuffle_shim.rs has the names of another library.

pub mod bitshuffle_shim;
pub mod codecs;
pub mod decoder;
pub mod encoder;
pub mod filter;
mod guard;
pub mod info;
mod pool;
mod request;
pub mod status;
pub mod version;
mod warm_up;
