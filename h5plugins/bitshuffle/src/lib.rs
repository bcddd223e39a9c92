//! HDF5 plugin for the registered filter 32008: bitshuffle with LZ4, zstd or nothing.

#![allow(unsafe_code)] // HDF5 finds the two functions by their unmangled names.

etalon_filter::export_plugin!(codecs::bitshuffle::STREAM);
