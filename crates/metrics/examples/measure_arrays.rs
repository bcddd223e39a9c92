//! Measures raw arrays: the reference tests of Python call it, and so can any program without HDF5.
//!
//! A request in JSON on stdin: `metrics` (names), `settings`, `dtype` as numpy writes it, little-endian, `shape`
//! [frames, rows, columns], paths `original` and `decoded` (optional) of raw files, `step` (frames fed at once,
//! default all). The outcome as JSON on stdout; a number that is not defined is null.

use std::fs;

use etalon_metrics::{
    Error, FrameSource, Frames, Metric, Settings, Shape, Values, evaluate, metric_named,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Request {
    metrics: Vec<String>,
    #[serde(default)]
    settings: Settings,
    dtype: String,
    shape: [usize; 3],
    original: String,
    decoded: Option<String>,
    step: Option<usize>,
}

struct Arrays {
    request: Request,
    original: Vec<u8>,
    decoded: Vec<u8>,
    valid: Option<Vec<bool>>,
}

fn main() {
    let request: Request = serde_json::from_reader(std::io::stdin()).expect("a request in JSON");
    let names = request.metrics.clone();
    let settings = request.settings.clone();
    let metrics: Result<Vec<&'static Metric>, Error> =
        names.iter().map(|name| metric_named(name)).collect();
    let mut arrays = Arrays::load(request);
    let outcome = metrics.and_then(|metrics| evaluate(&metrics, &settings, &mut arrays));
    match outcome {
        Ok(outcome) => println!("{}", serde_json::to_string(&outcome).expect("plain data")),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}

impl Arrays {
    fn load(request: Request) -> Self {
        let read = |path: &str| fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let original = read(&request.original);
        let decoded = request.decoded.as_deref().map_or(original.clone(), read);
        let mut arrays = Self {
            request,
            original,
            decoded,
            valid: None,
        };
        arrays.valid = arrays.valid_elements();
        arrays
    }

    /// Elements that are no mask value and not NaN; `None` where all are.
    fn valid_elements(&self) -> Option<Vec<bool>> {
        let original = typed(&self.request.dtype, &self.original);
        let mask = &self.request.settings.mask;
        let values = original.values().to_f64(0..original.values().len());
        let valid: Vec<bool> = values
            .iter()
            .map(|value| !value.is_nan() && !mask.contains(value))
            .collect();
        valid.contains(&false).then_some(valid)
    }
}

impl FrameSource for Arrays {
    fn shape(&self) -> Shape {
        let [frames, rows, columns] = self.request.shape;
        Shape {
            frames,
            rows,
            columns,
        }
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let [count, rows, columns] = self.request.shape;
        let step = self.request.step.unwrap_or(count).max(1);
        let elements = count * rows * columns;
        let bytes = self.original.len() / elements.max(1);
        for first in (0..count).step_by(step) {
            let last = (first + step).min(count);
            let range = first * rows * columns..last * rows * columns;
            let part = |array: &[u8]| {
                typed(
                    &self.request.dtype,
                    &array[range.start * bytes..range.end * bytes],
                )
            };
            let (original, decoded) = (part(&self.original), part(&self.decoded));
            take(&Frames {
                original: original.values(),
                decoded: decoded.values(),
                valid: self.valid.as_ref().map(|valid| &valid[range.clone()]),
                first,
                count: last - first,
                rows,
                columns,
            })?;
        }
        Ok(())
    }
}

macro_rules! typed_arrays {
    ($($variant:ident $type:ty, $dtype:literal;)*) => {
        enum Typed { $($variant(Vec<$type>),)* }

        impl Typed {
            fn values(&self) -> Values<'_> {
                match self { $(Typed::$variant(values) => Values::$variant(values),)* }
            }
        }

        fn typed(dtype: &str, bytes: &[u8]) -> Typed {
            match dtype {
                $($dtype => Typed::$variant(
                    bytes
                        .chunks_exact(size_of::<$type>())
                        .map(|bytes| <$type>::from_le_bytes(bytes.try_into().expect("exact chunks")))
                        .collect(),
                ),)*
                other => panic!("dtype {other}"),
            }
        }
    };
}
typed_arrays! {
    I8 i8, "|i1"; U8 u8, "|u1"; I16 i16, "<i2"; U16 u16, "<u2"; I32 i32, "<i4"; U32 u32, "<u4";
    I64 i64, "<i8"; U64 u64, "<u8"; F32 f32, "<f4"; F64 f64, "<f8";
}
