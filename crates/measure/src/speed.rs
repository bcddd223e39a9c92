//! Time and size of a method on chunks in memory, on one thread.
//!
//! A run encodes every chunk, then decodes every chunk. Each call is timed by itself, so a run's time holds no copies,
//! no allocation and no reading; the figures of a method are the medians over the runs, and the coefficient of
//! variation over the runs says how far to trust them. 1 GB is 10⁹ bytes of raw data. Every decoded chunk is compared
//! with the raw one, outside the timed part.
//!
//! Small inputs are passed several times in a run, so that a run takes 10 ms at least.

use std::time::{Duration, Instant};

use etalon_codec::{Element, Error, Layout};

use crate::absolute_error::max_abs_error;
use crate::method::{Coder, Method, is_refused};

/// Runs below this time say more about the clock and the caches than about the method.
const LEAST_RUN: Duration = Duration::from_millis(10);

/// A decoded chunk.
pub struct RawChunk {
    /// Coordinates of its first element, slowest dimension first.
    pub offset: Vec<u64>,
    /// Its bytes, in the order of the file.
    pub bytes: Vec<u8>,
}

/// What was measured on some chunks.
#[derive(Debug, Clone)]
pub struct Speed {
    /// Bytes of raw data.
    pub raw_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Raw bytes per nanosecond while encoding, median.
    pub encode_gbps: f64,
    /// Raw bytes per nanosecond while decoding, median.
    pub decode_gbps: f64,
    /// Standard deviation of the encoding times over their mean.
    pub encode_cv: f64,
    /// Standard deviation of the decoding times over their mean.
    pub decode_cv: f64,
    /// Largest difference between a decoded value and the raw one.
    pub max_abs_error: f64,
}

impl Speed {
    /// Raw over stored bytes.
    pub fn ratio(&self) -> f64 {
        self.raw_bytes as f64 / self.stored_bytes as f64
    }
}

/// A method's figures over all chunks, and by chunk.
pub struct Measured {
    /// Over all chunks.
    pub total: Speed,
    /// By chunk, in the order given.
    pub chunks: Vec<Speed>,
    /// Chunks in which a lossy codec fell back to a finer setting or to a lossless one.
    pub fallbacks: usize,
}

/// Times and size of one chunk.
#[derive(Default, Clone)]
struct ChunkRuns {
    raw_bytes: usize,
    stored_bytes: usize,
    max_abs_error: f64,
    fell_back: bool,
    /// Nanoseconds, one entry a run.
    encode: Vec<f64>,
    decode: Vec<f64>,
}

/// Measures `method` on `chunks` over `runs` runs.
pub fn measure_speed(
    method: &Method,
    layout: &Layout,
    chunks: &[RawChunk],
    runs: usize,
) -> Result<Measured, Error> {
    let mut measured = measure_speeds(std::slice::from_ref(method), layout, chunks, runs, || ());
    measured.remove(0)
}

/// Measures several methods, of which each has its turn in every run, so that what disturbs the machine disturbs all of
/// them alike. `progress` is called after each run of a method. A method that refuses the chunks says why.
pub fn measure_speeds(
    methods: &[Method],
    layout: &Layout,
    chunks: &[RawChunk],
    runs: usize,
    mut progress: impl FnMut(),
) -> Vec<Result<Measured, Error>> {
    let mut benches: Vec<Result<Bench, Error>> = methods
        .iter()
        .map(|method| Bench::new(method, layout, chunks))
        .collect();
    for _ in 0..runs {
        for bench in &mut benches {
            if let Ok(running) = bench
                && let Err(error) = running.run(chunks)
            {
                *bench = Err(error);
            }
            progress();
        }
    }
    let measured = benches.into_iter().map(|bench| Ok(bench?.measured()));
    measured.collect()
}

fn passes_for(pass: Duration) -> u32 {
    let nanoseconds = pass.as_nanos().max(1);
    LEAST_RUN.as_nanos().div_ceil(nanoseconds).min(1000) as u32
}

struct Bench {
    coder: Coder,
    passes: u32,
    chunks: Vec<ChunkRuns>,
    stored: Vec<Vec<u8>>,
    encode_buffer: Vec<u8>,
    decode_buffer: Vec<u8>,
}

impl Bench {
    fn new(method: &Method, layout: &Layout, chunks: &[RawChunk]) -> Result<Self, Error> {
        let coder = method.coder(layout)?;
        let largest = chunks
            .iter()
            .map(|chunk| chunk.bytes.len())
            .max()
            .unwrap_or(0);
        let mut bench = Self {
            passes: 1,
            chunks: vec![ChunkRuns::default(); chunks.len()],
            stored: Vec::with_capacity(chunks.len()),
            encode_buffer: vec![0; coder.bound(largest)?],
            decode_buffer: vec![0; largest],
            coder,
        };
        // The first pass checks the result, warms the caches and says how often a run must go over the data.
        bench.passes = passes_for(bench.check(&layout.element, chunks)?);
        Ok(bench)
    }

