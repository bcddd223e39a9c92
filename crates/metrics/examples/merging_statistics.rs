//! Merging statistics of a table of reflections: the reference tests of Python call it, and so can any program.
//!
//! A request in JSON on stdin: paths `hkl` (i32, three for each observation), `intensity`, and optionally `sigma` and
//! `spacing` (f64), of raw little-endian files; `cell` instead of spacings; `settings`; `shells`, the number of shells of resolution, default none.
//! On stdout, as JSON, `overall` and `shells`, and of shells the resolution at which CC½ is 0.3; a number that is not
//! defined is null.

use std::fs;

use etalon_metrics::{
    Error, MergingSettings, Reflections, cc_half_resolution, merging, merging_by_shell, spacings,
};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Request {
    hkl: String,
    intensity: String,
    sigma: Option<String>,
    spacing: Option<String>,
    cell: Option<[f64; 6]>,
    #[serde(default)]
    settings: MergingSettings,
    #[serde(default)]
    shells: usize,
}

fn main() {
    let request: Request = serde_json::from_reader(std::io::stdin()).expect("a request in JSON");
    match statistics(&request) {
        Ok(answer) => println!("{answer}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn statistics(request: &Request) -> Result<serde_json::Value, Error> {
    let indices = read(&request.hkl, i32::from_le_bytes);
    let intensity = floats(&request.intensity);
    let sigma = request.sigma.as_deref().map(floats);
    let of_cell = |cell| spacings(indices.as_chunks().0, cell);
    let spacing = request.spacing.as_deref().map(floats);
    let spacing = spacing.or_else(|| request.cell.map(of_cell));
    let reflections = Reflections {
        hkl: indices.as_chunks().0,
        intensity: &intensity,
        sigma: sigma.as_deref(),
        spacing: spacing.as_deref(),
    };
    let overall = merging(&reflections, request.settings)?;
    let shells = match request.shells {
        0 => Vec::new(),
        shells => merging_by_shell(&reflections, request.settings, shells)?,
    };
    let resolution = cc_half_resolution(&shells);
    Ok(json!({ "overall": overall, "shells": shells, "cc_half_resolution": resolution }))
}

fn floats(path: &str) -> Vec<f64> {
    read(path, f64::from_le_bytes)
}

fn read<T, const BYTES: usize>(path: &str, from: fn([u8; BYTES]) -> T) -> Vec<T> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (elements, _) = bytes.as_chunks::<BYTES>();
    elements.iter().map(|bytes| from(*bytes)).collect()
}
