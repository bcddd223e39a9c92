//! HDF5 plugin for filter 59297: the frame of all own codecs.

#![allow(unsafe_code)] // HDF5 finds the two functions by their unmangled names.

etalon_filter::export_plugin!(etalon_filter::STREAM);
