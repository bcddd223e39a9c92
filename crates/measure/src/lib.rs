//! HDF5 files, measured: datasets read and written chunk by chunk, codecs timed on them, files recompressed, and what
//! HDF5 programs need to read them.
//!
//! * [`source_file`], [`dataset`], [`chunk_source`], [`pipeline`]: what a file holds, and its chunks decoded on any
//!   thread;
//! * [`recompress`]: a copy of a file with its datasets stored by another codec;
//! * [`method`], [`speed`], [`measure`]: ratio, speed and error of codecs;
//! * [`bench`], [`bench_row`], [`bench_cache`], [`candidate`], [`peer`], [`h5py_worker`], [`bounds`], [`power_law`]: the same codecs beside
//!   everybody else's through h5py, and what the data allow;
//! * [`compare`]: a dataset beside what was decoded of it, fed to the metrics;
//! * [`verify`], [`salvage`]: whether datasets are what they claim to be, and a copy without damaged chunks;
//! * [`inspect`]: how datasets are stored, and damaged chunks;
//! * [`plugins`], [`plugin_probe`], [`known_filters`], [`doctor`]: which filters HDF5 programs find here;
//! * [`live_file`]: a file that is read while frames are written to it, for `etalon-daq`;
//! * [`simulate`], [`simulate_4dstem`], [`random`]: detector frames made up for the demo and for tests.

mod absolute_error;
pub mod bench;
pub mod bench_cache;
mod bench_route;
pub mod bench_row;
pub mod bounds;
mod box_copy;
mod byte_shuffle;
pub mod candidate;
mod chunk_check;
mod chunk_encoder;
mod chunk_front;
pub mod chunk_shape;
pub mod chunk_source;
mod claim;
pub mod compare;
pub mod dataset;
mod disk_space;
pub mod doctor;
mod element_words;
pub mod events;
pub mod fault;
mod fletcher32;
pub mod glob;
pub mod h5py_worker;
mod hdf5;
pub mod inspect;
mod iso_time;
pub mod known_filters;
pub mod live_file;
mod loss;
pub mod machine;
pub mod measure;
pub mod merging_columns;
pub mod method;
mod ordered;
pub mod peer;
mod peer_filters;
pub mod pipeline;
pub mod pipeline_spec;
mod plan;
pub mod plugin_probe;
pub mod plugins;
pub mod power_law;
mod provenance;
pub mod random;
mod recode;
pub mod recompress;
pub mod salvage;
pub mod sha256;
pub mod simulate;
pub mod simulate_4dstem;
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
pub mod verify;
