//! Placeholder.

mod absolute_error;
pub mod doctor;
pub mod glob;
pub mod inspect;
pub mod known_filters;
pub mod machine;
pub mod measure;
pub mod method;
pub mod pipeline_spec;
pub mod plugin_probe;
pub mod plugins;
pub mod random;
pub mod simulate;
pub mod source;
pub mod speed;
