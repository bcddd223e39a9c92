//! HDF5 files, measured: datasets read and written chunk by chunk, codecs timed on them, files recompressed, and what
//! HDF5 programs need to read them.
//!
//! * [`source_file`], [`dataset`], [`chunk_source`], [`pipeline`]: what a file holds, and its chunks decoded on any
//!   thread;
//! * [`recompress`]: a copy of a file with its datasets stored by another codec;
//! * [`method`], [`speed`], [`measure`]: ratio, speed and error of codecs;
//! * [`compare`]: a dataset beside what was decoded of it, fed to the metrics;
//! * [`inspect`]: how datasets are stored, and damaged chunks;
//! * [`plugins`], [`plugin_probe`], [`known_filters`], [`doctor`]: which filters HDF5 programs find here;
//! * [`simulate`], [`random`]: detector frames made up for the demo and for tests.

mod absolute_error;
mod box_copy;
mod byte_shuffle;
mod chunk_check;
mod chunk_encoder;
mod chunk_front;
pub mod chunk_shape;
pub mod chunk_source;
pub mod compare;
pub mod dataset;
mod disk_space;
pub mod doctor;
pub mod events;
pub mod fault;
mod fletcher32;
pub mod glob;
mod hdf5;
pub mod inspect;
pub mod known_filters;
mod loss;
pub mod machine;
pub mod measure;
pub mod method;
mod ordered;
pub mod pipeline;
pub mod pipeline_spec;
mod plan;
pub mod plugin_probe;
pub mod plugins;
mod provenance;
pub mod random;
mod recode;
pub mod recompress;
pub mod simulate;
pub mod simulated_file;
mod slabs;
mod source_digest;
pub mod source_file;
pub mod speed;
mod staged_file;
mod tree;
mod tree_copy;
mod typed_values;
mod value_copy;
