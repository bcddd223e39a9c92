//! The codec table and SPECs, for the Python half to make classes and messages of.

use etalon_codec::{
    ByteOrder, CODECS, Codec, Element, ElementClass, Error, FILTERS, Filter, Kind, Layout, Param,
    Spec,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A list of dictionaries, one for each codec: name, about, lossless, filter_id, params.
#[pyfunction]
pub(crate) fn codecs(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    CODECS.iter().map(|codec| codec_row(py, codec)).collect()
}

fn codec_row<'py>(py: Python<'py>, codec: &Codec) -> PyResult<Bound<'py, PyDict>> {
    let row = PyDict::new(py);
    row.set_item("name", codec.name)?;
    row.set_item("about", codec.about)?;
    row.set_item("lossless", codec.lossless)?;
    row.set_item("filter_id", codec.filter.id)?;
    let params: Vec<_> = codec
        .params
        .iter()
        .map(|param| param_row(py, param))
        .collect::<PyResult<_>>()?;
    row.set_item("params", params)?;
    Ok(row)
}

fn param_row<'py>(py: Python<'py>, param: &Param) -> PyResult<Bound<'py, PyDict>> {
    let row = PyDict::new(py);
    row.set_item("name", param.name)?;
    row.set_item("about", param.about)?;
    row.set_item("default", param.default)?;
    let kind = match &param.kind {
        Kind::Integer { min, max } => {
            row.set_item("range", (min, max))?;
            "integer"
        }
        Kind::Number { min, max } => {
            row.set_item("range", (min, max))?;
            "number"
        }
        Kind::Choice(words) => {
            row.set_item("choices", words.to_vec())?;
            "choice"
        }
        Kind::Flag => "flag",
        Kind::Values => "values",
        Kind::Text => "text",
    };
    row.set_item("kind", kind)?;
    Ok(row)
}

/// `(id, name, class name)` of every filter.
#[pyfunction]
pub(crate) fn filters() -> Vec<(u32, &'static str, String)> {
    let row = |filter: &&Filter| {
        let class_name = filter.class_name.to_string_lossy().into_owned();
        (filter.id, filter.name, class_name)
    };
    FILTERS.iter().map(row).collect()
}

/// The SPEC `codec:key=value,…` in its shortest form, its filter id and the options that a user passes to HDF5.
/// `filter_id` may name a filter other than the codec's own, such as the one that only rounds.
#[pyfunction]
#[pyo3(signature = (codec, pairs, filter_id=None))]
pub(crate) fn user_values(
    codec: &str,
    pairs: Vec<(String, String)>,
    filter_id: Option<u32>,
) -> PyResult<(String, u32, Vec<u32>)> {
    let spec = spec_from(codec, &pairs).map_err(value_error)?;
    let filter = match filter_id {
        None => spec.codec().filter,
        Some(id) => filter_of(id)?,
    };
    let values = (filter.user_values)(&spec).map_err(value_error)?;
    Ok((spec.to_string(), filter.id, values))
}

fn spec_from(codec: &str, pairs: &[(String, String)]) -> Result<Spec, Error> {
    // Which codec a bound of `auto` means is the parser's to say.
    if codec == "auto" {
        let pairs: Vec<String> = (pairs.iter())
            .map(|(key, text)| format!("{key}={text}"))
            .collect();
        return format!("{codec}:{}", pairs.join(",")).parse();
    }
    // Parsing the bare name finds the codec, or says which there are.
    let codec = match CODECS.iter().find(|row| row.name == codec) {
        Some(codec) => codec,
        None => codec.parse::<Spec>()?.codec(),
    };
    Spec::new(
        codec,
        pairs
            .iter()
            .map(|(key, text)| (key.as_str(), text.as_str())),
    )
}

/// The SPEC that stored `cd_values` of a filter stand for, or None where they are not its own.
#[pyfunction]
pub(crate) fn spec_of(filter_id: u32, values: Vec<u32>) -> PyResult<Option<String>> {
    let spec = (filter_of(filter_id)?.spec_of)(&values);
    Ok(spec.map(|spec| spec.to_string()))
}

/// Filter id and complete `cd_values` of a SPEC for chunks of `shape` with elements of `dtype`, as numpy writes it
/// (`<u2`).
#[pyfunction]
#[pyo3(signature = (spec, dtype, shape, fill=None))]
pub(crate) fn cd_values(
    spec: &str,
    dtype: &str,
    shape: Vec<usize>,
    fill: Option<Vec<u8>>,
) -> PyResult<(u32, Vec<u32>)> {
    let spec: Spec = spec.parse().map_err(value_error)?;
    let layout = layout_of(dtype, shape, fill)?;
    let filter = spec.codec().filter;
    let values = (filter.cd_values)(&spec, &layout).map_err(value_error)?;
    Ok((filter.id, values))
}

pub(crate) fn filter_of(id: u32) -> PyResult<&'static Filter> {
    Filter::by_id(id)
        .ok_or_else(|| PyValueError::new_err(format!("filter {id} is not one of Etalon's")))
}

/// The layout that numpy's name of a type stands for.
pub(crate) fn layout_of(dtype: &str, shape: Vec<usize>, fill: Option<Vec<u8>>) -> PyResult<Layout> {
    let element = element_of(dtype)
        .ok_or_else(|| PyValueError::new_err(format!("no type of an element: '{dtype}'")))?;
    Ok(Layout {
        element,
        shape,
        fill,
    })
}

fn element_of(dtype: &str) -> Option<Element> {
    let mut letters = dtype.chars();
    let order = match letters.next()? {
        '>' => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    let class = match letters.next()? {
        'u' => ElementClass::Unsigned,
        'i' => ElementClass::Signed,
        'f' => ElementClass::Float,
        _ => ElementClass::Other,
    };
    let bytes = letters.as_str().parse().ok().filter(|&bytes| bytes > 0)?;
    Some(Element {
        class,
        bytes,
        order,
    })
}

/// numpy's name of an element type; `V` where only its size is known.
pub(crate) fn dtype_of(element: &Element) -> String {
    let class = match element.class {
        ElementClass::Unsigned => 'u',
        ElementClass::Signed => 'i',
        ElementClass::Float => 'f',
        ElementClass::Other => 'V',
    };
    let order = match (element.bytes, element.class, element.order) {
        (1, ..) | (_, ElementClass::Other, _) => '|',
        (_, _, ByteOrder::Little) => '<',
        (_, _, ByteOrder::Big) => '>',
    };
    format!("{order}{class}{}", element.bytes)
}

pub(crate) fn value_error(error: Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}
