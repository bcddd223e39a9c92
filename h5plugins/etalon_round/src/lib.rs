//! HDF5 plugin for filter 59298: values lose what a codec would take from them, and nothing else happens.

#![allow(unsafe_code)] // HDF5 finds the two functions by their unmangled names.

etalon_filter::export_plugin!(round_filter::STREAM);