    /// Encodes, decodes and compares once; returns the time the shorter of the two directions took.
    fn check(&mut self, element: &Element, chunks: &[RawChunk]) -> Result<Duration, Error> {
        let (mut encoding, mut decoding) = (Duration::ZERO, Duration::ZERO);
        let mut refusals = Vec::new();
        for (chunk, runs) in chunks.iter().zip(&mut self.chunks) {
            let start = Instant::now();
            let len = self.coder.encode(&chunk.bytes, &mut self.encode_buffer)?;
            encoding += start.elapsed();
            let decoded = &mut self.decode_buffer[..chunk.bytes.len()];
            let start = Instant::now();
            self.coder.decode(&self.encode_buffer[..len], decoded)?;
            decoding += start.elapsed();
            runs.raw_bytes = chunk.bytes.len();
            runs.stored_bytes = len;
            runs.max_abs_error = max_abs_error(element, &chunk.bytes, decoded);
            runs.fell_back = self.coder.fell_back(&self.encode_buffer[..len]);
            self.stored.push(self.encode_buffer[..len].to_vec());
            refusals.extend(self.coder.take_refusal());
        }
        if is_refused(refusals.len(), chunks.len()) {
            return Err(Error::Refused(refusals.swap_remove(0)));
        }
        Ok(encoding.min(decoding))
    }

    fn run(&mut self, chunks: &[RawChunk]) -> Result<(), Error> {
        let passes = self.passes;
        let mut encode = vec![0.0; chunks.len()];
        let mut decode = vec![0.0; chunks.len()];
        for _ in 0..passes {
            for (chunk, time) in chunks.iter().zip(&mut encode) {
                let start = Instant::now();
                self.coder.encode(&chunk.bytes, &mut self.encode_buffer)?;
                *time += start.elapsed().as_nanos() as f64;
            }
        }
        for _ in 0..passes {
            for ((chunk, stored), time) in chunks.iter().zip(&self.stored).zip(&mut decode) {
                let decoded = &mut self.decode_buffer[..chunk.bytes.len()];
                let start = Instant::now();
                self.coder.decode(stored, decoded)?;
                *time += start.elapsed().as_nanos() as f64;
            }
        }
        for ((runs, encode), decode) in self.chunks.iter_mut().zip(encode).zip(decode) {
            runs.encode.push(encode / f64::from(passes));
            runs.decode.push(decode / f64::from(passes));
        }
        Ok(())
    }

    fn measured(self) -> Measured {
        let total = self
            .chunks
            .iter()
            .fold(ChunkRuns::default(), |mut total, chunk| {
                total.raw_bytes += chunk.raw_bytes;
                total.stored_bytes += chunk.stored_bytes;
                total.max_abs_error = total.max_abs_error.max(chunk.max_abs_error);
                add(&mut total.encode, &chunk.encode);
                add(&mut total.decode, &chunk.decode);
                total
            });
        Measured {
            total: total.speed(),
            chunks: self.chunks.iter().map(ChunkRuns::speed).collect(),
            fallbacks: self.chunks.iter().filter(|chunk| chunk.fell_back).count(),
        }
    }
}

fn add(sum: &mut Vec<f64>, runs: &[f64]) {
    sum.resize(runs.len(), 0.0);
    for (sum, run) in sum.iter_mut().zip(runs) {
        *sum += run;
    }
}

impl ChunkRuns {
    fn speed(&self) -> Speed {
        let raw_bytes = self.raw_bytes as f64;
        Speed {
            raw_bytes: self.raw_bytes as u64,
            stored_bytes: self.stored_bytes as u64,
            encode_gbps: raw_bytes / median(&self.encode),
            decode_gbps: raw_bytes / median(&self.decode),
            encode_cv: variation(&self.encode),
            decode_cv: variation(&self.decode),
            max_abs_error: self.max_abs_error,
        }
    }
}

/// The middle value, or the mean of the two middle ones.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Sample standard deviation over mean.
pub(crate) fn variation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    if count < 2.0 || mean == 0.0 {
        return 0.0;
    }
    (squares / (count - 1.0)).sqrt() / mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use etalon_codec::{ByteOrder, ElementClass};

    #[test]
    fn statistics_are_those_of_the_textbook() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!((variation(&[1.0, 3.0]) - 2.0_f64.sqrt() / 2.0).abs() < 1e-12);
        assert_eq!(variation(&[5.0]), 0.0);
    }

    #[test]
    fn totals_are_sums_over_chunks_and_a_refusal_stops_nothing() {
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![2500]);
        let chunks: Vec<RawChunk> = (0..3)
            .map(|at| RawChunk {
                offset: vec![at],
                bytes: vec![at as u8; 5000],
            })
            .collect();
        let method = "shuffle+gzip".parse().unwrap();
        let refusing = "quantise:abs=0.01".parse().unwrap();
        let mut runs = 0;
        let mut measured = measure_speeds(&[refusing, method], &layout, &chunks, 5, || runs += 1);
        let (measured, refused) = (measured.pop().unwrap().unwrap(), measured.pop().unwrap());
        assert!(refused.is_err_and(|error| !error.to_string().is_empty()));
        let stored: u64 = measured.chunks.iter().map(|chunk| chunk.stored_bytes).sum();
        assert_eq!(
            (measured.total.raw_bytes, measured.total.stored_bytes),
            (15_000, stored)
        );
        assert_eq!((runs, measured.total.max_abs_error), (10, 0.0));
        assert!(measured.total.ratio() > 50.0 && measured.total.encode_gbps > 0.0);
    }
}
