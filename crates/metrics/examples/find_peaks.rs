//! Peaks of two raw frames and which of them match: the reference tests of Python call it.
//!
//! A request in JSON on stdin: `settings`, `shape` [rows, columns], paths `original` and `decoded` of raw files of f64
//! and `valid` (optional) of bytes, all little-endian. Lists of peaks [row, column, intensity, snr, pixels] and of pairs
//! [place in original, place in decoded, distance] as JSON on stdout.

use std::fs;

use etalon_metrics::{Error, Peak, PeakFinder, Settings, match_peaks};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    settings: Settings,
    shape: [usize; 2],
    original: String,
    decoded: String,
    valid: Option<String>,
}

type Row = (f64, f64, f64, f64, usize);

#[derive(Serialize)]
struct Answer {
    original: Vec<Row>,
    decoded: Vec<Row>,
    pairs: Vec<(usize, usize, f64)>,
}

fn main() {
    let request: Request = serde_json::from_reader(std::io::stdin()).expect("a request in JSON");
    match answer(&request) {
        Ok(answer) => println!("{}", serde_json::to_string(&answer).expect("plain data")),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

fn answer(request: &Request) -> Result<Answer, Error> {
    let [rows, columns] = request.shape;
    let (peaks, geometry) = (&request.settings.peaks, &request.settings.geometry);
    let finder = PeakFinder::new(peaks, geometry, rows, columns, "peaks")?;
    let valid = request.valid.as_deref().map(bytes);
    let valid = valid.map(|valid| valid.iter().map(|byte| *byte != 0).collect::<Vec<_>>());
    let find = |path: &str| {
        let values = bytes(path);
        let values = values.chunks_exact(8);
        let values = values.map(|value| f64::from_le_bytes(value.try_into().expect("8 bytes")));
        finder.find(&values.collect::<Vec<_>>(), valid.as_deref())
    };
    let (original, decoded) = (find(&request.original), find(&request.decoded));
    let pairs = match_peaks(&original, &decoded, peaks.match_px);
    let pairs = pairs.iter().map(|p| (p.original, p.decoded, p.distance_px));
    Ok(Answer {
        original: table(&original),
        decoded: table(&decoded),
        pairs: pairs.collect(),
    })
}

fn bytes(path: &str) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn table(peaks: &[Peak]) -> Vec<Row> {
    let rows = peaks.iter();
    rows.map(|p| (p.row, p.column, p.intensity, p.snr, p.pixels))
        .collect()
}
