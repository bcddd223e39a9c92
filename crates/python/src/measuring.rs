//! Metrics of two arrays.

use std::cell::RefCell;
use std::collections::BTreeMap;

use etalon_metrics::{
    Error, FrameSource, Frames, METRICS, Metric, Settings, Shape, Values, evaluate, metric_named,
    profile,
};
use numpy::{Element, PyReadonlyArray1, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A list of dictionaries, one for each metric: id, name, about, values, curves, needs.
#[pyfunction]
pub(crate) fn metrics(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let row = |metric: &&Metric| {
        let row = PyDict::new(py);
        row.set_item("id", metric.id)?;
        row.set_item("name", metric.name)?;
        row.set_item("about", metric.about)?;
        row.set_item("values", metric.values.to_vec())?;
        row.set_item("curves", metric.curves.to_vec())?;
        row.set_item("needs", metric.needs.to_vec())?;
        Ok(row)
    };
    METRICS.iter().map(row).collect()
}

/// The elements of a one-dimensional array, borrowed from Python.
enum Borrowed<'py> {
    I8(PyReadonlyArray1<'py, i8>),
    U8(PyReadonlyArray1<'py, u8>),
    I16(PyReadonlyArray1<'py, i16>),
    U16(PyReadonlyArray1<'py, u16>),
    I32(PyReadonlyArray1<'py, i32>),
    U32(PyReadonlyArray1<'py, u32>),
    I64(PyReadonlyArray1<'py, i64>),
    U64(PyReadonlyArray1<'py, u64>),
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

macro_rules! borrowed {
    ($($variant:ident)*) => {
        impl<'py> Borrowed<'py> {
            fn of(array: &Bound<'py, PyUntypedArray>) -> PyResult<Self> {
                $(if let Some(typed) = typed(array) {
                    return Ok(Self::$variant(typed));
                })*
                Err(PyTypeError::new_err("elements are integers or floats of up to 64 bits"))
            }

            fn values(&self) -> PyResult<Values<'_>> {
                Ok(match self {
                    $(Self::$variant(array) => Values::$variant(array.as_slice()?),)*
                })
            }
        }
    };
}
borrowed!(I8 U8 I16 U16 I32 U32 I64 U64 F32 F64);

fn typed<'py, T: Element>(array: &Bound<'py, PyUntypedArray>) -> Option<PyReadonlyArray1<'py, T>> {
    array.extract().ok()
}

/// Two arrays in memory, as many frames at a time as make a piece.
struct Arrays<'a> {
    original: Values<'a>,
    decoded: Values<'a>,
    valid: Option<&'a [bool]>,
    shape: Shape,
    told: Told,
}

/// Who is told of frames that are done: a Python function of their number, from 0 again where frames are gone over again.
struct Told {
    function: Option<Py<PyAny>>,
    /// What it raised, which ends the work.
    raised: RefCell<Option<PyErr>>,
}

impl Told {
    fn of(&self, frames: usize) -> Result<(), Error> {
        let Some(function) = &self.function else {
            return Ok(());
        };
        let told = Python::attach(|py| {
            py.check_signals()?;
            function.call1(py, (frames,)).map(drop)
        });
        told.map_err(|error| {
            *self.raised.borrow_mut() = Some(error);
            Error::Source("progress".into())
        })
    }
}

/// Elements of a piece: metrics keep some numbers for each.
const PIECE_ELEMENTS: usize = 1 << 22;

impl FrameSource for Arrays<'_> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn for_each(
        &mut self,
        take: &mut dyn FnMut(&Frames<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Shape {
            frames,
            rows,
            columns,
        } = self.shape;
        let at_a_time = (PIECE_ELEMENTS / (rows * columns).max(1)).max(1);
        for first in (0..frames).step_by(at_a_time) {
            self.told.of(first)?;
            let count = at_a_time.min(frames - first);
            let range = first * rows * columns..(first + count) * rows * columns;
            take(&Frames {
                original: part(self.original, range.clone()),
                decoded: part(self.decoded, range.clone()),
                valid: self.valid.map(|valid| &valid[range]),
                first,
                count,
                rows,
                columns,
            })?;
        }
        self.told.of(frames)
    }
}

macro_rules! part_of {
    ($($variant:ident)*) => {
        fn part(values: Values<'_>, range: std::ops::Range<usize>) -> Values<'_> {
            match values {
                $(Values::$variant(slice) => Values::$variant(&slice[range]),)*
            }
        }
    };
}
part_of!(I8 U8 I16 U16 I32 U32 I64 U64 F32 F64);

/// The numbers of the metrics (or profiles) named, and the rest as JSON: curves, images, notes. Both arrays are
/// one-dimensional, of `frames × rows × columns` elements of one type; `settings` is JSON as well, and `valid` says which
/// elements count. `progress` is called with the number of frames that are done.
#[pyfunction]
#[pyo3(signature = (original, decoded, shape, names, settings, valid=None, progress=None))]
#[expect(clippy::too_many_arguments, reason = "Python's half calls it")]
pub(crate) fn compare(
    py: Python<'_>,
    original: &Bound<'_, PyUntypedArray>,
    decoded: &Bound<'_, PyUntypedArray>,
    shape: (usize, usize, usize),
    names: Vec<String>,
    settings: &str,
    valid: Option<PyReadonlyArray1<'_, bool>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(BTreeMap<String, f64>, String)> {
    let asked = named(&names).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let settings: Settings = serde_json::from_str(settings)
        .map_err(|error| PyValueError::new_err(format!("settings: {error}")))?;
    let (original, decoded) = (Borrowed::of(original)?, Borrowed::of(decoded)?);
    let (frames, rows, columns) = shape;
    let mut source = Arrays {
        original: original.values()?,
        decoded: decoded.values()?,
        valid: valid.as_ref().map(|valid| valid.as_slice()).transpose()?,
        shape: Shape {
            frames,
            rows,
            columns,
        },
        told: Told {
            function: progress,
            raised: RefCell::default(),
        },
    };
    let elements = frames * rows * columns;
    let valid_len = source.valid.map_or(elements, <[bool]>::len);
    if [source.original.len(), source.decoded.len(), valid_len] != [elements; 3] {
        return Err(PyValueError::new_err("arrays of another shape"));
    }
    let outcome = py.detach(|| evaluate(&asked, &settings, &mut source));
    if let Some(raised) = source.told.raised.take() {
        return Err(raised);
    }
    let mut outcome = outcome.map_err(|error| PyValueError::new_err(error.to_string()))?;
    // JSON has no infinity, which the PSNR of a lossless copy is.
    let values = std::mem::take(&mut outcome.values);
    let rest = serde_json::to_string(&outcome)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((values, rest))
}

fn named(names: &[String]) -> Result<Vec<&'static Metric>, Error> {
    let mut found = Vec::new();
    for name in names {
        match profile(name) {
            Some(members) => {
                for member in members {
                    found.push(metric_named(member)?);
                }
            }
            None => found.push(metric_named(name)?),
        }
    }
    Ok(found)
}
